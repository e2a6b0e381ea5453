use super::*;
use proptest::prelude::*;
use rotation_engine::alert::{
    BaseRate, CloseStatus, Direction, Evidence, Fact, Notify, Quality, Severity, State,
};

/// The alert of the design's example.
pub(crate) fn alert() -> Alert {
    let since = [
        ("end", Fact::from("2008-06-06")),
        ("length", Fact::Count(13)),
    ];
    let since: Evidence = since.map(|(key, fact)| (key.to_owned(), fact)).into();
    let evidence = [
        ("length", Fact::Count(10)),
        ("start", Fact::from("2026-01-02")),
        ("end", Fact::from("2026-01-15")),
        ("leader_return", Fact::Number(0.0776)),
        ("laggard_return", Fact::Number(0.0145)),
        ("tightest_margin_bp", Fact::Number(5.44)),
        ("longest_since", Fact::Group(since)),
    ];
    Alert {
        id: "0123456789abcdef-2".to_owned(),
        universe: "us".to_owned(),
        rule: "small-cap-streak".to_owned(),
        rule_version: "00112233aabbccdd".to_owned(),
        kind: "relative_streak".to_owned(),
        subject: "RUT/GSPC".to_owned(),
        direction: Some(Direction::Up),
        severity: Severity::Warning,
        notify: Notify::Chat,
        state: State::Escalated,
        rung: Some("length".to_owned()),
        episode: "0123456789abcdef".to_owned(),
        parent_episode: None,
        transition: 2,
        as_of: "2026-01-15T21:00:00Z".parse().unwrap(),
        session: Some(jiff::civil::date(2026, 1, 15)),
        value: 10.0,
        peak: 10.0,
        duration_seconds: 604_800,
        threshold: 10.0,
        unit: "sessions".to_owned(),
        close_status: Some(CloseStatus::Official),
        evidence: evidence.map(|(key, fact)| (key.to_owned(), fact)).into(),
        reverses: "a session in which RUT does not beat GSPC".to_owned(),
        base_rate: None,
        resolve_reason: None,
        quality: Quality {
            present: 2,
            expected: 2,
            stale: Vec::new(),
            capped_from: None,
        },
        replay: false,
        headline: "RUT beat GSPC for the 10th session, +7.76 % against +1.45 %".to_owned(),
        runbook: None,
    }
}

/// The same event as the live service publishes it.
pub(crate) fn live() -> AlertEvent {
    let position = |topic: &str, offset| Position {
        topic: topic.to_owned(),
        partition: 1,
        offset,
    };
    AlertEvent {
        alert: alert(),
        detected_at: Some("2026-01-15T21:00:31.25Z".parse().unwrap()),
        positions: Some(vec![
            position("rotation.bars", 77),
            position("market.ticks", 81),
        ]),
    }
}

const EXPECTED: &str = concat!(
    r#"{"specversion":"1.0","id":"0123456789abcdef-2","source":"/rotation/us/small-cap-streak","#,
    r#""type":"rotation.alert.escalated.v1","subject":"RUT/GSPC","time":"2026-01-15T21:00:00Z","#,
    r#""datacontenttype":"application/json","dataschema":"urn:rotation:schema:alert:v1","#,
    r#""data":{"universe":"us","rule":"small-cap-streak","rule_version":"00112233aabbccdd","#,
    r#""kind":"relative_streak","subject":"RUT/GSPC","direction":"up","severity":"warning","#,
    r#""notify":"chat","state":"escalated","rung":"length","episode":"0123456789abcdef","#,
    r#""transition":2,"as_of":"2026-01-15T21:00:00Z","session":"2026-01-15","value":10.0,"peak":10.0,"#,
    r#""duration_seconds":604800,"threshold":10.0,"unit":"sessions","close_status":"official","#,
    r#""evidence":{"end":"2026-01-15","laggard_return":0.0145,"leader_return":0.0776,"length":10,"#,
    r#""longest_since":{"end":"2008-06-06","length":13},"start":"2026-01-02","tightest_margin_bp":5.44},"#,
    r#""reverses":"a session in which RUT does not beat GSPC","#,
    r#""quality":{"present":2,"expected":2,"stale":[]},"replay":false,"#,
    r#""headline":"RUT beat GSPC for the 10th session, +7.76 % against +1.45 %"}}"#,
);

#[test]
fn an_event_has_these_bytes() {
    let bytes = AlertEvent::from(alert()).encode();
    assert_eq!(String::from_utf8(bytes).unwrap(), EXPECTED);

    let bytes = String::from_utf8(live().encode()).unwrap();
    let tail = concat!(
        r#","detected_at":"2026-01-15T21:00:31.25Z","#,
        r#""positions":[{"topic":"rotation.bars","partition":1,"offset":77},"#,
        r#"{"topic":"market.ticks","partition":1,"offset":81}]}}"#,
    );
    assert_eq!(
        bytes,
        EXPECTED.strip_suffix("}}").unwrap().to_owned() + tail
    );
}

#[test]
fn a_live_event_compares_equal_to_a_backtest() {
    let backtest = AlertEvent::from(alert()).encode();
    assert_eq!(comparable(&live().encode()), backtest);
    assert_eq!(comparable(&backtest), backtest);

    let other = AlertEvent {
        alert: Alert {
            peak: 10.5,
            ..alert()
        },
        ..live()
    };
    assert_ne!(comparable(&other.encode()), backtest);
}

