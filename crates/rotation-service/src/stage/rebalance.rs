//! Answers to the group: partitions come, go, or are lost.
//!
//! - *Assign*: state is restored on a thread aside while other tasks go on; then the worker gets the tasks, and the
//!   partitions are assigned at the offsets of the snapshots.
//! - *Revoke* is not loss: what is on its way through the worker is awaited and committed, and only then the partitions
//!   are given up. The generation has moved on by then, so the group's metadata is fetched anew for the commit.
//! - *Lost*: someone else may own the partitions already. What waits for a commit is dropped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::StageError;
use super::members::Member;
use super::observe::{RebalanceKind, StageFact};
use super::ports::{Assignment, Start};
use super::restore::{Restored, restore};
use super::run::{Restoring, Stage};
use super::worker::{Job, NewTask, Replay};
use crate::mutants::Mutant;

/// How long a revoked partition waits for its last commit. What is not committed by then is left to the next owner.
const REVOKE_PATIENCE: Duration = Duration::from_secs(10);

impl Stage {
    /// Answers what the group asked for, in order; an assignment under way is finished first.
    pub(super) fn answer_group(&mut self) -> Result<(), StageError> {
        self.finish_restore()?;
        while self.restoring.is_none() {
            let Some(event) = self.consumer.next_event() else {
                break;
            };
            tracing::info!(stage = self.settings.name, ?event, "rebalance");
            match event {
                Assignment::Assign(partitions) => self.assign(partitions)?,
                Assignment::Revoke(partitions) => self.revoke(&partitions)?,
                Assignment::Lost(partitions) => self.lose(&partitions)?,
            }
        }
        Ok(())
    }

    fn assign(&mut self, partitions: Vec<i32>) -> Result<(), StageError> {
        self.rebalanced(RebalanceKind::Assigned, partitions.len());
        self.liveness.set_joined(true);
        if partitions.is_empty() {
            return self
                .consumer
                .assign(&[])
                .map_err(|source| self.failed("answer an assignment", source));
        }
        let settings = self.settings.clone();
        let state_partitions = self.state_partitions;
        let (answer, answers) = std::sync::mpsc::channel();
        let asked = partitions.clone();
        let world = Arc::clone(&self.world);
        let standby = self.standby.clone();
        let work = move || {
            let standby = standby.as_deref();
            let restored = restore(&*world, standby, &settings, state_partitions, &asked);
            // The stage may have ended meanwhile; then nobody listens.
            let _ = answer.send(restored);
        };
        self.world
            .spawn(format!("{}-restore", self.settings.name), Box::new(work))
            .map_err(|_| self.thread_lost("restore"))?;
        self.restoring = Some(Restoring {
            answers,
            since: self.world.now(),
            partitions,
        });
        self.count_tasks();
        Ok(())
    }

    /// Takes the tasks over once their state is there.
    fn finish_restore(&mut self) -> Result<(), StageError> {
        let Some(restoring) = &self.restoring else {
            return Ok(());
        };
        let restored = match restoring.answers.try_recv() {
            Ok(answer) => answer?,
            Err(std::sync::mpsc::TryRecvError::Empty) => return Ok(()),
            Err(std::sync::mpsc::TryRecvError::Disconnected) => {
                return Err(self.thread_lost("restore"));
            }
        };
        let since = restoring.since;
        self.restoring = None;
        self.forget(|member| restored.iter().any(|task| task.partition == member))?;
        let mut assignment = Vec::with_capacity(restored.len());
        let mut tasks = Vec::with_capacity(restored.len());
        for task in restored {
            let start = task.start.map_or(Start::Beginning, Start::At);
            assignment.push((task.partition, start));
            tasks.push(self.adopt(task, since));
        }
        self.submit(Job::Add(tasks))?;
        self.count_tasks();
        self.consumer
            .assign(&assignment)
            .map_err(|source| self.failed("assign partitions", source))
    }

    fn adopt(&mut self, restored: Restored, since: Instant) -> NewTask {
        let partition = restored.partition;
        let now = self.world.now();
        let head = restored.state.as_ref().map(|state| state.head.clone());
        let start = restored.start.unwrap_or(0);
        let replay = head.as_ref().map_or(0, |head| (head.offset - start).max(0));
        self.observe(&StageFact::Restored {
            partition,
            took: now.duration_since(since),
            replay,
        });
        if restored.lost > 0 {
            self.observe(&StageFact::DataLoss {
                partition,
                records: restored.lost,
            });
        }
        tracing::info!(
            stage = self.settings.name, partition, start, replay, end = restored.end,
            took = ?now.duration_since(since), "restored"
        );
        // Snapshots of tasks that came together are taken apart.
        let apart = u32::try_from(partition % 16).unwrap_or_default();
        self.members.insert(
            partition,
            Member {
                next: start,
                position: head.as_ref().map(|head| head.offset),
                timestamp: head.as_ref().and_then(|head| head.timestamp),
                decisions: head
                    .as_ref()
                    .map_or_else(Vec::new, |head| head.decisions.clone()),
                snapshot: head.as_ref().and_then(|head| head.snapshot),
                keys: restored
                    .state
                    .as_ref()
                    .map_or_else(Vec::new, |state| state.keys.clone()),
                commit: head.as_ref().map_or(0, |head| head.commit),
                caught_up: false,
                unanswered: false,
                active: now,
                at_end: false,
                snapshot_due: now
                    + self.settings.snapshot_interval
                    + self.settings.snapshot_interval / 16 * apart,
            },
        );
        NewTask {
            partition,
            position: head.as_ref().map(|_| start),
            timestamp: head.as_ref().and_then(|head| head.timestamp),
            parts: restored.state.and_then(|state| state.parts),
            replay: head.map(|head| Replay {
                until: head.offset,
                decisions: head.decisions.into(),
            }),
        }
    }

