//! JSON records in memory: decoded, looked up, and through the engine; and through the task that the stage runs.

use std::hint::black_box;

use anyhow::{Context, Result, ensure};
use rotation_engine::time::EventTime;
use rotation_service::metrics::Metrics;
use rotation_service::stage::{InputRecord, Outbox, StampKind, Task};
use rotation_service::tasks::DeadLetters;
use rotation_service::tasks::sampler::{DEAD_LETTERS, SamplerTask};
use rotation_wire::input::{Input, decode};
use serde::Deserialize;

use super::engine::{BATCH, Engine};
use super::market::{Order, Print, Prints, RECORD_BYTES, plan, symbol, write_record};
use super::{Rates, Row, Scale, rate, rules};

const SERIES: usize = 30;

/// Sessions that the records of a round are spread over.
const SESSIONS: u64 = 2;

/// A record as serde reads it: the floor. No field is missed and nothing is copied.
#[derive(Deserialize)]
struct Typed<'a> {
    symbol: &'a str,
    time: &'a str,
    price: f64,
    size: Option<f64>,
    seq: Option<u64>,
}

/// Records one behind the other.
struct Records {
    keys: Vec<String>,
    payloads: Vec<u8>,
    times: Vec<EventTime>,
}

impl Records {
    fn new(count: usize, series: usize) -> Result<Self> {
        let per_session = (count as u64).div_ceil(SESSIONS);
        let prints: Vec<Print> = Prints::new(series, Order::Turns, per_session)
            .take(count)
            .collect();
        let mut payloads = Vec::new();
        for print in &prints {
            write_record(&mut payloads, print);
        }
        ensure!(
            payloads.len() == count * RECORD_BYTES,
            "a record is longer than {RECORD_BYTES} bytes"
        );
        Ok(Self {
            keys: prints
                .iter()
                .map(|print| symbol(print.series as usize))
                .collect(),
            payloads,
            times: prints.iter().map(|print| print.tick.time).collect(),
        })
    }

    fn len(&self) -> usize {
        self.times.len()
    }

    fn iter(&self) -> impl Iterator<Item = &[u8; RECORD_BYTES]> {
        black_box(&self.payloads).as_chunks().0.iter()
    }
}

/// Measures decoding with the engine, and the task of the sampler stage.
///
/// # Errors
///
/// When a record is not what it should be.
pub fn run(scale: &Scale) -> Result<Vec<Row>> {
    let records = Records::new(scale.records, SERIES)?;
    let plan = plan(SERIES)?;
    let (mut engine_rates, mut task_rates) = (Rates::default(), Rates::default());
    for _ in 0..scale.rounds {
        let mut typed = Ok(());
        let floor = rate(records.len(), || typed = floor(&records));
        typed?;
        let mut engine = Engine::new(&plan);
        let mut decoded = Ok(());
        let with_engine = rate(records.len(), || {
            decoded = through_engine(&records, &mut engine);
        });
        decoded?;
        let accepted = engine.accepted;
        ensure!(
            accepted == records.len() as u64,
            "{accepted} of {} records were accepted",
            records.len()
        );
        engine_rates.add(floor, with_engine);

        let metrics = Metrics::new();
        let letters = DeadLetters::new("ticks", DEAD_LETTERS, 1 << 20);
        let mut task = SamplerTask::new(0, 1, std::slice::from_ref(&plan), letters, &metrics);
        let with_task = rate(records.len(), || through_task(&records, &mut task));
        let counted = format!(
            "rotation_ticks_accepted_total{{universe=\"bench\"}} {}",
            records.len()
        );
        ensure!(
            metrics.scrape(0.0).contains(&counted),
            "the metrics lack {counted}"
        );
        task_rates.add(floor, with_task);
    }
    Ok(vec![
        engine_rates.row("decode and engine, records of 120 bytes", "4 M/s"),
        every_kind(scale)?,
        task_rates.row("the same in the stage's task: key check, metrics", ""),
    ])
}

/// The same on ten series, with every kind of rule on.
fn every_kind(scale: &Scale) -> Result<Row> {
    let records = Records::new(scale.records, rules::SERIES)?;
    let plan = rules::every_kind()?;
    let mut rates = Rates::default();
    for _ in 0..scale.rounds {
        let mut typed = Ok(());
        let floor = rate(records.len(), || typed = floor(&records));
        typed?;
        let mut engine = Engine::new(&plan);
        let mut decoded = Ok(());
        let measured = rate(records.len(), || {
            decoded = through_engine(&records, &mut engine);
        });
        decoded?;
        let accepted = engine.accepted;
        ensure!(
            accepted == records.len() as u64,
            "{accepted} of {} records were accepted",
            records.len()
        );
        rates.add(floor, measured);
    }
    Ok(rates.row("the same, 10 series under every kind of rule", "4 M/s"))
}

fn floor(records: &Records) -> Result<()> {
    for payload in records.iter() {
        let record: Typed<'_> = serde_json::from_slice(payload)?;
        let time = EventTime::from_rfc3339(record.time.as_bytes()).context("no time")?;
        black_box((record.symbol, time, record.price, record.size, record.seq));
    }
    Ok(())
}

fn through_engine(records: &Records, engine: &mut Engine) -> Result<()> {
    for (at, payload) in records.iter().enumerate() {
        let Input::Tick { symbol, tick } = decode(payload)? else {
            anyhow::bail!("expected a tick");
        };
        let series = engine.slot(&symbol);
        engine.tick(series, &tick);
        if (at + 1).is_multiple_of(BATCH) {
            engine.end_of_batch();
        }
    }
    engine.close();
    Ok(())
}

fn through_task(records: &Records, task: &mut SamplerTask) {
    let mut outbox = Outbox::default();
    for (at, payload) in (0..).zip(records.iter()) {
        let record = InputRecord {
            partition: 0,
            offset: at as i64,
            timestamp: Some((
                records.times[at].as_nanos() / 1_000_000 + 1,
                StampKind::Create,
            )),
            key: Some(records.keys[at].as_bytes()),
            payload: Some(payload),
            trace: None,
        };
        task.step(&record, &mut outbox);
        if (at + 1).is_multiple_of(BATCH) {
            task.end_of_batch(&mut outbox);
            outbox = Outbox::default();
        }
    }
    task.end_of_batch(&mut outbox);
    black_box(&outbox);
}
