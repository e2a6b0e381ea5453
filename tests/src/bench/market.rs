//! An invented market: a universe with three session rules, and its ticks.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Context, Result};
use rotation_engine::calendar::{Calendar, Session};
use rotation_engine::plan::UniversePlan;
use rotation_engine::record::Tick;
use rotation_engine::time::EventTime;
use rotation_service::config::Config;
use rotation_wire::input::encode_tick;

/// Bytes of a record.
pub const RECORD_BYTES: usize = 120;

/// The symbol of a series; they sort as they are numbered.
#[must_use]
pub fn symbol(series: usize) -> String {
    format!("S{series:05}")
}

/// A configuration with so many raw series, each of which some rule reads: a streak of one half against the other,
/// records of the first half, and a level for the first series.
#[must_use]
pub fn config(series: usize, kafka: &str) -> String {
    let mut text = format!(
        "[kafka]\n{kafka}\n[universe.bench]\ncalendar = \"XNYS\"\n\n[universe.bench.series]\n"
    );
    for at in 0..series {
        let _ = writeln!(text, "{} = {{}}", symbol(at));
    }
    let half = series.div_ceil(2);
    for (name, members) in [("LEADERS", 0..half), ("LAGGARDS", half..series)] {
        let members: Vec<String> = members.map(|at| format!("\"{}\"", symbol(at))).collect();
        let _ = writeln!(text, "{name} = {{ basket = [{}] }}", members.join(", "));
    }
    text.push_str(
        r#"
[universe.bench.rules.streak]
kind = "relative_streak"
leader = "LEADERS"
laggard = "LAGGARDS"

[universe.bench.rules.record]
kind = "record_high"
series = "LEADERS"

[universe.bench.rules.level]
kind = "level_approach"
series = "S00000"
level = 150
"#,
    );
    text
}

/// The universe of that configuration.
///
/// # Errors
///
/// When it is not valid.
pub fn plan(series: usize) -> Result<Arc<UniversePlan>> {
    let config = Config::parse(
        &config(series, "brokers = [\"localhost:9092\"]"),
        "bench.toml",
    )?;
    config.universes.into_iter().next().context("no universe")
}

/// In which order series tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One after the other.
    Turns,
    /// At random.
    Random,
}

/// A tick and whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Print {
    /// The series.
    pub series: u32,
    /// Its tick.
    pub tick: Tick,
}

/// Ticks in the order of time, at even distances, through the sessions of 2025; each series walks at random.
#[derive(Debug)]
pub struct Prints {
    sessions: Vec<Session>,
    per_session: u64,
    order: Order,
    cents: Vec<i64>,
    sequence: Vec<u64>,
    at: u64,
    dice: u64,
}

impl Prints {
    /// Ticks of so many series, so many a session of all together.
    #[must_use]
    pub fn new(series: usize, order: Order, per_session: u64) -> Self {
        use jiff::civil::date;
        Self {
            sessions: Calendar::Xnys
                .sessions(date(2025, 1, 6), date(2025, 12, 31))
                .collect(),
            per_session,
            order,
            cents: (0..series)
                .map(|at| 10_000 + 37 * (at as i64 % 300))
                .collect(),
            sequence: vec![0; series],
            at: 0,
            dice: 2025,
        }
    }

    /// A number from 0 to below `sides`; splitmix64.
    fn roll(&mut self, sides: usize) -> usize {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }
}

impl Iterator for Prints {
    type Item = Print;

    fn next(&mut self) -> Option<Print> {
        let session = *self
            .sessions
            .get(usize::try_from(self.at / self.per_session).ok()?)?;
        let length = session.close.saturating_since(session.open);
        let step = length / i64::try_from(self.per_session).ok()?;
        let within = i64::try_from(self.at % self.per_session).ok()?;
        // Microseconds, as feeds stamp.
        let time = session.open.as_nanos() + step * within / 1_000 * 1_000;
        let series = match self.order {
            Order::Turns => (self.at % self.cents.len() as u64) as usize,
            Order::Random => self.roll(self.cents.len()),
        };
        self.at += 1;
        self.cents[series] = (self.cents[series] + self.roll(11) as i64 - 5).max(100);
        self.sequence[series] += 1;
        let tick = Tick {
            time: EventTime::from_nanos(time),
            price: self.cents[series] as f64 / 100.0,
            size: (self.sequence[series] % 9 * 100 + 100) as f64,
            seq: Some(self.sequence[series]),
            official: false,
        };
        Some(Print {
            series: u32::try_from(series).ok()?,
            tick,
        })
    }
}

/// Writes a tick as a record of [`RECORD_BYTES`] bytes: a field that nobody reads fills it up, as feeds add fields.
pub fn write_record(out: &mut Vec<u8>, print: &Print) {
    let start = out.len();
    encode_tick(out, &symbol(print.series as usize), &print.tick);
    out.pop();
    out.extend_from_slice(b",\"venue\":\"");
    let filled = start + RECORD_BYTES - 2;
    out.resize(filled.max(out.len()), b'Q');
    out.extend_from_slice(b"\"}");
}
