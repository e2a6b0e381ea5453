//! Base rates of the shipped configuration over the daily files: what streaks of five are worth.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::process::Command;

use rotation_service::calibrate::{Calibrated, Calibration, Null, Settings, calibrate};
use rotation_service::config::Config;
use rotation_tests::service::binary;
use rotation_tests::{market, workspace};
use serde_json::Value;

const SHIPPED: &str = "config/small-caps.toml";

/// A calibration of the shipped rules over all of the files; `None` without them.
fn shipped(settings: &Settings) -> Option<Calibration> {
    let data = market::find("daily")?;
    let config = Config::load(&workspace::root().join(SHIPPED)).unwrap();
    let calibration = calibrate(&config, &data, (None, None), settings, &|_, _| {}).unwrap();
    assert_eq!(calibration.faults, Vec::<String>::new());
    Some(calibration)
}

fn streak(calibration: &Calibration) -> &Calibrated {
    let mut rules = calibration.rules.iter();
    rules.find(|rule| rule.rule == "small-cap-streak").unwrap()
}

/// Runs of at least `length` a year where a session is won with probability `p`, whatever the others did.
fn by_chance(p: f64, length: i32) -> f64 {
    252.0 * (1.0 - p) * p.powi(length)
}

/// The share of sessions in which RUT's return beats that of GSPC, counted apart from the engine.
fn won() -> f64 {
    let folder = market::find("daily").unwrap();
    let [rut, gspc] = ["RUT.csv", "GSPC.csv"].map(|name| market::closes(&folder.join(name)));
    let both: Vec<(f64, f64)> = rut
        .iter()
        .filter_map(|(date, rut)| Some((*rut, *gspc.get(date)?)))
        .collect();
    let wins = both
        .windows(2)
        .filter(|pair| pair[1].0 / pair[0].0 > pair[1].1 / pair[0].1);
    wins.count() as f64 / (both.len() - 1) as f64
}

#[test]
fn streaks_of_five_are_what_coins_do() {
    let settings = Settings {
        replicates: 24,
        block: 1.0,
        ..Settings::default()
    };
    let Some(drawn) = shipped(&settings) else {
        return;
    };
    let streak = streak(&drawn);
    let history = streak.per_year.unwrap();
    assert!((history - 4.3).abs() < 0.05, "{history} a year in history");
    assert!((streak.years - 38.9).abs() < 0.1, "{}", streak.years);

    // A history of 39 years has some 160 runs, so the mean of 24 has a standard error of 0.065 a year.
    let p = won();
    assert!((p - 0.504).abs() < 0.0005, "{p} of the sessions are won");
    let (chance, expected) = (streak.null.unwrap().mean, by_chance(p, 5));
    assert!((expected - 4.06).abs() < 0.05, "{expected}");
    assert!(
        (chance - expected).abs() < 0.2,
        "{chance}, {expected} expected"
    );

    let fair = shipped(&Settings {
        null: Null::Fair,
        ..settings
    });
    let fair = self::streak(&fair.unwrap()).null.unwrap().mean;
    let expected = by_chance(0.5, 5);
    assert!((fair - expected).abs() < 0.2, "{fair}, {expected} expected");
    println!(
        "runs of five a year: {history:.2} in history, {chance:.2} by chance, {fair:.2} with fair coins"
    );
}

#[test]
fn a_streak_that_chance_makes_once_a_year_takes_seven_or_eight_sessions() {
    let settings = Settings {
        replicates: 8,
        ..Settings::default()
    };
    let Some(drawn) = shipped(&settings) else {
        return;
    };
    let level = streak(&drawn).level.unwrap();
    assert_eq!(level.now, 5.0);
    // By the formula seven come 1.03 times a year and eight 0.52 times.
    assert!([7.0, 8.0].contains(&level.wanted), "{level:?}");
    assert!((0.3..=1.0).contains(&level.per_year), "{level:?}");
    // Blocks keep what one session tells of the next; chance is then no more than history, and no less than coins.
    let streak = streak(&drawn);
    let (chance, apart) = (streak.null.unwrap(), streak.per_year_independent.unwrap());
    assert!((3.6..4.7).contains(&chance.mean), "{chance:?}");
    assert!((3.6..4.5).contains(&apart), "{apart}");
}

/// Runs the command, expects an exit code, and gives what it printed on standard output.
fn command(code: i32, args: &[&str]) -> String {
    let output = Command::new(binary())
        .args(args)
        .current_dir(workspace::root())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        output.status.code(),
        Some(code),
        "{args:?}:\n{said}{errors}"
    );
    assert!(
        !errors.contains("histories"),
        "no progress bar but on a terminal: {errors}"
    );
    said
}

#[test]
fn the_command_prints_a_table_rates_to_paste_and_a_document() {
    let Some(data) = market::find("daily") else {
        return;
    };
    let common = [
        "calibrate",
        SHIPPED,
        "--data",
        data.to_str().unwrap(),
        "--replicates",
        "2",
    ];
    let with = |more: &[&str]| command(0, &[&common[..], more].concat());

    let table = with(&["--from", "2015-01-01"]);
    assert!(
        table.lines().all(|line| line.chars().count() <= 120),
        "{table}"
    );
    let row = table
        .lines()
        .find(|line| line.starts_with("small-cap-streak"));
    assert!(row.unwrap().contains(" 11.6 "), "years since 2015: {table}");

    let rates: toml::Table = with(&["--toml"]).parse().unwrap();
    let rate = &rates["universe"]["us"]["rules"]["small-cap-streak"]["base_rate"];
    assert_eq!(rate["per_year"].as_float(), Some(4.26));
    assert!(rate["per_year_null"].as_float().is_some());

    let (one, two) = (with(&["--json"]), with(&["--json", "--threads", "1"]));
    assert_eq!(one, two, "the same seed gives the same figures");
    let document: Value = serde_json::from_str(&one).unwrap();
    assert_eq!(document["settings"]["block"], 20.0);
    assert_eq!(document["rules"][1]["openings"], 166);
    assert_eq!(document["rules"][1]["level"]["now"], 5.0);
}

#[test]
fn wrong_usage_is_told_by_the_exit_code() {
    let empty = tempfile::tempdir().unwrap();
    let data = empty.path().to_str().unwrap();
    command(2, &["calibrate", SHIPPED, "--data", data]);
    command(2, &["calibrate", "no-such.toml", "--data", data]);
    for wrong in [
        ["--block", "0"],
        ["--budget", "0"],
        ["--null", "coin"],
        ["--replicates", "0"],
    ] {
        command(
            2,
            &[&["calibrate", SHIPPED, "--data", data][..], &wrong].concat(),
        );
    }
}
