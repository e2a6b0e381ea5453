//! Records that cannot be used, among good ones, on real Kafka: each is a dead letter that says where and why, the good
//! ones decide what they would have decided alone, and nothing stops.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rotation_engine::calendar::Calendar;
use rotation_engine::record::Tick;
use rotation_tests::broker::{Broker, Record};
use rotation_tests::service::{Deployment, binary, count};
use rotation_tests::workspace;
use rotation_wire::dead_letter::{CODE, MESSAGE, OFFSET, PARTITION, TOPIC, TRUNCATED};
use rotation_wire::input::{encode_heartbeat, encode_tick};
use rotation_wire::partition::partition_for;

const PARTITIONS: i32 = 4;
const SESSIONS: usize = 60;

/// Bytes of a value that the broker takes, but not with the headers of a dead letter.
const CUT_BYTES: usize = 1_048_500;

/// Runs of three sessions and more are told.
const UNIVERSE: &str = r#"
[universe.us.series]
LEAD = {}
LAG = {}

[universe.us.rules.streak]
kind = "relative_streak"
leader = "LEAD"
laggard = "LAG"
open_at = 3
escalate_at = [4, 5, 6, 8]
escalate_since_years = []
"#;

/// A record of the ticks topic, sent to a partition of our choice.
#[derive(Clone)]
struct Sent {
    partition: i32,
    key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    /// What becomes of it.
    fate: Fate,
}

