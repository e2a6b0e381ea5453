//! The noise of a series and its correlation, from the observations so far alone.

use super::Segments;
use serde::{Deserialize, Serialize};

/// Averages run over all steps so far, then fade with a mean age of so many.
const MEMORY: u32 = 250;

/// A step below so many parts of the value is rounding, not noise.
pub(super) const RESOLUTION: f64 = 1e-9;

/// The least that an observation may count for. That of a random walk counts nothing, so this is what is left to a
/// series that is smooth and yet breaks.
pub(super) const WEIGHT_MIN: f64 = 0.01;

/// Mean absolute steps over one and over two observations, less the drift.
///
/// A shift is in one step of the first kind and two of the second, whatever its height, so it hardly moves the
/// averages; a deviation from a mean would be moved by it for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Scale {
    /// Observations so far; counts no further than the memory needs.
    count: u32,
    last: f64,
    before: f64,
    drift: f64,
    one: f64,
    two: f64,
}

impl Scale {
    pub(super) fn new() -> Self {
        Scale {
            count: 0,
            last: 0.0,
            before: 0.0,
            drift: 0.0,
            one: 0.0,
            two: 0.0,
        }
    }

    /// Takes in an observation. Linear segments allow for a drift; between constant ones it is correlation.
    pub(super) fn push(&mut self, value: f64, segments: Segments) {
        let steps = self.count;
        let step = value - self.last;
        let has_drift = segments == Segments::Linear;
        match steps {
            0 => {}
            1 if has_drift => self.drift = step,
            _ => {
                // The first step of a drifting series says only what the drift is.
                let seen = if has_drift { steps - 1 } else { steps };
                let rate = rate(seen);
                let surprise = step - self.drift;
                self.one += rate * (surprise.abs() - self.one);
                if has_drift {
                    self.drift += self::rate(steps) * surprise;
                }
            }
        }
        if steps >= 2 {
            let surprise = value - self.before - 2.0 * self.drift;
            self.two += rate(steps - 1) * (surprise.abs() - self.two);
        }
        self.before = self.last;
        self.last = value;
        self.count = steps.saturating_add(1).min(2 * MEMORY);
    }

    /// The standard deviation of the noise: for independent normal values a step is √2 times as wide, and its mean
    /// size √(2/π) times that.
    pub(super) fn noise(&self) -> f64 {
        const HALF_ROOT_PI: f64 = 0.886_226_925_452_758;
        self.one * HALF_ROOT_PI
    }

    /// What an observation counts for, from [`WEIGHT_MIN`] to 1: the share of independent observations that say as much
    /// about a mean, (1 − ρ) / (1 + ρ), where the noise is an autoregression of correlation ρ.
    pub(super) fn weight(&self) -> f64 {
        if self.one <= 0.0 {
            return 1.0;
        }
        // Squared steps over one observation are 2σ²(1 − ρ), over two 2σ²(1 − ρ²): their ratio is 1 + ρ.
        let ratio = self.two / self.one;
        let correlation = (ratio * ratio - 1.0).clamp(0.0, 1.0);
        ((1.0 - correlation) / (1.0 + correlation)).max(WEIGHT_MIN)
    }

    pub(super) fn scale(&mut self, factor: f64) {
        let magnitude = factor.abs();
        self.last *= factor;
        self.before *= factor;
        self.drift *= factor;
        self.one *= magnitude;
        self.two *= magnitude;
    }
}

fn rate(count: u32) -> f64 {
    1.0 / f64::from(count.clamp(1, MEMORY))
}
