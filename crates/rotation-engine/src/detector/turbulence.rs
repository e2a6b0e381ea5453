//! A day unlike those before it: the distance of many returns at once.

use super::joint::{self, Joint};
use super::members::{self, Members, Tally};
use super::{Account, Change, Detector, Measure, Names, ParamError, Step, Unit, bounds};
use crate::matrix;
use crate::section::Section;
use crate::window::SortedWindow;
use serde::{Deserialize, Serialize};

mod account;
mod shrink;

/// Parameters of `turbulence`: the Mahalanobis distance of the members' returns from those of the sections before.
///
/// Mean and covariance come from the window before the section, and the covariance is shrunk toward one without
/// correlations, so that it can be inverted whatever the number of members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The members: symbols, or tables such as `{ symbol = "A", from = "2001-01-31", to = "2010-12-31" }` with the
    /// first day inside and the first outside, either of which may be absent. 2 to 200; a symbol may have several
    /// intervals.
    pub members: Members,
    /// What the group is called in headlines, and the subject of alerts. Default "members".
    #[serde(default = "members::group_default")]
    pub group: String,
    /// Sections that mean and covariance come from. Default 500, two years of sessions; 20 to 2,520. A member counts
    /// once it has been listed for so many.
    #[serde(default = "window_default")]
    pub window: u32,
    /// How far the covariance is shrunk toward equal variances without correlations, 0 to 1. Default: as far as Ledoit
    /// and Wolf's formula asks for. 0 only with more than twice as many sections as members.
    #[serde(default)]
    pub shrinkage: Option<f64>,
    /// Earlier distances that a new one is ranked among. Default 2,520, ten years of sessions; 60 to 10,000.
    #[serde(default = "history_default")]
    pub history: u32,
    /// How many of them there have to be before an episode opens. Default 252; 20 to `history`.
    #[serde(default = "min_history_default")]
    pub min_history: u32,
    /// Opens above this percentile of the earlier distances. Default 99; 50 to 100, exclusive.
    #[serde(default = "open_percentile_default")]
    pub open_percentile: f64,
    /// Ends at or below this percentile, held for `calm_sections`. Default 90; above 0, to `open_percentile`.
    #[serde(default = "close_percentile_default")]
    pub close_percentile: f64,
    /// For so many sections in a row. Default 5; 1 to 250.
    #[serde(default = "calm_sections_default")]
    pub calm_sections: u32,
    /// Percent of the day's members that have to count: below it the section says nothing. Default 50; 0 to 100.
    #[serde(default = "members::min_counted_pct_default")]
    pub min_counted_pct: f64,
}

fn window_default() -> u32 {
    500
}

fn history_default() -> u32 {
    2_520
}

fn min_history_default() -> u32 {
    252
}

fn open_percentile_default() -> f64 {
    99.0
}

fn close_percentile_default() -> f64 {
    90.0
}

fn calm_sections_default() -> u32 {
    5
}

impl super::Params for Params {
    fn inputs(&self) -> Vec<String> {
        self.members.symbols().to_vec()
    }

    fn subject(&self) -> String {
        self.group.clone()
    }

    fn check(&self) -> Result<(), ParamError> {
        self.members.check("members", 2)?;
        bounds::within(
            "members",
            self.members.len(),
            &(2..=joint::MEMBERS_MAX),
            "members",
        )?;
        members::check_group(&self.group)?;
        bounds::within("window", self.window, &(20..=2_520), "sections")?;
        if let Some(shrinkage) = self.shrinkage {
            bounds::within("shrinkage", shrinkage, &(0.0..=1.0), "of the way")?;
            if shrinkage <= 0.0 && self.window as usize <= 2 * self.members.len() {
                let expected = format!(
                    "more than 0 with {} members in {} sections",
                    self.members.len(),
                    self.window
                );
                return Err(ParamError::new("shrinkage", expected, shrinkage));
            }
        }
        bounds::within("history", self.history, &(60..=10_000), "distances")?;
        bounds::within(
            "min_history",
            self.min_history,
            &(20..=self.history),
            "distances",
        )?;
        if !(50.0..100.0).contains(&self.open_percentile) {
            let expected = "50 to 100, exclusive";
            return Err(ParamError::new(
                "open_percentile",
                expected,
                self.open_percentile,
            ));
        }
        if !(self.close_percentile > 0.0 && self.close_percentile <= self.open_percentile) {
            let expected = format!("above 0, to open_percentile ({})", self.open_percentile);
            return Err(ParamError::new(
                "close_percentile",
                expected,
                self.close_percentile,
            ));
        }
        bounds::within("calm_sections", self.calm_sections, &(1..=250), "sections")?;
        bounds::within(
            "min_counted_pct",
            self.min_counted_pct,
            &(0.0..=100.0),
            "percent",
        )
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        members::check_units("members", units)
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[TURBULENT]
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
        "squared deviations".to_owned()
    }
}

/// Rung of the opening: a distance above `open_percentile`.
pub const TURBULENT: &str = "turbulent";

/// Reason of the end: so many sections at or below `close_percentile`.
pub const CALM: &str = "calm";

