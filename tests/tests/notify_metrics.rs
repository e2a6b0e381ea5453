//! Debian's Prometheus scrapes `rotation notify`: the rules on it return data, and every metric has its series.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::Duration;

use rotation_engine::alert::{Severity, State};
use rotation_service::notify::NAMES;
use rotation_tests::broker::Broker;
use rotation_tests::hooks::Hooks;
use rotation_tests::notify::{UNIVERSE, event};
use rotation_tests::prometheus::{Prometheus, all_expressions, rule_files};
use rotation_tests::service::Deployment;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn rules_on_the_notifier_return_data_of_a_real_one() {
    let Some(broker) = Broker::get() else { return };
    let hooks = Hooks::start().unwrap();
    let deployment = Deployment::new(broker, 1, UNIVERSE).unwrap();
    let section = format!(
        "[notify]\ndefault = \"hook\"\n[notify.targets.hook]\ntype = \"webhook\"\nurl = \"{}\"\n",
        hooks.url("/hook")
    );
    let config = deployment.with_notify(&section).unwrap();
    let mut notifier = deployment.notify(&config, "one", &[]).unwrap();
    notifier.await_ready().unwrap();
    let target = notifier.address().unwrap();
    let Some(server) = Prometheus::start(&[target], &rule_files().unwrap()).unwrap() else {
        return;
    };
    server.await_scrapes(2).unwrap();
    deployment
        .publish([event("r", 1, State::Opened, Severity::Info)])
        .unwrap();
    hooks.await_taken("/hook", 1, PATIENCE).unwrap();
    server
        .await_samples(
            "rotation_notify_delivered_total{target=\"hook\"} == 1",
            PATIENCE,
        )
        .unwrap();
    let mut asked = 0;
    for found in all_expressions().unwrap() {
        if found.place.starts_with("notify.yml: ") {
            server.await_samples(&found.expression, PATIENCE).unwrap();
            asked += 1;
        }
    }
    assert!(asked > 0, "no rules on the notifier");
    let (_, page) = notifier.get("/metrics").unwrap();
    for metric in NAMES {
        let start = format!("{}{{", metric.name);
        assert!(
            page.lines().any(|line| line.starts_with(&start)),
            "no series of {}",
            metric.name
        );
    }
    assert_eq!(
        notifier
            .metric("rotation_notify_standing{target=\"hook\"}")
            .unwrap(),
        1.0
    );
    notifier.terminate().unwrap();
}
