//! A batch of input records, flat: one buffer of bytes, one vector of places in it, both used again.

use super::task::{InputRecord, StampKind};

/// Records of several partitions, in the order they were read.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

/// Where a record is; lengths of -1 stand for "none".
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: i64,
    timestamp: i64,
    start: usize,
    key_len: i32,
    payload_len: i32,
    partition: i32,
    stamp: Stamp,
}

#[derive(Clone, Copy, Debug)]
enum Stamp {
    None,
    Create,
    Append,
}

impl Batch {
    /// Copies a record to the end of the batch.
    pub(super) fn push(&mut self, record: &InputRecord<'_>) {
        let (timestamp, stamp) = match record.timestamp {
            None => (0, Stamp::None),
            Some((at, StampKind::Create)) => (at, Stamp::Create),
            Some((at, StampKind::Append)) => (at, Stamp::Append),
        };
        let start = self.bytes.len();
        let key_len = self.keep(record.key);
        let payload_len = self.keep(record.payload);
        self.places.push(Place {
            offset: record.offset,
            timestamp,
            start,
            key_len,
            payload_len,
            partition: record.partition,
            stamp,
        });
    }

    fn keep(&mut self, bytes: Option<&[u8]>) -> i32 {
        let Some(bytes) = bytes else { return -1 };
        self.bytes.extend_from_slice(bytes);
        i32::try_from(bytes.len()).expect("Kafka bounds messages below 2 GiB")
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = InputRecord<'_>> {
        self.places.iter().map(|place| {
            let (key, after) = self.take(place.start, place.key_len);
            let (payload, _) = self.take(after, place.payload_len);
            InputRecord {
                partition: place.partition,
                offset: place.offset,
                timestamp: match place.stamp {
                    Stamp::None => None,
                    Stamp::Create => Some((place.timestamp, StampKind::Create)),
                    Stamp::Append => Some((place.timestamp, StampKind::Append)),
                },
                key,
                payload,
            }
        })
    }

    fn take(&self, start: usize, len: i32) -> (Option<&[u8]>, usize) {
        match usize::try_from(len) {
            Ok(len) => (Some(&self.bytes[start..start + len]), start + len),
            Err(_) => (None, start),
        }
    }
}
