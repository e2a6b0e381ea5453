//! What is committed of a topic, from a place to the end that it has now; joins no group.

use super::KafkaSettings;
use super::topics::{TopicError, partition_count};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Longest wait for an answer, for the next record, and for an open transaction to end: longer than its own limit.
const ANSWER: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// A topic as it stands now.
pub(crate) struct TopicLog {
    topic: String,
    consumer: BaseConsumer,
    /// First offset and end of each partition.
    spans: BTreeMap<i32, (i64, i64)>,
}

impl TopicLog {
    /// Notes where each partition begins and ends, and waits until what is before the end is committed or aborted.
    /// `purpose` names the reader among the clients of the cluster.
    pub(crate) fn open(
        settings: &KafkaSettings,
        topic: &str,
        purpose: &str,
    ) -> Result<TopicLog, TopicError> {
        let reader = |isolation: &str| {
            let config = settings.state_reader(purpose, isolation);
            let reader: Result<BaseConsumer, KafkaError> = config.create();
            reader.map_err(|source| unreachable("create a reader", source))
        };
        let (written, consumer) = (reader("read_uncommitted")?, reader("read_committed")?);
        let mut spans = BTreeMap::new();
        for partition in 0..partition_count(&consumer, topic)? {
            spans.insert(partition, watermarks(&written, topic, partition)?);
        }
        let log = TopicLog {
            topic: topic.to_owned(),
            consumer,
            spans,
        };
        log.settle()?;
        Ok(log)
    }

    fn settle(&self) -> Result<(), TopicError> {
        let deadline = Instant::now() + ANSWER;
        for (&partition, &(_, end)) in &self.spans {
            loop {
                let (_, settled) = watermarks(&self.consumer, &self.topic, partition)?;
                if settled >= end {
                    break;
                }
                if Instant::now() > deadline {
                    return Err(TopicError::Unsettled {
                        topic: self.topic.clone(),
                        partition,
                        settled,
                        end,
                    });
                }
                std::thread::sleep(PAUSE);
            }
        }
        Ok(())
    }

    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// First offset and end of each partition.
    pub(crate) fn spans(&self) -> &BTreeMap<i32, (i64, i64)> {
        &self.spans
    }

    /// The first offset of a partition.
    pub(crate) fn low(&self, partition: i32) -> i64 {
        self.spans.get(&partition).map_or(0, |(low, _)| *low)
    }

    /// Gives the committed records of every partition, each in its order.
    pub(crate) fn read_all(
        &self,
        mut take: impl FnMut(&BorrowedMessage<'_>),
    ) -> Result<(), TopicError> {
        for (&partition, &(low, end)) in &self.spans {
            self.read(partition, low, end, |message| {
                take(message);
                ControlFlow::Continue(())
            })?;
        }
        Ok(())
    }

    /// Gives the committed records of a partition from an offset until another, or until told to stop.
    pub(crate) fn read(
        &self,
        partition: i32,
        from: i64,
        until: i64,
        mut take: impl FnMut(&BorrowedMessage<'_>) -> ControlFlow<()>,
    ) -> Result<(), TopicError> {
        let &(low, end) = self.spans.get(&partition).unwrap_or(&(0, 0));
        let (from, until) = (from.max(low), until.min(end));
        if from >= until {
            return Ok(());
        }
        let failed = |source| unreachable(&format!("read topic `{}`", self.topic), source);
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(&self.topic, partition, Offset::Offset(from))
            .map_err(failed)?;
        self.consumer.assign(&assignment).map_err(failed)?;
        let mut deadline = Instant::now() + ANSWER;
        loop {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    deadline = Instant::now() + ANSWER;
                    let is_within = message.offset() < until;
                    if !is_within || take(&message).is_break() || message.offset() + 1 >= until {
                        break;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) if !passes(&error) => return Err(failed(error)),
                _ if Instant::now() > deadline => {
                    let code = RDKafkaErrorCode::OperationTimedOut;
                    return Err(failed(KafkaError::MessageConsumption(code)));
                }
                _ => {}
            }
        }
        self.consumer.unassign().map_err(failed)
    }
}

/// Whether the client gets over an error by itself.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        AllBrokersDown, BrokerTransportFailure, LeaderNotAvailable, NotLeaderForPartition,
        OperationTimedOut, Resolve,
    };
    matches!(
        error.rdkafka_error_code(),
        Some(
            AllBrokersDown
                | BrokerTransportFailure
                | LeaderNotAvailable
                | NotLeaderForPartition
                | OperationTimedOut
                | Resolve
        )
    )
}

fn watermarks(
    reader: &BaseConsumer,
    topic: &str,
    partition: i32,
) -> Result<(i64, i64), TopicError> {
    let found = reader.fetch_watermarks(topic, partition, ANSWER);
    found.map_err(|source| {
        let action = format!("ask for the end of partition {partition} of topic `{topic}`");
        unreachable(&action, source)
    })
}

/// The offsets that a group has committed on a topic.
pub(crate) fn committed(
    settings: &KafkaSettings,
    stage: &str,
    topic: &str,
) -> Result<BTreeMap<i32, i64>, TopicError> {
    let action = format!("read the offsets of group {}", settings.stage_group(stage));
    let failed = |source| unreachable(&action, source);
    let config = settings.state_reader(stage, "read_committed");
    let client: BaseConsumer = config.create().map_err(failed)?;
    let mut asked = TopicPartitionList::new();
    for partition in 0..partition_count(&client, topic)? {
        asked.add_partition(topic, partition);
    }
    let found = client.committed_offsets(asked, ANSWER).map_err(failed)?;
    let offsets = found.elements().into_iter().filter_map(|each| {
        let Offset::Offset(offset) = each.offset() else {
            return None;
        };
        Some((each.partition(), offset))
    });
    Ok(offsets.collect())
}

fn unreachable(action: &str, source: KafkaError) -> TopicError {
    TopicError::Unreachable {
        action: action.to_owned(),
        source,
    }
}
