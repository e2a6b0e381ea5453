//! Page's cumulative sums, both ways, without known parameters.
//!
//! Page, *Continuous Inspection Schemes* (Biometrika 41, 1954), on self-starting scores after Hawkins (Journal of
//! Quality Technology 19, 1987): each value is held against mean and deviation of the segment before it, so there is no
//! reference sample, and under independent normal values the scores are independent standard normal ones.

use super::posterior::{Taken, WILD, wallace, wild};
use serde::{Deserialize, Serialize};

/// The two sums, and what they are measured by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cusum {
    /// Values of the segment, their mean and the sum of squares about it.
    count: u32,
    mean: f64,
    squares: f64,
    up: Sum,
    down: Sum,
}

/// A sum that does not go below zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sum {
    height: f64,
    /// Observations since it was zero, and the sum of their values.
    age: u32,
    values: f64,
}

impl Sum {
    fn push(&mut self, score: f64, value: f64) {
        let height = self.height + score;
        *self = if height > 0.0 {
            Sum {
                height,
                age: self.age.saturating_add(1),
                values: self.values + value,
            }
        } else {
            Sum::default()
        };
    }
}

impl Cusum {
    /// A segment that begins with this value.
    pub(super) fn beginning(value: f64) -> Self {
        Cusum {
            count: 1,
            mean: value,
            squares: 0.0,
            up: Sum::default(),
            down: Sum::default(),
        }
    }

    /// Takes in a value; `reference` is half the shift that is looked for, in deviations.
    pub(super) fn push(&mut self, taken: Taken, reference: f64) {
        let mut value = taken.value;
        if self.count >= 2 {
            let deviation = self.deviation() * libm::sqrt(1.0 + 1.0 / f64::from(self.count));
            let (score, held) = score((value - self.mean) / deviation, self.count - 1);
            value = self.mean + held * deviation;
            // Sums of correlated values wander further: the weight is by how much less they say.
            let score = score * libm::sqrt(taken.weight);
            self.up.push(score - reference, value);
            self.down.push(-score - reference, value);
        }
        self.count = self.count.saturating_add(1);
        let surprise = value - self.mean;
        self.mean += surprise / f64::from(self.count);
        self.squares += surprise * (value - self.mean);
    }

    /// The higher sum.
    pub(super) fn height(&self) -> f64 {
        self.up.height.max(self.down.height)
    }

    fn higher(&self) -> Sum {
        if self.up.height >= self.down.height {
            self.up
        } else {
            self.down
        }
    }

    /// Values since the higher sum was zero: those behind the change that it points at. None while both are zero.
    pub(super) fn excursion(&self) -> Option<u32> {
        let age = self.higher().age;
        (age > 0).then_some(age)
    }

    /// How many values the segment has.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// The mean of the values before the excursion of the higher sum: what the segment was.
    pub(super) fn level(&self) -> f64 {
        let Sum { age, values, .. } = self.higher();
        let all = self.mean * f64::from(self.count);
        (all - values) / f64::from(self.count - age)
    }

    /// The standard deviation of the values, where there are two.
    fn deviation(&self) -> f64 {
        /// Below this, in the unit of the segment, values are one value.
        const LEAST: f64 = 1e-6;
        let freedom = f64::from(self.count.saturating_sub(1).max(1));
        libm::sqrt(self.squares / freedom).max(LEAST)
    }
}

/// The normal score of a value of Student's t distribution, held within the wild ones, and the value of that score.
fn score(t: f64, freedom: u32) -> (f64, f64) {
    let freedom = f64::from(freedom);
    let size = wallace(freedom) * libm::sqrt(freedom * libm::log1p(t * t / freedom));
    if size <= WILD {
        return (size.copysign(t), t);
    }
    (WILD.copysign(t), wild(freedom).copysign(t))
}
