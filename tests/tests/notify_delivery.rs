//! `rotation notify` over a real alert topic, to targets that drop, delay, refuse and cut off; and killed at any moment.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rotation_engine::alert::{Alert, Severity, State};
use rotation_tests::broker::{Broker, Record};
use rotation_tests::hooks::{Answer, Hooks, Request};
use rotation_tests::notify::{UNIVERSE, event};
use rotation_tests::service::Deployment;

const PATIENCE: Duration = Duration::from_secs(90);

/// Openings of so many episodes; their ids.
fn openings(prefix: &str, count: usize) -> (Vec<Alert>, Vec<String>) {
    let one = |at| {
        event(
            &format!("{prefix}-{at:03}"),
            1,
            State::Opened,
            Severity::Warning,
        )
    };
    let alerts: Vec<Alert> = (0..count).map(one).collect();
    let ids = alerts.iter().map(|alert| alert.id.clone()).collect();
    (alerts, ids)
}

/// A webhook target with short pauses.
fn webhook(name: &str, url: &str, more: &str) -> String {
    format!(
        "[notify.targets.{name}]\ntype = \"webhook\"\nurl = \"{url}\"\nretry_min = \"20ms\"\nretry_max = \"100ms\"\n\
         timeout = \"500ms\"\n{more}\n"
    )
}

fn ids(requests: &[Request]) -> Vec<String> {
    requests
        .iter()
        .map(|request| request.header("webhook-id").to_owned())
        .collect()
}

fn header(record: &Record, name: &str) -> String {
    let found = record.headers.iter().find(|(header, _)| header == name);
    String::from_utf8(found.unwrap().1.clone().unwrap()).unwrap()
}

#[test]
fn trouble_at_a_target_delays_it_alone_and_loses_nothing() {
    let Some(broker) = Broker::get() else { return };
    let hooks = Hooks::start().unwrap();
    let deployment = Deployment::new(broker, 1, UNIVERSE).unwrap();
    let section = [
        webhook("bad", &hooks.url("/bad"), ""),
        webhook("dead", &hooks.url("/dead"), "give_up_after = \"30d\""),
        webhook("good", &hooks.url("/good"), ""),
        webhook("brief", &hooks.url("/brief"), "give_up_after = \"1s\""),
        "[[notify.routes]]\ntargets = [\"bad\", \"dead\", \"good\", \"brief\"]\n".to_owned(),
    ];
    let config = deployment.with_notify(&section.concat()).unwrap();
    let status = |status, headers| Answer::Status(status, headers);
    let wait = || vec![("retry-after", "0".to_owned())];
    hooks.script(
        "/bad",
        [
            Answer::Ok,
            status(500, vec![]),
            Answer::Drop,
            Answer::Ok,
            status(429, wait()),
            status(503, wait()),
            Answer::Cut,
            Answer::Ok,
            status(400, vec![]),
            Answer::Delay(Duration::from_millis(700)),
            status(408, vec![]),
            Answer::Endless,
            status(302, vec![("location", hooks.url("/good"))]),
        ],
    );
    hooks.always("/dead", Answer::Drop);
    hooks.always("/brief", status(500, vec![]));
    let (alerts, expected) = openings("e", 10);
    let mut notifier = deployment
        .notify(&config, "one", &["--begin", "oldest"])
        .unwrap();
    notifier.await_ready().unwrap();
    deployment.publish(alerts[..6].to_vec()).unwrap();
    hooks.await_taken("/good", 6, PATIENCE).unwrap();
    deployment.publish(alerts[6..].to_vec()).unwrap();
    let good = hooks.await_taken("/good", 10, PATIENCE).unwrap();
    let by_key: BTreeSet<String> = ids(&good).into_iter().collect();
    assert_eq!(
        by_key,
        expected.iter().cloned().collect(),
        "each once, all of them"
    );
    assert_eq!(good.len(), 10);

    // In the order of the topic, each repeated until it was taken; 400 and 302 are refusals and not repeated.
    let bad = hooks
        .await_that("/bad", PATIENCE, |found| found.len() >= 17)
        .unwrap();
    let mut tried = ids(&bad);
    tried.dedup();
    assert_eq!(tried, ids(&good), "{bad:#?}");
    let refused: Vec<String> = bad
        .iter()
        .filter(|request| matches!(request.answer, Answer::Status(400 | 302, _)))
        .map(|request| request.header("webhook-id").to_owned())
        .collect();

    // What was refused, and what was given up, is among the dead letters, with the reason.
    let dead = await_letters(&deployment, 12);
    let mut letters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for letter in &dead {
        let id = serde_json::from_slice::<serde_json::Value>(letter.payload.as_ref().unwrap())
            .unwrap()["id"]
            .clone();
        let target = header(letter, "rotation.notify.target");
        assert_eq!(header(letter, "rotation.error.code"), "undelivered");
        assert_eq!(header(letter, "rotation.error.topic"), deployment.topics[2]);
        let why = header(letter, "rotation.error.message");
        let expected = if target == "brief" {
            "HTTP 500: no"
        } else {
            "HTTP "
        };
        assert!(why.starts_with(expected), "{target}: {why}");
        letters
            .entry(target)
            .or_default()
            .push(id.as_str().unwrap().to_owned());
    }
    assert_eq!(letters["bad"], refused);
    let brief: BTreeSet<String> = letters["brief"].iter().cloned().collect();
    assert_eq!((brief, letters["brief"].len()), (by_key, 10));

    // The one that is down has taken nothing: the group's offset has not moved, and the others are not told again.
    let committed = broker
        .committed(&deployment.group("notify"), &deployment.topics[2])
        .unwrap();
    assert!(
        committed.values().all(|offset| *offset == 0),
        "{committed:?}"
    );
    let dead_letters = "rotation_notify_dead_letters_total{target=\"brief\"}";
    assert_eq!(notifier.metric(dead_letters).unwrap(), 10.0);
    notifier.kill().unwrap();
    hooks.always("/dead", Answer::Ok);
    let mut notifier = deployment.notify(&config, "one", &[]).unwrap();
    notifier.await_ready().unwrap();
    let dead = hooks.await_taken("/dead", 10, PATIENCE).unwrap();
    let taken: Vec<Request> = dead.into_iter().filter(Request::is_taken).collect();
    assert_eq!(ids(&taken).into_iter().collect::<BTreeSet<_>>().len(), 10);
    notifier.terminate().unwrap();
    let committed = broker
        .committed(&deployment.group("notify"), &deployment.topics[2])
        .unwrap();
    assert_eq!(committed.values().sum::<i64>(), 10, "{committed:?}");
    assert_eq!(
        (hooks.requests("/good").len(), hooks.requests("/bad").len()),
        (10, 17)
    );
}

