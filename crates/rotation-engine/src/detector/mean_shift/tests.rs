use super::*;
use crate::detector::Kind;
use crate::detector::Params as _;
use crate::detector::conformance::{Bench, Dice, session_bucket, tick_bucket};
use crate::section::Point;
use crate::time::EventTime;
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"series": "A"});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("mean_shift", all).unwrap().unwrap()
}

/// What was said of a value.
struct Said {
    step: Step,
    evidence: Value,
    headline: String,
}

/// Runs values, a session each; none is a session without one.
fn run(kind: &Kind, unit: Unit, values: impl IntoIterator<Item = Option<f64>>) -> Vec<Said> {
    let mut bench = Bench::new(kind, unit);
    let sections = values.into_iter().enumerate().map(|(index, value)| {
        let days = i64::try_from(index).unwrap();
        let day = date(2000, 1, 1).saturating_add(jiff::Span::new().days(days));
        let point = value.map(|value| Point::flat(value, true));
        let (step, account) = bench.step(&(session_bucket(day), vec![point]));
        Said {
            step,
            evidence: serde_json::to_value(account.evidence).unwrap(),
            headline: account.headline,
        }
    });
    sections.collect()
}

fn said(kind: &Kind, values: impl IntoIterator<Item = f64>) -> Vec<Said> {
    run(kind, Unit::Number, values.into_iter().map(Some))
}

fn is_alarm(said: &Said) -> bool {
    matches!(said.step.change, Change::Open(_) | Change::Escalate(_))
}

/// Each alarm: where it was placed, when it came, and its rung.
fn alarms(said: &[Said]) -> Vec<(usize, usize, &'static str)> {
    let alarms = said.iter().enumerate().filter_map(|(index, said)| {
        let (Change::Open(rung) | Change::Escalate(rung)) = said.step.change else {
            return None;
        };
        let delay = usize::try_from(said.evidence["delay"].as_u64().unwrap()).unwrap();
        Some((index - delay, index, rung))
    });
    alarms.collect()
}

/// Values around zero with deviation one, near enough normal: sums of twelve.
fn noise(seed: u64, count: usize) -> Vec<f64> {
    let mut dice = Dice(seed);
    let value = |_| (0..12).map(|_| dice.fraction()).sum::<f64>() - 6.0;
    (0..count).map(value).collect()
}

/// Noise with a shift of so much from `at` on.
fn shifted(seed: u64, at: usize, shift: f64) -> Vec<f64> {
    let shifted = noise(seed, at + 100).into_iter().enumerate();
    shifted
        .map(|(index, value)| if index < at { value } else { value + shift })
        .collect()
}

const WAYS: [&str; 3] = [
    r#"{"segments": "linear"}"#,
    r#"{"segments": "constant"}"#,
    r#"{"method": "cusum"}"#,
];

fn ways() -> impl Iterator<Item = Kind> {
    WAYS.into_iter()
        .map(|way| kind(serde_json::from_str(way).unwrap()))
}

#[test]
fn a_shift_is_seen_soon_and_placed_well() {
    let mut false_alarms = 0;
    // Sums place a change where they last left zero, which noise may put off by some observations.
    for (kind, reach) in ways().zip([2, 2, 10]) {
        for seed in 0..10 {
            for (shift, rung) in [(4.0, UP), (-4.0, DOWN)] {
                let said = said(&kind, shifted(seed, 200, shift));
                let alarms = alarms(&said);
                let placed = alarms
                    .iter()
                    .find(|(location, seen, _)| location.abs_diff(200) <= reach && *seen >= 200);
                let Some((_, seen, told)) = placed else {
                    panic!("{kind:?} {seed}: not placed: {alarms:?}");
                };
                assert_eq!(*told, rung);
                false_alarms += alarms.len() - 1;
                assert!(
                    (200..=212).contains(seen),
                    "{kind:?} {seed}: seen at {seen}"
                );
            }
        }
    }
    // A shift of four deviations may be told in two pieces, and each of the 60 series begins cold: 15 further alarms
    // are known, and they should not become more.
    assert!(false_alarms <= 15, "{false_alarms}");
}

