use super::*;
use crate::detector::Kind;
use crate::detector::conformance::Bench;
use crate::detector::ragged::{self, Ragged, assert_close, day};
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"members": ["A", "B", "C"], "benchmark": "Z"});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("leadership", all).unwrap().unwrap()
}

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (
            json!({"members": []}),
            "members: expected 1 to 10000 members, found 0",
        ),
        (
            json!({"benchmark": "B"}),
            "benchmark: expected a symbol that is no member, found \"B\"",
        ),
        (
            json!({"benchmark": ""}),
            "benchmark: expected a symbol that is no member, found \"\"",
        ),
        (json!({"group": ""}), "group: expected a name, found \"\""),
        (
            json!({"watch": ["D"]}),
            "watch: expected at most 32 members, each once, found [\"D\"]",
        ),
        (
            json!({"watch": ["A", "A"]}),
            "watch: expected at most 32 members, each once, found [\"A\", \"A\"]",
        ),
        (
            json!({"weeks": 2}),
            "weeks: expected 3 to 156 weeks, found 2",
        ),
        (
            json!({"confirm_weeks": 0}),
            "confirm_weeks: expected 1 to 10 weeks, found 0",
        ),
        (
            json!({"top": 0}),
            "top: expected 1 to 1000 members, found 0",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    let units = [Unit::Price, Unit::Price, Unit::Price, Unit::Percent];
    assert_eq!(
        kind(json!({})).check_units(&units).unwrap_err().key,
        "benchmark"
    );
    assert!(kind(json!({})).check().is_ok());
}

#[test]
fn subject_and_unit_follow_the_watched() {
    let of = |params| {
        let kind = kind(params);
        (kind.subject(), kind.unit(Unit::Price))
    };
    let expected = |subject: &str, unit: &str| (subject.to_owned(), unit.to_owned());
    assert_eq!(of(json!({})), expected("members/Z", "percent"));
    assert_eq!(of(json!({"watch": ["B", "A"]})), expected("B+A/Z", "sigma"));
}

#[test]
fn a_week_ends_with_its_last_session() {
    for (day, ends) in [
        (date(2026, 1, 15), false),
        (date(2026, 1, 16), true),
        // Good Friday is closed; so is the Monday of Martin Luther King, and Thanksgiving is not the last.
        (date(2026, 4, 2), true),
        (date(2026, 1, 19), false),
        (date(2025, 11, 26), false),
        (date(2025, 11, 28), true),
        // A day that is no session; and what the calendar does not know.
        (date(2026, 1, 17), true),
        (date(2030, 12, 31), false),
        (date(1950, 1, 6), false),
    ] {
        assert_eq!(ends_week(Calendar::Xnys, day), ends, "{day}");
    }
    assert_eq!(monday(date(2026, 1, 18)), date(2026, 1, 12));
    assert_eq!(monday(date(2026, 1, 12)), date(2026, 1, 12));
}

/// The last closes of each week, and the session at which it was known.
fn weeks(market: &Ragged, calendar: Calendar) -> Vec<(usize, Vec<Option<f64>>)> {
    let mut weeks: Vec<(usize, Vec<Option<f64>>)> = Vec::new();
    let mut closes = vec![None; market.0[0].len()];
    let mut is_known = false;
    for (session, row) in market.0.iter().enumerate() {
        if session > 0 && monday(day(session)) != monday(day(session - 1)) {
            assert!(is_known, "no week ends late here");
            closes.fill(None);
            is_known = false;
        }
        if !is_known {
            closes
                .iter_mut()
                .zip(row)
                .for_each(|(held, close)| *held = close.or(*held));
            is_known = ends_week(calendar, day(session));
            if is_known && closes.last().unwrap().is_some() {
                weeks.push((session, closes.clone()));
            }
        }
    }
    weeks
}

