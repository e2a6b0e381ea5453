//! A market as it could have been: the changes of the true one in another order, on the true dates.

use super::bootstrap::{Blocks, Drawn, Pools};
use super::history::{Observed, Pace, Scale, Series};
use super::{Law, Null};
use jiff::civil::Date;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rotation_engine::calendar::Session;
use rotation_engine::record::Tick;
use rotation_engine::time::EventTime;
use std::collections::BTreeMap;

/// What is drawn from, prepared once for all synthetic histories.
#[derive(Clone, Debug)]
pub(super) struct Market<'a> {
    series: Vec<&'a Series>,
    /// The dates of the series that are drawn together, and of each of these series its day at each date.
    grid: Vec<Date>,
    joint: Vec<Joint>,
    pools: Pools,
    /// Series drawn by themselves, those with the same dates together.
    groups: Vec<Group>,
    means: Vec<f64>,
}

#[derive(Clone, Debug)]
struct Joint {
    series: usize,
    /// Its day at each date of the grid, or [`NO_DAY`].
    days: Vec<u32>,
}

/// Stands where a series has no day; wide markets have millions of them.
const NO_DAY: u32 = u32::MAX;

impl Joint {
    /// The day at a date on which the series changes; its first has no change, neither to give nor to take.
    fn changed(&self, at: usize) -> Option<usize> {
        let day = self.days[at];
        (day != NO_DAY && day > 0).then_some(day as usize)
    }
}

/// Series that change on the same days, few in number.
#[derive(Clone, Debug)]
struct Group {
    series: Vec<usize>,
    days: Vec<Vec<usize>>,
    pace: Pace,
}

/// A tick of a synthetic history; there are millions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Made {
    pub(super) time: EventTime,
    pub(super) price: f64,
    size: f64,
    pub(super) series: u32,
    official: bool,
}

impl Made {
    pub(super) fn tick(&self) -> Tick {
        Tick {
            time: self.time,
            price: self.price,
            size: self.size,
            seq: None,
            official: self.official,
        }
    }
}

impl<'a> Market<'a> {
    pub(super) fn new(series: Vec<&'a Series>) -> Market<'a> {
        let daily = series.iter().filter(|series| series.pace == Pace::Daily);
        let mut grid: Vec<Date> = daily
            .flat_map(|series| (0..series.days.len()).map(|day| series.date(day)))
            .collect();
        grid.sort_unstable();
        grid.dedup();
        let joint: Vec<Joint> = series
            .iter()
            .enumerate()
            .filter(|(_, series)| series.pace == Pace::Daily)
            .map(|(at, series)| Joint {
                series: at,
                days: places(&grid, series),
            })
            .collect();
        let changes: Vec<Vec<bool>> = joint
            .iter()
            .map(|joint| {
                let dates = 0..grid.len();
                dates.map(|at| joint.changed(at).is_some()).collect()
            })
            .collect();
        let pools = Pools::new(grid.len(), &changes);
        Market {
            joint,
            pools,
            groups: groups(&series),
            means: series.iter().map(|series| series.mean_change()).collect(),
            grid,
            series,
        }
    }

    pub(super) fn symbol(&self, made: &Made) -> &str {
        &self.series[made.series as usize].symbol
    }

    /// Ticks of one synthetic history in order of time; the same for the same seed and number.
    pub(super) fn make(&self, law: &Law, seed: u64, number: u64) -> Vec<Made> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        let series = &self.series;
        let mut sources: Vec<Vec<Option<Drawn>>> = series
            .iter()
            .map(|series| vec![None; series.days.len()])
            .collect();
        self.draw_joint(law, &mut sources, &mut rng);
        for group in &self.groups {
            group.draw(law, &mut sources, &mut rng);
        }
        let ticks = series.iter().map(|series| series.ticks.len()).sum();
        let mut made = Vec::with_capacity(ticks);
        for (at, drawn) in sources.iter().enumerate() {
            self.walk(at, law.null, drawn, &mut made);
        }
        made.sort_by_key(|made| made.time);
        made
    }

    fn draw_joint(&self, law: &Law, sources: &mut [Vec<Option<Drawn>>], rng: &mut ChaCha8Rng) {
        let mut blocks = Blocks::new(law.block);
        for at in 0..self.grid.len() {
            let Some(drawn) = blocks.draw(self.pools.of(at), rng) else {
                continue;
            };
            for joint in &self.joint {
                if let (Some(to), Some(day)) = (joint.changed(at), joint.changed(drawn.day)) {
                    sources[joint.series][to] = Some(Drawn { day, ..drawn });
                }
            }
        }
    }

