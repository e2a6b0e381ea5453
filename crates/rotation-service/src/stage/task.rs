//! What a task is, what it sees, and what it may put out.

use std::ops::Range;

use rdkafka::message::{Header, OwnedHeaders};
use rotation_wire::trace::{TRACEPARENT, TraceParent};

/// One task of a stage: a pure fold over one input partition.
///
/// The law that restarts stand on: after [`end_of_batch`](Task::end_of_batch) the state is a function of the records
/// and decisions so far, in their order, and not of where earlier batches ended. A restored task sees the same records
/// and decisions in other batches, with one batch ending exactly where the last commit was.
///
/// Tasks read no clock and do no I/O. They run on the stage's worker thread.
pub trait Task: Send {
    /// Takes one record of the partition; offsets only grow, and may leave gaps.
    fn step(&mut self, record: &InputRecord<'_>, out: &mut Outbox);

    /// Some records and decisions are over: say now what is worth saying once for many.
    fn end_of_batch(&mut self, out: &mut Outbox);

    /// Nothing came for a while although everything there is was read. Told again while it lasts.
    fn idle(&mut self, idle: Idle, out: &mut Outbox);

    /// The partition has never had a record, as far as this task could have seen. Told once.
    fn empty(&mut self, out: &mut Outbox);

    /// The whole state, in named parts; names are unique and need not stay the same.
    fn snapshot(&self) -> Vec<(String, Vec<u8>)>;

    /// Takes the state from parts that [`snapshot`](Task::snapshot) returned once.
    ///
    /// # Errors
    ///
    /// When the parts cannot be read or belong to another configuration; the stage then ends with this text.
    fn restore(&mut self, parts: Vec<(String, Vec<u8>)>) -> Result<(), String>;

    /// What of the restored state has no place in the configuration of this task, in words for people: it is told at
    /// the next end of a batch, and the snapshot after it has nothing of it any more.
    ///
    /// Records after the snapshot were stepped with another configuration than the one of this task, so there must be
    /// none: a stage refuses to go on where there are.
    fn leaves_behind(&self) -> Option<String> {
        None
    }
}

/// Makes the task of an input partition, in its first state. Called on the worker thread.
pub type TaskFactory = Box<dyn FnMut(i32) -> Box<dyn Task> + Send>;

/// Who stamped a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampKind {
    /// The producer.
    Create,
    /// The broker, when it appended the record.
    Append,
}

/// One record of the input.
#[derive(Clone, Copy, Debug)]
pub struct InputRecord<'a> {
    /// Partition it came from.
    pub partition: i32,
    /// Offset in that partition.
    pub offset: i64,
    /// Stamp in milliseconds since 1970 UTC, and whose it is.
    pub timestamp: Option<(i64, StampKind)>,
    /// Key, if any.
    pub key: Option<&'a [u8]>,
    /// Value; `None` is a tombstone.
    pub payload: Option<&'a [u8]>,
    /// The trace that it belongs to, if it says one.
    pub trace: Option<TraceHeaders<'a>>,
}

/// Headers that say which trace a record belongs to, as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceHeaders<'a> {
    /// `traceparent`.
    pub parent: &'a [u8],
    /// `tracestate`, if any.
    pub state: Option<&'a [u8]>,
}

/// What is known when a partition is idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    /// The wall clock at the decision, in milliseconds since 1970 UTC.
    pub now: i64,
    /// Stamp of the last record of the partition, in milliseconds since 1970 UTC.
    pub last: i64,
}

/// Takes what a task puts out; one outbox holds what all tasks put out in a batch, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    records: Vec<OutRecord>,
    partition: i32,
    replaying: bool,
    urgent: bool,
}

/// A record to be produced; its bytes are in the outbox.
#[derive(Debug)]
pub(super) struct OutRecord {
    /// Input partition of the task.
    pub(super) task: i32,
    /// Index into the stage's outputs.
    pub(super) topic: usize,
    pub(super) partition: Option<i32>,
    key: Option<Range<usize>>,
    payload: Option<Range<usize>>,
    headers: Vec<(&'static str, Vec<u8>)>,
}

impl Outbox {
    /// A record for the output topic of this index, to the partition that its key hashes to (as Java does).
    pub fn send(&mut self, topic: usize, key: &[u8], payload: &[u8]) {
        self.send_with(topic, None, Some(key), Some(payload), Vec::new());
    }

