//! Records that cannot be used, among good ones, on real Kafka: each is a dead letter that says where and why, the good
//! ones decide what they would have decided alone, and nothing stops.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::process::Command;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rotation_tests::broker::{Broker, Record};
use rotation_tests::service::{Deployment, binary, count};
use rotation_tests::workspace;
use rotation_wire::dead_letter::{CODE, MESSAGE, OFFSET, PARTITION, TOPIC, TRUNCATED};

#[path = "bad_input/records.rs"]
mod records;
use records::{Fate, Sent, astray, bad, closes, good, home, send};

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
