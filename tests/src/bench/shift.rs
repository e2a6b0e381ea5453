//! The most a rule does with one value: `mean_shift` at its bound of 250 run lengths.

use std::hint::black_box;

use anyhow::{Result, ensure};
use rotation_engine::detector::mean_shift::{Params, Segments};
use rotation_sim::shifts::{Noise, Series, Watcher};

use super::{Rates, Row, Scale, rate};

/// Run lengths that each value is held against.
const RUN_LENGTHS: u32 = 250;

/// Measures updates of a detector whose run lengths are all in use.
///
/// # Errors
///
/// When the detector finds changes where there are none.
pub fn run(scale: &Scale) -> Result<Vec<Row>> {
    let cases = [
        (Segments::Constant, "`mean_shift`, levels"),
        (Segments::Linear, "`mean_shift`, lines"),
    ];
    cases
        .into_iter()
        .map(|(segments, what)| case(scale, segments, what))
        .collect()
}

fn case(scale: &Scale, segments: Segments, what: &str) -> Result<Row> {
    let params = Params {
        segments: Some(segments),
        run_length: RUN_LENGTHS,
        threshold: Some(20.0),
        ..Params::new("noise")
    };
    let values: Vec<f64> = Series::new(Noise::Normal, 1)
        .take(scale.ticks / 10)
        .collect();
    let mut rates = Rates::default();
    for _ in 0..scale.rounds {
        let floor = rate(values.len(), || floor(&values));
        let mut watcher = Watcher::new(&params);
        for value in Series::new(Noise::Normal, 2).take(1_000) {
            watcher.push(value);
        }
        let mut told = 0;
        let measured = rate(values.len(), || {
            told = values
                .iter()
                .filter(|value| watcher.push(**value).is_some())
                .count();
        });
        ensure!(told == 0, "{told} changes in noise");
        rates.add(floor, measured);
    }
    Ok(rates.row(what, "0.3 M/s"))
}

/// A logarithm for each run length: the least that such a posterior does.
fn floor(values: &[f64]) {
    let mut runs = [1.0_f64; RUN_LENGTHS as usize];
    for value in black_box(values) {
        let square = value * value;
        for run in &mut runs {
            *run = (*run + square).ln();
        }
        black_box(&mut runs);
    }
}
