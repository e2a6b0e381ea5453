//! How probable it is that a market is in its turbulent state.

use super::{Account, Change, Detector, Measure, Names, ParamError, Step, Unit, bounds, positive};
use crate::section::Section;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

mod account;

/// Parameters of `markov_switching`: the filtered probability that returns come from the turbulent one of two states.
///
/// Returns are simple, close to close, in percent; in each state they are normal with its mean and standard deviation,
/// and the state goes over to the other with a fixed probability. The parameters are fixed: nothing is estimated while
/// it runs, so a reading never changes after the fact and means the same on every day. Calm comes first, turbulent
/// second: the state with the larger deviation. It reads, and fires nothing unless `open_at` is given. Values that are
/// not positive count as lacking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The series: a symbol.
    pub series: String,
    /// Mean returns of the calm and the turbulent state, in percent a section; −100 to 100. Default [0.06, -0.05].
    #[serde(default = "means_default")]
    pub means: [f64; 2],
    /// Standard deviations of both, in percent a section; above 0, the second the larger, to 100. Default [0.63, 1.61].
    /// The defaults are the maximum-likelihood estimates for daily returns of the S&P 500 of 1957 to 2019, rounded.
    #[serde(default = "deviations_default")]
    pub deviations: [f64; 2],
    /// Probabilities that each state stays for the next section; above 0 and below 1. Default [0.989, 0.967]: calm
    /// lasts 91 sessions on average, turbulence 30.
    #[serde(default = "stay_default")]
    pub stay: [f64; 2],
    /// The probability of turbulence at which an episode opens. Default none: it only reads; 0.5 to below 1.
    #[serde(default)]
    pub open_at: Option<f64>,
    /// The probability below which an episode ends. Default 0.3; above 0, to `open_at`.
    #[serde(default)]
    pub end_at: Option<f64>,
}

fn means_default() -> [f64; 2] {
    [0.06, -0.05]
}

fn deviations_default() -> [f64; 2] {
    [0.63, 1.61]
}

fn stay_default() -> [f64; 2] {
    [0.989, 0.967]
}

const PERCENT_MAX: f64 = 100.0;
const END_AT: f64 = 0.3;
/// A return beyond so many percent says no more than one of so many.
const RETURN_MAX: f64 = 1e6;

impl Params {
    fn end_at(&self) -> f64 {
        self.end_at.unwrap_or(END_AT)
    }

    /// The probability of turbulence before anything was seen: its share of the time.
    fn share(&self) -> f64 {
        let [calm, turbulent] = self.stay;
        (1.0 - calm) / ((1.0 - calm) + (1.0 - turbulent))
    }

    /// The probability of turbulence at the next section.
    fn next(&self, turbulent: f64) -> f64 {
        turbulent * self.stay[1] + (1.0 - turbulent) * (1.0 - self.stay[0])
    }

