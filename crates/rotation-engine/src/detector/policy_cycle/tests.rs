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
    Kind::deserialize("policy_cycle", all).unwrap().unwrap()
}

fn day(days: u32) -> Date {
    date(2000, 1, 1).saturating_add(Span::new().days(days))
}

struct Said {
    change: Change,
    reading: Measure,
    evidence: Value,
    headline: String,
}

/// Runs rates, each on so many days after the first: what is said of each.
fn run(kind: &Kind, rates: &[(u32, f64)]) -> Vec<Said> {
    let mut bench = Bench::new(kind, Unit::Percent);
    let sections = rates.iter().map(|(days, rate)| {
        let values = vec![Some(Point::flat(*rate, true))];
        let (step, account) = bench.step(&(session_bucket(day(*days)), values));
        Said {
            change: step.change,
            reading: step.reading.unwrap(),
            evidence: serde_json::to_value(account.evidence).unwrap(),
            headline: account.headline,
        }
    });
    sections.collect()
}

fn changes(kind: &Kind, rates: &[(u32, f64)]) -> Vec<Change> {
    run(kind, rates)
        .into_iter()
        .map(|said| said.change)
        .collect()
}

use Change::{Ease, Escalate, Hold, Open, Quiet, Resolve};

#[test]
fn defaults_are_the_shipped_ones() {
    let Kind::PolicyCycle(params) = kind(json!({})) else {
        unreachable!()
    };
    assert_eq!(
        (
            params.open_at,
            params.escalate_at.as_slice(),
            params.open_on_pivot
        ),
        (3, [5, 8].as_slice(), true)
    );
    assert_eq!((params.pause_days, params.end_days), (100, 200));
    assert_eq!(
        (params.moves, params.tolerance.in_units()),
        (Moves::Either, 0.01)
    );
    assert_eq!((params.neutral, params.terminal), (None, None));
}

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (
            json!({"series": ""}),
            "series: expected a symbol, found \"\"",
        ),
        (
            json!({"open_at": 0}),
            "open_at: expected 1 to 1000 moves, found 0",
        ),
        (
            json!({"escalate_at": [3]}),
            "escalate_at: expected at most 32 ascending numbers from 4 to 1000 moves, found [3]",
        ),
        (
            json!({"tolerance": -0.5}),
            "tolerance: expected 0 to 100 percent, found -0.5",
        ),
        (
            json!({"pause_days": 0}),
            "pause_days: expected 1 to 36500 days, found 0",
        ),
        (
            json!({"end_days": 100}),
            "end_days: expected 101 to 36500 days, found 100",
        ),
        (
            json!({"neutral": [3.5, 2.5]}),
            "neutral: expected a lower and an upper end from -100 to 100 percent, found [3.5, 2.5]",
        ),
        (
            json!({"terminal": 200}),
            "terminal: expected -100 to 100 percent, found 200",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    let units = kind(json!({})).check_units(&[Unit::Price]).unwrap_err();
    assert_eq!(units.key, "series");
    assert!(kind(json!({})).check_units(&[Unit::Percent]).is_ok());
}

#[test]
fn opens_escalates_eases_resumes_and_is_over() {
    let kind = kind(json!({"open_at": 2, "escalate_at": [3], "tolerance": "5bp"}));
    let rates = [
        (0, 5.0),
        (10, 4.75),
        // A change up to the tolerance is no move.
        (11, 4.70),
        (20, 4.25),
        (60, 4.0),
        (159, 4.0),
        (160, 4.0),
        (161, 4.0),
        (200, 3.75),
        (399, 3.75),
        (400, 3.75),
    ];
    let said = run(&kind, &rates);
    let told: Vec<&Change> = said.iter().map(|said| &said.change).collect();
    assert_eq!(
        told,
        [
            &Quiet,
            &Quiet,
            &Quiet,
            &Open(MOVES),
            &Escalate(MOVES),
            &Hold,
            &Ease(PAUSE),
            &Hold,
            &Escalate(RESUMED),
            &Ease(PAUSE),
            &Resolve(OVER),
        ]
    );
    let readings: Vec<[f64; 3]> = said
        .iter()
        .map(|said| {
            [
                said.reading.value,
                said.reading.threshold,
                said.reading.distance,
            ]
        })
        .collect();
    assert_eq!(readings[2], [1.0, 2.0, 1.0]);
    assert_eq!(readings[3], [2.0, 2.0, 0.0]);
    assert_eq!(readings[4], [3.0, 3.0, 0.0]);
    assert_eq!(readings[10], [0.0, 2.0, 2.0]);
    assert_eq!(said[4].evidence["sum_bp"], -100.0);
    assert_eq!(said[4].evidence["last_bp"], -25.0);
    assert_eq!(
        said[4].headline,
        "A was cut for the 3rd time in a row, by 25 bp to 4 %; 100 bp since 2000-01-11"
    );
    assert_eq!(
        said[6].headline,
        "A unchanged at 4 % for 100 days after 3 cuts of 100 bp"
    );
    assert_eq!(
        said[10].headline,
        "A at 3.75 %: 4 cuts of 125 bp are over, the last on 2000-07-19"
    );
}

