//! Sum, mean and variance of the last values.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Sum, mean and variance of the last `size` values.
///
/// Sums run over distances from a pivot. Every `size` pushes, and when wild values have left so that what is left of
/// their sums is mostly rounding, the pivot becomes the mean and both sums are taken anew from the values: still O(1)
/// amortised a push, and a pure function of what was pushed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollingMoments {
    size: usize,
    values: VecDeque<f64>,
    pivot: f64,
    sum: f64,
    sum_of_squares: f64,
    /// Squares that went into the sum since it was taken anew, those that have left among them.
    gross: f64,
    /// Pushes until the sums are taken anew.
    fresh_for: usize,
}

/// A spread below this share of the squares that went into its sum has lost too many digits to rounding.
pub(super) const WORN: f64 = 1e-4;

/// Squares below this share of the squared distance from zero are rounding themselves.
pub(super) const ROUNDING: f64 = 1e-24;

impl RollingMoments {
    /// An empty window of `size` values, at least one.
    pub fn new(size: usize) -> Self {
        RollingMoments {
            size: size.max(1),
            values: VecDeque::new(),
            pivot: 0.0,
            sum: 0.0,
            sum_of_squares: 0.0,
            gross: 0.0,
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

    /// Takes in a finite value, letting go of the oldest where full.
    pub fn push(&mut self, value: f64) {
        if self.is_full()
            && let Some(oldest) = self.values.pop_front()
        {
            let distance = oldest - self.pivot;
            self.sum -= distance;
            self.sum_of_squares -= distance * distance;
        }
        self.values.push_back(value);
        if self.fresh_for == 0 {
            self.refresh();
        } else {
            self.fresh_for -= 1;
            let distance = value - self.pivot;
            self.sum += distance;
            self.sum_of_squares += distance * distance;
            self.gross += distance * distance;
            let spread = self.sum_of_squares - self.sum * self.sum / self.count();
            let rounding = ROUNDING * self.pivot * self.pivot * self.count();
            if spread < WORN * self.gross && self.gross > rounding {
                self.refresh();
            }
        }
    }

    /// The sum.
    pub fn sum(&self) -> f64 {
        self.sum + self.pivot * self.count()
    }

    /// The arithmetic mean; none where empty.
    pub fn mean(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.pivot + self.sum / self.count())
    }

    /// The sample variance, with n − 1 in the denominator; none below two values.
    pub fn variance(&self) -> Option<f64> {
        let count = self.count();
        let squares = self.sum_of_squares - self.sum * self.sum / count;
        (count >= 2.0).then(|| (squares / (count - 1.0)).max(0.0))
    }

    /// Multiplies every value by a factor.
    pub fn scale(&mut self, factor: f64) {
        for value in &mut self.values {
            *value *= factor;
        }
        self.refresh();
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
        let distances = || self.values.iter().map(|value| value - self.pivot);
        let sum = distances().sum();
        let sum_of_squares = distances().map(|distance| distance * distance).sum();
        self.sum = sum;
        self.sum_of_squares = sum_of_squares;
        self.gross = sum_of_squares;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close_to(left: f64, right: f64, scale: f64) -> bool {
        (left - right).abs() <= 1e-9 * scale
    }

    proptest! {
        #[test]
        fn are_those_of_the_last_values(
            size in 1_usize..30,
            values in prop::collection::vec(-1e3..1e3, 1..200),
            level in -1e5..1e5,
        ) {
            let mut window = RollingMoments::new(size);
            let shifted: Vec<f64> = values.iter().map(|value| value + level).collect();
            for (index, value) in shifted.iter().enumerate() {
                window.push(*value);
                let inside = &shifted[(index + 1).saturating_sub(size)..=index];
                let count = inside.len() as f64;
                let mean = inside.iter().sum::<f64>() / count;
                prop_assert_eq!(window.len(), inside.len());
                prop_assert!(close_to(window.sum(), mean * count, 1e6));
                prop_assert!(close_to(window.mean().unwrap(), mean, 1e5));
                if inside.len() >= 2 {
                    let variance = inside.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0);
                    prop_assert!(close_to(window.variance().unwrap(), variance, 1e6));
                }
            }
        }
    }

    #[test]
    fn rounding_does_not_pile_up() {
        let mut window = RollingMoments::new(50);
        for push in 0..1_000_000_u32 {
            let wild = if push.is_multiple_of(1_000) { 1e9 } else { 0.1 };
            window.push(wild);
        }
        for _ in 0..100 {
            window.push(0.1);
        }
        assert!((window.mean().unwrap() - 0.1).abs() < 1e-15);
        assert!(window.variance().unwrap() < 1e-30);
    }

    #[test]
    fn nothing_stays_of_wild_values_that_have_left() {
        let mut window = RollingMoments::new(10);
        for wild in [0.3, -0.2, 0.7, 0.1, -0.9, 0.4, 0.3] {
            window.push(wild);
        }
        (0..10).for_each(|_| window.push(0.0));
        assert_eq!((window.mean(), window.variance()), (Some(0.0), Some(0.0)));
    }

    #[test]
    fn an_empty_window_has_no_mean() {
        let window = RollingMoments::new(3);
        assert_eq!(
            (window.mean(), window.variance(), window.sum()),
            (None, None, 0.0)
        );
    }
}
