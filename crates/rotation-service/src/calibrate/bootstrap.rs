//! The stationary bootstrap: D. N. Politis and J. P. Romano, *The Stationary Bootstrap*, Journal of the American
//! Statistical Association 89 (1994).
//!
//! A synthetic history is made of blocks of the true one: each begins at a day drawn evenly, goes on day by day, and
//! ends at each day with the same probability, so that its length is geometric. The days are arranged in a circle, so
//! every day is drawn as often as any other.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// A source of drawn positions that go on by one until their block ends.
#[derive(Clone, Debug)]
pub(super) struct Blocks {
    /// Probability that a block ends at a day.
    end: f64,
    /// The last day drawn.
    last: Option<usize>,
    /// Whether the block's changes are taken with the other sign.
    flipped: bool,
}

/// A day that was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drawn {
    pub(super) day: usize,
    pub(super) flipped: bool,
}

/// A block goes on past days that cannot be drawn, if they are at most so many.
const GAP_MAX: usize = 10;

impl Blocks {
    /// Blocks of so many days in the mean, at least one.
    pub(super) fn new(mean: f64) -> Blocks {
        Blocks {
            end: 1.0 / mean.max(1.0),
            last: None,
            flipped: false,
        }
    }

    /// Draws the next of `days`, which ascend; none of none.
    pub(super) fn draw(&mut self, days: &[usize], rng: &mut ChaCha8Rng) -> Option<Drawn> {
        if days.is_empty() {
            return None;
        }
        // Two numbers a day whatever happens: what is drawn of one series does not move what is drawn of the next.
        let (ends, anew): (f64, f64) = (rng.random(), rng.random());
        let going_on = self.last.filter(|_| ends >= self.end).and_then(|last| {
            let at = days.partition_point(|day| *day <= last);
            match days.get(at) {
                Some(next) => (next - last <= GAP_MAX).then_some(*next),
                None => days.first().copied(),
            }
        });
        let day = going_on.unwrap_or_else(|| {
            self.flipped = (anew * 2.0) >= 1.0;
            let share = (anew * 2.0).fract();
            let at = (share * days.len() as f64) as usize;
            days[at.min(days.len() - 1)]
        });
        self.last = Some(day);
        let flipped = self.flipped;
        Some(Drawn { day, flipped })
    }
}

/// For each day, the days that may stand in for it: those on which every series that changes on it changes too.
#[derive(Clone, Debug)]
pub(super) struct Pools {
    /// The pool of each day.
    of_day: Vec<usize>,
    pools: Vec<Vec<usize>>,
}

impl Pools {
    /// `changes` says for each series on which of `days` days it changes.
    pub(super) fn new(days: usize, changes: &[Vec<bool>]) -> Pools {
        let words = changes.len().div_ceil(64);
        let mut masks = vec![vec![0_u64; words]; days];
        for (series, changes) in changes.iter().enumerate() {
            for (mask, _) in masks.iter_mut().zip(changes).filter(|(_, change)| **change) {
                mask[series / 64] |= 1 << (series % 64);
            }
        }
        let mut known: BTreeMap<&[u64], usize> = BTreeMap::new();
        let mut pools = Vec::new();
        let mut of_day = Vec::with_capacity(days);
        for mask in &masks {
            of_day.push(match known.entry(mask) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    pools.push(pool(mask, &masks));
                    *new.insert(pools.len() - 1)
                }
            });
        }
        Pools { of_day, pools }
    }

    /// The days that may stand in for a day; none where nothing changes.
    pub(super) fn of(&self, day: usize) -> &[usize] {
        &self.pools[self.of_day[day]]
    }
}

