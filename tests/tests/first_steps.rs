//! What docs/FIRST-STEPS.md tells a newcomer to write and to run is so.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::fs;
use std::path::Path;
use std::process::Command;

use rotation_tests::service::binary;
use rotation_tests::workspace;

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
