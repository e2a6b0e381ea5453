//! Change points of a series, found as its values come.

use super::{Account, Change, Detector, Measure, Names, ParamError, Step, Unit, bounds, positive};
use crate::clock::{DAY, date_key};
use crate::section::Section;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

mod account;
mod cusum;
mod fast;
mod gains;
mod posterior;
mod scale;
mod search;
mod threshold;

use scale::{RESOLUTION, Scale};
use search::Search;

/// Parameters of `mean_shift`: the series has left the level, or the line, that it kept to.
///
/// Everything is counted in observations: the sections in which the series has a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The series: a symbol.
    pub series: String,
    /// What of the series is watched: its `level` (the default), the `change` from observation to observation, or the
    /// simple `return`.
    #[serde(default)]
    pub of: Of,
    /// How changes are looked for: `bocpd` (the default), the posterior of how long the present segment has lasted, or
    /// `cusum`, cumulative sums in both directions.
    #[serde(default)]
    pub method: Method,
    /// What a segment is, with `bocpd`: `linear`, a line with its slope (the default), or `constant`, a level. `cusum`
    /// knows `constant` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<Segments>,
    /// How often the rule may alarm where nothing changes: once in so many observations. Default 10,000, some forty
    /// years of sessions; 250 to 100,000. Held on independent normal noise; more on other noise in the docs.
    #[serde(default = "false_alarm_one_in_default")]
    pub false_alarm_one_in: f64,
    /// What the reading is held against instead, without calibration: log odds with `bocpd`, −10 to 100; standard
    /// deviations with `cusum`, 0.5 to 100. Absent by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// The most observations behind a change that is still looked for. Default 250; 50 to 1,000. Memory and time grow
    /// with it. Thresholds are counted at 250; with less it alarms less often than asked.
    #[serde(default = "run_length_default")]
    pub run_length: u32,
    /// With `cusum`, half the shift that is found fastest, in standard deviations. Default 0.5; 0.25 to 1.
    #[serde(default = "reference_default")]
    pub reference: f64,
    /// Observations after an alarm at which its episode ends, unless another change came. Default 20; 1 to 1,000.
    #[serde(default = "settle_default")]
    pub settle: u32,
}

/// What of a series is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Of {
    /// The value itself.
    #[default]
    Level,
    /// The difference to the value before.
    Change,
    /// The relative difference to the value before.
    Return,
}

/// How changes are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Bayesian online change-point detection.
    #[default]
    Bocpd,
    /// Two-sided cumulative sums.
    Cusum,
}

/// What a series keeps to between two changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Segments {
    /// A level.
    Constant,
    /// A line.
    #[default]
    Linear,
}

fn false_alarm_one_in_default() -> f64 {
    10_000.0
}

fn run_length_default() -> u32 {
    250
}

fn reference_default() -> f64 {
    0.5
}

fn settle_default() -> u32 {
    20
}

/// Observations before the first reading: noise and correlation are measured on them.
const WARM_UP: u32 = 30;

/// Values beyond this are taken for missing, and noise below its inverse for that: squares of their quotients can still
/// be summed.
const VALUE_MAX: f64 = 1e50;
const NOISE_MIN: f64 = 1e-50;

impl super::Params for Params {
    fn inputs(&self) -> Vec<String> {
        vec![self.series.clone()]
    }

    fn subject(&self) -> String {
        self.series.clone()
    }

