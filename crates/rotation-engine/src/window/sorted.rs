//! Order statistics of the last values.

use serde::{Deserialize, Serialize};

mod order;

use order::Order;

/// The last `size` values: median, median absolute deviation, robust z-score, percentile rank. Ten bytes a value.
pub type SortedWindow = Sorted<f64>;

/// The last `size` values in single precision, for where only ranks are asked: six bytes a value. Values that agree to
/// some seven digits are ties.
pub type RankWindow = Sorted<f32>;

/// The last `size` values, in order of arrival and of size.
///
/// A ring holds the values; their order by size is a list of places in the ring. A push finds the two ends of what it
/// has to shift by binary search: for the few thousand values of the windows here a `memmove` of some kilobytes. Both
/// grow with what they hold, to `size` and no further. Only the values are stored, in order of arrival.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(
    from = "Stored<T>",
    into = "Stored<T>",
    bound(
        serialize = "T: Cell + Serialize",
        deserialize = "T: Cell + Deserialize<'de>"
    )
)]
pub struct Sorted<T> {
    size: usize,
    ring: Vec<T>,
    /// The place of the oldest value, where the ring is full.
    oldest: usize,
    /// Places in the ring by size of what lies there; among equal ones the oldest first.
    order: Order,
}

#[derive(Serialize, Deserialize)]
struct Stored<T> {
    size: usize,
    values: Vec<T>,
}

/// What a window holds a value as.
pub trait Cell: Copy + PartialEq {
    /// The nearest it can hold of a finite value; finite.
    fn hold(value: f64) -> Self;

    /// The value that it holds.
    fn value(self) -> f64;
}

impl Cell for f64 {
    fn hold(value: f64) -> Self {
        value
    }

    fn value(self) -> f64 {
        self
    }
}

impl Cell for f32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "single precision is what is asked for; out of range it saturates"
    )]
    fn hold(value: f64) -> Self {
        value.clamp(f32::MIN.into(), f32::MAX.into()) as f32
    }

    fn value(self) -> f64 {
        self.into()
    }
}

/// Makes the median absolute deviation of a normal sample estimate its standard deviation: 1 / Φ⁻¹(3/4).
pub const MAD_TO_SIGMA: f64 = 1.4826;

impl<T: Cell> Sorted<T> {
    /// An empty window of `size` values, at least one.
    pub fn new(size: usize) -> Self {
        let size = size.max(1);
        Sorted {
            size,
            ring: Vec::new(),
            oldest: 0,
            order: Order::new(size),
        }
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Takes in a finite value, letting go of the oldest where full.
    pub fn push(&mut self, value: f64) {
        let cell = T::hold(value);
        let value = cell.value();
        let to = self.rank(|held| held.total_cmp(&value).is_le());
        if self.len() < self.size {
            if self.ring.len() == self.ring.capacity() {
                self.ring
                    .reserve_exact(order::growth(self.ring.len(), self.size));
            }
            self.order.insert(to, self.ring.len(), self.size);
            self.ring.push(cell);
            return;
        }
        let gone = self.ring[self.oldest].value();
        let from = self.rank(|held| held.total_cmp(&gone).is_lt());
        self.order.shift(from, to);
        self.ring[self.oldest] = cell;
        self.oldest = (self.oldest + 1) % self.size;
    }

    /// The median: of an even number of values the mean of the middle two; none where empty.
    pub fn median(&self) -> Option<f64> {
        if self.is_empty() {
            return None;
        }
        let upper = self.at(self.len() / 2);
        if self.len() % 2 == 1 {
            return Some(upper);
        }
        Some(self.at(self.len() / 2 - 1).midpoint(upper))
    }

    /// The median of the distances from the median; none where empty. O(log n): the distances below the median and
    /// those above it are in order already, so that it searches for how many of either lie before their middle.
    pub fn median_absolute_deviation(&self) -> Option<f64> {
        let median = self.median()?;
        let split = self.rank(|held| held < median);
        let below = |index: usize| median - self.at(split - 1 - index);
        let above = |index: usize| self.at(split + index) - median;
        let nth = |nth| nth_of_two(nth, split, self.len() - split, below, above);
        let half = self.len() / 2;
        Some(if self.len() % 2 == 1 {
            nth(half)
        } else {
            nth(half - 1).midpoint(nth(half))
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
        let value = T::hold(value).value();
        let below = self.rank(|held| held < value);
        let up_to = self.rank(|held| held <= value);
        (!self.is_empty()).then(|| (below + up_to) as f64 / (2 * self.len()) as f64)
    }

    /// The smallest value that so large a share of the values, 0 to 1, does not exceed; none where empty.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank within a window, which is far smaller than 2^53"
    )]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let last = self.len().checked_sub(1)?;
        let rank = libm::ceil(share * self.len() as f64).max(1.0) as usize - 1;
        Some(self.at(rank.min(last)))
    }

    /// Lets go of all.
    pub fn clear(&mut self) {
        *self = Sorted::new(self.size);
    }

    /// Multiplies every value by a positive factor.
    pub fn scale(&mut self, factor: f64) {
        for cell in &mut self.ring {
            *cell = T::hold(cell.value() * factor);
        }
        // Different values may have become equal, and equal ones have to lie by age.
        *self = Sorted::from(Stored::from(self.clone()));
    }

    /// The value of a rank by size.
    fn at(&self, rank: usize) -> f64 {
        self.ring[self.order.place(rank)].value()
    }

