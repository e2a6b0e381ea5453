//! The figures of the story hold for every seed, and the feed is in order and repeatable.

use super::*;
use rotation_wire::input;
use std::collections::BTreeSet;

const SEEDS: [u64; 5] = [0, 1, 7, 42, u64::MAX];

fn official(scenario: &Scenario, symbol: &str) -> Vec<(Date, f64)> {
    scenario.closes(symbol).unwrap().collect()
}

fn bytes(scenario: &Scenario) -> Vec<u8> {
    let mut out = Vec::new();
    for event in scenario.events() {
        event.encode(&mut out);
        out.push(b'\n');
    }
    out
}

/// Lengths of the runs of sessions in which the first strictly beats the second, with the last session of each.
fn runs(leader: &[(Date, f64)], laggard: &[(Date, f64)]) -> Vec<(Date, usize)> {
    let mut runs = Vec::new();
    let mut length = 0;
    for at in 1..leader.len() {
        let wins = leader[at].1 / leader[at - 1].1 > laggard[at].1 / laggard[at - 1].1;
        if wins {
            length += 1;
        } else if length > 0 {
            runs.push((leader[at - 1].0, length));
            length = 0;
        }
    }
    runs.extend((length > 0).then(|| (leader[leader.len() - 1].0, length)));
    runs
}

#[test]
fn small_companies_lead_by_the_figures_of_the_story() {
    for seed in SEEDS {
        let scenario = Scenario::great_rotation(seed);
        let total = |symbol| {
            let closes = official(&scenario, symbol);
            closes[closes.len() - 1].1 / closes[HISTORY - 1].1 - 1.0
        };
        assert!(
            (total("RUT") - 0.08).abs() < 0.001,
            "seed {seed}: {}",
            total("RUT")
        );
        assert!(
            (total("SPX") - 0.015).abs() < 0.001,
            "seed {seed}: {}",
            total("SPX")
        );
    }
}

#[test]
fn the_streak_is_14_sessions_and_the_longest_of_the_feed() {
    for seed in SEEDS {
        let scenario = Scenario::great_rotation(seed);
        let runs = runs(&official(&scenario, "RUT"), &official(&scenario, "SPX"));
        let story = runs
            .iter()
            .find(|(end, _)| *end == jiff::civil::date(2026, 1, 22));
        assert_eq!(
            story.map(|(_, length)| *length),
            Some(14),
            "seed {seed}: {runs:?}"
        );
        assert!(
            runs.iter().all(|(_, length)| *length <= 14),
            "seed {seed}: {runs:?}"
        );
    }
}

#[test]
fn the_record_comes_in_the_fifth_session_after_a_drought_of_18() {
    for seed in SEEDS {
        let scenario = Scenario::great_rotation(seed);
        let closes = official(&scenario, "RUT");
        let highest = |closes: &[(Date, f64)]| {
            let by_close = |(a, b): &(usize, (Date, f64)), (c, d): &(usize, (Date, f64))| {
                b.1.total_cmp(&d.1).then(c.cmp(a))
            };
            closes.iter().copied().enumerate().max_by(by_close).unwrap()
        };
        let (before, (_, record)) = highest(&closes[..HISTORY]);
        let first = (HISTORY..closes.len())
            .find(|at| closes[*at].1 > record)
            .unwrap();
        assert_eq!(
            closes[first].0,
            jiff::civil::date(2026, 1, 8),
            "seed {seed}"
        );
        assert_eq!(first - before - 1, 18, "seed {seed}");
        let trough = closes[before..first]
            .iter()
            .map(|(_, close)| *close)
            .fold(f64::MAX, f64::min);
        assert!(
            (0.03..0.10).contains(&(1.0 - trough / record)),
            "seed {seed}: {trough} after {record}"
        );
    }
}

#[test]
fn the_yield_climbs_to_496_and_touches_five_in_one_session_only() {
    for seed in SEEDS {
        let scenario = Scenario::great_rotation(seed);
        let closes = official(&scenario, "DGS10");
        assert!(
            closes[..HISTORY].iter().all(|(_, value)| *value < 4.70),
            "seed {seed}: armed from the start"
        );
        assert_eq!(closes[closes.len() - 1].1, 4.96);
        assert!(
            closes.iter().all(|(_, value)| *value < 5.0),
            "seed {seed}: never at a close"
        );
        let is_touch = |event: &Event| match event {
            Event::Tick { symbol, tick } => &**symbol == "DGS10" && tick.price >= 5.0,
            _ => false,
        };
        let touches: Vec<Event> = scenario.events().filter(is_touch).collect();
        assert_eq!(touches.len(), 1, "seed {seed}: {touches:?}");
        assert_eq!(touches[0].time().utc_date(), jiff::civil::date(2026, 1, 23));
    }
}

#[test]
fn the_feed_is_in_the_order_of_time_and_of_the_promised_size() {
    let scenario = Scenario::great_rotation(42);
    let events: Vec<Event> = scenario.events().collect();
    assert!(events.is_sorted_by_key(Event::time));
    let symbols: BTreeSet<&str> = events.iter().filter_map(Event::symbol).collect();
    assert_eq!(symbols.len(), 30);
    let ticks = events
        .iter()
        .filter(|event| event.symbol().is_some())
        .count();
    // 29 series of 390 minutes and one of 540, each with a close; 60 closes of 30 series and the
    // trades before them, bonds on holiday twice.
    assert_eq!(ticks, SESSIONS * (29 * 391 + 541) + 2 * (HISTORY * 30 - 2));
}

#[test]
fn every_tick_lies_in_its_session_and_before_the_heartbeat_that_ends_it() {
    let mut promised = EventTime::MIN;
    for event in Scenario::great_rotation(3).events() {
        match &event {
            Event::Heartbeat { time } => promised = *time,
            _ => assert!(
                event.time() >= promised,
                "{event:?} after a heartbeat at {promised}"
            ),
        }
        if let Event::Tick { symbol, tick } = &event {
            let calendar = if &**symbol == "DGS10" {
                Calendar::UsBond
            } else {
                Calendar::Xnys
            };
            let session = calendar.session_at_or_after(tick.time).unwrap();
            assert!(
                session.open <= tick.time && tick.time <= session.close,
                "{event:?}"
            );
            assert_eq!(tick.official, tick.time == session.close, "{event:?}");
        }
    }
}

#[test]
fn one_seed_gives_one_feed() {
    let one = bytes(&Scenario::great_rotation(42));
    assert!(one == bytes(&Scenario::great_rotation(42)), "the same seed");
    assert!(one != bytes(&Scenario::great_rotation(43)), "another seed");
    for line in one
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        input::decode(line).unwrap();
    }
}

#[test]
fn a_bridge_keeps_its_ends_and_its_deviation() {
    let mut generator = generator(1, 0, 0);
    let mut squares = 0.0;
    let draws = 4_000;
    for _ in 0..draws {
        let path = bridge(&mut generator, 10.0, 12.0, 100, 1.0);
        assert_eq!((path.len(), path[0], path[100]), (101, 10.0, 12.0));
        squares += (path[50] - 11.0) * (path[50] - 11.0);
    }
    // Variance of a Brownian bridge at its middle: a quarter of that of the motion. The mean of 4,000 squares of
    // normals of variance 0.25 has a standard error of 0.0056.
    let variance = squares / f64::from(draws);
    assert!((variance - 0.25).abs() < 5.0 * 0.0056, "{variance}");
}
