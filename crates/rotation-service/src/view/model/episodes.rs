//! Episodes with their events: the newest, and all that are open.

use super::Packed;
use crate::view::shape::Episode;
use rotation_engine::alert::{Alert, State};
use rotation_engine::clock::SECOND;
use rotation_engine::time::EventTime;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many episodes are kept, beside those that are open.
pub const EPISODES_MAX: usize = 20_000;

/// How many bytes their packed events may have.
const BYTES_MAX: usize = 128 << 20;

/// How many events of an episode are kept: its first ones, and after them the newest.
const EVENTS_MAX: usize = 1_000;

/// The newest first; of one instant by id.
pub(super) type Rank = (Reverse<EventTime>, String);

/// An episode and its events by number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub(super) episode: Episode,
    pub(super) events: BTreeMap<u32, Packed>,
}

/// The episodes that are kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    by_id: HashMap<String, Told>,
    ranks: BTreeSet<Rank>,
    bytes: usize,
}

impl Kept {
    /// Takes an event; the episode after it, or nothing where it was told before.
    pub(super) fn take(&mut self, alert: &Alert, bytes: Packed) -> Option<Episode> {
        let told = match self.by_id.remove(&alert.episode) {
            Some(told) if told.events.contains_key(&alert.transition) => {
                self.by_id.insert(alert.episode.clone(), told);
                return None;
            }
            Some(told) => {
                self.ranks.remove(&rank(&told.episode));
                Some(told)
            }
            None => None,
        };
        let size = bytes.len();
        let mut told = match told {
            None => Told {
                episode: begin(alert),
                events: BTreeMap::from([(alert.transition, bytes)]),
            },
            Some(mut told) => {
                let is_next = told.events.keys().next_back() < Some(&alert.transition);
                told.events.insert(alert.transition, bytes);
                if is_next {
                    go_on(&mut told.episode, alert);
                } else {
                    told.tell_again();
                }
                told
            }
        };
        self.bytes += size;
        while told.events.len() > EVENTS_MAX {
            // The first one says when it began.
            let second = told.events.keys().nth(1).copied();
            let gone = second.and_then(|second| told.events.remove(&second));
            self.bytes -= gone.map_or(0, |gone| gone.len());
        }
        let episode = told.episode.clone();
        self.ranks.insert(rank(&episode));
        self.by_id.insert(episode.episode.clone(), told);
        self.forget();
        Some(episode)
    }

    /// Drops the oldest that have ended, where there are too many.
    fn forget(&mut self) {
        while self.by_id.len() > EPISODES_MAX || self.bytes > BYTES_MAX {
            let has_ended = |rank: &&Rank| self.get(&rank.1).is_some_and(|told| !told.episode.open);
            let Some(oldest) = self.ranks.iter().rev().find(has_ended).cloned() else {
                return;
            };
            self.ranks.remove(&oldest);
            let gone = self.by_id.remove(&oldest.1);
            let events = gone.iter().flat_map(|told| told.events.values());
            self.bytes -= events.map(Packed::len).sum::<usize>();
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<&Told> {
        self.by_id.get(id)
    }

    /// The newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Told> {
        self.ranks.iter().filter_map(|(_, id)| self.by_id.get(id))
    }
}

/// Where an episode stands among the others.
pub(super) fn rank(episode: &Episode) -> Rank {
    (Reverse(episode.opened_at), episode.episode.clone())
}

fn begin(alert: &Alert) -> Episode {
    let lasted = alert.duration_seconds.saturating_mul(SECOND);
    let mut episode = Episode {
        episode: alert.episode.clone(),
        universe: alert.universe.clone(),
        rule: alert.rule.clone(),
        kind: alert.kind.clone(),
        subject: alert.subject.clone(),
        direction: alert.direction,
        severity: alert.severity,
        worst: alert.severity,
        notify: alert.notify,
        state: alert.state,
        rung: None,
        open: true,
        since: alert.as_of.saturating_sub(lasted),
        opened_at: alert.as_of,
        as_of: alert.as_of,
        ended_at: None,
        resolve_reason: None,
        value: alert.value,
        peak: alert.peak,
        threshold: alert.threshold,
        unit: alert.unit.clone(),
        headline: String::new(),
        transitions: alert.transition,
        parent: None,
        replay: alert.replay,
        spark: Vec::new(),
    };
    go_on(&mut episode, alert);
    episode
}

/// An episode after its next event.
fn go_on(episode: &mut Episode, alert: &Alert) {
    episode.direction = alert.direction.or(episode.direction);
    episode.severity = alert.severity;
    episode.worst = episode.worst.max(alert.severity);
    episode.notify = alert.notify;
    episode.state = alert.state;
    if alert.rung.is_some() {
        episode.rung.clone_from(&alert.rung);
    }
    match alert.state {
        State::Resolved | State::Retracted => {
            episode.ended_at = Some(alert.as_of);
            episode.resolve_reason.clone_from(&alert.resolve_reason);
        }
        // Official data left it as it was.
        State::Confirmed => {}
        State::Opened | State::Escalated | State::Eased | State::Corrected => {
            episode.ended_at = None;
            episode.resolve_reason = None;
        }
    }
    episode.open = episode.ended_at.is_none();
    episode.as_of = alert.as_of;
    (episode.value, episode.peak) = (alert.value, alert.peak);
    episode.threshold = alert.threshold;
    episode.unit.clone_from(&alert.unit);
    episode.headline.clone_from(&alert.headline);
    episode.transitions = alert.transition;
    if alert.parent_episode.is_some() {
        episode.parent.clone_from(&alert.parent_episode);
    }
    episode.replay = alert.replay;
}

impl Told {
    /// An event came after one that follows it: the episode is told from its first event again.
    fn tell_again(&mut self) {
        let mut alerts = self.events.values().map(|event| alert(&event.json()));
        let Some(first) = alerts.next() else { return };
        let mut episode = begin(&first);
        alerts.for_each(|alert| go_on(&mut episode, &alert));
        self.episode = episode;
    }
}

fn alert(event: &RawValue) -> Alert {
    #[derive(Deserialize)]
    struct Event {
        data: Alert,
    }
    let event: Event = serde_json::from_str(event.get()).expect("only alert events are kept");
    event.data
}
