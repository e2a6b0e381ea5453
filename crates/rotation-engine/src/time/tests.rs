use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<EventTime, EventTimeError> {
    text.parse()
}

#[test]
fn reads_every_offset_and_writes_utc_with_few_digits() {
    let cases = [
        ("2026-01-15T21:00:00Z", "2026-01-15T21:00:00Z"),
        ("2026-01-15T16:00:00-05:00", "2026-01-15T21:00:00Z"),
        ("2026-01-16t06:00:00+09:00", "2026-01-15T21:00:00Z"),
        ("2026-01-16 02:30:00.5+05:30", "2026-01-15T21:00:00.5Z"),
        ("2026-01-15T20:59:59.123000z", "2026-01-15T20:59:59.123Z"),
        (
            "2026-01-15T20:59:59.000000001Z",
            "2026-01-15T20:59:59.000000001Z",
        ),
        ("2024-02-29T00:00:00-00:00", "2024-02-29T00:00:00Z"),
        ("2000-02-29T23:59:60Z", "2000-02-29T23:59:59Z"),
        ("1969-12-31T23:59:59.9Z", "1969-12-31T23:59:59.9Z"),
    ];
    for (text, written) in cases {
        assert_eq!(parse(text).unwrap().to_string(), written, "{text}");
    }
    assert_eq!(parse("1970-01-01T00:00:00Z").unwrap().as_nanos(), 0);
    assert_eq!(
        parse("2001-09-09T01:46:40Z").unwrap().as_nanos(),
        1_000_000_000 * NANOS_PER_SECOND
    );
}

#[test]
fn refuses_what_rfc_3339_does_not_allow() {
    for text in [
        "",
        "2026-01-15",
        "2026-01-15T21:00:00",
        "2026-01-15T21:00Z",
        "2026-13-15T21:00:00Z",
        "2026-00-15T21:00:00Z",
        "2026-02-29T21:00:00Z",
        "1900-02-29T21:00:00Z",
        "2026-04-31T21:00:00Z",
        "2026-01-00T21:00:00Z",
        "2026-01-15T24:00:00Z",
        "2026-01-15T21:60:00Z",
        "2026-01-15T21:00:61Z",
        "2026-01-15T21:00:00.Z",
        "2026-01-15T21:00:00.0123456789Z",
        "2026-01-15T21:00:00+0500",
        "2026-01-15T21:00:00+24:00",
        "2026-01-15T21:00:00Z ",
        "2026-01-15T2é:00:00Z",
        "1768510800000000000",
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(
            error,
            EventTimeError::Malformed {
                given: text.to_owned()
            }
        );
    }
    let noise = "é".repeat(1 << 20);
    let EventTimeError::Malformed { given } = parse(&noise).unwrap_err() else {
        panic!("noise is malformed");
    };
    assert_eq!(given.len(), EventTimeError::GIVEN_MAX);
}

#[test]
fn holds_the_ends_of_its_range_and_no_more() {
    assert_eq!(EventTime::MIN.to_string(), "1677-09-21T00:12:43.145224192Z");
    assert_eq!(EventTime::MAX.to_string(), "2262-04-11T23:47:16.854775807Z");
    for end in [EventTime::MIN, EventTime::MAX] {
        assert_eq!(parse(&end.to_string()), Ok(end));
    }
    for text in [
        "1677-09-21T00:12:43.145224191Z",
        "2262-04-11T23:47:16.854775808Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(
            error,
            EventTimeError::OutOfRange {
                given: text.to_owned()
            }
        );
        assert!(error.to_string().contains("1677-09-21") && error.to_string().contains(text));
    }
    assert!(EventTime::try_from(Timestamp::MAX).is_err());
}

#[test]
fn arithmetic_saturates() {
    let time = EventTime::from_nanos(10);
    assert_eq!(time.saturating_add(5).as_nanos(), 15);
    assert_eq!(time.saturating_sub(15).as_nanos(), -5);
    assert_eq!(EventTime::MAX.saturating_add(1), EventTime::MAX);
    assert_eq!(EventTime::MIN.saturating_sub(1), EventTime::MIN);
    assert_eq!(EventTime::MIN.saturating_add(-1), EventTime::MIN);
    assert_eq!(time.saturating_since(EventTime::from_nanos(25)), -15);
    assert_eq!(EventTime::MAX.saturating_since(EventTime::MIN), i64::MAX);
}

#[test]
fn dates_are_those_of_utc() {
    for (text, date) in [
        ("2026-01-15T20:00:00-05:00", "2026-01-16"),
        ("1969-12-31T23:59:59.999999999Z", "1969-12-31"),
        ("1970-01-01T00:00:00Z", "1970-01-01"),
    ] {
        assert_eq!(parse(text).unwrap().utc_date().to_string(), date);
    }
    assert_eq!(EventTime::MIN.utc_date().to_string(), "1677-09-21");
    assert_eq!(EventTime::MAX.utc_date().to_string(), "2262-04-11");
}

#[test]
fn json_holds_text_and_reads_integers_too() {
    let time = parse("2026-01-15T20:59:59.123Z").unwrap();
    assert_eq!(
        serde_json::to_string(&time).unwrap(),
        r#""2026-01-15T20:59:59.123Z""#
    );
    for json in [r#""2026-01-15T20:59:59.123Z""#, "1768510799123000000"] {
        assert_eq!(serde_json::from_str::<EventTime>(json).unwrap(), time);
    }
    assert_eq!(
        serde_json::from_str::<EventTime>("-1").unwrap().as_nanos(),
        -1
    );
    for json in ["1.5", "null", "[]", "18446744073709551615", r#""2100""#] {
        assert!(serde_json::from_str::<EventTime>(json).is_err(), "{json}");
    }
}

#[test]
fn binary_formats_hold_nanoseconds() {
    let time = parse("2026-01-15T20:59:59.123Z").unwrap();
    let mut bytes = Vec::new();
    ciborium::into_writer(&time, &mut bytes).unwrap();
    assert_eq!(
        ciborium::from_reader::<i64, _>(bytes.as_slice()).unwrap(),
        time.as_nanos()
    );
    assert_eq!(
        ciborium::from_reader::<EventTime, _>(bytes.as_slice()).unwrap(),
        time
    );
}

proptest! {
    #[test]
    fn text_and_timestamp_round_trip(nanos in any::<i64>()) {
        let time = EventTime::from_nanos(nanos);
        prop_assert_eq!(parse(&time.to_string()), Ok(time));
        prop_assert_eq!(EventTime::try_from(Timestamp::from(time)), Ok(time));
    }

    #[test]
    fn agrees_with_an_independent_reader(
        text in "(1[789]|2[012])[0-9]{2}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,9})?([Zz]|[+-][01][0-9]:[0-5][0-9])"
    ) {
        let theirs = text.parse::<Timestamp>().ok().map(|timestamp| timestamp.as_nanosecond());
        prop_assert_eq!(rfc3339::parse(text.as_bytes()), theirs);
    }
}
