use super::*;
use crate::detector::Kind;
use crate::detector::conformance::{Bench, Dice, Pace, Tape, session_bucket};
use jiff::Span;
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"series": "A"});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("volatility_shift", all).unwrap().unwrap()
}

fn day(index: usize) -> Date {
    date(2000, 1, 1).saturating_add(Span::new().days(i64::try_from(index).unwrap()))
}

fn run(kind: &Kind, points: impl IntoIterator<Item = Point>) -> Vec<(Step, Account)> {
    let mut bench = Bench::new(kind, Unit::Price);
    let sections = points
        .into_iter()
        .enumerate()
        .map(|(index, point)| bench.step(&(session_bucket(day(index)), vec![Some(point)])));
    sections.collect()
}

/// Closes that move up and down by so much in turn, after a first.
fn closes(sizes: impl IntoIterator<Item = f64>) -> Vec<Point> {
    let mut dice = Dice(11);
    let mut price = 100.0;
    let later = sizes.into_iter().map(|size: f64| {
        price *= 1.0 + size * if dice.fraction() < 0.5 { 1.0 } else { -1.0 };
        Point::flat(price, true)
    });
    std::iter::once(Point::flat(100.0, true))
        .chain(later)
        .collect()
}

fn constant(size: f64, sections: usize) -> impl Iterator<Item = f64> {
    std::iter::repeat_n(size, sections)
}

fn events(told: &[(Step, Account)]) -> Vec<Change> {
    let changes = told.iter().map(|(step, _)| step.change.clone());
    changes
        .filter(|change| !matches!(change, Change::Quiet | Change::Hold))
        .collect()
}

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (
            json!({"series": ""}),
            "series: expected a symbol, found \"\"",
        ),
        (
            json!({"short": 2}),
            "short: expected 3 to 2520 returns, found 2",
        ),
        (
            json!({"long": 21}),
            "long: expected above short (21), to 5040 returns, found 21",
        ),
        (
            json!({"expand_at": 1}),
            "expand_at: expected above 1, to 100, found 1",
        ),
        (
            json!({"expand_end": 2}),
            "expand_end: expected above 0, below expand_at (2), found 2",
        ),
        (
            json!({"contract_at": 1}),
            "contract_at: expected above 0, below 1, found 1",
        ),
        (
            json!({"contract_end": 0.5}),
            "contract_end: expected above contract_at (0.5), to 100, found 0.5",
        ),
        (
            json!({"per_year": 0}),
            "per_year: expected 1 to 10000000 returns, found 0",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    let units = kind(json!({})).check_units(&[Unit::Percent]);
    assert_eq!(units.unwrap_err().key, "series");
}

#[test]
fn both_directions_have_their_episodes() {
    let kind = kind(json!({"short": 10, "long": 100}));
    let shift = |size: f64| {
        let sizes = constant(0.01, 150)
            .chain(constant(size, 12))
            .chain(constant(0.01, 10));
        run(&kind, closes(sizes))
    };
    let (wild, calm) = (shift(0.05), shift(0.001));
    assert_eq!(
        events(&wild),
        [Change::Open(EXPANSION), Change::Resolve(NORMAL)]
    );
    assert_eq!(
        events(&calm),
        [Change::Open(CONTRACTION), Change::Resolve(NORMAL)]
    );
    let at = |change: Change| {
        let mut told = wild.iter().chain(&calm);
        told.find(|(step, _)| step.change == change).unwrap()
    };
    let (step, opened) = at(Change::Open(EXPANSION));
    let reading = step.reading.unwrap();
    assert!(reading.value >= 2.0 && reading.threshold == 2.0 && reading.distance == 0.0);
    assert_eq!(opened.direction, Some(Direction::Up));
    assert!(
        opened.headline.starts_with("A became volatile: "),
        "{}",
        opened.headline
    );
    let (_, ended) = at(Change::Resolve(NORMAL));
    assert!(ended.headline.contains("it came to "), "{}", ended.headline);
    let (_, calm) = at(Change::Open(CONTRACTION));
    assert_eq!(calm.direction, Some(Direction::Down));
    assert_eq!(calm.reverses, "a ratio of 0.8 or more");
}

#[test]
fn one_direction_alone_may_be_watched() {
    let sizes = || constant(0.01, 150).chain(constant(0.05, 30));
    let params = |direction: &str| json!({"short": 10, "long": 100, "direction": direction});
    let opened = events(&run(&kind(params("up")), closes(sizes())));
    assert_eq!(opened[0], Change::Open(EXPANSION));
    let told = run(&kind(params("down")), closes(sizes()));
    assert_eq!(events(&told), []);
    let reading = told.last().unwrap().0.reading.unwrap();
    assert_eq!(
        (reading.threshold, reading.distance),
        (0.5, reading.value - 0.5)
    );
}

