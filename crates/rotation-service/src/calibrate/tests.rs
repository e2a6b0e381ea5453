//! Calibrations over small files.

use super::*;
use rotation_engine::calendar::Calendar;
use std::fmt::Write as _;

const CONFIG: &str = "[universe.us]\nlive_from = \"2030-01-01\"\n[universe.us.series]\nA = {}\nB = {}\nC = {}\n\
    [universe.us.rules.streak]\nkind = \"relative_streak\"\nleader = \"A\"\nlaggard = \"B\"\nopen_at = 3\nescalate_at = []\n\
    escalate_since_years = []\n\
    [universe.us.rules.\"record.a\"]\nkind = \"record_high\"\nseries = \"A\"\n\
    [universe.us.rules.absent]\nkind = \"record_high\"\nseries = \"C\"\n";

/// Ten years in which A rises and falls by chance, and B stands still.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let first = "2010-01-04".parse().unwrap();
    let last = "2019-12-31".parse().unwrap();
    let (mut a, mut b) = (String::from("date,close\n"), String::from("date,close\n"));
    let mut level = 100.0_f64;
    let mut state = 1_u64;
    for session in Calendar::Xnys.sessions(first, last) {
        // A congruential generator (Knuth's MMIX): its high bits are noise enough.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let turn = (state >> 33) as f64 / (1_u64 << 31) as f64 - 0.5;
        level *= 1.0 + turn / 50.0;
        let _ = writeln!(a, "{},{level}", session.date);
        let _ = writeln!(b, "{},100", session.date);
    }
    std::fs::write(folder.path().join("A.csv"), a).unwrap();
    std::fs::write(folder.path().join("B.csv"), b).unwrap();
    folder
}

fn settings() -> Settings {
    Settings {
        replicates: 6,
        ..Settings::default()
    }
}

fn run(settings: &Settings) -> Calibration {
    let config = Config::parse(CONFIG, "test.toml").unwrap();
    calibrate(&config, folder().path(), (None, None), settings, &|_, _| {}).unwrap()
}

fn of<'a>(calibration: &'a Calibration, rule: &str) -> &'a Calibrated {
    let mut rules = calibration.rules.iter();
    rules.find(|found| found.rule == rule).unwrap()
}

#[test]
fn history_before_a_universe_goes_live_counts() {
    let calibration = run(&settings());
    let streak = of(&calibration, "streak");
    assert!((streak.years - 10.0).abs() < 0.02, "{}", streak.years);
    assert!(streak.openings > 50, "{}", streak.openings);
    let per_year = f64::from(streak.openings) / streak.years;
    assert_eq!(streak.per_year, Some(per_year));
    let null = streak.null.unwrap();
    assert!(null.low <= null.mean && null.mean <= null.high, "{null:?}");
    // A run of at least three begins at a session with probability p³(1 − p): 15.75 a year for a fair coin.
    let independent = streak.per_year_independent.unwrap();
    assert!((12.0..19.0).contains(&independent), "{independent}");
}

#[test]
fn a_threshold_is_given_where_the_reading_alone_opens() {
    let calibration = run(&settings());
    let level = of(&calibration, "streak").level.unwrap();
    assert_eq!(level.now, 3.0);
    // Seven in a row come once a year, about: 252 / 2^8.
    assert!((6.0..=9.0).contains(&level.wanted), "{level:?}");
    assert!(level.per_year <= 1.0 && level.per_year > 0.2, "{level:?}");
    assert!(of(&calibration, "record.a").level.is_err());
    let absent = of(&calibration, "absent");
    assert_eq!((absent.per_year, absent.null), (None, None));
    assert_eq!(absent.level, Err(NoLevel::NeverOpens));
}

#[test]
fn neither_threads_nor_repetition_change_a_figure_and_a_seed_does() {
    let with = |threads, seed| {
        let settings = Settings {
            threads: Some(threads),
            seed,
            ..settings()
        };
        document(&run(&settings), &settings)["rules"].clone()
    };
    assert_eq!(with(1, 1), with(4, 1));
    assert_ne!(with(1, 1), with(1, 2));
}

