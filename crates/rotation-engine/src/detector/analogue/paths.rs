//! The newest window of a path against all earlier ones, in time that grows with the history alone.
//!
//! For windows of m values ending at i and at j, the sum of products of their distances from their means goes over to
//! that of the windows a value later by (Zimmerman et al., *Matrix Profile XIV*, SoCC 2019, with their f and g)
//!
//! > c(i, j) = c(i−1, j−1) + f(i) g(j) + f(j) g(i), f(i) = (x(i) − x(i−m)) / 2,
//! > g(i) = (x(i) − μ(i)) + (x(i−m) − μ(i−1))
//!
//! so each lag i − j keeps its sum, and a push costs a few operations a lag. Each sum is taken anew from its windows
//! once in m pushes, a lag in m at each, so that rounding cannot pile up.

use serde::{Deserialize, Serialize};

/// The last values of a path that moves by steps, and how like its newest window each earlier one is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub(super) struct Paths {
    /// Values of a window.
    length: usize,
    /// Values kept.
    history: usize,
    /// How many steps there were, as far as it matters: modulo `length`.
    phase: usize,
    path: Vec<f64>,
    /// Of the window that ends `length − 1` values later; follow from the path.
    shapes: Vec<Shape>,
    /// Sums of products of the newest window and the one so many values before it, from `length` on.
    products: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    length: usize,
    history: usize,
    phase: usize,
    path: Vec<f64>,
    products: Vec<f64>,
}

/// A window's mean, and the root of its sum of squared distances from it: 0 where all its values are equal.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shape {
    mean: f64,
    norm: f64,
}

/// An earlier window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Match {
    /// Values from its end to the newest.
    pub(super) lag: usize,
    /// Its correlation with the newest window, −1 to 1.
    pub(super) correlation: f64,
}

/// Relative differences of a path's values that are rounding.
const FLAT: f64 = 1e-12;

impl Shape {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a window is far smaller than 2^53"
    )]
    fn of(window: &[f64]) -> Self {
        let count = window.len() as f64;
        // From the first value, so that the level of the path costs no digits.
        let first = window.first().copied().unwrap_or(0.0);
        let mean = first + window.iter().map(|value| value - first).sum::<f64>() / count;
        let squares: f64 = window
            .iter()
            .map(|value| (value - mean) * (value - mean))
            .sum();
        let norm = squares.sqrt();
        let is_flat = norm <= FLAT * (1.0 + mean.abs()) * count.sqrt();
        Shape {
            mean,
            norm: if is_flat { 0.0 } else { norm },
        }
    }
}

/// The distance of two windows of `length` values with this correlation, each set to mean 0 and deviation 1.
pub(super) fn distance(correlation: f64, length: u32) -> f64 {
    (2.0 * f64::from(length) * (1.0 - correlation))
        .max(0.0)
        .sqrt()
}

impl Paths {
    /// A path that has not begun: windows of `length` values, at least two, among the last `history`.
    pub(super) fn new(length: usize, history: usize) -> Self {
        Paths {
            length: length.max(2),
            history,
            phase: 0,
            path: Vec::new(),
            shapes: Vec::new(),
            products: Vec::new(),
        }
    }

    /// Goes on by a step; the first one begins at it.
    pub(super) fn push(&mut self, step: f64) {
        self.phase = (self.phase + 1) % self.length;
        self.path.push(self.path.last().unwrap_or(&0.0) + step);
        let length = self.length;
        if let Some(start) = self.path.len().checked_sub(length) {
            self.shapes.push(Shape::of(&self.path[start..]));
        }
        self.advance();
        if self.path.len() > self.history {
            self.path.remove(0);
            self.shapes.remove(0);
        } else if self.shapes.len() > length {
            self.products.push(self.product(self.shapes.len() - 1));
        }
        for lag in (length..)
            .zip(0..self.products.len())
            .filter(|(lag, _)| lag % length == self.phase)
        {
            self.products[lag.1] = self.product(lag.0);
        }
    }

