//! Why a stage ends.

use super::ports::PortError;
use crate::kafka::ReservedProperty;
use crate::kafka::refusal::Refusal;
use crate::kafka::topics::TopicError;

/// Why a stage ends; the process should then exit with a failure, so that a supervisor starts it anew.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The configuration sets a property it must not.
    #[error(transparent)]
    Property(#[from] ReservedProperty),
    /// A topic is missing.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// Kafka does not allow what the stage has to do; trying again is of no use.
    #[error("stage {stage}: {refusal}")]
    Refused {
        /// The stage.
        stage: String,
        /// What, on what, and as whom.
        refusal: Box<Refusal>,
    },
    /// A client could not be made or a call failed for good.
    #[error("stage {stage}: cannot {action}")]
    Kafka {
        /// The stage.
        stage: String,
        /// What was tried.
        action: String,
        /// The client's error.
        #[source]
        source: Box<PortError>,
    },
    /// Another process took over the transactional id.
    #[error(
        "stage {stage}: fenced again and again: another process has the transactional id `{transactional_id}` (give each process its own instance name), or this one is held up for longer than transaction.timeout.ms"
    )]
    ProducerFenced {
        /// The stage.
        stage: String,
        /// The id both use.
        transactional_id: String,
        /// The client's error.
        #[source]
        source: Box<PortError>,
    },
    /// Another process took over the static membership.
    #[error(
        "stage {stage}: fenced again and again by another member of group `{group}` with instance name `{instance}`: give each process its own instance name"
    )]
    MemberFenced {
        /// The stage.
        stage: String,
        /// The consumer group.
        group: String,
        /// The instance name both use.
        instance: String,
        /// The client's error.
        #[source]
        source: Box<PortError>,
    },
    /// Commits kept failing.
    #[error("stage {stage}: no commit succeeded for {seconds} s")]
    CommitPatience {
        /// The stage.
        stage: String,
        /// How long.
        seconds: u64,
        /// The last failure.
        #[source]
        source: Box<PortError>,
    },
    /// State could not be restored.
    #[error("stage {stage}, partition {partition}: cannot restore: {reason}")]
    Restore {
        /// The stage.
        stage: String,
        /// Input partition of the task.
        partition: i32,
        /// What was found and what was expected.
        reason: String,
    },
    /// Records are gone that should have been read.
    #[error(
        "stage {stage}, partition {partition}: lost data: next offset is {next}, the partition holds {low} to {high}; --allow-data-loss goes on from there"
    )]
    DataLoss {
        /// The stage.
        stage: String,
        /// Input partition of the task.
        partition: i32,
        /// The offset to be read.
        next: i64,
        /// First offset there is.
        low: i64,
        /// Offset after the last there is.
        high: i64,
    },
    /// A thread of the stage ended by itself.
    #[error("stage {stage}: the {thread} thread ended unexpectedly")]
    Thread {
        /// The stage.
        stage: String,
        /// Which.
        thread: &'static str,
    },
}