#[test]
fn comparing_keeps_every_other_byte() {
    let cases = [
        (
            r#"{"data":{"positions":[{}],"b":1.50}, "a" : [1, 2]}"#,
            r#"{"data":{"b":1.50},"a":[1, 2]}"#,
        ),
        (r#"{"data":{"detected_at":null}}"#, r#"{"data":{}}"#),
        (r#"{"positions":[]}"#, r#"{"positions":[]}"#),
        (r#"{"data":7}"#, r#"{"data":7}"#),
        ("{}", "{}"),
        ("no event", "no event"),
        ("", ""),
    ];
    for (event, expected) in cases {
        assert_eq!(comparable(event.as_bytes()), expected.as_bytes(), "{event}");
    }
}

#[test]
fn names_are_percent_encoded_in_the_source() {
    let odd = Alert {
        universe: "us/équité".to_owned(),
        rule: "a b?".to_owned(),
        ..alert()
    };
    assert_eq!(source(&odd), "/rotation/us%2F%C3%A9quit%C3%A9/a%20b%3F");
    let event = AlertEvent::from(odd);
    assert_eq!(AlertEvent::decode(&event.encode()).unwrap(), event);
}

#[test]
fn refuses_what_the_program_does_not_write() {
    let cases = [
        ("{}", "{}".to_owned(), "as a CloudEvent"),
        (
            "specversion",
            EXPECTED.replace("\"1.0\"", "\"0.3\""),
            "attribute specversion of an alert event: expected \"1.0\", found \"0.3\"",
        ),
        (
            "type",
            EXPECTED.replace(".escalated.v1", ".escalated.v2"),
            "attribute type",
        ),
        (
            "source",
            EXPECTED.replace("/rotation/us", "/rotation/eu"),
            "attribute source",
        ),
        (
            "time",
            EXPECTED.replacen("21:00:00Z", "21:00:01Z", 1),
            "attribute time",
        ),
        (
            "state",
            EXPECTED.replace("\"state\":\"escalated\"", "\"state\":\"worse\""),
            "as a CloudEvent",
        ),
    ];
    for (what, event, reason) in cases {
        let error = AlertEvent::decode(event.as_bytes())
            .expect_err(what)
            .to_string();
        assert!(error.contains(reason), "{what}: {error}");
    }
    let grown = EXPECTED.replacen(
        "\"data\":{",
        "\"traceparent\":\"00\",\"data\":{\"mood\":[1],",
        1,
    );
    assert_eq!(
        AlertEvent::decode(grown.as_bytes()).unwrap(),
        AlertEvent::from(alert())
    );
}

fn finite() -> impl Strategy<Value = f64> {
    any::<u64>()
        .prop_map(f64::from_bits)
        .prop_filter("finite", |number| number.is_finite())
}

fn facts() -> impl Strategy<Value = Fact> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Fact::Flag),
        any::<i64>().prop_map(Fact::Count),
        finite().prop_map(Fact::Number),
        "\\PC{0,12}".prop_map(Fact::Text),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4).prop_map(Fact::Group)
    })
}

prop_compose! {
    fn alerts()(
        names in ("\\PC{1,8}", "\\PC{1,8}", "\\PC{1,8}"),
        direction in prop::option::of(prop::sample::select(vec![Direction::Up, Direction::Down])),
        severity in prop::sample::select(vec![Severity::Info, Severity::Warning, Severity::Critical]),
        notify in prop::sample::select(vec![Notify::Digest, Notify::Chat, Notify::Page]),
        state in prop::sample::select(vec![
            State::Opened, State::Escalated, State::Eased, State::Confirmed,
            State::Corrected, State::Resolved, State::Retracted,
        ]),
        numbers in (any::<u32>(), any::<i64>(), any::<i64>(), any::<bool>()),
        values in (finite(), finite(), finite()),
        texts in (prop::option::of("\\PC{0,8}"), prop::option::of("\\PC{0,8}"), prop::option::of("\\PC{0,8}")),
        close in prop::option::of(prop::sample::select(vec![CloseStatus::Provisional, CloseStatus::Official])),
        evidence in prop::collection::btree_map("[a-z_]{1,8}", facts(), 0..5),
        rate in prop::option::of((finite(), prop::option::of(finite()))),
        stale in prop::collection::vec("[A-Z]{1,4}", 0..3),
    ) -> Alert {
        let (transition, as_of, duration_seconds, replay) = numbers;
        Alert {
            universe: names.0, rule: names.1, subject: names.2.clone(), episode: names.2.clone(), id: names.2,
            direction, severity, notify, state, transition, duration_seconds, replay, evidence,
            as_of: EventTime::from_nanos(as_of),
            session: close.map(|_| jiff::civil::date(2026, 1, 15)),
            value: values.0, peak: values.1, threshold: values.2,
            rung: texts.0.clone(), parent_episode: texts.0, resolve_reason: texts.1, runbook: texts.2,
            close_status: close,
            base_rate: rate.map(|(per_year, per_year_null)| BaseRate { per_year, per_year_null }),
            quality: Quality { present: transition, expected: transition, stale, capped_from: None },
            ..alert()
        }
    }
}

proptest! {
    #[test]
    fn reads_what_it_writes(alert in alerts(), live in prop::option::of((any::<i64>(), any::<i32>(), any::<i64>()))) {
        let backtest = AlertEvent::from(alert);
        let bytes = backtest.encode();
        prop_assert_eq!(&AlertEvent::decode(&bytes).unwrap(), &backtest);
        if let Some((time, partition, offset)) = live {
            let event = AlertEvent {
                detected_at: Some(EventTime::from_nanos(time)),
                positions: Some(vec![Position { topic: "t".to_owned(), partition, offset }]),
                ..backtest
            };
            let live_bytes = event.encode();
            prop_assert_eq!(&AlertEvent::decode(&live_bytes).unwrap(), &event);
            prop_assert_eq!(comparable(&live_bytes), bytes);
        }
    }
}
