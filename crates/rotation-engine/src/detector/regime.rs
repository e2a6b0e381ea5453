//! The regime of the market: one state from many readings, with the reasons for it.

use super::{Account, Change, Detector, Measure, Names, ParamError, Step, Unit};
use crate::indicator::Ema;
use crate::section::{Began, Section};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

mod account;
mod score;

use score::{Score, Voice};

/// Parameters of `regime`: the state of the rotation, from a score that can be taken apart.
///
/// Each input says how strongly it speaks for small companies, from −1 to 1, when it has a reading, or, with
/// `when_open`, when an episode of it opens or escalates. What it said fades by half every `half_life` sections. The
/// score is the mean of the strengths by weight, over the inputs that are there; it is smoothed, and its levels decide
/// the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What speaks for or against small companies; 1 to 64 rules of the same clock.
    pub inputs: Vec<Voice>,
    /// Rules that make `small_cap_led` into `rotation_at_risk` while an episode of one of them is open. Default none.
    #[serde(default)]
    pub dangers: Vec<String>,
    /// What it speaks about. Default `rotation`.
    #[serde(default = "subject_default")]
    pub subject: String,
    /// Sections in which what an input said fades by half. Default 10; above 0.
    #[serde(default = "half_life_default")]
    pub half_life: f64,
    /// Span of the exponential average that smooths the score, in sections. Default 8; 1 to 1,000.
    #[serde(default = "smoothing_default")]
    pub smoothing: u32,
    /// Score from which on it is `broadening`. Default 0.25; above `hysteresis`.
    #[serde(default = "broadening_default")]
    pub broadening_at: f64,
    /// Score from which on it is `small_cap_led`. Default 0.4; above `broadening_at`, to 1.
    #[serde(default = "small_default")]
    pub small_cap_led_at: f64,
    /// Score down to which it is `large_cap_led`, without its sign. Default 0.4; above `hysteresis`, to 1.
    #[serde(default = "large_default")]
    pub large_cap_led_at: f64,
    /// A state ends only when the score is so far back across its level. Default 0.2; 0 or more.
    #[serde(default = "hysteresis_default")]
    pub hysteresis: f64,
    /// Sections that a state lasts at least; a danger is told at once. Default 20; 1 to 10,000.
    #[serde(default = "min_stay_default")]
    pub min_stay: u32,
    /// The share of the inputs' weight that has to be there. Default 0.5; above 0, to 1. With less there is no reading.
    #[serde(default = "min_weight_default")]
    pub min_weight: f64,
}

fn subject_default() -> String {
    "rotation".to_owned()
}
fn half_life_default() -> f64 {
    10.0
}
fn smoothing_default() -> u32 {
    8
}
fn broadening_default() -> f64 {
    0.25
}
fn small_default() -> f64 {
    0.4
}
fn large_default() -> f64 {
    0.4
}
fn hysteresis_default() -> f64 {
    0.2
}
fn min_stay_default() -> u32 {
    20
}
fn min_weight_default() -> f64 {
    0.5
}

/// Large companies lead.
pub const LARGE_CAP_LED: &str = "large_cap_led";
/// Neither.
pub const NEUTRAL: &str = "neutral";
/// More than the large ones rise.
pub const BROADENING: &str = "broadening";
/// Small companies lead.
pub const SMALL_CAP_LED: &str = "small_cap_led";
/// Small companies lead, and a danger stands.
pub const ROTATION_AT_RISK: &str = "rotation_at_risk";

/// A state, in the order of seriousness on its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Regime {
    LargeCapLed,
    Neutral,
    Broadening,
    SmallCapLed,
    RotationAtRisk,
}

impl Regime {
    fn name(self) -> &'static str {
        match self {
            Regime::LargeCapLed => LARGE_CAP_LED,
            Regime::Neutral => NEUTRAL,
            Regime::Broadening => BROADENING,
            Regime::SmallCapLed => SMALL_CAP_LED,
            Regime::RotationAtRisk => ROTATION_AT_RISK,
        }
    }

    fn is_small(self) -> bool {
        matches!(self, Regime::SmallCapLed | Regime::RotationAtRisk)
    }
}

