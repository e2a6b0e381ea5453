use super::*;
use crate::detector::conformance::{Bench, Dice, session_bucket};
use crate::detector::{Kind, Unit, Way};
use crate::section::Point;
use jiff::Span as Days;
use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Value, json};

fn kind(params: Value) -> Kind {
    let mut all = json!({"leader": "A", "laggard": "B", "over": 2, "open_points": 3, "escalate_since_years": []});
    all.as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    Kind::deserialize("relative_return", all).unwrap().unwrap()
}

struct Told {
    change: Change,
    reading: Option<Measure>,
    account: Account,
}

impl Told {
    fn evidence(&self) -> Value {
        serde_json::to_value(&self.account.evidence).unwrap()
    }

    /// As decimals.
    fn points(&self) -> Option<f64> {
        self.reading.map(|reading| round(reading.value, 9))
    }
}

fn day(index: usize) -> Date {
    date(2000, 1, 1).saturating_add(Days::new().days(i64::try_from(index).unwrap()))
}

fn told(bench: &mut Bench<'_>, date: Date, closes: [Option<f64>; 2]) -> Told {
    let values = closes.map(|close| close.map(|close| Point::flat(close, true)));
    let (step, account) = bench.step(&(session_bucket(date), values.to_vec()));
    Told {
        change: step.change,
        reading: step.reading,
        account,
    }
}

/// Closes of the leader, a session a day, against a flat laggard at 100.
fn run(kind: &Kind, closes: &[f64]) -> Vec<Told> {
    let mut bench = Bench::new(kind, Unit::Price);
    let closes = closes.iter().enumerate();
    closes
        .map(|(index, close)| told(&mut bench, day(index), [Some(*close), Some(100.0)]))
        .collect()
}

fn events(told: &[Told]) -> Vec<(usize, &Change)> {
    let changes = told.iter().map(|told| &told.change).enumerate();
    changes
        .filter(|(_, change)| !matches!(change, Change::Quiet | Change::Hold))
        .collect()
}

#[test]
fn defaults_are_the_shipped_ones() {
    let params: Params = serde_json::from_value(json!({"leader": "A", "laggard": "B"})).unwrap();
    assert_eq!(
        (params.over, params.direction),
        (Over::Sessions(20), Way::Up)
    );
    assert_eq!(params.open_percentile(), Some(99.0));
    assert_eq!((params.narrowed_to, params.min_history()), (0.5, 252));
    assert_eq!(params.escalate_since_years, [5, 15, 25]);
    assert_eq!(params.record_years, 10);
    let points = json!({"leader": "A", "laggard": "B", "open_points": 5});
    let params: Params = serde_json::from_value(points).unwrap();
    assert_eq!(params.open_percentile(), None);
}

#[test]
fn bounds_name_the_key() {
    for (params, error) in [
        (
            json!({"leader": ""}),
            "leader: expected a symbol, found \"\"",
        ),
        (
            json!({"laggard": "A"}),
            "laggard: expected another series than the leader, found A",
        ),
        (
            json!({"over": 1_001}),
            "over: expected 1 to 1000 sessions, or \"month\", \"quarter\" or \"year\" to date, found 1001",
        ),
        (
            json!({"open_points": 0}),
            "open_points: expected above 0, to 10000 points, found 0",
        ),
        (
            json!({"open_percentile": 49}),
            "open_percentile: expected 50 to 100 percent, found 49",
        ),
        (
            json!({"open_since_years": 201}),
            "open_since_years: expected 1 to 200 years, found 201",
        ),
        (
            json!({"escalate_since_years": [5, 5]}),
            "escalate_since_years: expected at most 32 ascending numbers from 1 to 200 years, found [5, 5]",
        ),
        (
            json!({"narrowed_to": 1.5}),
            "narrowed_to: expected 0 to 1 of the widest, found 1.5",
        ),
        (
            json!({"beta_sessions": 19}),
            "beta_sessions: expected 20 to 2520 sessions, found 19",
        ),
        (
            json!({"min_history": 19}),
            "min_history: expected 20 to 2520 differences, found 19",
        ),
    ] {
        assert_eq!(kind(params).check().unwrap_err().to_string(), error);
    }
    for over in [json!("week"), json!(-1), json!(2.5)] {
        let params = json!({"leader": "A", "laggard": "B", "over": over});
        let error = Kind::deserialize("relative_return", params)
            .unwrap()
            .unwrap_err();
        assert!(error.to_string().contains("\"year\" to date"), "{error}");
    }
    for over in [json!("month"), json!("quarter"), json!("year"), json!(5)] {
        let written = serde_json::to_value(kind(json!({"over": over}))).unwrap();
        assert_eq!(written["over"], over);
    }
    let units = kind(json!({})).check_units(&[Unit::Percent, Unit::Price]);
    assert_eq!(units.unwrap_err().key, "leader");
}

