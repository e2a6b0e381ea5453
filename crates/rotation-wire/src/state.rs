//! Heads and snapshots on the compacted state topic, as CBOR (RFC 8949).
//!
//! | key | value |
//! | --- | --- |
//! | `<stage>/<partition>/head` | a [`Head`]: where the task was at its last commit |
//! | `<stage>/<partition>/part/<part>/<chunk>` | a piece of a snapshot, no larger than [`CHUNK_BYTES`] |
//!
//! A task is restored from the newest snapshot of which every piece is there, and the input from
//! there to the head. Keys stay the same from snapshot to snapshot, so that compaction drops what is
//! superseded; each piece therefore says of which snapshot it is, and how many make the whole.
//! Every value says the version of its form, so that a program meeting one from its future stops
//! with a clear message instead of going on from half a state. Doubles are kept exactly.

use rotation_engine::time::EventTime;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

mod chunk;

pub use chunk::{Whole, assemble, encode_snapshot};

/// The version of the form of heads and snapshots.
pub const VERSION: u16 = 1;

/// The most bytes of state in one record.
pub const CHUNK_BYTES: usize = 256 * 1024;

/// A task: one input partition of a stage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskName {
    /// The stage, such as `sampler`; without slashes.
    pub stage: String,
    /// The partition of the stage's input topic.
    pub partition: u32,
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stage, self.partition)
    }
}

impl TaskName {
    /// The key of the task's head.
    pub fn head_key(&self) -> String {
        format!("{self}/head")
    }

    /// The key of a piece of the task's snapshots.
    pub fn chunk_key(&self, part: &str, chunk: u32) -> String {
        format!("{self}/part/{part}/{chunk}")
    }

    /// The task that a key on the state topic belongs to; none for keys of another make.
    pub fn of_key(key: &[u8]) -> Option<TaskName> {
        let mut fields = std::str::from_utf8(key).ok()?.splitn(3, '/');
        let (stage, partition, _) = (fields.next()?, fields.next()?, fields.next()?);
        let name = TaskName {
            stage: stage.to_owned(),
            partition: partition.parse().ok()?,
        };
        (!stage.is_empty() && name.partition.to_string() == partition).then_some(name)
    }
}

/// Names a snapshot of a task. Ordered: the newest is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SnapshotId {
    /// Counts the task's snapshots; two of them may stand at one offset, with an idle decision between.
    pub sequence: u64,
    /// The next input offset when it was taken.
    pub offset: i64,
}

impl SnapshotId {
    /// The snapshot that follows `previous`, taken when `offset` was the next to read.
    pub fn after(previous: Option<SnapshotId>, offset: i64) -> SnapshotId {
        let sequence = previous.map_or(0, |previous| previous.sequence + 1);
        SnapshotId { sequence, offset }
    }
}

/// Where a task was at a commit; `extra` is what its stage adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head<E = ()> {
    /// The next input offset.
    pub offset: i64,
    /// The newest snapshot; none before the first.
    pub snapshot: Option<SnapshotId>,
    /// Idleness decided since that snapshot, in order: the next input offset then, and the time until
    /// which the partition was taken to have nothing.
    pub idle: Vec<(i64, EventTime)>,
    /// What the stage adds.
    pub extra: E,
}

#[derive(Serialize, Deserialize)]
struct HeadForm<S, I, E> {
    version: u16,
    offset: i64,
    snapshot: S,
    idle: I,
    extra: E,
}

impl<E: Serialize> Head<E> {
    /// The head's value.
    ///
    /// # Errors
    /// What `extra`'s own serialization reports.
    pub fn encode(&self) -> Result<Vec<u8>, StateError> {
        to_cbor(
            "head",
            &HeadForm {
                version: VERSION,
                offset: self.offset,
                snapshot: self.snapshot,
                idle: &self.idle,
                extra: &self.extra,
            },
        )
    }
}

impl<E: DeserializeOwned> Head<E> {
    /// Reads a head.
    ///
    /// # Errors
    /// Bytes that are no head, or one of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        check_version("head", bytes)?;
        let form: HeadForm<Option<SnapshotId>, Vec<(i64, EventTime)>, E> =
            from_cbor("head", bytes)?;
        Ok(Head {
            offset: form.offset,
            snapshot: form.snapshot,
            idle: form.idle,
            extra: form.extra,
        })
    }
}

/// The state of one part, as bytes for [`encode_snapshot`].
///
/// # Errors
/// What the value's own serialization reports.
pub fn encode_part<T: Serialize>(value: &T) -> Result<Vec<u8>, StateError> {
    to_cbor("part", value)
}

/// Reads the state of one part of a [`Whole`].
///
/// # Errors
/// Bytes that are no such value.
pub fn decode_part<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StateError> {
    from_cbor("part", bytes)
}

/// Why state cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A value of another version of the program.
    #[error("{what} version {found}, this program reads {VERSION}")]
    Version {
        /// Head or snapshot.
        what: &'static str,
        /// The version that it has.
        found: u16,
    },
    /// A value that has no CBOR form.
    #[error("{what} of a task's state cannot be written: {reason}")]
    Unwritable {
        /// What was to be written.
        what: &'static str,
        /// Why it cannot be.
        reason: String,
    },
    /// Bytes that are not the value expected.
    #[error("{what} of a task's state cannot be read: {reason}")]
    Unreadable {
        /// What was to be read.
        what: &'static str,
        /// Why it cannot be.
        reason: String,
    },
    /// A piece of a snapshot under another key than its own.
    #[error("state topic, key \"{key}\": expected the piece of that name, found \"{found}\"")]
    Misplaced {
        /// The key.
        key: String,
        /// The key that belongs to the value.
        found: String,
    },
    /// Pieces of two tasks where those of one were expected.
    #[error("expected the state of one task, found that of {one} and {other}")]
    Mixed {
        /// One task.
        one: TaskName,
        /// The other.
        other: TaskName,
    },
}

fn to_cbor<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, StateError> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|error| StateError::Unwritable {
        what,
        reason: error.to_string(),
    })?;
    Ok(bytes)
}

fn from_cbor<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, StateError> {
    let unreadable = |reason: String| StateError::Unreadable { what, reason };
    let mut rest = bytes;
    let value = ciborium::from_reader(&mut rest).map_err(|error| unreadable(error.to_string()))?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(unreadable(format!("{} bytes follow its end", rest.len())))
    }
}

/// Looks at the version before anything else, because another version may have other fields.
fn check_version(what: &'static str, bytes: &[u8]) -> Result<(), StateError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u16,
    }
    match from_cbor(what, bytes)? {
        Versioned { version: VERSION } => Ok(()),
        Versioned { version: found } => Err(StateError::Version { what, found }),
    }
}

#[cfg(test)]
mod tests;
