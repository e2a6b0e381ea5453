//! Exchange calendars: on which dates a market trades, and when its sessions open and close.
//!
//! Everything is a function of the date: rules and tables in this module, New York time from the
//! bundled time zone database, no clock and no files. A calendar's sessions are computed once, when
//! it is first asked; every lookup after that is an array access and allocates nothing.
//!
//! Dates to come follow the rules as published. A closing that nobody has announced yet, for a
//! storm or a day of mourning, cannot be known and is absent until it is added to the tables.

use std::fmt;
use std::iter;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::time::EventTime;
use table::Table;

mod always_open;
mod rule;
mod table;
mod us_bond;
mod xnys;

pub(crate) use rule::epoch_day;

/// A market's calendar of trading sessions.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Calendar {
    /// New York Stock Exchange: 09:30 to 16:00 New York time, with its holidays, early closes, late
    /// opens and one-off closings, 1987 to 2030.
    #[serde(rename = "XNYS")]
    Xnys,
    /// US government bonds: weekdays less the closings that SIFMA and its forerunners recommended,
    /// 1962 to 2030. These are the dates on which the Federal Reserve's H.15 release has a Treasury
    /// yield.
    ///
    /// Every session is 08:00 to 17:00 New York time. The market has no bell: the yield of a date is
    /// read at about 15:30, dealers quote on, and the recommended early closes (usually 14:00, noon on
    /// some Good Fridays) are neither binding nor on record for all these years, so none is applied.
    #[serde(rename = "US-BOND")]
    UsBond,
    /// Markets that never close: one session for each day, in UTC.
    #[serde(rename = "24x7")]
    AlwaysOpen,
}

/// One trading session.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    /// The date that the market gives the session.
    pub date: Date,
    /// The first instant of trading.
    pub open: EventTime,
    /// The last instant of trading, itself part of the session: the closing print bears it.
    pub close: EventTime,
}

impl Calendar {
    /// Every calendar there is.
    pub const ALL: [Self; 3] = [Self::Xnys, Self::UsBond, Self::AlwaysOpen];

    /// The name in configuration files and on the topics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xnys => "XNYS",
            Self::UsBond => "US-BOND",
            Self::AlwaysOpen => "24x7",
        }
    }

    /// The first date covered; nothing is known of the dates before it.
    pub const fn first_date(self) -> Date {
        match self {
            Self::Xnys => xnys::RULES.first,
            Self::UsBond => us_bond::RULES.first,
            Self::AlwaysOpen => always_open::FIRST,
        }
    }

    /// The last date covered; nothing is known of the dates after it.
    pub const fn last_date(self) -> Date {
        match self {
            Self::Xnys => xnys::RULES.last,
            Self::UsBond => us_bond::RULES.last,
            Self::AlwaysOpen => always_open::LAST,
        }
    }

    /// The session of `date`, or `None` when the market is closed that day or the date is not covered.
    pub fn session(self, date: Date) -> Option<Session> {
        match self.table() {
            Some(table) => table.session(date),
            None => always_open::session(date),
        }
    }

    /// Whether the market trades on `date`.
    pub fn contains(self, date: Date) -> bool {
        self.session(date).is_some()
    }

    /// The session to which a trade at `time` counts: the first whose close is not before it.
    ///
    /// `None` when the UTC date of `time` is not covered: a trade from before the calendar begins
    /// belongs to no session that is known.
    pub fn session_at_or_after(self, time: EventTime) -> Option<Session> {
        match self.table() {
            Some(table) => table.session_at_or_after(time),
            None => always_open::session_at_or_after(time),
        }
    }

    /// The last session strictly before `date`, or `None` when it is not covered.
    pub fn session_before(self, date: Date) -> Option<Session> {
        match self.table() {
            Some(table) => table.session_before(date),
            None => always_open::session(date.yesterday().ok()?),
        }
    }

    /// The first session strictly after `date`, or `None` when it is not covered.
    pub fn next_session(self, date: Date) -> Option<Session> {
        match self.table() {
            Some(table) => table.next_session(date),
            None => always_open::session(date.tomorrow().ok()?),
        }
    }

    /// The sessions dated `from` to `to`, both included, as far as they are covered.
    pub fn sessions(self, from: Date, to: Date) -> impl Iterator<Item = Session> {
        let from = from.max(self.first_date());
        let first = self.session(from).or_else(|| self.next_session(from));
        iter::successors(first, move |session| self.next_session(session.date))
            .take_while(move |session| session.date <= to)
    }

    /// The precomputed sessions, of the calendars that have any.
    fn table(self) -> Option<&'static Table> {
        match self {
            Self::Xnys => Some(&table::XNYS),
            Self::UsBond => Some(&table::US_BOND),
            Self::AlwaysOpen => None,
        }
    }
}

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no calendar has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a calendar (XNYS, US-BOND or 24x7), given {given:?}")]
pub struct UnknownCalendar {
    /// The name as given.
    pub given: String,
}

impl FromStr for Calendar {
    type Err = UnknownCalendar;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|calendar| calendar.name() == name)
            .ok_or_else(|| UnknownCalendar {
                given: name.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests;
