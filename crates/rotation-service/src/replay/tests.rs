//! The command without Kafka: files in, input records out.

use super::*;
use clap::Parser;
use rotation_engine::calendar::{Calendar, Session};
use rotation_wire::input::{Input, decode};
use std::fs;
use std::path::Path;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: ReplayArgs,
}

fn args(words: &[&str]) -> ReplayArgs {
    let words = ["replay"].into_iter().chain(words.iter().copied());
    let command = Command::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    command.args
}

/// Replays files, given as name and text, and returns the report and the lines written.
fn run(files: &[(&str, &str)], flags: &[&str]) -> (Report, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    for (name, text) in files {
        fs::write(data.join(name), text).unwrap();
    }
    let out = dir.path().join("out.ndjson");
    let to: [&Path; 2] = [&data, &out];
    let [data, out] = to.map(|path| path.to_str().unwrap());
    let words = [&[data, "--output", out, "--quiet"], flags].concat();
    let report = replay(&args(&words), &AtomicBool::new(false)).unwrap();
    let text = fs::read_to_string(out).unwrap();
    (report, text.lines().map(str::to_owned).collect())
}

const RUT: &str = "date,close\n2026-01-21,2698.17\n2026-01-22,2718.77\n";
const DGS10: &str = "DATE,DGS10\n2026-01-19,.\n2026-01-21,4.26\n2026-01-22,4.26\n";

#[test]
fn files_become_input_records_in_order_of_time() {
    let (report, lines) = run(
        &[("RUT.csv", RUT), ("DGS10.csv", DGS10)],
        &["--calendar", "DGS10=US-BOND"],
    );
    assert_eq!(
        lines,
        [
            r#"{"symbol":"RUT","time":"2026-01-21T21:00:00Z","price":2698.17,"official":true}"#,
            r#"{"type":"heartbeat","time":"2026-01-21T21:00:00.000000001Z"}"#,
            r#"{"symbol":"DGS10","time":"2026-01-21T22:00:00Z","price":4.26,"official":true}"#,
            r#"{"type":"heartbeat","time":"2026-01-21T22:00:00.000000001Z"}"#,
            r#"{"symbol":"RUT","time":"2026-01-22T21:00:00Z","price":2718.77,"official":true}"#,
            r#"{"type":"heartbeat","time":"2026-01-22T21:00:00.000000001Z"}"#,
            r#"{"symbol":"DGS10","time":"2026-01-22T22:00:00Z","price":4.26,"official":true}"#,
            r#"{"type":"heartbeat","time":"2026-01-23T10:00:01Z"}"#,
        ]
    );
    assert_eq!(
        (report.records, report.heartbeats, report.exit_code()),
        (4, 4, 0)
    );
    let [(path, skip)] = &report.skips[..] else {
        panic!("{:?}", report.skips)
    };
    assert!(path.ends_with("DGS10.csv"));
    assert_eq!(
        (skip.count, skip.first_line, &*skip.first),
        (1, 2, "2026-01-19")
    );
    let summary = report.to_string();
    for said in [
        "4 records",
        "4 heartbeats",
        "DGS10.csv: 1 row without a value",
        "2026-01-22T22:00:00Z",
    ] {
        assert!(summary.contains(said), "{said} in {summary}");
    }
}

#[test]
fn what_was_written_replays_to_the_same_ticks() {
    let (_, lines) = run(&[("RUT.csv", RUT)], &[]);
    let (report, again) = run(&[("all.ndjson", &lines.join("\n"))], &["--no-heartbeats"]);
    assert_eq!(again, lines);
    assert_eq!((report.records, report.heartbeats), (2, 2));
}

#[test]
fn unreadable_rows_are_told_once_a_kind_and_the_rest_is_sent() {
    let bad = "date,close\n2026-01-20,x\n2026-01-21,1\n2026-01-22,y\n2026-01-21,2\n2026-01-23,3\n";
    let (report, lines) = run(&[("RUT.csv", bad)], &["--no-heartbeats"]);
    assert_eq!((lines.len(), report.records, report.exit_code()), (2, 2, 1));
    let errors: Vec<String> = report.errors().collect();
    let [fields, order] = &errors[..] else {
        panic!("{errors:?}")
    };
    assert!(
        fields.contains("RUT.csv:2:") && fields.contains("\"x\"") && fields.contains("and 1 more"),
        "{fields}"
    );
    assert!(
        order.contains("RUT.csv:5:") && !order.contains("more"),
        "{order}"
    );
}

