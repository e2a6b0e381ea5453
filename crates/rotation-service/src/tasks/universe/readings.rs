//! What a universe tells subscribers to readings: every section, but of ticks no more than they can look at.

use super::READINGS;
use crate::stage::Outbox;
use rotation_engine::clock::Clock;
use rotation_engine::output::Reading;
use rotation_engine::plan::UniversePlan;
use rotation_engine::record::{LogBody, LogRecord, Progress};
use rotation_engine::time::{EventTime, NANOS_PER_SECOND};
use rotation_engine::universe::Universe;
use rotation_wire::readings::{ReadingRecord, RuleReading, SourceHorizon, UniverseHorizon};
use std::collections::BTreeMap;

/// How far apart readings on ticks, and horizons, are in event time.
const APART: i64 = NANOS_PER_SECOND;

/// What was told last. It is no part of the state: after a restart some of it is told a second time.
#[derive(Debug, Default)]
pub(super) struct Readings {
    /// By rule on the clock `tick`: when, and whether an episode was open.
    ticks: BTreeMap<u32, (EventTime, bool)>,
    horizon: Option<EventTime>,
    newest: Option<EventTime>,
}

impl Readings {
    /// Sees a record of the bars log go by.
    pub(super) fn see(&mut self, log: &LogRecord) {
        let end = match &log.body {
            LogBody::Bar(bar) => bar.bucket.end,
            LogBody::Tick(tick) => tick.time,
            LogBody::Horizon(_) | LogBody::Split(_) | LogBody::Void(_) => return,
        };
        self.newest = self.newest.max(Some(end));
    }

    /// Sends a rule's reading.
    pub(super) fn tell(&mut self, plan: &UniversePlan, reading: &Reading, outbox: &mut Outbox) {
        let is_on_ticks = plan.rules[reading.rule_index as usize].clock == Clock::Tick;
        if is_on_ticks && !self.is_due(reading) {
            return;
        }
        send(
            &ReadingRecord::Reading(Box::new(RuleReading::new(plan, reading))),
            outbox,
        );
    }

    fn is_due(&mut self, reading: &Reading) -> bool {
        let last = self.ticks.get(&reading.rule_index);
        let is_due = last.is_none_or(|(at, was_open)| {
            *was_open != reading.open || reading.as_of >= at.saturating_add(APART)
        });
        if is_due {
            let now = (reading.as_of, reading.open);
            self.ticks.insert(reading.rule_index, now);
        }
        is_due
    }

    /// Sends how far the universe is, if it is further than it was.
    pub(super) fn stand(&mut self, universe: &Universe, outbox: &mut Outbox) {
        let horizon = universe.horizon();
        let next = self.horizon.map(|last| last.saturating_add(APART));
        if horizon == EventTime::MIN || next.is_some_and(|next| horizon < next) {
            return;
        }
        self.horizon = Some(horizon);
        let sources = (0..).zip(universe.progress());
        let at = |(partition, (progress, excluded))| match progress {
            Progress::At(horizon) => Some(SourceHorizon {
                partition,
                horizon,
                excluded,
            }),
            Progress::Empty | Progress::Unknown => None,
        };
        let record = ReadingRecord::Horizon(UniverseHorizon {
            universe: universe.plan().name.clone(),
            horizon,
            newest: self.newest,
            sources: sources.filter_map(at).collect(),
        });
        send(&record, outbox);
    }
}

fn send(record: &ReadingRecord, outbox: &mut Outbox) {
    outbox.send(READINGS, record.key().as_bytes(), &record.encode());
}
