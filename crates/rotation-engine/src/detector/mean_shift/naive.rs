//! The search held against its definition, worked out anew from all values at every observation.

use super::Segments;
use super::cusum::Cusum;
use super::posterior::{Posterior, SIDE_MIN, Shape, Taken, WILD};
use proptest::prelude::*;

/// 1 in 250.
const HAZARD: f64 = 0.004;
/// Prior degrees of freedom of the noise variance, halved.
const PRIOR: f64 = 2.0;

/// The ordinary least squares fit: level at the last value, slope, residual sum of squares.
fn fit(segments: Segments, values: &[f64]) -> (f64, f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let middle = (count - 1.0) / 2.0;
    let times = (0..values.len()).map(|index| index as f64 - middle);
    let of_times: f64 = times.clone().map(|time| time * time).sum();
    let products: f64 = times
        .clone()
        .zip(values)
        .map(|(time, value)| time * (value - mean))
        .sum();
    let slope = match segments {
        Segments::Linear if of_times > 0.0 => products / of_times,
        _ => 0.0,
    };
    let residuals = times
        .zip(values)
        .map(|(time, value)| value - mean - slope * time);
    let squares = residuals.map(|residual| residual * residual).sum();
    (mean + slope * middle, slope, squares)
}

/// The Student distribution that some values lead to expect.
struct Expected {
    /// Half its degrees of freedom.
    shape: f64,
    location: f64,
    /// The deviation of the noise, and how much wider the distribution is.
    noise: f64,
    width: f64,
}

/// None where the values are too few.
fn expected(segments: Segments, values: &[f64], noise: f64) -> Option<Expected> {
    let count = values.len() as f64;
    let known = match segments {
        Segments::Constant => 1.0,
        Segments::Linear => 2.0,
    };
    if count < known {
        return None;
    }
    let (level, slope, squares) = fit(segments, values);
    let shape = PRIOR + (count - known) / 2.0;
    let spread = PRIOR * noise * noise + squares / 2.0;
    let next = (count + 1.0) / 2.0;
    let by_slope = match segments {
        Segments::Constant => 0.0,
        Segments::Linear => next * next / (count * (count * count - 1.0) / 12.0),
    };
    Some(Expected {
        shape,
        location: level + slope,
        noise: (spread / shape).sqrt(),
        width: (1.0 + 1.0 / count + by_slope).sqrt(),
    })
}

/// A run that began somewhere, with the noise of that time.
#[derive(Clone, Debug)]
struct Run {
    start: usize,
    noise: f64,
    mass: f64,
}

/// Adams and MacKay's recursion, in logarithms, from all values.
struct Naive {
    shape: Shape,
    /// As they were taken, wild ones held.
    values: Vec<f64>,
    /// The segment's own run first.
    runs: Vec<Run>,
}

fn ln_sum(masses: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = masses.clone().fold(f64::MIN, f64::max);
    largest + masses.map(|mass| (mass - largest).exp()).sum::<f64>().ln()
}

impl Naive {
    fn push(&mut self, taken: Taken) {
        let typical = -((2.0 * std::f64::consts::PI).ln() + 1.0) / 2.0;
        let at = self.values.len();
        if at == 0 {
            self.values.push(taken.value);
            self.runs.push(Run {
                start: 0,
                noise: taken.noise,
                mass: 0.0,
            });
            return;
        }
        let segments = self.shape.segments;
        let mut value = taken.value;
        let mut noise = taken.noise.max(self.runs[0].noise);
        if let Some(own) = expected(segments, &self.values, self.runs[0].noise) {
            let freedom = 2.0 * own.shape;
            let bound = WILD * (8.0 * freedom + 3.0) / (8.0 * freedom + 1.0);
            let t = (freedom * ((bound * bound / freedom).exp() - 1.0)).sqrt();
            let reach = t * own.noise * own.width;
            value = value.clamp(own.location - reach, own.location + reach);
            noise = taken.noise.max(own.noise);
        }
        let total = ln_sum(self.runs.iter().map(|run| run.mass));
        for run in &mut self.runs {
            let before = &self.values[run.start..];
            let (density, price) = match expected(segments, before, run.noise) {
                Some(own) => {
                    let (shape, scale) = (own.shape, own.noise * own.width);
                    let t = (value - own.location) / scale;
                    let density = libm::lgamma(shape + 0.5)
                        - libm::lgamma(shape)
                        - (shape * 2.0 * std::f64::consts::PI).sqrt().ln()
                        - scale.ln()
                        - (shape + 0.5) * (t * t / (2.0 * shape)).ln_1p();
                    let price = own.width.ln();
                    (density + price, price)
                }
                // The second value of a line.
                None => (typical - run.noise.ln(), 0.55),
            };
            run.mass += (1.0 - HAZARD).ln() + taken.weight * density - price;
        }
        self.values.push(value);
        if self.runs.len() > self.shape.bound {
            let oldest = self.runs.remove(1);
            self.runs[0].mass = ln_sum([self.runs[0].mass, oldest.mass].into_iter());
        }
        self.runs.push(Run {
            start: at,
            noise,
            mass: HAZARD.ln() + total + taken.weight * (typical - noise.ln()) - 1.1,
        });
    }

