//! Commit: outputs, heads, snapshots and offsets in one transaction.
//!
//! What can go wrong, and what is done about it:
//!
//! - *The transaction is aborted* (a message expired, the group's generation moved on under us): what waits for the
//!   commit stays in memory and is sent again in the next one, without what belongs to tasks that were lost meanwhile.
//! - *The assignment is lost*: nothing is committed; another member goes on from the commit before.
//! - *The outcome of the end is unknown* (no answer in time, or the producer is in a state it cannot leave): the
//!   producer is thrown away and made anew under the same transactional id, whose initialisation completes or aborts
//!   what was open. Every commit puts its number into the metadata of the offsets; whether it holds is then read off
//!   the group.
//! - *The producer is fenced*: as for an unknown outcome, unless it happens again and again: then another process has
//!   the same transactional id, and the stage ends.
//!
//! Offsets of all tasks with output are in every transaction, even where they have not moved: a transaction without
//! offsets would not be fenced by the group's generation. Everything is delivered before the end is asked for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::members::{Members, Pending};
use super::ports::{ErrorKind, GroupConsumer, GroupOffset, PortError, Producer, World};
use super::settings::{StageSettings, StateMode};
use super::task::OutputRecord;
use crate::mutants::Mutant;
use rotation_wire::state::{encode_head, head_key};

/// Why a commit did not succeed, by what is to be done.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing is committed and the producer is fit: try again.
    Aborted(PortError),
    /// Nothing is committed and the tasks are gone.
    Lost,
    /// Whether it is committed is not known, or the producer is unfit: make it anew.
    Unknown(PortError),
    /// Someone else has our name.
    Fenced(PortError),
    /// The cluster does not allow it.
    Denied(PortError),
}

pub(super) struct Transactor {
    world: Arc<dyn World>,
    settings: StageSettings,
    /// State topic and its number of partitions; absent where state is ephemeral.
    state: Option<(String, i32)>,
    index: i32,
    producer: Option<Box<dyn Producer>>,
    /// What the last try wanted to commit.
    tried: Vec<GroupOffset>,
}

/// Partition of the state topic that holds a task's state: stages keep apart as far as there are partitions.
pub(super) fn state_partition(task: i32, stage_index: i32, partitions: i32) -> i32 {
    (2 * task + stage_index) % partitions
}

impl Transactor {
    pub(super) fn new(
        world: Arc<dyn World>,
        settings: &StageSettings,
        state_partitions: i32,
    ) -> Self {
        let durable = settings.state_mode == StateMode::Durable;
        Self {
            world,
            settings: settings.clone(),
            state: durable.then(|| (settings.kafka.topics.state.clone(), state_partitions)),
            index: i32::try_from(settings.index).unwrap_or_default(),
            producer: None,
            tried: Vec::new(),
        }
    }

    fn deadline(&self) -> Instant {
        self.world.now() + self.settings.transaction_timeout
    }

    /// Makes the producer, anew if there was one; initialising fences and ends whatever the id had open.
    pub(super) fn initialise(&mut self) -> Result<(), PortError> {
        self.close();
        let producer = self.world.producer(&self.settings)?;
        let deadline = self.deadline();
        self.retry(deadline, |left| producer.initialise(left))?;
        self.producer = Some(producer);
        Ok(())
    }

    /// Commits what is pending; on success the caller forgets it.
    pub(super) fn commit(
        &mut self,
        consumer: &dyn GroupConsumer,
        members: &mut Members,
        pending: &Pending,
    ) -> Result<(), Failure> {
        let Some(producer) = self.producer.take() else {
            return Err(Failure::Unknown(PortError::canceled()));
        };
        let result = self.attempt(&*producer, consumer, members, pending);
        let result = match result {
            Err(Failure::Aborted(error) | Failure::Denied(error))
                if error.kind == ErrorKind::Denied =>
            {
                // What was let in is ended, if it can be; what was not is no transaction to the coordinator.
                drop(self.abort(&*producer, PortError::canceled()));
                Err(Failure::Denied(error))
            }
            Err(Failure::Aborted(error)) => Err(self.abort(&*producer, error)),
            Err(Failure::Lost) => match self.abort(&*producer, PortError::canceled()) {
                Failure::Aborted(_) => Err(Failure::Lost),
                worse => Err(worse),
            },
            other => other,
        };
        self.producer = Some(producer);
        result
    }

