//! How far back a record has to be above everything, as the file writes it.

use super::SESSIONS_MAX;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// How far back a record has to be above everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lookback {
    /// The whole history.
    #[default]
    All,
    /// So many sessions.
    Sessions(u32),
}

impl Serialize for Lookback {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Lookback::All => serializer.serialize_str("all"),
            Lookback::Sessions(sessions) => serializer.serialize_u32(*sessions),
        }
    }
}

impl<'de> Deserialize<'de> for Lookback {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LookbackVisitor)
    }
}

struct LookbackVisitor;

impl Visitor<'_> for LookbackVisitor {
    type Value = Lookback;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"all\" or 2 to {SESSIONS_MAX} sessions")
    }

    fn visit_u64<E: de::Error>(self, sessions: u64) -> Result<Lookback, E> {
        let held = u32::try_from(sessions);
        held.map(Lookback::Sessions)
            .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(sessions), &self))
    }

    fn visit_i64<E: de::Error>(self, sessions: i64) -> Result<Lookback, E> {
        let held = u32::try_from(sessions);
        held.map(Lookback::Sessions)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(sessions), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Lookback, E> {
        match text {
            "all" => Ok(Lookback::All),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Lookback {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Lookback".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "The whole history, or a number of sessions.",
            "anyOf": [
                { "const": "all" },
                { "type": "integer", "minimum": 2, "maximum": SESSIONS_MAX }
            ]
        })
    }
}
