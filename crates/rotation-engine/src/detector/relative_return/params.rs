//! What a `relative_return` is told.

use super::{OPEN, Over, RECORD, SINCE_YEARS};
use crate::detector::{ParamError, Unit, Way, bounds};
use serde::{Deserialize, Serialize};

/// Parameters of `relative_return`: the leader's return minus the laggard's, each compounded over the same sessions, in
/// percentage points.
///
/// Sessions that lack either series are passed over, and the next return spans the gap. Values that are not positive
/// have no return and count as lacking. All conditions for opening that are given have to hold together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The series that is to be ahead: a symbol.
    pub leader: String,
    /// The series that it is held against: another symbol.
    pub laggard: String,
    /// What the returns are taken over: so many sessions, 1 to 1,000; or "month", "quarter", "year" to date, from the
    /// last close before it. Default 20.
    #[serde(default)]
    pub over: Over,
    /// Which way the difference has to point: "up" where the leader is ahead, "down" where it trails, "both". Default
    /// "up".
    #[serde(default = "direction_default")]
    pub direction: Way,
    /// Percentage points that an opening needs, inclusive. Default absent: no condition; above 0, to 10,000.
    #[serde(default)]
    pub open_points: Option<f64>,
    /// Percentile among the differences before it that an opening needs, inclusive; "down" it counts from the other
    /// end. Default 99 where neither other condition is given, else absent: no condition; 50 to 100.
    #[serde(default)]
    pub open_percentile: Option<f64>,
    /// An opening needs the difference to be the widest in its direction for more than so many calendar years. Default
    /// absent: no condition; 1 to 200. History shorter than that cannot satisfy it.
    #[serde(default)]
    pub open_since_years: Option<u32>,
    /// Escalates an open episode when it becomes the widest for more than so many calendar years, each once. Default
    /// [5, 15, 25]; ascending, 1 to 200, at most 32. Empty: never.
    #[serde(default = "escalate_since_years_default")]
    pub escalate_since_years: Vec<u32>,
    /// Escalates an open episode at each session that is the widest on record, where the record is of more than so many
    /// calendar years. Default 10; 1 to 200.
    #[serde(default = "record_years_default")]
    pub record_years: u32,
    /// An episode ends when the difference has narrowed to this share of its widest and the conditions for opening do
    /// not hold. Default 0.5; 0 to 1.
    #[serde(default = "narrowed_to_default")]
    pub narrowed_to: f64,
    /// Takes leader − β · laggard instead, β from the returns of so many sessions up to where the span begins. Default
    /// absent: β is 1; 20 to 2,520. Where the leader moves more than the laggard, the plain difference is partly the
    /// market's.
    #[serde(default)]
    pub beta_sessions: Option<u32>,
    /// Differences before the present one that it is ranked among, at most. Default 2,520, ten years of sessions; 20 to
    /// 65,536.
    #[serde(default = "trailing_default")]
    pub trailing: u32,
    /// Differences before the present one that a percentile needs. Default 252, or `trailing` where that is less; 20 to
    /// `trailing`.
    #[serde(default)]
    pub min_history: Option<u32>,
}

fn direction_default() -> Way {
    Way::Up
}

fn escalate_since_years_default() -> Vec<u32> {
    vec![5, 15, 25]
}

fn record_years_default() -> u32 {
    10
}

fn narrowed_to_default() -> f64 {
    0.5
}

fn trailing_default() -> u32 {
    2_520
}

pub(super) const SESSIONS_MAX: u32 = 1_000;
const POINTS_MAX: f64 = 10_000.0;
const PERCENTILE_DEFAULT: f64 = 99.0;
const YEARS_MAX: u32 = 200;
const HISTORY_MIN: u32 = 20;
const HISTORY_DEFAULT: u32 = 252;
const TRAILING_MAX: u32 = 65_536;
const BETA_SESSIONS: std::ops::RangeInclusive<u32> = 20..=2_520;

impl Params {
    /// The percentile that an opening needs, in percent.
    pub fn open_percentile(&self) -> Option<f64> {
        let others = self.open_points.is_some() || self.open_since_years.is_some();
        self.open_percentile
            .or((!others).then_some(PERCENTILE_DEFAULT))
    }

    /// Differences before the present one that a percentile needs.
    pub fn min_history(&self) -> u32 {
        self.min_history
            .unwrap_or(HISTORY_DEFAULT.min(self.trailing))
    }

    fn check_conditions(&self) -> Result<(), ParamError> {
        if let Some(points) = self.open_points
            && !(points > 0.0 && points <= POINTS_MAX)
        {
            let expected = format!("above 0, to {POINTS_MAX} points");
            return Err(ParamError::new("open_points", expected, points));
        }
        let of_years = 1..=YEARS_MAX;
        if let Some(percentile) = self.open_percentile {
            let of_percentile = 50.0..=100.0;
            bounds::within("open_percentile", percentile, &of_percentile, "percent")?;
        }
        if let Some(years) = self.open_since_years {
            bounds::within("open_since_years", years, &of_years, "years")?;
        }
        bounds::within("record_years", self.record_years, &of_years, "years")?;
        let escalations = &self.escalate_since_years;
        bounds::ascending("escalate_since_years", escalations, &of_years, "years")
    }
}

impl crate::detector::Params for Params {
    fn inputs(&self) -> Vec<String> {
        vec![self.leader.clone(), self.laggard.clone()]
    }

    fn subject(&self) -> String {
        format!("{}/{}", self.leader, self.laggard)
    }

    fn check(&self) -> Result<(), ParamError> {
        bounds::symbol("leader", &self.leader)?;
        bounds::symbol("laggard", &self.laggard)?;
        if self.leader == self.laggard {
            let expected = "another series than the leader";
            return Err(ParamError::new("laggard", expected, &self.laggard));
        }
        if let Over::Sessions(sessions) = self.over
            && !(1..=SESSIONS_MAX).contains(&sessions)
        {
            let expected = format!(
                "1 to {SESSIONS_MAX} sessions, or \"month\", \"quarter\" or \"year\" to date"
            );
            return Err(ParamError::new("over", expected, sessions));
        }
        self.check_conditions()?;
        let of_share = 0.0..=1.0;
        bounds::within("narrowed_to", self.narrowed_to, &of_share, "of the widest")?;
        if let Some(sessions) = self.beta_sessions {
            bounds::within("beta_sessions", sessions, &BETA_SESSIONS, "sessions")?;
        }
        let of_trailing = HISTORY_MIN..=TRAILING_MAX;
        bounds::within("trailing", self.trailing, &of_trailing, "differences")?;
        let of_history = HISTORY_MIN..=self.trailing;
        bounds::within(
            "min_history",
            self.min_history(),
            &of_history,
            "differences",
        )
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        bounds::have_returns(&["leader", "laggard"], units)
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[OPEN, SINCE_YEARS, RECORD]
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn reads_ticks(&self) -> bool {
        false
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "points".to_owned()
    }
}
