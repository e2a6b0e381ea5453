//! `rotation score-changepoints`: the scores on the annotated series, and what the command says.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::PathBuf;
use std::process::Command;

use rotation_engine::detector::mean_shift::Params;
use rotation_service::changepoints::dataset::{self, Annotated};
use rotation_service::changepoints::{Scored, score, zero};
use rotation_sim::shifts::Told;
use rotation_tests::service::binary;
use rotation_tests::{skipped, workspace};

fn folder() -> Option<PathBuf> {
    let folder = workspace::root().join("../shared/tcpd");
    if folder.join("annotations.json").exists() {
        return Some(folder);
    }
    skipped::skip("no annotated series at ../shared/tcpd");
    None
}

fn means(scored: &[Scored]) -> (f64, f64) {
    let mean = |of: fn(&Scored) -> f64| scored.iter().map(of).sum::<f64>() / scored.len() as f64;
    (mean(|scored| scored.covering), mean(|scored| scored.f1))
}

fn shipped(all: &[Annotated]) -> Vec<Scored> {
    all.iter()
        .map(|series| score(&Params::new("series"), series))
        .collect()
}

#[test]
fn telling_nothing_scores_what_is_known_of_it() {
    let Some(folder) = folder() else { return };
    let all = dataset::read(&folder).unwrap();
    assert_eq!(all.len(), 16);
    let (covering, f1) = means(&all.iter().map(zero).collect::<Vec<_>>());
    assert!((covering - 0.615).abs() < 0.0005, "{covering}");
    assert!((f1 - 0.703).abs() < 0.0005, "{f1}");
}

#[test]
fn the_rule_as_shipped_beats_telling_nothing() {
    let Some(folder) = folder() else { return };
    let scored = shipped(&dataset::read(&folder).unwrap());
    let (covering, f1) = means(&scored);
    assert!(covering >= 0.665, "{covering}");
    assert!(f1 >= 0.75, "{f1}");
    let told = scored.iter().flat_map(|scored| &scored.told);
    let mut delays: Vec<usize> = told.map(Told::delay).collect();
    delays.sort_unstable();
    assert!(delays[delays.len() / 2] <= 40, "{delays:?}");
}

/// What is told of the first values does not change when more come.
#[test]
fn what_is_told_was_known_by_then() {
    let Some(folder) = folder() else { return };
    for series in dataset::read(&folder).unwrap() {
        let whole = score(&Params::new("series"), &series).told;
        let until = series.values.len() / 2;
        let half = Annotated {
            values: series.values[..until].to_vec(),
            annotations: Vec::new(),
            ..series
        };
        let known: Vec<Told> = whole
            .into_iter()
            .filter(|told| told.alarm < until)
            .collect();
        assert_eq!(
            score(&Params::new("series"), &half).told,
            known,
            "{}",
            half.name
        );
    }
}

/// Standardising a series, which the benchmark asks for, would change nothing.
#[test]
fn standardising_changes_nothing() {
    let Some(folder) = folder() else { return };
    for mut series in dataset::read(&folder).unwrap() {
        let plain = score(&Params::new("series"), &series);
        let present: Vec<f64> = series.values.iter().flatten().copied().collect();
        let count = present.len() as f64;
        let mean = present.iter().sum::<f64>() / count;
        let squares = present
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>();
        let deviation = (squares / count).sqrt();
        for value in series.values.iter_mut().flatten() {
            *value = (*value - mean) / deviation;
        }
        assert_eq!(
            score(&Params::new("series"), &series),
            plain,
            "{}",
            series.name
        );
    }
}

fn command(code: i32, args: &[&str]) -> String {
    let output = Command::new(binary())
        .arg("score-changepoints")
        .args(args)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .concat();
    assert_eq!(output.status.code(), Some(code), "{args:?}:\n{said}");
    said
}

#[test]
fn the_command_prints_each_series_and_the_mean() {
    let Some(folder) = folder() else { return };
    let said = command(0, &[folder.to_str().unwrap()]);
    let (covering, f1) = means(&shipped(&dataset::read(&folder).unwrap()));
    let rows: Vec<Vec<&str>> = said
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let row = |name: &str| rows.iter().find(|row| row.first() == Some(&name)).unwrap();
    assert_eq!(
        row("mean")[1..3],
        [format!("{covering:.3}"), format!("{f1:.3}")]
    );
    assert_eq!(row("mean")[3..5], ["0.615", "0.703"]);
    assert_eq!(row("nile")[1], "100");
    assert_eq!(row("uk_coal_employ").len(), 8);
}

#[test]
fn the_command_says_what_is_missing() {
    let said = command(2, &["/nowhere"]);
    assert!(
        said.contains("cannot read /nowhere/annotations.json"),
        "{said}"
    );
    command(2, &[]);
}
