//! The same backlog, read by one, two and four processes: what another process adds, and what a record costs.
//!
//! The cost is the time of cores of the service's processes alone, the broker apart, between the moments when a fifth
//! and nineteen twentieths of the backlog were committed: starting up and the last idle polls are left out. Where all
//! of it was committed between two looks, the first of the two stands for the fifth.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::process;
use crate::bench::market::{Order, Prints, config, symbol, write_record};
use crate::broker::Broker;
use crate::service::{Deployment, Service};

/// Partitions of the ticks topic.
pub const PARTITIONS: i32 = 12;
/// Series, enough for all partitions to have about as many.
const SERIES: usize = 240;
/// Ticks a session, of all series together.
const PER_SESSION: u64 = 500_000;
/// Longest wait for the backlog to be read.
const PATIENCE: Duration = Duration::from_secs(900);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// What so many processes did.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// How many.
    pub processes: usize,
    /// Records a second, by the clock.
    pub rate: f64,
    /// Seconds of cores a record, of all processes together.
    pub cost: f64,
}

/// Measures with each number of processes; `None` where there is no broker.
///
/// # Errors
///
/// When a process fails or does not read.
pub fn run(records: u64, processes: &[usize]) -> Result<Option<Vec<Run>>> {
    let Some(broker) = Broker::get() else {
        return Ok(None);
    };
    let runs = processes
        .iter()
        .map(|&count| measure(broker, records, count));
    runs.collect::<Result<_>>().map(Some)
}

fn measure(broker: &'static Broker, records: u64, processes: usize) -> Result<Run> {
    let deployment = Deployment::new(broker, PARTITIONS, &universe(SERIES))?;
    let prints = Prints::new(SERIES, Order::Random, PER_SESSION);
    keep_ticks(&deployment)?;
    backlog(&deployment, prints, records)?;
    let mut services = (0..processes)
        .map(|at| deployment.run(&format!("scale-{at}"), &[]))
        .collect::<Result<Vec<_>>>()?;
    let deadline = Instant::now() + PATIENCE;
    let total = records as f64;
    let mut first = (Instant::now(), cost(&services)?, 0.0);
    let mut last = first;
    loop {
        let look = (
            Instant::now(),
            cost(&services)?,
            deployment.sampled()? as f64,
        );
        // The look at which a fifth was committed, and until there is one the look before.
        if first.2 < 0.2 * total {
            first = if look.2 < 0.95 * total { look } else { last };
        }
        last = look;
        if look.2 >= 0.95 * total {
            for service in services {
                service.terminate()?;
            }
            let (read, time) = (look.2 - first.2, look.0 - first.0);
            return Ok(Run {
                processes,
                rate: read / time.as_secs_f64(),
                cost: (look.1 - first.1) / read,
            });
        }
        for service in &mut services {
            service.alive()?;
        }
        ensure!(
            Instant::now() < deadline,
            "{} of {records} read after {PATIENCE:?}",
            last.2
        );
        std::thread::sleep(LOOK);
    }
}

/// Seconds of cores of all processes together.
fn cost(services: &[Service]) -> Result<f64> {
    let each = services
        .iter()
        .map(|service| process::core_seconds(service.id()));
    each.sum()
}

/// The universe of the benchmarks, with so many series.
#[must_use]
pub fn universe(series: usize) -> String {
    let text = config(series, "");
    let begin = text.find("[universe.").unwrap_or_default();
    text[begin..].to_owned()
}

/// Keeps ticks, whose stamps are their event times of long ago, from being deleted for their age.
///
/// # Errors
///
/// When the broker refuses.
pub fn keep_ticks(deployment: &Deployment) -> Result<()> {
    let kept = [("retention.ms", "-1")];
    deployment.broker.set(&deployment.topics[0], &kept)
}

/// Puts the next so many ticks on the topic.
///
/// # Errors
///
/// When the broker refuses.
pub fn backlog(
    deployment: &Deployment,
    prints: impl Iterator<Item = crate::bench::market::Print>,
    records: u64,
) -> Result<()> {
    let messages = prints.take(usize::try_from(records)?).map(|print| {
        let mut payload = Vec::new();
        write_record(&mut payload, &print);
        // The bound on event times is by the record's own stamp.
        let stamp = print.tick.time.as_nanos() / 1_000_000 + 1;
        (None, symbol(print.series as usize), payload, Some(stamp))
    });
    let put = deployment.broker.produce(&deployment.topics[0], messages)?;
    ensure!(
        put as u64 == records,
        "{put} of {records} records were made"
    );
    Ok(())
}

/// The table of some runs, against the first.
pub struct Table<'a>(pub &'a [Run]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| processes | records a second | against one | cores' time a record | against one |"
        )?;
        writeln!(f, "| --: | --: | --: | --: | --: |")?;
        for run in self.0 {
            let one = self.0[0];
            writeln!(
                f,
                "| {} | {:.0} | {:.2} | {:.2} µs | {:.2} |",
                run.processes,
                run.rate,
                run.rate / one.rate,
                run.cost * 1e6,
                run.cost / one.cost
            )?;
        }
        Ok(())
    }
}