#[test]
fn strict_stops_at_the_first_unreadable_row() {
    let bad = "date,close\n2026-01-20,1\n2026-01-21,x\n2026-01-22,3\n";
    let (report, lines) = run(&[("RUT.csv", bad)], &["--strict", "--no-heartbeats"]);
    assert_eq!(
        (lines.len(), report.exit_code(), report.ending),
        (1, 1, Ending::Strict)
    );
}

#[test]
fn other_files_of_a_directory_are_named_and_a_directory_without_data_is_an_error() {
    let (report, lines) = run(
        &[("RUT.csv", RUT), ("notes.txt", "buy low\n")],
        &["--no-heartbeats"],
    );
    assert_eq!((lines.len(), report.exit_code()), (2, 0));
    assert!(report.to_string().contains("notes.txt"), "{report}");

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let error = replay(&args(&[path, "--output", "-"]), &AtomicBool::new(false)).unwrap_err();
    assert!(error.to_string().contains(path), "{error}");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn a_raised_flag_ends_the_replay_and_what_was_sent_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("RUT.csv"), dir.path().join("out.ndjson"));
    fs::write(&file, RUT).unwrap();
    let words = [
        file.to_str().unwrap(),
        "--output",
        out.to_str().unwrap(),
        "--speed",
        "1",
        "--quiet",
    ];
    let report = replay(&args(&words), &AtomicBool::new(true)).unwrap();
    assert_eq!(
        (report.records, report.exit_code(), report.ending),
        (0, 130, Ending::Interrupted)
    );
}

#[test]
fn a_speed_spreads_the_records_over_the_wall_clock() {
    // Two records 20 ms of wall clock apart.
    let bars = concat!(
        r#"{"symbol":"A","time":"2026-01-22T15:00:00Z","price":1}"#,
        "\n",
        r#"{"symbol":"A","time":"2026-01-22T15:00:02Z","price":1}"#,
    );
    let (report, lines) = run(
        &[("a.ndjson", bars)],
        &["--speed", "100", "--no-heartbeats"],
    );
    assert_eq!(lines.len(), 2);
    assert!(report.took.as_millis() >= 20, "{:?}", report.took);
}

#[test]
fn every_record_of_real_files_decodes() {
    let market = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/market");
    if !market.is_dir() {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "no {}",
            market.display()
        );
        eprintln!(
            "SKIPPED: every_record_of_real_files_decodes: no {}",
            market.display()
        );
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.ndjson");
    let files = ["daily/RUT.csv", "daily/DGS10.csv", "intraday/RUT_5m.csv.gz"];
    let files = files.map(|file| market.join(file).to_str().unwrap().to_owned());
    let flags = [
        "--output",
        out.to_str().unwrap(),
        "--calendar",
        "DGS10=US-BOND",
        "--as",
        "RUT_5m=RUT.5m",
        "--quiet",
    ];
    let words: Vec<&str> = files
        .iter()
        .map(String::as_str)
        .chain(flags)
        .chain(["--from", "2026-01-01", "--seq"])
        .collect();
    let report = replay(&args(&words), &AtomicBool::new(false)).unwrap();
    assert_eq!(report.exit_code(), 0, "{report}");
    let (mut heartbeats, mut horizon) = (0, EventTime::MIN);
    let text = fs::read_to_string(&out).unwrap();
    for line in text.lines() {
        match decode(line.as_bytes()).unwrap() {
            Input::Tick { symbol, tick } => {
                assert!(tick.seq.is_some(), "{line}");
                assert_eq!(tick.official, symbol != "RUT.5m", "{line}");
                assert!(
                    tick.time >= horizon,
                    "{line} after a heartbeat of {horizon}"
                );
            }
            Input::Heartbeat { time } => {
                assert!(time > horizon, "{time} after {horizon}");
                (horizon, heartbeats) = (time, heartbeats + 1);
            }
            Input::Split { .. } | Input::Void { .. } => panic!("{line}"),
        }
    }
    assert_eq!(report.heartbeats, heartbeats);
    assert_eq!(
        text.lines().count() as u64,
        report.records + report.heartbeats
    );
    // Each session of either calendar is ended once; the last heartbeat stands for those that end with the file.
    let (first, last) = report.span.unwrap();
    let sessions = |calendar: Calendar| {
        let ended = |session: &Session| session.close.saturating_add(30_000_000_001) <= last;
        calendar
            .sessions(first.utc_date(), last.utc_date())
            .filter(ended)
            .count() as u64
    };
    let expected = sessions(Calendar::Xnys) + sessions(Calendar::UsBond) + 1;
    assert!(expected > 300, "{expected}");
    assert_eq!(heartbeats, expected);
}
