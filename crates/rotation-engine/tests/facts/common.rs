//! What tests of detectors on real closes share.
//!
//! The data lie beside the repository, in `../shared/market`. Without them these tests say so and pass, except where
//! the environment says `CI=true`.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use jiff::civil::Date;
use rotation_engine::clock::{Bucket, DAY, date_key};
use rotation_engine::detector::{Account, Change, Kind, Names, Step, Unit};
use rotation_engine::section::{Point, Section};
use rotation_engine::time::EventTime;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// What a rule said at a session.
pub struct Said {
    pub date: Date,
    pub step: Step,
    pub account: Account,
}

impl Said {
    pub fn evidence(&self) -> Value {
        serde_json::to_value(&self.account.evidence).unwrap()
    }
}

/// Closes by date; none where the data are missing and may be.
pub fn closes(symbol: &str) -> Option<BTreeMap<Date, f64>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/market/daily");
    let path = folder.join(format!("{symbol}.csv"));
    if !path.exists() {
        skip(&format!("{} is missing", path.display()));
        return None;
    }
    let mut file = csv::Reader::from_path(&path).unwrap();
    let column = file
        .headers()
        .unwrap()
        .iter()
        .position(|name| name == "close")
        .unwrap();
    let rows = file.records().map(|row| {
        let row = row.unwrap();
        (row[0].parse().unwrap(), row[column].parse().unwrap())
    });
    Some(rows.collect())
}

/// Says past the harness's capture that the running test cannot run, and notes it where `make test` looks.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("facts");
    assert_ne!(
        std::env::var("CI").as_deref(),
        Ok("true"),
        "{test} cannot run: {reason}"
    );
    let _ = writeln!(std::io::stderr(), "SKIPPED: facts::{test}: {reason}");
    let list = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/skipped-tests.txt");
    let mut list = OpenOptions::new()
        .create(true)
        .append(true)
        .open(list)
        .unwrap();
    writeln!(list, "facts::{test}: {reason}").unwrap();
}

pub fn session(date: Date) -> Bucket {
    let start = EventTime::from_nanos(date_key(date) * DAY);
    let as_of = start.saturating_add(DAY - 1);
    Bucket {
        start,
        end: start.saturating_add(DAY),
        as_of,
        date: Some(date),
    }
}

/// Steps a rule through every date on which one of its series has a close.
pub fn run(kind: &str, params: Value, unit: Unit) -> Option<Vec<Said>> {
    let kind = Kind::deserialize(kind, params).unwrap().unwrap();
    kind.check().unwrap();
    let symbols = kind.inputs();
    let units = vec![unit; symbols.len()];
    kind.check_units(&units).unwrap();
    let series: Vec<_> = symbols
        .iter()
        .map(|symbol| closes(symbol))
        .collect::<Option<_>>()?;
    let mut dates: Vec<Date> = series
        .iter()
        .flat_map(|closes| closes.keys().copied())
        .collect();
    dates.sort_unstable();
    dates.dedup();

    let mut state = kind.detector();
    let said = dates.into_iter().map(|date| {
        let close =
            |closes: &BTreeMap<Date, f64>| closes.get(&date).map(|close| Point::flat(*close, true));
        let values: Vec<_> = series.iter().map(close).collect();
        let step = state.step(
            &kind,
            &Section {
                bucket: session(date),
                values: &values,
                said: &[],
            },
        );
        let account = state.account(
            &kind,
            Names {
                symbols: &symbols,
                units: &units,
            },
            &step.change,
        );
        Said {
            date,
            step,
            account,
        }
    });
    Some(said.collect())
}

pub fn at<'a>(said: &'a [Said], date: &str) -> &'a Said {
    let date: Date = date.parse().unwrap();
    said.iter().find(|said| said.date == date).unwrap()
}

/// Events as `date change`, from a date on.
pub fn events(said: &[Said], from: &str) -> Vec<String> {
    let from: Date = from.parse().unwrap();
    let later = said.iter().filter(|said| said.date >= from);
    let told = later.filter_map(|said| match said.step.change {
        Change::Open(rung) => Some(format!("{} open {rung}", said.date)),
        Change::Escalate(rung) => Some(format!("{} escalate {rung}", said.date)),
        Change::Resolve(reason) => Some(format!("{} resolve {reason}", said.date)),
        Change::Ease(rung) => Some(format!("{} ease {rung}", said.date)),
        Change::Quiet | Change::Hold => None,
    });
    told.collect()
}

/// A row of a daily file.
#[derive(Clone, Copy, Debug)]
pub struct Quote {
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub volume: f64,
}

/// Whole rows by date; none where the data are missing and may be.
pub fn quotes(symbol: &str) -> Option<BTreeMap<Date, Quote>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/market/daily");
    let path = folder.join(format!("{symbol}.csv"));
    if !path.exists() {
        skip(&format!("{} is missing", path.display()));
        return None;
    }
    let mut file = csv::Reader::from_path(&path).unwrap();
    let headers = file.headers().unwrap().clone();
    let columns = ["open", "high", "low", "close", "volume"]
        .map(|name| headers.iter().position(|header| header == name).unwrap());
    let rows = file.records().map(|row| {
        let row = row.unwrap();
        let [open, high, low, close, volume] = columns.map(|column| row[column].parse().unwrap());
        let quote = Quote {
            open,
            high,
            low,
            close,
            volume,
        };
        (row[0].parse().unwrap(), quote)
    });
    Some(rows.collect())
}
