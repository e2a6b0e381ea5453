//! A reading against a threshold, with hysteresis: what the kinds share that are a statistic first.

use super::{Change, Measure, ParamError, Step};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Which side of a threshold opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// At or above it.
    #[default]
    Above,
    /// At or below it.
    Below,
}

/// Rung of an opening at or beyond the threshold.
pub const BEYOND: &str = "beyond";
/// Reason of the end: back beyond the level that closes.
pub const BACK: &str = "back";

/// Where an episode opens, inclusive, and beyond which level on the other side it ends, exclusive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Threshold {
    pub(super) side: Side,
    pub(super) open_at: f64,
    pub(super) close_at: f64,
}

impl Threshold {
    /// How far the value is short of a level on the way to the opening side.
    fn short_of(self, level: f64, value: f64) -> f64 {
        match self.side {
            Side::Above => level - value,
            Side::Below => value - level,
        }
    }

    /// Takes a finite value.
    pub(super) fn turn(self, is_open: &mut bool, value: f64) -> Step {
        let opens = self.short_of(self.open_at, value) <= 0.0;
        let closes = self.short_of(self.close_at, value) > 0.0;
        let (change, edge) = match *is_open {
            false if opens => (Change::Open(BEYOND), self.open_at),
            false => (Change::Quiet, self.open_at),
            true if closes => (Change::Resolve(BACK), self.close_at),
            true => (Change::Hold, self.close_at),
        };
        let distance = match change {
            Change::Quiet => self.short_of(edge, value),
            Change::Hold => -self.short_of(edge, value),
            _ => 0.0,
        };
        *is_open = matches!(change, Change::Open(_) | Change::Hold);
        let measure = Measure {
            value,
            threshold: edge,
            distance: distance.max(0.0),
        };
        Step {
            reading: Some(measure),
            change,
        }
    }

    /// Whether both levels are within the bounds and in order.
    pub(super) fn check(self, bounds: &RangeInclusive<f64>, unit: &str) -> Result<(), ParamError> {
        let (from, to) = (bounds.start(), bounds.end());
        for (key, level) in [("open_at", self.open_at), ("close_at", self.close_at)] {
            if !bounds.contains(&level) {
                return Err(ParamError::new(
                    key,
                    format!("{from} to {to} {unit}"),
                    level,
                ));
            }
        }
        if self.short_of(self.open_at, self.close_at) < 0.0 {
            let most = match self.side {
                Side::Above => "at most",
                Side::Below => "at least",
            };
            let expected = format!("{most} open_at ({})", self.open_at);
            return Err(ParamError::new("close_at", expected, self.close_at));
        }
        Ok(())
    }

    /// What ends an episode, as a sentence about `what`.
    pub(super) fn reverses(self, what: &str, level: &str) -> String {
        let verb = match self.side {
            Side::Above => "falls below",
            Side::Below => "rises above",
        };
        format!("{what} {verb} {level}")
    }
}

/// A value of a rule without a threshold: it opens nothing, and is as far from firing as from nought.
pub(super) fn read(value: f64) -> Step {
    Step {
        reading: Some(Measure {
            value,
            threshold: 0.0,
            distance: value.abs(),
        }),
        change: Change::Quiet,
    }
}

/// The answer to a value that there may be, of a rule that may have a threshold.
pub(super) fn answer(value: Option<f64>, threshold: Option<Threshold>, is_open: &mut bool) -> Step {
    match (value, threshold) {
        (None, _) => Step::passed_over(*is_open),
        (Some(value), None) => read(value),
        (Some(value), Some(threshold)) => threshold.turn(is_open, value),
    }
}

/// Refuses a level that closes where none opens.
pub(super) fn refuse_lone_close(close_at: Option<f64>) -> Result<(), ParamError> {
    match close_at {
        Some(level) => Err(ParamError::new("close_at", "an open_at beside it", level)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(threshold: Threshold, values: &[f64]) -> Vec<(Change, f64, f64)> {
        let mut is_open = false;
        let steps = values.iter().map(|value| {
            let step = threshold.turn(&mut is_open, *value);
            let measure = step.reading.unwrap();
            (step.change, measure.threshold, measure.distance)
        });
        steps.collect()
    }

    #[test]
    fn it_opens_inclusive_and_ends_exclusive() {
        use Change::{Hold, Open, Quiet, Resolve};
        let above = Threshold {
            side: Side::Above,
            open_at: 70.0,
            close_at: 60.0,
        };
        let below = Threshold {
            side: Side::Below,
            open_at: -70.0,
            close_at: -60.0,
        };
        let values = [69.0, 70.0, 75.0, 60.0, 59.0, 60.0];
        let expected = [
            (Quiet, 70.0, 1.0),
            (Open(BEYOND), 70.0, 0.0),
            (Hold, 60.0, 15.0),
            (Hold, 60.0, 0.0),
            (Resolve(BACK), 60.0, 0.0),
            (Quiet, 70.0, 10.0),
        ];
        assert_eq!(told(above, &values), expected);
        let mirrored = told(below, &values.map(|value| -value));
        for ((change, level, distance), expected) in mirrored.into_iter().zip(expected) {
            assert_eq!((change, -level, distance), expected);
        }
    }
}
