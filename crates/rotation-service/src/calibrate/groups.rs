//! Rules that are calibrated together: those fed by the same series, apart from all others. So the days that a rule's
//! synthetic histories are made of are those of its own series, and its figures do not depend on what else is in the
//! configuration.

use super::Law;
use super::history::History;
use super::market::Market;
use super::tally::{Counter, Tally};
use crate::backtest::{Run, closure, legs};
use rotation_engine::plan::UniversePlan;
use rotation_engine::record::{SeriesIx, SourceEvent};
use rotation_engine::universe::ReadingDetail;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Rules of one universe over the same series.
pub(super) struct Group<'a> {
    /// The universe's position in the configuration.
    pub(super) universe: usize,
    /// The positions of the rules in its plan.
    pub(super) rules: Vec<usize>,
    /// The universe with these rules, and the rules that they read, at work.
    plan: [Arc<UniversePlan>; 1],
    market: Market<'a>,
}

/// The rules of all universes in groups; rules without any data are in none.
pub(super) fn groups<'a>(plans: &[Arc<UniversePlan>], history: &'a History) -> Vec<Group<'a>> {
    let mut groups = Vec::new();
    for (universe, plan) in plans.iter().enumerate() {
        let mut by_series: BTreeMap<Vec<SeriesIx>, Vec<usize>> = BTreeMap::new();
        for rule in 0..plan.rules.len() {
            by_series.entry(legs(plan, rule)).or_default().push(rule);
        }
        for (legs, rules) in by_series {
            let is_leg = |symbol: &str| {
                let ix = plan.series_ix(symbol);
                ix.is_some_and(|ix| legs.binary_search(&ix).is_ok())
            };
            let series = history.series.iter();
            let series: Vec<_> = series.filter(|series| is_leg(&series.symbol)).collect();
            if series.is_empty() {
                continue;
            }
            groups.push(Group {
                universe,
                plan: [Arc::new(at_work(plan, &rules))],
                market: Market::new(series),
                rules,
            });
        }
    }
    groups
}

/// The plan with only some rules at work. The others stay in their places and read nothing.
fn at_work(plan: &UniversePlan, rules: &[usize]) -> UniversePlan {
    let wanted: BTreeSet<usize> = rules.iter().flat_map(|rule| closure(plan, *rule)).collect();
    let mut plan = plan.clone();
    for (at, rule) in plan.rules.iter_mut().enumerate() {
        if !wanted.contains(&at) {
            rule.inputs.clear();
            rule.reads.clear();
            rule.guards = 0;
        }
    }
    plan
}

impl Group<'_> {
    /// Runs the rules over a synthetic history; what they said, in the order of `rules`.
    pub(super) fn run(&self, law: &Law, seed: u64, number: u64, keep: bool) -> Vec<Tally> {
        let mut run = Run::new(&self.plan, ReadingDetail::Values);
        let mut counter = Counter::new(&self.plan, keep);
        for made in self.market.make(law, seed, number) {
            let symbol = self.market.symbol(&made);
            let tick = made.tick();
            run.push(&SourceEvent::Tick { symbol, tick }, &mut counter);
        }
        run.end(&mut counter);
        // There is one universe.
        let said: Vec<Tally> = counter.tallies.into_iter().flatten().collect();
        self.rules.iter().map(|rule| said[*rule].clone()).collect()
    }
}
