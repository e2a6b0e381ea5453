//! Snapshots of an earlier version, read by this one: it goes on with exactly the events that the earlier one had.
//!
//! `tests/fixtures/state-v1` was written by `UPDATE_FIXTURES=1 cargo test -p rotation-tests --test upgrade`, once, with
//! the version whose states are of version 1; it is kept as it is. A version whose states differ gets a folder of its
//! own, made in the same way, and reads the folders before it.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use rotation_engine::calendar::{Calendar, Session};
use rotation_engine::clock::SECOND;
use rotation_engine::detector::Kind;
use rotation_engine::output::Output;
use rotation_engine::plan::UniversePlan;
use rotation_engine::record::Tick;
use rotation_engine::universe::{Changes, Universe, UniverseState};
use rotation_service::config::Config;
use rotation_service::metrics::Metrics;
use rotation_service::stage::{InputRecord, Outbox, Task};
use rotation_service::tasks::DeadLetters;
use rotation_service::tasks::sampler::SamplerTask;
use rotation_service::tasks::universe::{Cited, READINGS, UniverseTask};
use rotation_wire::alerts::comparable;
use rotation_wire::bars::{self, Decoded};
use rotation_wire::input::{encode_heartbeat, encode_tick, encode_void};
use rotation_wire::state::{STATE_VERSION, decode_part};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

const RULES: &str = include_str!("../fixtures/state-v1/rules.toml");

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/state-v1")
}

fn read(name: &str) -> Vec<u8> {
    let file = std::fs::File::open(folder().join(name)).unwrap();
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
}

