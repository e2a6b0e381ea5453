//! Alerts: the events of an episode.

use crate::time::EventTime;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Typed key/values that a decision stands on.
pub type Evidence = BTreeMap<String, Fact>;

/// One value of the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Fact {
    /// Yes or no.
    Flag(bool),
    /// A count.
    Count(i64),
    /// A number.
    Number(f64),
    /// A word, a date (`2026-01-22`) or an instant (RFC 3339).
    Text(String),
    /// A group.
    Group(Evidence),
    /// Several, in an order that means something.
    List(Vec<Fact>),
}

impl From<bool> for Fact {
    fn from(value: bool) -> Self {
        Fact::Flag(value)
    }
}
impl From<u32> for Fact {
    fn from(value: u32) -> Self {
        Fact::Count(i64::from(value))
    }
}
impl From<i64> for Fact {
    fn from(value: i64) -> Self {
        Fact::Count(value)
    }
}
impl From<f64> for Fact {
    fn from(value: f64) -> Self {
        Fact::Number(value)
    }
}
impl From<&str> for Fact {
    fn from(value: &str) -> Self {
        Fact::Text(value.to_owned())
    }
}
impl From<Date> for Fact {
    fn from(value: Date) -> Self {
        Fact::Text(value.to_string())
    }
}
impl From<EventTime> for Fact {
    fn from(value: EventTime) -> Self {
        Fact::Text(value.to_string())
    }
}
impl From<Vec<Fact>> for Fact {
    fn from(value: Vec<Fact>) -> Self {
        Fact::List(value)
    }
}
impl From<Evidence> for Fact {
    fn from(value: Evidence) -> Self {
        Fact::Group(value)
    }
}

/// Rounds to `digits` decimals, so that evidence reads as a person would write it.
pub fn round(value: f64, digits: i32) -> f64 {
    let scale = libm::pow(10.0, f64::from(digits));
    let rounded = libm::round(value * scale) / scale;
    if rounded.is_finite() { rounded } else { value }
}

/// What a person must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Belongs in the digest.
    Info,
    /// Belongs in the channel.
    Warning,
    /// Needs a human now.
    Critical,
}

impl Severity {
    /// The name in files, events and labels.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// How loudly an event is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Notify {
    /// In the daily digest.
    Digest,
    /// In the channel.
    Chat,
    /// Somebody is woken.
    Page,
}

/// The state that an event takes its episode into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The condition began.
    Opened,
    /// It became more serious.
    Escalated,
    /// It became less serious, and goes on.
    Eased,
    /// A correction of the data left the decision as it was, and the data are official now.
    Confirmed,
    /// A correction took back an escalation or a resolution; the episode goes on.
    Corrected,
    /// It ended.
    Resolved,
    /// A correction of the data took its ground away.
    Retracted,
}

impl State {
    /// All of them.
    pub const ALL: [State; 7] = [
        State::Opened,
        State::Escalated,
        State::Eased,
        State::Confirmed,
        State::Corrected,
        State::Resolved,
        State::Retracted,
    ];

    /// The name in events and labels.
    pub fn name(self) -> &'static str {
        match self {
            State::Opened => "opened",
            State::Escalated => "escalated",
            State::Eased => "eased",
            State::Confirmed => "confirmed",
            State::Corrected => "corrected",
            State::Resolved => "resolved",
            State::Retracted => "retracted",
        }
    }

    /// Whether the episode is over.
    pub fn is_final(self) -> bool {
        matches!(self, State::Resolved | State::Retracted)
    }
}

/// Which way the condition points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Rising, outperforming.
    Up,
    /// Falling, underperforming.
    Down,
}

/// Where the closes of a section came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum CloseStatus {
    /// At least one is the last tick before the close; an official print may still correct it.
    Provisional,
    /// All are official closing prints.
    Official,
}

/// How good the data under a decision were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Quality {
    /// Inputs with a value in the section.
    pub present: u32,
    /// Inputs whose calendar has the session.
    pub expected: u32,
    /// The inputs without one, by name; for rules that read others, the rules without a reading too.
    pub stale: Vec<String>,
    /// The severity that the event would have had, where poor data capped it at `info`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capped_from: Option<Severity>,
}

/// How often episodes of this rule happen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BaseRate {
    /// Episodes a year in history.
    pub per_year: f64,
    /// Episodes a year under the null model, where calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_year_null: Option<f64>,
}

/// One event of an episode. Same ticks, same configuration: same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Alert {
    /// A function of universe, rule, subject, opening bucket and transition number; stays the same when repeated.
    #[serde(skip)]
    pub id: String,
    /// The universe's name.
    pub universe: String,
    /// The rule's name.
    pub rule: String,
    /// Digest of the rule's kind and parameters.
    pub rule_version: String,
    /// The rule's kind.
    pub kind: String,
    /// What the rule speaks about, such as `RUT/GSPC`.
    pub subject: String,
    /// Which way, where the kind has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// What a person must do.
    pub severity: Severity,
    /// How loudly it is told.
    pub notify: Notify,
    /// The state that the event takes the episode into.
    pub state: State,
    /// What made an opening or escalation, in the kind's own words, such as `length`, `since_years`, `touched`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung: Option<String>,
    /// The episode's id.
    pub episode: String,
    /// The episode that this one is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_episode: Option<String>,
    /// 1 for the opening, then without gaps.
    pub transition: u32,
    /// Event time of the decision.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub as_of: EventTime,
    /// Session of the decision, on the clock `session`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub session: Option<Date>,
    /// The reading, in `unit`.
    pub value: f64,
    /// The most extreme reading of the episode so far.
    pub peak: f64,
    /// Seconds of event time since the opening.
    pub duration_seconds: i64,
    /// What the reading was held against, in `unit`.
    pub threshold: f64,
    /// The unit of value, peak and threshold.
    pub unit: String,
    /// Where the closes came from, on the clock `session`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_status: Option<CloseStatus>,
    /// What the decision stands on.
    pub evidence: Evidence,
    /// What would end the episode, as a sentence.
    pub reverses: String,
    /// How often such episodes happen, where it was calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_rate: Option<BaseRate>,
    /// Why the episode ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve_reason: Option<String>,
    /// How good the data were.
    pub quality: Quality,
    /// Decided over history before `live_from`.
    pub replay: bool,
    /// The event in one sentence, with its numbers.
    pub headline: String,
    /// Where to read what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
}

impl Alert {
    /// The key on the alert topic.
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.universe, self.rule, self.subject)
    }
}