#[derive(Clone)]
enum Fate {
    /// It is used.
    Good,
    /// It is a dead letter, of this code and with this in its message.
    Dead(&'static str, String),
    /// It is passed over and counted.
    Skipped,
}

fn home(symbol: &str) -> i32 {
    partition_for(symbol.as_bytes(), PARTITIONS.cast_unsigned()).cast_signed()
}

/// Official closes of LEAD and LAG over some sessions, with the heartbeats of a replay.
fn good(closes: &[(&str, [f64; 2])]) -> Vec<Vec<Sent>> {
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
fn closes(dice: &mut ChaCha8Rng) -> Vec<(String, [f64; 2])> {
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

/// Everything that must not be used, each kind once.
fn bad(dice: &mut ChaCha8Rng) -> Vec<Sent> {
    let mut noise = |bytes: usize| {
        let mut noise = vec![0; bytes];
        dice.fill_bytes(&mut noise);
        noise
    };
    let partition = home("LEAD");
    let time = "\"time\":\"2026-01-05T20:00:00Z\"";
    let record = |rest: &str| format!("{{\"symbol\":\"LEAD\",{time},{rest}}}").into_bytes();
    let dead = |payload: Vec<u8>, code, said: &str| {
        let fate = Fate::Dead(code, said.to_owned());
        Sent {
            partition,
            key: Some(b"LEAD".to_vec()),
            payload: Some(payload),
            fate,
        }
    };
    let mut bad = vec![
        dead(
            b"{\"symbol\":\"LEAD\",\"time\":\"2026-01-05T2".to_vec(),
            "undecodable",
            "found its beginning",
        ),
        dead(
            record("\"price\":\"100\""),
            "bad_price",
            "expected a finite number",
        ),
        dead(
            record("\"price\":[1]"),
            "bad_price",
            "expected a finite number",
        ),
        dead(record("\"price\":NaN"), "bad_price", "found NaN"),
        dead(record("\"price\":1e999"), "bad_price", "found 1e999"),
        dead(
            record("\"price\":-1.5"),
            "bad_price",
            "expected a positive price, found -1.5",
        ),
        dead(
            record("\"price\":0"),
            "bad_price",
            "expected a positive price, found 0",
        ),
        dead(record("\"price\":1,\"size\":-1"), "bad_size", "found -1"),
        dead(record("\"price\":1,\"seq\":-1"), "undecodable", "seq"),
        dead(
            record("\"size\":1"),
            "undecodable",
            "missing field \"price\"",
        ),
        dead(
            b"{\"symbol\":\"LEAD\",\"price\":1}".to_vec(),
            "undecodable",
            "missing field \"time\"",
        ),
        dead(
            format!("{{{time},\"price\":1}}").into_bytes(),
            "undecodable",
            "missing field \"symbol\"",
        ),
        dead(
            b"{\"symbol\":7,\"time\":0,\"price\":1}".to_vec(),
            "undecodable",
            "symbol",
        ),
        dead(
            b"{\"symbol\":\"LEAD\",\"time\":true,\"price\":1}".to_vec(),
            "undecodable",
            "time",
        ),
        dead(
            b"{\"symbol\":\"LEAD\",\"time\":\"2100-01-01T00:00:00Z\",\"price\":1}".to_vec(),
            "future",
            "2100-01-01",
        ),
        dead(
            b"{\"type\":\"heartbeat\",\"time\":\"2100-01-01T00:00:00Z\"}".to_vec(),
            "future",
            "2100-01-01",
        ),
        dead(
            b"{\"type\":\"split\",\"symbol\":\"LEAD\",\"time\":0,\"ratio\":0}".to_vec(),
            "bad_split",
            "found 0",
        ),
        dead(b"[]".to_vec(), "undecodable", "a JSON object"),
        dead(Vec::new(), "undecodable", "found nothing"),
        dead(noise(60_000), "undecodable", "expected"),
        dead(noise(900_000), "too_large", "found 900000"),
        dead(noise(1_048_000), "too_large", "found 1048000"),
        // As much as a broker takes: with the headers of a dead letter it is more.
        dead(noise(CUT_BYTES), "too_large", "found 1048500"),
        dead(vec![b'{'; 1_000_000], "too_large", "found 1000000"),
    ];
    let tombstone = Sent {
        payload: None,
        ..dead(Vec::new(), "undecodable", "found no value")
    };
    bad.push(tombstone);
    let skipped = |key: Option<&[u8]>, payload: Vec<u8>| Sent {
        partition,
        key: key.map(<[u8]>::to_vec),
        payload: Some(payload),
        fate: Fate::Skipped,
    };
    let other = format!("{{\"symbol\":\"OTHER\",{time},\"price\":1}}").into_bytes();
    bad.push(skipped(Some(b"OTHER"), other.clone()));
    bad.push(skipped(Some(b"OTHER"), noise(900_000)));
    bad.push(skipped(Some(b"\xff\xfe\x00"), record("\"price\":1")));
    bad.push(skipped(None, other));
    bad
}

/// Sends records as no library of ours would.
fn send(broker: &Broker, topic: &str, sent: &[Sent]) {
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

/// What a dead letter says: topic, partition, offset, code, message, key, value.
type Letter = (
    String,
    String,
    String,
    String,
    String,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
);

fn letter(record: Record) -> Letter {
    let headers: BTreeMap<String, String> = record
        .headers
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8(value.unwrap()).unwrap()))
        .collect();
    let header = |name: &str| headers[name].clone();
    let truncated = headers.get(TRUNCATED);
    assert_eq!(headers.len(), 5 + truncated.iter().len(), "{headers:?}");
    if let Some(bytes) = truncated {
        let kept = record.payload.as_ref().unwrap().len();
        assert_eq!(bytes, &CUT_BYTES.to_string());
        assert!((1_047_000..CUT_BYTES).contains(&kept), "{kept} of {bytes}");
    }
    let [topic, partition, offset] = [TOPIC, PARTITION, OFFSET].map(header);
    (
        topic,
        partition,
        offset,
        header(CODE),
        header(MESSAGE),
        record.key,
        record.payload,
    )
}

/// Holds the dead letters against what was sent: offsets count per partition, for nobody else writes there.
fn assert_letters(deployment: &Deployment, sent: &[Sent]) -> usize {
    let ticks = &deployment.topics[0];
    let mut found: BTreeMap<(String, String), Letter> = BTreeMap::new();
    for record in deployment
        .broker
        .read_committed(&deployment.topics[4])
        .unwrap()
    {
        let letter = letter(record);
        if &letter.0 == ticks {
            let twice = found.insert((letter.1.clone(), letter.2.clone()), letter);
            assert!(twice.is_none(), "two dead letters of one record: {twice:?}");
        }
    }
    let mut offsets: BTreeMap<i32, i64> = BTreeMap::new();
    let mut dead = 0;
    for Sent {
        partition,
        key,
        payload,
        fate,
    } in sent
    {
        let offset = offsets.entry(*partition).or_insert(0);
        let letter = found.remove(&(partition.to_string(), offset.to_string()));
        *offset += 1;
        let Fate::Dead(code, said) = fate else {
            assert!(letter.is_none(), "{letter:?}");
            continue;
        };
        let (.., found_code, message, found_key, found_payload) =
            letter.unwrap_or_else(|| panic!("no dead letter for {code}: {said}"));
        assert_eq!(&found_code, code, "{message}");
        assert!(
            message.contains(said.as_str()),
            "{message:?} does not say {said:?}"
        );
        assert_eq!(&found_key, key, "{code}");
        let (found, payload) = (found_payload.as_deref(), payload.as_deref());
        let same = match payload.map(<[u8]>::len) {
            Some(CUT_BYTES) => payload.unwrap().starts_with(found.unwrap()),
            _ => found == payload,
        };
        assert!(same, "{code}, {said}: not the bytes that were sent");
        dead += 1;
    }
    assert!(
        found.is_empty(),
        "{:?}",
        found
            .into_values()
            .map(|letter| letter.4)
            .collect::<Vec<_>>()
    );
    dead
}

#[test]
fn bad_records_become_dead_letters_and_the_good_ones_decide() {
    let Some(broker) = Broker::get() else { return };
    let mut dice = ChaCha8Rng::seed_from_u64(11);
    let closes = closes(&mut dice);
    let deployment = Deployment::new(broker, PARTITIONS, UNIVERSE).unwrap();
    for (at, symbol) in ["LEAD", "LAG"].into_iter().enumerate() {
        let rows: String = closes
            .iter()
            .map(|(date, closes)| format!("{date},{}\n", closes[at]))
            .collect();
        std::fs::write(
            deployment.folder().join(format!("{symbol}.csv")),
            format!("date,close\n{rows}"),
        )
        .unwrap();
    }
    let expected = deployment.backtest(deployment.folder(), &[]).unwrap();
    assert!(count(&expected) > 10, "{} events", count(&expected));

    let dated: Vec<(&str, [f64; 2])> = closes
        .iter()
        .map(|(date, closes)| (date.as_str(), *closes))
        .collect();
    let sessions = good(&dated);
    let mut services = [deployment.run("one", &[]).unwrap()];
    // Both series are at home before something comes from elsewhere.
    let (begin, rest) = sessions.split_at(5);
    let mut all: Vec<Sent> = begin.concat();
    send(broker, &deployment.topics[0], &all);
    deployment.await_done(&mut services).unwrap();

    let mut later = Vec::new();
    let mut bad = bad(&mut dice).into_iter();
    for (session, (date, closes)) in rest.iter().zip(&dated[5..]) {
        later.extend(bad.next());
        later.extend(session.iter().cloned());
        if *date == dated[20].0 {
            later.push(astray(date, closes[0]));
        }
    }
    assert!(bad.next().is_none(), "not all bad records were sent");
    send(broker, &deployment.topics[0], &later);
    all.extend(later);
    deployment.await_done(&mut services).unwrap();

    assert_eq!(deployment.alerts().unwrap(), expected);
    let dead = assert_letters(&deployment, &all);
    let codes = assert_counted(&deployment, &mut services[0], &all);
    println!(
        "{dead} dead letters among {} records and {} events; {codes:?}",
        all.len(),
        count(&expected)
    );
    assert_eq!(services[0].get("/healthz").unwrap().0, 200);
    let [service] = services;
    service.terminate().unwrap();
}

/// A good close of LEAD on a partition that is not its own.
fn astray(date: &str, price: f64) -> Sent {
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

/// The metrics count what was sent, and the bar from elsewhere is a dead letter of the bars log.
fn assert_counted(
    deployment: &Deployment,
    service: &mut rotation_tests::service::Service,
    sent: &[Sent],
) -> BTreeMap<&'static str, u32> {
    let mut codes: BTreeMap<&'static str, u32> = BTreeMap::from([("wrong_source", 1)]);
    let mut skipped = 0;
    for record in sent {
        match record.fate {
            Fate::Dead(code, _) => *codes.entry(code).or_insert(0) += 1,
            Fate::Skipped => skipped += 1,
            Fate::Good => {}
        }
    }
    for (code, count) in &codes {
        let found = service
            .metric(&format!("rotation_dead_letters_total{{code=\"{code}\"}}"))
            .unwrap();
        assert_eq!(found, f64::from(*count), "{code}");
    }
    let unknown = "rotation_ticks_dropped_total{code=\"unknown_symbol\",universe=\"\"}";
    assert_eq!(service.metric(unknown).unwrap(), f64::from(skipped));

    let bars = &deployment.topics[1];
    let letters = deployment
        .broker
        .read_committed(&deployment.topics[4])
        .unwrap()
        .into_iter()
        .map(letter);
    let letters: Vec<Letter> = letters.filter(|letter| &letter.0 == bars).collect();
    let [(_, partition, offset, code, message, key, payload)] = letters.as_slice() else {
        panic!("{letters:?}")
    };
    assert_eq!(code, "wrong_source");
    let (home, other) = (home("LEAD"), (home("LEAD") + 1) % PARTITIONS);
    assert_eq!(
        message,
        &format!(
            "expected LEAD from partition {home}, where it was first seen, found it in {other}"
        )
    );
    let at = (partition.parse().unwrap(), offset.parse().unwrap());
    let logged = deployment.broker.read_committed(bars).unwrap();
    let logged = logged
        .into_iter()
        .find(|record| (record.partition, record.offset) == at)
        .unwrap();
    assert_eq!((&logged.key, &logged.payload), (key, payload));
    codes
}

/// What `rotation check` says of a file; it has to end with 2, and `run` as well.
fn check(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.toml");
    std::fs::write(&file, text).unwrap();
    let mut said = String::new();
    for words in [&["run", "--config"][..], &["check"]] {
        let output = Command::new(binary())
            .args(words)
            .arg(&file)
            .current_dir(workspace::root())
            .output()
            .unwrap();
        said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
    }
    said
}

#[test]
fn faults_of_the_configuration_name_file_key_bound_and_what_was_given() {
    let level = "[universe.us.series]\nDGS10 = { unit = \"percent\" }\n[universe.us.rules.near]\n\
        kind = \"level_approach\"\nseries = \"DGS10\"\nfrom = \"below\"\nnear = \"10bp\"\nrearm = \"30bp\"\n";
    let cases: &[(String, &[&str])] = &[
        (
            format!("{level}level = \"five\"\n"),
            &[
                "rules.toml",
                "universe.us.rules.near.level",
                "five",
                "number",
            ],
        ),
        (
            format!("{level}level = 5.0\nlevle = 4.0\n"),
            &["rules.toml", "universe.us.rules.near", "levle"],
        ),
        (
            format!("[kafka]\nbroker = \"x:1\"\n{UNIVERSE}"),
            &["rules.toml", "kafka", "broker"],
        ),
        (format!("[htpp]\n{UNIVERSE}"), &["rules.toml", "htpp"]),
        (
            UNIVERSE.replace("open_at = 3", "open_at = 0"),
            &[
                "rules.toml",
                "universe.us.rules.streak.open_at",
                "1 to 10000",
                "0",
            ],
        ),
        (
            UNIVERSE.replace("\"LAG\"", "\"LOST\""),
            &["rules.toml", "universe.us.rules.streak", "LOST"],
        ),
        (
            UNIVERSE.replace("open_at = 3", "open_at = "),
            &["rules.toml"],
        ),
    ];
    for (text, says) in cases {
        let said = check(text);
        for part in *says {
            assert!(
                said.contains(part),
                "{part:?} is not in\n{said}\nof\n{text}"
            );
        }
        println!("{}", said.trim());
    }
}
