//! What a universe remembers, by name, so that it can be kept apart from the plan.

use super::Universe;
use super::farewell::{About, Farewell};
use super::rule::RuleState;
use super::sources::Sources;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The state of a universe between two records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UniverseState {
    pub(super) sources: Sources,
    pub(super) homes: BTreeMap<String, u32>,
    pub(super) rules: BTreeMap<String, Remembered>,
    /// What is still to be told of rules that changed or are gone.
    #[serde(default, skip_serializing_if = "Farewell::is_empty")]
    pub(super) farewell: Farewell,
}

/// A rule's state, and the version of the rule that it belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) version: String,
    /// Identifies the series that feed it, in their order.
    pub(super) legs: u64,
    /// What its alerts say of it, for the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) about: Option<About>,
    pub(super) state: RuleState,
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
                        about: state.open().map(|_| About::of(rule)),
                        state: state.clone(),
                    },
                )
            });
        UniverseState {
            sources: self.sources.clone(),
            homes: homes.collect(),
            rules: rules.collect(),
            farewell: self.farewell.clone(),
        }
    }
}
