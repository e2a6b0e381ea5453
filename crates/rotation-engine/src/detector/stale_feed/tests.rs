use super::*;
use crate::clock::SECOND;
use crate::detector::Kind;
use crate::detector::conformance::{Bench, Dice, session_bucket};
use crate::section::Point;
use jiff::Span;
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"series": ["A", "B"], "calendar": "24x7"});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("stale_feed", all).unwrap().unwrap()
}

fn day(index: usize) -> Date {
    date(2026, 1, 1).saturating_add(Span::new().days(i64::try_from(index).unwrap()))
}

struct Said {
    change: Change,
    value: f64,
    evidence: Value,
    headline: String,
}

fn say(bench: &mut Bench<'_>, bucket: Bucket, present: &str) -> Said {
    let values = present.chars().map(|mark| match mark {
        '.' => None,
        '?' => Some(Point::flat(f64::NAN, true)),
        _ => Some(Point::flat(1.0, true)),
    });
    let (step, account) = bench.step(&(bucket, values.collect()));
    Said {
        change: step.change,
        value: step.reading.unwrap().value,
        evidence: serde_json::to_value(account.evidence).unwrap(),
        headline: account.headline,
    }
}

/// Runs sessions a day apart: a letter for each input that has a value, a dot for one that has none.
fn run(kind: &Kind, sections: &[&str]) -> Vec<Said> {
    let mut bench = Bench::new(kind, Unit::Price);
    let said =
        |(index, present): (usize, &&str)| say(&mut bench, session_bucket(day(index)), present);
    sections.iter().enumerate().map(said).collect()
}

fn changes(kind: &Kind, sections: &[&str]) -> Vec<Change> {
    run(kind, sections)
        .into_iter()
        .map(|said| said.change)
        .collect()
}

use Change::{Escalate, Hold, Open, Quiet, Resolve};

#[test]
fn defaults_are_the_shipped_ones() {
    let params = json!({"series": ["A"]});
    let Kind::StaleFeed(params) = Kind::deserialize("stale_feed", params).unwrap().unwrap() else {
        unreachable!()
    };
    assert_eq!((params.calendar, params.max_silence), (Calendar::Xnys, 1));
    assert_eq!((params.reference.len(), params.expect_all), (0, false));
}

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (
            json!({"series": []}),
            "series: expected 1 to 10000 symbols, found 0",
        ),
        (
            json!({"series": ["A", ""]}),
            "series: expected a symbol, found \"\"",
        ),
        (
            json!({"reference": ["B"]}),
            "reference: expected each symbol once, found \"B\" again",
        ),
        (
            json!({"max_silence": 100_001}),
            "max_silence: expected 0 to 100000 sections, found 100001",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    assert_eq!(kind(json!({"series": ["A"]})).subject(), "A");
    assert_eq!(kind(json!({})).subject(), "2 series");
}

#[test]
fn opens_when_the_silence_is_longer_than_allowed() {
    let said = run(&kind(json!({})), &["ab", "a.", "a.", "a.", "ab", "ab"]);
    let told: Vec<(&Change, f64)> = said.iter().map(|said| (&said.change, said.value)).collect();
    assert_eq!(
        told,
        [
            (&Quiet, 0.0),
            (&Quiet, 1.0),
            (&Open(STALE), 2.0),
            (&Hold, 3.0),
            (&Resolve(FRESH), 0.0),
            (&Quiet, 0.0),
        ]
    );
    assert_eq!(
        said[2].evidence["feeds"],
        json!([{"series": "B", "silent": 2, "since": "2026-01-02", "last": "2026-01-01"}])
    );
    assert_eq!(
        said[2].headline,
        "B silent for 2 sections, its last value is of 2026-01-01"
    );
    assert_eq!(
        said[4].headline,
        "B was silent for 3 sections; no series is stale now"
    );
    assert_eq!(said[4].evidence["feeds"], json!([]));
}

#[test]
fn what_is_no_number_is_no_value() {
    let kind = kind(json!({"max_silence": 0}));
    assert_eq!(changes(&kind, &["ab", "a?"]), [Quiet, Open(STALE)]);
}

