use super::*;
use crate::clock::DAY;
use crate::detector::Kind;
use crate::detector::conformance::{Bench, Dice, session_bucket};
use crate::section::Point;
use jiff::Span;
use jiff::civil::{Date, date};
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"series": "A"});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("analogue", all).unwrap().unwrap()
}

fn day(index: usize) -> Date {
    date(2000, 1, 1).saturating_add(Span::new().days(i64::try_from(index).unwrap()))
}

struct Said {
    step: Step,
    evidence: Value,
    headline: String,
}

/// Runs closes, a session a day.
fn run(kind: &Kind, closes: &[f64]) -> Vec<Said> {
    let mut bench = Bench::new(kind, Unit::Price);
    let said = |(index, close): (usize, &f64)| {
        let values = vec![Some(Point::flat(*close, true))];
        let (step, account) = bench.step(&(session_bucket(day(index)), values));
        Said {
            step,
            evidence: serde_json::to_value(account.evidence).unwrap(),
            headline: account.headline,
        }
    };
    closes.iter().enumerate().map(said).collect()
}

/// Closes of a walk in steps of some percent.
fn walk(seed: u64, count: usize) -> Vec<f64> {
    let mut dice = Dice(seed);
    let mut close = 4_000.0;
    let closes = (0..count).map(|_| {
        close *= 1.0 + (dice.fraction() - 0.5) / 30.0;
        close
    });
    closes.collect()
}

