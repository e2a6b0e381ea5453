//! From a state to a universe whose configuration is another: rules that changed or are gone are closed, and told.

use super::Universe;
use super::state::{Remembered, UniverseState};
use crate::alert::{Alert, Evidence, Fact, Notify, Quality, Severity, State};
use crate::clock::SECOND;
use crate::output::{Output, RuleChange};
use crate::plan::RulePlan;
use crate::policy::Episode;
use crate::time::EventTime;
use serde::{Deserialize, Serialize};

/// What a configuration changed since a state was taken: names of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New ones; they start cold.
    pub added: Vec<String>,
    /// Those whose kind, clock, parameters or series are others; they start cold.
    pub changed: Vec<String>,
    /// Those that are gone.
    pub removed: Vec<String>,
}

impl Changes {
    /// Whether something of the state was left behind.
    pub fn leaves_behind(&self) -> bool {
        !(self.changed.is_empty() && self.removed.is_empty())
    }
}

/// What a rule's alerts say of it whatever it decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    kind: String,
    subject: String,
    unit: String,
}

impl About {
    pub(super) fn of(rule: &RulePlan) -> Self {
        About {
            kind: rule.kind.name().to_owned(),
            subject: rule.subject.clone(),
            unit: rule.unit.clone(),
        }
    }

    /// What can be told of a rule whose state says nothing of it: its subject stands in its episode's id.
    fn guess(universe: &str, rule: &str, episode: &Episode) -> Self {
        let subject = episode
            .id
            .strip_prefix(&format!("{universe}/{rule}/"))
            .and_then(|rest| rest.rsplit_once('/'))
            .map_or("", |(subject, _)| subject);
        About {
            kind: "unknown".to_owned(),
            subject: subject.to_owned(),
            unit: String::new(),
        }
    }
}

/// What is to be told, in its order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Farewell {
    /// Alerts, each with its id, which is not kept within.
    alerts: Vec<(Alert, String)>,
    changes: Vec<(String, String)>,
}

impl Farewell {
    pub(super) fn is_empty(&self) -> bool {
        self.alerts.is_empty() && self.changes.is_empty()
    }

    fn note(&mut self, rule: &str, change: RuleChange) {
        self.changes
            .push((rule.to_owned(), change.name().to_owned()));
    }

    /// The events that a rule held for its parts: they come before the ends of any.
    fn let_go(&mut self, known: &mut Remembered) {
        if let Some(inbox) = &mut known.state.inbox {
            self.tell(inbox.release_all());
        }
    }

    fn tell(&mut self, alerts: impl IntoIterator<Item = Alert>) {
        for mut alert in alerts {
            let id = std::mem::take(&mut alert.id);
            self.alerts.push((alert, id));
        }
    }

    /// Everything, as facts; nothing is left.
    fn drain(&mut self, out: &mut Vec<Output>) {
        for (alert, id) in self.alerts.drain(..) {
            out.push(Output::Alert(Box::new(Alert { id, ..alert })));
        }
        for (rule, name) in self.changes.drain(..) {
            let known = |change: &&RuleChange| change.name() == name;
            if let Some(change) = RuleChange::ALL.iter().find(known) {
                out.push(Output::RuleChanged {
                    rule,
                    change: *change,
                });
            }
        }
    }
}

/// Why a rule is evaluated no more.
#[derive(Clone, Copy)]
enum Reason {
    RuleChanged,
    RuleRemoved,
    UniverseRemoved,
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Reason::RuleChanged => "rule_changed",
            Reason::RuleRemoved => "rule_removed",
            Reason::UniverseRemoved => "universe_removed",
        }
    }

    fn sentence(self, universe: &str, rule: &str) -> String {
        match self {
            Reason::RuleChanged => {
                format!("the rule {rule} was changed in the configuration and starts cold")
            }
            Reason::RuleRemoved => format!("the rule {rule} was removed from the configuration"),
            Reason::UniverseRemoved => {
                format!("the universe {universe} was removed from the configuration")
            }
        }
    }
}

/// The rule that is evaluated no more, and since when.
struct Gone<'a> {
    universe: &'a str,
    rule: &'a str,
    reason: Reason,
    horizon: EventTime,
    replay: bool,
}

