//! The bytes of the state topic: one head and some snapshot parts per task.
//!
//! | key | value |
//! | --- | --- |
//! | `{stage}/{partition}/head` | JSON [`Head`] |
//! | `{stage}/{partition}/part/{name}/{chunk}` | snapshot id (8 bytes, big endian), then the bytes of the chunk |
//!
//! The topic is compacted, so keys stay the same from snapshot to snapshot; a part of an older snapshot that the newer
//! one lacks gets a tombstone. A snapshot is whole when as many chunks carry its id as the head says.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Largest chunk of a part: well under the default message limit of a broker, 1 MB.
pub const CHUNK_BYTES: usize = 512 << 10;

/// The most bytes that a head may have: some thousands of decisions since the snapshot.
pub const HEAD_MAX: usize = 1 << 20;

/// The most chunks that a snapshot may have, 8 GiB of them.
pub const CHUNKS_MAX: usize = 16_384;

/// Where a task is, as of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Version of this encoding, 1.
    pub version: u32,
    /// Next input offset.
    pub offset: i64,
    /// Stamp of the last record, in milliseconds since 1970 UTC.
    pub timestamp: Option<i64>,
    /// Number of the commit; also the metadata of the offset committed to the group with it.
    pub commit: u64,
    /// The newest snapshot.
    pub snapshot: Option<SnapshotRef>,
    /// Decisions since the snapshot, in their order.
    pub decisions: Vec<Decision>,
}

/// Names a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRef {
    /// Grows from snapshot to snapshot of a task.
    pub id: u64,
    /// Next input offset of the task when it was taken.
    pub offset: i64,
    /// Number of chunks.
    pub chunks: usize,
}

/// What the stage decided by the clock, and where; replayed like a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Next input offset of the task when it was made.
    pub at: i64,
    /// What was decided.
    pub kind: DecisionKind,
}

/// What can be decided by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    /// The partition is idle.
    Idle {
        /// Wall clock at the decision, in milliseconds since 1970 UTC.
        now: i64,
        /// Stamp of the last record, in milliseconds since 1970 UTC.
        last: i64,
    },
    /// The partition never had a record.
    Empty,
}

/// Parts of a snapshot by name.
pub type Parts = Vec<(String, Vec<u8>)>;

/// Key of a task's head.
#[must_use]
pub fn head_key(stage: &str, partition: i32) -> String {
    format!("{stage}/{partition}/head")
}

/// Value of a task's head.
#[must_use]
pub fn encode_head(head: &Head) -> Vec<u8> {
    serde_json::to_vec(head).expect("a head has neither maps nor floats, so it has a JSON form")
}

/// Keys and values of a snapshot's chunks.
#[must_use]
pub fn encode_parts(
    stage: &str,
    partition: i32,
    id: u64,
    parts: &[(String, Vec<u8>)],
) -> Vec<(String, Vec<u8>)> {
    let mut chunks = Vec::with_capacity(parts.len());
    for (name, bytes) in parts {
        let pieces = bytes.len().div_ceil(CHUNK_BYTES).max(1);
        for piece in 0..pieces {
            let from = piece * CHUNK_BYTES;
            let to = bytes.len().min(from + CHUNK_BYTES);
            let mut value = Vec::with_capacity(8 + to - from);
            value.extend_from_slice(&id.to_be_bytes());
            value.extend_from_slice(&bytes[from..to]);
            chunks.push((format!("{stage}/{partition}/part/{name}/{piece}"), value));
        }
    }
    chunks
}

/// State of one task, gathered from the records of the state topic in their order.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    head: Option<Vec<u8>>,
    /// Chunks by part name and number.
    chunks: BTreeMap<(String, usize), Vec<u8>>,
}

/// What a restart needs to know about a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assembled {
    /// The head.
    pub head: Head,
    /// The newest snapshot's parts.
    pub parts: Option<Parts>,
    /// Keys of all chunks there are.
    pub keys: Vec<String>,
}

/// Which task of a stage a key belongs to.
#[must_use]
pub fn partition_of(stage: &str, key: &[u8]) -> Option<i32> {
    let rest = std::str::from_utf8(key).ok()?.strip_prefix(stage)?;
    let (partition, _) = rest.strip_prefix('/')?.split_once('/')?;
    partition.parse().ok()
}