#[test]
fn opens_wide_and_ends_narrow() {
    let told = run(
        &kind(json!({})),
        &[
            100.0, 100.0, 103.0, 104.0, 102.9, 104.3, 104.4, 104.3, 104.3, 110.0,
        ],
    );
    // Over two sessions: 3, 4, −0.1 from 103, 0.29 …: it ends at half of 4 or less.
    assert_eq!(
        events(&told),
        [
            (2, &Change::Open(OPEN)),
            (4, &Change::Resolve(NARROWED)),
            (9, &Change::Open(OPEN)),
        ]
    );
    assert_eq!(
        told[2].account.headline,
        "A leads B by 3.00 points over 2 sessions, +3.00 % against +0.00 %"
    );
    assert_eq!(told[2].reading.unwrap().distance, 0.0);
    assert_eq!(
        told[3].account.headline,
        "A leads B by 4.00 points over 2 sessions, +4.00 % against +0.00 %; widest this way on record, which begins \
         2000-01-03"
    );
    assert_eq!(round(told[3].reading.unwrap().distance, 9), 2.0);
    assert_eq!(
        told[3].account.reverses,
        "a difference between A and B of 2.00 points or less, no longer enough to open"
    );
    assert_eq!(
        told[4].account.headline,
        "A trails B by 0.10 points over 2 sessions, −0.10 % against +0.00 %; it has narrowed after 4.00 points on \
         2000-01-04"
    );
    assert_eq!(
        told[4].evidence()["peak"],
        json!({"points": 4.0, "date": "2000-01-04"})
    );
    assert!((told[5].reading.unwrap().distance - (3.0 - 30.0 / 104.0)).abs() < 1e-9);
}

#[test]
fn narrowing_alone_ends_nothing_while_it_would_open_again() {
    let told = run(
        &kind(json!({})),
        &[100.0, 100.0, 110.0, 110.0, 113.5, 113.6, 113.7],
    );
    // 10, 10, then 3.18 of 110, which is below half of 10 but would open; then 3.27 and 0.2.
    assert_eq!(
        events(&told),
        [(2, &Change::Open(OPEN)), (6, &Change::Resolve(NARROWED))]
    );
}

#[test]
fn the_other_way_is_another_matter() {
    let falls = [100.0, 100.0, 96.0, 96.0, 96.0, 96.0, 100.0];
    assert_eq!(
        events(&run(&kind(json!({})), &falls)),
        [(6, &Change::Open(OPEN))]
    );
    let told = run(&kind(json!({"direction": "down"})), &falls);
    assert_eq!(
        events(&told),
        [(2, &Change::Open(OPEN)), (4, &Change::Resolve(NARROWED))]
    );
    assert_eq!(told[2].account.direction, Some(Direction::Down));
    assert_eq!(told[2].reading.unwrap().threshold, -3.0);
    let both = run(&kind(json!({"direction": "both"})), &falls);
    assert_eq!(events(&both).len(), 3);
    assert_eq!(
        both[6].evidence()["widest_other_way"],
        json!({"points": -4.0, "date": "2000-01-04"})
    );
    assert_eq!(
        told[3].account.headline,
        "A trails B by 4.00 points over 2 sessions, −4.00 % against +0.00 %; widest this way since 4.00 on 2000-01-03"
    );
}

