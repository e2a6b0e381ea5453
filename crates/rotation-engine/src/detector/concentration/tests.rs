use super::*;
use crate::detector::Kind;
use crate::detector::ragged::{self, Ragged};
use crate::detector::{concentration, conformance};
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"members": ["A", "B", "C", "D", "E"]});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("concentration", all).unwrap().unwrap()
}

fn faults(cases: &[(Value, &str)]) {
    for (params, error) in cases {
        assert_eq!(
            kind(params.clone()).check().unwrap_err().to_string(),
            *error,
            "{params}"
        );
    }
}

#[test]
fn bounds_name_the_key() {
    faults(&[
        (
            json!({"members": ["A"]}),
            "members: expected 2 to 10000 members, found 1",
        ),
        (json!({"group": ""}), "group: expected a name, found \"\""),
        (
            json!({"top": 2, "sessions": 5}),
            "sessions: expected no sessions beside this measure, found 5",
        ),
        (
            json!({"top": 2, "measure": "return_share", "sessions": 0}),
            "sessions: expected 1 to 2520 sessions, found 0",
        ),
        (
            json!({"top": 2, "close_at": 5}),
            "close_at: expected an open_at beside it, found 5",
        ),
        (
            json!({"top": 2, "open_at": 30, "close_at": 31}),
            "close_at: expected at most open_at (30), found 31",
        ),
        (
            json!({"top": 2, "measure": "effective_number", "open_at": 3, "close_at": 2}),
            "close_at: expected at least open_at (3), found 2",
        ),
        (
            json!({"top": 2, "min_counted_pct": -1}),
            "min_counted_pct: expected 0 to 100 percent, found -1",
        ),
    ]);
    assert!(
        kind(json!({"top": 2}))
            .check_units(&[Unit::Percent])
            .is_err()
    );
}

#[test]
fn faults_of_top_shares_and_basket_are_told() {
    faults(&[
        (json!({}), "top: expected 1 to 4 members, found 7"),
        (json!({"top": 0}), "top: expected 1 to 4 members, found 0"),
        (
            json!({"measure": "basket", "basket": ["A"], "top": 1}),
            "top: expected none beside measure = \"basket\", found 1",
        ),
        (
            json!({"measure": "basket", "basket": ["A"], "shares": {"A": 1}}),
            "shares: expected none beside measure = \"basket\", found some",
        ),
        (
            json!({"top": 2, "shares": {"A": 1, "B": 1}}),
            "shares: expected those of each member, found none of C",
        ),
        (
            json!({"top": 2, "shares": {"A": 1, "B": 1, "C": 1, "D": 1, "E": 0}}),
            "shares: expected above 0, to 1e15, found 0 of E",
        ),
        (
            json!({"top": 2, "shares": {"A": 1, "B": 1, "C": 1, "D": 1, "E": 1, "F": 1}}),
            "shares: expected 5 members, found 6",
        ),
        (
            json!({"top": 2, "basket": ["A"]}),
            "basket: expected none beside this measure, found A",
        ),
        (
            json!({"measure": "basket"}),
            "basket: expected some of the members, each once, and not all, found []",
        ),
        (
            json!({"measure": "basket", "basket": ["A", "A"]}),
            "basket: expected some of the members, each once, and not all, found [\"A\", \"A\"]",
        ),
    ]);
}

