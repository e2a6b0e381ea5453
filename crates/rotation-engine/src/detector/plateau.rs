//! A market that goes nowhere.

use super::{Account, Change, Detector, Measure, Names, Step, TIE, positive};
use crate::alert::Direction;
use crate::section::Section;
use crate::window::{RankWindow, RollingLine, RollingMax, RollingMin, RollingMoments};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

mod account;
mod params;

pub use params::Params;

/// Rung of the opening.
pub const PLATEAU: &str = "plateau";

/// Reason of the end: a close above the range.
pub const BROKE_UP: &str = "broke_up";
/// Reason of the end: a close below the range.
pub const BROKE_DOWN: &str = "broke_down";

/// State of `plateau`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The last closes, with their trend.
    line: RollingLine,
    highest: RollingMax<()>,
    lowest: RollingMin<()>,
    /// The moves between them, without their signs.
    moves: RollingMoments,
    /// Values seen.
    count: u64,
    /// The ranges before the present one.
    ranges: RankWindow,
    /// The present window.
    now: Option<Shape>,
    phase: Phase,
    /// The episode that is open, or was last.
    episode: Option<Episode>,
    /// The episodes before it.
    past: Past,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Phase {
    /// Waits for a window that is no plateau.
    Unarmed,
    /// Waits for one that is.
    Armed,
    Open,
}

/// A window's measures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Shape {
    high: f64,
    low: f64,
    /// Percent of the low.
    range_pct: f64,
    /// Share of the ranges before it that are narrower, in percent, and how many there were.
    percentile: f64,
    history: u32,
    efficiency: f64,
    trend_t: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Episode {
    since: Date,
    /// Sessions, the one that opened it included, that which ended it not.
    sessions: u32,
    /// The range of the window that opened it.
    high: f64,
    low: f64,
    /// The last close within, and the side that it was left on.
    until: Date,
    broke: Option<Direction>,
}

/// What is kept of earlier episodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Past {
    count: u32,
    longest: u32,
    /// Lengths in sessions of the latest.
    lengths: RankWindow,
    last: Option<Episode>,
}

/// Lengths of earlier episodes that a median is taken of, at most.
const LENGTHS_MAX: usize = 100;

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        let window = params.window as usize;
        State {
            line: RollingLine::new(window),
            highest: RollingMax::new(params.window.into()),
            lowest: RollingMin::new(params.window.into()),
            moves: RollingMoments::new(window - 1),
            count: 0,
            ranges: RankWindow::new(params.trailing as usize),
            now: None,
            phase: Phase::Unarmed,
            episode: None,
            past: Past {
                count: 0,
                longest: 0,
                lengths: RankWindow::new(LENGTHS_MAX),
                last: None,
            },
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let Some(close) = positive(section.close(0)) else {
            return Step::passed_over(self.phase == Phase::Open);
        };
        self.take_in(close);
        self.now = self.shape(params);
        let Some(now) = self.now else {
            return Step::passed_over(self.phase == Phase::Open);
        };
        let worst = now.worst(params);
        let change = self.turn(params, &now, worst, close, section.date());
        Step {
            reading: Some(Measure {
                value: worst,
                threshold: 1.0,
                distance: if worst <= WITHIN { 0.0 } else { worst - 1.0 },
            }),
            change,
        }
    }

    fn account(&self, params: &Params, names: Names<'_>, change: &Change) -> Account {
        self.tell(params, names, change)
    }

    fn rescale(&mut self, _input: usize, factor: f64) {
        self.line.scale(factor);
        self.moves.scale(factor);
        self.highest.scale(factor);
        self.lowest.scale(factor);
        if let Some(now) = &mut self.now {
            now.high *= factor;
            now.low *= factor;
        }
        for episode in [&mut self.episode, &mut self.past.last]
            .into_iter()
            .flatten()
        {
            episode.high *= factor;
            episode.low *= factor;
        }
    }
}

/// A measure that exceeds its bound by no more than rounding is within.
const WITHIN: f64 = 1.0 + TIE;

impl Shape {
    /// The measure that is most of its bound: a plateau while none is more than 1.
    fn worst(&self, params: &Params) -> f64 {
        let range = self.percentile / params.max_range_percentile;
        let efficiency = self.efficiency / params.max_efficiency;
        let trend = self.trend_t.abs() / params.max_trend_t;
        range.max(efficiency).max(trend)
    }
}

