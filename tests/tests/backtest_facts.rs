//! The shipped configuration over the daily files: the facts that were computed apart from this project.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use rotation_engine::alert::{Alert, round};
use rotation_engine::output::Reading;
use rotation_engine::universe::ReadingDetail;
use rotation_service::backtest::{Outcome, Request, backtest};
use rotation_service::config::Config;
use rotation_tests::{market, workspace};
use serde_json::{Value, json};

#[path = "backtest_facts/command.rs"]
mod command;

fn shipped() -> PathBuf {
    workspace::root().join("config/small-caps.toml")
}

fn run(config: &Config, data: &Path) -> Outcome {
    let request = Request {
        config,
        data,
        from: None,
        to: None,
        detail: ReadingDetail::Evidence,
    };
    let outcome = backtest(&request).unwrap();
    assert_eq!(outcome.faults, Vec::<String>::new());
    outcome
}

/// The shipped configuration over all of the files; `None` without them.
fn shipped_run() -> Option<Outcome> {
    let data = market::find("daily")?;
    Some(run(&Config::load(&shipped()).unwrap(), &data))
}

fn readings<'a>(outcome: &'a Outcome, rule: &str) -> BTreeMap<Date, &'a Reading> {
    let of_rule = outcome
        .readings
        .iter()
        .filter(|reading| reading.rule == rule);
    of_rule
        .map(|reading| (reading.session.unwrap(), reading))
        .collect()
}

fn evidence(reading: &Reading) -> Value {
    serde_json::to_value(reading.evidence.as_ref().unwrap()).unwrap()
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

/// Events of a rule as `session state severity`, from a day to another.
fn events(outcome: &Outcome, rule: &str, from: &str, to: &str) -> Vec<String> {
    let days = date(from)..=date(to);
    let told = outcome
        .alerts
        .iter()
        .filter(|alert| alert.rule == rule && days.contains(&alert.session.unwrap()));
    told.map(|alert| {
        format!(
            "{} {} {}",
            alert.session.unwrap(),
            alert.state.name(),
            alert.severity.name()
        )
    })
    .collect()
}

fn event<'a>(outcome: &'a Outcome, rule: &str, session: &str) -> &'a Alert {
    let on = |alert: &&Alert| alert.rule == rule && alert.session == Some(date(session));
    outcome
        .alerts
        .iter()
        .find(on)
        .unwrap_or_else(|| panic!("no event of {rule} on {session}"))
}

fn facts(alert: &Alert) -> Value {
    serde_json::to_value(&alert.evidence).unwrap()
}

#[test]
fn streak_readings_of_january_2026() {
    let Some(outcome) = shipped_run() else { return };
    let (ticks, took) = (outcome.ticks, outcome.took);
    println!(
        "backtest of {ticks} ticks of 3 series over 38 years, every reading with evidence: {took:?}"
    );
    let said = readings(&outcome, "small-cap-streak");
    for (session, length, end, past) in [
        ("2026-01-08", 5, "2025-11-28", 5),
        ("2026-01-09", 6, "2025-04-22", 6),
        ("2026-01-12", 7, "2022-09-15", 7),
        ("2026-01-13", 8, "2019-01-11", 8),
        ("2026-01-14", 9, "2017-09-01", 9),
        ("2026-01-15", 10, "2008-06-06", 13),
        ("2026-01-21", 13, "2008-06-06", 13),
        ("2026-01-22", 14, "1996-05-07", 16),
    ] {
        let reading = said[&date(session)];
        let evidence = evidence(reading);
        assert_eq!(
            (reading.value, &evidence["length"]),
            (f64::from(length), &json!(length)),
            "{session}"
        );
        assert_eq!(
            (&evidence["start"], &evidence["end"]),
            (&json!("2026-01-02"), &json!(session))
        );
        let since = &evidence["longest_since"];
        assert_eq!(
            (&since["end"], &since["length"]),
            (&json!(end), &json!(past)),
            "{session}"
        );
        assert_eq!(since["matches"] == true, past == length, "{session}");
    }
    let margin = |session: &str| evidence(said[&date(session)])["margin_bp"].clone();
    assert_eq!(
        [margin("2025-12-31"), margin("2026-01-23")],
        [-1.13, -185.74]
    );
    let last = evidence(said[&date("2026-01-22")]);
    let percent = |key: &str| round(last[key].as_f64().unwrap() * 100.0, 2);
    assert_eq!(
        [percent("leader_return"), percent("laggard_return")],
        [9.54, 0.99]
    );
}

