//! Consecutive sessions in which a leader beats a laggard.

use super::{Account, Change, Detector, Names, ParamError, Params as _, Step, Unit};
use crate::section::Section;
use serde::{Deserialize, Serialize};

/// Parameters of `relative_streak`: runs of consecutive sessions in which the leader's return strictly beats the
/// laggard's.
///
/// Both returns are simple, close to close, over the same sessions: one that lacks either series is passed over, and the
/// next return spans the gap. Values that are not positive have no return and count as lacking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The series that has to win: a symbol.
    pub leader: String,
    /// The series that it is held against: another symbol.
    pub laggard: String,
    /// Sessions in a row that open an episode. Default 5; 1 to 10,000. Two equal coins make a run of 5 about four times a
    /// year, so less than that is noise.
    #[serde(default = "open_at_default")]
    pub open_at: u32,
    /// Lengths, in sessions, that escalate an open episode, each once. Default [10]; ascending, each above `open_at`, at
    /// most 32. Empty: never by length.
    #[serde(default = "escalate_at_default")]
    pub escalate_at: Vec<u32>,
    /// Escalates an open episode when its run becomes the longest for more than so many calendar years, each once.
    /// Default [5, 15, 25]; ascending, 1 to 200, at most 32. Empty: never by rarity. History shorter than that cannot
    /// satisfy it.
    #[serde(default = "escalate_since_years_default")]
    pub escalate_since_years: Vec<u32>,
}

fn open_at_default() -> u32 {
    5
}

fn escalate_at_default() -> Vec<u32> {
    vec![10]
}

fn escalate_since_years_default() -> Vec<u32> {
    vec![5, 15, 25]
}

/// Most entries of a list of rungs: each is a bit of the state.
const RUNGS_MAX: usize = 32;
const LENGTH_MAX: u32 = 10_000;
const YEARS_MAX: u32 = 200;

impl super::Params for Params {
    fn inputs(&self) -> Vec<String> {
        vec![self.leader.clone(), self.laggard.clone()]
    }

    fn subject(&self) -> String {
        format!("{}/{}", self.leader, self.laggard)
    }

    fn check(&self) -> Result<(), ParamError> {
        for (key, symbol) in [("leader", &self.leader), ("laggard", &self.laggard)] {
            if symbol.is_empty() {
                return Err(ParamError::new(key, "a symbol", "\"\""));
            }
        }
        if self.leader == self.laggard {
            return Err(ParamError::new(
                "laggard",
                "another series than the leader",
                &self.laggard,
            ));
        }
        if !(1..=LENGTH_MAX).contains(&self.open_at) {
            return Err(ParamError::new(
                "open_at",
                format!("1 to {LENGTH_MAX} sessions"),
                self.open_at,
            ));
        }
        let lengths = self.open_at + 1..=LENGTH_MAX;
        check_rungs("escalate_at", &self.escalate_at, &lengths, "sessions")?;
        check_rungs(
            "escalate_since_years",
            &self.escalate_since_years,
            &(1..=YEARS_MAX),
            "years",
        )
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        for (key, unit) in ["leader", "laggard"].into_iter().zip(units) {
            if *unit == Unit::Percent {
                let expected = "a series with a return: of unit \"price\", \"ratio\" or \"number\"";
                return Err(ParamError::new(key, expected, "one of unit \"percent\""));
            }
        }
        Ok(())
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[OPEN, LENGTH, SINCE_YEARS]
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn reads_ticks(&self) -> bool {
        false
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "sessions".to_owned()
    }
}

fn check_rungs(
    key: &str,
    rungs: &[u32],
    bounds: &std::ops::RangeInclusive<u32>,
    unit: &str,
) -> Result<(), ParamError> {
    let ascending = rungs.windows(2).all(|pair| pair[0] < pair[1]);
    if ascending && rungs.len() <= RUNGS_MAX && rungs.iter().all(|rung| bounds.contains(rung)) {
        return Ok(());
    }
    let (from, to) = (bounds.start(), bounds.end());
    let expected = format!("at most {RUNGS_MAX} ascending numbers from {from} to {to} {unit}");
    Err(ParamError::new(key, expected, format!("{rungs:?}")))
}

/// Rung of the opening.
pub const OPEN: &str = "open";
/// Rung of an escalation at a configured length.
pub const LENGTH: &str = "length";
/// Rung of an escalation because no run was as long for so many years.
pub const SINCE_YEARS: &str = "since_years";

/// State of `relative_streak`.
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
