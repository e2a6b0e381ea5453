//! Another configuration for `rotation notify` while it runs.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rotation_engine::alert::{Alert, Severity, State};
use rotation_tests::broker::Broker;
use rotation_tests::hooks::{Hooks, Request, ids};
use rotation_tests::notify::{UNIVERSE, event};
use rotation_tests::service::{Deployment, Service};

const PATIENCE: Duration = Duration::from_secs(90);

fn target(name: &str, hooks: &Hooks) -> String {
    let url = hooks.url(&format!("/{name}"));
    format!("[notify.targets.{name}]\ntype = \"webhook\"\nurl = \"{url}\"\n")
}

fn section(names: &[&str], hooks: &Hooks) -> String {
    let targets: String = names.iter().map(|name| target(name, hooks)).collect();
    format!("[notify]\ndefault = {names:?}\n{targets}")
}

fn opened(rule: &str) -> Alert {
    event(rule, 1, State::Opened, Severity::Warning)
}

/// Asks for a reload with what the file says now, and waits for what comes of it.
fn reload(notifier: &mut Service, outcome: &str) -> Result<()> {
    let series = format!("rotation_config_reloads_total{{outcome=\"{outcome}\"}}");
    let before = notifier.metric(&series)?;
    notifier.signal("HUP")?;
    let deadline = Instant::now() + PATIENCE;
    while notifier.metric(&series)? == before {
        ensure!(
            Instant::now() < deadline,
            "no reload is {outcome}: {}",
            notifier.log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Has the reload refused, for a reason that is told.
fn refused(notifier: &mut Service, file: &Path, text: &str, reason: &str) {
    std::fs::write(file, text).unwrap();
    reload(notifier, "refused").unwrap();
    let log = notifier.log();
    assert!(log.contains(reason), "expected {reason}, found {log}");
}

#[test]
fn targets_come_and_go_and_a_bad_file_changes_nothing() {
    let Some(broker) = Broker::get() else { return };
    let hooks = Hooks::start().unwrap();
    let deployment = Deployment::new(broker, 2, UNIVERSE).unwrap();
    let file = deployment.with_notify(&section(&["one"], &hooks)).unwrap();
    let first = std::fs::read_to_string(&file).unwrap();
    let mut notifier = deployment
        .notify(&file, "n", &["--begin", "oldest"])
        .unwrap();
    notifier.await_ready().unwrap();
    deployment.publish([opened("a"), opened("b")]).unwrap();
    hooks.await_taken("/one", 2, PATIENCE).unwrap();

    let misspelt = first.replace("type = \"webhook\"", "typ = \"webhook\"");
    refused(&mut notifier, &file, &misspelt, "notify.targets.one");
    let secret = "secret = { env = \"ROTATION_TEST_UNSET\" }";
    let secretless = format!("{first}{secret}\n");
    refused(&mut notifier, &file, &secretless, "ROTATION_TEST_UNSET");
    let elsewhere = first.replacen("group = \"", "group = \"another-", 1);
    assert_ne!(elsewhere, first);
    refused(&mut notifier, &file, &elsewhere, "[kafka] is another");
    deployment.publish([opened("c")]).unwrap();
    hooks.await_taken("/one", 3, PATIENCE).unwrap();

    // A new target is told of everything that there is; the old one of nothing again.
    deployment
        .with_notify(&section(&["one", "two"], &hooks))
        .unwrap();
    reload(&mut notifier, "applied").unwrap();
    hooks.await_taken("/two", 3, PATIENCE).unwrap();
    deployment.publish([opened("d")]).unwrap();
    hooks.await_taken("/one", 4, PATIENCE).unwrap();
    hooks.await_taken("/two", 4, PATIENCE).unwrap();

    deployment.with_notify(&section(&["two"], &hooks)).unwrap();
    reload(&mut notifier, "applied").unwrap();
    deployment.publish([opened("e")]).unwrap();
    let two = hooks.await_taken("/two", 5, PATIENCE).unwrap();
    let one = hooks.requests("/one");
    notifier.terminate().unwrap();

    let all =
        |rules: &[&str]| -> Vec<String> { rules.iter().map(|rule| opened(rule).id).collect() };
    let sorted = |requests: &[Request]| {
        let mut ids = ids(requests);
        ids.sort();
        ids
    };
    assert_eq!(sorted(&one), all(&["a", "b", "c", "d"]), "each once");
    assert_eq!(sorted(&two), all(&["a", "b", "c", "d", "e"]), "each once");
}