/// The last value's distance from the mean of the last `n`, in their standard deviations.
fn z(values: &[f64], n: usize) -> Option<f64> {
    let held = &values[values.len().checked_sub(n)?..];
    let mean = held.iter().sum::<f64>() / n as f64;
    let deviation =
        (held.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
    Some((values.last()? - mean) / deviation)
}

/// A member's point at each week in which it has one: known at the session, with the quadrant that counts.
fn points(
    market: &Ragged,
    calendar: Calendar,
    member: usize,
    n: usize,
    confirm: usize,
) -> Vec<(usize, Point, Option<Quadrant>)> {
    let (mut strengths, mut ratios, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut seen, mut held, mut points) = (Vec::new(), None, Vec::new());
    for (session, closes) in weeks(market, calendar) {
        let (Some(close), Some(Some(benchmark))) = (closes[member], closes.last()) else {
            continue;
        };
        strengths.push(100.0 * close / benchmark);
        let Some(ratio) = z(&strengths, n).map(|z| 100.0 + z) else {
            continue;
        };
        ratios.push(ratio);
        if let [.., before, now] = ratios.as_slice() {
            changes.push(now / before - 1.0);
        }
        let Some(momentum) = z(&changes, n).map(|z| 100.0 + z) else {
            continue;
        };
        let point = Point { ratio, momentum };
        let quadrant = match (ratio > 100.0, momentum > 100.0) {
            (true, true) => Quadrant::Leading,
            (true, false) => Quadrant::Weakening,
            (false, false) => Quadrant::Lagging,
            (false, true) => Quadrant::Improving,
        };
        seen.push(quadrant);
        if seen
            .iter()
            .rev()
            .take_while(|last| **last == quadrant)
            .count()
            >= confirm
        {
            held = Some(quadrant);
        }
        points.push((session, point, held));
    }
    points
}

fn watching(calendar: Calendar, n: usize, confirm: usize) -> Kind {
    kind(
        json!({"watch": ["B"], "weeks": n, "confirm_weeks": confirm, "quadrant": "weakening", "calendar": calendar}),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn readings_and_events_are_those_of_the_definition(
        seed: u64,
        n in 3_usize..8,
        confirm in 1_usize..4,
        calendar in prop::sample::select(&[Calendar::Xnys, Calendar::AlwaysOpen]),
    ) {
        let market = Ragged::walk(seed, 4, 400);
        let told = ragged::run(&watching(calendar, n, confirm), &market);
        let points = points(&market, calendar, 1, n, confirm);
        let mut was_inside = false;
        for (session, told) in told.iter().enumerate() {
            let known = points.iter().rfind(|(known, ..)| *known <= session);
            assert_close(told.value, known.map(|(_, point, _)| Quadrant::Weakening.depth(*point)), 1e-9, session);
            let is_inside = known.is_some_and(|(.., held)| *held == Some(Quadrant::Weakening));
            let expected = match (was_inside, is_inside) {
                (false, false) => Change::Quiet,
                (false, true) => Change::Open(ENTERED),
                (true, true) => Change::Hold,
                (true, false) => Change::Resolve(LEFT),
            };
            prop_assert_eq!(&told.change, &expected, "session {}", session);
            was_inside = is_inside;
        }
    }

    #[test]
    fn the_picture_shows_every_member_with_its_tail(seed: u64, n in 3_usize..8) {
        let market = Ragged::walk(seed, 4, 400);
        let told = ragged::run(&kind(json!({"weeks": n, "calendar": "24x7"})), &market);
        let evidence = &told.last().unwrap().evidence;
        let Some((last_week, _)) = weeks(&market, Calendar::AlwaysOpen).pop() else { return Ok(()) };
        let shown = evidence["picture"].as_array().unwrap();
        let mut count = 0;
        for (member, symbol) in ["A", "B", "C"].into_iter().enumerate() {
            let points = points(&market, Calendar::AlwaysOpen, member, n, 2);
            if points.last().is_none_or(|(known, ..)| *known != last_week) {
                continue;
            }
            count += 1;
            let entry = shown.iter().find(|entry| entry["symbol"] == symbol).unwrap();
            let tail = entry["tail"].as_array().unwrap();
            prop_assert_eq!(tail.len(), points.len().min(8).min(n + 1));
            for (shown, (_, point, _)) in tail.iter().rev().zip(points.iter().rev()) {
                prop_assert!((shown[0].as_f64().unwrap() - point.ratio).abs() < 1e-4);
                prop_assert!((shown[1].as_f64().unwrap() - point.momentum).abs() < 1e-4);
            }
            let held = points.last().unwrap().2.map(Quadrant::name);
            prop_assert_eq!(entry.get("quadrant").and_then(Value::as_str), held);
        }
        prop_assert_eq!(shown.len(), count);
        prop_assert_eq!(evidence["counted"].as_u64().unwrap() as usize, count);
    }

    #[test]
    fn a_restored_copy_goes_on(seed: u64, n in 3_usize..8) {
        ragged::a_restored_copy_goes_on(&watching(Calendar::Xnys, n, 2), seed, &Ragged::walk(seed, 4, 300));
    }

    #[test]
    fn splits_move_no_reading(seed: u64, n in 3_usize..8) {
        ragged::splits_move_no_reading(&watching(Calendar::Xnys, n, 2), seed, &Ragged::walk(seed, 4, 300));
    }
}

/// Weeks of one session each, on Fridays, in which the watched members stand as given against a flat benchmark.
fn by_week(params: Value, closes: &[[f64; 3]]) -> Vec<(Change, String)> {
    let kind = kind(params);
    let mut bench = Bench::new(&kind, Unit::Price);
    let weeks = (0..).zip(closes).map(|(week, closes)| {
        let friday = date(2000, 1, 7).saturating_add(Span::new().weeks(week));
        let point = |close: &f64| (*close > 0.0).then(|| crate::section::Point::flat(*close, true));
        let mut values: Vec<_> = closes.iter().map(point).collect();
        values.push(point(&100.0));
        let (step, account) =
            bench.step(&(crate::detector::conformance::session_bucket(friday), values));
        (step.change, account.headline)
    });
    weeks.collect()
}

#[test]
fn watched_members_come_and_go_one_by_one() {
    let kind = kind(json!({"watch": ["A", "B", "C"], "weeks": 4, "confirm_weeks": 1}));
    let mut inside: Vec<Value> = Vec::new();
    let mut events = [0; 4];
    for told in ragged::run(&kind, &Ragged::walk(7, 4, 1_500)) {
        let now = told
            .evidence
            .get("inside")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let names = |all: &[Value], but: &[Value]| -> Vec<String> {
            let new = all.iter().filter(|symbol| !but.contains(symbol));
            new.map(|symbol| format!("{} (ratio ", symbol.as_str().unwrap()))
                .collect()
        };
        let (joined, left) = (names(&now, &inside), names(&inside, &now));
        let (change, event) = match (inside.len(), now.len()) {
            (0, 0) => (Change::Quiet, None),
            (0, _) => (
                Change::Open(ENTERED),
                Some((0, &joined, " entered leading against Z")),
            ),
            (_, 0) => (
                Change::Resolve(LEFT),
                Some((1, &left, " left leading against Z")),
            ),
            _ if !joined.is_empty() => (
                Change::Escalate(JOINED),
                Some((2, &joined, " entered leading against Z")),
            ),
            _ if !left.is_empty() => (
                Change::Ease(DEPARTED),
                Some((3, &left, " left leading against Z")),
            ),
            _ => (Change::Hold, None),
        };
        assert_eq!(told.change, change);
        if let Some((which, names, end)) = event {
            events[which] += 1;
            assert!(
                names.iter().all(|name| told.headline.contains(name)),
                "{}",
                told.headline
            );
            assert_eq!(told.headline.matches("ratio").count(), names.len());
            assert!(told.headline.ends_with(end), "{}", told.headline);
        }
        inside = now;
    }
    assert!(events.iter().all(|count| *count > 2), "{events:?}");
}

#[test]
fn a_week_without_its_last_session_is_known_at_the_next() {
    let kind = kind(json!({"watch": ["A"], "weeks": 3, "confirm_weeks": 1}));
    let run = |skip_friday: bool| {
        let mut bench = Bench::new(&kind, Unit::Price);
        let mut known = Vec::new();
        for session in 2..80 {
            let day = day(session);
            let weekday = day.weekday().to_monday_one_offset();
            if weekday > 5 || (skip_friday && weekday == 5) {
                continue;
            }
            // The Thursday's close is the Friday's.
            let wave = |speed: f64| 100.0 + 10.0 * ((session / 7) as f64 * speed).sin();
            let values = [1.0, 1.3, 0.7, 0.0]
                .map(|speed| Some(crate::section::Point::flat(wave(speed), true)));
            let section = (
                crate::detector::conformance::session_bucket(day),
                values.to_vec(),
            );
            let value = bench.step(&section).0.reading.map(|reading| reading.value);
            if known.last().map(|(_, last)| *last) != value {
                known.extend(value.map(|value| (weekday, value)));
            }
        }
        known
    };
    let (on_time, late) = (run(false), run(true));
    assert!(on_time.len() > 3);
    assert!(on_time.iter().all(|(weekday, _)| *weekday == 5));
    assert!(late.iter().all(|(weekday, _)| *weekday == 1));
    let values = |known: &[(i8, f64)]| known.iter().map(|(_, value)| *value).collect::<Vec<_>>();
    assert_eq!(values(&late), values(&on_time)[..late.len()]);
}

#[test]
fn whoever_leaves_the_group_leaves_the_quadrant() {
    let closes: Vec<[f64; 3]> = (0..30)
        .map(|week| [100.0 + f64::from(week * week), 100.0, 90.0])
        .collect();
    let until = date(2000, 1, 7).saturating_add(Span::new().weeks(20));
    let params = json!({
        "members": [{"symbol": "A", "to": until}, "B", "C"], "watch": ["A"], "weeks": 3, "confirm_weeks": 1
    });
    let told = by_week(params, &closes);
    assert_eq!(told[19].0, Change::Hold);
    assert_eq!(told[20].0, Change::Resolve(LEFT));
    assert!(
        told[21..]
            .iter()
            .all(|(change, _)| *change == Change::Quiet)
    );
}
