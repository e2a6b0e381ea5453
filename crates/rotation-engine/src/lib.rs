//! Decides, from ticks alone, when the market changed regime.

pub mod calendar;
pub mod time;
