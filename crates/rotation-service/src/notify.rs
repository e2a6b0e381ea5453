//! `rotation notify`: tells people and other systems what stands on the alert topic.
//!
//! An ordinary subscriber: a consumer group that reads committed events, and acts on each id once as far as the target
//! allows. [`routing`] says which targets an event goes to, [`ledger`] what each knows already, [`payload`] what it is
//! sent, [`worker`] sends it, and [`engine`] moves all that along and commits it. What is promised, and within which
//! limits, is in `docs/NOTIFY.md`.

use crate::config::{Config, NotifyConfig};
use crate::http::{self, Access};
use crate::kafka::{KafkaSettings, preflight, topics};
use crate::metrics::Metrics;
use crate::run::logs::{self, LogFormat};
use crate::run::{StagesHealth, stop_on_signal, wait_for};
use crate::secrets;
use crate::stage::{Liveness, StageSettings, StopSignal};
use anyhow::{Context, bail};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

mod describe;
mod dry_run;
mod engine;
mod event;
mod ledger;
mod letters;
mod marks;
mod members;
mod metrics;
mod outbox;
mod payload;
mod routing;
mod sample;
mod send;
pub(crate) mod template;
mod worker;

pub(crate) use describe::describe;
pub(crate) use letters::UNDELIVERED;
pub use marks::Begin;
pub use metrics::NAMES;

use engine::{Notifier, Setup};
use metrics::NotifyMetrics;
use send::{Outcome, Sender};

/// Tell people and other systems what stands on the alert topic.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rotation notify --config rules.toml --dry-run         which of the newest events would go where
  rotation notify --config rules.toml --test chat       an opening and its end to the target chat
  rotation notify --config rules.toml                   the notifier

Targets and routes are in the section [notify] of the configuration.

Exit codes: 0 stopped by a signal, everything committed; 1 a test was not taken; 2 wrong configuration; 3 Kafka failed.")]
pub struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE", env = "ROTATION_CONFIG")]
    config: PathBuf,
    /// Name of this process in its group: the same after a restart, another for each process. Default: the host's name.
    #[arg(long, value_name = "NAME", env = "ROTATION_INSTANCE")]
    instance: Option<String>,
    /// Brokers, instead of those in the configuration: host:port,host:port.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        env = "ROTATION_BROKERS"
    )]
    brokers: Vec<String>,
    /// What a target is told of events that are older than it: of what stands, of every event, or of nothing.
    #[arg(long, value_enum, default_value = "standing")]
    begin: Begin,
    /// Send a test to this target, an opening and its end, and do nothing else.
    #[arg(long, value_name = "TARGET", conflicts_with = "dry_run")]
    test: Option<String>,
    /// Print which of the newest events would go where, and do nothing else.
    #[arg(long, value_name = "EVENTS", num_args = 0..=1, default_missing_value = "20")]
    dry_run: Option<usize>,
    /// Address of /metrics, /healthz and /readyz.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9465",
        env = "ROTATION_NOTIFY_LISTEN"
    )]
    listen: SocketAddr,
    /// The address once more, where it is beyond loopback and there is no token: whoever reaches it may then read.
    #[arg(long, value_name = "ADDRESS")]
    insecure_listen: Option<SocketAddr>,
    /// How log lines look.
    #[arg(long, value_enum, default_value = "text", env = "ROTATION_LOG_FORMAT")]
    log_format: LogFormat,
}

/// Runs the command.
///
/// # Errors
/// A wrong configuration, a secret that cannot be had, Kafka.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut config = Config::load(&args.config)?;
    if !args.brokers.is_empty() {
        config.kafka.brokers.clone_from(&args.brokers);
    }
    let Some(notify) = config
        .notify
        .clone()
        .filter(|notify| !notify.targets.is_empty())
    else {
        let file = args.config.display();
        bail!(
            "{file}: expected at least one target, [notify.targets.NAME]; docs/NOTIFY.md shows some"
        );
    };
    if let Some(name) = &args.test {
        return test(&notify, name, config.http.public_url.as_deref(), out);
    }
    if let Some(events) = args.dry_run {
        let settings = KafkaSettings::from_config(&config.kafka, "notify")?;
        preflight::connect(&settings)?;
        dry_run::show(&settings, &notify, args.begin, events, out)?;
        return Ok(ExitCode::SUCCESS);
    }
    serve(args, config, notify)
}

/// Sends a test and says what came of it.
fn test(
    notify: &NotifyConfig,
    name: &str,
    public_url: Option<&str>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let Some(target) = notify.targets.iter().find(|target| target.name == name) else {
        let known: Vec<&str> = notify
            .targets
            .iter()
            .map(|target| target.name.as_str())
            .collect();
        bail!(
            "--test: expected one of {}, found \"{name}\"",
            known.join(", ")
        );
    };
    let sender = Sender::new(target)?;
    for notice in sample::notices(send::now_millis(), public_url) {
        let state = notice.event.alert.state.name();
        match sender.notice(&notice) {
            Outcome::Taken => writeln!(out, "{name}: {state}: taken")?,
            Outcome::Failed { why, .. } => {
                writeln!(
                    out,
                    "{name}: {state}: not taken, would be tried again: {why}"
                )?;
                return Ok(ExitCode::FAILURE);
            }
            Outcome::Refused(why) => {
                writeln!(out, "{name}: {state}: refused: {why}")?;
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(args: &Args, mut config: Config, notify: NotifyConfig) -> anyhow::Result<ExitCode> {
    logs::start(args.log_format)?;
    for warning in secrets::warnings(&config, &args.config) {
        tracing::warn!("{warning}");
    }
    config.http.listen = args.listen;
    let access = Access::new(&config.http, args.insecure_listen)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let stop: StopSignal = Arc::new(AtomicBool::new(false));
    runtime.spawn(stop_on_signal(stop.clone()));
    let listener = runtime
        .block_on(TcpListener::bind(args.listen))
        .with_context(|| {
            format!(
                "cannot listen on {} (another process? choose another with --listen)",
                args.listen
            )
        })?;
    let address = listener.local_addr()?;
    let instance = crate::run::instance(args.instance.as_deref());
    let kafka = KafkaSettings::from_config(&config.kafka, &instance)?;
    preflight::connect(&kafka)?;
    let names = kafka.topics.clone();
    for topic in [&names.alerts, &names.dead_letters] {
        topics::count_partitions(&kafka, topic)?;
    }
    let metrics = Metrics::new();
    let liveness: Arc<Liveness> = Arc::default();
    let settings = StageSettings::new(
        kafka,
        &notify.name,
        0,
        &names.alerts,
        vec![names.dead_letters],
    );
    let group = settings.kafka.stage_group(&notify.name);
    let notifier = Notifier::start(Setup {
        settings,
        public_url: config.http.public_url.clone(),
        begin: args.begin,
        metrics: NotifyMetrics::new(&metrics),
        liveness: liveness.clone(),
        stop: stop.clone(),
        config: notify,
    })?;
    let health = Arc::new(StagesHealth(vec![("notify".to_owned(), liveness)]));
    let http = http::serve(
        listener,
        access,
        metrics,
        health,
        None,
        None,
        wait_for(stop.clone()),
    );
    let http = runtime.spawn(http);
    tracing::info!(%address, instance, group, "rotation notify runs");
    let result = notifier.run();
    stop.store(true, Ordering::SeqCst);
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(2), http).await })
        .ok();
    runtime.shutdown_timeout(Duration::from_secs(2));
    result?;
    tracing::info!("stopped, everything committed");
    Ok(ExitCode::SUCCESS)
}
