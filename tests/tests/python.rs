//! Readings, and calendars, against independent computations in Python: pandas, statsmodels, TA-Lib and two published
//! exchange calendars.
//!
//! `make python` installs what they need; without it these tests are recorded as skipped.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::Span;
use jiff::civil::date;
use rotation_engine::calendar::Calendar;
use rotation_engine::detector::Kind;
use rotation_engine::universe::ReadingDetail;
use rotation_service::backtest::{Request, backtest};
use rotation_service::config::Config;
use rotation_tests::{market, skipped, workspace};

/// The interpreter with the packages of `tests/python/requirements.txt`; `None` without them.
fn interpreter() -> Option<PathBuf> {
    let named = env::var_os("ROTATION_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| workspace::root().join(".cache/python/bin/python"));
    if python.is_file() {
        return Some(python);
    }
    skipped::skip(&format!("no {}: make python", python.display()));
    None
}

fn script(python: &Path, name: &str) -> Command {
    let mut command = Command::new(python);
    command.arg(workspace::root().join("tests/python").join(name));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn rules(name: &str) -> String {
    let path = workspace::root().join("tests/python/rules").join(name);
    fs::read_to_string(path).unwrap()
}

/// The daily files, and beside them what is sold short of a share: that is made up.
fn data(daily: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in fs::read_dir(daily).unwrap() {
        let file = file.unwrap().path().canonicalize().unwrap();
        symlink(&file, folder.path().join(file.file_name().unwrap())).unwrap();
    }
    let mut prints = String::from("date,close\n");
    let days = date(1990, 1, 1).series(Span::new().days(12));
    for (day, print) in days.take_while(|day| day.year() < 2027).zip(0_u32..) {
        writeln!(prints, "{day},{}", 1_000 + 100 * (print * 7 % 11)).unwrap();
    }
    fs::write(folder.path().join("SHORT.csv"), prints).unwrap();
    folder
}

/// Runs rules over the daily files, and has each of their readings computed anew.
fn check(rules: &str, detail: ReadingDetail) {
    let (Some(daily), Some(python)) = (market::find("daily"), interpreter()) else {
        return;
    };
    let data = data(&daily);
    let config = Config::parse(rules, "rules.toml").unwrap();
    let request = Request {
        config: &config,
        data: data.path(),
        from: None,
        to: None,
        detail,
    };
    let outcome = backtest(&request).unwrap();
    assert_eq!(outcome.faults, Vec::<String>::new());
    let folder = tempfile::tempdir().unwrap();
    let mut lines = Vec::new();
    for reading in &outcome.readings {
        serde_json::to_writer(&mut lines, reading).unwrap();
        lines.push(b'\n');
    }
    fs::write(folder.path().join("readings.ndjson"), lines).unwrap();
    fs::write(folder.path().join("rules.toml"), rules).unwrap();
    let mut script = script(&python, "check_readings.py");
    let output = script.args([folder.path(), data.path()]).output().unwrap();
    let [said, faults] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    eprintln!("{said}");
    assert!(output.status.success(), "{faults}");
}

fn check_share(symbol: &str) {
    check(
        &rules("shares.toml").replace("SERIES", symbol),
        ReadingDetail::Values,
    );
}

#[test]
fn readings_of_the_russell_2000() {
    check_share("RUT");
}

#[test]
fn readings_of_the_s_and_p_500() {
    check_share("GSPC");
}

#[test]
fn readings_of_its_fund() {
    check_share("SPY");
}

#[test]
fn readings_of_the_fund_of_small_companies() {
    check_share("IWM");
}

#[test]
fn readings_of_regional_banks() {
    check_share("KRE");
}

#[test]
fn readings_of_rates_prices_and_groups() {
    check(&rules("markets.toml"), ReadingDetail::Values);
}

#[test]
fn numbers_in_the_evidence() {
    check(&rules("told.toml"), ReadingDetail::Evidence);
}

/// Kinds whose readings are made of those of other rules, which are held against Python here.
const COMPOSED: [&str; 3] = ["confluence", "expression", "regime"];

#[test]
fn every_numeric_kind_is_held_against_python() {
    let mut checked: BTreeSet<&str> = COMPOSED.into();
    let files = [
        rules("shares.toml").replace("SERIES", "RUT"),
        rules("markets.toml"),
    ];
    for text in files {
        let config = Config::parse(&text, "rules.toml").unwrap();
        let rules = config.universes.iter().flat_map(|universe| &universe.rules);
        checked.extend(rules.map(|rule| rule.kind.name()));
    }
    let all: BTreeSet<&str> = Kind::NAMES.iter().copied().collect();
    assert_eq!(checked, all);
}

fn check_sessions(calendar: Calendar) {
    let Some(python) = interpreter() else { return };
    let mut sessions = String::from("date,open,close\n");
    for session in calendar.sessions(calendar.first_date(), calendar.last_date()) {
        let (date, open, close) = (session.date, session.open, session.close);
        writeln!(sessions, "{date},{open},{close}").unwrap();
    }
    let mut script = script(&python, "check_calendars.py");
    let mut running = script
        .arg(calendar.name())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    running
        .stdin
        .take()
        .unwrap()
        .write_all(sessions.as_bytes())
        .unwrap();
    let output = running.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && !said.contains("SKIPPED"),
        "{said}"
    );
    eprintln!("{said}");
}

#[test]
fn sessions_of_shares() {
    check_sessions(Calendar::Xnys);
}

#[test]
fn sessions_of_bonds() {
    check_sessions(Calendar::UsBond);
}
