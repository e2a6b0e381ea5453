//! An event with every field: templates are held against it, and `--test` sends it.

use super::event::Event;
use super::ledger::Notice;
use super::{event::Look, marks};
use rotation_engine::alert::{
    Alert, BaseRate, CloseStatus, Direction, Evidence, Notify, Quality, Severity, State,
};
use rotation_engine::time::EventTime;
use rotation_wire::alerts::{AlertEvent, Position};
use std::sync::Arc;

/// The event of the checks.
pub(crate) fn event() -> Event {
    let mut alert = alert(
        "2026-01-15T21:00:00Z".parse().expect("an instant"),
        State::Resolved,
    );
    alert.parent_episode = Some("us/parent/A/2026-01-08T21:00:00Z".to_owned());
    alert.resolve_reason = Some("reversed".to_owned());
    alert.runbook = Some("https://example.org/runbook".to_owned());
    alert.quality.capped_from = Some(Severity::Warning);
    encode(alert, Some("https://example.org"))
}

/// What `--test` sends: an opening and its end.
pub(crate) fn notices(now: i64, public_url: Option<&str>) -> [Notice; 2] {
    let as_of = EventTime::from_nanos(now.saturating_mul(1_000_000));
    [State::Opened, State::Resolved].map(|state| {
        let mut alert = alert(as_of, state);
        alert.universe = "test".to_owned();
        alert.rule = "notify-test".to_owned();
        alert.episode = format!("test/notify-test/RUT/GSPC/{as_of}");
        alert.transition = if state == State::Opened { 1 } else { 2 };
        alert.id = format!("{}/{}", alert.episode, alert.transition);
        alert.headline = "A test of rotation notify: nothing happened in the market".to_owned();
        alert.duration_seconds = 0;
        let event = Arc::new(encode(alert, public_url));
        Notice {
            look: Look::of(&event.alert),
            event,
            replaces: None,
            held_until: None,
        }
    })
}

fn encode(alert: Alert, public_url: Option<&str>) -> Event {
    let detected_at = Some(alert.as_of);
    let positions = Some(vec![Position {
        topic: "rotation.bars".to_owned(),
        partition: 0,
        offset: 1,
    }]);
    let bytes = AlertEvent {
        alert,
        detected_at,
        positions,
    }
    .encode();
    Event::read(&bytes, public_url).expect("an event as it is published")
}

fn alert(as_of: EventTime, state: State) -> Alert {
    let evidence: Evidence = [
        ("length".to_owned(), 10_u32.into()),
        ("leader_return".to_owned(), 0.0776.into()),
        ("start".to_owned(), "2026-01-02".into()),
    ]
    .into();
    let episode = "us/small-cap-streak/RUT/GSPC/2026-01-08T21:00:00Z".to_owned();
    let date = marks::timestamp(as_of.as_nanos() / 1_000_000);
    Alert {
        id: format!("{episode}/2"),
        universe: "us".to_owned(),
        rule: "small-cap-streak".to_owned(),
        rule_version: "02b404713862ed2f".to_owned(),
        kind: "relative_streak".to_owned(),
        subject: "RUT/GSPC".to_owned(),
        direction: Some(Direction::Up),
        severity: Severity::Info,
        notify: Notify::Digest,
        state,
        rung: Some("length".to_owned()),
        episode,
        parent_episode: None,
        transition: 2,
        as_of,
        session: Some(date.to_zoned(jiff::tz::TimeZone::UTC).date()),
        value: 10.0,
        peak: 10.0,
        duration_seconds: 604_800,
        threshold: 10.0,
        unit: "sessions".to_owned(),
        close_status: Some(CloseStatus::Official),
        evidence,
        reverses: "a session in which RUT does not beat GSPC".to_owned(),
        base_rate: Some(BaseRate {
            per_year: 4.0,
            per_year_null: Some(3.9),
        }),
        resolve_reason: None,
        quality: Quality {
            present: 2,
            expected: 2,
            ..Quality::default()
        },
        replay: false,
        headline: "RUT beat GSPC for the 10th session, +7.76 % against +1.45 %".to_owned(),
        runbook: None,
    }
}
