//! One alert of each kind and state explains itself; what is forged or of another configuration does not pass.

use std::collections::{BTreeMap, BTreeSet};

use rotation_tests::broker::Broker;
use rotation_tests::service::Deployment;
use rotation_wire::alerts::AlertEvent;
use serde_json::Value;

use super::broker_events;
use super::market::{config_with, played, rotation};

#[test]
fn alerts_of_every_state_explain_themselves() {
    let Some(broker) = Broker::get() else { return };
    let deployment = played(broker);
    let config = deployment.config().display().to_string();
    let events = broker_events(&deployment);
    let mut states: BTreeMap<(&str, &str), &AlertEvent> = BTreeMap::new();
    for event in &events {
        let kind = (event.alert.state.name(), event.alert.kind.as_str());
        states.entry(kind).or_insert(event);
    }
    for state in [
        "opened",
        "escalated",
        "confirmed",
        "corrected",
        "resolved",
        "retracted",
    ] {
        let kinds = states.keys().filter(|(known, _)| *known == state);
        assert!(kinds.count() > 0, "no {state} event in {:?}", states.keys());
    }
    for (kind, event) in &states {
        let id = &event.alert.id;
        let (code, text, errors) = rotation(&["explain", id, "--config", &config], None);
        assert_eq!(code, 0, "{kind:?} {id}:\n{text}{errors}");
        assert!(
            text.ends_with("\nidentical\n\n") && text.contains(&event.alert.headline),
            "{text}"
        );
    }
    let is_third = |event: &&AlertEvent| {
        let alert = &event.alert;
        alert.rule == "streak" && alert.state.name() == "escalated" && alert.value == 3.0
    };
    let event = events.iter().find(is_third).unwrap();
    told_in_full(&config, event, &events);
    other_rules(&deployment, event);
    forged(&config, event);
    faults(&config);
}

/// Inputs and figures as JSON, and all events of an episode.
fn told_in_full(config: &str, event: &AlertEvent, events: &[AlertEvent]) {
    let (code, out, _) = rotation(
        &["explain", &event.alert.id, "--config", config, "--json"],
        None,
    );
    let document: Value = serde_json::from_str(&out).unwrap();
    let explained = &document[0];
    assert_eq!(
        (code, &explained["outcome"]),
        (0, &Value::from("identical"))
    );
    assert_eq!(explained["reading"]["value"], event.alert.value);
    let inputs = explained["inputs"].as_array().unwrap();
    let series: BTreeSet<&str> = inputs
        .iter()
        .map(|input| input["series"].as_str().unwrap())
        .collect();
    assert_eq!(series, ["LAG", "LEAD"].into(), "{explained:#}");
    let as_of = event.alert.as_of.to_string();
    assert!(
        inputs.iter().all(|input| input["as_of"] == as_of.as_str()),
        "{inputs:#?}"
    );
    let cause = explained["cause"].as_str().unwrap();
    assert!(cause.starts_with("{\"type\":\""), "{cause}");
    let (code, text, _) = rotation(&["explain", &event.alert.episode, "--config", config], None);
    let told = events
        .iter()
        .filter(|it| it.alert.episode == event.alert.episode);
    assert_eq!(
        (code, text.matches("\nidentical\n").count()),
        (0, told.count()),
        "{text}"
    );
}

/// A file with another version of the rule, and one that says it louder.
fn other_rules(deployment: &Deployment, event: &AlertEvent) {
    let changed = [("escalate_at = [3, 4, 5]", "escalate_at = [3, 4]")];
    let other = config_with(deployment, "other.toml", &changed);
    let (code, text, _) = rotation(&["explain", &event.alert.id, "--config", &other], None);
    assert!(
        code == 1 && text.contains("not computed: the configuration has version"),
        "{text}"
    );
    let severity = "escalate_since_years = []\nseverity = { escalated = \"warning\" }";
    let louder = [("escalate_since_years = []", severity)];
    let louder = config_with(deployment, "louder.toml", &louder);
    let (code, text, _) = rotation(&["explain", &event.alert.id, "--config", &louder], None);
    assert!(
        code == 1 && text.contains("data.severity: computed \"warning\", given \"info\""),
        "{text}"
    );
}

/// An event by hand is held against the log, and against the topic.
fn forged(config: &str, event: &AlertEvent) {
    let mut forged = event.clone();
    forged.alert.value = 9.0;
    let args = ["explain", "-", "--config", config];
    let (code, text, _) = rotation(&args, Some(&forged.encode()));
    assert!(
        code == 1 && text.contains("data.value: computed 3.0, given 9.0"),
        "{text}"
    );
    assert!(
        text.contains("note: another event of that id stands at"),
        "{text}"
    );
    let (code, text, _) = rotation(&args, Some(&event.encode()));
    assert!(
        code == 0 && text.contains("the same event of that id stands at"),
        "{text}"
    );
    forged.alert.id = format!("{}/99", forged.alert.episode);
    let (code, text, _) = rotation(&args, Some(&forged.encode()));
    assert!(
        code == 1 && text.contains("decides no such event"),
        "{text}"
    );
}

/// What is asked wrongly is told, and how; so is a broker that is not there.
fn faults(config: &str) {
    for (args, said) in [
        (
            &["explain", "us/nothing/1", "--config", config][..],
            "found none",
        ),
        (&["explain", "us/nothing/1"][..], "expected --config FILE"),
        (
            &["explain", "-", "--config", config][..],
            "standard input: expected an alert",
        ),
    ] {
        let (code, _, errors) = rotation(args, None);
        assert!(
            code == 2 && errors.contains(said),
            "{args:?}: {code} {errors}"
        );
    }
    // Reserved by nobody, and nobody listens there.
    let (code, _, errors) = rotation(
        &["audit", "--config", config, "--brokers", "127.0.0.1:1"],
        None,
    );
    assert_eq!(code, 3, "{errors}");
}
