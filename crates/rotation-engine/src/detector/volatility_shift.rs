//! Volatility over a short window leaving that over a long one.

use super::Way;
use super::way::along;
use super::{
    Account, Change, Detector, Measure, Names, ParamError, Step, TIE, Unit, bounds, positive,
};
use crate::alert::Direction;
use crate::section::{Point, Section};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

mod account;
mod estimate;

use estimate::{Estimate, Session};

/// Parameters of `volatility_shift`: realised volatility over a short window divided by that over a long window.
///
/// Both windows end at the present section, so the long one holds the short one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The series: a symbol.
    pub series: String,
    /// How volatility is measured: "close" from closes alone, or "yang_zhang" from open, high, low and close, which
    /// needs a series that has them (`ohlc = true` where it comes from daily files). Default "close".
    #[serde(default)]
    pub estimator: Estimator,
    /// Returns in the short window. Default 21; 3 to 2,520.
    #[serde(default = "short_default")]
    pub short: u32,
    /// Returns in the long window. Default 252; above `short`, to 5,040.
    #[serde(default = "long_default")]
    pub long: u32,
    /// Ratio at which an expansion opens, inclusive. Default 2; above 1, to 100.
    #[serde(default = "expand_at_default")]
    pub expand_at: f64,
    /// Ratio at which an expansion ends, inclusive. Default 1.25; above 0, below `expand_at`.
    #[serde(default = "expand_end_default")]
    pub expand_end: f64,
    /// Ratio at which a contraction opens, inclusive. Default 0.5; above 0, below 1.
    #[serde(default = "contract_at_default")]
    pub contract_at: f64,
    /// Ratio at which a contraction ends, inclusive. Default 0.8; above `contract_at`, to 100.
    #[serde(default = "contract_end_default")]
    pub contract_end: f64,
    /// What is watched: "both", "up" (expansions) or "down" (contractions). Default "both".
    #[serde(default)]
    pub direction: Way,
    /// Returns a year, for the annualised volatilities in the evidence. Default 252; 1 to 10,000,000.
    #[serde(default = "per_year_default")]
    pub per_year: u32,
}

/// An estimator of realised volatility.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// The sample standard deviation of log returns from close to close, with n − 1 and around their mean.
    #[default]
    Close,
    /// Yang and Zhang (2000): overnight, open to close and Rogers–Satchell variances.
    YangZhang,
}

fn short_default() -> u32 {
    21
}

fn long_default() -> u32 {
    252
}

fn expand_at_default() -> f64 {
    2.0
}

fn expand_end_default() -> f64 {
    1.25
}

fn contract_at_default() -> f64 {
    0.5
}

fn contract_end_default() -> f64 {
    0.8
}

fn per_year_default() -> u32 {
    252
}

const SHORT_MIN: u32 = 3;
const SHORT_MAX: u32 = 2_520;
const LONG_MAX: u32 = 5_040;
const RATIO_MAX: f64 = 100.0;
const PER_YEAR_MAX: u32 = 10_000_000;

impl Params {
    fn check_windows(&self) -> Result<(), ParamError> {
        if !(SHORT_MIN..=SHORT_MAX).contains(&self.short) {
            let expected = format!("{SHORT_MIN} to {SHORT_MAX} returns");
            return Err(ParamError::new("short", expected, self.short));
        }
        if !(self.short + 1..=LONG_MAX).contains(&self.long) {
            let expected = format!("above short ({}), to {LONG_MAX} returns", self.short);
            return Err(ParamError::new("long", expected, self.long));
        }
        if !(1..=PER_YEAR_MAX).contains(&self.per_year) {
            let expected = format!("1 to {PER_YEAR_MAX} returns");
            return Err(ParamError::new("per_year", expected, self.per_year));
        }
        Ok(())
    }

    fn check_ratios(&self) -> Result<(), ParamError> {
        if !(self.expand_at > 1.0 && self.expand_at <= RATIO_MAX) {
            let expected = format!("above 1, to {RATIO_MAX}");
            return Err(ParamError::new("expand_at", expected, self.expand_at));
        }
        if !(self.expand_end > 0.0 && self.expand_end < self.expand_at) {
            let expected = format!("above 0, below expand_at ({})", self.expand_at);
            return Err(ParamError::new("expand_end", expected, self.expand_end));
        }
        if !(self.contract_at > 0.0 && self.contract_at < 1.0) {
            return Err(ParamError::new(
                "contract_at",
                "above 0, below 1",
                self.contract_at,
            ));
        }
        if !(self.contract_end > self.contract_at && self.contract_end <= RATIO_MAX) {
            let expected = format!("above contract_at ({}), to {RATIO_MAX}", self.contract_at);
            return Err(ParamError::new("contract_end", expected, self.contract_end));
        }
        Ok(())
    }

