//! The service in a simulated world: the real stages with the real engine on a log in memory, where time, order and
//! every failure follow from a seed.
//!
//! One run plays a random market twice: in calm weather with one process, and with faults. What a reader of committed
//! records finds on the alert topic has to be the same, and the invariants of the alert topic and of the commit have
//! to hold. See [`run::run`].

mod consumer;
pub mod faults;
mod feed;
mod producer;
mod reader;
pub mod run;
mod verdict;
pub mod world;

pub use faults::Plan;
pub use run::{Report, run};
