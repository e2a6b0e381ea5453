use super::*;
use crate::detector::Kind;
use crate::detector::Unit;
use crate::detector::conformance::{Bench, Dice, session_bucket};
use crate::section::Point;
use jiff::Span;
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"first": "A", "second": "B"});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("correlation_break", all)
        .unwrap()
        .unwrap()
}

fn day(index: usize) -> Date {
    date(2000, 1, 1).saturating_add(Span::new().days(i64::try_from(index).unwrap()))
}

fn run(kind: &Kind, closes: &[[Option<f64>; 2]]) -> Vec<(Step, Account)> {
    let mut bench = Bench::new(kind, Unit::Price);
    let sections = closes.iter().enumerate().map(|(index, closes)| {
        let points = closes.map(|close| close.map(|close| Point::flat(close, true)));
        bench.step(&(session_bucket(day(index)), points.to_vec()))
    });
    sections.collect()
}

/// Closes of two series whose returns share so much of a seeded noise, a section each.
fn closes(shares: impl IntoIterator<Item = f64>) -> Vec<[Option<f64>; 2]> {
    let mut dice = Dice(7);
    let mut noise = move || (dice.fraction() - 0.5) * 0.04;
    let mut prices = [100.0, 50.0];
    let shares = shares.into_iter().map(|share: f64| {
        let common = noise();
        let own = (1.0 - share * share).sqrt() * noise();
        prices = [
            prices[0] * (1.0 + common),
            prices[1] * (1.0 + share * common + own),
        ];
        prices.map(Some)
    });
    shares.collect()
}

fn constant(share: f64, sections: usize) -> impl Iterator<Item = f64> {
    std::iter::repeat_n(share, sections)
}

fn events(told: &[(Step, Account)]) -> Vec<Change> {
    let changes = told.iter().map(|(step, _)| step.change.clone());
    changes
        .filter(|change| !matches!(change, Change::Quiet | Change::Hold))
        .collect()
}

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (json!({"first": ""}), "first: expected a symbol, found \"\""),
        (
            json!({"second": "A"}),
            "second: expected another series than the first, found A",
        ),
        (
            json!({"short": 4}),
            "short: expected 5 to 2520 changes, found 4",
        ),
        (
            json!({"long": 60}),
            "long: expected above short (60), to 5040 changes, found 60",
        ),
        (
            json!({"open_change": 0}),
            "open_change: expected above 0, to 2, found 0",
        ),
        (
            json!({"end_change": 0.5}),
            "end_change: expected 0 to below open_change (0.5), found 0.5",
        ),
        (
            json!({"end_change": 0.4}),
            "end_change: expected below twice flip_at (0.4), found 0.4",
        ),
        (
            json!({"flip_at": 0}),
            "flip_at: expected above 0, to 1, found 0",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    let without_flips = json!({"end_change": 0.4, "flips": false, "flip_at": 0});
    assert!(kind(without_flips).check().is_ok());
    let units = [Unit::Price, Unit::Percent];
    assert_eq!(
        kind(json!({})).check_units(&units).unwrap_err().key,
        "second_change"
    );
    let difference = json!({"second_change": "difference"});
    assert!(kind(difference).check_units(&units).is_ok());
}

#[test]
fn a_fall_opens_and_the_long_window_follows() {
    let kind = kind(json!({"short": 40, "long": 160, "flips": false}));
    let shares = constant(0.9, 300).chain(constant(0.0, 300));
    let told = run(&kind, &closes(shares));
    assert_eq!(
        events(&told),
        [Change::Open(FELL), Change::Resolve(SETTLED)]
    );
    let opened = told
        .iter()
        .find(|(step, _)| matches!(step.change, Change::Open(_)));
    let (step, account) = opened.unwrap();
    let reading = step.reading.unwrap();
    assert_eq!(reading.distance, 0.0);
    assert!(reading.value <= reading.threshold, "{reading:?}");
    assert_eq!(account.direction, Some(Direction::Down));
    assert!(
        account.headline.contains(" below the 0."),
        "{}",
        account.headline
    );
    assert_eq!(
        account.reverses,
        "a short correlation no more than 0.2 below the long one"
    );
}