impl super::Params for Params {
    fn inputs(&self) -> Vec<String> {
        Vec::new()
    }

    fn reads(&self) -> Vec<String> {
        let inputs = self.inputs.iter().map(|voice| voice.rule.clone());
        inputs.chain(self.dangers.iter().cloned()).collect()
    }

    fn subject(&self) -> String {
        self.subject.clone()
    }

    fn check(&self) -> Result<(), ParamError> {
        if !(1..=64).contains(&self.inputs.len()) || self.dangers.len() > 64 {
            return Err(ParamError::new(
                "inputs",
                "1 to 64 rules",
                self.inputs.len(),
            ));
        }
        self.inputs.iter().try_for_each(Voice::check)?;
        let above = |key, value: f64, bound: f64, to: f64| {
            if value > bound && value <= to {
                return Ok(());
            }
            Err(ParamError::new(
                key,
                format!("above {bound}, to {to}"),
                value,
            ))
        };
        above("half_life", self.half_life, 0.0, 1e6)?;
        if !(0.0..1.0).contains(&self.hysteresis) {
            return Err(ParamError::new(
                "hysteresis",
                "0 to below 1",
                self.hysteresis,
            ));
        }
        above("broadening_at", self.broadening_at, self.hysteresis, 1.0)?;
        above(
            "small_cap_led_at",
            self.small_cap_led_at,
            self.broadening_at,
            1.0,
        )?;
        above(
            "large_cap_led_at",
            self.large_cap_led_at,
            self.hysteresis,
            1.0,
        )?;
        above("min_weight", self.min_weight, 0.0, 1.0)?;
        if !(1..=1_000).contains(&self.smoothing) {
            return Err(ParamError::new("smoothing", "1 to 1000", self.smoothing));
        }
        if !(1..=10_000).contains(&self.min_stay) {
            return Err(ParamError::new("min_stay", "1 to 10000", self.min_stay));
        }
        Ok(())
    }

    fn check_units(&self, _units: &[Unit]) -> Result<(), ParamError> {
        Ok(())
    }

    fn minds_absent_inputs(&self) -> bool {
        false
    }

    fn rungs(&self) -> &'static [&'static str] {
        if self.dangers.is_empty() {
            &[LARGE_CAP_LED, BROADENING, SMALL_CAP_LED]
        } else {
            &[LARGE_CAP_LED, BROADENING, SMALL_CAP_LED, ROTATION_AT_RISK]
        }
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn reads_ticks(&self) -> bool {
        false
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "score".to_owned()
    }
}

/// State of `regime`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    score: Score,
    smoothed: Ema,
    regime: Regime,
    /// The state before, and when this one began.
    previous: Regime,
    since: Date,
    /// Sections in this state.
    stay: u32,
    /// Dangers that are open, by position.
    dangers: Vec<usize>,
}

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            score: Score::new(params.inputs.len()),
            smoothed: Ema::new(params.smoothing as usize),
            regime: Regime::Neutral,
            previous: Regime::Neutral,
            since: Date::MIN,
            stay: 0,
            dangers: Vec::new(),
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let is_open = self.regime != Regime::Neutral;
        if section.said.is_empty() {
            return Step::passed_over(is_open);
        }
        self.score.listen(params, section);
        let dangers = section.said.iter().skip(params.inputs.len());
        let open = dangers.take(params.dangers.len()).enumerate();
        self.dangers = open
            .filter(|(_, said)| said.is_some_and(|said| said.is_open))
            .map(|(at, _)| at)
            .collect();
        let Some(score) = self.score.total(params) else {
            return Step::passed_over(is_open);
        };
        let smoothed = self.smoothed.push(score);
        if self.since == Date::MIN {
            self.since = section.date();
        }
        self.stay = self.stay.saturating_add(1);
        let change = self.go(params, smoothed, section.date());
        Step {
            reading: Some(self.measure(params, smoothed)),
            change,
        }
    }

    fn account(&self, params: &Params, _names: Names<'_>, change: &Change) -> Account {
        self.tell(params, change)
    }

    fn rescale(&mut self, _input: usize, _factor: f64) {}
}

