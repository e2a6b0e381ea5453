//! The embedded broker: librdkafka's mock cluster, with the topics made beforehand.

use crate::config::Topics;
use anyhow::Context;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

/// Partitions of the ticks topic.
pub(super) const PARTITIONS: u32 = 4;

/// A running broker; it ends when dropped.
pub(super) struct Embedded {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl Embedded {
    /// Starts it on a free port of the loopback address.
    pub(super) fn start(topics: &Topics) -> anyhow::Result<Embedded> {
        let cluster = MockCluster::new(1).context("cannot start the embedded broker")?;
        for (key, topic) in topics.named() {
            let partitions = if key == "ticks" {
                PARTITIONS.cast_signed()
            } else {
                1
            };
            cluster
                .create_topic(topic, partitions, 1)
                .with_context(|| format!("cannot create topic {topic}"))?;
        }
        Ok(Embedded { cluster })
    }

    /// Its address, `host:port`.
    pub(super) fn address(&self) -> String {
        self.cluster.bootstrap_servers()
    }
}
