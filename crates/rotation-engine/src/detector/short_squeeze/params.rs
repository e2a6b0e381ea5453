//! What a rule of the kind `short_squeeze` is told.

use super::SQUEEZE;
use crate::detector::{ParamError, Params as Law, Unit, bounds};
use serde::{Deserialize, Serialize};

/// Parameters of `short_squeeze`: a price that surges on heavy volume while many days of trading would be needed to buy
/// back what is sold short, and fewer than before.
///
/// The short interest is printed rarely: each print stands until the next, for `stale_sessions` at most. So does an
/// average volume, where that is a series. A session without the price, or without its volume, is passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The share: a symbol whose ticks carry sizes (`ohlc = true` where it comes from daily files).
    pub series: String,
    /// Shares sold short: another symbol, of low frequency.
    pub short_interest: String,
    /// Shares traded on an average day: a third symbol. Default none: the mean volume of the last `cover_window`
    /// sessions.
    #[serde(default)]
    pub average_volume: Option<String>,
    /// Sessions of the surge. Default 5; 1 to 252.
    #[serde(default = "surge_sessions_default")]
    pub surge_sessions: u32,
    /// Return over them that opens, in percent, inclusive. Default 20; above 0, to 10,000.
    #[serde(default = "surge_pct_default")]
    pub surge_pct: f64,
    /// Sessions before the present one whose volumes it is held against. Default 60; 5 to 2,520.
    #[serde(default = "volume_window_default")]
    pub volume_window: u32,
    /// Standard deviations of the volume above their mean that open, inclusive. Default 2; −10 to 100.
    #[serde(default = "volume_z_default")]
    pub volume_z: f64,
    /// Sessions, the present one included, whose mean volume the days to cover stand on. Default 20; 1 to 2,520.
    #[serde(default = "cover_window_default")]
    pub cover_window: u32,
    /// Days to cover before the surge that open, inclusive. Default 5; above 0, to 10,000. They have to be fewer now.
    #[serde(default = "cover_at_default")]
    pub cover_at: f64,
    /// Return over the surge's sessions at which an episode ends, in percent, inclusive. Default 0; −100 to below
    /// `surge_pct`.
    #[serde(default)]
    pub fade_pct: f64,
    /// Days to cover at which an episode ends, inclusive. Default 1; 0 to below `cover_at`.
    #[serde(default = "covered_at_default")]
    pub covered_at: f64,
    /// Sessions of the price for which a print stands. Default 45; 1 to 2,520.
    #[serde(default = "stale_sessions_default")]
    pub stale_sessions: u32,
}

fn surge_sessions_default() -> u32 {
    5
}

fn surge_pct_default() -> f64 {
    20.0
}

fn volume_window_default() -> u32 {
    60
}

fn volume_z_default() -> f64 {
    2.0
}

fn cover_window_default() -> u32 {
    20
}

fn cover_at_default() -> f64 {
    5.0
}

fn covered_at_default() -> f64 {
    1.0
}

fn stale_sessions_default() -> u32 {
    45
}

const SURGE_SESSIONS_MAX: u32 = 252;
const WINDOW_MAX: u32 = 2_520;
const VOLUME_WINDOW_MIN: u32 = 5;
const LEVEL_MAX: f64 = 10_000.0;

impl Params {
    fn check_symbols(&self) -> Result<(), ParamError> {
        let mut symbols = vec![
            ("series", &self.series),
            ("short_interest", &self.short_interest),
        ];
        symbols.extend(
            self.average_volume
                .iter()
                .map(|symbol| ("average_volume", symbol)),
        );
        for (index, (key, symbol)) in symbols.iter().enumerate() {
            bounds::symbol(key, symbol)?;
            if symbols[..index].iter().any(|(_, other)| other == symbol) {
                return Err(ParamError::new(key, "another series", symbol));
            }
        }
        Ok(())
    }

    fn check_windows(&self) -> Result<(), ParamError> {
        for (key, value, min, max) in [
            ("surge_sessions", self.surge_sessions, 1, SURGE_SESSIONS_MAX),
            (
                "volume_window",
                self.volume_window,
                VOLUME_WINDOW_MIN,
                WINDOW_MAX,
            ),
            ("cover_window", self.cover_window, 1, WINDOW_MAX),
            ("stale_sessions", self.stale_sessions, 1, WINDOW_MAX),
        ] {
            if !(min..=max).contains(&value) {
                return Err(ParamError::new(
                    key,
                    format!("{min} to {max} sessions"),
                    value,
                ));
            }
        }
        Ok(())
    }
}

impl Law for Params {
    fn inputs(&self) -> Vec<String> {
        let mut inputs = vec![self.series.clone(), self.short_interest.clone()];
        inputs.extend(self.average_volume.clone());
        inputs
    }

    fn subject(&self) -> String {
        self.series.clone()
    }

    fn check(&self) -> Result<(), ParamError> {
        self.check_symbols()?;
        self.check_windows()?;
        if !(self.surge_pct > 0.0 && self.surge_pct <= LEVEL_MAX) {
            let expected = format!("above 0, to {LEVEL_MAX} percent");
            return Err(ParamError::new("surge_pct", expected, self.surge_pct));
        }
        if !(-10.0..=100.0).contains(&self.volume_z) {
            let expected = "-10 to 100 standard deviations";
            return Err(ParamError::new("volume_z", expected, self.volume_z));
        }
        if !(self.cover_at > 0.0 && self.cover_at <= LEVEL_MAX) {
            let expected = format!("above 0, to {LEVEL_MAX} days");
            return Err(ParamError::new("cover_at", expected, self.cover_at));
        }
        if !(-100.0..self.surge_pct).contains(&self.fade_pct) {
            let expected = format!("-100 to below surge_pct ({}) percent", self.surge_pct);
            return Err(ParamError::new("fade_pct", expected, self.fade_pct));
        }
        if !(0.0..self.cover_at).contains(&self.covered_at) {
            let expected = format!("0 to below cover_at ({}) days", self.cover_at);
            return Err(ParamError::new("covered_at", expected, self.covered_at));
        }
        Ok(())
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        let keys = ["series", "short_interest", "average_volume"];
        for (key, unit) in keys.into_iter().zip(units) {
            if *unit == Unit::Percent {
                let expected = "a price, and numbers of shares";
                return Err(ParamError::new(
                    key,
                    expected,
                    "a series of unit \"percent\"",
                ));
            }
        }
        Ok(())
    }

    fn minds_absent_inputs(&self) -> bool {
        false
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[SQUEEZE]
    }

    /// Shares have a scale of their own: when all inputs double, so do the days to cover.
    fn is_scale_free(&self) -> bool {
        false
    }

    /// Only the price is needed at a section: prints stand until the next.
    fn needs_all_inputs(&self) -> bool {
        false
    }

    fn reads_ticks(&self) -> bool {
        false
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "percent".to_owned()
    }
}
