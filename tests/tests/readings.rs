//! What subscribers to readings get of a real run on real Kafka: every session once, with what it stands on.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::{BTreeMap, BTreeSet};

use rotation_tests::broker::Broker;
use rotation_tests::service::Deployment;
use rotation_tests::{market, workspace};
use rotation_wire::readings::{ReadingRecord, RuleReading, UniverseHorizon};

/// The shipped universe.
fn universe() -> String {
    let file = workspace::root().join("config/small-caps.toml");
    let text = std::fs::read_to_string(file).unwrap();
    text[text.find("[universe.us]").unwrap()..].to_owned()
}

fn read(deployment: &Deployment) -> (Vec<RuleReading>, Vec<UniverseHorizon>) {
    let (mut readings, mut horizons) = (Vec::new(), Vec::new());
    let records = deployment.broker.read_committed(&deployment.topics[5]);
    for record in records.unwrap() {
        let told = ReadingRecord::decode(record.payload.as_deref().unwrap()).unwrap();
        assert_eq!(record.key.as_deref(), Some(told.key().as_bytes()));
        match told {
            ReadingRecord::Reading(reading) => readings.push(*reading),
            ReadingRecord::Horizon(horizon) => horizons.push(horizon),
        }
    }
    (readings, horizons)
}

#[test]
fn every_session_of_a_rule_is_told_once_across_a_restart() {
    let (Some(data), Some(broker)) = (market::find("daily"), Broker::get()) else {
        return;
    };
    let deployment = Deployment::new(broker, 4, &universe()).unwrap();
    let config = deployment.config();
    let files = ["RUT", "GSPC", "DGS10"].map(|symbol| data.join(format!("{symbol}.csv")));
    let replay = |from: &str, to: &str| {
        let mut words = vec![
            "replay".into(),
            "--config".into(),
            config.clone().into_os_string(),
        ];
        words.extend(["--quiet", "--from", from, "--to", to].map(Into::into));
        words.extend(files.clone().map(Into::into));
        deployment.command(words).unwrap();
    };
    for (from, to) in [("2025-11-03", "2026-01-08"), ("2026-01-09", "2026-01-30")] {
        let mut services = [deployment.run("one", &[]).unwrap()];
        replay(from, to);
        deployment.await_done(&mut services).unwrap();
        let [service] = services;
        service.terminate().unwrap();
    }

    let (readings, horizons) = read(&deployment);
    let mut seen = BTreeSet::new();
    for reading in &readings {
        let once = (reading.rule.clone(), reading.as_of);
        assert!(seen.insert(once), "told twice: {reading:?}");
        assert_eq!(reading.clock, "session");
    }
    let streak: BTreeMap<String, &RuleReading> = readings
        .iter()
        .filter(|reading| reading.rule == "small-cap-streak")
        .map(|reading| (reading.session.unwrap().to_string(), reading))
        .collect();
    // The tenth session in a row, a fact of the market.
    let tenth = streak["2026-01-15"];
    assert_eq!((tenth.value, tenth.open), (10.0, true), "{tenth:?}");
    assert_eq!(tenth.subject, "RUT/GSPC");
    assert_eq!(tenth.inputs.keys().collect::<Vec<_>>(), ["GSPC", "RUT"]);
    assert_eq!((tenth.quality.present, tenth.quality.expected), (2, 2));
    let evidence = tenth.evidence.as_ref().unwrap();
    assert!(evidence.contains_key("length"), "{evidence:?}");
    // The sessions of January until its 30th day, without the two holidays.
    let january = streak.keys().filter(|date| date.starts_with("2026-01"));
    assert_eq!(january.count(), 20);
    assert!(horizons.iter().any(|told| told.newest.is_some()));
    let ordered = horizons.is_sorted_by_key(|told| told.horizon);
    assert!(ordered, "a horizon went back: {horizons:?}");
}
