//! Records: put into a topic, and read back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::{ANSWER, Broker};

/// Pause between two looks at the broker.
const PAUSE: Duration = Duration::from_millis(10);

/// A record as a consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Partition it was read from.
    pub partition: i32,
    /// Offset in that partition.
    pub offset: i64,
    /// Key, if it has one.
    pub key: Option<Vec<u8>>,
    /// Value; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// Headers in their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Timestamp, milliseconds since 1970.
    pub timestamp: Option<i64>,
}

impl From<&BorrowedMessage<'_>> for Record {
    fn from(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map(|headers| {
            headers
                .iter()
                .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
                .collect()
        });
        Self {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            payload: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
            timestamp: message.timestamp().to_millis(),
        }
    }
}

impl Broker {
    /// Puts messages into a topic, in order, and waits until all are acknowledged; returns how many.
    ///
    /// Each is (partition or by key, key, payload, timestamp in milliseconds or now). Keys choose partitions as the
    /// Java client does; an empty key is sent as none.
    ///
    /// # Errors
    ///
    /// When a message is refused or not acknowledged in time.
    pub fn produce<K, P>(
        &self,
        topic: &str,
        messages: impl IntoIterator<Item = (Option<i32>, K, P, Option<i64>)>,
    ) -> Result<usize>
    where
        K: AsRef<[u8]>,
        P: AsRef<[u8]>,
    {
        let reports = Reports::default();
        let producer: BaseProducer<Reports> = self
            .config()
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "5")
            .create_with_context(reports.clone())?;
        let mut sent = 0;
        for (partition, key, payload, timestamp) in messages {
            let mut record = BaseRecord::to(topic).payload(payload.as_ref());
            if !key.as_ref().is_empty() {
                record = record.key(key.as_ref());
            }
            record.partition = partition;
            record.timestamp = timestamp;
            send(&producer, record)?;
            sent += 1;
            if sent % 1024 == 0 {
                producer.poll(Duration::ZERO);
            }
        }
        producer
            .flush(ANSWER * 2)
            .with_context(|| format!("not every message to {topic} was acknowledged"))?;
        let failed = reports
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(error) = failed {
            bail!("a message to {topic} was refused: {error}");
        }
        let acknowledged = reports.acknowledged.load(Ordering::SeqCst);
        ensure!(
            acknowledged == sent,
            "{acknowledged} of {sent} messages to {topic} were acknowledged"
        );
        Ok(sent)
    }

    /// The end of each partition that is not empty: the offset of its next record.
    ///
    /// # Errors
    ///
    /// When the topic is unknown or the broker does not answer.
    pub fn ends(&self, topic: &str) -> Result<BTreeMap<i32, i64>> {
        let consumer: BaseConsumer = self
            .config()
            .set("isolation.level", "read_uncommitted")
            .create()?;
        ends(&consumer, topic, &self.partitions(topic)?)
    }

    /// Reads every partition of a topic under `read_committed`, from its beginning to its end at the time of the call;
    /// by partition, then offset.
    ///
    /// Waits for the transactions that are open then. So what was committed before is read: the broker answers a
    /// commit before it has written the markers, and until then the records are not to be seen.
    ///
    /// # Errors
    ///
    /// When the topic is unknown, a transaction stays open, or nothing comes for a while before the end is reached.
    pub fn read_committed(&self, topic: &str) -> Result<Vec<Record>> {
        let uncommitted: BaseConsumer = self
            .config()
            .set("isolation.level", "read_uncommitted")
            .create()?;
        let partitions = self.partitions(topic)?;
        let ends = ends(&uncommitted, topic, &partitions)?;
        let committed = self.committed_reader()?;
        let deadline = Instant::now() + ANSWER;
        loop {
            let stable = self::ends(&committed, topic, &partitions)?;
            let reached =
                |(partition, end)| stable.get(partition).is_some_and(|stable| stable >= end);
            if ends.iter().all(reached) {
                return read(&committed, topic, stable);
            }
            ensure!(
                Instant::now() < deadline,
                "a transaction on {topic} is open for {ANSWER:?}: ends {ends:?}, stable {stable:?}"
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// Reads what a `read_committed` subscriber could have read by now: up to the last stable offset, which is where
    /// the first open transaction begins.
    ///
    /// # Errors
    ///
    /// When the topic is unknown, or nothing comes for a while before the end is reached.
    pub fn read_stable(&self, topic: &str) -> Result<Vec<Record>> {
        let committed = self.committed_reader()?;
        let stable = ends(&committed, topic, &self.partitions(topic)?)?;
        read(&committed, topic, stable)
    }

    /// Whether a transaction is open on a topic.
    ///
    /// # Errors
    ///
    /// When the topic is unknown or the broker does not answer.
    pub fn is_open(&self, topic: &str) -> Result<bool> {
        let stable = ends(&self.committed_reader()?, topic, &self.partitions(topic)?)?;
        Ok(stable != self.ends(topic)?)
    }

    fn committed_reader(&self) -> Result<BaseConsumer> {
        let consumer = self
            .config()
            .set("group.id", super::unique("reader"))
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .create()?;
        Ok(consumer)
    }
}

/// Reads each partition of `unread` from its beginning to the offset given.
fn read(
    consumer: &BaseConsumer,
    topic: &str,
    mut unread: BTreeMap<i32, i64>,
) -> Result<Vec<Record>> {
    let mut assignment = TopicPartitionList::new();
    for &partition in unread.keys() {
        assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;

    let mut records = Vec::new();
    let mut deadline = Instant::now() + ANSWER;
    while !unread.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                deadline = Instant::now() + ANSWER;
                let (partition, offset) = (message.partition(), message.offset());
                let Some(&end) = unread.get(&partition) else {
                    continue;
                };
                if offset < end {
                    records.push(Record::from(&message));
                }
                // Control markers have offsets but are not delivered: without more records the end of the
                // partition is told by an event, below.
                if offset + 1 >= end {
                    unread.remove(&partition);
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                unread.remove(&partition);
            }
            Some(Err(error)) if !passes(&error) => {
                return Err(error).with_context(|| format!("cannot read {topic}"));
            }
            _ if Instant::now() > deadline => {
                bail!(
                    "nothing from {topic} for {ANSWER:?}; {} records read, not at the end of {unread:?}",
                    records.len()
                );
            }
            _ => {}
        }
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}

/// Whether the client goes on by itself after an error.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, OperationTimedOut};
    let code = error.rdkafka_error_code();
    code.is_some_and(|code| {
        matches!(
            code,
            AllBrokersDown | BrokerTransportFailure | OperationTimedOut
        )
    })
}

/// The end of each partition that is not empty: under `read_committed` its last stable offset, else its high
/// watermark.
fn ends(consumer: &BaseConsumer, topic: &str, partitions: &[i32]) -> Result<BTreeMap<i32, i64>> {
    let mut ends = BTreeMap::new();
    for &partition in partitions {
        let (start, end) = consumer
            .fetch_watermarks(topic, partition, ANSWER)
            .with_context(|| format!("cannot ask for the end of {topic}/{partition}"))?;
        if end > start {
            ends.insert(partition, end);
        }
    }
    Ok(ends)
}

/// Hands a record over, waiting for room where the queue is full.
fn send(producer: &BaseProducer<Reports>, record: BaseRecord<'_, [u8], [u8]>) -> Result<()> {
    let deadline = Instant::now() + ANSWER;
    let mut record = record;
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                if Instant::now() < deadline =>
            {
                producer.poll(Duration::from_millis(10));
                record = back;
            }
            Err((error, back)) => {
                return Err(error).with_context(|| format!("cannot send to {}", back.topic));
            }
        }
    }
}

/// Counts delivery reports and keeps the first failure.
#[derive(Clone, Default)]
struct Reports {
    acknowledged: Arc<AtomicUsize>,
    failure: Arc<Mutex<Option<String>>>,
}

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        match report {
            Ok(_) => {
                self.acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            Err((error, _)) => {
                let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert_with(|| error.to_string());
            }
        }
    }
}
