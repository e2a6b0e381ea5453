//! What a reading is held against so that false alarms come once in so many observations.
//!
//! The tables are printed by `cargo run --release -p rotation-sim --example calibrate_mean_shift`: alarms counted over
//! simulated series of 5,000 independent normal values, each begun cold, at run lengths of 250. At those rates ln N is
//! a straight line in the threshold, as the tails of both statistics are exponential.

use super::{Method, Params, Segments};

pub(super) const ONE_IN_MIN: f64 = 250.0;
pub(super) const ONE_IN_MAX: f64 = 100_000.0;

/// Once in how many observations, and from which threshold on; ascending.
type Table = [(f64, f64); 6];

const LINEAR: Table = [
    (250.0, -4.223),
    (500.0, -3.408),
    (1_000.0, -2.669),
    (3_000.0, -1.568),
    (10_000.0, -0.411),
    (30_000.0, 0.621),
];

const CONSTANT: Table = [
    (250.0, -1.692),
    (500.0, -1.025),
    (1_000.0, -0.325),
    (3_000.0, 0.649),
    (10_000.0, 1.775),
    (30_000.0, 2.8),
];

/// By reference, each times which its threshold is nearly the same.
const CUSUM: [(f64, Table); 4] = [
    (
        0.25,
        [
            (250.0, 7.928),
            (500.0, 9.211),
            (1_000.0, 10.529),
            (3_000.0, 12.448),
            (10_000.0, 14.633),
            (30_000.0, 16.626),
        ],
    ),
    (
        0.5,
        [
            (250.0, 4.424),
            (500.0, 5.071),
            (1_000.0, 5.713),
            (3_000.0, 6.712),
            (10_000.0, 7.834),
            (30_000.0, 8.897),
        ],
    ),
    (
        0.75,
        [
            (250.0, 2.865),
            (500.0, 3.314),
            (1_000.0, 3.754),
            (3_000.0, 4.457),
            (10_000.0, 5.24),
            (30_000.0, 5.931),
        ],
    ),
    (
        1.0,
        [
            (250.0, 1.98),
            (500.0, 2.36),
            (1_000.0, 2.715),
            (3_000.0, 3.255),
            (10_000.0, 3.829),
            (30_000.0, 4.355),
        ],
    ),
];

/// The threshold at which independent normal noise alarms once in `false_alarm_one_in` observations.
pub(super) fn calibrated(params: &Params) -> f64 {
    let one_in = params.false_alarm_one_in;
    match (params.method, params.segments()) {
        (Method::Bocpd, Segments::Linear) => along(&LINEAR, one_in),
        (Method::Bocpd, Segments::Constant) => along(&CONSTANT, one_in),
        (Method::Cusum, _) => {
            let points = CUSUM
                .each_ref()
                .map(|(reference, table)| (*reference, reference * along(table, one_in)));
            between(&points, params.reference) / params.reference
        }
    }
}

/// The threshold of a rate: a straight line in its logarithm between two entries, and beyond the last ones.
fn along(table: &Table, one_in: f64) -> f64 {
    let [(left, low), (right, high)] = around(table, one_in);
    low + (high - low) * libm::log(one_in / left) / libm::log(right / left)
}

/// The value at `x` of the straight line between two points, and beyond the last ones.
fn between(points: &[(f64, f64); 4], x: f64) -> f64 {
    let [(left, low), (right, high)] = around(points, x);
    low + (high - low) * (x - left) / (right - left)
}

/// The two of ascending points that `x` lies between, or the two that it lies beyond.
fn around<const N: usize>(points: &[(f64, f64); N], x: f64) -> [(f64, f64); 2] {
    let inner = &points[1..N - 1];
    let at = inner.iter().take_while(|(point, _)| *point < x).count();
    [points[at], points[at + 1]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_through_the_points_and_on() {
        let points = [(1.0, 10.0), (2.0, 20.0), (4.0, 60.0), (5.0, 61.0)];
        for (x, expected) in [
            (0.0, 0.0),
            (1.0, 10.0),
            (1.5, 15.0),
            (2.0, 20.0),
            (3.0, 40.0),
            (4.0, 60.0),
            (4.5, 60.5),
            (7.0, 63.0),
        ] {
            assert_eq!(between(&points, x), expected);
        }
    }

    #[test]
    fn rates_in_the_tables_have_the_thresholds_in_them() {
        for (one_in, threshold) in LINEAR {
            assert!((along(&LINEAR, one_in) - threshold).abs() < 1e-12);
        }
        let slope = (LINEAR[5].1 - LINEAR[4].1) / libm::log(3.0);
        let beyond = LINEAR[5].1 + slope * libm::log(2.0);
        assert!((along(&LINEAR, 60_000.0) - beyond).abs() < 1e-12);
    }

    #[test]
    fn tables_ascend() {
        let tables = [&LINEAR, &CONSTANT]
            .into_iter()
            .chain(CUSUM.iter().map(|(_, table)| table));
        for table in tables {
            assert!(
                table
                    .windows(2)
                    .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1)
            );
        }
        assert!(CUSUM.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
