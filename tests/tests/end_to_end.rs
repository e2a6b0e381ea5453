//! Files through real Kafka and the service, against a backtest of the same files: the same events, once each, whatever
//! happens to the processes meanwhile.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::PathBuf;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rotation_service::files::{self, OpenOptions};
use rotation_service::replay::heartbeats::HeartbeatOptions;
use rotation_service::replay::{Feed, FeedOptions, Route};
use rotation_tests::broker::Broker;
use rotation_tests::service::{Deployment, Events, count};
use rotation_tests::{skipped, workspace};

const PARTITIONS: i32 = 4;

/// The shipped universe.
fn universe() -> String {
    let text = std::fs::read_to_string(workspace::root().join("config/small-caps.toml")).unwrap();
    text[text.find("[universe.us]").unwrap()..].to_owned()
}

/// The folder of daily files.
fn daily() -> Option<PathBuf> {
    let folder = workspace::root().join("../shared/market/daily");
    if folder.is_dir() {
        return Some(folder);
    }
    assert_ne!(
        std::env::var("CI").as_deref(),
        Ok("true"),
        "{} is missing",
        folder.display()
    );
    skipped::skip("no market data beside the repository");
    None
}

/// What a replay of the three files puts on the topic, in its order: partition, key, value.
type Sent = Vec<(Option<i32>, Vec<u8>, Vec<u8>)>;

fn feed(data: &std::path::Path) -> Sent {
    let bond = "US-BOND".parse().unwrap();
    let options = OpenOptions {
        calendars: [("DGS10".to_owned(), bond)].into(),
        ..OpenOptions::default()
    };
    let paths = ["DGS10", "GSPC", "RUT"].map(|symbol| data.join(format!("{symbol}.csv")));
    let sources = paths
        .iter()
        .map(|path| files::open(path, &options).unwrap())
        .collect();
    let heartbeats = HeartbeatOptions {
        calendars: vec!["XNYS".parse().unwrap(), bond],
        ..HeartbeatOptions::default()
    };
    let options = FeedOptions {
        heartbeats: Some(heartbeats),
        ..FeedOptions::default()
    };
    let mut sent = Sent::new();
    for outgoing in Feed::new(files::merge(sources), options) {
        let outgoing = outgoing.unwrap();
        match outgoing.route {
            Route::Key(symbol) => sent.push((None, symbol.as_bytes().to_vec(), outgoing.payload)),
            Route::Any => sent.push((None, Vec::new(), outgoing.payload)),
            Route::Every => {
                sent.extend(
                    (0..PARTITIONS).map(|at| (Some(at), Vec::new(), outgoing.payload.clone())),
                );
            }
        }
    }
    sent
}

fn produce(deployment: &Deployment, sent: &[(Option<i32>, Vec<u8>, Vec<u8>)]) {
    let messages = sent
        .iter()
        .map(|(partition, key, value)| (*partition, key, value, None));
    deployment
        .broker
        .produce(&deployment.topics[0], messages)
        .unwrap();
}

