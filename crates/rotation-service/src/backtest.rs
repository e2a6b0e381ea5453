//! `rotation backtest`: files to alerts, without Kafka, by the same engine.

use crate::config::Config;
use jiff::civil::Date;
use rotation_engine::alert::Alert;
use rotation_engine::output::{Output, Reading};
use rotation_engine::record::Tick;
use rotation_engine::universe::ReadingDetail;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

mod command;
mod gather;
mod page;
mod read;
mod run;

pub use command::{Args, run};
use read::FilesRead;
pub(crate) use read::read;
use run::own_legs;
pub(crate) use run::{Run, Sink, closure, legs};

/// What to read, and how much of it.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The valid configuration.
    pub config: &'a Config,
    /// A folder with `SYMBOL.csv` or `SYMBOL.csv.gz` for each raw series, or a panel with a column of that name.
    pub data: &'a Path,
    /// First date read.
    pub from: Option<Date>,
    /// Last date read.
    pub to: Option<Date>,
    /// How much is wanted of readings.
    pub detail: ReadingDetail,
}

/// What a backtest comes to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Events in the order in which they were decided.
    pub alerts: Vec<Alert>,
    /// Readings, where they were asked for.
    pub readings: Vec<Reading>,
    /// Ticks read from the files.
    pub ticks: u64,
    /// Last value of each symbol on each day, for charts.
    pub closes: BTreeMap<String, Vec<(Date, f64)>>,
    /// What was left out on purpose, by code.
    pub dropped: BTreeMap<&'static str, u64>,
    /// What the files held and was not used: a line each.
    pub notes: Vec<String>,
    /// Rows that could not be read: a line each.
    pub faults: Vec<String>,
    /// Time it took.
    pub took: Duration,
}

/// Runs the universes of a configuration over the files of a folder.
///
/// # Errors
/// When there is no file for any series, or one cannot be opened.
pub fn backtest(request: &Request<'_>) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    let mut outcome = Outcome::default();
    let files = drive(request, &mut outcome)?;
    outcome.finish(files, start);
    Ok(outcome)
}

/// The same, telling everything to `sink` as it happens.
fn drive(request: &Request<'_>, sink: &mut impl Sink) -> anyhow::Result<FilesRead> {
    let mut run = Run::new(&request.config.universes, request.detail);
    let files = read(request, |event| run.push(event, sink))?;
    run.end(sink);
    Ok(files)
}

impl Outcome {
    fn finish(&mut self, files: FilesRead, start: Instant) {
        self.notes = files.notes;
        self.faults.splice(0..0, files.faults);
        self.took = start.elapsed();
    }
}

impl Sink for Outcome {
    fn tick(&mut self, symbol: &str, tick: &Tick) {
        self.ticks += 1;
        note_close(self, symbol, tick);
    }

    fn output(&mut self, _universe: usize, output: Output) {
        match output {
            Output::Alert(alert) => self.alerts.push(*alert),
            Output::Reading(reading) => self.readings.push(*reading),
            Output::Dropped { code, .. } => {
                *self.dropped.entry(code.name()).or_default() += 1;
            }
            Output::Rejected { message, .. } => self.faults.push(message),
            Output::Refused { reason } => self.faults.push(reason),
            Output::Accepted { .. }
            | Output::Log(_)
            | Output::Section { .. }
            | Output::OpenEpisodes { .. }
            | Output::Horizon { .. }
            | Output::RuleChanged { .. }
            | Output::Source { .. } => {}
        }
    }
}

fn note_close(outcome: &mut Outcome, symbol: &str, tick: &Tick) {
    let date = tick.time.utc_date();
    if let Some(closes) = outcome.closes.get_mut(symbol) {
        match closes.last_mut() {
            Some(last) if last.0 == date => last.1 = tick.price,
            _ => closes.push((date, tick.price)),
        }
    } else {
        outcome
            .closes
            .insert(symbol.to_owned(), vec![(date, tick.price)]);
    }
}
