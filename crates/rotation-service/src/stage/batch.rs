//! A batch of input records, flat: one buffer of bytes, one vector of places in it, both used again.

use super::task::{InputRecord, StampKind, TraceHeaders};

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
    parent_len: i32,
    state_len: i32,
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
        let parent_len = self.keep(record.trace.map(|trace| trace.parent));
        let state_len = self.keep(record.trace.and_then(|trace| trace.state));
        self.places.push(Place {
            offset: record.offset,
            timestamp,
            start,
            key_len,
            payload_len,
            parent_len,
            state_len,
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
            let (payload, after) = self.take(after, place.payload_len);
            let (parent, after) = self.take(after, place.parent_len);
            let (state, _) = self.take(after, place.state_len);
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
                trace: parent.map(|parent| TraceHeaders { parent, state }),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_went_in() {
        let trace = |state| {
            Some(TraceHeaders {
                parent: b"parent",
                state,
            })
        };
        let record = |offset, key, payload, trace| InputRecord {
            partition: 3,
            offset,
            timestamp: Some((17, StampKind::Append)),
            key,
            payload,
            trace,
        };
        let records = [
            record(1, Some(&b"key"[..]), Some(&b"value"[..]), None),
            record(2, None, Some(&b"value"[..]), trace(None)),
            record(3, Some(&b""[..]), None, trace(Some(&b"a=1"[..]))),
            record(5, None, None, None),
        ];
        let mut batch = Batch::default();
        records.iter().for_each(|record| batch.push(record));
        let shown = |record: &InputRecord<'_>| format!("{record:?}");
        assert!(
            batch
                .iter()
                .map(|it| shown(&it))
                .eq(records.iter().map(shown))
        );
    }
}
