//! `audit`, `explain` and `redrive` on real Kafka: a clean run is proven clean, each planted fault is found by its
//! name, and dead letters go back once.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use rotation_tests::broker::{Broker, Record};
use rotation_tests::service::Deployment;
use rotation_wire::alerts::AlertEvent;
use serde_json::Value;

#[path = "proof/explain.rs"]
mod explain;
#[path = "proof/market.rs"]
mod market;
#[path = "proof/redrive.rs"]
mod redrive;
use market::{config_with, played, rotation};

/// An audit in JSON, with its exit code.
fn audit(config: &str, more: &[&str]) -> (i32, Value) {
    let args = [&["audit", "--config", config, "--json"], more].concat();
    let (code, out, errors) = rotation(&args, None);
    let report = serde_json::from_str(&out);
    (
        code,
        report.unwrap_or_else(|error| panic!("{error}: {code} {out}{errors}")),
    )
}

/// The invariants that were found broken, and how often.
fn broken(report: &Value) -> BTreeMap<&str, u64> {
    let counts = report["counts"].as_object().unwrap();
    let counts = counts
        .iter()
        .map(|(code, count)| (code.as_str(), count.as_u64().unwrap()));
    counts.filter(|(_, count)| *count > 0).collect()
}

/// Events of the alert topic, to be written again with a fault among them.
struct Copy<'a> {
    deployment: &'a Deployment,
    records: Vec<Record>,
}

impl Copy<'_> {
    /// Writes the records to a topic of their own, and audits that.
    fn audit(&self, name: &str, plant: impl FnOnce(&mut Vec<Record>)) -> Value {
        let mut records = self.records.clone();
        plant(&mut records);
        let alerts = &self.deployment.topics[2];
        let topic = format!("{alerts}-{name}");
        self.deployment
            .broker
            .create_topics(&[(&topic, 2, &[])])
            .unwrap();
        let messages = records.iter().map(|record| {
            let (key, payload) = (record.key.clone(), record.payload.clone());
            (Some(record.partition), key.unwrap(), payload.unwrap(), None)
        });
        self.deployment.broker.produce(&topic, messages).unwrap();
        let changes = [(
            format!("alerts = \"{alerts}\""),
            format!("alerts = \"{topic}\""),
        )];
        let changes = changes
            .each_ref()
            .map(|(from, to)| (from.as_str(), to.as_str()));
        let config = config_with(self.deployment, &format!("{name}.toml"), &changes);
        let (code, report) = audit(&config, &[]);
        assert_eq!(
            code,
            i32::from(!broken(&report).is_empty()),
            "{name}: {report:#}"
        );
        report
    }

    /// Position of the first record of that state and transition, of an episode whose next event is there too.
    fn find(&self, state: &str, transition: u64) -> usize {
        let found = self.records.iter().position(|record| {
            let event = parse(record);
            let next = format!(
                "{}/{}",
                event["data"]["episode"].as_str().unwrap(),
                transition + 1
            );
            event["data"]["state"] == state
                && event["data"]["transition"] == transition
                && self
                    .records
                    .iter()
                    .any(|record| parse(record)["id"] == next.as_str())
        });
        found.unwrap_or_else(|| panic!("no {state} event of transition {transition}"))
    }
}

fn parse(record: &Record) -> Value {
    serde_json::from_slice(record.payload.as_ref().unwrap()).unwrap()
}

fn event(record: &Record) -> AlertEvent {
    AlertEvent::decode(record.payload.as_ref().unwrap()).unwrap()
}

#[test]
fn a_clean_run_audits_clean_and_each_planted_fault_is_found() {
    let Some(broker) = Broker::get() else { return };
    let deployment = played(broker);
    let config = deployment.config().display().to_string();
    let (code, report) = audit(&config, &[]);
    assert_eq!((code, broken(&report)), (0, BTreeMap::new()), "{report:#}");
    let events = report["events"].as_u64().unwrap();
    assert!(events > 60, "{events} events are too few to test with");
    assert_eq!(report["recomputed"]["compared"], events, "{report:#}");
    assert_eq!(report["recomputed"]["identical"], events);
    assert_eq!(report["tasks"].as_array().unwrap().len(), 3, "{report:#}");
    let (code, text, _) = rotation(&["audit", "--config", &config], None);
    assert!(code == 0 && text.ends_with("clean\n"), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 120),
        "{text}"
    );

    let records = broker.read_committed(&deployment.topics[2]).unwrap();
    let copy = Copy {
        deployment: &deployment,
        records,
    };
    expect(&copy.audit("same", |_| {}), &[]);
    repeats_and_gaps(&copy);
    altered_and_invented(&copy);
    disorder(&copy);
    bounded(&deployment, &config, events);
    beyond_retention(&deployment, &config);
    meddled_offsets(&deployment, &config);
}