#[test]
fn to_date_begins_at_the_last_close_before() {
    let kind = kind(json!({"over": "month", "open_points": 1}));
    let mut bench = Bench::new(&kind, Unit::Price);
    let mut say =
        |month, day, leader, laggard| told(&mut bench, date(2026, month, day), [leader, laggard]);
    assert_eq!(say(1, 29, Some(100.0), Some(50.0)).points(), None);
    assert_eq!(
        say(1, 30, Some(200.0), Some(50.0)).points(),
        None,
        "no month to date yet"
    );
    // The laggard lacks the first session of the month, which is passed over.
    assert_eq!(say(2, 2, Some(900.0), None).points(), None);
    let opened = say(2, 3, Some(206.0), Some(51.0));
    assert_eq!(
        (&opened.change, opened.points()),
        (&Change::Open(OPEN), Some(1.0))
    );
    assert_eq!(opened.evidence()["from"], "2026-01-30");
    assert_eq!(
        opened.account.headline,
        "A leads B by 1.00 points since the close of 2026-01-30, +3.00 % against +2.00 %"
    );
    let ended = say(3, 2, Some(214.24), Some(51.0));
    assert_eq!(
        (&ended.change, ended.points()),
        (&Change::Resolve(PERIOD_OVER), Some(4.0))
    );
    assert_eq!(ended.evidence()["from"], "2026-02-03");
    assert_eq!(
        say(3, 3, Some(214.24), Some(51.0)).change,
        Change::Open(OPEN)
    );
}

#[test]
fn periods_turn_with_the_calendar() {
    let days = |from: &str, to: &str| [from, to].map(|day| day.parse::<Date>().unwrap());
    for ([before, now], turned) in [
        (days("2026-01-30", "2026-02-02"), [true, false, false]),
        (days("2026-03-31", "2026-04-01"), [true, true, false]),
        (days("2025-12-31", "2026-01-02"), [true, true, true]),
        (days("2025-03-03", "2026-03-03"), [true, true, true]),
        (days("2026-03-03", "2026-03-04"), [false, false, false]),
    ] {
        let read = [Over::Month, Over::Quarter, Over::Year].map(|over| over.turns(before, now));
        assert_eq!(read, turned, "{before} {now}");
    }
}

#[test]
fn escalates_with_its_rarity_and_on_records() {
    let kind = kind(json!({"over": 1, "escalate_since_years": [1, 2]}));
    let mut bench = Bench::new(&kind, Unit::Price);
    let mut close = 100.0;
    let mut said = Vec::new();
    let jumps = [
        (10, 8.0),
        (900, 3.5),
        (901, 5.0),
        (902, 6.0),
        (4_000, 4.0),
        (4_001, 9.0),
        (4_002, 10.0),
    ];
    for index in 0..4_010 {
        let jump = jumps.iter().find(|(at, _)| *at == index);
        close *= 1.0 + jump.map_or(0.0, |(_, percent)| percent / 100.0);
        said.push(told(&mut bench, day(index), [Some(close), Some(100.0)]));
    }
    assert_eq!(
        events(&said),
        [
            (10, &Change::Open(OPEN)),
            (11, &Change::Resolve(NARROWED)),
            // The widest for two years and more already: both are used up.
            (900, &Change::Open(OPEN)),
            (903, &Change::Resolve(NARROWED)),
            // Not since 902, more than two years ago; then on record, of more than ten years, twice.
            (4_000, &Change::Open(OPEN)),
            (4_001, &Change::Escalate(RECORD)),
            (4_002, &Change::Escalate(RECORD)),
            (4_003, &Change::Resolve(NARROWED)),
        ]
    );
    assert_eq!(said[900].evidence()["reached_since_years"], 2);
    assert_eq!(
        said[4_000].evidence()["widest_since"],
        json!({"points": 6.0, "date": day(902).to_string()})
    );
    assert_eq!(
        said[4_002].evidence()["widest_on_record_since"],
        "2000-01-02"
    );
}

