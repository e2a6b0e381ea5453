//! Decides, from ticks alone, when the market changed regime.
//!
//! A sampler turns ticks into bars, a universe turns bars into sections, [`detector`]s read sections, and a
//! policy turns what they find into episodes of an [`alert`]. No I/O, no clock, no threads: time is an argument,
//! and the same input gives the same output, byte for byte.

#![deny(clippy::iter_over_hash_type)]

pub mod alert;
pub mod calendar;
pub mod clock;
pub mod detector;
pub mod indicator;
mod matrix;
pub mod output;
pub mod pipeline;
pub mod plan;
pub mod policy;
pub mod record;
pub mod sampler;
pub mod section;
pub mod time;
pub mod universe;
pub mod window;
