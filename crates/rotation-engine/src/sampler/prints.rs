//! The newest prints of a series, held so that one of them can be taken back.

use crate::record::Tick;
use crate::time::EventTime;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The newest prints of a series that numbers them, in their order of arrival.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Prints {
    held: VecDeque<Print>,
    /// Highest number that was held once.
    lost: Option<u64>,
    /// Numbers that were voided, oldest first; as many as prints are held.
    voided: VecDeque<u64>,
}

/// A print that counts in some bar, or was forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Packed", into = "Packed")]
pub(super) struct Print {
    /// The time that it counts from.
    pub(super) time: EventTime,
    pub(super) price: f64,
    pub(super) size: f64,
    /// Its number; meaningless where it has none.
    seq: u64,
    flags: u8,
}

/// Time, price, size, number and flags, without names: there are many.
#[derive(Serialize, Deserialize)]
struct Packed(EventTime, f64, f64, u64, u8);

const NUMBERED: u8 = 1;
const OFFICIAL: u8 = 2;
const FORWARDED: u8 = 4;

impl From<Packed> for Print {
    fn from(Packed(time, price, size, seq, flags): Packed) -> Self {
        Print {
            time,
            price,
            size,
            seq,
            flags,
        }
    }
}

impl From<Print> for Packed {
    fn from(print: Print) -> Self {
        let Print {
            time,
            price,
            size,
            seq,
            flags,
        } = print;
        Packed(time, price, size, seq, flags)
    }
}

impl Print {
    pub(super) fn new(time: EventTime, tick: &Tick, forwarded: bool) -> Self {
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        Print {
            time,
            price: tick.price,
            size: tick.size,
            seq: tick.seq.unwrap_or(0),
            flags: flag(tick.seq.is_some(), NUMBERED)
                | flag(tick.official, OFFICIAL)
                | flag(forwarded, FORWARDED),
        }
    }

    fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether it was forwarded to rules on the clock `tick`.
    pub(super) fn forwarded(&self) -> bool {
        self.is(FORWARDED)
    }

    pub(super) fn seq(&self) -> Option<u64> {
        self.is(NUMBERED).then_some(self.seq)
    }

    /// The print as it came, but for the time that it counts from.
    pub(super) fn tick(&self) -> Tick {
        Tick {
            time: self.time,
            price: self.price,
            size: self.size,
            seq: self.seq(),
            official: self.is(OFFICIAL),
        }
    }
}

impl Prints {
    /// Holds a print, within the bound; the one that is held no longer, if any.
    pub(super) fn hold(&mut self, print: Print, most: usize) -> Option<Print> {
        self.held.push_back(print);
        self.trim(most)
    }

    /// The oldest print beyond the bound, which is held no longer.
    pub(super) fn trim(&mut self, most: usize) -> Option<Print> {
        if self.held.len() <= most {
            return None;
        }
        let print = self.held.pop_front()?;
        self.lost = self.lost.max(print.seq());
        Some(print)
    }

    /// Lets go of all.
    pub(super) fn forget(&mut self) {
        while self.trim(0).is_some() {}
    }

    /// The newest print of a number.
    pub(super) fn find(&self, seq: u64) -> Option<(usize, Print)> {
        let at = self
            .held
            .iter()
            .rposition(|print| print.seq() == Some(seq))?;
        Some((at, self.held[at]))
    }

    /// Takes a print out.
    pub(super) fn void(&mut self, at: usize, most: usize) {
        let voided = self.held.remove(at).and_then(|print| print.seq());
        self.voided.extend(voided);
        while self.voided.len() > most {
            self.voided.pop_front();
        }
    }

    pub(super) fn was_voided(&self, seq: u64) -> bool {
        self.voided.contains(&seq)
    }

    pub(super) fn was_lost(&self, seq: u64) -> bool {
        self.lost.is_some_and(|lost| seq <= lost)
    }

    /// All but the one at a place.
    pub(super) fn without(&self, at: usize) -> impl Iterator<Item = (EventTime, Tick)> {
        let others = self.held.iter().enumerate().filter(move |(i, _)| *i != at);
        others.map(|(_, print)| (print.time, print.tick()))
    }
}
