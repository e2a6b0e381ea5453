//! The command `rotation backtest`: its files and its exit codes.

use std::process::Command;

use rotation_tests::service::binary;
use rotation_tests::{market, workspace};
use serde_json::{Value, json};

use super::shipped;

/// Runs the command, expects an exit code, and gives what it printed on both streams.
fn command(code: i32, args: &[&str]) -> String {
    let output = Command::new(binary())
        .arg("backtest")
        .args(args)
        .current_dir(workspace::root())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .concat();
    assert_eq!(output.status.code(), Some(code), "{args:?}:\n{said}");
    said
}

#[test]
fn the_command_writes_alerts_readings_and_a_page_twice_alike() {
    let Some(data) = market::find("daily") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let config = shipped();
    let common = [
        "--config",
        config.to_str().unwrap(),
        "--data",
        data.to_str().unwrap(),
    ];
    let window = ["--from", "2025-09-01", "--to", "2026-02-27"];
    let files = |run: &str| {
        ["alerts.ndjson", "readings.ndjson", "report.html"].map(|name| {
            folder
                .path()
                .join(format!("{run}-{name}"))
                .to_str()
                .unwrap()
                .to_owned()
        })
    };
    let mut texts = Vec::new();
    for run in ["one", "two"] {
        let [alerts, readings, report] = files(run);
        let out = [
            "--alerts",
            &alerts,
            "--readings",
            &readings,
            "--report",
            &report,
        ];
        command(0, &[&common[..], &window, &out].concat());
        texts.push([alerts, readings, report].map(|file| std::fs::read_to_string(file).unwrap()));
    }
    assert!(texts[0] == texts[1], "two runs over the same files differ");
    let [alerts, readings, report] = &texts[0];
    window_is_kept(alerts, readings);
    assert!(
        report.to_lowercase().starts_with("<!doctype html>"),
        "{}",
        &report[..80]
    );
    assert!(
        report.contains("RUT") && report.contains("small-cap-streak") && report.contains("<svg")
    );
    assert!(
        !report.contains("src=\"http"),
        "the page has to stand alone"
    );

    // All of it, as a user would.
    let said = command(0, &[&common[..], &["--quiet"]].concat());
    println!(
        "rotation backtest --quiet, built for debugging: {}",
        said.lines().last().unwrap()
    );
    assert!(said.contains(" ticks, "), "{said}");
}

fn window_is_kept(alerts: &str, readings: &str) {
    let parse = |text: &str| -> Vec<Value> {
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let (alerts, readings) = (parse(alerts), parse(readings));
    let sessions: Vec<&str> = readings
        .iter()
        .map(|reading| reading["session"].as_str().unwrap())
        .collect();
    assert_eq!(
        sessions.iter().min(),
        Some(&"2025-09-02"),
        "the first session has readings, the day before it none"
    );
    assert_eq!(sessions.iter().max(), Some(&"2026-02-27"));
    let january: Vec<&Value> = alerts
        .iter()
        .filter(|alert| {
            alert["data"]["rule"] == "small-cap-streak"
                && alert["data"]["episode"].to_string().contains("2026-01-08")
        })
        .collect();
    let states: Vec<&Value> = january
        .iter()
        .map(|alert| &alert["data"]["state"])
        .collect();
    assert_eq!(states[..1], [&json!("opened")]);
    assert_eq!(january.last().unwrap()["data"]["session"], "2026-01-23");
}

#[test]
fn exit_codes_tell_broken_rows_and_missing_files() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let minimal = workspace::root().join("config/minimal.toml");
    let minimal = minimal.to_str().unwrap();
    let rows = "date,close\n2026-01-20,2640.0\n2026-01-21,2698.17\n2026-01-22,2718.77\n";
    std::fs::write(folder.path().join("RUT.csv"), rows).unwrap();
    std::fs::write(folder.path().join("GSPC.csv"), rows).unwrap();
    command(0, &["--config", minimal, "--data", data]);
    std::fs::write(
        folder.path().join("GSPC.csv"),
        rows.replace("2698.17", "broken"),
    )
    .unwrap();
    let said = command(1, &["--config", minimal, "--data", data]);
    assert!(
        said.contains("GSPC.csv") && said.contains("broken") && said.contains('3'),
        "{said}"
    );
    let said = command(2, &["--config", "no-such.toml", "--data", data]);
    assert!(said.contains("no-such.toml"), "{said}");
    let empty = tempfile::tempdir().unwrap();
    let said = command(
        2,
        &[
            "--config",
            minimal,
            "--data",
            empty.path().to_str().unwrap(),
        ],
    );
    assert!(said.contains("RUT") && said.contains("GSPC"), "{said}");
    command(2, &["--config", minimal]);
}
