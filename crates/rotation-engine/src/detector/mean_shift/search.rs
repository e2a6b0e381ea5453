//! The search for the next change since the last one that was told.

use super::cusum::Cusum;
use super::posterior::{Posterior, Shape, Taken};
use super::{Method, Noise, Observed, Params, Shift};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A segment, and what speaks for its having ended.
///
/// Values are measured from the segment's first one, in the noise of its beginning, so that neither a high level nor a
/// split costs digits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Search {
    origin: f64,
    unit: f64,
    /// When the segment began.
    pub(super) began: i64,
    kept: Kept,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kept {
    Posterior(Posterior),
    Cusum(Cusum),
}

/// What a segment comes to, in the series' own measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) observations: u32,
    /// At the last observation.
    pub(super) level: f64,
    pub(super) slope: f64,
}

impl Search {
    /// A segment of these observations, at least one.
    pub(super) fn begin<'a>(
        params: &Params,
        mut observed: impl Iterator<Item = &'a Observed>,
        noise: Noise,
    ) -> Self {
        let first = observed.next().expect("a segment has an observation");
        let unit = noise.deviation;
        let taken = Taken {
            value: 0.0,
            noise: 1.0,
            weight: noise.weight,
        };
        let kept = match params.method {
            Method::Bocpd => Kept::Posterior(Posterior::beginning(taken)),
            Method::Cusum => Kept::Cusum(Cusum::beginning(taken.value)),
        };
        let mut search = Search {
            origin: first.value,
            unit,
            began: first.at,
            kept,
        };
        for later in observed {
            search.push(params, later.value, noise);
        }
        search
    }

    pub(super) fn push(&mut self, params: &Params, value: f64, noise: Noise) {
        let taken = Taken {
            value: (value - self.origin) / self.unit,
            noise: noise.deviation / self.unit,
            weight: noise.weight,
        };
        match &mut self.kept {
            Kept::Posterior(posterior) => {
                let shape = Shape {
                    segments: params.segments(),
                    bound: params.run_length as usize,
                };
                posterior.push(shape, taken);
            }
            Kept::Cusum(cusum) => cusum.push(taken, params.reference),
        }
    }

    /// What the threshold is held against.
    pub(super) fn reading(&self) -> f64 {
        match &self.kept {
            Kept::Posterior(posterior) => posterior.log_odds(),
            Kept::Cusum(cusum) => cusum.height(),
        }
    }

    /// The change that speaks loudest, from which the search begins anew; none where nothing speaks.
    pub(super) fn settle_on(
        &mut self,
        params: &Params,
        recent: &VecDeque<Observed>,
        noise: Noise,
    ) -> Option<Shift> {
        let (age, before) = match &self.kept {
            Kept::Posterior(posterior) => {
                let found = posterior.find()?;
                (found.age, posterior.before(params.segments(), found))
            }
            Kept::Cusum(cusum) => {
                let age = usize::try_from(cusum.excursion()?).ok()?;
                (age.min(recent.len()), cusum.level())
            }
        };
        let before = self.origin + self.unit * before;
        let reading = self.reading();
        let located = recent.len().checked_sub(age)?;
        let (at, alarm_at) = (recent.get(located)?.at, recent.back()?.at);
        *self = Search::begin(params, recent.range(located..), noise);
        Some(Shift {
            at,
            alarm_at,
            delay: u32::try_from(age - 1).ok()?,
            before,
            after: self.line().level,
            noise: noise.deviation,
            reading,
        })
    }

    /// The present segment.
    pub(super) fn line(&self) -> Line {
        let (observations, level, slope) = match &self.kept {
            Kept::Posterior(posterior) => {
                let own = posterior.own();
                (own.age, own.level, own.slope)
            }
            Kept::Cusum(cusum) => (cusum.count(), cusum.level(), 0.0),
        };
        Line {
            observations,
            level: self.origin + self.unit * level,
            slope: self.unit * slope,
        }
    }

    pub(super) fn scale(&mut self, factor: f64) {
        self.origin *= factor;
        self.unit *= factor;
    }
}