#[test]
fn each_further_stale_series_escalates_once() {
    let kind = kind(json!({"series": ["A", "B", "C"], "reference": ["D"]}));
    let said = run(
        &kind,
        &[
            "abcd", "ab.d", "a..d", "a..d", "ab.d", "a..d", "a..d", "...d", "...d", "abcd",
        ],
    );
    let told: Vec<Change> = said.iter().map(|said| said.change.clone()).collect();
    assert_eq!(
        told,
        [
            Quiet,
            Quiet,
            Open(STALE),
            Escalate(MORE),
            Hold,
            Hold,
            Hold,
            Hold,
            Escalate(MORE),
            Resolve(FRESH),
        ]
    );
    assert_eq!(
        said[3].headline,
        "C silent for 3 sections, its last value is of 2026-01-01; 1 other series is stale"
    );
    assert_eq!(said[8].evidence["stale"], 3);
    assert_eq!(
        said[9].headline,
        "C was silent for 8 sections; no series is stale now"
    );
}

#[test]
fn a_series_that_never_printed_is_silent_only_if_expected() {
    let sections = ["a.", "a.", "a."];
    assert_eq!(changes(&kind(json!({})), &sections), [Quiet, Quiet, Quiet]);
    let said = run(&kind(json!({"expect_all": true})), &sections);
    assert_eq!(said[1].change, Open(STALE));
    assert_eq!(
        said[1].headline,
        "B silent for 2 sections, it never had a value"
    );
    assert_eq!(
        (&said[1].evidence["never_seen"], &said[1].evidence["stale"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn sessions_that_the_calendar_does_not_have_are_no_silence() {
    let kind = kind(json!({"calendar": "XNYS", "max_silence": 0}));
    // 2026-01-01 is a holiday, 01-03 and 01-04 a weekend.
    assert_eq!(
        changes(&kind, &["ab", "ab", "a.", "a.", "a."]),
        [Quiet, Quiet, Quiet, Quiet, Open(STALE)]
    );
}

#[test]
fn intervals_outside_of_the_session_are_no_silence() {
    let kind = kind(json!({"calendar": "XNYS", "max_silence": 0}));
    let mut bench = Bench::new(&kind, Unit::Price);
    let mut at = |time: &str, present: &str| {
        let start: EventTime = time.parse().unwrap();
        let end = start.saturating_add(60 * SECOND);
        let bucket = Bucket {
            start,
            end,
            as_of: end,
            date: None,
        };
        say(&mut bench, bucket, present)
    };
    assert_eq!(at("2026-01-02T14:28:00Z", "ab").change, Quiet);
    assert_eq!(at("2026-01-02T14:29:00Z", "a.").change, Quiet);
    let opened = at("2026-01-02T14:30:00Z", "a.");
    assert_eq!(opened.change, Open(STALE));
    assert_eq!(opened.evidence["feeds"][0]["last"], "2026-01-02T14:29:00Z");
    assert_eq!(at("2026-01-02T21:01:00Z", "a.").value, 1.0);
}

proptest! {
    /// Against the definition: count back over the whole history.
    #[test]
    fn silences_are_those_of_the_history(seed: u64, max_silence in 0_u32..3) {
        let mut dice = Dice(seed);
        let sections: Vec<String> = (0..120)
            .map(|_| {
                let rest: String = (0..3).map(|_| if dice.below(3) == 0 { '.' } else { 'x' }).collect();
                format!("{rest}x")
            })
            .collect();
        let kind = kind(json!({"series": ["A", "B", "C"], "reference": ["D"], "max_silence": max_silence}));
        let sections: Vec<&str> = sections.iter().map(String::as_str).collect();
        let said = run(&kind, &sections);
        let mut was_open = false;
        for (index, said) in said.iter().enumerate() {
            let silences = (0..3).map(|input| {
                let back = sections[..=index].iter().rev();
                let silent = back.take_while(|section| section.as_bytes()[input] == b'.').count();
                let was_seen = sections[..=index].iter().any(|section| section.as_bytes()[input] == b'x');
                if was_seen { u32::try_from(silent).unwrap() } else { 0 }
            });
            let silences: Vec<u32> = silences.collect();
            prop_assert_eq!(said.value, f64::from(*silences.iter().max().unwrap()));
            let stale = silences.iter().filter(|silent| **silent > max_silence).count();
            prop_assert_eq!(&said.evidence["stale"], stale);
            let is_open = matches!(said.change, Open(_) | Escalate(_) | Hold);
            prop_assert_eq!(is_open, stale > 0);
            prop_assert_eq!(matches!(said.change, Resolve(_)), was_open && !is_open);
            was_open = is_open;
        }
    }
}