    fn judged(&self) -> impl Iterator<Item = &Run> + Clone {
        let count = self.values.len();
        self.runs[1..]
            .iter()
            .filter(move |run| run.start >= SIDE_MIN && count - run.start >= SIDE_MIN)
    }

    fn log_odds(&self) -> Option<f64> {
        self.judged().next()?;
        Some(ln_sum(self.judged().map(|run| run.mass)) - self.runs[0].mass)
    }
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-9 * left.abs().max(right.abs()).max(1.0)
}

/// Values with a shift and a bend somewhere, and how they are taken.
fn series() -> impl Strategy<Value = Vec<Taken>> {
    let taken = (-1.5_f64..1.5, 0.5_f64..2.0, 0.05_f64..=1.0);
    (
        prop::collection::vec(taken, 2..70),
        0_usize..70,
        -8.0_f64..8.0,
        -0.5_f64..0.5,
    )
        .prop_map(|(all, at, jump, slope)| {
            let value = |index: usize, value: f64| {
                let since = index.saturating_sub(at) as f64;
                let jump = if index >= at { jump } else { 0.0 };
                value + jump + slope * since
            };
            all.into_iter()
                .enumerate()
                .map(|(index, (noise, deviation, weight))| Taken {
                    value: value(index, noise),
                    noise: deviation,
                    weight,
                })
                .collect()
        })
}

proptest! {
    #[test]
    fn the_posterior_is_that_of_the_definition(
        series in series(),
        bound in 3_usize..80,
        is_linear: bool,
    ) {
        let segments = if is_linear { Segments::Linear } else { Segments::Constant };
        let shape = Shape { segments, bound };
        let mut naive = Naive { shape, values: Vec::new(), runs: Vec::new() };
        naive.push(series[0]);
        let mut posterior = Posterior::beginning(series[0]);
        for taken in &series[1..] {
            posterior.push(shape, *taken);
            naive.push(*taken);
            let Some(log_odds) = naive.log_odds() else {
                prop_assert_eq!(posterior.log_odds(), -30.0);
                prop_assert_eq!(posterior.find(), None);
                continue;
            };
            prop_assert!(
                close(posterior.log_odds(), log_odds.max(-30.0)),
                "{} for {log_odds}", posterior.log_odds()
            );
            let best = naive.runs[1..].iter().max_by(|a, b| a.mass.total_cmp(&b.mass)).unwrap();
            let is_judged = naive.judged().any(|run| run.start == best.start);
            let Some(found) = posterior.find() else {
                prop_assert!(!is_judged);
                continue;
            };
            prop_assert!(is_judged);
            let start = naive.values.len() - found.age;
            let run = naive.runs[1..].iter().find(|run| run.start == start).unwrap();
            prop_assert!(close(run.mass, best.mass), "{found:?}");
            let (level, slope, _) = fit(segments, &naive.values[start..]);
            prop_assert!(close(found.level, level) && close(found.slope, slope), "{found:?}");
            let (level, slope, _) = fit(segments, &naive.values[..start]);
            let before = posterior.before(segments, found);
            prop_assert!(close(before, level + slope * found.age as f64), "{before}");
            let (level, slope, _) = fit(segments, &naive.values);
            prop_assert!(close(posterior.own().level, level) && close(posterior.own().slope, slope));
        }
    }

    #[test]
    fn the_sums_are_those_of_the_definition(series in series(), reference in 0.25_f64..1.0) {
        let mut cusum = Cusum::beginning(series[0].value);
        let mut values = vec![series[0].value];
        let (mut up, mut down) = (vec![0.0_f64], vec![0.0_f64]);
        for taken in &series[1..] {
            cusum.push(*taken, reference);
            let count = values.len() as f64;
            let mut value = taken.value;
            if values.len() >= 2 {
                let mean = values.iter().sum::<f64>() / count;
                let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
                let deviation = (squares / (count - 1.0) * (1.0 + 1.0 / count)).sqrt();
                let freedom = count - 1.0;
                let factor = (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0);
                let t = (value - mean) / deviation;
                let score = factor * (freedom * (t * t / freedom).ln_1p()).sqrt();
                if score > WILD {
                    let bound = WILD / factor;
                    let held = (freedom * ((bound * bound / freedom).exp() - 1.0)).sqrt();
                    value = mean + deviation * held.copysign(t);
                }
                let score = score.min(WILD).copysign(t) * taken.weight.sqrt();
                up.push((up[up.len() - 1] + score - reference).max(0.0));
                down.push((down[down.len() - 1] - score - reference).max(0.0));
            }
            values.push(value);
            let (top, bottom) = (up[up.len() - 1], down[down.len() - 1]);
            prop_assert!(close(cusum.height(), top.max(bottom)), "{} {top} {bottom}", cusum.height());
            if (top - bottom).abs() < 1e-6 {
                continue;
            }
            let higher = if top > bottom { &up } else { &down };
            let age = higher.iter().rev().take_while(|height| **height > 0.0).count();
            let excursion = cusum.excursion().unwrap();
            prop_assert_eq!(excursion as usize, age);
            let before = &values[..values.len() - age];
            let mean = before.iter().sum::<f64>() / before.len() as f64;
            prop_assert!(close(cusum.level(), mean), "{} {mean}", cusum.level());
        }
    }
}
