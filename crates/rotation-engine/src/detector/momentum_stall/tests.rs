use super::*;
use crate::alert::Direction;
use crate::detector::Kind;
use crate::detector::conformance::{Bench, Dice, session_bucket};
use crate::section::Point;
use jiff::Span;
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"series": "A", "benchmark": "B"});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("momentum_stall", all).unwrap().unwrap()
}

fn day(index: usize) -> Date {
    date(2000, 1, 1).saturating_add(Span::new().days(i64::try_from(index).unwrap()))
}

fn run(kind: &Kind, closes: &[[Option<f64>; 2]]) -> Vec<(Step, Account)> {
    let mut bench = Bench::new(kind, Unit::Price);
    let sections = closes.iter().enumerate().map(|(index, closes)| {
        let points = closes.map(|close| close.map(|close| Point::flat(close, true)));
        bench.step(&(session_bucket(day(index)), points.to_vec()))
    });
    sections.collect()
}

/// Closes of series and benchmark that grow by so many percent a section, after a first.
fn closes(percents: impl IntoIterator<Item = [f64; 2]>) -> Vec<[Option<f64>; 2]> {
    let mut closes = [100.0, 100.0];
    let later = percents.into_iter().map(|percents| {
        closes = [0, 1].map(|input| closes[input] * (1.0 + percents[input] / 100.0));
        closes.map(Some)
    });
    std::iter::once([Some(100.0); 2]).chain(later).collect()
}

fn run_of(percents: [f64; 2], sections: usize) -> impl Iterator<Item = [f64; 2]> {
    std::iter::repeat_n(percents, sections)
}

fn events(told: &[(Step, Account)]) -> Vec<(usize, Change)> {
    let changes = told.iter().map(|(step, _)| step.change.clone()).enumerate();
    changes
        .filter(|(_, change)| !matches!(change, Change::Quiet | Change::Hold))
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
            json!({"benchmark": "A"}),
            "benchmark: expected another series, found A",
        ),
        (
            json!({"short": 1}),
            "short: expected 2 to 1260 sessions, found 1",
        ),
        (
            json!({"long": 21}),
            "long: expected above short (21), to 2520 sessions, found 21",
        ),
        (
            json!({"strong_pct": 0}),
            "strong_pct: expected above 0, to 1000 percent, found 0",
        ),
        (
            json!({"stall_pct": 51}),
            "stall_pct: expected -50 to 50 percent, found 51",
        ),
        (
            json!({"resume_pct": 0}),
            "resume_pct: expected above stall_pct (0), to 1000 percent, found 0",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    let units = kind(json!({})).check_units(&[Unit::Price, Unit::Percent]);
    assert_eq!(units.unwrap_err().key, "benchmark");
}

/// A rise of 1 % a section for 30, then a pause of so much; the benchmark stands still.
fn stall(pause: f64, sections: usize) -> impl Iterator<Item = [f64; 2]> {
    run_of([1.0, 0.0], 30).chain(run_of([pause, 0.0], sections))
}

fn short_windows() -> Kind {
    kind(json!({"long": 30, "short": 5, "strong_pct": 15}))
}

#[test]
fn a_leader_stalls_when_the_short_return_is_gone() {
    let told = run(&short_windows(), &closes(stall(-0.5, 6)));
    // Five sections of −0.5 % are the first without a gain over five, as the first with a loss is no gain over one.
    assert_eq!(events(&told), [(34, Change::Open(STALLED))]);
    let (step, opened) = &told[34];
    let reading = step.reading.unwrap();
    assert!(reading.value < 0.0 && reading.threshold == 0.0 && reading.distance == 0.0);
    assert_eq!(opened.direction, Some(Direction::Down));
    let evidence = serde_json::to_value(&opened.evidence).unwrap();
    assert_eq!(evidence["ratio_high_date"], day(30).to_string());
    assert!(evidence["rsi"].as_f64().unwrap() < 90.0);
    assert!(
        opened.headline.starts_with("A stalls: +"),
        "{}",
        opened.headline
    );
}

#[test]
fn who_neither_led_nor_fell_behind_does_not_stall() {
    let strong = |benchmark: [f64; 2]| {
        let percents = run_of([1.0, benchmark[0]], 30).chain(run_of([-0.5, benchmark[1]], 6));
        events(&run(&short_windows(), &closes(percents)))
    };
    assert_eq!(strong([0.0, 0.0]), [(34, Change::Open(STALLED))]);
    assert_eq!(strong([2.0, 0.0]), [], "the benchmark was stronger");
    assert_eq!(strong([0.0, -1.0]), [], "the benchmark fell more");
    let weak = run_of([0.4, 0.0], 30).chain(run_of([-0.5, 0.0], 6));
    assert_eq!(
        events(&run(&short_windows(), &closes(weak))),
        [],
        "12 % are not 15"
    );
}

