//! Both stages of one universe in one place, without a log between them: what a backtest runs.
//!
//! The live service puts Kafka between the samplers and the universe; the same records then pass through the bars log.
//! Nothing else differs, so the same ticks give the same alerts.

use crate::output::Output;
use crate::plan::UniversePlan;
use crate::record::SourceEvent;
use crate::sampler::Sampler;
use crate::time::EventTime;
use crate::universe::{ReadingDetail, Universe};
use std::sync::Arc;

/// Samplers of a number of sources, and the universe that they feed.
#[derive(Clone, Debug)]
pub struct Pipeline {
    samplers: Vec<Sampler>,
    universe: Universe,
    offsets: Vec<i64>,
    sampled: Vec<Output>,
}

impl Pipeline {
    /// A pipeline that has seen nothing, for a topic of `sources` partitions.
    pub fn new(plan: &Arc<UniversePlan>, sources: u32) -> Pipeline {
        Pipeline {
            samplers: (0..sources)
                .map(|source| Sampler::new(plan.clone(), source, sources))
                .collect(),
            universe: Universe::new(plan.clone()),
            offsets: vec![0; sources as usize],
            sampled: Vec::new(),
        }
    }

    /// Says how much is wanted of readings.
    pub fn set_readings(&mut self, detail: ReadingDetail) {
        self.universe.set_readings(detail);
    }

    /// Takes the next event of a source.
    pub fn push(&mut self, source: u32, event: &SourceEvent<'_>, out: &mut Vec<Output>) {
        let at = source as usize;
        let offset = self.offsets[at];
        self.offsets[at] += 1;
        let sampler = &mut self.samplers[at];
        match *event {
            SourceEvent::Tick { symbol, ref tick } => match sampler.slot(symbol) {
                Some(series) => sampler.tick(series, tick, None, offset, &mut self.sampled),
                None => out.push(Output::Dropped {
                    series: None,
                    code: crate::output::DropCode::UnknownSymbol,
                }),
            },
            SourceEvent::Heartbeat { time } => {
                sampler.heartbeat(time, None, offset, &mut self.sampled);
            }
            SourceEvent::Split {
                symbol,
                time,
                ratio,
            } => {
                if let Some(series) = sampler.slot(symbol) {
                    sampler.split(series, time, ratio, offset, &mut self.sampled);
                }
            }
            SourceEvent::Void { symbol, seq, time } => {
                if let Some(series) = sampler.slot(symbol) {
                    sampler.void(series, seq, time, offset, &mut self.sampled);
                }
            }
        }
        self.forward(out);
    }

    /// Ends a batch of every source: counts and horizons are said.
    pub fn flush(&mut self, out: &mut Vec<Output>) {
        for at in 0..self.samplers.len() {
            self.samplers[at].flush(self.offsets[at], &mut self.sampled);
            self.forward(out);
        }
    }

    /// Ends the input: nothing older than `time` will come from any source.
    pub fn close(&mut self, time: EventTime, out: &mut Vec<Output>) {
        for at in 0..self.samplers.len() {
            self.samplers[at].heartbeat(time, None, self.offsets[at], &mut self.sampled);
            self.forward(out);
        }
        self.flush(out);
    }

    /// Gives the samplers' records to the universe, and passes on the rest.
    fn forward(&mut self, out: &mut Vec<Output>) {
        for output in self.sampled.drain(..) {
            match output {
                Output::Log(record) => self.universe.step(&record, None, out),
                other => out.push(other),
            }
        }
    }
}