impl Gone<'_> {
    /// The end of its episode, if one was told.
    fn end(&self, known: &Remembered) -> Option<Alert> {
        let episode = known
            .state
            .open()
            .filter(|episode| episode.transition > 0)?;
        let about = known.about.clone();
        let about = about.unwrap_or_else(|| About::guess(self.universe, self.rule, episode));
        Some(self.resolved(episode, about, &known.version))
    }

    fn resolved(&self, episode: &Episode, about: About, version: &str) -> Alert {
        let transition = episode.transition + 1;
        let as_of = self.horizon.max(episode.told).max(episode.opened);
        let why = self.reason.sentence(self.universe, self.rule);
        Alert {
            id: format!("{}/{transition}", episode.id),
            universe: self.universe.to_owned(),
            rule: self.rule.to_owned(),
            rule_version: version.to_owned(),
            headline: format!("resolved: {why}"),
            kind: about.kind,
            subject: about.subject,
            direction: None,
            severity: Severity::Info,
            notify: Notify::Digest,
            state: State::Resolved,
            rung: None,
            episode: episode.id.clone(),
            parent_episode: None,
            transition,
            as_of,
            session: None,
            value: episode.peak,
            peak: episode.peak,
            duration_seconds: as_of.saturating_since(episode.opened) / SECOND,
            threshold: 0.0,
            unit: about.unit,
            close_status: None,
            evidence: Evidence::from([("configuration".to_owned(), Fact::Text(why))]),
            reverses: "nothing: the rule that opened the episode is evaluated no more".to_owned(),
            base_rate: None,
            resolve_reason: Some(self.reason.name().to_owned()),
            quality: Quality::default(),
            replay: self.replay,
            runbook: None,
        }
    }
}

impl Universe {
    /// Goes on from a state. Rules that changed, and new ones, start cold. The open episodes of those that changed or
    /// are gone are over, which [`Universe::farewell`] tells.
    pub fn restore(&mut self, state: UniverseState) -> Changes {
        self.sources = state.sources;
        self.sources.set_stall_after(self.plan.stall_after);
        self.farewell = state.farewell;
        for (home, series) in self.homes.iter_mut().zip(&self.plan.series) {
            *home = state.homes.get(&series.symbol).copied();
        }
        let mut remembered = state.rules;
        let mut changes = Changes::default();
        let mut left: Vec<(String, Remembered, Reason)> = Vec::new();
        for ((slot, work), rule) in self.rules.iter_mut().zip(&self.works).zip(&self.plan.rules) {
            let is_same = |known: &Remembered| {
                known.version == rule.version
                    && known.legs == work.legs_digest(&self.plan)
                    && known.state.inbox.as_ref().map_or(0, |inbox| inbox.reads())
                        == rule.reads.len()
            };
            *slot = work.cold(rule);
            match remembered.remove(&rule.name) {
                Some(known) if is_same(&known) => *slot = known.state,
                Some(known) => {
                    changes.changed.push(rule.name.clone());
                    left.push((rule.name.clone(), known, Reason::RuleChanged));
                }
                None => changes.added.push(rule.name.clone()),
            }
        }
        changes.removed = remembered.keys().cloned().collect();
        let removed = remembered.into_iter();
        left.extend(removed.map(|(name, known)| (name, known, Reason::RuleRemoved)));
        self.leave(left, &changes);
        changes
    }

    fn leave(&mut self, mut left: Vec<(String, Remembered, Reason)>, changes: &Changes) {
        let horizon = self.sources.horizon();
        let replay = self.plan.is_history(horizon);
        for (_, known, _) in &mut left {
            self.farewell.let_go(known);
        }
        for (rule, known, reason) in &left {
            let gone = Gone {
                universe: &self.plan.name,
                rule,
                reason: *reason,
                horizon,
                replay,
            };
            self.farewell.tell(gone.end(known));
        }
        let noted = [
            (&changes.added, RuleChange::Added),
            (&changes.changed, RuleChange::Changed),
            (&changes.removed, RuleChange::Removed),
        ];
        for (rules, change) in noted {
            for rule in rules {
                self.farewell.note(rule, change);
            }
        }
    }

    /// Whether something is to be said by [`Universe::farewell`].
    pub fn has_farewell(&self) -> bool {
        !self.farewell.is_empty()
    }

    /// Says what the change of the configuration ended. Said once: a state taken afterwards has nothing of it.
    pub fn farewell(&mut self, out: &mut Vec<Output>) {
        if !self.farewell.is_empty() {
            self.farewell.drain(out);
        }
    }
}

impl UniverseState {
    /// Ends every episode of a universe that the configuration no longer has.
    pub fn farewell(mut self, universe: &str, out: &mut Vec<Output>) {
        let horizon = self.sources.horizon();
        for known in self.rules.values_mut() {
            self.farewell.let_go(known);
        }
        for (rule, known) in &self.rules {
            let gone = Gone {
                universe,
                rule,
                reason: Reason::UniverseRemoved,
                horizon,
                replay: false,
            };
            self.farewell.tell(gone.end(known));
            self.farewell.note(rule, RuleChange::Removed);
        }
        self.farewell.drain(out);
    }
}
