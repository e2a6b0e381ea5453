//! `rotation notify` over a real alert topic: targets drop, delay, refuse and cut off; and it is killed at any moment.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rotation_engine::alert::{Alert, Severity, State};
use rotation_tests::broker::{Broker, Record};
use rotation_tests::hooks::{Answer, Hooks, Request, ids};
use rotation_tests::notify::{UNIVERSE, event};
use rotation_tests::service::Deployment;
use rotation_wire::alerts::AlertEvent;
use serde_json::Value;

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

fn header(record: &Record, name: &str) -> String {
    let found = record.headers.iter().find(|(header, _)| header == name);
    String::from_utf8(found.unwrap().1.clone().unwrap()).unwrap()
}

/// What the target `bad` answers, in turn; then it takes everything.
fn bad_answers(elsewhere: String) -> [Answer; 13] {
    let status = |status, headers| Answer::Status(status, headers);
    let wait = || vec![("retry-after", "0".to_owned())];
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
        status(302, vec![("location", elsewhere)]),
    ]
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
    hooks.script("/bad", bad_answers(hooks.url("/good")));
    hooks.always("/dead", Answer::Drop);
    hooks.always("/brief", Answer::Status(500, vec![]));
    let (alerts, expected) = openings("e", 10);
    let args = ["--begin", "oldest"];
    let mut notifier = deployment.notify(&config, "one", &args).unwrap();
    notifier.await_ready().unwrap();
    deployment.publish(alerts[..6].to_vec()).unwrap();
    hooks.await_taken("/good", 6, PATIENCE).unwrap();
    deployment.publish(alerts[6..].to_vec()).unwrap();
    let good = ids(&hooks.await_taken("/good", 10, PATIENCE).unwrap());
    let all: BTreeSet<String> = good.iter().cloned().collect();
    assert_eq!(all, expected.iter().cloned().collect(), "all of them");
    assert_eq!(good.len(), 10, "each once");

    // In the order of the topic, each repeated until it was taken; 400 and 302 are refusals and not repeated.
    let is_whole = |found: &[Request]| found.len() >= 17;
    let bad = hooks.await_that("/bad", PATIENCE, is_whole).unwrap();
    let mut tried = ids(&bad);
    tried.dedup();
    assert_eq!(tried, good, "{bad:#?}");
    let is_refused = |request: &&Request| matches!(request.answer, Answer::Status(400 | 302, _));
    let refused: Vec<Request> = bad.iter().filter(is_refused).cloned().collect();
    check_letters(&deployment, &ids(&refused), &all);

    // The one that is down has taken nothing: the group's offset has not moved, and the others are not told again.
    assert!(committed(&deployment).iter().all(|offset| *offset == 0));
    let given_up = "rotation_notify_dead_letters_total{target=\"brief\"}";
    assert_eq!(notifier.metric(given_up).unwrap(), 10.0);
    notifier.kill().unwrap();
    hooks.always("/dead", Answer::Ok);
    let mut notifier = deployment.notify(&config, "one", &[]).unwrap();
    notifier.await_ready().unwrap();
    let dead = hooks.await_taken("/dead", 10, PATIENCE).unwrap();
    let taken: Vec<Request> = dead.into_iter().filter(Request::is_taken).collect();
    assert_eq!(ids(&taken).into_iter().collect::<BTreeSet<_>>(), all);
    notifier.terminate().unwrap();
    assert_eq!(committed(&deployment).iter().sum::<i64>(), 10);
    let asked = ["/good", "/bad"].map(|path| hooks.requests(path).len());
    assert_eq!(asked, [10, 17], "nobody was told again");
}

/// The offsets that the notifier's group has committed.
fn committed(deployment: &Deployment) -> Vec<i64> {
    let group = deployment.group("notify");
    let offsets = deployment.broker.committed(&group, &deployment.topics[2]);
    offsets.unwrap().into_values().collect()
}

