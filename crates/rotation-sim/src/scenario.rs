//! The Great Rotation as a seeded feed: 16 sessions of 30 series by the minute, after 60 sessions of closes.
//!
//! The figures of the story are prescribed (see `scenario/story.rs`) and hold for every seed; the ways from close to
//! close are Brownian bridges, and the panel around the story moves by chance. Within a session each series has one
//! tick a minute, and its official closing print at the session's close; a session of the history has the last trade, a
//! minute before the close and at its price, and the close. Heartbeats follow each close, because what ends a session
//! in a live market, the silence after it, does not show in a feed that runs many times faster.

use crate::event::Event;
use jiff::civil::Date;
use rand::Rng;
use rotation_engine::calendar::{Calendar, Session};
use rotation_engine::clock::SECOND;
use rotation_engine::record::Tick;
use rotation_engine::time::EventTime;
use std::sync::Arc;

mod paths;
mod story;
#[cfg(test)]
mod tests;

use paths::{bridge, closes, generator, normal, to_hundredths};
use story::{CAST, Cast, FIRST, HISTORY, Motion, SESSIONS, TOUCH, YIELD_MAX};

/// A seeded market that tells one story.
#[derive(Clone, Debug)]
pub struct Scenario {
    seed: u64,
    symbols: Vec<Arc<str>>,
    sessions: Vec<Date>,
    /// Official closes by series, then by session.
    closes: Vec<Vec<f64>>,
}

impl Scenario {
    /// Small companies rise 8 % against 1.5 % for large ones, ahead in each of 14 sessions; see the module.
    pub fn great_rotation(seed: u64) -> Scenario {
        let mut sessions: Vec<Date> = Vec::with_capacity(HISTORY + SESSIONS);
        let mut date = FIRST;
        for _ in 0..HISTORY {
            date = Calendar::Xnys
                .session_before(date)
                .expect("the calendar begins in 1987")
                .date;
            sessions.push(date);
        }
        sessions.reverse();
        sessions.push(FIRST);
        for _ in 1..SESSIONS {
            let last = sessions[sessions.len() - 1];
            sessions.push(
                Calendar::Xnys
                    .next_session(last)
                    .expect("the calendar ends in 2030")
                    .date,
            );
        }
        Scenario {
            seed,
            symbols: CAST.iter().map(|cast| Arc::from(cast.symbol)).collect(),
            sessions,
            closes: CAST
                .iter()
                .enumerate()
                .map(|(index, cast)| closes(seed, index, cast))
                .collect(),
        }
    }

    /// The symbols, 30 of them.
    pub fn symbols(&self) -> &[Arc<str>] {
        &self.symbols
    }

    /// The dates of the story's sessions.
    pub fn sessions(&self) -> &[Date] {
        &self.sessions[HISTORY..]
    }

    /// The dates of the sessions before, of which only the last trade and the official close are told.
    pub fn history(&self) -> &[Date] {
        &self.sessions[..HISTORY]
    }

    /// A symbol's official closes by date, history first.
    pub fn closes(&self, symbol: &str) -> Option<impl Iterator<Item = (Date, f64)>> {
        let index = self.symbols.iter().position(|known| &**known == symbol)?;
        Some(
            self.sessions
                .iter()
                .copied()
                .zip(self.closes[index].iter().copied()),
        )
    }

