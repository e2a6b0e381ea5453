//! Alertmanager, `POST /api/v2/alerts`: a list of `postableAlert`.
//!
//! Alertmanager knows an alert by its labels alone. They hold the episode, so each episode is an alert of its own, and
//! severity and notify, so that its routes may sort by them. When these change, the old alert is resolved in the post
//! that brings the new one. An alert ends at its `endsAt`: while the episode stands that lies ahead, by `hold`, and is
//! moved on by posting again.

use crate::notify::event::{Event, Look, short};
use crate::notify::ledger::Notice;
use crate::notify::marks::timestamp;
use rotation_engine::time::EventTime;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The alerts of a notice.
pub(crate) fn notice(notice: &Notice, now: i64, hold: Duration) -> Vec<Value> {
    let event = &notice.event;
    let ended = ended(event, now);
    let mut alerts = Vec::new();
    if let Some(was) = notice.replaces {
        alerts.push(alert(event, was, &ended));
    }
    alerts.push(if event.alert.state.is_final() {
        alert(event, notice.look, &ended)
    } else {
        standing(event, notice.look, now, hold)
    });
    alerts
}

/// The alert of an episode that stands.
pub(crate) fn standing(event: &Event, look: Look, now: i64, hold: Duration) -> Value {
    let hold = i64::try_from(hold.as_millis()).unwrap_or(i64::MAX);
    let ends = timestamp(now.saturating_add(hold)).to_string();
    alert(event, look, &ends)
}

/// When an episode ended by this event: in event time, and no later than now.
fn ended(event: &Event, now: i64) -> String {
    let now = EventTime::from_nanos(now.saturating_mul(1_000_000));
    let ended = event.alert.as_of.min(now).max(starts(event));
    ended.to_string()
}

fn starts(event: &Event) -> EventTime {
    event.since()
}

fn alert(event: &Event, look: Look, ends: &str) -> Value {
    let alert = &event.alert;
    let mut annotations = Map::new();
    let mut add = |key: &str, text: String| {
        if !text.is_empty() {
            annotations.insert(key.to_owned(), text.into());
        }
    };
    add("headline", alert.headline.clone());
    // What Alertmanager and its users' templates look for.
    add("summary", alert.headline.clone());
    add("state", alert.state.name().to_owned());
    add("reverses", alert.reverses.clone());
    add("evidence", event.evidence());
    add("value", format!("{} {}", alert.value, alert.unit));
    add("threshold", format!("{} {}", alert.threshold, alert.unit));
    add("as_of", alert.as_of.to_string());
    add("event", alert.id.clone());
    add("runbook", alert.runbook.clone().unwrap_or_default());
    add("link", event.link.clone().unwrap_or_default());
    let mut posted = json!({
        "labels": {
            "alertname": alert.rule,
            "universe": alert.universe,
            "rule": alert.rule,
            "subject": short(&alert.subject, 200),
            "severity": look.severity.name(),
            "notify": look.notify_name(),
            "episode": alert.episode,
        },
        "annotations": annotations,
        "startsAt": starts(event).to_string(),
        "endsAt": ends,
    });
    if let Some(link) = &event.link {
        posted["generatorURL"] = link.clone().into();
    }
    posted
}
