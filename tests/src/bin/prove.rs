//! What the service stands, measured and broken for a long time: see the targets of the `Makefile` that run it.
//!
//! - `chaos long|short [SEED]`: breaks everything that breaks in the field, and holds the alert topic against a
//!   backtest of the same files; fails where an event is lost, repeated or invented, or a process ended by itself
//! - `latency [SAMPLES]`: from a tick to its alert, hop by hop, beside 10,000 other ticks a second
//! - `scale [RECORDS]`: the same backlog read by 1, 2 and 4 processes
//! - `soak [TICKS]`: a long feed with three restarts
//! - `recovery [SERIES]`: the restore of series with windows of 252 sessions, and a rolling restart of 4 processes
//! - `overload [RECORDS]`: a backlog, a slow sink, a partition that stops
//!
//! What follows `--` goes to every `rotation run` of `latency`.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rotation_tests::broker::Broker;
use rotation_tests::chaos;
use rotation_tests::load::live::{self, Load, hops};
use rotation_tests::load::process::megabytes;
use rotation_tests::load::{overload, recovery, scale, soak};
use rotation_tests::service::Deployment;

/// Ticks a second beside those that are measured.
const BACKGROUND: u64 = 10_000;
const NO_KAFKA: &str = "Apache Kafka cannot be had: see `make kafka`";

fn main() -> Result<ExitCode> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let more = match arguments.iter().position(|argument| argument == "--") {
        Some(at) => arguments.split_off(at).split_off(1),
        None => Vec::new(),
    };
    let argument = |at: usize| arguments.get(at).map(String::as_str);
    match argument(0) {
        Some("chaos") => return chaos(argument(1), number(argument(2), 1)?),
        Some("latency") => latency(number(argument(1), 1_000)?, &more)?,
        Some("scale") => scale(number(argument(1), 6_000_000)?)?,
        Some("soak") => soak(number(argument(1), 200_000_000)?)?,
        Some("recovery") => recovery(number(argument(1), 10_000)?)?,
        Some("overload") => overload(number(argument(1), 5_000_000)?)?,
        other => bail!(
            "expected chaos, latency, scale, soak, recovery or overload, found {}",
            other.unwrap_or("nothing")
        ),
    }
    Ok(ExitCode::SUCCESS)
}

fn number<T: FromStr>(text: Option<&str>, otherwise: T) -> Result<T> {
    let Some(text) = text else {
        return Ok(otherwise);
    };
    let number = text.replace('_', "").parse().ok();
    number.with_context(|| format!("expected a whole number, found {text}"))
}

fn chaos(length: Option<&str>, seed: u64) -> Result<ExitCode> {
    let plan = match length {
        Some("long") => chaos::long(seed),
        Some("short") => chaos::short(seed),
        other => bail!("expected long or short, found {other:?}"),
    };
    let begun = Instant::now();
    let tell = |line: &str| {
        // The report is what counts.
        let _ = writeln!(stderr(), "{:7.1} s  {line}", begun.elapsed().as_secs_f64());
    };
    let Some(report) = chaos::run(&plan, tell)? else {
        bail!("neither Apache Kafka nor the market data may be missing");
    };
    let mut out = stdout();
    writeln!(out, "{report}")?;
    for end in &report.ended {
        writeln!(out, "{} ended: {}\n", end.instance, end.log)?;
    }
    for difference in &report.differences {
        writeln!(out, "{:?}: {}", difference.wrong, difference.event)?;
    }
    for violation in &report.violations {
        writeln!(out, "{violation}")?;
    }
    let same = report.differences.is_empty() && report.violations.is_empty();
    let fine = same && report.unexplained().is_empty();
    Ok(if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn latency(samples: usize, more: &[String]) -> Result<()> {
    let broker = Broker::get().context(NO_KAFKA)?;
    let deployment = Deployment::new(broker, 4, &live::universe())?;
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let mut service = deployment.run("latency", &more)?;
    live::await_ready(&mut service)?;
    let load = Load {
        background: BACKGROUND,
        samples,
        apart: Duration::from_millis(80),
    };
    let samples = live::run(&deployment, load, || Ok(()))?;
    service.terminate()?;
    let mut out = stdout();
    writeln!(
        out,
        "{} alerts, beside {BACKGROUND} ticks a second; milliseconds\n",
        samples.len()
    )?;
    writeln!(
        out,
        "| hop | p50 | p99 | p99.9 | worst |\n| --- | --: | --: | --: | --: |"
    )?;
    for hop in hops(&samples) {
        writeln!(out, "{hop}")?;
    }
    Ok(())
}

fn scale(records: u64) -> Result<()> {
    let runs = scale::run(records, &[1, 2, 4])?.context(NO_KAFKA)?;
    let partitions = scale::PARTITIONS;
    writeln!(
        stdout(),
        "{records} records on {partitions} partitions\n\n{}",
        scale::Table(&runs)
    )?;
    Ok(())
}

fn soak(ticks: u64) -> Result<()> {
    let tell = |look: &soak::Look| {
        // The report is what counts.
        let _ = writeln!(stderr(), "{look:?}");
    };
    let report = soak::run(ticks, tell)?.context(NO_KAFKA)?;
    writeln!(stdout(), "{ticks} ticks\n\n{report}")?;
    Ok(())
}

fn recovery(series: usize) -> Result<()> {
    let restore = recovery::restore(series)?.context(NO_KAFKA)?;
    let mut out = stdout();
    writeln!(
        out,
        "{} series with windows of 252 sessions, {} of state: restored in {:.2?}; ready {:.2?} after the start of the \
         process, {:.2?} after a kill",
        restore.series,
        megabytes(restore.state),
        restore.restored,
        restore.ready,
        restore.ready_after_kill
    )?;
    let load = Load {
        background: 1_000,
        samples: 100,
        apart: Duration::from_millis(50),
    };
    let samples = recovery::rolling(4, load)?.context(NO_KAFKA)?;
    let hops = hops(&samples);
    let whole = hops.last().context("there are hops")?;
    writeln!(
        out,
        "rolling restart of 4 processes: {} alerts, the latest {:.2?} after its tick, half of them within {:.1?}",
        samples.len(),
        whole.quantile(1.0),
        whole.quantile(0.5)
    )?;
    Ok(())
}

fn overload(records: u64) -> Result<()> {
    let mut out = stdout();
    let caught = overload::catch_up(records)?.context(NO_KAFKA)?;
    writeln!(
        out,
        "backlog of {} records: {:.0} a second; resident {} at 10 %, {} at 100 %, {} at most",
        caught.records,
        caught.rate,
        megabytes(caught.first),
        megabytes(caught.last),
        megabytes(caught.peak)
    )?;
    let (pace, time) = (100_000, Duration::from_secs(30));
    let slowed = overload::slow_sink(400_000, pace, time)?.context(NO_KAFKA)?;
    writeln!(
        out,
        "sink of {pace} bytes a second for {time:?}: {:.0} records a second, {:.0} afterwards; resident {} before, {} \
         at most",
        slowed.slow,
        slowed.free,
        megabytes(slowed.resident[0]),
        megabytes(slowed.resident[1])
    )?;
    let stall_after = 3;
    let stopped = overload::stopped_partition(stall_after, 20)?.context(NO_KAFKA)?;
    writeln!(
        out,
        "a partition that stops, stall_after {stall_after} s: {:?} alerts before and after; the longest time without \
         one {:.1?}",
        stopped.alerts, stopped.longest
    )?;
    Ok(())
}
