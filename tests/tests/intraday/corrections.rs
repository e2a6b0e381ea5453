//! What official closes do to events that were told by the last print.

use rotation_engine::alert::{Alert, CloseStatus};
use rotation_engine::calendar::Calendar;
use rotation_engine::output::Output;
use rotation_engine::pipeline::Pipeline;
use rotation_engine::record::{SourceEvent, Tick};
use rotation_engine::time::EventTime;
use rotation_service::config::Config;
use rotation_tests::broker::Broker;
use rotation_tests::service::{Deployment, Events, count};
use rotation_wire::alerts::{AlertEvent, comparable};
use rotation_wire::input::{encode_heartbeat, encode_tick};

use super::{PARTITIONS, Row, last_prints, margin, official_closes, rows, universe};

/// What a feed writes: a session's prints but for the bars lost, a heartbeat that closes it, then the official closes.
enum Fed {
    Tick(&'static str, Tick),
    Heartbeat(EventTime),
}

fn feed(lost: usize) -> Option<Vec<Fed>> {
    let official = official_closes(&last_prints(0)?);
    let series = [("RUT_5m", rows("RUT_5m")?), ("SPX_5m", rows("SPX_5m")?)];
    let mut fed = Vec::new();
    for (date, closes) in official {
        let close = Calendar::Xnys.session(date).unwrap().close;
        let plain = |time, price, official| Tick {
            time,
            price,
            size: 0.0,
            seq: None,
            official,
        };
        let mut ticks = Vec::new();
        for (symbol, rows) in &series {
            let rows = &rows[&date];
            for Row { start, prices } in &rows[..rows.len() - lost] {
                let offsets = [0_i64, 100, 200, 299];
                let times = offsets.map(|seconds| start.saturating_add(seconds * 1_000_000_000));
                ticks.extend(
                    times
                        .into_iter()
                        .zip(prices)
                        .map(|(time, price)| (*symbol, plain(time, *price, false))),
                );
            }
        }
        ticks.sort_by_key(|(_, tick)| tick.time);
        fed.extend(
            ticks
                .into_iter()
                .map(|(symbol, tick)| Fed::Tick(symbol, tick)),
        );
        fed.push(Fed::Heartbeat(close.saturating_add(60_000_000_000)));
        let officially = closes.map(|price| plain(close, price, true));
        fed.extend(
            ["RUT_5m", "SPX_5m"]
                .into_iter()
                .zip(officially)
                .map(|(symbol, tick)| Fed::Tick(symbol, tick)),
        );
    }
    Some(fed)
}

fn decided(universe: &str, fed: &[Fed]) -> Vec<Alert> {
    let plan = Config::parse(universe, "corrections.toml")
        .unwrap()
        .universes[0]
        .clone();
    let mut pipeline = Pipeline::new(&plan, 1);
    let mut out = Vec::new();
    for fed in fed {
        match fed {
            Fed::Tick(symbol, tick) => pipeline.push(
                0,
                &SourceEvent::Tick {
                    symbol,
                    tick: *tick,
                },
                &mut out,
            ),
            Fed::Heartbeat(time) => {
                pipeline.push(0, &SourceEvent::Heartbeat { time: *time }, &mut out);
                pipeline.flush(&mut out);
            }
        }
    }
    pipeline.flush(&mut out);
    let alert = |output| match output {
        Output::Alert(alert) => Some(*alert),
        Output::Dropped { code, .. } => panic!("dropped as {}", code.name()),
        Output::Rejected { message, .. } => panic!("{message}"),
        _ => None,
    };
    out.into_iter().filter_map(alert).collect()
}

/// One line an event, as `session state status transition`.
fn told(alerts: &[Alert]) -> Vec<String> {
    let status = |alert: &Alert| match alert.close_status.unwrap() {
        CloseStatus::Provisional => "provisional",
        CloseStatus::Official => "official",
    };
    let line = |alert: &Alert| {
        format!(
            "{} {} {} {}",
            alert.session.unwrap(),
            alert.state.name(),
            status(alert),
            alert.transition
        )
    };
    alerts.iter().map(line).collect()
}

/// What a run that stands at `length` does to an episode when the next session is won or not.
fn event(length: u32, is_won: bool, open_at: u32, escalate_at: &[u32]) -> Option<&'static str> {
    let is_open = length >= open_at;
    match is_won {
        true if length + 1 == open_at => Some("opened"),
        true if is_open && escalate_at.contains(&(length + 1)) => Some("escalated"),
        false if is_open => Some("resolved"),
        _ => None,
    }
}