    /// How many values lie before the first that is not `before`.
    fn rank(&self, before: impl Fn(f64) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if before(self.at(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The bytes that it has on the heap.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.ring.capacity() * size_of::<T>() + self.order.bytes()
    }

    /// The values by age, the oldest first.
    fn arrived(&self) -> impl Iterator<Item = T> {
        let (newer, older) = self.ring.split_at(self.oldest);
        older.iter().chain(newer).copied()
    }
}

/// The `nth` smallest, from zero, of two ascending lists together.
fn nth_of_two(
    nth: usize,
    left_len: usize,
    right_len: usize,
    left: impl Fn(usize) -> f64,
    right: impl Fn(usize) -> f64,
) -> f64 {
    // So many of the `nth` before it are on the left.
    let (mut low, mut high) = (nth.saturating_sub(right_len), nth.min(left_len));
    while low < high {
        let middle = low.midpoint(high);
        if left(middle) < right(nth - middle - 1) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let on_left = (low < left_len).then(|| left(low));
    let on_right = (nth - low < right_len).then(|| right(nth - low));
    match (on_left, on_right) {
        (Some(left), Some(right)) => left.min(right),
        (Some(value), None) | (None, Some(value)) => value,
        (None, None) => 0.0,
    }
}

impl<T: Cell> PartialEq for Sorted<T> {
    /// Whether they hold the same values in the same order of arrival, wherever their rings begin.
    fn eq(&self, other: &Self) -> bool {
        self.size == other.size && self.len() == other.len() && self.arrived().eq(other.arrived())
    }
}

impl<T: Cell> From<Stored<T>> for Sorted<T> {
    fn from(stored: Stored<T>) -> Self {
        let size = stored.size.max(1);
        let mut ring = stored.values;
        ring.drain(..ring.len().saturating_sub(size));
        ring.shrink_to_fit();
        let order = Order::of(size, &ring);
        Sorted {
            size,
            ring,
            oldest: 0,
            order,
        }
    }
}

impl<T: Cell> From<Sorted<T>> for Stored<T> {
    fn from(window: Sorted<T>) -> Self {
        let mut values = window.ring;
        values.rotate_left(window.oldest);
        Stored {
            size: window.size,
            values,
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
                let share = (probe + 4.0) / 7.0;
                let quantile = window.quantile(share).unwrap();
                let up_to = |bound: f64| inside.iter().filter(|value| **value <= bound).count() as f64;
                let covers = |bound: f64| up_to(bound) >= share * inside.len() as f64;
                prop_assert!(inside.contains(&quantile) && covers(quantile));
                prop_assert!(!inside.iter().any(|value| *value < quantile && covers(*value)) || share == 0.0);
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
        assert_eq!(window.quantile(0.5), None);
        assert_eq!(window.robust_z(0.0), None);
    }

    #[test]
    fn a_full_window_takes_ten_bytes_a_value() {
        let mut window = SortedWindow::new(2_520);
        let mut ranks = RankWindow::new(2_520);
        assert_eq!((window.bytes(), ranks.bytes()), (0, 0));
        for push in 0..6_000_u32 {
            window.push(f64::from(push % 97));
            ranks.push(f64::from(push % 97));
        }
        assert_eq!(window.bytes(), 25_200);
        assert_eq!(ranks.bytes(), 15_120);
        let text = serde_json::to_string(&window).unwrap();
        let restored = serde_json::from_str::<SortedWindow>(&text).unwrap();
        assert_eq!(restored.bytes(), 25_200);
    }

    #[test]
    fn ranks_tie_where_single_precision_does() {
        let mut ranks = RankWindow::new(4);
        for value in [1.0, 1.0 + 1e-12, 2.0, 1e300] {
            ranks.push(value);
        }
        assert_eq!(ranks.percentile_rank(1.0), Some(0.25));
        assert_eq!(ranks.percentile_rank(3.0), Some(0.75));
        assert_eq!(ranks.percentile_rank(1e301), Some(0.875));
        let text = serde_json::to_string(&ranks).unwrap();
        assert_eq!(serde_json::from_str::<RankWindow>(&text).unwrap(), ranks);
    }

    #[test]
    fn values_that_scaling_makes_equal_leave_by_age() {
        let mut window = SortedWindow::new(3);
        for value in [3e-320, 1e-320, 2e-320] {
            window.push(value);
        }
        window.scale(1e-10);
        for value in [1.0, 2.0] {
            window.push(value);
        }
        assert_eq!(window.median(), Some(1.0));
        window.push(3.0);
        assert_eq!(window.median(), Some(2.0));
        window.clear();
        assert_eq!(window, SortedWindow::new(3));
    }

    #[test]
    fn a_window_wider_than_a_short_place_is_in_order() {
        let count = 70_000_u32;
        let values: Vec<f64> = (0..count)
            .map(|value| f64::from(value * 7_919 % count))
            .collect();
        let mut window = Sorted::from(Stored {
            size: values.len(),
            values,
        });
        assert_eq!(window.median(), Some(34_999.5));
        // The first values to go are 0, 7919 and 15838.
        for _ in 0..3 {
            window.push(1e6);
        }
        assert_eq!(window.median(), Some(35_002.5));
        assert_eq!(window.percentile_rank(7_919.0), Some(7_918.0 / 70_000.0));
    }
}
