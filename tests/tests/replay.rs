//! `rotation replay` into Apache Kafka.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use rotation_engine::output::{DropCode, Output};
use rotation_engine::plan::UniversePlan;
use rotation_engine::sampler::Sampler;
use rotation_engine::time::EventTime;
use rotation_service::config::Config;
use rotation_service::replay::{Ending, ReplayArgs, ReplayError, Report, replay};
use rotation_tests::broker::{Broker, Record, unique};
use rotation_tests::{skipped, workspace};
use rotation_wire::input::{Input, decode};
use rotation_wire::partition::partition_for;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: ReplayArgs,
}

fn args(words: &[&str]) -> ReplayArgs {
    let words = ["replay", "--quiet"]
        .into_iter()
        .chain(words.iter().copied());
    let command = Command::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    command.args
}

fn go(words: &[&str]) -> Result<Report, ReplayError> {
    replay(&args(words), &AtomicBool::new(false))
}

/// The daily files of the shipped configuration, where the market data are.
fn daily() -> Option<Vec<String>> {
    let folder = workspace::root().join("../shared/market/daily");
    if !folder.is_dir() {
        skipped::skip("no market data in ../shared/market");
        return None;
    }
    let names = ["RUT.csv", "GSPC.csv", "DGS10.csv"];
    Some(
        names
            .map(|name| folder.join(name).to_str().unwrap().to_owned())
            .into(),
    )
}

fn config() -> String {
    let path = workspace::root().join("config/small-caps.toml");
    path.to_str().unwrap().to_owned()
}

/// Rows of a file from a date on that hold a value.
fn rows_from(file: &str, date: &str) -> usize {
    let text = fs::read_to_string(file).unwrap();
    let rows = text.lines().skip(1).filter(|line| *line >= date);
    rows.filter(|line| !line.ends_with(',') && !line.ends_with(",."))
        .count()
}

fn payloads(records: &[&Record]) -> Vec<String> {
    let text = |record: &&Record| String::from_utf8(record.payload.clone().unwrap()).unwrap();
    records.iter().map(text).collect()
}

#[test]
fn daily_files_lie_on_the_topic_by_key_in_order_with_heartbeats_everywhere() {
    let Some(files) = daily() else { return };
    let Some(broker) = Broker::get() else { return };
    let (topic, config) = (unique("replay-daily"), config());
    broker.create_topics(&[(&topic, 4, &[])]).unwrap();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let common = [
        &files[..],
        &["--config", config.as_str(), "--from", "2026-01-01"],
    ]
    .concat();
    let to = ["--topic", &topic, "--brokers", broker.bootstrap()];
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let report = go(&[&common[..], &to].concat()).unwrap();
    assert_eq!(
        (report.exit_code(), report.partitions),
        (0, Some(4)),
        "{report}"
    );

    // The same input records as without Kafka, in the same order within each partition.
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("out.ndjson");
    let written = written.to_str().unwrap();
    go(&[&common[..], &["--output", written]].concat()).unwrap();
    let written = fs::read_to_string(written).unwrap();
    let records = broker.read_committed(&topic).unwrap();
    for partition in 0..4 {
        let found: Vec<&Record> = records
            .iter()
            .filter(|record| record.partition == partition)
            .collect();
        let expected = written
            .lines()
            .filter(|line| match decode(line.as_bytes()).unwrap() {
                Input::Tick { symbol, .. } => {
                    partition_for(symbol.as_bytes(), 4) == partition.cast_unsigned()
                }
                Input::Heartbeat { .. } => true,
                Input::Split { .. } | Input::Void { .. } => panic!("{line}"),
            });
        assert_eq!(
            payloads(&found),
            expected.collect::<Vec<_>>(),
            "partition {partition}"
        );
    }
    counts_are_those_of_the_files(&records, &report, &files, before);
}

