use super::*;
use crate::clock::{Bucket, DAY, SECOND};
use crate::detector::conformance::{Bench, session_bucket, tick_bucket};
use crate::detector::{Kind, Params as _};
use crate::section::Point;
use crate::time::EventTime;
use jiff::Span;
use jiff::civil::date;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"series": "A", "level": 5.0, "near": 0.1, "rearm": 0.3});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("level_approach", all).unwrap().unwrap()
}

struct Told {
    step: Step,
    evidence: Value,
    headline: String,
}

fn told(bench: &mut Bench<'_>, bucket: Bucket, value: f64) -> Told {
    let (step, account) = bench.step(&(bucket, vec![Some(Point::flat(value, true))]));
    Told {
        step,
        evidence: serde_json::to_value(account.evidence).unwrap(),
        headline: account.headline,
    }
}

/// A value a day.
fn run(kind: &Kind, values: &[f64]) -> Vec<Told> {
    let mut bench = Bench::new(kind, Unit::Percent);
    let days = (0_i64..).map(|index| date(2000, 1, 1).saturating_add(Span::new().days(index)));
    days.zip(values)
        .map(|(day, value)| told(&mut bench, session_bucket(day), *value))
        .collect()
}

fn changes(kind: &Kind, values: &[f64]) -> Vec<Change> {
    run(kind, values)
        .into_iter()
        .map(|told| told.step.change)
        .collect()
}

use Change::{Escalate, Hold, Open, Quiet, Resolve};

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (
            json!({"series": ""}),
            "series: expected a symbol, found \"\"",
        ),
        (
            json!({"level": 1e10}),
            "level: expected -1e9 to 1e9, found 10000000000",
        ),
        (
            json!({"near": -0.1}),
            "near: expected a distance of 0 to 1e9, found -0.1",
        ),
        (
            json!({"rearm": 0.1}),
            "rearm: expected a distance above near (0.1), to 1e9, found 0.1",
        ),
        (
            json!({"velocity_sessions": 0}),
            "velocity_sessions: expected 1 to 1000 sessions, found 0",
        ),
        (
            json!({"min_velocity": -1}),
            "min_velocity: expected 0 to 1e9 a session, found -1",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    let error = Kind::deserialize("level_approach", json!({"series": "A", "level": "five"}));
    assert!(error.unwrap().unwrap_err().to_string().contains("\"five\""));
    let error = kind(json!({"rearm": "30bp"}))
        .check_units(&[Unit::Price])
        .unwrap_err();
    assert_eq!(
        (error.key.as_str(), error.found.as_str()),
        ("rearm", "\"30bp\"")
    );
    assert!(
        kind(json!({"rearm": "30bp"}))
            .check_units(&[Unit::Percent])
            .is_ok()
    );
}

#[test]
fn distances_default_to_shares_of_the_level() {
    let params = json!({"series": "A", "level": -5});
    let params: Params = serde_json::from_value(params).unwrap();
    assert_eq!((params.near(), params.rearm()), (0.1, 0.3));
    assert!(params.check().is_ok());
    let zero: Params = serde_json::from_value(json!({"series": "A", "level": 0})).unwrap();
    assert_eq!(zero.check().unwrap_err().key, "rearm");
}

#[test]
fn edges_are_compared_as_decimals() {
    let kind = kind(json!({}));
    assert_eq!(
        changes(&kind, &[4.70, 4.95, 5.2]),
        [Quiet, Quiet, Quiet],
        "4.70 does not arm"
    );
    assert_eq!(
        changes(&kind, &[4.69, 4.899, 4.90]),
        [Quiet, Quiet, Open(NEAR)]
    );
    let ends = changes(&kind, &[4.69, 4.9, 4.7, 5.3, 5.31]);
    assert_eq!(
        ends,
        [
            Quiet,
            Open(NEAR),
            Hold,
            Escalate(CLOSED_BEYOND),
            Resolve(THROUGH)
        ]
    );
    assert_eq!(
        changes(&kind, &[4.69, 4.9, 4.69]),
        [Quiet, Open(NEAR), Resolve(RETREATED)]
    );
    // Decimals of a sum of steps, too: 4.4 + 5 · 0.1 is a hair below 4.9.
    let stepped = (0..5).fold(4.4, |value, _| value + 0.1);
    assert!(stepped != 4.9);
    assert_eq!(changes(&kind, &[4.4, stepped]), [Quiet, Open(NEAR)]);
}

