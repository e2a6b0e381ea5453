use super::*;
use rotation_engine::detector::mean_shift::{Method, Segments};

const LENGTH: usize = 5_000;

fn linear() -> Params {
    Params::new("noise")
}

fn constant() -> Params {
    Params {
        segments: Some(Segments::Constant),
        ..linear()
    }
}

fn cusum(reference: f64) -> Params {
    Params {
        method: Method::Cusum,
        reference,
        ..linear()
    }
}

fn one_in(params: &Params, noise: Noise, length: usize, enough: u64) -> f64 {
    let most = 10_000_000;
    false_alarms(params, noise, length, enough, most)
        .one_in()
        .unwrap()
}

/// The rate is within a fifth of what was asked.
fn expect_rate(params: Params, asked: f64, length: usize, enough: u64) {
    let params = Params {
        false_alarm_one_in: asked,
        ..params
    };
    let measured = one_in(&params, Noise::Normal, length, enough);
    let share = asked / measured;
    assert!(
        (0.8..=1.2).contains(&share),
        "one in {measured:.0}, asked for {asked}: {params:?}"
    );
}

#[test]
fn lines_alarm_as_often_as_asked() {
    for (asked, enough) in [(250.0, 1_000), (1_000.0, 1_000), (3_000.0, 500)] {
        expect_rate(linear(), asked, LENGTH, enough);
    }
}

#[test]
fn levels_alarm_as_often_as_asked() {
    for (asked, enough) in [(250.0, 1_000), (1_000.0, 1_000), (3_000.0, 500)] {
        expect_rate(constant(), asked, LENGTH, enough);
    }
}

#[test]
fn sums_alarm_as_often_as_asked() {
    for reference in [0.25, 0.4, 0.5, 0.85, 1.0] {
        for asked in [250.0, 1_000.0, 5_000.0, 25_000.0] {
            expect_rate(cusum(reference), asked, LENGTH, 400);
        }
    }
}

#[test]
fn the_shipped_rate_is_the_one_asked() {
    assert_eq!(linear().false_alarm_one_in, 10_000.0);
    expect_rate(linear(), 10_000.0, LENGTH, 300);
}

#[test]
fn neither_the_bound_nor_the_length_of_the_series_matters() {
    for params in [linear(), constant()] {
        let params = Params {
            run_length: 1_000,
            ..params
        };
        expect_rate(params, 1_000.0, LENGTH, 400);
    }
    for params in [linear(), constant(), cusum(0.5)] {
        expect_rate(params, 1_000.0, 50_000, 400);
    }
}

/// The tables are counted at run lengths of 250 and on series of 5,000. A shorter memory, or the first two years of a
/// series, alarm less often than asked, never more.
#[test]
fn a_shorter_memory_or_series_alarms_less_often() {
    let short = [linear(), constant()].map(|params| (50, LENGTH, params));
    let young = [linear(), constant(), cusum(0.5)].map(|params| (250, 500, params));
    for (run_length, length, params) in short.into_iter().chain(young) {
        let params = Params {
            run_length,
            false_alarm_one_in: 1_000.0,
            ..params
        };
        let measured = one_in(&params, Noise::Normal, length, 400);
        assert!(
            (833.0..2_000.0).contains(&measured),
            "one in {measured:.0}: {params:?}"
        );
    }
}

#[test]
fn other_noise_alarms_more_often_but_not_at_every_turn() {
    for (params, noise, least) in [
        (linear(), Noise::Student(4.0), 1_000.0),
        (constant(), Noise::Student(4.0), 1_000.0),
        (cusum(0.5), Noise::Student(4.0), 1_000.0),
        (linear(), Noise::Autoregressive(0.6), 1_000.0),
        (constant(), Noise::Autoregressive(0.6), 500.0),
        (linear(), Noise::Autoregressive(0.9), 500.0),
        (constant(), Noise::Autoregressive(0.9), 250.0),
    ] {
        let measured = one_in(&params, noise, LENGTH, 50);
        assert!(
            measured >= least,
            "one in {measured:.0} on {noise:?}: {params:?}"
        );
    }
}

#[test]
fn larger_shifts_are_found_sooner() {
    for params in [linear(), constant(), cusum(0.5)] {
        let found = [1.0, 2.0, 4.0].map(|shift| delays(&params, shift, 250, 250, 60));
        let medians = found.each_ref().map(|found| median(&found.delays).unwrap());
        assert!(
            medians[0] > medians[1] && medians[1] >= medians[2],
            "{medians:?}: {params:?}"
        );
        assert!(
            medians[0] <= 60 && medians[1] <= 15 && medians[2] <= 8,
            "{medians:?}: {params:?}"
        );
        assert!(found[1].delays.len() >= 59, "{:?}", found[1]);
        assert!(median(&found[2].misses).unwrap() <= 1, "{:?}", found[2]);
    }
}

#[test]
fn noise_is_what_it_says() {
    let count = 200_000;
    let moments = |noise| {
        let values: Vec<f64> = Series::new(noise, 3).take(count).collect();
        let mean = values.iter().sum::<f64>() / count as f64;
        let square = values.iter().map(|value| value * value).sum::<f64>() / count as f64;
        let products = values.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>();
        (mean, square, products / count as f64 / square)
    };
    for (noise, square, correlation) in [
        (Noise::Normal, 1.0, 0.0),
        (Noise::Autoregressive(0.6), 1.0, 0.6),
        (Noise::Student(10.0), 1.25, 0.0),
    ] {
        let found = moments(noise);
        let close = |left: f64, right: f64| (left - right).abs() < 0.02;
        assert!(
            close(found.0, 0.0) && close(found.1, square) && close(found.2, correlation),
            "{noise:?}: {found:?}"
        );
    }
    let same = |seed| Series::new(Noise::Normal, seed).take(3).collect::<Vec<_>>();
    assert_eq!(same(7), same(7));
    assert_ne!(same(7), same(8));
}

#[test]
fn the_median_is_the_lower_middle() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[4]), Some(4));
    assert_eq!(median(&[1, 2, 3, 9]), Some(2));
    assert_eq!(median(&[1, 2, 3]), Some(2));
}