fn pool(mask: &[u64], masks: &[Vec<u64>]) -> Vec<usize> {
    if mask.iter().all(|word| *word == 0) {
        return Vec::new();
    }
    let holds = |other: &[u64]| {
        mask.iter()
            .zip(other)
            .all(|(wanted, there)| wanted & there == *wanted)
    };
    (0..masks.len()).filter(|day| holds(&masks[*day])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng;

    fn rng(seed: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(seed)
    }

    fn draw(mean: f64, days: usize, count: usize, seed: u64) -> Vec<Drawn> {
        let pool: Vec<usize> = (0..days).collect();
        let (mut blocks, mut rng) = (Blocks::new(mean), rng(seed));
        (0..count)
            .map(|_| blocks.draw(&pool, &mut rng).unwrap())
            .collect()
    }

    #[test]
    fn every_day_is_drawn_as_often_as_any_other() {
        for mean in [1.0, 20.0] {
            let (days, count) = (50, 400_000);
            let mut counts = vec![0_u32; days];
            for drawn in draw(mean, days, count, 1) {
                counts[drawn.day] += 1;
            }
            // Independent draws have a standard deviation of 1.1 %; blocks of 20 on a circle of 50 even out.
            let expected = count as f64 / days as f64;
            for count in counts {
                assert!(
                    (f64::from(count) / expected - 1.0).abs() < 0.05,
                    "{count} of {expected}, blocks of {mean}"
                );
            }
        }
    }

    #[test]
    fn blocks_have_geometric_lengths_with_the_mean_asked_for() {
        let drawn = draw(20.0, 1_000, 400_000, 2);
        let mut lengths = vec![1_u32];
        for pair in drawn.windows(2) {
            if pair[1].day == (pair[0].day + 1) % 1_000 {
                *lengths.last_mut().unwrap() += 1;
            } else {
                lengths.push(1);
            }
        }
        let count = lengths.len() as f64;
        let mean = f64::from(lengths.iter().sum::<u32>()) / count;
        assert!((mean / 20.0 - 1.0).abs() < 0.03, "{mean}");
        // Of a geometric law with mean 20, (19/20)^20 = 35.8 % last longer than 20.
        let long = lengths.iter().filter(|length| **length > 20).count() as f64 / count;
        assert!((long - 0.358).abs() < 0.015, "{long}");
    }

    #[test]
    fn blocks_of_one_are_independent_and_half_are_flipped() {
        let drawn = draw(1.0, 1_000, 100_000, 3);
        let following = drawn
            .windows(2)
            .filter(|pair| pair[1].day == (pair[0].day + 1) % 1_000)
            .count();
        assert!(
            (60..140).contains(&following),
            "{following} of 100,000 by chance"
        );
        let flipped = drawn.iter().filter(|drawn| drawn.flipped).count();
        assert!((49_000..51_000).contains(&flipped), "{flipped}");
        // The sign tells nothing of the day.
        let low = drawn
            .iter()
            .filter(|drawn| drawn.flipped && drawn.day < 500)
            .count();
        assert!((24_300..25_700).contains(&low), "{low}");
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        assert_eq!(draw(20.0, 1_000, 5_000, 7), draw(20.0, 1_000, 5_000, 7));
        assert_ne!(draw(20.0, 1_000, 5_000, 7), draw(20.0, 1_000, 5_000, 8));
    }

    #[test]
    fn a_day_is_drawn_from_those_on_which_its_series_change() {
        // The second series begins late and pauses on day 7.
        let late: Vec<bool> = (0..10).map(|day| day >= 5 && day != 7).collect();
        let pools = Pools::new(10, &[vec![true; 10], late]);
        assert_eq!(pools.of(0), (0..10).collect::<Vec<_>>());
        assert_eq!(pools.of(7), (0..10).collect::<Vec<_>>());
        assert_eq!(pools.of(9), [5, 6, 8, 9]);
        assert_eq!(Pools::new(2, &[vec![true, false]]).of(1), [0_usize; 0]);
    }

    #[test]
    fn a_block_goes_on_past_a_few_days_that_cannot_be_drawn() {
        let (mut blocks, mut rng) = (Blocks::new(1e12), rng(4));
        let days = [1, 2, 5, 6, 40, 41];
        let first = blocks.draw(&[2], &mut rng).unwrap().day;
        let next: Vec<usize> = (0..2)
            .map(|_| blocks.draw(&days, &mut rng).unwrap().day)
            .collect();
        assert_eq!((first, next), (2, vec![5, 6]));
        // From 6 to 40 is too far: a new block begins anywhere. From 41 the circle closes.
        blocks.last = Some(41);
        assert_eq!(blocks.draw(&days, &mut rng).unwrap().day, 1);
        blocks.last = Some(6);
        let anywhere: Vec<usize> = (0..200)
            .map(|_| {
                blocks.last = Some(6);
                blocks.draw(&days, &mut rng).unwrap().day
            })
            .collect();
        assert!(
            days.iter().all(|day| anywhere.contains(day)),
            "{anywhere:?}"
        );
    }
}
