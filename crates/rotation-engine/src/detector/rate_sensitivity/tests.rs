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
    let mut all = json!({"leader": "A", "laggard": "B", "rate": "Y"});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("rate_sensitivity", all).unwrap().unwrap()
}

fn day(index: usize) -> Date {
    date(2000, 1, 1).saturating_add(Span::new().days(i64::try_from(index).unwrap()))
}

fn run(kind: &Kind, values: &[[Option<f64>; 3]]) -> Vec<(Step, Account)> {
    let mut bench = Bench::new(kind, Unit::Price);
    let sections = values.iter().enumerate().map(|(index, values)| {
        let points = values.map(|value| value.map(|value| Point::flat(value, true)));
        bench.step(&(session_bucket(day(index)), points.to_vec()))
    });
    sections.collect()
}

/// A leader that moves by so many basis points a basis point of the yield, and by noise; a section a slope.
fn market(slopes: impl IntoIterator<Item = f64>) -> Vec<[Option<f64>; 3]> {
    let mut dice = Dice(3);
    let mut noise = move |size: f64| (dice.fraction() - 0.5) * size;
    let mut values = [100.0, 50.0, 4.0];
    let sections = slopes.into_iter().map(|slope: f64| {
        let (moved, both) = (noise(10.0), noise(0.02));
        let lead = (slope * moved + noise(10.0)) / 1e4;
        values = [
            values[0] * (1.0 + both + lead),
            values[1] * (1.0 + both),
            values[2] + moved / 100.0,
        ];
        values.map(Some)
    });
    sections.collect()
}

