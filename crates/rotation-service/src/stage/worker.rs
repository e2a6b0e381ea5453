//! The worker: owns the tasks and steps batches, one job after the other; every job gets one answer, in order.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::batch::Batch;
use super::ports::World;
use super::reload::Request;
use super::run::receive;
use super::task::{Idle, InputRecord, Outbox, Task, TaskFactory};
use crate::mutants::Mutant;
use rotation_wire::state::{Decision, DecisionKind, Parts};

/// Longest wait for a job at a time; nothing depends on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the worker is asked to do.
pub(super) enum Job {
    /// Begin tasks.
    Add(Vec<NewTask>),
    /// Step records, then tell decisions, then take snapshots.
    Work(Work),
    /// Forget tasks.
    Drop(Vec<i32>),
    /// Make every task anew from what it remembers.
    Reload(Request),
}

/// A task to begin, at its first record or where its snapshot was taken.
pub(super) struct NewTask {
    pub(super) partition: i32,
    /// Next input offset; `None` before the first record.
    pub(super) position: Option<i64>,
    /// Stamp of the last record before the last commit; records stepped again end with the same.
    pub(super) timestamp: Option<i64>,
    pub(super) parts: Option<Parts>,
    /// Offset of the last commit and the decisions until then; absent for a task without one.
    pub(super) replay: Option<Replay>,
}

/// How far outputs are suppressed.
pub(super) struct Replay {
    pub(super) until: i64,
    pub(super) decisions: VecDeque<Decision>,
}

#[derive(Default)]
pub(super) struct Work {
    pub(super) batch: Batch,
    pub(super) decisions: Vec<(i32, Decision)>,
    pub(super) snapshots: Vec<i32>,
}

/// The answer to a job.
#[derive(Default)]
pub(super) struct Done {
    /// The batch of the job, emptied, for use again.
    pub(super) batch: Batch,
    pub(super) outbox: Outbox,
    pub(super) progress: Vec<Progress>,
    /// Tasks that have reached their last commit.
    pub(super) caught_up: Vec<i32>,
}

/// How far a live task is after a job.
pub(super) struct Progress {
    pub(super) partition: i32,
    pub(super) position: i64,
    pub(super) timestamp: Option<i64>,
    pub(super) decisions: Vec<Decision>,
    pub(super) snapshot: Option<Parts>,
}

/// A task could not take its snapshot.
pub(super) struct RestoreFailed {
    pub(super) partition: i32,
    pub(super) reason: String,
}

struct Slot {
    task: Box<dyn Task>,
    partition: i32,
    position: Option<i64>,
    timestamp: Option<i64>,
    replay: Option<Replay>,
    /// Has a snapshot, in the state topic or on its way there.
    snapshotted: bool,
    /// Changed since its last snapshot.
    dirty: bool,
    /// Took records or decisions in this job.
    touched: bool,
    /// Decisions of this job.
    decisions: Vec<Decision>,
}

pub(super) struct Worker {
    factory: TaskFactory,
    slots: Vec<Option<Slot>>,
    /// Whether there is a state topic to put snapshots in.
    durable: bool,
}

impl Worker {
    pub(super) fn new(factory: TaskFactory, durable: bool) -> Self {
        Self {
            factory,
            slots: Vec::new(),
            durable,
        }
    }

    /// Works until the channel closes.
    pub(super) fn run(
        mut self,
        world: &dyn World,
        jobs: &Receiver<Job>,
        answers: &Sender<Result<Done, RestoreFailed>>,
    ) {
        loop {
            let job = match receive(world, jobs, PATIENCE) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let answer = match job {
                Job::Add(tasks) => self.add(tasks),
                Job::Work(work) => Ok(self.work(work)),
                Job::Reload(request) => Ok(self.reload(request)),
                Job::Drop(partitions) => {
                    for partition in partitions {
                        *self.slot(partition) = None;
                    }
                    Ok(Done::default())
                }
            };
            if answers.send(answer).is_err() {
                return;
            }
        }
    }

