//! The two stages' tasks: the engine between bytes in and bytes out.

use rotation_engine::time::EventTime;
use std::time::{SystemTime, UNIX_EPOCH};

mod hop;
mod letters;
pub mod sampler;
pub mod universe;

pub(crate) use hop::{DECIDE, Hop, SAMPLE};
pub use letters::DeadLetters;

/// Milliseconds since 1970 as an instant.
pub(crate) fn from_millis(millis: i64) -> EventTime {
    EventTime::from_nanos(millis.saturating_mul(1_000_000))
}

/// The wall clock, for what only a person reads: no decision follows from it.
fn now() -> EventTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    EventTime::from_nanos(i64::try_from(since).unwrap_or(i64::MAX))
}