impl Gathered {
    /// Takes a record whose key belongs to this task; the newest record of a key holds.
    pub fn take(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Ok(key) = std::str::from_utf8(key) else {
            return;
        };
        let mut fields = key.splitn(3, '/').skip(2);
        let Some(field) = fields.next() else { return };
        if field == "head" {
            self.head = value.map(<[u8]>::to_vec);
            return;
        }
        let Some((name, chunk)) = field
            .strip_prefix("part/")
            .and_then(|part| part.rsplit_once('/'))
        else {
            return;
        };
        let Ok(chunk) = chunk.parse() else { return };
        match value {
            Some(value) => self.chunks.insert((name.to_owned(), chunk), value.to_vec()),
            None => self.chunks.remove(&(name.to_owned(), chunk)),
        };
    }

    /// The head and the newest whole snapshot; `None` where there is no head.
    ///
    /// # Errors
    ///
    /// When the head cannot be read or its snapshot is not whole.
    pub fn assemble(&self, stage: &str, partition: i32) -> Result<Option<Assembled>, String> {
        let Some(head) = &self.head else {
            return Ok(None);
        };
        if head.len() > HEAD_MAX {
            return Err(format!(
                "the head in the state topic has {} bytes, expected at most {HEAD_MAX}",
                head.len()
            ));
        }
        let head: Head = serde_json::from_slice(head)
            .map_err(|error| format!("the head in the state topic cannot be read: {error}"))?;
        if head.version != 1 {
            return Err(format!(
                "the head in the state topic has version {}, expected 1",
                head.version
            ));
        }
        let parts = head
            .snapshot
            .map(|snapshot| self.whole(snapshot))
            .transpose()?;
        let keys = self
            .chunks
            .keys()
            .map(|(name, chunk)| format!("{stage}/{partition}/part/{name}/{chunk}"))
            .collect();
        Ok(Some(Assembled { head, parts, keys }))
    }

    fn whole(&self, snapshot: SnapshotRef) -> Result<Parts, String> {
        if snapshot.chunks > CHUNKS_MAX {
            return Err(format!(
                "the head in the state topic asks for {} chunks, expected at most {CHUNKS_MAX}",
                snapshot.chunks
            ));
        }
        let mut parts: Parts = Vec::new();
        let (mut found, mut next) = (0, 0);
        for ((name, chunk), value) in &self.chunks {
            let Some((id, bytes)) = value.split_first_chunk::<8>() else {
                continue;
            };
            if u64::from_be_bytes(*id) != snapshot.id {
                continue;
            }
            if bytes.len() > CHUNK_BYTES {
                return Err(format!(
                    "chunk {chunk} of part \"{name}\" in the state topic has {} bytes, expected at most {CHUNK_BYTES}",
                    bytes.len()
                ));
            }
            found += 1;
            let begun = parts.last_mut().filter(|(last, _)| last == name);
            if begun.is_none() {
                next = 0;
            }
            if *chunk != next {
                return Err(format!(
                    "snapshot {} lacks chunk {next} of part \"{name}\" in the state topic",
                    snapshot.id
                ));
            }
            next += 1;
            match begun {
                Some((_, whole)) => whole.extend_from_slice(bytes),
                None => parts.push((name.clone(), bytes.to_vec())),
            }
        }
        if found != snapshot.chunks {
            return Err(format!(
                "snapshot {} has {found} chunks in the state topic, expected {}",
                snapshot.id, snapshot.chunks
            ));
        }
        Ok(parts)
    }
}

/// Version of the encoding of states that this program writes. It grows when a program of the version before could
/// not read what is written, or would read it wrongly; fields that may be absent are added within a version.
pub const STATE_VERSION: u16 = 1;

/// Begins a part that says its version. As CBOR it would begin a string of bytes, and a state is a map; so a part
/// without it is of the time before versions, which reads as version 1.
const STATE_MARK: [u8; 2] = *b"RS";

/// The state of one part: its version, then CBOR, which names its fields and keeps every bit of a number.
///
/// # Panics
/// When the value has no CBOR form, which states have.
pub fn encode_part<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = STATE_MARK.to_vec();
    bytes.extend_from_slice(&STATE_VERSION.to_be_bytes());
    ciborium::into_writer(value, &mut bytes)
        .expect("states are plain values, and memory takes them");
    bytes
}

