use super::*;
use crate::alert::round;
use crate::detector::conformance::{Bench, Dice, session_bucket};
use crate::detector::{Kind, Unit};
use crate::section::Point;
use crate::time::EventTime;
use jiff::Span;
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all =
        json!({"measure": "discount", "series": "A", "against": "B", "open_at": 25, "closing": 3});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("gap", all).unwrap().unwrap()
}

struct Told {
    step: Step,
    account: Account,
}

impl Told {
    fn evidence(&self) -> Value {
        serde_json::to_value(&self.account.evidence).unwrap()
    }

    fn value(&self) -> Option<f64> {
        self.step.reading.map(|reading| round(reading.value, 6))
    }
}

fn day(index: usize) -> Date {
    date(2020, 1, 1).saturating_add(Span::new().days(i64::try_from(index).unwrap()))
}

fn run_in(kind: &Kind, unit: Unit, values: &[[Option<f64>; 2]]) -> Vec<Told> {
    let mut bench = Bench::new(kind, unit);
    let inputs = kind.inputs().len();
    let sections = values.iter().enumerate().map(|(index, values)| {
        let points = values[..inputs].iter();
        let points = points.map(|value| value.map(|value| Point::flat(value, true)));
        let (step, account) = bench.step(&(session_bucket(day(index)), points.collect()));
        Told { step, account }
    });
    sections.collect()
}

/// A's values a day, against B at 100: the discount is what they lack of 100.
fn run(kind: &Kind, values: &[f64]) -> Vec<Told> {
    let values = values.iter().map(|value| [Some(*value), Some(100.0)]);
    run_in(kind, Unit::Ratio, &values.collect::<Vec<_>>())
}

fn events(told: &[Told]) -> Vec<(usize, &Change)> {
    let changes = told.iter().map(|told| &told.step.change).enumerate();
    changes
        .filter(|(_, change)| !matches!(change, Change::Quiet | Change::Hold))
        .collect()
}

#[test]
fn defaults_are_the_shipped_ones() {
    let params = json!({"measure": "level", "series": "A"});
    let params: Params = serde_json::from_value(params).unwrap();
    assert_eq!(
        (params.open_at, params.open_percentile, params.closing),
        (None, None, None)
    );
    assert_eq!((params.trailing, params.min_history()), (2_520, 60));
    assert_eq!(params.direction(), Direction::Up);
}

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (
            json!({"series": ""}),
            "series: expected a symbol, found \"\"",
        ),
        (
            json!({"against": null}),
            "against: expected a symbol, found none",
        ),
        (
            json!({"against": "A"}),
            "against: expected another series than `series`, found A",
        ),
        (
            json!({"measure": "level"}),
            "against: expected none, since a level stands alone, found B",
        ),
        (
            json!({"open_at": 1e10}),
            "open_at: expected -1e9 to 1e9, found 10000000000",
        ),
        (
            json!({"open_percentile": 101}),
            "open_percentile: expected 50 to 100 percent, found 101",
        ),
        (
            json!({"escalate_at": [30, 25]}),
            "escalate_at: expected at most 32 ascending numbers beyond open_at, within ±1e9, found [30.0, 25.0]",
        ),
        (
            json!({"escalate_at": [30], "wide": "below"}),
            "escalate_at: expected at most 32 descending numbers beyond open_at, within ±1e9, found [30.0]",
        ),
        (
            json!({"closing": 0}),
            "closing: expected above 0, to 1e9, found 0",
        ),
        (
            json!({"trailing": 9}),
            "trailing: expected 10 to 65536 observations, found 9",
        ),
        (
            json!({"min_history": 2_521}),
            "min_history: expected 10 to 2520 observations, found 2521",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    let units = kind(json!({})).check_units(&[Unit::Ratio, Unit::Number]);
    assert_eq!(units.unwrap_err().key, "against");
}