    /// Gives partitions up after a last commit.
    fn revoke(&mut self, partitions: &[i32]) -> Result<(), StageError> {
        self.rebalanced(RebalanceKind::Revoked, partitions.len());
        if Mutant::DroppedRevoke.lives() {
            return self
                .consumer
                .unassign(partitions)
                .map_err(|source| self.failed("give up partitions", source));
        }
        self.snapshot_last(Some(partitions))?;
        self.settle(REVOKE_PATIENCE)?;
        self.give_up(partitions)
    }

    /// Steps and commits all there is, for a while; afterwards nothing is on its way through the worker.
    pub(super) fn settle(&mut self, patience: Duration) -> Result<(), StageError> {
        let deadline = self.world.now() + patience;
        self.drain()?;
        while !self.pending.is_empty() && self.world.now() < deadline {
            if self.consumer.assignment_lost() {
                return Ok(());
            }
            self.commit()?;
            if !self.pending.is_empty() {
                self.world.sleep(Duration::from_millis(20));
            }
        }
        if !self.pending.is_empty() {
            tracing::warn!(
                stage = self.settings.name,
                "the last commit before giving up partitions did not succeed in time; the next owner does it again"
            );
        }
        Ok(())
    }

    /// The whole assignment is lost, whichever partitions are named.
    fn lose(&mut self, partitions: &[i32]) -> Result<(), StageError> {
        self.rebalanced(RebalanceKind::Lost, partitions.len());
        tracing::warn!(
            stage = self.settings.name,
            ?partitions,
            "partitions lost before their last commit; another member goes on from the one before"
        );
        self.forget(|_| true)?;
        self.give_up(partitions)
    }

    /// Drops tasks with all that they put out and is not committed.
    fn forget(&mut self, which: impl Fn(i32) -> bool) -> Result<(), StageError> {
        let gone: Vec<i32> = self
            .members
            .iter()
            .map(|(partition, _)| partition)
            .filter(|partition| which(*partition))
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        self.drain()?;
        for &partition in &gone {
            self.members.remove(partition);
        }
        self.pending.retain(&self.members);
        self.submit(Job::Drop(gone))
    }

    /// Joins the group anew after another member of our name fenced us.
    ///
    /// That need not be another process: a coordinator that loses its answer to a static member, or what it had not
    /// stored yet, knows that member by an id which the member never heard of, and fences it. A true second process
    /// fences our producer as well, at the next commit, and that ends the stage.
    pub(super) fn rejoin(&mut self, error: StageError) -> Result<(), StageError> {
        if self.is_fenced_again() {
            return Err(error);
        }
        // The error itself says that it was so again and again, which it was not yet.
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::warn!(stage = self.settings.name, cause, "joining the group anew");
        self.restoring = None;
        self.drain()?;
        let held: Vec<i32> = self
            .members
            .iter()
            .map(|(partition, _)| partition)
            .collect();
        self.rebalanced(RebalanceKind::Lost, held.len());
        for &partition in &held {
            self.members.remove(partition);
        }
        self.pending.retain(&self.members);
        self.failing = None;
        self.liveness.commits(true);
        self.submit(Job::Drop(held))?;
        self.count_tasks();
        let consumer = self
            .world
            .consumer(&self.settings)
            .map_err(|source| self.failed("create the consumer", source))?;
        std::mem::replace(&mut self.consumer, consumer).close();
        // Ends the transaction in which this was noticed, if it was in one.
        self.initialise()?;
        self.consumer
            .subscribe()
            .map_err(|source| self.failed("subscribe to the input", source))
    }

    fn give_up(&mut self, partitions: &[i32]) -> Result<(), StageError> {
        for &partition in partitions {
            self.members.remove(partition);
        }
        self.pending.retain(&self.members);
        if self.pending.is_empty() {
            self.commits_again()?;
        }
        self.submit(Job::Drop(partitions.to_vec()))?;
        self.count_tasks();
        self.consumer
            .unassign(partitions)
            .map_err(|source| self.failed("give up partitions", source))
    }

    fn rebalanced(&self, kind: RebalanceKind, partitions: usize) {
        self.observe(&StageFact::Rebalanced { kind, partitions });
    }
}
