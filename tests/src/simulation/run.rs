//! One run: a market is fed while processes come, go and fail; then everything has to come to rest.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rotation_service::config::{Config, Topics};
use rotation_service::kafka::KafkaSettings;
use rotation_service::metrics::Metrics;
use rotation_service::run::{sampler_stage, universe_stage};
use rotation_service::stage::{
    Liveness, Reloads, StageError, StageSettings, StopSignal, TaskFactory, run_in,
};
use rotation_sim::broker::Broker;
use rotation_sim::kernel::{Kernel, Process};

use super::faults::{Fault, Plan};
use super::feed::{self, Fed};
use super::verdict;
use super::world::{Shared, SimWorld, lock};

/// A transaction that is open for longer is aborted by the log.
pub(super) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(3);
/// A member that is silent for longer is out of its group.
const SESSION: Duration = Duration::from_secs(2);
/// How long everything may take to come to rest once nothing goes wrong any more.
const REST: Duration = Duration::from_secs(120);
/// What stays as it is for so long is at rest.
const STILL: Duration = Duration::from_secs(3);
/// The room for a dead letter.
const LETTER_BYTES: usize = 1_000_000;

pub(super) const STAGES: [&str; 2] = ["sampler", "universe"];

/// What came of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// What should not have been.
    pub violations: Vec<String>,
    /// How often each kind of fault struck.
    pub struck: BTreeMap<&'static str, u64>,
    /// Events on the alert topic.
    pub alerts: usize,
    /// Equal runs have equal ones.
    pub trace: u64,
}

/// Plays the market of a seed with the faults of the seed, and holds it against the same without faults.
#[must_use]
pub fn run(seed: u64) -> Report {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let plan = Plan::random(&mut generator, 600);
    let market = feed::market(seed, plan.partitions.0);
    let config = feed::config(&market);
    let records = feed::records(&market, &mut generator);
    let calm = Play::new(seed, &config, Plan::calm(plan.partitions)).play(&records);
    let faulty = Play::new(seed, &config, plan).play(&records);
    verdict::compare(calm, faulty)
}

/// What a play left behind.
pub(super) struct Played {
    pub(super) broker: Arc<Shared>,
    pub(super) topics: Topics,
    pub(super) violations: Vec<String>,
    pub(super) trace: u64,
}

/// A process that runs.
struct Running {
    process: Process,
    stop: StopSignal,
    /// Where each stage takes another configuration.
    reloads: Vec<Reloads>,
}

struct Play {
    kernel: Arc<Kernel>,
    shared: Arc<Shared>,
    config: Config,
    plan: Plan,
    topics: Topics,
    running: BTreeMap<usize, Running>,
    /// Instances that come back, and when.
    away: Vec<(u64, usize)>,
    instances: usize,
    ended: Arc<Mutex<Vec<(usize, StageError)>>>,
    violations: Vec<String>,
}

impl Play {
    fn new(seed: u64, config: &Config, plan: Plan) -> Play {
        let kernel = Kernel::new(seed);
        let topics = Topics::default();
        let first = 1_769_904_000_000; // 2026-02-01, when the market is history
        let mut broker = Broker::new(seed, first);
        let (ticks, bars) = plan.partitions;
        broker.create_topic(&topics.ticks, usize::try_from(ticks).unwrap_or(1));
        broker.create_topic(&topics.bars, bars);
        broker.create_topic(&topics.alerts, 2);
        broker.create_topic(&topics.dead_letters, 2);
        broker.create_topic(&topics.readings, 2);
        broker.create_topic(&topics.state, 3);
        let session = u64::try_from(SESSION.as_nanos()).unwrap_or(u64::MAX);
        broker.create_group("simulated.sampler", &topics.ticks, session);
        broker.create_group("simulated.universe", &topics.bars, session);
        Play {
            shared: Shared::new(Arc::clone(&kernel), broker),
            kernel,
            config: config.clone(),
            instances: plan.processes,
            plan,
            topics,
            running: BTreeMap::new(),
            away: Vec::new(),
            ended: Arc::default(),
            violations: Vec::new(),
        }
    }

    fn play(mut self, records: &[Fed]) -> Played {
        for instance in 0..self.plan.processes {
            self.start(instance);
        }
        let weather = self.plan.weather.clone();
        self.shared.weather(|now| *now = weather);
        let mut faults = std::mem::take(&mut self.plan.faults).into_iter().peekable();
        for (at, fed) in records.iter().enumerate() {
            while let Some((_, fault)) = faults.next_if(|(due, _)| *due <= at) {
                self.strike(fault);
            }
            // Now in bursts, now one by one.
            if self.kernel.chance(200) {
                let pause = Duration::from_millis(self.kernel.roll(250));
                self.kernel.sleep(pause);
            }
            self.supervise();
            let record = fed.record.clone();
            self.shared.broker(|broker, now| {
                broker.append(now, &self.topics.ticks, fed.partition, record)
            });
        }
        for (_, fault) in faults {
            self.strike(fault);
        }
        self.come_to_rest();
        self.violations.extend(self.kernel.panics());
        let played = Played {
            broker: Arc::clone(&self.shared),
            topics: self.topics.clone(),
            violations: self.violations,
            trace: self.kernel.trace(),
        };
        self.kernel.finish();
        played
    }

