//! The programs of `examples` on a real broker: each acts on every event once, whatever is on the topic and whenever it
//! is killed, and has the episodes that `rotation audit` has.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rotation_sim::event::Event;
use rotation_sim::scenario::Scenario;
use rotation_tests::broker::{Broker, unique};
use rotation_tests::service::{self, Deployment};
use rotation_tests::{skipped, workspace};
use serde_json::Value;

const PARTITIONS: i32 = 4;

/// A program to start, without its flags.
struct Example {
    name: &'static str,
    command: Vec<OsString>,
}

/// What `make examples` built; recorded as skipped where it is missing.
fn examples() -> Option<Vec<Example>> {
    let named = std::env::var_os("ROTATION_EXAMPLES").map(PathBuf::from);
    let built = named.unwrap_or_else(|| workspace::root().join(".cache/examples"));
    let python = built.join("python/bin/python");
    let classes = built.join("java/classes");
    for needed in [&python, &classes] {
        if !needed.exists() {
            skipped::skip(&format!("no {}: make examples", needed.display()));
            return None;
        }
    }
    let mut path = classes.into_os_string();
    path.push(":");
    path.push(built.join("java/dependency/*"));
    let script = workspace::root().join("examples/python/subscriber.py");
    let java = ["-Xmx64m", "-XX:TieredStopAtLevel=1", "-cp"].map(OsString::from);
    let java = [OsString::from("java")].into_iter().chain(java);
    Some(vec![
        Example {
            name: "python",
            command: vec![python.into(), "-u".into(), script.into()],
        },
        Example {
            name: "java",
            command: java.chain([path, "Subscriber".into()]).collect(),
        },
        Example {
            name: "rust",
            command: vec![service::program("subscriber").into()],
        },
    ])
}

/// A subscriber's group and journal.
struct Subscriber<'a> {
    example: &'a Example,
    deployment: &'a Deployment,
    group: String,
    journal: PathBuf,
}

impl Subscriber<'_> {
    fn start(&self, more: &[&str]) -> Running {
        let [program, args @ ..] = self.example.command.as_slice() else {
            panic!("a command has a program");
        };
        let log = self.journal.with_extension("log");
        let mut child = Command::new(program)
            .args(args)
            .args(["--brokers", self.deployment.broker.bootstrap()])
            .args([
                "--topic",
                &self.deployment.topics[2],
                "--group",
                &self.group,
            ])
            .arg("--journal")
            .arg(&self.journal)
            .args(["-X", "group.instance.id=one"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(
                File::options()
                    .create(true)
                    .append(true)
                    .open(&log)
                    .unwrap(),
            )
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.example.name));
        let out = BufReader::new(child.stdout.take().unwrap());
        Running { child, out, log }
    }

    /// Runs to the end of the topic.
    fn until_end(&self) -> Said {
        self.start(&["--until-end"]).ends()
    }
}

/// What a subscriber printed.
struct Said {
    /// Ids of the events that it acted on.
    acts: Vec<String>,
    /// The episodes that it has, where it came to that.
    episodes: Vec<String>,
}

