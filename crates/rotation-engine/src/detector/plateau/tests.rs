use super::*;
use crate::alert::round;
use crate::detector::conformance::{Bench, Dice, session_bucket};
use crate::detector::{Kind, Unit};
use crate::section::Point;
use jiff::Span;
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({
        "series": "A", "window": 5, "trailing": 100, "min_history": 20, "max_efficiency": 0.2,
    });
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("plateau", all).unwrap().unwrap()
}

struct Told {
    change: Change,
    value: Option<f64>,
    account: Account,
}

impl Told {
    fn evidence(&self) -> Value {
        serde_json::to_value(&self.account.evidence).unwrap()
    }
}

fn day(index: usize) -> Date {
    date(2000, 1, 1).saturating_add(Span::new().days(i64::try_from(index).unwrap()))
}

fn run(kind: &Kind, closes: &[f64]) -> Vec<Told> {
    let mut bench = Bench::new(kind, Unit::Price);
    let sections = closes.iter().enumerate().map(|(index, close)| {
        let point = Some(Point::flat(*close, true));
        let (step, account) = bench.step(&(session_bucket(day(index)), vec![point]));
        Told {
            change: step.change,
            value: step.reading.map(|reading| reading.value),
            account,
        }
    });
    sections.collect()
}

fn events(told: &[Told]) -> Vec<(usize, &Change)> {
    let changes = told.iter().map(|told| &told.change).enumerate();
    changes
        .filter(|(_, change)| !matches!(change, Change::Quiet | Change::Hold))
        .collect()
}

/// Thirty closes that rise one a session from 100 to 129, then as told.
fn rising(then: &[f64]) -> Vec<f64> {
    let rise = (0..30_u32).map(|index| 100.0 + f64::from(index));
    rise.chain(then.iter().copied()).collect()
}

#[test]
fn defaults_are_the_shipped_ones() {
    let params: Params = serde_json::from_value(json!({"series": "A"})).unwrap();
    assert_eq!(
        (params.window, params.trailing, params.min_history()),
        (40, 2_520, 252)
    );
    assert_eq!(
        (
            params.max_range_percentile,
            params.max_efficiency,
            params.max_trend_t
        ),
        (35.0, 0.1, 4.0)
    );
    assert_eq!(params.break_pct, 1.0);
}

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (
            json!({"series": ""}),
            "series: expected a symbol, found \"\"",
        ),
        (
            json!({"window": 4}),
            "window: expected 5 to 1000 closes, found 4",
        ),
        (
            json!({"trailing": 19}),
            "trailing: expected 20 to 65536 ranges, found 19",
        ),
        (
            json!({"min_history": 101}),
            "min_history: expected 20 to 100 ranges, found 101",
        ),
        (
            json!({"max_range_percentile": 0}),
            "max_range_percentile: expected above 0, to 100, found 0",
        ),
        (
            json!({"max_efficiency": 1.1}),
            "max_efficiency: expected above 0, to 1, found 1.1",
        ),
        (
            json!({"max_trend_t": -1}),
            "max_trend_t: expected above 0, to 1000, found -1",
        ),
        (
            json!({"break_pct": 101}),
            "break_pct: expected 0 to 100 percent, found 101",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
}

#[test]
fn opens_where_all_three_hold_and_ends_beyond_the_range() {
    // From 28 on: five closes within 128 to 129 and back at 128, then out by a little, then by more than 1 %.
    let told = run(
        &kind(json!({})),
        &rising(&[
            128.0, 129.0, 128.0, 129.0, 128.0, 130.2, 126.8, 130.3, 131.0,
        ]),
    );
    assert_eq!(
        events(&told),
        [
            (32, &Change::Open(PLATEAU)),
            (37, &Change::Resolve(BROKE_UP))
        ]
    );
    let opened = &told[32];
    let evidence = opened.evidence();
    assert_eq!(
        (&evidence["high"], &evidence["low"]),
        (&json!(129.0), &json!(128.0))
    );
    assert_eq!(
        (&evidence["efficiency"], &evidence["trend_t"]),
        (&json!(0.0), &json!(0.0))
    );
    assert_eq!(evidence["range_percentile"], 0.0);
    assert_eq!(
        opened.account.headline,
        "A goes sideways: 5 closes between 128 and 129, a range of 0.8 % (percentile 0), efficiency 0.00, \
         trend t 0.0; the first on record"
    );
    assert_eq!(
        opened.account.reverses,
        "a close of A above 130.29 or below 126.72"
    );
    assert_eq!(opened.account.direction, None);
    let ended = &told[37];
    assert_eq!(ended.account.direction, Some(Direction::Up));
    assert_eq!(
        ended.account.headline,
        "A broke up to 130.3, past 129, after 5 sessions sideways since 2000-02-02; the first on record"
    );
    assert_eq!(ended.evidence()["sessions"], 5);
}

