use super::*;
use crate::alert::round;
use crate::clock::{DAY, SECOND};
use crate::detector::Kind;
use crate::detector::conformance::{Bench, Dice, session_bucket, tick_bucket};
use crate::section::Point;
use crate::time::EventTime;
use jiff::Span;
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"series": "A"});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("record_high", all).unwrap().unwrap()
}

struct Told {
    change: Change,
    value: Option<f64>,
    evidence: Value,
    headline: String,
}

fn told(bench: &mut Bench<'_>, bucket: crate::clock::Bucket, value: f64) -> Told {
    let (step, account) = bench.step(&(bucket, vec![Some(Point::flat(value, true))]));
    Told {
        change: step.change,
        value: step.reading.map(|reading| reading.value),
        evidence: serde_json::to_value(account.evidence).unwrap(),
        headline: account.headline,
    }
}

/// A close a day.
fn run(kind: &Kind, closes: &[f64]) -> Vec<Told> {
    let mut bench = Bench::new(kind, Unit::Price);
    let days = (0_i64..).map(|index| date(2000, 1, 1).saturating_add(Span::new().days(index)));
    days.zip(closes)
        .map(|(day, close)| told(&mut bench, session_bucket(day), *close))
        .collect()
}

/// Where something happens.
fn events(told: &[Told]) -> Vec<(usize, &Change)> {
    let changes = told.iter().map(|told| &told.change).enumerate();
    changes
        .filter(|(_, change)| !matches!(change, Change::Quiet | Change::Hold))
        .collect()
}

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (
            json!({"series": ""}),
            "series: expected a symbol, found \"\"",
        ),
        (
            json!({"lookback": 1}),
            "lookback: expected \"all\" or 2 to 100000 sessions, found 1",
        ),
        (
            json!({"drawdown_pct": 100}),
            "drawdown_pct: expected 0 to below 100 percent, found 100",
        ),
        (
            json!({"drought_sessions": 100_001}),
            "drought_sessions: expected 0 to 100000 sessions, found 100001",
        ),
        (
            json!({"quiet_sessions": 0}),
            "quiet_sessions: expected 1 to 100000 sessions, found 0",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    for lookback in [json!("everything"), json!(-1), json!(2.5)] {
        let params = json!({"series": "A", "lookback": lookback});
        let error = Kind::deserialize("record_high", params)
            .unwrap()
            .unwrap_err()
            .to_string();
        assert!(error.contains("\"all\" or 2 to 100000 sessions"), "{error}");
    }
    let written = serde_json::to_value(kind(json!({"lookback": 252}))).unwrap();
    assert_eq!(written["lookback"], 252);
    assert_eq!(
        serde_json::to_value(kind(json!({}))).unwrap()["lookback"],
        "all"
    );
}

#[test]
fn a_record_opens_after_so_many_sessions_without_one() {
    let kind = kind(json!({"drought_sessions": 3, "quiet_sessions": 3}));
    // Record at 3; two sessions without, then one that comes too early; three without, then one that opens.
    let told = run(
        &kind,
        &[
            1.0, 2.0, 3.0, 4.0, 3.0, 3.0, 5.0, 4.0, 4.0, 5.0, 6.0, 7.0, 7.0, 6.0, 6.0, 6.5,
        ],
    );
    assert_eq!(
        events(&told),
        [(10, &Change::Open(RECORD)), (14, &Change::Resolve(QUIET))]
    );
    assert_eq!(told[10].evidence["sessions_since_previous"], 4);
    assert_eq!(
        told[10].evidence["previous"],
        json!({"level": 5.0, "date": "2000-01-07"})
    );
    assert_eq!(
        told[10].evidence["trough"],
        json!({"level": 4.0, "date": "2000-01-08"})
    );
    assert_eq!(told[10].evidence["drawdown_pct"], 20.0);
    assert_eq!(told[14].evidence["records_in_episode"], 2);
    assert_eq!(told[14].evidence["level"], 7.0);
    // Equal to the record is none; readings are percent below it.
    assert_eq!(told[12].value, Some(0.0));
    assert_eq!(round(told[13].value.unwrap(), 4), 14.2857);
    assert_eq!(told[15].headline, "A is 7.14 % below 7 on 2000-01-12");
}

