//! `rotation run`: the service.
//!
//! One thread a stage, an HTTP address, and a signal that stops them: SIGTERM or SIGINT. Each stage then steps and
//! commits what it has read, leaves its group, and the process ends.

use crate::config::{Config, Topics};
use crate::http::{self, Access, Health};
use crate::kafka::refusal::Needs;
use crate::kafka::{KafkaSettings, preflight, topics};
use crate::metrics::{Metrics, StageMetrics};
use crate::secrets;
use crate::stage::{
    self, Liveness, RebalanceKind, StageError, StageFact, StageSettings, StateMode, StopSignal,
};
use crate::tasks::DeadLetters;
use crate::tasks::sampler::{self, SamplerTask};
use crate::tasks::universe::{self, Cited, Refuse, UniverseTask};
use crate::traces::Tracer;
use crate::view::place::Topic;
use crate::view::{self, Explainer, View};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

mod args;
pub(crate) mod logs;
mod reload;

pub(crate) use args::instance;
pub use args::{Args, StageChoice};
pub use logs::LogFormat;
pub use reload::{Load, Refused, Reloader};
pub(crate) use reload::{config_digest, now};

use reload::Reloaded;

/// A stage that has not polled for so long is not alive.
const POLL_AGE_MAX: Duration = Duration::from_secs(60);

/// A stage that has tried a commit for so long is not ready.
const COMMIT_AGE_MAX: Duration = Duration::from_secs(10);

/// Name of the stage that makes ticks into bars.
const SAMPLER: &str = "sampler";

/// How a process runs, beside its configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which stages.
    pub stages: StageChoice,
    /// Name of this process in the group.
    pub instance: String,
    /// Where state outlives the process.
    pub state_mode: StateMode,
    /// Longest time an output waits for its commit.
    pub commit_interval: Duration,
    /// Time between snapshots.
    pub snapshot_interval: Duration,
    /// A partition without records for so long is idle.
    pub idle_after: Duration,
    /// Go on where records are lost, counting them.
    pub allow_data_loss: bool,
    /// Follow the state of tasks that other processes have.
    pub standby: bool,
    /// Serve the page, where the configuration does not say otherwise.
    pub page: bool,
    /// What the command line of `explain` says of where configuration and brokers are.
    pub whereabouts: String,
}

/// Runs the command.
///
/// # Errors
/// A wrong configuration, topics that are missing, a stage that cannot go on.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    logs::start(args.log_format)?;
    let mut config = Config::load(&args.config)?;
    args.apply_files(&mut config);
    for warning in secrets::warnings(&config, &args.config) {
        tracing::warn!("{warning}");
    }
    args.apply(&mut config)?;
    let access = Access::new(&config.http, args.insecure_listen)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let stop: StopSignal = Arc::new(AtomicBool::new(false));
    runtime.spawn(stop_on_signal(stop.clone()));
    let listener = runtime.block_on(http::bind(config.http.listen))?;
    let settings = KafkaSettings::from_config(&config.kafka, &args.instance())?;
    preflight::connect(&settings)?;
    if let Some(partitions) = args.create_topics {
        let created = topics::create_topics(&settings, partitions, args.replication)?;
        tracing::info!(topics = created.join(", "), "created topics");
    }
    let again = args.clone();
    let load: Load = Box::new(move || {
        let mut config = Config::load(&again.config)?;
        again.apply_files(&mut config);
        again.apply(&mut config)?;
        Ok(config)
    });
    let mut metrics = Metrics::new();
    if let Some(endpoint) = &args.otlp_endpoint {
        let tracer = Tracer::start(endpoint, &args.instance(), metrics.span_counts())?;
        metrics = metrics.traced(tracer);
    }
    let served = serve_reloadable(
        &config,
        &args.options(),
        runtime.handle(),
        (listener, access),
        &metrics,
        &stop,
        Some(load),
    );
    metrics.tracer().stop();
    served?;
    runtime.shutdown_timeout(Duration::from_secs(2));
    Ok(ExitCode::SUCCESS)
}

/// Runs the stages and the HTTP address until `stop` is set or a stage fails.
///
/// # Errors
/// What keeps a stage from going on.
pub fn serve(
    config: &Config,
    options: &Options,
    runtime: &tokio::runtime::Handle,
    (listener, access): (TcpListener, Access),
    metrics: &Metrics,
    stop: &StopSignal,
) -> anyhow::Result<()> {
    serve_reloadable(
        config,
        options,
        runtime,
        (listener, access),
        metrics,
        stop,
        None,
    )
}