/// A started subscriber; killed when dropped.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Running {
    /// Waits until it acts. From then on it cannot get further than a pipe holds, since nobody reads.
    fn await_act(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        assert!(line.starts_with("act\t"), "{line:?}\n{}", self.log());
        line
    }

    /// Reads what it prints until it ends; a line that it could not finish does not count.
    fn rest(&mut self) -> Said {
        let mut text = String::new();
        self.out.read_to_string(&mut text).unwrap();
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        let lines = text.lines().map(str::to_owned);
        let (acts, episodes): (Vec<String>, _) = lines.partition(|line| line.starts_with("act\t"));
        Said {
            acts: acts.iter().map(|act| id(act)).collect(),
            episodes,
        }
    }

    fn ends(mut self) -> Said {
        let said = self.rest();
        let status = self.child.wait().unwrap();
        // Java ends with the signal's number, in order as it may be.
        let is_well = status.success() || status.code() == Some(128 + 15);
        assert!(is_well, "{status}:\n{}", self.log());
        said
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status();
        assert!(sent.unwrap().success());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The event's id, in a line that says that it was acted on.
fn id(act: &str) -> String {
    act.split('\t').nth(1).unwrap().to_owned()
}

fn demo() -> String {
    let text = std::fs::read_to_string(workspace::root().join("config/demo.toml")).unwrap();
    text[text.find("[universe.").unwrap()..].to_owned()
}

fn feed(deployment: &Deployment) {
    let mut sent = Vec::new();
    for event in Scenario::great_rotation(42).events() {
        let mut payload = Vec::new();
        event.encode(&mut payload);
        match &event {
            Event::Heartbeat { .. } => sent.extend(
                (0..PARTITIONS)
                    .map(|partition| (Some(partition), String::new(), payload.clone(), None)),
            ),
            _ => sent.push((None, event.symbol().unwrap().to_owned(), payload, None)),
        }
    }
    deployment
        .broker
        .produce(&deployment.topics[0], sent)
        .unwrap();
}

/// A producer of what stands on the topic.
struct Disturber<'a> {
    producer: BaseProducer,
    topic: &'a str,
}

const WAIT: Duration = Duration::from_secs(30);

impl Disturber<'_> {
    /// Puts events on the topic in one transaction.
    fn put(&self, events: &[Value], is_committed: bool) {
        self.producer.begin_transaction().unwrap();
        for event in events {
            let data =
                ["universe", "rule", "subject"].map(|field| event["data"][field].as_str().unwrap());
            let (key, payload) = (data.join("/"), event.to_string());
            let mut record = BaseRecord::to(self.topic).key(&key).payload(&payload);
            while let Err((error, back)) = self.producer.send(record) {
                assert_eq!(
                    error.rdkafka_error_code(),
                    Some(RDKafkaErrorCode::QueueFull)
                );
                self.producer.poll(Duration::from_millis(10));
                record = back;
            }
        }
        self.producer.flush(WAIT).unwrap();
        if is_committed {
            self.producer.commit_transaction(WAIT).unwrap();
        } else {
            self.producer.abort_transaction(WAIT).unwrap();
        }
    }
}

/// The event as if another universe had said it.
fn elsewhere(event: &Value, number: usize) -> Value {
    let name = format!("us-{number}");
    let moved = |value: &Value| {
        let (_, rest) = value.as_str().unwrap().split_once('/').unwrap();
        Value::from(format!("{name}/{rest}"))
    };
    let mut event = event.clone();
    event["id"] = moved(&event["id"]);
    event["source"] = format!(
        "/rotation/{name}/{}",
        event["data"]["rule"].as_str().unwrap()
    )
    .into();
    event["data"]["episode"] = moved(&event["data"]["episode"]);
    event["data"]["universe"] = name.as_str().into();
    event
}

/// Makes the topic one that is hard to read: 100 more universes; then everything in a transaction that is aborted, with
/// a state that never was; then everything once more as it was. Returns what a subscriber should act on.
fn disturb(deployment: &Deployment, events: &[Value]) -> BTreeSet<String> {
    let mut config = deployment.broker.config();
    config.set("transactional.id", unique("disturber"));
    config.set("partitioner", "murmur2_random");
    let disturber = Disturber {
        producer: config.create().unwrap(),
        topic: &deployment.topics[2],
    };
    disturber.producer.init_transactions(WAIT).unwrap();
    let more: Vec<Value> = (1..=100)
        .flat_map(|number| events.iter().map(move |event| elsewhere(event, number)))
        .collect();
    disturber.put(&more, true);
    let mut never = more.clone();
    for event in &mut never {
        event["data"]["transition"] = 99.into();
        event["data"]["state"] = "retracted".into();
    }
    disturber.put(&never, false);
    disturber.put(&[events, more.as_slice()].concat(), true);
    let all = events.iter().chain(&more);
    all.map(|event| event["id"].as_str().unwrap().to_owned())
        .collect()
}

