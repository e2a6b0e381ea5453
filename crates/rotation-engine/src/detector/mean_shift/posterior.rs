//! The posterior of the run length: how long the segment that the last observation belongs to has lasted.
//!
//! Adams & MacKay, *Bayesian Online Changepoint Detection* (arXiv 0710.3742, 2007), in logarithms, with a constant
//! hazard. Each run is a segment that may have begun at its first observation: a level, or a line, under a flat prior
//! with a price, and normal noise whose variance has an inverse gamma prior around the noise measured so far. One more
//! observation is a rank-one update whose gains depend on the run's length alone.
//!
//! Likelihoods are raised to the weight of their observations, prices are not: what is correlated says less, and a
//! segment costs as much.

use super::Segments;
use super::fast::{exp, ln};
use super::gains::{AGE_MAX, Gain, Gains, LEVEL_PRICE, SHAPE, TYPICAL};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// ln of the odds that a segment ends at an observation, before the data speak: once in 250.
const HAZARD: f64 = -5.517_452_896_464_707;

/// A change is judged once so many observations lie behind it, and before it as many since the last one.
pub(super) const SIDE_MIN: usize = 5;

/// An observation further from what the segment expects than this normal score counts as one that far: no single value
/// makes an alarm.
pub(super) const WILD: f64 = 3.0;

/// The least that log odds are said to be.
const LOG_ODDS_MIN: f64 = -30.0;

/// How the run lengths are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) segments: Segments,
    /// The most observations behind a change that is still looked for.
    pub(super) bound: usize,
}

/// An observation and how to take it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Taken {
    /// The value, in the unit of the segment.
    pub(super) value: f64,
    /// The noise measured so far, in that unit; positive.
    pub(super) noise: f64,
    /// What it counts for, above 0 to 1: its likelihood is raised to that power.
    pub(super) weight: f64,
}

/// What is known about one segment: the level at its last observation, its slope, and its noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Fit {
    /// Observations that it has seen.
    pub(super) age: u32,
    pub(super) level: f64,
    pub(super) slope: f64,
    /// Half the sum of squared surprises and of the prior: the scale of the noise variance.
    spread: f64,
    ln_spread: f64,
}

/// The run lengths since the last change that was told.
///
/// One run has lasted since then: the segment's own. The others began later, one at each observation, up to the bound;
/// what is older is folded into the segment's own. Their masses are logarithms of odds against it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Posterior {
    own: Fit,
    /// Mass folded into the segment's own run by the last observation, to be taken from the others' by the next.
    folded: f64,
    /// ln of the sum of all masses.
    total: f64,
    /// Log odds that a change lies far enough back to be judged.
    log_odds: f64,
    /// Where the oldest run lies in the arrays, which go round once they are full.
    oldest: usize,
    level: Vec<f64>,
    slope: Vec<f64>,
    spread: Vec<f64>,
    ln_spread: Vec<f64>,
    mass: Vec<f64>,
}

/// A change that the posterior points at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Found {
    /// Observations since it, the first of the new segment included.
    pub(super) age: usize,
    pub(super) level: f64,
    pub(super) slope: f64,
}

impl Fit {
    fn beginning(taken: Taken) -> Self {
        let spread = SHAPE * taken.noise * taken.noise;
        Fit {
            age: 1,
            level: taken.value,
            slope: 0.0,
            spread,
            ln_spread: ln(spread),
        }
    }

    /// The standard deviation of the noise.
    fn noise(&self, gain: &Gain) -> f64 {
        libm::sqrt(self.spread / (gain.shape - 0.5))
    }

    /// The value held within the wild ones.
    fn held(&self, value: f64, gain: &Gain) -> f64 {
        if gain.half_precision == 0.0 {
            return value;
        }
        let freedom = 2.0 * gain.shape - 1.0;
        let reach = wild(freedom) * self.noise(gain) / libm::sqrt(2.0 * gain.half_precision);
        let expected = self.level + self.slope;
        value.clamp(expected - reach, expected + reach)
    }

    /// Takes in a value: the log density that was expected of it, but for the price.
    fn push(&mut self, value: f64, gain: &Gain) -> f64 {
        let surprise = value - (self.level + self.slope);
        let spread = self.spread + gain.half_precision * surprise * surprise;
        let ln_spread = ln(spread);
        let density =
            gain.constant - 0.5 * self.ln_spread - gain.shape * (ln_spread - self.ln_spread);
        self.level += self.slope + gain.level * surprise;
        self.slope += gain.slope * surprise;
        self.spread = spread;
        self.ln_spread = ln_spread;
        self.age = self.age.saturating_add(1);
        density
    }
}

impl Posterior {
    /// A segment that begins with this observation.
    pub(super) fn beginning(taken: Taken) -> Self {
        Posterior {
            own: Fit::beginning(taken),
            folded: 0.0,
            total: 0.0,
            log_odds: LOG_ODDS_MIN,
            oldest: 0,
            level: Vec::new(),
            slope: Vec::new(),
            spread: Vec::new(),
            ln_spread: Vec::new(),
            mass: Vec::new(),
        }
    }

