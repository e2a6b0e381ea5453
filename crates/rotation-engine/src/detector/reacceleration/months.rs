//! Values by calendar month, and rates between them.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A calendar month: so many since January of the year 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Month(i32);

impl Month {
    pub(super) fn of(date: Date) -> Self {
        Month(i32::from(date.year()) * 12 + i32::from(date.month()) - 1)
    }

    fn back(self, months: usize) -> Self {
        Month(self.0 - i32::try_from(months).expect("a year at most"))
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:04}-{:02}",
            self.0.div_euclid(12),
            self.0.rem_euclid(12) + 1
        )
    }
}

/// The values of the last thirteen months.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Months {
    pub(super) newest: Option<Month>,
    /// The newest first; none where a month had no print.
    values: VecDeque<Option<f64>>,
}

/// Months that rates look back.
const YEAR: usize = 12;

/// Rates in percent a year, up to the newest month; none where either of their prints is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rates {
    /// Over three months, annualised.
    pub(super) three: Option<f64>,
    /// Over six months, annualised.
    pub(super) six: Option<f64>,
    /// Over twelve.
    pub(super) year: Option<f64>,
}

impl Months {
    /// Takes in the value of a month, or revises it; whether the month is a new one. One older than the year is let go.
    pub(super) fn take(&mut self, month: Month, value: f64) -> bool {
        let newest = *self.newest.get_or_insert(month);
        if month <= newest {
            let is_first = self.values.is_empty();
            if is_first {
                self.values.push_front(None);
            }
            let age = usize::try_from(newest.0 - month.0).unwrap_or(usize::MAX);
            if age <= YEAR {
                let known = self.values.len().max(age + 1);
                self.values.resize(known, None);
                self.values[age] = Some(value);
            }
            return is_first;
        }
        for _ in 0..(month.0 - newest.0 - 1).min(13) {
            self.values.push_front(None);
        }
        self.values.push_front(Some(value));
        self.values.truncate(YEAR + 1);
        self.newest = Some(month);
        true
    }

    /// The value so many months before the newest.
    pub(super) fn ago(&self, months: usize) -> Option<f64> {
        self.values.get(months).copied().flatten()
    }

    pub(super) fn rates(&self) -> Rates {
        Rates {
            three: self.rate(3),
            six: self.rate(6),
            year: self.rate(YEAR),
        }
    }

    fn rate(&self, months: usize) -> Option<f64> {
        let quotient = self.ago(0)? / self.ago(months)?;
        let power = 12.0 / f64::from(u32::try_from(months).expect("a year at most"));
        let rate = (libm::pow(quotient, power) - 1.0) * 100.0;
        rate.is_finite().then_some(rate)
    }

    /// The months that the rates would start from and that had no print, though history reaches back to them.
    pub(super) fn missing(&self) -> Vec<Month> {
        let Some(newest) = self.newest else {
            return Vec::new();
        };
        let starts = [3, 6, YEAR].into_iter();
        starts
            .filter(|months| *months < self.values.len() && self.ago(*months).is_none())
            .map(|months| newest.back(months))
            .collect()
    }

    pub(super) fn scale(&mut self, factor: f64) {
        for value in self.values.iter_mut().flatten() {
            *value *= factor;
        }
    }
}
