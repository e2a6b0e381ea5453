//! The universe stage's task: one partition of the bars log, and the universes whose records are in it.

use super::{DECIDE, DeadLetters, Hop, from_millis, now};
use crate::metrics::{Metrics, UniverseMetrics};
use crate::stage::{Idle, InputRecord, Outbox, Task};
use crate::traces::Place as Traced;
use rotation_engine::alert::Alert;
use rotation_engine::output::{Output, RejectCode};
use rotation_engine::plan::UniversePlan;
use rotation_engine::record::LogRecord;
use rotation_engine::universe::{ReadingDetail, Universe, UniverseState};
use rotation_wire::alerts::{AlertEvent, CONTENT_TYPE, CONTENT_TYPE_HEADER, Position};
use rotation_wire::bars::{self, Decoded};
use rotation_wire::invariants::{AlertLog, Place, Seen, Violation};
use rotation_wire::state::{decode_part, encode_part};
use std::collections::BTreeMap;
use std::sync::Arc;

mod left;
mod readings;

use left::Left;
use readings::Readings;

/// Where its records go: positions in the stage's list of topics.
pub const ALERTS: usize = 0;
/// See [`ALERTS`].
pub const DEAD_LETTERS: usize = 1;
/// See [`ALERTS`].
pub const READINGS: usize = 2;

/// Tells the process that a universe goes no further, and why.
pub type Refuse = Arc<dyn Fn(String) + Send + Sync>;

/// The names of the topics that positions cite.
#[derive(Clone, Debug)]
pub struct Cited {
    /// The ticks topic.
    pub ticks: String,
    /// The bars log.
    pub bars: String,
}

impl Cited {
    /// What an event cites that a record of the bars log leads to.
    pub(crate) fn positions(&self, partition: i32, offset: i64, log: &LogRecord) -> Vec<Position> {
        vec![
            Position {
                topic: self.bars.clone(),
                partition,
                offset,
            },
            Position {
                topic: self.ticks.clone(),
                partition: i32::try_from(log.source).unwrap_or(i32::MAX),
                offset: log.offset,
            },
        ]
    }
}

/// Runs the universes of one partition.
pub struct UniverseTask {
    plans: Vec<Arc<UniversePlan>>,
    cited: Cited,
    letters: DeadLetters,
    metrics: Metrics,
    refuse: Refuse,
    universes: BTreeMap<String, Hosted>,
    /// What is left of another configuration, until its end is told.
    left: Left,
    out: Vec<Output>,
}

struct Hosted {
    universe: Universe,
    metrics: UniverseMetrics,
    /// Whether the metrics show what the readings of earlier records stand on.
    is_shown: bool,
    /// What it has told, held against what always holds.
    told: AlertLog,
    readings: Readings,
}

impl UniverseTask {
    /// A task that has seen nothing.
    pub fn new(
        plans: &[Arc<UniversePlan>],
        cited: Cited,
        letters: DeadLetters,
        metrics: &Metrics,
        refuse: Refuse,
    ) -> UniverseTask {
        UniverseTask {
            plans: plans.to_vec(),
            cited,
            letters,
            metrics: metrics.clone(),
            refuse,
            universes: BTreeMap::new(),
            left: Left::default(),
            out: Vec::new(),
        }
    }

    /// The universe of that name, begun if this is its first record; none where the configuration has none.
    fn host(&mut self, name: &str) -> Option<&mut Hosted> {
        if !self.universes.contains_key(name) {
            let plan = self.plans.iter().find(|plan| plan.name == name)?;
            let mut universe = Universe::new(plan.clone());
            universe.set_readings(ReadingDetail::Published);
            let hosted = Hosted {
                universe,
                metrics: self.metrics.universe(plan),
                is_shown: false,
                told: AlertLog::bounded(),
                readings: Readings::default(),
            };
            self.universes.insert(name.to_owned(), hosted);
        }
        self.universes.get_mut(name)
    }

    fn publish(
        &mut self,
        name: &str,
        record: &InputRecord<'_>,
        log: &LogRecord,
        hop: Option<&Hop>,
        outbox: &mut Outbox,
    ) {
        let hosted = self
            .universes
            .get_mut(name)
            .expect("the universe that spoke is hosted");
        for output in self.out.drain(..) {
            if outbox.replaying() {
                // It was held against the invariants when it was published; what follows is held against it.
                hosted.follow(&output, record);
                continue;
            }
            for violation in hosted.follow(&output, record) {
                self.metrics.violated(&violation);
                tracing::error!(
                    universe = name,
                    invariant = violation.code(),
                    "{violation} (places are those of {})",
                    self.cited.bars
                );
            }
            hosted.metrics.record(&output);
            hosted.metrics.account(&output, &hosted.universe);
            match output {
                Output::Alert(alert) => {
                    let positions = self.cited.positions(record.partition, record.offset, log);
                    send(*alert, Some(positions), hop, outbox);
                }
                Output::Reading(reading) => {
                    let plan = hosted.universe.plan();
                    hosted.readings.tell(plan, &reading, outbox);
                }
                Output::Rejected { code, message } => {
                    self.letters.bury(record, code, &message, outbox);
                }
                Output::Refused { reason } => (self.refuse)(format!("universe {name}: {reason}")),
                _ => {}
            }
        }
    }
}

