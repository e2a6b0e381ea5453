//! How much of the members' variance a few common movements explain.

use super::joint::{self, Joint};
use super::members::{self, Members, Tally, count};
use super::threshold::{self, Side, Threshold};
use super::{Account, Change, Detector, Names, ParamError, Step, Unit, bounds};
use crate::matrix;
use crate::section::Section;
use crate::window::RollingMoments;
use serde::{Deserialize, Serialize};

mod account;

/// Parameters of `absorption_ratio`: the share of the members' variance that their covariance's largest eigenvalues
/// explain. It opens nothing unless `open_at` is given.
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
    /// What is read: `ratio`, or its `shift`. Default `ratio`.
    #[serde(default)]
    pub measure: Gauge,
    /// Sections that the covariance comes from, the present one included. Default 500, two years of sessions; 20 to
    /// 2,520. A member counts once it has been listed for so many.
    #[serde(default = "window_default")]
    pub window: u32,
    /// Sections after which a return weighs half. Default: half the window. 0: all weigh the same; to 2,520.
    #[serde(default)]
    pub half_life: Option<u32>,
    /// How many eigenvalues. Default: a fifth of the members that count, rounded, one at least. 1 to one less than
    /// there are members; where fewer count, one less than they are.
    #[serde(default)]
    pub eigenvalues: Option<u32>,
    /// The side of `open_at` that opens. Default "above".
    #[serde(default)]
    pub direction: Side,
    /// Opens at this reading or beyond. Default: none, it only reads. 0 to 1; of `shift` ±100.
    #[serde(default)]
    pub open_at: Option<f64>,
    /// Ends strictly beyond this reading on the way back. Default: .02 short of `open_at`, of `shift` 0. At most
    /// `open_at`, of direction "below" at least.
    #[serde(default)]
    pub close_at: Option<f64>,
    /// Percent of the day's members that have to count: below it the section says nothing. Default 50; 0 to 100.
    #[serde(default = "members::min_counted_pct_default")]
    pub min_counted_pct: f64,
}

/// What is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Gauge {
    /// The absorption ratio, 0 to 1.
    #[default]
    Ratio,
    /// Its mean over 15 sections less that over 252, in standard deviations of the 252.
    Shift,
}

fn window_default() -> u32 {
    500
}

const WINDOW_MAX: u32 = 2_520;

/// Sections of the means that a shift compares.
const SHORT: usize = 15;
const LONG: usize = 252;

impl Params {
    /// What a return's weight is multiplied by at each section.
    fn decay(&self) -> f64 {
        match self.half_life.unwrap_or(self.window / 2) {
            0 => 1.0,
            half_life => libm::exp2(-1.0 / f64::from(half_life)),
        }
    }

    /// How many eigenvalues of so many members.
    fn eigenvalues(&self, counted: usize) -> usize {
        let asked = match self.eigenvalues {
            Some(asked) => asked as usize,
            // Rounded half up.
            None => (2 * counted + 5) / 10,
        };
        asked.min(counted.saturating_sub(1)).max(1)
    }

    fn threshold(&self) -> Option<Threshold> {
        let (side, open_at) = (self.direction, self.open_at?);
        let close_at = self.close_at.unwrap_or(match (self.measure, side) {
            (Gauge::Ratio, Side::Above) => (open_at - 0.02).max(0.0),
            (Gauge::Ratio, Side::Below) => (open_at + 0.02).min(1.0),
            (Gauge::Shift, _) => 0.0,
        });
        Some(Threshold {
            side,
            open_at,
            close_at,
        })
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
        bounds::within(
            "members",
            self.members.len(),
            &(2..=joint::MEMBERS_MAX),
            "members",
        )?;
        members::check_group(&self.group)?;
        bounds::within("window", self.window, &(20..=WINDOW_MAX), "sections")?;
        bounds::within(
            "half_life",
            self.half_life.unwrap_or(0),
            &(0..=WINDOW_MAX),
            "sections",
        )?;
        if let Some(asked) = self.eigenvalues {
            let most = count(self.members.len()) - 1;
            bounds::within("eigenvalues", asked, &(1..=most), "eigenvalues")?;
        }
        bounds::within(
            "min_counted_pct",
            self.min_counted_pct,
            &(0.0..=100.0),
            "percent",
        )?;
        match (self.threshold(), self.measure) {
            (Some(threshold), Gauge::Ratio) => threshold.check(&(0.0..=1.0), "of the variance"),
            (Some(threshold), Gauge::Shift) => threshold.check(&(-100.0..=100.0), "deviations"),
            (None, _) => threshold::refuse_lone_close(self.close_at),
        }
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        members::check_units("members", units)
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[threshold::BEYOND]
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
            Gauge::Ratio => "share",
            Gauge::Shift => "sigma",
        };
        unit.to_owned()
    }
}

