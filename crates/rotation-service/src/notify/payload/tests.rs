//! Each payload against the published shape of its receiver.

use super::{alertmanager, pagerduty, slack, webhook};
use crate::notify::event::{Event, Look};
use crate::notify::ledger::Notice;
use crate::notify::sample;
use rotation_engine::alert::{Notify, Severity, State};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// 2026-01-15T21:00:30Z.
const NOW: i64 = 1_768_510_830_000;

fn notice(change: impl FnOnce(&mut Event), replaces: Option<Severity>) -> Notice {
    let mut event = sample::event();
    event.alert.state = State::Escalated;
    event.alert.severity = Severity::Critical;
    event.alert.notify = Notify::Page;
    event.link = Some("https://example.org/#/episode/e".to_owned());
    change(&mut event);
    let look = Look::of(&event.alert);
    let was = |severity| Look {
        severity,
        notify: Notify::Chat,
    };
    Notice {
        look,
        event: Arc::new(event),
        replaces: replaces.map(was),
        held_until: None,
    }
}

/// Holds a value against a shape: the keys that must be there and those that may, each with its type.
fn has_shape(value: &Value, must: &[(&str, &str)], may: &[(&str, &str)]) {
    let kind = |value: &Value| match value {
        Value::String(_) => "text",
        Value::Number(_) => "number",
        Value::Array(_) => "list",
        Value::Object(_) => "table",
        Value::Bool(_) => "flag",
        Value::Null => "null",
    };
    let fields = value.as_object().unwrap();
    for (key, expected) in must {
        assert_eq!(kind(&fields[*key]), *expected, "{key} of {value}");
    }
    for (key, found) in fields {
        let known = must.iter().chain(may).find(|(known, _)| known == key);
        let (_, expected) = known.unwrap_or_else(|| panic!("{key} is no field of {value}"));
        assert_eq!(kind(found), *expected, "{key} of {value}");
    }
}

