//! Rows that carry no tick, counted by reason.

use std::fmt;

/// Why a row carries no tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// The source says that there is no value.
    Missing,
    /// The calendar has no session on this date.
    NoSession,
    /// The calendar does not reach this date.
    OutsideCalendar,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "without a value",
            Self::NoSession => "on a date without a session",
            Self::OutsideCalendar => "outside the years of the calendar",
        })
    }
}

/// Rows of one file skipped for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// Why.
    pub reason: SkipReason,
    /// How many rows, or cells of a panel.
    pub count: u64,
    /// Line of the first.
    pub first_line: u64,
    /// What the first field of that line says: the date or time.
    pub first: Box<str>,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = if self.count == 1 { "row" } else { "rows" };
        let Self {
            reason,
            count,
            first_line,
            first,
        } = self;
        write!(
            f,
            "{count} {rows} {reason}, the first in line {first_line}: {first}"
        )
    }
}

/// The skips of one file, a line a reason.
#[derive(Debug, Default)]
pub(super) struct Skips(Vec<Skip>);

impl Skips {
    pub(super) fn add(&mut self, reason: SkipReason, line: u64, first: impl fmt::Display) {
        if let Some(skip) = self.0.iter_mut().find(|skip| skip.reason == reason) {
            skip.count += 1;
        } else {
            let first = first.to_string().into();
            self.0.push(Skip {
                reason,
                count: 1,
                first_line: line,
                first,
            });
        }
    }

    pub(super) fn as_slice(&self) -> &[Skip] {
        &self.0
    }
}
