//! `rotation notify`: tells people and other systems what stands on the alert topic.
//!
//! An ordinary subscriber: a consumer group that reads committed events, and acts on each id once as far as the target
//! allows. [`routing`] says which targets an event goes to, [`ledger`] what each knows already, [`payload`] what it is
//! sent, [`worker`] sends it, and [`engine`] moves all that along and commits it. What is promised, and within which
//! limits, is in `docs/NOTIFY.md`.

use crate::config::{Config, NotifyConfig};
use crate::kafka::{KafkaSettings, preflight};
use crate::run::logs::LogFormat;
use anyhow::bail;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

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
mod serve;
pub(crate) mod template;
mod worker;

pub(crate) use describe::describe;
pub(crate) use letters::UNDELIVERED;
pub use marks::Begin;
pub use metrics::NAMES;

use send::{Outcome, Sender};

/// Tell people and other systems what stands on the alert topic.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rotation notify --config rules.toml --dry-run         which of the newest events would go where
  rotation notify --config rules.toml --test chat       an opening and its end to the target chat
  rotation notify --config rules.toml                   the notifier

Targets and routes are in the section [notify] of the configuration; SIGHUP reads it again.

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
    let config = load(args)?;
    let notify = &config.notify;
    if let Some(name) = &args.test {
        return test(notify, name, config.public_url(), out);
    }
    if let Some(events) = args.dry_run {
        let settings = KafkaSettings::from_config(&config.whole.kafka, "notify")?;
        preflight::connect(&settings)?;
        dry_run::show(&settings, notify, args.begin, events, out)?;
        return Ok(ExitCode::SUCCESS);
    }
    serve::serve(args, config)
}

/// A configuration with at least one target.
struct Loaded {
    whole: Config,
    notify: NotifyConfig,
}

impl Loaded {
    fn public_url(&self) -> Option<&str> {
        self.whole.http.public_url.as_deref()
    }
}

/// Reads the configuration, with what the command line says instead.
fn load(args: &Args) -> anyhow::Result<Loaded> {
    let mut config = Config::load(&args.config)?;
    if !args.brokers.is_empty() {
        config.kafka.brokers.clone_from(&args.brokers);
    }
    config.http.listen = args.listen;
    let notify = config.notify.clone();
    let Some(notify) = notify.filter(|notify| !notify.targets.is_empty()) else {
        let file = args.config.display();
        bail!(
            "{file}: expected at least one target, [notify.targets.NAME]; docs/NOTIFY.md shows some"
        );
    };
    Ok(Loaded {
        whole: config,
        notify,
    })
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
