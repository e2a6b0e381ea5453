//! Test support: what the checks of more than one crate share.
//!
//! - [`broker`]: Apache Kafka, started on loopback, and small helpers to fill and read topics
//! - [`certificates`]: authorities and certificates made for a test
//! - [`prometheus`]: Prometheus, started on loopback, and the expressions of the shipped panels and rules
//! - [`service`]: `rotation run` as a process, to be stopped and killed
//! - [`leashed`]: server processes that cannot outlive their test
//! - [`market`]: the market data beside the repository
//! - [`counting`]: a task to try stages with
//! - [`bench`]: what `make bench` measures
//! - [`sbom`]: the bill of materials
//! - [`skipped`]: how a test that lacks something says so
//! - [`workspace`]: where things are

pub mod bench;
pub mod broker;
pub mod certificates;
pub mod counting;
pub mod leashed;
pub mod market;
pub mod prometheus;
pub mod sbom;
pub mod service;
pub mod skipped;
pub mod workspace;