fn expect(report: &Value, codes: &[(&str, u64)]) {
    assert_eq!(
        broken(report),
        codes.iter().copied().collect(),
        "{report:#}"
    );
}

/// Events that stand twice, or not at all.
fn repeats_and_gaps(copy: &Copy<'_>) {
    let middle = copy.find("escalated", 3);
    let repeated = copy.audit("repeated", |records| {
        let again = records[middle].clone();
        records.push(again);
    });
    expect(&repeated, &[("repeated", 1)]);
    let id = parse(&copy.records[middle])["id"].clone();
    assert_eq!(repeated["violations"][0]["id"], id, "the event is named");
    let removed = copy.audit("removed", |records| {
        records.remove(middle);
    });
    expect(&removed, &[("gap", 1), ("lost", 1)]);
    let opening = copy.find("opened", 1);
    let headless = copy.audit("headless", |records| {
        records.remove(opening);
    });
    expect(&headless, &[("lost", 1), ("no_opening", 1)]);
}

/// Events that say what was not decided.
fn altered_and_invented(copy: &Copy<'_>) {
    let (opening, middle) = (copy.find("opened", 1), copy.find("escalated", 3));
    let altered = copy.audit("altered", |records| {
        let mut event = event(&records[middle]);
        event.alert.threshold += 1.0;
        records[middle].payload = Some(event.encode());
    });
    expect(&altered, &[("different", 1)]);
    let message = altered["violations"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("data.threshold: computed 3.0, published 4.0"),
        "{message}"
    );
    let invented = copy.audit("invented", |records| {
        let mut forged = event(&records[opening]);
        forged.alert.as_of = "2026-12-31T21:00:00Z".parse().unwrap();
        forged.alert.duration_seconds = 0;
        forged.alert.episode = format!("{}/{}", forged.alert.key(), forged.alert.as_of);
        forged.alert.id = format!("{}/1", forged.alert.episode);
        let mut record = records[opening].clone();
        record.key = Some(forged.alert.key().into_bytes());
        record.payload = Some(forged.encode());
        records.push(record);
    });
    assert_eq!(broken(&invented).get("invented"), Some(&1), "{invented:#}");
}

/// Events out of their order, and what does not belong there.
fn disorder(copy: &Copy<'_>) {
    let (opening, middle) = (copy.find("opened", 1), copy.find("escalated", 3));
    let swapped = copy.audit("swapped", |records| {
        let next = format!(
            "{}/2",
            parse(&records[opening])["data"]["episode"]
                .as_str()
                .unwrap()
        );
        let next = records
            .iter()
            .position(|record| parse(record)["id"] == next.as_str());
        records.swap(opening, next.unwrap());
    });
    assert!(broken(&swapped).contains_key("no_opening"), "{swapped:#}");
    assert!(broken(&swapped).contains_key("out_of_order"), "{swapped:#}");
    let foreign = copy.audit("foreign", |records| {
        let (mut junk, mut astray) = (records[0].clone(), records[middle].clone());
        junk.payload = Some(b"hello".to_vec());
        records.push(junk);
        astray.key = Some(b"us/streak".to_vec());
        records[middle] = astray;
    });
    expect(&foreign, &[("not_an_alert", 1), ("wrong_key", 1)]);
}

