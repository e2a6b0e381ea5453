//! Joint moments of the last pairs of values: means, variances, covariance, correlation.

use super::moments::{ROUNDING, WORN};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The last `size` pairs of values, with their first and second moments.
///
/// Sums run over distances from a pivot, and are taken anew from the pairs every `size` pushes and when rounding has
/// eaten into them, as in [`RollingMoments`](super::RollingMoments): O(1) amortised a push.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollingPairs {
    size: usize,
    pairs: VecDeque<[f64; 2]>,
    pivot: [f64; 2],
    sums: Sums,
    /// Squares that went into the sums since they were taken anew, those that have left among them.
    gross: [f64; 2],
    /// Pushes until the sums are taken anew.
    fresh_for: usize,
}

/// Sums over distances from the pivot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sums {
    values: [f64; 2],
    squares: [f64; 2],
    products: f64,
}

impl Sums {
    /// Adds one pair's distances, or takes them away.
    fn add(&mut self, distances: [f64; 2], sign: f64) {
        for (axis, distance) in distances.into_iter().enumerate() {
            self.values[axis] += sign * distance;
            self.squares[axis] += sign * distance * distance;
        }
        self.products += sign * distances[0] * distances[1];
    }
}

/// A standard deviation below this share of the root mean square is rounding: the values do not vary.
const STILL: f64 = 1e-9;

impl RollingPairs {
    /// An empty window of `size` pairs, at least one.
    pub fn new(size: usize) -> Self {
        RollingPairs {
            size: size.max(1),
            pairs: VecDeque::new(),
            pivot: [0.0; 2],
            sums: Sums::default(),
            gross: [0.0; 2],
            fresh_for: 0,
        }
    }

    /// How many pairs it holds.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Whether it holds as many as it can.
    pub fn is_full(&self) -> bool {
        self.pairs.len() == self.size
    }

