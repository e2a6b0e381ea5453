//! What `/api/v1` serves: the types from which both the answers and their OpenAPI schemas are made.
//!
//! Instants are RFC 3339 in UTC; points begin with milliseconds since 1970, which is what charts count in.

use rotation_engine::alert::{Direction, Notify, Severity, State};
use rotation_engine::time::EventTime;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A value of a series or of a reading: milliseconds since 1970, value.
pub type Pair = (i64, f64);

/// A reading: milliseconds since 1970, value, threshold.
pub type Triple = (i64, f64, f64);

/// Something held in several places, and served as what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Shared<T>(pub Arc<T>);

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

/// An episode as its newest event left it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Episode {
    /// Its id.
    pub episode: String,
    /// The universe's name.
    pub universe: String,
    /// The rule's name.
    pub rule: String,
    /// The rule's kind.
    pub kind: String,
    /// What the rule speaks about.
    pub subject: String,
    /// Which way, where the kind has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Severity of the newest event.
    pub severity: Severity,
    /// The highest severity so far.
    pub worst: Severity,
    /// How loudly the newest event was told.
    pub notify: Notify,
    /// What the newest event did.
    pub state: State,
    /// The rung that was reached last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rung: Option<String>,
    /// Whether it stands.
    pub open: bool,
    /// When the condition began: the first event's instant less its duration.
    pub since: EventTime,
    /// Instant of its first event.
    pub opened_at: EventTime,
    /// Instant of its newest event.
    pub as_of: EventTime,
    /// When it ended; null while it stands.
    pub ended_at: Option<EventTime>,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolve_reason: Option<String>,
    /// The newest event's reading, in `unit`.
    pub value: f64,
    /// The most extreme reading of the episode.
    pub peak: f64,
    /// What the newest reading was held against, in `unit`.
    pub threshold: f64,
    /// The unit of value, peak and threshold.
    pub unit: String,
    /// The newest event in one sentence.
    pub headline: String,
    /// Number of the newest event, from 1.
    pub transitions: u32,
    /// The episode that this one is a part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Decided over history before the universe went live.
    pub replay: bool,
    /// At most 60 newest readings of its rule; empty in lists of history.
    #[schemars(with = "Vec<[f64; 2]>")]
    pub spark: Vec<Pair>,
}

/// What an input adds to a regime's score.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Contribution {
    /// The rule that speaks.
    pub input: String,
    /// How strongly, from -1 to 1.
    pub strength: f64,
    /// How much it counts beside the others.
    pub weight: f64,
    /// Its part of the score; the parts add up to the score before it is smoothed.
    pub contribution: f64,
    /// What it says, in words.
    pub why: String,
}

/// The regime of a universe.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Regime {
    /// The rule that says so.
    pub rule: String,
    /// The state, such as `small_cap_led`.
    pub state: String,
    /// The smoothed score, from -1 to 1.
    pub score: f64,
    /// When the state began.
    pub since: Option<EventTime>,
    /// Instant of the reading.
    pub as_of: EventTime,
    /// What the score is made of, the largest part first.
    pub contributions: Vec<Contribution>,
}

/// How far a partition of the ticks topic is.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Source {
    /// The partition.
    pub partition: u32,
    /// Its horizon: what is older comes late.
    pub horizon: EventTime,
    /// Whether the universe goes on without it.
    pub excluded: bool,
}

/// A universe at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct UniverseState {
    /// Its name.
    pub name: String,
    /// Its exchange calendar.
    pub calendar: String,
    /// Event time up to which everything is decided; null before the first.
    pub horizon: Option<EventTime>,
    /// End of the newest bar that was read.
    pub newest: Option<EventTime>,
    /// Wall clock less horizon, in seconds.
    pub lag_seconds: Option<f64>,
    /// The partitions of the ticks topic that it waits for.
    pub sources: Vec<Source>,
    /// Series that were missing at the newest reading of some rule.
    pub stale: Vec<String>,
    /// Number of its rules.
    pub rules: usize,
    /// Number of its open episodes.
    pub open: usize,
    /// Its regime, where a rule tells one.
    pub regime: Option<Regime>,
}

/// The present.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Now {
    /// The program's version.
    pub version: String,
    /// The process that answers.
    pub instance: String,
    /// Its wall clock.
    pub now: EventTime,
    /// Whether it has read the topics to their ends since it started.
    pub caught_up: bool,
    /// Position in the topics, for `Last-Event-ID`.
    pub position: String,
    /// What keeps it from reading, a sentence each: a topic that is missing, a permission that it lacks.
    pub notes: Vec<String>,
    /// The configured universes.
    pub universes: Vec<UniverseState>,
    /// Open episodes, the most severe first, then the newest.
    pub open: Vec<Episode>,
}

/// Episodes, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Episodes {
    /// A page of them.
    pub episodes: Vec<Episode>,
    /// Give it as `after` for the next page; null at the end.
    pub next: Option<String>,
    /// How many there are on all pages.
    pub total: usize,
}

/// A stretch of event time.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Window {
    /// Its beginning.
    pub from: EventTime,
    /// Its end; null while it goes on.
    pub to: Option<EventTime>,
}

/// Readings of a rule.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Readings {
    /// Their unit.
    pub unit: String,
    /// Milliseconds since 1970, value, threshold; the oldest first.
    #[schemars(with = "Vec<[f64; 3]>")]
    pub points: Vec<Triple>,
}

/// Values of a series.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Series {
    /// Its symbol.
    pub name: String,
    /// Its unit, where it is known.
    pub unit: Option<String>,
    /// Milliseconds since 1970, close; the oldest first.
    #[schemars(with = "Vec<[f64; 2]>")]
    pub points: Vec<Pair>,
}

