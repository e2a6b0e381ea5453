//! Good records and bad ones, and a producer that sends either.

use std::time::Duration;

use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rotation_engine::calendar::Calendar;
use rotation_engine::record::Tick;
use rotation_tests::broker::Broker;
use rotation_wire::input::{encode_heartbeat, encode_tick};
use rotation_wire::partition::partition_for;

use super::{CUT_BYTES, PARTITIONS, SESSIONS};

/// A record of the ticks topic, sent to a partition of our choice.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
    /// What becomes of it.
    pub(crate) fate: Fate,
}

#[derive(Clone)]
pub(crate) enum Fate {
    /// It is used.
    Good,
    /// It is a dead letter, of this code and with this in its message.
    Dead(&'static str, String),
    /// It is passed over and counted.
    Skipped,
}

pub(crate) fn home(symbol: &str) -> i32 {
    partition_for(symbol.as_bytes(), PARTITIONS.cast_unsigned()).cast_signed()
}

/// Official closes of LEAD and LAG over some sessions, with the heartbeats of a replay.
pub(crate) fn good(closes: &[(&str, [f64; 2])]) -> Vec<Vec<Sent>> {
    let session = |(date, closes): &(&str, [f64; 2])| {
        let close = Calendar::Xnys.session(date.parse().unwrap()).unwrap().close;
        let mut sent = Vec::new();
        for (symbol, price) in ["LEAD", "LAG"].into_iter().zip(*closes) {
            let mut payload = Vec::new();
            encode_tick(
                &mut payload,
                symbol,
                &Tick {
                    time: close,
                    price,
                    size: 0.0,
                    seq: None,
                    official: true,
                },
            );
            let (partition, key) = (home(symbol), Some(symbol.into()));
            sent.push(Sent {
                partition,
                key,
                payload: Some(payload),
                fate: Fate::Good,
            });
        }
        let mut heartbeat = Vec::new();
        encode_heartbeat(&mut heartbeat, close.saturating_add(1));
        sent.extend((0..PARTITIONS).map(|partition| Sent {
            partition,
            key: None,
            payload: Some(heartbeat.clone()),
            fate: Fate::Good,
        }));
        sent
    };
    closes.iter().map(session).collect()
}

/// Sessions from 2026-01-02 on, and closes that walk at random.
pub(crate) fn closes(dice: &mut ChaCha8Rng) -> Vec<(String, [f64; 2])> {
    let from = "2026-01-02".parse().unwrap();
    let to = "2026-12-31".parse().unwrap();
    let mut prices = [100.0_f64; 2];
    let walk = |session: rotation_engine::calendar::Session| {
        for price in &mut prices {
            *price = (*price * (0.99 + f64::from(dice.next_u32() % 21) / 1_000.0) * 100.0).round()
                / 100.0;
        }
        (session.date.to_string(), prices)
    };
    Calendar::Xnys
        .sessions(from, to)
        .take(SESSIONS)
        .map(walk)
        .collect()
}

/// Records of LEAD that must not be used: the record, its code, and what the message has to say.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        r#"{"symbol":"LEAD","time":"2026-01-05T2"#,
        "undecodable",
        "found its beginning",
    ),
    (
        r#"{"symbol":"LEAD","time":0,"price":"100"}"#,
        "bad_price",
        "expected a finite number",
    ),
    (
        r#"{"symbol":"LEAD","time":0,"price":[1]}"#,
        "bad_price",
        "expected a finite number",
    ),
    (
        r#"{"symbol":"LEAD","time":0,"price":NaN}"#,
        "bad_price",
        "found NaN",
    ),
    (
        r#"{"symbol":"LEAD","time":0,"price":1e999}"#,
        "bad_price",
        "found 1e999",
    ),
    (
        r#"{"symbol":"LEAD","time":0,"price":-1.5}"#,
        "bad_price",
        "expected a positive price, found -1.5",
    ),
    (
        r#"{"symbol":"LEAD","time":0,"price":0}"#,
        "bad_price",
        "expected a positive price, found 0",
    ),
    (
        r#"{"symbol":"LEAD","time":0,"price":1,"size":-1}"#,
        "bad_size",
        "found -1",
    ),
    (
        r#"{"symbol":"LEAD","time":0,"price":1,"seq":-1}"#,
        "undecodable",
        "seq",
    ),
    (
        r#"{"symbol":"LEAD","time":0}"#,
        "undecodable",
        r#"missing field "price""#,
    ),
    (
        r#"{"symbol":"LEAD","price":1}"#,
        "undecodable",
        r#"missing field "time""#,
    ),
    (
        r#"{"time":0,"price":1}"#,
        "undecodable",
        r#"missing field "symbol""#,
    ),
    (
        r#"{"symbol":7,"time":0,"price":1}"#,
        "undecodable",
        "symbol",
    ),
    (
        r#"{"symbol":"LEAD","time":true,"price":1}"#,
        "undecodable",
        "time",
    ),
    (
        r#"{"symbol":"LEAD","time":"2100-01-01T00:00:00Z","price":1}"#,
        "future",
        "2100-01-01",
    ),
    (
        r#"{"type":"heartbeat","time":"2100-01-01T00:00:00Z"}"#,
        "future",
        "2100-01-01",
    ),
    (
        r#"{"type":"split","symbol":"LEAD","time":0,"ratio":0}"#,
        "bad_split",
        "found 0",
    ),
    ("[]", "undecodable", "a JSON object"),
    ("", "undecodable", "found nothing"),
];

