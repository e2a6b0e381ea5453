use super::*;
use crate::detector::Kind;
use crate::detector::ragged::{self, Ragged};
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"members": ["A", "B", "C", "D"]});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("turbulence", all).unwrap().unwrap()
}

#[test]
fn bounds_name_the_key() {
    let many: Vec<String> = (0..201).map(|member| format!("M{member}")).collect();
    for (params, error) in [
        (
            json!({"members": ["A"]}),
            "members: expected 2 to 10000 members, found 1",
        ),
        (
            json!({"members": many}),
            "members: expected 2 to 200 members, found 201",
        ),
        (json!({"group": ""}), "group: expected a name, found \"\""),
        (
            json!({"window": 19}),
            "window: expected 20 to 2520 sections, found 19",
        ),
        (
            json!({"shrinkage": 1.1}),
            "shrinkage: expected 0 to 1 of the way, found 1.1",
        ),
        (
            json!({"members": many[..10], "window": 20, "shrinkage": 0}),
            "shrinkage: expected more than 0 with 10 members in 20 sections, found 0",
        ),
        (
            json!({"history": 59}),
            "history: expected 60 to 10000 distances, found 59",
        ),
        (
            json!({"history": 60, "min_history": 61}),
            "min_history: expected 20 to 60 distances, found 61",
        ),
        (
            json!({"open_percentile": 100}),
            "open_percentile: expected 50 to 100, exclusive, found 100",
        ),
        (
            json!({"close_percentile": 99.5}),
            "close_percentile: expected above 0, to open_percentile (99), found 99.5",
        ),
        (
            json!({"calm_sections": 0}),
            "calm_sections: expected 1 to 250 sections, found 0",
        ),
        (
            json!({"min_counted_pct": -1}),
            "min_counted_pct: expected 0 to 100 percent, found -1",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    assert!(kind(json!({})).check().is_ok());
    assert!(kind(json!({})).check_units(&[Unit::Percent]).is_err());
}

/// Solves by elimination, largest pivots first.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let size = right.len();
    for step in 0..size {
        let pivot = (step..size)
            .max_by(|a, b| matrix[*a][step].abs().total_cmp(&matrix[*b][step].abs()))
            .unwrap();
        matrix.swap(step, pivot);
        right.swap(step, pivot);
        let above = matrix[step].clone();
        for row in (0..size).filter(|row| *row != step) {
            let factor = matrix[row][step] / above[step];
            matrix[row]
                .iter_mut()
                .zip(&above)
                .for_each(|(value, above)| *value -= factor * above);
            right[row] -= factor * right[step];
        }
    }
    (0..size).map(|at| right[at] / matrix[at][at]).collect()
}

/// Distance and shrinkage by their definitions: the paper's sums over single rows.
fn naive(rows: &[Vec<f64>], today: &[f64], fixed: Option<f64>) -> (f64, f64) {
    let (count, size) = (rows.len() as f64, today.len());
    let means: Vec<f64> = (0..size)
        .map(|at| rows.iter().map(|row| row[at]).sum::<f64>() / count)
        .collect();
    let centred: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| {
            row.iter()
                .zip(&means)
                .map(|(value, mean)| value - mean)
                .collect()
        })
        .collect();
    let product = |row: &Vec<f64>, left: usize, right: usize| row[left] * row[right];
    let covariance = |left, right| {
        centred
            .iter()
            .map(|row| product(row, left, right))
            .sum::<f64>()
            / count
    };
    let matrix: Vec<Vec<f64>> = (0..size)
        .map(|left| (0..size).map(|right| covariance(left, right)).collect())
        .collect();
    let pairs = || (0..size).flat_map(|left| (0..size).map(move |right| (left, right)));
    let target = |left: usize, right: usize, mean: f64| if left == right { mean } else { 0.0 };
    let mean = (0..size).map(|at| matrix[at][at]).sum::<f64>() / size as f64;
    let from_target: f64 = pairs()
        .map(|(l, r)| (matrix[l][r] - target(l, r, mean)).powi(2))
        .sum();
    let of_row = |row: &Vec<f64>| {
        pairs()
            .map(|(l, r)| (product(row, l, r) - matrix[l][r]).powi(2))
            .sum::<f64>()
    };
    let error = centred.iter().map(of_row).sum::<f64>() / count / count;
    let shrinkage = fixed.unwrap_or((error / from_target).min(1.0));
    let shrunk = (0..size).map(|l| {
        (0..size)
            .map(|r| (1.0 - shrinkage) * matrix[l][r] + shrinkage * target(l, r, mean))
            .collect()
    });
    let away: Vec<f64> = today
        .iter()
        .zip(&means)
        .map(|(value, mean)| value - mean)
        .collect();
    let solved = solve(shrunk.collect(), away.clone());
    (
        away.iter()
            .zip(&solved)
            .map(|(left, right)| left * right)
            .sum(),
        shrinkage,
    )
}

