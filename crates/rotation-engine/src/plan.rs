//! What is detected: a universe as written in the configuration, and as valid.
//!
//! [`UniverseSpec`] mirrors the file; [`UniversePlan::build`] checks it once and yields what the program uses. Nobody
//! checks again.

use crate::alert::{BaseRate, Notify, Severity, State};
use crate::calendar::Calendar;
use crate::clock::{Clock, DAY, SECOND, parse_span};
use crate::detector::{Kind, Unit};
use crate::record::SeriesIx;
use crate::time::EventTime;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod build;
mod reads;

pub use build::{RULES_MAX, SERIES_MAX};

/// How prices of a series are adjusted for what is paid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Adjustment {
    /// As traded, or an index level without dividends; splits taken out.
    #[default]
    Price,
    /// As traded on the day, splits left in; split records rescale its history.
    Split,
    /// Dividends reinvested.
    Total,
}

/// What becomes of a tick that is older than its partition's horizon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LateTicks {
    /// It goes into bars that are open still, and restates those that may be corrected.
    #[default]
    Correct,
    /// It is left out, whatever its bars.
    Drop,
}

/// A universe as written: `[universe.NAME]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UniverseSpec {
    /// The exchange calendar of its series: `XNYS`, `US-BOND` or `24x7`. Default `XNYS`.
    pub calendar: Option<String>,
    /// How far behind the newest tick of its partition a tick may be and still count, such as `30s`. Default `30s`.
    pub lateness: Option<String>,
    /// How far ahead of its record's timestamp a tick may be stamped. Default `5s`.
    pub skew: Option<String>,
    /// How far a partition may trail the bars log before it is left out until it returns. Default `5m`.
    pub stall_after: Option<String>,
    /// How long past a session's close prints still belong to it. Default `0s`: up to the close itself.
    pub closing_window: Option<String>,
    /// How long after a session's close an official print, a late tick or a void may still correct it; on intervals
    /// the length of the interval, if that is shorter. Default `12h`.
    pub correction_window: Option<String>,
    /// What becomes of ticks older than their partition's horizon: `correct` bars inside the `correction_window`, or
    /// `drop` them all. Default `correct`.
    pub late_ticks: Option<LateTicks>,
    /// How many of the newest prints of a series are held so that they can be voided, 0 to 65536; held where the feed
    /// gives a `seq`. Default 64.
    pub void_prints: Option<u32>,
    /// First day of which events are published; earlier sessions only warm the detectors up. Default: all are.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub live_from: Option<String>,
    /// Publish the events before `live_from` too, marked `replay`. Default false.
    pub publish_history: Option<bool>,
    /// The series by symbol.
    #[serde(default)]
    pub series: BTreeMap<String, SeriesSpec>,
    /// The rules by name. Read apart, because their keys depend on their kind.
    #[serde(skip)]
    pub rules: BTreeMap<String, RuleSpec>,
}

/// A series as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SeriesSpec {
    /// For people. Default: the symbol.
    pub name: Option<String>,
    /// What it measures: `price`, `percent`, `ratio` or `number`. Default `price`.
    pub unit: Option<Unit>,
    /// Its calendar, where it differs from the universe's.
    pub calendar: Option<String>,
    /// How long after its time a value is known, such as `1d`. Default `0s`.
    pub publication_lag: Option<String>,
    /// `price`, `split` or `total`. Default `price`.
    pub adjustment: Option<Adjustment>,
    /// Whether a daily file of the series feeds its open, high and low and its volume beside the close. Default false:
    /// the close alone, since many files repeat the last close as open, and volumes of an index mean nothing.
    pub ohlc: Option<bool>,
    /// Derived: the first series divided by the second.
    pub ratio: Option<[String; 2]>,
    /// Derived: the first series minus the second.
    pub spread: Option<[String; 2]>,
    /// Derived: these series in equal weight, rebalanced at each section; starts at 100.
    pub basket: Option<Vec<String>>,
}