impl Hosted {
    /// Holds an event against those before it. It has no place on its topic yet, so that of its cause stands for it.
    fn follow(&mut self, output: &Output, record: &InputRecord<'_>) -> Vec<Violation> {
        let Output::Alert(alert) = output else {
            return Vec::new();
        };
        let place = Place {
            partition: record.partition,
            offset: record.offset,
        };
        let event = AlertEvent::from((**alert).clone());
        self.told.take(place, &Seen::of(&event))
    }
}

fn send(alert: Alert, positions: Option<Vec<Position>>, hop: Option<&Hop>, outbox: &mut Outbox) {
    let key = alert.key();
    let event = AlertEvent {
        alert,
        detected_at: Some(now()),
        positions,
    };
    let mut headers = vec![(CONTENT_TYPE_HEADER, CONTENT_TYPE.as_bytes().to_vec())];
    headers.extend(hop.into_iter().flat_map(Hop::headers));
    outbox.send_with(
        ALERTS,
        None,
        Some(key.as_bytes()),
        Some(&event.encode()),
        headers,
    );
    outbox.urgent();
}

impl Drop for UniverseTask {
    fn drop(&mut self) {
        for hosted in self.universes.values() {
            hosted.metrics.leave();
        }
    }
}

impl Task for UniverseTask {
    fn step(&mut self, record: &InputRecord<'_>, outbox: &mut Outbox) {
        // What ended comes before what a rule of the same name begins.
        if !self.left.is_empty() && !outbox.replaying() {
            self.say_farewell(outbox);
        }
        let name = String::from_utf8_lossy(record.key.unwrap_or_default()).into_owned();
        let Some(hosted) = self.host(&name) else {
            return;
        };
        let plan = hosted.universe.plan().clone();
        let log = match bars::decode(&plan, record.payload.unwrap_or_default()) {
            Ok(Decoded::Record(log)) => log,
            Ok(Decoded::Unread { .. }) => return,
            Err(error) => {
                if !outbox.replaying() {
                    self.metrics.dead_letter(RejectCode::Undecodable);
                    self.letters
                        .bury(record, RejectCode::Undecodable, &error.to_string(), outbox);
                }
                return;
            }
        };
        let hop = Hop::of(record, DECIDE);
        let traced = hop.as_ref().filter(|_| !outbox.replaying());
        let place = Traced::of(&self.cited.bars, record);
        let mut begun = self.metrics.tracer().begin(traced, place);
        let appended = record.timestamp.map(|(millis, _)| from_millis(millis));
        let mut out = std::mem::take(&mut self.out);
        if let Some(hosted) = self.universes.get_mut(&name) {
            hosted.readings.see(&log);
            hosted.universe.step(&log, appended, &mut out);
        }
        self.out = out;
        if let Some(begun) = &mut begun {
            begun.told(self.out.iter().filter_map(|output| match output {
                Output::Alert(alert) => Some((alert.rule.as_str(), alert.episode.as_str())),
                _ => None,
            }));
        }
        if !self.out.is_empty() {
            self.publish(&name, record, &log, hop.as_ref(), outbox);
        }
        self.metrics.tracer().end(begun);
    }

    fn end_of_batch(&mut self, outbox: &mut Outbox) {
        if !self.left.is_empty() && !outbox.replaying() {
            self.say_farewell(outbox);
        }
        for hosted in self.universes.values_mut() {
            hosted.metrics.stand(&hosted.universe);
            if !hosted.is_shown {
                hosted.metrics.account_all(&hosted.universe);
                hosted.is_shown = !outbox.replaying();
            }
            if !outbox.replaying() {
                hosted.readings.stand(&hosted.universe, outbox);
            }
        }
    }

    fn idle(&mut self, _idle: Idle, _outbox: &mut Outbox) {}

    fn empty(&mut self, _outbox: &mut Outbox) {}

    fn snapshot(&self) -> Vec<(String, Vec<u8>)> {
        let hosted = self
            .universes
            .iter()
            .map(|(name, hosted)| (name.clone(), encode_part(&hosted.universe.state())));
        hosted.chain(self.left.snapshot()).collect()
    }

    fn restore(&mut self, parts: Vec<(String, Vec<u8>)>) -> Result<(), String> {
        for (name, bytes) in parts {
            let state: UniverseState = decode_part(&name, &bytes)?;
            let Some(hosted) = self.host(&name) else {
                self.left.universe(name, state);
                continue;
            };
            let changes = hosted.universe.restore(state);
            hosted.told = AlertLog::bounded().from_within();
            hosted.metrics.stand(&hosted.universe);
            let has_farewell = hosted.universe.has_farewell();
            self.left.rules(&name, &changes, has_farewell);
        }
        Ok(())
    }

    fn leaves_behind(&self) -> Option<String> {
        self.left.told()
    }
}
