use super::*;
use crate::alert::Direction;
use crate::detector::Kind;
use crate::detector::Unit;
use crate::detector::conformance::{Bench, Dice, session_bucket};
use crate::time::EventTime;
use jiff::Span;
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"series": "A", "short_interest": "S"});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("short_squeeze", all).unwrap().unwrap()
}

fn day(index: usize) -> Date {
    date(2000, 1, 1).saturating_add(Span::new().days(i64::try_from(index).unwrap()))
}

/// What one day brings: close and volume of the share, and a print of the short interest.
#[derive(Clone, Copy, Debug)]
struct Today {
    quote: Option<(f64, f64)>,
    interest: Option<f64>,
}

impl Today {
    fn point(close: f64, volume: f64) -> Point {
        Point {
            size: volume,
            ..Point::flat(close, true)
        }
    }

    fn values(self) -> Vec<Option<Point>> {
        let quote = self
            .quote
            .map(|(close, volume)| Today::point(close, volume));
        vec![quote, self.interest.map(|shares| Point::flat(shares, true))]
    }
}

fn run(kind: &Kind, days: &[Today]) -> Vec<(Step, Account)> {
    let mut bench = Bench::new(kind, Unit::Price);
    let sections = days
        .iter()
        .enumerate()
        .map(|(index, today)| bench.step(&(session_bucket(day(index)), today.values())));
    sections.collect()
}

fn events(told: &[(Step, Account)]) -> Vec<(usize, Change)> {
    let changes = told.iter().map(|(step, _)| step.change.clone()).enumerate();
    changes
        .filter(|(_, change)| !matches!(change, Change::Quiet | Change::Hold))
        .collect()
}

/// Quiet trading around 100 shares a day, with 800 sold short since day 3; then a squeeze from day 70 on: +8 % a
/// day on four times the volume, and from day 80 a slow fall.
fn squeeze() -> Vec<Today> {
    let mut close = 10.0;
    let days = (0..90).map(|index: usize| {
        let calm = 100.0 + f64::from(u8::try_from(index % 5).unwrap());
        let volume = match index {
            0..70 => calm,
            70..80 => 4.0 * calm,
            _ => calm,
        };
        close *= match index {
            0..70 => 1.0,
            70..80 => 1.08,
            _ => 0.97,
        };
        Today {
            quote: Some((close, volume)),
            interest: (index == 3 || index == 50).then_some(800.0),
        }
    });
    days.collect()
}

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (
            json!({"series": ""}),
            "series: expected a symbol, found \"\"",
        ),
        (
            json!({"short_interest": "A"}),
            "short_interest: expected another series, found A",
        ),
        (
            json!({"average_volume": "S"}),
            "average_volume: expected another series, found S",
        ),
        (
            json!({"surge_sessions": 0}),
            "surge_sessions: expected 1 to 252 sessions, found 0",
        ),
        (
            json!({"volume_window": 4}),
            "volume_window: expected 5 to 2520 sessions, found 4",
        ),
        (
            json!({"stale_sessions": 0}),
            "stale_sessions: expected 1 to 2520 sessions, found 0",
        ),
        (
            json!({"surge_pct": 0}),
            "surge_pct: expected above 0, to 10000 percent, found 0",
        ),
        (
            json!({"volume_z": -11}),
            "volume_z: expected -10 to 100 standard deviations, found -11",
        ),
        (
            json!({"cover_at": 0}),
            "cover_at: expected above 0, to 10000 days, found 0",
        ),
        (
            json!({"fade_pct": 20}),
            "fade_pct: expected -100 to below surge_pct (20) percent, found 20",
        ),
        (
            json!({"covered_at": 5}),
            "covered_at: expected 0 to below cover_at (5) days, found 5",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    let percent = kind(json!({})).check_units(&[Unit::Price, Unit::Percent]);
    assert_eq!(percent.unwrap_err().key, "short_interest");
    assert!(!kind(json!({})).needs_all_inputs());
}

