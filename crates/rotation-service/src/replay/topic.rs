//! The producer of a replay.

use super::error::ReplayError;
use super::feed::{Outgoing, Route};
use super::rouse::Listeners;
use crate::kafka::KafkaSettings;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig};
use rdkafka::{ClientConfig, message::BorrowedMessage};
use rotation_engine::time::EventTime;
use rotation_wire::input::{Input, decode, encode_heartbeat};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait for the cluster's first answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a replay that is stopped waits for what is in flight.
const GRACE: Duration = Duration::from_secs(10);
/// Slice of a wait: so soon an interruption is noticed.
const SLICE: Duration = Duration::from_millis(50);
/// Wait for room in the queue.
const ROOM: Duration = Duration::from_millis(2);
/// Delivery reports are looked at after so many messages.
const POLL_EVERY: u64 = 256;

/// Sends records to a topic: each once, those of a key in order.
pub(super) struct Topic {
    producer: BaseProducer<Reports>,
    reports: Reports,
    topic: String,
    partitions: i32,
    messages: u64,
    /// How to ask who reads the topic, where that is known.
    readers: Option<KafkaSettings>,
}

/// Why a record was not handed over.
#[derive(Debug)]
pub(super) enum Unsent {
    /// The replay was interrupted while it waited for room.
    Interrupted,
    /// The producer refuses the record, or an earlier one was not delivered.
    Failed,
}

impl Topic {
    /// Connects, and asks how many partitions the topic has.
    pub(super) fn open(
        client: &ClientConfig,
        brokers: &str,
        topic: &str,
        readers: Option<&KafkaSettings>,
    ) -> Result<Self, ReplayError> {
        let reports = Reports::default();
        let producer: BaseProducer<Reports> = client
            .create_with_context(reports.clone())
            .map_err(|error| ReplayError::Client(error.into()))?;
        // Asked for all topics, because to be asked for one makes some brokers create it.
        let metadata = producer.client().fetch_metadata(None, ANSWER);
        let metadata = metadata.map_err(|source| {
            // The answer that did not come says less than what librdkafka met on the way.
            producer.poll(SLICE);
            ReplayError::Metadata {
                brokers: brokers.to_owned(),
                topic: topic.to_owned(),
                met: reports.met(),
                source: source.into(),
            }
        })?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let partitions = found.map_or(0, |found| found.partitions().len());
        if partitions == 0 {
            return Err(ReplayError::NoTopic {
                brokers: brokers.to_owned(),
                topic: topic.to_owned(),
            });
        }
        Ok(Self {
            producer,
            reports,
            topic: topic.to_owned(),
            partitions: i32::try_from(partitions).expect("Kafka counts partitions in 32 bits"),
            messages: 0,
            readers: readers.cloned(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.topic
    }

    pub(super) fn partitions(&self) -> i32 {
        self.partitions
    }

    /// Hands a record over to each partition that it concerns; waits for room where the queue is full.
    pub(super) fn send(&mut self, record: &Outgoing, stop: &AtomicBool) -> Result<(), Unsent> {
        let payload = &record.payload[..];
        let to = BaseRecord::<'_, str, [u8]>::to(&self.topic).payload(payload);
        match &record.route {
            Route::Key(symbol) => self.hand_over(to.key(symbol), stop)?,
            Route::Any => self.hand_over(to, stop)?,
            Route::Every => {
                for partition in 0..self.partitions {
                    let to = BaseRecord::to(&self.topic)
                        .payload(payload)
                        .partition(partition);
                    self.hand_over(to, stop)?;
                }
                self.messages += u64::from(self.partitions.unsigned_abs()) - 1;
            }
        }
        self.messages += 1;
        if self.messages.is_multiple_of(POLL_EVERY) {
            self.producer.poll(Duration::ZERO);
        }
        if self.reports.failed() > 0 {
            Err(Unsent::Failed)
        } else {
            Ok(())
        }
    }

    /// Sends a heartbeat to each partition where a group reads along, and waits until it has read that.
    pub(super) fn rouse(&mut self, time: EventTime, stop: &AtomicBool) -> Option<String> {
        let listeners = Listeners::find(self.readers.as_ref()?, &self.topic)?;
        let mut payload = Vec::new();
        encode_heartbeat(&mut payload, time);
        let heartbeat = Outgoing {
            route: Route::Every,
            time,
            due: time,
            payload,
        };
        // What goes wrong here goes wrong with the first record too, and is told there.
        self.send(&heartbeat, stop).ok()?;
        self.producer.flush(GRACE).ok()?;
        let group = &listeners.group;
        match listeners.await_read(self.partitions, stop) {
            Ok(true) => None,
            Ok(false) => Some(format!(
                "group {group} has members, and did not read the first heartbeats within 10 s: of what it reads unevenly \
                 some may count as late"
            )),
            Err(error) => Some(format!(
                "how far group {group} has read is not known: {error}"
            )),
        }
    }

    fn hand_over(
        &self,
        mut record: BaseRecord<'_, str, [u8]>,
        stop: &AtomicBool,
    ) -> Result<(), Unsent> {
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    if stop.load(Ordering::Relaxed) {
                        return Err(Unsent::Interrupted);
                    }
                    self.producer.poll(ROOM);
                    record = back;
                }
                Err((error, back)) => {
                    self.reports.note(back.key, back.payload, &error);
                    return Err(Unsent::Failed);
                }
            }
        }
    }

