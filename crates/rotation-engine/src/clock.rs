//! Clocks and buckets: which bar an event time belongs to.
//!
//! One function, [`Clock::bucket`], owns the arithmetic. Intervals are half-open, `[start, end)`, and aligned to the
//! epoch. A session bucket runs from the open to the close of an exchange session, the closing instant itself
//! included (`end` is one nanosecond past it), because the closing print is stamped with the close.

use crate::calendar::Calendar;
use crate::time::{EventTime, NANOS_PER_SECOND};
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Nanoseconds in a second.
pub const SECOND: i64 = NANOS_PER_SECOND;
/// Nanoseconds in a day of 24 hours.
pub const DAY: i64 = 86_400 * SECOND;

/// What closes a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clock {
    /// Every tick is its own observation.
    Tick,
    /// Bars of a fixed length in nanoseconds, aligned to the epoch.
    Interval(i64),
    /// One bar a session of the series' calendar.
    Session,
}

/// The half-open interval of event time that a bar covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bucket {
    /// First instant inside.
    pub start: EventTime,
    /// First instant outside.
    pub end: EventTime,
    /// The instant that an observation of this bucket speaks for: the session's close, the interval's end, the tick.
    pub as_of: EventTime,
    /// The session's date, on the clock `session`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
}

impl Bucket {
    /// Orders the buckets of one clock, across calendars: sessions of one date share a key whatever their hours.
    pub fn key(&self) -> i64 {
        match self.date {
            Some(date) => date_key(date),
            None => self.start.as_nanos(),
        }
    }

    /// Whether the instant lies inside.
    pub fn contains(&self, time: EventTime) -> bool {
        self.start <= time && time < self.end
    }
}

/// Days since 1970-01-01.
pub fn date_key(date: Date) -> i64 {
    crate::calendar::epoch_day(date)
}

impl Clock {
    /// The bucket that `time` belongs to; none where the calendar has no session then.
    ///
    /// `closing_window` (nanoseconds) lengthens a session past its close, for prints that arrive after the bell.
    pub fn bucket(
        self,
        calendar: Calendar,
        closing_window: i64,
        time: EventTime,
    ) -> Option<Bucket> {
        match self {
            Clock::Tick => Some(Bucket {
                start: time,
                end: time.saturating_add(1),
                as_of: time,
                date: None,
            }),
            Clock::Interval(length) => {
                let start = time.as_nanos().div_euclid(length) * length;
                let end = EventTime::from_nanos(start.saturating_add(length));
                Some(Bucket {
                    start: EventTime::from_nanos(start),
                    end,
                    as_of: end,
                    date: None,
                })
            }
            Clock::Session => {
                let session = calendar.session_at_or_after(time.saturating_sub(closing_window))?;
                let bucket = session_bucket(session, closing_window);
                bucket.contains(time).then_some(bucket)
            }
        }
    }
}

/// The bucket of a session.
pub fn session_bucket(session: crate::calendar::Session, closing_window: i64) -> Bucket {
    Bucket {
        start: session.open,
        end: session
            .close
            .saturating_add(closing_window)
            .saturating_add(1),
        as_of: session.close,
        date: Some(session.date),
    }
}

/// Why a text is not a length of time or a clock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found \"{found}\"")]
pub struct ClockError {
    expected: &'static str,
    found: String,
}

/// Reads a length of time such as `30s`, `1m`, `250ms`, `4h`, `2d`: nanoseconds.
///
/// # Errors
/// Anything but a whole number followed by one of those units, or one beyond 36,500 days.
pub fn parse_span(text: &str) -> Result<i64, ClockError> {
    let error = || ClockError {
        expected: "a length of time such as \"30s\", \"1m\", \"4h\" or \"2d\"",
        found: text.to_owned(),
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => DAY,
        _ => return Err(error()),
    };
    let span = number
        .parse::<i64>()
        .ok()
        .and_then(|n| n.checked_mul(unit))
        .ok_or_else(error)?;
    if span <= 36_500 * DAY {
        Ok(span)
    } else {
        Err(error())
    }
}

/// Writes a length of time in the largest unit that divides it.
pub fn format_span(nanos: i64) -> String {
    let units = [
        (DAY, "d"),
        (3_600 * SECOND, "h"),
        (60 * SECOND, "m"),
        (SECOND, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
    ];
    match units
        .into_iter()
        .find(|(unit, _)| nanos != 0 && nanos % unit == 0)
    {
        Some((unit, name)) => format!("{}{name}", nanos / unit),
        None if nanos == 0 => "0s".to_owned(),
        None => format!("{nanos}ns"),
    }
}

impl FromStr for Clock {
    type Err = ClockError;

    fn from_str(text: &str) -> Result<Self, ClockError> {
        match text {
            "tick" => Ok(Clock::Tick),
            "session" => Ok(Clock::Session),
            _ => match parse_span(text) {
                Ok(length) if length > 0 && length <= DAY => Ok(Clock::Interval(length)),
                _ => Err(ClockError {
                    expected: "a clock: \"tick\", \"session\" or an interval up to a day such as \"1m\"",
                    found: text.to_owned(),
                }),
            },
        }
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Clock::Tick => f.write_str("tick"),
            Clock::Session => f.write_str("session"),
            Clock::Interval(length) => f.write_str(&format_span(*length)),
        }
    }
}

impl Serialize for Clock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Clock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
