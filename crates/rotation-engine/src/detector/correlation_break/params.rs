//! What a rule of the kind `correlation_break` is told.

use super::{FELL, FLIPPED, ROSE};
use crate::detector::Way;
use crate::detector::delta::Delta;
use crate::detector::{ParamError, Params as Law, Unit, bounds};
use serde::{Deserialize, Serialize};

/// Parameters of `correlation_break`: the correlation of two series' changes over a short window, held against the one
/// over a long window.
///
/// Both windows end at the present section, so the long one holds the short one. A section that lacks either series is
/// passed over, and the next changes span the gap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// A series: a symbol.
    pub first: String,
    /// Another one.
    pub second: String,
    /// How the first series' change is measured: "return" (simple), or "difference" as a series in percent needs.
    /// Default "return".
    #[serde(default)]
    pub first_change: Delta,
    /// Likewise for the second series. Default "return".
    #[serde(default)]
    pub second_change: Delta,
    /// Changes in the short window. Default 60; 5 to 2,520. The shorter, the sooner and the noisier.
    #[serde(default = "short_default")]
    pub short: u32,
    /// Changes in the long window. Default 252; above `short`, to 5,040.
    #[serde(default = "long_default")]
    pub long: u32,
    /// Distance of the short correlation from the long one that opens an episode, inclusive. Default 0.5; above 0, to
    /// 2.
    #[serde(default = "open_change_default")]
    pub open_change: f64,
    /// Distance at which it ends, inclusive, on the episode's side. Default 0.2; 0 to below `open_change`, and below
    /// twice `flip_at` where flips are watched.
    #[serde(default = "end_change_default")]
    pub end_change: f64,
    /// Whether a change of sign opens or escalates an episode. Default true.
    #[serde(default = "flips_default")]
    pub flips: bool,
    /// What both correlations need, in absolute value and with opposite signs, for a change of sign. Default 0.2; above
    /// 0, to 1.
    #[serde(default = "flip_at_default")]
    pub flip_at: f64,
    /// Which way the short correlation has to go: "both", "up" or "down". Default "both".
    #[serde(default)]
    pub direction: Way,
}

fn short_default() -> u32 {
    60
}

fn long_default() -> u32 {
    252
}

fn open_change_default() -> f64 {
    0.5
}

fn end_change_default() -> f64 {
    0.2
}

fn flips_default() -> bool {
    true
}

fn flip_at_default() -> f64 {
    0.2
}

const SHORT_MIN: u32 = 5;
const SHORT_MAX: u32 = 2_520;
const LONG_MAX: u32 = 5_040;

impl Params {
    fn check_windows(&self) -> Result<(), ParamError> {
        if !(SHORT_MIN..=SHORT_MAX).contains(&self.short) {
            let expected = format!("{SHORT_MIN} to {SHORT_MAX} changes");
            return Err(ParamError::new("short", expected, self.short));
        }
        if !(self.short + 1..=LONG_MAX).contains(&self.long) {
            let expected = format!("above short ({}), to {LONG_MAX} changes", self.short);
            return Err(ParamError::new("long", expected, self.long));
        }
        Ok(())
    }
}

impl Law for Params {
    fn inputs(&self) -> Vec<String> {
        vec![self.first.clone(), self.second.clone()]
    }

    fn subject(&self) -> String {
        format!("{}/{}", self.first, self.second)
    }

    fn check(&self) -> Result<(), ParamError> {
        for (key, symbol) in [("first", &self.first), ("second", &self.second)] {
            bounds::symbol(key, symbol)?;
        }
        if self.first == self.second {
            let expected = "another series than the first";
            return Err(ParamError::new("second", expected, &self.second));
        }
        self.check_windows()?;
        if !(self.open_change > 0.0 && self.open_change <= 2.0) {
            return Err(ParamError::new(
                "open_change",
                "above 0, to 2",
                self.open_change,
            ));
        }
        if self.flips && !(self.flip_at > 0.0 && self.flip_at <= 1.0) {
            return Err(ParamError::new("flip_at", "above 0, to 1", self.flip_at));
        }
        if !(0.0..self.open_change).contains(&self.end_change) {
            let expected = format!("0 to below open_change ({})", self.open_change);
            return Err(ParamError::new("end_change", expected, self.end_change));
        }
        if self.flips && self.end_change >= 2.0 * self.flip_at {
            let expected = format!("below twice flip_at ({})", 2.0 * self.flip_at);
            return Err(ParamError::new("end_change", expected, self.end_change));
        }
        Ok(())
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        let deltas = [
            ("first_change", self.first_change),
            ("second_change", self.second_change),
        ];
        let mut pairs = deltas.into_iter().zip(units);
        pairs.try_for_each(|((key, delta), unit)| delta.check(key, *unit))
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[FELL, ROSE, FLIPPED]
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn reads_ticks(&self) -> bool {
        false
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "correlation".to_owned()
    }
}
