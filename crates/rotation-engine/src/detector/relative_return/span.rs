//! The sessions that a return is taken over.

use super::Over;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The closes that returns start from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Span {
    /// So many sessions: their closes and those before them, oldest first. To date: the last closes alone.
    bases: VecDeque<Base>,
    /// To date: the last closes before the period.
    anchor: Option<Base>,
    /// How many sessions; none to date.
    sessions: Option<u32>,
}

/// Closes of leader and laggard, and the beta of the returns up to them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Base {
    pub(super) closes: [f64; 2],
    pub(super) date: Date,
    pub(super) beta: Option<f64>,
}

/// A return is held within this for a beta; beyond it a series is broken.
const RETURN_MAX: f64 = 1e3;

/// Simple returns between the closes of both series.
pub(super) fn returns(from: [f64; 2], to: [f64; 2]) -> [f64; 2] {
    [0, 1].map(|input| to[input] / from[input] - 1.0)
}

impl Span {
    pub(super) fn new(over: Over) -> Self {
        Span {
            bases: VecDeque::new(),
            anchor: None,
            sessions: match over {
                Over::Sessions(sessions) => Some(sessions),
                Over::Month | Over::Quarter | Over::Year => None,
            },
        }
    }

    /// Takes in the closes of the next session; whether another period began.
    pub(super) fn push(&mut self, over: Over, base: Base) -> bool {
        let before = self.last();
        let kept = self.sessions.unwrap_or(0) as usize;
        if self.bases.len() > kept {
            self.bases.pop_front();
        }
        self.bases.push_back(base);
        let turned = before.filter(|before| over.turns(before.date, base.date));
        self.anchor = turned.or(self.anchor);
        turned.is_some()
    }

    /// What the present return starts from, once there is so much history.
    pub(super) fn base(&self) -> Option<Base> {
        match self.sessions {
            Some(sessions) => {
                let is_full = self.bases.len() > sessions as usize;
                self.bases.front().filter(|_| is_full).copied()
            }
            None => self.anchor,
        }
    }

    /// The last closes.
    pub(super) fn last(&self) -> Option<Base> {
        self.bases.back().copied()
    }

    pub(super) fn rescale(&mut self, input: usize, factor: f64) {
        for base in self.bases.iter_mut().chain(&mut self.anchor) {
            if let Some(close) = base.closes.get_mut(input) {
                *close *= factor;
            }
        }
    }
}

/// A return as a beta may take it.
pub(super) fn tame(value: f64) -> f64 {
    value.min(RETURN_MAX)
}
