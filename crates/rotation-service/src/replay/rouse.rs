//! Who reads along is told that something comes, in every partition, before it comes.
//!
//! A running service does not wait for a partition in which nothing has come for a while. Of a live feed that is right:
//! all partitions begin within the lateness. A replay sends weeks within a second, so one partition could be through
//! before the service has looked at another, whose records would then be late. So each partition is sent a heartbeat
//! first, and the rest when the group has read these.

use crate::kafka::KafkaSettings;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The stage that reads the ticks.
const STAGE: &str = "sampler";
/// Longest wait for an answer of the cluster.
const ANSWER: Duration = Duration::from_secs(5);
/// Longest wait for the group.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// A group that reads the ticks topic at present.
pub(super) struct Listeners {
    client: BaseConsumer,
    topic: String,
    /// The group's name.
    pub(super) group: String,
}

impl Listeners {
    /// The group's members, where there are any and we may know.
    pub(super) fn find(settings: &KafkaSettings, topic: &str) -> Option<Listeners> {
        let group = settings.stage_group(STAGE);
        let config = settings.state_reader(STAGE, "read_committed");
        let client: BaseConsumer = config.create().ok()?;
        let found = client.fetch_group_list(Some(&group), ANSWER).ok()?;
        let has_members = found.groups().iter().any(|it| !it.members().is_empty());
        has_members.then(|| Listeners {
            client,
            topic: topic.to_owned(),
            group,
        })
    }

    /// Waits until the group has read what is on the topic now; whether it has.
    pub(super) fn await_read(
        &self,
        partitions: i32,
        stop: &AtomicBool,
    ) -> Result<bool, KafkaError> {
        let mut ends = Vec::new();
        for partition in 0..partitions {
            let (_, end) = self
                .client
                .fetch_watermarks(&self.topic, partition, ANSWER)?;
            ends.push((partition, end));
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && !stop.load(Ordering::Relaxed) {
            let mut asked = TopicPartitionList::new();
            for (partition, _) in &ends {
                asked.add_partition(&self.topic, *partition);
            }
            let found = self.client.committed_offsets(asked, ANSWER)?;
            let is_read = |(partition, end): &(i32, i64)| {
                let found = found.find_partition(&self.topic, *partition);
                let offset = found.map(|found| found.offset());
                matches!(offset, Some(Offset::Offset(offset)) if offset >= *end)
            };
            if ends.iter().all(is_read) {
                return Ok(true);
            }
            sleep(PAUSE);
        }
        Ok(stop.load(Ordering::Relaxed))
    }
}
