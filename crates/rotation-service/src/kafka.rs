//! Kafka as this service meets it: settings, clients, topics.
//!
//! Three things are decided here and nowhere else: how a client is configured ([`KafkaSettings`]), which librdkafka
//! properties a user may set (any but those the commit protocol stands on), and what the topics look like
//! ([`topics`]). Before anything runs, [`preflight`] looks whether the cluster lets us in and lets us do what we shall
//! have to do; a [`refusal`] is one sentence that says what to change. The loop that moves records is in
//! [`crate::stage`].

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;

use crate::config::{KafkaConfig, SecretError, Topics};

mod certificates;
mod ear;
pub(crate) mod log;
pub mod preflight;
pub mod refusal;
pub mod topics;

/// Properties that the commit protocol or the restore stands on, with what would break.
const RESERVED: &[(&str, &str)] = &[
    ("bootstrap.servers", "set [kafka] brokers instead"),
    ("metadata.broker.list", "set [kafka] brokers instead"),
    ("group.id", "set [kafka] group instead"),
    ("group.instance.id", "set the instance name instead"),
    (
        "group.protocol",
        "commits are fenced by the classic protocol's generations",
    ),
    (
        "partition.assignment.strategy",
        "tasks move one by one under cooperative-sticky",
    ),
    (
        "transactional.id",
        "it is made of group, stage and instance, so that a restart fences its predecessor",
    ),
    ("enable.idempotence", "transactions need it"),
    ("acks", "transactions need all"),
    ("request.required.acks", "transactions need all"),
    ("max.in.flight", "transactions bound it"),
    (
        "max.in.flight.requests.per.connection",
        "transactions bound it",
    ),
    (
        "message.timeout.ms",
        "it follows from transaction.timeout.ms",
    ),
    (
        "delivery.timeout.ms",
        "it follows from transaction.timeout.ms",
    ),
    ("linger.ms", "a commit waits for every message in flight"),
    (
        "queue.buffering.max.ms",
        "a commit waits for every message in flight",
    ),
    ("partitioner", "series would change their partition"),
    (
        "enable.auto.commit",
        "offsets are committed with the outputs",
    ),
    (
        "enable.auto.offset.store",
        "offsets are committed with the outputs",
    ),
    ("auto.offset.reset", "records would be skipped in silence"),
    ("isolation.level", "aborted records would be read"),
    (
        "enable.partition.eof",
        "idleness is decided by the end of the partition",
    ),
    ("test.mock.num.brokers", "it replaces the brokers"),
];

/// Why a property must not be set; none where it may.
pub(crate) fn reserved(name: &str) -> Option<&'static str> {
    let plain = name.strip_prefix("topic.").unwrap_or(name);
    RESERVED
        .iter()
        .find(|(reserved, _)| *reserved == plain)
        .map(|(_, reason)| *reason)
}

/// How to reach Kafka and under which names; the same for both stages.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// Addresses of brokers, `host:port`.
    pub brokers: Vec<String>,
    /// Prefix of the consumer groups: stage `s` is the group `{group}.{s}`.
    pub group: String,
    /// Name of this process among those of the group; stable over restarts, different between processes.
    pub instance: String,
    /// Names of the topics.
    pub topics: Topics,
    /// Further librdkafka properties, passed to every client; secrets among them.
    pub properties: BTreeMap<String, String>,
}

/// Shows the names of the properties and not their values: some are secret.
impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("group", &self.group)
            .field("instance", &self.instance)
            .field("topics", &self.topics)
            .field("properties", &self.properties.keys())
            .finish()
    }
}

/// A property of `[kafka.properties]` that must not be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("kafka property `{name}` cannot be set: {reason}")]
pub struct ReservedProperty {
    /// The property.
    pub name: String,
    /// Why, or what to set instead.
    pub reason: &'static str,
}

impl KafkaSettings {
    /// What the configuration says, for a process of this name; secrets are fetched now.
    ///
    /// # Errors
    ///
    /// When a secret cannot be had.
    pub fn from_config(config: &KafkaConfig, instance: &str) -> Result<Self, SecretError> {
        Ok(Self {
            brokers: config.brokers.clone(),
            group: config.group.clone(),
            instance: instance.to_owned(),
            topics: config.topics.clone(),
            properties: config.properties.resolve()?,
        })
    }

    /// Refuses properties that the exactly-once protocol stands on.
    ///
    /// # Errors
    ///
    /// Names the first such property.
    pub fn check(&self) -> Result<(), ReservedProperty> {
        for name in self.properties.keys() {
            if let Some(reason) = reserved(name) {
                return Err(ReservedProperty {
                    name: name.clone(),
                    reason,
                });
            }
        }
        Ok(())
    }

