//! Order statistics of the last values.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The last `size` values, in order of arrival and of size: median, median absolute deviation, percentile rank.
///
/// A push finds its places by binary search and shifts what lies between: for the few thousand values of the windows
/// here that is a short `memmove`. Only the arrival order is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct SortedWindow {
    size: usize,
    arrived: VecDeque<f64>,
    sorted: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    size: usize,
    values: VecDeque<f64>,
}

/// Makes the median absolute deviation of a normal sample estimate its standard deviation: 1 / Φ⁻¹(3/4).
pub const MAD_TO_SIGMA: f64 = 1.4826;

impl SortedWindow {
    /// An empty window of `size` values, at least one.
    pub fn new(size: usize) -> Self {
        SortedWindow {
            size: size.max(1),
            arrived: VecDeque::new(),
            sorted: Vec::new(),
        }
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Takes in a finite value, letting go of the oldest where full.
    pub fn push(&mut self, value: f64) {
        if self.arrived.len() == self.size
            && let Some(oldest) = self.arrived.pop_front()
            && let Ok(at) = self.sorted.binary_search_by(|held| held.total_cmp(&oldest))
        {
            self.sorted.remove(at);
        }
        let at = self
            .sorted
            .partition_point(|held| held.total_cmp(&value).is_lt());
        self.sorted.insert(at, value);
        self.arrived.push_back(value);
    }

    /// The median: of an even number of values the mean of the middle two; none where empty.
    pub fn median(&self) -> Option<f64> {
        let upper = self.sorted.get(self.len() / 2)?;
        if self.len() % 2 == 1 {
            return Some(*upper);
        }
        let lower = self.sorted[self.len() / 2 - 1];
        Some(lower.midpoint(*upper))
    }

    /// The median of the distances from the median; none where empty. O(n): it merges the distances below the median
    /// with those above it, both in order already, as far as their middle.
    pub fn median_absolute_deviation(&self) -> Option<f64> {
        let median = self.median()?;
        let split = self.sorted.partition_point(|value| *value < median);
        let mut below = self.sorted[..split]
            .iter()
            .rev()
            .map(|value| median - value)
            .peekable();
        let mut above = self.sorted[split..]
            .iter()
            .map(|value| value - median)
            .peekable();
        let mut next = || match (below.peek(), above.peek()) {
            (Some(left), Some(right)) if left <= right => below.next(),
            (Some(_), None) => below.next(),
            _ => above.next(),
        };
        let mut lower = 0.0;
        for _ in 0..self.len() / 2 {
            lower = next()?;
        }
        let upper = next()?;
        Some(if self.len() % 2 == 1 {
            upper
        } else {
            lower.midpoint(upper)
        })
    }

    /// How many robust standard deviations a value lies above the median: (value − median) / (1.4826 · MAD). None where
    /// empty, or where more than half of the values are equal.
    pub fn robust_z(&self, value: f64) -> Option<f64> {
        let z = (value - self.median()?) / (MAD_TO_SIGMA * self.median_absolute_deviation()?);
        z.is_finite().then_some(z)
    }

    /// The share of values below `value`, equal ones by half, 0 to 1; none where empty.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a window is far smaller than 2^53"
    )]
    pub fn percentile_rank(&self, value: f64) -> Option<f64> {
        let below = self.sorted.partition_point(|held| *held < value);
        let up_to = self.sorted.partition_point(|held| *held <= value);
        (!self.is_empty()).then(|| (below + up_to) as f64 / (2 * self.len()) as f64)
    }

    /// Multiplies every value by a positive factor.
    pub fn scale(&mut self, factor: f64) {
        for value in self.sorted.iter_mut().chain(&mut self.arrived) {
            *value *= factor;
        }
    }
}

impl From<Stored> for SortedWindow {
    fn from(stored: Stored) -> Self {
        let mut sorted: Vec<f64> = stored.values.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        SortedWindow {
            size: stored.size,
            arrived: stored.values,
            sorted,
        }
    }
}

impl From<SortedWindow> for Stored {
    fn from(window: SortedWindow) -> Self {
        Stored {
            size: window.size,
            values: window.arrived,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn median_of(mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        let half = values.len() / 2;
        if values.len() % 2 == 1 {
            values[half]
        } else {
            values[half - 1].midpoint(values[half])
        }
    }

    fn values() -> impl Strategy<Value = Vec<f64>> {
        let value = prop_oneof![-100.0..100.0, (-3_i32..3).prop_map(f64::from), Just(-0.0)];
        prop::collection::vec(value, 1..150)
    }

    proptest! {
        #[test]
        fn statistics_are_those_of_the_last_values(size in 1_usize..40, values in values(), probe in -4_i32..4) {
            let probe = f64::from(probe);
            let mut window = SortedWindow::new(size);
            for index in 0..values.len() {
                window.push(values[index]);
                let inside = &values[(index + 1).saturating_sub(size)..=index];
                let median = median_of(inside.to_vec());
                let mad = median_of(inside.iter().map(|value| (value - median).abs()).collect());
                let below = inside.iter().filter(|value| **value < probe).count() as f64;
                let equal = inside.iter().filter(|value| **value == probe).count() as f64;
                prop_assert_eq!(window.len(), inside.len());
                prop_assert_eq!(window.median(), Some(median));
                prop_assert_eq!(window.median_absolute_deviation(), Some(mad));
                let rank = window.percentile_rank(probe).unwrap();
                prop_assert!((rank - (below + equal / 2.0) / inside.len() as f64).abs() < 1e-12);
                match window.robust_z(probe) {
                    Some(z) => prop_assert_eq!(z, (probe - median) / (1.4826 * mad)),
                    None => prop_assert_eq!(mad, 0.0),
                }
            }
        }

        #[test]
        fn a_stored_window_comes_back(size in 1_usize..40, values in values()) {
            let mut window = SortedWindow::new(size);
            values.iter().for_each(|value| window.push(*value));
            let text = serde_json::to_string(&window).unwrap();
            prop_assert_eq!(serde_json::from_str::<SortedWindow>(&text).unwrap(), window);
        }
    }

    #[test]
    fn an_empty_window_has_no_statistics() {
        let window = SortedWindow::new(3);
        assert_eq!(window.median(), None);
        assert_eq!(window.median_absolute_deviation(), None);
        assert_eq!(window.percentile_rank(0.0), None);
        assert_eq!(window.robust_z(0.0), None);
    }
}
