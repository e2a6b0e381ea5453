//! The service on a cluster while everything that breaks in the field is broken; then the alert topic against a
//! backtest of the same files, event for event.
//!
//! All randomness comes from a seed: the faults, their order, their lengths. When exactly they strike is up to the
//! machine. The service reaches the brokers through proxies; the feed and whoever watches do not.
//!
//! A fault's time to recover runs from its beginning until both stages have committed everything that was on the topics
//! when it began.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::cluster::Cluster;
use crate::service::{Deployment, count};
use crate::workspace;

mod faults;
mod feed;
mod fleet;
mod progress;
mod verdict;
pub mod zombie;

pub use faults::{KINDS, Kind};
pub use fleet::Ended;
pub use verdict::{Difference, Report, Wrong};

use feed::{Fed, Pieces};
use fleet::Fleet;
use progress::Progress;

/// Partitions of the ticks topic.
const PARTITIONS: i32 = 4;
/// Longest wait for the service to get over a fault.
const RECOVERY: Duration = Duration::from_secs(150);
/// Nothing more comes once nothing has come for so long, everything read.
const QUIET: Duration = Duration::from_secs(3);
/// The rules that speak often.
const RULES: &str = include_str!("chaos/rules.toml");

/// What to do in a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where all randomness comes from.
    pub seed: u64,
    /// How long the faults should take, for the pace of the feed.
    pub length: Duration,
    /// How often each kind of fault strikes.
    pub counts: Vec<(Kind, usize)>,
    /// Number of processes at the start.
    pub processes: usize,
    /// Session and transaction timeout of the service.
    pub session: Duration,
    /// First date of the intraday files.
    pub since: &'static str,
}

/// A fault that has struck.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// From then until everything that was there was committed; none where that was not awaited.
    pub recovered: Option<Duration>,
}

/// Milliseconds since 1970, as the brokers stamp records.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or_default()
}

/// What a fault acts on.
struct Scene<'a> {
    cluster: &'a mut Cluster,
    fleet: &'a Fleet<'a>,
    progress: &'a Progress,
    fed: &'a Fed,
    dice: ChaCha8Rng,
    session: Duration,
    added: usize,
    faults: Vec<Fault>,
}

/// Runs the plan, telling `tell` what happens; `None` where Apache Kafka or the market data is missing.
///
/// # Errors
///
/// When the service does not get over a fault, or what the run stands on fails.
pub fn run(plan: &Plan, mut tell: impl FnMut(&str)) -> Result<Option<Report>> {
    let folder = tempfile::tempdir()?;
    let Some(data) = feed::gather(folder.path(), plan.since)? else {
        return Ok(None);
    };
    let Some(mut cluster) = Cluster::start()? else {
        return Ok(None);
    };
    tell("the cluster runs");
    let broker = Box::leak(Box::new(cluster.broker()));
    let deployment = Deployment::new(broker, PARTITIONS, &universes()?)?;
    cluster.await_whole()?;
    let reference = deployment.backtest(&data, &[])?;
    let pieces = Pieces::read(&data, PARTITIONS, &reference)?;
    let fleet = Fleet::new(&deployment, arguments(plan, &cluster.outside()));
    for at in 0..plan.processes {
        fleet.add(&format!("process-{at}"))?;
    }
    tell(&format!(
        "{} records to come, and {} alert events of them; seed {}",
        pieces.len(),
        count(&reference),
        plan.seed
    ));
    let begun = Instant::now();
    let faults = work(plan, &deployment, &mut cluster, &fleet, &pieces, &mut tell);
    let (faults, fed) = match faults {
        Ok(done) => done,
        Err(error) => {
            let logs = fleet.logs();
            let kept = keep_logs(deployment.folder())?;
            return Err(error).with_context(|| {
                format!("whole logs are in {}; they end\n{logs}", kept.display())
            });
        }
    };
    let took = begun.elapsed();
    fleet.finish()?;
    let mut ended = fleet.ended();
    keep_first_lines(&mut ended);
    Ok(Some(Report {
        seed: plan.seed,
        took,
        counts: [pieces.len(), count(&reference), plan.processes],
        faults,
        ended,
        differences: verdict::differences(&deployment, &reference, &pieces, &fed)?,
        violations: deployment.violations()?,
        no_disks: cluster.disks().map(str::to_owned),
    }))
}

