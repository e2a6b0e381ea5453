//! Series that have fallen silent.

use super::{Account, Change, Detector, Measure, Names, ParamError, Step, Unit, bounds};
use crate::alert::Fact;
use crate::calendar::Calendar;
use crate::clock::Bucket;
use crate::section::Section;
use crate::time::EventTime;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

mod account;

/// Parameters of `stale_feed`: series that are silent for longer than they may be.
///
/// A section in which some series of the rule has a value and a watched one has none is a silence of that one, if its
/// calendar trades then: on the clock `session` if it has a session that day, on intervals if the interval begins
/// within one. So the others are the clock: where all are silent there is no section and nothing is said. A value that
/// is not a number is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The series that are watched: 1 to 10,000 symbols.
    pub series: Vec<String>,
    /// Series that only say that there is something to be said, and are not watched themselves: symbols. Default none.
    #[serde(default)]
    pub reference: Vec<String>,
    /// The calendar of the watched series: "XNYS", "US-BOND" or "24x7". Default "XNYS". Watch series of another
    /// calendar in another rule.
    #[serde(default = "calendar_default")]
    pub calendar: Calendar,
    /// Sections in a row that a series may be silent. Default 1: a single hole is forgiven, the second is not; 0 to
    /// 100,000. On short intervals allow more, as many as a quiet series needs.
    #[serde(default = "max_silence_default")]
    pub max_silence: u32,
    /// Whether a series that never had a value is silent, too, from the rule's first section on. Default false: it is
    /// not listed yet.
    #[serde(default)]
    pub expect_all: bool,
}

fn calendar_default() -> Calendar {
    Calendar::Xnys
}

fn max_silence_default() -> u32 {
    1
}

const SERIES_MAX: usize = 10_000;
const SILENCE_MAX: u32 = 100_000;

impl super::Params for Params {
    fn inputs(&self) -> Vec<String> {
        self.series.iter().chain(&self.reference).cloned().collect()
    }

    fn subject(&self) -> String {
        match self.series.as_slice() {
            [one] => one.clone(),
            several => format!("{} series", several.len()),
        }
    }

    fn check(&self) -> Result<(), ParamError> {
        if !(1..=SERIES_MAX).contains(&self.series.len()) {
            let expected = format!("1 to {SERIES_MAX} symbols");
            return Err(ParamError::new("series", expected, self.series.len()));
        }
        let mut known = BTreeSet::new();
        for (key, symbols) in [("series", &self.series), ("reference", &self.reference)] {
            for symbol in symbols {
                bounds::symbol(key, symbol)?;
                if !known.insert(symbol) {
                    let found = format!("\"{symbol}\" again");
                    return Err(ParamError::new(key, "each symbol once", found));
                }
            }
        }
        bounds::within(
            "max_silence",
            self.max_silence,
            &(0..=SILENCE_MAX),
            "sections",
        )
    }

    fn check_units(&self, _units: &[Unit]) -> Result<(), ParamError> {
        Ok(())
    }

    fn minds_absent_inputs(&self) -> bool {
        false
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[STALE, MORE]
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn needs_all_inputs(&self) -> bool {
        false
    }

    fn reads_ticks(&self) -> bool {
        false
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "sections".to_owned()
    }
}

/// Rung of the opening.
pub const STALE: &str = "stale";
/// Rung of an escalation: more series are stale than before in the episode.
pub const MORE: &str = "more";

/// Reason of the end: no series is stale any more.
pub const FRESH: &str = "fresh";

/// State of `stale_feed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Of each watched series, in the order of the parameters; empty before the first section.
    feeds: Vec<Feed>,
    /// The longest silence now.
    longest: u32,
    /// How many are stale now, and the most in the episode that is open or was last.
    stale: u32,
    most: u32,
    is_open: bool,
    /// The longest silence of the episode that is open or was last, and whose.
    worst: (u32, u32),
}

/// A watched series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Feed {
    /// The section of its last value.
    last: Option<Mark>,
    /// The first section of its silence.
    since: Option<Mark>,
    /// Sections of its silence.
    silent: u32,
}