/// Runs as [`serve`] does; `load` reads the configuration again where one asks for it.
///
/// # Errors
/// As those of [`serve`].
fn serve_reloadable(
    config: &Config,
    options: &Options,
    runtime: &tokio::runtime::Handle,
    (listener, access): (TcpListener, Access),
    metrics: &Metrics,
    stop: &StopSignal,
    load: Option<Load>,
) -> anyhow::Result<()> {
    let kafka = KafkaSettings::from_config(&config.kafka, &options.instance)?;
    let address = listener.local_addr()?;
    let mut stages = Stages::prepare(config, options, kafka.clone(), metrics, stop)?;
    let reloaded = std::mem::take(&mut stages.reloaded);
    let view = (options.page && config.http.page).then(|| show(config, options, &kafka, metrics));
    let reloader = load.map(|load| Reloader::new(load, config, metrics, reloaded, view.clone()));
    let followers = view.as_ref().map(|view| follow(view, &kafka, stop));
    let followers = followers.transpose()?.unwrap_or_default();
    if let Some(reloader) = reloader.clone() {
        runtime.spawn(reload_on_signal(reloader));
    }
    let health = Arc::new(stages.health());
    let http_stop = stop.clone();
    let http = runtime.spawn(http::serve(
        listener,
        access,
        metrics.clone(),
        health,
        reloader,
        view,
        wait_for(http_stop),
    ));
    tracing::info!(%address, instance = options.instance, "rotation runs");
    let result = stages.run(stop);
    stop.store(true, Ordering::SeqCst);
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(2), http).await })
        .ok();
    leave(followers);
    if result.is_ok() {
        tracing::info!("stopped, everything committed");
    }
    result
}

/// What the page shows, before it has read anything.
fn show(config: &Config, options: &Options, kafka: &KafkaSettings, metrics: &Metrics) -> Arc<View> {
    let explainer = Explainer::new(
        kafka.clone(),
        &config.universes,
        options.whereabouts.clone(),
        config.http.public_url.clone(),
    );
    Arc::new(View::new(
        &config.universes,
        &options.instance,
        Some(explainer),
        metrics.view(),
    ))
}

/// A thread a topic that the page reads. None of them keeps the stages from running.
fn follow(
    view: &Arc<View>,
    kafka: &KafkaSettings,
    stop: &StopSignal,
) -> std::io::Result<Vec<JoinHandle<()>>> {
    let follower = |topic: Topic| {
        let (view, kafka, stop) = (view.clone(), kafka.clone(), stop.clone());
        std::thread::Builder::new()
            .name(format!("page-{}", topic.name()))
            .spawn(move || view::follow(&view, topic, &kafka, &stop))
    };
    Topic::ALL.into_iter().map(follower).collect()
}

