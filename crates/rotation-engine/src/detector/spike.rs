//! A change out of proportion to those before it.

use super::way::along;
use super::{
    Account, Change, Detector, Distance, Measure, Names, ParamError, Step, TIE, Unit, Way,
};
use super::{bounds, positive};
use crate::alert::Direction;
use crate::section::Section;
use crate::window::SortedWindow;
use crate::window::sorted::MAD_TO_SIGMA;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

mod account;

/// Parameters of `spike`: a change of a series over some observations that is out of proportion to its past changes,
/// and large in itself.
///
/// The window counts the series' own observations: sections in which it has no value do not count. Changes of a series
/// in percent are in basis points, those of any other in percent of the earlier value; values that are not positive
/// have no such change and are passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The series: a symbol.
    pub series: String,
    /// Observations over which the change is taken. Default 20, a month of sessions; 1 to 10,000.
    #[serde(default = "window_default")]
    pub window: u32,
    /// Changes before the present one that it is held against, at most. Default 2,520, ten years of sessions; 10 to
    /// 65,536. The shorter, the sooner an uneasy time makes the next spike ordinary.
    #[serde(default = "trailing_default")]
    pub trailing: u32,
    /// Changes before the present one that have to be there. Default 252, or `trailing` where that is less; 10 to
    /// `trailing`.
    #[serde(default)]
    pub min_history: Option<u32>,
    /// Robust z-score that opens an episode, inclusive. Default 3; above 0, to 100.
    #[serde(default = "min_z_default")]
    pub min_z: f64,
    /// The change that an opening needs, too, inclusive: such as "50bp" for a series of unit `percent`, a number in
    /// percent for any other. Default 5 (percent); 0 to 1e6.
    #[serde(default = "min_change_default")]
    pub min_change: Distance,
    /// An episode ends when the z-score, seen in its direction, is below this. Default 2, or `min_z` where that is
    /// less; 0 to `min_z`. The lower, the fewer and longer the episodes.
    #[serde(default)]
    pub rearm_z: Option<f64>,
    /// Which way the change has to go. Default "both".
    #[serde(default)]
    pub direction: Way,
}

fn window_default() -> u32 {
    20
}

fn trailing_default() -> u32 {
    2_520
}

fn min_z_default() -> f64 {
    3.0
}

fn min_change_default() -> Distance {
    Distance::Units(5.0)
}

const WINDOW_MAX: u32 = 10_000;
const TRAILING_MAX: u32 = 65_536;
const HISTORY_MIN: u32 = 10;
const HISTORY_DEFAULT: u32 = 252;
const REARM_DEFAULT: f64 = 2.0;
const CHANGE_MAX: f64 = 1e6;

impl Params {
    /// Changes before the present one that have to be there.
    pub fn min_history(&self) -> u32 {
        self.min_history
            .unwrap_or(HISTORY_DEFAULT.min(self.trailing))
    }

    /// The z-score below which an episode ends.
    pub fn rearm_z(&self) -> f64 {
        self.rearm_z.unwrap_or(REARM_DEFAULT.min(self.min_z))
    }

