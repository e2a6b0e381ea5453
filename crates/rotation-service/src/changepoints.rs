//! `rotation score-changepoints`: what `mean_shift` finds in annotated series, and how it does on simulated ones.

mod command;
pub mod dataset;
pub mod score;
mod simulated;

pub use command::{Args, run};

use dataset::Annotated;
use rotation_engine::detector::mean_shift::Params;
use rotation_sim::shifts::{Told, watch};
use score::{MARGIN, covering, f1};

/// How the changes that were told of one series compare with its annotations.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The changes, by the indices of the series.
    pub told: Vec<Told>,
    /// Covering, in the mean over annotators.
    pub covering: f64,
    /// F1 with the margin of the benchmark.
    pub f1: f64,
}

/// Feeds a series value by value, missing ones passed over, and scores what was told.
pub fn score(params: &Params, series: &Annotated) -> Scored {
    let present: Vec<(usize, f64)> = series
        .values
        .iter()
        .enumerate()
        .filter_map(|(index, value)| Some((index, (*value)?)))
        .collect();
    let told = watch(params, present.iter().map(|(_, value)| *value));
    let indices = told.into_iter().map(|told| Told {
        location: present[told.location].0,
        alarm: present[told.alarm].0,
    });
    scored(indices.collect(), series)
}

/// The score of telling nothing.
pub fn zero(series: &Annotated) -> Scored {
    scored(Vec::new(), series)
}

fn scored(told: Vec<Told>, series: &Annotated) -> Scored {
    let locations: Vec<usize> = told.iter().map(|told| told.location).collect();
    Scored {
        covering: covering(&series.annotations, &locations, series.values.len()),
        f1: f1(&series.annotations, &locations, MARGIN),
        told,
    }
}