    /// Waits until everything is read and decided, and stays so; nothing goes wrong meanwhile.
    fn come_to_rest(&mut self) {
        self.shared
            .weather(|weather| *weather = super::world::Weather::default());
        let begun = self.kernel.now();
        let mut since = begun;
        while self.kernel.now() - since < nanos(STILL) {
            if !self.is_at_rest() {
                since = self.kernel.now();
            }
            if self.kernel.now() - begun > nanos(REST) {
                self.violations.push(format!(
                    "did not come to rest within {} s: {}",
                    REST.as_secs(),
                    self.standing()
                ));
                return;
            }
            self.kernel.sleep(Duration::from_millis(100));
            self.supervise();
        }
    }

    /// Partitions of the inputs, with their ends and what is committed.
    fn standing(&self) -> String {
        let topics = [&self.topics.ticks, &self.topics.bars];
        let of = |(stage, topic): (&str, &String)| {
            self.shared.broker(|broker, _| {
                let offsets = broker.group(&format!("simulated.{stage}")).offsets();
                let partitions = (0..broker.partitions(topic)).map(|partition| {
                    let end = broker.partition(topic, partition).end();
                    let committed = offsets.get(&partition).map_or(0, |it| it.offset);
                    format!("{topic}/{partition} {committed} of {end}")
                });
                let group = broker.group(&format!("simulated.{stage}")).describe();
                let partitions = partitions.collect::<Vec<_>>().join(", ");
                format!("{partitions} ({group})")
            })
        };
        STAGES
            .into_iter()
            .zip(topics)
            .map(of)
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// Whether both groups have committed the last record of each of their partitions, and no transaction is open.
    fn is_at_rest(&self) -> bool {
        let names = &self.topics;
        let written = [
            &names.bars,
            &names.alerts,
            &names.dead_letters,
            &names.readings,
            &names.state,
        ];
        let settled = self.shared.broker(|broker, _| {
            written.into_iter().all(|topic| {
                let mut partitions =
                    (0..broker.partitions(topic)).map(|it| broker.partition(topic, it));
                partitions.all(|log| log.stable() == log.end())
            })
        });
        let topics = [&names.ticks, &names.bars];
        if !settled {
            return false;
        }
        STAGES.into_iter().zip(topics).all(|(stage, topic)| {
            self.shared.broker(|broker, _| {
                let offsets = broker.group(&format!("simulated.{stage}")).offsets();
                (0..broker.partitions(topic)).all(|partition| {
                    let log = broker.partition(topic, partition);
                    let next = offsets.get(&partition).map_or(0, |it| it.offset);
                    log.stable() == log.end() && log.read(next).is_none()
                })
            })
        })
    }

    fn strike(&mut self, fault: Fault) {
        match fault {
            // Whether and when it falls is seen by the supervisor.
            Fault::Kill { instance, calls } => {
                if let Some(running) = self.running.get(&instance) {
                    self.shared.strike("process killed");
                    self.kernel.kill_after(running.process, calls);
                }
            }
            Fault::Stop { instance, time } => {
                if let Some(running) = self.running.get(&instance) {
                    self.shared.strike("process stopped");
                    self.kernel.stop(running.process, time);
                }
            }
            Fault::Leave { instance, away } => {
                if let Some(running) = self.running.remove(&instance) {
                    self.shared.strike("process left");
                    running.stop.store(true, Ordering::SeqCst);
                    self.return_in(instance, away);
                }
            }
            Fault::Join => {
                self.shared.strike("process added");
                let instance = self.instances;
                self.instances += 1;
                self.start(instance);
            }
            Fault::Double { instance } => {
                if self.running.contains_key(&instance) {
                    self.shared.strike("name taken twice");
                    self.start(instance);
                }
            }
            Fault::Forgotten { instance, stage } => {
                let group = format!("simulated.{}", STAGES[stage]);
                let name = instance_name(instance);
                if self.shared.broker(|broker, _| broker.forget(&group, &name)) {
                    self.shared.strike("member forgotten");
                }
            }
            Fault::Reload { instance } => self.reload(instance),
            Fault::BrokerLost(time) => {
                self.shared.strike("broker lost");
                let until = self.kernel.now() + nanos(time);
                self.shared
                    .weather(|weather| weather.broker_lost_until = until);
            }
            Fault::BrokerSlow(time) => {
                self.shared.strike("broker slow");
                let until = self.kernel.now() + nanos(time);
                self.shared.weather(|weather| weather.slow_until = until);
            }
            Fault::ClockSet { millis } => {
                self.shared.strike("clock set");
                self.shared.jumped.store(millis, Ordering::SeqCst);
            }
        }
    }

    fn return_in(&mut self, instance: usize, time: Duration) {
        self.away.push((self.kernel.now() + nanos(time), instance));
    }

    /// Starts again what ended, as a supervisor would.
    fn supervise(&mut self) {
        let now = self.kernel.now();
        let due: Vec<usize> = self
            .away
            .iter()
            .filter(|(at, _)| *at <= now)
            .map(|(_, instance)| *instance)
            .collect();
        self.away.retain(|(at, _)| *at > now);
        for instance in due {
            self.start(instance);
        }
        let over: Vec<usize> = self
            .running
            .iter()
            .filter(|(_, running)| self.kernel.is_over(running.process))
            .map(|(instance, _)| *instance)
            .collect();
        for instance in over {
            self.running.remove(&instance);
            let pause = Duration::from_millis(self.kernel.roll(3_500));
            self.return_in(instance, pause);
        }
        for (instance, error) in std::mem::take(&mut *lock(&self.ended)) {
            match error {
                StageError::ProducerFenced { .. } | StageError::MemberFenced { .. } => {
                    self.shared.strike("fenced and ended");
                }
                StageError::CommitPatience { .. } => self.shared.strike("out of patience"),
                other => self.violations.push(format!(
                    "instance {instance} ended with: {other}: {:?}",
                    std::error::Error::source(&other).map(ToString::to_string)
                )),
            }
        }
    }

    /// Starts a process.
    fn start(&mut self, instance: usize) {
        let process = self.kernel.process();
        let stop: StopSignal = Arc::new(AtomicBool::new(false));
        // A machine that starts a process has its clock right.
        self.shared.jumped.store(0, Ordering::SeqCst);
        let mut reloads = Vec::new();
        for (settings, factory) in self.stages(instance, &stop) {
            let settings = brisk(settings, instance);
            reloads.push(settings.reloads.clone());
            self.start_stage(instance, process, &stop, settings, factory);
        }
        let running = Running {
            process,
            stop,
            reloads,
        };
        self.running.insert(instance, running);
    }

    /// Gives a process the same rules anew: nothing may come of it.
    fn reload(&mut self, instance: usize) {
        let Some(running) = self.running.get(&instance) else {
            return;
        };
        self.shared.strike("configuration reloaded");
        let stages = self.stages(instance, &running.stop);
        for (reloads, (_, factory)) in running.reloads.iter().zip(stages) {
            drop(reloads.ask(factory));
        }
    }

    /// How the stages of a process are set up, and their tasks.
    fn stages(&self, instance: usize, stop: &StopSignal) -> [(StageSettings, TaskFactory); 2] {
        let kafka = KafkaSettings {
            brokers: Vec::new(),
            group: "simulated".to_owned(),
            instance: instance_name(instance),
            topics: self.topics.clone(),
            properties: BTreeMap::new(),
        };
        let partitions = i32::try_from(self.plan.partitions.0).unwrap_or(1);
        let metrics = Metrics::new();
        let refused = {
            let (ended, stop) = (Arc::clone(&self.ended), Arc::clone(stop));
            Arc::new(move |reason: String| {
                let error = StageError::Restore {
                    stage: "universe".to_owned(),
                    partition: -1,
                    reason,
                };
                lock(&ended).push((instance, error));
                stop.store(true, Ordering::SeqCst);
            })
        };
        [
            sampler_stage(
                &self.config,
                kafka.clone(),
                partitions,
                LETTER_BYTES,
                &metrics,
            ),
            universe_stage(&self.config, kafka, LETTER_BYTES, &metrics, refused),
        ]
    }

    fn start_stage(
        &self,
        instance: usize,
        process: Process,
        stop: &StopSignal,
        settings: StageSettings,
        factory: TaskFactory,
    ) {
        let world = Arc::new(SimWorld::of(&self.shared, process));
        let (stop, ended) = (Arc::clone(stop), Arc::clone(&self.ended));
        let name = format!("{}-{instance}", settings.name);
        let work = move || {
            let observer = Arc::new(|_: &_| {});
            let liveness = Arc::new(Liveness::default());
            let result = run_in(world, &settings, factory, observer, liveness, &stop);
            stop.store(true, Ordering::SeqCst);
            if let Err(error) = result {
                lock(&ended).push((instance, error));
            }
        };
        self.kernel
            .spawn(process, name, Box::new(work))
            .expect("the machine has a thread left");
    }
}

fn instance_name(instance: usize) -> String {
    format!("instance-{instance}")
}

/// Intervals that fit a minute of simulated time.
fn brisk(mut settings: StageSettings, instance: usize) -> StageSettings {
    if settings.name == "sampler" {
        settings.idle_after = Some(Duration::from_secs(2));
    }
    settings.snapshot_interval = Duration::from_secs(2);
    settings.transaction_timeout = Duration::from_millis(2_500);
    settings.commit_patience = Duration::from_secs(15);
    settings.batch_records = 48;
    // Both ways to restore are to be right.
    settings.standby = instance.is_multiple_of(2);
    settings
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4)
}