    /// Everything that the feed says, in the order of event time.
    pub fn events(&self) -> impl Iterator<Item = Event> + '_ {
        let last = (0..self.sessions.len()).flat_map(|session| self.session(session));
        last.chain(std::iter::once(self.end()))
    }

    /// A heartbeat long after the last close: nothing is left open.
    fn end(&self) -> Event {
        let last = Calendar::UsBond.session(self.sessions[self.sessions.len() - 1]);
        let close = last
            .expect("the bond market trades on the story's last day")
            .close;
        Event::Heartbeat {
            time: close.saturating_add(3_600 * SECOND),
        }
    }

    /// What the feed says in one session, in order.
    fn session(&self, session: usize) -> Vec<Event> {
        let date = self.sessions[session];
        let mut events = Vec::new();
        let mut ends = Vec::new();
        for (index, cast) in CAST.iter().enumerate() {
            let calendar = if cast.motion == Motion::Yield {
                Calendar::UsBond
            } else {
                Calendar::Xnys
            };
            // Columbus and Veterans Day: stocks trade, bonds do not.
            let Some(hours) = calendar.session(date) else {
                continue;
            };
            let price = self.closes[index][session];
            if session >= HISTORY {
                self.ticks(session, index, hours, &mut events);
            } else {
                let last_trade = hours.close.saturating_sub(MINUTE);
                let seq = session as u64 * SEQ_PER_SESSION;
                events.push(self.tick(index, last_trade, price, 0.0, Some(seq)));
            }
            events.push(self.tick(index, hours.close, price, 0.0, None));
            ends.push(hours.close);
        }
        ends.sort_unstable();
        ends.dedup();
        events.extend(ends.iter().map(|close| Event::Heartbeat {
            time: close.saturating_add(SECOND),
        }));
        events.sort_by_key(Event::time);
        events
    }

    /// One tick a minute, each at a moment of its minute that chance decides.
    fn ticks(&self, session: usize, index: usize, hours: Session, events: &mut Vec<Event>) {
        let cast = &CAST[index];
        let mut generator = generator(self.seed, index, session);
        let minutes =
            usize::try_from(hours.close.saturating_since(hours.open) / MINUTE).unwrap_or(0);
        let (last, close) = (self.closes[index][session - 1], self.closes[index][session]);
        let path = path(
            &mut generator,
            cast,
            session - HISTORY,
            last,
            close,
            minutes,
        );
        for (minute, price) in (0_i64..).zip(path).take(minutes) {
            let time = hours
                .open
                .saturating_add(minute * MINUTE + generator.random_range(0..60_000) * MILLISECOND);
            let size = match cast.motion {
                Motion::Mixed { .. } => f64::from(generator.random_range(1..=50_u32)) * 100.0,
                _ => 0.0,
            };
            let seq = session as u64 * SEQ_PER_SESSION + minute.unsigned_abs();
            events.push(self.tick(index, time, price, size, Some(seq)));
        }
    }

    /// A tick; without `seq` the official close.
    fn tick(
        &self,
        index: usize,
        time: EventTime,
        price: f64,
        size: f64,
        seq: Option<u64>,
    ) -> Event {
        let official = seq.is_none();
        let tick = Tick {
            time,
            price,
            size,
            seq,
            official,
        };
        Event::Tick {
            symbol: self.symbols[index].clone(),
            tick,
        }
    }
}

/// Sequence numbers of a session start at its position times this.
const SEQ_PER_SESSION: u64 = 10_000;
const MILLISECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

/// The prices of one session by the minute: a gap at the open, then a bridge to the close.
fn path(
    generator: &mut impl Rng,
    cast: &Cast,
    session: usize,
    last: f64,
    close: f64,
    minutes: usize,
) -> Vec<f64> {
    let open = last + 0.25 * (close - last);
    match cast.motion {
        Motion::Yield => {
            let mut path = yields(generator, session, (open, close), minutes, cast.intraday);
            path.iter_mut()
                .for_each(|value| *value = (*value * 1_000.0).round() / 1_000.0);
            path
        }
        _ => {
            let deviation = close * cast.intraday / 100.0;
            let open = open + 0.2 * deviation * normal(generator);
            let path = bridge(generator, open, close, minutes, deviation);
            path.into_iter()
                .map(|price| to_hundredths(price).max(0.01))
                .collect()
        }
    }
}

/// The yield's path: below 5 % throughout, but for the one moment of the one session.
fn yields(
    generator: &mut impl Rng,
    session: usize,
    (open, close): (f64, f64),
    minutes: usize,
    deviation: f64,
) -> Vec<f64> {
    let (touch_session, touch) = TOUCH;
    if session != touch_session {
        let path = bridge(generator, open, close, minutes, deviation);
        return path.into_iter().map(|value| value.min(YIELD_MAX)).collect();
    }
    let until = minutes / 2;
    let mut path = bridge(generator, open, touch, until, deviation / 4.0);
    let down = bridge(generator, touch, close, minutes - until, deviation / 4.0);
    path.pop();
    path.iter_mut()
        .for_each(|value| *value = value.min(YIELD_MAX));
    path.push(touch);
    path.extend(down.into_iter().skip(1).map(|value| value.min(YIELD_MAX)));
    path
}
