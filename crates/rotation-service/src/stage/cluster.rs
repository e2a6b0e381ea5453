//! The ports that reach Kafka, by librdkafka; see [`super::ports`] for what they promise.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message, Timestamp};
use rotation_wire::trace::{TRACEPARENT, TRACESTATE};

use super::error::StageError;
use super::ports::{ErrorKind, GroupConsumer, Isolation, PortError, Producer, Reader, World};
use super::settings::StageSettings;
use super::task::{InputRecord, StampKind, TraceHeaders};
use crate::kafka::refusal::is_denied;
use crate::kafka::topics::count_partitions;

mod consumer;
mod deliveries;
mod producer;
mod reader;

/// Kafka, and this machine's clock and threads.
#[derive(Clone, Copy, Debug)]
pub struct Cluster;

impl World for Cluster {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall_clock(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since.ok().map(|since| i64::try_from(since.as_millis()));
        millis.and_then(Result::ok).unwrap_or_default()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn wait(&self, longest: Duration, ready: &mut dyn FnMut(Duration) -> bool) {
        ready(longest);
    }

    fn spawn(&self, name: String, work: Box<dyn FnOnce() + Send>) -> std::io::Result<()> {
        std::thread::Builder::new().name(name).spawn(work)?;
        Ok(())
    }

    fn partitions(&self, settings: &StageSettings, topic: &str) -> Result<i32, StageError> {
        Ok(count_partitions(&settings.kafka, topic)?)
    }

    fn consumer(&self, settings: &StageSettings) -> Result<Box<dyn GroupConsumer>, PortError> {
        Ok(Box::new(consumer::KafkaConsumer::new(settings)?))
    }

    fn producer(&self, settings: &StageSettings) -> Result<Box<dyn Producer>, PortError> {
        Ok(Box::new(producer::KafkaProducer::new(settings)?))
    }

    fn reader(
        &self,
        settings: &StageSettings,
        isolation: Isolation,
    ) -> Result<Box<dyn Reader>, PortError> {
        Ok(Box::new(reader::KafkaReader::new(settings, isolation)?))
    }
}

impl From<KafkaError> for PortError {
    fn from(error: KafkaError) -> Self {
        let code = error.rdkafka_error_code();
        let kind = match &error {
            _ if code.is_some_and(is_fenced) => match code {
                Some(RDKafkaErrorCode::FencedInstanceId) => ErrorKind::MemberFenced,
                _ => ErrorKind::ProducerFenced,
            },
            _ if is_denied(&error) => ErrorKind::Denied,
            KafkaError::Transaction(inner) if inner.is_retriable() => ErrorKind::Retriable,
            KafkaError::Transaction(inner) if inner.txn_requires_abort() => ErrorKind::Abort,
            KafkaError::Transaction(inner) if inner.is_fatal() => ErrorKind::Fatal,
            KafkaError::MessageConsumptionFatal(_) => ErrorKind::Fatal,
            _ if code.is_some_and(is_out_of_range) => ErrorKind::OutOfRange,
            _ if code.is_some_and(is_passing) => ErrorKind::Passing,
            _ => ErrorKind::Other,
        };
        let code = code.map_or_else(|| "Unknown".to_owned(), |code| format!("{code:?}"));
        PortError {
            kind,
            code,
            source: Box::new(error),
        }
    }
}

fn is_fenced(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{Fenced, FencedInstanceId, ProducerFenced};
    matches!(code, Fenced | ProducerFenced | FencedInstanceId)
}

fn is_out_of_range(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{AutoOffsetReset, OffsetOutOfRange};
    matches!(code, AutoOffsetReset | OffsetOutOfRange)
}

/// Errors that the client gets over by itself.
fn is_passing(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
            | Code::CoordinatorNotAvailable
            | Code::CoordinatorLoadInProgress
            | Code::NotCoordinator
            | Code::RequestTimedOut
    )
}

/// A message as tasks see it.
fn as_record<'a>(message: &'a BorrowedMessage<'_>) -> InputRecord<'a> {
    InputRecord {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: match message.timestamp() {
            Timestamp::NotAvailable => None,
            Timestamp::CreateTime(at) => Some((at, StampKind::Create)),
            Timestamp::LogAppendTime(at) => Some((at, StampKind::Append)),
        },
        key: message.key(),
        payload: message.payload(),
        trace: message.headers().and_then(trace),
    }
}

/// The headers that say a trace; one that is there twice says nothing.
fn trace<H: Headers>(headers: &H) -> Option<TraceHeaders<'_>> {
    let only = |name: &str| {
        let mut found = headers.iter().filter(|header| header.key == name);
        found.next().filter(|_| found.next().is_none())?.value
    };
    Some(TraceHeaders {
        parent: only(TRACEPARENT)?,
        state: only(TRACESTATE),
    })
}

/// Drops a client on a thread of its own, and waits for that only for a while: closing must not hang a stage.
fn close_aside<T: Send + 'static>(client: T) {
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::Builder::new().name("kafka-close".to_owned());
    let spawned = thread.spawn(move || {
        drop(client);
        drop(done);
    });
    match spawned {
        Ok(_) => {
            if wait.recv_timeout(Duration::from_secs(5))
                == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                tracing::warn!("a kafka client did not close within 5 s; going on without it");
            }
        }
        Err(error) => tracing::warn!(%error, "cannot start a thread to close a kafka client"),
    }
}
