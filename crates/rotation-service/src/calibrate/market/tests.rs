//! Synthetic histories of small markets, against what they are made from.

use super::*;
use crate::backtest::Request;
use crate::calibrate::history::History;
use crate::config::Config;
use rotation_engine::calendar::Calendar;
use rotation_engine::universe::ReadingDetail;
use std::collections::BTreeSet;
use std::fmt::Write;

const CONFIG: &str = "[universe.us.series]\nA = {}\nB = {}\nLATE = {}\n\
    Y = { unit = \"percent\", calendar = \"US-BOND\" }\nCPI = { unit = \"number\", calendar = \"24x7\" }\n\
    LOW = { unit = \"percent\", calendar = \"24x7\" }\nHIGH = { unit = \"percent\", calendar = \"24x7\" }\n\
    [universe.us.rules.r]\nkind = \"relative_streak\"\nleader = \"A\"\nlaggard = \"B\"\n";

const SESSIONS: usize = 600;

/// A number in [-1, 1] that looks like noise.
fn noise(at: usize) -> f64 {
    (at as f64 * 12.9898).sin()
}

fn rows(calendar: Calendar, sessions: usize, value: impl Fn(usize) -> Option<f64>) -> String {
    let first = "2020-01-02".parse().unwrap();
    let dates = calendar
        .sessions(first, calendar.last_date())
        .take(sessions);
    let mut text = String::from("date,close\n");
    for (at, session) in dates.enumerate() {
        if let Some(value) = value(at) {
            let _ = writeln!(text, "{},{value}", session.date);
        }
    }
    text
}

/// A is a walk; B moves twice as far each day, in logarithms, but is not there on every tenth; LATE begins half-way and
/// moves as A does; Y moves by basis points; CPI comes once a month; LOW and HIGH move together, now and then.
fn history() -> History {
    let folder = tempfile::tempdir().unwrap();
    let walk = |at: usize| (0..=at).map(noise).sum::<f64>() / 100.0;
    let step = |at: usize| Some(1.0 + (at / 40) as f64 * 0.25 - (at / 200) as f64);
    let series = [
        (
            "A",
            rows(Calendar::Xnys, SESSIONS, |at| Some(100.0 * walk(at).exp())),
        ),
        (
            "B",
            rows(Calendar::Xnys, SESSIONS, |at| {
                (at % 10 != 7).then(|| 50.0 * (2.0 * walk(at)).exp())
            }),
        ),
        (
            "LATE",
            rows(Calendar::Xnys, SESSIONS, |at| {
                (at >= 300).then(|| 7.0 * walk(at).exp())
            }),
        ),
        (
            "Y",
            rows(Calendar::UsBond, SESSIONS, |at| {
                Some(4.0 + (walk(at) * 100.0).round() / 100.0)
            }),
        ),
        (
            "CPI",
            rows(Calendar::AlwaysOpen, 870, |at| {
                (at % 30 == 0).then_some(250.0 + (at / 30) as f64)
            }),
        ),
        ("LOW", rows(Calendar::AlwaysOpen, 870, step)),
        (
            "HIGH",
            rows(Calendar::AlwaysOpen, 870, |at| {
                step(at).map(|low| low + 0.25)
            }),
        ),
    ];
    for (name, rows) in series {
        std::fs::write(folder.path().join(format!("{name}.csv")), rows).unwrap();
    }
    let config = Config::parse(CONFIG, "test.toml").unwrap();
    let request = Request {
        config: &config,
        data: folder.path(),
        from: None,
        to: None,
        detail: ReadingDetail::None,
    };
    History::load(&request).unwrap()
}

fn law(null: Null, block: f64) -> Law {
    Law {
        null,
        block,
        slow_block: None,
    }
}

/// The closes of a series of a synthetic history by date.
fn closes(history: &History, made: &[Made], symbol: &str) -> Vec<(Date, f64)> {
    let at = place(history, symbol);
    let own = made.iter().filter(|made| made.series as usize == at);
    own.map(|made| (made.time.utc_date(), made.price)).collect()
}

fn place(history: &History, symbol: &str) -> usize {
    let mut series = history.series.iter();
    series.position(|series| series.symbol == symbol).unwrap()
}

fn truth(history: &History, symbol: &str) -> Vec<(Date, f64)> {
    let series = &history.series[place(history, symbol)];
    let day = |day: usize| (series.date(day), series.of_day(day)[0].tick.price);
    (0..series.days.len()).map(day).collect()
}

fn logs(closes: &[(Date, f64)]) -> Vec<f64> {
    closes
        .windows(2)
        .map(|pair| (pair[1].1 / pair[0].1).ln())
        .collect()
}

fn differences(closes: &[(Date, f64)]) -> Vec<f64> {
    closes
        .windows(2)
        .map(|pair| pair[1].1 - pair[0].1)
        .collect()
}

/// Numbers that are the same but for rounding have the same key.
fn keys(values: &[f64]) -> BTreeSet<i64> {
    values
        .iter()
        .map(|value| (value * 1e9).round() as i64)
        .collect()
}

#[test]
fn paces_and_scales_are_told_apart() {
    let history = history();
    let of = |symbol: &str| {
        let series = &history.series[place(&history, symbol)];
        (series.pace, series.scale)
    };
    assert_eq!(of("A"), (Pace::Daily, Scale::Log));
    assert_eq!(of("B"), (Pace::Daily, Scale::Log));
    assert_eq!(of("Y"), (Pace::Daily, Scale::Difference));
    assert_eq!(of("CPI"), (Pace::Sparse, Scale::Log));
    assert_eq!(of("LOW"), (Pace::Step, Scale::Difference));
}

