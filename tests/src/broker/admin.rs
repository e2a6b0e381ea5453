//! Topics: made, and looked at.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::{ANSWER, Broker};

/// As many replicas as the cluster is set up for: one where there is one node.
const BY_THE_BROKER: i32 = -1;

/// A topic to make: name, number of partitions, settings.
pub type Topic<'a> = (&'a str, i32, &'a [(&'a str, &'a str)]);

impl Broker {
    /// Makes topics and waits until clients see them.
    ///
    /// # Errors
    ///
    /// When a topic exists already, a setting is refused, or the broker does not answer.
    pub fn create_topics(&self, topics: &[Topic<'_>]) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let new = topics.iter().map(|&(name, partitions, settings)| {
            settings.iter().fold(
                NewTopic::new(name, partitions, TopicReplication::Fixed(BY_THE_BROKER)),
                |topic, (key, value)| topic.set(key, value),
            )
        });
        let new: Vec<NewTopic<'_>> = new.collect();
        let options = AdminOptions::new()
            .request_timeout(Some(ANSWER))
            .operation_timeout(Some(ANSWER));
        for made in
            block_on(admin.create_topics(&new, &options))?.context("cannot ask for topics")?
        {
            if let Err((topic, code)) = made {
                bail!("cannot make topic {topic}: {code}");
            }
        }
        let deadline = Instant::now() + ANSWER;
        for &(name, partitions, _) in topics {
            loop {
                let seen = self.partitions(name);
                if seen
                    .as_ref()
                    .is_ok_and(|seen| seen.len() == usize::try_from(partitions).unwrap_or_default())
                {
                    break;
                }
                if Instant::now() > deadline {
                    bail!(
                        "topic {name} was made but is not seen with {partitions} partitions: {seen:?}"
                    );
                }
            }
        }
        Ok(())
    }

    /// Changes the settings of a topic to these alone.
    ///
    /// # Errors
    ///
    /// When a setting is refused or the broker does not answer.
    pub fn set(&self, topic: &str, settings: &[(&str, &str)]) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (name, value) in settings {
            change = change.set(name, value);
        }
        let options = AdminOptions::new().request_timeout(Some(ANSWER));
        let changed = block_on(admin.alter_configs([&change], &options))?;
        for answer in changed.context("cannot ask for settings")? {
            if let Err((_, code)) = answer {
                bail!("cannot change the settings of {topic}: {code}");
            }
        }
        Ok(())
    }

    /// Bytes that the records of a topic take on the broker's disk.
    ///
    /// # Errors
    ///
    /// When the cluster was started by someone else.
    pub fn bytes(&self, topic: &str) -> Result<u64> {
        let server = self.server.as_ref().context("the cluster is not ours")?;
        let mut bytes = 0;
        for partition in self.partitions(topic)? {
            let folder = server.folder().join(format!("data/{topic}-{partition}"));
            for file in std::fs::read_dir(folder)? {
                let file = file?;
                if file.file_name().to_string_lossy().ends_with(".log") {
                    // It may have been removed meanwhile.
                    bytes += file.metadata().map_or(0, |file| file.len());
                }
            }
        }
        Ok(bytes)
    }

    /// The partitions of a topic that have a leader.
    ///
    /// # Errors
    ///
    /// When the topic is unknown or the broker does not answer.
    pub fn partitions(&self, topic: &str) -> Result<Vec<i32>> {
        let consumer: BaseConsumer = self.config().create()?;
        let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(5))?;
        let [found] = metadata.topics() else {
            bail!(
                "metadata names {} topics, expected {topic} alone",
                metadata.topics().len()
            );
        };
        if let Some(code) = found.error() {
            bail!(
                "topic {topic}: {}",
                rdkafka::types::RDKafkaErrorCode::from(code)
            );
        }
        let mut partitions: Vec<i32> = found
            .partitions()
            .iter()
            .filter(|partition| partition.leader() >= 0)
            .map(rdkafka::metadata::MetadataPartition::id)
            .collect();
        partitions.sort_unstable();
        Ok(partitions)
    }
}

/// Runs a future to its end on a thread of its own, so that it works inside and outside of a runtime.
fn block_on<F>(future: F) -> Result<F::Output>
where
    F: Future + Send,
    F::Output: Send,
{
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            Ok(runtime.block_on(future))
        });
        match thread.join() {
            Ok(answer) => answer,
            Err(_) => bail!("a request to the broker panicked"),
        }
    })
}
