//! A series nearing a level from one side.

use super::day::Day;
use super::{
    Account, Change, Detector, Distance, Measure, Names, ParamError, Step, TIE, Unit, bounds,
};
use crate::section::Section;
use crate::window::SortedWindow;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

mod account;
mod edges;

use edges::{Decimal, Edges};

/// Parameters of `level_approach`: a series nearing a level from one side, such as the 10-year yield toward 5 %.
///
/// It is unarmed at first, and arms at a value strictly beyond `rearm` on the near side. Armed, it opens within `near`
/// of the level, inclusive, however far past it the value is. The episode ends `retreated` strictly beyond `rearm` on
/// the near side, or `through` strictly beyond `rearm` on the far side. Values are compared as decimals, rounded to
/// 1e-9 of the series' unit; beyond ±9.2e9 they count as ±9.2e9.
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
    /// Distance from the level at which an episode opens, inclusive: in the series' unit, or such as "10bp". Default 2
    /// % of the level; 0 to 1e9. The wider, the earlier and the more often.
    #[serde(default)]
    pub near: Option<Distance>,
    /// Distance from the level beyond which an episode ends and the next is armed: in the series' unit, or such as
    /// "30bp". Default 6 % of the level; above `near`, to 1e9. The wider, the fewer and longer the episodes.
    #[serde(default)]
    pub rearm: Option<Distance>,
    /// Sessions over which the velocity is measured. Default 5; 1 to 1,000.
    #[serde(default = "velocity_sessions_default")]
    pub velocity_sessions: u32,
    /// Velocity toward the level, a session, that an opening needs: in the series' unit, or such as "2bp". Default 0:
    /// no condition; to 1e9. Above 0 nothing opens before so many sessions were seen.
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
        bounds::symbol("series", &self.series)?;
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

/// Reason of the end: back beyond `rearm` on the near side.
pub const RETREATED: &str = "retreated";
/// Reason of the end: past the level by more than `rearm`.
pub const THROUGH: &str = "through";

/// State of `level_approach`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    edges: Edges,
    day: Day,
    /// The last value, as given and on the axis of the edges.
    value: f64,
    at: Decimal,
    is_session: bool,
    /// The last values of the last days, the present one included, one more than `velocity_sessions` at most; on the
    /// axis of the edges, as all below.
    days: VecDeque<Decimal>,
    /// Change over `velocity_sessions`, a session, positive toward the level; none before so many sessions.
    velocity: Option<f64>,
    /// Each earlier session's last velocity.
    velocities: SortedWindow,
    phase: Phase,
    /// The episode that is open, or was last.
    episode: Option<Episode>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Phase {
    /// Waits for a value beyond `rearm`.
    Unarmed,
    /// Waits for one within `near`; since when.
    Armed(Date),
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Episode {
    armed_since: Date,
    is_touched: bool,
    is_closed_beyond: bool,
    /// The value furthest toward the level, or past it.
    peak: Decimal,
    peak_date: Date,
}

/// Trailing velocities that a z-score stands on: ten years of sessions at most, some three months at least.
const VELOCITIES_MAX: usize = 2_520;
const VELOCITIES_MIN: usize = 60;

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            edges: Edges::new(params),
            day: Day::NONE,
            value: 0.0,
            at: Decimal::ZERO,
            is_session: true,
            days: VecDeque::with_capacity(params.velocity_sessions as usize + 2),
            velocity: None,
            velocities: SortedWindow::new(VELOCITIES_MAX),
            phase: Phase::Unarmed,
            episode: None,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let Some(value) = section.close(0).filter(|value| value.is_finite()) else {
            return Step::passed_over(self.phase == Phase::Open);
        };
        self.value = value;
        self.at = self.edges.toward(Decimal::new(value));
        self.is_session = section.bucket.date.is_some();
        self.measure_velocity(params, section);
        let change = self.turn();
        Step {
            reading: Some(self.measure(&change)),
            change,
        }
    }

    fn account(&self, params: &Params, names: Names<'_>, change: &Change) -> Account {
        self.tell(params, names, change)
    }

    /// The history of the series changes basis; the level stays as configured.
    fn rescale(&mut self, _input: usize, factor: f64) {
        self.value *= factor;
        for value in self.days.iter_mut().chain([&mut self.at]) {
            *value = value.scaled(factor);
        }
        self.velocity = self.velocity.map(|velocity| velocity * factor);
        self.velocities.scale(factor);
        if let Some(episode) = &mut self.episode {
            episode.peak = episode.peak.scaled(factor);
        }
    }
}