/// The universe that is shipped, and the one that speaks often.
fn universes() -> Result<String> {
    let shipped = workspace::root().join("config/small-caps.toml");
    let text = std::fs::read_to_string(shipped)?;
    let begin = text.find("[universe.us]").context("no universe `us`")?;
    Ok(format!("{}\n{RULES}", &text[begin..]))
}

fn arguments(plan: &Plan, brokers: &str) -> Vec<String> {
    let session = plan.session.as_millis();
    let mut arguments = vec!["--brokers".to_owned(), brokers.to_owned()];
    for property in [
        format!("session.timeout.ms={session}"),
        format!("heartbeat.interval.ms={}", session / 6),
        format!("transaction.timeout.ms={session}"),
    ] {
        arguments.extend(["-X".to_owned(), property]);
    }
    arguments.extend(["--snapshot-interval", "5s"].map(str::to_owned));
    arguments
}

/// Feeds, watches, supervises and breaks, all at once, until everything is read.
fn work(
    plan: &Plan,
    deployment: &Deployment,
    cluster: &mut Cluster,
    fleet: &Fleet<'_>,
    pieces: &Pieces,
    tell: &mut impl FnMut(&str),
) -> Result<(Vec<Fault>, Arc<Fed>)> {
    let (progress, fed) = (Progress::default(), Arc::new(Fed::default()));
    let stop = AtomicBool::new(false);
    let faults = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| progress.watch(deployment, &stop));
        let supervisor = scope.spawn(|| fleet.supervise(&stop));
        let (config, topic) = (deployment.broker.config(), &deployment.topics[0]);
        let feeder = scope.spawn(|| feed::send(config, topic, pieces, plan.length, &fed, &stop));
        let mut scene = Scene {
            cluster,
            fleet,
            progress: &progress,
            fed: &fed,
            dice: ChaCha8Rng::seed_from_u64(plan.seed),
            session: plan.session,
            added: 0,
            faults: Vec::new(),
        };
        let watched = || watcher.is_finished() || supervisor.is_finished();
        let done = scene.play(plan, &watched, tell).and_then(|()| {
            fed.allow(1.0);
            scene.settle(&watched)
        });
        stop.store(true, Ordering::SeqCst);
        let threads = [
            ("watching", watcher),
            ("supervising", supervisor),
            ("feeding", feeder),
        ];
        let joined = threads.map(|(what, thread)| match thread.join() {
            Ok(result) => result.with_context(|| format!("{what} failed")),
            Err(_) => bail!("{what} panicked"),
        });
        // Why all was stopped says more than how the rest took it.
        done?;
        joined.into_iter().collect::<Result<()>>()?;
        anyhow::Ok(scene.faults)
    })?;
    Ok((faults, fed))
}

