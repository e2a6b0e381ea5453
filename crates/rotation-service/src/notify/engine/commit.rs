//! The commit: dead letters, and how far each target has come, in one transaction.

use super::{ANSWER, Notifier};
use crate::stage::ports::{ErrorKind, GroupOffset, PortError, World};
use crate::stage::{OutputRecord, StageError, cluster::Cluster};
use std::time::{Duration, Instant};

/// Between two tries where one failed.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Between two commits.
const APART: Duration = Duration::from_millis(20);

impl Notifier {
    pub(super) fn make_producer(&mut self) -> Result<(), PortError> {
        let producer = Cluster.producer(&self.setup.settings)?;
        producer.initialise(ANSWER)?;
        self.producer = Some(producer);
        Ok(())
    }

    /// Commits what is new. Where that fails it is tried again later: nothing is lost by it but time.
    pub(super) fn commit(&mut self) -> Result<(), StageError> {
        if !self.is_dirty || Instant::now() < self.commit_after {
            return Ok(());
        }
        let Err(error) = self.try_commit() else {
            return Ok(());
        };
        self.setup.metrics.committed(false);
        if matches!(
            error.kind,
            ErrorKind::ProducerFenced | ErrorKind::MemberFenced | ErrorKind::Denied
        ) {
            return Err(self.failed("commit what was delivered", error));
        }
        tracing::warn!(code = error.code, %error, "what was delivered is not committed yet");
        // Whether it was committed is not known: a producer of the same name ends what this one has open.
        if let Some(producer) = self.producer.take() {
            producer.close();
        }
        self.commit_after = Instant::now() + AGAIN_AFTER;
        Ok(())
    }

    /// Commits, trying again for a while.
    pub(super) fn commit_for(&mut self, patience: Duration) -> Result<(), StageError> {
        let deadline = Instant::now() + patience;
        self.commit_after = Instant::now();
        while self.is_dirty && Instant::now() < deadline && !self.consumer.assignment_lost() {
            self.commit()?;
            if self.is_dirty {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    fn try_commit(&mut self) -> Result<(), PortError> {
        let Some(membership) = self.consumer.membership() else {
            return Ok(());
        };
        if self.members.is_empty() {
            self.is_dirty = false;
            return Ok(());
        }
        if self.producer.is_none() {
            self.make_producer()?;
        }
        let producer = self.producer.as_ref().expect("made above");
        let offsets: Vec<GroupOffset> = self
            .members
            .iter()
            .map(|(&partition, member)| {
                let names = self
                    .setup
                    .config
                    .targets
                    .iter()
                    .map(|target| target.name.as_str());
                let (offset, metadata) = member.position(names);
                GroupOffset {
                    partition,
                    offset,
                    metadata,
                }
            })
            .collect();
        producer.begin()?;
        let deadline = Instant::now() + ANSWER;
        for letter in &self.letters {
            let bytes = |text: &String| text.clone().into_bytes();
            let headers: Vec<_> = letter
                .headers
                .iter()
                .map(|(name, text)| (*name, bytes(text)))
                .collect();
            let record = OutputRecord {
                topic: &self.setup.settings.outputs[0],
                partition: None,
                key: letter.key.as_deref(),
                payload: letter.payload.as_deref(),
                headers: &headers,
            };
            producer.send(&record, deadline)?;
        }
        producer.flush(deadline)?;
        producer.send_offsets(&offsets, &membership, ANSWER)?;
        producer.commit(ANSWER)?;
        self.letters.clear();
        self.is_dirty = false;
        self.commit_after = Instant::now() + APART;
        self.outboxes
            .iter_mut()
            .for_each(|outbox| outbox.committed());
        self.setup.metrics.committed(true);
        Ok(())
    }
}
