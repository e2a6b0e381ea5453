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
//! - *Another process has the same transactional id*: the stage ends.
//!
//! Offsets of all tasks with output are in every transaction, even where they have not moved: a transaction without
//! offsets would not be fenced by the group's generation. `commit_transaction` is called with nothing in flight, since
//! its flush waits in steps of 100 ms otherwise; so deliveries are counted here.

use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};

use super::consume::StageConsumer;
use super::deliveries::Deliveries;
use super::members::{Members, Pending};
use super::settings::{StageSettings, StateMode};
use crate::kafka::refusal::is_denied;
use rotation_wire::state::{encode_head, head_key};

/// Why a commit did not succeed, by what is to be done.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing is committed and the producer is fit: try again.
    Aborted(KafkaError),
    /// Nothing is committed and the tasks are gone.
    Lost,
    /// Whether it is committed is not known, or the producer is unfit: make it anew.
    Unknown(KafkaError),
    /// Someone else has our name.
    Fenced(KafkaError),
}

pub(super) struct Transactor {
    config: ClientConfig,
    stage: String,
    timeout: Duration,
    input: String,
    outputs: Vec<String>,
    /// State topic and its number of partitions; absent where state is ephemeral.
    state: Option<(String, i32)>,
    index: i32,
    producer: Option<ThreadedProducer<Deliveries>>,
    deliveries: Deliveries,
    sent: u64,
    /// Partition, offset and number of what the last try wanted to commit.
    tried: Vec<(i32, i64, u64)>,
}

/// Partition of the state topic that holds a task's state: stages keep apart as far as there are partitions.
pub(super) fn state_partition(task: i32, stage_index: i32, partitions: i32) -> i32 {
    (2 * task + stage_index) % partitions
}

impl Transactor {
    /// Makes the producer; initialising fences a predecessor and ends what it left open.
    pub(super) fn new(settings: &StageSettings, state_partitions: i32) -> Self {
        let durable = settings.state_mode == StateMode::Durable;
        Self {
            config: settings.kafka.stage_producer(&settings.name),
            stage: settings.name.clone(),
            timeout: settings.transaction_timeout,
            input: settings.input.clone(),
            outputs: settings.outputs.clone(),
            state: durable.then(|| (settings.kafka.topics.state.clone(), state_partitions)),
            index: i32::try_from(settings.index).unwrap_or_default(),
            producer: None,
            deliveries: Deliveries::new(&settings.name),
            sent: 0,
            tried: Vec::new(),
        }
    }

    /// Makes the producer, anew if there was one; initialising fences and ends whatever the id had open.
    pub(super) fn initialise(&mut self) -> Result<(), KafkaError> {
        if let Some(old) = self.producer.take() {
            close_aside(old);
        }
        self.deliveries = Deliveries::new(&self.stage);
        let producer: ThreadedProducer<Deliveries> =
            self.config.create_with_context(self.deliveries.clone())?;
        let deadline = Instant::now() + self.timeout;
        retry(deadline, |left| producer.init_transactions(left))?;
        self.producer = Some(producer);
        self.sent = 0;
        Ok(())
    }

    /// Commits what is pending; on success the caller forgets it.
    pub(super) fn commit(
        &mut self,
        consumer: &StageConsumer,
        members: &mut Members,
        pending: &Pending,
    ) -> Result<(), Failure> {
        let Some(producer) = self.producer.take() else {
            return Err(Failure::Unknown(KafkaError::Canceled));
        };
        let result = self.attempt(&producer, consumer, members, pending);
        self.producer = Some(producer);
        match result {
            Err(Failure::Aborted(error)) if is_denied(&error) => {
                // What was let in is ended, if it can be; what was not is no transaction to the coordinator.
                drop(self.abort(KafkaError::Canceled));
                Err(Failure::Aborted(error))
            }
            Err(Failure::Aborted(error)) => Err(self.abort(error)),
            Err(Failure::Lost) => match self.abort(KafkaError::Canceled) {
                Failure::Aborted(_) => Err(Failure::Lost),
                worse => Err(worse),
            },
            other => other,
        }
    }

    fn attempt(
        &mut self,
        producer: &ThreadedProducer<Deliveries>,
        consumer: &StageConsumer,
        members: &mut Members,
        pending: &Pending,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + self.timeout;
        self.tried.clear();
        producer
            .begin_transaction()
            .map_err(|error| classify(error, Failure::Unknown))?;
        self.send_outputs(producer, members, pending, deadline)?;
        let offsets = self.send_state(producer, members, pending, deadline)?;
        self.deliveries
            .wait(self.sent, deadline)
            // Messages only say that they were thrown away; the transaction knows why.
            .map_err(|error| {
                let metadata = consumer.group_metadata();
                let why = metadata.and_then(|metadata| {
                    let left = deadline.saturating_duration_since(Instant::now());
                    producer
                        .send_offsets_to_transaction(&offsets, &metadata, left)
                        .err()
                });
                Failure::Aborted(why.filter(is_denied).unwrap_or(error))
            })?;
        // The client counts a message as in flight until its report is destroyed, shortly after we counted it.
        while producer.in_flight_count() > 0 && Instant::now() < deadline {
            std::thread::yield_now();
        }
        retry(deadline, |left| {
            // Fresh for every call: a cooperative revoke is served under the new generation.
            match consumer.group_metadata() {
                Some(metadata) => producer.send_offsets_to_transaction(&offsets, &metadata, left),
                None => Err(KafkaError::Canceled),
            }
        })
        .map_err(|error| classify(error, Failure::Aborted))?;
        if consumer.assignment_lost() {
            return Err(Failure::Lost);
        }
        retry(deadline, |left| producer.commit_transaction(left))
            .map_err(|error| classify(error, Failure::Unknown))?;
        Ok(())
    }

