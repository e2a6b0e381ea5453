//! Five-minute bars as ticks: session closes that are merely the last print, and what official closes do to them.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::Date;
use rotation_engine::alert::CloseStatus;
use rotation_engine::output::Reading;
use rotation_engine::time::EventTime;
use rotation_engine::universe::ReadingDetail;
use rotation_service::backtest::{Outcome, Request, backtest};
use rotation_service::config::Config;
use rotation_tests::broker::Broker;
use rotation_tests::market;
use rotation_tests::service::{Deployment, count};
use serde_json::json;

#[path = "intraday/corrections.rs"]
mod corrections;

const PARTITIONS: i32 = 4;

/// A streak of RUT over SPX, opened at `open_at` and escalated at the lengths given.
fn universe(open_at: u32, escalate_at: &[u32]) -> String {
    format!(
        "[universe.us.series]\nRUT_5m = {{ name = \"Russell 2000\" }}\nSPX_5m = {{ name = \"S&P 500\" }}\n\
         [universe.us.rules.streak]\nkind = \"relative_streak\"\nleader = \"RUT_5m\"\nlaggard = \"SPX_5m\"\n\
         open_at = {open_at}\nescalate_at = {escalate_at:?}\nescalate_since_years = []\n"
    )
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

/// One row of a file of bars: its prices, and when it began.
struct Row {
    start: EventTime,
    prices: [f64; 4],
}

/// The rows of a file by day; sessions of New York lie within a day of UTC.
fn rows(file: &str) -> Option<BTreeMap<Date, Vec<Row>>> {
    let text = market::text(&market::find(&format!("intraday/{file}.csv.gz"))?);
    let mut days: BTreeMap<Date, Vec<Row>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let start: EventTime = fields[0].parse().unwrap();
        let prices = [1, 2, 3, 4].map(|at: usize| fields[at].parse().unwrap());
        days.entry(start.utc_date())
            .or_default()
            .push(Row { start, prices });
    }
    Some(days)
}

/// The last print of each session in RUT and SPX, where the feed lost so many bars before the close.
fn last_prints(lost: usize) -> Option<BTreeMap<Date, [f64; 2]>> {
    let [rut, spx] = [rows("RUT_5m")?, rows("SPX_5m")?];
    let last = |rows: &[Row]| rows[rows.len() - 1 - lost].prices[3];
    Some(
        rut.iter()
            .filter_map(|(date, rows)| Some((*date, [last(rows), last(spx.get(date)?)])))
            .collect(),
    )
}

/// The official closes of those sessions.
fn official_closes(sessions: &BTreeMap<Date, [f64; 2]>) -> BTreeMap<Date, [f64; 2]> {
    let folder = market::find("daily").unwrap();
    let [rut, gspc] = ["RUT.csv", "GSPC.csv"].map(|file| market::closes(&folder.join(file)));
    sessions
        .keys()
        .map(|date| (*date, [rut[date], gspc[date]]))
        .collect()
}

/// Margin of RUT over SPX from one pair of closes to the next.
fn margin(before: [f64; 2], closes: [f64; 2]) -> f64 {
    closes[0] / before[0] - closes[1] / before[1]
}

fn margins(closes: &BTreeMap<Date, [f64; 2]>) -> BTreeMap<Date, f64> {
    let closes: Vec<(Date, [f64; 2])> = closes
        .iter()
        .map(|(date, closes)| (*date, *closes))
        .collect();
    closes
        .windows(2)
        .map(|pair| (pair[1].0, margin(pair[0].1, pair[1].1)))
        .collect()
}

fn run(universe: &str, data: &Path, from: Option<Date>) -> Outcome {
    let config = Config::parse(universe, "intraday.toml").unwrap();
    let request = Request {
        config: &config,
        data,
        from,
        to: None,
        detail: ReadingDetail::Evidence,
    };
    let outcome = backtest(&request).unwrap();
    assert_eq!(outcome.faults, Vec::<String>::new());
    outcome
}

fn reading<'a>(outcome: &'a Outcome, session: &str) -> &'a Reading {
    outcome
        .readings
        .iter()
        .find(|reading| reading.session == Some(date(session)))
        .unwrap()
}

