//! A day of real trades, from before the open to after the close: bars and counts equal those computed here from the
//! file, naively, print by print.
//!
//! The file is in order of time. So that prints come late too, some are held back: in the order of arrival that these
//! tests feed, they stand 20 seconds (within the lateness), 45 seconds or an hour (beyond it) behind their time.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::Arc;

use rotation_engine::clock::Clock;
use rotation_engine::output::Output;
use rotation_engine::plan::UniversePlan;
use rotation_engine::record::{Bar, LogBody, Tick};
use rotation_engine::sampler::Sampler;
use rotation_engine::time::EventTime;
use rotation_service::config::Config;
use rotation_tests::broker::Broker;
use rotation_tests::service::{Deployment, Service};
use rotation_wire::bars::{Decoded, decode};
use rotation_wire::partition::partition_for;

#[path = "trade_prints/naive.rs"]
mod naive;
use naive::{
    CLOSE, Counts, Key, MIDNIGHT, MINUTE, OPEN, Ohlc, Print, SYMBOLS, delayed, naive, prints, write,
};

const PRINTS: usize = 388_417;
const PARTITIONS: u32 = 4;

/// Sessions of all four, minutes of two: prints outside of the session are left out of the others.
const UNIVERSE: &str = r#"
[universe.tape]
calendar = "XNYS"
lateness = "30s"
late_ticks = "drop"

[universe.tape.series]
SPY = {}
BAC = {}
AIG = {}
IBM = {}

[universe.tape.rules]
spy = { kind = "record_high", clock = "session", series = "SPY" }
bac = { kind = "record_high", clock = "session", series = "BAC" }
aig = { kind = "record_high", clock = "session", series = "AIG" }
ibm = { kind = "record_high", clock = "session", series = "IBM" }
financials = { kind = "relative_streak", clock = "1m", leader = "AIG", laggard = "BAC" }
"#;

/// Puts a bar to the others, which have none of its bucket.
fn put(bars: &mut BTreeMap<Key, Ohlc>, plan: &UniversePlan, bar: &Bar) {
    let symbol = SYMBOLS
        .into_iter()
        .find(|symbol| *symbol == plan.series(bar.series).symbol)
        .unwrap();
    let clock = match bar.clock {
        Clock::Session => "session",
        Clock::Interval(MINUTE) => "1m",
        other => panic!("a bar of clock {other}"),
    };
    let midnight: EventTime = MIDNIGHT.parse().unwrap();
    let start = bar.bucket.start.saturating_since(midnight);
    let length = if clock == "session" {
        CLOSE + 1 - OPEN
    } else {
        MINUTE
    };
    assert_eq!(
        bar.bucket.end.saturating_since(bar.bucket.start),
        length,
        "{bar:?}"
    );
    assert!(!bar.official && !bar.correction, "{bar:?}");
    let before = bars.insert((symbol, clock, start), bar.into());
    assert_eq!(before, None, "a second bar of {symbol} {clock} at {start}");
}

fn assert_same(got: &BTreeMap<Key, Ohlc>, expected: &BTreeMap<Key, Ohlc>) {
    for (key, bar) in expected {
        assert_eq!(got.get(key), Some(bar), "{key:?}");
    }
    assert_eq!(got.len(), expected.len(), "number of bars");
}

fn plan() -> Arc<UniversePlan> {
    Config::parse(UNIVERSE, "tape.toml").unwrap().universes[0].clone()
}

/// What a sampler of all four symbols makes of prints, read `passes` times, numbered or not.
fn sampled(prints: &[Print], passes: usize, numbered: bool) -> (BTreeMap<Key, Ohlc>, Counts) {
    let plan = plan();
    let midnight: EventTime = MIDNIGHT.parse().unwrap();
    let mut sampler = Sampler::new(Arc::clone(&plan), 0, 1);
    let mut out = Vec::new();
    for _ in 0..passes {
        for (print, seq) in prints.iter().zip(0..) {
            let time = midnight.saturating_add(print.time);
            let seq = numbered.then_some(seq);
            let tick = Tick {
                time,
                price: print.price,
                size: print.size,
                seq,
                official: false,
            };
            sampler.tick(
                sampler.slot(print.symbol).unwrap(),
                &tick,
                None,
                0,
                &mut out,
            );
        }
        sampler.heartbeat(midnight.saturating_add(48 * 60 * MINUTE), None, 0, &mut out);
    }
    sampler.flush(0, &mut out);
    let (mut bars, mut counts) = (BTreeMap::new(), Counts::default());
    for output in &out {
        match output {
            Output::Accepted { ticks } => counts.accepted += ticks,
            Output::Dropped { code, .. } => match code.name() {
                "late" => counts.late += 1,
                "out_of_session" => counts.out_of_session += 1,
                "duplicate" => counts.duplicate += 1,
                other => panic!("dropped as {other}"),
            },
            Output::Log(record) => {
                if let LogBody::Bar(bar) = &record.body {
                    put(&mut bars, &plan, bar);
                }
            }
            other => panic!("{other:?}"),
        }
    }
    (bars, counts)
}

