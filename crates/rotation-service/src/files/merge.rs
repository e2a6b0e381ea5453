//! Many files as one stream in order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rotation_engine::time::EventTime;

use super::error::FilesError;
use super::{FileRecord, Source};

/// Merges sources by time; of records at one time the source named first goes first, and a source keeps its own order.
///
/// A record that goes back in time within its source (a late print) comes right after the one before it:
/// it is merged at the latest time its source has reached.
#[must_use]
pub fn merge(sources: Vec<Source>) -> Merged {
    let heads = sources.iter().map(|_| None).collect();
    let unread = (0..sources.len())
        .rev()
        .map(|index| (index, EventTime::MIN))
        .collect();
    Merged {
        sources,
        heads,
        queue: BinaryHeap::new(),
        unread,
    }
}

/// The stream of [`merge`].
///
/// An error of one source is yielded when it is met; the stream goes on behind it, without that row, or, when the
/// error [is final](FilesError::is_final), without the rest of that source.
#[derive(Debug)]
pub struct Merged {
    sources: Vec<Source>,
    /// The next record of each source in the queue.
    heads: Vec<Option<FileRecord>>,
    queue: BinaryHeap<Reverse<(EventTime, usize)>>,
    /// Sources whose next record is still to be read, with the time they have reached; the last goes first.
    unread: Vec<(usize, EventTime)>,
}

impl Merged {
    /// The sources, with their progress and what they have skipped.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }
}

impl Iterator for Merged {
    type Item = Result<FileRecord, FilesError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(&(index, reached)) = self.unread.last() {
            match self.sources[index].next() {
                Some(Err(error)) => return Some(Err(error)),
                Some(Ok(record)) => {
                    self.queue.push(Reverse((record.time.max(reached), index)));
                    self.heads[index] = Some(record);
                }
                None => {}
            }
            self.unread.pop();
        }
        let Reverse((reached, index)) = self.queue.pop()?;
        self.unread.push((index, reached));
        self.heads[index].take().map(Ok)
    }
}