fn counts_are_those_of_the_files(
    records: &[Record],
    report: &Report,
    files: &[&str],
    before: Duration,
) {
    let mut ticks = BTreeMap::new();
    let mut heartbeats = 0;
    for record in records {
        let payload = record.payload.as_deref().unwrap();
        match decode(payload).unwrap() {
            Input::Tick { symbol, tick } => {
                assert!(tick.official);
                assert_eq!(record.key.as_deref(), Some(symbol.as_bytes()));
                *ticks.entry(symbol.into_owned()).or_insert(0) += 1;
            }
            _ => {
                assert_eq!(record.key, None);
                heartbeats += 1;
            }
        }
        // Brokers delete by these timestamps: that of the replay, not of the market.
        assert!(u128::try_from(record.timestamp.unwrap()).unwrap() >= before.as_millis());
    }
    let expected = ["RUT", "GSPC", "DGS10"]
        .iter()
        .zip(files)
        .map(|(symbol, file)| ((*symbol).to_owned(), rows_from(file, "2026-01-01")));
    assert_eq!(ticks, expected.collect());
    assert_eq!(ticks.values().sum::<usize>() as u64, report.records);
    assert_eq!(heartbeats, 4 * report.heartbeats);
    assert!(report.heartbeats > 300);
}

#[test]
fn a_topic_that_is_not_there_is_an_error_and_is_not_made() {
    let Some(broker) = Broker::get() else { return };
    let (_folder, file) = one_file("RUT.csv", "date,close\n2026-01-22,2718.77\n");
    let topic = unique("replay-missing");
    for _ in 0..2 {
        let words = [
            file.as_str(),
            "--topic",
            &topic,
            "--brokers",
            broker.bootstrap(),
        ];
        let error = go(&words).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains(&topic), "{error}");
    }
}

