//! Measures how many input records a core decodes in a second.
//!
//! Run with `cargo run --release -p rotation-wire --example decode_speed`.
#![allow(
    clippy::print_stdout,
    reason = "the figures are what the program is for"
)]

use rotation_engine::record::Tick;
use rotation_engine::time::{EventTime, NANOS_PER_SECOND};
use rotation_wire::input::{Input, decode, encode_tick};
use std::hint::black_box;
use std::time::{Duration, Instant};

const RECORDS: usize = 4_096;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(600);

fn main() {
    println!("{RECORDS} records in memory, the best of {ROUNDS} rounds");
    let start: EventTime = "2026-01-15T14:30:00Z".parse().expect("a valid time");
    for (what, pad, fraction, venue) in [
        ("as short as can be", 0, 0, ""),
        ("milliseconds, size, seq, venue", 120, 123_000_000, "Q"),
        ("nanoseconds, size, seq, venue", 120, 123_456_789, "Q"),
        ("the same the long way, by serde", 120, 123_456_789, "é"),
    ] {
        let records = records(start, fraction, pad, venue);
        let bytes: usize = records.iter().map(Vec::len).sum();
        let rate = (0..ROUNDS).map(|_| round(&records)).fold(0.0, f64::max);
        println!(
            "{what:32} {:5.1} bytes  {:6.2} M records/s  {:6.0} MB/s",
            bytes as f64 / RECORDS as f64,
            rate / 1e6,
            rate * bytes as f64 / RECORDS as f64 / 1e6
        );
    }
}

/// Records a microsecond apart; with `pad`, of that many bytes, by a field that nobody reads.
fn records(start: EventTime, fraction: i64, pad: usize, venue: &str) -> Vec<Vec<u8>> {
    let symbols = ["RUT", "GSPC", "DGS10", "KRE", "NVDA", "BRK.B"];
    let record = |index: usize| {
        let step = i64::try_from(index).expect("few records");
        let tick = Tick {
            time: start.saturating_add(step * NANOS_PER_SECOND + fraction),
            price: (200_000 + index * 7919 % 100_000) as f64 / 100.0,
            size: if pad > 0 {
                (index % 900) as f64 + 1.0
            } else {
                0.0
            },
            seq: (pad > 0).then_some(1_000_000 + index as u64),
            official: false,
        };
        let mut out = Vec::new();
        encode_tick(&mut out, symbols[index % symbols.len()], &tick);
        if pad > 0 {
            out.pop();
            out.extend_from_slice(b",\"venue\":\"");
            while out.len() + venue.len() + 2 <= pad {
                out.extend_from_slice(venue.as_bytes());
            }
            out.extend_from_slice(b"\"}");
        }
        out
    };
    (0..RECORDS).map(record).collect()
}

/// Decodes the records again and again for a while: records a second of a core's time.
fn round(records: &[Vec<u8>]) -> f64 {
    let (begun, mut decoded, mut sum) = (Instant::now(), 0_usize, 0.0);
    let on_core = core_time();
    while begun.elapsed() < ROUND {
        for record in records {
            match decode(black_box(record)) {
                Ok(Input::Tick { tick, .. }) => sum += tick.price,
                other => panic!("expected a tick, found {other:?}"),
            }
        }
        decoded += records.len();
    }
    black_box(sum);
    let busy = core_time().zip(on_core).map(|(end, start)| end - start);
    decoded as f64 / busy.unwrap_or_else(|| begun.elapsed()).as_secs_f64()
}

/// How long this thread has been on a core, where the kernel tells: other programs do not count.
fn core_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ')
        .next()?
        .parse()
        .ok()
        .map(Duration::from_nanos)
}
