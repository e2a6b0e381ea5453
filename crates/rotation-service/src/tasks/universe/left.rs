//! What a task's state has that its configuration has not: rules and universes that changed or are gone.

use super::{UniverseTask, send};
use crate::stage::Outbox;
use rotation_engine::output::Output;
use rotation_engine::universe::{Changes, UniverseState};
use rotation_wire::state::encode_part;
use std::collections::BTreeMap;

/// What is left of another configuration, until its end is told.
#[derive(Default)]
pub(super) struct Left {
    /// States of universes that are gone.
    universes: BTreeMap<String, UniverseState>,
    /// What changed, in words.
    told: Vec<String>,
    /// Something is to be told that leaves nothing behind.
    news: bool,
}

impl Left {
    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty() && !self.news
    }

    pub(super) fn told(&self) -> Option<String> {
        (!self.told.is_empty()).then(|| self.told.join("; "))
    }

    /// A universe is gone.
    pub(super) fn universe(&mut self, name: String, state: UniverseState) {
        tracing::warn!(
            universe = name,
            "the universe was removed: its episodes end"
        );
        self.told.push(format!("universe {name} removed"));
        self.universes.insert(name, state);
    }

    /// Rules of a universe are others, or have something to tell still.
    pub(super) fn rules(&mut self, universe: &str, changes: &Changes, has_farewell: bool) {
        self.news |= has_farewell;
        let parts = [
            ("new, starting cold", &changes.added),
            ("changed, starting cold", &changes.changed),
            ("removed", &changes.removed),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(_, rules)| !rules.is_empty())
            .map(|(what, rules)| format!("{what}: {}", rules.join(", ")))
            .collect();
        if parts.is_empty() {
            if has_farewell {
                self.told
                    .push(format!("universe {universe}: ends that were not told yet"));
            }
            return;
        }
        let text = format!("universe {universe}, rules {}", parts.join("; "));
        tracing::warn!("{text}");
        if changes.leaves_behind() {
            self.told.push(text);
        }
    }

    /// The states of universes that are gone, as they came.
    pub(super) fn snapshot(&self) -> impl Iterator<Item = (String, Vec<u8>)> {
        self.universes
            .iter()
            .map(|(name, state)| (name.clone(), encode_part(state)))
    }
}

impl UniverseTask {
    /// Tells what the change of the configuration ended. It stands on no record, so no position is cited.
    pub(super) fn say_farewell(&mut self, outbox: &mut Outbox) {
        let left = std::mem::take(&mut self.left);
        let mut out = Vec::new();
        for hosted in self.universes.values_mut() {
            hosted.universe.farewell(&mut out);
            for output in out.drain(..) {
                hosted.metrics.record(&output);
                if let Output::Alert(alert) = output {
                    send(*alert, None, None, outbox);
                }
            }
        }
        for (name, state) in left.universes {
            state.farewell(&name, &mut out);
            for output in out.drain(..) {
                match output {
                    Output::RuleChanged { change, .. } => self.metrics.rule_changed(&name, change),
                    Output::Alert(alert) => send(*alert, None, None, outbox),
                    _ => {}
                }
            }
        }
    }
}
