//! The good inputs that the corpus begins with, made anew: `UPDATE_CORPUS=1` writes them.

use super::{CONFIG, plan};
use rotation_engine::output::Output;
use rotation_engine::record::{LogBody, SourceEvent, Tick};
use rotation_engine::sampler::Sampler;
use rotation_engine::time::EventTime;
use rotation_engine::universe::{ReadingDetail, Universe};
use rotation_wire::alerts::AlertEvent;
use rotation_wire::readings::{ReadingRecord, RuleReading};
use rotation_wire::state::{
    Decision, DecisionKind, Head, SnapshotRef, encode_head, encode_part, encode_parts, head_key,
};
use rotation_wire::{bars, input};
use std::collections::BTreeMap;

/// A close of a session of winter, the first of some in a row.
const FIRST_CLOSE: i64 = 1_768_338_000;
const MINUTE: i64 = 60;
const DAY: i64 = 24 * 60 * MINUTE;

/// A short history, as each target reads it: target, name of the input, bytes.
#[must_use]
pub fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let events = history();
    let mut found = Vec::new();
    let mut keyed = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let bytes = written(event);
        if at % 3 == 0 || at > 60 {
            keyed.extend_from_slice(&[key(event).as_bytes(), b" ", &bytes, b"\n"].concat());
        }
        if at % 5 == 0 || !matches!(event, SourceEvent::Tick { .. }) {
            found.push(("input_record", format!("history-{at:02}"), bytes));
        }
    }
    found.push(("tasks", "ticks".to_owned(), keyed));
    played(&events, &mut found);
    found.push(("config", "targets".to_owned(), CONFIG.as_bytes().to_vec()));
    found.push(("snapshot", "whole".to_owned(), state_topic()));
    found
}

/// Five sessions of three series: LEAD ahead of LAG, a yield near its level; a late tick, a split, a void.
fn history() -> Vec<SourceEvent<'static>> {
    let mut events = Vec::new();
    let at = |seconds: i64| EventTime::from_nanos(seconds * 1_000_000_000);
    for day in 0..5_i64 {
        let close = FIRST_CLOSE + day * DAY;
        for minute in 0..4 {
            for (symbol, price) in [("LEAD", 100.0), ("LAG", 50.0), ("DGS10", 4.7)] {
                let ahead = f64::from(u8::from(symbol == "LEAD"));
                let moved = (1.0 + 2.0 * ahead) * day as f64 + 0.01 * minute as f64;
                let price = price
                    + if symbol == "DGS10" {
                        0.08 * day as f64
                    } else {
                        moved
                    };
                let tick = Tick {
                    time: at(close - (4 - minute) * MINUTE),
                    price,
                    size: 10.0,
                    seq: Some((day * 10 + minute).unsigned_abs()),
                    official: false,
                };
                events.push(SourceEvent::Tick { symbol, tick });
                let official = Tick {
                    time: at(close),
                    official: true,
                    seq: None,
                    ..tick
                };
                if minute == 3 {
                    events.push(SourceEvent::Tick {
                        symbol,
                        tick: official,
                    });
                }
            }
        }
        let time = at(close + 10);
        events.push(SourceEvent::Heartbeat { time });
    }
    let after = FIRST_CLOSE + 5 * DAY - 30 * MINUTE;
    events.push(SourceEvent::Split {
        symbol: "LEAD",
        time: at(after),
        ratio: 2.0,
    });
    for (seq, price) in [(90, 52.0), (91, 57.0)] {
        let time = at(after + i64::from(price > 55.0));
        let tick = Tick {
            time,
            price,
            size: 1.0,
            seq: Some(seq),
            official: false,
        };
        events.push(SourceEvent::Tick {
            symbol: "LEAD",
            tick,
        });
    }
    events.push(SourceEvent::Void {
        symbol: "LEAD",
        seq: 91,
        time: None,
    });
    events.push(SourceEvent::Heartbeat {
        time: at(after + DAY),
    });
    events
}

