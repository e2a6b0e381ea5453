//! The day that a detector is in.

use crate::clock::{DAY, date_key};
use crate::section::Section;
use crate::time::EventTime;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The last day on which a detector saw a value, and how many there were: session dates on the clock `session`, days in
/// UTC on the others. A new date is worked out only when the day turns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Day {
    /// Midnight in UTC.
    start: EventTime,
    pub(super) date: Date,
    /// How many days there were, this one included; 0 before the first.
    pub(super) count: u32,
}

impl Day {
    /// Before the first day.
    pub(super) const NONE: Self = Day {
        start: EventTime::MIN,
        date: Date::MIN,
        count: 0,
    };

    /// Goes to the section's day; whether it is a new one.
    pub(super) fn turn(&mut self, section: &Section<'_>) -> bool {
        let goes_on = self.count > 0
            && match section.bucket.date {
                Some(date) => date == self.date,
                None => self.contains(section.as_of()),
            };
        if !goes_on {
            let date = section.date();
            *self = Day {
                start: EventTime::from_nanos(date_key(date).saturating_mul(DAY)),
                date,
                count: self.count.saturating_add(1),
            };
        }
        !goes_on
    }

    fn contains(&self, time: EventTime) -> bool {
        self.start <= time && time < self.start.saturating_add(DAY)
    }
}