/// State of `absorption_ratio`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    joint: Joint,
    tally: Tally,
    short: RollingMoments,
    long: RollingMoments,
    /// The last section's ratio and how many eigenvalues it is of; none where it had none.
    ratio: Option<(f64, u32)>,
    value: Option<f64>,
    is_open: bool,
}

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            joint: Joint::new(params.window, params.decay()),
            tally: Tally::default(),
            short: RollingMoments::new(SHORT),
            long: RollingMoments::new(LONG),
            ratio: None,
            value: None,
            is_open: false,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        (self.ratio, self.value) = (None, None);
        if !self.joint.read(&params.members, section) {
            return Step::passed_over(self.is_open);
        }
        self.joint.push();
        let (counted, tally) = self.joint.counted(&params.members.on(section.date()));
        self.tally = tally;
        if counted.len() >= 2 && tally.is_enough(params.min_counted_pct) {
            self.ratio = self.measure(params, &counted);
        }
        if let Some((ratio, _)) = self.ratio {
            self.short.push(ratio);
            self.long.push(ratio);
        }
        self.value = match params.measure {
            Gauge::Ratio => self.ratio.map(|(ratio, _)| ratio),
            Gauge::Shift => self.ratio.and_then(|_| self.shift()),
        };
        threshold::answer(self.value, params.threshold(), &mut self.is_open)
    }

    fn account(&self, params: &Params, _names: Names<'_>, _change: &Change) -> Account {
        self.tell(params)
    }

    fn rescale(&mut self, input: usize, factor: f64) {
        self.joint.rescale(input, factor);
    }
}

impl State {
    /// The ratio; none where nothing moved.
    fn measure(&self, params: &Params, counted: &[usize]) -> Option<(f64, u32)> {
        let (_, covariance) = self.joint.window.of(counted);
        let eigenvalues = matrix::eigenvalues(covariance, counted.len());
        let total: f64 = eigenvalues.iter().sum();
        let absorbing = params.eigenvalues(counted.len());
        let ratio = eigenvalues[..absorbing].iter().sum::<f64>() / total;
        (total > 0.0 && ratio.is_finite()).then(|| (ratio.min(1.0), count(absorbing)))
    }

    fn shift(&self) -> Option<f64> {
        if !self.long.is_full() {
            return None;
        }
        let away = self.short.mean()? - self.long.mean()?;
        let shift = away / libm::sqrt(self.long.variance()?);
        shift.is_finite().then_some(shift)
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |measure, window, half_life, open_at, close_at| Params {
        members: Members::always(&["A", "B", "C", "D", "E"]),
        group: "the group".to_owned(),
        measure,
        window,
        half_life,
        eigenvalues: None,
        direction: Side::Above,
        open_at: Some(open_at),
        close_at: Some(close_at),
        min_counted_pct: 50.0,
    };
    vec![
        params(Gauge::Ratio, 30, None, 0.4, 0.35),
        Params {
            eigenvalues: Some(2),
            direction: Side::Below,
            ..params(Gauge::Ratio, 20, Some(0), 0.55, 0.6)
        },
        params(Gauge::Shift, 20, Some(10), 1.0, 0.0),
    ]
}

#[cfg(test)]
mod tests;
