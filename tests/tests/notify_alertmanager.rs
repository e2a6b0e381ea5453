//! Events on a real alert topic reach a real Alertmanager: an alert fires, escalates, outlives a killed notifier and
//! Alertmanager's own timeout, and resolves; nobody is told twice.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::Duration;

use rotation_engine::alert::{Severity, State};
use rotation_tests::alertmanager::Alertmanager;
use rotation_tests::broker::Broker;
use rotation_tests::hooks::{Hooks, Request};
use rotation_tests::notify::{UNIVERSE, event};
use rotation_tests::service::Deployment;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

fn label(alerts: &[Value], name: &str) -> Vec<String> {
    let labels = alerts
        .iter()
        .map(|alert| alert["labels"][name].as_str().unwrap());
    labels.map(str::to_owned).collect()
}

fn show(server: &Alertmanager, when: &str) {
    println!(
        "$ amtool alert query          # {when}\n{}",
        server.query("extended").unwrap()
    );
}

/// What the receiver was told: status and severity of each alert of each notification.
fn told(requests: &[Request]) -> Vec<(String, String)> {
    let alerts = requests.iter().flat_map(|request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        body["alerts"].as_array().unwrap().clone()
    });
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    alerts
        .map(|alert| (text(&alert["status"]), text(&alert["labels"]["severity"])))
        .collect()
}

#[test]
fn an_episode_fires_escalates_and_resolves_in_alertmanager() {
    let Some(broker) = Broker::get() else { return };
    let receiver = Hooks::start().unwrap();
    let configuration = format!(
        "global: {{ resolve_timeout: 2s }}\n\
         route: {{ receiver: hook, group_by: [episode], group_wait: 1s, group_interval: 1s, repeat_interval: 1h }}\n\
         receivers:\n  - name: hook\n    webhook_configs: [{{ url: {:?}, send_resolved: true }}]\n",
        receiver.url("/told")
    );
    let Some(server) = Alertmanager::start(&configuration).unwrap() else {
        return;
    };
    let deployment = Deployment::new(broker, 1, UNIVERSE).unwrap();
    let section = format!(
        "[notify.targets.am]\ntype = \"alertmanager\"\nurls = [\"{}\"]\nresend_every = \"1s\"\nhold = \"20s\"\n\
         [[notify.routes]]\ntargets = \"am\"\n",
        server.url()
    );
    let config = deployment.with_notify(&section).unwrap();
    let rule = "touch";
    let opened = event(rule, 1, State::Opened, Severity::Warning);
    let episode = opened.episode.clone();
    // It stands before the notifier is there for the first time.
    deployment.publish([opened]).unwrap();
    let mut notifier = deployment.notify(&config, "one", &[]).unwrap();
    notifier.await_ready().unwrap();
    let fired = server.await_alerts(|alerts| alerts.len() == 1).unwrap();
    assert_eq!(label(&fired, "severity"), ["warning"]);
    assert_eq!(label(&fired, "episode"), [episode.as_str()]);
    assert_eq!(fired[0]["startsAt"], "2026-01-15T11:00:00.000Z");
    show(&server, "opened");
    receiver.await_taken("/told", 1, PATIENCE).unwrap();

    let escalated = event(rule, 2, State::Escalated, Severity::Critical);
    deployment.publish([escalated]).unwrap();
    let severity =
        |expected: &'static str| move |alerts: &[Value]| label(alerts, "severity") == [expected];
    let fired = server.await_alerts(severity("critical")).unwrap();
    let fingerprint = fired[0]["fingerprint"].clone();
    show(&server, "escalated");
    let is_told = |status: &'static str, severity: &'static str| {
        move |requests: &[Request]| {
            told(requests).contains(&(status.to_owned(), severity.to_owned()))
        }
    };
    receiver
        .await_that("/told", PATIENCE, is_told("firing", "critical"))
        .unwrap();

    // Killed as it stands; another comes in its place before what it said runs out.
    notifier.kill().unwrap();
    let mut notifier = deployment.notify(&config, "one", &[]).unwrap();
    notifier.await_ready().unwrap();
    let updated = fired[0]["updatedAt"].as_str().unwrap().to_owned();
    let again = |alerts: &[Value]| {
        alerts.len() == 1 && alerts[0]["updatedAt"].as_str().unwrap() > updated.as_str()
    };
    let standing = server.await_alerts(again).unwrap();
    assert_eq!(
        standing[0]["fingerprint"], fingerprint,
        "one alert, the same"
    );
    // Past the end that the last post of the killed process gave it, and past resolve_timeout.
    let ends = fired[0]["endsAt"].as_str().unwrap().to_owned();
    let outlived = |alerts: &[Value]| {
        alerts.len() == 1 && alerts[0]["updatedAt"].as_str().unwrap() > ends.as_str()
    };
    let standing = server.await_alerts(outlived).unwrap();
    assert_eq!(standing[0]["fingerprint"], fingerprint);
    show(
        &server,
        "after kill -9 of the notifier, and past resolve_timeout (2 s)",
    );

    deployment
        .publish([event(rule, 3, State::Resolved, Severity::Info)])
        .unwrap();
    server.await_alerts(<[Value]>::is_empty).unwrap();
    show(&server, "resolved: none is left");
    let requests = receiver
        .await_that("/told", PATIENCE, is_told("resolved", "critical"))
        .unwrap();
    let mut firing: Vec<_> = told(&requests);
    // A notification lists every alert of its group that changed or stands.
    firing.dedup();
    let fired: Vec<&str> = firing
        .iter()
        .filter(|(status, _)| status == "firing")
        .map(|(_, severity)| severity.as_str())
        .collect();
    println!("receiver was told: {firing:?}");
    assert_eq!(fired, ["warning", "critical"], "each once: {firing:?}");
    notifier.terminate().unwrap();
}
