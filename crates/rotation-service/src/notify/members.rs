//! The partitions that this process has, and how far each target has come in each.

use super::event::Event;
use super::ledger::{Ledger, Notice, Step};
use super::marks::{self, Mark, timestamp};
use super::routing::Verdict;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A partition.
pub(crate) struct Member {
    /// Set once it belongs to someone else.
    pub(crate) dropped: Arc<AtomicBool>,
    /// The offset after the last record that was read.
    pub(crate) read: i64,
    /// Nothing more is there to be read now.
    pub(crate) at_end: bool,
    /// Everything that was there when it was taken over is read.
    pub(crate) caught_up: bool,
    /// In the order of the targets.
    pub(crate) lanes: Vec<Lane>,
}

/// What a target is told of a partition.
pub(crate) struct Lane {
    ledger: Ledger,
    mark: Mark,
    /// What it is to be told and has not taken, in order.
    waiting: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug)]
enum Waiting {
    /// An event, by offset and when it was published.
    Event(i64, i64),
    /// What a mute window kept back until then.
    Release(Timestamp),
}

/// What a lane made of an event.
#[derive(Default)]
pub(crate) struct Taken {
    /// What is to be delivered, in order.
    pub(crate) notices: Vec<Notice>,
    /// A mute window keeps it back.
    pub(crate) is_held: bool,
}

impl Member {
    pub(crate) fn new(marks: Vec<Mark>) -> Member {
        let lane = |mark| Lane {
            ledger: Ledger::default(),
            mark,
            waiting: VecDeque::new(),
        };
        Member {
            dropped: Arc::default(),
            read: 0,
            at_end: false,
            caught_up: false,
            lanes: marks.into_iter().map(lane).collect(),
        }
    }

    /// The record of an offset was looked at by all lanes.
    pub(crate) fn passed(&mut self, offset: i64) {
        self.read = offset + 1;
        for lane in &mut self.lanes {
            lane.settle(self.read);
        }
    }

    /// The offset to commit, and what stands beside it.
    pub(crate) fn position<'a>(&self, names: impl Iterator<Item = &'a str>) -> (i64, String) {
        marks::encode(names.zip(self.lanes.iter().map(|lane| lane.mark)))
    }
}

impl Lane {
    /// Takes the next event of the partition; which targets took it before is known by the mark.
    pub(crate) fn take(&mut self, event: &Arc<Event>, verdict: Verdict) -> Taken {
        let mut taken = Taken {
            notices: self.release(timestamp(event.published)),
            is_held: false,
        };
        let verdict = self.mark.temper(event, verdict);
        let is_new = event.offset >= self.mark.next;
        match self.ledger.take(event, verdict) {
            Step::Tell(notice) if is_new => {
                let waiting = Waiting::Event(event.offset, event.published);
                self.waiting.push_back(waiting);
                taken.notices.push(notice);
            }
            Step::Held => taken.is_held = is_new,
            Step::Tell(_) | Step::Pass => {}
        }
        taken
    }

    /// What mute windows kept back that have ended by then.
    pub(crate) fn release(&mut self, now: Timestamp) -> Vec<Notice> {
        let due = self.ledger.next_release();
        if due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        let mut notices = Vec::new();
        for (until, notice) in self.ledger.release(now) {
            if until.as_millisecond() > self.mark.released {
                self.waiting.push_back(Waiting::Release(until));
                notices.push(notice);
            }
        }
        notices
    }

    /// The target has taken the first of what it waits for, or it was given up. Whether that is news.
    pub(crate) fn done(&mut self, read: i64) {
        let first = self.waiting.pop_front();
        if let Some(Waiting::Release(until)) = first {
            let is_last =
                !matches!(self.waiting.front(), Some(Waiting::Release(next)) if *next == until);
            if is_last {
                self.mark.released = self.mark.released.max(until.as_millisecond());
            }
        }
        self.settle(read);
    }

    fn settle(&mut self, read: i64) {
        let first = self.waiting.iter().find_map(|waiting| match waiting {
            Waiting::Event(offset, _) => Some(*offset),
            Waiting::Release(_) => None,
        });
        self.mark.next = first.unwrap_or(read).max(self.mark.next);
    }

    /// Whether the target has not come to an offset before.
    pub(crate) fn is_new(&self, offset: i64) -> bool {
        offset >= self.mark.next
    }

    /// What the target was told of and stands.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// When the oldest event that it waits for was published.
    pub(crate) fn oldest(&self) -> Option<i64> {
        let published = self.waiting.iter().map(|waiting| match waiting {
            Waiting::Event(_, published) => *published,
            Waiting::Release(until) => until.as_millisecond(),
        });
        published.min()
    }
}

#[cfg(test)]
mod tests;
