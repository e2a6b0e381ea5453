//! The feed: the scenario on the ticks topic, in accelerated time, never far ahead of the service.
//!
//! The embedded broker drops what is older than the newest 5 MiB of a partition, so at most [`AHEAD_MAX`] records are
//! on their way at any time.

use super::embedded::PARTITIONS;
use super::gauges::Gauges;
use crate::config::KafkaConfig;
use crate::tail;
use anyhow::{Context, bail};
use jiff::civil::Date;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rotation_engine::clock::date_key;
use rotation_engine::time::EventTime;
use rotation_sim::event::Event;
use rotation_sim::scenario::Scenario;
use rotation_wire::partition::partition_for;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Records that the service may be behind the feed: some 2 MB if all were on one partition.
const AHEAD_MAX: u64 = 20_000;
/// The feed gives up when the service reads nothing for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The feed on a thread of its own.
pub(super) struct Feed {
    /// What is fed.
    pub(super) scenario: Scenario,
    stop: Arc<AtomicBool>,
    sessions: Receiver<Date>,
    thread: JoinHandle<anyhow::Result<Fed>>,
}

/// What was fed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fed {
    /// Ticks.
    pub(super) ticks: u64,
    /// Records: ticks, and heartbeats on each partition.
    pub(super) records: u64,
    /// Event time of the last heartbeat.
    pub(super) end: EventTime,
}

impl Feed {
    /// Starts feeding; a session takes so many seconds.
    pub(super) fn start(
        kafka: &KafkaConfig,
        scenario: Scenario,
        session_seconds: f64,
        gauges: Gauges,
    ) -> anyhow::Result<Feed> {
        let mut client = tail::client(kafka)?;
        client.remove("group.id");
        let consumer_only: Vec<String> = client
            .config_map()
            .keys()
            .filter(|key| key.starts_with("fetch."))
            .map(|&key| key.to_owned())
            .collect();
        for key in consumer_only {
            client.remove(&key);
        }
        client
            .set("linger.ms", "2")
            .set("acks", "all")
            .set("enable.idempotence", "true");
        let producer: BaseProducer = client
            .create()
            .context("cannot create the feed's producer")?;
        let stop = Arc::new(AtomicBool::new(false));
        let (told, sessions) = channel();
        let line = Line {
            producer,
            topic: kafka.topics.ticks.clone(),
            gauges,
            stop: stop.clone(),
            told,
            fed: Fed {
                ticks: 0,
                records: 0,
                end: EventTime::MIN,
            },
            asked: 0,
            bytes: Vec::new(),
        };
        let story = scenario.clone();
        let thread = std::thread::Builder::new()
            .name("feed".to_owned())
            .spawn(move || line.feed(&story, session_seconds))?;
        Ok(Feed {
            scenario,
            stop,
            sessions,
            thread,
        })
    }

    /// Whether everything is fed, or the feed failed.
    pub(super) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// The sessions whose close was fed since this was asked last.
    pub(super) fn finished_sessions(&self) -> impl Iterator<Item = Date> {
        self.sessions.try_iter()
    }

    /// Stops it and says what was fed.
    pub(super) fn stop(self) -> anyhow::Result<Fed> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// The feeding thread's side.
struct Line {
    producer: BaseProducer,
    topic: String,
    gauges: Gauges,
    stop: Arc<AtomicBool>,
    told: Sender<Date>,
    fed: Fed,
    /// Records fed when the service's progress was asked last.
    asked: u64,
    bytes: Vec<u8>,
}

impl Line {
    fn feed(mut self, scenario: &Scenario, session_seconds: f64) -> anyhow::Result<Fed> {
        let mut pace = Pace::new(scenario, session_seconds);
        for event in scenario.events() {
            let due = pace.due(event.time());
            if let Some(date) = pace.finished(event.time()) {
                // Nobody may be listening any more.
                self.told.send(date).ok();
            }
            self.wait_until(due)?;
            if self.stop.load(Ordering::SeqCst) {
                break;
            }
            self.put(&event)?;
        }
        self.producer
            .flush(Duration::from_secs(10))
            .context("cannot feed the last records")?;
        while let Some(date) = pace.finished(EventTime::MAX) {
            self.told.send(date).ok();
        }
        Ok(self.fed)
    }

