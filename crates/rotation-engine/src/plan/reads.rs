//! Which rules read which: composition is a graph without cycles, within one clock.

use super::build::Key;
use super::{PlanError, RulePlan, RuleSpec};
use crate::clock::Clock;

/// Resolves the names of the rules that each rule reads; the rules' positions, each after those that it reads.
pub(super) fn connect<'a>(
    at: &Key,
    rules: &mut [RulePlan],
    written: impl Fn(&str) -> &'a RuleSpec,
) -> Result<Vec<u32>, PlanError> {
    let mut reads = Vec::with_capacity(rules.len());
    for rule in rules.iter() {
        reads.push(resolve(
            &at.sub(&rule.name),
            rule,
            rules,
            written(&rule.name),
        )?);
    }
    for (rule, (reads, guards)) in rules.iter_mut().zip(reads) {
        rule.reads = reads;
        rule.guards = guards;
    }
    check_folds(at, rules)?;
    order(at, rules)
}

/// The positions of what a rule reads, and how many of them are guards.
fn resolve(
    at: &Key,
    rule: &RulePlan,
    rules: &[RulePlan],
    written: &RuleSpec,
) -> Result<(Vec<u32>, usize), PlanError> {
    let own = rule.kind.reads();
    let guards = &written.common.guards;
    if !own.is_empty() && rule.clock == Clock::Tick {
        let expected = format!("\"session\" or an interval for {}", rule.kind.name());
        return Err(at.sub("clock").error(expected, "\"tick\""));
    }
    let find = |name: &String, key: &str| {
        let found = rules.binary_search_by(|rule| rule.name.as_str().cmp(name));
        let ix = found.map_err(|_| {
            at.sub(key)
                .error("rules of this universe", format!("\"{name}\""))
        })?;
        let read = &rules[ix];
        if read.clock != rule.clock {
            let expected = format!("rules on the clock {}, its own", rule.clock);
            let found = format!("\"{name}\", on the clock {}", read.clock);
            return Err(at.sub(key).error(expected, found));
        }
        if key == "guards" && read.kind.name() != "stale_feed" {
            let found = format!("\"{name}\", a {}", read.kind.name());
            return Err(at.sub(key).error("rules of kind stale_feed", found));
        }
        Ok(u32::try_from(ix).expect("a plan holds fewer than 2^32 rules"))
    };
    let own = own.iter().map(|name| find(name, "rules"));
    let guarding = guards.iter().map(|name| find(name, "guards"));
    Ok((own.chain(guarding).collect::<Result<_, _>>()?, guards.len()))
}

/// A rule is a part of at most one other.
fn check_folds(at: &Key, rules: &[RulePlan]) -> Result<(), PlanError> {
    let mut parents: Vec<Option<&str>> = vec![None; rules.len()];
    for rule in rules.iter().filter(|rule| rule.kind.folds()) {
        for part in &rule.reads[..rule.own_reads()] {
            let part = *part as usize;
            if let Some(other) = parents[part].replace(&rule.name) {
                let found = format!("\"{}\", a part of \"{other}\" too", rules[part].name);
                let at = at.sub(&rule.name).sub("rules");
                return Err(at.error("rules that are parts of no other rule", found));
            }
        }
    }
    Ok(())
}

/// An order in which each rule comes after those that it reads.
fn order(at: &Key, rules: &[RulePlan]) -> Result<Vec<u32>, PlanError> {
    let mut order = Vec::with_capacity(rules.len());
    let mut is_placed = vec![false; rules.len()];
    while order.len() < rules.len() {
        let before = order.len();
        for (ix, rule) in (0..).zip(rules) {
            let ready = rule.reads.iter().all(|read| is_placed[*read as usize]);
            if ready && !is_placed[ix as usize] {
                is_placed[ix as usize] = true;
                order.push(ix);
            }
        }
        if order.len() == before {
            let stuck = rules.iter().zip(&is_placed).find(|(_, placed)| !**placed);
            let name = stuck.map_or("", |(rule, _)| &rule.name);
            let expected = "rules that do not read each other in a circle";
            return Err(at.sub(name).sub("rules").error(expected, "a circle"));
        }
    }
    Ok(order)
}
