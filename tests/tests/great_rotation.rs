//! The shipped picture of the Great Rotation over the real files: each part of the story on its day, with its figures.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use jiff::civil::Date;
use rotation_engine::alert::{Alert, Notify, State};
use rotation_engine::universe::ReadingDetail;
use rotation_service::backtest::{Outcome, Request, backtest};
use rotation_service::config::Config;
use rotation_tests::{market, workspace};
use serde_json::Value;

/// All of history, once for all tests; `None` without the files.
fn story() -> Option<&'static Story> {
    static STORY: OnceLock<Option<Story>> = OnceLock::new();
    let daily = market::find("daily")?;
    let panel = market::find("panel/sp500_close.csv.gz")?;
    STORY
        .get_or_init(|| Some(Story::read(&daily, &panel)))
        .as_ref()
}

struct Story {
    outcome: Outcome,
    readings: BTreeMap<(String, Date), f64>,
}

impl Story {
    fn read(daily: &Path, panel: &Path) -> Story {
        let folder = tempfile::tempdir().unwrap();
        let daily = std::fs::read_dir(daily)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        for file in daily.chain([panel.to_owned()]) {
            let link = folder.path().join(file.file_name().unwrap());
            std::os::unix::fs::symlink(file.canonicalize().unwrap(), link).unwrap();
        }
        let config = Config::load(&workspace::root().join("config/great-rotation.toml")).unwrap();
        let request = Request {
            config: &config,
            data: folder.path(),
            from: None,
            to: None,
            detail: ReadingDetail::Values,
        };
        let outcome = backtest(&request).unwrap();
        assert_eq!(outcome.faults, Vec::<String>::new());
        let readings = outcome.readings.iter();
        let readings =
            readings.map(|read| ((read.rule.clone(), read.session.unwrap()), read.value));
        Story {
            readings: readings.collect(),
            outcome,
        }
    }

    fn of<'a>(&'a self, rule: &'a str) -> impl Iterator<Item = &'a Alert> {
        self.outcome
            .alerts
            .iter()
            .filter(move |alert| alert.rule == rule)
    }

    /// The events of a rule from one day to another, both included.
    fn between<'a>(&'a self, rule: &'a str, from: &str, to: &str) -> Vec<&'a Alert> {
        let (from, to): (Date, Date) = (from.parse().unwrap(), to.parse().unwrap());
        let within = |alert: &&Alert| (from..=to).contains(&alert.session.unwrap());
        self.of(rule).filter(within).collect()
    }

    fn reading(&self, rule: &str, day: &str) -> f64 {
        self.readings[&(rule.to_owned(), day.parse().unwrap())]
    }
}

fn evidence(alert: &Alert) -> Value {
    serde_json::to_value(&alert.evidence).unwrap()
}

fn close_to(found: f64, expected: f64, by: f64) {
    assert!(
        (found - expected).abs() <= by,
        "{found} instead of {expected}"
    );
}