/// State of `turbulence`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    joint: Joint,
    tally: Tally,
    /// Earlier distances, a member.
    distances: SortedWindow,
    /// The last section's; none where it had none.
    today: Option<Today>,
    is_open: bool,
    /// Sections in a row at or below `close_percentile`.
    calm: u32,
}

/// The distance of a section, and where it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Today {
    distance: f64,
    shrinkage: f64,
    /// The share of earlier distances a member below this one, 0 to 1; none before the first.
    rank: Option<f64>,
    /// How many they are.
    among: u32,
    /// The members furthest from their own means, the furthest first.
    furthest: Vec<Far>,
}

/// A member's return, and how many of its deviations it lies from its mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Far {
    place: u32,
    change: f64,
    deviations: f64,
}

/// So many members are named.
const NAMED: usize = 5;

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            joint: Joint::new(params.window, 1.0),
            tally: Tally::default(),
            distances: SortedWindow::new(params.history as usize),
            today: None,
            is_open: false,
            calm: 0,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        self.today = None;
        if !self.joint.read(&params.members, section) {
            return Step::passed_over(self.is_open);
        }
        let (counted, tally) = self.joint.counted(&params.members.on(section.date()));
        self.tally = tally;
        let is_enough = counted.len() >= 2 && tally.is_enough(params.min_counted_pct);
        let today = if is_enough {
            self.measure(params, &counted)
        } else {
            None
        };
        self.joint.push();
        let Some(today) = today else {
            return Step::passed_over(self.is_open);
        };
        let step = self.turn(params, today.distance);
        self.distances
            .push(today.distance / f64::from(tally.counted));
        self.today = Some(today);
        step
    }

    fn account(&self, params: &Params, _names: Names<'_>, change: &Change) -> Account {
        self.tell(params, change)
    }

    fn rescale(&mut self, input: usize, factor: f64) {
        self.joint.rescale(input, factor);
    }
}

impl State {
    /// The distance of the counted members' returns from the window; none where the window has no inverse.
    fn measure(&self, params: &Params, counted: &[usize]) -> Option<Today> {
        let (means, mut covariance) = self.joint.window.of(counted);
        let count = counted.len();
        let returns = &self.joint.returns;
        let away: Vec<f64> = counted
            .iter()
            .zip(&means)
            .map(|(place, mean)| returns[*place] - mean)
            .collect();
        let mut furthest: Vec<Far> = (0..count)
            .map(|at| Far {
                place: members::count(counted[at]),
                change: returns[counted[at]],
                deviations: away[at] / libm::sqrt(covariance[at * count + at]),
            })
            .filter(|far| far.deviations.is_finite())
            .collect();
        furthest.sort_by(|left, right| right.deviations.abs().total_cmp(&left.deviations.abs()));
        furthest.truncate(NAMED);
        let shrinkage = params.shrinkage.unwrap_or_else(|| {
            shrink::ledoit_wolf(self.joint.window.rows(), counted, &means, &covariance)
        });
        shrink::toward_identity(&mut covariance, count, shrinkage);
        let distance =
            matrix::inverse_form(covariance, &away).filter(|distance| distance.is_finite())?;
        let per_member = distance / f64::from(self.tally.counted);
        Some(Today {
            distance,
            shrinkage,
            rank: self.distances.percentile_rank(per_member),
            among: members::count(self.distances.len()),
            furthest,
        })
    }

    /// The distance at a percentile of the earlier ones, for as many members as count now.
    fn level(&self, percentile: f64) -> Option<f64> {
        let level = self.distances.quantile(percentile / 100.0)?;
        Some(level * f64::from(self.tally.counted))
    }

    fn turn(&mut self, params: &Params, distance: f64) -> Step {
        let open_at = self.level(params.open_percentile).unwrap_or(distance);
        let close_at = self.level(params.close_percentile).unwrap_or(distance);
        let is_warm = self.distances.len() >= params.min_history as usize;
        let (change, threshold, short) = if self.is_open {
            self.calm = if distance <= close_at {
                self.calm + 1
            } else {
                0
            };
            let is_over = self.calm >= params.calm_sections;
            let change = if is_over {
                Change::Resolve(CALM)
            } else {
                Change::Hold
            };
            (change, close_at, distance - close_at)
        } else if is_warm && distance > open_at {
            self.calm = 0;
            (Change::Open(TURBULENT), open_at, 0.0)
        } else {
            (Change::Quiet, open_at, open_at - distance)
        };
        self.is_open = matches!(change, Change::Open(_) | Change::Hold);
        Step {
            reading: Some(Measure {
                value: distance,
                threshold,
                distance: short.max(0.0),
            }),
            change,
        }
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |shrinkage, window, open_percentile, calm_sections| Params {
        members: Members::always(&["A", "B", "C", "D"]),
        group: "the group".to_owned(),
        window,
        shrinkage,
        history: 200,
        min_history: 60,
        open_percentile,
        close_percentile: 70.0,
        calm_sections,
        min_counted_pct: 50.0,
    };
    vec![params(None, 30, 95.0, 3), params(Some(0.2), 20, 80.0, 1)]
}

#[cfg(test)]
mod tests;