#[test]
fn a_retreat_arms_again_and_a_breach_does_not() {
    let kind = kind(json!({}));
    let again = changes(&kind, &[4.6, 4.95, 4.6, 4.95]);
    assert_eq!(again, [Quiet, Open(NEAR), Resolve(RETREATED), Open(NEAR)]);
    let past = changes(&kind, &[4.6, 4.95, 5.4, 4.95, 4.6, 4.95]);
    assert_eq!(
        past,
        [
            Quiet,
            Open(NEAR),
            Resolve(THROUGH),
            Quiet,
            Quiet,
            Open(NEAR)
        ]
    );
}

#[test]
fn escalations_come_once_and_in_order() {
    let kind = kind(json!({}));
    assert_eq!(
        changes(&kind, &[4.6, 4.9, 5.0, 4.95, 5.0, 5.01, 4.9, 5.02]),
        [
            Quiet,
            Open(NEAR),
            Escalate(TOUCHED),
            Hold,
            Hold,
            Escalate(CLOSED_BEYOND),
            Hold,
            Hold
        ]
    );
    let gaps = |value| changes(&kind, &[4.6, value]).pop().unwrap();
    assert_eq!(
        (gaps(5.0), gaps(5.01), gaps(9.0)),
        (Open(TOUCHED), Open(CLOSED_BEYOND), Open(CLOSED_BEYOND))
    );
    assert_eq!(
        changes(&kind, &[4.6, 9.0, 9.0]).pop(),
        Some(Resolve(THROUGH))
    );
}

#[test]
fn from_above_is_the_mirror_image() {
    let below = kind(json!({"min_velocity": 0.01, "velocity_sessions": 1}));
    let above =
        kind(json!({"from": "above", "level": -5.0, "min_velocity": 0.01, "velocity_sessions": 1}));
    let values = [4.6, 4.95, 5.1, 5.4, 4.0, 4.9, 4.6];
    let mirrored = values.map(|value| -value);
    assert_eq!(changes(&below, &values), changes(&above, &mirrored));
    let told = run(&above, &mirrored);
    assert_eq!(
        told[1].evidence["peak"],
        json!({"value": -4.95, "date": "2000-01-02"})
    );
    assert_eq!(told[1].evidence["velocity_bp"], -35.0);
    assert_eq!(
        told[2].headline,
        "A closed past -5 %, at -5.1 %; −15 bp a session over 1 session"
    );
}

#[test]
fn a_slow_drift_does_not_open_where_velocity_is_asked_for() {
    let kind = kind(json!({"min_velocity": "2bp", "velocity_sessions": 2}));
    // 1 bp a session, then 2 bp over two sessions to the decimal.
    assert_eq!(
        changes(&kind, &[4.69, 4.89, 4.9, 4.9, 4.91, 4.94]),
        [Quiet, Quiet, Open(NEAR), Hold, Hold, Hold]
    );
    assert_eq!(
        changes(&kind, &[4.69, 4.89, 4.89, 4.89, 4.9, 4.91, 4.94]),
        [Quiet, Quiet, Quiet, Quiet, Quiet, Quiet, Open(NEAR)]
    );
    // Past the far edge too slowly to open, it has to come back first.
    let fast = self::kind(json!({"min_velocity": 1.0, "velocity_sessions": 1}));
    assert_eq!(
        changes(&fast, &[4.6, 5.4, 4.75, 5.9, 4.6, 5.7]),
        [Quiet, Quiet, Quiet, Quiet, Quiet, Open(CLOSED_BEYOND)]
    );
}