    /// Takes each lag's sum over to the windows a value later.
    fn advance(&mut self) {
        let (length, newest) = (self.length, self.path.len() - 1);
        if self.products.is_empty() {
            return;
        }
        let move_of = |end: usize| {
            let (last, gone) = (self.path[end], self.path[end - length]);
            let window = end + 1 - length;
            let (mean, before) = (self.shapes[window].mean, self.shapes[window - 1].mean);
            ((last - gone) / 2.0, (last - mean) + (gone - before))
        };
        let (f, g) = move_of(newest);
        for (product, lag) in self.products.iter_mut().zip(length..) {
            let (past_f, past_g) = move_of(newest - lag);
            *product += f * past_g + past_f * g;
        }
    }

    /// A lag's sum, from its windows.
    fn product(&self, lag: usize) -> f64 {
        let newest = self.shapes.len() - 1;
        let window = |at: usize| {
            let mean = self.shapes[at].mean;
            self.path[at..at + self.length]
                .iter()
                .map(move |value| value - mean)
        };
        let pairs = window(newest).zip(window(newest - lag));
        pairs.map(|(now, then)| now * then).sum()
    }

    /// The correlations with the windows that end at least `nearest` values ago, the latest first; those without a
    /// shape are left out.
    fn correlations(&self, nearest: usize) -> impl Iterator<Item = Match> {
        let newest = self.shapes.last().map_or(0.0, |shape| shape.norm);
        let skipped = nearest.saturating_sub(self.length);
        let lags = self.products.iter().zip(self.length..).skip(skipped);
        lags.filter_map(move |(product, lag)| {
            let norm = self.shapes[self.shapes.len() - 1 - lag].norm * newest;
            (norm > 0.0).then(|| Match {
                lag,
                correlation: (product / norm).clamp(-1.0, 1.0),
            })
        })
    }

    /// The highest correlation with a window that ends at least `nearest` values ago.
    pub(super) fn best(&self, nearest: usize) -> Option<f64> {
        let correlations = self.correlations(nearest).map(|found| found.correlation);
        correlations.reduce(f64::max)
    }

    /// The best windows that end at least `nearest` values ago, at most so many, none overlapping a better one; of
    /// equal ones the latest.
    pub(super) fn matches(&self, nearest: usize, most: usize) -> Vec<Match> {
        let mut found: Vec<Match> = Vec::new();
        let all: Vec<Match> = self.correlations(nearest).collect();
        while found.len() < most {
            let apart = all.iter().filter(|one| {
                let clear = |better: &Match| one.lag.abs_diff(better.lag) >= self.length;
                found.iter().all(clear)
            });
            let better = |best: &Match, one: &Match| one.correlation > best.correlation;
            let best = apart
                .copied()
                .reduce(|best, one| if better(&best, &one) { one } else { best });
            match best {
                Some(best) => found.push(best),
                None => break,
            }
        }
        found
    }

    /// The return over `after` values that followed the value so many before the newest.
    pub(super) fn outcome(&self, lag: usize, after: usize) -> Option<f64> {
        let at = self.path.len().checked_sub(1 + lag)?;
        Some(libm::expm1(self.path.get(at + after)? - self.path[at]))
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.path.len()
    }
}

impl From<Stored> for Paths {
    fn from(stored: Stored) -> Self {
        Paths {
            shapes: stored.path.windows(stored.length).map(Shape::of).collect(),
            length: stored.length,
            history: stored.history,
            phase: stored.phase,
            path: stored.path,
            products: stored.products,
        }
    }
}

impl From<Paths> for Stored {
    fn from(paths: Paths) -> Self {
        Stored {
            length: paths.length,
            history: paths.history,
            phase: paths.phase,
            path: paths.path,
            products: paths.products,
        }
    }
}