    /// A record for the output topic of this index, spelt out.
    pub fn send_with(
        &mut self,
        topic: usize,
        partition: Option<i32>,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
        headers: Vec<(&'static str, Vec<u8>)>,
    ) {
        if self.replaying {
            return;
        }
        let key = key.map(|key| self.keep(key));
        let payload = payload.map(|payload| self.keep(payload));
        self.records.push(OutRecord {
            task: self.partition,
            topic,
            partition,
            key,
            payload,
            headers,
        });
    }

    /// Asks for a commit at once instead of at the next interval.
    pub fn urgent(&mut self) {
        self.urgent |= !self.replaying;
    }

    /// Whether records are stepped again after a restart. What is sent now is dropped; what is counted should not be
    /// counted again.
    #[must_use]
    pub fn replaying(&self) -> bool {
        self.replaying
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// From here on `partition`'s task speaks.
    pub(super) fn speaker(&mut self, partition: i32, replaying: bool) {
        self.partition = partition;
        self.replaying = replaying;
    }

    pub(super) fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// Forgets what tasks put out that are not to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(i32) -> bool) {
        self.records.retain(|record| keep(record.task));
    }

    /// The traces that records say they belong to.
    pub(super) fn traces(&self) -> impl Iterator<Item = TraceParent> {
        let headers = self.records.iter().flat_map(|record| &record.headers);
        headers
            .filter(|(name, _)| *name == TRACEPARENT)
            .filter_map(|(_, value)| TraceParent::parse(value))
    }

    pub(super) fn records(&self) -> &[OutRecord] {
        &self.records
    }

    /// Size in memory that grows with what was put out, in bytes.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() + self.records.len() * size_of::<OutRecord>()
    }

    /// A record as it goes to `topic`.
    pub(super) fn output<'a>(&'a self, record: &'a OutRecord, topic: &'a str) -> OutputRecord<'a> {
        OutputRecord {
            topic,
            partition: record.partition,
            key: self.key(record),
            payload: self.payload(record),
            headers: &record.headers,
        }
    }

    fn key(&self, record: &OutRecord) -> Option<&[u8]> {
        record.key.clone().map(|range| &self.bytes[range])
    }

    fn payload(&self, record: &OutRecord) -> Option<&[u8]> {
        record.payload.clone().map(|range| &self.bytes[range])
    }
}

/// A record as it is handed to the producer.
#[derive(Clone, Copy, Debug)]
pub struct OutputRecord<'a> {
    /// Topic it goes to.
    pub topic: &'a str,
    /// Partition; `None`: the one that its key hashes to, as Java does.
    pub partition: Option<i32>,
    /// Key, if any.
    pub key: Option<&'a [u8]>,
    /// Value; `None` is a tombstone.
    pub payload: Option<&'a [u8]>,
    /// Headers.
    pub headers: &'a [(&'static str, Vec<u8>)],
}

/// Headers as librdkafka takes them; none where there are none.
pub(super) fn kafka_headers(headers: &[(&'static str, Vec<u8>)]) -> Option<OwnedHeaders> {
    if headers.is_empty() {
        return None;
    }
    let empty = OwnedHeaders::new_with_capacity(headers.len());
    let filled = headers.iter().fold(empty, |headers, (key, value)| {
        headers.insert(Header {
            key,
            value: Some(value),
        })
    });
    Some(filled)
}

/// An outbox outside of a stage, for tests of tasks.
impl Outbox {
    /// Topic index, key and payload of what was put out.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Option<&[u8]>, Option<&[u8]>)> {
        self.records
            .iter()
            .map(|record| (record.topic, self.key(record), self.payload(record)))
    }

    /// The headers of what was put out.
    pub fn headers(&self) -> impl Iterator<Item = &[(&'static str, Vec<u8>)]> {
        self.records.iter().map(|record| record.headers.as_slice())
    }
}
