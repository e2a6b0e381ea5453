//! New highs after a drought.

use super::{Account, Change, Detector, Names, ParamError, Params as _, Step, Unit};
use crate::section::Section;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Parameters of `record_high`: new highs of a series after a time without one.
///
/// On the clock `session` a record is a closing one. On `tick` and on intervals it is intraday, and the sessions counted
/// are the dates in UTC on which the series had values. A drawdown in percent asks for positive values: others are
/// passed over as if missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The series: a symbol.
    pub series: String,
    /// A record lies strictly above every value of so many sessions before it. Default "all", the whole history; else 2 to
    /// 100,000 sessions (252 make the year's high). Nothing is called a record before so much history was seen.
    #[serde(default)]
    pub lookback: Lookback,
    /// Sessions without a record that have to lie behind one for it to open an episode. Default 10; 0 to 100,000. With 0 every
    /// record opens one.
    #[serde(default = "sessions_default")]
    pub drought_sessions: u32,
    /// Fall from the previous record to the lowest value since, in percent, that has to lie behind a record, too, for it to
    /// open an episode. Default 0; 0 to below 100. With 10, first records after a correction of the market.
    #[serde(default)]
    pub drawdown_pct: f64,
    /// Sessions without a record that end an episode. Default 10; 1 to 100,000.
    #[serde(default = "sessions_default")]
    pub quiet_sessions: u32,
}

fn sessions_default() -> u32 {
    10
}

/// How far back a record has to be above everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lookback {
    /// The whole history.
    #[default]
    All,
    /// So many sessions.
    Sessions(u32),
}

const SESSIONS_MAX: u32 = 100_000;

impl super::Params for Params {
    fn inputs(&self) -> Vec<String> {
        vec![self.series.clone()]
    }

    fn subject(&self) -> String {
        self.series.clone()
    }

    fn check(&self) -> Result<(), ParamError> {
        if self.series.is_empty() {
            return Err(ParamError::new("series", "a symbol", "\"\""));
        }
        if let Lookback::Sessions(sessions) = self.lookback
            && !(2..=SESSIONS_MAX).contains(&sessions)
        {
            let expected = format!("\"all\" or 2 to {SESSIONS_MAX} sessions");
            return Err(ParamError::new("lookback", expected, sessions));
        }
        if self.drought_sessions > SESSIONS_MAX {
            let expected = format!("0 to {SESSIONS_MAX} sessions");
            return Err(ParamError::new(
                "drought_sessions",
                expected,
                self.drought_sessions,
            ));
        }
        if !(0.0..100.0).contains(&self.drawdown_pct) {
            return Err(ParamError::new(
                "drawdown_pct",
                "0 to below 100 percent",
                self.drawdown_pct,
            ));
        }
        if !(1..=SESSIONS_MAX).contains(&self.quiet_sessions) {
            let expected = format!("1 to {SESSIONS_MAX} sessions");
            return Err(ParamError::new(
                "quiet_sessions",
                expected,
                self.quiet_sessions,
            ));
        }
        Ok(())
    }

    fn check_units(&self, _units: &[Unit]) -> Result<(), ParamError> {
        Ok(())
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[RECORD]
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn reads_ticks(&self) -> bool {
        true
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "percent".to_owned()
    }
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

/// Rung of the opening.
pub const RECORD: &str = "record";

/// State of `record_high`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {}

impl Detector for State {
    type Params = Params;

    fn new(_params: &Params) -> Self {
        State {}
    }

    fn step(&mut self, _params: &Params, _section: &Section<'_>) -> Step {
        Step {
            reading: None,
            change: Change::Quiet,
        }
    }

    fn account(&self, params: &Params, _names: Names<'_>, _change: &Change) -> Account {
        Account {
            headline: params.subject(),
            ..Account::default()
        }
    }

    fn rescale(&mut self, _input: usize, _factor: f64) {}
}
