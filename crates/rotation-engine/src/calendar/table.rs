//! The sessions of a calendar, computed once from its rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::rule::{NANOS_PER_DAY, Rules, epoch_day};
use super::{Session, us_bond, xnys};
use crate::time::EventTime;

pub(super) static XNYS: LazyLock<Table> = LazyLock::new(|| Table::new(&xnys::RULES));

pub(super) static US_BOND: LazyLock<Table> = LazyLock::new(|| Table::new(&us_bond::RULES));

/// All sessions of a calendar, ascending, with an index by day.
///
/// A session closes on the UTC day of its date, New York's evening being over before midnight UTC
/// begins; so the day of an instant leads to its session without a search.
pub(super) struct Table {
    /// Days from 1970-01-01 to the first date covered.
    first_day: i64,
    sessions: Vec<Session>,
    /// For each day covered and the one after: the number of sessions before it, which is the
    /// position of the first session not before it.
    before: Vec<u16>,
}

impl Table {
    fn new(rules: &Rules) -> Self {
        let new_york = TimeZoneDatabase::bundled()
            .get("America/New_York")
            .expect("the bundled time zone database has New York");
        let years = rules.first.year()..=rules.last.year();
        let holidays: BTreeSet<Date> = years
            .clone()
            .flat_map(|year| rules.holidays.iter().filter_map(move |day| day.date(year)))
            .collect();
        let short_days: BTreeMap<Date, Time> = years
            .flat_map(|year| {
                rules
                    .short_days
                    .iter()
                    .filter_map(move |day| Some((day.date(year)?, day.close)))
            })
            .collect();

        let mut table = Self {
            first_day: epoch_day(rules.first),
            sessions: Vec::new(),
            before: Vec::new(),
        };
        for date in rules.first.series(jiff::Span::new().days(1)) {
            let count = u16::try_from(table.sessions.len()).expect("250 sessions a year");
            table.before.push(count);
            if date > rules.last {
                break;
            }
            let closed = rules.closings.contains(&date)
                || (holidays.contains(&date) && !rules.openings.contains(&date));
            if closed || matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) {
                continue;
            }
            let open = on(rules.opens, date).unwrap_or(rules.open);
            let close = on(rules.closes, date)
                .or_else(|| short_days.get(&date).copied())
                .unwrap_or(rules.close);
            table.sessions.push(Session {
                date,
                open: instant(&new_york, date, open),
                close: instant(&new_york, date, close),
            });
        }
        table
    }

    pub(super) fn session(&self, date: Date) -> Option<Session> {
        let session = self.sessions.get(self.before(epoch_day(date))?)?;
        (session.date == date).then_some(*session)
    }

    pub(super) fn session_at_or_after(&self, time: EventTime) -> Option<Session> {
        let index = self.before(time.as_nanos().div_euclid(NANOS_PER_DAY))?;
        let session = self.sessions.get(index)?;
        if session.close >= time {
            return Some(*session);
        }
        self.sessions.get(index + 1).copied()
    }

    pub(super) fn session_before(&self, date: Date) -> Option<Session> {
        let index = self.before(epoch_day(date))?.checked_sub(1)?;
        self.sessions.get(index).copied()
    }

    pub(super) fn next_session(&self, date: Date) -> Option<Session> {
        let index = self.before(epoch_day(date) + 1)?;
        self.sessions.get(index).copied()
    }

    /// The number of sessions before a day, given in days from 1970-01-01.
    fn before(&self, day: i64) -> Option<usize> {
        let offset = usize::try_from(day - self.first_day).ok()?;
        self.before.get(offset).map(|&count| usize::from(count))
    }
}

/// The time that a table gives for `date`.
fn on(times: &[(Date, Time)], date: Date) -> Option<Time> {
    times
        .iter()
        .find(|entry| entry.0 == date)
        .map(|entry| entry.1)
}

/// New York changes its clocks in the night to a Sunday, so a session's times are never ambiguous.
fn instant(zone: &TimeZone, date: Date, time: Time) -> EventTime {
    zone.to_timestamp(date.to_datetime(time))
        .ok()
        .and_then(|timestamp| EventTime::try_from(timestamp).ok())
        .expect("sessions lie between 1962 and 2030")
}
