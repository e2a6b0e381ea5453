//! The correlation of two series leaving its usual level.

use super::delta::Delta;
use super::way::along;
use super::{Account, Change, Detector, Measure, Names, Step};
use crate::alert::Direction;
use crate::section::Section;
use crate::window::RollingPairs;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

mod account;
mod params;

pub use params::Params;

/// Rung of an opening by a fall.
pub const FELL: &str = "fell";
/// Rung of an opening by a rise.
pub const ROSE: &str = "rose";
/// Rung of the episode's first section with the other sign.
pub const FLIPPED: &str = "flipped";

/// Reason of the end: the short correlation came back.
pub const RESTORED: &str = "restored";
/// Reason of the end: the short correlation stayed, and the long one followed: this is the new usual level.
pub const SETTLED: &str = "settled";

/// State of `correlation_break`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    deltas: [Delta; 2],
    /// The values of both series at the last section that had both.
    last: Option<[f64; 2]>,
    short: RollingPairs,
    long: RollingPairs,
    /// What was read last.
    read: Option<Read>,
    is_open: bool,
    /// The episode that is open, or was last.
    episode: Option<Episode>,
}

/// Both correlations at one section.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Read {
    date: Date,
    short: f64,
    long: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Episode {
    way: Direction,
    opened: Read,
    is_flipped: bool,
    /// The section with the largest distance so far.
    furthest: Read,
}

impl Read {
    /// Distance of the short correlation from the long one, positive toward a way.
    fn change(&self, way: Direction) -> f64 {
        along(way, self.short - self.long)
    }

    /// The level of the short correlation that is a change of sign, and the way there.
    fn flip(&self, params: &Params) -> Option<(f64, Direction)> {
        let is_signed = params.flips && self.long.abs() >= params.flip_at;
        is_signed.then(|| {
            if self.long > 0.0 {
                (-params.flip_at, Direction::Down)
            } else {
                (params.flip_at, Direction::Up)
            }
        })
    }

    fn has_flipped(&self, params: &Params, way: Direction) -> bool {
        self.flip(params)
            .is_some_and(|(level, toward)| toward == way && along(way, self.short - level) >= 0.0)
    }

    /// The short correlation at such a distance from the long one.
    fn level(&self, way: Direction, change: f64) -> f64 {
        self.long + along(way, change)
    }
}

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            deltas: [params.first_change, params.second_change],
            last: None,
            short: RollingPairs::new(params.short as usize),
            long: RollingPairs::new(params.long as usize),
            read: None,
            is_open: false,
            episode: None,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let deltas = self.deltas;
        let values = [0, 1].map(|input| deltas[input].value(section.close(input)));
        let [Some(first), Some(second)] = values else {
            return Step::passed_over(self.is_open);
        };
        let now = [first, second];
        let Some(before) = self.last.replace(now) else {
            return Step::passed_over(self.is_open);
        };
        let changes = [0, 1].map(|input| deltas[input].between(before[input], now[input]));
        self.short.push(changes);
        self.long.push(changes);
        self.read = self.correlations(section.date());
        let Some(read) = self.read else {
            return Step::passed_over(self.is_open);
        };
        let change = self.turn(params, read);
        Step {
            reading: Some(self.measure(params, read, &change)),
            change,
        }
    }

    fn account(&self, params: &Params, _names: Names<'_>, change: &Change) -> Account {
        self.tell(params, change)
    }

    fn rescale(&mut self, input: usize, factor: f64) {
        if let Some(value) = self.last.as_mut().and_then(|last| last.get_mut(input)) {
            *value *= factor;
            // Returns stay as they are; differences are in the unit of the values.
            if self.deltas[input] == Delta::Difference {
                self.short.scale(input, factor);
                self.long.scale(input, factor);
            }
        }
    }
}

impl State {
    fn correlations(&self, date: Date) -> Option<Read> {
        let long = self.long.correlation().filter(|_| self.long.is_full())?;
        let short = self.short.correlation()?;
        Some(Read { date, short, long })
    }