impl State {
    fn take_in(&mut self, close: f64) {
        if let Some(before) = self.line.last() {
            self.moves.push((close - before).abs());
        }
        self.line.push(close);
        self.highest.push(self.count, close, ());
        self.lowest.push(self.count, close, ());
        self.count = self.count.saturating_add(1);
    }

    /// The measures of a full window with enough history, which it then becomes part of.
    fn shape(&mut self, params: &Params) -> Option<Shape> {
        if !self.line.is_full() {
            return None;
        }
        let (high, low) = (self.highest.get()?.value, self.lowest.get()?.value);
        let range_pct = (high / low - 1.0) * 100.0;
        let history = u32::try_from(self.ranges.len()).unwrap_or(u32::MAX);
        let percentile = self.ranges.percentile_rank(range_pct);
        self.ranges.push(range_pct);
        if history < params.min_history() {
            return None;
        }
        Some(Shape {
            high,
            low,
            range_pct,
            percentile: percentile? * 100.0,
            history,
            efficiency: self.efficiency(),
            trend_t: self.line.t()?,
        })
    }

    /// Kaufman's efficiency ratio; 1 where nothing moved: a series that stands still is not traded, so no plateau.
    fn efficiency(&self) -> f64 {
        let (Some(first), Some(last)) = (self.line.first(), self.line.last()) else {
            return 1.0;
        };
        let way = self.moves.sum();
        if way <= TIE * last {
            return 1.0;
        }
        ((last - first).abs() / way).min(1.0)
    }

    fn turn(&mut self, params: &Params, now: &Shape, worst: f64, close: f64, date: Date) -> Change {
        let is_plateau = worst <= WITHIN;
        match self.phase {
            Phase::Unarmed => {
                if !is_plateau {
                    self.phase = Phase::Armed;
                }
                Change::Quiet
            }
            Phase::Armed if is_plateau => {
                self.phase = Phase::Open;
                self.past.take_in(self.episode.take());
                self.episode = Some(Episode {
                    since: date,
                    sessions: 1,
                    high: now.high,
                    low: now.low,
                    until: date,
                    broke: None,
                });
                Change::Open(PLATEAU)
            }
            Phase::Armed => Change::Quiet,
            Phase::Open => {
                let broke = self.go_on(params, close, date);
                let Some(direction) = broke else {
                    return Change::Hold;
                };
                self.phase = if is_plateau {
                    Phase::Unarmed
                } else {
                    Phase::Armed
                };
                Change::Resolve(match direction {
                    Direction::Up => BROKE_UP,
                    Direction::Down => BROKE_DOWN,
                })
            }
        }
    }

    /// Takes the close into the open episode; the side on which it leaves it.
    fn go_on(&mut self, params: &Params, close: f64, date: Date) -> Option<Direction> {
        let episode = self.episode.as_mut()?;
        let (low, high) = episode.edges(params);
        episode.broke = if close > high * (1.0 + TIE) {
            Some(Direction::Up)
        } else if close < low * (1.0 - TIE) {
            Some(Direction::Down)
        } else {
            None
        };
        if episode.broke.is_none() {
            episode.sessions = episode.sessions.saturating_add(1);
            episode.until = date;
        }
        episode.broke
    }
}

impl Past {
    fn take_in(&mut self, episode: Option<Episode>) {
        if let Some(episode) = episode {
            self.count = self.count.saturating_add(1);
            self.longest = self.longest.max(episode.sessions);
            self.lengths.push(episode.sessions.into());
            self.last = Some(episode);
        }
    }
}

impl Episode {
    /// Closes beyond these end it.
    fn edges(&self, params: &Params) -> (f64, f64) {
        let share = params.break_pct / 100.0;
        (self.low * (1.0 - share), self.high * (1.0 + share))
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |window, trailing, max_range_percentile, max_efficiency, break_pct| Params {
        series: "A".to_owned(),
        window,
        trailing,
        min_history: Some(20),
        max_range_percentile,
        max_efficiency,
        max_trend_t: 4.0,
        break_pct,
    };
    vec![
        params(10, 60, 50.0, 0.3, 0.2),
        params(20, 100, 100.0, 0.5, 0.0),
        params(40, 250, 60.0, 0.15, 1.0),
    ]
}

#[cfg(test)]
mod tests;
