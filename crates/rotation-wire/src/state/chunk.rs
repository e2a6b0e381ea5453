//! Snapshots in pieces, and whole again.

use super::{
    CHUNK_BYTES, SnapshotId, StateError, TaskName, VERSION, check_version, from_cbor, to_cbor,
};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// A piece of a snapshot.
#[derive(Serialize, Deserialize)]
struct Chunk<'a> {
    version: u16,
    task: Cow<'a, TaskName>,
    snapshot: SnapshotId,
    /// The part's name.
    part: Cow<'a, str>,
    /// How many parts the snapshot has.
    parts: u32,
    /// The piece's number within its part, from 0.
    chunk: u32,
    /// How many pieces the part has.
    chunks: u32,
    payload: Payload<'a>,
}

/// A snapshot of which every piece was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Whose it is.
    pub task: TaskName,
    /// Which one it is.
    pub id: SnapshotId,
    /// Its parts by name.
    pub parts: BTreeMap<String, Vec<u8>>,
}

/// Keys and values of a snapshot. It has to have a part, and each name once.
///
/// A part that the task's previous snapshot had and this one lacks stays on the topic until its key
/// gets a tombstone; [`assemble`] passes it over.
pub fn encode_snapshot(
    task: &TaskName,
    id: SnapshotId,
    parts: &[(String, Vec<u8>)],
) -> Vec<(String, Vec<u8>)> {
    debug_assert!(!parts.is_empty(), "a snapshot has a part");
    let count = |length: usize| u32::try_from(length).expect("a snapshot has few pieces");
    let mut records = Vec::with_capacity(parts.len());
    for (name, payload) in parts {
        let pieces: Vec<&[u8]> = match payload.as_slice() {
            [] => vec![&[]],
            payload => payload.chunks(CHUNK_BYTES).collect(),
        };
        for (index, piece) in pieces.iter().enumerate() {
            let chunk = Chunk {
                version: VERSION,
                task: Cow::Borrowed(task),
                snapshot: id,
                part: Cow::Borrowed(name),
                parts: count(parts.len()),
                chunk: count(index),
                chunks: count(pieces.len()),
                payload: Payload(Cow::Borrowed(piece)),
            };
            let value = to_cbor("snapshot", &chunk).expect("a piece has plain fields");
            records.push((task.chunk_key(name, chunk.chunk), value));
        }
    }
    records
}

/// The newest whole snapshot among the records of one task; none where there is no whole one.
///
/// Takes the newest value of each key of the task, in any order; heads are passed over.
///
/// # Errors
/// A value of another version, an unreadable one, one that stands under another's key, or those of
/// two tasks.
pub fn assemble<'a>(
    records: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<Option<Whole>, StateError> {
    let mut task = None;
    let mut snapshots: BTreeMap<SnapshotId, Pieces> = BTreeMap::new();
    for (key, value) in records {
        if key.ends_with(b"/head") {
            continue;
        }
        check_version("snapshot", value)?;
        let chunk: Chunk<'static> = from_cbor("snapshot", value)?;
        let own_key = chunk.task.chunk_key(&chunk.part, chunk.chunk);
        if own_key.as_bytes() != key {
            let key = String::from_utf8_lossy(key).into_owned();
            return Err(StateError::Misplaced {
                key,
                found: own_key,
            });
        }
        let one = task.get_or_insert_with(|| chunk.task.clone().into_owned());
        if one != chunk.task.as_ref() {
            let (one, other) = (one.clone(), chunk.task.into_owned());
            return Err(StateError::Mixed { one, other });
        }
        let pieces = snapshots.entry(chunk.snapshot).or_default();
        pieces.parts = chunk.parts;
        let part = pieces.found.entry(chunk.part.into_owned()).or_default();
        part.chunks = chunk.chunks;
        part.found.insert(chunk.chunk, chunk.payload.0.into_owned());
    }
    let Some(task) = task else { return Ok(None) };
    let newest = snapshots
        .into_iter()
        .rev()
        .find(|(_, pieces)| pieces.are_all());
    Ok(newest.map(|(id, pieces)| Whole {
        task,
        id,
        parts: pieces.join(),
    }))
}

/// What was found of a snapshot.
#[derive(Default)]
struct Pieces {
    parts: u32,
    found: BTreeMap<String, Part>,
}

/// What was found of a part.
#[derive(Default)]
struct Part {
    chunks: u32,
    found: BTreeMap<u32, Vec<u8>>,
}

impl Pieces {
    fn are_all(&self) -> bool {
        let all = |part: &Part| (0..part.chunks).eq(part.found.keys().copied());
        self.found.len() == self.parts as usize && self.found.values().all(all)
    }

    fn join(self) -> BTreeMap<String, Vec<u8>> {
        let join = |part: Part| part.found.into_values().collect::<Vec<_>>().concat();
        self.found
            .into_iter()
            .map(|(name, part)| (name, join(part)))
            .collect()
    }
}

/// Bytes as a CBOR byte string.
struct Payload<'a>(Cow<'a, [u8]>);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Payload<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;
        impl Visitor<'_> for BytesVisitor {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a byte string")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }
        let bytes = deserializer.deserialize_byte_buf(BytesVisitor)?;
        Ok(Payload(Cow::Owned(bytes)))
    }
}
