//! The loop: polls, hands batches to the worker, takes its answers, commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::Message;

use super::batch::Batch;
use super::consume::{StageConsumer, StageContext};
use super::error::StageError;
use super::members::{Intervals, Members, Pending};
use super::observe::{Liveness, StageFact, StageObserver};
use super::restore::Restored;
use super::settings::{StageSettings, StateMode};
use super::task::TaskFactory;
use super::transact::Transactor;
use super::worker::{Done, Job, RestoreFailed, Work, Worker};
use crate::kafka::refusal::Needs;
use crate::kafka::topics::partition_count;

/// Set to stop a stage: it steps and commits what it has read, leaves its group and returns.
pub type StopSignal = Arc<AtomicBool>;

/// Longest wait in the loop, so that it notices what no one wakes it for.
const NAP: Duration = Duration::from_millis(10);

/// Runs a stage until it is stopped or cannot go on.
///
/// Blocks the calling thread, which becomes the one that owns the Kafka clients.
///
/// # Errors
///
/// See [`StageError`]; none of them leaves a transaction half committed.
pub fn run(
    settings: &StageSettings,
    factory: TaskFactory,
    observer: StageObserver,
    liveness: Arc<Liveness>,
    stop: &StopSignal,
) -> Result<(), StageError> {
    let mut stage = Stage::new(settings, factory, observer, liveness)?;
    let result = stage.start().and_then(|()| {
        while !stop.load(Ordering::SeqCst) {
            stage.turn()?;
        }
        stage.stop()
    });
    stage.close();
    result
}

pub(super) fn failed(settings: &StageSettings, action: &str, source: KafkaError) -> StageError {
    let stage = settings.name.clone();
    let needs = Needs {
        stage: stage.clone(),
        input: settings.input.clone(),
        outputs: settings.outputs.clone(),
    };
    match settings.kafka.denied(&needs, &source) {
        Some(refusal) => StageError::Refused {
            stage,
            refusal: Box::new(refusal),
        },
        None => StageError::Kafka {
            stage,
            action: action.to_owned(),
            source: Box::new(source),
        },
    }
}

pub(super) fn thread_lost(settings: &StageSettings, thread: &'static str) -> StageError {
    StageError::Thread {
        stage: settings.name.clone(),
        thread,
    }
}

/// An assignment whose state is being read.
pub(super) struct Restoring {
    pub(super) answers: Receiver<Result<Vec<Restored>, StageError>>,
    pub(super) since: Instant,
    pub(super) partitions: Vec<i32>,
}

pub(super) struct Stage {
    pub(super) settings: StageSettings,
    pub(super) state_partitions: i32,
    pub(super) consumer: Arc<StageConsumer>,
    pub(super) transactor: Transactor,
    pub(super) members: Members,
    pub(super) pending: Pending,
    pub(super) restoring: Option<Restoring>,
    pub(super) liveness: Arc<Liveness>,
    pub(super) observer: StageObserver,
    pub(super) worker: Option<JoinHandle<()>>,
    pub(super) jobs: Option<Sender<Job>>,
    answers: Receiver<Result<Done, RestoreFailed>>,
    /// Jobs without an answer yet.
    in_flight: usize,
    /// The batch being filled.
    pub(super) batch: Batch,
    spare: Vec<Batch>,
    pub(super) idle_look: Instant,
    pub(super) chores: Instant,
    /// Since when commits fail, with a consumer paused so that it can be polled meanwhile.
    pub(super) failing: Option<Instant>,
}

impl Stage {
    fn new(
        settings: &StageSettings,
        factory: TaskFactory,
        observer: StageObserver,
        liveness: Arc<Liveness>,
    ) -> Result<Self, StageError> {
        settings.kafka.check()?;
        let context = StageContext::new(&settings.name, &settings.input);
        let consumer: StageConsumer = settings
            .kafka
            .stage_consumer(&settings.name)
            .create_with_context(context)
            .map_err(|source| failed(settings, "create the consumer", source))?;
        partition_count(&consumer, &settings.input)?;
        let durable = settings.state_mode == StateMode::Durable;
        let state_partitions = if durable {
            partition_count(&consumer, &settings.kafka.topics.state)?
        } else {
            1
        };
        let (jobs, jobs_taken) = channel();
        let (answer, answers) = channel();
        let worker = Worker::new(factory, durable);
        let worker = std::thread::Builder::new()
            .name(format!("{}-worker", settings.name))
            .spawn(move || worker.run(&jobs_taken, &answer))
            .map_err(|_| thread_lost(settings, "worker"))?;
        Ok(Self {
            settings: settings.clone(),
            state_partitions,
            consumer: Arc::new(consumer),
            transactor: Transactor::new(settings, state_partitions),
            members: Members::default(),
            pending: Pending::default(),
            restoring: None,
            liveness,
            observer,
            worker: Some(worker),
            jobs: Some(jobs),
            answers,
            in_flight: 0,
            batch: Batch::default(),
            spare: Vec::new(),
            idle_look: Instant::now(),
            chores: Instant::now(),
            failing: None,
        })
    }

    fn start(&mut self) -> Result<(), StageError> {
        // Before joining: a predecessor's open transaction is ended first.
        self.initialise()?;
        self.consumer
            .subscribe(&[&self.settings.input])
            .map_err(|source| self.failed("subscribe to the input", source))
    }

