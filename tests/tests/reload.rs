//! Another configuration while the service runs, on a real broker: what comes of it is what a restart would make of it.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use rotation_engine::record::Tick;
use rotation_tests::broker::Broker;
use rotation_tests::service::{self, Deployment, Events, Service};
use rotation_wire::input::{encode_heartbeat, encode_tick};
use std::process::Command;
use std::time::{Duration, Instant};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Nothing is decided by the clock.
const CALM: [&str; 2] = ["--idle-after", "1d"];

fn rule(name: &str, level: f64) -> String {
    format!(
        "[universe.us.rules.{name}]\nkind = \"level_approach\"\nseries = \"A\"\nlevel = {level}\nnear = 1.0\nrearm = 2.0\n"
    )
}

fn universe(rules: &[String]) -> String {
    format!("[universe.us.series]\nA = {{}}\n{}", rules.concat())
}

fn before() -> String {
    universe(&[
        rule("changed", 100.0),
        rule("gone", 100.0),
        rule("kept", 100.0),
    ])
}

fn after() -> String {
    universe(&[
        rule("added", 100.0),
        rule("changed", 100.5),
        rule("kept", 100.0),
        // Armed from its first session on, whichever that is.
        rule("far", 103.0).replace("near = 1.0\nrearm = 2.0", "near = 3.2\nrearm = 4.0"),
    ])
}

/// Sessions' official closes, each with a heartbeat behind it.
fn produce(deployment: &Deployment, closes: &[(&str, f64)]) {
    let mut sent: Vec<(Option<i32>, Vec<u8>, Vec<u8>)> = Vec::new();
    for (date, price) in closes {
        let tick = Tick {
            time: format!("{date}T21:00:00Z").parse().unwrap(),
            price: *price,
            size: 0.0,
            seq: None,
            official: true,
        };
        let mut value = Vec::new();
        encode_tick(&mut value, "A", &tick);
        sent.push((Some(0), b"A".to_vec(), value));
        let mut value = Vec::new();
        encode_heartbeat(&mut value, format!("{date}T21:01:00Z").parse().unwrap());
        sent.push((Some(0), Vec::new(), value));
    }
    let messages = sent
        .iter()
        .map(|(partition, key, value)| (*partition, key, value, None));
    deployment
        .broker
        .produce(&deployment.topics[0], messages)
        .unwrap();
}

const FIRST: [(&str, f64); 3] = [
    ("2026-01-05", 90.0),
    ("2026-01-06", 99.5),
    ("2026-01-07", 99.6),
];
const THEN: [(&str, f64); 3] = [
    ("2026-01-08", 90.0),
    ("2026-01-09", 99.9),
    ("2026-01-12", 90.0),
];

/// A deployment whose first sessions are read, and its process.
fn begun(broker: &'static Broker) -> (Deployment, Service) {
    let deployment = Deployment::new(broker, 1, &before()).unwrap();
    std::fs::write(deployment.folder().join("token"), TOKEN).unwrap();
    put(&deployment, |text| {
        text.replace("[http]\n", "[http]\ntoken_file = \"token\"\n")
    });
    produce(&deployment, &FIRST);
    let mut services = [deployment.run("one", &CALM).unwrap()];
    deployment.await_done(&mut services).unwrap();
    let [service] = services;
    (deployment, service)
}

/// Changes the configuration file.
fn put(deployment: &Deployment, change: impl Fn(&str) -> String) {
    let text = std::fs::read_to_string(deployment.config()).unwrap();
    std::fs::write(deployment.config(), change(&text)).unwrap();
}

fn put_rules(deployment: &Deployment, rules: &str) {
    put(deployment, |text| {
        let head = text.split("[universe.").next().unwrap();
        format!("{head}{rules}")
    });
}

/// Asks for a reload: the status and the text of the answer.
fn ask(service: &mut Service, token: Option<&str>) -> (u16, String) {
    let address = service.address().unwrap();
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent: ureq::Agent = config.build().into();
    let mut request = agent.post(format!("http://{address}/-/reload"));
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let mut answer = request.send_empty().unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), text)
}

