//! `rotation why` over the daily files: how far each shipped rule was from firing on days that are known.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::process::Command;

use rotation_service::config::Config;
use rotation_service::why::{Missing, Standing, Standings, page, why};
use rotation_tests::service::binary;
use rotation_tests::{market, workspace};
use serde_json::{Value, json};

const SHIPPED: &str = "config/small-caps.toml";

/// How the shipped rules stood on a day; `None` without the files.
fn on(day: &str) -> Option<Standings> {
    of_file(SHIPPED, day)
}

fn of_file(config: &str, day: &str) -> Option<Standings> {
    let data = market::find("daily")?;
    let config = Config::load(&workspace::root().join(config)).unwrap();
    let standings = why(&config, &data, day.parse().unwrap()).unwrap();
    assert_eq!(standings.faults, Vec::<String>::new());
    Some(standings)
}

fn of<'a>(standings: &'a Standings, rule: &str) -> &'a Standing {
    let mut rules = standings.rules.iter();
    rules.find(|standing| standing.rule == rule).unwrap()
}

/// Reading, threshold, distance, and since when an episode is open.
fn told(standing: &Standing) -> (f64, f64, f64, Option<String>) {
    let reading = standing.reading.as_ref().unwrap();
    let since = standing.open.as_ref().map(|open| open.since.to_string());
    (reading.value, reading.threshold, reading.distance, since)
}

#[test]
fn the_rotation_of_january_2026_stands_open() {
    let Some(standings) = on("2026-01-15") else {
        return;
    };
    let streak = of(&standings, "small-cap-streak");
    let opened = Some("2026-01-08".to_owned());
    assert_eq!(told(streak), (10.0, 10.0, 0.0, opened.clone()));
    let (alert, severity) = streak.open.as_ref().unwrap().told.as_ref().unwrap();
    assert_eq!(severity.name(), "warning");
    assert!(
        alert
            .headline
            .starts_with("RUT beat GSPC for the 10th session"),
        "{}",
        alert.headline
    );
    assert_eq!(
        told(of(&standings, "small-cap-record")),
        (0.0, 0.0, 0.0, opened)
    );
    // 4.17 %, armed long ago, 73 basis points from where it opens.
    let yield_ = of(&standings, "ten-year-toward-five");
    let (value, threshold, distance, since) = told(yield_);
    assert_eq!((value, threshold, since), (4.17, 4.9, None));
    assert!((distance - 0.73).abs() < 1e-9, "{distance}");
    assert_eq!(yield_.last_ended.unwrap().to_string(), "2023-11-02");
    assert!(
        standings
            .rules
            .iter()
            .all(|rule| rule.missing.is_none() && rule.sections_since == 0)
    );
}

#[test]
fn every_rule_of_the_whole_story_has_an_answer() {
    let Some(standings) = of_file("config/great-rotation.toml", "2026-01-15") else {
        return;
    };
    // The streak is the same whatever stands beside it.
    let opened = |day: &str| Some(day.to_owned());
    assert_eq!(
        told(of(&standings, "small-cap-streak")),
        (10.0, 10.0, 0.0, opened("2026-01-08"))
    );
    assert_eq!(told(of(&standings, "policy")).3, opened("2025-12-11"));
    // Of the month's prices the day knows those of December, published three days ago.
    let inflation = of(&standings, "inflation").reading_day().unwrap();
    assert_eq!(inflation.to_string(), "2026-01-12");
    // There are no short positions, and no members of the S&P 500 beside the daily files.
    let squeeze = of(&standings, "bloom-squeeze").missing.clone();
    assert_eq!(squeeze, Some(Missing::Warmth(vec!["BE_SHORT".to_owned()])));
    let breadth = of(&standings, "breadth-50");
    assert!(
        matches!(&breadth.missing, Some(Missing::Warmth(series)) if series.len() > 400),
        "{:?}",
        breadth.missing
    );
    let is_answered = |rule: &Standing| rule.reading.is_some() != rule.missing.is_some();
    assert!(standings.rules.iter().all(is_answered));
    let table = page(&standings);
    assert!(
        table.lines().all(|line| line.chars().count() <= 120),
        "{table}"
    );
}

#[test]
fn the_day_before_a_streak_opens_says_how_much_is_missing() {
    let Some(standings) = on("2026-01-07") else {
        return;
    };
    assert_eq!(
        told(of(&standings, "small-cap-streak")),
        (4.0, 5.0, 1.0, None)
    );
}

#[test]
fn on_a_day_without_a_session_the_last_one_stands() {
    // A Monday on which the exchange was closed.
    let Some(standings) = on("2026-01-19") else {
        return;
    };
    let streak = of(&standings, "small-cap-streak");
    assert_eq!(streak.reading_day().unwrap().to_string(), "2026-01-16");
    assert_eq!(told(streak).0, 11.0);
}

#[test]
fn before_a_series_begins_its_rules_say_so() {
    let Some(standings) = on("1987-09-10") else {
        return;
    };
    let data = market::find("daily").unwrap();
    // RUT's first row: 174 sections of GSPC alone and one of both were read, and no return can be told.
    let streak = of(&standings, "small-cap-streak");
    assert_eq!((streak.sections, streak.reading.is_none()), (175, true));
    let day = [
        "why",
        SHIPPED,
        "--data",
        data.to_str().unwrap(),
        "--at",
        "1987-09-09",
    ];
    let said = command(0, &day);
    assert!(said.contains("no data for RUT"), "{said}");
}

fn command(code: i32, args: &[&str]) -> String {
    let output = Command::new(binary())
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
fn the_command_prints_a_table_or_a_document() {
    let Some(data) = market::find("daily") else {
        return;
    };
    let day = [
        "why",
        SHIPPED,
        "--data",
        data.to_str().unwrap(),
        "--at",
        "2026-01-15",
    ];
    let table = command(0, &day);
    assert!(
        table.lines().all(|line| line.chars().count() <= 120),
        "{table}"
    );
    assert!(table.contains("since 2026-01-08, warning"), "{table}");
    let document: Value =
        serde_json::from_str(&command(0, &[&day[..], &["--json"]].concat())).unwrap();
    assert_eq!(document["at"], "2026-01-15");
    let streak = &document["rules"][1];
    assert_eq!(streak["rule"], "small-cap-streak");
    assert_eq!(
        (&streak["reading"], &streak["age_days"]),
        (&json!(10.0), &json!(0))
    );
    assert_eq!(
        streak["evidence"]["longest_since"],
        json!({"end": "2008-06-06", "length": 13})
    );

    let empty = tempfile::tempdir().unwrap();
    let nothing = [
        "why",
        SHIPPED,
        "--data",
        empty.path().to_str().unwrap(),
        "--at",
        "2026-01-15",
    ];
    command(2, &nothing);
    command(
        2,
        &[
            "why",
            SHIPPED,
            "--data",
            data.to_str().unwrap(),
            "--at",
            "1961-12-31",
        ],
    );
    command(2, &["why", SHIPPED, "--data", data.to_str().unwrap()]);
}
