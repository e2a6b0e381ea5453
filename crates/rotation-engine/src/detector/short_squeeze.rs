//! A heavily shorted share that is bought back in haste.

use super::{Account, Change, Detector, Measure, Names, Step, TIE, positive};
use crate::section::{Point, Section};
use crate::window::RollingMoments;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

mod account;
mod params;

pub use params::Params;

/// Rung of the opening.
pub const SQUEEZE: &str = "squeeze";

/// Reason of the end: the price no longer rises.
pub const FADED: &str = "faded";
/// Reason of the end: few days to cover are left.
pub const COVERED: &str = "covered";

/// State of `short_squeeze`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Closes, the oldest first, one more than `surge_sessions` at most; and the days to cover then, where known.
    closes: VecDeque<(f64, Option<f64>)>,
    /// Volumes before the last session.
    volumes: RollingMoments,
    /// Volumes of the last sessions, the last one included.
    recent: RollingMoments,
    interest: Option<Print>,
    /// The last print of another size before it.
    interest_before: Option<Print>,
    average: Option<Print>,
    /// What was read last.
    read: Option<Read>,
    is_open: bool,
    /// The episode that is open, or was last.
    episode: Option<Episode>,
}

/// A value that stands until the next one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Print {
    shares: f64,
    /// The day that it speaks for.
    date: Date,
    /// Sessions of the price since it came.
    age: u32,
}

/// What one session says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Read {
    date: Date,
    /// Return over the surge, a fraction.
    surge: f64,
    /// Volume in standard deviations above the mean of those before; none where they do not vary.
    volume_z: Option<f64>,
    /// Days to cover now, and before the surge.
    cover: f64,
    cover_before: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Episode {
    opened: Read,
    /// The session with the largest surge so far.
    strongest: Read,
}

/// The conditions of an opening.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Conditions {
    is_surging: bool,
    is_volume_high: bool,
    is_cover_high: bool,
    is_cover_falling: bool,
}

impl Conditions {
    fn all(self) -> bool {
        self.is_surging && self.is_volume_high && self.is_cover_high && self.is_cover_falling
    }
}

impl Read {
    fn conditions(&self, params: &Params) -> Conditions {
        let before = self.cover_before;
        Conditions {
            is_surging: self.surge * 100.0 >= params.surge_pct - TIE * 100.0,
            is_volume_high: self.volume_z.is_some_and(|z| z >= params.volume_z - TIE),
            is_cover_high: before.is_some_and(|before| before >= params.cover_at * (1.0 - TIE)),
            is_cover_falling: before.is_some_and(|before| self.cover < before * (1.0 - TIE)),
        }
    }
}

/// Shares of a print or a volume that can be counted with.
fn shares(value: f64) -> Option<f64> {
    positive(Some(value)).filter(|value| (1e-12..=1e18).contains(value))
}

impl Print {
    fn of(point: Point, section: &Section<'_>) -> Option<Print> {
        let date = point
            .observed
            .map_or(section.date(), |observed| observed.utc_date());
        shares(point.close).map(|shares| Print {
            shares,
            date,
            age: 0,
        })
    }

    fn grow_older(&mut self) {
        self.age = self.age.saturating_add(1);
    }
}

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            closes: VecDeque::new(),
            volumes: RollingMoments::new(params.volume_window as usize),
            recent: RollingMoments::new(params.cover_window as usize),
            interest: None,
            interest_before: None,
            average: None,
            read: None,
            is_open: false,
            episode: None,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        self.note_prints(section);
        let quote = section.values.first().copied().flatten();
        let priced = |point: &Point| positive(Some(point.close)).zip(shares(point.size));
        let Some((close, volume)) = quote.as_ref().and_then(priced) else {
            return Step::passed_over(self.is_open);
        };
        self.recent.push(volume);
        let cover = self.days_to_cover(params);
        if self.closes.len() > params.surge_sessions as usize {
            self.closes.pop_front();
        }
        self.closes.push_back((close, cover));
        self.read = self.read(params, section.date(), volume);
        self.volumes.push(volume);
        let prints = [&mut self.interest, &mut self.average];
        prints.into_iter().flatten().for_each(Print::grow_older);
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

    /// A split of the price changes shares as well: those traded, and those sold short.
    fn rescale(&mut self, input: usize, factor: f64) {
        let scale = |print: &mut Option<Print>, factor: f64| {
            if let Some(print) = print {
                print.shares *= factor;
            }
        };
        let (mut of_interest, mut of_average) = (1.0, 1.0);
        match input {
            0 => {
                for (close, _) in &mut self.closes {
                    *close *= factor;
                }
                self.volumes.scale(1.0 / factor);
                self.recent.scale(1.0 / factor);
                (of_interest, of_average) = (1.0 / factor, 1.0 / factor);
            }
            1 => of_interest = factor,
            _ => of_average = factor,
        }
        scale(&mut self.interest, of_interest);
        scale(&mut self.interest_before, of_interest);
        scale(&mut self.average, of_average);
        for cover in self
            .closes
            .iter_mut()
            .filter_map(|(_, cover)| cover.as_mut())
        {
            *cover *= of_interest / of_average;
        }
    }
}