    /// The probability of turbulence after a return, in percent, given the one before it.
    ///
    /// In logarithms of odds: the densities of a wild return underflow long before their ratio does.
    fn after(&self, expected: f64, change: f64) -> f64 {
        let [calm, turbulent] = [0, 1].map(|state| {
            let distance = (change - self.means[state]) / self.deviations[state];
            distance * distance
        });
        let [narrow, wide] = self.deviations;
        let likelihood = libm::log(narrow / wide) + (calm - turbulent) / 2.0;
        let odds = libm::log(expected / (1.0 - expected)) + likelihood;
        1.0 / (1.0 + libm::exp(-odds))
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
        let error = |key: &str, expected: &str, found: [f64; 2]| {
            Err(ParamError::new(key, expected, format!("{found:?}")))
        };
        let in_percent = |value: &f64| (-PERCENT_MAX..=PERCENT_MAX).contains(value);
        if !self.means.iter().all(in_percent) {
            return error("means", "two from -100 to 100 percent", self.means);
        }
        let [narrow, wide] = self.deviations;
        if !(narrow >= 1e-6 && narrow < wide && wide <= PERCENT_MAX) {
            let expected = "two from 0.000001 to 100 percent, the second the larger";
            return error("deviations", expected, self.deviations);
        }
        if !self
            .stay
            .iter()
            .all(|stay| (1e-6..=1.0 - 1e-6).contains(stay))
        {
            return error("stay", "two from 0.000001 to 0.999999", self.stay);
        }
        match (self.open_at, self.end_at) {
            (None, Some(end_at)) => Err(ParamError::new("end_at", "an open_at with it", end_at)),
            (Some(open_at), _) if !(0.5..1.0).contains(&open_at) => {
                Err(ParamError::new("open_at", "0.5 to below 1", open_at))
            }
            (Some(open_at), Some(end_at)) if !(end_at > 0.0 && end_at <= open_at) => {
                let expected = format!("above 0, to open_at ({open_at})");
                Err(ParamError::new("end_at", expected, end_at))
            }
            _ => Ok(()),
        }
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        bounds::have_returns(&["series"], units)
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[TURBULENT]
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn reads_ticks(&self) -> bool {
        false
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "probability".to_owned()
    }
}

/// Rung of the opening.
pub const TURBULENT: &str = "turbulent";

/// Reason of the end: turbulence is improbable again.
pub const CALM: &str = "calm";

/// State of `markov_switching`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The last close.
    last: Option<f64>,
    /// What the last return told; none before the first.
    now: Option<Filtered>,
    is_open: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Filtered {
    /// The return, in percent.
    change: f64,
    /// The probability of turbulence given every return up to this one.
    turbulent: f64,
    /// Since when the more probable state is that, and how many sections.
    since: Date,
    sections: u32,
}

impl Detector for State {
    type Params = Params;

    fn new(_params: &Params) -> Self {
        State {
            last: None,
            now: None,
            is_open: false,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let Some(close) = positive(section.close(0)) else {
            return Step::passed_over(self.is_open);
        };
        let Some(last) = self.last.replace(close) else {
            return Step::passed_over(self.is_open);
        };
        let change = ((close / last - 1.0) * 100.0).min(RETURN_MAX);
        let before = self.now.map(|now| now.turbulent);
        let expected = before.map_or(params.share(), |before| params.next(before));
        let turbulent = params.after(expected, change);
        let goes_on = |now: &Filtered| (now.turbulent > 0.5) == (turbulent > 0.5);
        let same = self.now.filter(goes_on);
        self.now = Some(Filtered {
            change,
            turbulent,
            since: same.map_or(section.date(), |now| now.since),
            sections: same.map_or(0, |now| now.sections).saturating_add(1),
        });
        let change = self.decide(params, turbulent);
        Step {
            reading: Some(self.measure(params, turbulent, &change)),
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
    fn decide(&mut self, params: &Params, turbulent: f64) -> Change {
        if self.is_open {
            if turbulent < params.end_at() {
                self.is_open = false;
                return Change::Resolve(CALM);
            }
            return Change::Hold;
        }
        self.is_open = params.open_at.is_some_and(|open_at| turbulent >= open_at);
        if self.is_open {
            Change::Open(TURBULENT)
        } else {
            Change::Quiet
        }
    }

    /// The probability against what opens an episode, or ends an open one; against certainty where nothing opens.
    fn measure(&self, params: &Params, turbulent: f64, change: &Change) -> Measure {
        let open_at = params.open_at.unwrap_or(1.0);
        let (threshold, distance) = match change {
            Change::Hold => (params.end_at(), turbulent - params.end_at()),
            Change::Resolve(_) => (params.end_at(), 0.0),
            _ => (open_at, open_at - turbulent),
        };
        Measure {
            value: turbulent,
            threshold,
            distance: distance.max(0.0),
        }
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |deviations, stay, open_at, end_at| Params {
        series: "A".to_owned(),
        means: [0.0, 0.0],
        deviations,
        stay,
        open_at: Some(open_at),
        end_at,
    };
    vec![
        params([0.3, 0.8], [0.9, 0.8], 0.9, None),
        params([0.4, 0.7], [0.7, 0.7], 0.8, Some(0.5)),
    ]
}

#[cfg(test)]
mod tests;
