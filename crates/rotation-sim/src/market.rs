//! Random markets whose truth is known: walks of many series over a few partitions, with gaps, halts, repeated ticks,
//! ticks that are late within the bound and ticks that are later than that.
//!
//! They serve the law of the engine (neither interleaving nor a restart changes the alerts) and the counters: a market
//! says how many of its ticks have to be accepted, dropped as late, and dropped as duplicates.

use crate::event::Event;
use jiff::civil::{Date, date};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rotation_engine::calendar::{Calendar, Session};
use rotation_engine::clock::SECOND;
use rotation_engine::record::Tick;
use rotation_engine::time::EventTime;
use rotation_wire::partition::partition_for;
use std::sync::Arc;

mod plan;
#[cfg(test)]
mod tests;

/// What a random market is like. Rates are in thousandths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Number of series, `S000` and on.
    pub series: usize,
    /// Number of partitions, over which the series spread by their symbols.
    pub partitions: u32,
    /// First session, or the one after it where that is none.
    pub first: Date,
    /// Number of XNYS sessions.
    pub sessions: usize,
    /// Ticks of a series in a session.
    pub ticks_per_session: u32,
    /// How late a tick may be, in nanoseconds; the universe's `lateness`.
    pub lateness: i64,
    /// Ticks that come late, within the bound.
    pub late: u32,
    /// Ticks that come later than the bound allows, if anything newer came meanwhile.
    pub overdue: u32,
    /// Ticks that come twice.
    pub duplicates: u32,
    /// Sessions of a series with a halt, an hour without ticks.
    pub halts: u32,
    /// Sessions that a series misses.
    pub absences: u32,
    /// Sessions of a series that end with an official closing print.
    pub officials: u32,
}

impl Default for Shape {
    /// Eight series on three partitions for ten sessions, with some of every trouble.
    fn default() -> Self {
        Shape {
            series: 8,
            partitions: 3,
            first: date(2026, 1, 2),
            sessions: 10,
            ticks_per_session: 40,
            lateness: 30 * SECOND,
            late: 100,
            overdue: 20,
            duplicates: 30,
            halts: 100,
            absences: 50,
            officials: 700,
        }
    }
}

/// How many ticks of a market have to come to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Go into a bar or to a rule on ticks.
    pub accepted: u64,
    /// Dropped: older than their partition's horizon.
    pub late: u64,
    /// Dropped: seen before.
    pub duplicates: u64,
}

/// A random market.
#[derive(Clone, Debug, PartialEq)]
pub struct Market {
    shape: Shape,
    symbols: Vec<Arc<str>>,
    partitions: Vec<Vec<Event>>,
    truth: Truth,
}

/// An event and when it reaches its partition.
struct Arrival {
    at: EventTime,
    event: Event,
}

impl Market {
    /// The market of this seed and shape.
    pub fn random(seed: u64, shape: &Shape) -> Market {
        let symbols: Vec<Arc<str>> = (0..shape.series)
            .map(|index| Arc::from(format!("S{index:03}")))
            .collect();
        let mut arrivals: Vec<Vec<Arrival>> = (0..shape.partitions).map(|_| Vec::new()).collect();
        let sessions: Vec<Session> = Calendar::Xnys
            .sessions(shape.first, Calendar::Xnys.last_date())
            .take(shape.sessions)
            .collect();
        for (index, symbol) in symbols.iter().enumerate() {
            let mut walk = Walk::new(seed, index, shape, symbol.clone());
            let home = &mut arrivals[partition_for(symbol.as_bytes(), shape.partitions) as usize];
            for session in &sessions {
                walk.session(*session, home);
            }
        }
        for home in &mut arrivals {
            home.extend(
                sessions
                    .iter()
                    .map(|session| heartbeat(*session, shape.lateness)),
            );
            home.sort_by_key(|arrival| arrival.at);
        }
        let partitions: Vec<Vec<Event>> = arrivals
            .into_iter()
            .map(|home| home.into_iter().map(|arrival| arrival.event).collect())
            .collect();
        let mut truth = Truth::default();
        for partition in &partitions {
            judge(partition, shape.lateness, &mut truth);
        }
        Market {
            shape: shape.clone(),
            symbols,
            partitions,
            truth,
        }
    }

    /// What each partition of the ticks topic says, in its order.
    pub fn partitions(&self) -> &[Vec<Event>] {
        &self.partitions
    }

    /// The symbols.
    pub fn symbols(&self) -> &[Arc<str>] {
        &self.symbols
    }

    /// What has to become of the ticks, for a universe that reads every series by some clock.
    pub fn truth(&self) -> Truth {
        self.truth
    }
}

