//! Paths: closes from session to session, and prices within one.

use super::story::{
    Cast, HISTORY, LAST_BEFORE, Motion, RECORD, RECORD_BEFORE, RETURNS, SESSIONS, YIELDS,
};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// A generator for one purpose: draws for one series do not depend on what was drawn for another.
pub(super) fn generator(seed: u64, series: usize, session: usize) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(((series as u64) << 32) | session as u64);
    generator
}

/// A draw from the normal distribution of mean 0 and deviation 1.
pub(super) fn normal(generator: &mut impl Rng) -> f64 {
    StandardNormal.sample(generator)
}

/// A Brownian bridge of `steps` steps from `from` to `to`: `steps + 1` values, the first and the last as given.
///
/// Each step goes a fair share of the way that is left and adds noise that shrinks toward the end, the exact law of
/// Brownian motion given its end; `deviation` is that of the motion over the whole length.
pub(super) fn bridge(
    generator: &mut impl Rng,
    from: f64,
    to: f64,
    steps: usize,
    deviation: f64,
) -> Vec<f64> {
    let step_deviation = deviation / (steps as f64).sqrt();
    let mut values = Vec::with_capacity(steps + 1);
    let mut value = from;
    values.push(value);
    for left in (1..=steps).rev() {
        let noise = step_deviation * ((left - 1) as f64 / left as f64).sqrt() * normal(generator);
        value += (to - value) / left as f64 + noise;
        values.push(value);
    }
    values[steps] = to;
    values
}

/// Official closes of a series: those of the history, then those of the story.
pub(super) fn closes(seed: u64, index: usize, cast: &Cast) -> Vec<f64> {
    let mut generator = generator(seed, index, 0);
    let mut closes = history(&mut generator, cast);
    for (session, (small, large)) in RETURNS.into_iter().enumerate().take(SESSIONS) {
        let last = closes[closes.len() - 1];
        let next = match cast.motion {
            Motion::Small => grown(last, small),
            Motion::Large => grown(last, large),
            Motion::Yield => YIELDS[session],
            Motion::Mixed {
                small: a,
                large: b,
                drift,
                noise,
            } => grown(
                last,
                a * small + b * large + drift + noise * normal(&mut generator),
            ),
        };
        closes.push(to_hundredths(next));
    }
    closes
}

/// A history that ends at the series' start; that of small companies has its record a while before.
fn history(generator: &mut impl Rng, cast: &Cast) -> Vec<f64> {
    let end = cast.start;
    let (last_return, deviation) = match cast.motion {
        Motion::Small => (LAST_BEFORE.0, 0.02),
        Motion::Large => (LAST_BEFORE.1, 0.02),
        Motion::Yield => (0.0, 0.01),
        Motion::Mixed { noise, .. } => (0.0, 0.02 + noise / 50.0),
    };
    let before = end / (1.0 + last_return / 100.0);
    let mut closes = match cast.motion {
        Motion::Small => {
            let record = end * RECORD;
            let rise = HISTORY - RECORD_BEFORE - 1;
            let mut closes = bridge(generator, end * 0.98, record, rise, deviation * end);
            let fall = bridge(
                generator,
                record,
                before,
                RECORD_BEFORE - 1,
                deviation * end / 2.0,
            );
            closes.extend(fall.into_iter().skip(1));
            for (at, close) in closes.iter_mut().enumerate().filter(|(at, _)| *at != rise) {
                let below = record * if at < rise { 0.998 } else { 0.995 };
                *close = close.min(below);
            }
            closes
        }
        _ => bridge(generator, end * 0.97, before, HISTORY - 2, deviation * end),
    };
    closes.push(end);
    closes
        .iter_mut()
        .for_each(|close| *close = to_hundredths(*close));
    closes
}

fn grown(value: f64, percent: f64) -> f64 {
    value * (1.0 + percent / 100.0)
}

/// Rounded to hundredths, as closes are quoted.
pub(super) fn to_hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