    fn check(&self) -> Result<(), ParamError> {
        bounds::symbol("series", &self.series)?;
        if self.method == Method::Cusum && self.segments == Some(Segments::Linear) {
            let expected = "\"constant\" with method \"cusum\"";
            return Err(ParamError::new("segments", expected, "\"linear\""));
        }
        let bounds = |key: &str, from: f64, to: f64, unit: &str, value: f64| {
            let expected = format!("{from} to {to} {unit}");
            if (from..=to).contains(&value) {
                Ok(())
            } else {
                Err(ParamError::new(key, expected.trim_end(), value))
            }
        };
        bounds(
            "false_alarm_one_in",
            threshold::ONE_IN_MIN,
            threshold::ONE_IN_MAX,
            "observations",
            self.false_alarm_one_in,
        )?;
        if let Some(threshold) = self.threshold {
            match self.method {
                Method::Bocpd => bounds("threshold", -10.0, 100.0, "log odds", threshold)?,
                Method::Cusum => {
                    bounds("threshold", 0.5, 100.0, "standard deviations", threshold)?;
                }
            }
        }
        bounds(
            "run_length",
            50.0,
            1_000.0,
            "observations",
            self.run_length.into(),
        )?;
        bounds(
            "reference",
            0.25,
            1.0,
            "standard deviations",
            self.reference,
        )?;
        bounds("settle", 1.0, 1_000.0, "observations", self.settle.into())
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        if self.of == Of::Return && units.first() == Some(&Unit::Percent) {
            let expected = "\"level\" or \"change\" for a series of unit \"percent\"";
            return Err(ParamError::new("of", expected, "\"return\""));
        }
        Ok(())
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[UP, DOWN]
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn reads_ticks(&self) -> bool {
        true
    }

    fn unit(&self, _series_unit: Unit) -> String {
        match self.method {
            Method::Bocpd => "log odds".to_owned(),
            Method::Cusum => "standard deviations".to_owned(),
        }
    }
}

impl Params {
    /// The rule as it comes, about a series.
    pub fn new(series: &str) -> Self {
        Params {
            series: series.to_owned(),
            of: Of::default(),
            method: Method::default(),
            segments: None,
            false_alarm_one_in: false_alarm_one_in_default(),
            threshold: None,
            run_length: run_length_default(),
            reference: reference_default(),
            settle: settle_default(),
        }
    }

    /// What segments are, where it was said, or what the method takes.
    fn segments(&self) -> Segments {
        match self.method {
            Method::Bocpd => self.segments.unwrap_or_default(),
            Method::Cusum => Segments::Constant,
        }
    }

    /// What the reading is held against.
    fn alarm_at(&self) -> f64 {
        self.threshold
            .unwrap_or_else(|| threshold::calibrated(self))
    }
}

/// Rung of a change upward: the values since lie above where the segment before would have gone.
pub const UP: &str = "up";
/// Rung of a change downward.
pub const DOWN: &str = "down";

/// Reason of the end: so many observations without another change.
pub const SETTLED: &str = "settled";

/// State of `mean_shift`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    of: Of,
    /// The last value of the series, where what is watched is a difference.
    previous: Option<f64>,
    /// What is watched, newest last: as many observations as a change may lie back.
    recent: VecDeque<Observed>,
    scale: Scale,
    /// Observations until the first reading.
    cold_for: u32,
    search: Option<Search>,
    /// The change that was told last.
    told: Option<Shift>,
    is_open: bool,
    /// Observations since the last alarm.
    since_alarm: u32,
    /// Whether times are dates of sessions.
    on_sessions: bool,
}

/// An observation: what is watched, and when it was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Observed {
    value: f64,
    /// Midnight of the session, else the instant, in nanoseconds.
    at: i64,
}

/// The noise as it is measured at an observation.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Noise {
    /// Its standard deviation; positive.
    deviation: f64,
    /// What an observation counts for, above 0 to 1.
    weight: f64,
}

/// A change, as it was seen at its alarm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Shift {
    /// The first observation of the new segment, and the one of the alarm.
    at: i64,
    alarm_at: i64,
    /// Observations from the one to the other.
    delay: u32,
    /// What the segment before comes to at the alarm, and the new one.
    before: f64,
    after: f64,
    /// The standard deviation of the noise before.
    noise: f64,
    /// The reading of the alarm.
    reading: f64,
}

impl Shift {
    fn size(&self) -> f64 {
        self.after - self.before
    }

