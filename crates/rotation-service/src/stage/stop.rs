//! Chores between polls, and the end of a stage.

use std::time::Duration;

use super::error::StageError;
use super::observe::StageFact;
use super::ports::{PortError, Start};
use super::run::Stage;

/// Between two rounds of chores.
const CHORES: Duration = Duration::from_millis(250);
/// Time to settle when stopped, and then to leave the group.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
const LEAVE_PATIENCE: Duration = Duration::from_secs(3);

impl Stage {
    /// Tells lags and asks for snapshots that are due.
    pub(super) fn chores(&mut self) -> Result<(), StageError> {
        let now = self.world.now();
        if now < self.chores {
            return Ok(());
        }
        self.chores = now + CHORES;
        for (partition, member) in self.members.iter() {
            let Some(end) = self.consumer.end(partition) else {
                continue;
            };
            // What was read up to the end, markers included, leaves no lag.
            let position = if member.at_end && end.reached == end.stable {
                end.stable
            } else {
                member.position.unwrap_or(member.next)
            };
            self.observe(&StageFact::Lag {
                partition,
                records: (end.stable - position).max(0),
            });
        }
        if !self.has_room() {
            return Ok(());
        }
        let interval = self.settings.snapshot_interval;
        let mut due = Vec::new();
        for (partition, member) in self.members.iter_mut() {
            if member.caught_up && member.snapshot_due <= now {
                member.snapshot_due = now + interval;
                due.push(partition);
            }
        }
        if due.is_empty() {
            return Ok(());
        }
        self.hand_over(due)
    }

    /// Steps and commits what was read, then leaves the group.
    pub(super) fn stop(&mut self) -> Result<(), StageError> {
        tracing::info!(stage = self.settings.name, "stopping");
        if let Some(restoring) = self.restoring.take() {
            // The group waits for the answer to its assignment; it gets one, and no task begins.
            let nothing: Vec<_> = restoring
                .partitions
                .iter()
                .map(|&partition| (partition, Start::End))
                .collect();
            self.consumer
                .assign(&nothing)
                .map_err(|source| self.failed("answer an assignment", source))?;
        }
        self.snapshot_last(None)?;
        self.settle(STOP_PATIENCE)?;
        // Nothing is left to commit, so from here on the callback answers rebalances by itself.
        self.consumer.answer_alone();
        if self.settings.leave_on_stop && !self.consumer.leave(LEAVE_PATIENCE) {
            tracing::warn!(
                stage = self.settings.name,
                "did not leave the group in time; its partitions stay with it until the session times out"
            );
        }
        Ok(())
    }

    /// Asks for a last snapshot of these tasks, or of all, where they are to have one.
    pub(super) fn snapshot_last(&mut self, only: Option<&[i32]>) -> Result<(), StageError> {
        if !self.settings.snapshot_on_stop {
            return Ok(());
        }
        let is_meant = |partition: &i32| only.is_none_or(|only| only.contains(partition));
        let live = self.members.iter().filter(|(_, member)| member.caught_up);
        let due: Vec<i32> = live.map(|(at, _)| at).filter(is_meant).collect();
        if due.is_empty() {
            return Ok(());
        }
        self.hand_over(due)
    }

    /// Throws everything away, in bounded time.
    pub(super) fn close(mut self) {
        self.consumer.answer_alone();
        if let Some(standby) = &self.standby {
            standby.stop();
        }
        self.jobs = None;
        self.transactor.close();
        self.await_worker();
        self.liveness.set_joined(false);
        self.liveness.set_tasks(0, 0);
        self.consumer.close();
    }

    pub(super) fn observe(&self, fact: &StageFact) {
        (self.observer)(fact);
    }

    pub(super) fn count_tasks(&self) {
        let coming = self
            .restoring
            .as_ref()
            .map_or(0, |restoring| restoring.partitions.len());
        self.liveness
            .set_tasks(self.members.len() + coming, self.members.behind() + coming);
    }

    pub(super) fn failed(&self, action: &str, source: PortError) -> StageError {
        super::run::failed(&self.settings, action, source)
    }

    pub(super) fn thread_lost(&self, thread: &'static str) -> StageError {
        super::run::thread_lost(&self.settings, thread)
    }
}