    fn slot(&mut self, partition: i32) -> &mut Option<Slot> {
        let at = usize::try_from(partition).expect("partitions are numbered from 0");
        if at >= self.slots.len() {
            self.slots.resize_with(at + 1, || None);
        }
        &mut self.slots[at]
    }

    fn add(&mut self, tasks: Vec<NewTask>) -> Result<Done, RestoreFailed> {
        let mut done = Done::default();
        for new in tasks {
            let mut task = (self.factory)(new.partition);
            let snapshotted = new.parts.is_some();
            if let Some(parts) = new.parts {
                task.restore(parts).map_err(|reason| RestoreFailed {
                    partition: new.partition,
                    reason,
                })?;
            }
            let left = task.leaves_behind();
            if let (Some(left), Some(replay)) = (&left, &new.replay)
                && new.position.is_none_or(|position| position < replay.until)
            {
                return Err(RestoreFailed {
                    partition: new.partition,
                    reason: killed_before_a_change(left),
                });
            }
            let live = new.replay.is_none();
            let mut slot = Slot {
                task,
                partition: new.partition,
                position: new.position,
                timestamp: new.timestamp,
                replay: new.replay,
                snapshotted,
                dirty: !snapshotted,
                touched: false,
                decisions: Vec::new(),
            };
            if live || slot.catch_up(&mut done.outbox) {
                done.caught_up.push(new.partition);
            }
            if left.is_some() {
                slot.turn_over();
            }
            *self.slot(new.partition) = Some(slot);
        }
        Ok(done)
    }

    /// Makes every task anew, or none.
    fn reload(&mut self, mut request: Request) -> Done {
        let mut done = Done::default();
        let mut made = Vec::new();
        for slot in self.slots.iter().flatten() {
            let mut task = (request.factory)(slot.partition);
            if let Err(reason) = task.restore(slot.task.snapshot()) {
                let reason = format!("partition {}: {reason}", slot.partition);
                // Whoever asked may have gone.
                let _ = request.answer.send(Err(reason));
                return done;
            }
            made.push(task);
        }
        for (slot, task) in self.slots.iter_mut().flatten().zip(made) {
            slot.task = task;
            slot.turn_over();
        }
        self.factory = request.factory;
        let durable = self.durable;
        for slot in self.slots.iter_mut().flatten() {
            slot.finish(&mut done, durable, true);
        }
        let _ = request.answer.send(Ok(()));
        done
    }

    fn work(&mut self, mut work: Work) -> Done {
        let mut done = Done::default();
        let mut step = |record: InputRecord<'_>| {
            let at = usize::try_from(record.partition).unwrap_or(usize::MAX);
            if let Some(Some(slot)) = self.slots.get_mut(at) {
                slot.step(&record, &mut done);
            }
        };
        if Mutant::HashedOrder.lives() {
            grouped_by_key(&work.batch).into_iter().for_each(&mut step);
        } else {
            work.batch.iter().for_each(&mut step);
        }
        for (partition, decision) in work.decisions {
            if let Some(slot) = self.slot(partition) {
                slot.touched = true;
                slot.position.get_or_insert(decision.at);
                slot.decide(decision, &mut done.outbox, false);
                slot.decisions.push(decision);
            }
        }
        let durable = self.durable;
        for slot in self.slots.iter_mut().flatten() {
            let asked = work.snapshots.contains(&slot.partition);
            slot.finish(&mut done, durable, asked);
        }
        work.batch.clear();
        done.batch = work.batch;
        done
    }
}

fn killed_before_a_change(left: &str) -> String {
    format!(
        "the configuration changed ({left}) since a process was killed: what it decided after its newest snapshot can \
         only be found again with its own configuration. Start once with that, stop in order (SIGTERM), then start \
         with the new one"
    )
}

impl Slot {
    /// The task told, or is about to tell, what of its state it leaves behind: the next job ends with a snapshot, which
    /// is committed with what is told.
    fn turn_over(&mut self) {
        self.snapshotted = false;
        self.touched = true;
    }

