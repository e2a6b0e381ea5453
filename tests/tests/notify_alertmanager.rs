//! Events on a real alert topic reach a real Alertmanager: an alert fires, escalates, outlives a killed notifier and
//! Alertmanager's own timeout, and resolves; nobody is told twice.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::PathBuf;
use std::time::Duration;

use rotation_engine::alert::{Severity, State};
use rotation_tests::alertmanager::Alertmanager;
use rotation_tests::broker::Broker;
use rotation_tests::hooks::{Hooks, Request};
use rotation_tests::notify::{UNIVERSE, event};
use rotation_tests::service::{Deployment, Service};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

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

/// Alertmanager, whom it tells, and the topic.
struct Story {
    server: Alertmanager,
    receiver: Hooks,
    deployment: Deployment,
    config: PathBuf,
    /// What `amtool` printed.
    seen: String,
}

impl Story {
    /// `None` where there is no broker or no Alertmanager.
    fn begin() -> Option<Self> {
        let broker = Broker::get()?;
        let receiver = Hooks::start().unwrap();
        let configuration = format!(
            "global: {{ resolve_timeout: 2s }}\n\
             route: {{ receiver: hook, group_by: [episode], group_wait: 1s, group_interval: 1s, repeat_interval: 1h }}\n\
             receivers:\n  - name: hook\n    webhook_configs: [{{ url: {:?}, send_resolved: true }}]\n",
            receiver.url("/told")
        );
        let server = Alertmanager::start(&configuration).unwrap()?;
        let deployment = Deployment::new(broker, 1, UNIVERSE).unwrap();
        let section = format!(
            "[notify.targets.am]\ntype = \"alertmanager\"\nurls = [\"{}\"]\nresend_every = \"1s\"\nhold = \"20s\"\n\
             [[notify.routes]]\ntargets = \"am\"\n",
            server.url()
        );
        let config = deployment.with_notify(&section).unwrap();
        Some(Self {
            server,
            receiver,
            deployment,
            config,
            seen: String::new(),
        })
    }

    fn notifier(&self) -> Service {
        let mut notifier = self.deployment.notify(&self.config, "one", &[]).unwrap();
        notifier.await_ready().unwrap();
        notifier
    }

    fn publish(&self, transition: u32, state: State, severity: Severity) {
        let event = event("touch", transition, state, severity);
        self.deployment.publish([event]).unwrap();
    }

    /// Waits until there is one alert, as asked for.
    fn await_alert(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        let is_one = |alerts: &[Value]| matches!(alerts, [alert] if is_so(alert));
        self.server.await_alerts(is_one).unwrap().remove(0)
    }

    /// Waits until the receiver was told this.
    fn await_told(&self, status: &str, severity: &str) -> Vec<(String, String)> {
        let expected = (status.to_owned(), severity.to_owned());
        let is_told = |requests: &[Request]| told(requests).contains(&expected);
        told(
            &self
                .receiver
                .await_that("/told", PATIENCE, is_told)
                .unwrap(),
        )
    }

    fn look(&mut self, when: &str) {
        let printed = self.server.query("extended").unwrap();
        self.seen.push_str(&format!(
            "$ amtool alert query          # {when}\n{printed}\n"
        ));
    }
}

fn text<'a>(alert: &'a Value, key: &str) -> &'a str {
    alert[key].as_str().unwrap()
}

#[test]
fn an_episode_fires_escalates_and_resolves_in_alertmanager() {
    let Some(mut story) = Story::begin() else {
        return;
    };
    // It stands before the notifier is there for the first time.
    story.publish(1, State::Opened, Severity::Warning);
    let notifier = story.notifier();
    let fired = story.await_alert(|_| true);
    let labels = &fired["labels"];
    assert_eq!(labels["severity"], "warning");
    assert_eq!(labels["episode"], "us/touch/A/2026-01-15T11:00:00Z");
    assert_eq!(fired["startsAt"], "2026-01-15T11:00:00.000Z");
    story.look("opened");
    story.await_told("firing", "warning");

    story.publish(2, State::Escalated, Severity::Critical);
    let fired = story.await_alert(|alert| alert["labels"]["severity"] == "critical");
    story.look("escalated");
    story.await_told("firing", "critical");

    // Killed as it stands; another comes in its place before what it said runs out.
    notifier.kill().unwrap();
    let notifier = story.notifier();
    let again = |alert: &Value| text(alert, "updatedAt") > text(&fired, "updatedAt");
    let standing = story.await_alert(again);
    assert_eq!(
        standing["fingerprint"], fired["fingerprint"],
        "one alert, the same"
    );
    // Past the end that the last post of the killed process gave it, and past resolve_timeout.
    let outlived = |alert: &Value| text(alert, "updatedAt") > text(&fired, "endsAt");
    let standing = story.await_alert(outlived);
    assert_eq!(standing["fingerprint"], fired["fingerprint"]);
    story.look("after kill -9 of the notifier, and past resolve_timeout (2 s)");

    story.publish(3, State::Resolved, Severity::Info);
    story.server.await_alerts(<[Value]>::is_empty).unwrap();
    story.look("resolved: none is left");
    let mut told = story.await_told("resolved", "critical");
    notifier.terminate().unwrap();
    // A notification lists every alert of its group that changed or stands.
    told.dedup();
    println!("{}the receiver was told: {told:?}", story.seen);
    let fired = told.iter().filter(|(status, _)| status == "firing");
    let fired: Vec<&str> = fired.map(|(_, severity)| severity.as_str()).collect();
    assert_eq!(fired, ["warning", "critical"], "each once: {told:?}");
}