#[test]
fn a_change_of_sign_escalates_and_a_return_restores() {
    let kind = kind(json!({"short": 30, "long": 250}));
    let shares = constant(0.7, 400)
        .chain(constant(-0.7, 45))
        .chain(constant(0.7, 120));
    let told = run(&kind, &closes(shares));
    assert_eq!(
        events(&told),
        [
            Change::Open(FELL),
            Change::Escalate(FLIPPED),
            Change::Resolve(RESTORED)
        ]
    );
    let (_, ended) = told
        .iter()
        .find(|(step, _)| matches!(step.change, Change::Resolve(_)))
        .unwrap();
    assert!(ended.headline.contains("is back at"), "{}", ended.headline);
    assert_eq!(
        serde_json::to_value(&ended.evidence).unwrap()["flipped"],
        true
    );
}

#[test]
fn a_change_of_sign_alone_opens() {
    // Distances never reach 1.5; from +0.3 to −0.3 is a change of sign all the same.
    let params = json!({"short": 60, "long": 300, "open_change": 1.5, "flip_at": 0.15});
    let shares = || constant(0.35, 400).chain(constant(-0.6, 60));
    let told = run(&kind(params), &closes(shares()));
    assert_eq!(events(&told), [Change::Open(FLIPPED)]);
    let params = json!({"short": 60, "long": 300, "open_change": 1.5, "flips": false});
    assert_eq!(events(&run(&kind(params), &closes(shares()))), []);
    let params =
        json!({"short": 60, "long": 300, "open_change": 1.5, "flip_at": 0.15, "direction": "up"});
    assert_eq!(events(&run(&kind(params), &closes(shares()))), []);
}

#[test]
fn distances_count_to_the_nearest_edge() {
    let kind = kind(json!({"short": 10, "long": 40}));
    let told = run(&kind, &closes(constant(0.5, 300)));
    assert!(told[39].0.reading.is_none() && told[40].0.reading.is_some());
    for (step, account) in &told[40..] {
        let evidence = serde_json::to_value(&account.evidence).unwrap();
        let long = evidence["long_correlation"].as_f64().unwrap();
        let reading = step.reading.unwrap();
        let value = reading.value;
        if step.change == Change::Quiet {
            let mut nearest = (value - (long - 0.5)).min(long + 0.5 - value);
            if long.abs() >= 0.2 {
                nearest = nearest.min((value + 0.2 * long.signum()).abs());
            }
            assert!(
                (reading.distance - nearest).abs() < 2e-4,
                "{reading:?} at {long}"
            );
        }
    }
}

proptest! {
    /// Against the definition, over the sections that have both.
    #[test]
    fn is_pearsons_correlation_of_the_last_changes(seed: u64, second_differs: bool) {
        let (short, long) = (12, 30);
        let how = if second_differs { "difference" } else { "return" };
        let params = json!({"short": short, "long": long, "second_change": how});
        let mut dice = Dice(seed);
        let mut all = closes((0..200).map(|index| if index < 100 { 0.8 } else { -0.5 }));
        for pair in &mut all {
            if dice.below(10) == 0 {
                pair[dice.below(2)] = None;
            }
        }
        let told = run(&kind(params), &all);
        let mut before: Option<[f64; 2]> = None;
        let mut changes: Vec<[f64; 2]> = Vec::new();
        for (closes, (step, _)) in all.iter().zip(&told) {
            let [Some(first), Some(second)] = *closes else {
                prop_assert_eq!(step.reading, None);
                continue;
            };
            if let Some(before) = before.replace([first, second]) {
                let second = if second_differs { second - before[1] } else { second / before[1] - 1.0 };
                changes.push([first / before[0] - 1.0, second]);
            }
            let read = step.reading.map(|reading| reading.value);
            let expected = (changes.len() >= long).then(|| pearson(&changes[changes.len() - short..]));
            prop_assert_eq!(read.is_some(), expected.is_some());
            if let (Some(read), Some(expected)) = (read, expected) {
                prop_assert!((read - expected).abs() < 1e-9, "{read} {expected}");
            }
        }
    }
}

fn pearson(pairs: &[[f64; 2]]) -> f64 {
    let count = pairs.len() as f64;
    let mean = [0, 1].map(|axis| pairs.iter().map(|pair| pair[axis]).sum::<f64>() / count);
    let sum = |left: usize, right: usize| -> f64 {
        let products = pairs.iter();
        products
            .map(|pair| (pair[left] - mean[left]) * (pair[right] - mean[right]))
            .sum()
    };
    sum(0, 1) / (sum(0, 0) * sum(1, 1)).sqrt()
}
