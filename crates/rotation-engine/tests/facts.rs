//! The detectors on real closes, against facts computed apart from this project.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "facts/common.rs"]
mod common;

use common::{Said, at, events, run};
use rotation_engine::detector::{Change, Unit};
use serde_json::{Value, json};

fn streak() -> Option<Vec<Said>> {
    let params = json!({"leader": "RUT", "laggard": "GSPC", "escalate_at": [10, 15]});
    run("relative_streak", params, Unit::Price)
}

#[test]
fn streak_readings_of_january_2026() {
    let Some(said) = streak() else { return };
    for (date, length, end, past) in [
        ("2026-01-08", 5, "2025-11-28", 5),
        ("2026-01-09", 6, "2025-04-22", 6),
        ("2026-01-12", 7, "2022-09-15", 7),
        ("2026-01-13", 8, "2019-01-11", 8),
        ("2026-01-14", 9, "2017-09-01", 9),
        ("2026-01-15", 10, "2008-06-06", 13),
        ("2026-01-21", 13, "2008-06-06", 13),
        ("2026-01-22", 14, "1996-05-07", 16),
    ] {
        let told = at(&said, date);
        let evidence = told.evidence();
        assert_eq!(
            told.step.reading.unwrap().value,
            f64::from(length),
            "{date}"
        );
        assert_eq!(evidence["length"], length, "{date}");
        assert_eq!(evidence["start"], "2026-01-02", "{date}");
        assert_eq!(evidence["end"], date);
        assert_eq!(evidence["longest_since"]["end"], end, "{date}");
        assert_eq!(evidence["longest_since"]["length"], past, "{date}");
        assert_eq!(
            evidence["longest_since"]["matches"] == true,
            past == length,
            "{date}"
        );
    }
}

#[test]
fn streak_events_of_january_2026() {
    let Some(said) = streak() else { return };
    let january: Vec<String> = events(&said, "2026-01-01")
        .into_iter()
        .filter(|event| event.starts_with("2026-01"))
        .collect();
    assert_eq!(
        january,
        [
            "2026-01-08 open open",
            "2026-01-13 escalate since_years",
            "2026-01-15 escalate since_years",
            "2026-01-22 escalate since_years",
            "2026-01-23 resolve broken",
        ]
    );
    let years = |date| at(&said, date).evidence()["reached_since_years"].clone();
    assert_eq!(
        [
            years("2026-01-13"),
            years("2026-01-15"),
            years("2026-01-22")
        ],
        [5, 15, 25]
    );
    let tenth = at(&said, "2026-01-15");
    assert_eq!(tenth.evidence()["reached_length"], 10);
    assert_eq!(
        tenth.account.headline,
        "RUT beat GSPC for the 10th session, +7.76 % against +1.45 %; longest since the 13 that ended 2008-06-06"
    );
    assert_eq!(
        at(&said, "2026-01-23").account.headline,
        "RUT fell behind GSPC after 14 sessions, +9.54 % against +0.99 %; lost the session by 185.74 bp"
    );
    assert_eq!(
        at(&said, "2026-01-08").account.headline.split("; ").nth(1),
        Some("matches the 5 that ended 2025-11-28")
    );
}

#[test]
fn streak_margins_and_extremes() {
    let Some(said) = streak() else { return };
    let evidence = |date| at(&said, date).evidence();
    assert_eq!(evidence("2025-12-31")["margin_bp"], -1.13);
    assert_eq!(evidence("2026-01-23")["margin_bp"], -185.74);
    assert_eq!(evidence("2026-01-15")["tightest_margin_bp"], 5.44);
    let last = evidence("2026-01-22");
    assert_eq!(round(&last["leader_return"], 4), 0.0954);
    assert_eq!(round(&last["laggard_return"], 4), 0.0099);

    let length = |said: &Said| said.step.reading.map_or(0.0, |reading| reading.value);
    let longest = said
        .iter()
        .max_by(|left, right| length(left).total_cmp(&length(right)))
        .unwrap();
    assert_eq!(
        (length(longest), longest.date.to_string().as_str()),
        (16.0, "1996-05-07")
    );
    assert_eq!(longest.evidence()["start"], "1996-04-16");
    assert_eq!(longest.evidence()["longest_on_record_since"], "1987-09-10");
    let others = said
        .iter()
        .filter(|said| said.date != longest.date && length(said) >= 14.0);
    let others: Vec<String> = others
        .map(|said| format!("{} {}", said.date, length(said)))
        .collect();
    assert_eq!(others, ["1996-05-03 14", "1996-05-06 15", "2026-01-22 14"]);
}

fn round(value: &Value, digits: i32) -> f64 {
    rotation_engine::alert::round(value.as_f64().unwrap(), digits)
}

#[test]
fn streaks_of_five_come_four_times_a_year() {
    let Some(said) = streak() else { return };
    let opened = said
        .iter()
        .filter(|said| matches!(said.step.change, Change::Open(_)))
        .count();
    let per_year = opened as f64 / 39.0;
    assert!((3.0..5.0).contains(&per_year), "{per_year}");
}

