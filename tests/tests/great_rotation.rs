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

#[test]
fn the_regime_turns_in_january_2026_and_says_why() {
    let Some(story) = story() else { return };
    let entered = story.between("regime", "2026-01-02", "2026-01-22");
    let into = |alert: &&&Alert| alert.rung.as_deref() == Some("small_cap_led");
    let turn = entered.iter().find(into).expect("small_cap_led is entered");
    let told = evidence(turn);
    let parts: Vec<f64> = told["contributions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["contribution"].as_f64().unwrap())
        .collect();
    assert!(parts.len() >= 6, "{told}");
    assert!(
        parts.windows(2).all(|pair| pair[0].abs() >= pair[1].abs()),
        "largest first: {parts:?}"
    );
    close_to(
        parts.iter().sum(),
        told["score_unsmoothed"].as_f64().unwrap(),
        5e-4,
    );
    assert!(
        turn.reverses.contains("a score below 0.2"),
        "{}",
        turn.reverses
    );
}

#[test]
fn the_regime_changes_less_than_eight_times_a_year() {
    let Some(story) = story() else { return };
    let since: Date = "1990-01-01".parse().unwrap();
    let changes = story
        .of("regime")
        .filter(|alert| alert.session.unwrap() >= since);
    let sessions = story
        .readings
        .keys()
        .filter(|(rule, day)| rule == "regime" && *day >= since);
    let a_year = changes.count() as f64 / (sessions.count() as f64 / 252.0);
    assert!((1.0..8.0).contains(&a_year), "{a_year}");
}

#[test]
fn the_streak_and_the_records() {
    let Some(story) = story() else { return };
    let streak = story.between("small-cap-streak", "2026-01-02", "2026-01-31");
    let told: Vec<String> = streak
        .iter()
        .map(|alert| {
            let since = evidence(alert)["longest_since"]["end"]
                .as_str()
                .unwrap()
                .to_owned();
            format!(
                "{} {} {} {since}",
                alert.session.unwrap(),
                alert.state.name(),
                alert.value
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "2026-01-08 opened 5 2025-11-28",
            "2026-01-13 escalated 8 2019-01-11",
            "2026-01-15 escalated 10 2008-06-06",
            "2026-01-22 escalated 14 1996-05-07",
            "2026-01-23 resolved 0 1996-05-07",
        ]
    );
    let record = story.between("small-cap-record", "2026-01-01", "2026-02-10");
    let days: Vec<String> = record
        .iter()
        .map(|alert| format!("{} {}", alert.session.unwrap(), alert.state.name()))
        .collect();
    assert_eq!(days, ["2026-01-08 opened", "2026-02-05 resolved"]);
    assert_eq!(evidence(record[1])["records_in_episode"], 8);
}

#[test]
fn the_spread_of_the_year_and_of_the_week() {
    let Some(story) = story() else { return };
    close_to(
        story.reading("small-over-large-year", "2026-01-16"),
        7.89 - 1.38,
        0.01,
    );
    let opened = story.between("small-over-large-year", "2026-01-02", "2026-01-16");
    let told = evidence(opened[0]);
    assert_eq!(told["from"], "2025-12-31", "{told}");
    close_to(
        story.reading("small-over-large-week", "2024-07-16"),
        9.92,
        0.005,
    );
    close_to(
        story.reading("small-over-large-week", "2024-07-17"),
        9.97,
        0.005,
    );
    let week = story.between("small-over-large-week", "2024-07-15", "2024-07-17");
    let records: Vec<String> = week
        .iter()
        .filter(|alert| alert.rung.as_deref() == Some("record"))
        .map(|alert| alert.session.unwrap().to_string())
        .collect();
    assert_eq!(
        records,
        ["2024-07-16", "2024-07-17"],
        "each is said on its day"
    );
    for (rule, least) in [("mid-over-large", 4.0), ("equal-over-cap-weight", 3.0)] {
        let opened = story.between(rule, "2026-02-01", "2026-02-28");
        assert_eq!(opened[0].state, State::Opened, "{rule}");
        assert!(opened[0].value > least, "{rule}: {}", opened[0].value);
    }
}

#[test]
fn breadth_widens() {
    let Some(story) = story() else { return };
    for (rule, day, percent) in [
        ("breadth-50", "2025-12-31", 57.40),
        ("breadth-50", "2026-01-15", 73.48),
        ("breadth-200", "2025-12-31", 62.07),
        ("breadth-200", "2026-01-15", 72.21),
    ] {
        close_to(story.reading(rule, day), percent, 0.01);
    }
    let opened = story.between("breadth-50", "2026-01-02", "2026-01-15");
    assert_eq!(opened[0].session.unwrap().to_string(), "2026-01-08");
    let thrust = story.between("breadth-thrust", "2009-03-01", "2009-03-31");
    assert_eq!(thrust[0].session.unwrap().to_string(), "2009-03-17");
}

#[test]
fn the_central_bank_cuts_and_prices_turn_up_again() {
    let Some(story) = story() else { return };
    let policy = story.between("policy", "2025-09-01", "2025-12-31");
    assert_eq!(policy.len(), 1);
    assert_eq!(policy[0].session.unwrap().to_string(), "2025-12-11");
    let told = evidence(policy[0]).to_string();
    for fact in ["2025-09-18", "2025-10-30", "2025-12-11"] {
        assert!(told.contains(fact), "{fact} in {told}");
    }
    assert!(
        policy[0].headline.contains("to 3.75 %"),
        "{}",
        policy[0].headline
    );
    // The print of a month is known in the middle of the next.
    for (month, published, pace) in [
        ("2026-03", "2026-04", 5.33),
        ("2026-04", "2026-05", 7.32),
        ("2026-05", "2026-06", 8.20),
    ] {
        let said = story.readings.iter().find(|((rule, day), _)| {
            rule == "inflation" && day.to_string().starts_with(published) && day.day() > 9
        });
        close_to(*said.unwrap().1, pace, 0.005);
        let early = story.readings.iter().filter(|((rule, day), value)| {
            rule == "inflation"
                && day.to_string().starts_with(month)
                && (**value - pace).abs() < 0.005
        });
        assert_eq!(early.count(), 0, "{month} is not known in its own month");
    }
    let january = story
        .readings
        .keys()
        .filter(|(rule, day)| rule == "inflation" && day.to_string().starts_with("2026-02"));
    assert_eq!(
        january.count(),
        0,
        "without October there are no three months to January"
    );
    let opened = story.between("inflation", "2026-03-01", "2026-06-30");
    assert!(
        opened[0]
            .session
            .unwrap()
            .to_string()
            .starts_with("2026-04")
    );
    assert!(
        !story
            .between("no-landing", "2026-04-01", "2026-04-30")
            .is_empty()
    );
}

#[test]
fn banks_lead_and_the_large_stand_still() {
    let Some(story) = story() else { return };
    let banks = story.between("banks-lead", "2026-01-01", "2026-01-31");
    assert_eq!(banks.len(), 1);
    assert_eq!(
        (banks[0].state, banks[0].session.unwrap().to_string()),
        (State::Opened, "2026-01-16".to_owned())
    );
    let plateau = story.between("large-cap-plateau", "2026-01-12", "2026-02-27");
    assert_eq!(plateau.len(), 1);
    assert_eq!(plateau[0].session.unwrap().to_string(), "2026-02-05");
}

#[test]
fn yields_spike_and_near_five_in_october_2023() {
    let Some(story) = story() else { return };
    close_to(story.reading("ten-year-spike", "2023-10-19"), 3.22, 0.005);
    let spike = story.between("ten-year-spike", "2023-10-01", "2023-10-31");
    assert_eq!(spike[0].session.unwrap().to_string(), "2023-10-19");
    let near = story.between("ten-year-toward-five", "2023-10-01", "2023-11-30");
    let days: Vec<String> = near
        .iter()
        .map(|alert| alert.session.unwrap().to_string())
        .collect();
    assert_eq!(days, ["2023-10-18", "2023-11-02"]);
}

#[test]
fn one_episode_holds_the_parts_and_a_desk_gets_one_message() {
    let Some(story) = story() else { return };
    let rotation = story.between("rotation", "2026-01-02", "2026-02-27");
    assert_eq!(rotation[0].state, State::Opened);
    let episode = rotation[0].episode.as_str();
    assert!(rotation.iter().all(|alert| alert.episode == episode));
    let last = evidence(rotation.last().unwrap());
    let parts: Vec<&str> = last["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["rule"].as_str().unwrap())
        .collect();
    for part in [
        "small-cap-streak",
        "small-cap-record",
        "breadth-50",
        "banks-lead",
        "large-cap-plateau",
    ] {
        assert!(parts.contains(&part), "{part} among {parts:?}");
    }
    let children: Vec<&Alert> = story
        .outcome
        .alerts
        .iter()
        .filter(|alert| alert.parent_episode.as_deref() == Some(episode))
        .collect();
    assert!(children.len() > 5);
    assert!(children.iter().all(|child| child.notify == Notify::Digest));
}

#[test]
fn nothing_pages_and_the_channel_is_not_flooded() {
    let Some(story) = story() else { return };
    let alerts = &story.outcome.alerts;
    assert!(alerts.iter().all(|alert| alert.notify != Notify::Page));
    let chat = alerts
        .iter()
        .filter(|alert| alert.notify == Notify::Chat)
        .count();
    let years = 38.9;
    assert!(
        (chat as f64) < 12.0 * years,
        "{chat} messages in {years} years"
    );
    let mut ids: Vec<&str> = alerts.iter().map(|alert| alert.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), alerts.len(), "no event twice");
}