fn constant(slope: f64, sections: usize) -> impl Iterator<Item = f64> {
    std::iter::repeat_n(slope, sections)
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
        (json!({"rate": ""}), "rate: expected a symbol, found \"\""),
        (
            json!({"rate": "A"}),
            "rate: expected three different series, found A",
        ),
        (
            json!({"window": 9}),
            "window: expected 10 to 2520 observations, found 9",
        ),
        (
            json!({"lags": 31}),
            "lags: expected 0 to a quarter of window (30), found 31",
        ),
        (
            json!({"t_open": 0}),
            "t_open: expected above 0, to 20, found 0",
        ),
        (
            json!({"t_end": 2}),
            "t_end: expected 0 to below t_open (2), found 2",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    let kind = kind(json!({}));
    let key = |units: [Unit; 3]| kind.check_units(&units).map_err(|error| error.key);
    assert_eq!(key([Unit::Price, Unit::Price, Unit::Percent]), Ok(()));
    assert_eq!(key([Unit::Price; 3]), Err("rate".to_owned()));
    let percent = [Unit::Price, Unit::Percent, Unit::Percent];
    assert_eq!(key(percent), Err("laggard".to_owned()));
}

#[test]
fn lags_default_to_the_usual_number() {
    let params = |params| match kind(params) {
        Kind::RateSensitivity(params) => params,
        _ => unreachable!(),
    };
    assert_eq!(params(json!({})).lags(), 4);
    assert_eq!(params(json!({"window": 60})).lags(), 3);
    assert_eq!(params(json!({"lags": 0})).lags(), 0);
}

#[test]
fn a_sign_that_counts_after_the_other_opens() {
    let kind = kind(json!({"window": 60}));
    let slopes = constant(1.5, 150)
        .chain(constant(-1.5, 150))
        .chain(constant(1.5, 150));
    let told = run(&kind, &market(slopes));
    assert_eq!(
        events(&told),
        [Change::Open(FLIPPED), Change::Resolve(FADED)]
    );
    let (step, opened) = told
        .iter()
        .find(|(step, _)| matches!(step.change, Change::Open(_)))
        .unwrap();
    let evidence = serde_json::to_value(&opened.evidence).unwrap();
    assert!(evidence["t"].as_f64().unwrap() <= -2.0, "{evidence}");
    assert_eq!(evidence["flipped"], true);
    assert_eq!(
        evidence["other_sign_since"], "2000-03-01",
        "as soon as the window is full"
    );
    assert_eq!(evidence["established"]["sign"], "negative");
    assert!(
        opened
            .headline
            .contains("; the sign was positive since 2000-03-01"),
        "{}",
        opened.headline
    );
    assert_eq!(opened.direction, Some(Direction::Down));
    assert_eq!(opened.reverses, "a t of zero or above");
    let reading = step.reading.unwrap();
    assert!(reading.value <= reading.threshold && reading.distance == 0.0);
}

#[test]
fn the_first_sign_is_no_change_of_sign() {
    let slopes = || constant(-1.5, 150).chain(constant(1.5, 120));
    let quiet = run(&kind(json!({"window": 60})), &market(slopes()));
    assert_eq!(events(&quiet), []);
    let any = kind(json!({"window": 60, "flips_only": false, "t_end": 0.5}));
    let told = run(&any, &market(slopes()));
    assert_eq!(
        events(&told),
        [Change::Open(SIGNIFICANT), Change::Resolve(FADED)]
    );
    assert_eq!(told[60].0.change, Change::Open(SIGNIFICANT));
    assert!(told[60].1.headline.ends_with("; the negative sign counts"));
    assert_eq!(told[60].1.reverses, "a t above -0.5");
}

#[test]
fn a_weak_sign_does_not_count() {
    // A slope that is there and one of noise: |t| stays below 2 while the slope changes sign often enough.
    let slopes = || constant(1.5, 100).chain(constant(0.0, 400));
    let told = run(
        &kind(json!({"window": 60, "t_open": 4.5})),
        &market(slopes()),
    );
    assert!(
        told.iter()
            .filter_map(|(step, _)| step.reading)
            .any(|reading| reading.value < 0.0)
    );
    assert_eq!(events(&told), []);
}

#[test]
fn without_the_other_sign_first_the_distance_is_to_that() {
    let armed_by = |slope: f64, params: Value| {
        let told = run(&kind(params), &market(constant(slope, 100)));
        told.last().unwrap().0.reading.unwrap()
    };
    let unarmed = armed_by(-1.5, json!({"window": 60}));
    assert!(unarmed.threshold > 0.0);
    assert_eq!(unarmed.distance, unarmed.threshold - unarmed.value);
    let armed = armed_by(1.5, json!({"window": 60}));
    assert!(armed.threshold < 0.0);
    assert_eq!(armed.distance, armed.value - armed.threshold);
    let open = armed_by(-1.5, json!({"window": 60, "flips_only": false}));
    assert_eq!((open.threshold, open.distance), (0.0, -open.value));
}

#[test]
fn a_change_of_basis_of_a_price_changes_nothing() {
    let kind = kind(json!({"window": 20, "t_open": 1.0}));
    let values = market(constant(0.5, 60).chain(constant(-0.5, 60)));
    let whole = run(&kind, &values);
    let mut bench = Bench::new(&kind, Unit::Price);
    for (index, values) in values.iter().enumerate() {
        let factor = if index < 70 { 1.0 } else { 0.1 };
        if index == 70 {
            bench.state.rescale(0, 0.1);
        }
        let mut points = values.map(|value| value.map(|value| Point::flat(value, true)));
        points[0] = points[0].map(|point| point.scaled(factor));
        let (step, _) = bench.step(&(session_bucket(day(index)), points.to_vec()));
        assert_eq!(step.change, whole[index].0.change);
    }
    assert!(!events(&whole).is_empty());
}

proptest! {
    /// Against least squares by their definition, over the sections that have all three.
    #[test]
    fn is_the_slope_of_the_last_observations(seed: u64) {
        let window = 25;
        let mut dice = Dice(seed);
        let mut all = market((0..150).map(|index| if index < 80 { 1.0 } else { -2.0 }));
        for values in &mut all {
            if dice.below(10) == 0 {
                values[dice.below(3)] = None;
            }
        }
        let told = run(&kind(json!({"window": window})), &all);
        let mut before: Option<[f64; 3]> = None;
        let mut seen: Vec<[f64; 2]> = Vec::new();
        for (values, (step, _)) in all.iter().zip(&told) {
            let [Some(leader), Some(laggard), Some(rate)] = *values else {
                prop_assert_eq!(step.reading, None);
                continue;
            };
            if let Some(last) = before.replace([leader, laggard, rate]) {
                let lead = leader / last[0] - laggard / last[1];
                seen.push([(rate - last[2]) * 100.0, lead * 1e4]);
            }
            let read = step.reading.map(|reading| reading.value);
            prop_assert_eq!(read.is_some(), seen.len() >= window);
            if let Some(read) = read {
                let inside = &seen[seen.len() - window..];
                let mean = [0, 1].map(|axis| inside.iter().map(|pair| pair[axis]).sum::<f64>() / window as f64);
                let joint: f64 = inside.iter().map(|pair| (pair[0] - mean[0]) * (pair[1] - mean[1])).sum();
                let spread: f64 = inside.iter().map(|pair| (pair[0] - mean[0]).powi(2)).sum();
                prop_assert!((read - joint / spread).abs() < 1e-9, "{read} {}", joint / spread);
            }
        }
    }
}