#[test]
fn a_pivot_opens_and_escalates_at_the_moves() {
    let kind = kind(json!({"escalate_at": []}));
    let rates = [
        (0, 1.0),
        (10, 1.25),
        // Years later, and yet the first the other way.
        (900, 1.0),
        (940, 0.75),
        (980, 0.25),
    ];
    let said = run(&kind, &rates);
    let told: Vec<&Change> = said.iter().map(|said| &said.change).collect();
    assert_eq!(
        told,
        [&Quiet, &Quiet, &Open(PIVOT), &Hold, &Escalate(MOVES)]
    );
    assert_eq!(said[2].evidence["pivot"], true);
    assert_eq!(said[2].evidence["previous"]["end"], "2000-01-11");
    assert_eq!(
        said[2].headline,
        "A was cut by 25 bp to 1 %, the first cut after the hikes that ended 2000-01-11"
    );
    assert_eq!(
        (said[2].reading.threshold, said[3].reading.distance),
        (1.0, 1.0)
    );
    let deaf = super::tests::kind(json!({"open_on_pivot": false}));
    assert_eq!(changes(&deaf, &rates[..4]), [Quiet, Quiet, Quiet, Quiet]);
}

#[test]
fn the_first_move_ever_is_no_pivot() {
    let kind = kind(json!({}));
    assert_eq!(changes(&kind, &[(0, 1.0), (10, 1.25)]), [Quiet, Quiet]);
}

#[test]
fn a_reversal_ends_the_episode_and_its_pivot_opens_the_next() {
    let kind = kind(json!({"open_at": 2}));
    let rates = [
        (0, 1.0),
        (1, 1.5),
        (2, 2.0),
        (3, 1.75),
        (4, 1.75),
        (5, 1.75),
    ];
    let said = run(&kind, &rates);
    let told: Vec<&Change> = said.iter().map(|said| &said.change).collect();
    assert_eq!(
        told,
        [
            &Quiet,
            &Quiet,
            &Open(MOVES),
            &Resolve(REVERSED),
            &Open(PIVOT),
            &Hold
        ]
    );
    assert_eq!(
        said[3].headline,
        "A was cut by 25 bp to 1.75 %; it ends 2 hikes of 100 bp"
    );
    assert_eq!(said[3].evidence["moves"], "hikes");
    assert_eq!(said[4].evidence["moves"], "cuts");
}

#[test]
fn a_run_that_waited_too_long_begins_anew() {
    let kind = kind(json!({"open_at": 2}));
    let rates = [(0, 3.0), (10, 2.75), (210, 2.5), (250, 2.25)];
    let said = run(&kind, &rates);
    assert_eq!(said[2].reading.value, 1.0);
    assert_eq!(said[3].change, Open(MOVES));
    assert_eq!(said[3].evidence["start"], day(210).to_string());
    // Open, and the move comes when the run is over already: the episode ends as over.
    let late = [(0, 3.0), (10, 2.75), (20, 2.5), (300, 2.25), (301, 2.0)];
    assert_eq!(
        changes(&kind, &late),
        [Quiet, Quiet, Open(MOVES), Resolve(OVER), Open(MOVES)]
    );
}

#[test]
fn only_the_moves_that_count() {
    let kind = kind(json!({"moves": "hikes", "open_at": 2}));
    let rates = [
        (0, 1.0),
        (1, 0.75),
        (2, 0.5),
        (3, 0.75),
        (4, 1.0),
        (5, 0.5),
        (6, 0.25),
    ];
    let said = run(&kind, &rates);
    let told: Vec<&Change> = said.iter().map(|said| &said.change).collect();
    assert_eq!(
        told,
        [
            &Quiet,
            &Quiet,
            &Quiet,
            &Open(PIVOT),
            &Escalate(MOVES),
            &Resolve(REVERSED),
            &Quiet
        ]
    );
    assert_eq!(said[2].reading.value, 0.0);
    assert_eq!(said[6].reading.value, 0.0);
}

#[test]
fn stance_and_way_to_the_terminal_rate() {
    let kind = kind(json!({"neutral": [2.5, 3.5], "terminal": 3.25}));
    let said = run(&kind, &[(0, 4.0), (1, 3.5), (2, 2.25)]);
    let stances: Vec<&Value> = said.iter().map(|said| &said.evidence["stance"]).collect();
    assert_eq!(stances, ["restrictive", "neutral", "accommodative"]);
    assert_eq!(said[0].evidence["to_terminal_bp"], -75.0);
    assert_eq!(said[2].evidence["to_terminal_bp"], 100.0);
    assert_eq!(
        said[2].evidence["last_moves"],
        json!([{"date": "2000-01-02", "bp": -50.0}, {"date": "2000-01-03", "bp": -125.0}])
    );
}

proptest! {
    /// Against the definition: list all moves, walk back from the newest while direction and waits hold.
    #[test]
    fn the_count_is_that_of_the_last_moves_alike(seed: u64) {
        let mut dice = Dice(seed);
        let (mut days, mut rate) = (0, 5.0);
        let rates: Vec<(u32, f64)> = (0..200)
            .map(|_| {
                days += 1 + u32::try_from(dice.below(90)).unwrap();
                rate += [-0.25, 0.0, 0.0, 0.25, 0.25][dice.below(5)];
                (days, rate)
            })
            .collect();
        let said = run(&kind(json!({})), &rates);
        let mut moves: Vec<(u32, f64)> = Vec::new();
        for (index, said) in said.iter().enumerate() {
            let (now, rate) = rates[index];
            if index > 0 && rate != rates[index - 1].1 {
                moves.push((now, rate - rates[index - 1].1));
            }
            let (mut length, mut sum, mut upper) = (0, 0.0, now);
            for (date, by) in moves.iter().rev() {
                let newest = moves.last().unwrap().1;
                if by.signum() != newest.signum() || upper - date >= 200 {
                    break;
                }
                (length, sum, upper) = (length + 1, sum + by * 100.0, *date);
            }
            prop_assert_eq!(said.reading.value, f64::from(length));
            if length > 0 && !matches!(said.change, Resolve(_)) {
                prop_assert_eq!(&said.evidence["length"], length);
                prop_assert_eq!(&said.evidence["sum_bp"], sum);
            }
        }
    }
}
