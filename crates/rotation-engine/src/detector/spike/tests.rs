use super::*;
use crate::alert::round;
use crate::detector::conformance::{Bench, Dice, session_bucket, tick_bucket};
use crate::detector::{DetectorState, Kind};
use crate::section::Point;
use crate::time::EventTime;
use jiff::Span;
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"series": "A", "window": 1, "trailing": 100, "min_history": 10});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("spike", all).unwrap().unwrap()
}

struct Told {
    change: Change,
    reading: Option<Measure>,
    evidence: Value,
    headline: String,
    direction: Option<Direction>,
}

fn day(index: usize) -> Date {
    date(2000, 1, 1).saturating_add(Span::new().days(i64::try_from(index).unwrap()))
}

/// A value a day, none where there is none.
fn run(kind: &Kind, unit: Unit, values: &[Option<f64>]) -> Vec<Told> {
    let mut bench = Bench::new(kind, unit);
    let sections = values.iter().enumerate().map(|(index, value)| {
        let point = value.map(|value| Point::flat(value, true));
        let (step, account) = bench.step(&(session_bucket(day(index)), vec![point]));
        Told {
            change: step.change,
            reading: step.reading,
            evidence: serde_json::to_value(account.evidence).unwrap(),
            headline: account.headline,
            direction: account.direction,
        }
    });
    sections.collect()
}

fn events(told: &[Told]) -> Vec<(usize, &Change)> {
    let changes = told.iter().map(|told| &told.change).enumerate();
    changes
        .filter(|(_, change)| !matches!(change, Change::Quiet | Change::Hold))
        .collect()
}

/// A yield that goes a basis point up and down, then as told.
fn yields(then: &[f64]) -> Vec<Option<f64>> {
    let calm = (0..20).map(|index| if index % 2 == 0 { 4.0 } else { 4.01 });
    calm.chain(then.iter().copied()).map(Some).collect()
}

#[test]
fn defaults_are_the_shipped_ones() {
    let params: Params = serde_json::from_value(json!({"series": "A"})).unwrap();
    assert_eq!(
        (params.window, params.trailing, params.min_z),
        (20, 2_520, 3.0)
    );
    assert_eq!((params.min_history(), params.rearm_z()), (252, 2.0));
    assert_eq!(params.direction, Way::Both);
    let short: Params =
        serde_json::from_value(json!({"series": "A", "trailing": 60, "min_z": 1.5})).unwrap();
    assert_eq!((short.min_history(), short.rearm_z()), (60, 1.5));
}

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (
            json!({"series": ""}),
            "series: expected a symbol, found \"\"",
        ),
        (
            json!({"window": 0}),
            "window: expected 1 to 10000 observations, found 0",
        ),
        (
            json!({"trailing": 9}),
            "trailing: expected 10 to 65536 changes, found 9",
        ),
        (
            json!({"min_history": 101}),
            "min_history: expected 10 to 100 changes, found 101",
        ),
        (
            json!({"min_z": 0}),
            "min_z: expected above 0, to 100, found 0",
        ),
        (
            json!({"min_change": -1}),
            "min_change: expected 0 to 1e6 percent or basis points, found -1",
        ),
        (
            json!({"rearm_z": 3.5}),
            "rearm_z: expected 0 to min_z (3), found 3.5",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
}

#[test]
fn changes_are_in_the_terms_of_the_series() {
    let of_yield = kind(json!({"min_change": "50bp"}));
    let of_price = kind(json!({"min_change": 5}));
    assert!(of_yield.check_units(&[Unit::Percent]).is_ok());
    assert!(of_price.check_units(&[Unit::Ratio]).is_ok());
    let error = of_yield.check_units(&[Unit::Price]).unwrap_err();
    assert_eq!(
        (error.key.as_str(), error.found.as_str()),
        ("min_change", "\"50bp\"")
    );
    let error = of_price.check_units(&[Unit::Percent]).unwrap_err();
    assert!(error.to_string().contains("\"50bp\""), "{error}");
    assert!(!of_yield.is_scale_free() && of_price.is_scale_free());
}

