//! How soon a process is back: the restore of many series with long windows, and a rolling restart.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::civil::date;
use rotation_engine::calendar::Calendar;
use rotation_engine::record::Tick;

use super::live::{self, Load, Sample, await_ready};
use crate::bench::market::{Print, symbol};
use crate::broker::Broker;
use crate::service::{Deployment, Service};

const PARTITIONS: i32 = 4;
/// Length of the windows, and some sessions more.
const WINDOW: usize = 252;
const SESSIONS: usize = WINDOW + 8;
/// Longest wait for the history to be read.
const PATIENCE: Duration = Duration::from_secs(900);
/// Between snapshots of the state.
const SNAPSHOTS: &str = "5s";
const PAUSE: Duration = Duration::from_millis(20);

/// What a restore took.
#[derive(Clone, Debug)]
pub struct Restore {
    /// Series, each with windows of 252 sessions.
    pub series: usize,
    /// Bytes of the state topic on disk.
    pub state: u64,
    /// From the start of the process until it was ready.
    pub ready: Duration,
    /// From the assignment until the state was there, the longest of all tasks; by the log.
    pub restored: Duration,
    /// The same after a kill (-9) and not a stop.
    pub ready_after_kill: Duration,
}

/// A universe in which every series has windows of 252 sessions.
fn universe(series: usize) -> String {
    let mut text = "[universe.wide]\ncalendar = \"XNYS\"\n[universe.wide.series]\n".to_owned();
    let mut members = Vec::new();
    for at in 0..series {
        text.push_str(&format!("{} = {{}}\n", symbol(at)));
        members.push(format!("\"{}\"", symbol(at)));
    }
    let members = members.join(", ");
    for (name, measure) in [("highs", "new_highs"), ("mean", "above_mean")] {
        text.push_str(&format!(
            "[universe.wide.rules.{name}]\nkind = \"breadth\"\nmeasure = \"{measure}\"\nsessions = {WINDOW}\n\
             open_at = 90\nclose_at = 80\nmembers = [{members}]\n"
        ));
    }
    text
}

/// One tick a series and session.
fn history(series: usize) -> impl Iterator<Item = Print> {
    let sessions = Calendar::Xnys.sessions(date(2024, 6, 3), date(2025, 12, 31));
    let sessions: Vec<_> = sessions.take(SESSIONS).collect();
    sessions
        .into_iter()
        .enumerate()
        .flat_map(move |(day, session)| {
            (0..series).map(move |at| Print {
                series: u32::try_from(at).unwrap_or_default(),
                tick: Tick {
                    time: session
                        .open
                        .saturating_add(60_000_000_000 + at as i64 * 1_000_000),
                    price: 100.0 + ((at * 31 + day * 17) % 97) as f64,
                    size: 0.0,
                    seq: None,
                    official: false,
                },
            })
        })
}

/// Lets a process read a history of so many series, then stops, starts, kills and starts it; `None` without a broker.
///
/// # Errors
///
/// When it does not get ready again.
pub fn restore(series: usize) -> Result<Option<Restore>> {
    let Some(broker) = Broker::get() else {
        return Ok(None);
    };
    let deployment = Deployment::new(broker, PARTITIONS, &universe(series))?;
    let args = ["--snapshot-interval", SNAPSHOTS];
    let mut service = deployment.run("wide", &args)?;
    await_ready(&mut service)?;
    super::scale::keep_ticks(&deployment)?;
    super::scale::backlog(&deployment, history(series), (series * SESSIONS) as u64)?;
    let deadline = Instant::now() + PATIENCE;
    while deployment.sampled()? < series * SESSIONS {
        service.alive()?;
        ensure!(Instant::now() < deadline, "the history is not read");
        std::thread::sleep(PAUSE);
    }
    deployment.await_done(std::slice::from_mut(&mut service))?;
    // The last snapshots hold all of it.
    std::thread::sleep(2 * Duration::from_secs(6));
    service.terminate()?;
    let (mut service, ready) = start(&deployment, &args)?;
    let restored = restored(&service)?;
    service.alive()?;
    service.kill()?;
    let (service, ready_after_kill) = start(&deployment, &args)?;
    service.terminate()?;
    Ok(Some(Restore {
        series,
        state: broker.bytes(&deployment.topics[3])?,
        ready,
        restored,
        ready_after_kill,
    }))
}

/// Starts the process again and waits until it is ready, all tasks restored and caught up.
fn start(deployment: &Deployment, args: &[&str]) -> Result<(Service, Duration)> {
    let begun = Instant::now();
    let mut service = deployment.run("wide", args)?;
    await_ready(&mut service)?;
    Ok((service, begun.elapsed()))
}

/// The longest restore that it logged.
fn restored(service: &Service) -> Result<Duration> {
    let log = service.whole_log();
    let times = log.lines().filter_map(|line| {
        let (_, took) = line.split_once("took=")?;
        seconds(took.split_whitespace().next()?)
    });
    times
        .max_by(f64::total_cmp)
        .map(Duration::from_secs_f64)
        .context("no restore was logged")
}

/// Reads a time as the log writes it: `1.5s`, `20.1ms`, `300µs`.
fn seconds(text: &str) -> Option<f64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: f64 = digits.parse().ok()?;
    Some(match &text[digits.len()..] {
        "s" => number,
        "ms" => number / 1e3,
        "µs" => number / 1e6,
        _ => return None,
    })
}

/// Restarts so many processes one after the other while ticks come, each of which raises an alert.
///
/// # Errors
///
/// When an alert does not come.
pub fn rolling(processes: usize, load: Load) -> Result<Option<Vec<Sample>>> {
    let Some(broker) = Broker::get() else {
        return Ok(None);
    };
    let deployment = Deployment::new(broker, PARTITIONS, &live::universe())?;
    let name = |at: usize| format!("rolling-{at}");
    let mut services = (0..processes)
        .map(|at| deployment.run(&name(at), &[]))
        .collect::<Result<Vec<_>>>()?;
    for service in &mut services {
        await_ready(service)?;
    }
    let kept = Mutex::new(Vec::new());
    let restart = || {
        std::thread::sleep(Duration::from_secs(3));
        let mut anew = Vec::new();
        for (at, service) in services.into_iter().enumerate() {
            service.terminate()?;
            let mut service = deployment.run(&name(at), &[])?;
            await_ready(&mut service)?;
            anew.push(service);
            std::thread::sleep(Duration::from_secs(2));
        }
        for service in &mut anew {
            service.alive()?;
        }
        // They run on until the last alert was seen.
        *kept.lock().unwrap_or_else(PoisonError::into_inner) = anew;
        Ok(())
    };
    let samples = live::run(&deployment, load, restart)?;
    Ok(Some(samples))
}
