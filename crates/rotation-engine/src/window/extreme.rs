//! The highest or lowest value of the last positions, by a monotonic deque.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The highest value of the last `span` positions; of equal ones the earliest.
pub type RollingMax<T> = RollingExtreme<T, true>;

/// The lowest value of the last `span` positions; of equal ones the earliest.
pub type RollingMin<T> = RollingExtreme<T, false>;

/// The most extreme value of the last `span` positions.
///
/// A position is whatever the caller counts, a session say; several values may share one. A tag travels with each
/// value. O(1) amortised a push; at most one entry a position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollingExtreme<T, const MAX: bool> {
    span: u64,
    /// Positions ascend, values fall away from the extreme: each is the extreme of what came after the one before it.
    entries: VecDeque<Entry<T>>,
}

/// A value of a window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry<T> {
    /// Its position.
    pub at: u64,
    /// The value.
    pub value: f64,
    /// What the caller gave along.
    pub tag: T,
}

impl<T: Copy, const MAX: bool> RollingExtreme<T, MAX> {
    /// An empty window of `span` positions, the newest included.
    pub fn new(span: u64) -> Self {
        RollingExtreme {
            span,
            entries: VecDeque::new(),
        }
    }

    /// The extreme of the positions still inside.
    pub fn get(&self) -> Option<&Entry<T>> {
        self.entries.front()
    }

    /// Moves the window's newest position to `at`, forgetting what falls out at the other end.
    pub fn advance(&mut self, at: u64) {
        while self.get().is_some_and(|oldest| oldest.at + self.span <= at) {
            self.entries.pop_front();
        }
    }

    /// Takes in a finite value at a position not before the newest.
    pub fn push(&mut self, at: u64, value: f64, tag: T) {
        self.advance(at);
        while self
            .entries
            .back()
            .is_some_and(|last| Self::beats(value, last.value))
        {
            self.entries.pop_back();
        }
        // One that is no better than an older value of its own position can never be the extreme.
        if self.entries.back().is_none_or(|last| last.at < at) {
            self.entries.push_back(Entry { at, value, tag });
        }
    }

    /// Multiplies every value by a positive factor.
    pub fn scale(&mut self, factor: f64) {
        for entry in &mut self.entries {
            entry.value *= factor;
        }
    }

    fn beats(value: f64, other: f64) -> bool {
        if MAX { value > other } else { value < other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Values with many ties, each some positions after the one before.
    fn pushes() -> impl Strategy<Value = Vec<(u64, f64)>> {
        prop::collection::vec((0_u64..3, (-5_i32..5).prop_map(f64::from)), 1..200)
    }

    proptest! {
        #[test]
        fn is_the_extreme_of_the_positions_inside(span in 1_u64..20, pushes in pushes()) {
            let mut highest = RollingMax::new(span);
            let mut lowest = RollingMin::new(span);
            let mut at = 0;
            let mut seen: Vec<(u64, f64, usize)> = Vec::new();
            for (tag, (skip, value)) in pushes.into_iter().enumerate() {
                at += skip;
                seen.push((at, value, tag));
                highest.push(at, value, tag);
                lowest.push(at, value, tag);

                let inside = || seen.iter().filter(|entry| entry.0 + span > at);
                let naive_max = inside().fold(f64::MIN, |max, entry| max.max(entry.1));
                let naive_min = inside().fold(f64::MAX, |min, entry| min.min(entry.1));
                let max = *highest.get().unwrap();
                let min = *lowest.get().unwrap();
                prop_assert_eq!(max.value, naive_max);
                prop_assert_eq!(min.value, naive_min);
                prop_assert_eq!(max.tag, inside().find(|entry| entry.1 == naive_max).unwrap().2);
                prop_assert!(highest.entries.len() as u64 <= span);
            }
        }
    }

    #[test]
    fn advancing_past_everything_empties_it() {
        let mut highest = RollingMax::new(2);
        highest.push(1, 5.0, ());
        highest.push(2, 4.0, ());
        highest.scale(2.0);
        highest.advance(3);
        assert_eq!(highest.get().unwrap().value, 8.0);
        highest.advance(4);
        assert_eq!(highest.get(), None);
    }
}