/// Waits for the page's readers for a moment: they hold nothing that has to be put away.
fn leave(followers: Vec<JoinHandle<()>>) {
    let until = Instant::now() + Duration::from_secs(1);
    while Instant::now() < until && !followers.iter().all(JoinHandle::is_finished) {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Makes a stage by a configuration.
type StageMaker = Box<dyn Fn(&Config) -> (StageSettings, stage::TaskFactory) + Send + Sync>;

/// The stages of this process, ready to run.
struct Stages {
    stages: Vec<(
        StageSettings,
        stage::TaskFactory,
        StageMetrics,
        Arc<Liveness>,
    )>,
    refused: Arc<Mutex<Option<String>>>,
    /// What a reload needs of each stage, in the order in which they take it.
    reloaded: Vec<Reloaded>,
}

impl Stages {
    fn prepare(
        config: &Config,
        options: &Options,
        kafka: KafkaSettings,
        metrics: &Metrics,
        stop: &StopSignal,
    ) -> anyhow::Result<Stages> {
        let ticks = &kafka.topics.ticks;
        for plan in &config.universes {
            metrics.begin(plan);
        }
        let refused: Arc<Mutex<Option<String>>> = Arc::default();
        let mut stages = Vec::new();
        let (partitions, letter_bytes) = match options.state_mode {
            StateMode::Durable => {
                let needs = needs(options.stages, &kafka.topics);
                for needs in &needs {
                    preflight::visible(&kafka, needs)?;
                }
                let found = topics::verify_topics(&kafka, &needs)?;
                preflight::permissions(&kafka, &needs)?;
                if options.stages.samples() {
                    tracing::info!(protection = %found.skew_protection(), "event times are bounded");
                }
                (found.partitions(ticks), found.dead_letter_bytes)
            }
            StateMode::Ephemeral => (
                topics::count_partitions(&kafka, ticks)?,
                topics::RECORD_BYTES_DEFAULT,
            ),
        };
        let mut reloaded = Vec::new();
        let mut add = |stage: StageMaker| {
            let (settings, factory) = stage(config);
            let stage_metrics = metrics.stage(&settings.name);
            let settings = options.apply(settings);
            reloaded.push(Reloaded {
                name: settings.name.clone(),
                reloads: settings.reloads.clone(),
                make: Box::new(move |config| stage(config).1),
            });
            stages.push((settings, factory, stage_metrics, Arc::default()));
        };
        if options.stages.samples() {
            let (kafka, metrics) = (kafka.clone(), metrics.clone());
            add(Box::new(move |config| {
                sampler_stage(config, kafka.clone(), partitions, letter_bytes, &metrics)
            }));
        }
        if options.stages.decides() {
            let refuse = refusal(refused.clone(), stop.clone());
            let metrics = metrics.clone();
            add(Box::new(move |config| {
                universe_stage(
                    config,
                    kafka.clone(),
                    letter_bytes,
                    &metrics,
                    refuse.clone(),
                )
            }));
        }
        Ok(Stages {
            stages,
            refused,
            reloaded,
        })
    }

    fn health(&self) -> StagesHealth {
        StagesHealth(
            self.stages
                .iter()
                .map(|(settings, _, _, live)| (settings.name.clone(), live.clone()))
                .collect(),
        )
    }

    /// One thread a stage; the first that fails stops the others.
    fn run(self, stop: &StopSignal) -> anyhow::Result<()> {
        let results: Vec<Result<(), StageError>> = std::thread::scope(|scope| {
            let run = |(settings, factory, metrics, liveness): (
                StageSettings,
                _,
                StageMetrics,
                Arc<Liveness>,
            )| {
                let live = liveness.clone();
                let observer: stage::StageObserver =
                    Arc::new(move |fact| observe(&metrics, &live, fact));
                let result = stage::run(&settings, factory, observer, liveness, stop);
                stop.store(true, Ordering::SeqCst);
                result
            };
            let threads: Vec<_> = self
                .stages
                .into_iter()
                .map(|stage| scope.spawn(move || run(stage)))
                .collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join();
            let joined = threads.into_iter().map(join);
            joined
                .map(|joined| joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        if let Some(reason) = self
            .refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            anyhow::bail!(reason);
        }
        results.into_iter().collect::<Result<Vec<()>, _>>()?;
        Ok(())
    }
}

/// What the stages of this process ask of the cluster.
fn needs(stages: StageChoice, names: &Topics) -> Vec<Needs> {
    let stage = |stage: &str, input: &String, outputs: &[&String]| Needs {
        stage: stage.to_owned(),
        input: input.clone(),
        outputs: outputs.iter().copied().cloned().collect(),
    };
    let mut needs = Vec::new();
    if stages.samples() {
        needs.push(stage(
            "sampler",
            &names.ticks,
            &[&names.bars, &names.dead_letters],
        ));
    }
    if stages.decides() {
        needs.push(stage(
            "universe",
            &names.bars,
            &[&names.alerts, &names.dead_letters, &names.readings],
        ));
    }
    needs
}

/// The stage that makes ticks into bars: how it is set up, and its tasks.
pub fn sampler_stage(
    config: &Config,
    kafka: KafkaSettings,
    partitions: i32,
    letter_bytes: usize,
    metrics: &Metrics,
) -> (StageSettings, stage::TaskFactory) {
    let names = kafka.topics.clone();
    let outputs = vec![names.bars, names.dead_letters];
    let settings = StageSettings::new(kafka, SAMPLER, 0, &names.ticks, outputs);
    let letters = DeadLetters::new(&names.ticks, sampler::DEAD_LETTERS, letter_bytes);
    let (plans, metrics) = (config.universes.clone(), metrics.clone());
    let factory = Box::new(move |partition| -> Box<dyn stage::Task> {
        let letters = letters.clone();
        Box::new(SamplerTask::new(
            partition, partitions, &plans, letters, &metrics,
        ))
    });
    (settings, factory)
}

/// The stage that makes bars into alerts: how it is set up, and its tasks.
pub fn universe_stage(
    config: &Config,
    kafka: KafkaSettings,
    letter_bytes: usize,
    metrics: &Metrics,
    refuse: Refuse,
) -> (StageSettings, stage::TaskFactory) {
    let names = kafka.topics.clone();
    let outputs = vec![names.alerts, names.dead_letters, names.readings];
    let settings = StageSettings::new(kafka, "universe", 1, &names.bars, outputs);
    let letters = DeadLetters::new(&names.bars, universe::DEAD_LETTERS, letter_bytes);
    let (ticks, bars) = (names.ticks, names.bars);
    let cited = Cited { ticks, bars };
    let (plans, metrics) = (config.universes.clone(), metrics.clone());
    let factory = Box::new(move |_| -> Box<dyn stage::Task> {
        let (cited, letters, refuse) = (cited.clone(), letters.clone(), refuse.clone());
        Box::new(UniverseTask::new(&plans, cited, letters, &metrics, refuse))
    });
    (settings, factory)
}

/// Keeps the first reason why a universe goes no further, and stops the process.
fn refusal(reason_kept: Arc<Mutex<Option<String>>>, stop: StopSignal) -> Refuse {
    Arc::new(move |reason| {
        let mut kept = reason_kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert(reason);
        stop.store(true, Ordering::SeqCst);
    })
}

impl Options {
    fn apply(&self, mut settings: StageSettings) -> StageSettings {
        if settings.name == SAMPLER {
            settings.idle_after = Some(self.idle_after);
        }
        settings.snapshot_on_stop = true;
        settings.state_mode = self.state_mode;
        settings.commit_interval = self.commit_interval;
        settings.snapshot_interval = self.snapshot_interval;
        settings.allow_data_loss = self.allow_data_loss;
        settings.standby = self.standby;
        settings
    }
}

/// Counts what a stage tells about itself, and logs what a person may want to know.
fn observe(metrics: &StageMetrics, liveness: &Liveness, fact: &StageFact) {
    match fact {
        StageFact::Consumed { records } => metrics.consumed(*records),
        StageFact::Rebalanced {
            kind,
            partitions: _,
        } => {
            let event = match kind {
                RebalanceKind::Assigned => "assigned",
                RebalanceKind::Revoked => "revoked",
                RebalanceKind::Lost => "lost",
            };
            metrics.rebalanced(event, liveness.assigned());
        }
        StageFact::Restored { took, .. } => metrics.restored(*took),
        StageFact::CaughtUp { .. } => metrics.assigned(liveness.assigned()),
        StageFact::Committed { took, traces, .. } => metrics.committed(*took, traces),
        StageFact::CommitFailed { code } => metrics.commit_failed(code),
        StageFact::Lag { partition, records } => metrics.lag(*partition, *records),
        StageFact::DataLoss { partition, records } => metrics.lost(*partition, *records),
        StageFact::Snapshot { .. } | StageFact::Idle { .. } => {}
    }
}

pub(crate) struct StagesHealth(pub(crate) Vec<(String, Arc<Liveness>)>);

impl Health for StagesHealth {
    fn failing(&self) -> Option<String> {
        let (name, live) = self.0.iter().find(|(_, live)| !live.alive(POLL_AGE_MAX))?;
        let age = live.poll_age().unwrap_or_default().as_secs();
        Some(format!("stage {name} has not polled Kafka for {age} s"))
    }

    fn waiting(&self) -> Option<String> {
        let failing = self.0.iter().find_map(|(name, live)| {
            let age = live.committing_for().filter(|age| *age > COMMIT_AGE_MAX)?;
            Some(format!(
                "stage {name} has not committed for {} s: Kafka does not take it",
                age.as_secs()
            ))
        });
        if failing.is_some() {
            return failing;
        }
        let (name, live) = self.0.iter().find(|(_, live)| !live.ready())?;
        Some(match live.joined() {
            false => format!("stage {name} waits for its group"),
            true => format!(
                "stage {name} restores {} of {} tasks",
                live.restoring(),
                live.assigned()
            ),
        })
    }
}

pub(crate) async fn wait_for(stop: StopSignal) {
    while !stop.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn reload_on_signal(reloader: Arc<Reloader>) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup()).expect("the process may listen for SIGHUP");
    while hangup.recv().await.is_some() {
        let reloader = reloader.clone();
        // What came of it is in the log and in the metrics.
        let _ = tokio::task::spawn_blocking(move || reloader.reload()).await;
    }
}

pub(crate) async fn stop_on_signal(stop: StopSignal) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate =
        signal(SignalKind::terminate()).expect("the process may listen for SIGTERM");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("stopping: what was read is committed first; a second signal stops at once");
    stop.store(true, Ordering::SeqCst);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    std::process::exit(130);
}
