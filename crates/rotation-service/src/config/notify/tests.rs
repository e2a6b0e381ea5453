use super::*;
use crate::config::{Config, describe};
use jiff::Timestamp;
use std::time::Duration;

const UNIVERSE: &str = "\n[universe.us.series]\nA = {}\nB = {}\n[universe.us.rules.r]\nkind = \"relative_streak\"\n\
                        leader = \"A\"\nlaggard = \"B\"\n";

fn parse(section: &str) -> NotifyConfig {
    let config = Config::parse(&format!("{section}{UNIVERSE}"), "notify.toml");
    config
        .unwrap_or_else(|errors| panic!("{errors}"))
        .notify
        .unwrap()
}

#[test]
fn what_is_left_out_gets_the_documented_defaults() {
    let config = parse(
        "[notify.targets.am]\ntype = \"alertmanager\"\nurls = [\"http://am:9093/\"]\n[[notify.routes]]\ntargets = \"am\"",
    );
    assert_eq!(config.name, "notify");
    let target = &config.targets[0];
    let seconds = Duration::from_secs;
    let expected = TargetKind::Alertmanager {
        urls: vec!["http://am:9093".to_owned()],
        bearer: None,
        resend_every: seconds(60),
        hold: seconds(900),
    };
    assert_eq!(target.kind, expected);
    let delivery = &target.delivery;
    assert_eq!(
        [
            delivery.timeout,
            delivery.give_up_after,
            delivery.retry_min,
            delivery.retry_max
        ],
        [seconds(10), seconds(86_400), seconds(1), seconds(60)]
    );
    let route = &config.routes[0];
    assert_eq!(
        (route.severity, route.notify),
        (Severity::Info, Notify::Digest)
    );
    assert!(route.follow && !route.parts && !route.goes_on);
    assert!(Config::parse(UNIVERSE, "").unwrap().notify.is_none());
}

#[test]
fn secrets_are_fetched_late_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("key");
    std::fs::write(&secret, "hunter2\n").unwrap();
    let text = format!(
        "[notify.targets.pager]\ntype = \"pagerduty\"\nrouting_key = {{ file = {secret:?} }}\n\
         [notify.targets.chat]\ntype = \"slack\"\nurl = {{ env = \"ROTATION_TEST_UNSET\" }}\n\
         [notify.targets.hook]\ntype = \"webhook\"\nurl = \"https://example.org/hook?key=hunter2\"\n\
         [[notify.routes]]\ntargets = [\"pager\", \"chat\"]\nseverity = \"warning\"\nrules = \"small-*\"\n{UNIVERSE}"
    );
    let config = Config::parse(&text, "").unwrap();
    let shown = describe(&config);
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(
        shown.contains("route 1: severity warning or more, rule small-* -> pager, chat"),
        "{shown}"
    );
    let notify = config.notify.unwrap();
    assert!(!format!("{notify:?}").contains("hunter2"));
    let get = |at: usize| {
        let target = &notify.targets[at];
        let (key, value) = target.kind.secrets()[0];
        fetch(&target.name, key, value)
    };
    assert_eq!(get(2).unwrap(), "hunter2");
    assert_eq!(
        get(0).unwrap_err().to_string(),
        "notify.targets.chat.url: expected the environment variable ROTATION_TEST_UNSET to be set"
    );
}

fn window(keys: &str) -> Mute {
    let config = parse(&format!(
        "[notify]\nmute = \"w\"\n[notify.windows.w]\n{keys}\n"
    ));
    config.mute[0].clone()
}

#[test]
fn windows_begin_and_end_by_the_clock_on_the_wall() {
    let check = |keys: &str, at: &str, expected: Option<&str>| {
        let found = window(keys).until(at.parse().unwrap());
        let expected: Option<Timestamp> = expected.map(|text| text.parse().unwrap());
        assert_eq!(found, expected, "{keys} at {at}");
    };
    let night = "from = \"22:00\"\nto = \"06:00\"\ntimezone = \"America/New_York\"";
    check(night, "2026-01-15T02:59:59Z", None);
    check(night, "2026-01-15T03:00:00Z", Some("2026-01-15T11:00:00Z"));
    check(night, "2026-01-15T10:59:59Z", Some("2026-01-15T11:00:00Z"));
    check(night, "2026-01-15T11:00:00Z", None);
    // Summer time: it is an hour earlier in UTC; the night in which clocks go forward is an hour shorter.
    check(night, "2026-07-15T02:00:00Z", Some("2026-07-15T10:00:00Z"));
    check(night, "2026-03-08T03:00:00Z", Some("2026-03-08T10:00:00Z"));
    // Friday's night ends on Saturday.
    let friday = "from = \"22:00\"\nto = \"06:00\"\nweekdays = [\"fri\"]";
    check(friday, "2026-01-17T05:00:00Z", Some("2026-01-17T06:00:00Z"));
    check(friday, "2026-01-16T05:00:00Z", None);
    // Whole days.
    check(
        "weekdays = [\"sat\"]",
        "2026-01-17T00:00:00Z",
        Some("2026-01-18T00:00:00Z"),
    );
    let christmas = "first = 2026-12-25\nlast = \"2026-12-25\"";
    check(
        christmas,
        "2026-12-25T12:00:00Z",
        Some("2026-12-26T00:00:00Z"),
    );
    check(christmas, "2026-12-26T00:00:00Z", None);
}

#[test]
fn windows_that_touch_are_one() {
    let weekend = window("weekdays = [\"sat\", \"sun\"]");
    let night = window("from = \"22:00\"\nto = \"06:00\"");
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let both = [weekend, night];
    // Friday's night, the weekend, Sunday's night.
    let until = muted_until(both.iter(), at("2026-01-16T23:00:00Z"));
    assert_eq!(until, Some(at("2026-01-19T06:00:00Z")));
    assert_eq!(muted_until(both.iter(), at("2026-01-16T12:00:00Z")), None);
    // Muted for ever: so far as it is looked.
    let always = [window(
        "weekdays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]",
    )];
    let until = muted_until(always.iter(), at("2026-01-16T12:00:00Z")).unwrap();
    assert!(until > at("2027-01-16T12:00:00Z"));
}