#[test]
fn a_halt_is_calm_and_never_divides_by_rounding() {
    let kind = kind(json!({"short": 5, "long": 20}));
    let told = run(&kind, closes(constant(0.02, 40).chain(constant(0.0, 60))));
    assert_eq!(events(&told), [Change::Open(CONTRACTION)]);
    let read: Vec<Option<f64>> = told
        .iter()
        .map(|(step, _)| step.reading.map(|reading| reading.value))
        .collect();
    assert_eq!(read[45], Some(0.0));
    assert!(
        read[61..].iter().all(Option::is_none),
        "nothing moved in the long window"
    );
    // Steady growth moves by rounding alone around its mean.
    let steady = (0..80_u32).map(|step| Point::flat(100.0 * 1.01_f64.powi(step as i32), true));
    assert!(
        run(&kind, steady)
            .iter()
            .all(|(step, _)| step.reading.is_none())
    );
}

#[test]
fn closes_alone_make_the_two_estimators_agree() {
    let sizes = || constant(0.01, 60).chain(constant(0.03, 30));
    let params = |estimator: &str| json!({"short": 5, "long": 40, "estimator": estimator});
    let close = run(&kind(params("close")), closes(sizes()));
    let yang_zhang = run(&kind(params("yang_zhang")), closes(sizes()));
    for ((one, _), (other, account)) in close.iter().zip(&yang_zhang) {
        let (Some(one), Some(other)) = (one.reading, other.reading) else {
            assert_eq!((one.reading, other.reading), (None, None));
            continue;
        };
        assert!((one.value - other.value).abs() < 1e-9);
        let evidence = serde_json::to_value(&account.evidence).unwrap();
        assert_eq!(
            evidence["sessions_without_open"], 40,
            "which the evidence says"
        );
    }
}

#[test]
fn a_high_below_the_close_is_widened() {
    let kind = kind(json!({"short": 3, "long": 4, "estimator": "yang_zhang"}));
    let point = |close: f64| Point {
        open: 100.0,
        high: 100.0,
        low: 100.0,
        ..Point::flat(close, true)
    };
    let told = run(&kind, [99.0, 101.0, 98.0, 103.0, 97.0].map(point));
    assert!(told.last().unwrap().0.reading.unwrap().value.is_finite());
}

/// Both estimators by their definitions, over the last `n` returns.
fn naive(points: &[Point], n: usize, estimator: Estimator) -> f64 {
    let last = &points[points.len() - n - 1..];
    let variance = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / (values.len() as f64 - 1.0)
    };
    let each = |value: &dyn Fn(&Point, &Point) -> f64| -> Vec<f64> {
        last.windows(2)
            .map(|pair| value(&pair[0], &pair[1]))
            .collect()
    };
    if estimator == Estimator::Close {
        return variance(&each(&|before, now| (now.close / before.close).ln())).sqrt();
    }
    let overnight = variance(&each(&|before, now| (now.open / before.close).ln()));
    let day = variance(&each(&|_, now| (now.close / now.open).ln()));
    let satchell = each(&|_, now| {
        let (up, down) = ((now.high / now.open).ln(), (now.low / now.open).ln());
        let day = (now.close / now.open).ln();
        up * (up - day) + down * (down - day)
    });
    let satchell = satchell.iter().sum::<f64>() / n as f64;
    let k = 0.34 / (1.34 + (n as f64 + 1.0) / (n as f64 - 1.0));
    (overnight + k * day + (1.0 - k) * satchell).sqrt()
}

proptest! {
    /// Against the definitions, on walks with real opens, highs and lows.
    #[test]
    fn is_the_ratio_of_the_estimates(seed: u64, uses_prices: bool) {
        let estimator = if uses_prices { Estimator::YangZhang } else { Estimator::Close };
        let name = if uses_prices { "yang_zhang" } else { "close" };
        let (short, long) = (7, 25);
        let kind = kind(json!({"short": short, "long": long, "estimator": name}));
        let tape = Tape::walk(seed, 1, Pace::Session, 150);
        let points: Vec<Point> = tape.0.iter().map(|(_, values)| values[0].unwrap()).collect();
        let told = run(&kind, points.clone());
        for (index, (step, _)) in told.iter().enumerate() {
            let read = step.reading.map(|reading| reading.value);
            prop_assert_eq!(read.is_some(), index >= long);
            if let Some(read) = read {
                let seen = &points[..=index];
                let expected = naive(seen, short, estimator) / naive(seen, long, estimator);
                prop_assert!((read - expected).abs() < 1e-9 * expected, "{read} {expected}");
            }
        }
    }
}