/// What `rotation audit --episodes` prints; violations, which repeats are, are none of this test's.
fn audited(deployment: &Deployment, is_clean: bool) -> Vec<String> {
    let output = Command::new(service::binary())
        .args(["audit", "--episodes", "--config"])
        .arg(deployment.config())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(i32::from(!is_clean)), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Kills it in the middle of its work, and starts it again; then has all of it read again. The episodes that it has.
fn killed(mut subscriber: Subscriber<'_>, all: &BTreeSet<String>) -> Vec<String> {
    let name = subscriber.example.name;
    let mut running = subscriber.start(&[]);
    let mut acts = vec![id(&running.await_act())];
    running.signal("-KILL");
    acts.extend(running.rest().acts);
    drop(running);
    assert!(acts.len() < all.len(), "{name} had done all of it");
    let Said {
        acts: rest,
        episodes,
    } = subscriber.until_end();
    acts.extend(rest);
    let once: BTreeSet<&String> = acts.iter().collect();
    assert_eq!(once.len(), acts.len(), "{name} acted twice on one event");
    // It notes before it acts, so a kill between the two loses one act, and no more.
    let missed: Vec<&String> = all.iter().filter(|id| !once.contains(id)).collect();
    assert!(missed.len() <= 1, "{name} did not act on {missed:?}");
    assert_eq!(
        once.len() + missed.len(),
        all.len(),
        "{name} acted on what never was"
    );
    subscriber.group = unique(name);
    let again = subscriber.until_end();
    assert_eq!(again.acts, Vec::<String>::new(), "{name}");
    assert_eq!(again.episodes, episodes, "{name}");
    episodes
}

/// Stops it in order in the middle of its work, and starts it again: each event once. The episodes that it has.
fn stopped(subscriber: &Subscriber<'_>, all: &BTreeSet<String>) -> Vec<String> {
    let name = subscriber.example.name;
    let mut running = subscriber.start(&[]);
    let mut acts = vec![id(&running.await_act())];
    running.signal("-TERM");
    let said = running.ends();
    acts.extend(said.acts);
    assert!(
        !said.episodes.is_empty() && acts.len() < all.len(),
        "{name}"
    );
    let Said {
        acts: rest,
        episodes,
    } = subscriber.until_end();
    acts.extend(rest);
    acts.sort();
    let all: Vec<String> = all.iter().cloned().collect();
    assert_eq!(acts, all, "{name}");
    episodes
}

#[test]
fn each_has_the_episodes_that_audit_has_and_acts_once() {
    let (Some(examples), Some(broker)) = (examples(), Broker::get()) else {
        return;
    };
    let deployment = Deployment::new(broker, PARTITIONS, &demo()).unwrap();
    feed(&deployment);
    let mut services = [deployment.run("one", &[]).unwrap()];
    deployment.await_done(&mut services).unwrap();
    let [service] = services;
    service.terminate().unwrap();
    let own = audited(&deployment, true);
    let open = own.iter().filter(|line| line.starts_with("open\t"));
    assert!(open.count() > 0 && own.len() > 5, "{own:#?}");
    let events: Vec<Value> = broker
        .read_committed(&deployment.topics[2])
        .unwrap()
        .iter()
        .map(|event| serde_json::from_slice(event.payload.as_ref().unwrap()).unwrap())
        .collect();
    let all = disturb(&deployment, &events);
    let expected = audited(&deployment, false);
    assert_eq!(expected.len(), 101 * own.len());
    assert!(own.iter().all(|line| expected.contains(line)));
    let folder = tempfile::tempdir().unwrap();
    for example in &examples {
        let subscriber = |end: &str| Subscriber {
            example,
            deployment: &deployment,
            group: unique(example.name),
            journal: folder
                .path()
                .join(format!("{}-{end}.journal", example.name)),
        };
        assert_eq!(
            killed(subscriber("killed"), &all),
            expected,
            "{}",
            example.name
        );
        assert_eq!(
            stopped(&subscriber("stopped"), &all),
            expected,
            "{}",
            example.name
        );
    }
}