#[test]
fn opens_where_both_conditions_hold_and_ends_below_rearm() {
    let kind = kind(json!({"min_change": "10bp", "min_z": 3, "rearm_z": 1}));
    // Changes are +1 and −1 alternately: median −1 or 0 or 1, MAD 1 or 2.
    let told = run(
        &kind,
        Unit::Percent,
        &yields(&[4.0, 4.09, 4.19, 4.29, 4.28, 4.10]),
    );
    // 9 bp are enough by z and too few by size; 10 bp are enough: 4.19 − 4.09 is 0.10. The episode goes on above rearm.
    assert_eq!(
        events(&told),
        [
            (22, &Change::Open(SPIKE)),
            (24, &Change::Resolve(FADED)),
            (25, &Change::Open(SPIKE))
        ]
    );
    let too_small = told[21].reading.unwrap();
    assert!(too_small.value > 3.0 && too_small.distance > 0.0);
    assert_eq!(
        too_small.threshold - too_small.value,
        too_small.distance,
        "the floor as a z-score"
    );
    assert_eq!(told[22].reading.unwrap().distance, 0.0);
    assert_eq!(told[22].evidence["change_bp"], 10.0);
    assert_eq!(
        told[22].evidence["from"],
        json!({"value": 4.09, "date": "2000-01-22"})
    );
    assert_eq!(told[22].direction, Some(Direction::Up));
    let ended = &told[24];
    assert_eq!(ended.evidence["since"], "2000-01-23");
    assert_eq!(ended.evidence["peak"]["change_bp"], 10.0);
    assert!(
        ended
            .headline
            .starts_with("A calmed down: −1 bp over 1 observation, to 4.28 %, z ")
    );
    assert_eq!(told[25].direction, Some(Direction::Down));
    assert!(told[25].reading.unwrap().value < -3.0);
    assert!(told[25].reading.unwrap().threshold < 0.0);
}

#[test]
fn one_direction_ignores_the_other() {
    let falls = [4.0, 3.5, 3.5, 3.5];
    let up = kind(json!({"min_change": "10bp", "direction": "up"}));
    assert_eq!(events(&run(&up, Unit::Percent, &yields(&falls))), []);
    let down = kind(json!({"min_change": "10bp", "direction": "down"}));
    let told = run(&down, Unit::Percent, &yields(&falls));
    assert_eq!(
        events(&told),
        [(21, &Change::Open(SPIKE)), (22, &Change::Resolve(FADED))]
    );
}

#[test]
fn a_series_that_hardly_ever_moves_is_judged_by_the_floor() {
    let still = std::iter::repeat_n(Some(4.0), 20);
    let values: Vec<_> = still.chain([Some(4.25), Some(4.75), Some(4.75)]).collect();
    let kind = kind(json!({"min_change": "50bp"}));
    let told = run(&kind, Unit::Percent, &values);
    assert_eq!(told[19].reading.unwrap().value, 0.0);
    assert_eq!(told[20].reading.unwrap().value, Z_MAX);
    assert_eq!(
        events(&told),
        [(21, &Change::Open(SPIKE)), (22, &Change::Resolve(FADED))]
    );
}

#[test]
fn observations_are_the_series_own() {
    let kind = kind(json!({"window": 3, "min_change": "10bp"}));
    let whole: Vec<_> = yields(&[4.0, 4.1, 4.2, 4.3]);
    let mut holed = Vec::new();
    for value in &whole {
        holed.extend([Some(f64::NAN), None, *value]);
    }
    let z = |told: &[Told]| -> Vec<f64> {
        let readings = told.iter().filter_map(|told| told.reading);
        readings.map(|reading| reading.value).collect()
    };
    assert_eq!(
        z(&run(&kind, Unit::Percent, &whole)),
        z(&run(&kind, Unit::Percent, &holed))
    );
}

#[test]
fn ticks_are_observations() {
    let kind = kind(json!({"min_change": 2, "window": 2}));
    let mut bench = Bench::new(&kind, Unit::Price);
    let mut opened = Vec::new();
    for (index, value) in yields(&[4.0, 4.05, 4.2]).into_iter().flatten().enumerate() {
        let time = EventTime::from_nanos(i64::try_from(index).unwrap());
        let point = Some(Point::flat(value, false));
        let (step, account) = bench.step(&(tick_bucket(time), vec![point]));
        if let Change::Open(_) = step.change {
            opened.push((index, account.headline));
        }
    }
    assert_eq!(opened.len(), 1);
    let (index, headline) = &opened[0];
    assert_eq!(*index, 22);
    assert!(
        headline.starts_with("A +5.00 % over 2 observations, to 4.2; z "),
        "{headline}"
    );
}

