//! The loop: polls, hands batches to the worker, takes its answers, commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::cluster::Cluster;
use super::error::StageError;
use super::members::{Intervals, Members, Pending};
use super::observe::{Liveness, StageFact, StageObserver};
use super::ports::{ErrorKind, GroupConsumer, Polled, PortError, World};
use super::restore::Restored;
use super::settings::{StageSettings, StateMode};
use super::standby::Standby;
use super::task::TaskFactory;
use super::transact::Transactor;
use super::worker::{Done, Job, RestoreFailed, Work, Worker};
use crate::kafka::refusal::Needs;

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
    let world = Arc::new(Cluster);
    run_in(world, settings, factory, observer, liveness, stop)
}

/// Runs a stage as [`run`] does, in another world than Kafka's.
///
/// # Errors
///
/// As those of [`run`].
pub fn run_in(
    world: Arc<dyn World>,
    settings: &StageSettings,
    factory: TaskFactory,
    observer: StageObserver,
    liveness: Arc<Liveness>,
    stop: &StopSignal,
) -> Result<(), StageError> {
    let mut stage = Stage::new(world, settings, factory, observer, liveness)?;
    let result = stage.start().and_then(|()| {
        while !stop.load(Ordering::SeqCst) {
            match stage.turn() {
                Err(error @ StageError::MemberFenced { .. }) => stage.rejoin(error)?,
                done => done?,
            }
        }
        stage.stop()
    });
    stage.close();
    result
}

