//! What a stage tells about itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rotation_wire::trace::TraceParent;

/// Takes the facts; called on the stage's Kafka thread, so it should be quick.
pub type StageObserver = Arc<dyn Fn(&StageFact) + Send + Sync>;

/// What happened to the group's assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebalanceKind {
    /// Partitions came.
    Assigned,
    /// Partitions were taken after their last commit.
    Revoked,
    /// Partitions were gone before their last commit; another member goes on from the one before.
    Lost,
}

/// One fact about the running of a stage.
#[derive(Clone, Debug, PartialEq)]
pub enum StageFact {
    /// Records were read.
    Consumed {
        /// How many.
        records: usize,
    },
    /// The group's assignment changed.
    Rebalanced {
        /// How.
        kind: RebalanceKind,
        /// How many partitions it was about.
        partitions: usize,
    },
    /// A task's state was read; its records since the snapshot are now stepped again.
    Restored {
        /// Input partition of the task.
        partition: i32,
        /// Time from the assignment.
        took: Duration,
        /// Records between the snapshot and the head, at most.
        replay: i64,
    },
    /// A task has caught up with its last commit and is live.
    CaughtUp {
        /// Input partition of the task.
        partition: i32,
    },
    /// A transaction was committed.
    Committed {
        /// Time it took, from opening to closing.
        took: Duration,
        /// Records in it, without those of the state topic.
        outputs: usize,
        /// Tasks whose position or output is in it.
        tasks: usize,
        /// Traces that records in it say they belong to, each once.
        traces: Vec<TraceParent>,
    },
    /// A transaction was not committed; it will be tried again.
    CommitFailed {
        /// The client's error code, one of a closed set.
        code: String,
    },
    /// A snapshot is part of the transaction just committed.
    Snapshot {
        /// Input partition of the task.
        partition: i32,
        /// Its size in bytes.
        bytes: usize,
    },
    /// An idle decision was made.
    Idle {
        /// Input partition of the task.
        partition: i32,
    },
    /// How far a task is behind the end of its partition.
    Lag {
        /// Input partition of the task.
        partition: i32,
        /// Records between the last one stepped and the end.
        records: i64,
    },
    /// Records are gone that should have been read, and the stage was told to go on.
    DataLoss {
        /// Input partition of the task.
        partition: i32,
        /// How many offsets were skipped.
        records: i64,
    },
}

/// Whether a stage is alive and ready, to be asked from other threads.
#[derive(Debug)]
pub struct Liveness {
    start: Instant,
    /// Milliseconds from `start` to the last poll, plus one; 0: never.
    last_poll: AtomicU64,
    joined: AtomicBool,
    assigned: AtomicUsize,
    restoring: AtomicUsize,
    /// Milliseconds from `start` to the first try of a commit that is not done, plus one; 0: none.
    committing: AtomicU64,
}

impl Default for Liveness {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            last_poll: AtomicU64::new(0),
            joined: AtomicBool::new(false),
            assigned: AtomicUsize::new(0),
            restoring: AtomicUsize::new(0),
            committing: AtomicU64::new(0),
        }
    }
}

impl Liveness {
    /// Time since the stage last polled its consumer; `None` before the first time.
    #[must_use]
    pub fn poll_age(&self) -> Option<Duration> {
        self.since(&self.last_poll)
    }

    fn since(&self, moment: &AtomicU64) -> Option<Duration> {
        let moment = moment.load(Ordering::Relaxed).checked_sub(1)?;
        let since = Duration::from_millis(moment);
        Some(self.start.elapsed().saturating_sub(since))
    }

    /// For how long a commit has been tried that is not done.
    #[must_use]
    pub fn committing_for(&self) -> Option<Duration> {
        self.since(&self.committing)
    }

    /// Whether the group has given this member an assignment, perhaps an empty one.
    #[must_use]
    pub fn joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }

    /// Number of tasks this member has.
    #[must_use]
    pub fn assigned(&self) -> usize {
        self.assigned.load(Ordering::Relaxed)
    }

    /// Number of tasks that have not caught up with their last commit yet.
    #[must_use]
    pub fn restoring(&self) -> usize {
        self.restoring.load(Ordering::Relaxed)
    }

    /// Alive: polled within `poll_age_max`, or not running yet.
    #[must_use]
    pub fn alive(&self, poll_age_max: Duration) -> bool {
        self.poll_age().is_none_or(|age| age <= poll_age_max)
    }

    /// Ready: a member of the group whose tasks have all caught up.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.joined() && self.restoring() == 0
    }

    /// Now, as moments are kept.
    fn moment(&self) -> u64 {
        let since = self.start.elapsed().as_millis();
        u64::try_from(since).unwrap_or(u64::MAX - 1) + 1
    }

    pub(crate) fn polled(&self) {
        self.last_poll.store(self.moment(), Ordering::Relaxed);
    }

    /// A commit begins; or is done, or what it held is others' now.
    pub(crate) fn commits(&self, done: bool) {
        if done {
            self.committing.store(0, Ordering::Relaxed);
        } else if self.committing.load(Ordering::Relaxed) == 0 {
            self.committing.store(self.moment(), Ordering::Relaxed);
        }
    }

    pub(crate) fn set_tasks(&self, assigned: usize, restoring: usize) {
        self.assigned.store(assigned, Ordering::Relaxed);
        self.restoring.store(restoring, Ordering::Relaxed);
    }

    pub(crate) fn set_joined(&self, joined: bool) {
        self.joined.store(joined, Ordering::Relaxed);
    }
}