fn write(name: &str, bytes: &[u8]) {
    let file = std::fs::File::create(folder().join(name)).unwrap();
    let mut encoder = GzEncoder::new(file, Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap();
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
    lines.filter(|line| !line.is_empty()).collect()
}

fn plan(rules: &str) -> Arc<UniversePlan> {
    Config::parse(rules, "rules.toml").unwrap().universes[0].clone()
}

/// Both stages' tasks of one partition, without Kafka.
struct Service {
    sampler: SamplerTask,
    universe: UniverseTask,
    offset: i64,
    /// The bars log.
    bars: Vec<Vec<u8>>,
}

impl Service {
    fn new(rules: &str) -> Service {
        let plans = Config::parse(rules, "rules.toml").unwrap().universes;
        let metrics = Metrics::new();
        let letters = || DeadLetters::new("ticks", 1, 1 << 20);
        let cited = Cited {
            ticks: "ticks".to_owned(),
            bars: "bars".to_owned(),
        };
        let refuse = Arc::new(|reason| panic!("{reason}"));
        Service {
            sampler: SamplerTask::new(0, 1, &plans, letters(), &metrics),
            universe: UniverseTask::new(&plans, cited, letters(), &metrics, refuse),
            offset: 0,
            bars: Vec::new(),
        }
    }

    /// Goes on from the snapshots of the folder.
    fn restored(rules: &str) -> Service {
        let mut service = Service::new(rules);
        let part = |name: &str| vec![("desk".to_owned(), read(name))];
        service.sampler.restore(part("sampler.part.gz")).unwrap();
        service.universe.restore(part("universe.part.gz")).unwrap();
        service
    }

    /// Steps input records as one batch; the events, without what differs between runs.
    fn step(&mut self, records: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut sampled = Outbox::default();
        for payload in records {
            self.offset += 1;
            let record = input(self.offset, None, payload);
            self.sampler.step(&record, &mut sampled);
        }
        self.sampler.end_of_batch(&mut sampled);
        let mut decided = Outbox::default();
        for (topic, key, payload) in sampled.iter() {
            assert_eq!(
                topic,
                0,
                "a dead letter: {:?}",
                String::from_utf8_lossy(payload.unwrap())
            );
            self.offset += 1;
            let record = input(self.offset, key, payload.unwrap());
            self.universe.step(&record, &mut decided);
            self.bars.push(payload.unwrap().to_vec());
        }
        self.universe.end_of_batch(&mut decided);
        events(&decided)
    }
}

fn input<'a>(offset: i64, key: Option<&'a [u8]>, payload: &'a [u8]) -> InputRecord<'a> {
    InputRecord {
        partition: 0,
        offset,
        timestamp: None,
        key,
        payload: Some(payload),
        trace: None,
    }
}

fn events(outbox: &Outbox) -> Vec<Vec<u8>> {
    let records = outbox.iter().filter(|(topic, ..)| *topic != READINGS);
    records
        .map(|(topic, _, payload)| {
            assert_eq!(topic, 0, "a dead letter");
            comparable(payload.unwrap())
        })
        .collect()
}

/// Numbers from a seed; splitmix64.
struct Dice(u64);

impl Dice {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Walks of ten series with drifts that turn now and then.
struct Market {
    dice: Dice,
    prices: [f64; 10],
    drifts: [f64; 10],
    seq: u64,
}

impl Market {
    fn tick(
        &mut self,
        at: usize,
        time: rotation_engine::time::EventTime,
        official: bool,
    ) -> Vec<u8> {
        self.seq += u64::from(!official);
        let digits = if at == 8 { 100.0 } else { 10_000.0 };
        let tick = Tick {
            time,
            price: (self.prices[at] * digits).round() / digits,
            size: 100.0,
            seq: (!official).then_some(self.seq),
            official,
        };
        let mut out = Vec::new();
        encode_tick(&mut out, &format!("S{at:05}"), &tick);
        out
    }

    /// A session's records: four ticks a series, a void, a late tick, a heartbeat, most of the official closes.
    fn session(&mut self, session: Session) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        for at in 0..10 {
            if self.dice.unit() < 0.02 {
                self.drifts[at] = (self.dice.unit() - 0.5) * 0.01;
            }
        }
        for step in 1..=4_i64 {
            let time = session.open.saturating_add(step * 3_000 * SECOND);
            for at in 0..10 {
                let noise = (self.dice.unit() + self.dice.unit() - 1.0) * 0.01;
                let change = if at == 8 {
                    self.rate_moves(step)
                } else {
                    self.drifts[at] / 4.0 + noise
                };
                self.prices[at] *= 1.0 + change;
                let later = time.saturating_add(at as i64 * 40 * SECOND);
                records.push(self.tick(at, later, false));
            }
        }
        let mut void = Vec::new();
        encode_void(&mut void, "S00009", self.seq, None);
        records.push(void);
        let mut heartbeat = Vec::new();
        encode_heartbeat(&mut heartbeat, session.close.saturating_add(60 * SECOND));
        records.push(heartbeat);
        records.push(self.tick(3, session.close.saturating_sub(10 * SECOND), false));
        for at in 0..10 {
            if self.dice.unit() < 0.9 {
                records.push(self.tick(at, session.close, true));
            }
        }
        records
    }

    /// A policy rate stays, and moves by a quarter of a point now and then.
    fn rate_moves(&mut self, step: i64) -> f64 {
        if step == 1 && self.dice.unit() < 0.03 {
            let up = self.drifts[8] > 0.0;
            (if up {
                0.25
            } else {
                -0.25_f64.min(self.prices[8] - 0.5)
            }) / self.prices[8]
        } else {
            0.0
        }
    }
}

/// The records of all sessions.
fn market() -> Vec<Vec<Vec<u8>>> {
    let mut market = Market {
        dice: Dice(20_260_115),
        prices: [
            100.0, 100.0, 140.0, 50.0, 60.0, 80.0, 30.0, 12.0, 4.0, 200.0,
        ],
        drifts: [0.001; 10],
        seq: 0,
    };
    let first = "2021-01-04".parse().unwrap();
    let sessions: Vec<Session> = Calendar::Xnys
        .sessions(first, Calendar::Xnys.last_date())
        .take(1_160)
        .collect();
    sessions
        .into_iter()
        .map(|session| market.session(session))
        .collect()
}

/// How many rules hold an episode open.
fn open_count(part: &[u8]) -> usize {
    open_rules(part).len()
}

/// Writes the folder, where one asks for it.
fn generate() {
    let sessions = market();
    // The snapshot is taken where most rules hold an episode open.
    let mut service = Service::new(RULES);
    let mut best = (0, 0);
    for (at, session) in sessions[..1_100].iter().enumerate() {
        service.step(session);
        if at >= 900 {
            best = best.max((open_count(&service.universe.snapshot()[0].1), at + 1));
        }
    }
    let (before, after) = sessions.split_at(best.1);
    let after = &after[..60];
    let mut service = Service::new(RULES);
    for session in before {
        service.step(session);
    }
    // In the middle of a session: bars are open, and the last close is not official everywhere.
    let (begun, rest) = after[0].split_at(21);
    service.step(begun);
    for (name, parts) in [
        ("sampler.part.gz", service.sampler.snapshot()),
        ("universe.part.gz", service.universe.snapshot()),
    ] {
        assert_eq!(parts.len(), 1);
        write(name, &parts[0].1);
    }
    let mut follows = vec![rest.to_vec()];
    follows.extend_from_slice(&after[1..]);
    write("input.ndjson.gz", &follows.concat().join(&b'\n'));
    let events: Vec<Vec<u8>> = service.step(&follows.concat());
    write("events.ndjson.gz", &events.join(&b'\n'));
}

#[test]
fn a_snapshot_of_version_1_goes_on_with_exactly_its_events() {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        generate();
    }
    let mut service = Service::restored(RULES);
    let found = service.step(&lines(&read("input.ndjson.gz")));
    let expected = lines(&read("events.ndjson.gz"));
    assert!(expected.len() > 10, "{} events", expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(found), text(expected));
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn every_kind_of_rule_is_in_the_snapshot_and_warm() {
    let plan = plan(RULES);
    let kinds: BTreeSet<&str> = plan.rules.iter().map(|rule| rule.kind.name()).collect();
    assert_eq!(kinds, Kind::NAMES.iter().copied().collect());
    let mut universe = Universe::new(plan.clone());
    let state: UniverseState = decode_part("desk", &read("universe.part.gz")).unwrap();
    assert_eq!(universe.restore(state), Changes::default());
    let open = universe.open_episodes().filter(|open| *open > 0).count();
    assert!(open >= 5, "{open} rules hold an episode open");

    let mut service = Service::restored(RULES);
    service.step(&lines(&read("input.ndjson.gz")));
    let mut warm = BTreeSet::new();
    for bytes in &service.bars {
        let Decoded::Record(record) = bars::decode(&plan, bytes).unwrap() else {
            panic!("unread")
        };
        let mut out = Vec::new();
        universe.step(&record, None, &mut out);
        warm.extend(out.into_iter().filter_map(|output| match output {
            Output::Reading(reading) => Some(reading.rule),
            _ => None,
        }));
    }
    let cold: Vec<&str> = plan
        .rules
        .iter()
        .map(|rule| rule.name.as_str())
        .filter(|rule| !warm.contains(*rule))
        .collect();
    assert_eq!(cold, [""; 0]);
}

#[test]
fn the_folder_is_small() {
    let files = std::fs::read_dir(folder()).unwrap();
    let bytes: u64 = files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes < 300_000, "{bytes} bytes");
}

