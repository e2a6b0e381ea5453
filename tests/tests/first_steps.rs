//! What docs/FIRST-STEPS.md tells a newcomer to write and to run is so.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use rotation_tests::broker::Broker;
use rotation_tests::service::{Deployment, binary};
use rotation_tests::workspace;
use rotation_wire::input::{Input, decode};

/// The blocks of the guide in that language.
fn blocks(language: &str) -> Vec<String> {
    let guide = fs::read_to_string(workspace::root().join("docs/FIRST-STEPS.md")).unwrap();
    let fence = format!("```{language}\n");
    let blocks = guide.split(&fence).skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap().to_owned());
    blocks.collect()
}

fn rotation(args: &[&str], file: &Path, more: &[&str]) -> String {
    let mut command = Command::new(binary());
    let output = command.args(args).arg(file).args(more).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}{errors}");
    text
}

/// The rows from a day on, as a rule sees them that begins there.
fn rows_from(day: &str, from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let rows = fs::read_to_string(&path).unwrap();
        let kept = rows.lines().enumerate();
        let kept = kept.filter(|(at, row)| *at == 0 || *row >= day);
        let text: String = kept.map(|(_, row)| format!("{row}\n")).collect();
        fs::write(to.join(path.file_name().unwrap()), text).unwrap();
    }
}

#[test]
fn the_files_of_the_first_steps_do_what_the_guide_says() {
    let example = workspace::root().join("examples/first-steps");
    let [first, high, notify] = <[String; 3]>::try_from(blocks("toml")).unwrap();
    let shipped = fs::read_to_string(example.join("rotation.toml")).unwrap();
    assert_eq!(first, shipped, "the guide shows the file");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rotation.toml");
    fs::write(&file, format!("{first}\n{high}\n{notify}")).unwrap();
    let told = rotation(&["check"], &file, &[]);
    for what in ["rule streak", "rule high", "alertmanager"] {
        assert!(told.contains(what), "no {what}: {told}");
    }

    let events = |config: &Path, data: &Path| {
        let data = data.to_str().unwrap();
        let told = rotation(&["backtest", "--config"], config, &["--data", data]);
        let rows = told.lines().filter(|row| row.contains("mine/"));
        let rows = rows.map(|row| {
            let words: Vec<&str> = row.split_whitespace().collect();
            format!("{} {} {}", &words[0][..10], words[2], words[3])
        });
        rows.collect::<Vec<_>>()
    };
    let all = events(&example.join("rotation.toml"), &example.join("data"));
    let streaks = [
        "2026-01-08 opened mine/streak",
        "2026-01-13 resolved mine/streak",
        "2026-01-30 opened mine/streak",
        "2026-02-03 resolved mine/streak",
    ];
    assert_eq!(all, streaks);

    let rest = folder.path().join("rest");
    rows_from("2026-01-16", &example.join("data"), &rest);
    let cold = events(&file, &rest);
    let opened = "2026-01-30 opened mine/high".to_owned();
    assert!(cold.contains(&opened), "{cold:?}");
}

/// A service that runs waits for no partition in which nothing has come yet, so a replay tells all of them first.
#[test]
fn a_replay_into_a_running_service_gives_the_events_of_the_backtest() {
    let Some(broker) = Broker::get() else { return };
    let example = workspace::root().join("examples/first-steps");
    let text = fs::read_to_string(example.join("rotation.toml")).unwrap();
    let universe = &text[text.find("[universe.mine]").unwrap()..];
    let deployment = Deployment::new(broker, 4, universe).unwrap();
    let mut services = [deployment.run("one", &[]).unwrap()];
    services[0].await_ready().unwrap();
    let (config, data) = (deployment.config(), example.join("data"));
    let words = ["replay".as_ref(), data.as_os_str(), "--config".as_ref()];
    let replay = words.into_iter().chain([config.as_os_str()]);
    deployment.command(replay).unwrap();
    deployment.await_done(&mut services).unwrap();
    let told = deployment.alerts().unwrap();
    assert_eq!(told, deployment.backtest(&data, &[]).unwrap());
    assert_eq!(told["mine/streak/ABC/XYZ"].len(), 4);
    services[0].signal("TERM").unwrap();

    let mut firsts = BTreeMap::new();
    for record in broker.read_committed(&deployment.topics[0]).unwrap() {
        firsts.entry(record.partition).or_insert(record.payload);
    }
    for partition in 0..4 {
        let first = firsts[&partition].as_deref().unwrap();
        let Ok(Input::Heartbeat { time }) = decode(first) else {
            panic!("partition {partition} begins with {first:?}");
        };
        assert_eq!(time.to_string(), "2025-12-01T20:59:30Z");
    }
}

/// What a target would run, without what it stands on.
fn recipe(target: &str, more: &[&str]) -> String {
    let mut make = Command::new("make");
    make.args(["--dry-run", target]).args(more);
    // A make around the tests has told its own.
    for told in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PORT"] {
        make.env_remove(told);
    }
    let output = make.current_dir(workspace::root()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let script = format!("scripts/{target}");
    let line = text.lines().find(|line| line.contains(&script));
    line.unwrap().trim_end().to_owned()
}

#[test]
fn each_thing_to_try_has_its_own_port_and_takes_another() {
    for target in ["broker", "alertmanager"] {
        let own = recipe(target, &[]);
        assert!(own.ends_with(&format!("target/{target}")), "{own}");
        let other = recipe(target, &["PORT=9193"]);
        assert!(other.ends_with(&format!("target/{target} 9193")), "{other}");
    }
}
