use super::*;
use crate::detector::Kind;
use crate::detector::ragged::{self, Ragged, day};
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"members": ["A", "B", "C", "D"]});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("breadth", all).unwrap().unwrap()
}

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (
            json!({"members": ["A"]}),
            "members: expected 2 to 10000 members, found 1",
        ),
        (json!({"group": ""}), "group: expected a name, found \"\""),
        (
            json!({"sessions": 1}),
            "sessions: expected 2 to 1000 sessions, found 1",
        ),
        (
            json!({"measure": "mcclellan", "sessions": 10}),
            "sessions: expected no sessions beside this measure, found 10",
        ),
        (
            json!({"open_at": 101}),
            "open_at: expected 0 to 100 percent, found 101",
        ),
        (
            json!({"close_at": 71}),
            "close_at: expected at most open_at (70), found 71",
        ),
        (
            json!({"direction": "below", "close_at": 29}),
            "close_at: expected at least open_at (30), found 29",
        ),
        (
            json!({"measure": "new_highs", "close_at": 1}),
            "close_at: expected an open_at beside it, found 1",
        ),
        (
            json!({"measure": "new_highs", "open_at": -1}),
            "close_at: expected at most open_at (-1), found 0",
        ),
        (
            json!({"measure": "thrust", "direction": "below"}),
            "direction: expected \"above\" for a thrust, found \"below\"",
        ),
        (
            json!({"measure": "thrust", "arm_below": 0.55}),
            "arm_below: expected 0 to close_at (0.5), found 0.55",
        ),
        (
            json!({"arm_below": 0.3}),
            "arm_below: expected it only beside measure = \"thrust\", found it",
        ),
        (
            json!({"measure": "thrust", "within_sessions": 0}),
            "within_sessions: expected 1 to 250 sessions, found 0",
        ),
        (
            json!({"min_counted_pct": 101}),
            "min_counted_pct: expected 0 to 100 percent, found 101",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    assert!(
        kind(json!({}))
            .check_units(&[Unit::Price, Unit::Percent])
            .is_err()
    );
}

#[test]
fn defaults_are_the_shipped_ones() {
    let levels = |params| {
        let Kind::Breadth(params) = kind(params) else {
            unreachable!()
        };
        let levels = params
            .threshold()
            .map(|levels| (levels.open_at, levels.close_at));
        (params.window(), levels)
    };
    for (params, expected) in [
        (json!({}), (Some(50), Some((70.0, 60.0)))),
        (
            json!({"direction": "below"}),
            (Some(50), Some((30.0, 40.0))),
        ),
        (json!({"measure": "advance_decline"}), (None, None)),
        (
            json!({"measure": "new_highs", "open_at": 3}),
            (Some(252), Some((3.0, 0.0))),
        ),
        (json!({"measure": "mcclellan"}), (None, None)),
        (json!({"measure": "summation"}), (None, None)),
        (json!({"measure": "thrust"}), (Some(10), Some((0.615, 0.5)))),
    ] {
        assert_eq!(levels(params.clone()), expected, "{params}");
    }
}

/// Closes of four members, one a session.
fn market(rows: &[[f64; 4]]) -> Ragged {
    let close = |close: f64| (close > 0.0).then_some(close);
    Ragged(
        rows.iter()
            .map(|row| row.iter().copied().map(close).collect())
            .collect(),
    )
}

fn values(params: Value, market: &Ragged) -> Vec<Option<f64>> {
    let told = ragged::run(&kind(params), market);
    told.into_iter().map(|told| told.value).collect()
}

#[test]
fn a_member_counts_with_a_close_in_each_of_the_last_sessions() {
    let market = market(&[
        [1.0, 1.0, 1.0, 0.0],
        [2.0, 0.5, 1.0, 0.0],
        [3.0, 0.0, 1.0, 1.0],
        [4.0, 0.4, 2.0, 2.0],
        [5.0, 0.5, 2.0, 2.0],
    ]);
    let told = ragged::run(&kind(json!({"sessions": 2})), &market);
    let counts = |session: usize| {
        let evidence = &told[session].evidence;
        ["members", "present", "counted", "above", "below"]
            .map(|key| evidence[key].as_u64().unwrap())
    };
    assert_eq!(told[0].value, None);
    assert_eq!(counts(0), [4, 3, 0, 0, 0]);
    // One above, one below; the third, at its mean, is half of each.
    assert_eq!((told[1].value, counts(1)), (Some(50.0), [4, 3, 3, 1, 1]));
    assert_eq!((told[2].value, counts(2)), (Some(75.0), [4, 3, 2, 1, 0]));
    // The second member is back, and waits for its second close.
    assert_eq!((told[3].value, counts(3)), (Some(100.0), [4, 4, 3, 3, 0]));
    assert_eq!((told[4].value, counts(4)), (Some(75.0), [4, 4, 4, 2, 0]));
    assert_eq!(
        told[4].headline,
        "75 % of members above their 2-session mean: 2 of 4"
    );
}