    fn send_outputs(
        &mut self,
        producer: &ThreadedProducer<Deliveries>,
        members: &Members,
        pending: &Pending,
        deadline: Instant,
    ) -> Result<(), Failure> {
        for outbox in &pending.outboxes {
            for record in outbox.records() {
                if !members.contains(record.task) {
                    continue;
                }
                let mut message: BaseRecord<'_, [u8], [u8]> =
                    BaseRecord::to(&self.outputs[record.topic]);
                message.key = outbox.key(record);
                message.payload = outbox.payload(record);
                message.partition = record.partition;
                message.headers = record.headers();
                self.sent += 1;
                self.deliveries
                    .send(producer, message, deadline)
                    .map_err(Failure::Aborted)?;
            }
        }
        Ok(())
    }

    /// Sends heads and snapshots, and returns the offsets to commit with them.
    fn send_state(
        &mut self,
        producer: &ThreadedProducer<Deliveries>,
        members: &mut Members,
        pending: &Pending,
        deadline: Instant,
    ) -> Result<TopicPartitionList, Failure> {
        let mut offsets = TopicPartitionList::new();
        for &partition in &pending.touched {
            let Some(member) = members.get_mut(partition) else {
                continue;
            };
            let Some(position) = member.position else {
                continue;
            };
            member.commit += 1;
            let mut offset = offsets.add_partition(&self.input, partition);
            offset
                .set_offset(Offset::Offset(position))
                .map_err(Failure::Aborted)?;
            offset.set_metadata(member.commit.to_string());
            self.tried.push((partition, position, member.commit));
            let Some((topic, partitions)) = &self.state else {
                continue;
            };
            let at = Some(state_partition(partition, self.index, *partitions));
            let mut put = |key: &str, value: Option<&[u8]>| {
                let mut message: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
                message.key = Some(key.as_bytes());
                message.payload = value;
                message.partition = at;
                self.sent += 1;
                self.deliveries
                    .send(producer, message, deadline)
                    .map_err(Failure::Aborted)
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
            put(&head_key(&self.stage, partition), Some(&head))?;
        }
        Ok(offsets)
    }

    /// Aborts the open transaction because of `error`.
    fn abort(&mut self, error: KafkaError) -> Failure {
        let Some(producer) = &self.producer else {
            return Failure::Unknown(error);
        };
        let deadline = Instant::now() + self.timeout;
        if let Err(worse) = retry(deadline, |left| producer.abort_transaction(left)) {
            return classify(worse, Failure::Unknown);
        }
        while producer.in_flight_count() > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        if producer.in_flight_count() > 0 {
            // Late reports would be counted for the next transaction.
            return Failure::Unknown(error);
        }
        self.deliveries.reset();
        self.sent = 0;
        Failure::Aborted(error)
    }

    /// After a commit of unknown outcome and [`initialise`](Self::initialise): whether the group holds it.
    pub(super) fn is_committed(&self, consumer: &StageConsumer) -> Result<bool, KafkaError> {
        let mut asked = TopicPartitionList::new();
        for (partition, ..) in &self.tried {
            asked.add_partition(&self.input, *partition);
        }
        // Under read_committed the answer waits for offsets of open transactions.
        let found = consumer.committed_offsets(asked, self.timeout)?;
        Ok(self.tried.iter().all(|(partition, offset, commit)| {
            found
                .find_partition(&self.input, *partition)
                .is_some_and(|found| {
                    found.offset() == Offset::Offset(*offset)
                        && found.metadata() == commit.to_string()
                })
        }) && !self.tried.is_empty())
    }

    /// Throws the producer away, in bounded time.
    pub(super) fn close(&mut self) {
        if let Some(producer) = self.producer.take() {
            close_aside(producer);
        }
    }
}

/// Drops a client on a thread of its own, and waits for that only for a while: closing must not hang a stage.
pub(super) fn close_aside<T: Send + 'static>(client: T) {
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::Builder::new().name("kafka-close".to_owned());
    let spawned = thread.spawn(move || {
        drop(client);
        drop(done);
    });
    match spawned {
        Ok(_) => {
            if wait.recv_timeout(Duration::from_secs(5))
                == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                tracing::warn!("a kafka client did not close within 5 s; going on without it");
            }
        }
        Err(error) => tracing::warn!(%error, "cannot start a thread to close a kafka client"),
    }
}

/// Calls again while the error is retriable and there is time.
fn retry<T>(
    deadline: Instant,
    mut call: impl FnMut(Duration) -> Result<T, KafkaError>,
) -> Result<T, KafkaError> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match call(left.max(Duration::from_millis(1))) {
            Err(KafkaError::Transaction(error))
                if error.is_retriable() && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

/// What an error of a transactional call asks for; `otherwise` where it says neither.
fn classify(error: KafkaError, otherwise: fn(KafkaError) -> Failure) -> Failure {
    use RDKafkaErrorCode::{Fenced, FencedInstanceId, ProducerFenced};
    let fenced = matches!(
        error.rdkafka_error_code(),
        Some(Fenced | ProducerFenced | FencedInstanceId)
    );
    match &error {
        _ if fenced => Failure::Fenced(error),
        KafkaError::Transaction(inner) if inner.txn_requires_abort() => Failure::Aborted(error),
        KafkaError::Transaction(inner) if inner.is_fatal() => Failure::Unknown(error),
        _ => otherwise(error),
    }
}
