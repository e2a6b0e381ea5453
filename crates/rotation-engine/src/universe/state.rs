//! What a universe remembers, by name, so that it can be kept apart from the plan.

use super::Universe;
use super::rule::RuleState;
use super::sources::Sources;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The state of a universe between two records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UniverseState {
    sources: Sources,
    homes: BTreeMap<String, u32>,
    rules: BTreeMap<String, Remembered>,
}

/// A rule's state, and the version of the rule that it belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Remembered {
    version: String,
    /// Identifies the series that feed it, in their order.
    legs: u64,
    state: RuleState,
}

impl Universe {
    /// What it remembers.
    pub fn state(&self) -> UniverseState {
        let named = self.homes.iter().zip(&self.plan.series);
        let homes = named.filter_map(|(home, series)| Some((series.symbol.clone(), (*home)?)));
        let rules = self
            .rules
            .iter()
            .zip(&self.plan.rules)
            .zip(&self.works)
            .map(|((state, rule), work)| {
                (
                    rule.name.clone(),
                    Remembered {
                        version: rule.version.clone(),
                        legs: work.legs_digest(&self.plan),
                        state: state.clone(),
                    },
                )
            });
        UniverseState {
            sources: self.sources.clone(),
            homes: homes.collect(),
            rules: rules.collect(),
        }
    }

    /// Goes on from a state. Rules that changed, and new ones, start cold; their names are returned.
    pub fn restore(&mut self, state: UniverseState) -> Vec<String> {
        self.sources = state.sources;
        self.sources.set_stall_after(self.plan.stall_after);
        for (home, series) in self.homes.iter_mut().zip(&self.plan.series) {
            *home = state.homes.get(&series.symbol).copied();
        }
        let mut remembered = state.rules;
        let mut cold = Vec::new();
        for ((slot, work), rule) in self.rules.iter_mut().zip(&self.works).zip(&self.plan.rules) {
            match remembered.remove(&rule.name) {
                Some(known)
                    if known.version == rule.version
                        && known.legs == work.legs_digest(&self.plan)
                        && known.state.inbox.as_ref().map_or(0, |inbox| inbox.reads())
                            == rule.reads.len() =>
                {
                    *slot = known.state;
                }
                _ => {
                    *slot = work.cold(rule);
                    cold.push(rule.name.clone());
                }
            }
        }
        cold
    }
}