#[test]
fn closes_from_ticks_give_the_streak_and_say_that_they_are_provisional() {
    let Some(data) = market::find("intraday") else {
        return;
    };
    let outcome = run(&universe(5, &[10]), &data, None);
    println!(
        "{} ticks, {} readings in {:?}",
        outcome.ticks,
        outcome.readings.len(),
        outcome.took
    );
    let last = reading(&outcome, "2026-01-22");
    let evidence = serde_json::to_value(last.evidence.as_ref().unwrap()).unwrap();
    assert_eq!(last.value, 14.0);
    assert_eq!(
        [&evidence["start"], &evidence["end"]],
        [&json!("2026-01-02"), &json!("2026-01-22")]
    );
    assert_eq!(evidence["tightest_margin_bp"], 4.53);
    assert_eq!(reading(&outcome, "2026-01-23").value, 0.0);

    assert!(outcome.alerts.len() > 10, "{} events", outcome.alerts.len());
    for alert in &outcome.alerts {
        assert_eq!(
            alert.close_status,
            Some(CloseStatus::Provisional),
            "{}",
            alert.id
        );
    }
    let january = date("2026-01-08")..=date("2026-01-23");
    let january = outcome
        .alerts
        .iter()
        .filter(|alert| january.contains(&alert.session.unwrap()));
    let january: Vec<String> = january
        .map(|alert| format!("{} {}", alert.session.unwrap(), alert.state.name()))
        .collect();
    assert_eq!(
        january,
        [
            "2026-01-08 opened",
            "2026-01-15 escalated",
            "2026-01-23 resolved"
        ]
    );
}

#[test]
fn the_last_print_flips_twelve_of_614_sessions() {
    let (Some(data), Some(prints)) = (market::find("intraday"), last_prints(0)) else {
        return;
    };
    let outcome = run(&universe(5, &[10]), &data, None);
    let official = margins(&official_closes(&prints));
    let naive = margins(&prints);
    assert_eq!((outcome.readings.len(), official.len()), (614, 614));
    let mut flips = Vec::new();
    for reading in &outcome.readings {
        let session = reading.session.unwrap();
        assert_eq!(reading.value > 0.0, naive[&session] > 0.0, "{session}");
        if (reading.value > 0.0) != (official[&session] > 0.0) {
            flips.push(session.to_string());
        }
    }
    println!("sessions that differ in sign: {flips:?}");
    assert_eq!(flips.len(), 12);
}

#[test]
fn a_replay_of_bars_through_kafka_gives_the_same_events() {
    let (Some(data), Some(broker)) = (market::find("intraday"), Broker::get()) else {
        return;
    };
    let deployment = Deployment::new(broker, PARTITIONS, &universe(5, &[10])).unwrap();
    let expected = deployment.backtest(&data, &[]).unwrap();
    let mut services = [deployment.run("one", &[]).unwrap()];
    let files = ["RUT_5m.csv.gz", "SPX_5m.csv.gz"].map(|file| data.join(file).into_os_string());
    let words = [
        "replay".into(),
        "--config".into(),
        deployment.config().into_os_string(),
        "--quiet".into(),
    ];
    let start = std::time::Instant::now();
    deployment.command(words.into_iter().chain(files)).unwrap();
    deployment.await_done(&mut services).unwrap();
    println!("replayed and read in {:?}", start.elapsed());
    let found = deployment.alerts().unwrap();
    assert_eq!(found, expected);
    assert!(count(&found) > 10);
    let events = &found["us/streak/RUT_5m/SPX_5m"];
    assert!(
        events
            .iter()
            .all(|event| event.contains("\"close_status\":\"provisional\"")),
        "{}",
        events[0]
    );
    let broken = events
        .iter()
        .find(|event| event.contains("\"session\":\"2026-01-23\""))
        .unwrap();
    assert!(
        broken.contains("\"tightest_margin_bp\":4.53") && broken.contains("\"length\":14"),
        "{broken}"
    );
    let accepted = services[0]
        .metric("rotation_ticks_accepted_total{universe=\"us\"}")
        .unwrap();
    let rows: usize = ["RUT_5m", "SPX_5m"]
        .map(|file| rows(file).unwrap().values().map(Vec::len).sum())
        .iter()
        .sum();
    assert_eq!(accepted as usize, 4 * rows);
    let [service] = services;
    service.terminate().unwrap();
}