#[test]
fn a_valuation_gap_opens_widens_and_closes() {
    let kind = kind(json!({"escalate_at": [30]}));
    let told = run(
        &kind,
        &[
            80.0, 75.0, 72.0, 69.0, 70.0, 73.0, 74.0, 68.0, 72.0, 76.0, 74.0,
        ],
    );
    // The discount: 20, 25, 28, 31, 30, 27, 26, 32, 28, 24, 26. Closing is 3 points from the widest.
    assert_eq!(
        events(&told),
        [
            (1, &Change::Open(WIDE)),
            (3, &Change::Escalate(LEVEL)),
            (5, &Change::Ease(CLOSING)),
            (7, &Change::Escalate(WIDER)),
            (8, &Change::Ease(CLOSING)),
            (9, &Change::Resolve(CLOSED)),
            (10, &Change::Open(WIDE)),
        ]
    );
    let read = |index: usize| {
        let reading = told[index].step.reading.unwrap();
        [reading.value, reading.threshold, reading.distance].map(|value| round(value, 6))
    };
    assert_eq!(read(0), [20.0, 25.0, 5.0]);
    assert_eq!(read(1), [25.0, 25.0, 0.0]);
    assert_eq!(
        read(2),
        [28.0, 25.0, 3.0],
        "three points until it is closing"
    );
    assert_eq!(read(4), [30.0, 28.0, 2.0]);
    assert_eq!(read(6), [26.0, 25.0, 1.0], "one until it would not open");
    assert_eq!(
        told[3].account.headline,
        "A is at a discount of 31.0 % to B, 69 against 100"
    );
    assert_eq!(
        told[5].account.headline,
        "A is at a discount of 27.0 % to B, 73 against 100; it is closing from 31.0 % on 2020-01-04"
    );
    assert_eq!(
        told[9].account.headline,
        "A is at a discount of 24.0 % to B, 76 against 100; it has closed from 32.0 % on 2020-01-08"
    );
    assert_eq!(
        told[3].account.reverses,
        "a discount of 28.0 % or less, no longer wide enough to open"
    );
    let closing = told[5].evidence();
    assert_eq!(
        closing["widest"],
        json!({"value": 31.0, "date": "2020-01-04"})
    );
    assert_eq!(
        (&closing["narrowed_by"], &closing["closing"]),
        (&json!(4.0), &json!(true))
    );
}

#[test]
fn growth_against_growth_is_a_difference() {
    let kind = kind(json!({"measure": "difference", "open_at": 5, "closing": null}));
    let growth = [
        [15.0, 12.0],
        [19.0, 12.5],
        [22.0, 12.5],
        [20.4, 12.5],
        [16.0, 12.5],
    ];
    let values: Vec<_> = growth.iter().map(|pair| pair.map(Some)).collect();
    let told = run_in(&kind, Unit::Percent, &values);
    // 3, 6.5, 9.5, 7.9, 3.5: a fifth of 9.5 is 1.9.
    assert_eq!(
        events(&told),
        [(1, &Change::Open(WIDE)), (4, &Change::Resolve(CLOSED))]
    );
    assert_eq!(
        told[2].account.headline,
        "A minus B is 9.5 points, 22 % against 12.5 %"
    );
    assert_eq!(round(told[2].step.reading.unwrap().threshold, 9), 7.6);
    assert_eq!(kind.unit(Unit::Percent), "points");
}

#[test]
fn a_low_ratio_may_be_the_wide_one() {
    let kind = kind(json!({"measure": "ratio", "wide": "below", "open_at": 0.75, "closing": 0.05}));
    let told = run(&kind, &[80.0, 75.0, 70.0, 75.0, 78.0]);
    assert_eq!(
        events(&told),
        [
            (1, &Change::Open(WIDE)),
            (3, &Change::Ease(CLOSING)),
            (4, &Change::Resolve(CLOSED))
        ]
    );
    let before = told[0].step.reading.unwrap();
    assert_eq!((before.threshold, round(before.distance, 9)), (0.75, 0.05));
    assert_eq!(told[2].account.direction, Some(Direction::Down));
    assert_eq!(told[2].account.headline, "A is 0.7 of B, 70 against 100");
    assert_eq!(
        told[2].account.reverses,
        "a ratio of 0.75 or more, no longer wide enough to open"
    );
}

