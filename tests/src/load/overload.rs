//! More than the service can do at once: a long backlog, a slow sink, a partition that stops.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use rotation_engine::record::Tick;
use rotation_engine::time::EventTime;
use rotation_wire::input::encode_tick;
use rotation_wire::partition::partition_for;

use super::live::await_ready;
use super::process::resident;
use super::scale::{backlog, keep_ticks, universe};
use crate::bench::market::{Order, Prints};
use crate::broker::Broker;
use crate::cluster::Cluster;
use crate::service::{Deployment, Service};

/// Longest wait for a backlog to be read.
const PATIENCE: Duration = Duration::from_secs(3_600);
const PAUSE: Duration = Duration::from_millis(100);

/// How a backlog was caught up.
#[derive(Clone, Copy, Debug)]
pub struct CaughtUp {
    /// Records that were there before the service began.
    pub records: u64,
    /// Records a second, from the start of the process.
    pub rate: f64,
    /// Resident bytes when a tenth was read.
    pub first: u64,
    /// Resident bytes when all was read.
    pub last: u64,
    /// Most resident bytes.
    pub peak: u64,
}

/// Lets a process read a backlog of so many records; `None` where there is no broker.
///
/// # Errors
///
/// When it does not come to the end.
pub fn catch_up(records: u64) -> Result<Option<CaughtUp>> {
    let Some(broker) = Broker::get() else {
        return Ok(None);
    };
    let deployment = Deployment::new(broker, 4, &universe(30))?;
    // The market of the benchmarks has 247 sessions.
    let prints = Prints::new(30, Order::Random, records.div_ceil(240).max(1_000));
    keep_ticks(&deployment)?;
    backlog(&deployment, prints, records)?;
    let begun = Instant::now();
    let mut service = deployment.run("behind", &[])?;
    let first = read(&deployment, &mut service, records / 10)?;
    let last = read(&deployment, &mut service, records)?;
    let rate = records as f64 / begun.elapsed().as_secs_f64();
    let peak = resident(service.id(), "VmHWM")?;
    service.terminate()?;
    Ok(Some(CaughtUp {
        records,
        rate,
        first,
        last,
        peak,
    }))
}

/// Waits until so many records are read; says what is resident then.
fn read(deployment: &Deployment, service: &mut Service, records: u64) -> Result<u64> {
    let deadline = Instant::now() + PATIENCE;
    while (deployment.sampled()? as u64) < records {
        service.alive()?;
        ensure!(Instant::now() < deadline, "{}", service.log());
        std::thread::sleep(PAUSE);
    }
    resident(service.id(), "VmRSS")
}

/// What a slow sink did.
#[derive(Clone, Copy, Debug)]
pub struct Slowed {
    /// Records read while the sink was slow, a second.
    pub slow: f64,
    /// Records read afterwards, a second.
    pub free: f64,
    /// Resident bytes before, and most of all until the end.
    pub resident: [u64; 2],
}

/// A universe that forwards every tick, so that as much goes out as comes in.
fn forwarding() -> String {
    "[universe.all]\ncalendar = \"24x7\"\n[universe.all.series]\nA = {}\nB = {}\n\
     [universe.all.rules.a]\nkind = \"level_approach\"\nclock = \"tick\"\nseries = \"A\"\nlevel = 1000.0\n\
     [universe.all.rules.b]\nkind = \"level_approach\"\nclock = \"tick\"\nseries = \"B\"\nlevel = 1000.0\n"
        .to_owned()
}