/// The dead letters, once there are so many.
fn await_letters(deployment: &Deployment, count: usize) -> Vec<Record> {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let letters = deployment
            .broker
            .read_committed(&deployment.topics[4])
            .unwrap();
        if letters.len() >= count {
            assert_eq!(letters.len(), count);
            return letters;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "{} dead letters",
            letters.len()
        );
    }
}

#[test]
fn a_notifier_that_is_killed_again_and_again_loses_nothing_and_repeats_ids_alone() {
    const EVENTS: usize = 60;
    const KILLS: usize = 4;
    let Some(broker) = Broker::get() else { return };
    let hooks = Hooks::start().unwrap();
    let deployment = Deployment::new(broker, 1, UNIVERSE).unwrap();
    let url = deployment.folder().join("chat-url");
    std::fs::write(&url, hooks.url("/chat")).unwrap();
    let section = [
        webhook("hook", &hooks.url("/hook"), ""),
        format!(
            "[notify.targets.chat]\ntype = \"slack\"\nurl = {{ file = {url:?} }}\nretry_min = \"20ms\"\n"
        ),
        "[[notify.routes]]\ntargets = [\"hook\", \"chat\"]\n".to_owned(),
    ];
    let config = deployment.with_notify(&section.concat()).unwrap();
    let (alerts, expected) = openings("k", EVENTS);
    deployment.publish(alerts).unwrap();
    for round in 1..=KILLS {
        let notifier = deployment
            .notify(&config, "one", &["--begin", "oldest"])
            .unwrap();
        // So many more are taken than the last time, then it is killed.
        let count = round * EVENTS / (KILLS + 2);
        hooks
            .await_taken("/chat", count, PATIENCE)
            .unwrap_or_else(|error| panic!("{error:#}\n{}", notifier.log()));
        notifier.kill().unwrap();
    }
    let mut notifier = deployment
        .notify(&config, "one", &["--begin", "oldest"])
        .unwrap();
    notifier.await_ready().unwrap();
    let all: BTreeSet<String> = expected.into_iter().collect();
    let is_whole = |found: &[Request]| {
        let taken: BTreeSet<String> = found.iter().map(key).collect();
        taken.len() == EVENTS
    };
    let chat = hooks.await_that("/chat", PATIENCE, is_whole).unwrap();
    let hook = hooks.await_that("/hook", PATIENCE, is_whole).unwrap();
    notifier.terminate().unwrap();
    for (requests, target) in [(&chat, "chat"), (&hook, "hook")] {
        let told: BTreeSet<String> = requests.iter().map(key).collect();
        assert_eq!(told, all, "{target}: nothing lost, nothing made up");
        println!(
            "{target}: {} requests for {EVENTS} events over {KILLS} kills",
            requests.len()
        );
    }
    // A chat cannot tell a repetition: at most the one delivery that was under way when it was killed.
    assert!(chat.len() <= EVENTS + KILLS, "{} messages", chat.len());
    let committed = broker
        .committed(&deployment.group("notify"), &deployment.topics[2])
        .unwrap();
    assert_eq!(committed.values().sum::<i64>(), EVENTS as i64);
}

fn key(request: &Request) -> String {
    request.header("idempotency-key").to_owned()
}
