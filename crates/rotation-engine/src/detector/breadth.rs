//! How many members of a group take part in a move.

use super::members::{self, Members};
use super::threshold::{self, Side, Threshold};
use super::{Account, Change, Detector, Measure, Names, ParamError, Step, TIE, Unit, positive};
use crate::indicator::Ema;
use crate::section::Section;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

mod account;
mod windows;

use windows::{Tally, Windows};

/// Parameters of `breadth`: how many members of a group take part in a move.
///
/// Members that lack a close, that are not listed yet, or that do not belong to the group on the day are left out, and
/// counted. Closes that are not positive count as lacking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The members: symbols, or tables such as `{ symbol = "A", from = "2001-01-31", to = "2010-12-31" }` with the
    /// first day inside and the first outside, either of which may be absent. 2 to 10,000; a symbol may have several
    /// intervals.
    pub members: Members,
    /// What the group is called in headlines, and the subject of alerts. Default "members".
    #[serde(default = "members::group_default")]
    pub group: String,
    /// What is read: `above_mean`, `advance_decline`, `new_highs`, `mcclellan`, `summation` or `thrust`. Default
    /// `above_mean`.
    #[serde(default)]
    pub measure: Gauge,
    /// Sessions of the mean of `above_mean` (default 50), of the highs and lows of `new_highs` (default 252), or of the
    /// average of `thrust` (default 10); 2 to 1,000. The other measures have none.
    #[serde(default)]
    pub sessions: Option<u32>,
    /// The side of `open_at` that opens. Default "above". A thrust has no other.
    #[serde(default)]
    pub direction: Side,
    /// Opens at this reading or beyond. Default of `above_mean`: 70 percent, of direction "below" 30; of `thrust`:
    /// .615, exclusive. The other measures open nothing unless it is given. Percent 0 to 100, shares 0 to 1, others
    /// within ±1e6.
    #[serde(default)]
    pub open_at: Option<f64>,
    /// Ends strictly beyond this reading on the way back. Default of `above_mean`: 10 points short of `open_at`; of
    /// `thrust`: .5; of the others 0. At most `open_at`, of direction "below" at least.
    #[serde(default)]
    pub close_at: Option<f64>,
    /// Of `thrust`: the average has to have been strictly below this. Default .4; 0 to `close_at`.
    #[serde(default)]
    pub arm_below: Option<f64>,
    /// Of `thrust`: so many sessions ago at most. Default 10; 1 to 250.
    #[serde(default)]
    pub within_sessions: Option<u32>,
    /// Percent of the day's members that have to count, lest a few stand for all: below it the session says nothing.
    /// Default 50; 0 to 100.
    #[serde(default = "members::min_counted_pct_default")]
    pub min_counted_pct: f64,
}

/// What is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Gauge {
    /// Percent of members above the mean of their last closes.
    #[default]
    AboveMean,
    /// Advances less declines.
    AdvanceDecline,
    /// New highs less new lows.
    NewHighs,
    /// The McClellan oscillator of ratio-adjusted net advances.
    Mcclellan,
    /// Its running sum.
    Summation,
    /// A breadth thrust.
    Thrust,
}

const SESSIONS_MAX: u32 = 1_000;
const WITHIN_MAX: u32 = 250;
const LEVEL_MAX: f64 = 1e6;

impl Params {
    /// The length of the window, where the measure has one.
    pub fn window(&self) -> Option<u32> {
        let default = match self.measure {
            Gauge::AboveMean => 50,
            Gauge::NewHighs => 252,
            Gauge::Thrust => 10,
            Gauge::AdvanceDecline | Gauge::Mcclellan | Gauge::Summation => return None,
        };
        Some(self.sessions.unwrap_or(default))
    }

    /// Where it opens and ends, if it does.
    fn threshold(&self) -> Option<Threshold> {
        let side = self.direction;
        let open_at = match (self.open_at, self.measure, side) {
            (Some(level), ..) => level,
            (None, Gauge::AboveMean, Side::Above) => 70.0,
            (None, Gauge::AboveMean, Side::Below) => 30.0,
            (None, Gauge::Thrust, _) => 0.615,
            (None, ..) => return None,
        };
        let close_at = self.close_at.unwrap_or(match (self.measure, side) {
            (Gauge::AboveMean, Side::Above) => (open_at - 10.0).max(0.0),
            (Gauge::AboveMean, Side::Below) => (open_at + 10.0).min(100.0),
            (Gauge::Thrust, _) => 0.5,
            _ => 0.0,
        });
        Some(Threshold {
            side,
            open_at,
            close_at,
        })
    }

    fn arm_below(&self) -> f64 {
        self.arm_below.unwrap_or(0.4)
    }

    fn within_sessions(&self) -> u32 {
        self.within_sessions.unwrap_or(10)
    }