#[test]
fn the_first_values_are_no_records() {
    let kind = kind(json!({"drought_sessions": 3}));
    let told = run(&kind, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    assert!(events(&told).is_empty());
    assert_eq!(told[6].evidence["records_this_year"], 6);
}

#[test]
fn drought_and_drawdown_have_to_lie_behind_it_both() {
    let fall = |low: f64| [100.0, low, 95.0, 96.0, 97.0, 101.0];
    let kind = kind(json!({"drought_sessions": 2, "drawdown_pct": 10}));
    // 10 % to the decimal, and a hair less.
    assert_eq!(
        events(&run(&kind, &fall(90.0))),
        [(5, &Change::Open(RECORD))]
    );
    assert_eq!(events(&run(&kind, &fall(90.001))), []);
    assert_eq!(events(&run(&kind, &[100.0, 90.0, 101.0])), []);
}

#[test]
fn a_high_of_so_many_sessions_forgets_what_was_before() {
    let kind = kind(json!({"lookback": 3, "drought_sessions": 1, "quiet_sessions": 1}));
    let told = run(&kind, &[9.0, 5.0, 4.0, 3.0, 4.0, 6.0, 5.0]);
    assert_eq!(
        events(&told),
        [(5, &Change::Open(RECORD)), (6, &Change::Resolve(QUIET))]
    );
    assert_eq!(told[5].evidence["lookback_sessions"], 3);
    assert!(
        told[5]
            .headline
            .starts_with("A closed at a 3-session high, 6, in the 5th session after 9 on")
    );
    assert_eq!(
        told[6].headline,
        "A made no 3-session high in 1 session after 1 3-session high, the last 6 on 2000-01-06"
    );
}

#[test]
fn ticks_make_intraday_records_and_days_in_utc_are_sessions() {
    let kind = kind(json!({"drought_sessions": 1, "quiet_sessions": 1}));
    let mut bench = Bench::new(&kind, Unit::Price);
    let at = |day: i64, hour: i64| EventTime::from_nanos(day * DAY + hour * 3600 * SECOND);
    let ticks = [
        (at(0, 14), 10.0, Change::Quiet),
        (at(0, 15), 9.0, Change::Quiet),
        (at(1, 14), 9.5, Change::Quiet),
        (at(1, 20), 9.9, Change::Quiet),
        (at(2, 14), 10.1, Change::Open(RECORD)),
        (at(2, 15), 10.2, Change::Hold),
        (at(2, 16), 10.0, Change::Hold),
        // The next day may still bring one, so it is quiet only when it has passed.
        (at(3, 14), 10.0, Change::Hold),
        (at(4, 14), 10.0, Change::Resolve(QUIET)),
    ];
    for (time, value, change) in ticks {
        let told = told(&mut bench, tick_bucket(time), value);
        assert_eq!(told.change, change, "{time}");
        assert_eq!(told.evidence["basis"], "intraday");
        if matches!(change, Change::Open(_)) {
            assert_eq!(
                told.headline,
                "A traded at a record, 10.1, in the 2nd session after 10 on 1970-01-01; drawdown between 10 %"
            );
        }
    }
}

#[test]
fn records_are_counted_by_calendar_year() {
    let kind = kind(json!({"drought_sessions": 0, "quiet_sessions": 400}));
    let closes: Vec<f64> = (0..370).map(|index| 100.0 + f64::from(index)).collect();
    let told = run(&kind, &closes);
    assert_eq!(told[365].evidence["records_this_year"], 365);
    assert_eq!(told[369].evidence["records_this_year"], 4);
    assert_eq!(told[369].evidence["records_in_episode"], 369);
}

proptest! {
    /// Against the definition: above the highest of so many sessions before.
    #[test]
    fn a_record_is_above_everything_in_the_lookback(seed: u64, lookback in 2_usize..30) {
        let mut dice = Dice(seed);
        let closes: Vec<f64> = (0..200).map(|_| 50.0 + dice.below(40) as f64).collect();
        for (lookback, key) in [(lookback, json!(lookback)), (usize::MAX, json!("all"))] {
            let kind = kind(json!({"lookback": key, "drought_sessions": 0, "quiet_sessions": 1}));
            let told = run(&kind, &closes);
            for (index, told) in told.iter().enumerate() {
                let Some(value) = told.value else { continue };
                let before = &closes[index.saturating_sub(lookback)..index];
                let highest = before.iter().copied().fold(f64::MIN, f64::max);
                let expected = ((1.0 - closes[index] / highest) * 100.0).max(0.0);
                prop_assert_eq!(value, expected);
                let is_record = closes[index] > highest;
                let is_told = told.evidence["level"] == closes[index] && told.change != Change::Quiet;
                prop_assert!(!is_record || is_told);
                prop_assert!(is_record || !matches!(told.change, Change::Open(_)));
            }
        }
    }
}
