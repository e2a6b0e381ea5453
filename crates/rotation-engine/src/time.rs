//! Event time: when something happened in the market, as nanoseconds since the Unix epoch, UTC.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

mod rfc3339;

/// A length of time in nanoseconds.
pub type Nanos = i64;

/// Nanoseconds in a second.
pub const NANOS_PER_SECOND: Nanos = 1_000_000_000;

/// An instant of event time: nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Covers 1677-09-21T00:12:43.145224192Z to 2262-04-11T23:47:16.854775807Z. Written as RFC 3339 in
/// UTC with as few fractional digits as the value needs; read from RFC 3339 with any offset.
///
/// ```
/// use rotation_engine::time::EventTime;
///
/// let close: EventTime = "2026-01-15T16:00:00-05:00".parse()?;
/// assert_eq!(close.to_string(), "2026-01-15T21:00:00Z");
/// assert_eq!(close.saturating_sub(1_000_000).to_string(), "2026-01-15T20:59:59.999Z");
/// # Ok::<(), rotation_engine::time::EventTimeError>(())
/// ```
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(i64);

impl EventTime {
    /// The earliest instant; stands for "before everything".
    pub const MIN: Self = Self(i64::MIN);

    /// The latest instant; stands for "after everything".
    pub const MAX: Self = Self(i64::MAX);

    /// The instant so many nanoseconds after the Unix epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The instant `nanos` later, held within [`EventTime::MIN`] and [`EventTime::MAX`].
    #[must_use]
    pub const fn saturating_add(self, nanos: Nanos) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// The instant `nanos` earlier, held within [`EventTime::MIN`] and [`EventTime::MAX`].
    #[must_use]
    pub const fn saturating_sub(self, nanos: Nanos) -> Self {
        Self(self.0.saturating_sub(nanos))
    }

    /// The instant that RFC 3339 text means, or `None` where it is not one or out of range: what [`str::parse`]
    /// yields, without a reason and for bytes that were not looked at yet.
    pub fn from_rfc3339(text: &[u8]) -> Option<Self> {
        i64::try_from(rfc3339::parse(text)?).ok().map(Self)
    }

    /// Nanoseconds from `earlier` to this instant, negative when `earlier` is later, held within `i64`.
    pub const fn saturating_since(self, earlier: Self) -> Nanos {
        self.0.saturating_sub(earlier.0)
    }

    /// The date of the instant in UTC.
    pub fn utc_date(self) -> Date {
        Offset::UTC.to_datetime(self.into()).date()
    }
}

/// Why a text or a timestamp is not an [`EventTime`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventTimeError {
    /// Not an RFC 3339 time.
    #[error("expected an RFC 3339 time such as 2026-01-15T20:59:59.123Z, given {given:?}")]
    Malformed {
        /// The text as given, cut to [`EventTimeError::GIVEN_MAX`] bytes at most.
        given: String,
    },
    /// A time that nanoseconds in 64 bits cannot hold.
    #[error(
        "expected a time from 1677-09-21T00:12:43.145224192Z to 2262-04-11T23:47:16.854775807Z, given {given}"
    )]
    OutOfRange {
        /// The time as given.
        given: String,
    },
}

impl EventTimeError {
    /// The most bytes of an unreadable text that an error repeats.
    pub const GIVEN_MAX: usize = 64;

    fn malformed(given: &str) -> Self {
        let end = (0..=Self::GIVEN_MAX.min(given.len()))
            .rev()
            .find(|&end| given.is_char_boundary(end))
            .unwrap_or(0);
        Self::Malformed {
            given: given[..end].to_owned(),
        }
    }
}

impl FromStr for EventTime {
    type Err = EventTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let nanos =
            rfc3339::parse(text.as_bytes()).ok_or_else(|| EventTimeError::malformed(text))?;
        i64::try_from(nanos)
            .map(Self)
            .map_err(|_| EventTimeError::OutOfRange {
                given: text.to_owned(),
            })
    }
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Timestamp::from(*self), f)
    }
}

impl From<EventTime> for Timestamp {
    fn from(time: EventTime) -> Self {
        Self::from_nanosecond(i128::from(time.0))
            .expect("a timestamp spans years -9999 to 9999, more than 64 bits of nanoseconds")
    }
}

impl TryFrom<Timestamp> for EventTime {
    type Error = EventTimeError;

    fn try_from(timestamp: Timestamp) -> Result<Self, Self::Error> {
        i64::try_from(timestamp.as_nanosecond())
            .map(Self)
            .map_err(|_| EventTimeError::OutOfRange {
                given: timestamp.to_string(),
            })
    }
}

/// RFC 3339 text in formats for people, integer nanoseconds in the others.
impl Serialize for EventTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

/// Formats for people may hold RFC 3339 text or integer nanoseconds; the others hold nanoseconds.
impl<'de> Deserialize<'de> for EventTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(EventTimeVisitor)
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}

struct EventTimeVisitor;

impl Visitor<'_> for EventTimeVisitor {
    type Value = EventTime;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an RFC 3339 time or integer nanoseconds since 1970")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<EventTime, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, nanos: i64) -> Result<EventTime, E> {
        Ok(EventTime(nanos))
    }

    fn visit_u64<E: de::Error>(self, nanos: u64) -> Result<EventTime, E> {
        i64::try_from(nanos).map(EventTime).map_err(|_| {
            E::custom(EventTimeError::OutOfRange {
                given: format!("{nanos} nanoseconds"),
            })
        })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for EventTime {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EventTime".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "An instant of event time, RFC 3339, nanosecond precision.",
            "type": "string",
            "format": "date-time"
        })
    }
}

#[cfg(test)]
mod tests;
