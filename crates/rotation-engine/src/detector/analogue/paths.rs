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

impl Match {
    /// The one with the higher correlation; of equal ones the first.
    fn better(self, other: Match) -> Match {
        if other.correlation > self.correlation {
            other
        } else {
            self
        }
    }
}

/// Relative differences of a path's values that are rounding.
const FLAT: f64 = 1e-12;

#[expect(
    clippy::cast_precision_loss,
    reason = "a window is far smaller than 2^53"
)]
fn count(values: usize) -> f64 {
    values as f64
}

impl Shape {
    fn of(window: &[f64]) -> Self {
        let count = count(window.len());
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

/// Appends a value to a list that will have `most`, without ever asking for more room than that.
pub(super) fn append<T>(values: &mut Vec<T>, value: T, most: usize) {
    let len = values.len();
    if len == values.capacity() {
        values.reserve_exact(len.max(4).min(most.saturating_sub(len)).max(1));
    }
    values.push(value);
}

impl Paths {
    /// A path that has not begun: windows of `length` values, at least two, among the last `history`, at least two
    /// windows.
    pub(super) fn new(length: usize, history: usize) -> Self {
        Paths {
            length: length.max(2),
            history: history.max(2 * length.max(2)),
            phase: 0,
            path: Vec::new(),
            shapes: Vec::new(),
            products: Vec::new(),
        }
    }

    /// Goes on by a step; the first one begins at it.
    pub(super) fn push(&mut self, step: f64) {
        self.phase = (self.phase + 1) % self.length;
        let (length, history) = (self.length, self.history);
        let value = self.path.last().unwrap_or(&0.0) + step;
        append(&mut self.path, value, history + 1);
        if let Some(start) = self.path.len().checked_sub(length) {
            let shape = Shape::of(&self.path[start..]);
            append(&mut self.shapes, shape, history - length + 2);
        }
        self.advance();
        if self.path.len() > history {
            self.path.remove(0);
            self.shapes.remove(0);
        } else if self.shapes.len() > length {
            let product = self.product(self.shapes.len() - 1);
            append(&mut self.products, product, history - 2 * length + 1);
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

    /// The distance of the best window that ends at least `nearest` values ago.
    pub(super) fn best(&self, nearest: usize) -> Option<f64> {
        let correlations = self.correlations(nearest);
        let best = correlations.reduce(Match::better)?;
        Some(self.distance(best.lag))
    }

    /// The distance of the newest window from the one so many values before it, each set to mean 0 and deviation 1;
    /// both have a shape.
    ///
    /// √(2 n (1 − correlation)) is the same, and has lost half of its digits where windows are nearly equal.
    pub(super) fn distance(&self, lag: usize) -> f64 {
        let newest = self.shapes.len() - 1;
        let normed = |at: usize| {
            let Shape { mean, norm } = self.shapes[at];
            let window = &self.path[at..at + self.length];
            window.iter().map(move |value| (value - mean) / norm)
        };
        let pairs = normed(newest).zip(normed(newest - lag));
        let squares: f64 = pairs.map(|(now, then)| (now - then) * (now - then)).sum();
        (squares * count(self.length)).sqrt()
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
            let best = apart.copied().reduce(Match::better);
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
