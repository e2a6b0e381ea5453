//! A reader that assigns itself partitions and never joins the group, whose offsets it may ask for.

use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::as_record;
use super::consumer::{committed, log_client, polled, report};
use crate::stage::ports::{GroupOffset, Isolation, Polled, PortError, Reader};
use crate::stage::settings::StageSettings;
use crate::stage::task::InputRecord;

pub(super) struct KafkaReader {
    input: String,
    consumer: BaseConsumer<ReaderContext>,
}

impl KafkaReader {
    pub(super) fn new(settings: &StageSettings, isolation: Isolation) -> Result<Self, PortError> {
        let isolation = match isolation {
            Isolation::Committed => "read_committed",
            Isolation::Uncommitted => "read_uncommitted",
        };
        let config = settings.kafka.state_reader(&settings.name, isolation);
        let context = ReaderContext {
            stage: settings.name.clone(),
        };
        Ok(Self {
            input: settings.input.clone(),
            consumer: config.create_with_context(context)?,
        })
    }
}

impl Reader for KafkaReader {
    fn committed(&self, partitions: &[i32], wait: Duration) -> Result<Vec<GroupOffset>, PortError> {
        committed(&self.consumer, &self.input, partitions, wait)
    }

    fn watermarks(
        &self,
        topic: &str,
        partition: i32,
        wait: Duration,
    ) -> Result<(i64, i64), PortError> {
        Ok(self.consumer.fetch_watermarks(topic, partition, wait)?)
    }

    fn assign(&self, topic: &str, partition: i32, offset: i64) -> Result<(), PortError> {
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        Ok(self.consumer.assign(&assignment)?)
    }

    fn poll(&self, wait: Duration, take: &mut dyn FnMut(&InputRecord<'_>)) -> Polled {
        polled(self.consumer.poll(wait), |message| {
            take(&as_record(message));
        })
    }

    fn unassign(&self) -> Result<(), PortError> {
        Ok(self.consumer.unassign()?)
    }
}

struct ReaderContext {
    stage: String,
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
