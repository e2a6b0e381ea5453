//! Reading a topic: an ordinary consumer that assigns itself every partition, joins no group and commits nothing.

use super::View;
use super::place::{Partition, Place, Topic};
use crate::kafka::KafkaSettings;
use crate::kafka::refusal::is_topic_denied;
use crate::stage::StopSignal;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Of readings, the newest so many records of a partition are read, the markers of transactions counted in.
const READINGS_READ_MAX: i64 = 2_000_000;
/// Longest wait for an answer of the cluster.
const ANSWER: Duration = Duration::from_secs(5);
/// Longest wait for a record.
const POLL: Duration = Duration::from_millis(100);
/// Records that are taken at a time.
const BATCH: usize = 500;
/// How often a topic that cannot be read is looked for again.
const RETRY: Duration = Duration::from_secs(2);
/// How often the cluster is asked whether it is there, and has more partitions of a topic.
const REFRESH: Duration = Duration::from_secs(10);

/// Follows a topic until `stop` is set.
pub(crate) fn follow(view: &View, topic: Topic, settings: &KafkaSettings, stop: &StopSignal) {
    let is_stopped = || stop.load(Ordering::SeqCst);
    while !is_stopped() {
        let mut reader = match Reader::open(view, topic, settings) {
            Ok(reader) => reader,
            Err(error) => {
                tracing::error!(%error, "the page cannot read: the Kafka client cannot be made");
                return;
            }
        };
        while !is_stopped() {
            if let Err(error) = reader.step() {
                tracing::warn!(topic = reader.name, %error, "the page reads on with another client");
                std::thread::sleep(POLL);
                break;
            }
        }
    }
}

/// What goes wrong is told by [`Reader`], once; the end of a partition is no error.
struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, "librdkafka: {reason}");
    }
}

impl ConsumerContext for Quiet {}

/// A fetch waits at least so many milliseconds where there is nothing, whatever the stages do: people wait here, and a
/// broker wakes a fetch as soon as there is something. The embedded one of the demo does not.
const FETCH_WAIT: u64 = 50;

struct Reader<'a> {
    view: &'a View,
    topic: Topic,
    name: String,
    consumer: BaseConsumer<Quiet>,
    /// The partitions that are read, and whether each has been read to its end.
    at_end: BTreeMap<i32, bool>,
    /// When the topic is looked at again.
    look: Instant,
    /// Whether trouble was told since the last record.
    told: bool,
    /// The cluster did not answer when it was last asked.
    is_away: bool,
}

impl<'a> Reader<'a> {
    fn open(view: &'a View, topic: Topic, settings: &KafkaSettings) -> Result<Self, KafkaError> {
        let mut config = settings.client();
        config.remove("statistics.interval.ms");
        let wait = config.get("fetch.wait.max.ms");
        if wait.is_some_and(|wait| wait.parse().is_ok_and(|wait: u64| wait < FETCH_WAIT)) {
            config.set("fetch.wait.max.ms", FETCH_WAIT.to_string());
        }
        config
            .set("group.id", settings.stage_group("view"))
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .set("queued.max.messages.kbytes", "16384");
        let name = match topic {
            Topic::Alerts => &settings.topics.alerts,
            Topic::Readings => &settings.topics.readings,
        };
        Ok(Reader {
            view,
            topic,
            name: name.clone(),
            consumer: config.create_with_context(Quiet)?,
            at_end: BTreeMap::new(),
            look: Instant::now(),
            told: false,
            is_away: false,
        })
    }

