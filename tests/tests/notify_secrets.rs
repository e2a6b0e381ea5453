//! Secrets of targets are in no log, at whatever level, not on `/metrics` and not among the dead letters.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::Duration;

use rotation_engine::alert::{Severity, State};
use rotation_tests::broker::Broker;
use rotation_tests::hooks::{Answer, Hooks};
use rotation_tests::notify::{UNIVERSE, event};
use rotation_tests::service::Deployment;

/// In every secret here, so that one search finds any of them.
const CANARY: &str = "canary";

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn no_secret_of_a_target_is_told() {
    let Some(broker) = Broker::get() else { return };
    let hooks = Hooks::start().unwrap();
    let deployment = Deployment::new(broker, 1, UNIVERSE).unwrap();
    let section = format!(
        "[notify]\ndefault = [\"am\", \"chat\", \"hook\", \"pager\"]\n\
         [notify.targets.am]\ntype = \"alertmanager\"\nurls = [{:?}]\nbearer = {{ env = \"KEY\" }}\n\
         [notify.targets.chat]\ntype = \"slack\"\nurl = {{ env = \"CHAT\" }}\nretry_min = \"10ms\"\n\
         [notify.targets.hook]\ntype = \"webhook\"\nurl = {{ env = \"HOOK\" }}\nsecret = {{ env = \"KEY\" }}\n\
         [notify.targets.pager]\ntype = \"pagerduty\"\nurl = {:?}\nrouting_key = {{ env = \"KEY\" }}\n",
        hooks.url("/am"),
        hooks.url("/pager"),
    );
    let config = deployment.with_notify(&section).unwrap();
    let (chat, hook) = (format!("/chat/{CANARY}"), format!("/hook?key={CANARY}"));
    // Taken after trouble, and refused: each is told in the log.
    let elsewhere = vec![("location", hooks.url(&chat))];
    hooks.script(
        &chat,
        [Answer::Drop, Answer::Cut, Answer::Status(500, vec![])],
    );
    hooks.always(&hook, Answer::Status(302, elsewhere));
    let (chat_url, hook_url) = (hooks.url(&chat), hooks.url(&hook));
    let environment = [
        ("RUST_LOG", "trace"),
        ("KEY", "canary-0123456789abcdef"),
        ("CHAT", chat_url.as_str()),
        ("HOOK", hook_url.as_str()),
    ];
    let mut notifier = deployment
        .notify_in(&config, "one", &[], &environment)
        .unwrap();
    notifier.await_ready().unwrap();
    deployment
        .publish([event("r", 1, State::Opened, Severity::Info)])
        .unwrap();
    for path in ["/am/api/v2/alerts", "/pager", chat.as_str()] {
        hooks.await_taken(path, 1, PATIENCE).unwrap();
    }
    let given_up = "rotation_notify_dead_letters_total{target=\"hook\"}";
    while notifier.metric(given_up).unwrap() < 1.0 {
        notifier.alive().unwrap();
    }
    let (_, page) = notifier.get("/metrics").unwrap();
    notifier.signal("TERM").unwrap();
    let (code, log) = notifier.await_end().unwrap();
    assert_eq!(code, Some(0), "{log}");
    assert!(
        log.contains("delivered") && log.contains("given up"),
        "{log}"
    );
    let letters = broker.read_committed(&deployment.topics[4]).unwrap();
    assert_eq!(letters.len(), 1);
    let shown = deployment
        .command(["check", config.to_str().unwrap()])
        .unwrap();
    for (what, text) in [
        ("log", log),
        ("metrics", page),
        ("letter", format!("{letters:?}")),
        ("check", shown),
    ] {
        let line = text.lines().find(|line| line.contains(CANARY));
        assert_eq!(line, None, "the {what} tells a secret");
    }
}
