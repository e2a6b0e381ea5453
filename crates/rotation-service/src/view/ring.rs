//! The newest changes, in the order in which this process read them, for whoever goes on from a position.

use super::place::{Place, Position};
use std::collections::VecDeque;

/// How many changes are remembered.
pub const CHANGES_MAX: usize = 20_000;

/// A change and the record that made it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<C> {
    /// The record.
    pub place: Place,
    /// What it changed.
    pub change: C,
}

/// The newest changes. Those that are gone, and records before the first, are known by where they end.
#[derive(Clone, Debug)]
pub struct Ring<C> {
    entries: VecDeque<Entry<C>>,
    limit: usize,
    /// Number of the first entry, counted from the beginning.
    first: u64,
    /// From these offsets on nothing is missing.
    floors: Position,
}

/// What a reader who goes on from a position has missed and cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl<C> Ring<C> {
    /// A ring of at most so many changes.
    pub fn new(limit: usize) -> Self {
        Ring {
            entries: VecDeque::new(),
            limit: limit.max(1),
            first: 0,
            floors: Position::default(),
        }
    }

    /// The records of a partition are followed from this offset on.
    pub fn begin(&mut self, partition: super::place::Partition, offset: i64) {
        self.floors.set(partition, offset);
    }

    /// Remembers a change.
    pub fn push(&mut self, place: Place, change: C) {
        if self.entries.len() == self.limit
            && let Some(gone) = self.entries.pop_front()
        {
            self.first += 1;
            self.floors.pass(gone.place);
        }
        self.entries.push_back(Entry { place, change });
    }

    /// Number of the entry that comes next.
    pub fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Where a reader begins that has seen everything before a position.
    ///
    /// # Errors
    /// When something that it has not seen is gone.
    pub fn resume(&self, position: &Position) -> Result<u64, Gone> {
        let is_whole = |(partition, floor)| position.next(partition).unwrap_or(0) >= floor;
        if self.floors.iter().all(is_whole) {
            Ok(self.first)
        } else {
            Err(Gone)
        }
    }

    /// The entries from a number on, each with its own.
    ///
    /// # Errors
    /// When the first of them is gone.
    pub fn from(&self, number: u64) -> Result<impl Iterator<Item = (u64, &Entry<C>)>, Gone> {
        let skipped = number.checked_sub(self.first).ok_or(Gone)?;
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let entries = self.entries.iter().skip(skipped);
        Ok((number..).zip(entries))
    }

    /// Forgets everything: positions until now mean nothing any more.
    pub fn clear(&mut self) {
        // Readers of what was there find it gone.
        self.first = self.end() + 1;
        self.entries.clear();
        self.floors.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::place::{Partition, Topic};
    use super::*;
    use proptest::prelude::*;

    fn partition(number: i32) -> Partition {
        Partition {
            topic: if number < 2 {
                Topic::Alerts
            } else {
                Topic::Readings
            },
            number: number % 2,
        }
    }

    /// Follows an order of partitions; records without a change leave their offsets out.
    fn follow(
        order: &[(i32, bool)],
        limit: usize,
    ) -> (Ring<(i32, i64)>, Vec<Place>, Vec<Position>) {
        let mut ring = Ring::new(limit);
        let mut at = Position::default();
        for number in 0..4 {
            ring.begin(partition(number), 0);
            at.set(partition(number), 0);
        }
        let (mut places, mut positions) = (Vec::new(), vec![at.clone()]);
        for (number, is_change) in order {
            let place = Place {
                partition: partition(*number),
                offset: at.next(partition(*number)).unwrap(),
            };
            at.pass(place);
            if *is_change {
                ring.push(place, (*number, place.offset));
                places.push(place);
            }
            positions.push(at.clone());
        }
        (ring, places, positions)
    }

    fn rest(ring: &Ring<(i32, i64)>, position: &Position) -> Result<Vec<Place>, Gone> {
        let from = ring.resume(position)?;
        let entries = ring.from(from)?.map(|(_, entry)| entry.place);
        Ok(entries.filter(|place| !position.is_past(*place)).collect())
    }

    proptest! {
        /// From any position of any process, whatever its order, a reader gets exactly what is after it, in order.
        #[test]
        fn a_reader_gets_exactly_what_it_has_not_seen(
            order in prop::collection::vec((0..4, any::<bool>()), 0..60),
            seed in any::<prop::sample::Index>(),
            limit in 1..80_usize,
        ) {
            let (ring, places, _) = follow(&order, limit);
            // Another process reads the same partitions, each in its order, one after the other.
            let mut other = order.clone();
            other.sort_by_key(|(number, _)| *number);
            let (_, _, positions) = follow(&other, limit);
            let position = seed.get(&positions);
            let expected: Vec<Place> =
                places.iter().copied().filter(|place| !position.is_past(*place)).collect();
            let kept = &places[places.len().saturating_sub(limit)..];
            match rest(&ring, position) {
                Ok(found) => prop_assert_eq!(found, expected),
                Err(Gone) => prop_assert!(expected.iter().any(|place| !kept.contains(place))),
            }
        }
    }

    #[test]
    fn what_was_deleted_before_it_was_followed_is_gone() {
        let mut ring: Ring<()> = Ring::new(4);
        ring.begin(partition(0), 7);
        let at = |text: &str| ring.resume(&text.parse().unwrap());
        assert_eq!(
            (at("a0=7"), at("a0=6"), at("")),
            (Ok(0), Err(Gone), Err(Gone))
        );
    }

    #[test]
    fn a_reader_that_is_too_slow_finds_its_place_gone() {
        let (ring, _, _) = follow(&[(0, true), (0, true), (0, true)], 2);
        assert!(ring.from(0).is_err());
        let numbers: Vec<u64> = ring.from(1).unwrap().map(|(number, _)| number).collect();
        assert_eq!(numbers, [1, 2]);
        assert_eq!(ring.from(ring.end()).unwrap().count(), 0);
    }
}