#[test]
fn a_squeeze_opens_and_fades() {
    let told = run(&kind(json!({})), &squeeze());
    // +8 % a day pass 20 % on the third day.
    assert_eq!(
        events(&told),
        [(72, Change::Open(SQUEEZE)), (83, Change::Resolve(FADED))]
    );
    let (step, opened) = &told[72];
    let evidence = serde_json::to_value(&opened.evidence).unwrap();
    assert_eq!(evidence["surge_return"], 0.259712);
    assert_eq!(evidence["days_to_cover_before"], 7.8431, "800 of 102 a day");
    // The mean of seventeen calm days and of three with 4 · 100, 4 · 101, 4 · 102.
    let mean = (1_737.0 + 1_212.0) / 20.0;
    assert_eq!(
        evidence["days_to_cover"],
        crate::alert::round(800.0 / mean, 4)
    );
    assert_eq!(
        evidence["short_interest"],
        json!({"shares": 800.0, "date": day(50).to_string()})
    );
    assert_eq!(
        evidence["short_interest_before"],
        Value::Null,
        "the same size again"
    );
    for condition in ["surging", "volume_high", "cover_high", "cover_falling"] {
        assert_eq!(evidence[condition], true, "{condition}");
    }
    assert_eq!(opened.direction, Some(Direction::Up));
    assert!(
        opened
            .headline
            .starts_with("A is squeezed: +25.97 % over 5 sessions, volume "),
        "{}",
        opened.headline
    );
    let reading = step.reading.unwrap();
    assert_eq!((reading.threshold, reading.distance), (20.0, 0.0));
    let held = told[76].0.reading.unwrap();
    assert_eq!((held.threshold, held.distance), (0.0, held.value));
}

#[test]
fn each_condition_is_needed() {
    let none = |params: Value| assert_eq!(events(&run(&kind(params), &squeeze())), []);
    none(json!({"surge_pct": 60}));
    none(json!({"volume_z": 90}));
    none(json!({"cover_at": 9}));
    let mut covered_less = squeeze();
    // More and more is sold short, so days to cover do not fall.
    for (step, today) in covered_less[70..].iter_mut().enumerate() {
        today.interest = Some(800.0 * 1.5_f64.powi(i32::try_from(step).unwrap()));
    }
    assert_eq!(events(&run(&kind(json!({})), &covered_less)), []);
}

#[test]
fn a_squeeze_ends_when_it_is_covered() {
    let mut days = squeeze();
    days[75].interest = Some(90.0);
    let told = run(&kind(json!({})), &days);
    assert_eq!(
        events(&told),
        [(72, Change::Open(SQUEEZE)), (75, Change::Resolve(COVERED))]
    );
    let evidence = serde_json::to_value(&told[75].1.evidence).unwrap();
    assert_eq!(evidence["short_interest_before"]["shares"], 800.0);
}

#[test]
fn prints_stand_for_so_many_sessions() {
    let params = json!({"stale_sessions": 15});
    let told = run(&kind(params), &squeeze());
    assert!(told[64].0.reading.is_some(), "15 sessions from day 50 on");
    assert!(told[65].0.reading.is_none());
    assert_eq!(events(&told), []);
}

#[test]
fn days_without_the_price_are_passed_over_but_their_prints_count() {
    let mut days = squeeze();
    for index in [20, 40, 71] {
        days.insert(
            index,
            Today {
                quote: None,
                interest: Some(800.0),
            },
        );
    }
    let told = run(&kind(json!({})), &days);
    assert_eq!(
        events(&told),
        [(75, Change::Open(SQUEEZE)), (86, Change::Resolve(FADED))]
    );
    assert_eq!(told[71].0, Step::passed_over(false));
    // Nor can a day without volume be held against others.
    let mut days = squeeze();
    days[72].quote = days[72].quote.map(|(close, _)| (close, 0.0));
    assert_eq!(
        events(&run(&kind(json!({})), &days))[0],
        (73, Change::Open(SQUEEZE))
    );
}

#[test]
fn a_lagged_print_says_which_day_it_is_of() {
    let kind = kind(json!({}));
    let mut bench = Bench::new(&kind, Unit::Price);
    let mut values = squeeze()[0].values();
    let observed: EventTime = "1999-12-15T21:00:00Z".parse().unwrap();
    values[1] = Some(Point {
        observed: Some(observed),
        ..Point::flat(800.0, true)
    });
    let (_, account) = bench.step(&(session_bucket(day(0)), values));
    let evidence = serde_json::to_value(&account.evidence).unwrap();
    assert_eq!(evidence["short_interest"]["date"], "1999-12-15");
}

