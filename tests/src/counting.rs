//! A task to try stages with: it counts the records of each key and forwards every record with its count.
//!
//! What it puts out is a function of its input alone, so what a topic must hold can be said beforehand: see
//! [`expected`]. Sums of a batch go to a second topic; how they are cut depends on the batches, what they add up to
//! does not.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rotation_service::config::Topics;
use rotation_service::kafka::KafkaSettings;
use rotation_service::stage::{
    Idle, InputRecord, Liveness, Outbox, StageFact, StageSettings, StopSignal, Task, TaskFactory,
    run,
};

use crate::broker::{Broker, Topic, unique};

mod members;

pub use members::{Killed, Running};

/// Index of the topic that gets every record with its count.
pub const FORWARDED: usize = 0;
/// Index of the topic that gets sums, and what the clock decided.
pub const SUMS: usize = 1;

/// Every so many records of a key are urgent.
const URGENT: u64 = 10;

/// Counts records by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counting {
    partition: i32,
    counts: BTreeMap<String, u64>,
    since_flush: u64,
    idles: u64,
}

impl Counting {
    /// A factory of such tasks.
    #[must_use]
    pub fn factory() -> TaskFactory {
        Box::new(|partition| {
            Box::new(Self {
                partition,
                ..Self::default()
            })
        })
    }

    fn say(&self, what: &str, out: &mut Outbox) {
        out.send_with(
            SUMS,
            Some(self.partition),
            Some(self.partition.to_string().as_bytes()),
            Some(what.as_bytes()),
            vec![("kind", b"sum".to_vec())],
        );
    }
}

/// What a record is forwarded as.
fn line(offset: i64, count: u64, payload: &[u8]) -> String {
    format!("{offset} {count} {}", String::from_utf8_lossy(payload))
}

impl Task for Counting {
    fn step(&mut self, record: &InputRecord<'_>, out: &mut Outbox) {
        let key = String::from_utf8_lossy(record.key.unwrap_or_default());
        let count = self.counts.entry(key.clone().into_owned()).or_default();
        *count += 1;
        let line = line(record.offset, *count, record.payload.unwrap_or_default());
        let partition = Some(record.partition);
        let urgent = count.is_multiple_of(URGENT);
        out.send_with(
            FORWARDED,
            partition,
            Some(key.as_bytes()),
            Some(line.as_bytes()),
            Vec::new(),
        );
        if urgent {
            out.urgent();
        }
        self.since_flush += 1;
    }

    fn end_of_batch(&mut self, out: &mut Outbox) {
        if self.since_flush > 0 {
            self.say(&format!("sum {}", self.since_flush), out);
            self.since_flush = 0;
        }
    }

    fn idle(&mut self, idle: Idle, out: &mut Outbox) {
        self.idles += 1;
        self.say(
            &format!("idle {} {}", self.idles, idle.now >= idle.last),
            out,
        );
    }

    fn empty(&mut self, out: &mut Outbox) {
        self.say("empty", out);
    }

    fn snapshot(&self) -> Vec<(String, Vec<u8>)> {
        let mut parts: Vec<_> = self
            .counts
            .iter()
            .map(|(key, count)| (format!("key/{key}"), count.to_be_bytes().to_vec()))
            .collect();
        parts.push(("idles".to_owned(), self.idles.to_be_bytes().to_vec()));
        parts
    }

    fn restore(&mut self, parts: Vec<(String, Vec<u8>)>) -> Result<(), String> {
        for (name, bytes) in parts {
            let count = u64::from_be_bytes(bytes.try_into().map_err(|_| "expected 8 bytes")?);
            match name.strip_prefix("key/") {
                Some(key) => {
                    self.counts.insert(key.to_owned(), count);
                }
                None => self.idles = count,
            }
        }
        Ok(())
    }
}

/// How to run a member of this name, in a trial of that name.
#[must_use]
pub fn settings(bootstrap: &str, trial: &str, instance: &str) -> StageSettings {
    let properties = [
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "500"),
        ("transaction.timeout.ms", "6000"),
    ];
    let kafka = KafkaSettings {
        brokers: vec![bootstrap.to_owned()],
        group: trial.to_owned(),
        instance: instance.to_owned(),
        topics: Topics {
            state: format!("{trial}.state"),
            ..Topics::default()
        },
        properties: properties
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    };
    let outputs = vec![format!("{trial}.out"), format!("{trial}.sums")];
    let mut settings = StageSettings::new(kafka, "counting", 1, &format!("{trial}.in"), outputs);
    settings.snapshot_interval = Duration::from_millis(400);
    settings.restore_timeout = Duration::from_secs(60);
    settings
}

/// A broker's topics for one try, and the input that was put in.
pub struct Trial {
    /// The broker.
    pub broker: &'static Broker,
    /// Prefix of all names.
    pub name: String,
    /// Partitions of the input.
    pub partitions: i32,
    put: Mutex<u64>,
}

impl Trial {
    /// Makes the topics; `None` where there is no broker.
    ///
    /// # Errors
    ///
    /// When the broker refuses.
    pub fn new(prefix: &str, partitions: i32) -> Result<Option<Self>> {
        Broker::get()
            .map(|broker| Self::on(broker, prefix, partitions))
            .transpose()
    }

    /// Makes the topics on this broker.
    ///
    /// # Errors
    ///
    /// When the broker refuses.
    pub fn on(broker: &'static Broker, prefix: &str, partitions: i32) -> Result<Self> {
        let name = unique(prefix);
        let topic = |what: &str| format!("{name}.{what}");
        let (input, forwarded, sums, state) =
            (topic("in"), topic("out"), topic("sums"), topic("state"));
        let compacted: &[(&str, &str)] = &[("cleanup.policy", "compact")];
        let topics: [Topic<'_>; 4] = [
            (&input, partitions, &[]),
            (&forwarded, partitions, &[]),
            (&sums, partitions, &[]),
            (&state, 3, compacted),
        ];
        broker.create_topics(&topics)?;
        Ok(Self {
            broker,
            name,
            partitions,
            put: Mutex::new(0),
        })
    }

