//! Means and covariances of many series over their last rows.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Means and covariances of many series over their last `size` rows, the newest with weight 1 and each older one with
/// `decay` times the weight of the next.
///
/// Sums of values and of products are kept up to date, O(width²) a push. Every `size` pushes, and whenever a value
/// leaves that was out of all proportion to what stays, they are taken anew from the rows, so that rounding cannot pile
/// up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollingCovariance {
    size: usize,
    decay: f64,
    rows: VecDeque<Vec<f64>>,
    sums: Vec<f64>,
    /// Of each pair of series, the lower triangle by rows.
    products: Vec<f64>,
    /// Pushes until the sums are taken anew.
    fresh_for: usize,
}

/// The square of a value that leaves, over the squares that stay, beyond which it has taken their digits along.
const WILD: f64 = 1e4;

impl RollingCovariance {
    /// An empty window of `size` rows, at least one.
    pub fn new(size: usize, decay: f64) -> Self {
        RollingCovariance {
            size: size.max(1),
            decay,
            rows: VecDeque::new(),
            sums: Vec::new(),
            products: Vec::new(),
            fresh_for: 0,
        }
    }

    /// How many rows it holds.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether it holds as many as it can.
    pub fn is_full(&self) -> bool {
        self.rows.len() == self.size
    }

    /// The rows, the oldest first.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.rows.iter().map(Vec::as_slice)
    }

    /// Takes in a row of finite values, as wide as those before it, letting go of the oldest where full.
    pub fn push(&mut self, row: &[f64]) {
        let width = row.len();
        self.sums.resize(width, 0.0);
        self.products.resize(width * (width + 1) / 2, 0.0);
        if self.decay < 1.0 {
            for sum in self.sums.iter_mut().chain(&mut self.products) {
                *sum *= self.decay;
            }
        }
        self.add(row, 1.0);
        let mut spare = Vec::new();
        let mut is_wild = false;
        if self.is_full()
            && let Some(oldest) = self.rows.pop_front()
        {
            let weight = self.weight(self.size);
            self.add(&oldest, -weight);
            is_wild = oldest.iter().enumerate().any(|(at, value)| {
                let stays = self.products[triangle(at, at)];
                weight * value * value > stays * WILD
            });
            spare = oldest;
        }
        spare.clear();
        spare.extend_from_slice(row);
        self.rows.push_back(spare);
        if self.fresh_for == 0 || is_wild {
            self.refresh();
        } else {
            self.fresh_for -= 1;
        }
    }

    /// Means and covariances of some of the series, in that order, with the sum of the weights in the denominator. The
    /// matrix is whole, by rows.
    pub fn of(&self, places: &[usize]) -> (Vec<f64>, Vec<f64>) {
        let total: f64 = (0..self.len()).map(|age| self.weight(age)).sum();
        let means: Vec<f64> = places
            .iter()
            .map(|place| self.sums[*place] / total)
            .collect();
        let count = places.len();
        let mut matrix = vec![0.0; count * count];
        for row in 0..count {
            for column in 0..=row {
                let (high, low) = (
                    places[row].max(places[column]),
                    places[row].min(places[column]),
                );
                let covariance =
                    self.products[triangle(high, low)] / total - means[row] * means[column];
                matrix[row * count + column] = covariance;
                matrix[column * count + row] = covariance;
            }
        }
        (means, matrix)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a window is far smaller than 2^53"
    )]
    fn weight(&self, age: usize) -> f64 {
        if self.decay < 1.0 {
            libm::pow(self.decay, age as f64)
        } else {
            1.0
        }
    }

    fn add(&mut self, row: &[f64], weight: f64) {
        let mut products = self.products.iter_mut();
        for (at, (sum, value)) in self.sums.iter_mut().zip(row).enumerate() {
            *sum += weight * value;
            let weighted = weight * value;
            for (product, other) in products.by_ref().take(at + 1).zip(&row[..=at]) {
                *product += weighted * other;
            }
        }
    }

    fn refresh(&mut self) {
        self.fresh_for = self.size;
        self.sums.fill(0.0);
        self.products.fill(0.0);
        let rows = std::mem::take(&mut self.rows);
        for (age, row) in rows.iter().rev().enumerate() {
            self.add(row, self.weight(age));
        }
        self.rows = rows;
    }
}

/// Where the product of two series stands, the later one first.
fn triangle(row: usize, column: usize) -> usize {
    row * (row + 1) / 2 + column
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn are_those_of_the_last_rows(
            size in 1_usize..12,
            decay in prop::sample::select(&[1.0, 0.97, 0.5]),
            rows in prop::collection::vec(prop::collection::vec(-0.1..0.1, 3), 1..80),
        ) {
            let mut window = RollingCovariance::new(size, decay);
            for (index, row) in rows.iter().enumerate() {
                window.push(row);
                let inside = &rows[(index + 1).saturating_sub(size)..=index];
                let weighted = |value: &dyn Fn(&Vec<f64>) -> f64| {
                    let terms = inside.iter().rev().zip(0..).map(|(row, age)| (decay.powi(age), value(row)));
                    let (weights, values): (Vec<f64>, Vec<f64>) = terms.unzip();
                    let sum: f64 = weights.iter().zip(&values).map(|(weight, value)| weight * value).sum();
                    sum / weights.iter().sum::<f64>()
                };
                let places = [2, 0];
                let (means, matrix) = window.of(&places);
                for (at, place) in places.iter().enumerate() {
                    let mean = weighted(&|row| row[*place]);
                    prop_assert!((means[at] - mean).abs() < 1e-15);
                    for (other_at, other) in places.iter().enumerate() {
                        let other_mean = weighted(&|row| row[*other]);
                        let covariance = weighted(&|row| (row[*place] - mean) * (row[*other] - other_mean));
                        prop_assert!((matrix[at * 2 + other_at] - covariance).abs() < 1e-15);
                    }
                }
                prop_assert_eq!(window.len(), inside.len());
            }
        }
    }

    #[test]
    fn a_wild_value_leaves_no_trace() {
        let mut window = RollingCovariance::new(10, 1.0);
        for index in 0..14 {
            let value = if index == 3 {
                1e3
            } else {
                1e-7 * f64::from(index)
            };
            window.push(&[value, 1e-7]);
        }
        let (means, matrix) = window.of(&[0, 1]);
        assert!((means[0] / 8.5e-7 - 1.0).abs() < 1e-12, "{means:?}");
        assert!((matrix[0] / 8.25e-14 - 1.0).abs() < 1e-9, "{matrix:?}");
    }
}
