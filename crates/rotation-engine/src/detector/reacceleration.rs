//! A price index whose pace picks up again.

use super::{
    Account, Change, Detector, Measure, Names, ParamError, Step, TIE, Unit, bounds, positive,
};
use crate::section::Section;
use serde::{Deserialize, Serialize};

mod account;
mod months;

use months::{Month, Months, Rates};

/// Parameters of `reacceleration`: a price index by calendar month, such as the CPI, whose pace over three months is
/// above that over the year.
///
/// Rates are taken by calendar month, never by counting prints: where a month has no print, those that would start or
/// end there are undefined. The month of a value is that of the time it was stamped with, before any publication lag:
/// its date in UTC, or the session's date. Stamp a print with the first day of its month, and give the series the lag
/// after which it is known. A later value for the same month revises it. Values that are not positive count as lacking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The series: the symbol of an index level, one print a month. Give it the calendar `24x7`: the first of a month
    /// may be a holiday.
    pub series: String,
    /// Prints in a row whose 3-month rate is above the year-on-year rate that open an episode. Default 2; 1 to 120.
    #[serde(default = "open_at_default")]
    pub open_at: u32,
    /// Such prints in a row that escalate an open episode, each once. Default [4]; ascending, each above `open_at`, to
    /// 120, at most 32. Empty: never.
    #[serde(default = "escalate_at_default")]
    pub escalate_at: Vec<u32>,
    /// The 3-month rate, annualised, that an opening has to exceed, in percent. Default 4, twice the usual target of
    /// two; −100 to 1,000.
    #[serde(default = "floor_default")]
    pub floor: f64,
}

fn open_at_default() -> u32 {
    2
}

fn escalate_at_default() -> Vec<u32> {
    vec![4]
}

fn floor_default() -> f64 {
    4.0
}

const PRINTS_MAX: u32 = 120;

impl super::Params for Params {
    fn inputs(&self) -> Vec<String> {
        vec![self.series.clone()]
    }

    fn subject(&self) -> String {
        self.series.clone()
    }

    fn check(&self) -> Result<(), ParamError> {
        bounds::symbol("series", &self.series)?;
        bounds::within("open_at", self.open_at, &(1..=PRINTS_MAX), "prints")?;
        let counts = self.open_at + 1..=PRINTS_MAX;
        bounds::ascending("escalate_at", &self.escalate_at, &counts, "prints")?;
        bounds::within("floor", self.floor, &(-100.0..=1_000.0), "percent")
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        if units.first() == Some(&Unit::Percent) {
            let expected = "an index level: of unit \"price\", \"ratio\" or \"number\"";
            return Err(ParamError::new(
                "series",
                expected,
                "one of unit \"percent\"",
            ));
        }
        Ok(())
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[OPEN, PRINTS]
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn reads_ticks(&self) -> bool {
        true
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "percent a year".to_owned()
    }
}

/// Rung of the opening.
pub const OPEN: &str = "open";
/// Rung of an escalation at a configured number of prints.
pub const PRINTS: &str = "prints";

/// Reason of the end: a print whose 3-month rate is not above its year-on-year rate.
pub const COOLED: &str = "cooled";

/// State of `reacceleration`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    months: Months,
    rates: Rates,
    /// Prints in a row that accelerate, up to the month before the newest; and the newest among them.
    before: u32,
    count: u32,
    is_open: bool,
    /// The count of the last event of the episode.
    told: u32,
}

impl Detector for State {
    type Params = Params;

    fn new(_params: &Params) -> Self {
        State {
            months: Months::default(),
            rates: Rates::default(),
            before: 0,
            count: 0,
            is_open: false,
            told: 0,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let Some(value) = positive(section.close(0)) else {
            return Step::passed_over(self.is_open);
        };
        let observed = section.values.first().copied().flatten();
        let stamped = observed.and_then(|point| point.observed);
        let date = stamped.map_or(section.date(), crate::time::EventTime::utc_date);
        if self.months.take(Month::of(date), value) {
            self.before = self.count;
        }
        self.rates = self.months.rates();
        let change = match self.rates.accelerate() {
            Some(true) => {
                self.count = self.before + 1;
                self.go_on(params)
            }
            Some(false) => {
                self.count = 0;
                self.cool()
            }
            // A rate that is undefined says nothing either way.
            None => {
                self.count = self.before;
                Step::passed_over(self.is_open).change
            }
        };
        Step {
            reading: self.measure(params, &change),
            change,
        }
    }

    fn account(&self, params: &Params, _names: Names<'_>, change: &Change) -> Account {
        self.tell(params, change)
    }

    fn rescale(&mut self, _input: usize, factor: f64) {
        self.months.scale(factor);
    }
}

impl State {
    /// After a print that accelerates.
    fn go_on(&mut self, params: &Params) -> Change {
        if !self.is_open {
            let is_high = self.rates.three.is_some_and(|three| three > params.floor);
            if self.count < params.open_at || !is_high {
                return Change::Quiet;
            }
            self.is_open = true;
            self.told = self.count;
            return Change::Open(OPEN);
        }
        let reached = |rung: &u32| *rung > self.told && *rung <= self.count;
        if params.escalate_at.iter().any(reached) {
            self.told = self.count;
            return Change::Escalate(PRINTS);
        }
        Change::Hold
    }

    /// After one that does not.
    fn cool(&mut self) -> Change {
        if std::mem::take(&mut self.is_open) {
            Change::Resolve(COOLED)
        } else {
            Change::Quiet
        }
    }

    /// The 3-month rate against what an opening asks for, or, of an open episode, against what ends it.
    fn measure(&self, params: &Params, change: &Change) -> Option<Measure> {
        let value = self.rates.three?;
        let year = self.rates.year;
        let opens = year.map_or(params.floor, |year| year.max(params.floor));
        let (threshold, distance) = match (change, year) {
            (Change::Open(_) | Change::Escalate(_), _) => (opens, 0.0),
            (Change::Resolve(_), Some(year)) => (year, 0.0),
            (Change::Hold, Some(year)) => (year, value - year),
            _ => (opens, opens - value),
        };
        Some(Measure {
            value,
            threshold,
            distance: distance.max(0.0),
        })
    }
}

impl Rates {
    /// Whether the pace over three months is above that over the year; none where either is undefined.
    fn accelerate(&self) -> Option<bool> {
        Some(self.three? - self.year? > TIE * 100.0)
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |open_at, escalate_at: &[u32], floor| Params {
        series: "A".to_owned(),
        open_at,
        escalate_at: escalate_at.to_vec(),
        floor,
    };
    vec![
        params(1, &[2, 3], 2.0),
        params(2, &[], 4.0),
        params(3, &[4], -50.0),
    ]
}

#[cfg(test)]
mod tests;
