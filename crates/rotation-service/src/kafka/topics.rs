//! The service's topics: made where allowed, and checked before anything is read.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::KafkaSettings;
use super::refusal::Needs;

/// The most bytes of a record that a broker takes unless it is told otherwise.
pub const RECORD_BYTES_DEFAULT: usize = 1_048_588;

/// Longest wait for one answer of the cluster.
const ANSWER: Duration = Duration::from_secs(30);

/// Which stamp the records of a topic carry, and so what bounds event time by the broker's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The broker stamps records as it appends them: the skew bound holds whoever produces.
    LogAppendTime,
    /// Producers stamp their own records: the skew bound holds only as far as they are trusted.
    CreateTime,
    /// The cluster did not say.
    Unknown,
}

/// What was found in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundTopics {
    /// Number of partitions by topic name.
    pub partitions: BTreeMap<String, i32>,
    /// Stamp of the records in the ticks topic.
    pub ticks_timestamp: TimestampType,
    /// The most bytes of a dead letter that the brokers and our own producer take, all in all.
    pub dead_letter_bytes: usize,
}

impl FoundTopics {
    /// Number of partitions of a topic that was asked for.
    pub fn partitions(&self, topic: &str) -> i32 {
        self.partitions.get(topic).copied().unwrap_or(0)
    }

    /// What bounds event times.
    pub fn skew_protection(&self) -> &'static str {
        match self.ticks_timestamp {
            TimestampType::LogAppendTime => {
                "by the broker's clock (the ticks topic is LogAppendTime)"
            }
            TimestampType::CreateTime => {
                "by the producers' own stamps (the ticks topic is CreateTime): trust them"
            }
            TimestampType::Unknown => {
                "by the records' stamps, whose kind the cluster does not tell"
            }
        }
    }
}

/// Number of partitions of one topic.
///
/// # Errors
///
/// When the cluster cannot be reached or lacks the topic.
pub fn count_partitions(settings: &KafkaSettings, topic: &str) -> Result<i32, TopicError> {
    let client: BaseConsumer = settings
        .client()
        .create()
        .map_err(|source| unreachable("create a client", source))?;
    partition_count(&client, topic)
}

/// Why the topics cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// The cluster did not answer.
    #[error("cannot {action}")]
    Unreachable {
        /// What was asked.
        action: String,
        /// The client's error.
        #[source]
        source: KafkaError,
    },
    /// A topic could not be made.
    #[error("cannot create topic `{topic}`: {code}")]
    Refused {
        /// The topic.
        topic: String,
        /// The broker's answer.
        code: RDKafkaErrorCode,
    },
    /// A topic is there and not to be seen.
    #[error(
        "Kafka does not allow Describe on topic `{topic}`: add Read or Write, which include it"
    )]
    Hidden {
        /// The topic.
        topic: String,
    },
    /// A topic is missing.
    #[error("topic `{topic}` does not exist; create it, or start with --create-topics")]
    Missing {
        /// The topic.
        topic: String,
    },
    /// A transaction stays open.
    #[error(
        "a transaction is open in partition {partition} of topic `{topic}`, at offset {settled} of {end}: expected it to \
         end within 30 s"
    )]
    Unsettled {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Up to here everything is committed or aborted.
        settled: i64,
        /// The end that was waited for.
        end: i64,
    },
    /// A request needs a runtime that could not be started.
    #[error("cannot start a runtime for the admin client")]
    Runtime(#[source] std::io::Error),
}

/// Creates the topics that do not exist yet; those that do are left as they are.
///
/// Dead letters may be larger than other records, so that what a ticks topic took fits with its headers.
/// `partitions` holds for ticks, bars and dead letters alike; state gets two for each, so that no two tasks of a usual
/// setup share one. Bars are deleted after 30 days, readings after 400, state is compacted.
///
/// # Errors
///
/// When the cluster cannot be reached or refuses a topic.
pub fn create_topics(
    settings: &KafkaSettings,
    partitions: i32,
    replication: i32,
) -> Result<Vec<String>, TopicError> {
    let admin: AdminClient<DefaultClientContext> = settings
        .client()
        .create()
        .map_err(|source| unreachable("create an admin client", source))?;
    let topics = &settings.topics;
    let fixed =
        |name, partitions| NewTopic::new(name, partitions, TopicReplication::Fixed(replication));
    let new = [
        fixed(&topics.ticks, partitions).set("message.timestamp.type", "LogAppendTime"),
        fixed(&topics.bars, partitions)
            .set("cleanup.policy", "delete")
            .set("retention.ms", "2592000000")
            .set("message.timestamp.type", "LogAppendTime"),
        fixed(&topics.alerts, partitions)
            .set("cleanup.policy", "delete")
            .set("retention.ms", "-1"),
        fixed(&topics.readings, partitions)
            .set("cleanup.policy", "delete")
            .set("retention.ms", "34560000000"),
        fixed(&topics.state, 2 * partitions)
            .set("cleanup.policy", "compact")
            .set("segment.bytes", "67108864")
            .set("min.cleanable.dirty.ratio", "0.1"),
        fixed(&topics.dead_letters, partitions).set("max.message.bytes", "2097152"),
    ];
    let options = AdminOptions::new()
        .request_timeout(Some(ANSWER))
        .operation_timeout(Some(ANSWER));
    let answers = block_on(admin.create_topics(&new, &options))?
        .map_err(|source| unreachable("create topics", source))?;
    let mut created = Vec::new();
    for answer in answers {
        match answer {
            Ok(topic) => created.push(topic),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(TopicError::Refused { topic, code }),
        }
    }
    Ok(created)
}