#[test]
fn settings_that_librdkafka_refuses_are_wrong_usage() {
    let (_folder, file) = one_file("RUT.csv", "date,close\n2026-01-22,2718.77\n");
    for (property, said) in [
        ("linger.millis=5", "linger.millis"),
        ("compression.type=zip", "compression.type"),
        ("acks=0", "acks"),
    ] {
        let words = [file.as_str(), "--brokers", "127.0.0.1:1", "-X", property];
        let error = go(&words).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error:?}");
        let cause = std::error::Error::source(&error).unwrap();
        let told = format!("{error}: {cause}");
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn brokers_that_do_not_answer_are_named_with_what_was_met() {
    // A port that nobody listens on: bound once, then let go.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let (_folder, file) = one_file("RUT.csv", "date,close\n2026-01-22,2718.77\n");
    let error = go(&[file.as_str(), "--brokers", &address]).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    let said = error.to_string();
    assert!(
        said.contains(&address) && said.contains("Connection refused"),
        "{said}"
    );
}

#[test]
fn what_the_broker_refuses_is_told_with_symbol_and_time() {
    let Some(broker) = Broker::get() else { return };
    let topic = unique("replay-refused");
    broker
        .create_topics(&[(&topic, 1, &[("max.message.bytes", "1000")])])
        .unwrap();
    let long = format!(
        r#"{{"symbol":"RUT","time":"2026-01-22T20:00:01Z","price":1,"note":"{}"}}"#,
        "x".repeat(4_000)
    );
    let short = r#"{"symbol":"RUT","time":"2026-01-22T20:00:00Z","price":1}"#;
    let (_folder, file) = one_file("RUT.ndjson", &format!("{short}\n{long}\n"));
    let words = [
        file.as_str(),
        "--topic",
        &topic,
        "--brokers",
        broker.bootstrap(),
    ];
    // Each record a batch of its own.
    let more = [
        "-X",
        "batch.num.messages=1",
        "-X",
        "compression.type=none",
        "--no-heartbeats",
    ];
    let report = go(&[&words[..], &more].concat()).unwrap();
    assert_eq!((report.exit_code(), report.undelivered), (3, 1), "{report}");
    let errors: Vec<String> = report.errors().collect();
    assert!(
        errors[0].contains("RUT at 2026-01-22T20:00:01Z"),
        "{errors:?}"
    );
    let records = broker.read_committed(&topic).unwrap();
    assert_eq!(payloads(&records.iter().collect::<Vec<_>>()), [short]);
}

#[test]
fn an_interrupted_replay_leaves_what_it_counted() {
    let Some(broker) = Broker::get() else { return };
    let topic = unique("replay-interrupted");
    broker.create_topics(&[(&topic, 2, &[])]).unwrap();
    // Five hours of event time at its own speed, after two seconds' worth at once.
    let bars: String = (0..4_000)
        .map(|n| {
            let second = if n < 2_000 {
                n / 1_000
            } else {
                2 + (n - 2_000) * 4
            };
            let time = EventTime::from_nanos((1_769_094_000 + second) * 1_000_000_000);
            format!(
                "{{\"symbol\":\"S{}\",\"time\":\"{time}\",\"price\":1}}\n",
                n % 7
            )
        })
        .collect();
    let (_folder, file) = one_file("bars.ndjson", &bars);
    let stop = Arc::new(AtomicBool::new(false));
    let args = args(&[
        file.as_str(),
        "--topic",
        &topic,
        "--brokers",
        broker.bootstrap(),
        "--speed",
        "1",
    ]);
    let report = std::thread::scope(|scope| {
        let run = scope.spawn(|| replay(&args, &stop));
        while broker.read_committed(&topic).unwrap().len() < 2_000 {
            assert!(!run.is_finished(), "the replay ended by itself");
        }
        stop.store(true, Ordering::Relaxed);
        run.join().unwrap().unwrap()
    });
    assert_eq!(
        (report.ending, report.exit_code()),
        (Ending::Interrupted, 130)
    );
    assert!((2_000..4_000).contains(&report.records), "{report}");
    let records = broker.read_committed(&topic).unwrap();
    assert_eq!(records.len() as u64, report.records);
    assert_eq!(report.undelivered, 0);
}

#[test]
fn a_numbered_replay_repeated_is_dropped_as_duplicates() {
    let Some(files) = daily() else { return };
    let config = config();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.ndjson");
    let words: Vec<&str> = files.iter().map(String::as_str).collect();
    let flags = [
        "--config",
        config.as_str(),
        "--seq",
        "--output",
        out.to_str().unwrap(),
    ];
    let report = go(&[&words[..], &flags].concat()).unwrap();
    let plan = Config::load(config.as_ref()).unwrap().universes[0].clone();
    let once = sampled(&plan, &[&out]);
    let twice = sampled(&plan, &[&out, &out]);
    assert_eq!(once, (report.records, 0));
    assert_eq!(twice, (report.records, report.records));
}

/// Ticks accepted, and dropped as duplicates, of files of input records read one after the other.
fn sampled(plan: &Arc<UniversePlan>, files: &[&PathBuf]) -> (u64, u64) {
    let mut sampler = Sampler::new(Arc::clone(plan), 0, 1);
    let mut out = Vec::new();
    for file in files {
        for line in fs::read_to_string(file).unwrap().lines() {
            match decode(line.as_bytes()).unwrap() {
                Input::Tick { symbol, tick } => {
                    let series = sampler.slot(&symbol).unwrap();
                    sampler.tick(series, &tick, None, 0, &mut out);
                }
                Input::Heartbeat { time } => sampler.heartbeat(time, None, 0, &mut out),
                Input::Split { .. } | Input::Void { .. } => panic!("{line}"),
            }
        }
    }
    sampler.flush(0, &mut out);
    out.iter()
        .fold((0, 0), |(accepted, duplicates), output| match output {
            Output::Accepted { ticks } => (accepted + ticks, duplicates),
            Output::Dropped {
                code: DropCode::Duplicate,
                ..
            } => (accepted, duplicates + 1),
            Output::Dropped { .. } | Output::Rejected { .. } => panic!("{output:?}"),
            _ => (accepted, duplicates),
        })
}

fn one_file(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (folder, file)
}