/// One way in which the partitions may be read: each in its order, in turns of random length.
pub fn interleave(seed: u64, partitions: &[Vec<Event>]) -> Vec<(u32, &Event)> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let mut rests: Vec<(u32, &[Event])> = (0..).zip(partitions.iter().map(Vec::as_slice)).collect();
    let mut order = Vec::with_capacity(partitions.iter().map(Vec::len).sum());
    rests.retain(|(_, rest)| !rest.is_empty());
    while !rests.is_empty() {
        let at = generator.random_range(0..rests.len());
        let (partition, rest) = &mut rests[at];
        let (turn, left) = rest.split_at(generator.random_range(1..=50).min(rest.len()));
        order.extend(turn.iter().map(|event| (*partition, event)));
        *rest = left;
        rests.retain(|(_, rest)| !rest.is_empty());
    }
    order
}

/// Long enough after a session's close for everything of the session to have come.
fn heartbeat(session: Session, lateness: i64) -> Arrival {
    let time = session.close.saturating_add(3 * lateness + 2 * SECOND);
    Arrival {
        at: time,
        event: Event::Heartbeat { time },
    }
}

/// Decides as the definition says: by `seq` first, then against the newest event time of the partition.
fn judge(partition: &[Event], lateness: i64, truth: &mut Truth) {
    let mut seen = std::collections::BTreeSet::new();
    let mut horizon = EventTime::MIN;
    for event in partition {
        let Event::Tick { symbol, tick } = event else {
            horizon = horizon.max(event.time());
            continue;
        };
        let is_repeated = tick
            .seq
            .is_some_and(|seq| !seen.insert((symbol.clone(), seq)));
        if is_repeated {
            truth.duplicates += 1;
        } else if tick.time < horizon && !tick.official {
            truth.late += 1;
        } else {
            truth.accepted += 1;
            horizon = horizon.max(tick.time.saturating_sub(lateness));
        }
    }
}

/// A series on its way.
struct Walk<'a> {
    shape: &'a Shape,
    generator: ChaCha8Rng,
    symbol: Arc<str>,
    price: f64,
    seq: u64,
}

impl Walk<'_> {
    fn new(seed: u64, index: usize, shape: &Shape, symbol: Arc<str>) -> Walk<'_> {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(index as u64);
        Walk {
            shape,
            generator,
            symbol,
            price: 100.0,
            seq: 0,
        }
    }

    fn chance(&mut self, thousandths: u32) -> bool {
        self.generator.random_range(0..1_000) < thousandths
    }

    /// The ticks of a session as they arrive.
    fn session(&mut self, session: Session, out: &mut Vec<Arrival>) {
        let length = session.close.saturating_since(session.open);
        let mut times: Vec<i64> = (0..self.shape.ticks_per_session)
            .map(|_| self.generator.random_range(0..length))
            .collect();
        times.sort_unstable();
        if self.chance(self.shape.absences) {
            return;
        }
        if self.chance(self.shape.halts) {
            let from = self.generator.random_range(0..length);
            times.retain(|time| !(from..from + 3_600 * SECOND).contains(time));
        }
        for time in times {
            self.tick(session.open.saturating_add(time), out);
        }
        if self.chance(self.shape.officials) {
            let tick = Tick {
                time: session.close,
                price: self.price,
                size: 0.0,
                seq: None,
                official: true,
            };
            // After the last tick of the session that may still count.
            let at = session
                .close
                .saturating_add(3 * self.shape.lateness + SECOND);
            out.push(Arrival {
                at,
                event: Event::Tick {
                    symbol: self.symbol.clone(),
                    tick,
                },
            });
        }
    }

    fn tick(&mut self, time: EventTime, out: &mut Vec<Arrival>) {
        let step: f64 = self.generator.random_range(-0.01..0.01);
        self.price = (self.price * (1.0 + step) * 100.0).round().max(1.0) / 100.0;
        self.seq += 1;
        let size = f64::from(self.generator.random_range(1..=10_u32)) * 100.0;
        let tick = Tick {
            time,
            price: self.price,
            size,
            seq: Some(self.seq),
            official: false,
        };
        let lateness = self.shape.lateness;
        // Everything comes at its own time or after it, so what is behind by less than the bound is never late.
        let delay = if self.chance(self.shape.late) {
            self.generator.random_range(0..lateness.max(1))
        } else if self.chance(self.shape.overdue) {
            self.generator.random_range(lateness..=2 * lateness)
        } else {
            0
        };
        let at = time.saturating_add(delay);
        let event = Event::Tick {
            symbol: self.symbol.clone(),
            tick,
        };
        if self.chance(self.shape.duplicates) {
            let again = at.saturating_add(self.generator.random_range(0..=lateness));
            out.push(Arrival {
                at: again,
                event: event.clone(),
            });
        }
        out.push(Arrival { at, event });
    }
}