/// What `bad` refused, and everything that `brief` did not take, is among the dead letters, with the reason.
fn check_letters(deployment: &Deployment, refused: &[String], all: &BTreeSet<String>) {
    let mut letters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for letter in await_letters(deployment, refused.len() + all.len()) {
        let event: Value = serde_json::from_slice(letter.payload.as_ref().unwrap()).unwrap();
        let target = header(&letter, "rotation.notify.target");
        assert_eq!(header(&letter, "rotation.error.code"), "undelivered");
        assert_eq!(
            header(&letter, "rotation.error.topic"),
            deployment.topics[2]
        );
        let why = header(&letter, "rotation.error.message");
        let expected = if target == "brief" {
            "HTTP 500: no"
        } else {
            "HTTP "
        };
        assert!(why.starts_with(expected), "{target}: {why}");
        let id = event["id"].as_str().unwrap().to_owned();
        letters.entry(target).or_default().push(id);
    }
    assert_eq!(letters["bad"], refused);
    let brief: BTreeSet<String> = letters["brief"].iter().cloned().collect();
    assert_eq!((&brief, letters["brief"].len()), (all, all.len()));
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
    assert_eq!(committed(&deployment).iter().sum::<i64>(), EVENTS as i64);
}

fn key(request: &Request) -> String {
    request.header("idempotency-key").to_owned()
}

#[test]
fn two_notifiers_share_the_partitions_and_one_takes_over_from_the_other() {
    const EVENTS: usize = 40;
    let Some(broker) = Broker::get() else { return };
    let hooks = Hooks::start().unwrap();
    // Two partitions of alerts.
    let deployment = Deployment::new(broker, 1, UNIVERSE).unwrap();
    let section = [
        webhook("hook", &hooks.url("/hook"), ""),
        "[[notify.routes]]\ntargets = \"hook\"\n".to_owned(),
    ];
    let config = deployment.with_notify(&section.concat()).unwrap();
    let (alerts, expected) = openings("t", EVENTS);
    let mut one = deployment.notify(&config, "one", &[]).unwrap();
    let mut two = deployment.notify(&config, "two", &[]).unwrap();
    one.await_ready().unwrap();
    two.await_ready().unwrap();
    deployment.publish(alerts[..EVENTS / 2].to_vec()).unwrap();
    hooks.await_taken("/hook", EVENTS / 2, PATIENCE).unwrap();
    // Asked to stop it leaves its group, and the other has all.
    one.terminate().unwrap();
    deployment.publish(alerts[EVENTS / 2..].to_vec()).unwrap();
    let is_whole = |found: &[Request]| {
        let taken: BTreeSet<String> = found.iter().map(key).collect();
        taken.len() == EVENTS
    };
    let all = hooks.await_that("/hook", PATIENCE, is_whole).unwrap();
    let told: BTreeSet<String> = all.iter().map(key).collect();
    assert_eq!(told, expected.into_iter().collect());
    assert_eq!(all.len(), EVENTS, "nobody was killed: each once");
    two.terminate().unwrap();
}

#[test]
fn a_dry_run_and_a_test_say_what_would_be_and_what_came_of_it() {
    let Some(broker) = Broker::get() else { return };
    let hooks = Hooks::start().unwrap();
    let deployment = Deployment::new(broker, 1, UNIVERSE).unwrap();
    let section = [
        webhook("loud", &hooks.url("/loud"), ""),
        webhook("quiet", &hooks.url("/quiet"), ""),
        "[[notify.routes]]\ntargets = \"loud\"\nseverity = \"critical\"\n".to_owned(),
        "[[notify.routes]]\ntargets = \"quiet\"\nrules = \"r-*\"\n".to_owned(),
    ];
    let config = deployment.with_notify(&section.concat()).unwrap();
    let events = [
        event("r-1", 1, State::Opened, Severity::Warning),
        event("r-1", 2, State::Escalated, Severity::Critical),
        event("r-1", 3, State::Resolved, Severity::Info),
        event("other", 1, State::Opened, Severity::Info),
        event("r-2", 1, State::Opened, Severity::Info),
    ];
    for event in events {
        // Across partitions the order is by time.
        deployment.publish([event]).unwrap();
    }
    let notify = |more: &[&str]| {
        let words = [&["notify", "--config", config.to_str().unwrap()], more].concat();
        deployment.command(words)
    };
    let said = notify(&["--dry-run"]).unwrap();
    let who: Vec<&str> = said
        .lines()
        .filter_map(|line| line.trim().strip_prefix("-> "))
        .collect();
    assert_eq!(
        who,
        ["quiet", "loud", "loud, quiet", "nobody", "quiet"],
        "{said}"
    );
    let stands = "quiet, if it is new, is told first what stands: us/r-2/A/2026-01-15T11:00:00Z/1";
    assert!(said.contains(stands), "{said}");
    let newest = notify(&["--dry-run", "2"]).unwrap();
    assert_eq!(newest.matches("    -> ").count(), 2, "{newest}");
    assert!(hooks.requests("/quiet").is_empty(), "nothing was sent");

    let said = notify(&["--test", "quiet"]).unwrap();
    assert_eq!(said, "quiet: opened: taken\nquiet: resolved: taken\n");
    let ids = ids(&hooks.requests("/quiet"));
    assert!(
        ids[0].starts_with("test/notify-test/") && ids[0].ends_with("/1"),
        "{ids:?}"
    );
    hooks.always("/quiet", Answer::Status(403, vec![]));
    let refused = notify(&["--test", "quiet"]).unwrap_err().to_string();
    assert!(
        refused.contains("quiet: opened: refused: HTTP 403: no"),
        "{refused}"
    );
    let unknown = notify(&["--test", "nobody"]).unwrap_err().to_string();
    assert!(
        unknown.contains("--test: expected one of loud, quiet, found \"nobody\""),
        "{unknown}"
    );
}