#[test]
fn a_bend_is_seen_between_lines_alone() {
    // A line rises by a deviation in ten observations, then falls as fast.
    let bent = noise(4, 400).into_iter().enumerate().map(|(index, value)| {
        let from_bend = (index as f64 - 200.0).abs();
        value - from_bend / 10.0
    });
    let bent: Vec<f64> = bent.collect();
    let kind = kind(json!({}));
    let before = alarms(&said(&kind, bent[..200].to_vec()));
    assert_eq!(before, [], "a line is no change");
    let alarms = alarms(&said(&kind, bent));
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    let (location, seen, rung) = alarms[0];
    assert!(location.abs_diff(200) <= 10 && seen < 240, "{alarms:?}");
    assert_eq!(rung, DOWN);
}

#[test]
fn no_single_value_is_a_change() {
    for kind in ways() {
        for (at, value) in [(50, 1e9), (120, -400.0), (121, 8.0)] {
            let mut values = noise(1, 250);
            values[at] = value;
            assert_eq!(
                alarms(&said(&kind, values)),
                [],
                "{kind:?}: {value} at {at}"
            );
        }
    }
}

#[test]
fn correlated_noise_counts_for_less() {
    let mut level = 0.0;
    let correlated = noise(5, 3_000).into_iter().map(|value| {
        level = 0.8 * level + 0.6 * value;
        level
    });
    let said = said(&kind(json!({})), correlated);
    let late = said[500..].iter();
    let weights = late.map(|said| said.evidence["weight"].as_f64().unwrap());
    let weight = weights.sum::<f64>() / 2_500.0;
    // (1 − 0.8) / (1 + 0.8) = 0.11, and a bit: a correlation that is now over-, now underestimated weighs more.
    assert!((0.09..0.2).contains(&weight), "{weight}");
}

#[test]
fn noise_is_measured_across_a_jump() {
    let said = said(&kind(json!({"threshold": 100.0})), shifted(2, 400, 50.0));
    let last = &said.last().unwrap().evidence;
    let (noise, weight) = (
        last["noise"].as_f64().unwrap(),
        last["weight"].as_f64().unwrap(),
    );
    assert!((noise - 1.0).abs() < 0.25, "{noise}");
    assert!(weight > 0.6, "{weight}");
}

#[test]
fn an_episode_settles_or_escalates() {
    let kind = kind(json!({"settle": 15, "segments": "constant"}));
    let mut values = shifted(4, 100, 6.0);
    values.extend(noise(6, 100).iter().map(|value| value + 12.0));
    let said = said(&kind, values);
    let alarms = alarms(&said);
    assert_eq!(alarms.len(), 2, "{alarms:?}");
    let (_, first, _) = alarms[0];
    assert_eq!(said[first].step.change, Change::Open(UP));
    for held in &said[first + 1..first + 15] {
        assert_eq!(held.step.change, Change::Hold);
        assert_eq!(held.evidence["location"], said[first].evidence["location"]);
    }
    assert_eq!(said[first + 15].step.change, Change::Resolve(SETTLED));
    assert_eq!(said[first + 16].step.change, Change::Quiet);
    assert!(said[first + 16].evidence.get("location").is_none());

    let mut soon = shifted(4, 100, 6.0)[..112].to_vec();
    soon.extend(noise(6, 100).iter().map(|value| value - 6.0));
    let said = self::said(&kind, soon);
    let (_, second, _) = self::alarms(&said)[1];
    assert_eq!(said[second].step.change, Change::Escalate(DOWN));
    assert_eq!(said[second + 15].step.change, Change::Resolve(SETTLED));
}

#[test]
fn the_alarm_says_where_when_and_how_much() {
    let kind = kind(json!({"segments": "constant"}));
    let values = shifted(7, 60, 5.0)
        .into_iter()
        .map(|value| 4.0 + value / 10.0);
    let said = run(&kind, Unit::Percent, values.map(Some));
    let alarm = said.iter().find(|said| is_alarm(said)).unwrap();
    let evidence = &alarm.evidence;
    assert_eq!(evidence["location"], "2000-03-01");
    assert_eq!(evidence["seen"], "2000-03-05");
    assert_eq!(evidence["delay"], 4);
    assert_eq!(evidence["segment_start"], evidence["location"]);
    assert_eq!(evidence["segment_length"], 5);
    let number = |key: &str| evidence[key].as_f64().unwrap();
    assert!((number("before") - 4.0).abs() < 0.05, "{evidence}");
    assert!((number("after") - 4.5).abs() < 0.15, "{evidence}");
    assert!((number("shift") - (number("after") - number("before"))).abs() < 1e-5);
    assert!((number("shift_in_noise") - number("shift") / number("noise")).abs() < 0.01);
    let reading = alarm.step.reading.unwrap();
    assert!(reading.value > reading.threshold && reading.distance == 0.0);
    assert_eq!(
        number("alarm_reading"),
        crate::alert::round(reading.value, 2)
    );
    assert!(
        alarm
            .headline
            .starts_with("A has shifted up since 2000-03-01: 4."),
        "{}",
        alarm.headline
    );
    assert!(
        alarm
            .headline
            .ends_with("times the noise; seen 4 sessions later"),
        "{}",
        alarm.headline
    );
    assert_eq!(Bench::new(&kind, Unit::Percent).state, kind.detector());
}

