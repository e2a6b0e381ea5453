use super::*;
use crate::config::Config;
use crate::proof::Bound;
use rotation_engine::alert::{Alert, Notify, Quality, Severity, State};
use rotation_engine::time::EventTime;

const CONFIG: &str = r#"
[universe.us.series]
LEAD = {}
LAG = {}

[universe.us.rules.streak]
kind = "relative_streak"
leader = "LEAD"
laggard = "LAG"
"#;

fn plans() -> Vec<Arc<UniversePlan>> {
    Config::parse(CONFIG, "test.toml").unwrap().universes
}

const BARS: &str = "rotation.bars";

fn event(day: i8, version: &str) -> AlertEvent {
    let as_of: EventTime = format!("2026-01-{day:02}T21:00:00Z").parse().unwrap();
    let (universe, rule, subject) = ("us".to_owned(), "streak".to_owned(), "LEAD/LAG".to_owned());
    let episode = format!("{universe}/{rule}/{subject}/{as_of}");
    let alert = Alert {
        id: format!("{episode}/1"),
        universe,
        rule,
        rule_version: version.to_owned(),
        kind: "relative_streak".to_owned(),
        subject,
        direction: None,
        severity: Severity::Info,
        notify: Notify::Digest,
        state: State::Opened,
        rung: None,
        episode,
        parent_episode: None,
        transition: 1,
        as_of,
        session: None,
        value: 5.0,
        peak: 5.0,
        duration_seconds: 0,
        threshold: 5.0,
        unit: "sessions".to_owned(),
        close_status: None,
        evidence: BTreeMap::new(),
        reverses: "a session".to_owned(),
        base_rate: None,
        resolve_reason: None,
        quality: Quality::default(),
        replay: false,
        headline: "five in a row".to_owned(),
        runbook: None,
    };
    AlertEvent {
        alert,
        detected_at: None,
        positions: Some(vec![Position {
            topic: BARS.to_owned(),
            partition: 0,
            offset: i64::from(day) * 10,
        }]),
    }
}

fn place(offset: i64) -> Place {
    Place {
        partition: 0,
        offset,
    }
}

fn put(events: &[AlertEvent]) -> Vec<Published> {
    let events = (0..).map(place).zip(events);
    events
        .map(|(place, event)| Published::new(place, Some(b"us/streak/LEAD/LAG"), &event.encode()))
        .collect()
}

fn decided(events: &[AlertEvent]) -> Vec<Decided> {
    let events = events.iter().map(|event| Decided {
        event: event.clone(),
        place: place(event.positions.as_ref().unwrap()[0].offset),
    });
    events.collect()
}

fn grounds(whole: bool) -> Grounds {
    Grounds {
        bars: BARS.to_owned(),
        until: [(0, (whole, 1000))].into(),
        partitions: 1,
        ..Grounds::default()
    }
}

fn codes(comparison: &Comparison) -> Vec<&'static str> {
    comparison.findings.iter().map(|it| it.code).collect()
}

/// Three events of the version that the configuration has.
fn three() -> Vec<AlertEvent> {
    let version = plans()[0].rules[0].version.clone();
    [5, 6, 7].map(|day| event(day, &version)).to_vec()
}

#[test]
fn what_is_the_same_is_counted_and_each_fault_has_its_name() {
    let events = three();
    let clean = compare(&plans(), &grounds(true), &put(&events), &decided(&events));
    assert_eq!(
        (clean.compared, clean.identical, codes(&clean).len()),
        (3, 3, 0)
    );
    let told = |published: &[AlertEvent]| {
        compare(&plans(), &grounds(true), &put(published), &decided(&events))
    };
    assert_eq!(codes(&told(&events[1..])), ["lost"]);
    let mut invented = events.clone();
    invented.push(event(9, &events[0].alert.rule_version));
    assert_eq!(codes(&told(&invented)), ["invented"]);
    let mut altered = events.clone();
    altered[1].alert.value = 6.0;
    let found = told(&altered);
    assert_eq!((codes(&found), found.identical), (vec!["different"], 2));
    assert!(
        found.findings[0]
            .message
            .contains("data.value: computed 5.0, published 6.0"),
        "{}",
        found.findings[0].message
    );
    let mut displaced = events.clone();
    displaced[2].positions.as_mut().unwrap()[0].offset = 71;
    let found = told(&displaced);
    assert_eq!(codes(&found), ["different"]);
    assert!(found.findings[0].message.contains("data.positions"));
}

#[test]
fn fields_outside_the_version_hint_at_the_configuration() {
    let events = three();
    let mut louder = events.clone();
    louder[0].alert.severity = Severity::Warning;
    louder[0].alert.notify = Notify::Chat;
    let found = compare(&plans(), &grounds(true), &put(&louder), &decided(&events));
    let message = &found.findings[0].message;
    assert!(
        message.contains("was the configuration changed"),
        "{message}"
    );
}

#[test]
fn without_the_beginning_of_the_log_only_what_agrees_is_said() {
    let events = three();
    let mut published = events.clone();
    published[1].alert.value = 6.0;
    published.push(event(9, &events[0].alert.rule_version));
    let found = compare(
        &plans(),
        &grounds(false),
        &put(&published),
        &decided(&events),
    );
    assert_eq!(
        (found.compared, found.identical, codes(&found).len()),
        (2, 2, 0)
    );
    assert_eq!(found.left_out.values().sum::<u64>(), 2);
}

