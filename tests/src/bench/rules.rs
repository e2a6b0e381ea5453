//! Every kind of rule at once; a session's close of many members; what many series weigh.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rotation_engine::calendar::Calendar;
use rotation_engine::clock::{Bucket, Clock, session_bucket};
use rotation_engine::detector::Kind;
use rotation_engine::output::Output;
use rotation_engine::plan::UniversePlan;
use rotation_engine::record::{Bar, LogBody, LogRecord, SeriesIx};
use rotation_engine::section::{Point, Section};
use rotation_engine::universe::{ReadingDetail, Universe};
use rotation_service::config::Config;

use super::market::symbol;
use super::{Rates, Row, Scale, median, rate};

const EVERY_KIND: &str = include_str!("all-rules.toml");

/// Series under every kind of rule.
pub(crate) const SERIES: usize = 10;

/// Members of the wide session.
const MEMBERS: usize = 3_000;

/// Series of the heavy universe.
const MANY: usize = 10_000;

/// The series that is a rate, and no member of a group.
const RATE: usize = 8;

/// A universe of so many series with these rules, and the groups `all`, and `others` without the second series.
fn universe(series: usize, rules: &str) -> Result<Arc<UniversePlan>> {
    let mut text = String::from("[universe.bench.series]\n");
    for at in 0..series {
        let unit = if at == RATE { "percent" } else { "price" };
        let _ = writeln!(text, "{} = {{ unit = \"{unit}\" }}", symbol(at));
    }
    let members = (0..series).filter(|at| *at != RATE);
    let names: Vec<String> = members.map(|at| format!("\"{}\"", symbol(at))).collect();
    let others = [&names[..1], &names[2..]].concat();
    let _ = write!(
        text,
        "[universe.bench.groups.all]\nmembers = [{}]\n[universe.bench.groups.others]\nmembers = [{}]\n{rules}",
        names.join(", "),
        others.join(", ")
    );
    let config = Config::parse(&text, "bench.toml")?;
    config.universes.into_iter().next().context("no universe")
}

/// The universe in which each kind of rule stands.
pub(crate) fn every_kind() -> Result<Arc<UniversePlan>> {
    let plan = universe(SERIES, EVERY_KIND)?;
    for kind in Kind::NAMES {
        let stands = plan.rules.iter().any(|rule| rule.kind.name() == *kind);
        ensure!(stands, "the benchmark lacks the kind {kind}");
    }
    Ok(plan)
}

/// Measures sessions of many members, `mean_shift` alone, and the weight of many series.
///
/// # Errors
///
/// When something is not decided that should be.
pub fn run(scale: &Scale) -> Result<Vec<Row>> {
    Ok(vec![
        wide_session(scale)?,
        mean_shift(scale)?,
        weight(scale)?,
    ])
}

/// Bars of sessions, official, of each series; walks from a seed.
struct Sessions {
    buckets: Vec<Bucket>,
    prices: Vec<f64>,
    dice: u64,
}

impl Sessions {
    fn new(series: usize, sessions: usize) -> Self {
        use jiff::civil::date;
        let all = Calendar::Xnys.sessions(date(2000, 1, 3), date(2025, 12, 31));
        Self {
            buckets: all
                .take(sessions)
                .map(|session| session_bucket(session, 0))
                .collect(),
            prices: (0..series).map(|at| 50.0 + (at % 300) as f64).collect(),
            dice: 2025,
        }
    }

    fn step(&mut self) -> f64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.dice >> 40) as f64 / (1_u64 << 24) as f64 - 0.5
    }

    fn bars(&mut self, session: usize) -> Vec<LogRecord> {
        let bucket = self.buckets[session];
        let bar = |at: usize, price: f64| Bar {
            series: SeriesIx(u32::try_from(at).expect("few series")),
            clock: Clock::Session,
            bucket,
            open: price,
            high: price,
            low: price,
            close: price,
            size: 100.0,
            ticks: 1,
            official: true,
            correction: false,
            observed: None,
            restated: None,
        };
        let mut records = Vec::with_capacity(self.prices.len());
        for at in 0..self.prices.len() {
            self.prices[at] *= 1.0 + 0.02 * self.step();
            records.push(LogRecord {
                source: 0,
                offset: 0,
                body: LogBody::Bar(bar(at, self.prices[at])),
            });
        }
        records
    }
}