    /// The ratio at which an episode of a direction opens, and the one at which it ends.
    fn edges(&self, way: Direction) -> (f64, f64) {
        match way {
            Direction::Up => (self.expand_at, self.expand_end),
            Direction::Down => (self.contract_at, self.contract_end),
        }
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
        self.check_windows()?;
        self.check_ratios()
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        bounds::have_returns(&["series"], units)
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[EXPANSION, CONTRACTION]
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

/// Rung of an opening at a high ratio.
pub const EXPANSION: &str = "expansion";
/// Rung of an opening at a low ratio.
pub const CONTRACTION: &str = "contraction";

/// Reason of the end: the ratio is back.
pub const NORMAL: &str = "normal";

/// State of `volatility_shift`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The last close.
    last: Option<f64>,
    short: Estimate,
    long: Estimate,
    /// What was read last.
    read: Option<Read>,
    is_open: bool,
    /// The episode that is open, or was last.
    episode: Option<Episode>,
}

/// Both volatilities at one section, a return.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Read {
    date: Date,
    short: f64,
    long: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Episode {
    way: Direction,
    opened: Read,
    /// The section with the most extreme ratio so far.
    furthest: Read,
}

impl Read {
    fn ratio(&self) -> f64 {
        self.short / self.long
    }
}

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            last: None,
            short: Estimate::new(params.estimator, params.short),
            long: Estimate::new(params.estimator, params.long),
            read: None,
            is_open: false,
            episode: None,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let Some(point) = section.values.first().copied().flatten().and_then(usable) else {
            return Step::passed_over(self.is_open);
        };
        let Some(before) = self.last.replace(point.close) else {
            return Step::passed_over(self.is_open);
        };
        let session = Session::new(before, &point);
        self.short.push(&session);
        self.long.push(&session);
        self.read = self.volatilities(section.date());
        let Some(read) = self.read else {
            return Step::passed_over(self.is_open);
        };
        let change = self.turn(params, read);
        Step {
            reading: Some(self.measure(params, read, &change)),
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

/// The point, where returns can be taken from all its prices.
fn usable(point: Point) -> Option<Point> {
    let prices = [point.open, point.high, point.low, point.close];
    prices
        .into_iter()
        .all(|price| positive(Some(price)).is_some())
        .then_some(point)
}

impl State {
    fn volatilities(&self, date: Date) -> Option<Read> {
        let long = self.long.volatility().filter(|long| *long > TIE)?;
        let short = self.short.volatility()?;
        // What moved by rounding alone did not move.
        let short = if short > TIE { short } else { 0.0 };
        Some(Read { date, short, long })
    }

    fn turn(&mut self, params: &Params, read: Read) -> Change {
        let ratio = read.ratio();
        if let Some(episode) = self.episode.as_mut().filter(|_| self.is_open) {
            let way = episode.way;
            if along(way, ratio - episode.furthest.ratio()) > 0.0 {
                episode.furthest = read;
            }
            let (_, end) = params.edges(way);
            if along(way, ratio - end) > 0.0 {
                return Change::Hold;
            }
            self.is_open = false;
            return Change::Resolve(NORMAL);
        }
        let opens = |way: &Direction| along(*way, ratio - params.edges(*way).0) >= 0.0;
        let Some(way) = params.direction.watched().iter().copied().find(opens) else {
            return Change::Quiet;
        };
        self.is_open = true;
        self.episode = Some(Episode {
            way,
            opened: read,
            furthest: read,
        });
        Change::Open(match way {
            Direction::Up => EXPANSION,
            Direction::Down => CONTRACTION,
        })
    }

    /// The ratio against the edge that was crossed, or the nearest that the next event needs.
    fn measure(&self, params: &Params, read: Read, change: &Change) -> Measure {
        let ratio = read.ratio();
        let way = self.episode.map(|episode| episode.way);
        let (threshold, is_crossed) = match (change, way) {
            (Change::Open(_), Some(way)) => (params.edges(way).0, true),
            (Change::Resolve(_), Some(way)) => (params.edges(way).1, true),
            (_, Some(way)) if self.is_open => (params.edges(way).1, false),
            _ => {
                let watched = params.direction.watched().iter();
                let edges = watched.map(|way| params.edges(*way).0);
                let far = |edge: &f64| (ratio - edge).abs();
                let nearest = edges.min_by(|left, right| far(left).total_cmp(&far(right)));
                (nearest.unwrap_or(params.expand_at), false)
            }
        };
        let distance = if is_crossed {
            0.0
        } else {
            (ratio - threshold).abs()
        };
        Measure {
            value: ratio,
            threshold,
            distance,
        }
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |estimator, short, long, direction| Params {
        series: "A".to_owned(),
        estimator,
        short,
        long,
        expand_at: 1.2,
        expand_end: 1.05,
        contract_at: 0.85,
        contract_end: 0.95,
        direction,
        per_year: 252,
    };
    vec![
        params(Estimator::Close, 5, 40, Way::Both),
        params(Estimator::YangZhang, 5, 40, Way::Both),
        params(Estimator::Close, 10, 30, Way::Up),
    ]
}

#[cfg(test)]
mod tests;
