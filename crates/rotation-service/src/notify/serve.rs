//! The notifier as a process: its address, its signals, and another configuration while it runs.

use super::engine::{Notifier, Setup};
use super::metrics::NotifyMetrics;
use super::send::Sender;
use super::{Args, Loaded, load};
use crate::http::{self, Access};
use crate::kafka::{KafkaSettings, preflight, topics};
use crate::metrics::Metrics;
use crate::run::logs;
use crate::run::{StagesHealth, config_digest, now, stop_on_signal, wait_for};
use crate::secrets;
use crate::stage::{Liveness, StageSettings, StopSignal};
use anyhow::bail;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Serves until a signal ends it.
pub(super) fn serve(args: &Args, config: Loaded) -> anyhow::Result<ExitCode> {
    logs::start(args.log_format)?;
    for warning in secrets::warnings(&config.whole, &args.config) {
        tracing::warn!("{warning}");
    }
    let access = Access::new(&config.whole.http, args.insecure_listen)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let stop: StopSignal = Arc::new(AtomicBool::new(false));
    runtime.spawn(stop_on_signal(stop.clone()));
    let listener = runtime.block_on(http::bind(args.listen))?;
    let address = listener.local_addr()?;
    let process = Process::new(args, &config)?;
    let liveness = process.liveness.clone();
    let health = Arc::new(StagesHealth(vec![("notify".to_owned(), liveness)]));
    let metrics = process.metrics.clone();
    let until = wait_for(stop.clone());
    let http = http::serve(listener, access, metrics, health, None, None, until);
    let http = runtime.spawn(http);
    let instance = &process.settings.kafka.instance;
    let group = process.settings.kafka.stage_group(&config.notify.name);
    tracing::info!(%address, instance, group, "rotation notify runs");
    let orders = Arc::new(Orders::new(config, stop.clone()));
    runtime.spawn(reload_on_signal(
        args.clone(),
        orders.clone(),
        process.metrics.clone(),
    ));
    runtime.spawn(orders.clone().end_round_at_stop());
    let result = process.rounds(&orders);
    stop.store(true, Ordering::SeqCst);
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(2), http).await })
        .ok();
    runtime.shutdown_timeout(Duration::from_secs(2));
    result?;
    tracing::info!("stopped, everything committed");
    Ok(ExitCode::SUCCESS)
}

/// What stays from one configuration to the next.
struct Process<'a> {
    args: &'a Args,
    settings: StageSettings,
    metrics: Metrics,
    counts: NotifyMetrics,
    liveness: Arc<Liveness>,
}

impl<'a> Process<'a> {
    fn new(args: &'a Args, config: &Loaded) -> anyhow::Result<Process<'a>> {
        let instance = crate::run::instance(args.instance.as_deref());
        let kafka = KafkaSettings::from_config(&config.whole.kafka, &instance)?;
        preflight::connect(&kafka)?;
        let names = kafka.topics.clone();
        for topic in [&names.alerts, &names.dead_letters] {
            topics::count_partitions(&kafka, topic)?;
        }
        let metrics = Metrics::new();
        metrics.configured(&config_digest(&config.whole), now());
        let outputs = vec![names.dead_letters];
        let name = &config.notify.name;
        Ok(Process {
            args,
            settings: StageSettings::new(kafka, name, 0, &names.alerts, outputs),
            counts: NotifyMetrics::new(&metrics),
            metrics,
            liveness: Arc::default(),
        })
    }

    /// A notifier after the other, each with the configuration in force, until the process is to stop.
    fn rounds(&self, orders: &Orders) -> anyhow::Result<()> {
        while let Some(round) = orders.begin() {
            self.counts.begin();
            let notifier = Notifier::start(Setup {
                settings: self.settings.clone(),
                config: round.config.notify.clone(),
                public_url: round.config.public_url().map(str::to_owned),
                begin: self.args.begin,
                metrics: self.counts.clone(),
                liveness: self.liveness.clone(),
                stop: round.stop,
            })?;
            notifier.run()?;
        }
        Ok(())
    }
}

/// What signals ask of the notifier at work.
struct Orders {
    stop: StopSignal,
    state: Mutex<State>,
}

struct State {
    in_force: Arc<Loaded>,
    /// The next round has another configuration, or the first has not begun.
    has_next: bool,
    /// Ends the round that is on.
    round: StopSignal,
}

struct Round {
    config: Arc<Loaded>,
    stop: StopSignal,
}

impl Orders {
    fn new(config: Loaded, stop: StopSignal) -> Orders {
        let state = State {
            in_force: Arc::new(config),
            has_next: true,
            round: Arc::default(),
        };
        Orders {
            stop,
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a round, where there is to be another.
    fn begin(&self) -> Option<Round> {
        let mut state = self.lock();
        if self.stop.load(Ordering::SeqCst) || !std::mem::take(&mut state.has_next) {
            return None;
        }
        state.round = Arc::default();
        Some(Round {
            config: state.in_force.clone(),
            stop: state.round.clone(),
        })
    }

    /// Ends the round that is on; the next one has this configuration.
    fn put_in_force(&self, config: Loaded) {
        let mut state = self.lock();
        state.in_force = Arc::new(config);
        state.has_next = true;
        state.round.store(true, Ordering::SeqCst);
    }

    /// Ends the round that is on when the process is to stop.
    async fn end_round_at_stop(self: Arc<Orders>) {
        wait_for(self.stop.clone()).await;
        self.lock().round.store(true, Ordering::SeqCst);
    }
}

/// Reads the configuration again at each SIGHUP; one with a fault changes nothing.
async fn reload_on_signal(args: Args, orders: Arc<Orders>, metrics: Metrics) {
    let mut hangup = signal(SignalKind::hangup()).expect("the process may listen for SIGHUP");
    while hangup.recv().await.is_some() {
        let before = orders.lock().in_force.clone();
        let args = args.clone();
        // Secrets may be read from slow disks, and certificates too.
        let checked = tokio::task::spawn_blocking(move || check(&args, &before)).await;
        let checked = checked.unwrap_or_else(|error| Err(error.into()));
        metrics.reload(checked.is_ok());
        match checked {
            Ok(config) => {
                let digest = config_digest(&config.whole);
                metrics.configured(&digest, now());
                tracing::info!(
                    digest,
                    "the configuration was read again; the notifier goes on with it"
                );
                orders.put_in_force(config);
            }
            Err(error) => {
                tracing::error!("the configuration was not taken: {error:#}\nNothing was changed.");
            }
        }
    }
}

/// The configuration, if the process can go on with it.
fn check(args: &Args, before: &Loaded) -> anyhow::Result<Loaded> {
    let config = load(args)?;
    let restarts = [
        (before.whole.kafka != config.whole.kafka, "[kafka]"),
        (before.whole.http != config.whole.http, "[http]"),
        (before.notify.name != config.notify.name, "[notify] name"),
    ];
    for (is_other, what) in restarts {
        if is_other {
            bail!("{what} is another: needs a restart (SIGTERM, then start)");
        }
    }
    for target in &config.notify.targets {
        Sender::new(target)?;
    }
    Ok(config)
}