    /// The consumer group of a stage.
    #[must_use]
    pub fn stage_group(&self, stage: &str) -> String {
        format!("{}.{stage}", self.group)
    }

    /// The transactional id of a stage in this process.
    #[must_use]
    pub fn transactional_id(&self, stage: &str) -> String {
        format!("{}/{stage}/{}", self.group, self.instance)
    }

    /// What every client has in common; the user's properties included.
    #[must_use]
    pub fn client(&self) -> ClientConfig {
        self.client_with(&[])
    }

    /// The same with further defaults, over which the user's properties win.
    fn client_with(&self, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", format!("rotation-{}", self.instance));
        // Brokers come back: wait for them briefly, not for the default ten seconds.
        config.set("reconnect.backoff.max.ms", "1000");
        for (name, value) in defaults {
            config.set(*name, *value);
        }
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config.set("bootstrap.servers", self.brokers.join(","));
        config
    }

    /// The consumer of a stage: static member of the stage's group, cooperative, committing nothing by itself.
    #[must_use]
    pub fn stage_consumer(&self, stage: &str) -> ClientConfig {
        let mut config = self.client_with(&[
            ("session.timeout.ms", "10000"),
            ("queued.max.messages.kbytes", "65536"),
            ("queued.min.messages", "100000"),
            ("fetch.queue.backoff.ms", "5"),
            ("fetch.wait.max.ms", "100"),
            ("statistics.interval.ms", "1000"),
        ]);
        config
            .set("group.id", self.stage_group(stage))
            .set("group.instance.id", &self.instance)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true");
        config
    }

    /// A reader of state: it assigns itself partitions and never joins the group, whose offsets it may ask for.
    #[must_use]
    pub fn state_reader(&self, stage: &str, isolation: &str) -> ClientConfig {
        let mut config = self.client();
        config.remove("statistics.interval.ms");
        config
            .set("group.id", self.stage_group(stage))
            // The end is told by an empty answer, for which the broker would wait longer.
            .set("fetch.wait.max.ms", "10")
            .set("isolation.level", isolation)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true");
        config
    }

    /// The transactional producer of a stage.
    #[must_use]
    pub fn stage_producer(&self, stage: &str) -> ClientConfig {
        let mut config = self.client_with(&[
            ("transaction.timeout.ms", "10000"),
            ("queue.buffering.max.messages", "1000000"),
            // How large a record may be is for the brokers to say; dead letters are cut to fit.
            ("message.max.bytes", "1000000000"),
            ("compression.type", "lz4"),
        ]);
        config.remove("statistics.interval.ms");
        config
            .set("transactional.id", self.transactional_id(stage))
            .set("linger.ms", "0")
            .set("partitioner", "murmur2_random");
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(properties: &[(&str, &str)]) -> KafkaSettings {
        KafkaSettings {
            brokers: vec!["a:1".to_owned(), "b:2".to_owned()],
            group: "rotation".to_owned(),
            instance: "one".to_owned(),
            topics: Topics::default(),
            properties: properties
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn properties_of_the_protocol_are_refused_by_name() {
        for (name, _) in RESERVED {
            let refused = settings(&[(name, "x")]).check().unwrap_err();
            assert_eq!(refused.name, *name);
        }
        let topic_level = settings(&[("topic.auto.offset.reset", "latest")]).check();
        assert!(
            topic_level.is_err(),
            "a prefix must not get around the check"
        );
    }

    #[test]
    fn other_properties_reach_every_client_and_win_over_our_defaults() {
        let settings = settings(&[
            ("security.protocol", "SSL"),
            ("session.timeout.ms", "7000"),
            ("transaction.timeout.ms", "6000"),
            // Taken from another client's configuration it would be masked.
            ("sasl.password", "canary"),
        ]);
        settings.check().unwrap();
        let consumer = settings.stage_consumer("sampler");
        let producer = settings.stage_producer("sampler");
        for config in [
            &consumer,
            &producer,
            &settings.state_reader("sampler", "read_committed"),
        ] {
            assert_eq!(config.get("security.protocol"), Some("SSL"));
            assert_eq!(config.get("sasl.password"), Some("canary"));
            assert_eq!(config.get("bootstrap.servers"), Some("a:1,b:2"));
        }
        assert_eq!(consumer.get("session.timeout.ms"), Some("7000"));
        assert_eq!(producer.get("transaction.timeout.ms"), Some("6000"));
    }

    #[test]
    fn names_are_functions_of_group_stage_and_instance() {
        let settings = settings(&[]);
        assert_eq!(settings.transactional_id("sampler"), "rotation/sampler/one");
        assert_eq!(
            settings.stage_consumer("universe").get("group.id"),
            Some("rotation.universe")
        );
        assert_eq!(
            settings.stage_consumer("universe").get("group.instance.id"),
            Some("one")
        );
    }
}
