use super::*;
use crate::clock::SECOND;
use crate::detector::Kind;
use crate::detector::conformance::{Bench, Dice, session_bucket};
use crate::section::Point;
use crate::time::EventTime;
use jiff::civil::{Date, date};
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"series": "A"});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("reacceleration", all).unwrap().unwrap()
}

/// The first of the month, so many months after January 2000.
fn first(month: usize) -> Date {
    let month = i16::try_from(month).unwrap();
    let of_year = i8::try_from(month % 12).unwrap() + 1;
    date(2000 + month / 12, of_year, 1)
}

struct Said {
    change: Change,
    reading: Option<Measure>,
    evidence: Value,
    headline: String,
}

/// Runs prints, each on a date: what is said of each.
fn run(kind: &Kind, prints: &[(Date, f64)]) -> Vec<Said> {
    let mut bench = Bench::new(kind, Unit::Price);
    let said = |(date, value): &(Date, f64)| {
        let point = Point::flat(*value, true);
        say(&mut bench, *date, point)
    };
    prints.iter().map(said).collect()
}

fn say(bench: &mut Bench<'_>, date: Date, point: Point) -> Said {
    let (step, account) = bench.step(&(session_bucket(date), vec![Some(point)]));
    Said {
        change: step.change,
        reading: step.reading,
        evidence: serde_json::to_value(account.evidence).unwrap(),
        headline: account.headline,
    }
}

/// A year at 2 % a year, then these percents from month to month; a print a month.
fn path(monthly: &[f64]) -> Vec<(Date, f64)> {
    let mut level = 100.0;
    let year = std::iter::repeat_n(&0.2, 13);
    let levels = year.chain(monthly).enumerate().map(|(month, percent)| {
        level *= 1.0 + percent / 100.0;
        (first(month), level)
    });
    levels.collect()
}

use Change::{Escalate, Hold, Open, Quiet, Resolve};

fn changes(said: &[Said]) -> Vec<Change> {
    said.iter().map(|said| said.change.clone()).collect()
}

#[test]
fn defaults_are_the_shipped_ones() {
    let Kind::Reacceleration(params) = kind(json!({})) else {
        unreachable!()
    };
    assert_eq!(
        (params.open_at, params.escalate_at.as_slice(), params.floor),
        (2, [4].as_slice(), 4.0)
    );
}

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (
            json!({"series": ""}),
            "series: expected a symbol, found \"\"",
        ),
        (
            json!({"open_at": 0}),
            "open_at: expected 1 to 120 prints, found 0",
        ),
        (
            json!({"escalate_at": [2]}),
            "escalate_at: expected at most 32 ascending numbers from 3 to 120 prints, found [2]",
        ),
        (
            json!({"floor": 2000}),
            "floor: expected -100 to 1000 percent, found 2000",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    let units = kind(json!({})).check_units(&[Unit::Percent]).unwrap_err();
    assert_eq!(units.key, "series");
}

#[test]
fn opens_escalates_and_cools() {
    let kind = kind(json!({"open_at": 2, "escalate_at": [4]}));
    let said = run(&kind, &path(&[0.4, 0.5, 0.6, 0.6, 0.0, -0.5]));
    assert_eq!(
        changes(&said[12..]),
        [
            Quiet,
            Quiet,
            Open(OPEN),
            Hold,
            Escalate(PRINTS),
            Hold,
            Resolve(COOLED)
        ]
    );
    let three = (1.002_f64 * 1.004 * 1.005).powi(4) * 100.0 - 100.0;
    let reading = said[14].reading.unwrap();
    assert!((reading.value - three).abs() < 1e-9, "{reading:?}");
    assert_eq!((reading.threshold, reading.distance), (4.0, 0.0));
    let held = said[15].reading.unwrap();
    assert_eq!(held.distance, held.value - held.threshold);
    assert_eq!(
        said[14].headline,
        "A picks up: 4.49 % a year over the 3 months to 2001-03, 2.94 % over the year; 2nd print in a row above it"
    );
    assert_eq!(
        said[18].headline,
        "A cools: 0.39 % a year over the 3 months to 2001-07, 2.83 % over the year, after 5 prints above it"
    );
}

#[test]
fn a_slow_pace_opens_nothing() {
    // Above the year-on-year rate each month, and yet below the floor; later above it.
    let kind = kind(json!({"open_at": 1, "floor": 3.0}));
    let said = run(&kind, &path(&[0.21, 0.21, 0.22, 0.5]));
    assert_eq!(changes(&said[13..]), [Quiet, Quiet, Quiet, Open(OPEN)]);
    assert_eq!(said[16].evidence["prints"], 4);
    let reading = said[15].reading.unwrap();
    assert_eq!(reading.distance, 3.0 - reading.value);
}

#[test]
fn a_month_without_a_print_leaves_rates_undefined() {
    let kind = kind(json!({"open_at": 1, "floor": 0.0}));
    let mut prints = path(&[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]);
    // March 2001 has none.
    let missing = prints.remove(14);
    assert_eq!(missing.0, date(2001, 3, 1));
    let said = run(&kind, &prints);
    let at = |month| &said[prints.iter().position(|(date, _)| *date == month).unwrap()];
    let april = at(date(2001, 4, 1));
    assert!(april.reading.is_some());
    let june = at(date(2001, 6, 1));
    assert_eq!((june.reading, &june.change), (None, &Hold));
    assert_eq!(june.evidence["missing_months"], json!(["2001-03"]));
    assert_eq!(june.evidence["three_month"], Value::Null);
    assert_eq!(
        june.evidence["prints"],
        at(date(2001, 5, 1)).evidence["prints"]
    );
    assert_eq!(
        june.headline,
        "A has no 3-month rate for 2001-06: no print for 2001-03"
    );
    let september = at(date(2001, 9, 1));
    assert!(september.reading.is_some());
    assert_eq!(september.evidence["six_month"], Value::Null);
    // The next print spans no gap: its rate is that of July on April.
    let july = at(date(2001, 7, 1)).reading.unwrap().value;
    assert!(
        (july - (1.005_f64.powi(12) * 100.0 - 100.0)).abs() < 1e-9,
        "{july}"
    );
}