    /// One turn of the loop.
    fn turn(&mut self) -> Result<(), StageError> {
        self.fill()?;
        self.answer_group()?;
        if !self.batch.is_empty() && self.has_room() {
            self.hand_over(Vec::new())?;
        }
        self.take_answers()?;
        if self.pending.due().is_some_and(|due| due <= Instant::now())
            || self.pending.bytes() >= self.settings.pending_bytes
        {
            self.commit()?;
        }
        self.look_for_idle()?;
        self.chores()
    }

    /// Polls messages into the batch, waiting for the first if there is nothing else to do.
    fn fill(&mut self) -> Result<(), StageError> {
        if self.failing.is_some() && self.batch.len() >= self.settings.batch_records {
            // Paused, and yet the group must be heard.
            drop(self.consumer.poll(NAP));
        }
        let mut wait = if self.in_flight == 0 && self.batch.is_empty() {
            let until_due = self
                .pending
                .due()
                .map_or(NAP, |due| due.saturating_duration_since(Instant::now()));
            // A poll waits for whole milliseconds.
            NAP.min(until_due + Duration::from_micros(999))
        } else {
            Duration::ZERO
        };
        self.liveness.polled();
        let consumer = Arc::clone(&self.consumer);
        while self.batch.len() < self.settings.batch_records
            && self.batch.bytes() < self.settings.batch_bytes
        {
            match consumer.poll(wait) {
                Some(Ok(message)) => {
                    let partition = message.partition();
                    if let Some(member) = self.members.get_mut(partition)
                        && message.offset() >= member.next
                    {
                        member.next = message.offset() + 1;
                        member.at_end = false;
                        self.batch.push(&message);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    if let Some(member) = self.members.get_mut(partition) {
                        member.at_end = true;
                    }
                }
                Some(Err(error)) => self.consumer_error(error)?,
                None => break,
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    pub(super) fn has_room(&self) -> bool {
        self.in_flight < self.settings.batches_in_flight
            && self.pending.bytes() < self.settings.pending_bytes
    }

    pub(super) fn hand_over(&mut self, snapshots: Vec<i32>) -> Result<(), StageError> {
        let next = self.spare.pop().unwrap_or_default();
        let batch = std::mem::replace(&mut self.batch, next);
        if !batch.is_empty() {
            self.observe(&StageFact::Consumed {
                records: batch.len(),
            });
        }
        let now = Instant::now();
        let mut last = -1;
        for record in batch.iter() {
            // Records of a partition come in runs.
            if record.partition != last {
                last = record.partition;
                if let Some(member) = self.members.get_mut(last) {
                    member.active = now;
                    member.unanswered = true;
                }
            }
        }
        self.submit(Job::Work(Work {
            batch,
            decisions: Vec::new(),
            snapshots,
        }))
    }

    pub(super) fn submit(&mut self, job: Job) -> Result<(), StageError> {
        let sent = self
            .jobs
            .as_ref()
            .is_some_and(|jobs| jobs.send(job).is_ok());
        if !sent {
            return Err(self.thread_lost("worker"));
        }
        self.in_flight += 1;
        Ok(())
    }

    /// Takes the worker's answers, waiting briefly when there is nothing else to do.
    fn take_answers(&mut self) -> Result<(), StageError> {
        let mut wait = if self.in_flight == 0 {
            return Ok(());
        } else if self.has_room() && !self.batch.is_empty() {
            Duration::ZERO
        } else if self.has_room() {
            Duration::from_micros(200)
        } else {
            NAP
        };
        while self.in_flight > 0 {
            match self.answers.recv_timeout(wait) {
                Ok(answer) => self.take_answer(answer)?,
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err(self.thread_lost("worker")),
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    fn take_answer(&mut self, answer: Result<Done, RestoreFailed>) -> Result<(), StageError> {
        self.in_flight -= 1;
        let mut done = answer.map_err(|failed| StageError::Restore {
            stage: self.settings.name.clone(),
            partition: failed.partition,
            reason: failed.reason,
        })?;
        let intervals = Intervals {
            output: self.settings.commit_interval,
            progress: self.settings.progress_interval,
            urgent: self.settings.urgent_linger,
        };
        self.pending.take(&mut done, &intervals);
        for progress in done.progress {
            let partition = progress.partition;
            if let Some(snapshot) = self.members.advance(&self.settings.name, progress) {
                self.pending.snapshots.insert(partition, snapshot);
            }
        }
        if self.in_flight == 0 {
            for (_, member) in self.members.iter_mut() {
                member.unanswered = false;
            }
        }
        let caught_up = !done.caught_up.is_empty();
        for partition in done.caught_up {
            self.observe(&StageFact::CaughtUp { partition });
            if let Some(member) = self.members.get_mut(partition) {
                member.caught_up = true;
            }
        }
        if caught_up {
            self.count_tasks();
        }
        if self.spare.len() <= self.settings.batches_in_flight {
            self.spare.push(done.batch);
        }
        Ok(())
    }

    /// Waits until nothing is on its way through the worker.
    pub(super) fn drain(&mut self) -> Result<(), StageError> {
        if !self.batch.is_empty() {
            self.hand_over(Vec::new())?;
        }
        while self.in_flight > 0 {
            self.liveness.polled();
            match self.answers.recv_timeout(Duration::from_secs(1)) {
                Ok(answer) => self.take_answer(answer)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(self.thread_lost("worker")),
            }
        }
        Ok(())
    }
}
