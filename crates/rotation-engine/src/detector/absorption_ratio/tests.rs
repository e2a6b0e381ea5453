use super::*;
use crate::detector::Kind;
use crate::detector::ragged::{self, Ragged};
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"members": ["A", "B", "C", "D", "E"]});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("absorption_ratio", all).unwrap().unwrap()
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
            json!({"window": 2521}),
            "window: expected 20 to 2520 sections, found 2521",
        ),
        (
            json!({"half_life": 2521}),
            "half_life: expected 0 to 2520 sections, found 2521",
        ),
        (
            json!({"eigenvalues": 5}),
            "eigenvalues: expected 1 to 4 eigenvalues, found 5",
        ),
        (
            json!({"eigenvalues": 0}),
            "eigenvalues: expected 1 to 4 eigenvalues, found 0",
        ),
        (
            json!({"min_counted_pct": 101}),
            "min_counted_pct: expected 0 to 100 percent, found 101",
        ),
        (
            json!({"open_at": 1.1}),
            "open_at: expected 0 to 1 of the variance, found 1.1",
        ),
        (
            json!({"measure": "shift", "open_at": 101}),
            "open_at: expected -100 to 100 deviations, found 101",
        ),
        (
            json!({"close_at": 0.5}),
            "close_at: expected an open_at beside it, found 0.5",
        ),
        (
            json!({"open_at": 0.7, "close_at": 0.8}),
            "close_at: expected at most open_at (0.7), found 0.8",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    assert!(kind(json!({})).check_units(&[Unit::Percent]).is_err());
}

#[test]
fn a_fifth_of_the_members_and_half_the_window_unless_it_says_otherwise() {
    let of = |params| {
        let Kind::AbsorptionRatio(params) = kind(params) else {
            unreachable!()
        };
        params
    };
    let default = of(json!({}));
    let counts = [2, 3, 7, 8, 12, 13, 60].map(|counted| default.eigenvalues(counted));
    assert_eq!(counts, [1, 1, 1, 2, 2, 3, 12]);
    assert_eq!(
        [2, 3, 9].map(|counted| of(json!({"eigenvalues": 4})).eigenvalues(counted)),
        [1, 2, 4]
    );
    assert!((default.decay().powi(250) - 0.5).abs() < 1e-12);
    assert_eq!(of(json!({"half_life": 0})).decay(), 1.0);
    assert!(!kind(json!({})).rungs().is_empty());
}

/// The largest eigenvalue of a matrix: its powers turn any vector to where it is largest.
fn largest(matrix: &[Vec<f64>]) -> f64 {
    let size = matrix.len();
    let mut powers = matrix.to_vec();
    let norm = |matrix: &[Vec<f64>]| {
        matrix
            .iter()
            .flatten()
            .map(|value| value * value)
            .sum::<f64>()
            .sqrt()
    };
    for _ in 0..60 {
        let length = norm(&powers);
        let cell = |row: usize, column: usize| {
            (0..size)
                .map(|at| powers[row][at] * powers[at][column])
                .sum::<f64>()
        };
        let next: Vec<Vec<f64>> = (0..size)
            .map(|row| {
                (0..size)
                    .map(|column| cell(row, column) / length / length)
                    .collect()
            })
            .collect();
        powers = next;
    }
    // A matrix of the square of one vector, up to its length: its trace is its norm.
    let length = norm(&powers);
    let product: f64 = (0..size)
        .flat_map(|row| (0..size).map(move |column| (row, column)))
        .map(|(row, column)| matrix[row][column] * powers[column][row] / length)
        .sum();
    product
}

fn over_holes(half_life: u32, measure: &str) -> Kind {
    kind(json!({
        "window": 25, "half_life": half_life, "eigenvalues": 1, "min_counted_pct": 0, "open_at": 0.6,
        "measure": measure,
    }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn readings_are_those_of_the_definition(seed: u64, half_life in prop::sample::select(&[0_u32, 5, 12])) {
        let market = Ragged::walk(seed, 5, 120);
        let told = ragged::run(&over_holes(half_life, "ratio"), &market);
        let rows = &market.0;
        let change = |session: usize, member: usize| {
            let last = rows[..session].iter().rev().find_map(|row| row[member])?;
            Some(rows[session][member]? / last - 1.0)
        };
        let first = |member: usize| (0..rows.len()).find(|session| change(*session, member).is_some());
        for (session, told) in told.iter().enumerate() {
            let is_old = |member: &usize| first(*member).is_some_and(|first| first + 25 <= session + 1);
            let counted: Vec<usize> =
                (0..5).filter(|member| change(session, *member).is_some() && is_old(member)).collect();
            if counted.len() < 2 {
                prop_assert_eq!(told.value, None);
                continue;
            }
            let weights: Vec<f64> = (0..25)
                .map(|age| if half_life == 0 { 1.0 } else { 0.5_f64.powf(f64::from(age) / f64::from(half_life)) })
                .collect();
            let weighted = |value: &dyn Fn(usize) -> f64| {
                let values = weights.iter().enumerate().map(|(age, weight)| weight * value(session - age));
                values.sum::<f64>() / weights.iter().sum::<f64>()
            };
            let of = |member: usize, session: usize| change(session, member).unwrap_or(0.0);
            let covariance = |left: usize, right: usize| {
                let means = [left, right].map(|member| weighted(&|session| of(member, session)));
                weighted(&|session| (of(left, session) - means[0]) * (of(right, session) - means[1]))
            };
            let matrix: Vec<Vec<f64>> = counted
                .iter()
                .map(|left| counted.iter().map(|right| covariance(*left, *right)).collect())
                .collect();
            let total: f64 = (0..counted.len()).map(|at| matrix[at][at]).sum();
            ragged::assert_close(told.value, Some(largest(&matrix) / total), 1e-9, session);
        }
    }

    #[test]
    fn a_shift_compares_two_means(seed: u64) {
        let market = Ragged::walk(seed, 5, 500);
        let told = ragged::run(&over_holes(0, "shift"), &market);
        let ratios = ragged::run(&over_holes(0, "ratio"), &market);
        let mut seen = Vec::new();
        for (session, (told, ratio)) in told.iter().zip(&ratios).enumerate() {
            let Some(ratio) = ratio.value else { continue };
            seen.push(ratio);
            let mean = |count: usize| seen[seen.len() - count..].iter().sum::<f64>() / count as f64;
            let expected = (seen.len() >= 252).then(|| {
                let long = mean(252);
                let squares: f64 = seen[seen.len() - 252..].iter().map(|value| (value - long).powi(2)).sum();
                (mean(15) - long) / (squares / 251.0).sqrt()
            });
            ragged::assert_close(told.value, expected, 1e-9, session);
        }
        prop_assume!(seen.len() > 252);
    }

    #[test]
    fn a_restored_copy_goes_on(seed: u64) {
        ragged::a_restored_copy_goes_on(&over_holes(12, "ratio"), seed, &Ragged::walk(seed, 5, 120));
    }

    #[test]
    fn splits_move_no_reading(seed: u64) {
        ragged::splits_move_no_reading(&over_holes(12, "ratio"), seed, &Ragged::walk(seed, 5, 120));
    }
}