#[test]
fn each_value_stands_until_the_next() {
    let kind = kind(json!({}));
    let told = run_in(
        &kind,
        Unit::Ratio,
        &[
            [Some(80.0), None],
            [None, Some(100.0)],
            [None, None],
            [Some(f64::NAN), None],
            [Some(-3.0), Some(f64::INFINITY)],
            [Some(70.0), None],
            [None, Some(80.0)],
            [None, Some(110.0)],
        ],
    );
    let values: Vec<_> = told.iter().map(Told::value).collect();
    assert_eq!(
        values,
        [
            None,
            Some(20.0),
            None,
            None,
            None,
            Some(30.0),
            Some(12.5),
            Some(36.363_636)
        ]
    );
    assert_eq!(
        events(&told),
        [
            (5, &Change::Open(WIDE)),
            (6, &Change::Resolve(CLOSED)),
            (7, &Change::Open(WIDE))
        ]
    );
    let evidence = told[6].evidence();
    assert_eq!(
        evidence["series"],
        json!({"value": 70.0, "date": "2020-01-06"})
    );
    assert_eq!(
        evidence["against"],
        json!({"value": 80.0, "date": "2020-01-07"})
    );
    assert_eq!(evidence["history"], 2, "of observations, not of sessions");
}

#[test]
fn a_late_value_speaks_for_its_own_day() {
    let kind = kind(json!({"measure": "level", "against": null, "open_at": 4}));
    let mut bench = Bench::new(&kind, Unit::Percent);
    let point = Point {
        observed: Some(EventTime::from_nanos(0)),
        ..Point::flat(3.0, true)
    };
    let (_, account) = bench.step(&(session_bucket(day(0)), vec![Some(point)]));
    let evidence = serde_json::to_value(account.evidence).unwrap();
    assert_eq!(
        evidence["series"],
        json!({"value": 3.0, "date": "1970-01-01"})
    );
    assert_eq!(account.headline, "A at 3 %");
}

#[test]
fn a_gap_that_is_wide_from_the_start_is_no_event() {
    let told = run(&kind(json!({})), &[70.0, 69.0, 68.0, 80.0, 74.0]);
    assert_eq!(events(&told), [(4, &Change::Open(WIDE))]);
}

#[test]
fn without_conditions_it_reads() {
    let told = run(
        &kind(json!({"open_at": null})),
        &[70.0, 60.0, 50.0, 99.0, 40.0],
    );
    assert_eq!(events(&told), []);
    assert_eq!(told[4].value(), Some(60.0));
    assert_eq!(round(told[3].step.reading.unwrap().threshold, 4), 50.0);
}

#[test]
fn a_percentile_counts_from_the_side_that_is_not_wide() {
    let rising: Vec<f64> = (0..15_u32).map(|index| 60.0 + f64::from(index)).collect();
    for (measure, wide, values, percentile) in [
        ("level", "above", [75.0, 60.5], 100.0),
        ("level", "below", [75.0, 60.5], 0.0),
        ("discount", "above", [75.0, 60.5], 0.0),
        ("discount", "above", [59.0, 60.5], 100.0),
        ("ratio", "below", [59.0, 60.5], 100.0),
    ] {
        let mut params = json!({
            "measure": measure, "wide": wide, "open_at": null, "open_percentile": 90, "min_history": 10,
        });
        if measure == "level" {
            params["against"] = Value::Null;
        }
        let told = run(&kind(params), &[rising.as_slice(), &values].concat());
        let evidence = told[15].evidence();
        assert_eq!(evidence["percentile"], percentile, "{measure} {wide}");
        let opened = matches!(told[15].step.change, Change::Open(_));
        let is_new = told[14].evidence()["percentile"] != percentile;
        assert_eq!(opened, percentile == 100.0 && is_new, "{measure} {wide}");
    }
}

#[test]
fn a_new_basis_leaves_ratios_and_levels_in_place() {
    for params in [
        json!({"measure": "discount", "min_history": 10}),
        json!({"measure": "ratio", "wide": "below", "open_at": 0.75, "closing": 0.03, "min_history": 10}),
        json!({"measure": "level", "against": null, "open_at": null, "open_percentile": 80, "min_history": 10}),
    ] {
        let kind = kind(params);
        let mut dice = Dice(7);
        let inputs = kind.inputs().len();
        let (mut plain, mut moved) = (kind.detector(), kind.detector());
        for index in 0..60 {
            if index == 30 {
                moved.rescale(0, 0.5);
                if inputs > 1 {
                    moved.rescale(1, 0.5);
                }
            }
            let factor = if index < 30 { 1.0 } else { 0.5 };
            let close = 60.0 + dice.fraction() * 30.0;
            let said = [(&mut plain, 1.0), (&mut moved, factor)].map(|(state, factor)| {
                let point = |value: f64| Some(Point::flat(value * factor, true));
                let values = [point(close), point(100.0)];
                let section = Section {
                    bucket: session_bucket(day(index)),
                    values: &values[..inputs],
                    said: &[],
                };
                let step = state.step(&kind, &section);
                let names = crate::detector::Names {
                    symbols: &[],
                    units: &[],
                };
                let account = state.account(&kind, names, &step.change);
                (step.change, account.evidence.get("percentile").cloned())
            });
            assert_eq!(said[0], said[1], "{kind:?} at {index}");
        }
    }
}