#[test]
fn the_figures_of_a_rule_do_not_depend_on_the_others() {
    let with = |rules: &str| {
        let text = format!("[universe.us.series]\nA = {{}}\nB = {{}}\nC = {{}}\n{rules}");
        let config = Config::parse(&text, "test.toml").unwrap();
        let folder = folder();
        // C begins late, and so would leave only the days since to draw from.
        let rows = std::fs::read_to_string(folder.path().join("A.csv")).unwrap();
        let (head, late) = rows.split_at("date,close\n".len());
        let late = &late[late.find("\n2018-").unwrap() + 1..];
        std::fs::write(folder.path().join("C.csv"), format!("{head}{late}")).unwrap();
        let found = calibrate(
            &config,
            folder.path(),
            (None, None),
            &settings(),
            &|_, _| {},
        );
        let mut document = document(&found.unwrap(), &settings());
        let rules = document["rules"].as_array_mut().unwrap();
        rules.retain(|rule| rule["rule"] == "streak");
        rules.pop().unwrap()
    };
    let streak =
        "[universe.us.rules.streak]\nkind = \"relative_streak\"\nleader = \"A\"\nlaggard = \"B\"\n";
    let other =
        "[universe.us.rules.late]\nkind = \"relative_streak\"\nleader = \"C\"\nlaggard = \"B\"\n";
    assert_eq!(with(streak), with(&format!("{other}{streak}")));
}

#[test]
fn every_history_is_told_when_done() {
    let config = Config::parse(CONFIG, "test.toml").unwrap();
    for block in [1.0, 20.0] {
        let settings = Settings {
            block,
            ..settings()
        };
        let told = Mutex::new(Vec::new());
        let tell = |done, total| told.lock().unwrap().push((done, total));
        calibrate(&config, folder().path(), (None, None), &settings, &tell).unwrap();
        let mut told = told.into_inner().unwrap();
        told.sort_unstable();
        // Two groups of rules have data: those over A and B, and those over A.
        let total = if block > 1.0 { 2 * 2 * 6 } else { 2 * 6 };
        let expected: Vec<(usize, usize)> = (0..=total).map(|done| (done, total)).collect();
        assert_eq!(told, expected, "blocks of {block}");
    }
}

#[test]
fn the_base_rates_fit_into_the_configuration() {
    let calibration = run(&settings());
    let rates = toml(&calibration);
    let mut whole: ::toml::Table = CONFIG.parse().unwrap();
    let rates: ::toml::Table = rates.parse().unwrap();
    let rules = rates["universe"]["us"]["rules"].as_table().unwrap();
    assert_eq!(rules.keys().collect::<Vec<_>>(), ["record.a", "streak"]);
    for (rule, rate) in rules {
        let rules = whole["universe"]["us"]["rules"].as_table_mut().unwrap();
        let rule = rules[rule].as_table_mut().unwrap();
        rule.insert("base_rate".to_owned(), rate["base_rate"].clone());
    }
    let config = Config::parse(&whole.to_string(), "whole.toml").unwrap();
    let mut rules = config.universes[0].rules.iter();
    let rate = rules.find(|rule| rule.name == "streak").unwrap().base_rate;
    assert_eq!(rate, of(&calibration, "streak").base_rate());
    assert!(rate.unwrap().per_year_null.is_some());
}

#[test]
fn the_table_keeps_within_a_terminal() {
    let settings = settings();
    let calibration = run(&settings);
    let text = page(&calibration, &settings);
    assert!(
        text.lines().all(|line| line.chars().count() <= 120),
        "{text}"
    );
    assert!(text.contains(" n/a  percent\n") && text.contains("n/a, it opened nothing"));
    let single = page(
        &calibration,
        &Settings {
            block: 1.0,
            ..settings
        },
    );
    assert!(
        text.contains("independent") && !single.contains("independent"),
        "{single}"
    );
}

#[test]
fn rates_have_three_digits() {
    for (rate, expected) in [
        (4.3219, 4.32),
        (0.061_27, 0.0613),
        (123.45, 123.0),
        (0.0, 0.0),
    ] {
        assert_eq!(three_digits(rate), expected);
    }
}