#[test]
fn a_rule_that_had_another_version_began_cold_at_some_time() {
    let events = three();
    let mut published = events[1..].to_vec();
    published.push(event(4, "anotherversion00"));
    let found = compare(
        &plans(),
        &grounds(true),
        &put(&published),
        &decided(&events),
    );
    assert_eq!((found.compared, codes(&found).len()), (2, 0));
    let reason = "the configuration has another version of the rule";
    assert_eq!(found.left_out.get(reason), Some(&1));
}

#[test]
fn a_rule_whose_episode_a_configuration_ended_began_cold_after_it() {
    let events = three();
    let mut published = events[1..].to_vec();
    published[1].alert.value = 6.0;
    let mut end = event(8, &events[0].alert.rule_version);
    end.alert.resolve_reason = Some("rule_changed".to_owned());
    end.positions = None;
    published.push(end);
    let found = compare(
        &plans(),
        &grounds(true),
        &put(&published),
        &decided(&events),
    );
    assert_eq!(
        (found.compared, found.identical, codes(&found).len()),
        (1, 1, 0)
    );
    let reason = "cites no record of rotation.bars";
    assert_eq!(found.left_out.get(reason), Some(&1));
}

#[test]
fn a_rule_that_was_added_later_is_not_held_against_the_whole_log() {
    let events = three();
    let version = &events[0].alert.rule_version;
    let at = |day: i64| {
        events[0]
            .alert
            .as_of
            .saturating_add(day * 86_400_000_000_000)
    };
    let told = |day: i64| {
        serde_json::json!({
            "type": "reading", "universe": "us", "rule": events[0].alert.rule, "rule_version": version, "kind": "k",
            "clock": "session", "subject": "A", "as_of": at(day), "value": 1.0, "threshold": 1.0, "distance": 0.0,
            "unit": "sessions", "open": false
        })
    };
    let horizon = |day: i64| serde_json::json!({"type": "horizon", "universe": "us", "horizon": at(day), "sources": []});
    let cases = [
        (
            vec![horizon(0), told(0)],
            vec!["lost"],
            "from the beginning",
        ),
        (vec![horizon(0), told(1)], vec![], "later"),
        (vec![horizon(0)], vec![], "not yet"),
        (
            vec![horizon(1), told(1)],
            vec!["lost"],
            "readings began later",
        ),
        (vec![], vec!["lost"], "no readings"),
    ];
    for (records, expected, case) in cases {
        let mut begun = Begun::default();
        for record in records {
            begun.take(&serde_json::from_value(record).unwrap());
        }
        for day in 0..3 {
            begun.computed(&plans()[0], 0, at(day));
        }
        let grounds = Grounds {
            begun,
            ..grounds(true)
        };
        let found = compare(&plans(), &grounds, &put(&events[1..]), &decided(&events));
        assert_eq!(codes(&found), expected, "{case}");
    }
}

#[test]
fn what_cannot_be_computed_is_left_out_with_a_reason() {
    let events = three();
    let mut published = events.clone();
    published[0].positions = None;
    published[1].positions.as_mut().unwrap()[0].offset = 1000;
    published[2].alert.rule = "gone".to_owned();
    let found = compare(&plans(), &grounds(true), &put(&published), &[]);
    assert_eq!((found.compared, found.left_out.len()), (0, 3), "{found:?}");
    let mut refused = grounds(true);
    refused.refused.insert("us".to_owned(), "a mix".to_owned());
    let found = compare(&plans(), &refused, &put(&events), &[]);
    assert_eq!(found.left_out.get("universe us: a mix"), Some(&3));
}

#[test]
fn a_range_a_sample_and_the_topics_own_beginning_bound_what_is_said() {
    let events = three();
    let mut ranged = grounds(true);
    ranged.range.from = Some("2026-01-06".parse().unwrap());
    let found = compare(&plans(), &ranged, &put(&events[1..]), &decided(&events));
    assert_eq!(
        (found.compared, codes(&found).len()),
        (2, 0),
        "the first is not asked for"
    );
    let mut by_offset = grounds(true);
    by_offset.range.from = Some(Bound::Offset(1));
    let found = compare(&plans(), &by_offset, &put(&events[1..]), &decided(&events));
    assert_eq!(
        (found.compared, codes(&found).len()),
        (1, 0),
        "offsets do not say what is lost"
    );
    let mut sampled = grounds(true);
    sampled.sample = Some(2);
    let found = compare(&plans(), &sampled, &put(&events), &decided(&events));
    assert_eq!((found.compared, found.identical), (2, 2));
    let mut cut = grounds(true);
    cut.floor = [(0, 60)].into();
    let found = compare(&plans(), &cut, &put(&events[1..]), &decided(&events));
    assert_eq!(codes(&found).len(), 0, "retention took the first");
    let found = compare(&plans(), &cut, &put(&events[1..2]), &decided(&events));
    assert_eq!(
        codes(&found),
        ["lost"],
        "the last is younger than what is there"
    );
}
