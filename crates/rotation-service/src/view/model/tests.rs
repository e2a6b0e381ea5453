//! The model, record by record.

use super::*;
use crate::config::Config;
use crate::view::shape::Now;
use proptest::prelude::*;
use rotation_engine::alert::{Alert, Evidence, Fact, Notify, Quality, Severity, State};
use rotation_engine::time::EventTime;
use rotation_wire::readings::{RuleReading, SourceHorizon};

const RULES: &str = r#"
[universe.us.series]
RUT = {}
GSPC = {}

[universe.us.rules.streak]
kind = "relative_streak"
leader = "RUT"
laggard = "GSPC"
open_at = 5

[universe.us.rules.other]
kind = "record_high"
series = "RUT"
"#;

pub(in crate::view) fn plans() -> Vec<Arc<UniversePlan>> {
    Config::parse(RULES, "rules.toml").unwrap().universes
}

pub(in crate::view) fn day(number: u32) -> EventTime {
    let first: EventTime = "2026-01-01T21:00:00Z".parse().unwrap();
    first.saturating_add(i64::from(number) * 86_400_000_000_000)
}

pub(in crate::view) fn alert(opened: u32, transition: u32, state: State, after: u32) -> Alert {
    let begin = day(opened);
    let episode = format!("us/streak/RUT/GSPC/{begin}");
    let severity = match state {
        State::Escalated => Severity::Warning,
        _ => Severity::Info,
    };
    Alert {
        id: format!("{episode}/{transition}"),
        universe: "us".to_owned(),
        rule: "streak".to_owned(),
        rule_version: "1".to_owned(),
        kind: "relative_streak".to_owned(),
        subject: "RUT/GSPC".to_owned(),
        direction: None,
        severity,
        notify: Notify::Digest,
        state,
        rung: None,
        episode,
        parent_episode: None,
        transition,
        as_of: day(opened + after),
        session: None,
        value: f64::from(transition),
        peak: f64::from(transition),
        duration_seconds: i64::from(after) * 86_400,
        threshold: 5.0,
        unit: "sessions".to_owned(),
        close_status: None,
        evidence: Evidence::new(),
        reverses: String::new(),
        base_rate: None,
        resolve_reason: state.is_final().then(|| "over".to_owned()),
        quality: Quality::default(),
        replay: false,
        headline: format!("event {transition}"),
        runbook: None,
    }
}

pub(in crate::view) fn told(alert: Alert) -> Record {
    let bytes = AlertEvent::from(alert).encode();
    Record::decode(Topic::Alerts, &bytes).unwrap()
}

pub(in crate::view) fn reading(rule: &str, number: u32, distance: f64) -> RuleReading {
    RuleReading {
        universe: "us".to_owned(),
        rule: rule.to_owned(),
        rule_version: "1".to_owned(),
        kind: "relative_streak".to_owned(),
        clock: "session".to_owned(),
        subject: "RUT/GSPC".to_owned(),
        as_of: day(number),
        session: None,
        value: 5.0 - distance,
        threshold: 5.0,
        distance,
        unit: "sessions".to_owned(),
        open: distance <= 0.0,
        inputs: BTreeMap::from([("RUT".to_owned(), 100.0 + f64::from(number))]),
        quality: Quality::default(),
        evidence: None,
    }
}

pub(in crate::view) fn measured(reading: RuleReading) -> Record {
    Record::Reading(ReadingRecord::Reading(Box::new(reading)))
}

pub(in crate::view) fn horizon(number: u32) -> UniverseHorizon {
    UniverseHorizon {
        universe: "us".to_owned(),
        horizon: day(number),
        newest: None,
        sources: vec![SourceHorizon {
            partition: 0,
            horizon: day(number),
            excluded: false,
        }],
    }
}

fn decided(number: u32) -> Record {
    Record::Reading(ReadingRecord::Horizon(horizon(number)))
}

fn answers(model: &Model) -> String {
    let now = day(1_000);
    let all = EpisodeFilter {
        limit: 100,
        ..EpisodeFilter::default()
    };
    let details = model.episodes(&all).episodes.into_iter();
    let details: Vec<_> = details
        .map(|it| model.episode(&it.episode, str::to_owned))
        .collect();
    let now = Now {
        version: String::new(),
        instance: String::new(),
        now,
        caught_up: true,
        position: String::new(),
        notes: Vec::new(),
        universes: model.universes(now),
        open: model.open(),
    };
    serde_json::to_string(&(now, model.episodes(&all), details, model.rules())).unwrap()
}

