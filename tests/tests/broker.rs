//! The broker fixture itself.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rotation_tests::broker::{Broker, Record, unique};

const PATIENCE: Duration = Duration::from_secs(15);

fn payloads(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .map(|record| String::from_utf8(record.payload.clone().unwrap_or_default()).unwrap())
        .collect()
}

fn transactional(broker: &Broker) -> BaseProducer {
    let producer: BaseProducer = broker
        .config()
        .set("transactional.id", unique("broker-test"))
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

fn send(producer: &BaseProducer, topic: &str, payloads: &[&str]) {
    for payload in payloads {
        producer
            .send(
                BaseRecord::<(), str>::to(topic)
                    .partition(0)
                    .payload(payload),
            )
            .unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

#[test]
fn what_is_produced_is_read() {
    let Some(broker) = Broker::get() else { return };
    let topic = unique("plain");
    broker
        .create_topics(&[(&topic, 3, &[("retention.ms", "-1")])])
        .unwrap();

    let to_partitions = (0..3).map(|partition| {
        (
            Some(partition),
            "key",
            format!("to {partition}"),
            Some(1_000),
        )
    });
    assert_eq!(broker.produce(&topic, to_partitions).unwrap(), 3);
    let by_key = [("RUT", "2718.77"), ("GSPC", "6913.35"), ("RUT", "2718.78")];
    broker
        .produce(&topic, by_key.map(|(key, price)| (None, key, price, None)))
        .unwrap();

    let records = broker.read_committed(&topic).unwrap();
    assert_eq!(records.len(), 6);
    for (partition, offset) in [(0, 0), (1, 0), (2, 0)] {
        let first = records
            .iter()
            .find(|record| (record.partition, record.offset) == (partition, offset))
            .unwrap();
        assert_eq!(first.payload, Some(format!("to {partition}").into_bytes()));
        assert_eq!(first.key.as_deref(), Some(&b"key"[..]));
        assert_eq!(first.timestamp, Some(1_000));
    }
    let of_rut: Vec<&Record> = records
        .iter()
        .filter(|record| record.key.as_deref() == Some(b"RUT"))
        .collect();
    assert_eq!(of_rut.len(), 2);
    assert_eq!(
        of_rut[0].partition, of_rut[1].partition,
        "one key, one partition"
    );
    assert_eq!(
        of_rut[0].payload.as_deref(),
        Some(&b"2718.77"[..]),
        "in order"
    );
}

#[test]
fn a_large_batch_is_read_whole_and_in_order() {
    let Some(broker) = Broker::get() else { return };
    let topic = unique("large");
    broker.create_topics(&[(&topic, 1, &[])]).unwrap();
    let sent: Vec<String> = (0..150_000).map(|n| n.to_string()).collect();
    broker
        .produce(
            &topic,
            sent.iter().map(|payload| (Some(0), "", payload, None)),
        )
        .unwrap();
    let records = broker.read_committed(&topic).unwrap();
    assert!(records.iter().all(|record| record.key.is_none()));
    assert_eq!(payloads(&records), sent);
}

#[test]
fn what_was_aborted_is_not_read() {
    let Some(broker) = Broker::get() else { return };
    let topic = unique("aborted");
    broker.create_topics(&[(&topic, 1, &[])]).unwrap();
    let producer = transactional(broker);

    producer.begin_transaction().unwrap();
    send(&producer, &topic, &["committed"]);
    producer.commit_transaction(PATIENCE).unwrap();

    producer.begin_transaction().unwrap();
    send(&producer, &topic, &["aborted", "aborted too"]);
    producer.abort_transaction(PATIENCE).unwrap();

    // The topic ends in a marker, which no consumer is given.
    assert_eq!(
        payloads(&broker.read_committed(&topic).unwrap()),
        ["committed"]
    );
}

#[test]
fn an_open_transaction_ends_what_is_read() {
    let Some(broker) = Broker::get() else { return };
    let topic = unique("open");
    broker.create_topics(&[(&topic, 1, &[])]).unwrap();
    let producer = transactional(broker);

    broker
        .produce(&topic, [(Some(0), "", "before", None)])
        .unwrap();
    producer.begin_transaction().unwrap();
    send(&producer, &topic, &["inside"]);
    broker
        .produce(&topic, [(Some(0), "", "after", None)])
        .unwrap();
    assert_eq!(payloads(&broker.read_stable(&topic).unwrap()), ["before"]);

    producer.commit_transaction(PATIENCE).unwrap();
    assert_eq!(
        payloads(&broker.read_committed(&topic).unwrap()),
        ["before", "inside", "after"]
    );
}

#[test]
fn committed_offsets_are_those_of_the_group() {
    use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
    use rdkafka::{Offset, TopicPartitionList};

    let Some(broker) = Broker::get() else { return };
    let (topic, group) = (unique("offsets"), unique("group"));
    broker.create_topics(&[(&topic, 2, &[])]).unwrap();
    broker
        .produce(&topic, (0..5).map(|n| (Some(1), "", n.to_string(), None)))
        .unwrap();
    assert_eq!(broker.committed(&group, &topic).unwrap(), BTreeMap::new());

    let consumer: BaseConsumer = broker.config().set("group.id", &group).create().unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets
        .add_partition_offset(&topic, 1, Offset::Offset(4))
        .unwrap();
    consumer.commit(&offsets, CommitMode::Sync).unwrap();
    assert_eq!(
        broker.committed(&group, &topic).unwrap(),
        BTreeMap::from([(1, 4)])
    );
}

#[test]
fn an_unknown_topic_is_an_error() {
    let Some(broker) = Broker::get() else { return };
    let error = broker.read_committed(&unique("never-made")).unwrap_err();
    assert!(format!("{error:#}").contains("never-made"), "{error:#}");
}

#[test]
fn a_dropped_broker_is_gone() {
    let Some(own) = Broker::start().unwrap() else {
        assert!(Broker::get().is_none() || std::env::var_os("ROTATION_TEST_BROKERS").is_some());
        return;
    };
    let address = own.bootstrap().to_owned();
    assert!(std::net::TcpStream::connect(&address).is_ok());
    drop(own);
    assert!(std::net::TcpStream::connect(&address).is_err());
}
