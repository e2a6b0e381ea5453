//! A basket against the rest, each in equal weights.

use super::Params;
use crate::detector::members::Roster;
use serde::{Deserialize, Serialize};

/// Two equal-weight indices, rebalanced at each section: each moves by the mean of the simple returns of its members
/// that have a close now and had one before. A return spans a halt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Baskets {
    window: u32,
    /// Which members are in the basket.
    inside: Vec<bool>,
    /// Each member's last close, 0 before the first.
    last: Vec<f64>,
    /// Levels of basket and rest after the last sections, as many as a return spans, and one; the newest at `at`.
    levels: Vec<[f64; 2]>,
    at: usize,
    /// The returns of basket and rest over the window, as fractions; none until it is full.
    pub(super) returns: Option<[f64; 2]>,
}

/// A change by a thousand in one section is another basis, not a return.
const GROSS_MAX: f64 = 1e3;

/// Levels beyond this have lost their meaning; they begin anew.
const LEVEL_MAX: f64 = 1e200;

impl Baskets {
    pub(super) fn new(params: &Params) -> Self {
        let symbols = params.members.symbols().iter();
        Baskets {
            window: params.window().unwrap_or(1),
            inside: symbols
                .map(|symbol| params.basket.contains(symbol))
                .collect(),
            last: Vec::new(),
            levels: Vec::new(),
            at: 0,
            returns: None,
        }
    }

    /// Takes in a section: the difference of the returns in percentage points, and how many members had one.
    pub(super) fn read(&mut self, closes: &[f64], roster: &Roster) -> (Option<f64>, u32) {
        let is_first = self.last.is_empty();
        self.last.resize(closes.len(), 0.0);
        let (mut sums, mut counts) = ([0.0; 2], [0_u32; 2]);
        for (place, (last, close)) in self.last.iter_mut().zip(closes).enumerate() {
            let gross = *close / *last;
            if *close > 0.0
                && *last > 0.0
                && roster.holds(place)
                && (1.0 / GROSS_MAX..=GROSS_MAX).contains(&gross)
            {
                let side = usize::from(!self.inside[place]);
                sums[side] += gross - 1.0;
                counts[side] += 1;
            }
            if *close > 0.0 {
                *last = *close;
            }
        }
        let counted = counts[0] + counts[1];
        if is_first || counted > 0 {
            let before = self.levels.get(self.at).copied().unwrap_or([1.0; 2]);
            let grow = |side: usize| {
                let mean = if counts[side] > 0 {
                    sums[side] / f64::from(counts[side])
                } else {
                    0.0
                };
                before[side] * (1.0 + mean)
            };
            self.push([grow(0), grow(1)]);
        }
        let points = self.returns.map(|[basket, rest]| 100.0 * (basket - rest));
        (points, counted)
    }

    fn push(&mut self, levels: [f64; 2]) {
        let window = self.window as usize;
        if levels
            .iter()
            .any(|level| !(1.0 / LEVEL_MAX..=LEVEL_MAX).contains(level))
        {
            self.levels.clear();
            self.levels.push([1.0; 2]);
            self.at = 0;
            self.returns = None;
            return;
        }
        if self.levels.len() <= window {
            self.at = self.levels.len();
            self.levels.push(levels);
        } else {
            self.at = (self.at + 1) % self.levels.len();
            self.levels[self.at] = levels;
        }
        if self.levels.len() > window {
            let before = self.levels[(self.at + 1) % self.levels.len()];
            self.returns = Some([0, 1].map(|side| levels[side] / before[side] - 1.0));
            // Once around the levels are taken back to one, so that they cannot grow without end.
            if self.at == window {
                for held in &mut self.levels {
                    *held = [held[0] / levels[0], held[1] / levels[1]];
                }
            }
        }
    }

    /// A member's prices change basis.
    pub(super) fn rescale(&mut self, place: usize, factor: f64) {
        if let Some(last) = self.last.get_mut(place) {
            *last *= factor;
        }
    }
}