    fn check_thrust(&self) -> Result<(), ParamError> {
        if self.measure != Gauge::Thrust {
            let given = [
                ("arm_below", self.arm_below.is_some()),
                ("within_sessions", self.within_sessions.is_some()),
            ];
            return match given.iter().find(|(_, is_given)| *is_given) {
                Some((key, _)) => Err(ParamError::new(
                    key,
                    "it only beside measure = \"thrust\"",
                    "it",
                )),
                None => Ok(()),
            };
        }
        let close_at = self.threshold().map_or(0.0, |threshold| threshold.close_at);
        if !(0.0..=close_at).contains(&self.arm_below()) {
            let expected = format!("0 to close_at ({close_at})");
            return Err(ParamError::new("arm_below", expected, self.arm_below()));
        }
        if !(1..=WITHIN_MAX).contains(&self.within_sessions()) {
            let expected = format!("1 to {WITHIN_MAX} sessions");
            return Err(ParamError::new(
                "within_sessions",
                expected,
                self.within_sessions(),
            ));
        }
        Ok(())
    }
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
        members::check_group(&self.group)?;
        match (self.sessions, self.window()) {
            (Some(given), None) => {
                let expected = "no sessions beside this measure";
                return Err(ParamError::new("sessions", expected, given));
            }
            (_, Some(window)) if !(2..=SESSIONS_MAX).contains(&window) => {
                let expected = format!("2 to {SESSIONS_MAX} sessions");
                return Err(ParamError::new("sessions", expected, window));
            }
            _ => {}
        }
        if !(0.0..=100.0).contains(&self.min_counted_pct) {
            let expected = "0 to 100 percent";
            return Err(ParamError::new(
                "min_counted_pct",
                expected,
                self.min_counted_pct,
            ));
        }
        if self.measure == Gauge::Thrust && self.direction == Side::Below {
            return Err(ParamError::new(
                "direction",
                "\"above\" for a thrust",
                "\"below\"",
            ));
        }
        match self.threshold() {
            Some(threshold) => match self.measure {
                Gauge::AboveMean => threshold.check(&(0.0..=100.0), "percent")?,
                Gauge::Thrust => threshold.check(&(0.0..=1.0), "of the moves")?,
                Gauge::AdvanceDecline | Gauge::NewHighs => {
                    threshold.check(&(-LEVEL_MAX..=LEVEL_MAX), "members")?;
                }
                Gauge::Mcclellan | Gauge::Summation => {
                    threshold.check(&(-LEVEL_MAX..=LEVEL_MAX), "points")?;
                }
            },
            None => threshold::refuse_lone_close(self.close_at)?,
        }
        self.check_thrust()
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        members::check_units("members", units)
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[threshold::BEYOND, THRUST]
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
        let unit = match self.measure {
            Gauge::AboveMean => "percent",
            Gauge::AdvanceDecline | Gauge::NewHighs => "members",
            Gauge::Mcclellan | Gauge::Summation => "points",
            Gauge::Thrust => "share",
        };
        unit.to_owned()
    }
}

/// Rung of a breadth thrust.
pub const THRUST: &str = "thrust";

/// Reason of the end of a thrust: its average fell below `close_at`.
pub const FADED: &str = "faded";

/// Periods of the averages of the McClellan oscillator: α of 10 % and 5 %.
const FAST: usize = 19;
const SLOW: usize = 39;

/// Net advances are given per so many moves.
const RATIO_ADJUSTED: f64 = 1_000.0;

/// State of `breadth`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    windows: Windows,
    /// What the last section counted.
    tally: Tally,
    smooth: Smooth,
    /// The reading of the last section; none where there was none.
    value: Option<f64>,
    is_open: bool,
}

/// What is kept of the tallies of earlier sections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Smooth {
    Nothing,
    /// The running sum of advances less declines.
    Line(i64),
    Mcclellan {
        fast: Ema,
        slow: Ema,
        /// Ratio-adjusted net advances of the last section.
        net: f64,
        /// Sections averaged.
        sections: u32,
        summation: f64,
    },
    Thrust {
        average: Ema,
        /// Sections averaged.
        sections: u32,
        low: Option<Low>,
    },
}

/// The last average below the level that arms a thrust.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Low {
    value: f64,
    date: Date,
    sessions_ago: u32,
}

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        let smooth = match params.measure {
            Gauge::AboveMean | Gauge::NewHighs => Smooth::Nothing,
            Gauge::AdvanceDecline => Smooth::Line(0),
            Gauge::Mcclellan | Gauge::Summation => Smooth::Mcclellan {
                fast: Ema::new(FAST),
                slow: Ema::new(SLOW),
                net: 0.0,
                sections: 0,
                summation: 0.0,
            },
            Gauge::Thrust => Smooth::Thrust {
                average: Ema::new(params.window().unwrap_or(1) as usize),
                sections: 0,
                low: None,
            },
        };
        State {
            windows: Windows::new(params),
            tally: Tally::default(),
            smooth,
            value: None,
            is_open: false,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let close = |place| positive(section.close(place)).unwrap_or(0.0);
        let closes: Vec<f64> = (0..params.members.len()).map(close).collect();
        let date = section.date();
        self.tally = self.windows.read(&closes, &params.members.on(date));
        self.value = None;
        if !self.tally.is_enough(params.min_counted_pct) {
            return Step::passed_over(self.is_open);
        }
        self.value = self.measure(params, date);
        match (self.value, params.threshold(), &mut self.smooth) {
            (Some(value), Some(levels), Smooth::Thrust { low, .. }) => {
                turn_thrust(params, levels, low, &mut self.is_open, value)
            }
            (value, levels, _) => threshold::answer(value, levels, &mut self.is_open),
        }
    }

    fn account(&self, params: &Params, _names: Names<'_>, change: &Change) -> Account {
        self.tell(params, change)
    }

    fn rescale(&mut self, input: usize, factor: f64) {
        self.windows.rescale(input, factor);
    }
}