#[test]
fn an_average_volume_may_be_given() {
    let kind = kind(json!({"average_volume": "V", "cover_at": 4}));
    let mut bench = Bench::new(&kind, Unit::Price);
    for (index, today) in squeeze().into_iter().enumerate() {
        let mut values = today.values();
        values.push((index == 40).then(|| Point::flat(200.0, true)));
        let (step, account) = bench.step(&(session_bucket(day(index)), values));
        // The average of day 40 stands for 45 sessions.
        assert_eq!(step.reading.is_some(), (60..85).contains(&index));
        if index == 72 {
            let evidence = serde_json::to_value(&account.evidence).unwrap();
            assert_eq!(evidence["days_to_cover"], 4.0);
            assert_eq!(
                evidence["cover_falling"], false,
                "which the prints alone decide"
            );
        }
    }
}

#[test]
fn a_split_of_the_share_changes_nothing() {
    let kind = kind(json!({}));
    let whole = run(&kind, &squeeze());
    for at in [30, 71, 75] {
        let mut bench = Bench::new(&kind, Unit::Price);
        for (index, mut today) in squeeze().into_iter().enumerate() {
            if index == at {
                bench.state.rescale(0, 0.1);
            }
            if index >= at {
                today.quote = today
                    .quote
                    .map(|(close, volume)| (close * 0.1, volume * 10.0));
                today.interest = today.interest.map(|shares| shares * 10.0);
            }
            let (step, _) = bench.step(&(session_bucket(day(index)), today.values()));
            assert_eq!(
                step.change, whole[index].0.change,
                "split at {at}, day {index}"
            );
        }
    }
}

proptest! {
    /// Against the definition, with prints that come and go and sessions that fail.
    #[test]
    fn opens_and_ends_as_defined(seed: u64) {
        let (surge, window, cover_window) = (3, 8, 4);
        let params = json!({
            "surge_sessions": surge, "surge_pct": 1.0, "volume_window": window, "volume_z": 0.3,
            "cover_window": cover_window, "cover_at": 0.5, "covered_at": 0.3, "stale_sessions": 30,
        });
        let mut dice = Dice(seed);
        let mut close = 50.0;
        let days: Vec<Today> = (0..400)
            .map(|_| {
                close *= 1.0 + (dice.fraction() - 0.48) * 0.03;
                let quote = (close, 100.0 + 100.0 * dice.fraction());
                Today {
                    quote: (dice.below(15) > 0).then_some(quote),
                    interest: (dice.below(20) == 0).then(|| 50.0 + 60.0 * dice.fraction()),
                }
            })
            .collect();
        let told = run(&kind(params), &days);
        let mut quotes: Vec<(f64, f64)> = Vec::new();
        let mut covers: Vec<Option<f64>> = Vec::new();
        let mut print: Option<(f64, usize)> = None;
        let mut is_open = false;
        for (today, (step, _)) in days.iter().zip(&told) {
            print = today.interest.map(|shares| (shares, quotes.len())).or(print);
            let Some(quote) = today.quote else {
                prop_assert!(step.reading.is_none());
                continue;
            };
            quotes.push(quote);
            let now = quotes.len() - 1;
            let shares = print.filter(|(_, at)| now - at < 30).map(|(shares, _)| shares);
            let mean = |volumes: &[(f64, f64)]| volumes.iter().map(|quote| quote.1).sum::<f64>() / volumes.len() as f64;
            let is_full = now + 1 >= cover_window;
            covers.push(shares.filter(|_| is_full).map(|shares| shares / mean(&quotes[now + 1 - cover_window..])));
            let (true, Some(cover)) = (now >= window, covers[now]) else {
                prop_assert!(step.reading.is_none());
                continue;
            };
            let rise = (quote.0 / quotes[now - surge].0 - 1.0) * 100.0;
            prop_assert!((step.reading.unwrap().value - rise).abs() < 1e-9);
            let before = &quotes[now - window..now];
            let squares: f64 = before.iter().map(|quote| (quote.1 - mean(before)).powi(2)).sum();
            let z = (quote.1 - mean(before)) / (squares / (window as f64 - 1.0)).sqrt();
            let cover_before = covers[now - surge];
            let conditions = rise >= 1.0
                && z >= 0.3
                && cover_before.is_some_and(|before| before >= 0.5 && cover < before);
            let ends = if rise <= 0.0 { Some(FADED) } else if cover <= 0.3 { Some(COVERED) } else { None };
            let expected = match (is_open, ends) {
                (true, Some(reason)) => Change::Resolve(reason),
                (true, None) => Change::Hold,
                (false, None) if conditions => Change::Open(SQUEEZE),
                _ => Change::Quiet,
            };
            is_open = matches!(expected, Change::Open(_) | Change::Hold);
            prop_assert_eq!(&step.change, &expected);
        }
    }
}
