//! When a replay tells every partition that nothing older will come.
//!
//! A series that trades rarely, or has ended, leaves its partition behind the others, and with it every section that
//! waits for the partition. So a replay says the end of each session to all partitions once the files have passed it,
//! by the lateness that a service grants: a heartbeat then takes nothing away from a late print that would have
//! counted without it. After the last record one more heartbeat ends what is still open.

use rotation_engine::calendar::{Calendar, Session};
use rotation_engine::clock::{SECOND, session_bucket};
use rotation_engine::time::{EventTime, Nanos};

/// What decides when heartbeats are said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatOptions {
    /// Calendars whose sessions are ended.
    pub calendars: Vec<Calendar>,
    /// How far behind the newest a record may be and still count, in nanoseconds.
    pub lateness: Nanos,
    /// How long past its close prints still belong to a session, in nanoseconds.
    pub closing_window: Nanos,
    /// How long after its close a session may still be corrected, in nanoseconds.
    pub correction_window: Nanos,
    /// The latest time that a heartbeat may bear: a service refuses records from its future. Records beyond it are
    /// replayed, but do not count as progress.
    pub ceiling: EventTime,
}

impl Default for HeartbeatOptions {
    fn default() -> Self {
        Self {
            calendars: vec![Calendar::Xnys],
            lateness: 30 * SECOND,
            closing_window: 0,
            correction_window: 12 * 3_600 * SECOND,
            ceiling: EventTime::MAX,
        }
    }
}

/// The promise that nothing older will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The bound promised.
    pub time: EventTime,
    /// The event time at which it is said.
    pub due: EventTime,
}

/// The heartbeats that go between the records of a replay.
#[derive(Clone, Debug)]
pub struct Heartbeats {
    options: HeartbeatOptions,
    ends: Vec<Ends>,
    /// Records before this time bring no heartbeat.
    next_due: EventTime,
    newest: Option<EventTime>,
}

/// The session ends of one calendar, in order.
#[derive(Clone, Debug)]
struct Ends {
    calendar: Calendar,
    /// The session whose end is to be said next.
    next: Option<Session>,
    /// Whether an end was said since the last record.
    said: bool,
}

impl Heartbeats {
    /// A schedule that has seen no record.
    #[must_use]
    pub fn new(options: HeartbeatOptions) -> Self {
        Self {
            options,
            ends: Vec::new(),
            next_due: EventTime::MIN,
            newest: None,
        }
    }

    /// The heartbeat to say before a record of this time; to be asked until there is none.
    ///
    /// Where several sessions of a calendar have ended without a record between them, only the first and the last of
    /// these ends are said.
    pub fn before(&mut self, time: EventTime) -> Option<Heartbeat> {
        if time < self.next_due || time > self.options.ceiling {
            return None;
        }
        if self.newest.is_none() && self.ends.is_empty() {
            self.begin(time);
        }
        let limit = time.saturating_sub(self.options.lateness);
        let window = self.options.closing_window;
        for ends in &mut self.ends {
            ends.skip_to_last(limit, window);
        }
        let next = self
            .ends
            .iter()
            .filter_map(|ends| ends.next_end(window))
            .min();
        let Some(end) = next else {
            self.next_due = EventTime::MAX;
            return None;
        };
        let due = end.saturating_add(self.options.lateness);
        if end > limit {
            self.next_due = due;
            return None;
        }
        for ends in &mut self.ends {
            if ends.next_end(window) == Some(end) {
                ends.advance();
                ends.said = true;
            }
        }
        Some(Heartbeat { time: end, due })
    }

    /// Takes note of a record of a series.
    pub fn passed(&mut self, time: EventTime) {
        if time > self.options.ceiling {
            return;
        }
        self.newest = self.newest.max(Some(time));
        for ends in &mut self.ends {
            ends.said = false;
        }
    }

    /// The heartbeat after the last record; none where there was no record.
    #[must_use]
    pub fn last(&self) -> Option<Heartbeat> {
        let newest = self.newest?;
        let time = final_time(&self.options, newest).min(self.options.ceiling);
        Some(Heartbeat { time, due: newest })
    }

    /// Finds, in each calendar, the first session that ends after the first record.
    fn begin(&mut self, time: EventTime) {
        let opened = time.saturating_sub(self.options.closing_window);
        let ends = self.options.calendars.iter().map(|&calendar| Ends {
            calendar,
            next: first_session(calendar, opened),
            said: false,
        });
        self.ends = ends.collect();
    }
}

impl Ends {
    fn next_end(&self, closing_window: Nanos) -> Option<EventTime> {
        self.next
            .map(|session| session_bucket(session, closing_window).end)
    }

    fn advance(&mut self) {
        self.next = self
            .next
            .and_then(|session| self.calendar.next_session(session.date));
    }

    /// After one end was said, goes on to the last that is not beyond `limit`.
    fn skip_to_last(&mut self, limit: EventTime, closing_window: Nanos) {
        while self.said
            && let Some(session) = self.next
            && let Some(after) = self.calendar.next_session(session.date)
            && session_bucket(after, closing_window).end <= limit
        {
            self.next = Some(after);
        }
    }
}

/// What the last heartbeat says when `newest` is the last event: each session that the event belongs to or comes after
/// has ended, and its corrections are over.
#[must_use]
pub fn final_time(options: &HeartbeatOptions, newest: EventTime) -> EventTime {
    let after_close = options.closing_window.max(options.correction_window) + SECOND;
    let ends = options.calendars.iter().filter_map(|&calendar| {
        let session = last_session(calendar, newest, options.closing_window)?;
        Some(session.close.saturating_add(after_close))
    });
    let seen = newest.saturating_add(options.lateness);
    ends.fold(seen, EventTime::max)
}

/// The first session whose close is not before `time`, also where the calendar begins later.
fn first_session(calendar: Calendar, time: EventTime) -> Option<Session> {
    calendar.session_at_or_after(time).or_else(|| {
        let first = calendar.first_date();
        let is_before = time.utc_date() < first;
        is_before.then(|| calendar.sessions(first, calendar.last_date()).next())?
    })
}

/// The session that `time` lies in, else the one before it.
fn last_session(calendar: Calendar, time: EventTime, closing_window: Nanos) -> Option<Session> {
    match calendar.session_at_or_after(time.saturating_sub(closing_window)) {
        Some(session) if session.open <= time => Some(session),
        Some(session) => calendar.session_before(session.date),
        None => calendar.session_before(time.utc_date()),
    }
}

#[cfg(test)]
mod tests;
