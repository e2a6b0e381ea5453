//! Moving average convergence and divergence.

use super::{Account, Change, Detector, Measure, Names, ParamError, Step, Unit, bounds};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::detector::text;
use crate::indicator::Ema;
use crate::section::Section;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Parameters of `macd`: the difference of a fast and a slow exponential moving average, held against its own average.
///
/// It reads and never opens an episode, unless `open_at` is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The series: a symbol.
    pub series: String,
    /// Values in the fast average, which weighs the last by 2 / (fast + 1). Default 12; 1 to 1,000.
    #[serde(default = "fast_default")]
    pub fast: u32,
    /// Values in the slow average. Default 26; above `fast`, to 2,520.
    #[serde(default = "slow_default")]
    pub slow: u32,
    /// Values in the average of the difference. Default 9; 1 to 1,000.
    #[serde(default = "signal_default")]
    pub signal: u32,
    /// The histogram, in the series' unit and either way, that opens an episode, inclusive; it ends when the histogram
    /// has crossed zero. Default none: it never opens; above 0, to 1e9.
    #[serde(default)]
    pub open_at: Option<f64>,
}

fn fast_default() -> u32 {
    12
}

fn slow_default() -> u32 {
    26
}

fn signal_default() -> u32 {
    9
}

const FAST_MAX: u32 = 1_000;
const SLOW_MAX: u32 = 2_520;
const VALUE_MAX: f64 = 1e9;
/// Beyond this a value is an error of the feed.
const INPUT_MAX: f64 = 1e100;

impl super::Params for Params {
    fn inputs(&self) -> Vec<String> {
        vec![self.series.clone()]
    }

    fn subject(&self) -> String {
        self.series.clone()
    }

    fn check(&self) -> Result<(), ParamError> {
        bounds::symbol("series", &self.series)?;
        for (key, values) in [("fast", self.fast), ("signal", self.signal)] {
            if !(1..=FAST_MAX).contains(&values) {
                let expected = format!("1 to {FAST_MAX} values");
                return Err(ParamError::new(key, expected, values));
            }
        }
        if !(self.fast + 1..=SLOW_MAX).contains(&self.slow) {
            let expected = format!("above fast ({}), to {SLOW_MAX} values", self.fast);
            return Err(ParamError::new("slow", expected, self.slow));
        }
        let is_level = |level: &f64| *level > 0.0 && *level <= VALUE_MAX;
        match self.open_at.filter(|level| !is_level(level)) {
            Some(level) => Err(ParamError::new("open_at", "above 0, to 1e9", level)),
            None => Ok(()),
        }
    }

    fn check_units(&self, _units: &[Unit]) -> Result<(), ParamError> {
        Ok(())
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[ABOVE, BELOW]
    }

    /// The histogram is in the unit of the series.
    fn is_scale_free(&self) -> bool {
        false
    }

    fn reads_ticks(&self) -> bool {
        false
    }

    fn unit(&self, series_unit: Unit) -> String {
        let name = match series_unit {
            Unit::Price => "price",
            Unit::Percent => "percent",
            Unit::Ratio => "ratio",
            Unit::Number => "number",
        };
        name.to_owned()
    }
}

/// Rung of an opening with the difference above its average.
pub const ABOVE: &str = "above";
/// Rung of an opening with the difference below its average.
pub const BELOW: &str = "below";

/// Reason of the end: the difference has crossed its average.
pub const CROSSED: &str = "crossed";

/// State of `macd`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    fast: Ema,
    slow: Ema,
    signal: Ema,
    /// Values seen, up to what it needs.
    seen: u32,
    difference: f64,
    histogram: f64,
    is_open: bool,
    /// Which way the episode that is open, or was last, goes; and its first session.
    episode: Option<(Direction, Date)>,
}

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        let average = |values: u32| Ema::new(values as usize);
        State {
            fast: average(params.fast),
            slow: average(params.slow),
            signal: average(params.signal),
            seen: 0,
            difference: 0.0,
            histogram: 0.0,
            is_open: false,
            episode: None,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let Some(value) = section.close(0).filter(|value| value.abs() <= INPUT_MAX) else {
            return Step::passed_over(self.is_open);
        };
        self.difference = self.fast.push(value) - self.slow.push(value);
        self.histogram = self.difference - self.signal.push(self.difference);
        // As long as a signal that begins at the first difference with a full slow average takes to fill.
        let needed = params.slow + params.signal - 1;
        self.seen = (self.seen + 1).min(needed);
        if self.seen < needed {
            return Step::passed_over(self.is_open);
        }
        let change = self.turn(params, section.date());
        Step {
            reading: Some(self.measure(params, &change)),
            change,
        }
    }

    fn account(&self, params: &Params, names: Names<'_>, change: &Change) -> Account {
        let unit = names.units.first().copied().unwrap_or_default();
        let told = self
            .episode
            .filter(|_| self.is_open || matches!(change, Change::Resolve(_)));
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        put("macd", round(self.difference, 6).into());
        put("signal", round(self.difference - self.histogram, 6).into());
        put("histogram", round(self.histogram, 6).into());
        if let Some((_, opened)) = told {
            put("opened", opened.into());
        }
        let [difference, average] = [self.difference, self.difference - self.histogram]
            .map(|value| text::value(round(value, 4), unit));
        let (fast, slow) = (params.fast, params.slow);
        let end = match change {
            Change::Resolve(_) => " and has crossed it",
            _ => "",
        };
        Account {
            evidence,
            headline: format!(
                "{}: MACD {fast}/{slow} at {difference} against its average of {average}{end}",
                params.series
            ),
            reverses: "a histogram on the other side of zero".to_owned(),
            direction: told.map(|(way, _)| way),
        }
    }

    fn rescale(&mut self, _input: usize, factor: f64) {
        for average in [&mut self.fast, &mut self.slow, &mut self.signal] {
            average.scale(factor);
        }
        self.difference *= factor;
        self.histogram *= factor;
    }
}

impl State {
    fn turn(&mut self, params: &Params, date: Date) -> Change {
        let histogram = self.histogram;
        if let Some((way, _)) = self.episode.filter(|_| self.is_open) {
            let is_crossed = match way {
                Direction::Up => histogram <= 0.0,
                Direction::Down => histogram >= 0.0,
            };
            self.is_open = !is_crossed;
            return if is_crossed {
                Change::Resolve(CROSSED)
            } else {
                Change::Hold
            };
        }
        if params.open_at.is_none_or(|level| histogram.abs() < level) {
            return Change::Quiet;
        }
        let (way, rung) = if histogram > 0.0 {
            (Direction::Up, ABOVE)
        } else {
            (Direction::Down, BELOW)
        };
        self.is_open = true;
        self.episode = Some((way, date));
        Change::Open(rung)
    }

    /// The histogram against the level that opens, on its own side; against zero where an episode is open, or where
    /// nothing opens.
    fn measure(&self, params: &Params, change: &Change) -> Measure {
        let value = self.histogram;
        let level = match change {
            Change::Open(_) | Change::Quiet => params.open_at.unwrap_or(0.0),
            _ => 0.0,
        };
        let threshold = if value < 0.0 { -level } else { level };
        let distance = match change {
            Change::Open(_) | Change::Resolve(_) => 0.0,
            _ => (value - threshold).abs(),
        };
        Measure {
            value,
            threshold,
            distance,
        }
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |fast, slow, signal, open_at| Params {
        series: "A".to_owned(),
        fast,
        slow,
        signal,
        open_at: Some(open_at),
    };
    vec![params(12, 26, 9, 0.2), params(3, 8, 4, 0.3)]
}

#[cfg(test)]
mod tests;
