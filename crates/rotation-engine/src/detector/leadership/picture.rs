//! The picture: where each member stands, and the windows that it is drawn from.

use super::{Point, Quadrant};
use crate::detector::TIE;
use crate::detector::members::Roster;
use serde::{Deserialize, Serialize};

/// Weekly points that a tail shows.
const TAIL: usize = 8;

/// So near to 100 a point is on the line, in no quadrant.
const LINE: f64 = 1e-9;

/// Ratio and momentum of many members over their own weekly closes.
///
/// The tables have a column a member. It moves on only in weeks in which the member has a close: it is at the row of
/// the member's own count. A week is added at once for all, and means and deviations are taken from whole columns: a
/// few dozen values once a week, so that nothing can drift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Picture {
    weeks: u32,
    /// Weeks added.
    known: u32,
    /// Members of the last week, those with a close in it, and those with a point of it.
    pub(super) members: u32,
    pub(super) present: u32,
    pub(super) counted: u32,
    /// Weekly closes of each member so far.
    counts: Vec<u32>,
    /// 100 times price over benchmark; `weeks` rows.
    strengths: Table,
    /// One row more, so that it reaches `weeks` back.
    ratios: Table,
    /// Changes of the ratio from week to week; `weeks` rows.
    changes: Table,
    /// As many rows as a tail shows.
    momenta: Table,
    /// Whether each member has a point of the last week, and belonged to the group.
    fresh: Vec<bool>,
    /// The quadrant that counts, that of the last point, and for how many points it has been the same.
    held: Vec<Place>,
    last: Vec<Place>,
    runs: Vec<u8>,
}

/// A quadrant, or none, as a position in [`Quadrant::ALL`].
type Place = Option<u8>;