#[test]
fn the_longest_streaks() {
    let Some(outcome) = shipped_run() else { return };
    let said = readings(&outcome, "small-cap-streak");
    // Runs at their ends, longest first.
    let sessions: Vec<&Reading> = said.values().copied().collect();
    let ends = sessions
        .windows(2)
        .filter(|pair| pair[0].value > 0.0 && pair[1].value == 0.0);
    let mut runs: Vec<(f64, Value, Value)> = ends
        .map(|pair| {
            let evidence = evidence(pair[0]);
            (
                pair[0].value,
                evidence["start"].clone(),
                evidence["end"].clone(),
            )
        })
        .collect();
    runs.sort_by(|left, right| right.0.total_cmp(&left.0));
    assert_eq!(runs[0], (16.0, json!("1996-04-16"), json!("1996-05-07")));
    assert_eq!(runs[1], (14.0, json!("2026-01-02"), json!("2026-01-22")));
    assert!(runs[2].0 < 14.0, "{:?}", runs[2]);
}

#[test]
fn streak_events_of_january_2026() {
    let Some(outcome) = shipped_run() else { return };
    assert_eq!(
        events(&outcome, "small-cap-streak", "2026-01-01", "2026-01-31"),
        [
            "2026-01-08 opened info",
            "2026-01-13 escalated warning",
            "2026-01-15 escalated warning",
            "2026-01-22 escalated warning",
            "2026-01-23 resolved info",
        ]
    );
    let told = event(&outcome, "small-cap-streak", "2026-01-15");
    assert_eq!(
        told.headline,
        "RUT beat GSPC for the 10th session, +7.76 % against +1.45 %; longest since the 13 that ended 2008-06-06"
    );
    let years = ["2026-01-13", "2026-01-15", "2026-01-22"].map(|session| {
        facts(event(&outcome, "small-cap-streak", session))["reached_since_years"].clone()
    });
    assert_eq!(years, [5, 15, 25]);
}

/// Each session of 38 years: the length of the run and the latest earlier one as long, counted naively.
#[test]
fn every_reading_of_the_streak_is_the_naive_one() {
    let Some(outcome) = shipped_run() else { return };
    let folder = market::find("daily").unwrap();
    let [rut, gspc] = ["RUT.csv", "GSPC.csv"].map(|name| market::closes(&folder.join(name)));
    let both: Vec<(Date, f64, f64)> = rut
        .iter()
        .filter_map(|(date, rut)| Some((*date, *rut, *gspc.get(date)?)))
        .collect();
    let said = readings(&outcome, "small-cap-streak");
    let mut ended: Vec<(Date, u32)> = Vec::new();
    let mut length = 0;
    for pair in both.windows(2) {
        let ((before, ..), (date, ..)) = (pair[0], pair[1]);
        if pair[1].1 / pair[0].1 > pair[1].2 / pair[0].2 {
            length += 1;
        } else if length > 0 {
            ended.push((before, length));
            length = 0;
        }
        assert_eq!(said[&date].value, f64::from(length), "{date}");
        if length == 0 {
            continue;
        }
        let evidence = evidence(said[&date]);
        assert_eq!(evidence["length"], length, "{date}");
        let past = ended.iter().rev().find(|(_, past)| *past >= length);
        let found = past.map(|(end, length)| (json!(end.to_string()), json!(length)));
        let since = evidence
            .get("longest_since")
            .map(|since| (since["end"].clone(), since["length"].clone()));
        assert_eq!(since, found, "{date}");
    }
    assert_eq!(said.len(), both.len() - 1);
    println!("{} sessions, {} runs", said.len(), ended.len());
}