    /// Puts together the changes that were drawn for a series, from its true first day on.
    fn walk(&self, at: usize, null: Null, drawn: &[Option<Drawn>], made: &mut Vec<Made>) {
        let series = self.series[at];
        let mean = match null {
            Null::Centred if series.pace != Pace::Step => self.means[at],
            Null::Bootstrap | Null::Centred | Null::Fair => 0.0,
        };
        let mut level = f64::NAN;
        for (day, drawn) in drawn.iter().enumerate() {
            let session = &series.days[day].session;
            let mut put = |time, price, observed: &Observed| {
                made.push(Made {
                    time,
                    price,
                    size: observed.tick.size,
                    series: u32::try_from(at).expect("a plan bounds its series"),
                    official: observed.tick.official,
                });
                price
            };
            let before = level;
            match drawn {
                // The first day, and days on which a series in steps stands still.
                None if day == 0 => {
                    for observed in series.of_day(0) {
                        level = put(observed.tick.time, observed.tick.price, observed);
                    }
                }
                None => {
                    for observed in series.of_day(day) {
                        level = put(observed.tick.time, before, observed);
                    }
                }
                Some(source) => {
                    let from = &series.days[source.day].session;
                    let sign = if null == Null::Fair && source.flipped {
                        -1.0
                    } else {
                        1.0
                    };
                    for observed in series.of_day(source.day) {
                        let change = sign * observed.change - mean;
                        let time = moved(observed.tick.time, from, session);
                        level = put(time, series.scale.moved(before, change), observed);
                    }
                }
            }
        }
    }
}

impl Group {
    fn draw(&self, law: &Law, sources: &mut [Vec<Option<Drawn>>], rng: &mut ChaCha8Rng) {
        // A print's change is from the one before, so the first is none; of a series in steps every move is one.
        let changes: Vec<usize> = match self.pace {
            Pace::Step => (0..self.days[0].len()).collect(),
            Pace::Daily | Pace::Sparse => (1..self.days[0].len()).collect(),
        };
        let mut blocks = Blocks::new(law.slow_block(changes.len()));
        for to in &changes {
            let Some(drawn) = blocks.draw(&changes, rng) else {
                return;
            };
            for (series, days) in self.series.iter().zip(&self.days) {
                sources[*series][days[*to]] = Some(Drawn {
                    day: days[drawn.day],
                    ..drawn
                });
            }
        }
    }
}

impl Scale {
    /// The value after a change.
    fn moved(self, before: f64, change: f64) -> f64 {
        match self {
            Scale::Log => (before * change.exp()).clamp(1e-90, 1e90),
            // Rates are decimals: sums of their differences stay such.
            Scale::Difference => ((before + change) * 1e10).round() / 1e10,
        }
    }
}

fn places(grid: &[Date], series: &Series) -> Vec<u32> {
    let mut places = vec![NO_DAY; grid.len()];
    for (number, day) in (0..).zip(0..series.days.len()) {
        if let Ok(at) = grid.binary_search(&series.date(day)) {
            places[at] = number;
        }
    }
    places
}

/// The series that are drawn by themselves, by the dates on which they change.
fn groups(series: &[&Series]) -> Vec<Group> {
    let mut groups: BTreeMap<(bool, Vec<Date>), Group> = BTreeMap::new();
    for (at, series) in series.iter().enumerate() {
        let days: Vec<usize> = match series.pace {
            Pace::Daily => continue,
            Pace::Sparse => (0..series.days.len()).collect(),
            Pace::Step => (1..series.days.len())
                .filter(|day| series.change(*day) != 0.0)
                .collect(),
        };
        let dates = days.iter().map(|day| series.date(*day)).collect();
        let key = (series.pace == Pace::Step, dates);
        let group = groups.entry(key).or_insert_with(|| Group {
            series: Vec::new(),
            days: Vec::new(),
            pace: series.pace,
        });
        group.series.push(at);
        group.days.push(days);
    }
    groups.into_values().collect()
}

/// The moment of another session at the same share of its length.
fn moved(time: EventTime, from: &Session, to: &Session) -> EventTime {
    let length = |session: &Session| i128::from(session.close.saturating_since(session.open));
    let passed = i128::from(time.saturating_since(from.open));
    let passed = passed * length(to) / length(from).max(1);
    to.open
        .saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
        .min(to.close)
}

#[cfg(test)]
mod tests;
