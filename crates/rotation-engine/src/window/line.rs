//! The least-squares line through the last values.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The least-squares line through the last `size` values against their places 0, 1, 2, …
///
/// Sums run over distances from a pivot. Every `size` pushes, and at once when a value leaves that dwarfs the others or
/// when they have gone far from the pivot, it becomes their mean and the sums are taken anew, so that rounding cannot
/// pile up: O(1) amortised a push, and a pure function of what was pushed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollingLine {
    size: usize,
    values: VecDeque<f64>,
    pivot: f64,
    /// Σ d, Σ place · d and Σ d², where d is a value's distance from the pivot.
    sum: f64,
    sum_of_places: f64,
    sum_of_squares: f64,
    /// Pushes until the sums are taken anew.
    fresh_for: usize,
}

/// A t-statistic is held within this: that of values exactly on a line has no bound.
const T_MAX: f64 = 1e6;

/// Values that differ by no more than this share of their level are equal.
const FLAT: f64 = 1e-12;

/// Sums of squares that are so many times what they are about have lost four digits: they are taken anew.
const DWARFS: f64 = 1e4;

impl RollingLine {
    /// An empty window of `size` values, at least three.
    pub fn new(size: usize) -> Self {
        RollingLine {
            size: size.max(3),
            values: VecDeque::new(),
            pivot: 0.0,
            sum: 0.0,
            sum_of_places: 0.0,
            sum_of_squares: 0.0,
            fresh_for: 0,
        }
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether it holds as many as it can.
    pub fn is_full(&self) -> bool {
        self.values.len() == self.size
    }

    /// The oldest value.
    pub fn first(&self) -> Option<f64> {
        self.values.front().copied()
    }

    /// The newest value.
    pub fn last(&self) -> Option<f64> {
        self.values.back().copied()
    }

    /// Takes in a finite value, letting go of the oldest where full.
    pub fn push(&mut self, value: f64) {
        if self.is_full()
            && let Some(oldest) = self.values.pop_front()
        {
            let distance = oldest - self.pivot;
            self.sum -= distance;
            // The place of each that stays is one less, and that of the oldest was zero.
            self.sum_of_places -= self.sum;
            self.sum_of_squares -= distance * distance;
            if distance * distance > DWARFS * self.sum_of_squares {
                self.fresh_for = 0;
            }
        }
        let distance = value - self.pivot;
        self.sum += distance;
        self.sum_of_places += self.count() * distance;
        self.sum_of_squares += distance * distance;
        self.values.push_back(value);
        if self.fresh_for == 0 || self.sum_of_squares > DWARFS * self.total().max(self.rounding()) {
            self.refresh();
        } else {
            self.fresh_for -= 1;
        }
    }

    /// The slope, a place; none below three values.
    pub fn slope(&self) -> Option<f64> {
        let count = self.count();
        let product = self.sum_of_places - (count - 1.0) / 2.0 * self.sum;
        (count >= 3.0).then(|| product / sum_of_squared_places(count))
    }

    /// The slope over its standard error, as ordinary least squares has it; within ±1e6, and zero where all values are
    /// equal. None below three values.
    pub fn t(&self) -> Option<f64> {
        let slope = self.slope()?;
        let count = self.count();
        let places = sum_of_squared_places(count);
        let total = self.total();
        if total <= self.rounding() {
            return Some(0.0);
        }
        let unexplained = (total - slope * slope * places).max(0.0);
        let error = libm::sqrt(unexplained / (count - 2.0) / places);
        let t = slope / error;
        Some(if t.is_nan() {
            0.0
        } else {
            t.clamp(-T_MAX, T_MAX)
        })
    }

    /// Multiplies every value by a factor.
    pub fn scale(&mut self, factor: f64) {
        for value in &mut self.values {
            *value *= factor;
        }
        self.refresh();
    }

    /// The sum of the squared distances from the mean.
    fn total(&self) -> f64 {
        self.sum_of_squares - self.sum * self.sum / self.count()
    }

    /// What that sum may be where all values are equal.
    fn rounding(&self) -> f64 {
        let distance = FLAT * self.pivot;
        self.count() * distance * distance
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a window is far smaller than 2^53"
    )]
    fn count(&self) -> f64 {
        self.values.len() as f64
    }

