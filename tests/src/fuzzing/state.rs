//! The state topic: heads, chunks, parts, and what a restart does with them.

use super::plan;
use rotation_engine::record::Tick;
use rotation_engine::sampler::{Sampler, SamplerState};
use rotation_engine::time::EventTime;
use rotation_engine::universe::{Changes, Universe, UniverseState};
use rotation_wire::state::{
    CHUNK_BYTES, CHUNKS_MAX, Gathered, HEAD_MAX, decode_part, encode_head, encode_part,
    encode_parts, head_key, partition_of,
};

/// Records of the state topic, each a line: key, a blank, value; without a blank a tombstone.
///
/// What is assembled can be written, and then assembles to the same.
pub(super) fn snapshot(bytes: &[u8]) {
    let mut gathered = Gathered::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        let (key, value) = match line.iter().position(|byte| *byte == b' ') {
            Some(at) => (&line[..at], Some(&line[at + 1..])),
            None => (line, None),
        };
        if partition_of("s", key) == Some(0) {
            gathered.take(key, value);
        }
    }
    let assembled = match gathered.assemble("s", 0) {
        Ok(Some(assembled)) => assembled,
        Ok(None) => return,
        Err(error) => return assert!(!error.is_empty()),
    };
    let head = encode_head(&assembled.head);
    assert!(head.len() <= HEAD_MAX * 2, "{} bytes", head.len());
    let (Some(parts), Some(snapshot)) = (&assembled.parts, assembled.head.snapshot) else {
        return;
    };
    assert!(snapshot.chunks <= CHUNKS_MAX);
    let all: usize = parts.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(all <= bytes.len() && all <= snapshot.chunks * CHUNK_BYTES);

    let chunks = encode_parts("s", 0, snapshot.id, parts);
    let mut renewed = Gathered::default();
    for (key, value) in &chunks {
        renewed.take(key.as_bytes(), Some(value));
    }
    let mut head = assembled.head.clone();
    head.snapshot = Some(rotation_wire::state::SnapshotRef {
        chunks: chunks.len(),
        ..snapshot
    });
    renewed.take(head_key("s", 0).as_bytes(), Some(&encode_head(&head)));
    let renewed = renewed.assemble("s", 0);
    let renewed = renewed
        .expect("what was written assembles")
        .expect("it has a head");
    assert_eq!((&renewed.head, &renewed.parts), (&head, &assembled.parts));
}

/// A sampler's part: a sampler that goes on from it takes ticks, and its state can be written and read again.
pub(super) fn sampler_state(bytes: &[u8]) {
    let state: SamplerState = match decode_part("us", bytes) {
        Ok(state) => state,
        Err(error) => return assert!(error.contains("\"us\""), "{error}"),
    };
    let mut sampler = Sampler::new(plan().clone(), 0, 1);
    sampler.restore(state);
    same_again::<SamplerState>(&encode_part(&sampler.state()));
    let mut out = Vec::new();
    for (at, symbol) in (0..).zip(["LEAD", "LAG", "DGS10", "LEAD"]) {
        let series = sampler.slot(symbol).expect("the plan has the series");
        let tick = Tick {
            time: EventTime::from_nanos(1_769_115_600_000_000_000 + at * 60_000_000_000),
            price: 100.5,
            size: 1.0,
            seq: Some(1_000_000 + at.unsigned_abs()),
            official: false,
        };
        sampler.tick(series, &tick, None, at, &mut out);
    }
    sampler.flush(4, &mut out);
    same_again::<SamplerState>(&encode_part(&sampler.state()));
}

/// A universe's part: a universe that takes it over remembers what it says, and that can be written and read again.
pub(super) fn universe_state(bytes: &[u8]) {
    let state: UniverseState = match decode_part("us", bytes) {
        Ok(state) => state,
        Err(error) => return assert!(error.contains("\"us\""), "{error}"),
    };
    let mut universe = Universe::new(plan().clone());
    let cold = universe.restore(state);
    assert!(cold.added.len() + cold.changed.len() <= plan().rules.len());
    let once = encode_part(&universe.state());
    same_again::<UniverseState>(&once);
    let state = decode_part("us", &once).expect("what was written reads");
    assert_eq!(
        universe.restore(state),
        Changes::default(),
        "what it says itself is not cold"
    );
    assert_eq!(encode_part(&universe.state()), once);
}

/// By its bytes: not every number equals itself.
fn same_again<T: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) {
    let state: T = decode_part("us", bytes).expect("what was written reads");
    assert_eq!(encode_part(&state), bytes);
}
