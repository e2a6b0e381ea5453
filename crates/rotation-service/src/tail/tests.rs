//! Lines as they are read.

use super::*;

const EVENT: &str = r#"{"specversion":"1.0","id":"x","source":"/rotation/us/small-cap-streak","data":{
    "universe":"us","rule":"small-cap-streak","rule_version":"v","kind":"relative_streak","subject":"RUT/GSPC",
    "severity":"warning","notify":"chat","state":"escalated","episode":"e","transition":2,
    "as_of":"2026-01-15T21:00:00Z","value":10,"peak":10,"duration_seconds":1,"threshold":10,"unit":"sessions",
    "evidence":{},"reverses":"","quality":{"present":2,"expected":2,"stale":[]},"replay":false,
    "detected_at":"2026-01-15T21:00:01Z","positions":[],"a_field_of_a_later_version":1,
    "headline":"RUT beat GSPC for the 10th session, +7.76 % against +1.45 %"}}"#;

fn shown(event: &str, json: bool, colored: bool) -> String {
    let mut out = Vec::new();
    write_event(&mut out, event.as_bytes(), json, colored).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn an_event_is_one_line_with_time_severity_state_rule_and_headline() {
    assert_eq!(
        shown(EVENT, false, false),
        "2026-01-15T21:00:00Z  warning   escalated  us/small-cap-streak  \
         RUT beat GSPC for the 10th session, +7.76 % against +1.45 %\n"
    );
}

#[test]
fn fractions_of_a_second_are_left_out_and_pages_and_replays_are_marked() {
    let event = EVENT
        .replace("21:00:00Z", "21:00:00.123456789Z")
        .replace("chat", "page");
    let event = event.replace("\"replay\":false", "\"replay\":true");
    let line = shown(&event, false, false);
    assert!(line.starts_with("2026-01-15T21:00:00Z  "), "{line}");
    assert!(line.ends_with("  [page]  [replay]\n"), "{line}");
}

#[test]
fn colours_are_the_only_difference() {
    let colored = shown(EVENT, false, true);
    assert!(colored.contains("\x1b[33mwarning "), "{colored:?}");
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, shown(EVENT, false, false));
}

#[test]
fn json_is_passed_on_byte_for_byte_and_strangers_are_shown() {
    assert_eq!(shown("{\"a\" : 1}", true, false), "{\"a\" : 1}\n");
    assert_eq!(shown("hello", false, false), "not an alert event: hello\n");
}

#[test]
fn flags_win_over_the_file() {
    let args = |brokers: &[&str], topic: Option<&str>| Args {
        config: None,
        brokers: brokers.iter().map(|&broker| broker.to_owned()).collect(),
        topic: topic.map(str::to_owned),
        json: false,
        from_beginning: false,
        limit: None,
        color: Color::Auto,
    };
    let (kafka, topic) = args(&[], None).source().unwrap();
    let client = client(&kafka).unwrap();
    assert_eq!(
        (client.get("bootstrap.servers"), topic.as_str()),
        (Some("localhost:9092"), "rotation.alerts")
    );
    let (kafka, topic) = args(&["a:1", "b:2"], Some("t")).source().unwrap();
    let client = super::client(&kafka).unwrap();
    assert_eq!(
        (client.get("bootstrap.servers"), topic.as_str()),
        (Some("a:1,b:2"), "t")
    );
}
