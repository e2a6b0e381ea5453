//! Since when no value was as high.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The values that were exceeded by none after them, with their dates: it tells for any value the latest one before it
/// that was at least as high, however long ago.
///
/// O(1) amortised a push. It holds a falling sequence, of a few dozen values for anything that goes up and down, and
/// never more than 1,000: then the lowest takes the place of those that do not fit, so that it may name a later date
/// than the true one, never an earlier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Peaks {
    entries: Vec<Peak>,
}

/// A value and its date.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// The value.
    pub value: f64,
    /// Its date.
    pub date: Date,
}

/// Most values held.
const ENTRIES_MAX: usize = 1_000;

impl Peaks {
    /// Before any value.
    pub fn new() -> Self {
        Peaks::default()
    }

    /// Takes in a finite value at a date not before the last.
    pub fn push(&mut self, value: f64, date: Date) {
        while self.entries.pop_if(|last| last.value <= value).is_some() {}
        let is_full = self.entries.len() == ENTRIES_MAX;
        match self.entries.last_mut() {
            Some(last) if is_full => last.date = date,
            _ => self.entries.push(Peak { value, date }),
        }
    }

    /// The latest value at least as high as this one.
    pub fn latest_above(&self, value: f64) -> Option<Peak> {
        let higher = self.entries.partition_point(|peak| peak.value >= value);
        self.entries[..higher].last().copied()
    }

    /// The highest value of all, the latest of equal ones.
    pub fn highest(&self) -> Option<Peak> {
        self.entries.first().copied()
    }

    /// The highest value on or after a date.
    pub fn highest_since(&self, date: Date) -> Option<Peak> {
        let earlier = self.entries.partition_point(|peak| peak.date < date);
        self.entries.get(earlier).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Span;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn day(index: usize) -> Date {
        date(2000, 1, 1).saturating_add(Span::new().days(i64::try_from(index).unwrap()))
    }

    proptest! {
        #[test]
        fn answers_are_those_of_the_whole_history(
            values in prop::collection::vec((-20_i32..20).prop_map(f64::from), 1..120), back in 0_usize..120,
        ) {
            let mut peaks = Peaks::new();
            for (index, value) in values.iter().enumerate() {
                let before = &values[..index];
                let latest = before.iter().rposition(|earlier| earlier >= value);
                let latest = latest.map(|at| Peak { value: before[at], date: day(at) });
                prop_assert_eq!(peaks.latest_above(*value), latest);
                let from = index.saturating_sub(back);
                let highest = before[from..].iter().copied().reduce(f64::max);
                prop_assert_eq!(peaks.highest_since(day(from)).map(|peak| peak.value), highest);
                let highest = before.iter().copied().reduce(f64::max);
                prop_assert_eq!(peaks.highest().map(|peak| peak.value), highest);
                peaks.push(*value, day(index));
            }
        }
    }

    #[test]
    fn a_long_fall_is_remembered_from_its_top() {
        let mut peaks = Peaks::new();
        for index in 0..3_000_u32 {
            peaks.push(f64::from(3_000 - index), day(index as usize));
        }
        assert_eq!(peaks.entries.len(), ENTRIES_MAX);
        assert_eq!(peaks.latest_above(2_500.0).unwrap().date, day(500));
        let low = peaks.latest_above(1.5).unwrap();
        assert_eq!((low.value, low.date), (2_001.0, day(2_999)));
        peaks.push(2_999.5, day(3_000));
        assert_eq!(peaks.entries.len(), 2);
    }
}