impl Picture {
    pub(super) fn new(weeks: u32) -> Self {
        Picture {
            weeks,
            known: 0,
            members: 0,
            present: 0,
            counted: 0,
            counts: Vec::new(),
            strengths: Table::default(),
            ratios: Table::default(),
            changes: Table::default(),
            momenta: Table::default(),
            fresh: Vec::new(),
            held: Vec::new(),
            last: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// How many weeks were added.
    pub(super) fn weeks_known(&self) -> u32 {
        self.known
    }

    /// Adds a week: each member's close, 0 where it has none, and the benchmark's.
    pub(super) fn add(&mut self, closes: &[f64], benchmark: f64, roster: &Roster, confirm: u32) {
        let (size, width) = (self.weeks as usize, closes.len());
        self.known = self.known.saturating_add(1);
        self.counts.resize(width, 0);
        self.fresh.resize(width, false);
        self.held.resize(width, None);
        self.last.resize(width, None);
        self.runs.resize(width, 0);
        for (place, close) in closes.iter().enumerate().filter(|(_, close)| **close > 0.0) {
            let row = self.counts[place] as usize % size;
            self.strengths
                .set(row, place, width, 100.0 * close / benchmark);
            self.counts[place] = self.counts[place].saturating_add(1);
        }
        self.add_ratios(closes);
        self.add_momenta(closes);
        (self.members, self.present, self.counted) = (0, 0, 0);
        for (place, close) in closes.iter().enumerate() {
            let (holds, is_present) = (roster.holds(place), *close > 0.0);
            let is_fresh = holds && is_present && self.point(place).is_some();
            self.members += u32::from(holds);
            self.present += u32::from(holds && is_present);
            self.counted += u32::from(is_fresh);
            self.fresh[place] = is_fresh;
            if is_fresh {
                self.confirm(place, confirm);
            } else if !holds {
                (self.held[place], self.last[place], self.runs[place]) = (None, None, 0);
            }
        }
    }

    fn add_ratios(&mut self, closes: &[f64]) {
        let size = self.weeks as usize;
        let scores = self.strengths.scores(closes.len());
        for (place, _) in closes.iter().enumerate().filter(|(_, close)| **close > 0.0) {
            let count = self.counts[place] as usize;
            let Some(number) = count.checked_sub(size) else {
                continue;
            };
            let strength = self.strengths.0[(count - 1) % size][place];
            let ratio = 100.0 + scores.of(place, strength);
            if let Some(last) = number.checked_sub(1) {
                let change = ratio / self.ratios.0[last % (size + 1)][place] - 1.0;
                self.changes.set(last % size, place, closes.len(), change);
            }
            self.ratios
                .set(number % (size + 1), place, closes.len(), ratio);
        }
    }

    fn add_momenta(&mut self, closes: &[f64]) {
        let size = self.weeks as usize;
        let scores = self.changes.scores(closes.len());
        for (place, _) in closes.iter().enumerate().filter(|(_, close)| **close > 0.0) {
            let count = self.counts[place] as usize;
            let Some(number) = count.checked_sub(2 * size) else {
                continue;
            };
            let change = self.changes.0[(count - size - 1) % size][place];
            let momentum = 100.0 + scores.of(place, change);
            self.momenta
                .set(number % TAIL, place, closes.len(), momentum);
        }
    }

    /// Takes the last point of a member into account: so many in a row make a quadrant its own.
    fn confirm(&mut self, place: usize, confirm: u32) {
        let is_inside = |point: Point| {
            let deep = |quadrant: &Quadrant| quadrant.depth(point) > LINE;
            (0..)
                .zip(&Quadrant::ALL)
                .find(|(_, quadrant)| deep(quadrant))
                .map(|(at, _)| at)
        };
        let now = self.point(place).and_then(is_inside);
        let goes_on = now.is_some() && now == self.last[place];
        let run = if goes_on {
            self.runs[place].saturating_add(1)
        } else {
            1
        };
        self.last[place] = now;
        self.runs[place] = run;
        if now.is_some() && u32::from(run) >= confirm {
            self.held[place] = now;
        }
    }

    /// The quadrant that counts as the member's.
    pub(super) fn quadrant(&self, place: usize) -> Option<Quadrant> {
        let at = (*self.held.get(place)?)?;
        Quadrant::ALL.get(usize::from(at)).copied()
    }

    /// The quadrant of its last point, and for how many points.
    pub(super) fn last_quadrant(&self, place: usize) -> Option<(Quadrant, u32)> {
        let at = (*self.last.get(place)?)?;
        let quadrant = Quadrant::ALL.get(usize::from(at))?;
        Some((*quadrant, u32::from(self.runs[place])))
    }

    /// Where the member stood at its last weekly close.
    pub(super) fn point(&self, place: usize) -> Option<Point> {
        self.tail_of(place, 1).next()
    }

    /// Its last points, the oldest first.
    pub(super) fn tail(&self, place: usize) -> impl Iterator<Item = Point> {
        self.tail_of(place, TAIL)
    }

    fn tail_of(&self, place: usize, most: usize) -> impl Iterator<Item = Point> {
        let size = self.weeks as usize;
        let count = self.counts.get(place).map_or(0, |count| *count as usize);
        let points = (count + 1).saturating_sub(2 * size);
        let first = points.saturating_sub(most.min(size + 1));
        (first..points).map(move |number| Point {
            ratio: self.ratios.0[(number + size) % (size + 1)][place],
            momentum: self.momenta.0[number % TAIL][place],
        })
    }

    /// The members with a point of the last week, with their ratio now and `weeks` before.
    pub(super) fn ratios_now_and_then(&self) -> impl Iterator<Item = (usize, f64, f64)> {
        let size = self.weeks as usize;
        let fresh = self.fresh.iter().enumerate().filter(|(_, fresh)| **fresh);
        fresh.map(move |(place, _)| {
            let count = self.counts[place] as usize;
            let ratio = |number: usize| self.ratios.0[number % (size + 1)][place];
            (place, ratio(count - size), ratio(count - 2 * size))
        })
    }

    /// How many of the counted members are in a quadrant.
    pub(super) fn count_in(&self, quadrant: Quadrant) -> u32 {
        let inside = (0..self.fresh.len())
            .filter(|place| self.fresh[*place] && self.quadrant(*place) == Some(quadrant));
        u32::try_from(inside.count()).unwrap_or(u32::MAX)
    }

    /// Their percentage; none where no member counts.
    pub(super) fn percent_in(&self, quadrant: Quadrant) -> Option<f64> {
        let inside = 100.0 * f64::from(self.count_in(quadrant));
        (self.counted > 0).then(|| inside / f64::from(self.counted))
    }

    /// A member's prices change basis.
    pub(super) fn rescale(&mut self, place: usize, factor: f64) {
        for row in &mut self.strengths.0 {
            row[place] *= factor;
        }
    }

    /// All prices over the benchmark change basis.
    pub(super) fn rescale_all(&mut self, factor: f64) {
        for strength in self.strengths.0.iter_mut().flatten() {
            *strength *= factor;
        }
    }
}

/// Rows of values, a column a member; 0 where nothing was set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Table(Vec<Vec<f64>>);

impl Table {
    fn set(&mut self, row: usize, place: usize, width: usize, value: f64) {
        while self.0.len() <= row {
            self.0.push(vec![0.0; width]);
        }
        self.0[row][place] = value;
    }

    /// Mean and deviation, with n in the denominator, of each column; of use for those that are full.
    fn scores(&self, width: usize) -> Scores {
        #[expect(clippy::cast_precision_loss, reason = "a few dozen rows")]
        let count = self.0.len().max(1) as f64;
        let mut means = vec![0.0; width];
        for row in &self.0 {
            for (sum, value) in means.iter_mut().zip(row) {
                *sum += *value;
            }
        }
        for mean in &mut means {
            *mean /= count;
        }
        let mut deviations = vec![0.0; width];
        for row in &self.0 {
            for ((sum, mean), value) in deviations.iter_mut().zip(&means).zip(row) {
                *sum += (value - mean) * (value - mean);
            }
        }
        for deviation in &mut deviations {
            *deviation = libm::sqrt(*deviation / count);
        }
        Scores { means, deviations }
    }
}

/// What a value's distance from the others of its column is measured by.
struct Scores {
    means: Vec<f64>,
    deviations: Vec<f64>,
}

impl Scores {
    /// The z-score; 0 where all are equal.
    fn of(&self, place: usize, value: f64) -> f64 {
        let (mean, deviation) = (self.means[place], self.deviations[place]);
        if deviation > mean.abs() * TIE {
            (value - mean) / deviation
        } else {
            0.0
        }
    }
}
