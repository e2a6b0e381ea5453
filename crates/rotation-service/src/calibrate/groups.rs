//! Rules that are calibrated together: those fed by the same series, apart from all others. So the days that a rule's
//! synthetic histories are made of are those of its own series, and its figures do not depend on what else is in the
//! configuration.

use super::Law;
use super::history::History;
use super::market::Market;
use super::tally::{Counter, Tally};
use crate::backtest::{Run, legs};
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
        let mut by_series: BTreeMap<BTreeSet<SeriesIx>, Vec<usize>> = BTreeMap::new();
        for rule in 0..plan.rules.len() {
            let read = closure(plan, rule);
            let series = read.iter().flat_map(|rule| legs(plan, &plan.rules[*rule]));
            by_series.entry(series.collect()).or_default().push(rule);
        }
        for (legs, rules) in by_series {
            let is_leg = |symbol: &str| {
                let ix = plan.series_ix(symbol);
                ix.is_some_and(|ix| legs.contains(&ix))
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

/// The positions of a rule and of all that it reads, at any distance.
fn closure(plan: &UniversePlan, rule: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![rule];
    while let Some(rule) = open.pop() {
        if !reached.insert(rule) {
            continue;
        }
        let names = plan.rules[rule].kind.reads();
        let places = names.iter().filter_map(|name| {
            let mut rules = plan.rules.iter();
            rules.position(|rule| rule.name == *name)
        });
        open.extend(places);
    }
    reached
}

/// The plan with only some rules at work. The others stay in their places and read nothing.
fn at_work(plan: &UniversePlan, rules: &[usize]) -> UniversePlan {
    let wanted: BTreeSet<usize> = rules.iter().flat_map(|rule| closure(plan, *rule)).collect();
    let mut plan = plan.clone();
    for (at, rule) in plan.rules.iter_mut().enumerate() {
        if !wanted.contains(&at) {
            rule.inputs.clear();
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
            let event = SourceEvent::Tick {
                symbol: self.market.symbol(made.series),
                tick: made.tick,
            };
            run.push(&event, &mut counter);
        }
        run.end(&mut counter);
        // There is one universe.
        let said: Vec<Tally> = counter.tallies.into_iter().flatten().collect();
        self.rules.iter().map(|rule| said[*rule].clone()).collect()
    }
}