#[test]
fn too_few_members_say_nothing() {
    let rows = [
        [1.0, 1.0, 1.0, 1.0],
        [2.0, 2.0, 2.0, 2.0],
        [3.0, 0.0, 0.0, 0.0],
        [4.0, 4.0, 4.0, 4.0],
    ];
    let at = |min: f64| {
        let params = json!({"measure": "advance_decline", "min_counted_pct": min});
        values(params, &market(&rows))
    };
    assert_eq!(at(50.0), [None, Some(4.0), None, Some(4.0)]);
    assert_eq!(at(25.0), [None, Some(4.0), Some(1.0), Some(4.0)]);
}

#[test]
fn a_change_spans_a_halt() {
    let rows = [
        [1.0, 5.0, 1.0, 0.0],
        [1.0, 0.0, 1.0, 9.0],
        [1.0, 4.0, 2.0, 8.0],
        [1.0, 4.0, 3.0, 9.0],
    ];
    let told = ragged::run(&kind(json!({"measure": "advance_decline"})), &market(&rows));
    let read: Vec<_> = told
        .iter()
        .map(|told| (told.value, told.evidence["line"].as_i64().unwrap()))
        .collect();
    // Two declines against one advance, though neither loser had a close in each session.
    assert_eq!(
        read,
        [(None, 0), (Some(0.0), 0), (Some(-1.0), -1), (Some(2.0), 1)]
    );
}

#[test]
fn only_members_of_the_day_count() {
    let params = json!({
        "measure": "advance_decline",
        "members": ["A", {"symbol": "B", "to": day(2)}, {"symbol": "C", "from": day(2)}],
    });
    let rows: Vec<Vec<Option<f64>>> = (1..5)
        .map(|close| vec![Some(f64::from(close)); 3])
        .collect();
    let told = ragged::run(&kind(params), &Ragged(rows));
    let read: Vec<_> = told
        .iter()
        .map(|told| (told.value, told.evidence["members"].as_u64().unwrap()))
        .collect();
    // The history before an interval serves at its first day.
    assert_eq!(
        read,
        [(None, 2), (Some(2.0), 2), (Some(2.0), 2), (Some(2.0), 2)]
    );
}

#[test]
fn one_low_makes_one_thrust_within_its_sessions() {
    let run = |moves: &[f64], within: u32| {
        let mut close = 100.0;
        let rows = std::iter::once(&0.0).chain(moves).map(|up| {
            close += up;
            vec![Some(close), Some(close)]
        });
        let params = json!({
            "members": ["A", "B"], "measure": "thrust", "sessions": 2, "within_sessions": within
        });
        let told = ragged::run(&kind(params), &Ragged(rows.collect()));
        let changes: Vec<Change> = told.iter().map(|told| told.change.clone()).collect();
        let headlines: Vec<String> = told.into_iter().map(|told| told.headline).collect();
        (changes, headlines)
    };
    use Change::{Hold, Open, Quiet, Resolve};
    // α = 2/3: 0, 0, 2/3 above .615, .889, .296.
    let (changes, headlines) = run(&[-1.0, -1.0, 1.0, 1.0, -1.0, 1.0], 2);
    assert_eq!(
        changes,
        [
            Quiet,
            Quiet,
            Quiet,
            Open(THRUST),
            Hold,
            Resolve(FADED),
            Open(THRUST)
        ]
    );
    assert_eq!(
        headlines[3],
        "members: breadth thrust, 0.6667 of the moves up after 0 on 2000-01-03, 1 session ago"
    );
    assert_eq!(
        headlines[5],
        "members: the thrust faded, 0.2963 of the moves up"
    );
    // Sessions in which nobody moves do not age the low.
    let (changes, _) = run(&[-1.0, -1.0, 0.0, 0.0, 0.0, 1.0], 1);
    assert_eq!(
        changes,
        [Quiet, Quiet, Quiet, Quiet, Quiet, Quiet, Open(THRUST)]
    );
}

/// How a member votes in a session: 1 up, −1 down, 0 neither; none where it does not count.
fn vote(
    measure: &str,
    n: usize,
    closes: &[Vec<Option<f64>>],
    session: usize,
    member: usize,
) -> Option<f64> {
    let now = closes[session][member]?;
    let window = |from: usize, to: usize| -> Option<Vec<f64>> {
        closes[from..to].iter().map(|row| row[member]).collect()
    };
    let (low, high) = match measure {
        "above_mean" => {
            let held = window((session + 1).checked_sub(n)?, session + 1)?;
            let mean = held.iter().sum::<f64>() / n as f64;
            (mean, mean)
        }
        "new_highs" => {
            let held = window(session.checked_sub(n)?, session)?;
            (
                held.iter().copied().fold(f64::MAX, f64::min),
                held.iter().copied().fold(f64::MIN, f64::max),
            )
        }
        _ => {
            let last = closes[..session].iter().rev().find_map(|row| row[member])?;
            (last, last)
        }
    };
    Some(if now > high * (1.0 + 1e-12) {
        1.0
    } else if now < low * (1.0 - 1e-12) {
        -1.0
    } else {
        0.0
    })
}