#[test]
fn a_new_basis_of_one_begins_differences_anew() {
    let kind = kind(json!({"measure": "difference", "open_at": 5, "closing": 2}));
    let mut state = kind.detector();
    let say = |state: &mut crate::detector::DetectorState, index: usize, value: f64| {
        let values = [
            Some(Point::flat(value, true)),
            Some(Point::flat(100.0, true)),
        ];
        let section = Section {
            bucket: session_bucket(day(index)),
            values: &values,
            said: &[],
        };
        state.step(&kind, &section).change
    };
    assert_eq!(say(&mut state, 0, 100.0), Change::Quiet);
    assert_eq!(say(&mut state, 1, 110.0), Change::Open(WIDE));
    state.rescale(0, 2.0);
    // The widest is 120 now, not 10.
    assert_eq!(say(&mut state, 2, 219.0), Change::Hold);
    assert_eq!(say(&mut state, 3, 218.0), Change::Ease(CLOSING));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn readings_and_events_are_those_of_the_definition(seed: u64, trailing in 10_usize..60, below: bool) {
        let mut dice = Dice(seed);
        let kind = kind(json!({
            "wide": if below { "below" } else { "above" }, "open_at": if below { 35 } else { 25 },
            "open_percentile": 60, "closing": 3, "escalate_at": [], "trailing": trailing, "min_history": 10,
        }));
        let side = if below { -1.0 } else { 1.0 };
        let open_at = if below { -35.0 } else { 25.0 };
        let mut held = [None; 2];
        let values: Vec<[Option<f64>; 2]> = (0..200).map(|_| {
            [70.0, 100.0].map(|level| (dice.below(3) > 0).then(|| round(level + 12.0 * dice.fraction(), 1)))
        }).collect();
        let told = run_in(&kind, Unit::Ratio, &values);

        let mut ratios: Vec<f64> = Vec::new();
        let (mut armed, mut open): (bool, Option<(f64, bool)>) = (false, None);
        for (values, told) in values.iter().zip(&told) {
            for (held, value) in held.iter_mut().zip(values) {
                *held = value.or(*held);
            }
            let (true, [Some(a), Some(b)]) = (values.iter().any(Option::is_some), held) else {
                prop_assert_eq!(told.step.reading, None);
                continue;
            };
            let discount = (1.0 - a / b) * 100.0;
            prop_assert!((told.step.reading.unwrap().value - discount).abs() <= 1e-9 * discount.abs().max(1e-3));
            let width = discount * side;
            let before = &ratios[ratios.len().saturating_sub(trailing)..];
            let (now, single) = (width, |ratio: &f64| f64::from(*ratio as f32));
            let wider = |ratio: &f64| (1.0 - single(ratio)) * side;
            let own = wider(&(a / b));
            let narrower = before.iter().filter(|ratio| wider(ratio) < own).count() as f64;
            let equal = before.iter().filter(|ratio| wider(ratio) == own).count() as f64;
            let percentile = (narrower + equal / 2.0) / before.len() as f64 * 100.0;
            let is_wide = now >= open_at && before.len() >= 10 && percentile >= 60.0 - 1e-9;
            ratios.push(a / b);

            let expected = match open {
                None if is_wide && armed => {
                    open = Some((now, false));
                    Change::Open(WIDE)
                }
                None => {
                    armed |= !is_wide;
                    Change::Quiet
                }
                Some((widest, closing)) if now > widest => {
                    open = Some((now, false));
                    if closing { Change::Escalate(WIDER) } else { Change::Hold }
                }
                Some((widest, closing)) if widest - now >= 3.0 => {
                    if is_wide && closing {
                        Change::Hold
                    } else if is_wide {
                        open = Some((widest, true));
                        Change::Ease(CLOSING)
                    } else {
                        open = None;
                        Change::Resolve(CLOSED)
                    }
                }
                Some(_) => Change::Hold,
            };
            prop_assert_eq!(&told.step.change, &expected);
        }
    }
}
