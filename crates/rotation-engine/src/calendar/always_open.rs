//! One session a day, midnight to midnight UTC.

use jiff::civil::{Date, date};

use super::Session;
use super::rule::{NANOS_PER_DAY, epoch_day};
use crate::time::EventTime;

/// The first whole day that event time can hold.
pub(super) const FIRST: Date = date(1677, 9, 22);

/// The last whole day that event time can hold.
pub(super) const LAST: Date = date(2262, 4, 10);

pub(super) fn session(date: Date) -> Option<Session> {
    if !(FIRST..=LAST).contains(&date) {
        return None;
    }
    let open = EventTime::from_nanos(epoch_day(date) * NANOS_PER_DAY);
    Some(Session {
        date,
        open,
        close: open.saturating_add(NANOS_PER_DAY - 1),
    })
}

pub(super) fn session_at_or_after(time: EventTime) -> Option<Session> {
    session(time.utc_date())
}