/// Episodes of one to four events each, some of them ended, and readings, as partitions: each in its order.
fn partitions() -> impl Strategy<Value = Vec<Vec<Record>>> {
    let events = prop::collection::vec((1..5_u32, any::<bool>()), 0..12).prop_map(|episodes| {
        let events = (0_u32..)
            .zip(episodes)
            .flat_map(|(number, (events, ends))| {
                let opened = number * 10;
                (1..=events).map(move |transition| {
                    let state = match transition {
                        1 => State::Opened,
                        _ if ends && transition == events => State::Resolved,
                        _ => State::Escalated,
                    };
                    told(alert(opened, transition, state, transition - 1))
                })
            });
        events.collect::<Vec<_>>()
    });
    let readings = |rule: &'static str| {
        prop::collection::vec(0..6_u32, 0..20).prop_map(move |distances| {
            let readings = (0_u32..).zip(distances);
            let records =
                readings.map(|(at, distance)| measured(reading(rule, at, f64::from(distance))));
            records.collect::<Vec<_>>()
        })
    };
    let horizons = (0..10_u32).prop_map(|all| (0..all).map(decided).collect());
    (events, readings("streak"), readings("other"), horizons)
        .prop_map(|(a, b, c, d): (_, _, _, Vec<Record>)| vec![a, b, c, d])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// However partitions interleave, and whatever is told twice, the model says the same.
    #[test]
    fn order_and_repeats_are_of_no_matter(
        partitions in partitions(),
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..200),
    ) {
        let mut plain = Model::new(&plans());
        for record in partitions.iter().flatten() {
            plain.take(record.clone());
        }
        let mut mixed = Model::new(&plans());
        let mut rest: Vec<_> = partitions.iter().map(|records| records.iter()).collect();
        let mut taken: Vec<Record> = Vec::new();
        for (pick, repeats) in picks {
            if let Some(record) = rest[pick.index(4)].next() {
                mixed.take(record.clone());
                taken.push(record.clone());
            }
            if repeats && !taken.is_empty() {
                let again = mixed.take(pick.get(&taken).clone());
                prop_assert_eq!(again, None);
            }
        }
        for record in rest.into_iter().flatten() {
            mixed.take(record.clone());
        }
        prop_assert_eq!(answers(&mixed), answers(&plain));
        for record in partitions.iter().flatten() {
            prop_assert_eq!(mixed.take(record.clone()), None);
        }
    }
}

#[test]
fn an_episode_is_what_its_events_made_of_it() {
    let mut model = Model::new(&plans());
    for (transition, state, after) in [
        (1, State::Opened, 4),
        (2, State::Escalated, 5),
        (3, State::Resolved, 6),
        (4, State::Corrected, 6),
    ] {
        assert!(
            model
                .take(told(alert(0, transition, state, after)))
                .is_some()
        );
    }
    let open = model.open();
    let [episode] = open.as_slice() else {
        panic!("{open:?}")
    };
    assert_eq!((episode.since, episode.opened_at), (day(0), day(4)));
    assert_eq!(
        (episode.severity, episode.worst),
        (Severity::Info, Severity::Warning)
    );
    assert_eq!(
        (episode.open, episode.ended_at, &episode.resolve_reason),
        (true, None, &None)
    );
    model.take(told(alert(0, 5, State::Resolved, 7)));
    model.take(told(alert(0, 6, State::Confirmed, 8)));
    assert_eq!(model.open(), []);
    let id = episode.episode.clone();
    let detail = model.episode(&format!("{id}/3"), str::to_owned).unwrap();
    assert_eq!(detail.episode.ended_at, Some(day(7)));
    assert_eq!(detail.episode.resolve_reason.as_deref(), Some("over"));
    assert_eq!((detail.events.len(), detail.explain), (6, id.clone()));
    assert!(model.has_event(&format!("{id}/6")) && !model.has_event(&id));
    assert!(model.episode(&format!("{id}/7"), str::to_owned).is_none());
}

#[test]
fn an_event_that_comes_after_its_followers_is_put_in_its_place() {
    let mut model = Model::new(&plans());
    let events = [
        alert(0, 1, State::Opened, 0),
        alert(0, 2, State::Escalated, 1),
        alert(0, 3, State::Resolved, 2),
    ];
    let mut backwards = Model::new(&plans());
    for (event, last) in events.iter().zip(events.iter().rev()) {
        model.take(told(event.clone()));
        backwards.take(told(last.clone()));
    }
    assert_eq!(answers(&model), answers(&backwards));
}