/// α · Σ (1 − α)^k x_k, the rest of the weight on the first.
fn ema(values: &[f64], period: usize) -> f64 {
    let alpha = 2.0 / (period as f64 + 1.0);
    let (first, rest) = values.split_first().unwrap();
    let weighted = rest
        .iter()
        .rev()
        .zip(0..)
        .map(|(x, age)| alpha * (1.0 - alpha).powi(age) * x);
    weighted.sum::<f64>() + (1.0 - alpha).powi(rest.len() as i32) * first
}

fn net(votes: &[f64]) -> f64 {
    votes.iter().sum()
}

fn moves(votes: &[f64]) -> f64 {
    votes.iter().map(|vote| vote.abs()).sum()
}

/// The oscillator after sessions with these votes.
fn oscillator(tallies: &[Vec<f64>]) -> Option<f64> {
    let ratio = |votes: &Vec<f64>| {
        if moves(votes) > 0.0 {
            1e3 * net(votes) / moves(votes)
        } else {
            0.0
        }
    };
    let nets: Vec<f64> = tallies
        .iter()
        .filter(|votes| !votes.is_empty())
        .map(ratio)
        .collect();
    (nets.len() >= 39).then(|| ema(&nets, 19) - ema(&nets, 39))
}

/// What the measure reads at each session, from its definition.
fn naive(measure: &str, n: usize, market: &Ragged) -> Vec<Option<f64>> {
    let closes = &market.0;
    let votes = |session| {
        (0..closes[0].len()).filter_map(move |member| vote(measure, n, closes, session, member))
    };
    let tallies: Vec<Vec<f64>> = (0..closes.len())
        .map(|session| votes(session).collect())
        .collect();
    let up_to =
        |session: usize| oscillator(&tallies[..=session]).filter(|_| !tallies[session].is_empty());
    let read = |session: usize| -> Option<f64> {
        let votes = &tallies[session];
        match measure {
            _ if votes.is_empty() => None,
            "above_mean" => Some(
                100.0 * votes.iter().map(|vote| (vote + 1.0) / 2.0).sum::<f64>()
                    / votes.len() as f64,
            ),
            "new_highs" | "advance_decline" => Some(net(votes)),
            "mcclellan" => up_to(session),
            "summation" => up_to(session).map(|_| (0..=session).filter_map(up_to).sum()),
            _ => {
                let moving = tallies[..=session]
                    .iter()
                    .filter(|votes| moves(votes) > 0.0);
                let shares: Vec<f64> = moving
                    .map(|votes| (net(votes) / moves(votes) + 1.0) / 2.0)
                    .collect();
                (shares.len() >= n).then(|| ema(&shares, n))
            }
        }
    };
    (0..closes.len()).map(read).collect()
}

const MEASURES: [&str; 6] = [
    "above_mean",
    "advance_decline",
    "new_highs",
    "mcclellan",
    "summation",
    "thrust",
];

fn over_holes(measure: &str, n: usize) -> Kind {
    let mut params = json!({
        "members": ["A", "B", "C", "D", "E"], "measure": measure, "min_counted_pct": 0, "open_at": 0.7
    });
    if ["above_mean", "new_highs", "thrust"].contains(&measure) {
        params["sessions"] = json!(n);
    }
    kind(params)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn readings_are_those_of_the_definition(seed: u64, measure in prop::sample::select(&MEASURES), n in 2_usize..12) {
        let market = Ragged::walk(seed, 5, 150);
        let told = ragged::run(&over_holes(measure, n), &market);
        for (session, (told, naive)) in told.iter().zip(naive(measure, n, &market)).enumerate() {
            ragged::assert_close(told.value, naive, 1e-9, session);
        }
    }

    #[test]
    fn a_restored_copy_goes_on(seed: u64, measure in prop::sample::select(&MEASURES), n in 2_usize..12) {
        ragged::a_restored_copy_goes_on(&over_holes(measure, n), seed, &Ragged::walk(seed, 5, 150));
    }

    #[test]
    fn splits_move_no_reading(seed: u64, measure in prop::sample::select(&MEASURES), n in 2_usize..12) {
        ragged::splits_move_no_reading(&over_holes(measure, n), seed, &Ragged::walk(seed, 5, 150));
    }
}

#[test]
fn an_odd_close_spoils_no_mean_after_it_left() {
    let rows: Vec<[f64; 4]> = (0..12_u32)
        .map(|session| {
            let odd: f64 = if session == 3 { 1e90 } else { 10.0 };
            let last: f64 = if session == 9 { 10.000_001 } else { 10.0 };
            [odd.max(last), 9.0, 9.0, 9.0]
        })
        .collect();
    let read = values(json!({"sessions": 4}), &market(&rows));
    assert_eq!(read[8..], [Some(50.0), Some(62.5), Some(37.5), Some(37.5)]);
}
