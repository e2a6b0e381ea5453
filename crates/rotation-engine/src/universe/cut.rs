//! Cuts: from bars of several series to sections, in order.
//!
//! A bucket is settled when each leg has its bar, has gone past it, or when the universe's horizon has passed the
//! leg's end of the bucket. Settled buckets come out in order. Whatever the interleaving of the sources, the same
//! buckets come out with the same values: a leg's bars arrive in order from one source, and a source's horizon follows
//! the bars that it closes.
//!
//! Corrections do not touch a bucket before it is cut. They gather beside it and are applied in one go when every leg
//! is official or can no longer be corrected, so that the moment of their arrival does not matter either. On intervals
//! a bar can be corrected until its leg's next one, at the latest until the next would be due; so no section waits for
//! what may come to the one before.

use crate::calendar::Calendar;
use crate::clock::{Bucket, Clock, session_bucket};
use crate::output::DropCode;
use crate::record::{Bar, Restated};
use crate::section::Point;
use crate::time::EventTime;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a cut knows of its legs; derived from the plan.
#[derive(Clone, Debug)]
pub(super) struct CutPlan {
    pub(super) clock: Clock,
    /// The calendar of each leg.
    pub(super) calendars: Vec<Calendar>,
    pub(super) closing_window: i64,
    /// How long after a bucket's instant its bars may be corrected.
    pub(super) correctable: i64,
}

/// The buckets of one rule that are not done yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cut {
    /// Key of the newest bucket that each leg has spoken of.
    reached: Vec<Option<i64>>,
    /// Buckets not cut yet.
    pending: BTreeMap<i64, Pending>,
    /// Key of the newest bucket cut.
    cut: Option<i64>,
    /// The newest bucket, while it may still be corrected.
    provisional: Option<Pending>,
}

/// The values of one bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) bucket: Bucket,
    /// The first value of each leg.
    pub(super) values: Vec<Option<Point>>,
    /// The corrected value of each leg, where one came.
    fixes: Vec<Option<Point>>,
    /// Legs whose bar was withdrawn: nothing is left of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gone: Vec<u32>,
    /// What restated a leg's bar last, where it was no official print.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) restated: Vec<(u32, Restated)>,
    /// So many legs from the first need not be asked again: they are settled, or, once the bucket is cut, final.
    /// Bars of a close come leg by leg; asking all legs at each would take a wide universe the square of its width.
    #[serde(default)]
    passed: usize,
}

/// What comes out of a cut.
pub(super) enum Ready {
    /// A bucket's first values.
    First(Pending),
    /// A bucket's values after corrections; only where some came.
    Final(Pending),
}

impl CutPlan {
    /// End of a leg's bucket; none where its calendar has no such session.
    fn end(&self, leg: usize, bucket: &Bucket) -> Option<EventTime> {
        match bucket.date {
            None => Some(bucket.end),
            Some(date) => self.session(leg, date).map(|bucket| bucket.end),
        }
    }

    fn session(&self, leg: usize, date: Date) -> Option<Bucket> {
        let session = self.calendars[leg].session(date)?;
        Some(session_bucket(session, self.closing_window))
    }

    /// Whether a leg's bar can be corrected no more, by its official close or by the horizon.
    fn is_over(&self, leg: usize, last: &Pending, horizon: EventTime) -> bool {
        let Some(date) = last.bucket.date else {
            return horizon >= last.bucket.as_of.saturating_add(self.correctable);
        };
        last.is_official(leg)
            || self
                .session(leg, date)
                .is_none_or(|bucket| horizon > bucket.as_of.saturating_add(self.correctable))
    }

    /// Whether a leg's calendar has the bucket.
    pub(super) fn expects(&self, leg: usize, bucket: &Bucket) -> bool {
        bucket
            .date
            .is_none_or(|date| self.calendars[leg].session(date).is_some())
    }
}

impl Pending {
    fn new(bucket: Bucket, legs: usize) -> Self {
        Pending {
            bucket,
            values: vec![None; legs],
            fixes: vec![None; legs],
            gone: Vec::new(),
            restated: Vec::new(),
            passed: 0,
        }
    }

    /// Sessions of one date end at different hours: the section speaks for the latest.
    fn widen(&mut self, bucket: &Bucket) {
        self.bucket.start = self.bucket.start.min(bucket.start);
        self.bucket.end = self.bucket.end.max(bucket.end);
        self.bucket.as_of = self.bucket.as_of.max(bucket.as_of);
    }

    fn is_official(&self, leg: usize) -> bool {
        [self.values[leg], self.fixes[leg]]
            .iter()
            .flatten()
            .any(|point| point.official)
    }