#[test]
fn a_sampler_makes_the_bars_of_the_file() {
    let Some(prints) = prints() else { return };
    let (expected, counts) = naive(&prints, |_| 0, false);
    let (bars, found) = sampled(&prints, 1, true);
    assert_same(&bars, &expected);
    assert_eq!(found, counts);
    assert_eq!(
        (counts.late, counts.accepted + counts.out_of_session),
        (0, PRINTS as u64)
    );
    let sessions: Vec<_> = bars
        .iter()
        .filter(|((_, clock, _), _)| *clock == "session")
        .collect();
    println!("{counts:?}, {} bars; sessions: {sessions:#?}", bars.len());
    assert_eq!(sessions.len(), 4);
}

#[test]
fn late_and_repeated_prints_are_counted_and_never_in_a_bar() {
    let Some(prints) = prints() else { return };
    let arrivals = delayed(&prints);
    let (expected, counts) = naive(&arrivals, |_| 0, false);
    assert!(counts.late > 300, "{counts:?}");
    let (bars, found) = sampled(&arrivals, 1, true);
    assert_same(&bars, &expected);
    assert_eq!(found, counts);

    // Once more from the beginning: by number they are repeats, without one they are late.
    let all = PRINTS as u64;
    let (bars, found) = sampled(&arrivals, 2, true);
    assert_same(&bars, &expected);
    assert_eq!(
        found,
        Counts {
            duplicate: all,
            ..naive(&arrivals, |_| 0, false).1
        }
    );
    let (bars, found) = sampled(&arrivals, 2, false);
    assert_same(&bars, &expected);
    assert_eq!(
        found,
        Counts {
            late: counts.late + all,
            ..naive(&arrivals, |_| 0, false).1
        }
    );
}

fn published(deployment: &Deployment) -> BTreeMap<Key, Ohlc> {
    let plan = Config::load(&deployment.config()).unwrap().universes[0].clone();
    let mut bars = BTreeMap::new();
    for record in deployment
        .broker
        .read_committed(&deployment.topics[1])
        .unwrap()
    {
        let Decoded::Record(record) = decode(&plan, &record.payload.unwrap()).unwrap() else {
            panic!("unread")
        };
        if let LogBody::Bar(bar) = &record.body {
            let symbol = &plan.series(bar.series).symbol;
            assert_eq!(
                record.source,
                partition_for(symbol.as_bytes(), PARTITIONS),
                "source of {symbol}"
            );
            put(&mut bars, &plan, bar);
        }
    }
    bars
}

/// Replays a file, waits until all is read, and gives what the metrics count: prints, and sections of the minute rule.
fn replay(
    deployment: &Deployment,
    services: &mut [Service; 1],
    file: &std::path::Path,
) -> (Counts, u64) {
    let words = ["replay", "--seq", "--quiet", "--config"].map(OsString::from);
    let files = [deployment.config().into(), file.into()];
    deployment.command(words.into_iter().chain(files)).unwrap();
    deployment.await_done(services).unwrap();
    let mut total = |series: &str| services[0].metric(series).unwrap() as u64;
    let mut dropped = |code: &str| {
        total(&format!(
            "rotation_ticks_dropped_total{{code=\"{code}\",universe=\"tape\"}}"
        ))
    };
    let counts = Counts {
        late: dropped("late"),
        out_of_session: dropped("out_of_session"),
        duplicate: dropped("duplicate"),
        accepted: total("rotation_ticks_accepted_total{universe=\"tape\"}"),
    };
    let sections = total("rotation_sections_total{rule=\"financials\",universe=\"tape\"}");
    (counts, sections)
}

#[test]
fn a_day_of_prints_through_kafka_twice() {
    let (Some(prints), Some(broker)) = (prints(), Broker::get()) else {
        return;
    };
    let arrivals = delayed(&prints);
    let partition = |symbol: &str| partition_for(symbol.as_bytes(), PARTITIONS);
    let (expected, counts) = naive(&arrivals, partition, true);
    let minutes = expected.keys().filter(|(_, clock, _)| *clock == "1m");
    let minutes: BTreeSet<i64> = minutes.map(|(_, _, start)| *start).collect();
    let minutes = minutes.len() as u64;
    println!("{counts:?}, {} bars, {minutes} minutes", expected.len());
    assert!(counts.late > 300 && counts.out_of_session > 1_000);

    let deployment = Deployment::new(broker, PARTITIONS.cast_signed(), UNIVERSE).unwrap();
    let file = write(&arrivals, deployment.folder());
    let mut services = [deployment.run("one", &[]).unwrap()];
    let start = std::time::Instant::now();
    let once = replay(&deployment, &mut services, &file);
    println!("replayed and read in {:?}", start.elapsed());
    assert_eq!(once, (counts, minutes));
    assert_same(&published(&deployment), &expected);

    let twice = replay(&deployment, &mut services, &file);
    let duplicate = PRINTS as u64;
    assert_eq!(
        twice,
        (
            Counts {
                duplicate,
                ..once.0
            },
            minutes
        )
    );
    assert_same(&published(&deployment), &expected);
    let [service] = services;
    service.terminate().unwrap();
    let dead = broker.read_committed(&deployment.topics[4]).unwrap();
    assert!(dead.is_empty(), "nothing is a dead letter");
}
