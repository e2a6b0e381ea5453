//! How much of a bare consumer's speed the stage keeps: both read the same topic from a local broker.
//!
//! `cargo run --release -p rotation-tests --example stage_floor -- [RECORDS]`

#![allow(clippy::print_stdout, reason = "a program that prints figures")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use rotation_service::stage::{
    Idle, InputRecord, Liveness, Outbox, StageFact, Task, TaskFactory, run,
};
use rotation_tests::counting::Trial;

const PARTITIONS: i32 = 2;

/// Reads every byte's length and does nothing with it.
struct Nothing(u64);

impl Task for Nothing {
    fn step(&mut self, record: &InputRecord<'_>, _: &mut Outbox) {
        self.0 += record.payload.map_or(0, <[u8]>::len) as u64;
    }
    fn end_of_batch(&mut self, _: &mut Outbox) {}
    fn idle(&mut self, _: Idle, _: &mut Outbox) {}
    fn empty(&mut self, _: &mut Outbox) {}
    fn snapshot(&self) -> Vec<(String, Vec<u8>)> {
        vec![("bytes".to_owned(), self.0.to_be_bytes().to_vec())]
    }
    fn restore(&mut self, _: Vec<(String, Vec<u8>)>) -> Result<(), String> {
        Ok(())
    }
}

fn main() -> Result<()> {
    let records: u64 = std::env::args()
        .nth(1)
        .map_or(Ok(1_000_000), |given| given.parse())?;
    let trial = Trial::new("floor", PARTITIONS)?.context("no broker")?;
    let messages = (0..records).map(|at| {
        let partition = i32::try_from(at % 2).unwrap_or_default();
        let payload = format!(
            "{{\"symbol\":\"S{:03}\",\"time\":\"2026-01-22T20:59:59.123Z\",\"price\":{}.77,\"size\":100,\"seq\":{at:020}}}",
            at % 30, at % 1000
        );
        (Some(partition), format!("S{:03}", at % 30), payload, None)
    });
    trial.broker.produce(&trial.topic("in"), messages)?;
    for round in 0..3 {
        let floor = measure(|| bare(&trial, records))?;
        let staged = measure(|| stage(&trial, &format!("stage-{round}"), records))?;
        println!(
            "bare {:.0} records/s, {:.2} us CPU/record; stage {:.0} records/s, {:.2} us CPU/record; ratio {:.2}",
            records as f64 / floor.0,
            floor.1 / records as f64 * 1e6,
            records as f64 / staged.0,
            staged.1 / records as f64 * 1e6,
            floor.0 / staged.0
        );
    }
    Ok(())
}

/// Seconds from the first record to the last, and CPU seconds of the process meanwhile.
fn measure(read: impl FnOnce() -> Result<Duration>) -> Result<(f64, f64)> {
    let before = cpu_seconds()?;
    let took = read()?;
    Ok((took.as_secs_f64(), cpu_seconds()? - before))
}

fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}

fn bare(trial: &Trial, records: u64) -> Result<Duration> {
    let mut config = trial.settings("bare").kafka.stage_consumer("bare");
    config.remove("group.instance.id");
    let consumer: BaseConsumer = config.create()?;
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(&trial.topic("in"), partition, Offset::Beginning)?;
    }
    consumer.assign(&all)?;
    let mut seen = 0;
    let mut begun = None;
    let mut bytes = 0;
    while seen < records {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            begun.get_or_insert_with(Instant::now);
            bytes += message.payload().map_or(0, <[u8]>::len);
            seen += 1;
        }
    }
    anyhow::ensure!(bytes > 0);
    Ok(begun.map_or(Duration::ZERO, |begun| begun.elapsed()))
}

fn stage(trial: &Trial, name: &str, records: u64) -> Result<Duration> {
    let mut settings = trial.settings("floor");
    settings.name = name.to_owned();
    settings.snapshot_interval = Duration::from_secs(30);
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::new(AtomicU64::new(0));
    let (counted, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
    let begun = Arc::new(std::sync::Mutex::new((None, None)));
    let times = Arc::clone(&begun);
    let observer = move |fact: &StageFact| {
        if let StageFact::Consumed { records: more } = fact {
            let now = Instant::now();
            let mut times = times
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            times.0.get_or_insert(now);
            if counted.fetch_add(*more as u64, Ordering::SeqCst) + *more as u64 >= records {
                times.1 = Some(now);
                stopped.store(true, Ordering::SeqCst);
            }
        }
    };
    let factory: TaskFactory = Box::new(|_| Box::new(Nothing(0)));
    run(
        &settings,
        factory,
        Arc::new(observer),
        Arc::new(Liveness::default()),
        &stop,
    )?;
    let times = *begun
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    match times {
        (Some(first), Some(last)) => Ok(last.duration_since(first)),
        _ => anyhow::bail!("the stage ended before it had read everything"),
    }
}
