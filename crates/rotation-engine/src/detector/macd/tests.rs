use super::*;
use crate::detector::Kind;
use crate::detector::conformance::{Bench, Dice, session_bucket};
use crate::section::Point;
use jiff::Span;
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"series": "A"});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("macd", all).unwrap().unwrap()
}

fn run(kind: &Kind, values: &[f64]) -> Vec<(Step, Account)> {
    let mut bench = Bench::new(kind, Unit::Price);
    let days = (0_i64..).map(|index| date(2000, 1, 1).saturating_add(Span::new().days(index)));
    days.zip(values)
        .map(|(day, value)| {
            bench.step(&(session_bucket(day), vec![Some(Point::flat(*value, true))]))
        })
        .collect()
}

fn walk(seed: u64, sections: usize) -> Vec<f64> {
    let mut dice = Dice(seed);
    let mut value = 100.0;
    let values = (0..sections).map(|_| {
        value *= 1.0 + (dice.fraction() - 0.5) * 0.02;
        value
    });
    values.collect()
}

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (
            json!({"series": ""}),
            "series: expected a symbol, found \"\"",
        ),
        (
            json!({"fast": 0}),
            "fast: expected 1 to 1000 values, found 0",
        ),
        (
            json!({"slow": 12}),
            "slow: expected above fast (12), to 2520 values, found 12",
        ),
        (
            json!({"signal": 0}),
            "signal: expected 1 to 1000 values, found 0",
        ),
        (
            json!({"open_at": 0}),
            "open_at: expected above 0, to 1e9, found 0",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
}

#[test]
fn without_a_level_it_reads_and_never_opens() {
    let told = run(&kind(json!({})), &walk(1, 500));
    assert!(told.iter().all(|(step, _)| step.change == Change::Quiet));
    assert!(told[32].0.reading.is_none());
    for (step, account) in &told[33..] {
        let reading = step.reading.unwrap();
        assert_eq!(
            (reading.threshold, reading.distance),
            (0.0, reading.value.abs())
        );
        assert!(
            account.headline.starts_with("A: MACD 12/26 at "),
            "{}",
            account.headline
        );
    }
}

#[test]
fn with_a_level_it_opens_either_way_and_ends_at_the_crossing() {
    let rise = (0..60).map(|step| 100.0 + f64::from((step - 40_i32).max(0)));
    let fall = (0..40).map(|step| 119.0 - 2.0 * f64::from(step));
    let values: Vec<f64> = rise.chain(fall).collect();
    let told = run(&kind(json!({"open_at": 0.5})), &values);
    let events: Vec<&Change> = told
        .iter()
        .map(|(step, _)| &step.change)
        .filter(|change| !matches!(change, Change::Quiet | Change::Hold))
        .collect();
    assert_eq!(
        events,
        [
            &Change::Open(ABOVE),
            &Change::Resolve(CROSSED),
            &Change::Open(BELOW)
        ]
    );
    for (step, account) in &told {
        let Some(reading) = step.reading else {
            continue;
        };
        let level = match step.change {
            Change::Open(_) | Change::Quiet => 0.5,
            _ => 0.0,
        };
        assert_eq!(reading.threshold.abs(), level);
        assert_eq!(account.direction.is_some(), step.change != Change::Quiet);
    }
}

proptest! {
    /// Against the recurrences written out, which begin at the first value.
    #[test]
    fn is_the_difference_of_the_averages(seed: u64) {
        let values = walk(seed, 200);
        let told = run(&kind(json!({"fast": 5, "slow": 11, "signal": 4})), &values);
        let average = |values: &[f64], period: f64| -> Vec<f64> {
            let weight = 2.0 / (period + 1.0);
            let mut last = values[0];
            values.iter().map(|value| { last += weight * (value - last); last }).collect()
        };
        let (fast, slow) = (average(&values, 5.0), average(&values, 11.0));
        let difference: Vec<f64> = fast.iter().zip(&slow).map(|(fast, slow)| fast - slow).collect();
        let signal = average(&difference, 4.0);
        for (index, (step, _)) in told.iter().enumerate() {
            let read = step.reading.map(|reading| reading.value);
            prop_assert_eq!(read.is_some(), index >= 13);
            if let Some(read) = read {
                prop_assert!((read - (difference[index] - signal[index])).abs() < 1e-11);
            }
        }
    }

    #[test]
    fn a_change_of_basis_scales_the_reading(seed: u64) {
        let values = walk(seed, 120);
        let whole = kind(json!({}));
        let mut bench = Bench::new(&whole, Unit::Price);
        let told = run(&whole, &values);
        for (index, value) in values.iter().enumerate() {
            if index == 60 {
                bench.state.rescale(0, 0.25);
            }
            let factor = if index < 60 { 1.0 } else { 0.25 };
            let day = date(2000, 1, 1).saturating_add(Span::new().days(i64::try_from(index).unwrap()));
            let (step, _) = bench.step(&(session_bucket(day), vec![Some(Point::flat(value * factor, true))]));
            let (left, right) = (step.reading, told[index].0.reading);
            prop_assert_eq!(left.map(|reading| reading.value), right.map(|reading| reading.value * factor));
        }
    }
}