    /// The segment since the last change that was told.
    pub(super) fn own(&self) -> &Fit {
        &self.own
    }

    /// The log odds that the segment has ended at least [`SIDE_MIN`] observations ago.
    pub(super) fn log_odds(&self) -> f64 {
        self.log_odds
    }

    pub(super) fn push(&mut self, shape: Shape, taken: Taken) {
        let gain = Gain::at(shape.segments, self.own.age.into());
        let value = self.own.held(taken.value, &gain);
        // A new segment is expected to be as noisy as this one.
        let noise = taken.noise.max(self.own.noise(&gain));
        let taken = Taken {
            value,
            noise,
            ..taken
        };
        // Taken from every other mass, so that the segment's own stays at zero.
        let own = taken.weight * self.own.push(value, &gain) - gain.price + self.folded;
        match shape.segments {
            Segments::Constant => self.update::<false>(shape.segments, taken, own),
            Segments::Linear => self.update::<true>(shape.segments, taken, own),
        }
        self.begin(shape, taken, own);
        self.judge();
    }

    /// One more observation for all runs but the segment's own, oldest first.
    fn update<const LINEAR: bool>(&mut self, segments: Segments, taken: Taken, own: f64) {
        let gains = Gains::of(segments);
        let runs = self.mass.len();
        // The oldest has seen as many observations as there are runs.
        let table = AGE_MAX - runs;
        let early = runs - self.oldest;
        for (place, count, from) in [(self.oldest, early, table), (0, self.oldest, table + early)] {
            Runs {
                level: &mut self.level[place..place + count],
                slope: if LINEAR {
                    &mut self.slope[place..place + count]
                } else {
                    &mut []
                },
                spread: &mut self.spread[place..place + count],
                ln_spread: &mut self.ln_spread[place..place + count],
                mass: &mut self.mass[place..place + count],
            }
            .update::<LINEAR>(gains, from, taken, own);
        }
    }

    /// A run that begins with this observation; where there is no more room, the oldest makes place for it.
    fn begin(&mut self, shape: Shape, taken: Taken, own: f64) {
        let fit = Fit::beginning(taken);
        let density = taken.weight * (TYPICAL - ln(taken.noise)) - LEVEL_PRICE;
        let mass = HAZARD + self.total + density - own;
        self.folded = 0.0;
        if self.mass.len() < shape.bound {
            self.level.push(fit.level);
            self.spread.push(fit.spread);
            self.ln_spread.push(fit.ln_spread);
            self.mass.push(mass);
            if shape.segments == Segments::Linear {
                self.slope.push(fit.slope);
            }
            return;
        }
        let place = self.oldest;
        self.folded = ln_one_plus_exp(self.mass[place]);
        self.level[place] = fit.level;
        self.spread[place] = fit.spread;
        self.ln_spread[place] = fit.ln_spread;
        self.mass[place] = mass;
        if shape.segments == Segments::Linear {
            self.slope[place] = fit.slope;
        }
        self.oldest = (place + 1) % self.mass.len();
    }

    fn judge(&mut self) {
        let runs = self.mass.len();
        let judged = self.judged();
        let largest = self.parts(0..runs).map(largest).fold(self.folded, f64::max);
        let sum = |range| -> f64 {
            self.parts(range)
                .map(|masses| sum_of_exp(masses, largest))
                .sum()
        };
        let of_judged = sum(judged.clone());
        let of_all =
            exp(self.folded - largest) + sum(0..judged.start) + of_judged + sum(judged.end..runs);
        self.total = largest + ln(of_all);
        self.log_odds = if of_judged > 0.0 {
            (largest + ln(of_judged) - self.folded).max(LOG_ODDS_MIN)
        } else {
            LOG_ODDS_MIN
        };
    }

    /// The runs, counted from the oldest, that are long enough and leave enough of the segment before them.
    fn judged(&self) -> Range<usize> {
        let runs = self.mass.len();
        let age = usize::try_from(self.own.age).unwrap_or(usize::MAX);
        let end = (runs + 1).saturating_sub(SIDE_MIN);
        let start = (runs + SIDE_MIN).saturating_sub(age).min(end);
        start..end
    }

    /// The masses of some runs, counted from the oldest, as they lie in memory.
    fn parts(&self, range: Range<usize>) -> impl Iterator<Item = &[f64]> {
        let runs = self.mass.len();
        let early = runs - self.oldest;
        let place = |index: usize| index + self.oldest;
        let first = place(range.start.min(early))..place(range.end.min(early));
        let second = range.start.max(early) - early..range.end.max(early) - early;
        [&self.mass[first], &self.mass[second]].into_iter()
    }

    /// The likeliest beginning of a new segment; none while that is not one that can be judged, for then the place is
    /// not known yet.
    pub(super) fn find(&self) -> Option<Found> {
        let runs = self.mass.len();
        let place = |index: usize| (self.oldest + index) % runs;
        let best = (0..runs)
            .max_by(|left, right| self.mass[place(*left)].total_cmp(&self.mass[place(*right)]))?;
        if !self.judged().contains(&best) {
            return None;
        }
        Some(Found {
            age: runs - best,
            level: self.level[place(best)],
            slope: self.slope.get(place(best)).copied().unwrap_or(0.0),
        })
    }

