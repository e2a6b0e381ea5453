//! Rolling windows and what is read off them.
//!
//! Each is incremental, holds finite values only, and is tested against its naive definition. State is plain data, so a
//! restored window goes on as the original would.

pub mod beta;
pub mod covariance;
pub mod extreme;
pub mod line;
pub mod moments;
pub mod pairs;
pub mod peaks;
pub mod regression;
pub mod sorted;

pub use beta::RollingBeta;
pub use covariance::RollingCovariance;
pub use extreme::{RollingMax, RollingMin};
pub use line::RollingLine;
pub use moments::RollingMoments;
pub use pairs::RollingPairs;
pub use peaks::{Peak, Peaks};
pub use regression::Regression;
pub use sorted::{RankWindow, SortedWindow};