fn assert_same(expected: &Events, got: &Events) {
    for (key, expected) in expected {
        let got = got.get(key).map(Vec::as_slice).unwrap_or_default();
        let differs = expected
            .iter()
            .zip(got)
            .position(|(expected, got)| expected != got);
        if let Some(at) = differs {
            panic!(
                "{key}, event {at}:\nexpected {}\n     got {}",
                expected[at], got[at]
            );
        }
        assert_eq!(got.len(), expected.len(), "{key}: number of events");
    }
    assert_eq!(
        got.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
}

#[test]
fn a_replay_through_kafka_gives_the_events_of_a_backtest() {
    let (Some(data), Some(broker)) = (daily(), Broker::get()) else {
        return;
    };
    let deployment = Deployment::new(broker, PARTITIONS, &universe()).unwrap();
    let expected = deployment.backtest(&data, &[]).unwrap();
    assert!(
        count(&expected) > 400,
        "{} events are too few to test with",
        count(&expected)
    );
    let mut services = [deployment.run("one", &[]).unwrap()];
    let files = ["RUT", "GSPC", "DGS10"].map(|symbol| data.join(format!("{symbol}.csv")));
    let mut args = vec![
        "replay".into(),
        "--config".into(),
        deployment.config().into_os_string(),
        "--quiet".into(),
    ];
    args.extend(files.map(PathBuf::into_os_string));
    deployment.command(args).unwrap();
    deployment.await_done(&mut services).unwrap();
    assert_same(&expected, &deployment.alerts().unwrap());
    let (status, metrics) = services[0].get("/metrics").unwrap();
    assert_eq!(status, 200);
    assert!(
        metrics.contains("rotation_ticks_accepted_total{universe=\"us\"} 35940"),
        "{metrics}"
    );
    assert_eq!(
        services[0].get("/healthz").unwrap(),
        (200, "alive\n".to_owned())
    );
    assert_eq!(
        services[0].get("/readyz").unwrap(),
        (200, "ready\n".to_owned())
    );
    let [service] = services;
    service.terminate().unwrap();
    assert_same(&expected, &deployment.alerts().unwrap());
    assert!(
        broker
            .read_committed(&deployment.topics[4])
            .unwrap()
            .is_empty(),
        "nothing is a dead letter"
    );
}

#[test]
fn ten_kills_lose_nothing_and_repeat_nothing() {
    let (Some(data), Some(broker)) = (daily(), Broker::get()) else {
        return;
    };
    let deployment = Deployment::new(broker, PARTITIONS, &universe()).unwrap();
    let expected = deployment.backtest(&data, &[]).unwrap();
    let sent = feed(&data);
    let seed = std::env::var("ROTATION_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(7_u64);
    println!("seed {seed}");
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let snapshots = ["--snapshot-interval", "500ms"];
    let (mut fed, mut amid) = (0, 0);
    for kill in 0..10 {
        let service = deployment.run("one", &snapshots).unwrap();
        let until = sent.len() * (kill + 1) / 11;
        let (begun, rest) = sent[fed..until].split_at((until - fed) / 2);
        produce(&deployment, begun);
        // It is at work once it has committed some of this; then it dies while more keeps coming.
        deployment.await_sampled(fed, &service).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| produce(&deployment, rest));
            let moment = Duration::from_millis(dice.random_range(0..120));
            std::thread::sleep(moment);
            service.kill().unwrap();
        });
        fed = until;
        let read = deployment.sampled().unwrap();
        println!("kill {}: {read} of {fed} records sampled", kill + 1);
        amid += usize::from(read < fed);
    }
    assert!(
        amid > 0,
        "at least one kill strikes before everything is read"
    );
    let mut services = [deployment.run("one", &snapshots).unwrap()];
    produce(&deployment, &sent[fed..]);
    deployment.await_done(&mut services).unwrap();
    let [service] = services;
    service.terminate().unwrap();
    assert_same(&expected, &deployment.alerts().unwrap());
    // And the audit says so by itself, from the bars log: every event, computed anew.
    let audit = ["audit", "--json", "--config"].map(std::ffi::OsString::from);
    let audit = audit.into_iter().chain([deployment.config().into()]);
    let report: serde_json::Value =
        serde_json::from_str(&deployment.command(audit).unwrap()).unwrap();
    assert_eq!(
        report["recomputed"]["identical"],
        count(&expected),
        "{report:#}"
    );
}

#[test]
fn split_stages_and_more_processes_give_the_same_events() {
    let (Some(data), Some(broker)) = (daily(), Broker::get()) else {
        return;
    };
    let deployment = Deployment::new(broker, PARTITIONS, &universe()).unwrap();
    let expected = deployment.backtest(&data, &[]).unwrap();
    let sent = feed(&data);
    let half = sent.len() / 2;
    // Two processes, a stage each; then four with both, which take over in the middle of the feed.
    let split = [
        deployment.run("sampler", &["--stage", "sampler"]).unwrap(),
        deployment
            .run("universe", &["--stage", "universe"])
            .unwrap(),
    ];
    produce(&deployment, &sent[..half]);
    for service in split {
        service.terminate().unwrap();
    }
    let mut services: Vec<_> = ["a", "b", "c", "d"]
        .iter()
        .map(|name| deployment.run(name, &[]).unwrap())
        .collect();
    produce(&deployment, &sent[half..]);
    deployment.await_done(&mut services).unwrap();
    for service in services {
        service.terminate().unwrap();
    }
    assert_same(&expected, &deployment.alerts().unwrap());
}
