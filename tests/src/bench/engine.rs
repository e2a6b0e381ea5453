//! The engine alone: ticks in memory through the sampler, its bars through the universe.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Result, ensure};
use rotation_engine::clock::DAY;
use rotation_engine::output::Output;
use rotation_engine::plan::UniversePlan;
use rotation_engine::record::{SeriesIx, Tick};
use rotation_engine::sampler::Sampler;
use rotation_engine::time::EventTime;
use rotation_engine::universe::Universe;

use super::market::{Order, Print, Prints, plan, symbol};
use super::{Rates, Row, Scale, rate};

/// Ticks between two ends of a batch, as in the stage.
pub(crate) const BATCH: usize = 8_192;

/// Sessions that the ticks of a round are spread over.
const SESSIONS: u64 = 4;

/// Measures a few series in turns and many at random.
///
/// # Errors
///
/// When what comes out is not what went in.
pub fn run(scale: &Scale) -> Result<Vec<Row>> {
    let cases = [
        (
            30,
            Order::Turns,
            "engine alone, 30 series in order",
            "20 M/s",
        ),
        (
            10_000,
            Order::Random,
            "engine alone, 10,000 series at random",
            "10 M/s",
        ),
    ];
    cases
        .into_iter()
        .map(|(series, order, what, aim)| case(scale, series, order, what, aim))
        .collect()
}

fn case(scale: &Scale, series: usize, order: Order, what: &str, aim: &str) -> Result<Row> {
    let plan = plan(series)?;
    let per_session = (scale.ticks as u64).div_ceil(SESSIONS);
    let mut prints: Vec<Print> = Prints::new(series, order, per_session)
        .take(scale.ticks)
        .collect();
    let engine = Engine::new(&plan);
    for print in &mut prints {
        print.series = engine.slot(&symbol(print.series as usize)).0;
    }
    let mut rates = Rates::default();
    for _ in 0..scale.rounds {
        let floor = rate(prints.len(), || floor(plan.series.len(), &prints));
        let mut engine = Engine::new(&plan);
        let measured = rate(prints.len(), || engine.run(&prints));
        let accepted = engine.accepted;
        ensure!(
            accepted == prints.len() as u64,
            "{accepted} of {} ticks were accepted",
            prints.len()
        );
        let bars_min = SESSIONS * (series as u64).min(per_session) / 2;
        ensure!(
            engine.records > bars_min,
            "the log has {} records, expected {bars_min}",
            engine.records
        );
        rates.add(floor, measured);
    }
    Ok(rates.row(what, aim))
}

/// The last, highest and lowest price of each series: the least that anything like a sampler does.
fn floor(series: usize, prints: &[Print]) {
    let mut flat = vec![[f64::NAN, f64::NEG_INFINITY, f64::INFINITY]; series];
    for print in black_box(prints) {
        let price = print.tick.price;
        let [last, high, low] = &mut flat[print.series as usize];
        *last = price;
        *high = high.max(price);
        *low = low.min(price);
    }
    black_box(&flat);
}

/// Both halves of the engine, joined without a log.
pub(crate) struct Engine {
    sampler: Sampler,
    universe: Universe,
    sampled: Vec<Output>,
    decided: Vec<Output>,
    offset: i64,
    newest: EventTime,
    pub(crate) accepted: u64,
    records: u64,
}

impl Engine {
    pub(crate) fn new(plan: &Arc<UniversePlan>) -> Self {
        Self {
            sampler: Sampler::new(Arc::clone(plan), 0, 1),
            universe: Universe::new(Arc::clone(plan)),
            sampled: Vec::new(),
            decided: Vec::new(),
            offset: 0,
            newest: EventTime::MIN,
            accepted: 0,
            records: 0,
        }
    }

    pub(crate) fn slot(&self, symbol: &str) -> SeriesIx {
        self.sampler
            .slot(symbol)
            .expect("the universe names every symbol of its market")
    }

    fn run(&mut self, prints: &[Print]) {
        for batch in black_box(prints).chunks(BATCH) {
            for print in batch {
                self.tick(SeriesIx(print.series), &print.tick);
            }
            self.end_of_batch();
        }
        self.close();
    }

    /// One tick, with a record's timestamp as bound.
    #[inline]
    pub(crate) fn tick(&mut self, series: SeriesIx, tick: &Tick) {
        self.newest = tick.time;
        self.sampler.tick(
            series,
            tick,
            Some(tick.time),
            self.offset,
            &mut self.sampled,
        );
        self.offset += 1;
        if !self.sampled.is_empty() {
            self.forward();
        }
    }

    pub(crate) fn end_of_batch(&mut self) {
        self.sampler.flush(self.offset, &mut self.sampled);
        self.forward();
    }

    /// Ends the last session.
    pub(crate) fn close(&mut self) {
        let end = self.newest.saturating_add(DAY);
        self.sampler
            .heartbeat(end, None, self.offset, &mut self.sampled);
        self.end_of_batch();
    }

    fn forward(&mut self) {
        for output in self.sampled.drain(..) {
            match output {
                Output::Log(record) => {
                    self.records += 1;
                    self.universe.step(&record, None, &mut self.decided);
                }
                Output::Accepted { ticks } => self.accepted += ticks,
                other => self.decided.push(other),
            }
        }
        black_box(&self.decided);
        self.decided.clear();
    }
}