    /// Serves delivery reports for a while.
    pub(super) fn wait(&self, wait: Duration) {
        self.producer.poll(wait.min(SLICE));
    }

    /// Waits until each message was acknowledged or has failed; once stopped, no longer than a grace. What is in
    /// flight after a failure is given up. Returns how many messages were not delivered, and why the first was not.
    pub(super) fn finish(&self, stop: &AtomicBool) -> (u64, Option<String>) {
        let mut deadline = None;
        while self.reports.failed() == 0 && self.producer.in_flight_count() > 0 {
            if stop.load(Ordering::Relaxed) {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + GRACE);
                if Instant::now() > deadline {
                    break;
                }
            }
            // A time-out is no failure: what is left fails by itself after `message.timeout.ms`.
            let _ = self.producer.flush(SLICE);
        }
        if self.producer.in_flight_count() > 0 {
            self.producer
                .purge(PurgeConfig::default().queue().inflight());
            let _ = self.producer.flush(GRACE);
        }
        self.producer.poll(Duration::ZERO);
        (self.reports.failed(), self.reports.first())
    }
}

/// Counts what was not delivered, and keeps the first cause.
#[derive(Clone, Default)]
struct Reports {
    failed: Arc<AtomicU64>,
    first: Arc<Mutex<Option<String>>>,
    met: Arc<Mutex<Option<String>>>,
}

impl Reports {
    fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    fn first(&self) -> Option<String> {
        let first = self.first.lock();
        first.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first trouble that librdkafka told of, such as a refused connection, for the end of a message.
    fn met(&self) -> String {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.as_ref()
            .map_or_else(String::new, |met| format!(" ({met})"))
    }

    fn note(&self, key: Option<&str>, payload: Option<&[u8]>, error: &KafkaError) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| {
            let what = describe(key, payload);
            let why = error.rdkafka_error_code();
            why.map_or_else(
                || format!("{what}: {error}"),
                |code| format!("{what}: {code}"),
            )
        });
    }
}

impl ClientContext for Reports {
    fn error(&self, _: KafkaError, reason: &str) {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.get_or_insert_with(|| reason.to_owned());
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = report {
            let message: &BorrowedMessage<'_> = message;
            let key = message.key().and_then(|key| str::from_utf8(key).ok());
            self.note(key, message.payload(), error);
        }
    }
}

/// A record for people: its symbol and time.
fn describe(key: Option<&str>, payload: Option<&[u8]>) -> String {
    let input = payload.and_then(|payload| decode(payload).ok());
    match (key, input) {
        (_, Some(Input::Tick { symbol, tick })) => format!("{symbol} at {}", tick.time),
        (_, Some(Input::Heartbeat { time })) => format!("heartbeat of {time}"),
        (_, Some(Input::Split { symbol, time, .. })) => format!("split of {symbol} at {time}"),
        (_, Some(Input::Void { symbol, seq, .. })) => format!("void of {symbol} number {seq}"),
        (Some(key), None) => format!("a record of {key}"),
        (None, None) => "a record without a symbol".to_owned(),
    }
}
