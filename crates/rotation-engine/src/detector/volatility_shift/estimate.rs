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
    YangZhang(Box<YangZhang>),
}

/// What Yang and Zhang's estimator looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct YangZhang {
    /// Overnight, and from open to close.
    parts: RollingPairs,
    rogers_satchell: RollingMoments,
    /// 1 for each session without an open of its own.
    without_open: RollingMoments,
}

impl Estimate {
    pub(super) fn new(estimator: Estimator, size: u32) -> Self {
        let size = size as usize;
        match estimator {
            Estimator::Close => Estimate::Close(RollingMoments::new(size)),
            Estimator::YangZhang => Estimate::YangZhang(Box::new(YangZhang {
                parts: RollingPairs::new(size),
                rogers_satchell: RollingMoments::new(size),
                without_open: RollingMoments::new(size),
            })),
        }
    }

    pub(super) fn push(&mut self, session: &Session) {
        match self {
            Estimate::Close(returns) => returns.push(session.whole),
            Estimate::YangZhang(prices) => prices.push(session),
        }
    }

    /// The volatility a return; none until the window is full.
    pub(super) fn volatility(&self) -> Option<f64> {
        let variance = match self {
            Estimate::Close(returns) => returns.variance().filter(|_| returns.is_full())?,
            Estimate::YangZhang(prices) => prices.variance()?,
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
            Estimate::YangZhang(prices) => Some(libm::round(prices.without_open.sum()) as i64),
        }
    }
}

impl YangZhang {
    fn push(&mut self, session: &Session) {
        self.parts.push([session.overnight, session.day]);
        self.rogers_satchell.push(session.rogers_satchell());
        let is_without = session.is_without_open();
        self.without_open.push(f64::from(u8::from(is_without)));
    }

    fn variance(&self) -> Option<f64> {
        let (overnight, day) = (self.parts.variance(0)?, self.parts.variance(1)?);
        let satchell = self
            .rogers_satchell
            .mean()
            .filter(|_| self.parts.is_full())?;
        let k = weight(self.parts.len());
        Some(overnight + k * day + (1.0 - k) * satchell.max(0.0))
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