#[test]
fn each_end_has_its_reason() {
    let ends = |percents: Box<dyn Iterator<Item = [f64; 2]>>| {
        let told = run(&short_windows(), &closes(percents));
        let ended = told
            .iter()
            .find(|(step, _)| matches!(step.change, Change::Resolve(_)));
        let (step, account) = ended.unwrap();
        assert_eq!(step.reading.unwrap().distance, 0.0);
        (step.change.clone(), account.headline.clone())
    };
    let (change, headline) = ends(Box::new(stall(-1.0, 8).chain(run_of([1.5, 0.0], 5))));
    assert_eq!(change, Change::Resolve(RESUMED));
    assert!(
        headline.starts_with("A, stalled since 2000-02-03, goes on: "),
        "{headline}"
    );
    let (change, _) = ends(Box::new(stall(-0.1, 6).chain(run_of([0.1, -1.0], 9))));
    assert_eq!(change, Change::Resolve(NEW_HIGH));
    let (change, headline) = ends(Box::new(stall(-1.0, 40)));
    assert_eq!(change, Change::Resolve(SPENT));
    assert!(headline.contains("has lost its gain"), "{headline}");
}

#[test]
fn distances_name_what_is_furthest_from_holding() {
    let told = run(&short_windows(), &closes(stall(-0.5, 3)));
    assert!(told[29].0.reading.is_none(), "30 returns need 31 closes");
    let reading = told[30].0.reading.unwrap();
    let gain = (1.01_f64.powi(5) - 1.0) * 100.0;
    assert!((reading.value - gain).abs() < 1e-9);
    assert!(
        (reading.distance - gain).abs() < 1e-9,
        "the short return has to lose that"
    );
    let weak = run(&short_windows(), &closes(run_of([-0.1, 0.0], 40)));
    let reading = weak.last().unwrap().0.reading.unwrap();
    let long = (0.999_f64.powi(30) - 1.0) * 100.0;
    assert!(
        (reading.distance - (15.0 - long)).abs() < 1e-9,
        "the long one has to gain that"
    );
}

proptest! {
    /// Against the definition, over the sections that have both.
    #[test]
    fn opens_and_ends_as_defined(seed: u64) {
        let (long, short, strong, resume) = (12, 4, 3.0, 2.0);
        let params = json!({"long": long, "short": short, "strong_pct": strong, "resume_pct": resume});
        let mut dice = Dice(seed);
        let percents: Vec<[f64; 2]> = (0..300)
            .map(|_| [(dice.fraction() - 0.45) * 3.0, (dice.fraction() - 0.47) * 2.0])
            .collect();
        let mut all = closes(percents);
        for pair in &mut all {
            if dice.below(10) == 0 {
                pair[dice.below(2)] = None;
            }
        }
        let told = run(&kind(params), &all);
        let mut seen: Vec<[f64; 2]> = Vec::new();
        let mut is_open = false;
        for (pair, (step, _)) in all.iter().zip(&told) {
            let [Some(series), Some(benchmark)] = *pair else {
                prop_assert!(step.reading.is_none());
                continue;
            };
            seen.push([series, benchmark]);
            let now = seen.len() - 1;
            prop_assert_eq!(step.reading.is_some(), now >= long);
            if now < long {
                continue;
            }
            let change = |back: usize, of: fn(&[f64; 2]) -> f64| (of(&seen[now]) / of(&seen[now - back]) - 1.0) * 100.0;
            let ratio: fn(&[f64; 2]) -> f64 = |pair| pair[0] / pair[1];
            let price: fn(&[f64; 2]) -> f64 = |pair| pair[0];
            let reading = step.reading.unwrap();
            prop_assert!((reading.value - change(short, price)).abs() < 1e-9);
            let is_high = seen[now - long..now].iter().all(|pair| ratio(pair) < ratio(&seen[now]));
            let expected = if is_open {
                if is_high {
                    Change::Resolve(NEW_HIGH)
                } else if change(short, price) >= resume {
                    Change::Resolve(RESUMED)
                } else if change(long, price) <= 0.0 {
                    Change::Resolve(SPENT)
                } else {
                    Change::Hold
                }
            } else if change(long, price) >= strong
                && change(long, ratio) >= 0.0
                && change(short, price) <= 0.0
                && change(short, ratio) <= 0.0
            {
                Change::Open(STALLED)
            } else {
                Change::Quiet
            };
            is_open = matches!(expected, Change::Open(_) | Change::Hold);
            prop_assert_eq!(&step.change, &expected);
        }
    }
}
