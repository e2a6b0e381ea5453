//! The slope of one variable on another.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The least-squares slope of y on x, with an intercept, over the last `size` pairs: cov(x, y) / var(x).
///
/// Sums run over distances from a pivot. Every `size` pushes the pivot becomes the mean and the sums are taken anew, so
/// that rounding cannot pile up: O(1) amortised a push, and a pure function of what was pushed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollingBeta {
    size: usize,
    pairs: VecDeque<[f64; 2]>,
    pivot: [f64; 2],
    /// Σ x, Σ y, Σ xy and Σ x², as distances from the pivot.
    sums: [f64; 4],
    /// Pushes until the sums are taken anew.
    fresh_for: usize,
}

/// A variance below this share of the mean square is rounding.
const FLAT: f64 = 1e-12;

impl RollingBeta {
    /// An empty window of `size` pairs, at least three.
    pub fn new(size: usize) -> Self {
        RollingBeta {
            size: size.max(3),
            pairs: VecDeque::new(),
            pivot: [0.0; 2],
            sums: [0.0; 4],
            fresh_for: 0,
        }
    }

    /// Whether it holds as many as it can.
    pub fn is_full(&self) -> bool {
        self.pairs.len() == self.size
    }

    /// Takes in a finite pair, letting go of the oldest where full.
    pub fn push(&mut self, x: f64, y: f64) {
        if self.is_full()
            && let Some(oldest) = self.pairs.pop_front()
        {
            self.add(oldest, -1.0);
        }
        self.pairs.push_back([x, y]);
        if self.fresh_for == 0 {
            self.refresh();
        } else {
            self.fresh_for -= 1;
            self.add([x, y], 1.0);
        }
    }

    /// The slope; none below three pairs, or where all x are equal.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a window is far smaller than 2^53"
    )]
    pub fn slope(&self) -> Option<f64> {
        let count = self.pairs.len() as f64;
        let [x, y, xy, xx] = self.sums;
        let variance = xx - x * x / count;
        let level = count * self.pivot[0] * self.pivot[0] + xx;
        let slope = (xy - x * y / count) / variance;
        (count >= 3.0 && variance > FLAT * level && slope.is_finite()).then_some(slope)
    }

    fn add(&mut self, [x, y]: [f64; 2], sign: f64) {
        let (x, y) = (x - self.pivot[0], y - self.pivot[1]);
        for (sum, term) in self.sums.iter_mut().zip([x, y, x * y, x * x]) {
            *sum += sign * term;
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a window is far smaller than 2^53"
    )]
    fn refresh(&mut self) {
        self.fresh_for = self.size;
        let count = self.pairs.len().max(1) as f64;
        self.pivot = [0, 1].map(|of| self.pairs.iter().map(|pair| pair[of]).sum::<f64>() / count);
        self.sums = [0.0; 4];
        for index in 0..self.pairs.len() {
            self.add(self.pairs[index], 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(pairs: &[[f64; 2]]) -> f64 {
        let count = pairs.len() as f64;
        let mean = |of: usize| pairs.iter().map(|pair| pair[of]).sum::<f64>() / count;
        let (mean_x, mean_y) = (mean(0), mean(1));
        let product = pairs.iter().map(|[x, y]| (x - mean_x) * (y - mean_y));
        let square = pairs.iter().map(|[x, _]| (x - mean_x) * (x - mean_x));
        product.sum::<f64>() / square.sum::<f64>()
    }

    proptest! {
        #[test]
        fn is_that_of_the_last_pairs(
            size in 3_usize..40,
            pairs in prop::collection::vec((-0.1..0.1, -0.1..0.1).prop_map(|(x, y)| [x, y]), 3..200),
            drift in -0.2..0.2,
        ) {
            let mut beta = RollingBeta::new(size);
            for index in 0..pairs.len() {
                let [x, y] = pairs[index];
                beta.push(x + drift, y + x);
                let inside = pairs[(index + 1).saturating_sub(size)..=index].iter();
                let inside: Vec<[f64; 2]> = inside.map(|[x, y]| [x + drift, y + x]).collect();
                if inside.len() < 3 {
                    prop_assert_eq!(beta.slope(), None);
                    continue;
                }
                let slope = naive(&inside);
                let read = beta.slope().unwrap();
                prop_assert!((read - slope).abs() <= 1e-9 * slope.abs().max(1.0), "{} {}", read, slope);
            }
            prop_assert_eq!(beta.is_full(), pairs.len() >= size);
        }
    }

    #[test]
    fn no_slope_on_what_does_not_move() {
        let mut beta = RollingBeta::new(5);
        for y in [1.0, 2.0, 3.0, 4.0, 5.0, 6.0] {
            beta.push(0.1, y);
            assert_eq!(beta.slope(), None);
        }
    }
}
