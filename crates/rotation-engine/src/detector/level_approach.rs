//! A series nearing a level from one side.

use super::{Account, Change, Detector, Distance, Names, ParamError, Params as _, Step, Unit};
use crate::section::Section;
use serde::{Deserialize, Serialize};

/// Parameters of `level_approach`: a series nearing a level from one side, such as the 10-year yield toward 5 %.
///
/// It is unarmed at first, and arms at a value strictly beyond `rearm` on the near side. Armed, it opens within `near` of
/// the level, inclusive, however far past it the value is. The episode ends `retreated` strictly beyond `rearm` on the
/// near side, or `through` strictly beyond `rearm` on the far side. Values are compared as decimals, rounded to 1e-9 of
/// the series' unit; beyond ±9.2e9 they count as ±9.2e9.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The series: a symbol.
    pub series: String,
    /// The level, in the series' unit; −1e9 to 1e9.
    pub level: f64,
    /// The side that the series comes from. Default "below".
    #[serde(default)]
    pub from: Side,
    /// Distance from the level at which an episode opens, inclusive: in the series' unit, or such as "10bp". Default 2 % of
    /// the level; 0 to 1e9. The wider, the earlier and the more often.
    #[serde(default)]
    pub near: Option<Distance>,
    /// Distance from the level beyond which an episode ends and the next is armed: in the series' unit, or such as "30bp".
    /// Default 6 % of the level; above `near`, to 1e9. The wider, the fewer and longer the episodes.
    #[serde(default)]
    pub rearm: Option<Distance>,
    /// Sessions over which the velocity is measured. Default 5; 1 to 1,000.
    #[serde(default = "velocity_sessions_default")]
    pub velocity_sessions: u32,
    /// Velocity toward the level, a session, that an opening needs: in the series' unit, or such as "2bp". Default 0: no
    /// condition; to 1e9. Above 0 nothing opens before so many sessions were seen.
    #[serde(default = "min_velocity_default")]
    pub min_velocity: Distance,
}

fn velocity_sessions_default() -> u32 {
    5
}

fn min_velocity_default() -> Distance {
    Distance::Units(0.0)
}

/// The side of a level that a series comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Rising toward the level.
    #[default]
    Below,
    /// Falling toward it.
    Above,
}

const VALUE_MAX: f64 = 1e9;
const VELOCITY_SESSIONS_MAX: u32 = 1_000;

impl Params {
    /// The distance that opens, in the series' unit.
    pub fn near(&self) -> f64 {
        self.near
            .map_or(self.level.abs() * 0.02, Distance::in_units)
    }

    /// The distance that ends and arms, in the series' unit.
    pub fn rearm(&self) -> f64 {
        self.rearm
            .map_or(self.level.abs() * 0.06, Distance::in_units)
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
        if self.series.is_empty() {
            return Err(ParamError::new("series", "a symbol", "\"\""));
        }
        if !(-VALUE_MAX..=VALUE_MAX).contains(&self.level) {
            return Err(ParamError::new("level", "-1e9 to 1e9", self.level));
        }
        if !(0.0..=VALUE_MAX).contains(&self.near()) {
            return Err(ParamError::new(
                "near",
                "a distance of 0 to 1e9",
                self.near(),
            ));
        }
        if !(self.rearm() > self.near() && self.rearm() <= VALUE_MAX) {
            let expected = format!("a distance above near ({}), to 1e9", self.near());
            return Err(ParamError::new("rearm", expected, self.rearm()));
        }
        if !(1..=VELOCITY_SESSIONS_MAX).contains(&self.velocity_sessions) {
            let expected = format!("1 to {VELOCITY_SESSIONS_MAX} sessions");
            return Err(ParamError::new(
                "velocity_sessions",
                expected,
                self.velocity_sessions,
            ));
        }
        let min_velocity = self.min_velocity.in_units();
        if !(0.0..=VALUE_MAX).contains(&min_velocity) {
            return Err(ParamError::new(
                "min_velocity",
                "0 to 1e9 a session",
                min_velocity,
            ));
        }
        Ok(())
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        let distances = [
            ("near", self.near),
            ("rearm", self.rearm),
            ("min_velocity", Some(self.min_velocity)),
        ];
        for (key, distance) in distances {
            if let Some(distance) = distance
                && distance.is_basis_points()
                && units.first() != Some(&Unit::Percent)
            {
                let expected = "a number, since basis points are for a series of unit \"percent\"";
                return Err(ParamError::new(key, expected, format!("\"{distance}\"")));
            }
        }
        Ok(())
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[NEAR, TOUCHED, CLOSED_BEYOND]
    }

    fn is_scale_free(&self) -> bool {
        false
    }

    fn reads_ticks(&self) -> bool {
        true
    }

    fn unit(&self, series_unit: Unit) -> String {
        let name = match series_unit {
            Unit::Price => "price",
            Unit::Percent => "percent",
            Unit::Ratio => "ratio",
            Unit::Number => "number",
        };
        name.to_owned()
    }
}

/// Rung of an opening short of the level.
pub const NEAR: &str = "near";
/// Rung of the episode's first value at or past the level.
pub const TOUCHED: &str = "touched";
/// Rung of the episode's first session close strictly past the level.
pub const CLOSED_BEYOND: &str = "closed_beyond";

/// State of `level_approach`.
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