    /// What the segment's observations before the change come to at the last observation: both were fitted to the same
    /// values, so the sums of the one less those of the other are the sums before.
    pub(super) fn before(&self, segments: Segments, found: Found) -> f64 {
        let own = Sums::of(self.own.age.into(), self.own.level, self.own.slope);
        #[expect(clippy::cast_precision_loss, reason = "run lengths are far below 2^53")]
        let since = Sums::of(found.age as f64, found.level, found.slope);
        let count = own.count - since.count;
        let mean = (own.values - since.values) / count;
        if segments == Segments::Constant {
            return mean;
        }
        // Times run from the last observation back; these end where the change begins.
        let middle = -(own.count - 1.0 + since.count) / 2.0;
        let about = own.products - since.products - count * middle * mean;
        let slope = about / (count * (count * count - 1.0) / 12.0);
        mean - slope * middle
    }
}

/// The sums that a fitted line stands on, with times counted back from its last observation.
struct Sums {
    count: f64,
    values: f64,
    /// Of times and values.
    products: f64,
}

impl Sums {
    fn of(count: f64, level: f64, slope: f64) -> Self {
        let middle = -(count - 1.0) / 2.0;
        let mean = level + slope * middle;
        Sums {
            count,
            values: count * mean,
            products: count * middle * mean + slope * count * (count * count - 1.0) / 12.0,
        }
    }
}

/// Runs that lie side by side, oldest first.
struct Runs<'a> {
    level: &'a mut [f64],
    slope: &'a mut [f64],
    spread: &'a mut [f64],
    ln_spread: &'a mut [f64],
    mass: &'a mut [f64],
}

impl Runs<'_> {
    /// One more observation; their gains begin at `from`. `own` is what the segment's own run made of it.
    fn update<const LINEAR: bool>(self, gains: &Gains, from: usize, taken: Taken, own: f64) {
        let Taken { value, weight, .. } = taken;
        let count = self.mass.len();
        let (level, spread) = (&mut self.level[..count], &mut self.spread[..count]);
        let (ln_spread, mass) = (&mut self.ln_spread[..count], &mut self.mass[..count]);
        let slope = if LINEAR {
            &mut self.slope[..count]
        } else {
            self.slope
        };
        let half_precision = &gains.half_precision[from..from + count];
        let constant = &gains.constant[from..from + count];
        let shape = &gains.shape[from..from + count];
        let price = &gains.price[from..from + count];
        let level_gain = &gains.level[from..from + count];
        let slope_gain = &gains.slope[from..from + count];
        for run in 0..count {
            let drift = if LINEAR { slope[run] } else { 0.0 };
            let surprise = value - (level[run] + drift);
            let after = spread[run] + half_precision[run] * surprise * surprise;
            let ln_after = ln(after);
            let ln_before = ln_spread[run];
            let density = constant[run] - 0.5 * ln_before - shape[run] * (ln_after - ln_before);
            mass[run] += weight * density - price[run] - own;
            level[run] += drift + level_gain[run] * surprise;
            if LINEAR {
                slope[run] += slope_gain[run] * surprise;
            }
            spread[run] = after;
            ln_spread[run] = ln_after;
        }
    }
}

/// Sums run in so many lanes, which a vector unit takes at once; always the same, so the bits are too.
const LANES: usize = 8;

fn largest(masses: &[f64]) -> f64 {
    let larger = |left: f64, right: f64| if left > right { left } else { right };
    let mut lanes = [f64::MIN; LANES];
    let chunks = masses.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, mass) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, *mass);
        }
    }
    lanes
        .into_iter()
        .chain(rest.iter().copied())
        .fold(f64::MIN, larger)
}

/// The sum of exp(mass − reference), which no mass exceeds.
fn sum_of_exp(masses: &[f64], reference: f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let chunks = masses.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, mass) in lanes.iter_mut().zip(chunk) {
            *lane += exp(*mass - reference);
        }
    }
    let of_rest: f64 = rest.iter().map(|mass| exp(*mass - reference)).sum();
    lanes.into_iter().sum::<f64>() + of_rest
}

/// ln(1 + eˣ).
fn ln_one_plus_exp(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(exp(-x.abs()))
}

/// The value of Student's t distribution with the normal score [`WILD`].
///
/// Wallace's approximation (Annals of Mathematical Statistics 30, 1959), good to a few thousandths.
pub(super) fn wild(freedom: f64) -> f64 {
    let bound = WILD / wallace(freedom);
    libm::sqrt(freedom * libm::expm1(bound * bound / freedom))
}

/// What the square root of freedom · ln(1 + t² / freedom) is multiplied by to give the normal score of t.
pub(super) fn wallace(freedom: f64) -> f64 {
    (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0)
}