/// Three cross-sections of 3,000 members from the first bar of a session to the last; the floor copies the bars.
fn wide_session(scale: &Scale) -> Result<Row> {
    let rules = EVERY_KIND
        .split_inclusive("\n\n")
        .filter(|rule| {
            ["breadth]", "leadership]", "concentration]"]
                .iter()
                .any(|name| rule.contains(name))
        })
        .collect::<String>();
    let plan = universe(MEMBERS + 1, &rules)?;
    let sessions = scale.sessions;
    let mut market = Sessions::new(MEMBERS + 1, sessions);
    let mut universe = Universe::new(plan);
    universe.set_readings(ReadingDetail::Values);
    let (mut out, mut readings) = (Vec::new(), 0);
    let (mut floors, mut measured) = (Vec::new(), Vec::new());
    for session in 0..sessions {
        let bars = market.bars(session);
        floors.push(1e3 / rate(1, || drop(black_box(black_box(&bars).clone()))));
        let took = 1e3
            / rate(1, || {
                for record in black_box(&bars) {
                    universe.step(record, None, &mut out);
                }
            });
        measured.push(took);
        readings += out
            .iter()
            .filter(|output| matches!(output, Output::Reading(_)))
            .count();
        out.clear();
    }
    ensure!(readings > 0, "no rule was warm in {sessions} sessions");
    // The last sessions, in which every window is full.
    let late = sessions * 4 / 5;
    let (measured, floor) = (
        median(measured.split_off(late)),
        median(floors.split_off(late)),
    );
    Ok(Row {
        what: "session close of 3,000 members: breadth, leadership, concentration".to_owned(),
        measured: format!("{measured:.2} ms"),
        floor: format!("{floor:.2} ms"),
        ratio: measured / floor,
        aim: "5 ms".to_owned(),
    })
}

/// The detector alone, at a run-length bound of 250; the floor keeps a mean.
fn mean_shift(scale: &Scale) -> Result<Row> {
    let params = serde_json::json!({"series": "A", "run_length": 250});
    let kind = Kind::deserialize("mean_shift", params).context("no mean_shift")??;
    let mut rates = Rates::default();
    let mut market = Sessions::new(1, 1);
    let bucket = market.buckets[0];
    let updates = scale.ticks / 10;
    let mut level = 100.0;
    let values: Vec<f64> = (0..updates)
        .map(|_| {
            level += market.step();
            level
        })
        .collect();
    for _ in 0..scale.rounds {
        let floor = rate(updates, || {
            let mut mean = 0.0;
            for (value, count) in black_box(&values).iter().zip(1..) {
                mean += (value - mean) / f64::from(count);
            }
            black_box(mean);
        });
        let mut state = kind.detector();
        let mut read = 0;
        let measured = rate(updates, || {
            for value in black_box(&values) {
                let point = [Some(Point::flat(*value, true))];
                let section = Section {
                    bucket,
                    values: &point,
                    said: &[],
                };
                read += u32::from(state.step(&kind, &section).reading.is_some());
            }
        });
        ensure!(read > 0, "mean_shift read nothing");
        rates.add(floor, measured);
    }
    Ok(rates.row("mean_shift alone, run lengths to 250", "0.3 M/s"))
}

/// Resident memory that a universe of 10,000 series takes, with every kind of rule on: the cross-sections over all of
/// them, the others over ten.
fn weight(scale: &Scale) -> Result<Row> {
    let few = ["turbulence", "absorption_ratio"];
    let rules = EVERY_KIND
        .split_inclusive("\n\n")
        .map(|rule| {
            // A covariance of 10,000 members is a gigabyte: these two read sectors, not markets.
            if few
                .iter()
                .any(|name| rule.contains(&format!("rules.{name}]")))
            {
                let names: Vec<String> =
                    (0..RATE).map(|at| format!("\"{}\"", symbol(at))).collect();
                rule.replace("\"all\"", &format!("[{}]", names.join(", ")))
            } else {
                rule.to_owned()
            }
        })
        .collect::<String>();
    let before = resident()?;
    let plan = universe(MANY, &rules)?;
    let mut universe = Universe::new(plan);
    let mut market = Sessions::new(MANY, scale.sessions);
    let mut out = Vec::new();
    for session in 0..scale.sessions {
        for record in market.bars(session) {
            universe.step(&record, None, &mut out);
        }
        out.clear();
    }
    let after = resident()?;
    black_box(&universe);
    let (weight, allowed) = ((after - before) / 1e6, 500.0);
    Ok(Row {
        what: format!(
            "10,000 series under every kind of rule after {} sessions",
            scale.sessions
        ),
        measured: format!("{weight:.0} MB"),
        floor: format!("{allowed:.0} MB allowed"),
        ratio: weight / allowed,
        aim: "500 MB".to_owned(),
    })
}

/// Resident memory of this process in bytes.
fn resident() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes: f64 = line
        .and_then(|line| line.split_whitespace().nth(1))
        .context("no VmRSS in /proc/self/status")?
        .parse()?;
    Ok(kilobytes * 1e3)
}
