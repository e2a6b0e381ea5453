//! What the page shows, of real runs on real Kafka: the same in every process of a group, by its own document.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rotation_tests::broker::Broker;
use rotation_tests::service::{Deployment, Service};
use rotation_tests::{skipped, workspace};
use serde_json::{Value, json};

/// Longest wait for something to be shown.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(50);

const UNIVERSE: &str = r#"
[universe.us]
calendar = "24x7"
lateness = "1s"

[universe.us.series]
A = {}
B = {}

[universe.us.rules.level]
kind = "level_approach"
clock = "tick"
series = "A"
level = 100.0
from = "below"
near = 5.0
rearm = 10.0
severity = { opened = "warning" }

[universe.us.rules.other-level]
kind = "level_approach"
clock = "tick"
series = "B"
level = 100.0
from = "below"
near = 5.0
rearm = 10.0
"#;

/// Ticks that open and end an episode of each rule, so many times; `from` counts on from those before.
fn feed(deployment: &Deployment, from: u32, times: u32) {
    let ticks = (from..from + times).flat_map(|round| {
        [80.0, 96.0, 97.0, 80.0]
            .into_iter()
            .enumerate()
            .flat_map(move |(step, price)| {
                ["A", "B"].map(|symbol| {
                    let second = 20 * round + 5 * u32::try_from(step).unwrap();
                    let time = format!(
                        "2026-01-05T{:02}:{:02}:{:02}Z",
                        second / 3600,
                        second / 60 % 60,
                        second % 60
                    );
                    let tick = json!({ "symbol": symbol, "time": time, "price": price });
                    (None, symbol, tick.to_string(), None)
                })
            })
    });
    let ticks: Vec<_> = ticks.collect();
    deployment
        .broker
        .produce(&deployment.topics[0], ticks)
        .unwrap();
}

fn ask(service: &mut Service, path: &str) -> Value {
    let (status, text) = service.get(&format!("/api/v1{path}")).unwrap();
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// Waits until a process has read the topics to these ends, and shows so many episodes.
fn await_shown(service: &mut Service, episodes: usize) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let shown = ask(service, "/episodes")["total"].as_u64().unwrap();
        if shown >= episodes as u64 && ask(service, "/now")["caught_up"] == true {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{shown} of {episodes} are shown\n{}",
            service.log()
        );
        service.alive().unwrap();
        std::thread::sleep(PAUSE);
    }
}

/// What a process shows, without what is its own: its name and its clock.
fn shown(service: &mut Service) -> BTreeMap<String, Value> {
    let mut now = ask(service, "/now");
    for own in ["instance", "now"] {
        now[own].take();
    }
    for universe in now["universes"].as_array_mut().unwrap() {
        universe["lag_seconds"].take();
    }
    let mut all = BTreeMap::from([("/now".to_owned(), now)]);
    let episodes = ask(service, "/episodes");
    let newest = episodes["episodes"][0]["episode"]
        .as_str()
        .unwrap()
        .to_owned();
    all.insert("/episodes".to_owned(), episodes);
    for path in [
        "/rules",
        "/map",
        "/regime",
        "/readings?universe=us&rule=level",
        &format!("/episode?id={newest}"),
    ] {
        all.insert(path.to_owned(), ask(service, path));
    }
    all
}

/// A client of the stream.
struct Client {
    lines: BufReader<TcpStream>,
    last: String,
}

/// An alert or a reading, by what tells it from others.
type Heard = String;

impl Client {
    fn connect(service: &mut Service, last: Option<&str>) -> Client {
        let address = service.address().unwrap();
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let last_id = last.map_or(String::new(), |last| format!("Last-Event-ID: {last}\r\n"));
        let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\n{last_id}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        Client {
            lines: BufReader::new(stream),
            last: last.unwrap_or_default().to_owned(),
        }
    }

