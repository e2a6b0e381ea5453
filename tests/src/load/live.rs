//! Ticks as they happen, each of which raises an alert, beside a background of others.
//!
//! One process sends, and reads bars and alerts back under `read_committed`, so that all moments are of one clock.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use rotation_engine::record::Tick;
use rotation_engine::time::EventTime;
use rotation_wire::input::encode_tick;

use crate::service::{Deployment, Service};

/// Series whose every tick raises an alert, in turns.
const WATCHED: usize = 8;
/// Series of the background.
const OTHERS: usize = 100;
/// Longest wait for the service to get ready, and for the last alert.
const PATIENCE: Duration = Duration::from_secs(90);
/// The background comes in so many pieces a second.
const PIECES: u64 = 500;
/// Of a level of 100: below the rearm, and near.
const FAR_AND_NEAR: [f64; 2] = [95.0, 99.5];

/// A universe in which each tick of a watched series opens or ends an episode, and others make bars of minutes.
#[must_use]
pub fn universe() -> String {
    let mut text = "[universe.live]\ncalendar = \"24x7\"\n[universe.live.series]\n".to_owned();
    for at in 0..WATCHED {
        text.push_str(&format!("L{at} = {{}}\n"));
    }
    for at in 0..OTHERS {
        text.push_str(&format!("B{at} = {{}}\n"));
    }
    for at in 0..WATCHED {
        text.push_str(&format!(
            "[universe.live.rules.level-{at}]\nkind = \"level_approach\"\nclock = \"tick\"\nseries = \"L{at}\"\n\
             level = 100.0\nnear = 1.0\nrearm = 3.0\n"
        ));
    }
    for at in 0..OTHERS / 2 {
        text.push_str(&format!(
            "[universe.live.rules.streak-{at}]\nkind = \"relative_streak\"\nclock = \"1m\"\nleader = \"B{}\"\n\
             laggard = \"B{}\"\nopen_at = 9000\nescalate_at = []\nescalate_since_years = []\n",
            2 * at,
            2 * at + 1
        ));
    }
    text
}

/// How to send.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Ticks of the background a second.
    pub background: u64,
    /// Ticks that raise an alert, all in all.
    pub samples: usize,
    /// Mean time between two of them.
    pub apart: Duration,
}

/// The moments of one tick.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// It was sent.
    pub sent: Instant,
    /// The broker had it.
    pub acknowledged: Option<Instant>,
    /// A subscriber had it on the bars log.
    pub bar: Option<Instant>,
    /// A subscriber had its alert.
    pub alert: Option<Instant>,
}

type Seen = Arc<Mutex<HashMap<EventTime, Instant>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> Result<EventTime> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(EventTime::from_nanos(i64::try_from(since.as_nanos())?))
}

/// Notes when each watched tick is acknowledged.
struct Acknowledged(Seen);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = Box<EventTime>;

    fn delivery(&self, report: &DeliveryResult<'_>, time: Box<EventTime>) {
        if report.is_ok() {
            lock(&self.0).insert(*time, Instant::now());
        }
    }
}

/// Waits until a process is ready.
///
/// # Errors
///
/// When it does not get so.
pub fn await_ready(service: &mut Service) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while service.get("/readyz")?.0 != 200 {
        ensure!(Instant::now() < deadline, "not ready; {}", service.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Sends ticks while `meanwhile` runs on a thread aside, until both are done; every sample has its alert then.
///
/// # Errors
///
/// When an alert does not come.
pub fn run(
    deployment: &Deployment,
    load: Load,
    meanwhile: impl FnOnce() -> Result<()> + Send,
) -> Result<Vec<Sample>> {
    let stop = AtomicBool::new(false);
    let [bars, alerts, acknowledged] = [Seen::default(), Seen::default(), Seen::default()];
    let mut sent: Vec<(EventTime, Instant)> = Vec::new();
    std::thread::scope(|scope| {
        let [_, bars_topic, alerts_topic, ..] = &deployment.topics;
        let threads = [
            scope.spawn(|| subscribe(deployment, bars_topic, "time", &bars, &stop)),
            scope.spawn(|| subscribe(deployment, alerts_topic, "as_of", &alerts, &stop)),
            scope.spawn(|| background(deployment, load.background, &stop)),
        ];
        let meanwhile = scope.spawn(meanwhile);
        let result = watched(deployment, load, &acknowledged, &mut sent, &|| {
            meanwhile.is_finished()
        })
        .and_then(|()| await_alerts(&sent, &alerts));
        stop.store(true, Ordering::SeqCst);
        for thread in threads {
            let joined = thread.join();
            joined.map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        }
        let meanwhile = meanwhile.join();
        meanwhile.map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        result
    })?;
    let at = |seen: &Seen, time: &EventTime| lock(seen).get(time).copied();
    let samples = sent.iter().map(|(time, sent)| Sample {
        sent: *sent,
        acknowledged: at(&acknowledged, time),
        bar: at(&bars, time),
        alert: at(&alerts, time),
    });
    Ok(samples.collect())
}

/// Sends the watched ticks, at random distances; goes on while something else is to be done meanwhile.
fn watched(
    deployment: &Deployment,
    load: Load,
    acknowledged: &Seen,
    sent: &mut Vec<(EventTime, Instant)>,
    done: &dyn Fn() -> bool,
) -> Result<()> {
    let producer: ThreadedProducer<Acknowledged> = deployment
        .broker
        .config()
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "0")
        .create_with_context(Acknowledged(Arc::clone(acknowledged)))?;
    let mut dice = ChaCha8Rng::seed_from_u64(1);
    // Subscribers have to be at the end of their topics, and the rules armed.
    std::thread::sleep(Duration::from_secs(1));
    let mut number = 0;
    while number < load.samples + WATCHED || !done() {
        let price = FAR_AND_NEAR[number / WATCHED % 2];
        let time = now()?;
        let symbol = format!("L{}", number % WATCHED);
        let payload = record(&symbol, time, price);
        let record = BaseRecord::with_opaque_to(&deployment.topics[0], Box::new(time))
            .key(&symbol)
            .payload(&payload);
        let at = Instant::now();
        producer.send(record).map_err(|(error, _)| error)?;
        // The first of each series arms its rule and raises nothing.
        if number >= WATCHED {
            sent.push((time, at));
        }
        number += 1;
        let apart = load.apart.as_secs_f64() * dice.random_range(0.4..1.6);
        std::thread::sleep(Duration::from_secs_f64(apart));
    }
    producer.flush(PATIENCE).context("not all was sent")
}

fn record(symbol: &str, time: EventTime, price: f64) -> Vec<u8> {
    let tick = Tick {
        time,
        price,
        size: 1.0,
        seq: None,
        official: false,
    };
    let mut payload = Vec::with_capacity(128);
    encode_tick(&mut payload, symbol, &tick);
    payload
}

/// Sends the background evenly until told to stop.
fn background(deployment: &Deployment, per_second: u64, stop: &AtomicBool) -> Result<()> {
    let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> = deployment
        .broker
        .config()
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "2")
        .create()?;
    let begun = Instant::now();
    let mut number = 0_u64;
    while !stop.load(Ordering::SeqCst) {
        let wanted = (begun.elapsed().as_secs_f64() * per_second as f64) as u64;
        while number < wanted {
            let symbol = format!("B{}", number % OTHERS as u64);
            let payload = record(&symbol, now()?, 50.0 + (number % 7) as f64);
            let record = BaseRecord::to(&deployment.topics[0])
                .key(&symbol)
                .payload(&payload);
            producer.send(record).map_err(|(error, _)| error)?;
            number += 1;
        }
        std::thread::sleep(Duration::from_secs(1) / PIECES as u32);
    }
    producer.flush(PATIENCE).context("not all was sent")
}