    /// The least change, in basis points or in percent.
    fn floor(&self) -> f64 {
        match self.min_change {
            Distance::Units(percent) => percent,
            Distance::BasisPoints(points) => points,
        }
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
        bounds::within("window", self.window, &(1..=WINDOW_MAX), "observations")?;
        bounds::within(
            "trailing",
            self.trailing,
            &(HISTORY_MIN..=TRAILING_MAX),
            "changes",
        )?;
        bounds::within(
            "min_history",
            self.min_history(),
            &(HISTORY_MIN..=self.trailing),
            "changes",
        )?;
        if !(self.min_z > 0.0 && self.min_z <= 100.0) {
            return Err(ParamError::new("min_z", "above 0, to 100", self.min_z));
        }
        if !(0.0..=CHANGE_MAX).contains(&self.floor()) {
            let expected = "0 to 1e6 percent or basis points";
            return Err(ParamError::new("min_change", expected, self.min_change));
        }
        if !(0.0..=self.min_z).contains(&self.rearm_z()) {
            let expected = format!("0 to min_z ({})", self.min_z);
            return Err(ParamError::new("rearm_z", expected, self.rearm_z()));
        }
        Ok(())
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        let is_in_percent = units.first() == Some(&Unit::Percent);
        if is_in_percent == self.min_change.is_basis_points() {
            return Ok(());
        }
        let (expected, found) = if is_in_percent {
            let expected = "basis points such as \"50bp\", since the series is of unit \"percent\"";
            (expected, self.min_change.to_string())
        } else {
            let expected =
                "a number in percent, since basis points are for a series of unit \"percent\"";
            (expected, format!("\"{}\"", self.min_change))
        };
        Err(ParamError::new("min_change", expected, found))
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[SPIKE]
    }

    fn is_scale_free(&self) -> bool {
        !self.min_change.is_basis_points()
    }

    fn reads_ticks(&self) -> bool {
        true
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "sigma".to_owned()
    }
}

/// Rung of the opening.
pub const SPIKE: &str = "spike";

/// Reason of the end: the z-score is below `rearm_z`.
pub const FADED: &str = "faded";

/// State of `spike`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    in_basis_points: bool,
    /// The last `window` values and the present one, oldest first.
    values: VecDeque<Seen>,
    /// The changes before the present one.
    changes: SortedWindow,
    /// The present change among them.
    now: Option<Shift>,
    is_open: bool,
    /// The episode that is open, or was last.
    episode: Option<Episode>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    value: f64,
    date: Date,
}

/// A change, and what it was held against.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Shift {
    /// In basis points or percent.
    change: f64,
    /// Median and median absolute deviation of the changes before it, and how many there were.
    median: f64,
    mad: f64,
    history: u32,
    /// Its robust z-score.
    z: f64,
    date: Date,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Episode {
    direction: Direction,
    since: Date,
    /// The change with the largest z-score.
    peak: Shift,
}

/// Basis points in one percent, and percent in one.
const HUNDREDTHS: f64 = 100.0;
/// Basis points are decimals of this fineness: 4.90 − 4.40 is 50.
const DECIMALS: f64 = 1e9;
/// Changes that differ by no more, in basis points or percent, are equal where the median absolute deviation is no
/// more.
const CHANGE_TIE: f64 = TIE * HUNDREDTHS;
/// A change from a median that more than half of the changes equal has no finite z-score; it counts as this one.
const Z_MAX: f64 = 1e3;

impl Shift {
    fn rescale(&mut self, factor: f64) {
        self.change *= factor;
        self.median *= factor;
        self.mad *= factor;
    }

    /// The z-score of a change.
    fn z_of(&self, change: f64) -> f64 {
        let above = change - self.median;
        if above.abs().max(self.mad) <= CHANGE_TIE {
            return 0.0;
        }
        (above / (MAD_TO_SIGMA * self.mad)).clamp(-Z_MAX, Z_MAX)
    }
}

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            in_basis_points: params.min_change.is_basis_points(),
            values: VecDeque::new(),
            changes: SortedWindow::new(params.trailing as usize),
            now: None,
            is_open: false,
            episode: None,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let Some(value) = self.usable(section.close(0)) else {
            return Step::passed_over(self.is_open);
        };
        let date = section.date();
        self.values.push_back(Seen { value, date });
        if self.values.len() <= params.window as usize {
            return Step::passed_over(self.is_open);
        }
        if self.values.len() > params.window as usize + 1 {
            self.values.pop_front();
        }
        let change = self.change(value, self.values[0].value);
        self.now = self.hold_against_past(params, change, date);
        self.changes.push(change);
        match self.now {
            Some(now) => self.turn(params, now),
            None => Step::passed_over(self.is_open),
        }
    }

    fn account(&self, params: &Params, names: Names<'_>, change: &Change) -> Account {
        self.tell(params, names, change)
    }

    /// Changes in percent stay as they are, those in basis points go along with the values.
    fn rescale(&mut self, _input: usize, factor: f64) {
        for seen in &mut self.values {
            seen.value *= factor;
        }
        if self.in_basis_points {
            self.changes.scale(factor);
            let of_episode = self.episode.as_mut().map(|episode| &mut episode.peak);
            for shift in self.now.as_mut().into_iter().chain(of_episode) {
                shift.rescale(factor);
            }
        }
    }
}

