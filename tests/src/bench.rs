//! Benchmarks: what the program costs, each figure beside a floor measured in the same run.
//!
//! - [`market`]: the ticks and records that all of them use
//! - [`engine`]: ticks through the sampler and the universe
//! - [`decode`]: the same from JSON records
//! - [`shift`]: one value through the rule that does the most with it
//! - [`end_to_end`]: the sampler stage on Apache Kafka, against a bare consumer; [`reader`] is the process of each
//! - [`page`]: writes `BENCHMARKS.md`
//!
//! `make bench` runs them at [`Scale::full`]; a test runs them at [`Scale::smoke`], to see that they work.

use std::time::{Duration, Instant};

pub mod decode;
pub mod end_to_end;
pub mod engine;
pub mod market;
pub mod page;
pub mod reader;
pub mod shift;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Rounds of which the median counts.
    pub rounds: usize,
    /// Ticks in memory, a round.
    pub ticks: usize,
    /// JSON records in memory, a round.
    pub records: usize,
    /// Rounds from Kafka of which the median counts.
    pub kafka_rounds: usize,
    /// Records read from Kafka, a round.
    pub kafka_records: u64,
    /// Records after which resident memory is looked at for the first and for the last time.
    pub memory: [u64; 2],
    /// Records of many series read from Kafka.
    pub wide_records: u64,
}

impl Scale {
    /// Minutes on two cores.
    #[must_use]
    pub fn full() -> Self {
        Self {
            rounds: 7,
            ticks: 2_000_000,
            records: 250_000,
            kafka_rounds: 5,
            kafka_records: 2_000_000,
            memory: [1_000_000, 10_000_000],
            wide_records: 1_000_000,
        }
    }

    /// Enough to see that everything works; the figures mean nothing.
    #[must_use]
    pub fn smoke() -> Self {
        Self {
            rounds: 1,
            ticks: 20_000,
            records: 2_000,
            kafka_rounds: 1,
            kafka_records: 100_000,
            memory: [2_000, 10_000],
            wide_records: 5_000,
        }
    }
}

/// One line of the result.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// The figure, with its unit.
    pub measured: String,
    /// The floor's, with its unit.
    pub floor: String,
    /// The figure as a part of the floor's.
    pub ratio: f64,
    /// What is aimed at.
    pub aim: String,
}

/// Rates of something and of its floor, round by round.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    measured: Vec<f64>,
    floor: Vec<f64>,
}

impl Rates {
    /// The rates of one round.
    pub(crate) fn add(&mut self, floor: f64, measured: f64) {
        self.floor.push(floor);
        self.measured.push(measured);
    }

    /// Medians of the measured, of the floor, and of the ratios of each round.
    pub(crate) fn medians(&self) -> [f64; 3] {
        let ratios = self
            .measured
            .iter()
            .zip(&self.floor)
            .map(|(measured, floor)| measured / floor);
        [
            median(self.measured.clone()),
            median(self.floor.clone()),
            median(ratios.collect()),
        ]
    }

    /// The line for rates in millions a second.
    pub(crate) fn row(&self, what: &str, aim: &str) -> Row {
        let [measured, floor, ratio] = self.medians();
        let show = |rate: f64| format!("{:.2} M/s ({:.0} ns)", rate / 1e6, 1e9 / rate);
        Row {
            what: what.to_owned(),
            measured: show(measured),
            floor: show(floor),
            ratio,
            aim: aim.to_owned(),
        }
    }
}

/// The middle of some figures, the upper one of two.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Does something and returns how many a second of a core's time it did, `count` in all.
///
/// A core's time and not a clock's, where the kernel tells: what other programs took does not count.
pub(crate) fn rate(count: usize, work: impl FnOnce()) -> f64 {
    let (begun, on_core) = (Instant::now(), core_time());
    work();
    let busy = core_time().zip(on_core).map(|(end, start)| end - start);
    count as f64 / busy.unwrap_or_else(|| begun.elapsed()).as_secs_f64()
}

/// How long this thread has been on a core.
fn core_time() -> Option<Duration> {
    // The kernel brings the figure up to date when the thread is scheduled.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}
