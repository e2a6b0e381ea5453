//! What the group asks for: partitions come, and go to other members.

use super::{ANSWER, Notifier, POLL};
use crate::notify::marks::{self, Begin, Mark};
use crate::notify::members::Member;
use crate::notify::outbox::Outbox;
use crate::notify::send::now_millis;
use crate::stage::StageError;
use crate::stage::ports::{Assignment, Start};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// For deliveries under way to end when partitions go to another member.
const REVOKE_PATIENCE: Duration = Duration::from_secs(5);

impl Notifier {
    pub(super) fn answer_group(&mut self) -> Result<(), StageError> {
        while let Some(event) = self.consumer.next_event() {
            tracing::info!(?event, "rebalance");
            match event {
                Assignment::Assign(partitions) => self.assign(&partitions)?,
                Assignment::Revoke(partitions) => self.give_up(&partitions, true)?,
                Assignment::Lost(partitions) => self.give_up(&partitions, false)?,
            }
            self.count_tasks();
        }
        Ok(())
    }

    fn assign(&mut self, partitions: &[i32]) -> Result<(), StageError> {
        self.setup.liveness.set_joined(true);
        let committed = match partitions {
            [] => Ok(Vec::new()),
            _ => self.consumer.committed(partitions, ANSWER),
        };
        let committed =
            committed.map_err(|source| self.failed("read the group's offsets", source))?;
        let mut starts = Vec::new();
        for &partition in partitions {
            let ends = self.consumer.watermarks(partition, ANSWER);
            let (_, end) =
                ends.map_err(|source| self.failed("ask for the end of a partition", source))?;
            let found = committed
                .iter()
                .find(|offset| offset.partition == partition);
            let known = found.map(|offset| (offset.offset, marks::decode(&offset.metadata)));
            let now = now_millis();
            let fresh = || Mark::new(self.setup.begin, end, now);
            let mark = |name: &str| match &known {
                None => fresh(),
                // An offset that somebody set by hand holds for every target.
                Some((offset, marks)) if marks.is_empty() => Mark {
                    next: *offset,
                    ..Mark::new(Begin::Oldest, end, now)
                },
                Some((_, marks)) => marks.get(name).copied().unwrap_or_else(fresh),
            };
            let marks = self.setup.config.targets.iter().map(|target| {
                let mark = mark(&target.name);
                if mark.next <= end {
                    return mark;
                }
                tracing::warn!(
                    partition,
                    next = mark.next,
                    end,
                    target_name = target.name,
                    "the partition ends before what was delivered: the topic was made anew"
                );
                fresh()
            });
            self.members.insert(partition, Member::new(marks.collect()));
            starts.push((partition, Start::Beginning));
        }
        self.is_dirty |= !partitions.is_empty();
        let assigned = self.consumer.assign(&starts);
        // What comes new is not paused.
        let assigned = assigned.and_then(|()| match self.is_paused {
            true => self.consumer.pause(),
            false => Ok(()),
        });
        assigned.map_err(|source| self.failed("assign partitions", source))
    }

    /// Gives partitions up, after a last commit where they are still ours.
    fn give_up(&mut self, partitions: &[i32], is_ours: bool) -> Result<(), StageError> {
        for partition in partitions {
            if let Some(member) = self.members.get(partition) {
                member.dropped.store(true, Ordering::SeqCst);
            }
            self.outboxes
                .iter_mut()
                .for_each(|outbox| outbox.forget(*partition));
        }
        if is_ours {
            let deadline = Instant::now() + REVOKE_PATIENCE;
            while Instant::now() < deadline && self.outboxes.iter().any(Outbox::is_busy_for_dropped)
            {
                self.take_done();
                std::thread::sleep(POLL);
            }
            self.take_done();
            self.commit_for(REVOKE_PATIENCE)?;
        }
        for partition in partitions {
            self.members.remove(partition);
        }
        let given_up = self.consumer.unassign(partitions);
        given_up.map_err(|source| self.failed("give up partitions", source))
    }
}
