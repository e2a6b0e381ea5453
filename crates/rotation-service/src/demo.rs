//! `rotation demo`: the whole path on an embedded broker.
//!
//! librdkafka's mock cluster speaks the real protocol inside this process. An invented market that retells the Great
//! Rotation ([`rotation_sim::scenario`]) is produced into it in accelerated time, the service that `rotation run` runs
//! reads it, and its alerts are read back from the alert topic as any subscriber would.
//!
//! What the embedded broker is not: it keeps the newest 5 MiB of a partition and nothing on disk, its transactions
//! neither isolate nor survive, and it answers no admin request. So the feed waits for the service ([`feed`]), the
//! service keeps no state, and exactly-once delivery is not what is shown here.

use crate::config::Config;
use crate::http::Access;
use crate::metrics::Metrics;
use crate::run;
use crate::stage::{StateMode, StopSignal};
use crate::tail::{self, Color, Follower, Start};
use anyhow::{Context, bail};
use rotation_sim::scenario::Scenario;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

mod embedded;
mod feed;
mod gauges;
mod narrate;
#[cfg(test)]
mod tests;

use embedded::Embedded;
use feed::{Fed, Feed};
use gauges::Gauges;
use narrate::Tally;

/// Show the whole path at work on an embedded broker.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rotation demo                            16 sessions in about 20 seconds, then the end
  rotation demo --hold                     stays, so that the page, the topics and the metrics can be looked at
  rotation demo --session-seconds 0        as fast as the service reads
  rotation demo --json | jq .data.evidence

Exit codes: 0 the scenario was played, 1 interrupted before its end, 3 the service failed.")]
pub struct Args {
    /// Decides every price; the figures of the story hold for all.
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Seconds that a session of the market takes; 0 for as fast as the service reads.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = session_seconds)]
    pub session_seconds: f64,
    /// Stay after the end, until interrupted.
    #[arg(long)]
    pub hold: bool,
    /// Print the alert events as they are, one JSON document a line, and everything else to standard error.
    #[arg(long)]
    pub json: bool,
    /// Address of the page, /metrics, /healthz and /readyz; another port is taken where this one is in use.
    #[arg(long, value_name = "ADDRESS", default_value = crate::config::LISTEN_DEFAULT, env = "ROTATION_LISTEN")]
    pub listen: SocketAddr,
    /// Whether lines are coloured.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// Longer sessions would let the embedded broker's clients think that the feed has stopped.
const SESSION_SECONDS_MAX: f64 = 600.0;

fn session_seconds(text: &str) -> Result<f64, String> {
    let seconds = text
        .parse::<f64>()
        .ok()
        .filter(|seconds| (0.0..=SESSION_SECONDS_MAX).contains(seconds));
    seconds.ok_or_else(|| format!("expected 0 to {SESSION_SECONDS_MAX} seconds"))
}

/// The configuration that is played.
const CONFIG: &str = include_str!("../../../config/demo.toml");
/// How long the service may take to come to an end once everything is fed.
const FINISH: Duration = Duration::from_secs(30);
/// How long the service may take to stop.
const STOP: Duration = Duration::from_secs(15);

/// Runs the command.
///
/// # Errors
/// A service that fails, or that does not get to the end of the scenario.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // Where logging was started already, that one stays.
    drop(subscriber.try_init());
    let interrupted: StopSignal = Arc::default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let signal = interrupted.clone();
    runtime.spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if signal.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
        }
    });
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let notes: &mut dyn Write = if args.json { &mut err } else { &mut out };
    let mut alerts = std::io::stdout();
    let end = play(args, &runtime, &interrupted, &mut alerts, notes)?;
    runtime.shutdown_timeout(Duration::from_secs(2));
    Ok(end)
}