/// The definition: both windows of logarithms to mean 0 and deviation 1, then the distance of one from the other.
fn naive_distance(closes: &[f64], end: usize, other: usize, length: usize) -> f64 {
    let normed = |end: usize| {
        let window: Vec<f64> = closes[end + 1 - length..=end]
            .iter()
            .map(|close| close.ln())
            .collect();
        let mean = window.iter().sum::<f64>() / length as f64;
        let variance = window.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / length as f64;
        window
            .into_iter()
            .map(move |x| (x - mean) / variance.sqrt())
    };
    let squares = normed(end).zip(normed(other)).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

#[test]
fn defaults_are_the_shipped_ones() {
    let Kind::Analogue(params) = kind(json!({})) else {
        unreachable!()
    };
    assert_eq!((params.length, params.history), (60, 10_000));
    assert_eq!((params.after, params.matches), (20, 5));
    assert_eq!((params.open_at, params.end_at()), (None, None));
    let Kind::Analogue(params) = kind(json!({"open_at": 2.0})) else {
        unreachable!()
    };
    assert_eq!(params.end_at(), Some(2.5));
}

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (
            json!({"series": ""}),
            "series: expected a symbol, found \"\"",
        ),
        (
            json!({"length": 4}),
            "length: expected 5 to 1000 sections, found 4",
        ),
        (
            json!({"after": 0}),
            "after: expected 1 to 1000 sections, found 0",
        ),
        (
            json!({"history": 119}),
            "history: expected 120 to 50000 sections, found 119",
        ),
        (
            json!({"history": 159, "after": 100}),
            "history: expected 160 to 50000 sections, found 159",
        ),
        (
            json!({"matches": 21}),
            "matches: expected 1 to 20 windows, found 21",
        ),
        (
            json!({"open_at": 0.0}),
            "open_at: expected above 0, to 100, found 0",
        ),
        (
            json!({"end_at": 2.0}),
            "end_at: expected an open_at with it, found 2",
        ),
        (
            json!({"open_at": 2.0, "end_at": 1.0}),
            "end_at: expected open_at (2) to 200, found 1",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    let units = kind(json!({})).check_units(&[Unit::Percent]).unwrap_err();
    assert_eq!(units.key, "series");
}

#[test]
fn a_shape_that_comes_back_is_found_at_any_level_and_size() {
    // A hump, then noise, then the hump again: three times as high and twice as large.
    let hump = [0.0, 1.0, 3.0, 4.0, 2.5, 1.0, -1.0, -0.5];
    let mut closes = walk(7, 100);
    let level = closes[99];
    closes.extend(hump.map(|x| level * f64::exp(x / 100.0)));
    closes.extend(walk(8, 60));
    let level = closes.last().unwrap() * 3.0;
    closes.extend(hump.map(|x| level * f64::exp(x / 50.0)));
    let kind =
        kind(json!({"length": 8, "history": 500, "after": 5, "matches": 2, "open_at": 1e-3}));
    let said = run(&kind, &closes);
    let last = said.last().unwrap();
    assert!(last.step.reading.unwrap().value < 1e-6, "{:?}", last.step);
    assert_eq!(last.step.change, Change::Open(ALIKE));
    let found = &last.evidence["matches"][0];
    assert_eq!(
        (&found["start"], &found["end"]),
        (&json!(day(100).to_string()), &json!(day(107).to_string()))
    );
    assert_eq!(found["correlation"], 1.0);
    let after = closes[112] / closes[107] - 1.0;
    assert!((found["after_pct"].as_f64().unwrap() / 100.0 - after).abs() < 1e-6);
    assert!(
        last.headline
            .starts_with("A over 8 sessions is most like 2000-04-10 to 2000-04-17, distance 0; ")
    );
}

#[test]
fn without_a_threshold_it_reads_and_fires_nothing() {
    let kind = kind(json!({"length": 5, "history": 50, "after": 3}));
    let said = run(&kind, &walk(3, 200));
    assert!(said.iter().all(|said| said.step.change == Change::Quiet));
    // Two windows of five that do not overlap: the first reading.
    let cold = said.iter().take_while(|said| said.step.reading.is_none());
    assert_eq!(cold.count(), 9);
    let reading = said[150].step.reading.unwrap();
    assert_eq!((reading.threshold, reading.distance), (0.0, reading.value));
}

#[test]
fn a_window_whose_outcome_is_unknown_is_not_compared() {
    let kind = kind(json!({"length": 5, "history": 60, "after": 12, "matches": 20}));
    let closes = walk(5, 80);
    for (index, said) in run(&kind, &closes).iter().enumerate() {
        assert_eq!(said.step.reading.is_some(), index + 1 >= 17, "{index}");
        for found in said.evidence["matches"].as_array().unwrap() {
            assert!(found["after_pct"].is_number());
            assert!(found["end"].as_str().unwrap() <= day(index - 12).to_string().as_str());
        }
    }
}

#[test]
fn a_stretch_without_moves_has_no_shape() {
    let kind = kind(json!({"length": 5, "history": 60, "after": 3}));
    let mut closes = walk(5, 40);
    let level = closes[39];
    closes.extend([level; 10]);
    closes.extend(walk(6, 10));
    let said = run(&kind, &closes);
    assert!(said[42].step.reading.is_some());
    assert!(said[43..50].iter().all(|said| said.step.reading.is_none()));
    assert!(said[50..].iter().all(|said| said.step.reading.is_some()));
}

#[test]
fn rounding_does_not_pile_up() {
    let (length, history) = (20, 300);
    let kind = kind(json!({"length": length, "history": history, "after": 5}));
    let closes = walk(11, 20_000);
    let mut state = kind.detector();
    for (index, close) in closes.iter().enumerate() {
        let start = crate::time::EventTime::from_nanos(i64::try_from(index).unwrap() * DAY);
        let bucket = crate::clock::Bucket {
            start,
            end: start,
            as_of: start,
            date: None,
        };
        let values = [Some(Point::flat(*close, true))];
        let section = Section {
            bucket,
            values: &values,
            said: &[],
        };
        let step = state.step(&kind, &section);
        if index % 997 == 996 {
            let first = (index + 1).saturating_sub(history) + length - 1;
            let naive =
                (first..=index - length).map(|other| naive_distance(&closes, index, other, length));
            let naive = naive.reduce(f64::min).unwrap();
            let value = step.reading.unwrap().value;
            assert!(
                (value / naive - 1.0).abs() < 1e-10,
                "{value} against {naive}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Against the definition: all past windows, sorted by distance, each taken that overlaps none before it.
    #[test]
    fn matches_are_the_nearest_windows(seed: u64, length in 5_usize..12, after in 1_usize..20, slack in 0_usize..60) {
        let history = length + length.max(after) + slack;
        let kind = kind(json!({"length": length, "history": history, "after": after, "matches": 4}));
        let closes = walk(seed, 150);
        let said = run(&kind, &closes);
        for (index, said) in said.iter().enumerate() {
            let first = (index + 1).saturating_sub(history) + length - 1;
            let last = (index + 1).saturating_sub(length.max(after));
            let mut all: Vec<(usize, f64)> = (first..last)
                .map(|other| (other, naive_distance(&closes, index, other, length)))
                .collect();
            all.sort_by(|left, right| left.1.total_cmp(&right.1));
            prop_assert_eq!(said.step.reading.is_some(), !all.is_empty());
            let Some(reading) = said.step.reading else { continue };
            prop_assert!((reading.value - all[0].1).abs() < 1e-9 * (1.0 + all[0].1));
            let mut taken: Vec<(usize, f64)> = Vec::new();
            for one in all {
                if taken.len() < 4 && taken.iter().all(|other| other.0.abs_diff(one.0) >= length) {
                    taken.push(one);
                }
            }
            let found = said.evidence["matches"].as_array().unwrap();
            prop_assert_eq!(found.len(), taken.len());
            for (found, (end, distance)) in found.iter().zip(taken) {
                prop_assert!((found["distance"].as_f64().unwrap() - distance).abs() < 1e-6);
                prop_assert_eq!(&found["end"], &day(end).to_string());
                let outcome = (closes[end + after] / closes[end] - 1.0) * 100.0;
                prop_assert!((found["after_pct"].as_f64().unwrap() - outcome).abs() < 1e-4);
            }
        }
    }
}
