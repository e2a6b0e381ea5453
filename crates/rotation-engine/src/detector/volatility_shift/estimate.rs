//! Realised volatility of the last returns, by either estimator.

use super::Estimator;
use crate::detector::TIE;
use crate::section::Point;
use crate::window::{RollingMoments, RollingPairs};
use serde::{Deserialize, Serialize};

/// A session's prices in logarithms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    /// From the close before to the close.
    whole: f64,
    /// From the close before to the open.
    overnight: f64,
    /// From the open to the close.
    day: f64,
    /// From the open to the high, and to the low.
    high: f64,
    low: f64,
}

impl Session {
    /// A high or a low that does not hold open and close is widened.
    pub(super) fn new(before: f64, point: &Point) -> Self {
        let log = |now: f64, then: f64| libm::log(now / then);
        let day = log(point.close, point.open);
        Session {
            whole: log(point.close, before),
            overnight: log(point.open, before),
            day,
            high: log(point.high, point.open).max(day).max(0.0),
            low: log(point.low, point.open).min(day).min(0.0),
        }
    }

    /// Rogers and Satchell's (1991) estimate of the variance from open to close, whatever the drift.
    fn rogers_satchell(&self) -> f64 {
        self.high * (self.high - self.day) + self.low * (self.low - self.day)
    }

    /// Whether the open says nothing of its own: it repeats the close before, or all four prices are one.
    fn is_without_open(&self) -> bool {
        let is_flat = self.high - self.low <= TIE;
        is_flat || self.overnight.abs() <= TIE
    }
}

/// The last returns of a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Estimate {
    Close(RollingMoments),
    YangZhang {
        /// Overnight, and from open to close.
        parts: RollingPairs,
        rogers_satchell: RollingMoments,
        /// 1 for each session without an open of its own.
        without_open: RollingMoments,
    },
}

impl Estimate {
    pub(super) fn new(estimator: Estimator, size: u32) -> Self {
        let size = size as usize;
        match estimator {
            Estimator::Close => Estimate::Close(RollingMoments::new(size)),
            Estimator::YangZhang => Estimate::YangZhang {
                parts: RollingPairs::new(size),
                rogers_satchell: RollingMoments::new(size),
                without_open: RollingMoments::new(size),
            },
        }
    }

    pub(super) fn push(&mut self, session: &Session) {
        match self {
            Estimate::Close(returns) => returns.push(session.whole),
            Estimate::YangZhang {
                parts,
                rogers_satchell,
                without_open,
            } => {
                parts.push([session.overnight, session.day]);
                rogers_satchell.push(session.rogers_satchell());
                without_open.push(f64::from(u8::from(session.is_without_open())));
            }
        }
    }

    /// The volatility a return; none until the window is full.
    pub(super) fn volatility(&self) -> Option<f64> {
        let variance = match self {
            Estimate::Close(returns) => returns.variance().filter(|_| returns.is_full())?,
            Estimate::YangZhang {
                parts,
                rogers_satchell,
                ..
            } => {
                let (overnight, day) = (parts.variance(0)?, parts.variance(1)?);
                let satchell = rogers_satchell.mean().filter(|_| parts.is_full())?;
                let k = weight(parts.len());
                overnight + k * day + (1.0 - k) * satchell.max(0.0)
            }
        };
        Some(libm::sqrt(variance)).filter(|volatility| volatility.is_finite())
    }

    /// How many sessions of the window have no open of their own, where that matters.
    pub(super) fn without_open(&self) -> Option<i64> {
        match self {
            Estimate::Close(_) => None,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a sum of a few thousand ones at most"
            )]
            Estimate::YangZhang { without_open, .. } => {
                Some(libm::round(without_open.sum()) as i64)
            }
        }
    }
}

/// The weight of the open-to-close variance that makes the variance of the estimate smallest.
#[expect(
    clippy::cast_precision_loss,
    reason = "a window is far smaller than 2^53"
)]
fn weight(size: usize) -> f64 {
    let size = size as f64;
    0.34 / (1.34 + (size + 1.0) / (size - 1.0))
}
