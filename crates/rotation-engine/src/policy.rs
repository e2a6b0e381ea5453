//! The policy: what a detector finds becomes the episodes of an alert.
//!
//! `opened` → (`escalated` | `eased`)* → `resolved`. At most one event a section. An episode that began where nothing
//! is published (before the universe went live, or within a rule's cool-down) is told at the first section where
//! publishing is allowed and it still stands, so that no subscriber meets an episode without its opening.

use crate::alert::{Alert, CloseStatus, Notify, Quality, Severity, State};
use crate::clock::SECOND;
use crate::detector::{Account, Change, Measure};
use crate::plan::{RulePlan, UniversePlan};
use crate::section::Section;
use crate::time::EventTime;
use serde::{Deserialize, Serialize};

/// The episodes of one rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    open: Option<Episode>,
    /// Nothing new is published before this instant.
    quiet_until: Option<EventTime>,
    /// The episode whose opening tick never was, until its condition ends or is found to stand on other ticks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    voided: Option<Voided>,
}

/// An episode that was retracted while its detector still holds it open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Voided {
    opened: EventTime,
    rung: String,
}

/// A run of a condition, from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// A function of universe, rule, subject and opening bucket.
    pub id: String,
    /// Event time of the section that began it.
    pub opened: EventTime,
    /// Number of its latest published event; zero while none is published.
    pub transition: u32,
    /// Most severe event so far.
    pub severity: Severity,
    /// The most extreme reading.
    pub peak: f64,
    /// Larger readings are more extreme.
    pub rising: bool,
    /// What began it.
    pub rung: String,
    /// Event time of its latest published event.
    #[serde(default = "never")]
    pub told: EventTime,
}

fn never() -> EventTime {
    EventTime::MIN
}

/// What is to be published of a section.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The state that the episode goes into.
    pub state: State,
    /// What made it.
    pub rung: Option<&'static str>,
    /// Why it ended.
    pub reason: Option<&'static str>,
    /// The episode after the event.
    pub episode: Episode,
}

/// The section's circumstances that events carry.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The universe.
    pub plan: &'a UniversePlan,
    /// The rule.
    pub rule: &'a RulePlan,
    /// The section.
    pub section: &'a Section<'a>,
    /// What the detector measured.
    pub measure: Option<Measure>,
}

impl Policy {
    /// The episode that stands.
    pub fn open(&self) -> Option<&Episode> {
        self.open.as_ref()
    }

    /// Continues the numbering of a restated section's episode.
    pub(crate) fn renumber(&mut self, transition: u32) {
        if let Some(episode) = &mut self.open {
            episode.transition = episode.transition.max(transition);
        }
    }

    /// The tick that opened the episode never was: the episode, which is over.
    pub(crate) fn void_opening(&mut self) -> Option<Episode> {
        let episode = self.open.take_if(|episode| episode.transition > 0)?;
        self.voided = Some(Voided {
            opened: episode.opened,
            rung: episode.rung.clone(),
        });
        Some(episode)
    }

    /// A condition that goes on after the tick that began it never was began with this section.
    fn begin_again(&mut self, context: &Context<'_>, change: &Change) {
        let goes_on = matches!(change, Change::Hold | Change::Escalate(_) | Change::Ease(_));
        let Some(voided) = self.voided.take() else {
            return;
        };
        if goes_on && context.section.as_of() > voided.opened {
            self.open = Some(Episode::begin(context, &voided.rung));
        } else if goes_on {
            self.voided = Some(voided);
        }
    }

