//! What a stage needs of the world: a clock, threads, and clients of a log with transactions and groups.
//!
//! `cluster` has the ports that reach Kafka. A simulation puts others in their place, in which time, order and every
//! failure follow from a seed; the loop, the commit and the restore are then the very same code.

use std::any::Any;
use std::time::{Duration, Instant};

use super::error::StageError;
use super::settings::StageSettings;
use super::task::{InputRecord, OutputRecord};

/// The world around a stage.
pub trait World: Send + Sync {
    /// An instant that never goes back.
    fn now(&self) -> Instant;

    /// Milliseconds since 1970 UTC, by the wall.
    fn wall_clock(&self) -> i64;

    /// Waits.
    fn sleep(&self, time: Duration);

    /// Waits until `ready` is true, at most so long; `ready` is told how long it may block.
    fn wait(&self, longest: Duration, ready: &mut dyn FnMut(Duration) -> bool);

    /// Starts a thread.
    ///
    /// # Errors
    ///
    /// When there can be none.
    fn spawn(&self, name: String, work: Box<dyn FnOnce() + Send>) -> std::io::Result<()>;

    /// Number of partitions of a topic.
    ///
    /// # Errors
    ///
    /// When the topic is missing or the cluster does not say.
    fn partitions(&self, settings: &StageSettings, topic: &str) -> Result<i32, StageError>;

    /// Makes the stage's member of its group; it joins with [`GroupConsumer::subscribe`].
    ///
    /// # Errors
    ///
    /// When the client cannot be made.
    fn consumer(&self, settings: &StageSettings) -> Result<Box<dyn GroupConsumer>, PortError>;

    /// Makes the stage's transactional producer.
    ///
    /// # Errors
    ///
    /// When the client cannot be made.
    fn producer(&self, settings: &StageSettings) -> Result<Box<dyn Producer>, PortError>;

    /// Makes a reader that belongs to no group.
    ///
    /// # Errors
    ///
    /// When the client cannot be made.
    fn reader(
        &self,
        settings: &StageSettings,
        isolation: Isolation,
    ) -> Result<Box<dyn Reader>, PortError>;
}

/// What a reader sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Records of committed transactions, up to the first that is open.
    Committed,
    /// Everything written.
    Uncommitted,
}

/// A change of the assignment that the loop has to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assignment {
    /// Partitions come.
    Assign(Vec<i32>),
    /// Partitions are to go, after a last commit.
    Revoke(Vec<i32>),
    /// Partitions are gone already.
    Lost(Vec<i32>),
}

/// The end of a partition as the client last saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Last stable offset.
    pub stable: i64,
    /// Offset at which the end of the partition was last reached.
    pub reached: i64,
}

/// What a poll came to.
#[derive(Debug)]
pub enum Polled {
    /// A record was handed over.
    Record,
    /// The end of this partition is reached.
    End(i32),
    /// Nothing came in time.
    Nothing,
    /// Something is wrong.
    Failed(PortError),
}

/// From where a partition is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Its first record.
    Beginning,
    /// This offset.
    At(i64),
    /// What comes from now on.
    End,
}

/// An offset of the group, and its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    /// Partition of the input.
    pub partition: i32,
    /// Next offset.
    pub offset: i64,
    /// Metadata.
    pub metadata: String,
}

/// Who commits offsets, as the group knows it; only the world that made it can read it.
pub struct Membership(Box<dyn Any>);

impl Membership {
    /// Wraps what a world knows.
    pub fn new(known: impl Any) -> Self {
        Self(Box::new(known))
    }

    /// What the world knows.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

/// A member of the stage's group. It never commits by itself, and rebalances wait for the loop to answer them.
#[allow(
    clippy::missing_errors_doc,
    reason = "every error is the cluster's, see `PortError`"
)]
pub trait GroupConsumer: Send {
    /// Joins the group.
    fn subscribe(&self) -> Result<(), PortError>;

