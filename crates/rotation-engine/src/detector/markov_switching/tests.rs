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
    Kind::deserialize("markov_switching", all).unwrap().unwrap()
}

struct Said {
    step: Step,
    evidence: Value,
    headline: String,
}

impl Said {
    fn value(&self) -> f64 {
        self.step.reading.unwrap().value
    }
}

/// Runs returns in percent, a session a day, after a first close.
fn run(kind: &Kind, returns: &[f64]) -> Vec<Said> {
    let mut bench = Bench::new(kind, Unit::Price);
    let mut close = 1_000.0;
    let mut day = date(2000, 1, 1);
    let mut say = |close: f64| {
        let values = vec![Some(Point::flat(close, true))];
        let (step, account) = bench.step(&(session_bucket(day), values));
        day = day.saturating_add(Span::new().days(1));
        Said {
            step,
            evidence: serde_json::to_value(account.evidence).unwrap(),
            headline: account.headline,
        }
    };
    assert_eq!(say(close).step.reading, None);
    let said = returns.iter().map(|percent| {
        close *= 1.0 + percent / 100.0;
        say(close)
    });
    said.collect()
}

#[test]
fn defaults_are_the_shipped_ones() {
    let Kind::MarkovSwitching(params) = kind(json!({})) else {
        unreachable!()
    };
    assert_eq!(params.means, [0.06, -0.05]);
    assert_eq!(params.deviations, [0.63, 1.61]);
    assert_eq!(params.stay, [0.989, 0.967]);
    assert_eq!((params.open_at, params.end_at()), (None, 0.3));
    assert!((params.share() - 0.25).abs() < 1e-12);
}

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (
            json!({"series": ""}),
            "series: expected a symbol, found \"\"",
        ),
        (
            json!({"means": [0.0, 200.0]}),
            "means: expected two from -100 to 100 percent, found [0.0, 200.0]",
        ),
        (
            json!({"deviations": [1.5, 0.5]}),
            "deviations: expected two from 0.000001 to 100 percent, the second the larger, found [1.5, 0.5]",
        ),
        (
            json!({"stay": [1.0, 0.9]}),
            "stay: expected two from 0.000001 to 0.999999, found [1.0, 0.9]",
        ),
        (
            json!({"open_at": 0.4}),
            "open_at: expected 0.5 to below 1, found 0.4",
        ),
        (
            json!({"end_at": 0.4}),
            "end_at: expected an open_at with it, found 0.4",
        ),
        (
            json!({"open_at": 0.8, "end_at": 0.9}),
            "end_at: expected above 0, to open_at (0.8), found 0.9",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    let units = kind(json!({})).check_units(&[Unit::Percent]).unwrap_err();
    assert_eq!(units.key, "series");
}

/// The values are those of `MarkovRegression(...).filter(...)` of statsmodels 0.15 with the default parameters.
#[test]
fn probabilities_are_those_of_statsmodels() {
    let returns = [0.1, -0.4, 2.5, -3.0, 0.2, 0.1, 0.0, -0.1, 0.3, -6.0];
    let expected: [f64; 10] = [
        0.11514756446477566,
        0.06431021152668986,
        0.9403842696533844,
        0.9999897959465758,
        0.9206894139296372,
        0.761740888049463,
        0.526904976762557,
        0.29993649543834267,
        0.14837249625831228,
        0.9999999999999999,
    ];
    for (said, expected) in run(&kind(json!({})), &returns).iter().zip(expected) {
        assert!(
            (said.value() / expected - 1.0).abs() < 1e-11,
            "{} against {expected}",
            said.value()
        );
    }
}

#[test]
fn a_wild_return_opens_and_calm_ones_resolve() {
    let kind = kind(json!({"open_at": 0.9}));
    let mut returns = vec![0.1; 20];
    returns.push(-4.0);
    returns.extend([0.1; 20]);
    let said = run(&kind, &returns);
    let open = said
        .iter()
        .position(|said| said.step.change == Change::Open(TURBULENT));
    let end = said
        .iter()
        .position(|said| said.step.change == Change::Resolve(CALM));
    assert_eq!((open, end), (Some(20), Some(24)));
    assert_eq!(
        said[20].headline,
        "A is turbulent with a probability of 100.0 % after −4.00 %"
    );
    assert_eq!(
        (&said[20].evidence["since"], &said[20].evidence["sections"]),
        (&json!("2000-01-22"), &json!(1))
    );
    assert_eq!(said[22].evidence["sections"], 3);
    let held = said[22].step.reading.unwrap();
    assert_eq!((held.threshold, held.distance), (0.3, held.value - 0.3));
    assert!(said[24].value() < 0.3 && said[23].value() >= 0.3);
}

#[test]
fn without_a_threshold_it_reads_and_fires_nothing() {
    let said = run(&kind(json!({})), &[0.1, -9.0, 0.3, 5.0, -20.0]);
    assert!(said.iter().all(|said| said.step.change == Change::Quiet));
    let reading = said[4].step.reading.unwrap();
    assert_eq!(reading.threshold, 1.0);
    assert!(reading.value > 0.999_999);
}

#[test]
fn returns_beyond_all_bounds_are_certainly_turbulent() {
    let said = run(&kind(json!({})), &[0.1, 1e12, 0.0, -99.999_999_999]);
    assert_eq!((said[1].value(), said[3].value()), (1.0, 1.0));
}

proptest! {
    /// Against the definition, by densities: forward probabilities of both states, scaled to sum to one.
    #[test]
    fn filter_is_that_of_the_densities(seed: u64, calm in 0.2_f64..1.0, ratio in 1.1_f64..4.0) {
        let mut dice = Dice(seed);
        let stay = [0.5 + dice.fraction() / 2.1, 0.5 + dice.fraction() / 2.1];
        let means = [dice.fraction() - 0.5, dice.fraction() - 0.5];
        let deviations = [calm, calm * ratio];
        let returns: Vec<f64> = (0..150).map(|_| (dice.fraction() - 0.5) * 4.0).collect();
        let kind = kind(json!({"means": means, "deviations": deviations, "stay": stay}));
        let leave = [1.0 - stay[0], 1.0 - stay[1]];
        let mut forward = [leave[1] / (leave[0] + leave[1]), leave[0] / (leave[0] + leave[1])];
        for (said, change) in run(&kind, &returns).iter().zip(&returns) {
            let expected = [
                forward[0] * stay[0] + forward[1] * leave[1],
                forward[1] * stay[1] + forward[0] * leave[0],
            ];
            let joint = [0, 1].map(|state| {
                let z = (change - means[state]) / deviations[state];
                expected[state] * (-z * z / 2.0).exp() / deviations[state]
            });
            forward = joint.map(|one| one / (joint[0] + joint[1]));
            prop_assert!((said.value() - forward[1]).abs() < 1e-10, "{} against {}", said.value(), forward[1]);
        }
    }
}