/// A section, as evidence names it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Mark {
    Session(Date),
    Time(EventTime),
}

impl Detector for State {
    type Params = Params;

    fn new(_params: &Params) -> Self {
        State {
            feeds: Vec::new(),
            longest: 0,
            stale: 0,
            most: 0,
            is_open: false,
            worst: (0, 0),
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        self.feeds.resize(params.series.len(), Feed::default());
        let mark = Mark::of(&section.bucket);
        let is_expected = trades(params.calendar, &section.bucket);
        for (input, feed) in self.feeds.iter_mut().enumerate() {
            if section.close(input).is_some_and(f64::is_finite) {
                *feed = Feed {
                    last: Some(mark),
                    ..Feed::default()
                };
            } else if is_expected && (feed.last.is_some() || params.expect_all) {
                feed.since.get_or_insert(mark);
                feed.silent = feed.silent.saturating_add(1);
            }
        }
        self.longest = self.feeds.iter().map(|feed| feed.silent).max().unwrap_or(0);
        let stale = self.feeds.iter().filter(|feed| feed.is_stale(params));
        self.stale = u32::try_from(stale.count()).expect("SERIES_MAX bounds them");
        let change = self.decide();
        Step {
            reading: Some(self.measure(params)),
            change,
        }
    }

    fn account(&self, params: &Params, _names: Names<'_>, change: &Change) -> Account {
        self.tell(params, change)
    }

    fn rescale(&mut self, _input: usize, _factor: f64) {}
}

impl State {
    fn decide(&mut self) -> Change {
        if self.stale == 0 {
            return if std::mem::take(&mut self.is_open) {
                Change::Resolve(FRESH)
            } else {
                Change::Quiet
            };
        }
        let opens = !std::mem::replace(&mut self.is_open, true);
        if opens {
            (self.most, self.worst) = (0, (0, 0));
        }
        if self.longest > self.worst.0 {
            let longest = |feed: &Feed| feed.silent == self.longest;
            let whose = self.feeds.iter().position(longest).unwrap_or(0);
            self.worst = (self.longest, u32::try_from(whose).unwrap_or(0));
        }
        let more = self.stale > self.most;
        self.most = self.most.max(self.stale);
        match (opens, more) {
            (true, _) => Change::Open(STALE),
            (false, true) => Change::Escalate(MORE),
            (false, false) => Change::Hold,
        }
    }

    fn measure(&self, params: &Params) -> Measure {
        let threshold = params.max_silence + 1;
        Measure {
            value: self.longest.into(),
            threshold: threshold.into(),
            distance: threshold.saturating_sub(self.longest).into(),
        }
    }
}

impl Feed {
    fn is_stale(&self, params: &Params) -> bool {
        self.silent > params.max_silence
    }
}

impl Mark {
    fn of(bucket: &Bucket) -> Self {
        match bucket.date {
            Some(date) => Mark::Session(date),
            None => Mark::Time(bucket.as_of),
        }
    }

    fn fact(self) -> Fact {
        match self {
            Mark::Session(date) => date.into(),
            Mark::Time(time) => time.into(),
        }
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Mark::Session(date) => date.fmt(f),
            Mark::Time(time) => time.fmt(f),
        }
    }
}

/// Whether a calendar has the session, or is open when the interval begins.
fn trades(calendar: Calendar, bucket: &Bucket) -> bool {
    match bucket.date {
        Some(date) => calendar.contains(date),
        None => calendar
            .session(bucket.start.utc_date())
            .is_some_and(|session| (session.open..=session.close).contains(&bucket.start)),
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |reference: &[&str], calendar, max_silence, expect_all| Params {
        series: vec!["A".to_owned(), "B".to_owned(), "C".to_owned()],
        reference: reference
            .iter()
            .map(|symbol| (*symbol).to_owned())
            .collect(),
        calendar,
        max_silence,
        expect_all,
    };
    vec![
        params(&[], Calendar::AlwaysOpen, 0, false),
        params(&["D"], Calendar::Xnys, 1, true),
    ]
}

#[cfg(test)]
mod tests;
