//! The consumer's context: it records what happens and decides nothing.
//!
//! The rebalance callback only notes the event and returns; the loop commits or aborts, and then calls
//! `incremental_assign` or `incremental_unassign` itself. librdkafka waits for that call before it goes on with the
//! group, so events never pile up by more than what a lost session adds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::util::Timeout;

pub(super) type StageConsumer = BaseConsumer<StageContext>;

/// A change of the assignment that the loop has to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Assignment {
    Assign(Vec<i32>),
    Revoke(Vec<i32>),
    Lost(Vec<i32>),
}

/// The end of a partition as the client last saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Last stable offset.
    pub(super) stable: i64,
    /// Offset at which the end of the partition was last reached.
    pub(super) reached: i64,
}

pub(super) struct StageContext {
    stage: String,
    input: String,
    events: Mutex<VecDeque<Assignment>>,
    ends: Mutex<BTreeMap<i32, End>>,
    closing: AtomicBool,
}

impl StageContext {
    pub(super) fn new(stage: &str, input: &str) -> Self {
        Self {
            stage: stage.to_owned(),
            input: input.to_owned(),
            events: Mutex::default(),
            ends: Mutex::default(),
            closing: AtomicBool::new(false),
        }
    }

    pub(super) fn next_event(&self) -> Option<Assignment> {
        lock(&self.events).pop_front()
    }

    pub(super) fn end(&self, partition: i32) -> Option<End> {
        lock(&self.ends).get(&partition).copied()
    }

    /// From here on the callback answers by itself: nothing is left to commit.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
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
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            return; // the end of a partition is asked for, and not an error
        }
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
fn report(stage: &str, error: &KafkaError, reason: &str) {
    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
        tracing::warn!(stage, %error, reason, "kafka consumer reports an error");
    }
}

/// The context of a consumer that belongs to no group.
pub(super) struct ReaderContext {
    pub(super) stage: String,
}

impl ClientContext for ReaderContext {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        log_client(&self.stage, level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        report(&self.stage, &error, reason);
    }
}

impl ConsumerContext for ReaderContext {}
