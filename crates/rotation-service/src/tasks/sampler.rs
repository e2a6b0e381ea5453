//! The sampler stage's task: one partition of the ticks topic, for every universe.

use super::{DeadLetters, Hop, SAMPLE, from_millis};
use crate::metrics::{Metrics, UniverseMetrics};
use crate::mutants::Mutant;
use crate::stage::{Idle, InputRecord, Outbox, Task};
use crate::traces::Place;
use rotation_engine::output::{Output, RejectCode};
use rotation_engine::plan::UniversePlan;
use rotation_engine::record::{LogBody, SeriesIx, SourceEvent};
use rotation_engine::sampler::Sampler;
use rotation_engine::time::EventTime;
use rotation_wire::state::{decode_part, encode_part};
use rotation_wire::{bars, input};
use std::collections::HashMap;
use std::sync::Arc;

/// Where its records go: positions in the stage's list of topics.
pub const BARS: usize = 0;
/// See [`BARS`].
pub const DEAD_LETTERS: usize = 1;

/// Samples one partition.
pub struct SamplerTask {
    letters: DeadLetters,
    partition: i32,
    metrics: Metrics,
    universes: Vec<UniverseSampler>,
    /// The place of each symbol in `named`.
    symbols: HashMap<Vec<u8>, usize>,
    /// For each symbol, which universes name it and as which of their series.
    named: Vec<Vec<(usize, SeriesIx)>>,
    out: Vec<Output>,
    offset: i64,
    /// The trace of the record at that offset; forgotten at the end of its batch.
    hop: Option<Hop>,
    unknown: u64,
}

struct UniverseSampler {
    sampler: Sampler,
    metrics: UniverseMetrics,
    skew: i64,
    bytes: Vec<u8>,
}

impl SamplerTask {
    /// A task that has seen nothing, for `partition` of `partitions`.
    pub fn new(
        partition: i32,
        partitions: i32,
        plans: &[Arc<UniversePlan>],
        letters: DeadLetters,
        metrics: &Metrics,
    ) -> SamplerTask {
        let source = u32::try_from(partition).expect("partitions count from zero");
        let sources = u32::try_from(partitions).expect("a topic has at least one partition");
        let mut symbols: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut named: Vec<Vec<(usize, SeriesIx)>> = Vec::new();
        let mut universes = Vec::with_capacity(plans.len());
        for (at, plan) in plans.iter().enumerate() {
            let sampler = Sampler::new(plan.clone(), source, sources);
            for series in &plan.series {
                if let Some(ix) = sampler.slot(&series.symbol) {
                    let symbol = series.symbol.as_bytes().to_vec();
                    let place = *symbols.entry(symbol).or_insert(named.len());
                    if place == named.len() {
                        named.push(Vec::new());
                    }
                    named[place].push((at, ix));
                }
            }
            let metrics = metrics.universe(plan);
            universes.push(UniverseSampler {
                sampler,
                metrics,
                skew: plan.skew,
                bytes: Vec::new(),
            });
        }
        SamplerTask {
            letters,
            partition,
            metrics: metrics.clone(),
            universes,
            symbols,
            named,
            out: Vec::new(),
            offset: 0,
            hop: None,
            unknown: 0,
        }
    }

    /// Takes one decoded event. Each universe judges it by itself; the first that rejects it speaks for all.
    ///
    /// `keyed` is the record's key with its place: mostly the event's symbol too, which is then not looked up again.
    fn take(
        &mut self,
        event: &SourceEvent<'_>,
        keyed: Option<(&[u8], usize)>,
        stamped: Option<EventTime>,
        outbox: &mut Outbox,
    ) -> Option<Reject> {
        let offset = self.offset;
        let mut rejected = None;
        let named = match event {
            SourceEvent::Tick { symbol, .. }
            | SourceEvent::Split { symbol, .. }
            | SourceEvent::Void { symbol, .. } => {
                let place = match keyed {
                    Some((key, place)) if key == symbol.as_bytes() => Some(place),
                    _ => self.symbols.get(symbol.as_bytes()).copied(),
                };
                let Some(place) = place else {
                    self.unknown += 1;
                    return None;
                };
                self.named[place].as_slice()
            }
            SourceEvent::Heartbeat { .. } => &[],
        };
        for &(at, series) in named {
            let universe = &mut self.universes[at];
            let bound = stamped.map(|stamped| stamped.saturating_add(universe.skew));
            match *event {
                SourceEvent::Tick { ref tick, .. } => {
                    universe
                        .sampler
                        .tick(series, tick, bound, offset, &mut self.out);
                }
                SourceEvent::Split { time, ratio, .. } => {
                    universe
                        .sampler
                        .split(series, time, ratio, offset, &mut self.out);
                }
                SourceEvent::Void { seq, time, .. } => {
                    universe
                        .sampler
                        .void(series, seq, time, offset, &mut self.out);
                }
                SourceEvent::Heartbeat { .. } => {}
            }
            if !self.out.is_empty() {
                let said = universe.publish(&mut self.out, self.hop.as_ref(), outbox);
                rejected = said.or(rejected);
            }
        }
        if let SourceEvent::Heartbeat { time } = *event {
            for universe in &mut self.universes {
                let bound = stamped.map(|stamped| stamped.saturating_add(universe.skew));
                universe
                    .sampler
                    .heartbeat(time, bound, offset, &mut self.out);
                let said = universe.publish(&mut self.out, self.hop.as_ref(), outbox);
                rejected = said.or(rejected);
            }
        }
        rejected
    }