#[test]
fn records_of_january_2026() {
    let Some(said) = run("record_high", json!({"series": "RUT"}), Unit::Price) else {
        return;
    };
    let episode: Vec<String> = events(&said, "2026-01-01").into_iter().take(2).collect();
    assert_eq!(
        episode,
        ["2026-01-08 open record", "2026-02-05 resolve quiet"]
    );

    let opened = at(&said, "2026-01-08").evidence();
    assert_eq!(opened["basis"], "closing");
    assert_eq!(opened["previous"]["date"], "2025-12-11");
    assert_eq!(opened["sessions_since_previous"], 18);
    assert_eq!(round(&opened["drawdown_pct"], 1), 4.2);
    assert_eq!(opened["records_this_year"], 1);

    let records = said
        .iter()
        .filter(|said| said.date.year() == 2026 && said.date.month() == 1);
    let records = records.filter(|said| said.step.reading.unwrap().value == 0.0);
    let records: Vec<String> = records
        .map(|said| format!("{} {}", said.date, round(&said.evidence()["level"], 2)))
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
    let resolved = at(&said, "2026-02-05");
    assert_eq!(resolved.evidence()["records_in_episode"], 8);
    assert_eq!(resolved.evidence()["records_this_year"], 8);
    assert_eq!(
        at(&said, "2026-01-08").account.headline,
        "RUT closed at a record, 2603.91, in the 18th session after 2590.61 on 2025-12-11; drawdown between 4.2 %"
    );
    assert_eq!(
        resolved.account.headline,
        "RUT made no record in 10 sessions after 8 records, the last 2718.77 on 2026-01-22"
    );
}

#[test]
fn records_after_a_drawdown_of_ten_percent() {
    let params = json!({"series": "RUT", "drawdown_pct": 10});
    let Some(said) = run("record_high", params, Unit::Price) else {
        return;
    };
    let opened: Vec<String> = events(&said, "2021-11-09")
        .into_iter()
        .filter(|event| event.contains("open"))
        .collect();
    assert_eq!(opened, ["2025-09-18 open record", "2026-04-16 open record"]);
    let first = at(&said, "2025-09-18").evidence();
    assert_eq!(round(&first["level"], 2), 2467.7);
    assert_eq!(first["previous"]["date"], "2021-11-08");
    assert_eq!(round(&first["previous"]["level"], 2), 2442.74);
    assert_eq!(
        round(&at(&said, "2026-04-16").evidence()["level"], 2),
        2719.6
    );
}

fn yields(velocity_sessions: u32) -> Option<Vec<Said>> {
    let params = json!({
        "series": "DGS10", "level": 5, "near": "10bp", "rearm": 0.3, "velocity_sessions": velocity_sessions
    });
    run("level_approach", params, Unit::Percent)
}

#[test]
fn the_ten_year_yield_toward_five_percent() {
    let Some(said) = yields(5) else { return };
    let near = events(&said, "2006-01-01");
    let ends: Vec<&String> = near
        .iter()
        .filter(|event| !event.contains("escalate"))
        .collect();
    assert_eq!(
        ends,
        [
            "2006-04-06 open near",
            "2006-09-21 resolve retreated",
            "2007-01-29 open near",
            "2007-02-16 resolve retreated",
            "2007-05-31 open near",
            "2007-08-15 resolve retreated",
            "2023-10-18 open near",
            "2023-11-02 resolve retreated",
        ]
    );
    for (date, value) in [
        ("2006-09-21", 4.65),
        ("2007-02-16", 4.69),
        ("2007-08-15", 4.69),
        ("2023-10-18", 4.91),
        ("2023-11-02", 4.67),
    ] {
        assert_eq!(at(&said, date).step.reading.unwrap().value, value, "{date}");
    }
    assert!(
        !near
            .iter()
            .any(|event| event.starts_with("2023") && event.contains("escalate"))
    );
    let peak = at(&said, "2023-11-02").evidence()["peak"].clone();
    assert_eq!(peak, json!({"value": 4.98, "date": "2023-10-19"}));
    assert_eq!(at(&said, "2023-10-18").evidence()["distance_bp"], 9.0);
    assert_eq!(
        at(&said, "2023-10-18").account.headline,
        "DGS10 at 4.91 %, 9 bp from 5 %; +6.6 bp a session over 5 sessions"
    );
    assert_eq!(
        at(&said, "2023-11-02").account.headline,
        "DGS10 retreated to 4.67 %, 33 bp from 5 %; it came to 4.98 % on 2023-10-19"
    );
}

#[test]
fn the_pace_of_the_yield_in_october_2023() {
    let Some(said) = yields(20) else { return };
    let evidence = at(&said, "2023-10-19").evidence();
    assert_eq!(evidence["velocity_bp"], 63.0 / 20.0);
    assert_eq!(evidence["velocity_z"], 3.22);
}
