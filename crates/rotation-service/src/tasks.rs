//! The two stages' tasks: the engine between bytes in and bytes out.

use rotation_engine::time::EventTime;

mod letters;
pub mod sampler;
pub mod universe;

pub use letters::DeadLetters;

/// Milliseconds since 1970 as an instant.
pub(crate) fn from_millis(millis: i64) -> EventTime {
    EventTime::from_nanos(millis.saturating_mul(1_000_000))
}
