//! What a `gap` is told.

use super::{CLOSING, LEVEL, WIDE, WIDER};
use crate::alert::Direction;
use crate::detector::level_approach::Side;
use crate::detector::{ParamError, Unit, bounds};
use serde::{Deserialize, Serialize};

/// Parameters of `gap`: a level, ratio, discount or difference of reference series, such as the forward P/E of small
/// caps against that of large caps, wide by its own history, and closing.
///
/// The series may be of low frequency and print on different days: each one's last value stands until its next. A
/// section in which neither prints changes nothing; every other is an observation. Ratio and discount ask for positive
/// values, others are passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What is measured.
    pub measure: Gap,
    /// The series: a symbol.
    pub series: String,
    /// The series that it is held against: another symbol of the same unit. Absent where the measure is "level", else
    /// required.
    #[serde(default)]
    pub against: Option<String>,
    /// The side on which the gap is wide. Default "above": the larger the measure, the wider the gap.
    #[serde(default = "wide_default")]
    pub wide: Side,
    /// Measure that an opening needs, inclusive: a discount in percent, a ratio as it is, any other in the unit of the
    /// series. Default absent: no condition; −1e9 to 1e9.
    #[serde(default)]
    pub open_at: Option<f64>,
    /// Percentile among the measures before it that an opening needs, inclusive, counted from the side that is not
    /// wide. Default absent: no condition; 50 to 100. Without both conditions the rule reads and never opens; with
    /// both, both have to hold.
    #[serde(default)]
    pub open_percentile: Option<f64>,
    /// Measures that escalate an open episode, each once. Default none; ever wider, each beyond `open_at`, at most 32.
    #[serde(default)]
    pub escalate_at: Vec<f64>,
    /// By how much the gap has to narrow from its widest of the episode to be closing, in the unit of the measure.
    /// Default a fifth of its widest; above 0, to 1e9.
    #[serde(default)]
    pub closing: Option<f64>,
    /// Measures before the present one that it is ranked among, at most. Default 2,520; 10 to 65,536. They are
    /// observations: 120 of a monthly series are ten years.
    #[serde(default = "trailing_default")]
    pub trailing: u32,
    /// Measures before the present one that a percentile needs. Default 60, or `trailing` where that is less; 10 to
    /// `trailing`.
    #[serde(default)]
    pub min_history: Option<u32>,
}

/// What a gap is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Gap {
    /// The series itself.
    Level,
    /// The series divided by the other.
    Ratio,
    /// How far the series is below the other, in percent of that: (1 − series / against) · 100.
    Discount,
    /// The series minus the other.
    Difference,
}

fn wide_default() -> Side {
    Side::Above
}

fn trailing_default() -> u32 {
    2_520
}

const MEASURE_MAX: f64 = 1e9;
const HISTORY_MIN: u32 = 10;
const HISTORY_DEFAULT: u32 = 60;
const TRAILING_MAX: u32 = 65_536;

impl Params {
    /// Measures before the present one that a percentile needs.
    pub fn min_history(&self) -> u32 {
        self.min_history
            .unwrap_or(HISTORY_DEFAULT.min(self.trailing))
    }

    /// The direction in which the gap widens.
    pub(super) fn direction(&self) -> Direction {
        match self.wide {
            Side::Above => Direction::Up,
            Side::Below => Direction::Down,
        }
    }

    fn check_series(&self) -> Result<(), ParamError> {
        bounds::symbol("series", &self.series)?;
        match (self.measure, &self.against) {
            (Gap::Level, None) => Ok(()),
            (Gap::Level, Some(against)) => {
                let expected = "none, since a level stands alone";
                Err(ParamError::new("against", expected, against))
            }
            (_, None) => Err(ParamError::new("against", "a symbol", "none")),
            (_, Some(against)) if *against == self.series => {
                let expected = "another series than `series`";
                Err(ParamError::new("against", expected, against))
            }
            (_, Some(against)) => bounds::symbol("against", against),
        }
    }

    fn check_escalations(&self) -> Result<(), ParamError> {
        let widths: Vec<f64> = self
            .open_at
            .iter()
            .chain(&self.escalate_at)
            .map(|at| super::along(self.direction(), *at))
            .collect();
        let ever_wider = widths.windows(2).all(|pair| pair[0] < pair[1]);
        let held = widths.iter().all(|width| width.abs() <= MEASURE_MAX);
        if ever_wider && held && self.escalate_at.len() <= bounds::RUNGS_MAX {
            return Ok(());
        }
        let order = match self.wide {
            Side::Above => "ascending",
            Side::Below => "descending",
        };
        let expected = format!(
            "at most {} {order} numbers beyond open_at, within ±1e9",
            bounds::RUNGS_MAX
        );
        let found = format!("{:?}", self.escalate_at);
        Err(ParamError::new("escalate_at", expected, found))
    }
}

impl crate::detector::Params for Params {
    fn inputs(&self) -> Vec<String> {
        let series = std::iter::once(&self.series);
        series.chain(&self.against).cloned().collect()
    }

    fn subject(&self) -> String {
        match &self.against {
            Some(against) => format!("{}/{against}", self.series),
            None => self.series.clone(),
        }
    }

    fn check(&self) -> Result<(), ParamError> {
        self.check_series()?;
        if let Some(at) = self.open_at
            && !(-MEASURE_MAX..=MEASURE_MAX).contains(&at)
        {
            return Err(ParamError::new("open_at", "-1e9 to 1e9", at));
        }
        if let Some(percentile) = self.open_percentile {
            let of_percentile = 50.0..=100.0;
            bounds::within("open_percentile", percentile, &of_percentile, "percent")?;
        }
        self.check_escalations()?;
        if let Some(closing) = self.closing
            && !(closing > 0.0 && closing <= MEASURE_MAX)
        {
            return Err(ParamError::new("closing", "above 0, to 1e9", closing));
        }
        let of_trailing = HISTORY_MIN..=TRAILING_MAX;
        bounds::within("trailing", self.trailing, &of_trailing, "observations")?;
        let of_history = HISTORY_MIN..=self.trailing;
        bounds::within(
            "min_history",
            self.min_history(),
            &of_history,
            "observations",
        )
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        if let [series, against] = units
            && series != against
        {
            let expected = "a series of the same unit as `series`";
            return Err(ParamError::new("against", expected, "one of another unit"));
        }
        Ok(())
    }

    fn minds_absent_inputs(&self) -> bool {
        false
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[WIDE, LEVEL, WIDER, CLOSING]
    }

    fn is_scale_free(&self) -> bool {
        false
    }

    fn needs_all_inputs(&self) -> bool {
        false
    }

    fn reads_ticks(&self) -> bool {
        false
    }

    fn unit(&self, series_unit: Unit) -> String {
        let name = match (self.measure, series_unit) {
            (Gap::Discount, _) => "percent",
            (Gap::Ratio, _) | (_, Unit::Ratio) => "ratio",
            (Gap::Difference, Unit::Percent) => "points",
            (_, Unit::Percent) => "percent",
            (_, Unit::Price) => "price",
            (_, Unit::Number) => "number",
        };
        name.to_owned()
    }
}