/// Reads the state of one part.
///
/// # Errors
/// Bytes that are no such value, or of a version that is not known here: which part, and why.
pub fn decode_part<T: DeserializeOwned>(part: &str, bytes: &[u8]) -> Result<T, String> {
    let unreadable =
        |reason: String| format!("cannot read part \"{part}\" of a snapshot: {reason}");
    let mut rest = bytes;
    if let Some([high, low, state @ ..]) = bytes.strip_prefix(&STATE_MARK) {
        let version = u16::from_be_bytes([*high, *low]);
        if version == 0 || version > STATE_VERSION {
            return Err(unreadable(format!(
                "its state has version {version}, written by another version of the program; this one reads up to \
                 {STATE_VERSION}: run the version that wrote it, or a later one"
            )));
        }
        rest = state;
    }
    let value = ciborium::from_reader(&mut rest).map_err(|error| unreadable(error.to_string()))?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(unreadable(format!("{} bytes follow its end", rest.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(id: u64, chunks: usize) -> Head {
        Head {
            version: 1,
            offset: 12,
            timestamp: Some(5),
            commit: 3,
            snapshot: Some(SnapshotRef {
                id,
                offset: 10,
                chunks,
            }),
            decisions: vec![
                Decision {
                    at: 11,
                    kind: DecisionKind::Idle { now: 9, last: 5 },
                },
                Decision {
                    at: 12,
                    kind: DecisionKind::Empty,
                },
            ],
        }
    }

    fn gather(chunks: &[(String, Vec<u8>)], head: &Head) -> Gathered {
        let mut gathered = Gathered::default();
        for (key, value) in chunks {
            assert_eq!(partition_of("s", key.as_bytes()), Some(7));
            gathered.take(key.as_bytes(), Some(value));
        }
        gathered.take(head_key("s", 7).as_bytes(), Some(&encode_head(head)));
        gathered
    }

    #[test]
    fn parts_come_back_whole_however_large() {
        let parts = vec![
            ("a/b".to_owned(), vec![1; 3 * CHUNK_BYTES + 1]),
            ("empty".to_owned(), Vec::new()),
            ("exact".to_owned(), vec![2; CHUNK_BYTES]),
        ];
        let chunks = encode_parts("s", 7, 4, &parts);
        assert_eq!(chunks.len(), 6);
        let head = head(4, 6);
        let assembled = gather(&chunks, &head).assemble("s", 7).unwrap().unwrap();
        assert_eq!(assembled.head, head);
        assert_eq!(assembled.parts, Some(parts));
        assert_eq!(assembled.keys.len(), 6);
    }

    #[test]
    fn chunks_in_the_tens_stay_in_order() {
        let bytes: Vec<u8> = (0..12 * CHUNK_BYTES)
            .map(|at| (at / CHUNK_BYTES) as u8)
            .collect();
        let parts = vec![("p".to_owned(), bytes)];
        let gathered = gather(&encode_parts("s", 7, 1, &parts), &head(1, 12));
        assert_eq!(
            gathered.assemble("s", 7).unwrap().unwrap().parts,
            Some(parts)
        );
    }

    #[test]
    fn a_part_of_an_older_snapshot_is_left_out_and_a_missing_chunk_is_an_error() {
        let old = encode_parts("s", 7, 1, &[("gone".to_owned(), vec![1])]);
        let new = encode_parts("s", 7, 2, &[("kept".to_owned(), vec![2])]);
        let both: Vec<_> = old.into_iter().chain(new).collect();
        let whole = gather(&both, &head(2, 1))
            .assemble("s", 7)
            .unwrap()
            .unwrap();
        assert_eq!(whole.parts, Some(vec![("kept".to_owned(), vec![2])]));
        let missing = gather(&both, &head(2, 2)).assemble("s", 7).unwrap_err();
        assert!(
            missing.contains("1 chunks") && missing.contains("expected 2"),
            "{missing}"
        );
    }

    #[test]
    fn a_part_says_its_version_and_one_without_is_read_too() {
        let state = BTreeMap::from([("a".to_owned(), 1.5), ("b".to_owned(), -0.0)]);
        let bytes = encode_part(&state);
        assert_eq!(&bytes[..4], b"RS\0\x01");
        assert_eq!(decode_part("us", &bytes), Ok(state.clone()));
        assert_eq!(decode_part("us", &bytes[4..]), Ok(state));
        let newer = [b"RS\0\x02", &bytes[4..]].concat();
        let error = decode_part::<BTreeMap<String, f64>>("us", &newer).unwrap_err();
        assert!(
            error.contains("part \"us\"")
                && error.contains("version 2")
                && error.contains("up to 1"),
            "{error}"
        );
        assert!(decode_part::<BTreeMap<String, f64>>("us", b"RS\0").is_err());
    }

    #[test]
    fn keys_of_other_stages_are_not_ours() {
        for (key, expected) in [
            ("s/3/head", Some(3)),
            ("s/12/part/x/0", Some(12)),
            ("stage/3/head", None),
            ("t/3/head", None),
            ("s/x/head", None),
            ("s", None),
        ] {
            assert_eq!(partition_of("s", key.as_bytes()), expected, "{key}");
        }
    }
}