    /// The next event's name and data.
    fn next(&mut self) -> (String, Value) {
        let (mut event, mut data, mut id) = (None, Value::Null, None);
        loop {
            let mut line = String::new();
            assert!(
                self.lines.read_line(&mut line).unwrap() > 0,
                "the stream has ended"
            );
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => event = Some(name.to_owned()),
                Some(("id", text)) => id = Some(text.to_owned()),
                Some(("data", text)) => data = serde_json::from_str(text).unwrap(),
                _ => {}
            }
            if line == "\n"
                && let Some(event) = event.take()
            {
                self.last = id.take().unwrap_or(self.last.clone());
                return (event, data);
            }
        }
    }

    /// Alerts and readings until so many alerts were heard.
    fn hear(&mut self, alerts: usize) -> Vec<Heard> {
        let (mut heard, mut missing) = (Vec::new(), alerts);
        while missing > 0 {
            let (event, data) = self.next();
            assert_ne!(event, "reset", "after {heard:?}");
            match event.as_str() {
                "alert" => {
                    missing -= 1;
                    heard.push(data["event"]["id"].as_str().unwrap().to_owned());
                }
                "reading" => heard.push(format!(
                    "{} {} {}",
                    data["rule"], data["as_of"], data["open"]
                )),
                _ => {}
            }
        }
        heard
    }
}

#[test]
fn every_process_of_a_group_shows_the_same_and_a_stream_goes_on_at_another() {
    let Some(broker) = Broker::get() else { return };
    let deployment = Deployment::new(broker, 2, UNIVERSE).unwrap();
    // One process decides; the other, which samples only, owns no universe and shows the same.
    let mut one = deployment.run("one", &["--stage", "universe"]).unwrap();
    let mut other = deployment.run("other", &["--stage", "sampler"]).unwrap();
    await_shown(&mut one, 0);
    await_shown(&mut other, 0);
    let mut client = Client::connect(&mut one, None);
    let mut whole = Client::connect(&mut other, None);
    for client in [&mut client, &mut whole] {
        assert_eq!(client.next().0, "caught_up");
    }

    // Two rules, and each round opens and ends an episode of either.
    feed(&deployment, 0, 3);
    let mut heard = client.hear(5);
    let last = client.last.clone();
    drop(client);
    feed(&deployment, 3, 3);
    let mut services = [one, other];
    deployment.await_done(&mut services).unwrap();
    let events: usize = deployment.alerts().unwrap().values().map(Vec::len).sum();
    assert!(events >= 20, "{events}");

    let mut resumed = Client::connect(&mut services[1], Some(&last));
    heard.extend(resumed.hear(events - 5));
    let mut expected = whole.hear(events);
    // Behind the last alert readings may stand, which only one of the two was asked for.
    let ids = |all: &[Heard]| {
        all.iter()
            .filter(|it| it.starts_with("us/"))
            .cloned()
            .collect::<Vec<_>>()
    };
    let sorted = |mut all: Vec<Heard>| {
        all.sort();
        all
    };
    assert_eq!(sorted(ids(&heard)), sorted(ids(&expected)));
    heard.sort();
    let all = heard.len();
    heard.dedup();
    assert_eq!(heard.len(), all, "something was told twice");
    expected.sort();

    let episodes = ask(&mut services[0], "/episodes")["total"]
        .as_u64()
        .unwrap();
    let [one, other] = &mut services;
    let deadline = Instant::now() + PATIENCE;
    // Each reads the topics at its own pace.
    while ask(one, "/now")["position"] != ask(other, "/now")["position"] {
        assert!(Instant::now() < deadline, "{}\n{}", one.log(), other.log());
        std::thread::sleep(PAUSE);
    }
    assert!(episodes >= 10, "{episodes}");
    let (left, right) = (shown(one), shown(other));
    for (path, answer) in &left {
        assert_eq!(answer, &right[path], "{path}");
    }
    for service in services {
        service.terminate().unwrap();
    }
}