    fn refresh(&mut self) {
        self.fresh_for = self.size;
        self.pivot = if self.is_empty() {
            0.0
        } else {
            self.values.iter().sum::<f64>() / self.count()
        };
        (self.sum, self.sum_of_places, self.sum_of_squares) = (0.0, 0.0, 0.0);
        let mut place = 0.0;
        for value in &self.values {
            let distance = value - self.pivot;
            self.sum += distance;
            self.sum_of_places += place * distance;
            self.sum_of_squares += distance * distance;
            place += 1.0;
        }
    }
}

/// Σ (place − mean place)² over so many places.
fn sum_of_squared_places(count: f64) -> f64 {
    count * (count * count - 1.0) / 12.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Slope and t of a regression by its textbook definition.
    fn naive(values: &[f64]) -> (f64, f64) {
        let count = values.len() as f64;
        let places: Vec<f64> = (0..values.len()).map(|place| place as f64).collect();
        let mean_place = places.iter().sum::<f64>() / count;
        let mean = values.iter().sum::<f64>() / count;
        let square = |x: f64| x * x;
        let sxx: f64 = places.iter().map(|x| square(x - mean_place)).sum();
        let pairs = || places.iter().zip(values);
        let slope = pairs()
            .map(|(x, y)| (x - mean_place) * (y - mean))
            .sum::<f64>()
            / sxx;
        let residual = |(x, y): (&f64, &f64)| y - mean - slope * (x - mean_place);
        let squares: f64 = pairs().map(residual).map(square).sum();
        (slope, slope / (squares / (count - 2.0) / sxx).sqrt())
    }

    proptest! {
        #[test]
        fn is_the_line_of_the_last_values(
            size in 3_usize..50,
            steps in prop::collection::vec(-1.0..1.0, 3..200),
            level in -1e4..1e4,
            drift in -0.1..0.1,
        ) {
            let mut line = RollingLine::new(size);
            let mut value = level;
            let mut seen = Vec::new();
            for step in steps {
                value += step + drift;
                seen.push(value);
                line.push(value);
                let inside = &seen[seen.len().saturating_sub(size)..];
                prop_assert_eq!(line.len(), inside.len());
                prop_assert_eq!((line.first(), line.last()), (Some(inside[0]), Some(value)));
                if inside.len() < 4 {
                    continue;
                }
                let (slope, t) = naive(inside);
                let close = |left: f64, right: f64, least: f64| {
                    (left - right).abs() <= 1e-8 * right.abs().max(least)
                };
                prop_assert!(close(line.slope().unwrap(), slope, 1e-3));
                prop_assert!(t.abs() > 1e3 || close(line.t().unwrap(), t, 1e-2), "{:?} {}", line.t(), t);
            }
        }
    }

    #[test]
    fn a_line_worked_out_by_hand() {
        let mut line = RollingLine::new(6);
        for value in [1.0, 3.0, 2.0, 5.0, 4.0, 6.0] {
            line.push(value);
        }
        // Sxy = 15.5, Sxx = 17.5, Syy = 17.5: slope 31/35, RSS = 17.5 − 15.5² / 17.5.
        assert!((line.slope().unwrap() - 31.0 / 35.0).abs() < 1e-15);
        let rss = 17.5 - 15.5 * 15.5 / 17.5;
        let t = 31.0 / 35.0 / (rss / 4.0 / 17.5_f64).sqrt();
        assert!((line.t().unwrap() - t).abs() < 1e-12);
    }

    #[test]
    fn a_value_that_dwarfs_the_others_leaves_nothing_behind() {
        let calm = |index: u32| 100.0 + f64::from(index * 37 % 11);
        let (mut line, mut clean) = (RollingLine::new(20), RollingLine::new(20));
        line.push(1e12);
        for index in 0..20 {
            line.push(calm(index));
            clean.push(calm(index));
        }
        assert!((line.t().unwrap() - clean.t().unwrap()).abs() < 1e-9);
    }

    #[test]
    fn lines_without_noise_and_without_slope() {
        let mut line = RollingLine::new(5);
        assert_eq!((line.t(), line.slope()), (None, None));
        for _ in 0..5 {
            line.push(7.1);
        }
        assert_eq!((line.t(), line.slope()), (Some(0.0), Some(0.0)));
        for value in [1.0, 2.0, 3.0, 4.0, 5.0] {
            line.push(value);
        }
        assert_eq!(line.t(), Some(T_MAX));
        line.scale(2.0);
        assert_eq!(line.slope(), Some(2.0));
    }
}
