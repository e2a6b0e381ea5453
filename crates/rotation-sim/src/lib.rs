//! Seeded markets with known truth.
//!
//! - [`scenario`]: the Great Rotation, 16 sessions of 30 series, whose figures are prescribed.
//! - [`market`]: random markets with gaps, halts, duplicates and late ticks, for the law that neither interleaving nor
//!   a restart changes the alerts.
//! - [`shifts`]: series that change at a known place, for the false alarms and delays of `mean_shift`.
//!
//! Everything follows from a seed: the same seed gives the same bytes.

pub mod event;
pub mod market;
pub mod scenario;
pub mod shifts;
