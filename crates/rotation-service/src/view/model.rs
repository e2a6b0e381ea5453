//! The read model: what the topics say, folded into what is asked for.
//!
//! Pure: records in, changes out. What it holds depends on the records and not on how partitions interleave, so that
//! every process of a group says the same once it has read everything; and a repeat changes nothing. It is bounded:
//! of episodes the newest stay and those that are open, of readings the newest of each rule.

use super::place::Topic;
use super::shape::{AlertMessage, Episode, ReadingMessage, Shared};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use rotation_engine::plan::UniversePlan;
use rotation_wire::alerts::AlertEvent;
use rotation_wire::readings::{ReadingRecord, UniverseHorizon};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

mod answers;
mod episodes;
mod picture;
mod readings;
#[cfg(test)]
pub(super) mod tests;

pub use answers::{EpisodeFilter, Range};
pub use episodes::EPISODES_MAX;
pub use readings::READINGS_MAX;

use episodes::Kept;
use readings::Readings;

/// A record of a topic that is followed.
#[derive(Clone, Debug)]
pub enum Record {
    /// An event of an episode, with its bytes.
    Alert(Box<AlertEvent>, Packed),
    /// What a rule measured, or how far a universe is.
    Reading(ReadingRecord),
}

impl Record {
    /// Reads a record.
    ///
    /// # Errors
    /// A sentence that says what it should have been.
    pub fn decode(topic: Topic, bytes: &[u8]) -> Result<Record, String> {
        let why = |error: &dyn std::error::Error| match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        match topic {
            Topic::Alerts => {
                let event = AlertEvent::decode(bytes).map_err(|error| why(&error))?;
                Ok(Record::Alert(Box::new(event), Packed::new(bytes)))
            }
            Topic::Readings => {
                let record = ReadingRecord::decode(bytes).map_err(|error| why(&error))?;
                Ok(Record::Reading(record))
            }
        }
    }
}

/// The bytes of an event, made small: evidence is long and repeats itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed(Arc<[u8]>);

impl Packed {
    /// Packs a JSON document.
    pub(crate) fn new(bytes: &[u8]) -> Packed {
        let mut packer = DeflateEncoder::new(Vec::new(), Compression::fast());
        let packed = packer.write_all(bytes).and_then(|()| packer.finish());
        Packed(packed.expect("memory takes what is written to it").into())
    }

    /// The document.
    pub(crate) fn json(&self) -> Box<RawValue> {
        let mut text = String::new();
        let read = DeflateDecoder::new(&self.0[..]).read_to_string(&mut text);
        read.expect("what was packed can be unpacked");
        RawValue::from_string(text).expect("only JSON is packed")
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// What a record changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// An episode went on.
    Alert(Arc<Episode>, Packed),
    /// A rule measured.
    Reading(Arc<ReadingMessage>),
    /// A universe of this name decided further.
    Horizon(String),
}

impl Change {
    /// The stream's message of an event.
    pub(crate) fn alert(episode: &Arc<Episode>, event: &Packed) -> AlertMessage {
        AlertMessage {
            episode: Shared(episode.clone()),
            event: event.json(),
        }
    }
}

/// What the topics say.
#[derive(Clone, Debug)]
pub struct Model {
    plans: Vec<Arc<UniversePlan>>,
    episodes: Kept,
    readings: Readings,
    horizons: BTreeMap<String, UniverseHorizon>,
}

impl Model {
    /// A model that has read nothing, for these universes.
    pub fn new(plans: &[Arc<UniversePlan>]) -> Model {
        Model {
            plans: plans.to_vec(),
            episodes: Kept::default(),
            readings: Readings::default(),
            horizons: BTreeMap::new(),
        }
    }

    /// Other rules are in force from now on.
    pub fn set_plans(&mut self, plans: &[Arc<UniversePlan>]) {
        self.plans = plans.to_vec();
    }

    /// Takes the next record of a partition; what it changed, which for a repeat is nothing.
    pub fn take(&mut self, record: Record) -> Option<Change> {
        match record {
            Record::Alert(event, bytes) => {
                let alert = event.alert;
                let spark = self.readings.spark(&alert.universe, &alert.rule);
                let mut episode = self.episodes.take(&alert, bytes.clone())?;
                episode.spark = spark;
                Some(Change::Alert(Arc::new(episode), bytes))
            }
            Record::Reading(ReadingRecord::Reading(reading)) => {
                let message = self.readings.take(*reading, &self.plans)?;
                Some(Change::Reading(Arc::new(message)))
            }
            Record::Reading(ReadingRecord::Horizon(horizon)) => self.advance(horizon),
        }
    }

    fn advance(&mut self, horizon: UniverseHorizon) -> Option<Change> {
        let name = horizon.universe.clone();
        let known = self.horizons.get(&name);
        if known.is_some_and(|known| *known == horizon || known.horizon > horizon.horizon) {
            return None;
        }
        self.horizons.insert(name.clone(), horizon);
        Some(Change::Horizon(name))
    }
}