/// Slows what the service may send to `pace` bytes a second for some time, with so many records to read; then no more.
///
/// # Errors
///
/// When the process ends, or does not come to the end.
pub fn slow_sink(records: u64, pace: u64, time: Duration) -> Result<Option<Slowed>> {
    let Some(cluster) = Cluster::start()? else {
        return Ok(None);
    };
    let broker = Box::leak(Box::new(cluster.broker()));
    let deployment = Deployment::new(broker, 2, &forwarding())?;
    cluster.await_whole()?;
    let mut service = deployment.run("slowed", &["--brokers", &cluster.outside()])?;
    await_ready(&mut service)?;
    let before = resident(service.id(), "VmRSS")?;
    for proxy in cluster.proxies() {
        proxy.pace(Some(pace / cluster.proxies().len() as u64));
    }
    let start = now()?;
    let messages = (0..records).map(|at| {
        let symbol = if at % 2 == 0 { "A" } else { "B" };
        let time = start.saturating_add(at as i64);
        (
            None,
            symbol,
            tick(symbol, time, 500.0 + (at % 89) as f64),
            None,
        )
    });
    deployment.broker.produce(&deployment.topics[0], messages)?;
    let (begun, read_before) = (Instant::now(), deployment.sampled()?);
    while begun.elapsed() < time {
        service.alive()?;
        std::thread::sleep(PAUSE);
    }
    let read_slow = deployment.sampled()?;
    for proxy in cluster.proxies() {
        proxy.pace(None);
    }
    let freed = Instant::now();
    read(&deployment, &mut service, records)?;
    let after = (records - read_slow as u64) as f64 / freed.elapsed().as_secs_f64();
    let peak = resident(service.id(), "VmHWM")?;
    service.terminate()?;
    Ok(Some(Slowed {
        slow: (read_slow - read_before) as f64 / time.as_secs_f64(),
        free: after,
        resident: [before, peak],
    }))
}

fn now() -> Result<EventTime> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(EventTime::from_nanos(i64::try_from(since.as_nanos())?))
}

fn tick(symbol: &str, time: EventTime, price: f64) -> Vec<u8> {
    let tick = Tick {
        time,
        price,
        size: 0.0,
        seq: None,
        official: false,
    };
    let mut payload = Vec::with_capacity(128);
    encode_tick(&mut payload, symbol, &tick);
    payload
}

/// What others heard while a partition had stopped.
#[derive(Clone, Copy, Debug)]
pub struct Stopped {
    /// Alert events before the partition stopped, and after.
    pub alerts: [usize; 2],
    /// The longest time without an alert after it stopped.
    pub longest: Duration,
}

/// Stops one partition of two for so many seconds, under a `stall_after` of so many; a rule reads members of both.
///
/// # Errors
///
/// When no alert comes at all.
pub fn stopped_partition(stall_after: u64, seconds: u64) -> Result<Option<Stopped>> {
    let Some(broker) = Broker::get() else {
        return Ok(None);
    };
    // Three members on one partition, one on the other.
    let on = |wanted: u32| {
        (0..)
            .map(|at| format!("S{at}"))
            .filter(move |symbol| partition_for(symbol.as_bytes(), 2) == wanted)
    };
    let mut members: Vec<String> = on(0).take(3).collect();
    members.extend(on(1).take(1));
    let series: Vec<String> = members
        .iter()
        .map(|name| format!("{name} = {{}}"))
        .collect();
    let universe = format!(
        "[universe.two]\ncalendar = \"24x7\"\nlateness = \"1s\"\nstall_after = \"{stall_after}s\"\n\
         [universe.two.series]\n{}\n[universe.two.rules.breadth]\nkind = \"breadth\"\nclock = \"1s\"\n\
         measure = \"advance_decline\"\nmembers = {members:?}\nopen_at = 0.5\nclose_at = 0\n",
        series.join("\n")
    );
    let deployment = Deployment::new(broker, 2, &universe)?;
    let mut service = deployment.run("two", &["--idle-after", "1h"])?;
    await_ready(&mut service)?;
    let begun = Instant::now();
    let half = Duration::from_secs(seconds);
    let (mut alerts, mut at_stop, mut longest) = (0, 0, Duration::ZERO);
    let mut last = begun;
    while begun.elapsed() < 2 * half {
        let stopped = begun.elapsed() >= half;
        let second = begun.elapsed().as_secs();
        let price = 100.0 + if second.is_multiple_of(2) { 5.0 } else { 0.0 };
        let spoken = if stopped { &members[..3] } else { &members[..] };
        let time = now()?;
        let messages = spoken
            .iter()
            .map(|symbol| (None, symbol, tick(symbol, time, price), None));
        deployment.broker.produce(&deployment.topics[0], messages)?;
        let seen = deployment.broker.read_stable(&deployment.topics[2])?.len();
        if seen > alerts {
            alerts = seen;
            last = Instant::now();
        }
        if stopped {
            longest = longest.max(last.elapsed());
        } else {
            at_stop = alerts;
            last = Instant::now();
        }
        std::thread::sleep(PAUSE);
    }
    service.alive()?;
    service.terminate()?;
    ensure!(at_stop > 0, "no alert came before the partition stopped");
    let after = alerts.checked_sub(at_stop).context("alerts only come")?;
    Ok(Some(Stopped {
        alerts: [at_stop, after],
        longest,
    }))
}
