//! Knows the bytes on the topics.
//!
//! One module a topic, each sans I/O: bytes to types and back, so that tools and fuzzers need no Kafka library.
//!
//! - [`input`]: records of the ticks topic, JSON, written by anybody: read with suspicion and at speed.
//! - [`bars`]: records of the bars log, JSON, written by the sampler stage and read by the universe stage.
//! - [`alerts`]: events of the alert topic, CloudEvents 1.0 in structured JSON.
//! - [`readings`]: what rules measured, JSON, for those who want to see before something fires.
//! - [`state`]: heads and snapshots on the compacted state topic, CBOR.
//! - [`dead_letter`]: the headers that a refused record carries.
//! - [`partition`]: which partition a key belongs to, as the Java client has it.
//! - [`schema`]: JSON Schemas of input records, alerts, readings and the configuration.
//! - [`digest`]: versions of rules.
//! - [`asyncapi`]: the topics that others write or read, as an AsyncAPI document.
//! - [`trace`]: W3C Trace Context in headers.
//! - [`invariants`]: what always holds on the alert topic, as a fold.

pub mod alerts;
pub mod asyncapi;
pub mod bars;
pub mod dead_letter;
pub mod digest;
pub mod input;
pub mod invariants;
pub mod partition;
pub mod readings;
pub mod schema;
pub mod state;
mod text;
pub mod trace;
