use super::*;
use crate::detector::Kind;
use crate::detector::conformance::{Bench, Dice, session_bucket};
use crate::section::Point;
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"leader": "A", "laggard": "B"});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("relative_streak", all).unwrap().unwrap()
}

fn day(index: usize) -> Date {
    date(2000, 1, 1).saturating_add(Span::new().days(i64::try_from(index).unwrap()))
}

/// Runs closes of leader and laggard, a section a day: each day's change and evidence.
fn run(kind: &Kind, closes: &[[Option<f64>; 2]]) -> Vec<(Change, Value, String)> {
    let mut bench = Bench::new(kind, Unit::Price);
    let sections = closes.iter().enumerate().map(|(index, closes)| {
        let values = closes
            .map(|close| close.map(|close| Point::flat(close, true)))
            .to_vec();
        let (step, account) = bench.step(&(session_bucket(day(index)), values));
        (
            step.change,
            serde_json::to_value(account.evidence).unwrap(),
            account.headline,
        )
    });
    sections.collect()
}

/// Closes of a leader that wins (`+`), loses (`-`) or draws (`=`) each session against a flat laggard.
fn closes(outcomes: &str) -> Vec<[Option<f64>; 2]> {
    let mut leader = 100.0;
    let later = outcomes.chars().map(|outcome| {
        leader *= match outcome {
            '+' => 1.01,
            '-' => 0.99,
            _ => 1.0,
        };
        [Some(leader), Some(100.0)]
    });
    std::iter::once([Some(100.0), Some(100.0)])
        .chain(later)
        .collect()
}

fn changes(kind: &Kind, closes: &[[Option<f64>; 2]]) -> Vec<Change> {
    run(kind, closes)
        .into_iter()
        .map(|(change, ..)| change)
        .collect()
}

#[test]
fn defaults_are_the_shipped_ones() {
    let Kind::RelativeStreak(params) = kind(json!({})) else {
        unreachable!()
    };
    assert_eq!(
        (params.open_at, params.escalate_at.as_slice()),
        (5, [10].as_slice())
    );
    assert_eq!(params.escalate_since_years, [5, 15, 25]);
}

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (
            json!({"laggard": "A"}),
            "laggard: expected another series than the leader, found A",
        ),
        (
            json!({"leader": ""}),
            "leader: expected a symbol, found \"\"",
        ),
        (
            json!({"open_at": 0}),
            "open_at: expected 1 to 10000 sessions, found 0",
        ),
        (
            json!({"escalate_at": [5]}),
            "escalate_at: expected at most 32 ascending numbers from 6 to 10000 sessions, found [5]",
        ),
        (
            json!({"escalate_since_years": [5, 5]}),
            "escalate_since_years: expected at most 32 ascending numbers from 1 to 200 years, found [5, 5]",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    assert!(
        kind(json!({"open_at": 10_000, "escalate_at": []}))
            .check()
            .is_ok()
    );
    let units = kind(json!({}))
        .check_units(&[Unit::Price, Unit::Percent])
        .unwrap_err();
    assert_eq!(units.key, "laggard");
}

#[test]
fn unknown_keys_are_refused() {
    let params = json!({"leader": "A", "laggard": "B", "opens_at": 5});
    let error = Kind::deserialize("relative_streak", params)
        .unwrap()
        .unwrap_err();
    assert!(
        error.to_string().contains("unknown field `opens_at`"),
        "{error}"
    );
}

#[test]
fn a_draw_is_not_a_win() {
    let kind = kind(json!({"open_at": 2, "escalate_at": [], "escalate_since_years": []}));
    use Change::{Open, Quiet, Resolve};
    assert_eq!(
        changes(&kind, &closes("+=++=")),
        [Quiet, Quiet, Quiet, Quiet, Open(OPEN), Resolve(BROKEN)]
    );
    // 10 % each, though 1.65 / 1.5 and 110 / 100 are different binary fractions.
    let equal = [
        [Some(1.5), Some(100.0)],
        [Some(1.65), Some(110.0)],
        [Some(1.815), Some(121.0)],
    ];
    assert_eq!(changes(&kind, &equal), [Quiet, Quiet, Quiet]);
    let told = run(&kind, &closes("++="));
    assert_eq!(
        told[3].2,
        "A only equalled B after 2 sessions, +2.01 % against +0.00 %"
    );
}

