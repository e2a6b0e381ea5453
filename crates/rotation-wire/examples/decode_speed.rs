//! Measures how many records a core handles in a second: input records, and those of the bars log.
//!
//! Run with `cargo run --release -p rotation-wire --example decode_speed`.
#![allow(
    clippy::print_stdout,
    reason = "the figures are what the program is for"
)]

use rotation_engine::clock::{Bucket, Clock};
use rotation_engine::plan::{RuleCommon, RuleSpec, UniversePlan, UniverseSpec};
use rotation_engine::record::{Bar, LogBody, LogRecord, SeriesIx, Tick};
use rotation_engine::time::{EventTime, NANOS_PER_SECOND};
use rotation_wire::bars::{self, Decoded};
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
        report(what, &records, |record| match decode(record) {
            Ok(Input::Tick { tick, .. }) => tick.price,
            other => panic!("expected a tick, found {other:?}"),
        });
    }

    let plan = plan();
    let bars: Vec<LogRecord> = (0..RECORDS).map(|index| bar(start, index)).collect();
    let encoded = bars.iter().map(|record| {
        let mut out = Vec::new();
        bars::encode(&mut out, &plan, record);
        out
    });
    report(
        "bars, read",
        &encoded.collect::<Vec<_>>(),
        |record| match bars::decode(&plan, record) {
            Ok(Decoded::Record(record)) => record.offset as f64,
            other => panic!("expected a bar, found {other:?}"),
        },
    );
    let rate = best(&bars, |record| {
        let mut out = Vec::with_capacity(512);
        bars::encode(&mut out, &plan, record);
        out.len() as f64
    });
    println!(
        "{:32} {:11}  {:6.2} M records/s",
        "bars, written",
        "",
        rate / 1e6
    );
}

fn report(what: &str, records: &[Vec<u8>], work: impl Fn(&Vec<u8>) -> f64) {
    let bytes: usize = records.iter().map(Vec::len).sum();
    let bytes = bytes as f64 / records.len() as f64;
    let rate = best(records, work);
    println!(
        "{what:32} {bytes:5.1} bytes  {:6.2} M records/s  {:6.0} MB/s",
        rate / 1e6,
        rate * bytes / 1e6
    );
}

/// One universe with one rule on minutes.
fn plan() -> UniversePlan {
    let spec = r#"{"series": {"GSPC": {}, "RUT": {}}}"#;
    let mut spec: UniverseSpec = serde_json::from_str(spec).expect("a universe as written");
    let kind = r#"{"kind": "record_high", "series": "RUT"}"#;
    let kind = serde_json::from_str(kind).expect("a rule as written");
    let common = RuleCommon {
        clock: Some("1m".to_owned()),
        ..RuleCommon::default()
    };
    spec.rules.insert(
        "high".to_owned(),
        RuleSpec {
            common,
            kind,
            version: String::new(),
        },
    );
    UniversePlan::build("us", &spec).expect("a valid universe")
}

fn bar(start: EventTime, index: usize) -> LogRecord {
    let index = i64::try_from(index).expect("few records");
    let start = start.saturating_add(index * 60 * NANOS_PER_SECOND);
    let end = start.saturating_add(60 * NANOS_PER_SECOND);
    let price = |cents: i64| (200_000 + (index * 7919 + cents) % 100_000) as f64 / 100.0;
    let body = LogBody::Bar(Bar {
        series: SeriesIx(1),
        clock: Clock::Interval(60 * NANOS_PER_SECOND),
        bucket: Bucket {
            start,
            end,
            as_of: end,
            date: None,
        },
        open: price(5),
        high: price(19),
        low: price(0),
        close: price(11),
        size: 1200.0,
        ticks: 38,
        official: false,
        correction: false,
        observed: None,
        restated: None,
    });
    LogRecord {
        source: 3,
        offset: index,
        body,
    }
}

/// Records a second apart; with `pad`, of that many bytes, by a field that nobody reads.
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

/// The best of some rounds: records a second of a core's time.
fn best<T>(records: &[T], work: impl Fn(&T) -> f64) -> f64 {
    (0..ROUNDS)
        .map(|_| round(records, &work))
        .fold(0.0, f64::max)
}

/// Works through the records again and again for a while: records a second of a core's time.
fn round<T>(records: &[T], work: impl Fn(&T) -> f64) -> f64 {
    let (begun, mut done, mut sum) = (Instant::now(), 0_usize, 0.0);
    let on_core = core_time();
    while begun.elapsed() < ROUND {
        for record in records {
            sum += work(black_box(record));
        }
        done += records.len();
    }
    black_box(sum);
    let busy = core_time().zip(on_core).map(|(end, start)| end - start);
    done as f64 / busy.unwrap_or_else(|| begun.elapsed()).as_secs_f64()
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