    /// Name of one of the topics: `in`, `out`, `sums`, `state`.
    #[must_use]
    pub fn topic(&self, what: &str) -> String {
        format!("{}.{what}", self.name)
    }

    /// How to run a member of this name.
    #[must_use]
    pub fn settings(&self, instance: &str) -> StageSettings {
        settings(self.broker.bootstrap(), &self.name, instance)
    }

    /// Runs a member in a process of its own, which can be killed.
    ///
    /// # Errors
    ///
    /// When the process cannot be started.
    pub fn spawn(&self, program: &str, instance: &str) -> Result<Killed> {
        let child = Command::new(program)
            .args([self.broker.bootstrap(), &self.name, instance])
            .stdin(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        Ok(Killed(child))
    }

    /// Puts so many records in, over all partitions and seven keys.
    ///
    /// # Errors
    ///
    /// When the broker refuses.
    pub fn put(&self, records: u64) -> Result<()> {
        let mut put = self
            .put
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let messages = (*put..*put + records).map(|at| {
            let partition = i32::try_from(at % 5).unwrap_or_default() % self.partitions;
            (
                Some(partition),
                format!("key-{}", at % 7),
                format!("record {at}"),
                None,
            )
        });
        self.broker.produce(&self.topic("in"), messages)?;
        *put += records;
        Ok(())
    }

    /// Number of records put in.
    #[must_use]
    pub fn total(&self) -> u64 {
        *self
            .put
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits until the group has committed the end of every partition of the input.
    ///
    /// # Errors
    ///
    /// When it has not within a minute.
    pub fn await_end(&self) -> Result<()> {
        let group = format!("{}.counting", self.name);
        let ends = self.ends()?;
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let committed = self.broker.committed(&group, &self.topic("in"))?;
            if ends
                .iter()
                .all(|(partition, end)| committed.get(partition) == Some(end))
            {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "group {group} has committed {committed:?}, expected {ends:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Offset after the last record by partition, of those that have any.
    ///
    /// # Errors
    ///
    /// When the topic cannot be read.
    pub fn ends(&self) -> Result<BTreeMap<i32, i64>> {
        let mut ends = BTreeMap::new();
        for record in self.broker.read_committed(&self.topic("in"))? {
            ends.insert(record.partition, record.offset + 1);
        }
        Ok(ends)
    }

    /// Checks that the outputs are what the input asks for, each once and in order.
    ///
    /// # Errors
    ///
    /// Says where they differ.
    pub fn check(&self) -> Result<()> {
        let mut counts: BTreeMap<(i32, Vec<u8>), u64> = BTreeMap::new();
        let mut expected: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        for record in self.broker.read_committed(&self.topic("in"))? {
            let count = counts
                .entry((record.partition, record.key.clone().unwrap_or_default()))
                .or_default();
            *count += 1;
            let payload = record.payload.unwrap_or_default();
            expected.entry(record.partition).or_default().push(line(
                record.offset,
                *count,
                &payload,
            ));
        }
        let mut found: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        for record in self.broker.read_committed(&self.topic("out"))? {
            let payload = String::from_utf8(record.payload.unwrap_or_default())?;
            found.entry(record.partition).or_default().push(payload);
        }
        for (partition, expected) in &expected {
            let found = found.remove(partition).unwrap_or_default();
            let differs = expected
                .iter()
                .zip(&found)
                .position(|(left, right)| left != right);
            ensure!(
                differs.is_none() && expected.len() == found.len(),
                "partition {partition}: {} records expected, {} found, first difference at {differs:?}: expected {:?}, found {:?}",
                expected.len(),
                found.len(),
                differs.map(|at| &expected[at]),
                differs.map(|at| &found[at]),
            );
        }
        ensure!(
            found.is_empty(),
            "records in partitions without input: {found:?}"
        );
        let mut sum = 0;
        for said in self.said()? {
            if let Some(count) = said.strip_prefix("sum ") {
                sum += count.parse::<u64>().context("a sum")?;
            }
        }
        ensure!(
            sum == self.total(),
            "sums add up to {sum}, expected {}",
            self.total()
        );
        Ok(())
    }

    /// What the tasks said beside the forwarded records, by partition and offset.
    ///
    /// # Errors
    ///
    /// When the topic cannot be read.
    pub fn said(&self) -> Result<Vec<String>> {
        self.broker
            .read_committed(&self.topic("sums"))?
            .into_iter()
            .map(|record| Ok(String::from_utf8(record.payload.unwrap_or_default())?))
            .collect()
    }

    /// Runs a member in this process.
    #[must_use]
    pub fn start(&self, settings: StageSettings) -> Running {
        let stop: StopSignal = Arc::new(AtomicBool::new(false));
        let liveness = Arc::new(Liveness::default());
        let facts: Arc<Mutex<Vec<StageFact>>> = Arc::default();
        let thread = {
            let (stop, liveness, facts) = (stop.clone(), liveness.clone(), facts.clone());
            let observer = move |fact: &StageFact| {
                facts
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .push(fact.clone());
            };
            std::thread::spawn(move || {
                run(
                    &settings,
                    Counting::factory(),
                    Arc::new(observer),
                    liveness,
                    &stop,
                )
            })
        };
        Running {
            stop,
            liveness,
            facts,
            thread,
        }
    }
}
