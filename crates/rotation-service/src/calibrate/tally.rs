//! What a run says of each rule, counted.

use crate::backtest::Sink;
use rotation_engine::alert::{Alert, State};
use rotation_engine::output::{Output, Reading};
use rotation_engine::plan::UniversePlan;
use rotation_engine::time::EventTime;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A rule over one history.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Openings that were published and not retracted.
    pub(super) openings: u32,
    /// The section of the first reading, and the last section of all.
    first: Option<EventTime>,
    last: Option<EventTime>,
    /// The readings in order, where they are wanted.
    pub(super) values: Vec<f64>,
    newest: Option<EventTime>,
    /// What openings were held against, by the bits of the number, and how many were.
    pub(super) thresholds: BTreeMap<u64, u32>,
    /// The readings with which episodes ended.
    pub(super) ends: Vec<f64>,
}

/// The mean length of a year in days.
const YEAR_DAYS: f64 = 365.2425;
const DAY_NANOS: f64 = 86_400e9;

impl Tally {
    /// The years in which the rule could open an episode: from its first reading to its last section.
    pub(super) fn years(&self) -> f64 {
        match (self.first, self.last) {
            (Some(first), Some(last)) => {
                last.saturating_since(first) as f64 / (DAY_NANOS * YEAR_DAYS)
            }
            _ => 0.0,
        }
    }

    /// Openings a year; none where the rule never had a reading.
    pub(super) fn per_year(&self) -> Option<f64> {
        let years = self.years();
        (years > 0.0).then(|| f64::from(self.openings) / years)
    }

    #[cfg(test)]
    pub(super) fn over_years(&mut self, years: f64) {
        let first = EventTime::from_nanos(0);
        let nanos = (years * YEAR_DAYS * DAY_NANOS) as i64;
        (self.first, self.last) = (Some(first), Some(first.saturating_add(nanos)));
    }

    fn read(&mut self, reading: &Reading, keep: bool) {
        self.first = self.first.or(Some(reading.as_of));
        if keep {
            // A section that is decided anew has its reading said again.
            if self.newest == Some(reading.as_of) {
                self.values.pop();
            }
            self.newest = Some(reading.as_of);
            self.values.push(reading.value);
        }
    }

    fn tell(&mut self, alert: &Alert) {
        match alert.state {
            State::Opened => {
                self.openings += 1;
                let threshold = self.thresholds.entry(alert.threshold.to_bits());
                *threshold.or_default() += 1;
            }
            State::Retracted => self.openings = self.openings.saturating_sub(1),
            State::Resolved => self.ends.push(alert.value),
            State::Escalated | State::Eased | State::Confirmed | State::Corrected => {}
        }
    }
}

/// Counts what a run says.
pub(super) struct Counter<'a> {
    plans: &'a [Arc<UniversePlan>],
    /// By universe and rule.
    pub(super) tallies: Vec<Vec<Tally>>,
    keep: bool,
    pub(super) faults: Vec<String>,
}

impl<'a> Counter<'a> {
    /// A counter that has heard nothing; `keep` asks for the readings themselves.
    pub(super) fn new(plans: &'a [Arc<UniversePlan>], keep: bool) -> Self {
        let tallies = plans
            .iter()
            .map(|plan| vec![Tally::default(); plan.rules.len()])
            .collect();
        Counter {
            plans,
            tallies,
            keep,
            faults: Vec::new(),
        }
    }
}

impl Sink for Counter<'_> {
    fn output(&mut self, universe: usize, output: Output) {
        match output {
            Output::Section { rule, as_of } => {
                self.tallies[universe][rule as usize].last = Some(as_of);
            }
            Output::Reading(reading) => {
                let tally = &mut self.tallies[universe][reading.rule_index as usize];
                tally.read(&reading, self.keep);
            }
            Output::Alert(alert) => {
                let rules = &self.plans[universe].rules;
                if let Some(at) = rules.iter().position(|rule| rule.name == alert.rule) {
                    self.tallies[universe][at].tell(&alert);
                }
            }
            Output::Refused { reason } => self.faults.push(reason),
            _ => {}
        }
    }
}