    /// Hands the next record over, waiting for it at most so long.
    fn poll(&self, wait: Duration, take: &mut dyn FnMut(&InputRecord<'_>)) -> Polled;

    /// The next change of the assignment, if there is one.
    fn next_event(&self) -> Option<Assignment>;

    /// Answers an assignment: partitions, and from where; none of them is paused.
    fn assign(&self, partitions: &[(i32, Start)]) -> Result<(), PortError>;

    /// Answers a revocation or a loss.
    fn unassign(&self, partitions: &[i32]) -> Result<(), PortError>;

    /// Whether another member may own the partitions by now.
    fn assignment_lost(&self) -> bool;

    /// Reads on from another offset.
    fn seek(&self, partition: i32, offset: i64, wait: Duration) -> Result<(), PortError>;

    /// Stops records from coming in; rebalances still do.
    fn pause(&self) -> Result<(), PortError>;

    /// Undoes [`pause`](Self::pause).
    fn resume(&self) -> Result<(), PortError>;

    /// The end of a partition as last seen.
    fn end(&self, partition: i32) -> Option<End>;

    /// First offset and end of a partition, asked now.
    fn watermarks(&self, partition: i32, wait: Duration) -> Result<(i64, i64), PortError>;

    /// Offsets committed by the group, waiting for those of open transactions to settle.
    fn committed(&self, partitions: &[i32], wait: Duration) -> Result<Vec<GroupOffset>, PortError>;

    /// Who we are in the group right now.
    fn membership(&self) -> Option<Membership>;

    /// From here on rebalances are answered without the loop: nothing is left to commit.
    fn answer_alone(&self);

    /// Leaves the group; false if that took longer than the patience.
    fn leave(&self, patience: Duration) -> bool;

    /// Throws the client away, in bounded time.
    fn close(self: Box<Self>);
}

/// A transactional producer.
#[allow(
    clippy::missing_errors_doc,
    reason = "every error is the cluster's, see `PortError`"
)]
pub trait Producer: Send {
    /// Fences whoever had the transactional id, and ends what it had open.
    fn initialise(&self, wait: Duration) -> Result<(), PortError>;

    /// Opens a transaction.
    fn begin(&self) -> Result<(), PortError>;

    /// Hands a record over for sending.
    fn send(&self, record: &OutputRecord<'_>, deadline: Instant) -> Result<(), PortError>;

    /// Waits until all that was handed over is delivered and nothing is in flight.
    fn flush(&self, deadline: Instant) -> Result<(), PortError>;

    /// Makes the group's offsets part of the transaction.
    fn send_offsets(
        &self,
        offsets: &[GroupOffset],
        member: &Membership,
        wait: Duration,
    ) -> Result<(), PortError>;

    /// Commits the transaction.
    fn commit(&self, wait: Duration) -> Result<(), PortError>;

    /// Aborts the transaction.
    fn abort(&self, wait: Duration) -> Result<(), PortError>;

    /// After an abort: waits until nothing is in flight and counts afresh; false if that takes too long.
    fn settle(&self, deadline: Instant) -> bool;

    /// Throws the client away, in bounded time.
    fn close(self: Box<Self>);
}

/// Reads state and ends of topics, outside of any group.
#[allow(
    clippy::missing_errors_doc,
    reason = "every error is the cluster's, see `PortError`"
)]
pub trait Reader: Send {
    /// Offsets committed by the stage's group, waiting for those of open transactions to settle.
    fn committed(&self, partitions: &[i32], wait: Duration) -> Result<Vec<GroupOffset>, PortError>;

    /// First offset and end of a partition, as far as this reader sees.
    fn watermarks(
        &self,
        topic: &str,
        partition: i32,
        wait: Duration,
    ) -> Result<(i64, i64), PortError>;

    /// Begins to read a partition.
    fn assign(&self, topic: &str, partition: i32, offset: i64) -> Result<(), PortError>;

    /// Hands the next record over.
    fn poll(&self, wait: Duration, take: &mut dyn FnMut(&InputRecord<'_>)) -> Polled;

    /// Ends reading.
    fn unassign(&self) -> Result<(), PortError>;
}

/// What an error asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The call may be repeated as it is.
    Retriable,
    /// The transaction has to be aborted.
    Abort,
    /// The client cannot go on.
    Fatal,
    /// Another producer has our transactional id.
    ProducerFenced,
    /// Another member has our instance name.
    MemberFenced,
    /// The offset to be read is not in the partition.
    OutOfRange,
    /// The cluster does not allow it.
    Denied,
    /// The client gets over it by itself.
    Passing,
    /// None of these.
    Other,
}

/// A call of a port failed.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct PortError {
    /// What it asks for.
    pub kind: ErrorKind,
    /// Its code, one of a closed set.
    pub code: String,
    /// The client's error.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl PortError {
    /// An error of a port.
    pub fn new(
        kind: ErrorKind,
        code: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            code: code.to_owned(),
            source: source.into(),
        }
    }

    /// There is no membership to commit under: the assignment is gone or going.
    pub(super) fn canceled() -> Self {
        Self::new(
            ErrorKind::Other,
            "Canceled",
            "this member is not in its group right now",
        )
    }

    pub(super) fn is_fenced(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::ProducerFenced | ErrorKind::MemberFenced
        )
    }
}
