//! Series whose changes are known, and what the detector `mean_shift` makes of them: what it alarms at where nothing
//! changes, and how long it takes where something does.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal, StudentT};
use rotation_engine::clock::{Bucket, DAY};
use rotation_engine::detector::mean_shift::{Params, State};
use rotation_engine::detector::{Change, Detector};
use rotation_engine::section::{Point, Section};
use rotation_engine::time::EventTime;

/// What a series without a change is made of; of deviation one but for [`Noise::Student`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// Independent normal values.
    Normal,
    /// Independent values of Student's t distribution with so many degrees of freedom.
    Student(f64),
    /// A normal autoregression of order one with this correlation.
    Autoregressive(f64),
}

/// An endless series of noise.
#[derive(Debug)]
pub struct Series {
    noise: Noise,
    dice: ChaCha8Rng,
    last: Option<f64>,
}

impl Series {
    /// The series of a seed.
    pub fn new(noise: Noise, seed: u64) -> Self {
        Series {
            noise,
            dice: ChaCha8Rng::seed_from_u64(seed),
            last: None,
        }
    }

    fn normal(&mut self) -> f64 {
        self.dice.sample(StandardNormal)
    }
}

impl Iterator for Series {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let value = match self.noise {
            Noise::Normal => self.normal(),
            Noise::Student(freedom) => match StudentT::new(freedom) {
                Ok(student) => student.sample(&mut self.dice),
                Err(_) => self.normal(),
            },
            Noise::Autoregressive(correlation) => {
                let fresh = self.normal();
                match self.last {
                    Some(last) => {
                        let share = (1.0 - correlation * correlation).sqrt();
                        correlation * last + share * fresh
                    }
                    None => fresh,
                }
            }
        };
        self.last = Some(value);
        Some(value)
    }
}

/// A change that was told, by the places of the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Where the new segment begins.
    pub location: usize,
    /// The value at which it was told.
    pub alarm: usize,
}

impl Told {
    /// Values from the location to the alarm.
    pub fn delay(&self) -> usize {
        self.alarm - self.location
    }
}

/// A detector that is fed one value after the other.
#[derive(Debug)]
pub struct Watcher<'a> {
    params: &'a Params,
    state: State,
    fed: usize,
}

impl<'a> Watcher<'a> {
    /// A cold one.
    pub fn new(params: &'a Params) -> Self {
        Watcher {
            params,
            state: State::new(params),
            fed: 0,
        }
    }

    /// Feeds a value: the change that it gives away.
    pub fn push(&mut self, value: f64) -> Option<Told> {
        let alarm = self.fed;
        self.fed += 1;
        let start =
            EventTime::from_nanos(i64::try_from(alarm).unwrap_or(i64::MAX).saturating_mul(DAY));
        let bucket = Bucket {
            start,
            end: start.saturating_add(DAY),
            as_of: start,
            date: None,
        };
        let section = Section {
            bucket,
            values: &[Some(Point::flat(value, true))],
            said: &[],
        };
        match self.state.step(self.params, &section).change {
            Change::Open(_) | Change::Escalate(_) => Some(Told {
                location: alarm - self.state.delay()?,
                alarm,
            }),
            _ => None,
        }
    }
}

/// All changes told over these values.
pub fn watch(params: &Params, values: impl IntoIterator<Item = f64>) -> Vec<Told> {
    let mut watcher = Watcher::new(params);
    values
        .into_iter()
        .filter_map(|value| watcher.push(value))
        .collect()
}

/// False alarms over series of noise, each of `length` values and begun cold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FalseAlarms {
    /// Values fed.
    pub values: u64,
    /// Alarms among them.
    pub alarms: u64,
}

impl FalseAlarms {
    /// How many values there are to an alarm; none where there was none.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn one_in(&self) -> Option<f64> {
        (self.alarms > 0).then(|| self.values as f64 / self.alarms as f64)
    }
}

/// Counts false alarms until there are so many of them, or so many values were fed.
pub fn false_alarms(
    params: &Params,
    noise: Noise,
    length: usize,
    enough: u64,
    most: u64,
) -> FalseAlarms {
    let mut counted = FalseAlarms {
        values: 0,
        alarms: 0,
    };
    for seed in 0.. {
        let told = watch(params, Series::new(noise, seed).take(length));
        counted.values += length as u64;
        counted.alarms += told.len() as u64;
        if counted.alarms >= enough || counted.values >= most {
            break;
        }
    }
    counted
}

/// How changes of one size were found.
#[derive(Clone, Debug, PartialEq)]
pub struct Delays {
    /// Runs in which a change was put in, after so many values of noise without an alarm.
    pub runs: usize,
    /// Of those in which it was found in time, the values from the change to the alarm; ascending.
    pub delays: Vec<usize>,
    /// And how far from the change the location was; ascending.
    pub misses: Vec<usize>,
}

/// Puts a shift of so many deviations behind `before` values of normal noise, and waits `within` values for the alarm.
///
/// A run that alarms before the shift says nothing of delays and is replaced.
pub fn delays(params: &Params, shift: f64, before: usize, within: usize, runs: usize) -> Delays {
    let mut found = Delays {
        runs,
        delays: Vec::new(),
        misses: Vec::new(),
    };
    let mut done = 0;
    for seed in 0.. {
        if done == runs {
            break;
        }
        let mut watcher = Watcher::new(params);
        let mut series = Series::new(Noise::Normal, seed);
        if series
            .by_ref()
            .take(before)
            .any(|value| watcher.push(value).is_some())
        {
            continue;
        }
        done += 1;
        let told = series
            .take(within)
            .find_map(|value| watcher.push(value + shift));
        if let Some(told) = told {
            found.delays.push(told.alarm - before);
            found.misses.push(told.location.abs_diff(before));
        }
    }
    found.delays.sort_unstable();
    found.misses.sort_unstable();
    found
}

/// The middle of ascending numbers, the lower one of two; none where there are none.
pub fn median(ascending: &[usize]) -> Option<usize> {
    ascending.get(ascending.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests;
