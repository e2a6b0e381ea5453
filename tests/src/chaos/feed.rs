//! The feed: files of market data as input records, paced so that alerts come all the time while faults strike.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext};
use rotation_engine::time::EventTime;
use rotation_service::files::{self, OpenOptions};
use rotation_service::replay::heartbeats::HeartbeatOptions;
use rotation_service::replay::{Feed, FeedOptions, Route};

use super::now_ms;
use crate::market;
use crate::service::{Deployment, Events};

/// The daily files read, and those of five-minute bars.
const DAILY: [&str; 3] = ["DGS10", "GSPC", "RUT"];
const INTRADAY: [&str; 2] = ["RUT_5m", "SPX_5m"];
/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(5);
/// Longest wait for the last acknowledgement, with brokers coming back meanwhile.
const FLUSH: Duration = Duration::from_secs(180);
/// A feed that is further than the faults goes on at this part of its pace.
const TRICKLE: f64 = 0.05;

/// One input record.
struct Piece {
    partition: Option<i32>,
    key: Vec<u8>,
    value: Vec<u8>,
    time: EventTime,
    /// Part of the run after which it is sent.
    due: f64,
}

/// All input records in their order.
pub(super) struct Pieces(Vec<Piece>);

/// Puts the files together in a folder, bars from `since` (a date) on; `None` where there is no market data.
pub(super) fn gather(folder: &Path, since: &str) -> Result<Option<PathBuf>> {
    let data = folder.join("data");
    fs::create_dir(&data)?;
    for name in DAILY {
        let Some(file) = market::find(&format!("daily/{name}.csv")) else {
            return Ok(None);
        };
        fs::copy(file, data.join(format!("{name}.csv")))?;
    }
    for name in INTRADAY {
        let Some(file) = market::find(&format!("intraday/{name}.csv.gz")) else {
            return Ok(None);
        };
        let mut kept = String::new();
        for (at, line) in market::text(&file).lines().enumerate() {
            if at == 0 || line >= since {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        fs::write(data.join(format!("{name}.csv")), kept)?;
    }
    Ok(Some(data))
}

impl Pieces {
    /// Reads the files; half of the pace goes by records, half by the alerts that they will raise.
    pub(super) fn read(data: &Path, partitions: i32, reference: &Events) -> Result<Self> {
        let bond = "US-BOND".parse().context("the calendar is known")?;
        let options = OpenOptions {
            calendars: [("DGS10".to_owned(), bond)].into(),
            ..OpenOptions::default()
        };
        let sources = DAILY
            .iter()
            .chain(&INTRADAY)
            .map(|name| files::open(data.join(format!("{name}.csv")), &options))
            .collect::<Result<_, _>>()?;
        let heartbeats = HeartbeatOptions {
            calendars: vec!["XNYS".parse().context("the calendar is known")?, bond],
            ..HeartbeatOptions::default()
        };
        let options = FeedOptions {
            heartbeats: Some(heartbeats),
            numbered: true,
        };
        let mut pieces = Vec::new();
        for outgoing in Feed::new(files::merge(sources), options) {
            let outgoing = outgoing?;
            let (time, value) = (outgoing.time, outgoing.payload);
            let mut push = |partition, key: &[u8]| {
                pieces.push(Piece {
                    partition,
                    key: key.to_vec(),
                    value: value.clone(),
                    time,
                    due: 0.0,
                });
            };
            match outgoing.route {
                Route::Key(symbol) => push(None, symbol.as_bytes()),
                Route::Any => push(None, b""),
                Route::Every => (0..partitions).for_each(|at| push(Some(at), b"")),
            }
        }
        let mut pieces = Self(pieces);
        pieces.pace(reference)?;
        Ok(pieces)
    }

    fn pace(&mut self, reference: &Events) -> Result<()> {
        let mut alerts = Vec::new();
        for event in reference.values().flatten() {
            alerts.push(as_of(event)?);
        }
        alerts.sort_unstable();
        let (count, of_alerts) = (self.0.len() as f64, alerts.len().max(1) as f64);
        let mut passed = 0;
        let mut before = 0.0_f64;
        for (at, piece) in self.0.iter_mut().enumerate() {
            while alerts.get(passed).is_some_and(|time| *time <= piece.time) {
                passed += 1;
            }
            before = before.max(0.5 * at as f64 / count + 0.5 * passed as f64 / of_alerts);
            piece.due = before;
        }
        Ok(())
    }

    /// Puts some of them on the topic at once, and waits until they are acknowledged.
    pub(super) fn put(&self, deployment: &Deployment, range: Range<usize>) -> Result<()> {
        let messages = self.0[range]
            .iter()
            .map(|piece| (piece.partition, &piece.key, &piece.value, None));
        let topic = &deployment.topics[0];
        deployment.broker.produce(topic, messages)?;
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Number of the first record of this time or later.
    pub(super) fn at(&self, time: EventTime) -> usize {
        self.0
            .iter()
            .position(|piece| piece.time >= time)
            .unwrap_or(self.0.len())
    }
}

/// The event time of an alert.
pub(super) fn as_of(event: &str) -> Result<EventTime> {
    let event: serde_json::Value = serde_json::from_str(event)?;
    let text = event["data"]["as_of"].as_str().context("no as_of")?;
    text.parse()
        .ok()
        .with_context(|| format!("as_of {text} is no time"))
}

/// How far the feed is, and how far it may go.
#[derive(Default)]
pub(super) struct Fed {
    /// Offset after the last acknowledged record, by partition.
    ends: Mutex<BTreeMap<i32, i64>>,
    failure: Mutex<Option<String>>,
    /// Number of records sent, and when.
    sent: Mutex<Vec<(usize, u64)>>,
    /// Part of the faults that have struck.
    struck: Mutex<f64>,
    done: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Fed {
    /// Offset after the last acknowledged record, by partition.
    pub(super) fn ends(&self) -> BTreeMap<i32, i64> {
        lock(&self.ends).clone()
    }

    /// Lets the feed go so far; at 1 it goes to its end without a pause.
    pub(super) fn allow(&self, struck: f64) {
        *lock(&self.struck) = struck;
    }

    /// Whether everything was sent and acknowledged.
    pub(super) fn done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    /// When the record of this number was sent, in milliseconds since 1970.
    pub(super) fn sent_at(&self, number: usize) -> u64 {
        let sent = lock(&self.sent);
        let after = sent.partition_point(|(count, _)| *count <= number);
        sent.get(after)
            .or(sent.last())
            .map_or_else(now_ms, |(_, at)| *at)
    }

    fn check(&self) -> Result<()> {
        match lock(&self.failure).take() {
            Some(error) => bail!("the feed itself failed: {error}"),
            None => Ok(()),
        }
    }
}

/// Delivery reports of the feed.
struct Acknowledged(Arc<Fed>);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        match report {
            Ok(message) => {
                let mut ends = lock(&self.0.ends);
                let end = ends.entry(message.partition()).or_default();
                *end = (*end).max(message.offset() + 1);
            }
            Err((error, _)) => {
                lock(&self.0.failure).get_or_insert_with(|| error.to_string());
            }
        }
    }
}

/// Sends all records over so long a time; in order and each once, whatever happens to the brokers.
pub(super) fn send(
    mut config: ClientConfig,
    topic: &str,
    pieces: &Pieces,
    length: Duration,
    fed: &Arc<Fed>,
    given_up: &AtomicBool,
) -> Result<()> {
    let producer: ThreadedProducer<Acknowledged> = config
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("compression.type", "lz4")
        .set("linger.ms", "5")
        .set("message.timeout.ms", "0")
        .create_with_context(Acknowledged(Arc::clone(fed)))?;
    let mut position = 0.0_f64;
    let mut looked = Instant::now();
    for (number, piece) in pieces.0.iter().enumerate() {
        while piece.due > position {
            std::thread::sleep(TICK);
            fed.check()?;
            if given_up.load(Ordering::SeqCst) {
                bail!("the feed was given up");
            }
            let struck = *lock(&fed.struck);
            let step = looked.elapsed().as_secs_f64() / length.as_secs_f64();
            looked = Instant::now();
            position = match struck {
                all if all >= 1.0 => 1.0,
                ahead if position > ahead => position + step * TRICKLE,
                _ => position + step,
            };
        }
        if number % 64 == 0 {
            lock(&fed.sent).push((number, now_ms()));
        }
        let mut record = BaseRecord::to(topic).payload(&piece.value);
        record.partition = piece.partition;
        if !piece.key.is_empty() {
            record = record.key(&piece.key);
        }
        while let Err((error, back)) = producer.send(record) {
            let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            if error != full {
                return Err(error).context("the feed cannot send");
            }
            std::thread::sleep(TICK);
            record = back;
        }
    }
    producer.flush(FLUSH).context("the feed cannot end")?;
    fed.check()?;
    fed.done.store(true, Ordering::SeqCst);
    Ok(())
}