#[test]
fn of_episodes_the_newest_stay_and_those_that_are_open() {
    let mut model = Model::new(&plans());
    model.take(told(alert(0, 1, State::Opened, 0)));
    let hour = 3_600_000_000_000;
    for number in 0..EPISODES_MAX as i64 + 5 {
        let mut event = alert(0, 1, State::Retracted, 0);
        event.as_of = day(1).saturating_add(number * hour);
        event.episode = format!("us/streak/RUT/GSPC/{}", event.as_of);
        event.id = format!("{}/1", event.episode);
        model.take(told(event));
    }
    let all = model.episodes(&EpisodeFilter {
        limit: 5_000,
        ..EpisodeFilter::default()
    });
    assert_eq!((all.total, all.episodes.len()), (EPISODES_MAX, 5_000));
    assert_eq!(model.open().len(), 1);
    let mut last = EpisodeFilter {
        limit: EPISODES_MAX,
        ..EpisodeFilter::default()
    };
    let oldest = model.episodes(&last).episodes;
    assert_eq!(
        oldest[oldest.len() - 2].opened_at,
        day(1).saturating_add(6 * hour)
    );
    last.open = Some(true);
    assert_eq!(model.episodes(&last).total, 1);
}

#[test]
fn a_list_goes_on_where_it_ended() {
    let mut model = Model::new(&plans());
    for number in 0..7 {
        model.take(told(alert(number * 10, 1, State::Opened, 0)));
    }
    let mut filter = EpisodeFilter {
        limit: 3,
        ..EpisodeFilter::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = model.episodes(&filter);
        assert_eq!(page.total, 7);
        seen.extend(page.episodes.iter().map(|it| it.opened_at));
        let Some(next) = page.next else { break };
        let (opened, id) = next.split_once('~').unwrap();
        filter.after = Some((
            EventTime::from_nanos(opened.parse().unwrap()),
            id.to_owned(),
        ));
    }
    let expected: Vec<EventTime> = (0..7).rev().map(|number| day(number * 10)).collect();
    assert_eq!(seen, expected);
}

#[test]
fn filters_leave_out_what_they_say() {
    let mut model = Model::new(&plans());
    model.take(told(alert(0, 1, State::Opened, 0)));
    model.take(told(alert(0, 2, State::Resolved, 5)));
    model.take(told(alert(20, 1, State::Opened, 0)));
    model.take(told(alert(20, 2, State::Escalated, 1)));
    let count = |change: fn(&mut EpisodeFilter)| {
        let mut filter = EpisodeFilter {
            limit: 10,
            ..EpisodeFilter::default()
        };
        change(&mut filter);
        model.episodes(&filter).total
    };
    assert_eq!(count(|_| {}), 2);
    assert_eq!(count(|it| it.universe = Some("eu".to_owned())), 0);
    assert_eq!(count(|it| it.rule = Some("streak".to_owned())), 2);
    assert_eq!(count(|it| it.subject = Some("gspc".to_owned())), 2);
    assert_eq!(count(|it| it.subject = Some("dax".to_owned())), 0);
    assert_eq!(count(|it| it.severity = Some(Severity::Warning)), 1);
    assert_eq!(count(|it| it.open = Some(false)), 1);
    assert_eq!(count(|it| it.range.from = Some(day(5))), 2);
    assert_eq!(count(|it| it.range.from = Some(day(6))), 1);
    assert_eq!(count(|it| it.range.to = Some(day(20))), 1);
}

#[test]
fn of_readings_the_newest_stay() {
    let mut model = Model::new(&plans());
    let most = u32::try_from(READINGS_MAX).unwrap();
    for number in 0..most + 10 {
        assert!(
            model
                .take(measured(reading("streak", number, 2.0)))
                .is_some()
        );
    }
    assert_eq!(
        model.take(measured(reading("streak", 3, 1.0))),
        None,
        "too old to be kept"
    );
    let all = model
        .readings("us", "streak", Range::default(), usize::MAX)
        .unwrap();
    assert_eq!(all.points.len(), READINGS_MAX);
    assert_eq!(all.points[0].0, day(10).as_nanos() / 1_000_000);
    let range = Range {
        from: Some(day(100)),
        to: Some(day(110)),
    };
    let some = model.readings("us", "streak", range, 4).unwrap();
    let last: Vec<i64> = some.points.iter().map(|point| point.0).collect();
    assert_eq!(
        last,
        [106, 107, 108, 109].map(|number| day(number).as_nanos() / 1_000_000)
    );
    assert!(model.readings("us", "nowhere", range, 4).is_err());
    assert_eq!(model.readings("us", "other", range, 4).unwrap().points, []);
}

