//! Where rules stand over small files.

use super::*;
use std::fs;

const CONFIG: &str = "[universe.us.series]\nA = {}\nB = {}\nC = {}\n\
    [universe.us.rules.streak]\nkind = \"relative_streak\"\nleader = \"A\"\nlaggard = \"B\"\nopen_at = 2\nescalate_at = [4]\n\
    [universe.us.rules.absent]\nkind = \"relative_streak\"\nleader = \"A\"\nlaggard = \"C\"\n\
    [universe.us.rules.record]\nkind = \"record_high\"\nseries = \"A\"\nlookback = 100\n";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, rows) in files {
        fs::write(folder.path().join(name), format!("date,close\n{rows}")).unwrap();
    }
    folder
}

const A: &str = "2026-01-02,100\n2026-01-05,101\n2026-01-06,102\n2026-01-07,103\n2026-01-08,50\n";
const B: &str = "2026-01-02,100\n2026-01-05,100\n2026-01-06,100\n2026-01-08,100\n";

fn at(day: &str, files: &[(&str, &str)]) -> Standings {
    let config = Config::parse(CONFIG, "test.toml").unwrap();
    why(&config, folder(files).path(), day.parse().unwrap()).unwrap()
}

fn of<'a>(standings: &'a Standings, rule: &str) -> &'a Standing {
    standings
        .rules
        .iter()
        .find(|standing| standing.rule == rule)
        .unwrap()
}

#[test]
fn a_reading_is_of_the_latest_section_up_to_the_day() {
    let files = [("A.csv", A), ("B.csv", B)];
    // On the 7th the laggard has no value: the streak's reading is a day old, and a section lacked an input.
    let standings = at("2026-01-07", &files);
    let streak = of(&standings, "streak");
    let reading = streak.reading.as_ref().unwrap();
    assert_eq!(
        (reading.value, reading.threshold, reading.distance),
        (2.0, 2.0, 0.0)
    );
    assert_eq!(streak.reading_day().unwrap().to_string(), "2026-01-06");
    assert_eq!((streak.sections, streak.sections_since), (4, 1));
    let open = streak.open.as_ref().unwrap();
    assert_eq!(open.since.to_string(), "2026-01-06");
    assert_eq!(open.told.as_ref().unwrap().0.state.name(), "opened");
    // What comes after the day is not read.
    let standings = at("2026-01-08", &files);
    let streak = of(&standings, "streak");
    assert!(streak.open.is_none());
    assert_eq!(streak.last_ended.unwrap().to_string(), "2026-01-08");
    assert_eq!(streak.reading.as_ref().unwrap().value, 0.0);
}

#[test]
fn a_rule_without_a_reading_says_why() {
    let standings = at("2026-01-08", &[("A.csv", A), ("B.csv", B)]);
    assert_eq!(
        of(&standings, "absent").missing,
        Some(Missing::Warmth(vec!["C".to_owned()]))
    );
    assert_eq!(
        of(&standings, "record").missing,
        Some(Missing::Warmth(Vec::new()))
    );
    let text = page(&standings);
    assert!(
        text.contains("no reading: no data for C; 5 sections read without"),
        "{text}"
    );
    assert!(
        text.contains("no reading: not warm, 5 sections read"),
        "{text}"
    );
    let late = at("2026-01-08", &[("B.csv", B)]);
    assert_eq!(
        of(&late, "absent").missing,
        Some(Missing::Data(vec!["A".to_owned(), "C".to_owned()]))
    );
}

#[test]
fn the_table_keeps_within_a_terminal_and_the_document_holds_all_of_it() {
    let standings = at("2026-01-07", &[("A.csv", A), ("B.csv", B)]);
    let text = page(&standings);
    assert!(
        text.lines().all(|line| line.chars().count() <= 120),
        "{text}"
    );
    let streak = text
        .lines()
        .find(|line| line.starts_with("streak"))
        .unwrap();
    let words: Vec<&str> = streak.split_whitespace().collect();
    assert_eq!(
        words,
        [
            "streak",
            "2",
            "2",
            "0",
            "sessions",
            "2026-01-06",
            "1",
            "d",
            "since",
            "2026-01-06,",
            "info"
        ]
    );
    assert!(text.contains("A beat B for the 2nd session"), "{text}");
    let json = document(&standings);
    let rule = &json["rules"][2];
    assert_eq!(
        (&rule["rule"], &rule["reading"], &rule["age_days"]),
        (&"streak".into(), &2.0.into(), &1.into())
    );
    assert_eq!(rule["evidence"]["length"], 2);
    assert_eq!(rule["open_since"], "2026-01-06");
    assert!(json["rules"][0]["reading"].is_null());
    assert!(
        json["rules"][0]["why"]
            .as_str()
            .unwrap()
            .contains("no data for C")
    );
}

#[test]
fn a_day_before_all_data_is_an_error() {
    let config = Config::parse(CONFIG, "test.toml").unwrap();
    let folder = folder(&[("A.csv", A)]);
    let day = "2025-12-31".parse().unwrap();
    let error = why(&config, folder.path(), day).unwrap_err();
    assert!(
        error.to_string().contains("no values up to 2025-12-31"),
        "{error}"
    );
}