#[test]
fn years_count_once_an_episode() {
    let kind = kind(json!({"over": 1, "escalate_since_years": [1, 2], "narrowed_to": 0}));
    let mut bench = Bench::new(&kind, Unit::Price);
    let mut close = 100.0;
    let mut said = Vec::new();
    // 9 % two and a half years back, 6 % one and a half years back; then 4, 7, 7.5 and 9.5 %.
    let jumps = [
        (90, 9.0),
        (460, 6.0),
        (1_000, 4.0),
        (1_001, 7.0),
        (1_002, 7.5),
        (1_003, 9.5),
        (1_004, 10.0),
    ];
    for index in 0..1_010 {
        let jump = jumps.iter().find(|(at, _)| *at == index);
        close *= 1.0 + jump.map_or(0.0, |(_, percent)| percent / 100.0);
        said.push(told(&mut bench, day(index), [Some(close), Some(100.0)]));
    }
    let from_1000: Vec<_> = events(&said)
        .into_iter()
        .filter(|(at, _)| *at >= 1_000)
        .collect();
    assert_eq!(
        from_1000,
        [
            (1_000, &Change::Open(OPEN)),
            (1_001, &Change::Escalate(SINCE_YEARS)),
            (1_005, &Change::Resolve(NARROWED)),
        ]
    );
    assert_eq!(said[1_000].evidence()["reached_since_years"], 1);
    assert_eq!(said[1_001].evidence()["reached_since_years"], 2);
}

/// The difference by its definition, with the beta of returns up to the base.
fn naive(closes: &[[f64; 2]], over: usize, beta: Option<usize>) -> Option<f64> {
    let base = closes.len().checked_sub(over + 1)?;
    let change = |from: usize, to: usize, of: usize| closes[to][of] / closes[from][of] - 1.0;
    let beta = match beta {
        None => 1.0,
        Some(sessions) => {
            let from = base.checked_sub(sessions)?;
            let returns = |of: usize| (from..base).map(move |at| change(at, at + 1, of));
            let mean = |of: usize| returns(of).sum::<f64>() / sessions as f64;
            let (leader, laggard) = (mean(0), mean(1));
            let product: f64 = returns(0)
                .zip(returns(1))
                .map(|(y, x)| (y - leader) * (x - laggard))
                .sum();
            product / returns(1).map(|x| (x - laggard).powi(2)).sum::<f64>()
        }
    };
    let now = closes.len() - 1;
    Some((change(base, now, 0) - beta * change(base, now, 1)) * 100.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn readings_are_those_of_the_definition(
        seed: u64, over in 1_usize..15, beta in prop::option::of(20_usize..40), down: bool,
    ) {
        let mut dice = Dice(seed);
        let kind = kind(json!({
            "over": over, "beta_sessions": beta, "direction": if down { "down" } else { "up" },
            "trailing": 60, "min_history": 20,
        }));
        let mut bench = Bench::new(&kind, Unit::Price);
        let mut closes: Vec<[f64; 2]> = Vec::new();
        let mut now = [100.0, 50.0];
        let mut points: Vec<f64> = Vec::new();
        for index in 0..200 {
            let market = dice.fraction() - 0.5;
            now = [0, 1].map(|of| now[of] * (1.0 + (market + dice.fraction() - 0.5) * 0.02));
            closes.push(now);
            let told = told(&mut bench, day(index), now.map(Some));
            let Some(expected) = naive(&closes, over, beta) else {
                prop_assert_eq!(told.reading, None);
                continue;
            };
            let read = told.reading.unwrap().value;
            prop_assert!((read - expected).abs() <= 1e-9 * expected.abs().max(0.05), "{} {}", read, expected);

            let evidence = told.evidence();
            let before = &points[points.len().saturating_sub(60)..];
            let side = if down { -1.0 } else { 1.0 };
            let narrower = before.iter().filter(|earlier| **earlier * side < read * side).count() as f64;
            match evidence.get("percentile") {
                None => prop_assert!(before.len() < 20),
                Some(percentile) => {
                    let expected = narrower / before.len() as f64 * 100.0;
                    prop_assert!((percentile.as_f64().unwrap() - expected).abs() < 0.006);
                }
            }
            if read * side > 0.0 {
                let wider = points.iter().rposition(|earlier| earlier * side >= read * side);
                let first = index - points.len();
                let since = wider.map(|at| json!(day(first + at).to_string()));
                let told = evidence.get("widest_since").map(|since| since["date"].clone());
                prop_assert_eq!(told, since);
            }
            points.push(read);
        }
    }
}
