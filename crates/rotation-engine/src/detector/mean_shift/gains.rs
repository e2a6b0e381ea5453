//! What one more observation does to a run, by how many the run has seen: the same for all runs of that length.

use super::Segments;
use std::sync::LazyLock;

/// Prior degrees of freedom of the noise variance, halved: the shape of its inverse gamma distribution. Its scale is
/// as many times the square of the noise measured so far.
pub(super) const SHAPE: f64 = 2.0;

/// ln √(2π).
const LN_ROOT_TWO_PI: f64 = 0.918_938_533_204_672_7;

/// The log density that normal noise of deviation one has in the mean. A run takes it from the observations that its
/// parameters are first fitted to, which surprise nobody.
pub(super) const TYPICAL: f64 = -LN_ROOT_TWO_PI - 0.5;

/// What a level of its own costs a segment, in log odds: it is expected within some five noise deviations.
pub(super) const LEVEL_PRICE: f64 = 1.1;
/// What a slope of its own costs it: it is expected within some one noise deviation an observation.
const SLOPE_PRICE: f64 = 0.55;

/// The most observations that a run may have seen to be in the tables.
pub(super) const AGE_MAX: usize = 1_000;

/// What one more observation does to a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gain {
    /// Half the inverse of the predictive variance, in noise variances: what a squared surprise adds to the spread.
    pub(super) half_precision: f64,
    /// The part of the predictive log density that depends on the length alone, but for the price.
    pub(super) constant: f64,
    /// What it costs that the parameters are not known: half the logarithm of the predictive variance, in noise
    /// variances. Weights do not lessen it.
    pub(super) price: f64,
    /// Half the degrees of freedom after the observation.
    pub(super) shape: f64,
    /// What a surprise adds to the level.
    pub(super) level: f64,
    /// What a surprise adds to the slope.
    pub(super) slope: f64,
}

impl Gain {
    /// The gain of a run that has seen `age` observations, at least one.
    ///
    /// Least squares, recursively: after `age` observations the level at the last one and the slope are those of the
    /// ordinary fit, so the prior is flat but for its price.
    pub(super) fn at(segments: Segments, age: f64) -> Self {
        let next = age + 1.0;
        match segments {
            Segments::Constant => {
                let shape = SHAPE + (age - 1.0) / 2.0;
                Gain::student(shape, 1.0 + 1.0 / age, 1.0 / next, 0.0)
            }
            // The second observation fixes the slope and surprises nobody.
            Segments::Linear if age < 2.0 => Gain {
                half_precision: 0.0,
                constant: TYPICAL + libm::log(SHAPE) / 2.0,
                price: SLOPE_PRICE,
                shape: SHAPE + 0.5,
                level: 1.0,
                slope: 1.0,
            },
            Segments::Linear => {
                let shape = SHAPE + (age - 2.0) / 2.0;
                let variance = 1.0 + (4.0 * age + 2.0) / (age * (age - 1.0));
                let level = (4.0 * next - 2.0) / (next * (next + 1.0));
                Gain::student(shape, variance, level, 6.0 / (next * (next + 1.0)))
            }
        }
    }

    /// A surprise of Student's t distribution with 2 · `shape` degrees of freedom.
    fn student(shape: f64, variance: f64, level: f64, slope: f64) -> Self {
        Gain {
            half_precision: 0.5 / variance,
            constant: ln_gamma_step(shape) - LN_ROOT_TWO_PI,
            price: libm::log(variance) / 2.0,
            shape: shape + 0.5,
            level,
            slope,
        }
    }
}

/// ln Γ(x + ½) − ln Γ(x).
fn ln_gamma_step(x: f64) -> f64 {
    if x < 200.0 {
        return libm::lgamma(x + 0.5) - libm::lgamma(x);
    }
    // Stirling's series: the next term is below 1e-14.
    let inverse = 1.0 / x;
    libm::log(x) / 2.0 - inverse * (1.0 / 8.0 - inverse * inverse / 192.0)
}

/// The gains of all ages up to [`AGE_MAX`], each part in an array of its own; the oldest first, as runs are kept.
#[derive(Debug)]
pub(super) struct Gains {
    pub(super) half_precision: Vec<f64>,
    pub(super) constant: Vec<f64>,
    pub(super) price: Vec<f64>,
    pub(super) shape: Vec<f64>,
    pub(super) level: Vec<f64>,
    pub(super) slope: Vec<f64>,
}

impl Gains {
    /// The tables of the kind of segment.
    pub(super) fn of(segments: Segments) -> &'static Gains {
        static CONSTANT: LazyLock<Gains> = LazyLock::new(|| Gains::new(Segments::Constant));
        static LINEAR: LazyLock<Gains> = LazyLock::new(|| Gains::new(Segments::Linear));
        match segments {
            Segments::Constant => &CONSTANT,
            Segments::Linear => &LINEAR,
        }
    }

    fn new(segments: Segments) -> Self {
        let column = |part: fn(Gain) -> f64| -> Vec<f64> {
            let ages = (1_u32..).take(AGE_MAX).collect::<Vec<_>>();
            ages.into_iter()
                .rev()
                .map(|age| part(Gain::at(segments, age.into())))
                .collect()
        };
        Gains {
            half_precision: column(|gain| gain.half_precision),
            constant: column(|gain| gain.constant),
            price: column(|gain| gain.price),
            shape: column(|gain| gain.shape),
            level: column(|gain| gain.level),
            slope: column(|gain| gain.slope),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_goes_on_where_the_function_ends() {
        for x in [150.0, 199.5, 200.0, 250.0, 5_000.0] {
            let direct = libm::lgamma(x + 0.5) - libm::lgamma(x);
            assert!((ln_gamma_step(x) - direct).abs() < 1e-10, "{x}");
        }
        // The two sides of the seam, by Γ(x + 1) = x Γ(x): the steps at x and x + ½ add up to ln x.
        let both = ln_gamma_step(199.8) + ln_gamma_step(200.3);
        assert!((both - libm::log(199.8)).abs() < 1e-12);
    }

    #[test]
    fn the_tables_are_the_gains() {
        for segments in [Segments::Constant, Segments::Linear] {
            let gains = Gains::of(segments);
            for age in [1_u16, 2, 3, 250, 1_000] {
                let gain = Gain::at(segments, age.into());
                let at = AGE_MAX - usize::from(age);
                assert_eq!(gains.half_precision[at], gain.half_precision);
                assert_eq!(gains.constant[at], gain.constant);
                assert_eq!(gains.price[at], gain.price);
                assert_eq!(gains.shape[at], gain.shape);
                assert_eq!(gains.level[at], gain.level);
                assert_eq!(gains.slope[at], gain.slope);
            }
        }
    }
}