#[test]
fn weights_of_three_members() {
    let market = Ragged(vec![
        vec![Some(60.0), Some(30.0), Some(10.0)],
        vec![Some(60.0), None, Some(20.0)],
    ]);
    let told = |measure: &str, shares: Value| {
        let params =
            json!({"members": ["A", "B", "C"], "measure": measure, "top": 1, "shares": shares});
        ragged::run(&kind(params), &market)
    };
    let values = |measure: &str, shares: Value| {
        told(measure, shares)
            .into_iter()
            .map(|told| told.value.unwrap())
    };
    let close = |read: f64, expected: f64| {
        assert!((read - expected).abs() < 1e-12, "{read} against {expected}");
    };
    let caps = Value::Null;
    values("top_share", caps.clone())
        .zip([60.0, 75.0])
        .for_each(|(read, expected)| close(read, expected));
    values("herfindahl", caps.clone())
        .zip([0.46, 0.625])
        .for_each(|(read, expected)| close(read, expected));
    values("effective_number", caps.clone())
        .zip([1.0 / 0.46, 1.6])
        .for_each(|(read, expected)| close(read, expected));
    let shares = json!({"A": 1, "B": 4, "C": 2});
    values("top_share", shares.clone())
        .zip([60.0, 60.0])
        .for_each(|(read, expected)| close(read, expected));
    let told = told("top_share", shares);
    assert_eq!(
        told[0].evidence["top"],
        json!([{"symbol": "B", "weight": 60.0}])
    );
    assert_eq!(
        told[1].evidence["top"],
        json!([{"symbol": "A", "weight": 60.0}])
    );
    let counts =
        ["members", "present", "counted"].map(|key| told[1].evidence[key].as_u64().unwrap());
    assert_eq!(counts, [3, 2, 2]);
    assert_eq!(told[1].headline, "the top 1 hold 60.00 % of members");
}

#[test]
fn the_top_of_then_made_its_share_of_the_return() {
    let market = Ragged(vec![
        vec![Some(60.0), Some(30.0), Some(10.0)],
        vec![Some(66.0), Some(34.0), Some(10.0)],
        vec![Some(66.0), Some(34.0), Some(10.5)],
        vec![Some(60.0), Some(70.0), Some(10.0)],
        vec![Some(80.0), Some(80.0), None],
    ]);
    let params =
        json!({"members": ["A", "B", "C"], "measure": "return_share", "top": 1, "sessions": 1});
    let told = ragged::run(&kind(params), &market);
    let read: Vec<Option<f64>> = told
        .iter()
        .map(|told| told.value.map(|value| (value * 1e6).round() / 1e6))
        .collect();
    // 6 of 10; a return of .45 % tells nothing new; −6 of 29.5; 10 of 30, B having been the top and C gone.
    assert_eq!(
        read,
        [
            None,
            Some(60.0),
            Some(60.0),
            Some(-20.338_983),
            Some(33.333_333)
        ]
    );
    assert_eq!(told[2].evidence["return_sessions_ago"], 1);
    assert_eq!(
        told[1].headline,
        "the top 1 made 60.0 % of the return of members over 1 session, +6.00 % of +10.00 %"
    );
}

#[test]
fn the_basket_against_the_rest() {
    let market = Ragged(vec![
        vec![Some(10.0), Some(20.0), Some(5.0)],
        vec![Some(11.0), Some(20.0), Some(5.0)],
        vec![Some(11.0), None, Some(6.0)],
        vec![Some(12.1), Some(30.0), Some(6.0)],
    ]);
    let params =
        json!({"members": ["A", "B", "C"], "measure": "basket", "basket": ["A"], "sessions": 2});
    let told = ragged::run(&kind(params), &market);
    let read: Vec<Option<f64>> = told
        .iter()
        .map(|told| told.value.map(|value| (value * 1e9).round() / 1e9))
        .collect();
    // Over two sessions: +10 % against 20 %; then +10 % against 1.2 · 1.25, the halted one back with +50 %.
    assert_eq!(read, [None, None, Some(-10.0), Some(-40.0)]);
    assert_eq!(
        told[3].headline,
        "the basket of 1 against the rest of members over 2 sessions, +10.00 % against +50.00 %"
    );
}

