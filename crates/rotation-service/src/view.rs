//! The view: what operations see. The page, its data under `/api/v1`, and the stream of what changes.
//!
//! A thread of each process ([`follow`]) reads the alert topic and the readings topic from the beginning into a bounded
//! read model ([`model`]), whoever wrote them. So every process of a group shows the same, the one that decides nothing
//! too, and a position in the topics ([`place`]) means the same in all of them. The view never stops the stages: what
//! keeps it from reading is told on the page and in the log.

use crate::metrics::ViewMetrics;
use model::{Change, Model, Record};
use place::{Partition, Place, Position, Topic};
use ring::Ring;
use rotation_engine::plan::UniversePlan;
use rotation_engine::time::EventTime;
use shape::Now;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

pub(crate) mod api;
mod explain;
mod follow;
pub mod model;
pub mod openapi;
pub(crate) mod page;
pub mod place;
pub mod ring;
pub mod shape;
mod stream;
#[cfg(test)]
mod tests;

pub use explain::episode_link;
pub(crate) use explain::{Explainer, quoted};
pub(crate) use follow::follow;

/// What a process shows, shared by who reads the topics and who answers requests.
pub struct View {
    state: RwLock<State>,
    /// Goes up with every change of the state.
    moved: watch::Sender<u64>,
    instance: String,
    /// Clients of the stream.
    clients: AtomicUsize,
    explainer: Option<Explainer>,
    metrics: ViewMetrics,
}

/// What was read.
struct State {
    model: Model,
    ring: Ring<Change>,
    position: Position,
    /// Which topics have been read to their ends.
    at_end: BTreeMap<Topic, bool>,
    /// Whether all were, at some time since the start.
    caught_up: bool,
    /// What keeps a topic from being read.
    notes: BTreeMap<Topic, String>,
    /// Whether something that is no record of ours was told already.
    told_malformed: bool,
}

impl View {
    /// A view that has read nothing.
    pub(crate) fn new(
        plans: &[Arc<UniversePlan>],
        instance: &str,
        explainer: Option<Explainer>,
        metrics: ViewMetrics,
    ) -> View {
        View {
            state: RwLock::new(State {
                model: Model::new(plans),
                ring: Ring::new(ring::CHANGES_MAX),
                position: Position::default(),
                at_end: BTreeMap::new(),
                caught_up: false,
                notes: BTreeMap::new(),
                told_malformed: false,
            }),
            moved: watch::Sender::new(0),
            instance: instance.to_owned(),
            clients: AtomicUsize::new(0),
            explainer,
            metrics,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who wait that something has changed.
    fn wake(&self) {
        self.moved.send_modify(|moves| *moves += 1);
    }

    /// Other rules are in force from now on.
    pub(crate) fn set_plans(&self, plans: &[Arc<UniversePlan>]) {
        if let Some(explainer) = &self.explainer {
            explainer.set_plans(plans);
        }
        self.write().model.set_plans(plans);
    }

    /// Where to begin with a partition that has records from one offset up to another: where reading ended, if it was
    /// read before.
    fn begin(&self, partition: Partition, (first, end): (i64, i64)) -> i64 {
        self.write().begin(partition, (first, end))
    }

    /// Takes records as they came.
    fn take(&self, records: Vec<(Place, Vec<u8>)>) {
        if records.is_empty() {
            return;
        }
        let read = records.into_iter().map(|(place, bytes)| {
            let record = Record::decode(place.partition.topic, &bytes);
            (place, record)
        });
        // Decoding takes most of the time, and needs no lock.
        let read: Vec<_> = read.collect();
        let mut state = self.write();
        for (place, record) in read {
            self.metrics.record(place.partition.topic.name());
            state.take(place, record, &self.metrics);
        }
        drop(state);
        self.wake();
    }

    /// Whether a topic has been read to its end.
    fn set_at_end(&self, topic: Topic, is_at_end: bool) {
        if self.read().at_end.get(&topic) == Some(&is_at_end) {
            return;
        }
        self.metrics.caught_up(topic.name(), is_at_end);
        let mut state = self.write();
        state.at_end.insert(topic, is_at_end);
        let is_whole = Topic::ALL
            .iter()
            .all(|topic| state.at_end.get(topic) == Some(&true));
        let is_first = is_whole && !std::mem::replace(&mut state.caught_up, true);
        drop(state);
        if is_first {
            self.wake();
        }
    }

    /// Whether something keeps a topic from being read.
    fn has_note(&self, topic: Topic) -> bool {
        self.read().notes.contains_key(&topic)
    }

    /// What keeps a topic from being read; nothing when it is read. True when that is new.
    fn note(&self, topic: Topic, note: Option<String>) -> bool {
        if self.read().notes.get(&topic) == note.as_ref() {
            return false;
        }
        let mut state = self.write();
        match note {
            Some(note) => _ = state.notes.insert(topic, note),
            None => _ = state.notes.remove(&topic),
        }
        drop(state);
        self.wake();
        true
    }

    /// The present.
    pub(crate) fn now(&self) -> Now {
        let now = wall_clock();
        let state = self.read();
        Now {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: self.instance.clone(),
            now,
            caught_up: state.caught_up,
            position: state.position.to_string(),
            notes: state.notes(),
            universes: state.model.universes(now),
            open: state.model.open(),
        }
    }

    /// The command line that computes an episode or an event anew.
    fn explain_command(&self, id: &str) -> String {
        let explainer = self.explainer.as_ref();
        explainer.map_or_else(String::new, |explainer| explainer.command(id))
    }

    fn count_clients(&self, more: bool) {
        let clients = match more {
            true => self.clients.fetch_add(1, Ordering::SeqCst) + 1,
            false => self.clients.fetch_sub(1, Ordering::SeqCst) - 1,
        };
        self.metrics.clients(clients);
    }
}

impl State {
    /// What keeps topics from being read, each thing once.
    fn notes(&self) -> Vec<String> {
        let notes: BTreeSet<&String> = self.notes.values().collect();
        notes.into_iter().cloned().collect()
    }

    fn begin(&mut self, partition: Partition, (first, end): (i64, i64)) -> i64 {
        match self.position.next(partition) {
            Some(next) if (first..=end).contains(&next) => next,
            Some(next) if next > end => {
                self.start_over(partition, first);
                first
            }
            // Never read, or what came next is deleted by now.
            _ => {
                self.ring.begin(partition, first);
                self.position.set(partition, first);
                first
            }
        }
    }

    /// A topic was made anew: its offsets begin again, and positions until now mean nothing.
    fn start_over(&mut self, partition: Partition, offset: i64) {
        self.position.set(partition, offset);
        self.ring.clear();
        for (partition, next) in self.position.iter() {
            self.ring.begin(partition, next);
        }
    }

    fn take(&mut self, place: Place, record: Result<Record, String>, metrics: &ViewMetrics) {
        if self.position.is_past(place) {
            self.start_over(place.partition, place.offset);
        }
        self.position.pass(place);
        match record {
            Ok(record) => {
                if let Some(change) = self.model.take(record) {
                    self.ring.push(place, change);
                }
            }
            Err(why) => {
                let topic = place.partition.topic.name();
                metrics.malformed(topic);
                if !std::mem::replace(&mut self.told_malformed, true) {
                    let (partition, offset) = (place.partition.number, place.offset);
                    tracing::warn!(
                        topic,
                        partition,
                        offset,
                        why,
                        "the page passes over a record that is none of ours; further ones are counted, not told"
                    );
                }
            }
        }
    }
}

/// The wall clock.
fn wall_clock() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    });
    EventTime::from_nanos(nanos)
}
