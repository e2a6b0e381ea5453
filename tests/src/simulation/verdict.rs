//! What a run left behind, held against what it should have left.

use std::collections::{BTreeMap, BTreeSet};

use rotation_sim::broker::Record;
use rotation_wire::alerts::comparable;
use rotation_wire::invariants::{AlertLog, Place, Seen, committed_not_ahead};
use rotation_wire::readings::ReadingRecord;
use rotation_wire::state::Gathered;

use super::run::{Played, Report, STAGES};

/// What must not depend on faults.
struct Left {
    /// Events by key, in their order.
    alerts: BTreeMap<Vec<u8>, Vec<String>>,
    /// Readings by key, in their order; without those on ticks, which are thinned out anew after a restart.
    readings: BTreeMap<Vec<u8>, Vec<String>>,
    /// Dead letters: their headers and key, sorted.
    letters: Vec<String>,
}

/// Holds a run against the calm one.
pub(super) fn compare(calm: Played, faulty: Played) -> Report {
    let expected = left(&calm);
    let found = left(&faulty);
    let mut violations = calm.violations;
    violations.extend(invariants(&calm.broker, &calm.topics));
    for violation in &mut violations {
        violation.insert_str(0, "calm run: ");
    }
    violations.extend(faulty.violations);
    violations.extend(invariants(&faulty.broker, &faulty.topics));
    violations.extend(differences("alerts", &expected.alerts, &found.alerts));
    violations.extend(differences("readings", &expected.readings, &found.readings));
    if expected.letters != found.letters {
        violations.push(format!(
            "dead letters: expected {} and found {}",
            expected.letters.len(),
            found.letters.len()
        ));
    }
    Report {
        violations,
        struck: faulty.broker.struck(),
        alerts: expected.alerts.values().map(Vec::len).sum(),
        trace: faulty.trace,
    }
}

/// What differs between what was to be left under each key and what was.
fn differences(
    what: &str,
    expected: &BTreeMap<Vec<u8>, Vec<String>>,
    found: &BTreeMap<Vec<u8>, Vec<String>>,
) -> Vec<String> {
    let none = Vec::new();
    let keys: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    let told = keys.into_iter().filter_map(|key| {
        let expected = expected.get(key).unwrap_or(&none);
        let found = found.get(key).unwrap_or(&none);
        if expected == found {
            return None;
        }
        let pairs = expected.iter().zip(found);
        let at = pairs.take_while(|(a, b)| a == b).count();
        Some(format!(
            "{what} of {}: expected {} and found {}; they differ from number {at} on:\n  expected {}\n  found    {}",
            String::from_utf8_lossy(key),
            expected.len(),
            found.len(),
            expected.get(at).map_or("nothing", String::as_str),
            found.get(at).map_or("nothing", String::as_str),
        ))
    });
    told.collect()
}

fn left(played: &Played) -> Left {
    let mut alerts: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
    for (_, record) in committed(&played.broker, &played.topics.alerts) {
        let event = comparable(record.value.as_deref().unwrap_or_default());
        let key = record.key.clone().unwrap_or_default();
        let event = String::from_utf8_lossy(&event).into_owned();
        alerts.entry(key).or_default().push(event);
    }
    let mut letters: Vec<String> = committed(&played.broker, &played.topics.dead_letters)
        .into_iter()
        .map(|(_, record)| {
            let headers = record.headers.iter();
            let headers = headers.map(|(name, value)| (name, String::from_utf8_lossy(value)));
            format!("{:?}", headers.collect::<Vec<_>>())
        })
        .collect();
    letters.sort();
    Left {
        alerts,
        readings: readings(played),
        letters,
    }
}

fn readings(played: &Played) -> BTreeMap<Vec<u8>, Vec<String>> {
    let mut readings: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
    for (place, record) in committed(&played.broker, &played.topics.readings) {
        let bytes = record.value.as_deref().unwrap_or_default();
        match ReadingRecord::decode(bytes) {
            Ok(ReadingRecord::Reading(reading)) if reading.clock != "tick" => {
                let key = record.key.clone().unwrap_or_default();
                let text = String::from_utf8_lossy(bytes).into_owned();
                readings.entry(key).or_default().push(text);
            }
            Ok(_) => {}
            Err(error) => {
                let told = format!("{place:?}: {error}");
                readings
                    .entry(b"unreadable".to_vec())
                    .or_default()
                    .push(told);
            }
        }
    }
    readings
}

/// Committed records of a topic, each with its place.
fn committed(shared: &super::world::Shared, topic: &str) -> Vec<(Place, Record)> {
    shared.broker(|broker, _| {
        let mut records = Vec::new();
        for partition in 0..broker.partitions(topic) {
            let log = broker.partition(topic, partition);
            records.extend(
                log.committed()
                    .map(|(offset, record)| (Place { partition, offset }, record.clone())),
            );
        }
        records
    })
}

/// The invariants of the alert topic, and of what is committed.
fn invariants(
    shared: &super::world::Shared,
    topics: &rotation_service::config::Topics,
) -> Vec<String> {
    let mut log = AlertLog::new();
    let mut violations = Vec::new();
    for (place, record) in committed(shared, &topics.alerts) {
        match Seen::read(record.value.as_deref().unwrap_or_default()) {
            Ok(event) => {
                let event = event.with_key(record.key.as_deref());
                let found = log.take(place, &event);
                violations.extend(found.iter().map(ToString::to_string));
            }
            Err(error) => violations.push(format!("an alert that cannot be read: {error}")),
        }
    }
    let state = committed(shared, &topics.state);
    for stage in STAGES {
        let offsets = shared.broker(|broker, _| {
            broker
                .group(&format!("simulated.{stage}"))
                .offsets()
                .clone()
        });
        for (partition, offset) in offsets {
            let mut gathered = Gathered::default();
            for (_, record) in &state {
                let key = record.key.as_deref().unwrap_or_default();
                if rotation_wire::state::partition_of(stage, key) == Some(partition) {
                    gathered.take(key, record.value.as_deref());
                }
            }
            match gathered.assemble(stage, partition) {
                Ok(Some(state)) => {
                    let snapshot = state.head.snapshot.map(|snapshot| snapshot.offset);
                    let head = Some(state.head.offset);
                    let broken = committed_not_ahead(Some(offset.offset), head, snapshot);
                    violations.extend(broken.map(|it| format!("{stage} {partition}: {it}")));
                }
                Ok(None) => violations.push(format!("{stage} {partition}: offsets without state")),
                Err(reason) => violations.push(format!("{stage} {partition}: {reason}")),
            }
        }
    }
    violations
}