/// What a failed call ends the stage with; it names who fenced us, if someone did.
pub(crate) fn failed(settings: &StageSettings, action: &str, source: PortError) -> StageError {
    let stage = settings.name.clone();
    let kafka = &settings.kafka;
    let needs = Needs {
        stage: stage.clone(),
        input: settings.input.clone(),
        outputs: settings.outputs.clone(),
    };
    let error = source.source.downcast_ref();
    if let Some(refusal) = error.and_then(|error| kafka.denied(&needs, error)) {
        return StageError::Refused {
            stage,
            refusal: Box::new(refusal),
        };
    }
    let source = Box::new(source);
    match source.kind {
        ErrorKind::MemberFenced => StageError::MemberFenced {
            group: kafka.stage_group(&stage),
            instance: kafka.instance.clone(),
            stage,
            source,
        },
        ErrorKind::ProducerFenced => StageError::ProducerFenced {
            transactional_id: kafka.transactional_id(&stage),
            stage,
            source,
        },
        _ => StageError::Kafka {
            stage,
            action: action.to_owned(),
            source,
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
    pub(super) world: Arc<dyn World>,
    pub(super) settings: StageSettings,
    pub(super) state_partitions: i32,
    pub(super) consumer: Box<dyn GroupConsumer>,
    pub(super) transactor: Transactor,
    pub(super) members: Members,
    pub(super) pending: Pending,
    pub(super) restoring: Option<Restoring>,
    pub(super) liveness: Arc<Liveness>,
    pub(super) observer: StageObserver,
    pub(super) jobs: Option<Sender<Job>>,
    answers: Receiver<Result<Done, RestoreFailed>>,
    /// Jobs without an answer yet.
    in_flight: usize,
    /// The batch being filled.
    pub(super) batch: Batch,
    spare: Vec<Batch>,
    pub(super) idle_look: Instant,
    pub(super) chores: Instant,
    /// When the last commit ended.
    pub(super) commit_ended: Instant,
    /// Since when commits fail, with a consumer paused so that it can be polled meanwhile.
    pub(super) failing: Option<Instant>,
    pub(super) standby: Option<Arc<Standby>>,
    /// When this member was fenced by another of its name, lately.
    pub(super) fenced: Vec<Instant>,
    /// An instant, and what the wall clock said then.
    begun: (Instant, i64),
}

impl Stage {
    fn new(
        world: Arc<dyn World>,
        settings: &StageSettings,
        factory: TaskFactory,
        observer: StageObserver,
        liveness: Arc<Liveness>,
    ) -> Result<Self, StageError> {
        settings.kafka.check()?;
        world.partitions(settings, &settings.input)?;
        let durable = settings.state_mode == StateMode::Durable;
        let state_partitions = if durable {
            world.partitions(settings, &settings.kafka.topics.state)?
        } else {
            1
        };
        let (jobs, jobs_taken) = channel();
        let (answer, answers) = channel();
        let worker = Worker::new(factory, durable);
        let work = {
            let world = Arc::clone(&world);
            move || worker.run(&*world, &jobs_taken, &answer)
        };
        world
            .spawn(format!("{}-worker", settings.name), Box::new(work))
            .map_err(|_| thread_lost(settings, "worker"))?;
        let consumer = world
            .consumer(settings)
            .map_err(|source| failed(settings, "create the consumer", source))?;
        let now = world.now();
        Ok(Self {
            settings: settings.clone(),
            state_partitions,
            consumer,
            transactor: Transactor::new(Arc::clone(&world), settings, state_partitions),
            members: Members::default(),
            pending: Pending::default(),
            restoring: None,
            liveness,
            observer,
            jobs: Some(jobs),
            answers,
            in_flight: 0,
            batch: Batch::default(),
            spare: Vec::new(),
            idle_look: now,
            chores: now,
            commit_ended: now,
            failing: None,
            standby: None,
            fenced: Vec::new(),
            begun: (now, world.wall_clock()),
            world,
        })
    }

    fn start(&mut self) -> Result<(), StageError> {
        // Before joining: a predecessor's open transaction is ended first.
        self.initialise()?;
        if self.settings.standby && self.settings.state_mode == StateMode::Durable {
            self.stand_by()?;
        }
        self.consumer
            .subscribe()
            .map_err(|source| self.failed("subscribe to the input", source))
    }

    /// Begins to follow the state of all tasks of the stage, aside.
    fn stand_by(&mut self) -> Result<(), StageError> {
        let standby = Arc::new(Standby::default());
        self.standby = Some(Arc::clone(&standby));
        let (world, settings) = (Arc::clone(&self.world), self.settings.clone());
        let state_partitions = self.state_partitions;
        let work = move || standby.follow(&*world, &settings, state_partitions);
        self.world
            .spawn(format!("{}-standby", self.settings.name), Box::new(work))
            .map_err(|_| self.thread_lost("standby"))
    }

    /// One turn of the loop.
    fn turn(&mut self) -> Result<(), StageError> {
        self.fill()?;
        self.answer_group()?;
        if !self.batch.is_empty() && self.has_room() {
            self.hand_over(Vec::new())?;
        }
        self.take_answers()?;
        if self
            .pending
            .due()
            .is_some_and(|due| due <= self.world.now())
            || self.pending.bytes() >= self.settings.pending_bytes
        {
            self.commit()?;
        }
        self.look_for_idle()?;
        self.reload()?;
        self.chores()
    }

    /// Polls messages into the batch, waiting for the first if there is nothing else to do.
    fn fill(&mut self) -> Result<(), StageError> {
        if self.failing.is_some() && self.batch.len() >= self.settings.batch_records {
            // Paused, and yet the group must be heard.
            self.poll(NAP);
        }
        let mut wait = if self.in_flight == 0 && self.batch.is_empty() {
            let now = self.world.now();
            let until_due = self
                .pending
                .due()
                .map_or(NAP, |due| due.saturating_duration_since(now));
            // A poll waits for whole milliseconds.
            NAP.min(until_due + Duration::from_micros(999))
        } else {
            Duration::ZERO
        };
        self.liveness.polled();
        while self.batch.len() < self.settings.batch_records
            && self.batch.bytes() < self.settings.batch_bytes
        {
            match self.poll(wait) {
                Polled::Record => {}
                Polled::End(partition) => {
                    if let Some(member) = self.members.get_mut(partition) {
                        member.at_end = true;
                    }
                }
                Polled::Failed(error) => self.consumer_error(error)?,
                Polled::Nothing => break,
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    /// Polls the consumer once; a record that is expected goes into the batch.
    fn poll(&mut self, wait: Duration) -> Polled {
        let (members, batch) = (&mut self.members, &mut self.batch);
        self.consumer.poll(wait, &mut |record| {
            if let Some(member) = members.get_mut(record.partition)
                && record.offset >= member.next
            {
                member.next = record.offset + 1;
                member.at_end = false;
                batch.push(record);
            }
        })
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
        let now = self.world.now();
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
            match receive(&*self.world, &self.answers, wait) {
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
        let now = self.world.now();
        let intervals = Intervals {
            output: self.settings.commit_interval,
            progress: self.settings.progress_interval,
            urgent: (self.commit_ended + self.settings.urgent_gap).saturating_duration_since(now),
        };
        self.pending.take(&mut done, &intervals, now);
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

    /// Milliseconds since 1970 UTC: what the wall clock said when the stage began and what went by since, so that a
    /// clock that is set meanwhile moves no horizon.
    pub(super) fn wall_clock(&self) -> i64 {
        let (begun, wall) = self.begun;
        let since = self.world.now().duration_since(begun).as_millis();
        wall.saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
    }

    /// Waits until nothing is on its way through the worker.
    pub(super) fn drain(&mut self) -> Result<(), StageError> {
        if !self.batch.is_empty() {
            self.hand_over(Vec::new())?;
        }
        while self.in_flight > 0 {
            self.liveness.polled();
            match receive(&*self.world, &self.answers, Duration::from_secs(1)) {
                Ok(answer) => self.take_answer(answer)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(self.thread_lost("worker")),
            }
        }
        Ok(())
    }

    /// Waits for the end of the worker, whose jobs have ended.
    pub(super) fn await_worker(&mut self) {
        loop {
            match receive(&*self.world, &self.answers, Duration::from_secs(10)) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    tracing::warn!(stage = self.settings.name, "the worker does not end");
                    return;
                }
            }
        }
    }
}

/// Receives, letting the world wait.
pub(super) fn receive<T>(
    world: &dyn World,
    from: &Receiver<T>,
    wait: Duration,
) -> Result<T, RecvTimeoutError> {
    let mut received = Err(RecvTimeoutError::Timeout);
    world.wait(wait, &mut |block| {
        received = from.recv_timeout(block);
        !matches!(received, Err(RecvTimeoutError::Timeout))
    });
    received
}