#[test]
fn nearness_is_the_share_of_readings_that_were_further_away() {
    let mut model = Model::new(&plans());
    let nearness = |model: &Model| model.rules().rules[1].nearness;
    assert_eq!(nearness(&model), None);
    for (number, distance) in (0_u32..).zip([4.0, 4.0, 3.0, 2.0]) {
        model.take(measured(reading("streak", number, distance)));
        assert_eq!(nearness(&model), None, "{number}");
    }
    model.take(measured(reading("streak", 4, 3.0)));
    // Two of five were further away, two as far: itself among them.
    assert_eq!(nearness(&model), Some(0.6));
    model.take(measured(reading("streak", 5, 0.0)));
    assert_eq!(nearness(&model), Some(1.0));
    let mut reads_only = reading("streak", 6, 0.0);
    reads_only.open = false;
    model.take(measured(reads_only));
    assert_eq!(nearness(&model), None);
}

#[test]
fn a_rule_without_a_reading_says_why() {
    let mut model = Model::new(&plans());
    let missing = |model: &Model| model.rules().rules[0].missing.clone();
    assert_eq!(
        missing(&model).unwrap(),
        "nothing was decided in this universe yet"
    );
    model.take(decided(3));
    assert_eq!(
        missing(&model).unwrap(),
        "no section gave a reading up to 2026-01-04T21:00:00Z: not warm yet, or no data for RUT"
    );
    model.take(measured(reading("other", 3, 1.0)));
    assert_eq!(missing(&model), None);
}

fn group(facts: &[(&str, Fact)]) -> Fact {
    let facts = facts
        .iter()
        .map(|(key, fact)| ((*key).to_owned(), fact.clone()));
    Fact::Group(facts.collect())
}

#[test]
fn a_regime_is_told_with_its_reasons() {
    let mut model = Model::new(&plans());
    let values = [
        (0, 7.0, "reads 7 sessions"),
        (1, -0.0625, "reads -0.0625 sessions"),
        (2, 1.0, "reads 1 session"),
    ];
    for (number, value, why) in values {
        let mut record = reading("weather", number, 1.0);
        let contribution = group(&[
            ("rule", "streak".into()),
            ("strength", 0.5.into()),
            ("weight", 2.0.into()),
            ("contribution", 0.25.into()),
            ("value", value.into()),
        ]);
        record.evidence = Some(Evidence::from([
            ("regime".to_owned(), "broadening".into()),
            ("since".to_owned(), "2026-01-02".into()),
            ("score".to_owned(), 0.3.into()),
            ("contributions".to_owned(), Fact::List(vec![contribution])),
        ]));
        let Some(Change::Reading(message)) = model.take(measured(record)) else {
            panic!("no message")
        };
        assert_eq!(message.regime.as_ref().unwrap().contributions[0].why, why);
    }
    let history = model.regime(Some("us"), None).unwrap();
    assert_eq!(history.points.len(), 3);
    let regime = model
        .readings
        .get("us", "weather")
        .unwrap()
        .regime()
        .unwrap();
    assert_eq!((regime.state.as_str(), regime.score), ("broadening", 0.3));
    assert_eq!(regime.since, Some(day(1)));
    assert!(
        model
            .regime(Some("us"), Some("streak"))
            .unwrap()
            .points
            .is_empty()
    );
    assert!(model.regime(Some("us"), Some("nowhere")).is_err());
}

#[test]
fn a_picture_is_kept_where_it_changes() {
    let mut model = Model::new(&plans());
    for (number, ratio) in (0_u32..).zip([101.0, 101.0, 102.0]) {
        let mut record = reading("leaders", number, 1.0);
        let member = group(&[
            ("symbol", "XLF".into()),
            ("ratio", ratio.into()),
            ("momentum", 99.0.into()),
            ("quadrant", "weakening".into()),
        ]);
        record.evidence = Some(Evidence::from([
            ("benchmark".to_owned(), "SPY".into()),
            ("picture".to_owned(), Fact::List(vec![member])),
        ]));
        model.take(measured(record));
    }
    let map = model.map(None, None).unwrap();
    assert_eq!((map.maps.len(), map.benchmark.as_deref()), (1, Some("SPY")));
    assert_eq!((map.members, map.frames.len()), (vec!["XLF".to_owned()], 2));
    assert_eq!(
        (map.frames[0].0.as_of, map.frames[1].0.as_of),
        (day(0), day(2))
    );
    assert!(model.map(Some("eu"), None).is_err());
}

#[test]
fn bytes_that_are_no_record_are_refused_with_a_reason() {
    for topic in Topic::ALL {
        for bytes in [&b""[..], b"{}", b"\xff\xff", b"[1]"] {
            assert!(
                Record::decode(topic, bytes)
                    .unwrap_err()
                    .contains("expected"),
                "{topic:?}"
            );
        }
    }
}