#[test]
fn a_snapshot_of_a_newer_version_is_refused() {
    let newer = |name: &str| {
        let mut bytes = read(name);
        assert_eq!(&bytes[..2], b"RS");
        bytes[2..4].copy_from_slice(&(STATE_VERSION + 1).to_be_bytes());
        vec![("desk".to_owned(), bytes)]
    };
    let mut service = Service::new(RULES);
    let errors = [
        service
            .sampler
            .restore(newer("sampler.part.gz"))
            .unwrap_err(),
        service
            .universe
            .restore(newer("universe.part.gz"))
            .unwrap_err(),
    ];
    for error in errors {
        assert!(
            error.contains("part \"desk\"") && error.contains("version 2"),
            "{error}"
        );
        assert!(error.contains("run the version that wrote it"), "{error}");
    }
}

/// `rule state reason`, a line an event.
fn told(events: &[Vec<u8>]) -> Vec<String> {
    let line = |event: &Vec<u8>| {
        let event: serde_json::Value = serde_json::from_slice(event).unwrap();
        let text = |key: &str| event["data"][key].as_str().unwrap_or("").to_owned();
        format!(
            "{} {} {}",
            text("rule"),
            text("state"),
            text("resolve_reason")
        )
    };
    events.iter().map(line).collect()
}