    fn attempt(
        &mut self,
        producer: &dyn Producer,
        consumer: &dyn GroupConsumer,
        members: &mut Members,
        pending: &Pending,
    ) -> Result<(), Failure> {
        let deadline = self.deadline();
        self.tried.clear();
        producer
            .begin()
            .map_err(|error| classify(error, Failure::Unknown))?;
        if !Mutant::CommitBeforeProduce.lives() {
            self.send_outputs(producer, members, pending, deadline)?;
        }
        self.send_state(producer, members, pending, deadline)?;
        producer.flush(deadline).map_err(|error| {
            // Messages only say that they were thrown away; the transaction knows why.
            let left = deadline.saturating_duration_since(self.world.now());
            let why = consumer
                .membership()
                .and_then(|member| producer.send_offsets(&self.tried, &member, left).err());
            let denied = why.filter(|why| why.kind == ErrorKind::Denied);
            Failure::Aborted(denied.unwrap_or(error))
        })?;
        self.retry(deadline, |left| {
            // Fresh for every call: a cooperative revoke is served under the new generation.
            match consumer.membership() {
                Some(member) => producer.send_offsets(&self.tried, &member, left),
                None => Err(PortError::canceled()),
            }
        })
        .map_err(|error| classify(error, Failure::Aborted))?;
        if consumer.assignment_lost() {
            return Err(Failure::Lost);
        }
        self.retry(deadline, |left| producer.commit(left))
            .map_err(|error| classify(error, Failure::Unknown))?;
        if Mutant::CommitBeforeProduce.lives() {
            self.send_outputs(producer, members, pending, deadline)?;
            self.retry(deadline, |left| producer.commit(left))
                .map_err(|error| classify(error, Failure::Unknown))?;
        }
        Ok(())
    }

    fn send_outputs(
        &self,
        producer: &dyn Producer,
        members: &Members,
        pending: &Pending,
        deadline: Instant,
    ) -> Result<(), Failure> {
        for outbox in &pending.outboxes {
            for record in outbox.records() {
                if !members.contains(record.task) {
                    continue;
                }
                let topic = &self.settings.outputs[record.topic];
                producer
                    .send(&outbox.output(record, topic), deadline)
                    .map_err(Failure::Aborted)?;
            }
        }
        Ok(())
    }

    /// Sends heads and snapshots, and notes the offsets to commit with them.
    fn send_state(
        &mut self,
        producer: &dyn Producer,
        members: &mut Members,
        pending: &Pending,
        deadline: Instant,
    ) -> Result<(), Failure> {
        for &partition in &pending.touched {
            let Some(member) = members.get_mut(partition) else {
                continue;
            };
            let Some(position) = member.position else {
                continue;
            };
            member.commit += 1;
            self.tried.push(GroupOffset {
                partition,
                offset: position,
                metadata: member.commit.to_string(),
            });
            let Some((topic, partitions)) = &self.state else {
                continue;
            };
            if Mutant::OffsetsWithoutState.lives() && member.commit.is_multiple_of(2) {
                continue;
            }
            let at = Some(state_partition(partition, self.index, *partitions));
            let put = |key: &str, payload: Option<&[u8]>| {
                let record = OutputRecord {
                    topic,
                    partition: at,
                    key: Some(key.as_bytes()),
                    payload,
                    headers: &[],
                };
                producer.send(&record, deadline).map_err(Failure::Aborted)
            };
            if let Some(snapshot) = pending.snapshots.get(&partition) {
                for (key, value) in &snapshot.chunks {
                    put(key, Some(value))?;
                }
                let kept = |old: &&String| !snapshot.chunks.iter().any(|(key, _)| key == *old);
                for stale in member.keys.iter().filter(kept) {
                    put(stale, None)?;
                }
            }
            let head = encode_head(&member.head(position));
            put(&head_key(&self.settings.name, partition), Some(&head))?;
        }
        Ok(())
    }

    /// Aborts the open transaction because of `error`.
    fn abort(&self, producer: &dyn Producer, error: PortError) -> Failure {
        let deadline = self.deadline();
        if let Err(worse) = self.retry(deadline, |left| producer.abort(left)) {
            return classify(worse, Failure::Unknown);
        }
        if !producer.settle(deadline) {
            return Failure::Unknown(error);
        }
        Failure::Aborted(error)
    }

    /// After a commit of unknown outcome and [`initialise`](Self::initialise): whether the group holds it.
    pub(super) fn is_committed(&self, consumer: &dyn GroupConsumer) -> Result<bool, PortError> {
        let asked: Vec<i32> = self.tried.iter().map(|each| each.partition).collect();
        let found = consumer.committed(&asked, self.settings.transaction_timeout)?;
        Ok(!self.tried.is_empty() && self.tried.iter().all(|each| found.contains(each)))
    }

    /// Throws the producer away, in bounded time.
    pub(super) fn close(&mut self) {
        if let Some(producer) = self.producer.take() {
            producer.close();
        }
    }

    /// Calls again while the error is retriable and there is time.
    fn retry<T>(
        &self,
        deadline: Instant,
        call: impl Fn(Duration) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        loop {
            let left = deadline.saturating_duration_since(self.world.now());
            match call(left.max(Duration::from_millis(1))) {
                Err(error) if error.kind == ErrorKind::Retriable && self.world.now() < deadline => {
                    self.world.sleep(Duration::from_millis(5));
                }
                other => return other,
            }
        }
    }
}

/// What an error of a transactional call asks for; `otherwise` where it says neither.
fn classify(error: PortError, otherwise: fn(PortError) -> Failure) -> Failure {
    match error.kind {
        ErrorKind::ProducerFenced | ErrorKind::MemberFenced => Failure::Fenced(error),
        ErrorKind::Denied => Failure::Denied(error),
        ErrorKind::Abort => Failure::Aborted(error),
        ErrorKind::Fatal => Failure::Unknown(error),
        _ => otherwise(error),
    }
}
