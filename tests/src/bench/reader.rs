//! A process that reads ticks from Kafka and says what that took, so that its time and memory are its own.

use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use rotation_service::config::Config;
use rotation_service::kafka::{KafkaSettings, topics};
use rotation_service::metrics::Metrics;
use rotation_service::run::{Options, StageChoice, serve};
use rotation_service::stage::{
    self, Liveness, StageFact, StageSettings, StateMode, StopSignal, TaskFactory,
};
use rotation_service::tasks::DeadLetters;
use rotation_service::tasks::sampler::{DEAD_LETTERS, SamplerTask};
use serde::{Deserialize, Serialize};

/// A reader that has not come to its end after so long has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// As `rotation run` has it unless told otherwise.
const IDLE_AFTER: Duration = Duration::from_secs(5);

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A consumer that drops every record: the floor.
    Bare,
    /// The sampler stage.
    Stage,
    /// Both stages and the metrics, as `rotation run`.
    Service,
}

impl Reader {
    /// Its name as an argument.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Reader::Bare => "bare",
            Reader::Stage => "stage",
            Reader::Service => "service",
        }
    }
}

impl FromStr for Reader {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        [Reader::Bare, Reader::Stage, Reader::Service]
            .into_iter()
            .find(|reader| reader.name() == text)
            .with_context(|| format!("expected a reader, found {text}"))
    }
}

/// What reading took, from the first record to the last.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Cost {
    /// By the clock.
    pub seconds: f64,
    /// Of cores, user and system, by all threads.
    pub core_seconds: f64,
    /// Of a core, by the thread that polls the consumer.
    pub thread_seconds: f64,
    /// Resident bytes after the first mark.
    pub resident_first: u64,
    /// Resident bytes at the end.
    pub resident_last: u64,
    /// Most resident bytes until the end.
    pub resident_peak: u64,
}

/// Reads up to the last mark, a number of records; looks at the memory at the first, too.
///
/// # Errors
///
/// When the records do not come.
pub fn read(reader: Reader, config: &Path, marks: [u64; 2]) -> Result<Cost> {
    let config = Config::load(config)?;
    let meter = Arc::new(Mutex::new(Meter::new(marks)));
    match reader {
        Reader::Bare => bare(&config, &meter)?,
        Reader::Stage => run_stage(&config, &meter)?,
        Reader::Service => run_service(&config, &meter)?,
    }
    let meter = meter.lock().unwrap_or_else(PoisonError::into_inner);
    meter.cost()
}

/// Looks at clock, cores and memory as records go by.
struct Meter {
    marks: [u64; 2],
    seen: u64,
    begun: Option<(Instant, f64, Duration)>,
    cost: Cost,
}

impl Meter {
    fn new(marks: [u64; 2]) -> Self {
        Self {
            marks,
            seen: 0,
            begun: None,
            cost: Cost::default(),
        }
    }

    /// So many records were read in all, by this thread; whether that is enough.
    fn reach(&mut self, seen: u64) -> Result<bool> {
        let [first, last] = self.marks;
        let before = std::mem::replace(&mut self.seen, seen);
        if seen > 0 && self.begun.is_none() {
            self.begun = Some((Instant::now(), core_seconds()?, thread_time()));
        }
        if before < first && first <= seen {
            self.cost.resident_first = status_bytes("VmRSS")?;
        }
        if before < last && last <= seen {
            let (clock, cores, thread) = self.begun.context("no first record")?;
            self.cost.seconds = clock.elapsed().as_secs_f64();
            self.cost.core_seconds = core_seconds()? - cores;
            self.cost.thread_seconds = (thread_time() - thread).as_secs_f64();
            self.cost.resident_last = status_bytes("VmRSS")?;
            self.cost.resident_peak = status_bytes("VmHWM")?;
        }
        Ok(seen >= last)
    }

    fn cost(&self) -> Result<Cost> {
        let [_, last] = self.marks;
        ensure!(self.seen >= last, "read {} of {last} records", self.seen);
        Ok(self.cost)
    }
}

/// Seconds of cores that this process has used.
fn core_seconds() -> Result<f64> {
    /// What the kernel counts in, whatever its own tick.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The program's name, in parentheses, may hold blanks.
    let (_, fields) = stat
        .rsplit_once(')')
        .context("/proc/self/stat has no name")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / TICKS_PER_SECOND)
}

/// Time of a core that this thread has used; zero where the kernel does not tell.
fn thread_time() -> Duration {
    super::core_time().unwrap_or_default()
}

/// A size of `/proc/self/status`.
fn status_bytes(name: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .context("no such size")?;
    Ok(kib.parse::<u64>()? * 1024)
}

/// The end of a partition is asked for, and not an error to be logged.
struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Quiet {}