    fn rung(&self) -> &'static str {
        if self.size() >= 0.0 { UP } else { DOWN }
    }
}

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            of: params.of,
            previous: None,
            recent: VecDeque::new(),
            scale: Scale::new(),
            cold_for: WARM_UP,
            search: None,
            told: None,
            is_open: false,
            since_alarm: 0,
            on_sessions: false,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let Some((value, resolution)) = self.watch(params, section) else {
            return Step::passed_over(self.is_open);
        };
        self.keep(params, section, value);
        self.scale.push(value, params.segments());
        self.cold_for = self.cold_for.saturating_sub(1);
        if self.cold_for > 0 {
            return Step::passed_over(self.is_open);
        }
        let noise = Noise {
            deviation: self.scale.noise().max(resolution).max(NOISE_MIN),
            weight: self.scale.weight(),
        };
        let mut search = match self.search.take() {
            Some(mut search) => {
                search.push(params, value, noise);
                search
            }
            None => Search::begin(params, self.recent.iter(), noise),
        };
        let value = search.reading();
        let threshold = params.alarm_at();
        let shift = if value > threshold {
            search.settle_on(params, &self.recent, noise)
        } else {
            None
        };
        self.search = Some(search);
        Step {
            reading: Some(Measure {
                value,
                threshold,
                distance: (threshold - value).max(0.0),
            }),
            change: self.turn(params, shift),
        }
    }

    fn account(&self, params: &Params, names: Names<'_>, change: &Change) -> Account {
        self.tell(params, names, change)
    }

    fn rescale(&mut self, _input: usize, factor: f64) {
        self.previous = self.previous.map(|value| value * factor);
        if self.of == Of::Return {
            return;
        }
        for observed in &mut self.recent {
            observed.value *= factor;
        }
        self.scale.scale(factor);
        if let Some(search) = &mut self.search {
            search.scale(factor);
        }
        if let Some(told) = &mut self.told {
            told.before *= factor;
            told.after *= factor;
            told.noise *= factor;
        }
    }
}

impl State {
    /// Observations from the change that was told last to its alarm; none before the first.
    pub fn delay(&self) -> Option<usize> {
        let told = self.told?;
        usize::try_from(told.delay).ok()
    }

    /// What is watched of the section, and how finely it can be told; none where the series has no such value.
    fn watch(&mut self, params: &Params, section: &Section<'_>) -> Option<(f64, f64)> {
        let close = section.close(0)?;
        let value = match params.of {
            Of::Level | Of::Change => Some(close).filter(|close| close.abs() <= VALUE_MAX)?,
            Of::Return => positive(Some(close))?,
        };
        let watched = match params.of {
            Of::Level => Some((value, RESOLUTION * value.abs())),
            Of::Change => {
                let previous = self.previous.replace(value);
                previous.map(|previous| (value - previous, RESOLUTION * value.abs()))
            }
            Of::Return => {
                let previous = self.previous.replace(value);
                previous.map(|previous| (value / previous - 1.0, RESOLUTION))
            }
        };
        watched.filter(|(watched, _)| watched.abs() <= VALUE_MAX)
    }

    fn keep(&mut self, params: &Params, section: &Section<'_>, value: f64) {
        let date = section.bucket.date;
        self.on_sessions = date.is_some();
        let at = date.map_or(section.as_of().as_nanos(), |date| {
            date_key(date).saturating_mul(DAY)
        });
        if self.recent.len() >= params.run_length as usize {
            self.recent.pop_front();
        }
        self.recent.push_back(Observed { value, at });
    }

    fn turn(&mut self, params: &Params, shift: Option<Shift>) -> Change {
        if let Some(shift) = shift {
            self.told = Some(shift);
            self.since_alarm = 0;
            let rung = shift.rung();
            return if std::mem::replace(&mut self.is_open, true) {
                Change::Escalate(rung)
            } else {
                Change::Open(rung)
            };
        }
        self.since_alarm = self.since_alarm.saturating_add(1);
        if !self.is_open {
            return Change::Quiet;
        }
        if self.since_alarm < params.settle {
            return Change::Hold;
        }
        self.is_open = false;
        Change::Resolve(SETTLED)
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |of, method, segments, threshold| Params {
        series: "A".to_owned(),
        of,
        method,
        segments,
        false_alarm_one_in: 250.0,
        threshold,
        run_length: 60,
        reference: 0.5,
        settle: 12,
    };
    vec![
        params(Of::Level, Method::Bocpd, None, Some(-1.5)),
        params(Of::Level, Method::Bocpd, Some(Segments::Constant), None),
        params(
            Of::Change,
            Method::Bocpd,
            Some(Segments::Constant),
            Some(-3.0),
        ),
        params(Of::Return, Method::Cusum, None, Some(2.0)),
        params(Of::Level, Method::Cusum, None, Some(4.0)),
    ]
}

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
