//! Apache Kafka for tests: one node in `KRaft` mode on loopback, shared by the tests of a process.
//!
//! The broker is looked for in this order:
//!
//! 1. `ROTATION_TEST_BROKERS`: addresses of a cluster that runs already
//! 2. a copy already fetched: `ROTATION_KAFKA_LIBS`, else `.cache/kafka/libs` at the root
//! 3. Maven Central, by `mvn` and `tests/kafka/pom.xml`; not tried where `ROTATION_KAFKA_LIBS` is set
//!
//! Where none can be had, [`Broker::get`] records the test as skipped and returns `None`; under `CI=true` it panics.
//! Tests may share a cluster, so each takes its topics, groups and transactional ids from [`unique`].

use std::collections::BTreeMap;
use std::env;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use crate::leashed::Leashed;
use crate::skipped;

mod acls;
mod admin;
mod jars;
mod records;
pub mod secure;
mod server;

pub use acls::{Acl, Operation, Resource};
pub use admin::Topic;
pub use records::Record;

/// The folder of Apache Kafka's jars, fetched if need be; `None` where they cannot be had.
///
/// # Errors
///
/// When fetching goes wrong half way.
pub fn kafka_libs() -> Result<Option<std::path::PathBuf>> {
    jars::find()
}

/// Longest wait for one answer of the broker.
const ANSWER: Duration = Duration::from_secs(30);

/// A running cluster.
#[derive(Debug)]
pub struct Broker {
    bootstrap: String,
    /// Absent where the cluster was started by someone else.
    server: Option<Leashed>,
}

impl Broker {
    /// The broker shared by the tests of this process, started by the first that asks.
    ///
    /// `None` where no broker can be had; the test is then recorded as skipped and should return.
    ///
    /// # Panics
    ///
    /// Where a broker is there but does not start, and under `CI=true` where there is none.
    #[must_use]
    pub fn get() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Broker>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| match Self::find() {
            Ok(broker) => broker,
            Err(error) => panic!("no usable Kafka broker: {error:#}"),
        });
        if shared.is_none() {
            skipped::skip(
                "no Kafka broker: ROTATION_TEST_BROKERS is not set and Apache Kafka could not be fetched",
            );
        }
        shared.as_ref()
    }

    /// A broker of the caller's own, stopped when dropped; `None` where Apache Kafka cannot be had.
    ///
    /// # Errors
    ///
    /// When the broker does not start; the error carries its log.
    pub fn start() -> Result<Option<Self>> {
        let Some(libs) = jars::find()? else {
            return Ok(None);
        };
        let (bootstrap, server) = server::start(&libs)?;
        Ok(Some(Self {
            bootstrap,
            server: Some(server),
        }))
    }

    /// A cluster that runs already, at these addresses.
    #[must_use]
    pub fn at(bootstrap: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            server: None,
        }
    }

    /// Stops the broker in its tracks, or lets it go on: it is not gone, it only does not answer.
    ///
    /// # Errors
    ///
    /// When the cluster was started by someone else.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        let server = self.server.as_ref();
        server.context("the cluster is not ours")?.freeze(frozen)
    }

    /// The addresses clients connect to first, as in `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A client configuration for this cluster, with waits fit for tests.
    #[must_use]
    pub fn config(&self) -> ClientConfig {
        client_config(&self.bootstrap)
    }

    /// The offsets that a group committed, by partition; partitions without one are absent.
    ///
    /// # Errors
    ///
    /// When the topic is unknown or the broker does not answer.
    pub fn committed(&self, group: &str, topic: &str) -> Result<BTreeMap<i32, i64>> {
        let consumer: BaseConsumer = self.config().set("group.id", group).create()?;
        let mut asked = rdkafka::TopicPartitionList::new();
        for partition in self.partitions(topic)? {
            asked.add_partition(topic, partition);
        }
        // A coordinator that is only being found answers that it is none.
        let deadline = Instant::now() + ANSWER;
        let answer = loop {
            match consumer.committed_offsets(asked.clone(), ANSWER) {
                Ok(answer) => break answer,
                Err(error)
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::NotCoordinator)
                        && Instant::now() < deadline => {}
                Err(error) => {
                    let what = format!("cannot read the offsets of group {group} on {topic}");
                    return Err(error).context(what);
                }
            }
        };
        Ok(answer
            .elements()
            .iter()
            .filter_map(|element| match element.offset() {
                rdkafka::Offset::Offset(offset) => Some((element.partition(), offset)),
                _ => None,
            })
            .collect())
    }

    fn find() -> Result<Option<Self>> {
        match env::var("ROTATION_TEST_BROKERS") {
            Ok(bootstrap) if !bootstrap.is_empty() => {
                await_metadata(&bootstrap, Duration::from_secs(15), || Ok(()))
                    .with_context(|| format!("ROTATION_TEST_BROKERS={bootstrap}"))?;
                Ok(Some(Self {
                    bootstrap,
                    server: None,
                }))
            }
            _ => Self::start(),
        }
    }
}

/// A name no other test uses, in this process or another: for topics, groups and transactional ids.
#[must_use]
pub fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(
        "{prefix}-{:x}-{:x}-{count}",
        std::process::id(),
        since.as_micros()
    )
}

fn client_config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "200")
        .set("topic.metadata.refresh.fast.interval.ms", "50")
        .set("fetch.wait.max.ms", "20");
    config
}

/// Waits until a metadata request names a broker; `alive` may give up early.
fn await_metadata(
    bootstrap: &str,
    patience: Duration,
    alive: impl Fn() -> Result<()>,
) -> Result<()> {
    let consumer: BaseConsumer = client_config(bootstrap).create()?;
    let deadline = Instant::now() + patience;
    loop {
        alive()?;
        match consumer.fetch_metadata(None, Duration::from_millis(500)) {
            Ok(metadata) if !metadata.brokers().is_empty() => return Ok(()),
            answer if Instant::now() > deadline => {
                let last = answer
                    .err()
                    .map_or("no broker named".to_owned(), |error| error.to_string());
                anyhow::bail!("no metadata from {bootstrap} within {patience:?}: {last}");
            }
            _ => {}
        }
    }
}