impl State {
    /// The value, where the kind of change that the rule takes exists.
    fn usable(&self, value: Option<f64>) -> Option<f64> {
        if self.in_basis_points {
            value.filter(|value| value.abs() <= 1e100)
        } else {
            positive(value)
        }
    }

    /// The change from one value to another.
    fn change(&self, to: f64, from: f64) -> f64 {
        if self.in_basis_points {
            decimal((to - from) * HUNDREDTHS)
        } else {
            (to / from - 1.0) * HUNDREDTHS
        }
    }

    fn hold_against_past(&self, params: &Params, change: f64, date: Date) -> Option<Shift> {
        let history = u32::try_from(self.changes.len()).unwrap_or(u32::MAX);
        if history < params.min_history() {
            return None;
        }
        let mut shift = Shift {
            change,
            median: self.changes.median()?,
            mad: self.changes.median_absolute_deviation()?,
            history,
            z: 0.0,
            date,
        };
        shift.z = shift.z_of(change);
        Some(shift)
    }

    fn turn(&mut self, params: &Params, now: Shift) -> Step {
        let rearm = params.rearm_z();
        if let (true, Some(episode)) = (self.is_open, &mut self.episode) {
            let z = along(episode.direction, now.z);
            if z > along(episode.direction, episode.peak.z) {
                episode.peak = now;
            }
            self.is_open = z >= rearm;
            return Step {
                reading: Some(measure(episode.direction, now.z, rearm, z - rearm)),
                change: if self.is_open {
                    Change::Hold
                } else {
                    Change::Resolve(FADED)
                },
            };
        }
        let direction = params.direction.of(now.z);
        let z = along(direction, now.z);
        let has_risen = along(direction, now.change) >= params.floor();
        // The floor as a z-score, so that one number tells what is missing.
        let floor = along(direction, now.z_of(along(direction, params.floor())));
        let threshold = params.min_z.max(floor);
        let opens = z >= params.min_z && has_risen;
        if opens {
            self.is_open = true;
            self.episode = Some(Episode {
                direction,
                since: now.date,
                peak: now,
            });
        }
        let missing = if opens { 0.0 } else { threshold - z };
        Step {
            reading: Some(measure(direction, now.z, threshold, missing)),
            change: if opens {
                Change::Open(SPIKE)
            } else {
                Change::Quiet
            },
        }
    }
}

fn measure(direction: Direction, z: f64, threshold: f64, distance: f64) -> Measure {
    Measure {
        value: z,
        threshold: along(direction, threshold),
        distance: distance.max(0.0),
    }
}

fn decimal(value: f64) -> f64 {
    let rounded = libm::round(value * DECIMALS) / DECIMALS;
    if rounded.is_finite() { rounded } else { value }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |window, trailing, min_z, min_change, direction| Params {
        series: "A".to_owned(),
        window,
        trailing,
        min_history: Some(20),
        min_z,
        min_change,
        rearm_z: None,
        direction,
    };
    vec![
        params(5, 100, 2.0, Distance::Units(1.0), Way::Both),
        params(1, 60, 1.5, Distance::Units(0.5), Way::Down),
        params(20, 200, 1.5, Distance::BasisPoints(50.0), Way::Up),
    ]
}

#[cfg(test)]
mod tests;