/// Everything that must not be used, each kind once: refused, noise of any size that the broker takes, a tombstone, and
/// what no universe names.
pub(crate) fn bad(dice: &mut ChaCha8Rng) -> Vec<Sent> {
    let mut noise = |bytes: usize| {
        let mut noise = vec![0; bytes];
        dice.fill_bytes(&mut noise);
        noise
    };
    let partition = home("LEAD");
    let dead = |payload: Vec<u8>, code, said: &str| Sent {
        partition,
        key: Some(b"LEAD".to_vec()),
        payload: Some(payload),
        fate: Fate::Dead(code, said.to_owned()),
    };
    let refused = REFUSED
        .iter()
        .map(|(record, code, said)| dead(record.as_bytes().to_vec(), code, said));
    let mut bad: Vec<Sent> = refused.collect();
    bad.extend([
        dead(noise(60_000), "undecodable", "expected"),
        dead(noise(900_000), "too_large", "found 900000"),
        dead(noise(1_048_000), "too_large", "found 1048000"),
        // As much as a broker takes: with the headers of a dead letter it is more.
        dead(noise(CUT_BYTES), "too_large", "found 1048500"),
        dead(vec![b'{'; 1_000_000], "too_large", "found 1000000"),
        Sent {
            payload: None,
            ..dead(Vec::new(), "undecodable", "found no value")
        },
    ]);
    let skipped = |key: Option<&[u8]>, payload: Vec<u8>| Sent {
        partition,
        key: key.map(<[u8]>::to_vec),
        payload: Some(payload),
        fate: Fate::Skipped,
    };
    let record =
        |symbol: &str| format!("{{\"symbol\":\"{symbol}\",\"time\":0,\"price\":1}}").into_bytes();
    bad.extend([
        skipped(Some(b"OTHER"), record("OTHER")),
        skipped(Some(b"OTHER"), noise(900_000)),
        skipped(Some(b"\xff\xfe\x00"), record("LEAD")),
        skipped(None, record("OTHER")),
    ]);
    bad
}

/// A good close of LEAD on a partition that is not its own.
pub(crate) fn astray(date: &str, price: f64) -> Sent {
    let close = Calendar::Xnys.session(date.parse().unwrap()).unwrap().close;
    let mut payload = Vec::new();
    encode_tick(
        &mut payload,
        "LEAD",
        &Tick {
            time: close,
            price,
            size: 0.0,
            seq: None,
            official: true,
        },
    );
    let partition = (home("LEAD") + 1) % PARTITIONS;
    Sent {
        partition,
        key: Some(b"LEAD".to_vec()),
        payload: Some(payload),
        fate: Fate::Good,
    }
}

/// Sends records as no library of ours would.
pub(crate) fn send(broker: &Broker, topic: &str, sent: &[Sent]) {
    let producer: ThreadedProducer<DefaultProducerContext> = broker
        .config()
        .set("enable.idempotence", "true")
        .set("message.max.bytes", "4000000")
        .create()
        .unwrap();
    for record in sent {
        let mut message: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(topic).partition(record.partition);
        message.key = record.key.as_deref();
        message.payload = record.payload.as_deref();
        producer.send(message).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(60)).unwrap();
}