/// A range and a sample look at less, and say so.
fn bounded(deployment: &Deployment, config: &str, events: u64) {
    let (code, report) = audit(config, &["--from", "2026-02-01", "--to", "2026-03-01"]);
    assert_eq!(code, 0, "{report:#}");
    let february = broker_events(deployment)
        .iter()
        .filter(|event| event.alert.as_of.to_string().starts_with("2026-02"))
        .count();
    assert!(
        february > 10 && (february as u64) < events,
        "{february} of {events}"
    );
    assert_eq!(report["recomputed"]["compared"], february);
    let (code, report) = audit(config, &["--sample", "7"]);
    assert_eq!(
        (code, &report["recomputed"]["identical"]),
        (0, &Value::from(7))
    );
    let quiet = config_with(
        deployment,
        "cold.toml",
        &[("open_at = 2\nescalate_at = [3]", "open_at = 5")],
    );
    let (code, report) = audit(&quiet, &[]);
    assert_eq!(code, 0, "another version is no fault: {report:#}");
    let left_out = &report["recomputed"]["left_out"];
    let reason = "the configuration has another version of the rule";
    assert!(left_out[reason].as_u64().unwrap() > 0, "{report:#}");
    let (code, _, errors) = rotation(&["audit", "--config", "/nowhere.toml"], None);
    assert_eq!(code, 2, "{errors}");
    let (code, _, errors) = rotation(&["audit", "--config", config, "--from", "soon"], None);
    assert!(code == 2 && errors.contains("expected a date"), "{errors}");
}

fn broker_events(deployment: &Deployment) -> Vec<AlertEvent> {
    let records = deployment
        .broker
        .read_committed(&deployment.topics[2])
        .unwrap();
    records.iter().map(event).collect()
}

fn delete_records(deployment: &Deployment, topic: &str, partition: i32, before: i64) {
    let admin: AdminClient<DefaultClientContext> = deployment.broker.config().create().unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets
        .add_partition_offset(topic, partition, Offset::Offset(before))
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let deleted = admin.delete_records(&offsets, &AdminOptions::new());
    runtime.block_on(deleted).unwrap();
}

/// What retention took is said, and is no fault.
fn beyond_retention(deployment: &Deployment, config: &str) {
    let events = broker_events(deployment);
    let bars = &deployment.topics[1];
    let cited = events.iter().filter_map(|event| {
        let position = &event.positions.as_ref()?[0];
        Some((position.offset, position.partition, &event.alert.id))
    });
    let mut cited: Vec<_> = cited.collect();
    cited.sort_unstable();
    // A third of the events stand on records that are gone.
    let (first, partition, _) = cited[cited.len() / 3];
    let id = cited[0].2.clone();
    delete_records(deployment, bars, partition, first);
    let (code, report) = audit(config, &[]);
    assert_eq!((code, broken(&report)), (0, BTreeMap::new()), "{report:#}");
    assert_eq!(report["bars_begin"][0]["first_offset"], first);
    let compared = report["recomputed"]["compared"].as_u64().unwrap();
    assert!(compared > 0 && compared < events.len() as u64, "{report:#}");
    let (code, text, _) = rotation(&["explain", &id, "--config", config], None);
    assert!(code == 1 && text.contains("not computed"), "{text}");

    let records = deployment
        .broker
        .read_committed(&deployment.topics[2])
        .unwrap();
    let last = records.last().unwrap().partition;
    let here: Vec<&Record> = records
        .iter()
        .filter(|record| record.partition == last)
        .collect();
    delete_records(
        deployment,
        &deployment.topics[2],
        last,
        here[here.len() / 2].offset,
    );
    let (code, report) = audit(config, &[]);
    assert_eq!((code, broken(&report)), (0, BTreeMap::new()), "{report:#}");
    assert_eq!(report["holes"][0]["partition"], last);
    let (_, text, _) = rotation(&["audit", "--config", config], None);
    assert!(
        text.contains("what was before is gone: speaks from"),
        "{text}"
    );
}

/// A group ahead of its state is found.
fn meddled_offsets(deployment: &Deployment, config: &str) {
    let group = deployment.topics[0].strip_suffix(".ticks").unwrap();
    let group = format!("{group}.sampler");
    let ticks = &deployment.topics[0];
    let committed = deployment.broker.committed(&group, ticks).unwrap();
    let (&partition, &next) = committed.iter().next().unwrap();
    let consumer: BaseConsumer = deployment
        .broker
        .config()
        .set("group.id", &group)
        .create()
        .unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets
        .add_partition_offset(ticks, partition, Offset::Offset(next + 1))
        .unwrap();
    consumer.commit(&offsets, CommitMode::Sync).unwrap();
    let (code, report) = audit(config, &[]);
    assert_eq!(
        (code, broken(&report)),
        (1, [("committed_ahead", 1)].into()),
        "{report:#}"
    );
}
