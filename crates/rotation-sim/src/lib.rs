//! Seeded markets with known truth.
//!
//! - [`scenario`]: the Great Rotation, 16 sessions of 30 series, whose figures are prescribed.
//! - [`market`]: random markets with gaps, halts, duplicates and late ticks, for the law that neither interleaving nor
//!   a restart changes the alerts.
//! - [`shifts`]: series that change at a known place, for the false alarms and delays of `mean_shift`.
//!
//! - [`kernel`]: threads one at a time on a clock of their own, in an order that follows from a seed; [`broker`]: a log
//!   with transactions and groups, in memory.
//!
//! Everything follows from a seed: the same seed gives the same bytes.

pub mod broker;
pub mod event;
pub mod kernel;
pub mod market;
pub mod scenario;
pub mod shifts;