impl Scene<'_> {
    fn play(
        &mut self,
        plan: &Plan,
        broken: &dyn Fn() -> bool,
        tell: &mut impl FnMut(&str),
    ) -> Result<()> {
        let mut counts = plan.counts.clone();
        if self.cluster.disks().is_some() {
            counts.retain(|(kind, _)| *kind != Kind::FillDisk);
        }
        let order = faults::order(&counts, &mut self.dice);
        // Before the first fault everything works.
        self.fed.allow(1.0 / (order.len() + 1) as f64);
        self.await_alerts(broken)?;
        let begun = Instant::now();
        for (number, kind) in order.iter().copied().enumerate() {
            self.fed
                .allow((number + 1) as f64 / (order.len() + 1) as f64);
            let (at, since) = (now_ms(), Instant::now());
            let mark = self.progress.mark(self.fed.ends());
            let place = self.faults.len();
            self.faults.push(Fault {
                kind,
                at,
                recovered: None,
            });
            self.strike(kind)?;
            let struck = since.elapsed();
            self.await_passed(&mark, broken)
                .with_context(|| format!("after fault {}, {kind:?}", number + 1))?;
            let took = since.elapsed();
            self.faults[place].recovered = Some(took);
            tell(&format!(
                "{:6.1} s  {:3} of {}: {kind:?}, done after {:.1} s, recovered after {:.1} s; {} alerts",
                begun.elapsed().as_secs_f64(),
                number + 1,
                order.len(),
                struck.as_secs_f64(),
                took.as_secs_f64(),
                self.progress.alerts(),
            ));
            let pause = self.dice.random_range(0..1_000);
            std::thread::sleep(Duration::from_millis(pause));
        }
        Ok(())
    }

    /// Counts a fault within another, whose recovery is the other's.
    fn count_aside(&mut self, kind: Kind) {
        self.faults.push(Fault {
            kind,
            at: now_ms(),
            recovered: None,
        });
    }

    fn await_alerts(&self, broken: &dyn Fn() -> bool) -> Result<()> {
        self.wait("no alert comes", broken, || self.progress.alerts() > 0)
    }

    fn await_passed(&self, mark: &progress::Mark, broken: &dyn Fn() -> bool) -> Result<()> {
        self.wait("not everything is committed", broken, || {
            self.progress.passed(mark)
        })
    }

    /// Waits until everything was sent, read and decided.
    fn settle(&self, broken: &dyn Fn() -> bool) -> Result<()> {
        self.wait("the feed does not end", broken, || self.fed.done())?;
        self.wait("not everything is read", broken, || {
            let mark = self.progress.mark(self.fed.ends());
            self.progress.passed(&mark) && self.progress.quiet(QUIET)
        })
    }

    fn wait(&self, what: &str, broken: &dyn Fn() -> bool, holds: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + RECOVERY;
        while !holds() {
            ensure!(!broken(), "{what}, and what watches has ended");
            ensure!(
                Instant::now() < deadline,
                "{what} after {RECOVERY:?}: {}",
                self.progress.describe()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// Copies the logs of all processes to where they outlive the run.
fn keep_logs(folder: &Path) -> Result<PathBuf> {
    let kept = workspace::root().join(format!("target/chaos-logs/{}", now_ms()));
    std::fs::create_dir_all(&kept)?;
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|ending| ending == "log") {
            std::fs::copy(&path, kept.join(path.file_name().unwrap_or_default()))?;
        }
    }
    Ok(kept)
}

/// What a process said at its end is at the end of its log.
fn keep_first_lines(ended: &mut [Ended]) {
    const LINES: usize = 12;
    for end in ended {
        let lines: Vec<&str> = end.log.lines().collect();
        let status = lines.first().copied().unwrap_or_default();
        let last = &lines[lines.len().saturating_sub(LINES).max(1)..];
        end.log = format!("{status}\n{}", last.join("\n"));
    }
}

/// The shipped plan of a long run: at least 100 kills of processes and 20 of brokers, in under 40 minutes.
#[must_use]
pub fn long(seed: u64) -> Plan {
    Plan {
        seed,
        length: Duration::from_secs(30 * 60),
        counts: vec![
            (Kind::KillProcess, 100),
            (Kind::StopProcess, 12),
            (Kind::AddProcess, 8),
            (Kind::RemoveProcess, 8),
            (Kind::KillBroker, 20),
            (Kind::FreezeBroker, 8),
            (Kind::MoveLeaders, 12),
            (Kind::Cut, 12),
            (Kind::Refuse, 8),
            (Kind::Stall, 8),
            (Kind::FillDisk, 4),
        ],
        processes: 4,
        session: Duration::from_secs(6),
        since: "2024-03-11",
    }
}

/// Few faults of each kind: some minutes.
#[must_use]
pub fn short(seed: u64) -> Plan {
    Plan {
        length: Duration::from_secs(100),
        counts: KINDS
            .iter()
            .map(|&(kind, _)| match kind {
                Kind::KillProcess => (kind, 4),
                Kind::KillBroker => (kind, 2),
                _ => (kind, 1),
            })
            .collect(),
        processes: 3,
        since: "2026-05-01",
        ..long(seed)
    }
}