/// Looks at the topics that stages need: all exist, how many partitions each has, and which stamp the ticks carry.
///
/// # Errors
///
/// When the cluster cannot be reached or a topic is missing.
pub fn verify_topics(settings: &KafkaSettings, needs: &[Needs]) -> Result<FoundTopics, TopicError> {
    let client: BaseConsumer = settings
        .client()
        .create()
        .map_err(|source| unreachable("create a client", source))?;
    let topics = &settings.topics;
    let mut partitions = BTreeMap::new();
    for needs in needs {
        for topic in std::iter::once(&needs.input).chain(&needs.written(settings)) {
            let count = partition_count(&client, topic)?;
            partitions.insert(topic.clone(), count);
        }
    }
    let stamp = topic_setting(settings, &topics.ticks, "message.timestamp.type");
    let bytes = topic_setting(settings, &topics.dead_letters, "max.message.bytes");
    let bytes = bytes.and_then(|bytes| bytes.parse().ok());
    let sent = settings.properties.get("message.max.bytes");
    let sent = sent.and_then(|bytes| bytes.parse().ok());
    Ok(FoundTopics {
        partitions,
        ticks_timestamp: match stamp.as_deref() {
            Some("LogAppendTime") => TimestampType::LogAppendTime,
            Some("CreateTime") => TimestampType::CreateTime,
            _ => TimestampType::Unknown,
        },
        dead_letter_bytes: bytes
            .unwrap_or(RECORD_BYTES_DEFAULT)
            .min(sent.unwrap_or(usize::MAX)),
    })
}

/// Number of partitions of a topic.
pub(crate) fn partition_count<C: Consumer<X>, X: rdkafka::consumer::ConsumerContext>(
    client: &C,
    topic: &str,
) -> Result<i32, TopicError> {
    let metadata = client
        .fetch_metadata(Some(topic), ANSWER)
        .map_err(|source| unreachable(&format!("ask for the partitions of `{topic}`"), source))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let code = found
        .and_then(|found| found.error())
        .map(RDKafkaErrorCode::from);
    if code == Some(RDKafkaErrorCode::TopicAuthorizationFailed) {
        return Err(TopicError::Hidden {
            topic: topic.to_owned(),
        });
    }
    let found = found.filter(|_| code.is_none());
    let count = found.map_or(0, |found| found.partitions().len());
    match i32::try_from(count) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(TopicError::Missing {
            topic: topic.to_owned(),
        }),
    }
}

/// A setting of a topic; none where the cluster does not let us ask (an embedded one, or an ACL).
fn topic_setting(settings: &KafkaSettings, topic: &str, name: &str) -> Option<String> {
    let admin: AdminClient<DefaultClientContext> = settings.client().create().ok()?;
    let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(5)));
    let topics = [ResourceSpecifier::Topic(topic)];
    let answers = block_on(admin.describe_configs(&topics, &options))
        .ok()?
        .ok()?;
    answers
        .into_iter()
        .flatten()
        .find_map(|resource| resource.get(name).and_then(|entry| entry.value.clone()))
}

fn unreachable(action: &str, source: KafkaError) -> TopicError {
    TopicError::Unreachable {
        action: action.to_owned(),
        source,
    }
}

/// Waits for an answer of the admin client on a thread of its own, so that callers may be inside a runtime or not.
fn block_on<F>(future: F) -> Result<F::Output, TopicError>
where
    F: Future + Send,
    F::Output: Send,
{
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(TopicError::Runtime)?;
            Ok(runtime.block_on(future))
        });
        match thread.join() {
            Ok(answer) => answer,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
