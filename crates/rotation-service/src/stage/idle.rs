//! Idleness: decided here, by the clock, and only when everything there is was read.
//!
//! The end of the partition is asked after the wait, not before: a record may have come meanwhile. Control markers of
//! transactions have offsets too and are never delivered, so a position below the end may still be the end: then the
//! client's own end-of-partition event, which counts markers, must be for exactly the end just asked.

use std::time::Duration;

use super::error::StageError;
use super::observe::StageFact;
use super::ports::PortError;
use super::run::Stage;
use super::worker::{Job, Work};
use rotation_wire::state::{Decision, DecisionKind};

/// Between two looks for idle partitions, and longest wait for one answer.
const LOOK: Duration = Duration::from_millis(500);

impl Stage {
    /// Looks for idle partitions now and then, and tells their tasks.
    pub(super) fn look_for_idle(&mut self) -> Result<(), StageError> {
        let now = self.world.now();
        let Some(idle_after) = self.settings.idle_after else {
            return Ok(());
        };
        if now < self.idle_look || !self.has_room() {
            return Ok(());
        }
        self.idle_look = now + LOOK.min(idle_after);
        let quiet: Vec<i32> = self
            .members
            .iter()
            .filter(|(_, member)| {
                member.caught_up
                    && !member.unanswered
                    && now.duration_since(member.active) >= idle_after
            })
            .map(|(partition, _)| partition)
            .collect();
        let mut decisions = Vec::new();
        for partition in quiet {
            match self.decide(partition) {
                Ok(decision) => decisions.extend(decision.map(|decision| (partition, decision))),
                Err(error) => {
                    tracing::debug!(stage = self.settings.name, partition, %error, "cannot ask for the end");
                    break;
                }
            }
        }
        if decisions.is_empty() {
            return Ok(());
        }
        for &(partition, _) in &decisions {
            self.observe(&StageFact::Idle { partition });
            if let Some(member) = self.members.get_mut(partition) {
                member.active = now;
                member.unanswered = true;
            }
        }
        let batch = std::mem::take(&mut self.batch);
        self.submit(Job::Work(Work {
            batch,
            decisions,
            snapshots: Vec::new(),
        }))
    }

    /// What there is to tell the task of a quiet partition.
    fn decide(&mut self, partition: i32) -> Result<Option<Decision>, PortError> {
        let (low, end) = self.consumer.watermarks(partition, LOOK)?;
        let reached = self.consumer.end(partition).map(|end| end.reached);
        let now = self.wall_clock();
        let Some(member) = self.members.get_mut(partition) else {
            return Ok(None);
        };
        let Some(position) = member.position else {
            let empty = DecisionKind::Empty;
            return Ok((low == end).then_some(Decision {
                at: end,
                kind: empty,
            }));
        };
        let at_end = position == end || (member.at_end && reached == Some(end));
        Ok(match member.timestamp {
            Some(last) if at_end => Some(Decision {
                at: position,
                kind: DecisionKind::Idle { now, last },
            }),
            // Said empty already, and still is.
            _ => None,
        })
    }
}