#[test]
fn on_ticks_places_are_instants() {
    let kind = kind(json!({"method": "cusum"}));
    let mut bench = Bench::new(&kind, Unit::Number);
    let mut told = Vec::new();
    for (index, value) in shifted(9, 80, 5.0).into_iter().enumerate() {
        let time = EventTime::from_nanos(1_000_000_000 * i64::try_from(index).unwrap());
        let section = (tick_bucket(time), vec![Some(Point::flat(value, true))]);
        let (step, account) = bench.step(&section);
        if matches!(step.change, Change::Open(_)) {
            told.push(serde_json::to_value(account.evidence).unwrap());
        }
    }
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["location"], "1970-01-01T00:01:20Z", "{}", told[0]);
}

#[test]
fn sessions_without_a_value_do_not_count() {
    let values = shifted(11, 150, 4.0);
    let whole = alarms(&said(&kind(json!({})), values.clone()));
    let holed = values
        .into_iter()
        .flat_map(|value| [Some(value), None, None]);
    let said = run(&kind(json!({})), Unit::Number, holed);
    assert!(
        said.iter()
            .skip(1)
            .step_by(3)
            .all(|said| said.step.reading.is_none())
    );
    let told: Vec<u64> = said
        .iter()
        .filter(|said| is_alarm(said))
        .map(|said| said.evidence["delay"].as_u64().unwrap())
        .collect();
    let expected: Vec<u64> = whole
        .iter()
        .map(|(at, seen, _)| (seen - at) as u64)
        .collect();
    assert!(!expected.is_empty());
    assert_eq!(told, expected);
}