/// The same events, naively. A session is first decided by its last prints after the official closes before it, then by
/// its official closes: what was told is confirmed where they agree, else taken back, and what they say is told.
fn naively(lost: usize, open_at: u32, escalate_at: &[u32]) -> Vec<String> {
    let prints = last_prints(lost).unwrap();
    let official = official_closes(&prints);
    let mut lines = Vec::new();
    let mut before: Option<[f64; 2]> = None;
    let (mut length, mut transition) = (0, 0);
    for (date, closes) in &official {
        let Some(last) = before.replace(*closes) else {
            continue;
        };
        let by_prints = event(
            length,
            margin(last, prints[date]) > 0.0,
            open_at,
            escalate_at,
        );
        let is_won = margin(last, *closes) > 0.0;
        let by_closes = event(length, is_won, open_at, escalate_at);
        let mut say = |state: &str, status: &str| {
            transition = if state == "opened" { 1 } else { transition + 1 };
            lines.push(format!("{date} {state} {status} {transition}"));
        };
        if let Some(state) = by_prints {
            say(state, "provisional");
            match state {
                _ if by_closes == by_prints => say("confirmed", "official"),
                "opened" => say("retracted", "official"),
                _ => say("corrected", "official"),
            }
        }
        if let Some(state) = by_closes.filter(|_| by_closes != by_prints) {
            say(state, "official");
        }
        length = if is_won { length + 1 } else { 0 };
    }
    lines
}

#[test]
fn official_closes_confirm_correct_or_retract_what_was_told() {
    let every: Vec<u32> = (2..=20).collect();
    let rules = [
        (1, every.as_slice()),
        (2, &[3, 4, 5]),
        (3, &[5]),
        (5, &[10]),
    ];
    // As it was, and as if the feed had lost the last half hour of each session, which makes more of them differ.
    let cases = [0, 6]
        .into_iter()
        .flat_map(|lost| rules.map(|(open_at, escalate_at)| (lost, open_at, escalate_at)));
    for (lost, open_at, escalate_at) in cases {
        let Some(fed) = feed(lost) else { return };
        let alerts = decided(&universe(open_at, escalate_at), &fed);
        let expected = naively(lost, open_at, escalate_at);
        let found = told(&alerts);
        let differs = found
            .iter()
            .zip(&expected)
            .position(|(found, expected)| found != expected);
        if let Some(at) = differs {
            panic!(
                "event {at} of open_at {open_at}: found {}, expected {}",
                found[at], expected[at]
            );
        }
        assert_eq!(found.len(), expected.len());
        let of = |state: &str| found.iter().filter(|line| line.contains(state)).count();
        let states = ["opened", "confirmed", "corrected", "retracted", "resolved"].map(of);
        let events = found.len();
        println!(
            "{lost} bars lost, open_at {open_at}: {events} events; opened, confirmed, corrected, retracted, resolved: {states:?}"
        );
        if lost > 0 && open_at < 3 {
            assert!(states.iter().all(|count| *count > 0), "{states:?}");
        }
        for alert in &alerts {
            assert!(alert.value <= alert.peak, "beyond its peak: {alert:?}");
        }
        let mut ids: Vec<&str> = alerts.iter().map(|alert| alert.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), alerts.len(), "ids are repeated");
    }
}

#[test]
fn corrections_through_kafka_are_those_of_the_engine() {
    let (Some(fed), Some(broker)) = (feed(6), Broker::get()) else {
        return;
    };
    let every: Vec<u32> = (2..=20).collect();
    let universe = universe(1, &every);
    // The sessions around the January 2026 run.
    let from: EventTime = "2025-10-01T00:00:00Z".parse().unwrap();
    let time = |fed: &Fed| match fed {
        Fed::Tick(_, tick) => tick.time,
        Fed::Heartbeat(time) => *time,
    };
    let fed: Vec<Fed> = fed.into_iter().filter(|fed| time(fed) >= from).collect();
    let mut expected = Events::new();
    for alert in decided(&universe, &fed) {
        let key = alert.key();
        let bytes = AlertEvent::from(alert).encode();
        expected
            .entry(key)
            .or_default()
            .push(String::from_utf8(comparable(&bytes)).unwrap());
    }
    let deployment = Deployment::new(broker, PARTITIONS, &universe).unwrap();
    let mut services = [deployment.run("one", &[]).unwrap()];
    let mut messages = Vec::new();
    for fed in &fed {
        let mut payload = Vec::new();
        match fed {
            Fed::Tick(symbol, tick) => {
                encode_tick(&mut payload, symbol, tick);
                messages.push((None, symbol.as_bytes(), payload, None));
            }
            Fed::Heartbeat(time) => {
                encode_heartbeat(&mut payload, *time);
                messages
                    .extend((0..PARTITIONS).map(|at| (Some(at), &b""[..], payload.clone(), None)));
            }
        }
    }
    broker.produce(&deployment.topics[0], messages).unwrap();
    deployment.await_done(&mut services).unwrap();
    let found = deployment.alerts().unwrap();
    assert_eq!(found, expected);
    let all = found.values().flatten().cloned().collect::<String>();
    for state in [
        "opened",
        "escalated",
        "confirmed",
        "corrected",
        "retracted",
        "resolved",
    ] {
        assert!(
            all.contains(&format!("\"state\":\"{state}\"")),
            "none is {state}"
        );
    }
    println!("{} events of {} records", count(&found), fed.len());
    let [service] = services;
    service.terminate().unwrap();
}
