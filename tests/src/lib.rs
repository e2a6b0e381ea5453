//! Test support: what the checks of more than one crate share.
//!
//! - [`broker`]: Apache Kafka, started on loopback, and small helpers to fill and read topics
//! - [`cluster`]: three nodes of Apache Kafka that can be killed, frozen, and told to move leaders
//! - [`proxy`]: a TCP proxy that cuts, refuses, stalls or slows down
//! - [`chaos`]: the service on the cluster while everything that breaks in the field is broken
//! - [`certificates`]: authorities and certificates made for a test
//! - [`prometheus`]: Prometheus, started on loopback, and the expressions of the shipped panels and rules
//! - [`alertmanager`]: Alertmanager, started on loopback, and amtool
//! - [`hooks`]: a web server that takes what is posted, or behaves badly; [`notify`]: events for `rotation notify`
//! - [`load`]: how late alerts are, what processes add, what a long run leaves
//! - [`service`]: `rotation run` as a process, to be stopped and killed
//! - [`leashed`]: server processes that cannot outlive their test
//! - [`market`]: the market data beside the repository
//! - [`compatible`]: whether a reader of one JSON Schema reads what another writes
//! - [`counting`]: a task to try stages with
//! - [`fuzzing`]: what holds for every reader of foreign bytes, and a seeded mutator
//! - [`bench`]: what `make bench` measures
//! - [`simulation`]: the service on a log in memory, with faults from a seed
//! - [`sbom`]: the bill of materials
//! - [`skipped`]: how a test that lacks something says so
//! - [`workspace`]: where things are

pub mod alertmanager;
pub mod bench;
pub mod broker;
pub mod certificates;
pub mod chaos;
pub mod cluster;
pub mod compatible;
pub mod counting;
pub mod fuzzing;
pub mod hooks;
pub mod leashed;
pub mod load;
pub mod market;
pub mod notify;
pub mod prometheus;
pub mod proxy;
pub mod sbom;
pub mod service;
pub mod simulation;
pub mod skipped;
pub mod workspace;