#[test]
fn earlier_ones_are_remembered_and_a_window_cannot_open_twice() {
    let calm = [128.0, 129.0, 128.0, 129.0, 128.0, 129.0, 128.0];
    // It breaks by a hair beyond its edge, with break_pct 0, while the window is still a plateau.
    let mut closes = rising(&calm);
    closes.extend([129.1, 128.0, 129.1, 128.0]);
    closes.extend((1..20_u32).map(|index| 128.0 + f64::from(index)));
    closes.extend([146.0, 147.0, 146.0, 147.0, 140.0]);
    let told = run(&kind(json!({"break_pct": 0})), &closes);
    assert_eq!(
        events(&told),
        [
            (32, &Change::Open(PLATEAU)),
            (37, &Change::Resolve(BROKE_UP)),
            (62, &Change::Open(PLATEAU)),
            (64, &Change::Resolve(BROKE_DOWN)),
        ]
    );
    assert!(
        told[39].value.unwrap() <= 1.0,
        "no new episode though all three hold"
    );
    let second = told[62].evidence();
    assert_eq!(
        second["earlier"],
        json!({"count": 1, "median_sessions": 5.0, "longest_sessions": 5})
    );
    assert_eq!(
        second["last"],
        json!({"since": "2000-02-02", "until": "2000-02-06", "sessions": 5, "broke": "up"})
    );
    assert_eq!(
        told[64].account.headline,
        "A broke down to 140, past 146, after 2 sessions sideways since 2000-03-03; earlier ones lasted 5 sessions at \
         the median"
    );
    assert_eq!(told[50].evidence()["last"]["sessions"], 5);
}

#[test]
fn a_series_that_stands_still_is_no_plateau() {
    let told = run(&kind(json!({})), &rising(&[129.0; 40]));
    assert_eq!(events(&told), []);
    assert_eq!(told[33].evidence()["efficiency"], 1.0);
    assert_eq!(told[33].evidence()["range_percentile"], 0.0);
}

/// The three measures by their definitions.
fn naive(closes: &[f64], window: usize, trailing: usize) -> Option<[f64; 3]> {
    let range = |end: usize| {
        let inside = &closes[end - window..end];
        let high = inside.iter().fold(f64::MIN, |high, close| high.max(*close));
        let low = inside.iter().fold(f64::MAX, |low, close| low.min(*close));
        ((high / low - 1.0) * 100.0) as f32
    };
    let end = closes.len();
    if end < window + 20 {
        return None;
    }
    let now = range(end);
    let before: Vec<f32> = (window..end).map(range).collect();
    let before = &before[before.len().saturating_sub(trailing)..];
    let below = before.iter().filter(|range| **range < now).count() as f64;
    let equal = before.iter().filter(|range| **range == now).count() as f64;
    let inside = &closes[end - window..];
    let way: f64 = inside
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .sum();
    let net = (inside[window - 1] - inside[0]).abs();
    let mut line = RollingLine::new(window);
    inside.iter().for_each(|close| line.push(*close));
    Some([
        (below + equal / 2.0) / before.len() as f64 * 100.0,
        net / way,
        line.t().unwrap(),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn measures_are_those_of_the_definition(seed: u64, window in 5_usize..30, trailing in 20_usize..90) {
        let mut dice = Dice(seed);
        let kind = kind(json!({"window": window, "trailing": trailing}));
        let mut close = 100.0;
        let closes: Vec<f64> = (0..200).map(|_| {
            close = round(close * (1.0 + (dice.fraction() - 0.5) * 0.02), 2);
            close
        }).collect();
        let told = run(&kind, &closes);
        for (index, told) in told.iter().enumerate() {
            let Some([percentile, efficiency, t]) = naive(&closes[..=index], window, trailing) else {
                prop_assert_eq!(told.value, None);
                continue;
            };
            let evidence = told.evidence();
            prop_assert_eq!(&evidence["range_percentile"], round(percentile, 2));
            let worst = (percentile / 35.0).max(efficiency / 0.2).max(t.abs() / 4.0);
            let value = told.value.unwrap();
            prop_assert!((value - worst).abs() <= 1e-8 * worst.max(1e-3), "{} against {}", value, worst);
        }
    }
}