/// What every rule may say, whatever its kind.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RuleCommon {
    /// `session`, `tick` or an interval such as `1m`. Default `session`.
    pub clock: Option<String>,
    /// Severity by state or rung: `opened`, `escalated`, `resolved`, or a rung of the kind.
    #[serde(default)]
    pub severity: BTreeMap<String, Severity>,
    /// How loudly, where it shall not follow from the severity; keys as in `severity`.
    #[serde(default)]
    pub notify: BTreeMap<String, Notify>,
    /// How long after an episode ended no other is published; in event time. Default `0s`.
    pub cooldown: Option<String>,
    /// How often episodes happen, from `calibrate`.
    pub base_rate: Option<BaseRate>,
    /// A link that alerts carry.
    pub runbook: Option<String>,
    /// Rules of kind `stale_feed`, by name: while one of them stands, events of this rule are at most `info`.
    #[serde(default)]
    pub guards: Vec<String>,
    /// The share of its inputs, 0 to 1, below which events of this rule are at most `info`. Default 0.8; 0 for kinds
    /// that carry inputs forward, read other rules or watch for absence.
    pub min_present: Option<f64>,
}

/// A rule as written.
#[derive(Clone, Debug)]
pub struct RuleSpec {
    /// What every rule may say.
    pub common: RuleCommon,
    /// The kind and its parameters.
    pub kind: Kind,
    /// Digest of kind, clock and parameters: the rule's version in alerts.
    pub version: String,
}

/// A key of a universe with an unusable value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: expected {expected}, found {found}")]
pub struct PlanError {
    /// The key, from the universe on, such as `universe.us.rules.streak.open_at`.
    pub key: String,
    /// The bound.
    pub expected: String,
    /// What was given.
    pub found: String,
}

/// A valid universe.
#[derive(Clone, Debug)]
pub struct UniversePlan {
    /// Its name.
    pub name: String,
    /// Its calendar.
    pub calendar: Calendar,
    /// Nanoseconds.
    pub lateness: i64,
    /// Nanoseconds.
    pub skew: i64,
    /// Nanoseconds.
    pub stall_after: i64,
    /// Nanoseconds.
    pub closing_window: i64,
    /// Nanoseconds.
    pub correction_window: i64,
    /// What becomes of ticks older than their partition's horizon.
    pub late_ticks: LateTicks,
    /// How many prints of a series are held so that they can be voided.
    pub void_prints: usize,
    /// Start of the first day whose events are published (New York midnight is of no matter: the day in UTC).
    pub live_from: Option<Date>,
    /// Publish earlier events too, marked `replay`.
    pub publish_history: bool,
    /// The series, ordered by symbol: a [`SeriesIx`] is a position here.
    pub series: Vec<SeriesPlan>,
    /// The rules, ordered by name.
    pub rules: Vec<RulePlan>,
    /// Positions of the rules, each after those that it reads.
    pub order: Vec<u32>,
    /// Digest of what samplers and universes have to agree on: calendars, lateness, membership, clocks.
    pub digest: u64,
}

/// A valid series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesPlan {
    /// The symbol.
    pub symbol: String,
    /// For people.
    pub name: String,
    /// What it measures.
    pub unit: Unit,
    /// Its calendar.
    pub calendar: Calendar,
    /// Nanoseconds.
    pub publication_lag: i64,
    /// Its adjustment.
    pub adjustment: Adjustment,
    /// Whether its daily files feed open, high, low and volume beside the close.
    pub ohlc: bool,
    /// Where its values come from.
    pub source: SeriesSource,
    /// The clocks on which some rule reads it, directly or as a leg; in order, for raw series only.
    pub clocks: Vec<Clock>,
}

/// Where a series' values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeriesSource {
    /// Ticks of its symbol.
    Raw,
    /// Quotient of two raw series.
    Ratio(SeriesIx, SeriesIx),
    /// Difference of two raw series.
    Spread(SeriesIx, SeriesIx),
    /// Equal weights of raw series.
    Basket(Vec<SeriesIx>),
}

impl SeriesSource {
    /// The raw series behind the one at `own`: itself, or those that it is made from.
    pub fn raw(&self, own: SeriesIx) -> Vec<SeriesIx> {
        match self {
            SeriesSource::Raw => vec![own],
            SeriesSource::Ratio(a, b) | SeriesSource::Spread(a, b) => vec![*a, *b],
            SeriesSource::Basket(members) => members.clone(),
        }
    }
}

