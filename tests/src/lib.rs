//! Test support: what the checks of more than one crate share.
//!
//! - [`broker`]: Apache Kafka, started on loopback, and small helpers to fill and read topics
//! - [`skipped`]: how a test that lacks something says so
//! - [`workspace`]: where things are

pub mod broker;
pub mod skipped;
pub mod workspace;
