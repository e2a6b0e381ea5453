//! The group consumer; its context records what happens and decides nothing.
//!
//! The rebalance callback only notes the event and returns; the loop commits or aborts, and then calls
//! `incremental_assign` or `incremental_unassign` itself. librdkafka waits for that call before it goes on with the
//! group, so events never pile up by more than what a lost session adds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::util::Timeout;
use rdkafka::{Offset, TopicPartitionList};

use super::{as_record, close_aside};
use crate::stage::ports::{
    Assignment, End, GroupConsumer, GroupOffset, Membership, Polled, PortError, Start,
};
use crate::stage::settings::StageSettings;
use crate::stage::task::InputRecord;

pub(super) struct KafkaConsumer {
    input: String,
    consumer: BaseConsumer<StageContext>,
}

impl KafkaConsumer {
    pub(super) fn new(settings: &StageSettings) -> Result<Self, PortError> {
        let context = StageContext::new(&settings.name, &settings.input);
        let config = settings.kafka.stage_consumer(&settings.name);
        Ok(Self {
            input: settings.input.clone(),
            consumer: config.create_with_context(context)?,
        })
    }
}

impl GroupConsumer for KafkaConsumer {
    fn subscribe(&self) -> Result<(), PortError> {
        Ok(self.consumer.subscribe(&[&self.input])?)
    }

    fn poll(&self, wait: Duration, take: &mut dyn FnMut(&InputRecord<'_>)) -> Polled {
        polled(self.consumer.poll(wait), |message| {
            take(&as_record(message));
        })
    }

    fn next_event(&self) -> Option<Assignment> {
        lock(&self.consumer.context().events).pop_front()
    }

    fn assign(&self, partitions: &[(i32, Start)]) -> Result<(), PortError> {
        let mut list = TopicPartitionList::new();
        for &(partition, start) in partitions {
            let offset = match start {
                Start::Beginning => Offset::Beginning,
                Start::At(offset) => Offset::Offset(offset),
                Start::End => Offset::End,
            };
            list.add_partition_offset(&self.input, partition, offset)?;
        }
        self.consumer.incremental_assign(&list)?;
        // librdkafka remembers over a loss that a partition was paused.
        Ok(self.consumer.resume(&list)?)
    }

    fn unassign(&self, partitions: &[i32]) -> Result<(), PortError> {
        let list = list(&self.input, partitions);
        Ok(self.consumer.incremental_unassign(&list)?)
    }

    fn assignment_lost(&self) -> bool {
        self.consumer.assignment_lost()
    }

    fn seek(&self, partition: i32, offset: i64, wait: Duration) -> Result<(), PortError> {
        let offset = Offset::Offset(offset);
        Ok(self.consumer.seek(&self.input, partition, offset, wait)?)
    }

    fn pause(&self) -> Result<(), PortError> {
        let all = self.consumer.assignment()?;
        Ok(self.consumer.pause(&all)?)
    }

    fn resume(&self) -> Result<(), PortError> {
        let all = self.consumer.assignment()?;
        Ok(self.consumer.resume(&all)?)
    }

    fn end(&self, partition: i32) -> Option<End> {
        lock(&self.consumer.context().ends).get(&partition).copied()
    }

    fn watermarks(&self, partition: i32, wait: Duration) -> Result<(i64, i64), PortError> {
        Ok(self
            .consumer
            .fetch_watermarks(&self.input, partition, wait)?)
    }

    fn committed(&self, partitions: &[i32], wait: Duration) -> Result<Vec<GroupOffset>, PortError> {
        committed(&self.consumer, &self.input, partitions, wait)
    }

    fn membership(&self) -> Option<Membership> {
        let metadata = self.consumer.group_metadata()?;
        Some(Membership::new(Arc::new(metadata)))
    }

    fn answer_alone(&self) {
        self.consumer
            .context()
            .closing
            .store(true, Ordering::SeqCst);
    }

    /// Closing alone would not leave, since a static member may be back at once.
    fn leave(&self, patience: Duration) -> bool {
        self.consumer.unsubscribe();
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            drop(self.consumer.poll(Duration::from_millis(10)));
            match self.consumer.assignment() {
                Ok(left) if left.count() > 0 => {}
                _ => return true,
            }
        }
        false
    }

