//! The episodes of the topic, as any subscriber has them that follows docs/ALERTS.md: the lines that the programs of
//! `examples` print.

use crate::proof::Published;
use rotation_engine::alert::{Alert, State};
use std::collections::BTreeMap;

/// An episode by its newest event.
struct Episode<'a> {
    is_open: bool,
    newest: &'a Alert,
}

/// A line for each episode, sorted by id. Events of an episode that was announced are passed over where they are not
/// newer than what is known of it.
pub(super) fn lines(published: &[Published]) -> Vec<String> {
    let mut episodes: BTreeMap<&str, Episode<'_>> = BTreeMap::new();
    for event in published.iter().filter_map(|it| it.event.as_ref().ok()) {
        let alert = &event.alert;
        let known = episodes.get(alert.episode.as_str());
        if known.is_some_and(|known| alert.transition <= known.newest.transition) {
            continue;
        }
        let episode = Episode {
            is_open: stands(alert.state, known.is_none_or(|known| known.is_open)),
            newest: alert,
        };
        episodes.insert(&alert.episode, episode);
    }
    episodes.values().map(Episode::line).collect()
}

/// Whether an episode stands after an event.
fn stands(state: State, before: bool) -> bool {
    match state {
        State::Opened | State::Escalated | State::Eased | State::Corrected => true,
        State::Resolved | State::Retracted => false,
        State::Confirmed => before,
    }
}

impl Episode<'_> {
    fn line(&self) -> String {
        let alert = self.newest;
        format!(
            "{}\t{}\t{}\t{}\t{}\t{}",
            if self.is_open { "open" } else { "closed" },
            alert.episode,
            alert.transition,
            alert.state.name(),
            alert.severity.name(),
            alert.as_of,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rotation_wire::invariants::Place;
    use serde_json::{Value, json};

    fn event(episode: &str, transition: u32, state: &str) -> Published {
        let data = json!({
            "universe": "us", "rule": "rule", "rule_version": "v", "kind": "record_high", "subject": "RUT",
            "severity": "info", "notify": "digest", "state": state, "episode": episode, "transition": transition,
            "as_of": "2026-01-15T21:00:00Z", "value": 1.0, "peak": 1.0, "duration_seconds": 0, "threshold": 1.0,
            "unit": "points", "evidence": {}, "reverses": "r", "replay": false, "headline": "h",
            "quality": { "present": 1, "expected": 1, "stale": [] },
        });
        let event: Value = json!({
            "specversion": "1.0", "id": format!("{episode}/{transition}"), "source": "/rotation/us/rule",
            "type": format!("rotation.alert.{state}.v1"), "subject": "RUT", "time": data["as_of"],
            "datacontenttype": "application/json", "dataschema": "urn:rotation:schema:alert:v1", "data": data,
        });
        let place = Place {
            partition: 0,
            offset: 0,
        };
        let published = Published::new(place, None, event.to_string().as_bytes());
        assert!(published.event.is_ok(), "{:?}", published.event);
        published
    }

    #[test]
    fn an_episode_is_as_its_newest_event_leaves_it() {
        let events = [
            event("b", 1, "opened"),
            event("a", 1, "opened"),
            event("a", 2, "resolved"),
            event("c", 1, "opened"),
            event("a", 3, "confirmed"),
            event("a", 2, "resolved"),
            event("b", 2, "resolved"),
            event("b", 3, "corrected"),
            event("d", 1, "opened"),
            event("d", 2, "retracted"),
            event("a", 1, "opened"),
        ];
        let rest = "info\t2026-01-15T21:00:00Z";
        assert_eq!(
            lines(&events),
            [
                format!("closed\ta\t3\tconfirmed\t{rest}"),
                format!("open\tb\t3\tcorrected\t{rest}"),
                format!("open\tc\t1\topened\t{rest}"),
                format!("closed\td\t2\tretracted\t{rest}"),
            ]
        );
    }
}