/// Each section's returns: those of members with a close now and one before, and since when a member has had any.
fn returns(market: &Ragged) -> (Vec<Vec<Option<f64>>>, Vec<Option<usize>>) {
    let rows = &market.0;
    let change = |session: usize, member: usize| {
        let last = rows[..session].iter().rev().find_map(|row| row[member])?;
        Some(rows[session][member]? / last - 1.0)
    };
    let width = rows[0].len();
    let returns: Vec<Vec<Option<f64>>> = (0..rows.len())
        .map(|session| (0..width).map(|member| change(session, member)).collect())
        .collect();
    let first = |member: usize| {
        returns
            .iter()
            .position(|row: &Vec<Option<f64>>| row[member].is_some())
    };
    let firsts = (0..width).map(first).collect();
    (returns, firsts)
}

fn over_holes(fixed: Option<f64>) -> Kind {
    kind(json!({
        "members": ["A", "B", "C", "D", "E"], "window": 25, "history": 60, "min_history": 20, "open_percentile": 90,
        "close_percentile": 60, "calm_sections": 2, "shrinkage": fixed, "min_counted_pct": 0,
    }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn readings_are_those_of_the_definition(seed: u64, fixed in prop::option::of(0.05..1.0)) {
        let market = Ragged::walk(seed, 5, 150);
        let told = ragged::run(&over_holes(fixed), &market);
        let (returns, firsts) = returns(&market);
        for (session, told) in told.iter().enumerate() {
            let counts = |member: &usize| {
                returns[session][*member].is_some() && firsts[*member].is_some_and(|first| first + 25 <= session)
            };
            let counted: Vec<usize> = (0..5).filter(counts).collect();
            let row = |session: usize| -> Vec<f64> {
                counted.iter().map(|member| returns[session][*member].unwrap_or(0.0)).collect()
            };
            if counted.len() < 2 {
                prop_assert_eq!(told.value, None);
                continue;
            }
            let rows: Vec<Vec<f64>> = (session - 25..session).map(row).collect();
            let (distance, shrinkage) = naive(&rows, &row(session), fixed);
            ragged::assert_close(told.value, Some(distance), 1e-9, session);
            let read = told.evidence["shrinkage"].as_f64().unwrap();
            prop_assert!((read - shrinkage).abs() < 1e-6);
            prop_assert_eq!(told.evidence["counted"].as_u64().unwrap() as usize, counted.len());
        }
    }

    #[test]
    fn episodes_open_at_a_percentile_and_end_in_calm(seed: u64) {
        let market = Ragged::walk(seed, 5, 300);
        let told = ragged::run(&over_holes(None), &market);
        let (mut history, mut is_open, mut calm) = (Vec::<f64>::new(), false, 0);
        for (session, told) in told.iter().enumerate() {
            let Some(value) = told.value else { continue };
            let counted = told.evidence["counted"].as_f64().unwrap();
            let mut sorted: Vec<f64> = history.iter().rev().take(60).copied().collect();
            sorted.sort_by(f64::total_cmp);
            let place = |percent: f64| (percent / 100.0 * sorted.len() as f64).ceil() as usize;
            let level = |percent: f64| sorted[place(percent).max(1) - 1] * counted;
            let expected = if is_open {
                calm = if value <= level(60.0) { calm + 1 } else { 0 };
                if calm == 2 { Change::Resolve(CALM) } else { Change::Hold }
            } else if sorted.len() >= 20 && value > level(90.0) {
                calm = 0;
                Change::Open(TURBULENT)
            } else {
                Change::Quiet
            };
            is_open = matches!(expected, Change::Open(_) | Change::Hold);
            prop_assert_eq!(&told.change, &expected, "session {}", session);
            history.push(value / counted);
        }
    }

    #[test]
    fn a_restored_copy_goes_on(seed: u64) {
        ragged::a_restored_copy_goes_on(&over_holes(None), seed, &Ragged::walk(seed, 5, 150));
    }

    #[test]
    fn splits_move_no_reading(seed: u64) {
        ragged::splits_move_no_reading(&over_holes(None), seed, &Ragged::walk(seed, 5, 150));
    }
}