    /// Looks at the topic where it is time to, and takes what there is.
    fn step(&mut self) -> Result<(), KafkaError> {
        if Instant::now() >= self.look {
            if let Err(why) = self.look() {
                self.note(Some(why));
            }
            let is_whole = !self.at_end.is_empty() && !self.view.has_note(self.topic);
            self.look = Instant::now() + if is_whole { REFRESH } else { RETRY };
        }
        let (mut records, mut is_read) = (Vec::new(), false);
        let mut wait = POLL;
        while records.len() < BATCH {
            match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    let number = message.partition();
                    self.at_end.insert(number, false);
                    let place = Place {
                        partition: self.partition(number),
                        offset: message.offset(),
                    };
                    records.push((place, message.payload().unwrap_or_default().to_vec()));
                }
                Some(Err(KafkaError::PartitionEOF(number))) => {
                    self.at_end.insert(number, true);
                    is_read = true;
                }
                Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(error),
                Some(Err(error)) => self.trouble(&error),
            }
            wait = Duration::ZERO;
        }
        if is_read || !records.is_empty() {
            self.told = false;
            self.note(None);
            self.view.take(records);
        }
        // A topic without partitions is not there yet: nothing is waited for.
        let is_known = !self.at_end.is_empty() || self.view.has_note(self.topic);
        let is_at_end = is_known && self.at_end.values().all(|at_end| *at_end);
        self.view.set_at_end(self.topic, is_at_end);
        Ok(())
    }

    fn partition(&self, number: i32) -> Partition {
        Partition {
            topic: self.topic,
            number,
        }
    }

    /// Begins to read partitions that are not read yet.
    fn look(&mut self) -> Result<(), String> {
        let name = self.name.clone();
        let metadata = self.consumer.fetch_metadata(Some(&name), ANSWER);
        let Ok(metadata) = metadata else {
            self.is_away = true;
            return Err("Kafka does not answer: what is shown is from before".to_owned());
        };
        if std::mem::take(&mut self.is_away) {
            self.note(None);
        }
        let found = metadata.topics().iter().find(|found| found.name() == name);
        let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        if found.is_some_and(|found| found.error() == Some(denied)) {
            return Err(self.denied());
        }
        let partitions = found
            .map(rdkafka::metadata::MetadataTopic::partitions)
            .unwrap_or_default();
        if partitions.is_empty() {
            return Err(format!(
                "topic \"{name}\" does not exist: what it would say is not shown"
            ));
        }
        let numbers = partitions
            .iter()
            .map(rdkafka::metadata::MetadataPartition::id);
        let new: Vec<i32> = numbers
            .filter(|number| !self.at_end.contains_key(number))
            .collect();
        let mut assignment = TopicPartitionList::new();
        for number in new {
            let range = self.consumer.fetch_watermarks(&name, number, ANSWER);
            let (low, high) = range.map_err(|error| match is_topic_denied(&error) {
                true => self.denied(),
                false => format!("partition {number} of topic \"{name}\" does not answer: {error}"),
            })?;
            let first = match self.topic {
                Topic::Alerts => low,
                Topic::Readings => low.max(high.saturating_sub(READINGS_READ_MAX)),
            };
            let begin = self.view.begin(self.partition(number), (first, high));
            let added = assignment.add_partition_offset(&name, number, Offset::Offset(begin));
            added.map_err(|error| error.to_string())?;
            self.at_end.insert(number, false);
        }
        if assignment.count() > 0 {
            let assigned = self.consumer.incremental_assign(&assignment);
            assigned.map_err(|error| format!("topic \"{name}\" cannot be read: {error}"))?;
        }
        Ok(())
    }

    fn denied(&self) -> String {
        let name = &self.name;
        format!("Kafka does not allow to read topic \"{name}\": it takes the permission Read on it")
    }

    /// Keeps what keeps the topic from being read, and logs it once.
    fn note(&self, note: Option<String>) {
        let text = note.clone();
        if self.view.note(self.topic, note) {
            match text {
                Some(why) => tracing::warn!("the page: {why}; it keeps trying"),
                None => tracing::info!(topic = self.name, "the page reads"),
            }
        }
    }

    /// The client gets over most of it by itself.
    fn trouble(&mut self, error: &KafkaError) {
        if is_topic_denied(error) {
            self.note(Some(self.denied()));
        } else if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            // Whether it is so, and until when, is found out by asking.
            self.look = Instant::now();
        } else if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(topic = self.name, %error, "the page waits for the cluster");
        }
    }
}
