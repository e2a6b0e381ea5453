//! A market for these tests: sessions with a provisional close, then an official one that may say another thing.

use std::process::{Command, Output};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rotation_engine::calendar::Calendar;
use rotation_engine::record::Tick;
use rotation_engine::time::EventTime;
use rotation_tests::broker::Broker;
use rotation_tests::service::{Deployment, binary};
use rotation_tests::workspace;
use rotation_wire::input::{encode_heartbeat, encode_tick};

pub(crate) const PARTITIONS: i32 = 2;
const SESSIONS: usize = 60;

/// Two streaks that are parts of one episode, and a level that is watched tick by tick.
pub(crate) const UNIVERSE: &str = r#"
[universe.us.series]
LEAD = {}
LAG = {}

[universe.us.rules.streak]
kind = "relative_streak"
leader = "LEAD"
laggard = "LAG"
open_at = 2
escalate_at = [3, 4, 5]
escalate_since_years = []

[universe.us.rules.back]
kind = "relative_streak"
leader = "LAG"
laggard = "LEAD"
open_at = 2
escalate_at = [3]
escalate_since_years = []

[universe.us.rules.both]
kind = "confluence"
rules = ["streak", "back"]
open_at = 2
window = 8

[universe.us.rules.hundred]
kind = "level_approach"
clock = "tick"
series = "LEAD"
level = 100.0
from = "below"
near = 1.0
rearm = 2.0
"#;

/// A record of the ticks topic: partition or by key, key, value.
pub(crate) type Sent = (Option<i32>, Vec<u8>, Vec<u8>);

fn tick(symbol: &str, time: EventTime, price: f64, official: bool) -> Sent {
    let tick = Tick {
        time,
        price,
        size: 0.0,
        seq: None,
        official,
    };
    let mut payload = Vec::new();
    encode_tick(&mut payload, symbol, &tick);
    (None, symbol.as_bytes().to_vec(), payload)
}

/// The records of each session, from 2026-01-02 on.
pub(crate) fn sessions(seed: u64) -> Vec<Vec<Sent>> {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let (from, to) = ("2026-01-02".parse().unwrap(), "2026-12-31".parse().unwrap());
    let mut prices = [98.0_f64, 50.0];
    let session = |session: rotation_engine::calendar::Session| {
        let mut sent = Vec::new();
        let mut official = Vec::new();
        for (symbol, price) in ["LEAD", "LAG"].into_iter().zip(&mut prices) {
            let cents = |price: f64| (price * 100.0).round() / 100.0;
            let pull = if *price > 100.0 { -0.004 } else { 0.004 };
            *price = cents(*price * (1.0 + pull + dice.random_range(-0.012..0.012)));
            let last = cents(*price * (1.0 + dice.random_range(-0.004..0.004)));
            let before = session.close.saturating_add(-1_000_000_000);
            sent.push(tick(symbol, before, last, false));
            official.push(tick(symbol, session.close, *price, true));
        }
        let mut heartbeat = Vec::new();
        encode_heartbeat(&mut heartbeat, session.close.saturating_add(60_000_000_000));
        let everywhere = (0..PARTITIONS).map(|at| (Some(at), Vec::new(), heartbeat.clone()));
        sent.extend(everywhere);
        sent.extend(official);
        sent
    };
    let days = Calendar::Xnys.sessions(from, to).take(SESSIONS);
    days.map(session).collect()
}

pub(crate) fn send(deployment: &Deployment, sent: &[Sent], stamp: Option<i64>) {
    let sent = sent
        .iter()
        .map(|(partition, key, value)| (*partition, key, value, stamp));
    deployment
        .broker
        .produce(&deployment.topics[0], sent)
        .unwrap();
}

/// A run of the service over the whole market, ended well.
pub(crate) fn played(broker: &'static Broker) -> Deployment {
    let deployment = Deployment::new(broker, PARTITIONS, UNIVERSE).unwrap();
    let sessions = sessions(3);
    let mut services = [deployment
        .run("one", &["--snapshot-interval", "300ms"])
        .unwrap()];
    for half in sessions.chunks(SESSIONS / 2) {
        send(&deployment, &half.concat(), None);
        deployment.await_done(&mut services).unwrap();
    }
    for invariant in rotation_wire::invariants::Violation::CODES {
        let series = format!("rotation_invariant_violations_total{{invariant=\"{invariant}\"}}");
        assert_eq!(services[0].metric(&series).unwrap(), 0.0, "{invariant}");
    }
    let [service] = services;
    service.terminate().unwrap();
    deployment
}

/// Runs a command to its end: exit code, standard output, standard error.
pub(crate) fn rotation(args: &[&str], input: Option<&[u8]>) -> (i32, String, String) {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = Command::new(binary())
        .args(args)
        .current_dir(workspace::root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.unwrap_or_default()).unwrap();
    drop(stdin);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// The deployment's configuration with some of it replaced, in a file of its own.
pub(crate) fn config_with(deployment: &Deployment, name: &str, changes: &[(&str, &str)]) -> String {
    let mut text = std::fs::read_to_string(deployment.config()).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from} is not in\n{text}");
        text = text.replace(from, to);
    }
    let path = deployment.folder().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}
