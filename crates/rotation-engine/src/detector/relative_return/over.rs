//! What a return is taken over, as the file writes it.

use super::params::SESSIONS_MAX;
use jiff::civil::Date;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What a return is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The last so many sessions.
    Sessions(u32),
    /// The calendar month so far: since the last close before it.
    Month,
    /// The calendar quarter so far.
    Quarter,
    /// The calendar year so far.
    Year,
}

impl Default for Over {
    /// About a month, wherever in the month it is.
    fn default() -> Self {
        Over::Sessions(20)
    }
}

const NAMES: [(&str, Over); 3] = [
    ("month", Over::Month),
    ("quarter", Over::Quarter),
    ("year", Over::Year),
];

impl Over {
    /// Whether a date opens a new period after another one.
    pub(super) fn turns(self, before: Date, now: Date) -> bool {
        let month = |date: Date| i32::from(date.year()) * 12 + i32::from(date.month()) - 1;
        let length = match self {
            Over::Sessions(_) => return false,
            Over::Month => 1,
            Over::Quarter => 3,
            Over::Year => 12,
        };
        month(before).div_euclid(length) != month(now).div_euclid(length)
    }
}

impl Serialize for Over {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Over::Sessions(sessions) => serializer.serialize_u32(*sessions),
            Over::Month => serializer.serialize_str("month"),
            Over::Quarter => serializer.serialize_str("quarter"),
            Over::Year => serializer.serialize_str("year"),
        }
    }
}

impl<'de> Deserialize<'de> for Over {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OverVisitor)
    }
}

struct OverVisitor;

impl Visitor<'_> for OverVisitor {
    type Value = Over;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "1 to {SESSIONS_MAX} sessions, or \"month\", \"quarter\" or \"year\" to date"
        )
    }

    fn visit_u64<E: de::Error>(self, sessions: u64) -> Result<Over, E> {
        let held = u32::try_from(sessions);
        held.map(Over::Sessions)
            .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(sessions), &self))
    }

    fn visit_i64<E: de::Error>(self, sessions: i64) -> Result<Over, E> {
        let held = u32::try_from(sessions);
        held.map(Over::Sessions)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(sessions), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Over, E> {
        let named = NAMES.into_iter().find(|(name, _)| *name == text);
        named
            .map(|(_, over)| over)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Over {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Over".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A number of sessions, or a calendar period to date.",
            "anyOf": [
                { "enum": ["month", "quarter", "year"] },
                { "type": "integer", "minimum": 1, "maximum": SESSIONS_MAX }
            ]
        })
    }
}
