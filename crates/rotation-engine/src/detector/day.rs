//! The day that a detector is in.

use crate::clock::{DAY, date_key};
use crate::section::Section;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The last day on which a detector saw a value, and how many there were: session dates on the clock `session`, days in
/// UTC on the others. A new date is worked out only when the day turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Day {
    /// Days since 1970-01-01.
    key: i64,
    /// The same as a date.
    pub(super) date: Date,
    /// How many days there were, this one included; 0 before the first.
    pub(super) count: u32,
}

impl Day {
    /// Goes to the section's day; whether it is a new one.
    pub(super) fn turn(&mut self, section: &Section<'_>) -> bool {
        let key = match section.bucket.date {
            Some(date) => date_key(date),
            None => section.as_of().as_nanos().div_euclid(DAY),
        };
        let turns = self.count == 0 || key != self.key;
        if turns {
            *self = Day {
                key,
                date: section.date(),
                count: self.count.saturating_add(1),
            };
        }
        turns
    }
}