/// One episode with all that there is to show of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct EpisodeDetail {
    /// The episode.
    pub episode: Episode,
    /// Its events as they were published, in order.
    #[schemars(with = "Vec<CloudEvent>")]
    pub events: Vec<Box<RawValue>>,
    /// From its beginning to its end.
    pub window: Window,
    /// Readings of its rule from before to after it.
    pub reading: Readings,
    /// Series that its rule read, over the same stretch.
    pub series: Vec<Series>,
    /// Episodes that are parts of it.
    pub parts: Vec<Episode>,
    /// The command line that computes it anew.
    pub explain: String,
}

/// An event as it was published: a CloudEvent whose data `rotation schema alert` describes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CloudEvent {
    /// The version of CloudEvents.
    pub specversion: String,
    /// The event's id.
    pub id: String,
    /// Universe and rule as a path.
    pub source: String,
    /// What happened, such as `rotation.alert.opened.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the rule speaks about.
    pub subject: String,
    /// Event time of the decision.
    pub time: EventTime,
    /// The alert.
    pub data: BTreeMap<String, serde_json::Value>,
}

/// What came of computing an event anew.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Explanation {
    /// Whether the same event came out; null where it cannot be said.
    pub identical: Option<bool>,
    /// The event, its inputs and its arithmetic, for a person.
    pub text: String,
}

/// The newest reading of a rule.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Latest {
    /// The section's instant.
    pub as_of: EventTime,
    /// The date of the session, on the clock `session`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub session: Option<jiff::civil::Date>,
    /// The reading.
    pub value: f64,
    /// What it is held against.
    pub threshold: f64,
    /// How much is missing until the next event.
    pub distance: f64,
    /// Whether an episode is open.
    pub open: bool,
}

/// A rule and how it stands.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Rule {
    /// The universe's name.
    pub universe: String,
    /// Its name.
    pub rule: String,
    /// Its kind.
    pub kind: String,
    /// What cuts its sections: `tick`, `session`, or an interval such as `5m`.
    pub clock: String,
    /// What it speaks about.
    pub subject: String,
    /// Unit of its readings.
    pub unit: String,
    /// Number of its open episodes.
    pub open: usize,
    /// What its kind looks for, in one line.
    pub about: String,
    /// Why there is no reading.
    pub missing: Option<String>,
    /// Its newest reading.
    pub reading: Option<Latest>,
    /// How near it is to firing, comparable across rules: 1 while an episode is open, else the share of its earlier
    /// readings that were further away; null with fewer than five to compare with, and for a rule that only reads.
    pub nearness: Option<f64>,
    /// At most 120 newest readings: milliseconds since 1970, value, threshold.
    #[schemars(with = "Vec<[f64; 3]>")]
    pub points: Vec<Triple>,
}

/// All rules.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Rules {
    /// By universe and name.
    pub rules: Vec<Rule>,
}

/// A regime at an instant.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct RegimePoint {
    /// The instant.
    pub as_of: EventTime,
    /// The smoothed score.
    pub score: f64,
    /// The state.
    pub state: String,
    /// What the score was made of.
    pub contributions: Vec<Contribution>,
}

/// How a regime went.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct RegimeHistory {
    /// The oldest first; at most 1,000.
    pub points: Vec<RegimePoint>,
}

/// Which quarter of the rotation picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Quadrant {
    /// Ratio and momentum above 100.
    Leading,
    /// Ratio above, momentum below 100.
    Weakening,
    /// Both below.
    Lagging,
    /// Ratio below, momentum above 100.
    Improving,
}

/// Where a member stands in the rotation picture.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Spot {
    /// Relative strength, normalised to 100.
    pub ratio: f64,
    /// Its momentum, normalised to 100.
    pub momentum: f64,
    /// The quadrant that counts as its own; null before it stayed in one long enough.
    pub quadrant: Option<Quadrant>,
}

/// The rotation picture at an instant.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Frame {
    /// The instant.
    pub as_of: EventTime,
    /// The date of the session, on the clock `session`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub session: Option<jiff::civil::Date>,
    /// The members.
    pub points: BTreeMap<String, Spot>,
}

/// Which pictures there are.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct MapName {
    /// The universe's name.
    pub universe: String,
    /// The rule that draws it.
    pub rule: String,
    /// What its members are held against.
    pub benchmark: String,
}

/// The rotation picture through time.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Map {
    /// Every picture there is.
    pub maps: Vec<MapName>,
    /// The universe of the one shown.
    pub universe: Option<String>,
    /// The rule of the one shown.
    pub rule: Option<String>,
    /// What its members are held against.
    pub benchmark: Option<String>,
    /// Its members, in the order of their symbols.
    pub members: Vec<String>,
    /// Each instant at which it changed, the oldest first; at most 1,000.
    #[schemars(with = "Vec<Frame>")]
    pub frames: Vec<Shared<Frame>>,
}

/// Event `alert` of the stream.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AlertMessage {
    /// The episode after the event.
    #[schemars(with = "Episode")]
    pub episode: Shared<Episode>,
    /// The event as it was published.
    #[schemars(with = "CloudEvent")]
    pub event: Box<RawValue>,
}

/// Event `reading` of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ReadingMessage {
    /// The universe's name.
    pub universe: String,
    /// The rule's name.
    pub rule: String,
    /// The rule's kind.
    pub kind: String,
    /// The newest reading.
    #[serde(flatten)]
    pub latest: Latest,
    /// Its unit.
    pub unit: String,
    /// The regime, of a rule that tells one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regime: Option<Regime>,
    /// The rotation picture, of a rule that draws one, when it has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Frame>")]
    pub points: Option<Shared<Frame>>,
}

/// Why there is no answer (RFC 9457).
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong, and what was expected.
    pub detail: String,
}
