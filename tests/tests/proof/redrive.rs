//! Dead letters go back once, to where they came from, and are decided on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rotation_tests::broker::{Broker, Record};
use rotation_tests::service::{Deployment, count};
use rotation_wire::dead_letter::{REDRIVEN_FROM, REDRIVEN_LETTER, REDRIVEN_TO};

use super::market::{PARTITIONS, UNIVERSE, played, rotation, send, sessions};
use super::{audit, broken};

/// Time for the service to read and decide.
const PATIENCE: Duration = Duration::from_secs(120);

fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn dead_letters_go_back_once_and_are_decided_on() {
    let Some(broker) = Broker::get() else { return };
    let sessions = sessions(3);
    let all = played(broker).alerts().unwrap();
    let deployment = Deployment::new(broker, PARTITIONS, UNIVERSE).unwrap();
    let config = deployment.config().display().to_string();
    let [ticks, _, _, _, dead, _] = &deployment.topics;
    // No partition is idle here: idleness is counted from the newest record's stamp, and that is wrong below.
    let patient = ["--idle-after", "1h"];
    let mut services = [deployment.run("one", &patient).unwrap()];
    let (last, before) = sessions.split_last().unwrap();
    send(&deployment, &before.concat(), None);
    deployment.await_done(&mut services).unwrap();
    // A producer whose clock stands at 1970: everything that it sends seems to come from the future.
    send(&deployment, last, Some(1_000));
    let bad = [(
        None,
        b"LEAD".to_vec(),
        br#"{"symbol":"LEAD","time":0,"price":-1}"#.to_vec(),
    )];
    send(&deployment, &bad, None);
    deployment.await_done(&mut services).unwrap();
    let letters = broker.read_committed(dead).unwrap();
    assert_eq!(letters.len(), last.len() + 1, "{letters:?}");
    assert!(count(&deployment.alerts().unwrap()) < count(&all));

    let args = ["redrive", "--config", &config, "--code", "future"];
    dry_run(&deployment, &args, last.len());
    let ends = broker.ends(ticks).unwrap();
    let apply = [&args[..], &["--apply"]].concat();
    let (code, text, errors) = rotation(&apply, None);
    assert_eq!(code, 0, "{text}{errors}");
    assert!(
        text.contains(&format!("{} letters went back", last.len())),
        "{text}"
    );
    assert_returned(&deployment, &letters, &ends);
    await_that("the last session is decided", || {
        deployment.alerts().unwrap() == all
    });
    let (code, report) = audit(&config, &[]);
    assert_eq!((code, broken(&report)), (0, BTreeMap::new()), "{report:#}");

    let ends = broker.ends(ticks).unwrap();
    let (code, text, _) = rotation(&apply, None);
    assert!(code == 0 && text.contains("0 letters went back"), "{text}");
    assert_eq!(broker.ends(ticks).unwrap(), ends, "nothing goes back twice");
    still_bad(&deployment, &config, last.len() + 1);
    let [service] = services;
    service.terminate().unwrap();
}

/// Without `--apply` it is said what would go, and nothing goes.
fn dry_run(deployment: &Deployment, args: &[&str], letters: usize) {
    let (broker, [ticks, _, _, _, dead, _]) = (deployment.broker, &deployment.topics);
    let (ends, before) = (
        broker.ends(ticks).unwrap(),
        broker.read_committed(dead).unwrap(),
    );
    let (code, text, errors) = rotation(args, None);
    assert_eq!(code, 0, "{text}{errors}");
    let would = format!("{letters} letters would go back to {ticks}");
    assert!(
        text.contains(&would) && text.contains("add --apply"),
        "{text}"
    );
    assert!(
        text.contains("older than its partition's horizon"),
        "{text}"
    );
    assert_eq!(broker.ends(ticks).unwrap(), ends, "a dry run sends nothing");
    assert_eq!(broker.read_committed(dead).unwrap(), before);
}

/// What is still bad comes back dead, and does not go round for ever.
fn still_bad(deployment: &Deployment, config: &str, letters_before: usize) {
    let (broker, dead) = (deployment.broker, &deployment.topics[4]);
    let bad = [
        "redrive",
        "--config",
        config,
        "--code",
        "bad_price",
        "--apply",
    ];
    let (code, text, _) = rotation(&bad, None);
    assert!(code == 0 && text.contains("1 letter went back"), "{text}");
    let is_back = || {
        let records = broker.read_committed(dead).unwrap();
        let letters = records.iter().filter(|record| record.payload.is_some());
        letters.count() == letters_before + 1
    };
    await_that("the bad record is a dead letter again", is_back);
    let (code, text, _) = rotation(&bad, None);
    assert!(code == 1 && text.contains("came back dead"), "{text}");
    assert!(text.contains("0 letters went back"), "{text}");
    let (code, text, _) = rotation(&[&bad[..], &["--again"]].concat(), None);
    assert!(code == 0 && text.contains("1 letter went back"), "{text}");
    let (code, _, errors) = rotation(&["redrive", "--config", config, "--code", "worse"], None);
    assert!(
        code == 2 && errors.contains("expected one of undecodable"),
        "{errors}"
    );
}

/// The records went back as they were, to where they came from, and are remembered.
fn assert_returned(deployment: &Deployment, letters: &[Record], ends: &BTreeMap<i32, i64>) {
    let [ticks, _, _, _, dead, _] = &deployment.topics;
    let broker = deployment.broker;
    let header = |record: &Record, name: &str| {
        let found = record.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| String::from_utf8(value.clone().unwrap()).unwrap())
    };
    let records = broker.read_committed(ticks).unwrap();
    let is_new = |record: &Record| record.offset >= *ends.get(&record.partition).unwrap_or(&0);
    let back: Vec<Record> = records.into_iter().filter(is_new).collect();
    let markers = broker.read_committed(dead).unwrap();
    for record in &back {
        let from = header(record, REDRIVEN_FROM).unwrap();
        let letter = letters
            .iter()
            .find(|letter| format!("{dead}/{}/{}", letter.partition, letter.offset) == from)
            .unwrap();
        assert_eq!(
            (&letter.key, &letter.payload),
            (&record.key, &record.payload)
        );
        let partition = header(letter, "rotation.error.partition").unwrap();
        assert_eq!(
            partition,
            record.partition.to_string(),
            "to the partition it came from"
        );
        let to = format!("{ticks}/{}/{}", record.partition, record.offset);
        let marker = markers
            .iter()
            .find(|marker| header(marker, REDRIVEN_TO) == Some(to.clone()));
        let named = header(marker.unwrap(), REDRIVEN_LETTER).unwrap();
        assert_eq!(named, format!("{}/{}", letter.partition, letter.offset));
    }
    assert_eq!(
        back.len() + 1,
        letters.len(),
        "all but the one with the bad price"
    );
}