impl State {
    /// Goes into the state that the score asks for, where it may.
    fn go(&mut self, params: &Params, score: f64, date: Date) -> Change {
        let before = self.regime;
        let asked = self.asked(params, score);
        let is_danger = before == Regime::SmallCapLed && asked == Regime::RotationAtRisk;
        if asked == before || (self.stay <= params.min_stay && !is_danger) {
            return if before == Regime::Neutral {
                Change::Quiet
            } else {
                Change::Hold
            };
        }
        // The sides are never crossed in one section: an episode belongs to one of them.
        let crosses = (before == Regime::LargeCapLed) != (asked == Regime::LargeCapLed);
        let asked = if crosses && before != Regime::Neutral {
            Regime::Neutral
        } else {
            asked
        };
        self.previous = before;
        self.regime = asked;
        self.since = date;
        self.stay = 0;
        match (before, asked) {
            (_, Regime::Neutral) => Change::Resolve(NEUTRAL),
            (Regime::Neutral, _) => Change::Open(asked.name()),
            _ if asked > before => Change::Escalate(asked.name()),
            _ => Change::Ease(asked.name()),
        }
    }

    /// The state that the score's levels ask for: a state holds on until the score is `hysteresis` short of its level.
    fn asked(&self, params: &Params, score: f64) -> Regime {
        let level = |level: f64, holds: bool| {
            if holds {
                level - params.hysteresis
            } else {
                level
            }
        };
        let regime = self.regime;
        let is_up = matches!(regime, Regime::Broadening) || regime.is_small();
        if score >= level(params.small_cap_led_at, regime.is_small()) {
            if self.dangers.is_empty() {
                Regime::SmallCapLed
            } else {
                Regime::RotationAtRisk
            }
        } else if score >= level(params.broadening_at, is_up) {
            Regime::Broadening
        } else if -score >= level(params.large_cap_led_at, regime == Regime::LargeCapLed) {
            Regime::LargeCapLed
        } else {
            Regime::Neutral
        }
    }

    /// The score against the nearest level that would change the state.
    fn measure(&self, params: &Params, score: f64) -> Measure {
        let hysteresis = params.hysteresis;
        let (down, up) = match self.regime {
            Regime::LargeCapLed => (None, Some(hysteresis - params.large_cap_led_at)),
            Regime::Neutral => (Some(-params.large_cap_led_at), Some(params.broadening_at)),
            Regime::Broadening => (
                Some(params.broadening_at - hysteresis),
                Some(params.small_cap_led_at),
            ),
            Regime::SmallCapLed | Regime::RotationAtRisk => {
                (Some(params.small_cap_led_at - hysteresis), None)
            }
        };
        let levels = [down, up].into_iter().flatten();
        let nearest = levels.min_by(|a, b| (a - score).abs().total_cmp(&(b - score).abs()));
        let threshold = nearest.unwrap_or(score);
        let is_past = match self.regime {
            Regime::Neutral => {
                threshold.signum() == score.signum() && score.abs() >= threshold.abs()
            }
            _ => false,
        };
        Measure {
            value: score,
            threshold,
            distance: if is_past {
                0.0
            } else {
                (threshold - score).abs()
            },
        }
    }
}

/// The latest of what began at a rule, if it is something to speak of.
fn is_event(began: Option<Began>) -> bool {
    matches!(began, Some(Began::Opened | Began::Moved))
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let voice = |rule: &str, weight, when_open| Voice {
        rule: rule.to_owned(),
        weight,
        neutral: 0.0,
        full: if when_open { None } else { Some(3.0) },
        when_open: when_open.then_some(1.0),
    };
    let params = |dangers: &[&str], min_stay| Params {
        inputs: vec![
            voice("a", 2.0, false),
            voice("b", 1.0, false),
            voice("c", 1.0, true),
        ],
        dangers: dangers.iter().map(|name| (*name).to_owned()).collect(),
        subject: "rotation".to_owned(),
        half_life: 5.0,
        smoothing: 3,
        broadening_at: 0.2,
        small_cap_led_at: 0.4,
        large_cap_led_at: 0.2,
        hysteresis: 0.1,
        min_stay,
        min_weight: 0.5,
    };
    vec![params(&[], 5), params(&["d"], 1)]
}

#[cfg(test)]
mod tests;
