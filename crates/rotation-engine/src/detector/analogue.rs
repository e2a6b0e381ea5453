//! Past stretches of a series that are most like the present one.

use super::{Account, Change, Detector, Measure, Names, ParamError, Step, Unit, bounds, positive};
use crate::clock::date_key;
use crate::section::Section;
use serde::{Deserialize, Serialize};

mod account;
mod paths;

use paths::{Paths, append};

/// Parameters of `analogue`: the past windows of a series that are most like its last `length` closes, and what came
/// after them.
///
/// Windows are compared by the Euclidean distance of their logarithms, each set to mean 0 and standard deviation 1: the
/// shape counts, not the level and not the size of the swings. It is 0 for equal shapes, √(2 · length) for unrelated
/// and 2 · √length for opposite ones. It reads, and fires nothing unless `open_at` is given. Values that are not
/// positive count as lacking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The series: a symbol.
    pub series: String,
    /// Sections of a window. Default 60, a quarter of a year; 5 to 1,000.
    #[serde(default = "length_default")]
    pub length: u32,
    /// Sections that are remembered and searched, the newest included. Default 10,000, some 40 years; to 50,000, and at
    /// least twice `length`, and `length` and `after` together.
    #[serde(default = "history_default")]
    pub history: u32,
    /// Sections after a past window over which its outcome is told. Default 20; 1 to 1,000. A window whose outcome is
    /// not known yet is not compared, nor is one that overlaps the present.
    #[serde(default = "after_default")]
    pub after: u32,
    /// Past windows that the evidence lists, none overlapping another. Default 5; 1 to 20.
    #[serde(default = "matches_default")]
    pub matches: u32,
    /// The distance of the best past window up to which an episode opens. Default none: it only reads; above 0, to 100.
    #[serde(default)]
    pub open_at: Option<f64>,
    /// The distance above which an episode ends. Default 1.25 times `open_at`; at least `open_at`, to 200.
    #[serde(default)]
    pub end_at: Option<f64>,
}

fn length_default() -> u32 {
    60
}

fn history_default() -> u32 {
    10_000
}

fn after_default() -> u32 {
    20
}

fn matches_default() -> u32 {
    5
}

const LENGTH_MAX: u32 = 1_000;
const HISTORY_MAX: u32 = 50_000;
const MATCHES_MAX: u32 = 20;
const DISTANCE_MAX: f64 = 100.0;
const END_TO_OPEN: f64 = 1.25;

impl Params {
    /// The distance above which an episode ends, where one can open.
    fn end_at(&self) -> Option<f64> {
        let open_at = self.open_at?;
        Some(self.end_at.unwrap_or(open_at * END_TO_OPEN))
    }

    /// Sections from the end of the latest window that is compared to now: it overlaps nothing, and what came after it
    /// is known.
    fn nearest(&self) -> usize {
        self.length.max(self.after) as usize
    }
}

impl super::Params for Params {
    fn inputs(&self) -> Vec<String> {
        vec![self.series.clone()]
    }

    fn subject(&self) -> String {
        self.series.clone()
    }

    fn check(&self) -> Result<(), ParamError> {
        bounds::symbol("series", &self.series)?;
        bounds::within("length", self.length, &(5..=LENGTH_MAX), "sections")?;
        bounds::within("after", self.after, &(1..=LENGTH_MAX), "sections")?;
        let least = self.length + self.length.max(self.after);
        bounds::within("history", self.history, &(least..=HISTORY_MAX), "sections")?;
        bounds::within("matches", self.matches, &(1..=MATCHES_MAX), "windows")?;
        let Some(open_at) = self.open_at else {
            return match self.end_at {
                Some(end_at) => Err(ParamError::new("end_at", "an open_at with it", end_at)),
                None => Ok(()),
            };
        };
        if !(open_at > 0.0 && open_at <= DISTANCE_MAX) {
            let expected = format!("above 0, to {DISTANCE_MAX}");
            return Err(ParamError::new("open_at", expected, open_at));
        }
        match self.end_at {
            Some(end_at) if !(open_at..=2.0 * DISTANCE_MAX).contains(&end_at) => {
                let expected = format!("open_at ({open_at}) to {}", 2.0 * DISTANCE_MAX);
                Err(ParamError::new("end_at", expected, end_at))
            }
            _ => Ok(()),
        }
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        bounds::have_returns(&["series"], units)
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[ALIKE]
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn reads_ticks(&self) -> bool {
        false
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "distance".to_owned()
    }
}

/// Rung of the opening.
pub const ALIKE: &str = "alike";

/// Reason of the end: no past window is as like any more.
pub const PARTED: &str = "parted";

/// State of `analogue`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The last close.
    last: Option<f64>,
    /// Logarithms of the closes, less that of the first ever.
    paths: Paths,
    /// Days since 1970 of what `paths` holds.
    days: Vec<i32>,
    /// The distance of the best past window; none where there is none, or the present has no shape.
    best: Option<f64>,
    is_open: bool,
}

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            last: None,
            paths: Paths::new(params.length as usize, params.history as usize),
            days: Vec::new(),
            best: None,
            is_open: false,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let Some(close) = positive(section.close(0)) else {
            return Step::passed_over(self.is_open);
        };
        let before = self.last.replace(close).unwrap_or(close);
        // Returns are the same whatever the basis of the prices; so is their sum, to the last bit.
        self.paths.push(libm::log(close / before));
        let day = i32::try_from(date_key(section.date())).unwrap_or(i32::MAX);
        append(&mut self.days, day, params.history as usize + 1);
        if self.days.len() > params.history as usize {
            self.days.remove(0);
        }
        self.best = self.paths.best(params.nearest());
        let Some(best) = self.best else {
            return Step::passed_over(self.is_open);
        };
        let change = self.decide(params, best);
        Step {
            reading: Some(self.measure(params, best, &change)),
            change,
        }
    }

    fn account(&self, params: &Params, _names: Names<'_>, change: &Change) -> Account {
        self.tell(params, change)
    }

    fn rescale(&mut self, _input: usize, factor: f64) {
        self.last = self.last.map(|last| last * factor);
    }
}

impl State {
    fn decide(&mut self, params: &Params, best: f64) -> Change {
        if self.is_open {
            if params.end_at().is_some_and(|end_at| best > end_at) {
                self.is_open = false;
                return Change::Resolve(PARTED);
            }
            return Change::Hold;
        }
        self.is_open = params.open_at.is_some_and(|open_at| best <= open_at);
        if self.is_open {
            Change::Open(ALIKE)
        } else {
            Change::Quiet
        }
    }

    /// The distance against what opens an episode, or ends an open one; against an equal shape where nothing opens.
    fn measure(&self, params: &Params, best: f64, change: &Change) -> Measure {
        let open_at = params.open_at.unwrap_or(0.0);
        let end_at = params.end_at().unwrap_or(0.0);
        let (threshold, distance) = match change {
            Change::Hold => (end_at, end_at - best),
            Change::Resolve(_) => (end_at, 0.0),
            _ => (open_at, best - open_at),
        };
        Measure {
            value: best,
            threshold,
            distance: distance.max(0.0),
        }
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |length, history, after, open_at, end_at| Params {
        series: "A".to_owned(),
        length,
        history,
        after,
        matches: 3,
        open_at: Some(open_at),
        end_at,
    };
    vec![
        params(8, 120, 5, 0.6, None),
        params(5, 60, 12, 0.2, Some(0.2)),
        params(12, 200, 3, 1.2, Some(1.4)),
    ]
}

#[cfg(test)]
mod tests;