/// A valid rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RulePlan {
    /// Its name.
    pub name: String,
    /// Digest of kind, clock and parameters.
    pub version: String,
    /// What cuts its sections.
    pub clock: Clock,
    /// Its kind and parameters.
    pub kind: Kind,
    /// The series that it reads, in the order of a section's values.
    pub inputs: Vec<SeriesIx>,
    /// Symbols of the inputs.
    pub symbols: Vec<String>,
    /// Units of the inputs.
    pub units: Vec<Unit>,
    /// What it speaks about.
    pub subject: String,
    /// Unit of its readings.
    pub unit: String,
    /// Severities by state or rung.
    pub severity: BTreeMap<String, Severity>,
    /// Notify levels by state or rung.
    pub notify: BTreeMap<String, Notify>,
    /// Nanoseconds of event time.
    pub cooldown: i64,
    /// How often episodes happen.
    pub base_rate: Option<BaseRate>,
    /// A link that alerts carry.
    pub runbook: Option<String>,
    /// The rules that it reads, by position: those of its kind, in the order of [`Kind::reads`], then its guards.
    pub reads: Vec<u32>,
    /// How many of `reads` are guards.
    pub guards: usize,
    /// The share of its inputs below which its events are at most `info`.
    pub min_present: f64,
}

impl RulePlan {
    /// Whether larger readings than this one, with which an episode begins, are more extreme.
    pub fn is_rising(&self, value: f64, threshold: f64) -> bool {
        match &self.kind {
            // Its threshold is the level of the state that comes next.
            Kind::Regime(_) => value >= 0.0,
            _ => value >= threshold || self.unit == "sessions",
        }
    }

    /// How many of the rules that it reads are its kind's own; the others are guards.
    pub fn own_reads(&self) -> usize {
        self.reads.len() - self.guards
    }

    /// The severity of an event: by rung, else by state, else `info`; resolutions and corrections are `info`.
    pub fn severity(&self, state: State, rung: Option<&str>) -> Severity {
        let by_rung = rung.and_then(|rung| self.severity.get(rung));
        by_rung
            .or_else(|| self.severity.get(state.name()))
            .copied()
            .unwrap_or(Severity::Info)
    }

    /// How loudly an event is told: as the rule says, else as its severity asks; the end of an episode never pages.
    pub fn notify(&self, state: State, rung: Option<&str>, severity: Severity) -> Notify {
        let by_rung = rung.and_then(|rung| self.notify.get(rung));
        let said = by_rung.or_else(|| self.notify.get(state.name())).copied();
        let ends = state.is_final() || matches!(state, State::Confirmed | State::Corrected);
        said.unwrap_or(match severity {
            Severity::Info => Notify::Digest,
            Severity::Critical if !ends => Notify::Page,
            Severity::Warning | Severity::Critical => Notify::Chat,
        })
    }
}

impl UniversePlan {
    /// The position of a symbol.
    pub fn series_ix(&self, symbol: &str) -> Option<SeriesIx> {
        let at = self
            .series
            .binary_search_by(|series| series.symbol.as_str().cmp(symbol))
            .ok()?;
        Some(SeriesIx(
            u32::try_from(at).expect("a plan holds fewer than 2^32 series"),
        ))
    }

    /// A series of the plan.
    pub fn series(&self, ix: SeriesIx) -> &SeriesPlan {
        &self.series[ix.index()]
    }

    /// How long after a bucket's instant its bar may still be corrected, in nanoseconds. On an interval that is over
    /// at the latest with the next one, so that no section waits for what may come to the one before.
    pub fn correctable(&self, clock: Clock) -> i64 {
        match clock {
            Clock::Session => self.correction_window,
            Clock::Interval(length) if self.restates() => self.correction_window.min(length),
            Clock::Interval(_) | Clock::Tick => 0,
        }
    }

    /// Whether anything but an official print restates a bar.
    pub fn restates(&self) -> bool {
        self.late_ticks == LateTicks::Correct || self.void_prints > 0
    }

    /// Whether an event decided at this instant is from before the universe went live.
    pub fn is_history(&self, as_of: EventTime) -> bool {
        self.live_from.is_some_and(|from| as_of.utc_date() < from)
    }
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo).
pub(crate) fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
