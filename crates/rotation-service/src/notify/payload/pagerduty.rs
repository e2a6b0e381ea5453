//! PagerDuty, Events API v2: `trigger` while the episode stands, `resolve` at its end, one `dedup_key` an episode.
//!
//! Nothing here acknowledges: that a person has taken note is theirs to say.

use crate::notify::event::{Event, short};
use crate::notify::ledger::Notice;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The longest that PagerDuty takes.
const DEDUP_KEY_MAX: usize = 255;
const SUMMARY_MAX: usize = 1024;

/// The event that is sent.
pub(crate) fn event(notice: &Notice, routing_key: &str) -> Value {
    let event = &notice.event;
    let alert = &event.alert;
    let is_final = alert.state.is_final();
    let mut sent = json!({
        "routing_key": routing_key,
        "event_action": if is_final { "resolve" } else { "trigger" },
        "dedup_key": dedup_key(&alert.episode),
        "client": "Rotation",
        "payload": {
            "summary": short(&alert.headline, SUMMARY_MAX),
            "source": format!("rotation/{}/{}", alert.universe, alert.rule),
            "severity": notice.look.severity.name(),
            "timestamp": alert.as_of.to_string(),
            "component": short(&alert.subject, 255),
            "group": alert.universe,
            "class": alert.kind,
            "custom_details": details(event),
        },
    });
    let mut links = Vec::new();
    if let Some(link) = &event.link {
        sent["client_url"] = link.clone().into();
        links.push(json!({ "href": link, "text": "Episode" }));
    }
    if let Some(runbook) = &alert.runbook {
        links.push(json!({ "href": runbook, "text": "Runbook" }));
    }
    if !links.is_empty() {
        sent["links"] = links.into();
    }
    sent
}

/// The episode's id, or its digest where that is too long.
fn dedup_key(episode: &str) -> String {
    if episode.len() <= DEDUP_KEY_MAX {
        return episode.to_owned();
    }
    let digest = Sha256::digest(episode.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn details(event: &Event) -> Value {
    let alert = &event.alert;
    let mut details = json!({
        "event": alert.id,
        "episode": alert.episode,
        "state": alert.state.name(),
        "rule": alert.rule,
        "value": alert.value,
        "peak": alert.peak,
        "threshold": alert.threshold,
        "unit": alert.unit,
        "since": event.since().to_string(),
        "as_of": alert.as_of.to_string(),
        "evidence": event.evidence(),
        "reverses": alert.reverses,
        "quality": format!("{} of {} inputs", alert.quality.present, alert.quality.expected),
    });
    if let Some(reason) = &alert.resolve_reason {
        details["resolve_reason"] = reason.clone().into();
    }
    details
}
