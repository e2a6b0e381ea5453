//! What a rule of the kind `rate_sensitivity` is told.

use super::{FLIPPED, SIGNIFICANT};
use crate::detector::{ParamError, Params as Law, Unit, bounds};
use crate::window::Regression;
use serde::{Deserialize, Serialize};

/// Parameters of `rate_sensitivity`: the slope of the leader's return minus the laggard's on the change of a yield,
/// over a rolling window, with changes of its sign.
///
/// An observation is a session that has all three series; its returns and its change of the yield span the sessions
/// that lack one. Returns are simple and in basis points, as the changes of the yield are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The series whose lead is measured: a symbol.
    pub leader: String,
    /// The series that it is held against: another symbol.
    pub laggard: String,
    /// The yield or rate: a series of unit "percent".
    pub rate: String,
    /// Observations in the window. Default 120; 10 to 2,520.
    #[serde(default = "window_default")]
    pub window: u32,
    /// Lags of the Newey–West errors. Default ⌊4 (window / 100)^(2/9)⌋, 4 for 120; 0 to a quarter of `window`.
    #[serde(default)]
    pub lags: Option<u32>,
    /// The sign that makes an episode: "negative", where the lead shrinks as the yield rises, or "positive". Default
    /// "negative".
    #[serde(default)]
    pub sign: Sign,
    /// What |t| has to be, inclusive, for a sign to count. Default 2; above 0, to 20.
    #[serde(default = "t_open_default")]
    pub t_open: f64,
    /// The t toward the sign below which an episode ends. Default 0: when the slope has lost the sign; 0 to below
    /// `t_open`.
    #[serde(default)]
    pub t_end: f64,
    /// Whether only a sign that counts after the other one did opens an episode. Default true. False: any that counts
    /// does, the first one as well.
    #[serde(default = "flips_only_default")]
    pub flips_only: bool,
}

fn window_default() -> u32 {
    120
}

fn t_open_default() -> f64 {
    2.0
}

fn flips_only_default() -> bool {
    true
}

/// The sign of a slope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Sign {
    /// Below zero.
    #[default]
    Negative,
    /// Above zero.
    Positive,
}

const WINDOW_MIN: u32 = 10;
const WINDOW_MAX: u32 = 2_520;
const T_MAX: f64 = 20.0;

impl Params {
    /// Lags of the Newey–West errors.
    pub fn lags(&self) -> usize {
        let usual = || Regression::usual_lags(self.window as usize);
        self.lags.map_or_else(usual, |lags| lags as usize)
    }
}

impl Law for Params {
    fn inputs(&self) -> Vec<String> {
        vec![self.leader.clone(), self.laggard.clone(), self.rate.clone()]
    }

    fn subject(&self) -> String {
        format!("{}/{} on {}", self.leader, self.laggard, self.rate)
    }

    fn check(&self) -> Result<(), ParamError> {
        let symbols = [
            ("leader", &self.leader),
            ("laggard", &self.laggard),
            ("rate", &self.rate),
        ];
        for (index, (key, symbol)) in symbols.into_iter().enumerate() {
            bounds::symbol(key, symbol)?;
            if symbols[..index].iter().any(|(_, other)| *other == symbol) {
                return Err(ParamError::new(key, "three different series", symbol));
            }
        }
        if !(WINDOW_MIN..=WINDOW_MAX).contains(&self.window) {
            let expected = format!("{WINDOW_MIN} to {WINDOW_MAX} observations");
            return Err(ParamError::new("window", expected, self.window));
        }
        if let Some(lags) = self.lags.filter(|lags| *lags > self.window / 4) {
            let expected = format!("0 to a quarter of window ({})", self.window / 4);
            return Err(ParamError::new("lags", expected, lags));
        }
        if !(self.t_open > 0.0 && self.t_open <= T_MAX) {
            let expected = format!("above 0, to {T_MAX}");
            return Err(ParamError::new("t_open", expected, self.t_open));
        }
        if !(0.0..self.t_open).contains(&self.t_end) {
            let expected = format!("0 to below t_open ({})", self.t_open);
            return Err(ParamError::new("t_end", expected, self.t_end));
        }
        Ok(())
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        for (key, unit) in ["leader", "laggard"].into_iter().zip(units) {
            if *unit == Unit::Percent {
                let expected = "a series with a return: of unit \"price\", \"ratio\" or \"number\"";
                return Err(ParamError::new(key, expected, "one of unit \"percent\""));
            }
        }
        if units.get(2) != Some(&Unit::Percent) {
            let expected = "a series of unit \"percent\"";
            return Err(ParamError::new("rate", expected, "one of another unit"));
        }
        Ok(())
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[FLIPPED, SIGNIFICANT]
    }

    /// The slope is in the unit of the yield, so its readings follow the yield's scale.
    fn is_scale_free(&self) -> bool {
        false
    }

    fn reads_ticks(&self) -> bool {
        false
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "bp per bp".to_owned()
    }
}
