//! Meets the world: Kafka, clock, HTTP, files; the binary `rotation`.
//!
//! - [`cli`]: the commands; [`run`] the service, [`demo`] the same on an embedded broker, [`backtest`] and [`replay`]
//!   files; [`why`] a rule did not fire, [`calibrate`] how often it would by chance
//! - [`audit`] what was published, [`explain`] one event of it, [`redrive`] dead letters; what they share is [`proof`]
//! - [`config`]: what is detected, from a TOML file
//! - [`stage`]: the transactional loop over Kafka; [`tasks`]: what it runs; [`kafka`]: clients and topics
//! - [`metrics`], [`http`]: what operations see; [`secrets`]: files that hold secrets
//! - [`notify`]: who is told of alerts, and how
//! - [`changepoints`]: annotated series, and what `mean_shift` finds in them
//! - [`view`]: the page, its data and the stream of what changes
//! - [`files`]: market data readers; [`report`]: the page of a backtest; [`tail`]: alerts as lines

pub mod audit;
pub mod backtest;
pub mod calibrate;
pub mod changepoints;
pub mod cli;
pub mod config;
pub mod demo;
pub mod explain;
pub mod files;
pub mod http;
pub mod kafka;
pub mod metrics;
pub mod mutants;
pub mod notify;
pub mod proof;
pub mod redrive;
pub mod replay;
pub mod report;
pub mod run;
pub mod secrets;
pub mod stage;
mod table;
pub mod tail;
pub mod tasks;
pub mod traces;
pub mod view;
pub mod why;