#[test]
fn differences_are_of_the_series_own_values() {
    // A drift of half a deviation a session sets in.
    let steps = shifted(13, 300, 3.0);
    let total = steps.iter().scan(1_000.0, |level, step| {
        *level += step;
        Some(*level)
    });
    let total: Vec<f64> = std::iter::once(1_000.0).chain(total).collect();
    let segments = json!({"of": "change", "segments": "constant"});
    let of_total = alarms(&said(&kind(segments), total));
    let of_steps = alarms(&said(&kind(json!({"segments": "constant"})), steps.clone()));
    assert!(!of_steps.is_empty());
    let later = |(at, seen, rung): (usize, usize, &'static str)| (at + 1, seen + 1, rung);
    assert_eq!(
        of_total,
        of_steps.into_iter().map(later).collect::<Vec<_>>()
    );

    let prices = steps.iter().scan(100.0, |price, step| {
        *price *= 1.0 + step / 100.0;
        Some(*price)
    });
    let prices: Vec<f64> = std::iter::once(100.0).chain(prices).collect();
    let returns = json!({"of": "return", "segments": "constant"});
    let said = run(&kind(returns), Unit::Price, prices.into_iter().map(Some));
    let alarm = said.iter().find(|said| is_alarm(said)).unwrap();
    assert!(
        alarm.headline.starts_with("the return of A has shifted up"),
        "{}",
        alarm.headline
    );
    assert!(alarm.headline.contains(" % where "), "{}", alarm.headline);
}

#[test]
fn zeros_are_a_series_too() {
    for kind in ways() {
        let values = std::iter::repeat_n(0.0, 200)
            .chain(noise(1, 200))
            .chain([1e49, -1e49, 1e-49, 0.0]);
        let said = said(&kind, values);
        assert!(
            said[..200]
                .iter()
                .all(|said| said.step.change == Change::Quiet)
        );
        assert!(said[29..].iter().all(|said| said.step.reading.is_some()));
    }
}

#[test]
fn thresholds_rise_with_the_rate() {
    for way in WAYS {
        let way: Value = serde_json::from_str(way).unwrap();
        let at = |one_in: f64| {
            let mut params: Params = serde_json::from_value(json!({"series": "A"})).unwrap();
            let given: serde_json::Map<String, Value> = way.as_object().unwrap().clone();
            params.method =
                serde_json::from_value(given.get("method").cloned().unwrap_or("bocpd".into()))
                    .unwrap();
            params.segments = given
                .get("segments")
                .map(|value| serde_json::from_value(value.clone()).unwrap());
            params.false_alarm_one_in = one_in;
            params.check().unwrap();
            params.alarm_at()
        };
        let rates = [
            250.0, 400.0, 1_000.0, 2_500.0, 9_999.0, 10_001.0, 50_000.0, 100_000.0,
        ];
        assert!(
            rates.windows(2).all(|pair| at(pair[0]) < at(pair[1])),
            "{way}"
        );
    }
}

#[test]
fn parameters_out_of_bounds_are_named() {
    for (params, message) in [
        (
            json!({"series": ""}),
            "series: expected a symbol, found \"\"",
        ),
        (
            json!({"false_alarm_one_in": 100}),
            "false_alarm_one_in: expected 250 to 100000 observations, found 100",
        ),
        (
            json!({"method": "cusum", "segments": "linear"}),
            "segments: expected \"constant\" with method \"cusum\", found \"linear\"",
        ),
        (
            json!({"threshold": 200}),
            "threshold: expected -10 to 100 log odds, found 200",
        ),
        (
            json!({"method": "cusum", "threshold": 0}),
            "threshold: expected 0.5 to 100 standard deviations, found 0",
        ),
        (
            json!({"run_length": 10}),
            "run_length: expected 50 to 1000 observations, found 10",
        ),
        (
            json!({"reference": 2}),
            "reference: expected 0.25 to 1 standard deviations, found 2",
        ),
        (
            json!({"settle": 0}),
            "settle: expected 1 to 1000 observations, found 0",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), message);
    }
    let returns = kind(json!({"of": "return"}));
    assert_eq!(
        returns
            .check_units(&[Unit::Percent])
            .unwrap_err()
            .to_string(),
        "of: expected \"level\" or \"change\" for a series of unit \"percent\", found \"return\""
    );
    assert!(returns.check_units(&[Unit::Price]).is_ok());
    assert_eq!(returns.unit(Unit::Price), "log odds");
    assert_eq!(
        kind(json!({"method": "cusum"})).unit(Unit::Price),
        "standard deviations"
    );
}

#[test]
fn a_state_is_small() {
    // Of what is kept for each observation, numbers of eight bytes: value and time, and four of a run, five on a line.
    for (segments, numbers) in [("constant", 6), ("linear", 7)] {
        let kind = kind(json!({"segments": segments}));
        let mut bench = Bench::new(&kind, Unit::Number);
        for (index, value) in noise(1, 2_000).into_iter().enumerate() {
            let time = EventTime::from_nanos(i64::try_from(index).unwrap());
            bench.step(&(tick_bucket(time), vec![Some(Point::flat(value, true))]));
        }
        let stored = serde_json::to_value(&bench.state).unwrap().to_string();
        let counted = stored.matches([',', '[']).count();
        let expected = 250 * numbers;
        assert!(
            (expected..expected + 60).contains(&counted),
            "{counted} numbers for {expected}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn neither_unit_nor_origin_matters(
        seed: u64,
        shift in -5.0_f64..5.0,
        factor in prop::sample::select(vec![-3.0, 0.01, 1.0, 1e4]),
        origin in -100.0_f64..100.0,
    ) {
        for kind in ways() {
            let values = shifted(seed, 120, shift);
            let plain = alarms(&said(&kind, values.clone()));
            let other = alarms(&said(&kind, values.into_iter().map(|value| factor * (value + origin))));
            let expected: Vec<_> = plain
                .into_iter()
                .map(|(at, seen, rung)| {
                    let turned = if rung == UP { DOWN } else { UP };
                    (at, seen, if factor < 0.0 { turned } else { rung })
                })
                .collect();
            prop_assert_eq!(other, expected, "{:?}", kind);
        }
    }
}