/// Plays the scenario from beginning to end.
fn play(
    args: &Args,
    runtime: &Runtime,
    interrupted: &StopSignal,
    alerts: &mut dyn Write,
    notes: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let mut config = Config::parse(CONFIG, "config/demo.toml")?;
    let embedded = Embedded::start(&config.kafka.topics)?;
    config.kafka.brokers = vec![embedded.address()];
    let listener = listen(args.listen, runtime, notes)?;
    config.http.listen = args.listen;
    let access = Access::new(&config.http, None)?;
    config.http.listen = listener.local_addr()?;
    let scenario = Scenario::great_rotation(args.seed);
    narrate::beginning(notes, &scenario, &config)?;
    let follower = Follower::open(
        tail::client(&config.kafka)?,
        &config.kafka.topics.alerts,
        Start::Beginning,
    )?;
    let gauges = Gauges::new(Metrics::new());
    let service = Service::start(&config, runtime, (listener, access), &gauges)?;
    let feed = Feed::start(
        &config.kafka,
        scenario.clone(),
        args.session_seconds,
        gauges.clone(),
    )?;
    let mut stage = Stage {
        args,
        interrupted,
        follower,
        gauges,
        tally: Tally::default(),
        alerts,
        notes,
    };
    let played = stage.watch(&service, feed);
    let end = match played {
        Ok(Some(fed)) => {
            narrate::ending(
                stage.notes,
                &scenario,
                &config,
                &stage.tally,
                fed.ticks,
                started.elapsed(),
                args.hold,
            )?;
            if args.hold {
                stage.hold(&service)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Ok(None) => {
            writeln!(stage.notes, "interrupted before the end")?;
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error),
    };
    // What made the service fail says more than that it did.
    service.stop()?;
    end
}

/// Listens where asked, else on a free port of the same address.
fn listen(
    wanted: SocketAddr,
    runtime: &Runtime,
    notes: &mut dyn Write,
) -> anyhow::Result<TcpListener> {
    match runtime.block_on(TcpListener::bind(wanted)) {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let any = SocketAddr::new(wanted.ip(), 0);
            let listener = runtime
                .block_on(TcpListener::bind(any))
                .context("cannot listen on any port")?;
            writeln!(
                notes,
                "{wanted} is in use; the page and metrics are on port {} instead",
                listener.local_addr()?.port()
            )?;
            Ok(listener)
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {wanted}")),
    }
}

/// The service on a thread of its own.
struct Service {
    stop: StopSignal,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Service {
    fn start(
        config: &Config,
        runtime: &Runtime,
        http: (TcpListener, Access),
        gauges: &Gauges,
    ) -> anyhow::Result<Service> {
        let stop: StopSignal = Arc::new(AtomicBool::new(false));
        let options = run::Options {
            stages: run::StageChoice::Both,
            instance: "demo".to_owned(),
            state_mode: StateMode::Ephemeral,
            commit_interval: Duration::from_millis(50),
            snapshot_interval: Duration::from_secs(3_600),
            idle_after: Duration::from_secs(5),
            allow_data_loss: false,
            standby: false,
            page: true,
            whereabouts: format!(
                " --config config/demo.toml --brokers {}",
                config.kafka.brokers.join(",")
            ),
        };
        let (config, handle, metrics) = (
            config.clone(),
            runtime.handle().clone(),
            gauges.metrics().clone(),
        );
        let signal = stop.clone();
        let thread = std::thread::Builder::new()
            .name("service".to_owned())
            .spawn(move || run::serve(&config, &options, &handle, http, &metrics, &signal))?;
        Ok(Service { stop, thread })
    }

    fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Stops it and says how it ended.
    fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        let deadline = Instant::now() + STOP;
        while !self.thread.is_finished() {
            if Instant::now() >= deadline {
                bail!("the service did not stop within {} s", STOP.as_secs());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Where alerts are shown as they come.
struct Stage<'a> {
    args: &'a Args,
    interrupted: &'a StopSignal,
    follower: Follower,
    gauges: Gauges,
    tally: Tally,
    alerts: &'a mut dyn Write,
    notes: &'a mut dyn Write,
}

impl Stage<'_> {
    /// Shows alerts until everything was fed, decided and shown; none when interrupted before.
    fn watch(&mut self, service: &Service, feed: Feed) -> anyhow::Result<Option<Fed>> {
        while !feed.is_over() {
            if self.is_stopped(service)? {
                drop(feed.stop());
                return Ok(None);
            }
            for date in feed.finished_sessions() {
                narrate::session(self.notes, &feed.scenario, date)?;
            }
            self.show(Duration::from_millis(20))?;
        }
        for date in feed.finished_sessions() {
            narrate::session(self.notes, &feed.scenario, date)?;
        }
        let fed = feed.stop()?;
        let deadline = Instant::now() + FINISH;
        loop {
            if self.is_stopped(service)? {
                return Ok(None);
            }
            // Read before the alerts are counted: those decided by now are waited for.
            let is_decided =
                self.gauges.horizon() >= fed.end && self.gauges.consumed() >= fed.records;
            let decided = self.gauges.alerts();
            self.show(Duration::from_millis(20))?;
            if is_decided && self.tally.total() >= decided {
                return Ok(Some(fed));
            }
            if Instant::now() >= deadline {
                bail!(
                    "the service did not come to the end within {} s: {} of {} records read, {} of {decided} alerts seen",
                    FINISH.as_secs(),
                    self.gauges.consumed(),
                    fed.records,
                    self.tally.total(),
                );
            }
        }
    }

    /// Goes on showing what comes until interrupted.
    fn hold(&mut self, service: &Service) -> anyhow::Result<()> {
        while !self.is_stopped(service)? {
            self.show(Duration::from_millis(200))?;
        }
        Ok(())
    }

    fn is_stopped(&self, service: &Service) -> anyhow::Result<bool> {
        if service.is_over() {
            bail!("the service ended before the scenario did");
        }
        Ok(self.interrupted.load(Ordering::SeqCst))
    }

    /// Shows what there is, waiting for the first.
    fn show(&mut self, wait: Duration) -> anyhow::Result<()> {
        let mut wait = wait;
        while let Some(event) = self.follower.next(wait)? {
            tail::write_event(self.alerts, &event, self.args.json, self.args.color.is_on())?;
            self.tally.count(&event);
            wait = Duration::ZERO;
        }
        Ok(())
    }
}