    /// Applies a change; what is to be published, if anything.
    pub fn apply(&mut self, context: &Context<'_>, change: &Change) -> Option<Event> {
        let as_of = context.section.as_of();
        if self.voided.is_some() {
            self.begin_again(context, change);
        }
        if let Change::Open(rung) = change {
            self.open = Some(Episode::begin(context, rung));
        }
        let episode = self.open.as_mut()?;
        episode.reach(context.measure);
        let was_told = episode.transition > 0;
        let may_tell = self.quiet_until.is_none_or(|until| as_of >= until)
            && (context.plan.publish_history || !context.plan.is_history(as_of));
        let (state, rung, reason) = match *change {
            Change::Resolve(reason) if was_told => (State::Resolved, None, Some(reason)),
            Change::Resolve(_) | Change::Quiet => {
                self.open = None;
                return None;
            }
            Change::Escalate(rung) if was_told => (State::Escalated, Some(rung), None),
            Change::Ease(rung) if was_told => (State::Eased, Some(rung), None),
            Change::Open(rung) | Change::Escalate(rung) | Change::Ease(rung) if may_tell => {
                (State::Opened, Some(rung), None)
            }
            Change::Hold if may_tell && !was_told => (State::Opened, None, None),
            Change::Open(_) | Change::Escalate(_) | Change::Ease(_) | Change::Hold => return None,
        };
        episode.transition += 1;
        episode.told = as_of;
        let severity = context.rule.severity(
            state,
            rung.or(Some(episode.rung.as_str()).filter(|_| state == State::Opened)),
        );
        episode.severity = episode.severity.max(severity);
        let event = Event {
            state,
            rung,
            reason,
            episode: episode.clone(),
        };
        if state == State::Resolved {
            self.quiet_until = Some(as_of.saturating_add(context.rule.cooldown))
                .filter(|_| context.rule.cooldown > 0);
            self.open = None;
        }
        Some(event)
    }
}

impl Episode {
    /// A reading that is more extreme than those before becomes the peak.
    pub fn reach(&mut self, measure: Option<Measure>) {
        let Some(Measure { value, .. }) = measure else {
            return;
        };
        self.peak = if self.rising {
            self.peak.max(value)
        } else {
            self.peak.min(value)
        };
    }

    fn begin(context: &Context<'_>, rung: &str) -> Self {
        let opened = context.section.as_of();
        let value = context.measure.map_or(0.0, |measure| measure.value);
        let threshold = context.measure.map_or(0.0, |measure| measure.threshold);
        Episode {
            id: format!(
                "{}/{}/{}/{opened}",
                context.plan.name, context.rule.name, context.rule.subject
            ),
            opened,
            transition: 0,
            severity: Severity::Info,
            peak: value,
            rising: context.rule.is_rising(value, threshold),
            rung: rung.to_owned(),
            told: never(),
        }
    }
}

impl Event {
    /// The whole alert.
    pub fn alert(&self, context: &Context<'_>, account: Account) -> Alert {
        let Context {
            plan,
            rule,
            section,
            measure,
        } = context;
        let as_of = section.as_of();
        let severity = rule.severity(self.state, self.rung.or(self.opening_rung()));
        Alert {
            id: format!("{}/{}", self.episode.id, self.episode.transition),
            universe: plan.name.clone(),
            rule: rule.name.clone(),
            rule_version: rule.version.clone(),
            kind: rule.kind.name().to_owned(),
            subject: rule.subject.clone(),
            direction: account.direction,
            severity,
            notify: self.notify(rule, severity),
            state: self.state,
            rung: self.rung.map(str::to_owned),
            episode: self.episode.id.clone(),
            parent_episode: None,
            transition: self.episode.transition,
            as_of,
            session: section.bucket.date,
            value: measure.map_or(self.episode.peak, |measure| measure.value),
            peak: self.episode.peak,
            duration_seconds: as_of.saturating_since(self.episode.opened) / SECOND,
            threshold: measure.map_or(0.0, |measure| measure.threshold),
            unit: rule.unit.clone(),
            close_status: close_status(section),
            evidence: account.evidence,
            reverses: account.reverses,
            base_rate: rule.base_rate,
            resolve_reason: self.reason.map(str::to_owned),
            quality: Quality::default(),
            replay: plan.is_history(as_of),
            headline: account.headline,
            runbook: rule.runbook.clone(),
        }
    }

    fn opening_rung(&self) -> Option<&str> {
        (self.state == State::Opened).then_some(self.episode.rung.as_str())
    }

    fn notify(&self, rule: &RulePlan, severity: Severity) -> Notify {
        rule.notify(self.state, self.rung.or(self.opening_rung()), severity)
    }
}

/// Official when each value of a session is; nothing on other clocks.
fn close_status(section: &Section<'_>) -> Option<CloseStatus> {
    section.bucket.date?;
    let is_official = section.values.iter().flatten().all(|point| point.official);
    Some(if is_official {
        CloseStatus::Official
    } else {
        CloseStatus::Provisional
    })
}
