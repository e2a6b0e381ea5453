//! What `reacceleration` says of itself.

use super::{Params, State};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::detector::{Account, Change, text};

impl State {
    pub(super) fn tell(&self, params: &Params, change: &Change) -> Account {
        Account {
            evidence: self.evidence(params),
            headline: self.headline(params, change),
            reverses: "a print whose 3-month rate is not above its year-on-year rate".to_owned(),
            direction: Some(match change {
                Change::Resolve(_) => Direction::Down,
                _ => Direction::Up,
            }),
        }
    }

    fn evidence(&self, params: &Params) -> Evidence {
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        put("floor", params.floor.into());
        put("prints", self.count.into());
        let (Some(month), Some(level)) = (self.months.newest, self.months.ago(0)) else {
            return evidence;
        };
        put("month", month.to_string().as_str().into());
        put("level", round(level, 6).into());
        let rates = [
            ("three_month", self.rates.three),
            ("six_month", self.rates.six),
            ("year_on_year", self.rates.year),
        ];
        for (key, rate) in rates {
            if let Some(rate) = rate {
                put(key, round(rate, 4).into());
            }
        }
        let missing = self.months.missing();
        if !missing.is_empty() {
            let months = missing.iter().map(|month| Fact::Text(month.to_string()));
            put("missing_months", months.collect::<Vec<_>>().into());
        }
        evidence
    }

    fn headline(&self, params: &Params, change: &Change) -> String {
        let series = &params.series;
        let Some(month) = self.months.newest else {
            return format!("{series} has no print yet");
        };
        let Some(three) = self.rates.three else {
            return match self.months.missing().first() {
                Some(missing) => {
                    format!("{series} has no 3-month rate for {month}: no print for {missing}")
                }
                None => format!("{series} has no 3-month rate for {month} yet"),
            };
        };
        let pace = format!("{} a year over the 3 months to {month}", percent(three));
        let year = match self.rates.year {
            Some(year) => format!("{} over the year", percent(year)),
            None => "none known over the year".to_owned(),
        };
        let prints = text::ordinal(self.count);
        match change {
            Change::Open(_) => {
                format!("{series} picks up: {pace}, {year}; {prints} print in a row above it")
            }
            Change::Resolve(_) => {
                let prints = text::counted(self.before, "print");
                format!("{series} cools: {pace}, {year}, after {prints} above it")
            }
            _ if self.count > 0 => {
                format!("{series} {pace}, {year}; {prints} print in a row above it")
            }
            _ => format!("{series} {pace}, {year}"),
        }
    }
}

fn percent(rate: f64) -> String {
    let rounded = round(rate, 2);
    let sign = if rounded < 0.0 { "−" } else { "" };
    format!("{sign}{:.2} %", rounded.abs())
}
