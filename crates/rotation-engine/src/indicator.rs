//! Standard indicators, as traders' screens show them.
//!
//! Those whose definition in the crate `ta` is the usual one are `ta`'s; where it differs, the usual one is here. State
//! is plain data, ours in either case.

use serde::{Deserialize, Serialize};
use ta::Next;
use ta::indicators::ExponentialMovingAverage;

/// Exponential moving average with α = 2 / (period + 1), by `ta`.
///
/// It starts at the first value, as on most screens; some start at the mean of the first `period` values instead, and
/// the two agree to 1 % of their first difference after some 2.3 periods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ema {
    period: usize,
    value: Option<f64>,
}

impl Ema {
    /// An average of `period` values, at least one, that has seen none.
    pub fn new(period: usize) -> Self {
        Ema {
            period: period.max(1),
            value: None,
        }
    }

    /// The average after the last value; none before the first.
    pub fn get(&self) -> Option<f64> {
        self.value
    }

    /// Takes in a finite value: the average after it.
    pub fn push(&mut self, value: f64) -> f64 {
        let mut average =
            ExponentialMovingAverage::new(self.period).expect("a period is at least one");
        // The average starts at its first value, so one begun at the last average goes on from there.
        if let Some(last) = self.value {
            average.next(last);
        }
        let next = average.next(value);
        self.value = Some(next);
        next
    }

    /// The values change basis: each is multiplied by a factor, and so is the average.
    pub fn scale(&mut self, factor: f64) {
        self.value = self.value.map(|value| value * factor);
    }
}

/// Wilder's relative strength index, 0 to 100.
///
/// J. Welles Wilder, *New Concepts in Technical Trading Systems* (1978): 100 − 100 / (1 + gain / loss), where both are
/// averages of the rises and falls from value to value. The first averages are the means of the first `period` changes;
/// after that average ← (average · (period − 1) + change) / period. `ta`'s index of the same name smooths with 2 /
/// (period + 1) instead and starts from made-up changes, so it reads differently from screens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rsi {
    period: u32,
    last: Option<f64>,
    changes: u32,
    gain: f64,
    loss: f64,
}

impl Rsi {
    /// An index of `period` changes, at least one; 14 is usual.
    pub fn new(period: u32) -> Self {
        Rsi {
            period: period.max(1),
            last: None,
            changes: 0,
            gain: 0.0,
            loss: 0.0,
        }
    }

    /// The index after the last value; none before `period` changes. Without a fall 100, without any change 50.
    pub fn get(&self) -> Option<f64> {
        if self.changes < self.period {
            return None;
        }
        let moves = self.gain + self.loss;
        Some(if moves > 0.0 {
            100.0 * self.gain / moves
        } else {
            50.0
        })
    }

    /// Takes in a finite value: the index after it.
    pub fn push(&mut self, value: f64) -> Option<f64> {
        if let Some(last) = self.last.replace(value) {
            let change = value - last;
            // While the first averages build up, each change counts as one of those seen so far.
            self.changes = (self.changes + 1).min(self.period);
            let weight = f64::from(self.changes);
            self.gain = (self.gain * (weight - 1.0) + change.max(0.0)) / weight;
            self.loss = (self.loss * (weight - 1.0) + (-change).max(0.0)) / weight;
        }
        self.get()
    }

    /// The values change basis: each is multiplied by a positive factor. The index stays.
    pub fn scale(&mut self, factor: f64) {
        self.last = self.last.map(|last| last * factor);
        self.gain *= factor;
        self.loss *= factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::round;

    /// Closes of the worked example of a 14-day index that StockCharts' ChartSchool publishes, with its results.
    const CLOSES: [f64; 33] = [
        44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826,
        45.8931, 46.0328, 45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439,
        46.2122, 46.2521, 45.7137, 46.4515, 45.7835, 45.3548, 44.0288, 44.1783, 44.2181, 44.5672,
        43.4205, 42.6628, 43.1314,
    ];
    const RSI_14: [f64; 19] = [
        70.53, 66.32, 66.55, 69.41, 66.36, 57.97, 62.93, 63.26, 56.06, 62.38, 54.71, 50.42, 39.99,
        41.46, 41.87, 45.46, 37.30, 33.08, 37.77,
    ];

    #[test]
    fn rsi_is_wilders() {
        let mut rsi = Rsi::new(14);
        let read: Vec<f64> = CLOSES.iter().filter_map(|close| rsi.push(*close)).collect();
        assert_eq!(read.len(), RSI_14.len());
        for (read, published) in read.into_iter().zip(RSI_14) {
            assert!(
                (read - published).abs() < 0.011,
                "{read} against {published}"
            );
        }
    }

    #[test]
    fn the_index_of_ta_is_another() {
        let mut theirs = ta::indicators::RelativeStrengthIndex::new(14).unwrap();
        let last = CLOSES
            .iter()
            .map(|close| theirs.next(*close))
            .last()
            .unwrap();
        assert!(
            (last - RSI_14[18]).abs() > 1.0,
            "{last}: if it is Wilder's now, take it"
        );
    }

    #[test]
    fn rsi_at_its_ends() {
        for (values, expected) in [
            ([1.0, 2.0, 3.0], 100.0),
            ([3.0, 2.0, 1.0], 0.0),
            ([2.0, 2.0, 2.0], 50.0),
        ] {
            let mut rsi = Rsi::new(2);
            assert_eq!(rsi.push(values[0]), None);
            assert_eq!(rsi.push(values[1]), None);
            assert_eq!(rsi.push(values[2]), Some(expected));
        }
    }

    #[test]
    fn ema_starts_at_the_first_value() {
        // α = 2/(3+1) = 1/2: 10; (10+20)/2; (15+12)/2; (13.5+13.5)/2.
        let mut ema = Ema::new(3);
        assert_eq!(ema.get(), None);
        for (value, expected) in [(10.0, 10.0), (20.0, 15.0), (12.0, 13.5), (13.5, 13.5)] {
            assert_eq!(ema.push(value), expected);
            assert_eq!(ema.get(), Some(expected));
        }
    }

    #[test]
    fn scaling_values_scales_their_average() {
        let (mut whole, mut halves) = (Ema::new(5), Ema::new(5));
        for close in CLOSES {
            halves.scale(0.5);
            halves.scale(2.0);
            assert_eq!(whole.push(close), halves.push(close));
        }
        whole.scale(0.5);
        assert_eq!(whole.get(), halves.get().map(|value| value * 0.5));
    }

    #[test]
    fn ema_going_on_is_the_one_of_ta_never_stopped() {
        let mut theirs = ExponentialMovingAverage::new(12).unwrap();
        let mut ours = Ema::new(12);
        for close in CLOSES {
            let text = serde_json::to_string(&ours).unwrap();
            ours = serde_json::from_str(&text).unwrap();
            assert_eq!(ours.push(close), theirs.next(close));
        }
    }

    #[test]
    fn scaling_leaves_the_index() {
        let mut rsi = Rsi::new(14);
        CLOSES[..20].iter().for_each(|close| _ = rsi.push(*close));
        let mut halved = rsi.clone();
        halved.scale(0.5);
        for close in &CLOSES[20..] {
            let (left, right) = (rsi.push(*close).unwrap(), halved.push(close * 0.5).unwrap());
            assert_eq!(round(left, 9), round(right, 9));
        }
    }
}
