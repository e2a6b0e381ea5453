//! What is kept of each member, and what a section's closes come to against it.

use super::{Gauge, Params, TIE};
use crate::detector::members::Roster;
use crate::detector::row::Row;
use crate::window::{RollingMax, RollingMin};
use serde::{Deserialize, Serialize};

/// What a section counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Members of the day.
    pub(super) members: u32,
    /// Those with a close.
    pub(super) present: u32,
    /// Those with the history that the measure needs.
    pub(super) counted: u32,
    /// Of these, how many are above the mean, advanced, or made a new high.
    pub(super) up: u32,
    /// Of these, how many are below the mean, declined, or made a new low.
    pub(super) down: u32,
}

impl Tally {
    pub(super) fn is_enough(self, min_percent: f64) -> bool {
        self.counted > 0 && f64::from(self.counted) * 100.0 >= min_percent * f64::from(self.members)
    }

    /// The percentage that is up; those neither up nor down by half.
    pub(super) fn percent_up(self) -> f64 {
        let twice = f64::from(self.counted) + f64::from(self.up) - f64::from(self.down);
        50.0 * twice / f64::from(self.counted)
    }

    fn count(&mut self, now: f64, below: f64, above: f64) {
        self.counted += 1;
        self.up += u32::from(now > above * (1.0 + TIE));
        self.down += u32::from(now < below * (1.0 - TIE));
    }
}

/// What is kept of each member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Windows {
    Means(Means),
    /// The last close of each member, 0 before the first.
    Moves(Vec<f64>),
    Extremes(Extremes),
}

impl Windows {
    pub(super) fn new(params: &Params) -> Self {
        let size = params.window().unwrap_or(1);
        match params.measure {
            Gauge::AboveMean => Windows::Means(Means {
                size,
                ..Means::default()
            }),
            Gauge::NewHighs => Windows::Extremes(Extremes {
                size,
                ..Extremes::default()
            }),
            Gauge::AdvanceDecline | Gauge::Mcclellan | Gauge::Summation | Gauge::Thrust => {
                Windows::Moves(Vec::new())
            }
        }
    }

    /// Takes in the closes of a section, 0 where there is none.
    pub(super) fn read(&mut self, closes: &[f64], roster: &Roster) -> Tally {
        let mut tally = Tally {
            members: u32::try_from(roster.len()).unwrap_or(u32::MAX),
            ..Tally::default()
        };
        let on_roster = |place: usize, close: f64| close > 0.0 && roster.holds(place);
        match self {
            Windows::Means(means) => {
                means.push(closes);
                let size = f64::from(means.size);
                for (place, close) in closes.iter().enumerate() {
                    if on_roster(place, *close) {
                        tally.present += 1;
                        if means.runs[place] == means.size {
                            tally.count(*close * size, means.sums[place], means.sums[place]);
                        }
                    }
                }
            }
            Windows::Moves(last) => {
                last.resize(closes.len(), 0.0);
                for (place, (last, close)) in last.iter_mut().zip(closes).enumerate() {
                    if on_roster(place, *close) {
                        tally.present += 1;
                        if *last > 0.0 {
                            tally.count(*close, *last, *last);
                        }
                    }
                    if *close > 0.0 {
                        *last = *close;
                    }
                }
            }
            Windows::Extremes(extremes) => extremes.read(closes, on_roster, &mut tally),
        }
        tally
    }

    pub(super) fn rescale(&mut self, place: usize, factor: f64) {
        match self {
            Windows::Means(means) => means.rescale(place, factor),
            Windows::Moves(last) => {
                if let Some(last) = last.get_mut(place) {
                    *last *= factor;
                }
            }
            Windows::Extremes(extremes) => {
                if let Some(window) = extremes.highs.get_mut(place) {
                    window.scale(factor);
                }
                if let Some(window) = extremes.lows.get_mut(place) {
                    window.scale(factor);
                }
            }
        }
    }
}

/// The last closes of all members, a row a section, and their sums.
///
/// The sums are taken anew from the rows whenever the rows have been written once over, so that rounding cannot pile
/// up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Means {
    size: u32,
    /// 0 where a member had no close.
    rows: Vec<Row>,
    /// The row written last.
    at: usize,
    sums: Vec<f64>,
    /// In how many of the last sections, without a break, each member had a close; `size` at most.
    runs: Vec<u32>,
}

/// A value that leaves and was so much larger than what stays has taken the digits of the sum with it.
const WILD: f64 = 1e4;

impl Means {
    fn push(&mut self, closes: &[f64]) {
        self.sums.resize(closes.len(), 0.0);
        self.runs.resize(closes.len(), 0);
        if self.rows.len() < self.size as usize {
            self.at = self.rows.len();
            self.rows.push(vec![0.0; closes.len()].into());
        } else {
            self.at = (self.at + 1) % self.rows.len();
        }
        let mut wild = Vec::new();
        let row = self.rows[self.at].edit().iter_mut().zip(closes);
        let sums = self.sums.iter_mut().zip(&mut self.runs);
        for (place, ((sum, run), (held, close))) in sums.zip(row).enumerate() {
            let oldest = std::mem::replace(held, *close);
            *sum += *close - oldest;
            *run = if *close > 0.0 {
                (*run + 1).min(self.size)
            } else {
                0
            };
            if oldest > *sum * WILD {
                wild.push(place);
            }
        }
        if self.at + 1 == self.size as usize {
            self.sums.fill(0.0);
            for row in &self.rows {
                for (sum, close) in self.sums.iter_mut().zip(row.iter()) {
                    *sum += *close;
                }
            }
        } else {
            for place in wild {
                self.refresh(place);
            }
        }
    }

    fn refresh(&mut self, place: usize) {
        self.sums[place] = self.rows.iter().map(|row| row[place]).sum();
    }

    fn rescale(&mut self, place: usize, factor: f64) {
        if place < self.sums.len() {
            for row in &mut self.rows {
                row.edit()[place] *= factor;
            }
            self.refresh(place);
        }
    }
}

/// The highest and the lowest of the last closes of each member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Extremes {
    size: u32,
    /// Sections so far.
    at: u64,
    /// As in [`Means`].
    runs: Vec<u32>,
    highs: Vec<RollingMax<()>>,
    lows: Vec<RollingMin<()>>,
}

impl Extremes {
    fn read(&mut self, closes: &[f64], on_roster: impl Fn(usize, f64) -> bool, tally: &mut Tally) {
        let span = u64::from(self.size);
        self.runs.resize(closes.len(), 0);
        self.highs
            .resize_with(closes.len(), || RollingMax::new(span));
        self.lows
            .resize_with(closes.len(), || RollingMin::new(span));
        let before = self.at;
        self.at += 1;
        for (place, close) in closes.iter().enumerate() {
            let (run, high, low) = (
                &mut self.runs[place],
                &mut self.highs[place],
                &mut self.lows[place],
            );
            high.advance(before);
            low.advance(before);
            if on_roster(place, *close) {
                tally.present += 1;
                if *run == self.size
                    && let (Some(high), Some(low)) = (high.get(), low.get())
                {
                    tally.count(*close, low.value, high.value);
                }
            }
            if *close > 0.0 {
                high.push(self.at, *close, ());
                low.push(self.at, *close, ());
                *run = (*run + 1).min(self.size);
            } else {
                *run = 0;
            }
        }
    }
}