/// Notes when a subscriber has each record, by the time that it bears.
fn subscribe(
    deployment: &Deployment,
    topic: &str,
    field: &str,
    seen: &Seen,
    stop: &AtomicBool,
) -> Result<()> {
    let consumer: BaseConsumer = deployment
        .broker
        .config()
        .set("group.id", "live-subscriber")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "100")
        .create()?;
    let mut all = TopicPartitionList::new();
    for partition in deployment.broker.partitions(topic)? {
        all.add_partition_offset(topic, partition, Offset::End)?;
    }
    consumer.assign(&all)?;
    while !stop.load(Ordering::SeqCst) {
        let Some(message) = consumer.poll(Duration::from_millis(20)) else {
            continue;
        };
        let at = Instant::now();
        let message = message.context("a subscriber failed")?;
        let payload = message.payload().context("no value")?;
        let value: serde_json::Value = serde_json::from_slice(payload)?;
        let is_other = value["type"]
            .as_str()
            .is_some_and(|kind| kind == "horizon" || kind == "bar" || kind == "split");
        if is_other {
            continue;
        }
        let text = value[field].as_str().or(value["data"][field].as_str());
        let time: EventTime = text
            .and_then(|text| text.parse().ok())
            .with_context(|| format!("no {field} in {value}"))?;
        lock(seen).entry(time).or_insert(at);
    }
    Ok(())
}

fn await_alerts(sent: &[(EventTime, Instant)], alerts: &Seen) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let missing = {
            let seen = lock(alerts);
            let mut missing = sent.iter().filter(|(time, _)| !seen.contains_key(time));
            missing.next().map(|(time, _)| *time)
        };
        let Some(time) = missing else {
            return Ok(());
        };
        ensure!(
            Instant::now() < deadline,
            "no alert for the tick of {time}, of {} ticks",
            sent.len()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Times of one hop, in order.
#[derive(Clone, Debug)]
pub struct Hop {
    /// From what to what.
    pub name: &'static str,
    times: Vec<Duration>,
}

impl Hop {
    /// The time within which this part of the samples was.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Duration {
        let at = (part * self.times.len() as f64).ceil() as usize;
        let at = at.saturating_sub(1).min(self.times.len().saturating_sub(1));
        self.times.get(at).copied().unwrap_or_default()
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |part: f64| format!("{:.1}", self.quantile(part).as_secs_f64() * 1e3);
        write!(
            f,
            "| {} | {} | {} | {} | {} |",
            self.name,
            ms(0.5),
            ms(0.99),
            ms(0.999),
            ms(1.0)
        )
    }
}

/// The hops of samples that have all their moments, and the whole way.
#[must_use]
pub fn hops(samples: &[Sample]) -> Vec<Hop> {
    type Moment = fn(&Sample) -> Option<Instant>;
    let ways: [(&str, Moment, Moment); 5] = [
        ("sent to on the topic", |s| Some(s.sent), |s| s.acknowledged),
        ("on the topic to bar visible", |s| s.acknowledged, |s| s.bar),
        ("bar visible to alert visible", |s| s.bar, |s| s.alert),
        (
            "on the topic to alert visible",
            |s| s.acknowledged,
            |s| s.alert,
        ),
        ("sent to alert visible", |s| Some(s.sent), |s| s.alert),
    ];
    let hop = |(name, from, to): (&'static str, Moment, Moment)| {
        let time = |sample: &Sample| Some(to(sample)?.saturating_duration_since(from(sample)?));
        let mut times: Vec<Duration> = samples.iter().filter_map(time).collect();
        times.sort_unstable();
        Hop { name, times }
    };
    ways.map(hop).into()
}