    /// Waits for the record's moment, and for the service where it is behind.
    fn wait_until(&mut self, due: Instant) -> anyhow::Result<()> {
        while !self.stop.load(Ordering::SeqCst) {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.producer.poll(left.min(Duration::from_millis(2)));
        }
        // Asking is not free, so it is asked once in a while.
        if self.fed.records >= self.asked + AHEAD_MAX / 10 {
            self.asked = self.fed.records;
            self.wait_for_service()?;
        }
        Ok(())
    }

    fn wait_for_service(&self) -> anyhow::Result<()> {
        let mut consumed = self.gauges.consumed();
        let mut moved = Instant::now();
        while self.fed.records > consumed + AHEAD_MAX && !self.stop.load(Ordering::SeqCst) {
            self.producer.poll(Duration::from_millis(2));
            let now = self.gauges.consumed();
            if now > consumed {
                consumed = now;
                moved = Instant::now();
            }
            if moved.elapsed() > PATIENCE {
                bail!(
                    "the service has read nothing for {} s, {consumed} of {}",
                    PATIENCE.as_secs(),
                    self.fed.records
                );
            }
        }
        Ok(())
    }

    fn put(&mut self, event: &Event) -> anyhow::Result<()> {
        self.bytes.clear();
        event.encode(&mut self.bytes);
        let stamp = stamp(event.time());
        match event.symbol() {
            Some(symbol) => {
                let partition = partition_for(symbol.as_bytes(), PARTITIONS);
                self.send(Some(symbol.as_bytes()), partition, stamp)?;
                self.fed.ticks += 1;
            }
            None => {
                for partition in 0..PARTITIONS {
                    self.send(None, partition, stamp)?;
                }
                self.fed.end = event.time();
            }
        }
        Ok(())
    }

    fn send(&mut self, key: Option<&[u8]>, partition: u32, stamp: i64) -> anyhow::Result<()> {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&self.topic)
            .partition(partition.cast_signed())
            .timestamp(stamp)
            .payload(&self.bytes);
        record.key = key;
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    self.producer.poll(Duration::from_millis(5));
                }
                Err((error, _)) => return Err(error).context("cannot feed a record"),
            }
        }
        self.fed.records += 1;
        Ok(())
    }
}

/// The record's own timestamp, in milliseconds: now, or its event time where a clock is behind that. An event time far
/// ahead of the timestamp would be refused as from the future.
fn stamp(time: EventTime) -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    i64::try_from(now)
        .unwrap_or(i64::MAX)
        .max(time.as_nanos().div_euclid(1_000_000))
}

/// When each moment of event time is due: the history at once, each session of the story in the same span.
struct Pace {
    sessions: Vec<(Date, EventTime, EventTime)>,
    told: usize,
    span: Duration,
    start: Option<Instant>,
}

impl Pace {
    fn new(scenario: &Scenario, session_seconds: f64) -> Pace {
        let hours = |date: &Date| {
            let session = rotation_engine::calendar::Calendar::Xnys.session(*date)?;
            Some((*date, session.open, session.close))
        };
        Pace {
            sessions: scenario.sessions().iter().filter_map(hours).collect(),
            told: 0,
            span: Duration::from_secs_f64(session_seconds),
            start: None,
        }
    }

    /// When an event of this time is due.
    fn due(&mut self, time: EventTime) -> Instant {
        let now = Instant::now();
        let Some((first, _, _)) = self.sessions.first() else {
            return now;
        };
        if date_key(time.utc_date()) < date_key(*first) {
            return now;
        }
        let start = *self.start.get_or_insert(now);
        let before = self
            .sessions
            .iter()
            .take_while(|(_, _, close)| *close < time)
            .count();
        let within = self.sessions.get(before).map_or(0.0, |(_, open, close)| {
            let length = close.saturating_since(*open) as f64;
            (time.saturating_since(*open) as f64 / length).clamp(0.0, 1.0)
        });
        start + self.span.mul_f64(before as f64 + within)
    }

    /// The next session that is over at this time and was not told yet.
    fn finished(&mut self, time: EventTime) -> Option<Date> {
        let (date, _, close) = self.sessions.get(self.told)?;
        (*close < time).then(|| {
            self.told += 1;
            *date
        })
    }
}