    fn bury(&self, record: &InputRecord<'_>, reject: &Reject, outbox: &mut Outbox) {
        self.letters
            .bury(record, reject.code, &reject.message, outbox);
        if !outbox.replaying() {
            self.metrics.dead_letter(reject.code);
        }
    }
}

/// Why a record goes to the dead letters.
struct Reject {
    code: RejectCode,
    message: String,
}

impl UniverseSampler {
    /// Counts what was said, and sends what belongs on the bars log, in the trace of what it stands on.
    fn publish(
        &mut self,
        out: &mut Vec<Output>,
        hop: Option<&Hop>,
        outbox: &mut Outbox,
    ) -> Option<Reject> {
        let mut rejected = None;
        for output in out.drain(..) {
            if let Output::Rejected { code, message } = output {
                rejected = Some(Reject { code, message });
                continue;
            }
            if outbox.replaying() {
                continue;
            }
            self.metrics.record(&output);
            if let Output::Log(record) = &output {
                let plan = self.sampler.plan();
                self.bytes.clear();
                bars::encode(&mut self.bytes, plan, record);
                let headers = hop.map(Hop::headers).unwrap_or_default();
                let key = Some(plan.name.as_bytes());
                outbox.send_with(BARS, None, key, Some(&self.bytes), headers);
                if matches!(
                    record.body,
                    LogBody::Bar(_) | LogBody::Tick(_) | LogBody::Void(_)
                ) {
                    outbox.urgent();
                }
            }
        }
        rejected
    }
}

impl SamplerTask {
    fn sample(&mut self, record: &InputRecord<'_>, outbox: &mut Outbox) {
        let mut keyed = None;
        if let Some(key) = record.key
            && !key.is_empty()
        {
            let Some(place) = self.symbols.get(key) else {
                self.unknown += 1;
                return;
            };
            keyed = Some((key, *place));
        }
        let Some(payload) = record.payload else {
            let message = "expected an input record, found no value".to_owned();
            self.bury(
                record,
                &Reject {
                    code: RejectCode::Undecodable,
                    message,
                },
                outbox,
            );
            return;
        };
        let stamped = record.timestamp.map(|(millis, _)| from_millis(millis));
        let rejected = match input::decode(payload) {
            Ok(input) => self.take(&input.event(), keyed, stamped, outbox),
            Err(error) => Some(Reject {
                code: error.code,
                message: error.message,
            }),
        };
        if let Some(reject) = rejected {
            self.bury(record, &reject, outbox);
        }
    }
}

impl Task for SamplerTask {
    fn step(&mut self, record: &InputRecord<'_>, outbox: &mut Outbox) {
        self.offset = record.offset;
        self.hop = Hop::of(record, SAMPLE);
        let tracer = self.metrics.tracer();
        let hop = self.hop.as_ref().filter(|_| !outbox.replaying());
        let begun = tracer.begin(hop, Place::of(self.letters.from(), record));
        self.sample(record, outbox);
        self.metrics.tracer().end(begun);
    }

    fn end_of_batch(&mut self, outbox: &mut Outbox) {
        for universe in &mut self.universes {
            if Mutant::WallClockHorizon.lives() {
                let until = super::now();
                universe.sampler.idle(until, self.offset, &mut self.out);
            }
            universe.sampler.flush(self.offset, &mut self.out);
            universe.publish(&mut self.out, self.hop.as_ref(), outbox);
        }
        self.hop = None;
        let unknown = std::mem::take(&mut self.unknown);
        if unknown > 0 && !outbox.replaying() {
            self.metrics.unknown_symbols(unknown);
        }
    }

    /// What has been quiet for the age of its newest record is as far as that record's event time plus the age.
    fn idle(&mut self, idle: Idle, outbox: &mut Outbox) {
        let age = idle
            .now
            .saturating_sub(idle.last)
            .max(0)
            .saturating_mul(1_000_000);
        for universe in &mut self.universes {
            let Some(last) = universe.sampler.last_event_time() else {
                continue;
            };
            let lateness = universe.sampler.plan().lateness;
            let until = last.saturating_add(age).saturating_sub(lateness);
            universe.sampler.idle(until, self.offset, &mut self.out);
            universe.publish(&mut self.out, None, outbox);
        }
        // What follows stands on the clock's decision, not on the last record.
        self.hop = None;
    }

    fn empty(&mut self, _outbox: &mut Outbox) {
        for universe in &mut self.universes {
            universe.sampler.empty();
        }
    }

    fn snapshot(&self) -> Vec<(String, Vec<u8>)> {
        let part = |universe: &UniverseSampler| {
            (
                universe.sampler.plan().name.clone(),
                encode_part(&universe.sampler.state()),
            )
        };
        self.universes.iter().map(part).collect()
    }

    fn restore(&mut self, parts: Vec<(String, Vec<u8>)>) -> Result<(), String> {
        for (part, bytes) in parts {
            let known = self
                .universes
                .iter_mut()
                .find(|universe| universe.sampler.plan().name == part);
            match known {
                Some(universe) => universe.sampler.restore(decode_part(&part, &bytes)?),
                None => tracing::warn!(
                    universe = part,
                    partition = self.partition,
                    "forgets a universe that is gone"
                ),
            }
        }
        Ok(())
    }
}