/// The names of the rules that hold an episode open in a snapshot.
fn open_rules(part: &[u8]) -> Vec<String> {
    let plan = plan(RULES);
    let mut universe = Universe::new(plan.clone());
    universe.restore(decode_part("desk", part).unwrap());
    let open = universe.open_episodes().zip(&plan.rules);
    let open = open.filter(|(open, _)| *open > 0);
    open.map(|(_, rule)| rule.name.clone()).collect()
}

/// The configuration without a rule.
fn without(rule: &str) -> String {
    let head = format!("[universe.desk.rules.{rule}]\n");
    let start = RULES.find(&head).unwrap();
    let end = RULES[start + 1..]
        .find("\n[universe")
        .map_or(RULES.len(), |end| start + 2 + end);
    format!("{}{}", &RULES[..start], &RULES[end..])
}

#[test]
fn a_removed_rule_is_told_once_through_the_task_and_its_snapshot() {
    let is_read = [
        "breadth",
        "relative_streak",
        "record_high",
        "regime",
        "relative_return",
        "level_approach",
        "spike",
    ];
    let gone = open_rules(&read("universe.part.gz"))
        .into_iter()
        .find(|rule| !is_read.contains(&rule.as_str()))
        .unwrap();
    let rules = without(&gone);
    let mut service = Service::restored(&rules);
    let left = service.universe.leaves_behind().unwrap();
    assert!(left.contains(&format!("removed: {gone}")), "{left}");
    let end = format!("{gone} resolved rule_removed");

    // A snapshot before it was told keeps it.
    let mut again = Service::new(&rules);
    again.universe.restore(service.universe.snapshot()).unwrap();
    assert!(again.universe.leaves_behind().is_some());
    assert_eq!(told(&again.step(&[])), std::slice::from_ref(&end));

    assert_eq!(told(&service.step(&[])), std::slice::from_ref(&end));
    assert_eq!(service.universe.leaves_behind(), None);
    assert_eq!(told(&service.step(&[])), [""; 0]);
    let mut next = Service::new(&rules);
    next.sampler.restore(service.sampler.snapshot()).unwrap();
    next.universe.restore(service.universe.snapshot()).unwrap();
    assert_eq!(next.universe.leaves_behind(), None);

    // Others go on as if nothing had been.
    let found = told(&next.step(&lines(&read("input.ndjson.gz"))));
    let expected = told(&lines(&read("events.ndjson.gz")));
    let others = |line: &&String| !line.starts_with(&format!("{gone} "));
    assert_eq!(
        found.iter().collect::<Vec<_>>(),
        expected.iter().filter(others).collect::<Vec<_>>()
    );
}

#[test]
fn a_universe_that_is_gone_is_told_once_through_the_task() {
    let rules = RULES.replace("universe.desk.", "universe.other.");
    let mut service = Service::new(&rules);
    let parts = vec![("desk".to_owned(), read("universe.part.gz"))];
    service.universe.restore(parts).unwrap();
    let kept = service.universe.snapshot();
    assert!(
        kept.iter().any(|(name, _)| name == "desk"),
        "until it is told"
    );
    let mut outbox = Outbox::default();
    service.universe.end_of_batch(&mut outbox);
    let ends = told(&events(&outbox));
    assert!(
        !ends.is_empty()
            && ends
                .iter()
                .all(|end| end.ends_with(" resolved universe_removed")),
        "{ends:?}"
    );
    assert!(
        service
            .universe
            .snapshot()
            .iter()
            .all(|(name, _)| name != "desk")
    );
}