    fn step(&mut self, record: &InputRecord<'_>, done: &mut Done) {
        if let Some(replay) = &self.replay {
            if record.offset >= replay.until {
                // Records up to the last commit are gone from the topic; it was reached all the same.
                self.end_replay(done);
            } else {
                self.step_again(record, done);
                return;
            }
        }
        self.touched = true;
        done.outbox.speaker(self.partition, false);
        self.task.step(record, &mut done.outbox);
        self.pass(record);
    }

    /// Steps a record that was stepped before the last commit.
    fn step_again(&mut self, record: &InputRecord<'_>, done: &mut Done) {
        self.decide_again(record.offset, &mut done.outbox);
        done.outbox.speaker(self.partition, true);
        self.task.step(record, &mut done.outbox);
        self.pass(record);
        if self.catch_up(&mut done.outbox) {
            done.caught_up.push(self.partition);
        }
    }

    fn pass(&mut self, record: &InputRecord<'_>) {
        self.position = Some(record.offset + 1);
        if let Some((at, _)) = record.timestamp {
            // A stamp that goes back is a producer's own: idleness would count from it.
            self.timestamp = self.timestamp.max(Some(at));
        }
    }

    /// Tells the decisions made before the record of this offset.
    fn decide_again(&mut self, before: i64, out: &mut Outbox) {
        while let Some(replay) = &mut self.replay {
            if replay.decisions.front().is_none_or(|next| next.at > before) {
                return;
            }
            if let Some(decision) = replay.decisions.pop_front() {
                self.decide(decision, out, true);
            }
        }
    }

    fn decide(&mut self, decision: Decision, out: &mut Outbox, replaying: bool) {
        out.speaker(self.partition, replaying);
        match decision.kind {
            DecisionKind::Idle { now, last } => self.task.idle(Idle { now, last }, out),
            DecisionKind::Empty => self.task.empty(out),
        }
        if replaying {
            self.task.end_of_batch(out);
        }
    }

    /// Ends the replay if the last commit is reached; whether it ended now.
    fn catch_up(&mut self, out: &mut Outbox) -> bool {
        let reached = self.replay.as_ref().is_some_and(|replay| {
            self.position
                .is_some_and(|position| position >= replay.until)
        });
        if reached {
            self.decide_again(i64::MAX, out);
            out.speaker(self.partition, true);
            self.task.end_of_batch(out);
            self.replay = None;
            self.dirty = true;
        }
        reached
    }

    fn end_replay(&mut self, done: &mut Done) {
        self.position = self.replay.as_ref().map(|replay| replay.until);
        if self.catch_up(&mut done.outbox) {
            done.caught_up.push(self.partition);
        }
    }

    /// Ends the job for this task.
    fn finish(&mut self, done: &mut Done, durable: bool, snapshot_asked: bool) {
        if self.replay.is_some() {
            done.outbox.speaker(self.partition, true);
            return;
        }
        if self.touched {
            done.outbox.speaker(self.partition, false);
            self.task.end_of_batch(&mut done.outbox);
            self.dirty = true;
        }
        let Some(position) = self.position else {
            return;
        };
        let due = if self.snapshotted {
            snapshot_asked && self.dirty
        } else {
            self.touched
        };
        let snapshot = (durable && due).then(|| self.task.snapshot());
        if snapshot.is_some() {
            self.snapshotted = true;
            self.dirty = false;
        }
        if self.touched || snapshot.is_some() {
            done.progress.push(Progress {
                partition: self.partition,
                position,
                timestamp: self.timestamp,
                decisions: std::mem::take(&mut self.decisions),
                snapshot,
            });
        }
        self.touched = false;
    }
}

/// The records of a batch in the order of a hash map over their keys: a fault to be planted.
fn grouped_by_key(batch: &Batch) -> Vec<InputRecord<'_>> {
    let mut groups: HashMap<Option<&[u8]>, Vec<InputRecord<'_>>> = HashMap::new();
    for record in batch.iter() {
        groups.entry(record.key).or_default().push(record);
    }
    groups.into_values().flatten().collect()
}

#[cfg(test)]
mod tests;