fn key(event: &SourceEvent<'static>) -> &'static str {
    match event {
        SourceEvent::Tick { symbol, .. }
        | SourceEvent::Split { symbol, .. }
        | SourceEvent::Void { symbol, .. } => symbol,
        SourceEvent::Heartbeat { .. } => "",
    }
}

fn written(event: &SourceEvent<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match *event {
        SourceEvent::Tick { symbol, ref tick } => input::encode_tick(&mut out, symbol, tick),
        SourceEvent::Heartbeat { time } => input::encode_heartbeat(&mut out, time),
        SourceEvent::Split {
            symbol,
            time,
            ratio,
        } => {
            input::encode_split(&mut out, symbol, time, ratio);
        }
        SourceEvent::Void { symbol, seq, time } => input::encode_void(&mut out, symbol, seq, time),
    }
    out
}

/// The history through sampler and universe: bars, alerts, and the states half way and at the end.
fn played(events: &[SourceEvent<'static>], found: &mut Vec<(&'static str, String, Vec<u8>)>) {
    let mut sampler = Sampler::new(plan().clone(), 0, 1);
    let mut universe = Universe::new(plan().clone());
    universe.set_readings(ReadingDetail::Published);
    let (mut sampled, mut told) = (Vec::new(), Vec::new());
    let mut log = Vec::new();
    // One bar of a kind is enough.
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        let offset = i64::try_from(at).expect("a short history");
        match *event {
            SourceEvent::Tick { symbol, ref tick } => {
                let series = sampler.slot(symbol).expect("the plan has it");
                sampler.tick(series, tick, None, offset, &mut sampled);
            }
            SourceEvent::Heartbeat { time } => sampler.heartbeat(time, None, offset, &mut sampled),
            SourceEvent::Split {
                symbol,
                time,
                ratio,
            } => {
                let series = sampler.slot(symbol).expect("the plan has it");
                sampler.split(series, time, ratio, offset, &mut sampled);
            }
            SourceEvent::Void { symbol, seq, time } => {
                let series = sampler.slot(symbol).expect("the plan has it");
                sampler.void(series, seq, time, offset, &mut sampled);
            }
        }
        sampler.flush(offset, &mut sampled);
        for output in sampled.drain(..) {
            let Output::Log(record) = output else {
                continue;
            };
            let mut bytes = Vec::new();
            bars::encode(&mut bytes, plan(), &record);
            if log.len() < 8_000 {
                log.extend_from_slice(&[b"us ", bytes.as_slice(), b"\n"].concat());
            }
            let kind = kind(&record.body);
            let seen = kinds.entry(kind).or_default();
            *seen += 1;
            if *seen % 8 == 1 {
                found.push(("bars_record", format!("{kind}-{seen:03}"), bytes));
            }
            universe.step(&record, None, &mut told);
        }
        if [10, events.len() / 2, events.len() - 1].contains(&at) {
            found.push((
                "sampler_state",
                format!("after-{at:02}"),
                encode_part(&sampler.state()),
            ));
            found.push((
                "universe_state",
                format!("after-{at:02}"),
                encode_part(&universe.state()),
            ));
        }
    }
    found.push(("tasks", "bars".to_owned(), log));
    readings(&told, found);
    let alerts = told.into_iter().filter_map(|output| match output {
        Output::Alert(alert) => Some(AlertEvent::from(*alert).encode()),
        _ => None,
    });
    for (at, bytes) in alerts.enumerate() {
        found.push(("alert", format!("history-{at:02}"), bytes));
    }
}

/// The last reading of each rule, and a horizon.
fn readings(told: &[Output], found: &mut Vec<(&'static str, String, Vec<u8>)>) {
    let mut last = BTreeMap::new();
    for output in told {
        if let Output::Reading(reading) = output {
            last.insert(&reading.rule, reading);
        }
    }
    for (rule, reading) in last {
        let reading = Box::new(RuleReading::new(plan(), reading));
        let bytes = ReadingRecord::Reading(reading).encode();
        found.push(("reading", rule.clone(), bytes));
    }
    let horizon = br#"{"type":"horizon","universe":"us","horizon":"2026-01-15T21:00:00Z","newest":"2026-01-15T20:59:58Z","sources":[{"partition":0,"horizon":"2026-01-15T21:00:00Z","excluded":false}]}"#;
    found.push(("reading", "horizon".to_owned(), horizon.to_vec()));
}

fn kind(body: &LogBody) -> &'static str {
    match body {
        LogBody::Bar(_) => "bar",
        LogBody::Tick(_) => "tick",
        LogBody::Horizon(_) => "horizon",
        LogBody::Split(_) => "split",
        LogBody::Void(_) => "void",
    }
}

/// The state topic after two commits of a task, as the target `snapshot` reads it.
fn state_topic() -> Vec<u8> {
    let parts = vec![
        ("us".to_owned(), b"part of us".to_vec()),
        ("empty".to_owned(), Vec::new()),
    ];
    let snapshot = SnapshotRef {
        id: 0x6161_6161_6161_6161,
        offset: 10,
        chunks: 2,
    };
    let head = Head {
        version: 1,
        offset: 12,
        timestamp: Some(5),
        commit: 3,
        snapshot: Some(snapshot),
        decisions: vec![
            Decision {
                at: 11,
                kind: DecisionKind::Idle { now: 9, last: 5 },
            },
            Decision {
                at: 12,
                kind: DecisionKind::Empty,
            },
        ],
    };
    let mut records = encode_parts("s", 0, snapshot.id, &parts);
    records.push((head_key("s", 0), encode_head(&head)));
    let lines = records
        .iter()
        .map(|(key, value)| [key.as_bytes(), b" ", value, b"\n"].concat());
    lines.collect::<Vec<_>>().concat()
}