#[test]
fn readings_name_the_next_edge() {
    let kind = kind(json!({}));
    let told = run(
        &kind,
        &[4.8, 4.6, 4.8, 4.93, 4.93, 5.0, 4.98, 4.6, 4.95, 5.4],
    );
    let read: Vec<(f64, f64)> = told
        .iter()
        .map(|told| told.step.reading.unwrap())
        .map(|reading| (reading.threshold, reading.distance))
        .collect();
    assert_eq!(
        read,
        [
            (4.7, 0.1), // unarmed: has to fall first
            (4.9, 0.3),
            (4.9, 0.1),
            (4.9, 0.0), // opens
            (5.0, 0.07),
            (5.0, 0.0), // touches
            (5.0, 0.02),
            (4.7, 0.0), // retreats
            (4.9, 0.0),
            (5.3, 0.0), // goes through
        ]
    );
}

#[test]
fn velocity_on_ticks_goes_by_the_last_values_of_days() {
    let kind = kind(json!({"velocity_sessions": 2}));
    let mut bench = Bench::new(&kind, Unit::Percent);
    let at = |day: i64, hour: i64| EventTime::from_nanos(day * DAY + hour * 3600 * SECOND);
    for (time, value, velocity) in [
        (at(0, 14), 4.0, Value::Null),
        (at(0, 20), 4.6, Value::Null),
        (at(1, 14), 4.7, Value::Null),
        (at(4, 14), 4.8, json!(10.0)),
        (at(4, 15), 4.9, json!(15.0)),
        (at(4, 16), 5.0, json!(20.0)),
        (at(5, 16), 5.1, json!(20.0)),
    ] {
        let told = told(&mut bench, tick_bucket(time), value);
        assert_eq!(told.evidence["velocity_bp"], velocity, "{time}");
        // A tick past the level is a touch; only a session closes.
        let expected = match value {
            4.9 => Open(NEAR),
            5.0 => Escalate(TOUCHED),
            5.1 => Hold,
            _ => Quiet,
        };
        assert_eq!(told.step.change, expected, "{time}");
    }
}

#[test]
fn a_z_score_needs_sixty_earlier_velocities() {
    let kind = kind(json!({"velocity_sessions": 1}));
    // Steps of 1, −1, 3, −3 bp in turn: median 0, median absolute deviation 2.
    let steps = [0.01, -0.01, 0.03, -0.03].into_iter().cycle();
    let mut value = 4.0;
    let walk = steps.take(80).map(|step| {
        value += step;
        value
    });
    let values: Vec<f64> = std::iter::once(4.0).chain(walk).chain([4.06]).collect();
    let told = run(&kind, &values);
    assert_eq!(told[60].evidence["velocity_z"], Value::Null);
    assert_eq!(told[61].evidence["velocity_z"], 0.34);
    assert_eq!(told[81].evidence["velocity_z"], 2.02);
    assert_eq!(told[81].evidence["sessions_to_touch"], 15.7);
}

#[test]
fn a_price_level_speaks_in_prices() {
    let kind = kind(json!({"level": 5000, "near": 50, "rearm": 150}));
    let mut bench = Bench::new(&kind, Unit::Price);
    let days = (0_i64..).map(|index| date(2000, 1, 1).saturating_add(Span::new().days(index)));
    let values = [4800.0, 4800.0, 4800.0, 4800.0, 4800.0, 4960.5];
    let told = days
        .zip(values)
        .map(|(day, value)| told(&mut bench, session_bucket(day), value))
        .last();
    let told = told.unwrap();
    assert_eq!(
        told.headline,
        "A at 4960.5, 39.5 from 5000; +32.1 a session over 5 sessions"
    );
    assert_eq!(told.evidence["distance"], 39.5);
    assert_eq!(told.evidence["velocity"], 32.1);
}

#[test]
fn a_change_of_basis_leaves_no_jump_in_the_velocity() {
    let kind = kind(json!({"level": 100, "near": 1, "rearm": 3, "velocity_sessions": 1}));
    let mut bench = Bench::new(&kind, Unit::Price);
    let days = (0_i64..).map(|index| date(2000, 1, 1).saturating_add(Span::new().days(index)));
    let mut days = days.map(session_bucket);
    let mut next = || days.next().unwrap();
    told(&mut bench, next(), 400.0);
    told(&mut bench, next(), 402.0);
    bench.state.rescale(0, 0.25);
    let told = told(&mut bench, next(), 101.0);
    assert_eq!(told.evidence["velocity"], 0.5);
}
