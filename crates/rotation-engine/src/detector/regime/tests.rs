use super::*;
use crate::clock::{Bucket, DAY};
use crate::detector::Params as _;
use crate::section::Said;
use crate::time::EventTime;
use serde_json::json;

fn params() -> Params {
    let given = json!({
        "inputs": [
            {"rule": "relative", "weight": 3, "full": 5},
            {"rule": "breadth", "neutral": 50, "full": 75},
            {"rule": "record", "when_open": 1.0},
        ],
        "dangers": ["yield"],
        "half_life": 4.0,
        "smoothing": 1,
        "min_stay": 3,
        "broadening_at": 0.2,
        "small_cap_led_at": 0.45,
        "large_cap_led_at": 0.2,
        "hysteresis": 0.1,
    });
    let params: Params = serde_json::from_value(given).unwrap();
    params.check().unwrap();
    params
}

fn said(value: f64, is_open: bool, began: Option<Began>) -> Option<Said> {
    Some(Said {
        reading: Some(Measure {
            value,
            threshold: 0.0,
            distance: 0.0,
        }),
        is_open,
        began,
        age: 0,
    })
}

fn step(state: &mut State, params: &Params, day: i64, said: &[Option<Said>]) -> Step {
    let start = EventTime::from_nanos(day * DAY);
    let bucket = Bucket {
        start,
        end: start.saturating_add(DAY),
        as_of: start,
        date: Some(start.utc_date()),
    };
    state.step(
        params,
        &Section {
            bucket,
            values: &[],
            said,
        },
    )
}

#[test]
fn the_score_is_the_weighted_mean_of_strengths() {
    let params = params();
    let mut state = State::new(&params);
    let quiet = said(0.0, false, None);
    // 3 · 0.5 + 1 · (−0.4) + 1 · 0, over 5.
    let step_ = step(
        &mut state,
        &params,
        1,
        &[
            said(2.5, false, None),
            said(40.0, false, None),
            quiet,
            quiet,
        ],
    );
    assert!((step_.reading.unwrap().value - 0.22).abs() < 1e-12);
    // The record opens, and fades by half in 4 sections; the others are as before.
    let opens = said(0.0, true, Some(Began::Opened));
    let value = |step: Step| step.reading.unwrap().value;
    let now = value(step(
        &mut state,
        &params,
        2,
        &[
            said(2.5, false, None),
            said(40.0, false, None),
            opens,
            quiet,
        ],
    ));
    assert!((now - 0.42).abs() < 1e-12, "{now}");
    for day in 3..=6 {
        let stands = said(0.0, true, None);
        let now = value(step(
            &mut state,
            &params,
            day,
            &[
                said(2.5, false, None),
                said(40.0, false, None),
                stands,
                quiet,
            ],
        ));
        let expected = (1.1 + libm::exp2(-((day - 2) as f64) / 4.0)) / 5.0;
        assert!((now - expected).abs() < 1e-12, "{now} against {expected}");
    }
}

#[test]
fn missing_inputs_are_left_out_of_the_mean_and_listed() {
    let params = params();
    let mut state = State::new(&params);
    let quiet = said(0.0, false, None);
    let step_ = step(
        &mut state,
        &params,
        1,
        &[said(5.0, false, None), None, quiet, quiet],
    );
    assert!((step_.reading.unwrap().value - 0.75).abs() < 1e-12);
    let account = state.tell(&params, &step_.change);
    let evidence = serde_json::to_value(&account.evidence).unwrap();
    assert_eq!(evidence["missing"], json!(["breadth"]));
    assert_eq!(evidence["contributions"][0]["rule"], "relative");
    let little = step(
        &mut State::new(&params),
        &params,
        1,
        &[None, said(60.0, false, None), quiet, quiet],
    );
    assert_eq!(
        little.reading, None,
        "two fifths of the weight are too little"
    );
}

#[test]
fn states_hold_on_stay_and_are_endangered_at_once() {
    let params = params();
    let mut state = State::new(&params);
    let mut day = 0;
    let mut at = |value: f64, danger: bool| {
        day += 1;
        let inputs = [
            said(value, false, None),
            said(50.0, false, None),
            said(0.0, false, None),
            said(0.0, danger, None),
        ];
        step(&mut state, &params, day, &inputs).change
    };
    // Relative alone moves the score by 3/5 of value/5.
    for _ in 0..3 {
        assert_eq!(
            at(5.0, false),
            Change::Quiet,
            "the first state lasts as long as others"
        );
    }
    assert_eq!(at(5.0, false), Change::Open(SMALL_CAP_LED));
    assert_eq!(
        at(5.0, true),
        Change::Escalate(ROTATION_AT_RISK),
        "a danger does not wait"
    );
    for _ in 0..3 {
        assert_eq!(at(5.0, false), Change::Hold);
    }
    assert_eq!(at(5.0, false), Change::Ease(SMALL_CAP_LED));
    for _ in 0..3 {
        assert_eq!(
            at(3.0, false),
            Change::Hold,
            ".36 is within the hysteresis of .45"
        );
    }
    assert_eq!(at(3.0, false), Change::Hold);
    assert_eq!(at(2.5, false), Change::Ease(BROADENING));
    for _ in 0..3 {
        assert_eq!(at(-5.0, false), Change::Hold);
    }
    assert_eq!(
        at(-5.0, false),
        Change::Resolve(NEUTRAL),
        "sides are not crossed at once"
    );
    for _ in 0..3 {
        assert_eq!(at(-5.0, false), Change::Quiet);
    }
    assert_eq!(at(-5.0, false), Change::Open(LARGE_CAP_LED));
}