impl State {
    /// Takes the tally in: the reading, once there is one.
    fn measure(&mut self, params: &Params, date: Date) -> Option<f64> {
        let tally = self.tally;
        let net = f64::from(tally.up) - f64::from(tally.down);
        let moves = f64::from(tally.up) + f64::from(tally.down);
        match &mut self.smooth {
            Smooth::Nothing if params.measure == Gauge::NewHighs => Some(net),
            Smooth::Nothing => Some(tally.percent_up()),
            Smooth::Line(line) => {
                *line += i64::from(tally.up) - i64::from(tally.down);
                Some(net)
            }
            Smooth::Mcclellan {
                fast,
                slow,
                net: last,
                sections,
                summation,
            } => {
                *last = if moves > 0.0 {
                    RATIO_ADJUSTED * net / moves
                } else {
                    0.0
                };
                *sections = sections.saturating_add(1);
                let oscillator = fast.push(*last) - slow.push(*last);
                if (*sections as usize) < SLOW {
                    return None;
                }
                *summation += oscillator;
                let is_sum = params.measure == Gauge::Summation;
                Some(if is_sum { *summation } else { oscillator })
            }
            Smooth::Thrust {
                average,
                sections,
                low,
            } => {
                // Where nobody moved there is no share: the average stands, and no session has passed.
                if moves > 0.0 {
                    let value = average.push(f64::from(tally.up) / moves);
                    *sections = sections.saturating_add(1);
                    if value < params.arm_below() {
                        *low = Some(Low {
                            value,
                            date,
                            sessions_ago: 0,
                        });
                    } else if let Some(low) = low {
                        low.sessions_ago = low.sessions_ago.saturating_add(1);
                    }
                }
                let is_warm = params.window().is_some_and(|window| *sections >= window);
                average.get().filter(|_| is_warm)
            }
        }
    }
}

/// Takes the average of a thrust to its next phase. One low makes one thrust.
fn turn_thrust(
    params: &Params,
    levels: Threshold,
    low: &mut Option<Low>,
    is_open: &mut bool,
    value: f64,
) -> Step {
    let is_armed = low.is_some_and(|low| low.sessions_ago <= params.within_sessions());
    let (change, threshold, distance) = if *is_open {
        let change = if value < levels.close_at {
            Change::Resolve(FADED)
        } else {
            Change::Hold
        };
        (change, levels.close_at, value - levels.close_at)
    } else if is_armed {
        let change = if value > levels.open_at {
            Change::Open(THRUST)
        } else {
            Change::Quiet
        };
        (change, levels.open_at, levels.open_at - value)
    } else {
        (
            Change::Quiet,
            params.arm_below(),
            value - params.arm_below(),
        )
    };
    *is_open = matches!(change, Change::Open(_) | Change::Hold);
    if matches!(change, Change::Resolve(_)) && low.is_some_and(|low| low.sessions_ago > 0) {
        *low = None;
    }
    let measure = Measure {
        value,
        threshold,
        distance: distance.max(0.0),
    };
    Step {
        reading: Some(measure),
        change,
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |measure, sessions, direction, open_at, close_at| Params {
        members: Members::always(&["A", "B", "C", "D", "E", "F", "G"]),
        group: "the group".to_owned(),
        measure,
        sessions,
        direction,
        open_at,
        close_at,
        arm_below: None,
        within_sessions: None,
        min_counted_pct: 50.0,
    };
    let dated = serde_json::json!([
        "A", "B", {"symbol": "C", "from": "2000-03-01", "to": "2001-03-01"}, {"symbol": "D", "to": "2000-09-01"},
        {"symbol": "C", "from": "2002-01-01"},
    ]);
    vec![
        params(Gauge::AboveMean, Some(20), Side::Above, None, None),
        Params {
            members: serde_json::from_value(dated).expect("a list of members"),
            ..params(Gauge::AboveMean, Some(5), Side::Below, None, Some(50.0))
        },
        params(Gauge::AdvanceDecline, None, Side::Above, Some(4.0), None),
        params(Gauge::NewHighs, Some(20), Side::Below, Some(-2.0), None),
        params(Gauge::Mcclellan, None, Side::Above, Some(90.0), None),
        params(Gauge::Summation, None, Side::Below, Some(-500.0), None),
        params(Gauge::Thrust, None, Side::Above, None, None),
    ]
}

#[cfg(test)]
mod tests;