    /// Takes a leg's correction. The newest says all.
    fn fix(&mut self, leg: usize, bar: &Bar, point: Point) {
        let number = u32::try_from(leg).expect("a rule has fewer than 2^32 legs");
        let is_gone = bar.ticks == 0;
        self.fixes[leg] = (!is_gone).then_some(point);
        self.gone.retain(|gone| *gone != number);
        self.gone.extend(is_gone.then_some(number));
        self.restated.retain(|(leg, _)| *leg != number);
        self.restated
            .extend(bar.restated.map(|restated| (number, restated)));
    }

    fn has_fixes(&self) -> bool {
        !self.gone.is_empty() || self.fixes.iter().any(Option::is_some)
    }

    /// The values with the corrections applied; what was is the first decision's.
    fn corrected(mut self) -> Self {
        self.restated.sort_unstable_by_key(|(leg, _)| *leg);
        for (leg, restated) in &mut self.restated {
            restated.was = self.values[*leg as usize].map(|point| point.close);
        }
        for (value, fix) in self.values.iter_mut().zip(&self.fixes) {
            *value = fix.or(*value);
        }
        for leg in &self.gone {
            self.values[*leg as usize] = None;
        }
        self
    }
}

impl Cut {
    pub(super) fn new(legs: usize) -> Self {
        Cut {
            reached: vec![None; legs],
            pending: BTreeMap::new(),
            cut: None,
            provisional: None,
        }
    }

    /// Whether nothing waits here for the horizon.
    pub(super) fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.provisional.is_none()
    }

    /// Whether the newest bucket cannot be corrected any more.
    pub(super) fn is_final_now(&self) -> bool {
        self.provisional.is_none()
    }

    /// Takes a leg's bar.
    pub(super) fn insert(&mut self, leg: usize, bar: &Bar) -> Result<(), DropCode> {
        let key = bar.bucket.key();
        let point = Point {
            open: bar.open,
            high: bar.high,
            low: bar.low,
            close: bar.close,
            size: bar.size,
            official: bar.official,
            observed: bar.observed,
        };
        if self.cut.is_some_and(|cut| key <= cut) {
            return match &mut self.provisional {
                Some(last) if bar.correction && last.bucket.key() == key => {
                    last.fix(leg, bar, point);
                    Ok(())
                }
                _ if bar.correction => Err(DropCode::StaleCorrection),
                _ => Err(DropCode::ClosedBucket),
            };
        }
        if !bar.correction && self.reached[leg].is_some_and(|reached| key <= reached) {
            return Err(DropCode::ClosedBucket);
        }
        self.reached[leg] = self.reached[leg].max(Some(key));
        let legs = self.reached.len();
        let pending = self
            .pending
            .entry(key)
            .or_insert_with(|| Pending::new(bar.bucket, legs));
        pending.widen(&bar.bucket);
        if bar.correction {
            pending.fix(leg, bar, point);
        } else {
            pending.values[leg] = Some(point);
        }
        Ok(())
    }

    /// The next bucket that is ready, if any.
    pub(super) fn next(&mut self, plan: &CutPlan, horizon: EventTime) -> Option<Ready> {
        if let Some(mut last) = self.provisional.take() {
            if !self.is_final(plan, &mut last, horizon) {
                self.provisional = Some(last);
                return None;
            }
            if last.has_fixes() {
                return Some(Ready::Final(last.corrected()));
            }
        }
        let mut first = self.pending.first_entry()?;
        let (key, legs) = (*first.key(), self.reached.len());
        let pending = first.get_mut();
        pending.passed += (pending.passed..legs)
            .take_while(|&leg| {
                pending.values[leg].is_some()
                    || self.reached[leg].is_some_and(|reached| reached >= key)
                    || plan
                        .end(leg, &pending.bucket)
                        .is_none_or(|end| horizon >= end)
            })
            .count();
        if pending.passed < legs {
            return None;
        }
        let pending = first.remove();
        self.cut = Some(key);
        let all_official = (0..legs).all(|leg| {
            pending.values[leg].is_some_and(|point| point.official)
                || !plan.expects(leg, &pending.bucket)
        });
        let is_settled = plan.clock == Clock::Session && all_official;
        if plan.correctable > 0 && !is_settled {
            self.provisional = Some(Pending {
                passed: 0,
                ..pending.clone()
            });
        }
        Some(Ready::First(pending))
    }

    /// Whether no leg of a bucket can be corrected any more.
    fn is_final(&self, plan: &CutPlan, last: &mut Pending, horizon: EventTime) -> bool {
        let key = last.bucket.key();
        let legs = self.reached.len();
        last.passed += (last.passed..legs)
            .take_while(|&leg| {
                self.reached[leg].is_some_and(|reached| reached > key)
                    || plan.is_over(leg, last, horizon)
            })
            .count();
        last.passed == legs
    }
}
