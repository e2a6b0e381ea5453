//! What is told beside the alerts: the beginning, each session, the end.

use crate::config::Config;
use crate::tail;
use jiff::civil::Date;
use rotation_engine::alert::{Severity, State};
use rotation_sim::scenario::Scenario;
use std::collections::BTreeMap;
use std::io::{Result, Write};
use std::time::Duration;

/// Alerts seen, by state and by severity.
#[derive(Debug, Default)]
pub(super) struct Tally {
    total: u64,
    states: BTreeMap<State, u64>,
    severities: BTreeMap<Severity, u64>,
}

impl Tally {
    /// Counts an event of the alert topic.
    pub(super) fn count(&mut self, event: &[u8]) {
        self.total += 1;
        if let Some(alert) = tail::parse(event) {
            *self.states.entry(alert.state).or_default() += 1;
            *self.severities.entry(alert.severity).or_default() += 1;
        }
    }

    /// How many.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The counts, as in "8 opened, 4 escalated; 12 info, 3 warning".
    fn said(&self) -> String {
        let states = self
            .states
            .iter()
            .map(|(state, count)| format!("{count} {}", state.name()));
        let severities = self
            .severities
            .iter()
            .map(|(severity, count)| format!("{count} {}", severity.name()));
        let list = |words: Vec<String>| words.join(", ");
        format!("{}; {}", list(states.collect()), list(severities.collect()))
    }
}

/// What is going to happen, and where it can be watched.
pub(super) fn beginning(out: &mut dyn Write, scenario: &Scenario, config: &Config) -> Result<()> {
    let rules: usize = config
        .universes
        .iter()
        .map(|universe| universe.rules.len())
        .sum();
    writeln!(
        out,
        "The Great Rotation, an invented market: {} series, {} sessions.",
        scenario.symbols().len(),
        scenario.sessions().len()
    )?;
    writeln!(
        out,
        "  embedded broker  {}   topic {}",
        config.kafka.brokers.join(","),
        config.kafka.topics.alerts
    )?;
    writeln!(out, "  page             http://{}/", config.http.listen)?;
    writeln!(
        out,
        "  metrics          http://{}/metrics",
        config.http.listen
    )?;
    writeln!(out, "  rules            {rules}, from config/demo.toml")?;
    writeln!(out)
}

/// Where the market stands at the close of a session.
pub(super) fn session(out: &mut dyn Write, scenario: &Scenario, date: Date) -> Result<()> {
    let number = scenario
        .sessions()
        .iter()
        .position(|session| *session == date)
        .map_or(0, |at| at + 1);
    writeln!(
        out,
        "-- {date}, session {number}: RUT {:+.2} %, SPX {:+.2} % since the start, 10-year {:.2} %",
        since_start(scenario, "RUT", date),
        since_start(scenario, "SPX", date),
        close(scenario, "DGS10", date),
    )
}

/// What happened, and what to try next.
pub(super) fn ending(
    out: &mut dyn Write,
    scenario: &Scenario,
    config: &Config,
    tally: &Tally,
    ticks: u64,
    took: Duration,
    hold: bool,
) -> Result<()> {
    let Some(last) = scenario.sessions().last().copied() else {
        return Ok(());
    };
    writeln!(out)?;
    writeln!(
        out,
        "RUT rose {:.2} % against {:.2} % for SPX, ahead for {} sessions in a row; the 10-year went to {:.2} %.",
        since_start(scenario, "RUT", last),
        since_start(scenario, "SPX", last),
        longest_run(scenario),
        close(scenario, "DGS10", last),
    )?;
    writeln!(out, "{} alert events: {}.", tally.total, tally.said())?;
    writeln!(
        out,
        "{} ticks of {} series in {:.1} s.",
        grouped(ticks),
        scenario.symbols().len(),
        took.as_secs_f64()
    )?;
    writeln!(out)?;
    let when = if hold {
        "Try now; Ctrl-C ends it"
    } else {
        "Try next, while `rotation demo --hold` runs (it prints its address)"
    };
    let broker = if hold {
        config.kafka.brokers.join(",")
    } else {
        "ADDRESS".to_owned()
    };
    writeln!(out, "{when}:")?;
    writeln!(
        out,
        "  kcat -b {broker} -t {} -C -e",
        config.kafka.topics.alerts
    )?;
    writeln!(out, "  rotation tail --brokers {broker} --from-beginning")?;
    writeln!(out, "  curl http://{}/metrics", config.http.listen)?;
    if hold {
        writeln!(out, "  a browser at http://{}/", config.http.listen)?;
    }
    writeln!(
        out,
        "On your own data: rotation backtest --config config/great-rotation.toml --data DIR"
    )
}

fn close(scenario: &Scenario, symbol: &str, date: Date) -> f64 {
    let mut closes = scenario.closes(symbol).into_iter().flatten();
    closes
        .find(|(session, _)| *session == date)
        .map_or(f64::NAN, |(_, close)| close)
}

/// A number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let comma = |(at, digit): (usize, char)| {
        let left = digits.len() - at;
        let separated = at > 0 && left.is_multiple_of(3);
        [separated.then_some(','), Some(digit)]
            .into_iter()
            .flatten()
    };
    digits.chars().enumerate().flat_map(comma).collect()
}

/// Percent from the last close before the story.
fn since_start(scenario: &Scenario, symbol: &str, date: Date) -> f64 {
    let base = scenario
        .history()
        .last()
        .map_or(f64::NAN, |last| close(scenario, symbol, *last));
    (close(scenario, symbol, date) / base - 1.0) * 100.0
}

/// The longest run of sessions of the story in which RUT strictly beat SPX.
fn longest_run(scenario: &Scenario) -> usize {
    let pairs = scenario
        .closes("RUT")
        .into_iter()
        .flatten()
        .zip(scenario.closes("SPX").into_iter().flatten());
    let pairs: Vec<((Date, f64), (Date, f64))> = pairs.collect();
    let wins = pairs
        .windows(2)
        .map(|two| two[1].0.1 / two[0].0.1 > two[1].1.1 / two[0].1.1);
    let runs = wins.scan(0, |run, wins| {
        *run = if wins { *run + 1 } else { 0 };
        Some(*run)
    });
    runs.skip(scenario.history().len() - 1).max().unwrap_or(0)
}