/// The same client, asked in the same way as the stage asks it; nothing else.
fn bare(config: &Config, meter: &Mutex<Meter>) -> Result<()> {
    let settings = KafkaSettings::from_config(&config.kafka, "bench")?;
    let mut client = settings.stage_consumer("bare");
    client.remove("group.instance.id");
    let consumer: BaseConsumer<Quiet> = client.create_with_context(Quiet)?;
    let topic = &settings.topics.ticks;
    let mut all = TopicPartitionList::new();
    for partition in 0..topics::count_partitions(&settings, topic)? {
        all.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&all)?;
    let mut meter = meter.lock().unwrap_or_else(PoisonError::into_inner);
    let batch = StageSettings::new(settings, "bare", 0, "", Vec::new()).batch_records as u64;
    let deadline = Instant::now() + PATIENCE;
    let (mut seen, mut bytes) = (0, 0);
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                seen += 1;
                bytes += message.payload().map_or(0, <[u8]>::len);
            }
            None | Some(Err(KafkaError::PartitionEOF(_))) => {}
            Some(Err(error)) => return Err(error).context("the consumer failed"),
        }
        let [first, last] = meter.marks;
        let is_worth_a_look = seen == 1 || seen % batch == 0 || seen == first || seen == last;
        if is_worth_a_look && meter.reach(seen)? {
            ensure!(bytes > 0, "records have no payload");
            return Ok(());
        }
        if is_worth_a_look && Instant::now() > deadline {
            bail!("read {seen} records in {PATIENCE:?}");
        }
    }
}

/// Sets the signal when nobody else does in time.
fn stop_in_the_end(stop: &StopSignal) {
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        std::thread::sleep(PATIENCE);
        stop.store(true, Ordering::SeqCst);
    });
}

/// The stage as `rotation run` has it.
fn run_stage(config: &Config, meter: &Arc<Mutex<Meter>>) -> Result<()> {
    let kafka = KafkaSettings::from_config(&config.kafka, "bench")?;
    let names = kafka.topics.clone();
    let partitions = topics::count_partitions(&kafka, &names.ticks)?;
    let outputs = vec![names.bars.clone(), names.dead_letters.clone()];
    let mut settings = StageSettings::new(kafka, "sampler", 0, &names.ticks, outputs);
    settings.idle_after = Some(IDLE_AFTER);
    let (plans, metrics) = (config.universes.clone(), Metrics::new());
    let stage_metrics = metrics.stage("sampler");
    let letters = DeadLetters::new(&names.ticks, DEAD_LETTERS, 1 << 20);
    let factory: TaskFactory = Box::new(move |partition| {
        Box::new(SamplerTask::new(
            partition,
            partitions,
            &plans,
            letters.clone(),
            &metrics,
        ))
    });
    let stop: StopSignal = Arc::new(AtomicBool::new(false));
    stop_in_the_end(&stop);
    let (meter, stopped) = (Arc::clone(meter), Arc::clone(&stop));
    let observer = move |fact: &StageFact| {
        if let StageFact::Consumed { records } = fact {
            stage_metrics.consumed(*records);
            let mut meter = meter.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = meter.seen + *records as u64;
            if meter.reach(seen).unwrap_or(true) {
                stopped.store(true, Ordering::SeqCst);
            }
        }
    };
    stage::run(
        &settings,
        factory,
        Arc::new(observer),
        Arc::new(Liveness::default()),
        &stop,
    )?;
    Ok(())
}

/// Both stages and the metrics; what was consumed is what they say.
fn run_service(config: &Config, meter: &Mutex<Meter>) -> Result<()> {
    let options = Options {
        stages: StageChoice::Both,
        instance: "bench".to_owned(),
        state_mode: StateMode::Durable,
        commit_interval: Duration::from_millis(100),
        snapshot_interval: Duration::from_secs(30),
        idle_after: IDLE_AFTER,
        allow_data_loss: false,
        standby: false,
        page: true,
        whereabouts: String::new(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let (metrics, stop): (Metrics, StopSignal) = (Metrics::new(), Arc::default());
    stop_in_the_end(&stop);
    std::thread::scope(|scope| {
        let service = scope.spawn(|| {
            serve(
                config,
                &options,
                runtime.handle(),
                (listener, rotation_service::http::Access::default()),
                &metrics,
                &stop,
            )
        });
        let mut meter = meter.lock().unwrap_or_else(PoisonError::into_inner);
        let mut watched = Ok(false);
        while !service.is_finished() && matches!(watched, Ok(false)) {
            std::thread::sleep(Duration::from_millis(20));
            watched = meter.reach(consumed(&metrics));
        }
        stop.store(true, Ordering::SeqCst);
        service
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        watched.map(drop)
    })
}

fn consumed(metrics: &Metrics) -> u64 {
    let text = metrics.scrape(0.0);
    let name = "rotation_records_consumed_total{stage=\"sampler\"} ";
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.parse().ok())
        .unwrap_or_default()
}