/// `postableAlerts` of Alertmanager's API v2.
fn is_postable(alert: &Value) {
    has_shape(
        alert,
        &[("labels", "table")],
        &[
            ("annotations", "table"),
            ("startsAt", "text"),
            ("endsAt", "text"),
            ("generatorURL", "text"),
        ],
    );
    for set in ["labels", "annotations"] {
        for (name, value) in alert[set].as_object().unwrap() {
            let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
            assert!(name.chars().all(legal), "{name}");
            assert!(
                !value.as_str().unwrap().is_empty(),
                "{name}: an empty label is none"
            );
        }
    }
    let time = |key: &str| {
        alert[key]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    assert!(time("startsAt") <= time("endsAt"), "{alert}");
    assert!(alert["labels"]["alertname"].is_string());
}

#[test]
fn alertmanager_gets_an_alert_an_episode_that_ends_ahead_while_it_stands() {
    let hold = Duration::from_secs(900);
    let alerts = alertmanager::notice(&notice(|_| {}, None), NOW, hold);
    alerts.iter().for_each(is_postable);
    let [alert] = alerts.as_slice() else {
        panic!("{alerts:?}")
    };
    let episode = "us/small-cap-streak/RUT/GSPC/2026-01-08T21:00:00Z";
    assert_eq!(
        alert["labels"],
        json!({
            "alertname": "small-cap-streak", "universe": "us", "rule": "small-cap-streak", "subject": "RUT/GSPC",
            "severity": "critical", "notify": "page", "episode": episode,
        })
    );
    assert_eq!(alert["startsAt"], "2026-01-08T21:00:00Z");
    assert_eq!(alert["endsAt"], "2026-01-15T21:15:30Z");
    assert_eq!(alert["generatorURL"], "https://example.org/#/episode/e");
    let annotations = &alert["annotations"];
    assert_eq!(
        annotations["evidence"],
        "leader_return 0.0776, length 10, start 2026-01-02"
    );
    assert_eq!(annotations["event"], format!("{episode}/2"));
    for key in [
        "headline",
        "reverses",
        "runbook",
        "link",
        "value",
        "threshold",
        "as_of",
        "state",
    ] {
        assert!(annotations[key].is_string(), "{key}");
    }
}

#[test]
fn alertmanager_is_told_that_what_is_replaced_or_over_has_ended() {
    let hold = Duration::from_secs(900);
    let ended = "2026-01-15T21:00:00Z";
    let alerts = alertmanager::notice(&notice(|_| {}, Some(Severity::Warning)), NOW, hold);
    alerts.iter().for_each(is_postable);
    let said: Vec<(&str, &str)> = alerts
        .iter()
        .map(|alert| {
            (
                alert["labels"]["severity"].as_str().unwrap(),
                alert["endsAt"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [("warning", ended), ("critical", "2026-01-15T21:15:30Z")]
    );
    for state in [State::Resolved, State::Retracted] {
        let alerts =
            alertmanager::notice(&notice(|event| event.alert.state = state, None), NOW, hold);
        assert_eq!((alerts.len(), &alerts[0]["endsAt"]), (1, &json!(ended)));
    }
    // Event time ahead of the wall clock: the end may not lie ahead, nor before the beginning.
    let early = notice(|event| event.alert.state = State::Resolved, None);
    let at = |now| alertmanager::notice(&early, now, hold)[0]["endsAt"].clone();
    assert_eq!(at(NOW - 60_000), "2026-01-15T20:59:30Z");
    assert_eq!(at(0), "2026-01-08T21:00:00Z");
}

#[test]
fn pagerduty_gets_the_fields_of_events_v2() {
    let actions = [
        (State::Opened, "trigger"),
        (State::Escalated, "trigger"),
        (State::Eased, "trigger"),
        (State::Confirmed, "trigger"),
        (State::Corrected, "trigger"),
        (State::Resolved, "resolve"),
        (State::Retracted, "resolve"),
    ];
    for (state, action) in actions {
        let sent = pagerduty::event(&notice(|event| event.alert.state = state, None), "key");
        has_shape(
            &sent,
            &[
                ("routing_key", "text"),
                ("event_action", "text"),
                ("dedup_key", "text"),
                ("payload", "table"),
            ],
            &[
                ("client", "text"),
                ("client_url", "text"),
                ("links", "list"),
                ("images", "list"),
            ],
        );
        assert_eq!(sent["event_action"], action, "{state:?}");
        assert_eq!(
            sent["dedup_key"],
            "us/small-cap-streak/RUT/GSPC/2026-01-08T21:00:00Z"
        );
        let payload = &sent["payload"];
        has_shape(
            payload,
            &[
                ("summary", "text"),
                ("source", "text"),
                ("severity", "text"),
            ],
            &[
                ("timestamp", "text"),
                ("component", "text"),
                ("group", "text"),
                ("class", "text"),
                ("custom_details", "table"),
            ],
        );
        for link in sent["links"].as_array().unwrap() {
            has_shape(link, &[("href", "text")], &[("text", "text")]);
        }
    }
    for severity in [Severity::Info, Severity::Warning, Severity::Critical] {
        let sent = pagerduty::event(
            &notice(|event| event.alert.severity = severity, None),
            "key",
        );
        assert_eq!(sent["payload"]["severity"], severity.name());
    }
}

#[test]
fn pagerduty_gets_no_more_than_it_takes() {
    let long = notice(
        |event| {
            event.alert.headline = "é".repeat(3000);
            event.alert.episode = "e".repeat(300);
        },
        None,
    );
    let sent = pagerduty::event(&long, "key");
    assert_eq!(
        sent["payload"]["summary"].as_str().unwrap().chars().count(),
        1024
    );
    let key = sent["dedup_key"].as_str().unwrap();
    assert!(
        key.len() == 64 && key.chars().all(|c| c.is_ascii_hexdigit()),
        "{key}"
    );
}

#[test]
fn slack_gets_text_and_blocks() {
    let message = slack::message(&notice(
        |event| event.alert.headline = "A < B & C > D".to_owned(),
        None,
    ));
    has_shape(&message, &[("text", "text"), ("blocks", "list")], &[]);
    assert_eq!(
        message["text"],
        "CRITICAL escalated: A &lt; B &amp; C &gt; D"
    );
    let blocks = message["blocks"].as_array().unwrap();
    let title = "*CRITICAL escalated*: <https://example.org/#/episode/e|A &lt; B &amp; C &gt; D>";
    assert_eq!(
        blocks[0],
        json!({"type": "section", "text": {"type": "mrkdwn", "text": title}})
    );
    assert_eq!(blocks.len(), 3);
    assert_eq!(blocks[2]["type"], "context");
    assert_eq!(blocks[2]["elements"][0]["type"], "mrkdwn");
    let long = slack::message(&notice(
        |event| event.alert.headline = "x".repeat(9000),
        None,
    ));
    for block in long["blocks"].as_array().unwrap() {
        let text = block["text"]["text"]
            .as_str()
            .or(block["elements"][0]["text"].as_str());
        assert!(text.unwrap().len() <= 3000, "Slack takes 3000 characters");
    }
    let ended = slack::message(&notice(|event| event.alert.state = State::Resolved, None));
    assert_eq!(
        ended["blocks"].as_array().unwrap().len(),
        2,
        "what would end it is over"
    );
}

#[test]
fn webhooks_get_the_event_as_published_or_what_the_template_says() {
    let notice = notice(|_| {}, None);
    assert_eq!(webhook::body(&notice, None).unwrap(), notice.event.bytes);
    let made = webhook::body(&notice, Some("{{ id }} {{ data.value }} {{ link }}")).unwrap();
    let expected =
        "us/small-cap-streak/RUT/GSPC/2026-01-08T21:00:00Z/2 10.0 https://example.org/#/episode/e";
    assert_eq!(String::from_utf8(made).unwrap(), expected);
    let fault = webhook::body(&notice, Some("{{ data.value|tojsn }}")).unwrap_err();
    assert!(fault.contains("tojsn"), "{fault}");
}

#[test]
fn signatures_are_those_of_standard_webhooks() {
    // The example of the libraries of Standard Webhooks.
    let signature = webhook::signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        br#"{"test": 2432232314}"#,
    );
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_ne!(
        webhook::signature("a", "i", 1, b"x"),
        webhook::signature("b", "i", 1, b"x")
    );
    assert_eq!(webhook::header("a b/é%/1"), "a%20b/%C3%A9%25/1");
}