#[test]
fn basis_points_go_along_with_their_basis() {
    let kind = kind(json!({"min_change": "10bp", "window": 2}));
    let mut state = kind.detector();
    let mut scaled = kind.detector();
    let z = |state: &mut DetectorState, index: usize, value: f64| {
        let values = [Some(Point::flat(value, true))];
        let section = Section {
            bucket: session_bucket(day(index)),
            values: &values,
            said: &[],
        };
        state.step(&kind, &section).reading.map(|read| read.value)
    };
    for (index, value) in yields(&[4.0, 4.1, 4.2, 4.15])
        .into_iter()
        .flatten()
        .enumerate()
    {
        if index == 21 {
            scaled.rescale(0, 4.0);
        }
        let factor = if index < 21 { 1.0 } else { 4.0 };
        let (left, right) = (
            z(&mut state, index, value),
            z(&mut scaled, index, value * factor),
        );
        match (left, right) {
            (Some(left), Some(right)) => assert!((left - right).abs() < 1e-9),
            (left, right) => assert_eq!(left, right),
        }
    }
}

/// The z-score by its definition: none below so many changes.
fn naive_z(changes: &[f64], trailing: usize, least: usize) -> Option<f64> {
    let (now, before) = changes.split_last()?;
    let before = &before[before.len().saturating_sub(trailing)..];
    if before.len() < least {
        return None;
    }
    let median = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let half = sorted.len() / 2;
        if sorted.len() % 2 == 1 {
            sorted[half]
        } else {
            (sorted[half - 1] + sorted[half]) / 2.0
        }
    };
    let middle = median(before);
    let distances: Vec<f64> = before.iter().map(|x| (x - middle).abs()).collect();
    Some((now - middle) / (1.4826 * median(&distances)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn readings_and_events_are_those_of_the_definition(
        seed: u64, window in 1_usize..8, trailing in 20_usize..80, in_percent: bool,
    ) {
        let mut dice = Dice(seed);
        let floor = 0.6;
        let min_change = if in_percent { json!("60bp") } else { json!(floor) };
        let kind = kind(json!({
            "window": window, "trailing": trailing, "min_history": 20, "min_z": 1.5, "rearm_z": 0.5,
            "min_change": min_change,
        }));
        let unit = if in_percent { Unit::Percent } else { Unit::Price };
        let mut value = 100.0;
        let values: Vec<f64> = (0..300).map(|_| {
            value = round(value + (dice.fraction() - 0.5) * 1.3, 3);
            value
        }).collect();
        let told = run(&kind, unit, &values.iter().copied().map(Some).collect::<Vec<_>>());

        let mut changes = Vec::new();
        let mut open: Option<f64> = None;
        for (index, told) in told.iter().enumerate() {
            if index >= window {
                let (now, from) = (values[index], values[index - window]);
                changes.push(if in_percent { round((now - from) * 100.0, 9) } else { (now / from - 1.0) * 100.0 });
            }
            let Some(z) = naive_z(&changes, trailing, 20) else {
                prop_assert_eq!(told.reading, None);
                continue;
            };
            let read = told.reading.unwrap().value;
            prop_assert!((read - z).abs() <= 1e-9 * z.abs().max(1e-3), "{} against {}", read, z);
            let floor = if in_percent { 60.0 } else { floor };
            let change = changes.last().unwrap();
            let expected = match open {
                Some(side) if z * side < 0.5 => {
                    open = None;
                    Change::Resolve(FADED)
                }
                Some(_) => Change::Hold,
                None if z.abs() >= 1.5 && change * z.signum() >= floor => {
                    open = Some(z.signum());
                    Change::Open(SPIKE)
                }
                None => Change::Quiet,
            };
            prop_assert_eq!(&told.change, &expected, "at {}", index);
        }
    }
}
