//! The two stages' tasks: the engine between bytes in and bytes out.

use rotation_engine::time::EventTime;
use serde::Serialize;
use serde::de::DeserializeOwned;

mod letters;
pub mod sampler;
pub mod universe;

pub use letters::DeadLetters;

/// Milliseconds since 1970 as an instant.
fn from_millis(millis: i64) -> EventTime {
    EventTime::from_nanos(millis.saturating_mul(1_000_000))
}

/// A state as bytes: CBOR, which names its fields and keeps every bit of a number.
fn encode<S: Serialize>(state: &S) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(state, &mut bytes).expect("states hold nothing that CBOR cannot, and memory takes it");
    bytes
}

/// The state that [`encode`] wrote.
fn decode<S: DeserializeOwned>(part: &str, bytes: &[u8]) -> Result<S, String> {
    ciborium::from_reader(bytes).map_err(|error| format!("cannot read the part \"{part}\" of a snapshot: {error}"))
}
