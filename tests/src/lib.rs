//! Test support: what the checks of more than one crate share.
//!
//! - [`broker`]: Apache Kafka, started on loopback, and small helpers to fill and read topics
//! - [`counting`]: a task to try stages with
//! - [`skipped`]: how a test that lacks something says so
//! - [`workspace`]: where things are

pub mod broker;
pub mod counting;
pub mod skipped;
pub mod workspace;
