//! Weights by market capitalisation, and what they come to.

use super::{Gauge, Params};
use crate::detector::members::Roster;
use crate::detector::{TIE, row::Row};
use serde::{Deserialize, Serialize};

/// The members' capitalisations, now and before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Weights {
    /// Capitalisations of the last section, on the basis before any split; 0 where a member did not count.
    caps: Vec<f64>,
    /// What brings a member's values to their basis before any split.
    factors: Vec<f64>,
    /// Capitalisations of the last sections, whoever belonged or not, the newest at `at`; as many as a return spans,
    /// and one. Only for the share of a return.
    rows: Vec<Row>,
    at: usize,
    pub(super) figures: Figures,
    /// The share of the return when it was last to be told.
    pub(super) of_return: Option<OfReturn>,
}

/// What the weights of a section come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Figures {
    pub(super) total: f64,
    /// Percent.
    pub(super) top_share: f64,
    pub(super) herfindahl: f64,
}

/// The return of all, and what the top made of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct OfReturn {
    /// Of all, as a fraction.
    pub(super) whole: f64,
    /// Of that, by the top.
    pub(super) top: f64,
    /// Sections since.
    pub(super) sessions_ago: u32,
}

/// A return smaller than this has no shares: they would be as large as one likes.
const RETURN_MIN: f64 = 0.01;

impl Weights {
    pub(super) fn new(members: usize) -> Self {
        Weights {
            factors: vec![1.0; members],
            ..Weights::default()
        }
    }

    /// Takes in a section: the reading, and how many members it stands on.
    pub(super) fn read(
        &mut self,
        params: &Params,
        closes: &[f64],
        roster: &Roster,
    ) -> (Option<f64>, u32) {
        self.caps.clear();
        self.caps.extend(
            closes
                .iter()
                .zip(&self.factors)
                .map(|(close, factor)| close * factor),
        );
        if let Some(shares) = &params.shares {
            for (cap, symbol) in self.caps.iter_mut().zip(params.members.symbols()) {
                *cap *= shares.get(symbol).copied().unwrap_or(0.0);
            }
        }
        let before = params
            .window()
            .and_then(|window| self.turn(window as usize));
        for (place, cap) in self.caps.iter_mut().enumerate() {
            if !roster.holds(place) {
                *cap = 0.0;
            }
        }
        let top = params.top();
        self.figures = figures(&self.caps, top);
        if params.measure == Gauge::ReturnShare {
            return self.read_return(before, top);
        }
        let counted = self.caps.iter().filter(|cap| **cap > 0.0).count();
        let value = match params.measure {
            Gauge::TopShare => self.figures.top_share,
            Gauge::Herfindahl => self.figures.herfindahl,
            _ => 1.0 / self.figures.herfindahl,
        };
        (Some(value), u32::try_from(counted).unwrap_or(u32::MAX))
    }

    /// Puts the capitalisations in the place of the oldest, once there are enough: where those of so many sections
    /// before are.
    fn turn(&mut self, window: usize) -> Option<usize> {
        if self.rows.len() <= window {
            self.at = self.rows.len();
            self.rows.push(self.caps.clone().into());
        } else {
            self.at = (self.at + 1) % self.rows.len();
            self.rows[self.at] = self.caps.clone().into();
        }
        (self.rows.len() > window).then(|| (self.at + 1) % self.rows.len())
    }

    fn read_return(&mut self, before: Option<usize>, top: usize) -> (Option<f64>, u32) {
        let Some(before) = before else {
            return (None, 0);
        };
        if let Some(last) = &mut self.of_return {
            last.sessions_ago = last.sessions_ago.saturating_add(1);
        }
        let pairs = self.rows[before].iter().zip(&self.caps);
        let mut pairs: Vec<(f64, f64)> = pairs
            .filter(|(then, now)| **then > 0.0 && **now > 0.0)
            .map(|(then, now)| (*then, *now))
            .collect();
        let counted = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
        let base: f64 = pairs.iter().map(|(then, _)| then).sum();
        let gain: f64 = pairs.iter().map(|(then, now)| now - then).sum();
        if pairs.len() > top && (gain / base).abs() >= RETURN_MIN - TIE {
            let gain_of_top = gain_of_top(&mut pairs, top);
            self.of_return = Some(OfReturn {
                whole: gain / base,
                top: gain_of_top / base,
                sessions_ago: 0,
            });
        }
        let share = self
            .of_return
            .map(|of_return| 100.0 * of_return.top / of_return.whole);
        (share, counted)
    }

    /// The largest members, the first of equal ones first, with their weights in percent.
    pub(super) fn largest(&self, count: usize) -> Vec<(usize, f64)> {
        let mut places: Vec<usize> = (0..self.caps.len())
            .filter(|place| self.caps[*place] > 0.0)
            .collect();
        places.sort_by(|left, right| self.caps[*right].total_cmp(&self.caps[*left]));
        places.truncate(count);
        let weight = |place: usize| (place, 100.0 * self.caps[place] / self.figures.total);
        places.into_iter().map(weight).collect()
    }

    /// A member's values change basis, its weight does not.
    pub(super) fn rescale(&mut self, place: usize, factor: f64) {
        if let Some(held) = self.factors.get_mut(place) {
            *held /= factor;
        }
    }
}

/// What the largest gained, of members with their weights then and now. Those that tie for the last places share them:
/// which of them came first would be up to rounding.
fn gain_of_top(pairs: &mut [(f64, f64)], top: usize) -> f64 {
    pairs.sort_by(|left, right| right.0.total_cmp(&left.0));
    let (least, _) = pairs[top - 1];
    let gain = |pairs: &[(f64, f64)]| -> f64 { pairs.iter().map(|(then, now)| now - then).sum() };
    let larger = pairs.partition_point(|(then, _)| *then > least * (1.0 + TIE));
    let until = pairs.partition_point(|(then, _)| *then >= least * (1.0 - TIE));
    let (larger, tied) = (&pairs[..larger], &pairs[larger..until]);
    let places = (top - larger.len()) as f64 / tied.len() as f64;
    gain(larger) + places * gain(tied)
}

/// 0 where nobody has a weight.
fn figures(caps: &[f64], top: usize) -> Figures {
    let total: f64 = caps.iter().sum();
    if total <= 0.0 {
        return Figures::default();
    }
    let mut ordered = caps.to_vec();
    let top = top.min(ordered.len());
    if top < ordered.len() {
        ordered.select_nth_unstable_by(top, |left, right| right.total_cmp(left));
    }
    ordered.truncate(top);
    ordered.sort_by(|left, right| right.total_cmp(left));
    let weight = |cap: &f64| cap / total;
    Figures {
        total,
        top_share: 100.0 * ordered.iter().map(weight).sum::<f64>(),
        herfindahl: caps.iter().map(weight).map(|weight| weight * weight).sum(),
    }
}