#[test]
fn a_later_print_for_the_month_revises_it() {
    let kind = kind(json!({"open_at": 2, "escalate_at": [], "floor": 0.0}));
    let mut prints = path(&[0.5, 0.5, 0.5]);
    let (month, level) = *prints.last().unwrap();
    // April revised down, then up again, on the next days.
    prints.push((date(2001, 4, 2), level * 0.98));
    prints.push((date(2001, 4, 3), level));
    // May's rates stand on April as revised.
    prints.push((date(2001, 5, 1), level * 1.005));
    let said = run(&kind, &prints);
    assert_eq!(month, date(2001, 4, 1));
    assert_eq!(
        changes(&said[13..]),
        [Quiet, Open(OPEN), Hold, Resolve(COOLED), Open(OPEN), Hold]
    );
    let counts: Vec<&Value> = said[13..]
        .iter()
        .map(|said| &said.evidence["prints"])
        .collect();
    assert_eq!(counts, [1, 2, 3, 0, 3, 4]);
}

#[test]
fn a_print_counts_for_the_month_that_it_was_stamped_with() {
    let kind = kind(json!({}));
    let prints = path(&[0.5, 0.5, 0.5]);
    let mut bench = Bench::new(&kind, Unit::Price);
    let plain = run(&kind, &prints);
    for ((stamped, value), plain) in prints.iter().zip(&plain) {
        // Known 42 days later, in another month; stamped with the last instant of the day, as files are.
        let known = stamped.saturating_add(jiff::Span::new().days(42));
        let midnight = EventTime::from_nanos(crate::clock::date_key(*stamped) * crate::clock::DAY);
        let point = Point {
            observed: Some(midnight.saturating_add(crate::clock::DAY - SECOND)),
            ..Point::flat(*value, true)
        };
        let late = say(&mut bench, known, point);
        assert_eq!(late.evidence, plain.evidence);
        assert_eq!(late.reading, plain.reading);
    }
}

#[test]
fn a_revision_of_an_older_month_moves_the_rates_that_stand_on_it() {
    let kind = kind(json!({}));
    let prints = path(&[0.2, 0.2, 0.2]);
    let mut bench = Bench::new(&kind, Unit::Price);
    for (date, value) in &prints {
        say(&mut bench, *date, Point::flat(*value, true));
    }
    let midnight = |date| EventTime::from_nanos(crate::clock::date_key(date) * crate::clock::DAY);
    let revise = |bench: &mut Bench<'_>, month, value| {
        let point = Point {
            observed: Some(midnight(month)),
            ..Point::flat(value, true)
        };
        say(bench, date(2001, 4, 20), point)
    };
    let (january, level) = (date(2001, 1, 1), prints[12].1);
    let said = revise(&mut bench, january, level * 0.99);
    assert_eq!(said.evidence["month"], "2001-04");
    let rate = ((prints[15].1 / (level * 0.99)).powi(4) - 1.0) * 100.0;
    assert!((said.reading.unwrap().value - rate).abs() < 1e-9);
    // One from before the year that counts changes nothing.
    let again = revise(&mut bench, date(2000, 3, 1), 1.0);
    assert_eq!(again.evidence, said.evidence);
}

proptest! {
    /// Against the definition: a table of all months, some of them without a print.
    #[test]
    fn rates_are_those_of_the_table(seed: u64) {
        let mut dice = Dice(seed);
        let (mut level, mut table) = (100.0, Vec::new());
        let mut bench_kind = kind(json!({"open_at": 1}));
        if dice.below(2) == 0 {
            bench_kind = kind(json!({"open_at": 2, "floor": 1.0}));
        }
        let mut bench = Bench::new(&bench_kind, Unit::Price);
        for month in 0..80 {
            level *= 1.0 + (dice.fraction() - 0.4) / 100.0;
            let has_print = month == 0 || dice.below(8) > 0;
            table.push(has_print.then_some(level));
            if !has_print {
                continue;
            }
            let said = say(&mut bench, first(month), Point::flat(level, true));
            let rate = |months: usize| {
                let start = table[month.checked_sub(months)?]?;
                Some(((level / start).powf(12.0 / months as f64) - 1.0) * 100.0)
            };
            let near = |ours: Option<f64>, theirs: Option<f64>| match (ours, theirs) {
                (Some(ours), Some(theirs)) => (ours - theirs).abs() < 1e-4,
                (ours, theirs) => ours == theirs,
            };
            prop_assert!(near(said.evidence["three_month"].as_f64(), rate(3)));
            prop_assert!(near(said.evidence["six_month"].as_f64(), rate(6)));
            prop_assert!(near(said.evidence["year_on_year"].as_f64(), rate(12)));
            prop_assert_eq!(said.reading.is_some(), rate(3).is_some());
            if let (Some(reading), Some(three)) = (said.reading, rate(3)) {
                prop_assert!((reading.value - three).abs() < 1e-9 * (1.0 + three.abs()));
            }
        }
    }
}
