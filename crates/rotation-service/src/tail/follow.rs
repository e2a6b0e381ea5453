//! A reader of all partitions of a topic that joins no group.

use crate::kafka::refusal::is_topic_denied;
use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use std::time::Duration;

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the oldest record there is.
    Beginning,
    /// With the next record.
    End,
}

/// Reads committed records of every partition that a topic has now.
pub(crate) struct Follower {
    consumer: BaseConsumer,
}

/// Longest wait for what the cluster knows of the topic.
const ANSWER: Duration = Duration::from_secs(15);

impl Follower {
    /// A reader of `topic`.
    pub(crate) fn open(
        mut client: ClientConfig,
        topic: &str,
        start: Start,
    ) -> anyhow::Result<Follower> {
        client.set("isolation.level", "read_committed");
        client.set("enable.auto.commit", "false");
        client.set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer = client.create()?;
        let metadata = consumer.fetch_metadata(Some(topic), ANSWER);
        let metadata =
            metadata.with_context(|| format!("cannot ask the cluster for topic \"{topic}\""))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let partitions = found
            .map(rdkafka::metadata::MetadataTopic::partitions)
            .unwrap_or_default();
        anyhow::ensure!(!partitions.is_empty(), "topic \"{topic}\" does not exist");
        let offset = match start {
            Start::Beginning => Offset::Beginning,
            Start::End => Offset::End,
        };
        let mut assignment = TopicPartitionList::new();
        for partition in partitions {
            assignment.add_partition_offset(topic, partition.id(), offset)?;
        }
        consumer.assign(&assignment)?;
        Ok(Follower { consumer })
    }

    /// The next record, waiting for it for a while.
    ///
    /// # Errors
    /// Only what ends the reading; a broker that is away for a moment is logged.
    pub(crate) fn next(&self, wait: Duration) -> Result<Option<Vec<u8>>, KafkaError> {
        match self.consumer.poll(wait) {
            None => Ok(None),
            Some(Ok(message)) => Ok(message.payload().map(<[u8]>::to_vec)),
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => Err(error),
            // It joins no group, so that it may not is of no matter.
            Some(Err(error)) if is_topic_denied(&error) => Err(error),
            Some(Err(error)) => {
                tracing::warn!(%error, "waiting for the cluster");
                Ok(None)
            }
        }
    }
}
