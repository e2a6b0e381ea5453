//! What the Kafka thread knows about its tasks: where they are, and what waits for the next commit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::task::Outbox;
use super::worker::{Done, Progress};
use rotation_wire::state::{Decision, Head, SnapshotRef, encode_parts};
use rotation_wire::trace::TraceParent;

/// A task of this member.
pub(super) struct Member {
    /// Smallest offset that the worker has not been given yet.
    pub(super) next: i64,
    /// Next input offset of the live task, as of the last answer; `None` before the first record.
    pub(super) position: Option<i64>,
    /// Stamp of the last record.
    pub(super) timestamp: Option<i64>,
    /// Decisions since the newest snapshot.
    pub(super) decisions: Vec<Decision>,
    pub(super) snapshot: Option<SnapshotRef>,
    /// Keys of the snapshot chunks in the state topic.
    pub(super) keys: Vec<String>,
    /// Number of the last commit tried.
    pub(super) commit: u64,
    /// Reached its last commit after a restart.
    pub(super) caught_up: bool,
    /// Records given to the worker that it has not answered yet.
    pub(super) unanswered: bool,
    /// Time of the last record or decision.
    pub(super) active: Instant,
    /// The client said so after the last record.
    pub(super) at_end: bool,
    pub(super) snapshot_due: Instant,
}

/// The tasks of this member, by input partition.
#[derive(Default)]
pub(super) struct Members {
    slots: Vec<Option<Member>>,
}

impl Members {
    pub(super) fn get_mut(&mut self, partition: i32) -> Option<&mut Member> {
        let at = usize::try_from(partition).ok()?;
        self.slots.get_mut(at)?.as_mut()
    }

    pub(super) fn contains(&self, partition: i32) -> bool {
        usize::try_from(partition).is_ok_and(|at| self.slots.get(at).is_some_and(Option::is_some))
    }

    pub(super) fn insert(&mut self, partition: i32, member: Member) {
        let at = usize::try_from(partition).expect("partitions are numbered from 0");
        if at >= self.slots.len() {
            self.slots.resize_with(at + 1, || None);
        }
        self.slots[at] = Some(member);
    }

    pub(super) fn remove(&mut self, partition: i32) {
        if let Some(slot) = usize::try_from(partition)
            .ok()
            .and_then(|at| self.slots.get_mut(at))
        {
            *slot = None;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (i32, &Member)> {
        (0..)
            .zip(&self.slots)
            .filter_map(|(at, slot)| Some((at, slot.as_ref()?)))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (i32, &mut Member)> {
        (0..)
            .zip(&mut self.slots)
            .filter_map(|(at, slot)| Some((at, slot.as_mut()?)))
    }

    pub(super) fn len(&self) -> usize {
        self.iter().count()
    }

    pub(super) fn behind(&self) -> usize {
        self.iter().filter(|(_, member)| !member.caught_up).count()
    }

    /// Takes in how far a task is; returns the snapshot's chunks if there is one.
    pub(super) fn advance(&mut self, stage: &str, progress: Progress) -> Option<Snapshot> {
        let member = self.get_mut(progress.partition)?;
        member.position = Some(progress.position);
        member.timestamp = progress.timestamp;
        member.decisions.extend(progress.decisions);
        let parts = progress.snapshot?;
        let id = member.snapshot.map_or(1, |snapshot| snapshot.id + 1);
        let chunks = encode_parts(stage, progress.partition, id, &parts);
        member.snapshot = Some(SnapshotRef {
            id,
            offset: progress.position,
            chunks: chunks.len(),
        });
        member.decisions.clear();
        Some(Snapshot { chunks })
    }
}

impl Member {
    /// The head for the commit of this number.
    pub(super) fn head(&self, position: i64) -> Head {
        Head {
            version: 1,
            offset: position,
            timestamp: self.timestamp,
            commit: self.commit,
            snapshot: self.snapshot,
            decisions: self.decisions.clone(),
        }
    }
}

/// A snapshot that waits for its commit.
pub(super) struct Snapshot {
    pub(super) chunks: Vec<(String, Vec<u8>)>,
}

/// What waits for the next commit. It stays until a commit is known to have succeeded.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) outboxes: Vec<Outbox>,
    pub(super) snapshots: BTreeMap<i32, Snapshot>,
    /// Tasks with progress or output.
    pub(super) touched: BTreeSet<i32>,
    bytes: usize,
    /// When the commit is due.
    due: Option<Instant>,
}

/// After how long what happened is due for a commit.
pub(super) struct Intervals {
    pub(super) output: Duration,
    pub(super) progress: Duration,
    pub(super) urgent: Duration,
}

impl Pending {
    /// Takes in an answer of the worker but for its progress.
    pub(super) fn take(&mut self, done: &mut Done, intervals: &Intervals, now: Instant) {
        self.touched
            .extend(done.progress.iter().map(|each| each.partition));
        let outbox = std::mem::take(&mut done.outbox);
        let wait = if outbox.is_urgent() {
            intervals.urgent
        } else if !outbox.records().is_empty() {
            intervals.output
        } else if !done.progress.is_empty() {
            intervals.progress
        } else {
            return;
        };
        let due = now + wait;
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
        self.bytes += outbox.size();
        if !outbox.records().is_empty() {
            self.outboxes.push(outbox);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.touched.is_empty()
    }

    /// Number of output records.
    pub(super) fn outputs(&self) -> usize {
        self.outboxes
            .iter()
            .map(|outbox| outbox.records().len())
            .sum()
    }

    /// The traces that they say they belong to, each once.
    pub(super) fn traces(&self) -> Vec<TraceParent> {
        let traces = self.outboxes.iter().flat_map(Outbox::traces);
        traces.collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Puts the next try off.
    pub(super) fn postpone(&mut self, until: Instant) {
        self.due = Some(until);
    }

    /// Drops what belongs to tasks that are no longer ours: when one of them comes back it begins where another member
    /// has left it, and what it put out before is none of its outputs any more.
    pub(super) fn retain(&mut self, members: &Members) {
        for outbox in &mut self.outboxes {
            outbox.retain(|task| members.contains(task));
        }
        self.touched
            .retain(|&partition| members.contains(partition));
        self.snapshots
            .retain(|&partition, _| members.contains(partition));
        if self.touched.is_empty() {
            *self = Self::default();
        }
    }
}