    /// The pairs, the oldest first.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = [f64; 2]> + Clone + '_ {
        self.pairs.iter().copied()
    }

    /// Takes in a pair of finite values, letting go of the oldest where full.
    pub fn push(&mut self, pair: [f64; 2]) {
        if self.is_full()
            && let Some(oldest) = self.pairs.pop_front()
        {
            let distances = self.distances(oldest);
            self.sums.add(distances, -1.0);
        }
        self.pairs.push_back(pair);
        if self.fresh_for == 0 {
            self.refresh();
            return;
        }
        self.fresh_for -= 1;
        let distances = self.distances(pair);
        self.sums.add(distances, 1.0);
        for (gross, distance) in self.gross.iter_mut().zip(distances) {
            *gross += distance * distance;
        }
        let is_worn = |axis: usize| {
            let rounding = ROUNDING * self.pivot[axis] * self.pivot[axis] * self.count();
            self.spread(axis) < WORN * self.gross[axis] && self.gross[axis] > rounding
        };
        if is_worn(0) || is_worn(1) {
            self.refresh();
        }
    }

    /// The arithmetic mean of the first (0) or second (1) values; none where empty.
    pub fn mean(&self, axis: usize) -> Option<f64> {
        (!self.is_empty()).then(|| self.pivot[axis] + self.sums.values[axis] / self.count())
    }

    /// Their sample variance, with n − 1 in the denominator; none below two pairs.
    pub fn variance(&self, axis: usize) -> Option<f64> {
        (self.len() >= 2).then(|| self.spread(axis) / (self.count() - 1.0))
    }

    /// The sample covariance, with n − 1 in the denominator; none below two pairs.
    pub fn covariance(&self) -> Option<f64> {
        (self.len() >= 2).then(|| self.joint_spread() / (self.count() - 1.0))
    }

    /// Pearson's correlation, −1 to 1; none where either side does not vary.
    pub fn correlation(&self) -> Option<f64> {
        if !(self.varies(0) && self.varies(1)) {
            return None;
        }
        let scale = libm::sqrt(self.spread(0)) * libm::sqrt(self.spread(1));
        Some((self.joint_spread() / scale).clamp(-1.0, 1.0))
    }

    /// Whether the values of one side differ by more than rounding.
    pub fn varies(&self, axis: usize) -> bool {
        let (pivot, values) = (self.pivot[axis], self.sums.values[axis]);
        let squares = self.sums.squares[axis] + 2.0 * pivot * values + self.count() * pivot * pivot;
        self.spread(axis) > STILL * STILL * squares
    }

    /// Multiplies the values of one side by a factor.
    pub fn scale(&mut self, axis: usize, factor: f64) {
        for pair in &mut self.pairs {
            pair[axis] *= factor;
        }
        self.refresh();
    }

    /// Squared distances from the mean, summed.
    fn spread(&self, axis: usize) -> f64 {
        let sum = self.sums.values[axis];
        (self.sums.squares[axis] - sum * sum / self.count()).max(0.0)
    }

    fn joint_spread(&self) -> f64 {
        let [first, second] = self.sums.values;
        self.sums.products - first * second / self.count()
    }

    fn distances(&self, pair: [f64; 2]) -> [f64; 2] {
        [pair[0] - self.pivot[0], pair[1] - self.pivot[1]]
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a window is far smaller than 2^53"
    )]
    fn count(&self) -> f64 {
        self.pairs.len() as f64
    }

    fn refresh(&mut self) {
        self.fresh_for = self.size;
        let count = self.count().max(1.0);
        for axis in 0..2 {
            self.pivot[axis] = self.pairs.iter().map(|pair| pair[axis]).sum::<f64>() / count;
        }
        let mut sums = Sums::default();
        for pair in &self.pairs {
            sums.add(self.distances(*pair), 1.0);
        }
        self.sums = sums;
        self.gross = sums.squares;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Means, centred squares and centred products of some pairs.
    fn naive(pairs: &[[f64; 2]]) -> ([f64; 2], [f64; 2], f64) {
        let count = pairs.len() as f64;
        let mean = [0, 1].map(|axis| pairs.iter().map(|pair| pair[axis]).sum::<f64>() / count);
        let squares = [0, 1].map(|axis| {
            let distances = pairs.iter().map(|pair| pair[axis] - mean[axis]);
            distances.map(|distance| distance * distance).sum()
        });
        let product = |pair: &[f64; 2]| (pair[0] - mean[0]) * (pair[1] - mean[1]);
        (mean, squares, pairs.iter().map(product).sum())
    }

    fn close_to(left: f64, right: f64, scale: f64) -> bool {
        (left - right).abs() <= 1e-9 * scale
    }

    /// Pairs whose size changes by a factor of up to 1,000 now and then.
    fn pushes() -> impl Strategy<Value = Vec<[f64; 2]>> {
        let pair = (-1.0..1.0_f64, -1.0..1.0_f64, 0..8_u32);
        let pair = pair.prop_map(|(first, second, wild)| match wild {
            0 => [first * 1e3, second],
            1 => [first, second * 1e3],
            _ => [first, first * 0.5 + second],
        });
        prop::collection::vec(pair, 1..200)
    }

    proptest! {
        #[test]
        fn are_those_of_the_last_pairs(size in 2_usize..30, pushes in pushes(), level in -10.0..10.0) {
            let mut window = RollingPairs::new(size);
            let pushes: Vec<[f64; 2]> = pushes.iter().map(|pair| [pair[0] + level, pair[1]]).collect();
            for (index, pair) in pushes.iter().enumerate() {
                window.push(*pair);
                let inside = &pushes[(index + 1).saturating_sub(size)..=index];
                prop_assert_eq!(window.len(), inside.len());
                prop_assert_eq!(window.pairs().collect::<Vec<_>>(), inside);
                let (mean, squares, products) = naive(inside);
                let below = inside.len() as f64 - 1.0;
                for axis in 0..2 {
                    prop_assert!(close_to(window.mean(axis).unwrap(), mean[axis], 1e3));
                    if inside.len() >= 2 {
                        let variance = squares[axis] / below;
                        prop_assert!(close_to(window.variance(axis).unwrap(), variance, variance + 1e-9));
                    }
                }
                if inside.len() >= 2 {
                    let scale = (squares[0] * squares[1]).sqrt();
                    prop_assert!(close_to(window.covariance().unwrap(), products / below, scale));
                    if squares[0] > 1e-6 && squares[1] > 1e-6 {
                        let read = window.correlation().unwrap();
                        prop_assert!(close_to(read, products / scale, 1.0), "{read} {}", products / scale);
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_vary_has_no_correlation() {
        let mut window = RollingPairs::new(5);
        for step in 0..5_u32 {
            window.push([f64::from(step), 0.3]);
        }
        assert_eq!(window.correlation(), None);
        assert!(window.varies(0) && !window.varies(1));
        // Equal but for the rounding of a product.
        let mut window = RollingPairs::new(5);
        for step in 1..=5_u32 {
            window.push([f64::from(step), 0.1 * f64::from(step) / f64::from(step)]);
        }
        assert_eq!(window.correlation(), None);
    }

    #[test]
    fn nothing_stays_of_wild_pairs_that_have_left() {
        let mut window = RollingPairs::new(10);
        for wild in [0.3, -0.2, 0.7, 0.1, -0.9, 0.4, 0.3] {
            window.push([wild, -wild]);
        }
        (0..10).for_each(|_| window.push([0.0, 1.0]));
        assert_eq!(
            (window.variance(0), window.variance(1)),
            (Some(0.0), Some(0.0))
        );
        assert_eq!(window.correlation(), None);
    }

    #[test]
    fn scaling_one_side_scales_what_it_enters() {
        let mut window = RollingPairs::new(8);
        let mut scaled = RollingPairs::new(8);
        for step in 0..20_u32 {
            let pair = [f64::from(step * step % 7), f64::from(step % 5)];
            window.push(pair);
            scaled.push([pair[0] * 4.0, pair[1]]);
        }
        window.scale(0, 4.0);
        assert!(close_to(
            window.covariance().unwrap(),
            scaled.covariance().unwrap(),
            1.0
        ));
        assert!(close_to(
            window.correlation().unwrap(),
            scaled.correlation().unwrap(),
            1.0
        ));
    }

    #[test]
    fn an_empty_window_has_no_moments() {
        let window = RollingPairs::new(3);
        assert!(window.is_empty() && !window.is_full());
        assert_eq!(
            (window.mean(0), window.variance(1), window.covariance()),
            (None, None, None)
        );
        assert_eq!(window.correlation(), None);
    }
}