/// What the measure reads at each session, from its definition, over members of which the first two are the basket.
fn naive(measure: &str, n: usize, top: usize, market: &Ragged) -> Vec<Option<f64>> {
    let rows = &market.0;
    let mut held = None;
    let mut levels = Vec::new();
    let mut level = [1.0, 1.0];
    let read = |session: usize| {
        let mut caps: Vec<f64> = rows[session].iter().flatten().copied().collect();
        caps.sort_by(|left, right| right.total_cmp(left));
        let total: f64 = caps.iter().sum();
        let herfindahl: f64 = caps.iter().map(|cap| (cap / total).powi(2)).sum();
        for (side, members) in [0..2, 2..rows[0].len()].into_iter().enumerate() {
            let returns: Vec<f64> = members
                .filter_map(|member| {
                    let last = rows[..session].iter().rev().find_map(|row| row[member])?;
                    Some(rows[session][member]? / last - 1.0)
                })
                .collect();
            if !returns.is_empty() {
                level[side] *= 1.0 + returns.iter().sum::<f64>() / returns.len() as f64;
            }
        }
        levels.push(level);
        let before = session.checked_sub(n);
        match measure {
            "top_share" => Some(100.0 * caps.iter().take(top).sum::<f64>() / total),
            "herfindahl" => Some(herfindahl),
            "effective_number" => Some(1.0 / herfindahl),
            "basket" => before.map(|before| {
                let [basket, rest] = [0, 1].map(|side| level[side] / levels[before][side]);
                100.0 * (basket - rest)
            }),
            _ => {
                let both = |member: usize| Some((rows[before?][member]?, rows[session][member]?));
                let mut pairs: Vec<(f64, f64)> = (0..rows[0].len()).filter_map(both).collect();
                pairs.sort_by(|left, right| right.0.total_cmp(&left.0));
                let gain =
                    |pairs: &[(f64, f64)]| pairs.iter().map(|(then, now)| now - then).sum::<f64>();
                let base: f64 = pairs.iter().map(|(then, _)| then).sum();
                if pairs.len() > top && (gain(&pairs) / base).abs() >= 0.01 - 1e-12 {
                    let last = pairs[top - 1].0;
                    let (tied, others): (Vec<_>, Vec<_>) = pairs
                        .iter()
                        .partition(|(then, _)| (then / last - 1.0).abs() <= 1e-12);
                    let larger: Vec<_> = others
                        .into_iter()
                        .filter(|(then, _)| *then > last)
                        .collect();
                    let places = (top - larger.len()) as f64 / tied.len() as f64;
                    let of_top = gain(&larger) + places * gain(&tied);
                    held = Some(100.0 * of_top / gain(&pairs));
                }
                held
            }
        }
    };
    (0..rows.len()).map(read).collect()
}

const MEASURES: [&str; 5] = [
    "top_share",
    "herfindahl",
    "effective_number",
    "return_share",
    "basket",
];

fn over_holes(measure: &str, n: usize, top: usize) -> Kind {
    let mut params = json!({"measure": measure, "min_counted_pct": 0, "open_at": 30});
    match measure {
        "basket" => (params["basket"], params["sessions"]) = (json!(["A", "B"]), json!(n)),
        "return_share" => (params["top"], params["sessions"]) = (json!(top), json!(n)),
        _ => params["top"] = json!(top),
    }
    kind(params)
}

/// Two members of this market weigh the same, but for rounding, when one is split.
#[test]
fn a_split_breaks_no_tie() {
    for kind in concentration::samples()
        .into_iter()
        .map(Kind::Concentration)
    {
        conformance::same_changes_across_a_split(&kind, 14_185_756_578_298_652_324);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn readings_are_those_of_the_definition(
        seed: u64, measure in prop::sample::select(&MEASURES), n in 1_usize..12, top in 1_usize..4
    ) {
        let market = Ragged::walk(seed, 5, 150);
        let told = ragged::run(&over_holes(measure, n, top), &market);
        for (session, (told, naive)) in told.iter().zip(naive(measure, n, top, &market)).enumerate() {
            ragged::assert_close(told.value, naive, 1e-9, session);
        }
    }

    #[test]
    fn a_restored_copy_goes_on(seed: u64, measure in prop::sample::select(&MEASURES), n in 1_usize..12) {
        ragged::a_restored_copy_goes_on(&over_holes(measure, n, 2), seed, &Ragged::walk(seed, 5, 150));
    }

    #[test]
    fn splits_move_no_reading(seed: u64, measure in prop::sample::select(&MEASURES), n in 1_usize..12) {
        ragged::splits_move_no_reading(&over_holes(measure, n, 2), seed, &Ragged::walk(seed, 5, 150));
    }
}
