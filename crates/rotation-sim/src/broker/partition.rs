//! A partition: records, markers, and what of it holds.

use std::collections::BTreeMap;

/// A record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Milliseconds since 1970 UTC when it was appended.
    pub stamp: i64,
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value.
    pub value: Option<Vec<u8>>,
    /// Headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

#[derive(Debug)]
enum Entry {
    Record {
        record: Record,
        transaction: Option<u64>,
    },
    Marker,
}

/// A partition of a topic.
#[derive(Debug, Default)]
pub struct Partition {
    entries: Vec<Entry>,
    /// First offset of each transaction that has no marker here yet.
    open: BTreeMap<u64, i64>,
    /// Whether a transaction that has its marker here was committed.
    fates: BTreeMap<u64, bool>,
}

impl Partition {
    pub(super) fn append(&mut self, record: Record, transaction: Option<u64>) -> i64 {
        let offset = self.end();
        if let Some(transaction) = transaction {
            self.open.entry(transaction).or_insert(offset);
        }
        self.entries.push(Entry::Record {
            record,
            transaction,
        });
        offset
    }

    pub(super) fn mark(&mut self, transaction: u64, commits: bool) {
        self.open.remove(&transaction);
        self.fates.insert(transaction, commits);
        self.entries.push(Entry::Marker);
    }

    /// Offset after the last, of what is written.
    #[must_use]
    pub fn end(&self) -> i64 {
        i64::try_from(self.entries.len()).unwrap_or(i64::MAX)
    }

    /// Offset of the first record whose transaction is open, or the end.
    #[must_use]
    pub fn stable(&self) -> i64 {
        self.open.values().copied().min().unwrap_or(self.end())
    }

    /// The first committed record from an offset on, before the stable end.
    #[must_use]
    pub fn read(&self, from: i64) -> Option<(i64, &Record)> {
        let stable = self.stable();
        let at = usize::try_from(from).ok()?;
        let rest = (from..stable).zip(self.entries.get(at..)?);
        rest.filter_map(|(offset, entry)| match entry {
            Entry::Record {
                record,
                transaction,
            } => {
                let holds = transaction.is_none_or(|it| self.fates.get(&it) == Some(&true));
                holds.then_some((offset, record))
            }
            Entry::Marker => None,
        })
        .next()
    }

    /// Everything committed, in order.
    pub fn committed(&self) -> impl Iterator<Item = (i64, &Record)> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let (offset, record) = self.read(next)?;
            next = offset + 1;
            Some((offset, record))
        })
    }
}