impl State {
    fn measure_velocity(&mut self, params: &Params, section: &Section<'_>) {
        let now = self.at;
        if self.day.turn(section) {
            if let Some(velocity) = self.velocity {
                self.velocities.push(velocity);
            }
            if self.days.len() > params.velocity_sessions as usize {
                self.days.pop_front();
            }
            self.days.push_back(now);
        } else if let Some(today) = self.days.back_mut() {
            *today = now;
        }
        let is_full = self.days.len() > params.velocity_sessions as usize;
        let first = self.days.front().filter(|_| is_full);
        self.velocity =
            first.map(|first| now.minus(*first).to_f64() / f64::from(params.velocity_sessions));
    }

    /// Takes the last value to the next phase.
    fn turn(&mut self) -> Change {
        let edges = self.edges;
        let at = self.at;
        match self.phase {
            Phase::Unarmed => {
                if at < edges.arm {
                    self.phase = Phase::Armed(self.day.date);
                }
                Change::Quiet
            }
            Phase::Armed(since) => {
                if at >= edges.open && self.is_fast_enough() {
                    return self.open(at, since);
                }
                if at > edges.through {
                    self.phase = Phase::Unarmed;
                }
                Change::Quiet
            }
            Phase::Open if at < edges.arm => {
                self.phase = Phase::Armed(self.day.date);
                Change::Resolve(RETREATED)
            }
            Phase::Open if at > edges.through => {
                self.note(at);
                self.phase = Phase::Unarmed;
                Change::Resolve(THROUGH)
            }
            Phase::Open => self.note(at).map_or(Change::Hold, Change::Escalate),
        }
    }

    fn is_fast_enough(&self) -> bool {
        let floor = self.edges.min_velocity;
        let is_fast = |velocity| velocity >= floor * (1.0 - TIE);
        floor <= 0.0 || self.velocity.is_some_and(is_fast)
    }

    fn open(&mut self, at: Decimal, armed_since: Date) -> Change {
        self.phase = Phase::Open;
        self.episode = Some(Episode {
            armed_since,
            is_touched: false,
            is_closed_beyond: false,
            peak: at,
            peak_date: self.day.date,
        });
        Change::Open(self.note(at).unwrap_or(NEAR))
    }

    /// Notes the value in the episode; the rung that it is the first to reach.
    fn note(&mut self, at: Decimal) -> Option<&'static str> {
        let edges = self.edges;
        let episode = self.episode.as_mut()?;
        if at > episode.peak {
            episode.peak = at;
            episode.peak_date = self.day.date;
        }
        let closes_beyond = self.is_session && at > edges.level;
        let first_close = closes_beyond && !episode.is_closed_beyond;
        let first_touch = at >= edges.level && !episode.is_touched;
        episode.is_closed_beyond |= first_close;
        episode.is_touched |= first_touch;
        match (first_close, first_touch) {
            (true, _) => Some(CLOSED_BEYOND),
            (false, true) => Some(TOUCHED),
            (false, false) => None,
        }
    }

    /// The value against the edge that was crossed, or that the next event needs: while unarmed, the one that arms.
    fn measure(&self, change: &Change) -> Measure {
        let edges = &self.edges;
        let at = self.at;
        let reached = |edge: Decimal| (edge, Decimal::ZERO);
        let (edge, distance) = match (change, self.phase) {
            (Change::Open(NEAR), _) => reached(edges.open),
            (Change::Open(_) | Change::Escalate(_) | Change::Ease(_), _) => reached(edges.level),
            (Change::Resolve(RETREATED), _) => reached(edges.arm),
            (Change::Resolve(_), _) => reached(edges.through),
            (Change::Quiet | Change::Hold, Phase::Unarmed) => (edges.arm, at.minus(edges.arm)),
            (Change::Quiet | Change::Hold, Phase::Armed(_)) => (edges.open, edges.open.minus(at)),
            (Change::Quiet | Change::Hold, Phase::Open) => (edges.level, edges.level.minus(at)),
        };
        Measure {
            value: self.value,
            threshold: edges.value(edge),
            distance: distance.to_f64().max(0.0),
        }
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |level, from, near, rearm, velocity_sessions, min_velocity| Params {
        series: "A".to_owned(),
        level,
        from,
        near: Some(Distance::Units(near)),
        rearm: Some(Distance::Units(rearm)),
        velocity_sessions,
        min_velocity: Distance::Units(min_velocity),
    };
    vec![
        params(101.0, Side::Below, 0.5, 1.5, 5, 0.0),
        params(99.0, Side::Above, 1.0, 2.0, 2, 0.1),
        params(100.0, Side::Below, 0.0, 0.3, 1, 0.0),
    ]
}

#[cfg(test)]
mod tests;