#[test]
fn records_of_january_2026() {
    let Some(outcome) = shipped_run() else { return };
    assert_eq!(
        events(&outcome, "small-cap-record", "2026-01-01", "2026-02-28"),
        ["2026-01-08 opened info", "2026-02-05 resolved info"]
    );
    let opened = facts(event(&outcome, "small-cap-record", "2026-01-08"));
    assert_eq!(opened["previous"]["date"], "2025-12-11");
    assert_eq!(opened["sessions_since_previous"], 18);
    assert_eq!(round(opened["drawdown_pct"].as_f64().unwrap(), 1), 4.2);
    let resolved = facts(event(&outcome, "small-cap-record", "2026-02-05"));
    assert_eq!(resolved["records_in_episode"], 8);

    let said = readings(&outcome, "small-cap-record");
    let january = date("2026-01-01")..=date("2026-01-31");
    let records = said
        .range(january)
        .map(|(session, reading)| (session, evidence(reading)));
    let records = records.filter(|(session, evidence)| evidence["date"] == session.to_string());
    let records: Vec<String> = records
        .map(|(session, evidence)| format!("{session} {:.2}", evidence["level"].as_f64().unwrap()))
        .collect();
    assert_eq!(
        records,
        [
            "2026-01-08 2603.91",
            "2026-01-09 2624.22",
            "2026-01-12 2635.69",
            "2026-01-14 2651.64",
            "2026-01-15 2674.56",
            "2026-01-16 2677.74",
            "2026-01-21 2698.17",
            "2026-01-22 2718.77",
        ]
    );
}

#[test]
fn four_approaches_of_the_yield_to_five_percent() {
    let Some(outcome) = shipped_run() else { return };
    let rule = "ten-year-toward-five";
    let told = outcome
        .alerts
        .iter()
        .filter(|alert| alert.rule == rule && alert.session >= Some(date("2003-01-01")));
    let mut episodes: Vec<String> = Vec::new();
    let mut opened = None;
    for alert in told {
        let session = alert.session.unwrap();
        match (alert.state.name(), opened.take()) {
            ("opened", None) => opened = Some(session),
            ("escalated", open @ Some(_)) => opened = open,
            ("resolved", Some(start)) => {
                let reason = alert.resolve_reason.as_deref().unwrap();
                episodes.push(format!("{start} to {session} {reason} {}", alert.value));
            }
            (state, _) => panic!("{session}: {state} out of turn"),
        }
    }
    assert_eq!(
        episodes,
        [
            "2006-04-06 to 2006-09-21 retreated 4.65",
            "2007-01-29 to 2007-02-16 retreated 4.69",
            "2007-05-31 to 2007-08-15 retreated 4.69",
            "2023-10-18 to 2023-11-02 retreated 4.67",
        ]
    );
    assert_eq!(opened, None);
    assert_eq!(event(&outcome, rule, "2023-10-18").value, 4.91);
    let peak = &facts(event(&outcome, rule, "2023-11-02"))["peak"];
    assert_eq!(peak, &json!({"value": 4.98, "date": "2023-10-19"}));
    // It never closed at 5.00, so nothing was touched.
    assert_eq!(events(&outcome, rule, "2023-10-01", "2023-12-31").len(), 2);
}

/// The facts that need other parameters than the shipped ones.
#[test]
fn records_after_a_drawdown_and_the_pace_of_the_yield() {
    let Some(data) = market::find("daily") else {
        return;
    };
    let text = "[universe.us.series]\nRUT = {}\nDGS10 = { unit = \"percent\", calendar = \"US-BOND\" }\n\
        [universe.us.rules.deep]\nkind = \"record_high\"\nseries = \"RUT\"\ndrawdown_pct = 10\n\
        [universe.us.rules.pace]\nkind = \"level_approach\"\nseries = \"DGS10\"\nlevel = 5.00\nfrom = \"below\"\n\
        near = \"10bp\"\nrearm = \"30bp\"\nvelocity_sessions = 20\n";
    let outcome = run(&Config::parse(text, "facts.toml").unwrap(), &data);
    let opened = |alert: &&Alert| alert.rule == "deep" && alert.state.name() == "opened";
    let opened: Vec<&Alert> = outcome
        .alerts
        .iter()
        .filter(opened)
        .filter(|alert| alert.session > Some(date("2021-11-08")))
        .collect();
    let sessions: Vec<String> = opened
        .iter()
        .map(|alert| alert.session.unwrap().to_string())
        .collect();
    assert_eq!(sessions, ["2025-09-18", "2026-04-16"]);
    let level = |alert: &Alert| round(facts(alert)["level"].as_f64().unwrap(), 2);
    assert_eq!([level(opened[0]), level(opened[1])], [2467.70, 2719.60]);
    let previous = &facts(opened[0])["previous"];
    assert_eq!(previous["date"], "2021-11-08");
    assert_eq!(round(previous["level"].as_f64().unwrap(), 2), 2442.74);

    let pace = evidence(readings(&outcome, "pace")[&date("2023-10-19")]);
    assert_eq!(pace["velocity_bp"].as_f64().unwrap() * 20.0, 63.0);
    assert_eq!(pace["velocity_z"], 3.22);
}