/// What the log counts as refused so far, waited for.
fn await_log(service: &Service, text: &str) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !service.whole_log().contains(text) {
        assert!(Instant::now() < deadline, "{text}: {}", service.log());
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// Reads the other sessions, and once more after a kill; the events.
fn finished(deployment: &Deployment, service: Service) -> Events {
    produce(deployment, &THEN);
    let mut services = [service];
    deployment.await_done(&mut services).unwrap();
    let events = deployment.alerts().unwrap();
    services[0].signal("KILL").unwrap();
    let [killed] = services;
    killed.await_end().unwrap();
    let mut services = [deployment.run("one", &CALM).unwrap()];
    produce(deployment, &[("2026-01-13", 90.0)]);
    deployment.await_done(&mut services).unwrap();
    assert_eq!(
        deployment.alerts().unwrap(),
        events,
        "told once, through a kill"
    );
    events
}

/// What a rule decides that was added later does not follow from the whole log, and is not held against it.
fn check_proof(deployment: &Deployment) {
    let config = deployment.config();
    let prove = |args: &[&str]| {
        let mut command = Command::new(service::binary());
        command.args(args).arg("--config").arg(&config);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text)
    };
    let (code, text) = prove(&["audit"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("does not go back to the beginning"), "{text}");
    let (code, text) = prove(&["explain", "us/kept/A/2026-01-09T21:00:00Z/1"]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = prove(&["explain", "us/far/A/2026-01-09T21:00:00Z/1"]);
    let why = "rule far began later than the bars log, its first reading is of 2026-01-08";
    assert!(code == Some(1) && text.contains(why), "{text}");
}

#[test]
fn a_reload_makes_of_the_service_what_a_restart_would() {
    let Some(broker) = Broker::get() else { return };
    let (deployment, mut service) = begun(broker);

    // What is wrong changes nothing, and says why.
    let (status, _) = ask(&mut service, None);
    assert_eq!(status, 401, "without the token");
    put_rules(&deployment, &before().replace("near = 1.0", "near = -1.0"));
    let (status, text) = ask(&mut service, Some(TOKEN));
    assert_eq!(status, 422, "{text}");
    assert!(
        text.contains("near") && text.contains("Nothing was changed"),
        "{text}"
    );
    put_rules(&deployment, &before().replace("A = {}", "A = {}\nB = {}"));
    let (status, text) = ask(&mut service, Some(TOKEN));
    assert_eq!(status, 409, "{text}");
    assert!(
        text.contains("universe us") && text.contains("restart"),
        "{text}"
    );

    put_rules(&deployment, &after());
    let (status, text) = ask(&mut service, Some(TOKEN));
    assert_eq!(status, 200, "{text}");
    assert!(text.starts_with("applied "), "{text}");
    let reloaded = finished(&deployment, service);
    check_proof(&deployment);

    let (deployment, service) = begun(broker);
    put_rules(&deployment, &after());
    service.signal("TERM").unwrap();
    service.await_end().unwrap();
    let restarted = finished(&deployment, deployment.run("one", &CALM).unwrap());
    assert_eq!(reloaded, restarted);

    let (deployment, service) = begun(broker);
    put_rules(&deployment, &after());
    service.signal("HUP").unwrap();
    await_log(&service, "is in force");
    assert_eq!(reloaded, finished(&deployment, service));

    let has = |key: &str, text: &str| reloaded[key].iter().any(|event| event.contains(text));
    assert!(has("us/gone/A", "rule_removed") && has("us/changed/A", "rule_changed"));
    assert!(has("us/kept/A", "retreated"));
    assert!(!has("us/kept/A", "rule_changed") && !has("us/kept/A", "rule_removed"));
    assert!(
        reloaded.contains_key("us/added/A"),
        "it warmed up and opened"
    );
}

/// What was decided after the newest snapshot was decided by the former rules.
#[test]
fn other_rules_after_a_kill_are_refused_with_the_procedure() {
    let Some(broker) = Broker::get() else { return };
    let (deployment, service) = begun(broker);
    produce(&deployment, &THEN[..1]);
    let mut services = [service];
    deployment.await_done(&mut services).unwrap();
    services[0].signal("KILL").unwrap();
    let [killed] = services;
    killed.await_end().unwrap();
    let former = std::fs::read_to_string(deployment.config()).unwrap();
    put_rules(&deployment, &after());
    let (code, log) = deployment.run("one", &CALM).unwrap().await_end().unwrap();
    assert_eq!(code, Some(3), "{log}");
    assert!(
        log.contains("since a process was killed") && log.contains("SIGTERM"),
        "{log}"
    );

    // As it says: once with the former, stopped in order, then with the other.
    std::fs::write(deployment.config(), former).unwrap();
    let mut services = [deployment.run("one", &CALM).unwrap()];
    produce(&deployment, &THEN[1..2]);
    deployment.await_done(&mut services).unwrap();
    let [service] = services;
    service.signal("TERM").unwrap();
    service.await_end().unwrap();
    put_rules(&deployment, &after());
    let mut services = [deployment.run("one", &CALM).unwrap()];
    produce(&deployment, &THEN[2..]);
    deployment.await_done(&mut services).unwrap();
    let events = deployment.alerts().unwrap();
    let ends = |event: &&String| event.contains("rule_removed");
    assert_eq!(events["us/gone/A"].iter().filter(ends).count(), 1);
}