#[test]
fn the_next_return_spans_a_gap() {
    let kind = kind(json!({"open_at": 2, "escalate_at": [], "escalate_since_years": []}));
    let told = run(
        &kind,
        &[
            [Some(100.0), Some(100.0)],
            [Some(101.0), Some(100.0)],
            [None, Some(200.0)],
            [Some(90.0), None],
            [Some(110.0), Some(104.0)],
        ],
    );
    assert_eq!(told[3].0, Change::Quiet);
    assert_eq!(told[4].0, Change::Open(OPEN));
    assert_eq!(told[4].1["length"], 2);
    assert_eq!(told[4].1["leader_return"], 0.1);
    assert_eq!(told[4].1["laggard_return"], 0.04);
}

#[test]
fn one_event_a_session_and_each_rung_once() {
    let kind = kind(json!({"open_at": 2, "escalate_at": [4, 5], "escalate_since_years": [1, 2]}));
    // A run of 3, later one of 6 that first passes it at length 4, more than two years on.
    let outcomes = format!("+++{}++++++-", "-".repeat(800));
    let told = run(&kind, &closes(&outcomes));
    let events: Vec<(usize, &Change)> = told
        .iter()
        .enumerate()
        .filter(|(_, told)| !matches!(told.0, Change::Quiet | Change::Hold))
        .map(|(index, told)| (index, &told.0))
        .collect();
    // At the opening the run of 3 lies more than two years back already: both years are used up by it.
    assert_eq!(
        events,
        [
            (2, &Change::Open(OPEN)),
            (4, &Change::Resolve(BROKEN)),
            (805, &Change::Open(OPEN)),
            (807, &Change::Escalate(LENGTH)),
            (808, &Change::Escalate(LENGTH)),
            (810, &Change::Resolve(BROKEN)),
        ]
    );
    assert_eq!(told[805].1["reached_since_years"], 2);
    assert_eq!(
        told[805].1["longest_since"],
        json!({"end": "2000-01-04", "length": 3})
    );
    assert_eq!(told[807].1["longest_on_record_since"], "2000-01-01");
    assert_eq!(told[807].1["reached_length"], 4);
    assert_eq!(told[807].1["reached_since_years"], Value::Null);
}

#[test]
fn both_facts_ride_on_one_event() {
    let kind = kind(json!({"open_at": 2, "escalate_at": [3], "escalate_since_years": [1]}));
    // A run of 2 not long ago, but none of 3 since the beginning two years back.
    let outcomes = format!("{}++-+++", "-".repeat(730));
    let told = run(&kind, &closes(&outcomes));
    let (change, evidence, _) = told.last().unwrap();
    assert_eq!(*change, Change::Escalate(SINCE_YEARS));
    assert_eq!(
        (
            &evidence["reached_length"],
            &evidence["reached_since_years"]
        ),
        (&json!(3), &json!(1))
    );
}

#[test]
fn years_are_calendar_years_and_more_than_so_many() {
    assert_eq!(years_before(date(2024, 2, 29), 1), date(2023, 2, 28));
    let kind = kind(json!({"open_at": 1, "escalate_at": [], "escalate_since_years": [1]}));
    // 2000 has 366 days: day 366 is the day one year after the first, which is not more than a year.
    let on_the_day = run(&kind, &closes(&format!("{}+", "-".repeat(365))));
    let day_after = run(&kind, &closes(&format!("{}+", "-".repeat(366))));
    assert_eq!(
        on_the_day.last().unwrap().1["reached_since_years"],
        Value::Null
    );
    assert_eq!(day_after.last().unwrap().1["reached_since_years"], 1);
}

proptest! {
    /// Against the definition: look through all earlier runs, the latest first.
    #[test]
    fn longest_since_is_the_latest_run_as_long(seed: u64) {
        let mut dice = Dice(seed);
        let outcomes: String = (0..300).map(|_| if dice.fraction() < 0.6 { '+' } else { '-' }).collect();
        let kind = kind(json!({"open_at": 3}));
        let told = run(&kind, &closes(&outcomes));
        let mut runs: Vec<(usize, usize)> = Vec::new();
        let mut length = 0;
        for (index, outcome) in outcomes.chars().enumerate() {
            let section = index + 1;
            if outcome == '-' {
                if length > 0 {
                    runs.push((section - 1, length));
                }
                length = 0;
                continue;
            }
            length += 1;
            let evidence = &told[section].1;
            prop_assert_eq!(&evidence["length"], length);
            match runs.iter().rev().find(|run| run.1 >= length) {
                Some((end, past)) => {
                    let since = &evidence["longest_since"];
                    prop_assert_eq!(&since["end"], &day(*end).to_string());
                    prop_assert_eq!(&since["length"], past);
                }
                None => prop_assert_eq!(&evidence["longest_on_record_since"], &day(0).to_string()),
            }
        }
    }
}