#[test]
fn dates_and_gaps_are_those_of_history_and_changes_come_from_it() {
    let history = history();
    let market = Market::new(history.series.iter().collect());
    let made = market.make(&law(Null::Bootstrap, 20.0), 1, 0);
    assert!(made.is_sorted_by_key(|made| made.time));
    for symbol in ["A", "B", "LATE", "Y", "CPI", "LOW", "HIGH"] {
        let (made, truth) = (closes(&history, &made, symbol), truth(&history, symbol));
        let dates = |closes: &[(Date, f64)]| closes.iter().map(|close| close.0).collect::<Vec<_>>();
        assert_eq!(dates(&made), dates(&truth), "{symbol}");
        assert_eq!(made[0], truth[0], "{symbol} begins as it did");
        let changes = if ["Y", "LOW", "HIGH"].contains(&symbol) {
            differences
        } else {
            logs
        };
        let (drawn, known) = (keys(&changes(&made)), keys(&changes(&truth)));
        assert!(
            drawn.len() > known.len() / 3,
            "{symbol}: {} of {}",
            drawn.len(),
            known.len()
        );
        // A rounded logarithm may fall on either side of a key's edge.
        let near = |key: &i64| (-1..=1).any(|off| known.contains(&(key + off)));
        assert!(drawn.iter().all(near), "{symbol} has a change of its own");
        assert_ne!(made, truth, "{symbol}");
    }
}

#[test]
fn series_move_together_as_they_did() {
    let history = history();
    let market = Market::new(history.series.iter().collect());
    for null in [Null::Bootstrap, Null::Fair] {
        let made = market.make(&law(null, 5.0), 2, 0);
        let of = |symbol| closes(&history, &made, symbol);
        // LATE moves as A does, on every day that it has, wherever the day was drawn from.
        let (late, a) = (logs(&of("LATE")), logs(&of("A")));
        let a = &a[a.len() - late.len()..];
        for (at, (late, a)) in late.iter().zip(a).enumerate() {
            assert!(
                (late - a).abs() < 1e-9,
                "{null:?}, day {at}: {late} and {a}"
            );
        }
        let (low, high) = (of("LOW"), of("HIGH"));
        assert!(
            low.iter()
                .zip(&high)
                .all(|(low, high)| (high.1 - low.1 - 0.25).abs() < 1e-9)
        );
    }
}

#[test]
fn a_series_in_steps_moves_on_its_own_days() {
    let history = history();
    let made = Market::new(history.series.iter().collect()).make(&law(Null::Bootstrap, 20.0), 3, 0);
    let moves = |closes: Vec<(Date, f64)>| -> Vec<Date> {
        let pairs = closes.windows(2).filter(|pair| pair[0].1 != pair[1].1);
        pairs.map(|pair| pair[1].0).collect()
    };
    let (drawn, true_moves) = (
        moves(closes(&history, &made, "LOW")),
        moves(truth(&history, "LOW")),
    );
    assert_eq!(drawn, true_moves);
}

#[test]
fn the_laws_keep_drop_and_toss_the_drift() {
    let history = history();
    let market = Market::new(history.series.iter().collect());
    let truth = logs(&truth(&history, "A"));
    let mean = truth.iter().sum::<f64>() / truth.len() as f64;
    let spread = |values: &[f64], mean: f64| -> f64 {
        let squares = values.iter().map(|value| (value - mean).powi(2));
        (squares.sum::<f64>() / values.len() as f64).sqrt()
    };
    let drawn = |null| -> Vec<f64> {
        let each = (0..100).map(|number| market.make(&law(null, 1.0), 4, number));
        each.flat_map(|made| logs(&closes(&history, &made, "A")))
            .collect()
    };
    for (null, expected) in [
        (Null::Bootstrap, mean),
        (Null::Centred, 0.0),
        (Null::Fair, 0.0),
    ] {
        let drawn = drawn(null);
        let found = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let sigma = spread(&truth, mean);
        // Some 60,000 draws: four standard errors.
        let error = 4.0 * sigma / (drawn.len() as f64).sqrt();
        assert!(
            (found - expected).abs() < error,
            "{null:?}: {found} of {expected}"
        );
        let ratio = spread(&drawn, found) / sigma;
        assert!((ratio - 1.0).abs() < 0.02, "{null:?}: {ratio}");
    }
    let tossed = drawn(Null::Fair);
    let rises = tossed.iter().filter(|change| **change > 0.0).count() as f64;
    assert!((rises / tossed.len() as f64 - 0.5).abs() < 0.01, "{rises}");
}

#[test]
fn the_same_seed_and_number_make_the_same_history() {
    let history = history();
    let market = Market::new(history.series.iter().collect());
    let make = |seed, number| market.make(&law(Null::Bootstrap, 20.0), seed, number);
    assert_eq!(make(1, 0), make(1, 0));
    assert_ne!(make(1, 0), make(1, 1));
    assert_ne!(make(1, 0), make(2, 0));
}

#[test]
fn a_moment_keeps_its_share_of_the_session() {
    let session = |date: &str| Calendar::Xnys.session(date.parse().unwrap()).unwrap();
    // Black Friday closes at 13:00, after three and a half hours.
    let (whole, half) = (session("2025-11-26"), session("2025-11-28"));
    assert_eq!(moved(whole.close, &whole, &half), half.close);
    assert_eq!(moved(half.close, &half, &whole), whole.close);
    assert_eq!(moved(whole.open, &whole, &half), half.open);
    let noon: EventTime = "2025-11-26T12:45:00-05:00".parse().unwrap();
    let expected: EventTime = "2025-11-28T11:15:00-05:00".parse().unwrap();
    assert_eq!(moved(noon, &whole, &half), expected);
}
