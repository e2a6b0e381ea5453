//! What each target knows of the episodes of one partition: a fold over its events, from the oldest on.
//!
//! Nothing of it is kept but what stands beside the committed offset ([`super::marks`]): a restart reads the partition
//! again and comes to the same, since what becomes of an event follows from the configuration and from when it was
//! published, never from when it was read.

use super::event::{Event, Look};
use super::routing::Verdict;
use jiff::Timestamp;
use rotation_engine::alert::State;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Ended episodes that are remembered, since a correction may take the end back.
const ENDED_MAX: usize = 512;

/// What is to be told to a target.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) event: Arc<Event>,
    /// How the episode looks to the target from now on.
    pub(crate) look: Look,
    /// How it looked until now, where that differs.
    pub(crate) replaces: Option<Look>,
    /// It was held back by a mute window that ended then.
    pub(crate) held_until: Option<Timestamp>,
}

/// What becomes of an event at a target.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Nothing.
    Pass,
    /// It is told.
    Tell(Notice),
    /// A mute window keeps it back.
    Held,
}

/// What one target knows of the episodes of one partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    episodes: BTreeMap<String, Known>,
}

#[derive(Clone, Debug)]
struct Known {
    told: Option<Told>,
    held: Option<(Timestamp, bool, Arc<Event>)>,
    ended: bool,
}

#[derive(Clone, Debug)]
struct Told {
    event: Arc<Event>,
    look: Look,
    /// How it looked before it last changed: a correction may take that change back.
    before: Option<Look>,
    follow: bool,
}

impl Ledger {
    /// Takes the next event of the partition.
    pub(crate) fn take(&mut self, event: &Arc<Event>, verdict: Verdict) -> Step {
        let alert = &event.alert;
        let known = self.episodes.get(&alert.episode);
        let told = known.and_then(|known| known.told.as_ref());
        let lessens = matches!(
            alert.state,
            State::Eased | State::Corrected | State::Resolved | State::Retracted
        );
        let is_followed = told.is_some_and(|told| told.follow) && lessens;
        let is_end = alert.state.is_final();
        let step = match verdict {
            Verdict::Tell { follow } if !is_end || told.is_some() => {
                Step::Tell(self.tell(event, follow, None))
            }
            // That it is over wakes nobody.
            Verdict::Mute { follow, .. } if is_end && told.is_some() => {
                Step::Tell(self.tell(event, follow, None))
            }
            Verdict::Mute { until, follow } if !is_end => {
                let known = self.episodes.entry(alert.episode.clone());
                let known = known.or_insert_with(Known::new);
                known.held = Some((until, follow, Arc::clone(event)));
                known.ended = false;
                Step::Held
            }
            Verdict::No if is_followed => Step::Tell(self.tell(event, true, None)),
            Verdict::No if lessens && !is_end => self.keep_newest(event),
            // The end of what was never told.
            _ => Step::Pass,
        };
        if is_end && let Some(known) = self.episodes.get_mut(&alert.episode) {
            known.ended = true;
            known.held = None;
            if known.told.is_none() {
                self.episodes.remove(&alert.episode);
            }
            self.forget();
        }
        step
    }

    /// Of an episode that is kept back, this is what would be told by now.
    fn keep_newest(&mut self, event: &Arc<Event>) -> Step {
        let known = self.episodes.get_mut(&event.alert.episode);
        match known.and_then(|known| known.held.as_mut()) {
            Some((_, true, held)) => {
                *held = Arc::clone(event);
                Step::Held
            }
            _ => Step::Pass,
        }
    }

    /// What mute windows that have ended kept back and still stands, in the order of their ends.
    pub(crate) fn release(&mut self, now: Timestamp) -> Vec<(Timestamp, Notice)> {
        let due = self.episodes.values().filter_map(|known| {
            let (until, follow, event) = known.held.as_ref()?;
            (*until <= now).then(|| (*until, event.offset, *follow, Arc::clone(event)))
        });
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|(until, offset, ..)| (*until, *offset));
        due.into_iter()
            .map(|(until, _, follow, event)| (until, self.tell(&event, follow, Some(until))))
            .collect()
    }

    /// The earliest end of a mute window that keeps something back.
    pub(crate) fn next_release(&self) -> Option<Timestamp> {
        let held = self
            .episodes
            .values()
            .filter_map(|known| known.held.as_ref());
        held.map(|(until, ..)| *until).min()
    }

    /// What was told and stands.
    pub(crate) fn standing(&self) -> impl Iterator<Item = (&Arc<Event>, Look)> {
        let open = self.episodes.values().filter(|known| !known.ended);
        let told = open.filter_map(|known| known.told.as_ref());
        told.map(|told| (&told.event, told.look))
    }

    fn tell(&mut self, event: &Arc<Event>, follow: bool, held: Option<Timestamp>) -> Notice {
        let alert = &event.alert;
        let known = self.episodes.entry(alert.episode.clone());
        let known = known.or_insert_with(Known::new);
        let (was, before) = match &known.told {
            Some(told) => (Some(told.look), told.before),
            None => (None, None),
        };
        let own = Look::of(alert);
        let look = match (alert.state, was) {
            (State::Opened | State::Escalated | State::Eased, _) | (_, None) => own,
            // What it took back was the end, or the change before.
            (State::Corrected, Some(was)) if !known.ended => before.unwrap_or(was),
            (_, Some(was)) => was,
        };
        let replaces = was.filter(|was| *was != look);
        known.told = Some(Told {
            event: Arc::clone(event),
            look,
            before: replaces.or(before),
            follow: follow || known.told.as_ref().is_some_and(|told| told.follow),
        });
        known.held = None;
        known.ended = alert.state.is_final();
        Notice {
            event: Arc::clone(event),
            look,
            replaces: replaces.filter(|_| !known.ended),
            held_until: held,
        }
    }

    /// Keeps only so many ended episodes, the newest.
    fn forget(&mut self) {
        let ended = |known: &Known| {
            known
                .ended
                .then(|| known.told.as_ref().map(|told| told.event.offset))
        };
        let mut offsets: Vec<i64> = self.episodes.values().filter_map(ended).flatten().collect();
        if offsets.len() <= ENDED_MAX {
            return;
        }
        offsets.sort_unstable();
        let oldest = offsets[offsets.len() - ENDED_MAX];
        self.episodes.retain(|_, known| {
            let offset = known.told.as_ref().map(|told| told.event.offset);
            !known.ended || offset.is_none_or(|offset| offset >= oldest)
        });
    }
}

impl Known {
    fn new() -> Known {
        Known {
            told: None,
            held: None,
            ended: false,
        }
    }
}

#[cfg(test)]
mod tests;
