//! What a `plateau` is told.

use super::PLATEAU;
use crate::detector::{ParamError, Unit, bounds};
use serde::{Deserialize, Serialize};

/// Parameters of `plateau`: closes that stay within a range narrow for this series, without direction.
///
/// Three measures over the last `window` closes have to be within their bounds together: the range, max / min − 1, by
/// its percentile among those before it; the efficiency ratio; and the t-statistic of the trend. Values that are not
/// positive are passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The series: a symbol.
    pub series: String,
    /// Closes that all three measures are taken over, the present one included. Default 40, two months of sessions; 5
    /// to 1,000.
    #[serde(default = "window_default")]
    pub window: u32,
    /// Ranges before the present one that it is ranked among, at most. Default 2,520, ten years of sessions; 20 to
    /// 65,536.
    #[serde(default = "trailing_default")]
    pub trailing: u32,
    /// Ranges before the present one that have to be there. Default 252, or `trailing` where that is less; 20 to
    /// `trailing`.
    #[serde(default)]
    pub min_history: Option<u32>,
    /// Percentile of the range that an opening allows, inclusive. Default 35; above 0, to 100.
    #[serde(default = "max_range_percentile_default")]
    pub max_range_percentile: f64,
    /// Efficiency ratio that an opening allows, inclusive: the change from the first close of the window to the last,
    /// as a share of the way. Default 0.1; above 0, to 1.
    #[serde(default = "max_efficiency_default")]
    pub max_efficiency: f64,
    /// Size of the trend's t-statistic that an opening allows, inclusive. Default 4; above 0, to 1,000. It describes
    /// and tests nothing: closes are no independent draws, and a random walk goes past 4 most of the time.
    #[serde(default = "max_trend_t_default")]
    pub max_trend_t: f64,
    /// Percent beyond the range of the window that opened an episode, on either side, past which a close ends it.
    /// Default 1; 0 to 100. The more, the fewer and longer the episodes.
    #[serde(default = "break_pct_default")]
    pub break_pct: f64,
}

fn window_default() -> u32 {
    40
}

fn trailing_default() -> u32 {
    2_520
}

fn max_range_percentile_default() -> f64 {
    35.0
}

fn max_efficiency_default() -> f64 {
    0.1
}

fn max_trend_t_default() -> f64 {
    4.0
}

fn break_pct_default() -> f64 {
    1.0
}

const WINDOW_MIN: u32 = 5;
const WINDOW_MAX: u32 = 1_000;
const HISTORY_MIN: u32 = 20;
const HISTORY_DEFAULT: u32 = 252;
const TRAILING_MAX: u32 = 65_536;

impl Params {
    /// Ranges before the present one that have to be there.
    pub fn min_history(&self) -> u32 {
        self.min_history
            .unwrap_or(HISTORY_DEFAULT.min(self.trailing))
    }
}

impl crate::detector::Params for Params {
    fn inputs(&self) -> Vec<String> {
        vec![self.series.clone()]
    }

    fn subject(&self) -> String {
        self.series.clone()
    }

    fn check(&self) -> Result<(), ParamError> {
        bounds::symbol("series", &self.series)?;
        bounds::within("window", self.window, &(WINDOW_MIN..=WINDOW_MAX), "closes")?;
        let of_trailing = HISTORY_MIN..=TRAILING_MAX;
        bounds::within("trailing", self.trailing, &of_trailing, "ranges")?;
        let of_history = HISTORY_MIN..=self.trailing;
        bounds::within("min_history", self.min_history(), &of_history, "ranges")?;
        for (key, value, most) in [
            ("max_range_percentile", self.max_range_percentile, 100.0),
            ("max_efficiency", self.max_efficiency, 1.0),
            ("max_trend_t", self.max_trend_t, 1_000.0),
        ] {
            if !(value > 0.0 && value <= most) {
                return Err(ParamError::new(key, format!("above 0, to {most}"), value));
            }
        }
        bounds::within("break_pct", self.break_pct, &(0.0..=100.0), "percent")
    }

    fn check_units(&self, _units: &[Unit]) -> Result<(), ParamError> {
        Ok(())
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[PLATEAU]
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn reads_ticks(&self) -> bool {
        false
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "ratio".to_owned()
    }
}