impl State {
    fn note_prints(&mut self, section: &Section<'_>) {
        let print = |input: usize| {
            let point = section.values.get(input).copied().flatten()?;
            Print::of(point, section)
        };
        if let Some(now) = print(1) {
            let other = self.interest.filter(|last| last.shares != now.shares);
            self.interest_before = other.or(self.interest_before);
            self.interest = Some(now);
        }
        self.average = print(2).or(self.average);
    }

    /// Shares sold short over shares traded a day; none where either is unknown or stale.
    fn days_to_cover(&self, params: &Params) -> Option<f64> {
        let fresh = |print: &Print| print.age < params.stale_sessions;
        let interest = self.interest.filter(fresh)?.shares;
        let average = match params.average_volume {
            Some(_) => self.average.filter(fresh)?.shares,
            None => self.recent.mean().filter(|_| self.recent.is_full())?,
        };
        Some(interest / average)
    }

    fn read(&self, params: &Params, date: Date, volume: f64) -> Option<Read> {
        let (close, cover) = *self.closes.back()?;
        let is_full = self.closes.len() > params.surge_sessions as usize && self.volumes.is_full();
        let (before, cover_before) = *self.closes.front().filter(|_| is_full)?;
        let mean = self.volumes.mean()?;
        let deviation = libm::sqrt(self.volumes.variance()?);
        let volume_z = (deviation > TIE * mean).then(|| (volume - mean) / deviation);
        let surge = close / before - 1.0;
        (surge <= 1e9).then_some(Read {
            date,
            surge,
            volume_z,
            cover: cover?,
            cover_before,
        })
    }

    fn turn(&mut self, params: &Params, read: Read) -> Change {
        let Some(episode) = self.episode.as_mut().filter(|_| self.is_open) else {
            if !read.conditions(params).all() || ending(params, &read).is_some() {
                return Change::Quiet;
            }
            self.is_open = true;
            self.episode = Some(Episode {
                opened: read,
                strongest: read,
            });
            return Change::Open(SQUEEZE);
        };
        if read.surge > episode.strongest.surge {
            episode.strongest = read;
        }
        match ending(params, &read) {
            Some(reason) => {
                self.is_open = false;
                Change::Resolve(reason)
            }
            None => Change::Hold,
        }
    }

    /// The surge against the one that opens, or that ends. The other conditions have other units and are told in the
    /// evidence.
    fn measure(&self, params: &Params, read: Read, change: &Change) -> Measure {
        let surge = read.surge * 100.0;
        let (threshold, distance) = match change {
            Change::Open(_) => (params.surge_pct, 0.0),
            Change::Resolve(_) => (params.fade_pct, 0.0),
            _ if self.is_open => (params.fade_pct, surge - params.fade_pct),
            _ => (params.surge_pct, params.surge_pct - surge),
        };
        Measure {
            value: surge,
            threshold,
            distance: distance.max(0.0),
        }
    }
}

/// Why an episode ends at such a session, if it does.
fn ending(params: &Params, read: &Read) -> Option<&'static str> {
    if read.surge * 100.0 <= params.fade_pct + TIE * 100.0 {
        Some(FADED)
    } else if read.cover <= params.covered_at * (1.0 + TIE) {
        Some(COVERED)
    } else {
        None
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |volume_z, cover_at, covered_at| Params {
        series: "A".to_owned(),
        short_interest: "B".to_owned(),
        average_volume: None,
        surge_sessions: 3,
        surge_pct: 0.5,
        volume_window: 10,
        volume_z,
        cover_window: 5,
        cover_at,
        fade_pct: 0.0,
        covered_at,
        stale_sessions: 20,
    };
    vec![
        params(0.5, 0.06, 0.05),
        params(0.0, 0.065, 0.06),
        Params {
            average_volume: Some("C".to_owned()),
            ..params(0.3, 0.9, 0.8)
        },
    ]
}

#[cfg(test)]
mod tests;