#[test]
fn what_a_mute_window_kept_back_is_told_once_and_only_if_it_stands() {
    let Some(broker) = Broker::get() else { return };
    let hooks = Hooks::start().unwrap();
    let deployment = Deployment::new(broker, 1, UNIVERSE).unwrap();
    // The first of January 2026 was a holiday.
    let section = [
        webhook("hook", &hooks.url("/hook"), ""),
        "[[notify.routes]]\ntargets = \"hook\"\nmute = \"holiday\"\n".to_owned(),
        "[notify.windows.holiday]\nfirst = 2026-01-01\nlast = 2026-01-01\n".to_owned(),
    ];
    let config = deployment.with_notify(&section.concat()).unwrap();
    let (before, within, after) = (
        "2025-12-31T12:00:00Z",
        "2026-01-01T12:00:00Z",
        "2026-01-02T12:00:00Z",
    );
    let warning = Severity::Warning;
    let events = [
        (before, event("told-before", 1, State::Opened, warning)),
        (within, event("begun-and-over", 1, State::Opened, warning)),
        (within, event("stands", 1, State::Opened, warning)),
        (
            within,
            event("told-before", 2, State::Resolved, Severity::Info),
        ),
        (
            within,
            event("begun-and-over", 2, State::Resolved, Severity::Info),
        ),
        (
            within,
            event("stands", 2, State::Escalated, Severity::Critical),
        ),
        (after, event("new", 1, State::Opened, warning)),
    ];
    // When it was published is what counts; all in one partition, so that their order is known.
    let published = events.map(|(at, alert)| {
        let millis = at.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let key = alert.key();
        (Some(0), key, AlertEvent::from(alert).encode(), Some(millis))
    });
    broker.produce(&deployment.topics[2], published).unwrap();
    let args = ["--begin", "oldest"];
    let expected = [
        "told-before/A/1",
        "told-before/A/2",
        "stands/A/2",
        "new/A/1",
    ];
    for _ in 0..2 {
        let mut notifier = deployment.notify(&config, "one", &args).unwrap();
        notifier.await_ready().unwrap();
        let told = hooks
            .await_taken("/hook", expected.len(), PATIENCE)
            .unwrap();
        let told: Vec<String> = ids(&told)
            .iter()
            .map(|id| id.replace("us/", "").replace("/2026-01-15T11:00:00Z", ""))
            .collect();
        assert_eq!(told, expected);
        let left = "rotation_notify_waiting{target=\"hook\"}";
        while notifier.metric(left).unwrap() > 0.0 {
            notifier.alive().unwrap();
        }
        // A restart, which reads all of it again, tells nothing again.
        notifier.terminate().unwrap();
    }
    assert_eq!(committed(&deployment).iter().sum::<i64>(), 7);
    assert_eq!(hooks.requests("/hook").len(), expected.len());
}