    fn turn(&mut self, params: &Params, read: Read) -> Change {
        match self.episode.as_mut().filter(|_| self.is_open) {
            None => self.open(params, read),
            Some(episode) => {
                let way = episode.way;
                if read.change(way) > episode.furthest.change(way) {
                    episode.furthest = read;
                }
                if read.change(way) <= params.end_change {
                    self.is_open = false;
                    return Change::Resolve(episode.ending(read));
                }
                if read.has_flipped(params, way) && !episode.is_flipped {
                    episode.is_flipped = true;
                    return Change::Escalate(FLIPPED);
                }
                Change::Hold
            }
        }
    }

    fn open(&mut self, params: &Params, read: Read) -> Change {
        let watched = params.direction.watched();
        let breaks = |way: &Direction| {
            read.has_flipped(params, *way) || read.change(*way) >= params.open_change
        };
        let Some(way) = watched.iter().copied().find(breaks) else {
            return Change::Quiet;
        };
        let is_flipped = read.has_flipped(params, way);
        self.is_open = true;
        self.episode = Some(Episode {
            way,
            opened: read,
            is_flipped,
            furthest: read,
        });
        Change::Open(match (is_flipped, way) {
            (true, _) => FLIPPED,
            (false, Direction::Up) => ROSE,
            (false, Direction::Down) => FELL,
        })
    }

    /// The short correlation against the edge that was crossed, or the nearest that the next event needs.
    fn measure(&self, params: &Params, read: Read, change: &Change) -> Measure {
        let flip = read.flip(params);
        let crossed = match (change, &self.episode) {
            (Change::Open(FELL | ROSE), Some(episode)) => {
                Some(read.level(episode.way, params.open_change))
            }
            (Change::Open(_) | Change::Escalate(_), _) => flip.map(|(level, _)| level),
            (Change::Resolve(_), Some(episode)) => Some(read.level(episode.way, params.end_change)),
            _ => None,
        };
        if let Some(threshold) = crossed {
            return Measure {
                value: read.short,
                threshold,
                distance: 0.0,
            };
        }
        let flip = |may: &dyn Fn(Direction) -> bool| {
            flip.filter(|(_, way)| may(*way)).map(|(level, _)| level)
        };
        let levels = match self.episode.filter(|_| self.is_open) {
            Some(episode) => [
                Some(read.level(episode.way, params.end_change)),
                flip(&|way| way == episode.way && !episode.is_flipped),
                None,
            ],
            None => {
                let watched = params.direction.watched();
                let opens = |way| {
                    let is_watched = watched.contains(&way);
                    is_watched.then(|| read.level(way, params.open_change))
                };
                let [up, down] = [Direction::Up, Direction::Down].map(opens);
                [up, down, flip(&|way| watched.contains(&way))]
            }
        };
        let far = |level: f64| (read.short - level).abs();
        let nearest = levels
            .into_iter()
            .flatten()
            .min_by(|left, right| far(*left).total_cmp(&far(*right)));
        let threshold = nearest.unwrap_or(read.long);
        Measure {
            value: read.short,
            threshold,
            distance: far(threshold),
        }
    }
}

impl Episode {
    /// Why an episode ends that has come so near: whether the short correlation stands nearer to where the long one was
    /// at the opening, or to its own extreme.
    fn ending(&self, read: Read) -> &'static str {
        let middle = self.opened.long.midpoint(self.furthest.short);
        if along(self.way, read.short - middle) <= 0.0 {
            RESTORED
        } else {
            SETTLED
        }
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    use super::Way;
    let params = |short, long, open_change, end_change, flips, direction| Params {
        first: "A".to_owned(),
        second: "B".to_owned(),
        first_change: Delta::Return,
        second_change: Delta::Return,
        short,
        long,
        open_change,
        end_change,
        flips,
        flip_at: 0.15,
        direction,
    };
    vec![
        params(10, 40, 0.4, 0.1, true, Way::Both),
        params(20, 60, 0.3, 0.2, false, Way::Down),
        Params {
            second_change: Delta::Difference,
            ..params(15, 30, 0.35, 0.0, true, Way::Up)
        },
    ]
}

#[cfg(test)]
mod tests;
