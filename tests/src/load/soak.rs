//! A long feed with three restarts: memory, descriptors and the state topic watched.
//!
//! The feed waits for the service, so that no more than a bounded backlog is ever on the topic; ticks and bars are
//! deleted by size, as a small disk would want it.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::live::await_ready;
use super::process::{descriptors, megabytes, resident};
use super::scale::{backlog, universe};
use crate::bench::market::{Order, Prints};
use crate::broker::Broker;
use crate::service::{Deployment, Service, count};

const PARTITIONS: i32 = 4;
const SERIES: usize = 30;
/// Ticks of a session; the market of the benchmarks has 247 of them.
const SESSIONS: u64 = 240;
/// At most so many records wait for the service.
const AHEAD: u64 = 4_000_000;
/// A part that takes longer to be read has got stuck.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// What a process had taken at some part of the feed.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Percent of the feed that was read.
    pub percent: u64,
    /// The process; each restart begins another.
    pub process: u32,
    /// Resident bytes.
    pub resident: u64,
    /// Most resident bytes of this process so far.
    pub peak: u64,
    /// Open descriptors.
    pub descriptors: usize,
    /// Bytes of the state topic on disk.
    pub state: u64,
    /// Records a second since the last look, by the clock.
    pub rate: f64,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// Looks at 10, 20, … 100 percent.
    pub looks: Vec<Look>,
    /// After the end, once the cleaner had its time.
    pub compacted: u64,
    /// How long each restart took until the service was ready.
    pub restarts: Vec<Duration>,
    /// Alert events, which are all different and without gaps.
    pub alerts: usize,
}

/// Feeds so many ticks; `None` where there is no broker.
///
/// # Errors
///
/// When the service does not keep up, or an event is repeated or missing.
pub fn run(ticks: u64, mut tell: impl FnMut(&Look)) -> Result<Option<Report>> {
    let Some(broker) = Broker::get() else {
        return Ok(None);
    };
    let deployment = Deployment::new(broker, PARTITIONS, &universe(SERIES))?;
    let [ticks_topic, bars, _, state, ..] = &deployment.topics;
    for topic in [ticks_topic, bars] {
        let bounds = [
            ("retention.bytes", "1000000000"),
            ("segment.bytes", "67108864"),
            // Ticks bear the stamps of their event times, which are long ago.
            ("retention.ms", "-1"),
        ];
        broker.set(topic, &bounds)?;
    }
    let small = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "1048576"),
        ("min.cleanable.dirty.ratio", "0.1"),
    ];
    broker.set(state, &small)?;
    let mut prints = Prints::new(SERIES, Order::Random, ticks.div_ceil(SESSIONS));
    let mut service = deployment.run("soak", &[])?;
    await_ready(&mut service)?;
    let mut report = Report {
        looks: Vec::new(),
        compacted: 0,
        restarts: Vec::new(),
        alerts: 0,
    };
    for percent in (5..=100).step_by(5) {
        let begun = Instant::now();
        let (from, to) = (ticks * (percent - 5) / 100, ticks * percent / 100);
        feed(&deployment, &mut service, &mut prints, from, to)?;
        if percent % 10 == 0 {
            let process = service.id();
            let look = Look {
                percent,
                process,
                resident: resident(process, "VmRSS")?,
                peak: resident(process, "VmHWM")?,
                descriptors: descriptors(process)?,
                state: broker.bytes(state)?,
                rate: (to - from) as f64 / begun.elapsed().as_secs_f64(),
            };
            tell(&look);
            report.looks.push(look);
        }
        if [25, 50, 75].contains(&percent) {
            service.terminate()?;
            let begun = Instant::now();
            service = deployment.run("soak", &[])?;
            await_ready(&mut service)?;
            report.restarts.push(begun.elapsed());
        }
    }
    service.terminate()?;
    report.compacted = settled(broker, state)?;
    report.alerts = check(&deployment)?;
    Ok(Some(report))
}

/// Feeds records `from` to `to`, in pieces that the service keeps up with, and waits until they are read.
fn feed(
    deployment: &Deployment,
    service: &mut Service,
    prints: &mut Prints,
    from: u64,
    to: u64,
) -> Result<()> {
    let mut sent = from;
    while sent < to {
        let piece = (to - sent).min(AHEAD / 4);
        backlog(deployment, prints.by_ref(), piece)?;
        sent += piece;
        await_read(deployment, service, sent.saturating_sub(AHEAD))?;
    }
    await_read(deployment, service, to)
}

fn await_read(deployment: &Deployment, service: &mut Service, records: u64) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while (deployment.sampled()? as u64) < records {
        service.alive()?;
        ensure!(
            Instant::now() < deadline,
            "the service does not keep up; its log ends\n{}",
            service.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Bytes of the state topic, once the cleaner finds no more to remove for a while.
fn settled(broker: &Broker, state: &str) -> Result<u64> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut least, mut since) = (broker.bytes(state)?, Instant::now());
    while since.elapsed() < Duration::from_secs(20) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(500));
        let bytes = broker.bytes(state)?;
        if bytes < least {
            (least, since) = (bytes, Instant::now());
        }
    }
    Ok(least)
}

/// No event twice, and transitions numbered without gaps; returns how many events there are.
fn check(deployment: &Deployment) -> Result<usize> {
    let violations = deployment.violations()?;
    ensure!(violations.is_empty(), "{}", violations.join("\n"));
    Ok(count(&deployment.alerts()?))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| read | resident | most so far | descriptors | state topic | records a second |"
        )?;
        writeln!(f, "| --: | --: | --: | --: | --: | --: |")?;
        for look in &self.looks {
            writeln!(
                f,
                "| {} % | {} | {} | {} | {} | {:.0} |",
                look.percent,
                megabytes(look.resident),
                megabytes(look.peak),
                look.descriptors,
                megabytes(look.state),
                look.rate
            )?;
        }
        writeln!(
            f,
            "\nState topic after compaction: {}. Restarts took {:.1?} until ready. {} alert events, none twice, no gaps.",
            megabytes(self.compacted),
            self.restarts,
            self.alerts
        )
    }
}
