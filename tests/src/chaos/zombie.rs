//! A process that is stopped for longer than its session, and then goes on as if nothing had happened.
//!
//! The feed rests when it goes on, and all that was fed is read by then, so there is nothing left to say: every record
//! that a `read_committed` subscriber sees afterwards would be the zombie's own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::feed::{self, Fed, Pieces};
use super::verdict::{Difference, differences};
use super::{PARTITIONS, universes};
use crate::broker::{Broker, Record};
use crate::service::{Deployment, Service};

/// Session and transaction timeout of the processes, in milliseconds.
const SESSION: u64 = 3_000;
/// Longest wait for what should happen.
const PATIENCE: Duration = Duration::from_secs(120);
/// The feed of a round comes in so many parts, so far apart.
const PARTS: usize = 20;
const APART: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(50);

/// How a zombie took it.
#[derive(Debug)]
pub struct Round {
    /// Whether transactions were open on the bars or the state topic while it was stopped.
    pub held_open: bool,
    /// Records that a subscriber saw only after it went on.
    pub wrote: Vec<Record>,
    /// How it ended; none where it joined again.
    pub ended: Option<String>,
    /// What it logged from then on.
    pub said: String,
}

/// Rounds of stopping and going on; then the alert topic against a backtest. `None` where there is no market data.
///
/// # Errors
///
/// When the other process does not take over, or the zombie does nothing at all.
pub fn run(
    broker: &'static Broker,
    rounds: usize,
) -> Result<Option<(Vec<Round>, Vec<Difference>)>> {
    let folder = tempfile::tempdir()?;
    let Some(data) = feed::gather(folder.path(), "2026-07-01")? else {
        return Ok(None);
    };
    let deployment = Deployment::new(broker, PARTITIONS, &universes()?)?;
    let reference = deployment.backtest(&data, &[])?;
    let pieces = Pieces::read(&data, PARTITIONS, &reference)?;
    let start = |instance: &str| {
        let session = format!("session.timeout.ms={SESSION}");
        let transaction = format!("transaction.timeout.ms={SESSION}");
        let heartbeat = "heartbeat.interval.ms=500";
        // A partition that rests must not be told idle: that would be a record, too.
        let args = ["-X", &session, "-X", &transaction, "-X", heartbeat];
        deployment.run(instance, &[&args[..], &["--idle-after", "1h"]].concat())
    };
    let mut steady = start("steady")?;
    let mut zombie = start("zombie")?;
    let mut done = Vec::new();
    for round in 0..rounds {
        await_both(&mut steady, &mut zombie)?;
        let part = |part: usize| pieces.len() * (round * PARTS + part) / (rounds * PARTS);
        for at in 0..PARTS {
            if at == PARTS / 2 {
                zombie.signal("STOP")?;
            }
            pieces.put(&deployment, part(at)..part(at + 1))?;
            std::thread::sleep(APART);
        }
        let held_open = is_open(&deployment)?;
        deployment.await_done(std::slice::from_mut(&mut steady))?;
        let before = visible(&deployment)?;
        let said = zombie.whole_log().len();
        zombie.signal("CONT")?;
        let ended = await_reaction(&mut zombie, said)?;
        let after = visible(&deployment)?;
        let log = zombie.whole_log();
        done.push(Round {
            held_open,
            wrote: after
                .into_iter()
                .filter(|(place, _)| !before.contains_key(place))
                .map(|(_, record)| record)
                .collect(),
            said: log.get(said..).unwrap_or_default().to_owned(),
            ended: ended.clone(),
        });
        if ended.is_some() {
            zombie = start("zombie")?;
        }
    }
    deployment.await_done(&mut [steady, zombie])?;
    let differences = differences(&deployment, &reference, &pieces, &Fed::default())?;
    Ok(Some((done, differences)))
}

/// Waits until both hold partitions and are ready.
fn await_both(steady: &mut Service, zombie: &mut Service) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let held = |service: &mut Service| -> Result<f64> {
        let (status, _) = service.get("/readyz")?;
        let held = service.metric("rotation_assigned_partitions{stage=\"sampler\"}");
        Ok(if status == 200 {
            held.unwrap_or(0.0)
        } else {
            0.0
        })
    };
    while held(steady)? < 1.0 || held(zombie)? < 1.0 {
        ensure!(
            Instant::now() < deadline,
            "partitions are not shared after {PATIENCE:?}; the logs end\n{}\n---\n{}",
            steady.log(),
            zombie.log()
        );
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Whether a transaction is open on what the stages write.
fn is_open(deployment: &Deployment) -> Result<bool> {
    let [_, bars, alerts, state, ..] = &deployment.topics;
    for topic in [bars, alerts, state] {
        if deployment.broker.is_open(topic)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a subscriber sees of bars, alerts and dead letters, by topic, partition and offset.
fn visible(deployment: &Deployment) -> Result<BTreeMap<(&str, i32, i64), Record>> {
    let [_, bars, alerts, _, dead, _] = &deployment.topics;
    let mut records = BTreeMap::new();
    for topic in [bars, alerts, dead] {
        for record in deployment.broker.read_committed(topic)? {
            records.insert((topic.as_str(), record.partition, record.offset), record);
        }
    }
    Ok(records)
}

/// Waits until the zombie has ended, or knows that it lost its partitions and has joined again; says how it ended.
fn await_reaction(zombie: &mut Service, said: usize) -> Result<Option<String>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ended = zombie.ended()?.is_some();
        let log = zombie.whole_log();
        let log = log.get(said..).unwrap_or_default();
        if ended {
            let last = log.lines().last().context("it ended without a word")?;
            return Ok(Some(last.to_owned()));
        }
        let joined = ["sampler", "universe"].iter().all(|stage| {
            let of_stage = |line: &&str| line.contains(&format!("stage=\"{stage}\""));
            let mut lines = log.lines().filter(of_stage);
            lines.any(|line| line.contains("event=Assign"))
        });
        if joined {
            return Ok(None);
        }
        if Instant::now() > deadline {
            bail!("the zombie neither ends nor joins again; it said\n{log}");
        }
        std::thread::sleep(PAUSE);
    }
}