    fn close(self: Box<Self>) {
        self.answer_alone();
        close_aside(self.consumer);
    }
}

fn list(topic: &str, partitions: &[i32]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for &partition in partitions {
        list.add_partition(topic, partition);
    }
    list
}

/// Offsets committed by a client's group; under read_committed the answer waits for those of open transactions.
pub(super) fn committed<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    wait: Duration,
) -> Result<Vec<GroupOffset>, PortError> {
    let found = client.committed_offsets(list(topic, partitions), wait)?;
    let mut offsets = Vec::new();
    for each in found.elements() {
        each.error()?;
        if let Offset::Offset(offset) = each.offset() {
            offsets.push(GroupOffset {
                partition: each.partition(),
                offset,
                metadata: each.metadata().to_owned(),
            });
        }
    }
    Ok(offsets)
}

/// What a poll of librdkafka came to.
pub(super) fn polled(
    polled: Option<Result<BorrowedMessage<'_>, KafkaError>>,
    take: impl FnOnce(&BorrowedMessage<'_>),
) -> Polled {
    match polled {
        Some(Ok(message)) => {
            take(&message);
            Polled::Record
        }
        Some(Err(KafkaError::PartitionEOF(partition))) => Polled::End(partition),
        Some(Err(error)) => Polled::Failed(error.into()),
        None => Polled::Nothing,
    }
}

struct StageContext {
    stage: String,
    input: String,
    events: Mutex<VecDeque<Assignment>>,
    ends: Mutex<BTreeMap<i32, End>>,
    closing: AtomicBool,
}

impl StageContext {
    fn new(stage: &str, input: &str) -> Self {
        Self {
            stage: stage.to_owned(),
            input: input.to_owned(),
            events: Mutex::default(),
            ends: Mutex::default(),
            closing: AtomicBool::new(false),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for StageContext {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        log_client(&self.stage, level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        report(&self.stage, &error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let Some(topic) = statistics.topics.get(&self.input) else {
            return;
        };
        let mut ends = lock(&self.ends);
        ends.clear();
        for (&partition, seen) in &topic.partitions {
            let end = End {
                stable: seen.ls_offset,
                reached: seen.eof_offset,
            };
            ends.insert(partition, end);
        }
    }
}

impl ConsumerContext for StageContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let assigned = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::SeqCst) {
            let answer = if assigned {
                consumer.incremental_assign(partitions)
            } else {
                consumer.incremental_unassign(partitions)
            };
            if let Err(error) = answer {
                tracing::warn!(stage = self.stage, %error, "cannot answer a rebalance while closing");
            }
            return;
        }
        let numbers = partitions
            .elements()
            .iter()
            .map(|each| each.partition())
            .collect();
        lock(&self.events).push_back(if assigned {
            Assignment::Assign(numbers)
        } else if consumer.assignment_lost() {
            Assignment::Lost(numbers)
        } else {
            Assignment::Revoke(numbers)
        });
    }

    fn main_queue_min_poll_interval(&self) -> Timeout {
        Timeout::After(Duration::from_millis(100))
    }
}

/// Passes librdkafka's own log lines on.
pub(super) fn log_client(stage: &str, level: RDKafkaLogLevel, facility: &str, message: &str) {
    // One set of properties serves consumers and producers: that some are for the other kind is no news.
    if facility == "CONFWARN" && message.contains("property and will be ignored by this") {
        tracing::debug!(stage, facility, "librdkafka: {message}");
        return;
    }
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => tracing::warn!(stage, facility, "librdkafka: {message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(stage, facility, "librdkafka: {message}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(stage, facility, "librdkafka: {message}"),
    }
}

/// Logs what the client reports; the ends of partitions are no errors, though they come the same way.
pub(super) fn report(stage: &str, error: &KafkaError, reason: &str) {
    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
        tracing::warn!(stage, %error, reason, "kafka consumer reports an error");
    }
}