#[test]
fn what_cannot_be_read_is_told_and_read_once_it_can() {
    let Some(broker) = Broker::get() else { return };
    let deployment = Deployment::new(broker, 2, UNIVERSE).unwrap();
    let readings = format!("{}.later", deployment.topics[5]);
    let config = std::fs::read_to_string(deployment.config()).unwrap();
    let named = format!("readings = \"{}\"", deployment.topics[5]);
    let config = config.replace(&named, &format!("readings = \"{readings}\""));
    let file = deployment.folder().join("later.toml");
    std::fs::write(&file, config).unwrap();
    let none_of_ours = [(None, "k", "{}", None), (None, "k", "", None)];
    broker.produce(&deployment.topics[2], none_of_ours).unwrap();
    let mut service = deployment
        .run_with(&file, "one", &["--stage", "sampler"], &[])
        .unwrap();
    await_shown(&mut service, 0);
    let missing = format!("topic \"{readings}\" does not exist: what it would say is not shown");
    assert_eq!(ask(&mut service, "/now")["notes"], json!([missing]));

    broker.create_topics(&[(&readings, 2, &[])]).unwrap();
    let horizon =
        r#"{"type":"horizon","universe":"us","horizon":"2026-01-05T00:00:00Z","sources":[]}"#;
    broker
        .produce(&readings, [(None, "us", horizon, None)])
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    while ask(&mut service, "/now")["universes"][0]["horizon"] != "2026-01-05T00:00:00Z" {
        assert!(Instant::now() < deadline, "{}", service.log());
        std::thread::sleep(PAUSE);
    }
    assert_eq!(ask(&mut service, "/now")["notes"], json!([]));
    let malformed = "rotation_view_malformed_total{topic=\"alerts\"}";
    assert_eq!(service.metric(malformed).unwrap(), 2.0);
    let log = service.whole_log();
    assert_eq!(log.matches("none of ours").count(), 1, "{log}");
    service.terminate().unwrap();
}

/// The interpreter with the packages of `tests/python/requirements.txt`; `None` without them.
fn python() -> Option<PathBuf> {
    let named = env::var_os("ROTATION_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| workspace::root().join(".cache/python/bin/python"));
    if python.is_file() {
        return Some(python);
    }
    skipped::skip(&format!("no {}: make python", python.display()));
    None
}

#[test]
fn a_fuzzer_of_the_document_finds_nothing() {
    let (Some(python), Some(broker)) = (python(), Broker::get()) else {
        return;
    };
    let deployment = Deployment::new(broker, 2, UNIVERSE).unwrap();
    let token = "0123456789abcdef0123456789abcdef";
    let file = deployment.folder().join("token");
    std::fs::write(&file, token).unwrap();
    let mut service = deployment
        .run("one", &["--token-file", file.to_str().unwrap()])
        .unwrap();
    feed(&deployment, 0, 3);
    let mut services = [service];
    deployment.await_done(&mut services).unwrap();
    [service] = services;
    let deadline = Instant::now() + PATIENCE;
    let shown = |service: &mut Service| {
        let (status, text) = service.get_with("/api/v1/episodes", Some(token)).unwrap();
        assert_eq!(status, 200, "{text}");
        serde_json::from_str::<Value>(&text).unwrap()["total"]
            .as_u64()
            .unwrap()
    };
    while shown(&mut service) < 6 {
        assert!(Instant::now() < deadline, "{}", service.log());
        std::thread::sleep(PAUSE);
    }

    let address = service.address().unwrap();
    let output = Command::new(python)
        .args(["-m", "schemathesis.cli", "--no-color", "run"])
        .arg(format!("http://{address}/api/v1/openapi.json"))
        .args(["--header", &format!("Authorization:Bearer {token}")])
        // A stream has no end.
        .args(["--exclude-path", "/api/v1/events"])
        .args([
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            "30",
        ])
        .args([
            "--checks",
            "all",
            "--continue-on-failure",
            "--seed",
            "1",
            "--warnings",
            "off",
        ])
        .current_dir(deployment.folder())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        service.log()
    );
    assert!(
        text.contains("Tested: 8"),
        "every resource but the stream and the document itself:\n{text}"
    );
    service.terminate().unwrap();
}

#[test]
fn a_cluster_that_does_not_answer_is_told_and_so_is_its_end() {
    let Some(broker) = Broker::start().unwrap() else {
        return;
    };
    // A deployment is made on a broker for the whole run; this one is stopped with the process.
    let broker: &'static Broker = Box::leak(Box::new(broker));
    let deployment = Deployment::new(broker, 1, UNIVERSE).unwrap();
    let mut service = deployment.run("one", &[]).unwrap();
    service.await_ready().unwrap();
    await_shown(&mut service, 0);
    let away = json!(["Kafka does not answer: what is shown is from before"]);
    for (frozen, notes) in [(true, &away), (false, &json!([]))] {
        broker.freeze(frozen).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while ask(&mut service, "/now")["notes"] != *notes {
            assert!(Instant::now() < deadline, "{}", service.log());
            std::thread::sleep(PAUSE);
        }
    }
    service.terminate().unwrap();
}
