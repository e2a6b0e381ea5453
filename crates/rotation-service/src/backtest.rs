//! `rotation backtest`: files to alerts, without Kafka, by the same engine.

use crate::config::Config;
use crate::files::{self, Content, FileRecord, OpenOptions};
use crate::replay::heartbeats::{HeartbeatOptions, final_time};
use anyhow::{Context, bail};
use jiff::civil::Date;
use rotation_engine::alert::Alert;
use rotation_engine::calendar::Calendar;
use rotation_engine::output::{Output, Reading};
use rotation_engine::pipeline::Pipeline;
use rotation_engine::plan::{SeriesSource, UniversePlan};
use rotation_engine::record::{SourceEvent, Tick};
use rotation_engine::time::EventTime;
use rotation_engine::universe::ReadingDetail;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

mod command;
mod page;

pub use command::{Args, run};

/// Horizons are said after so many records: sections come out then, and memory stays flat.
const FLUSH_EVERY: u64 = 512;

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
    let Found {
        paths,
        columns,
        missing,
    } = find_files(request);
    if paths.is_empty() {
        let wanted = missing.join(", ");
        bail!(
            "no data in {}: expected SYMBOL.csv or SYMBOL.csv.gz for {wanted}",
            request.data.display()
        );
    }
    outcome.notes.extend(
        missing
            .iter()
            .map(|symbol| format!("{symbol}: no file, its rules stay silent")),
    );
    let options = OpenOptions {
        columns: Some(columns),
        ..options(request)
    };
    let sources = paths
        .iter()
        .map(|path| files::open(path, &options))
        .collect::<Result<Vec<_>, _>>()?;
    let mut run = Run::new(request);
    let mut merged = files::merge(sources);
    for record in merged.by_ref() {
        match record {
            Ok(record) => run.take(&record, &mut outcome)?,
            Err(error) if error.is_final() => return Err(error).context("the backtest stops"),
            Err(error) => outcome.faults.push(error.to_string()),
        }
    }
    for source in merged.sources() {
        let name = source.path().display();
        outcome
            .notes
            .extend(source.skips().iter().map(|skip| format!("{name}: {skip}")));
    }
    run.end(&mut outcome);
    outcome.took = start.elapsed();
    Ok(outcome)
}

/// Where the data are.
#[derive(Debug, Default)]
struct Found {
    /// The files.
    paths: Vec<PathBuf>,
    /// The columns of panels that stand for series without a file of their own.
    columns: BTreeSet<String>,
    /// Symbols that some rule reads and no file has.
    missing: Vec<String>,
}

/// The files of the raw series that some rule reads: each its own, else a column of a panel.
fn find_files(request: &Request<'_>) -> Found {
    let mut paths = BTreeMap::new();
    let mut missing = BTreeSet::new();
    for plan in &request.config.universes {
        for series in plan
            .series
            .iter()
            .filter(|series| series.source == SeriesSource::Raw)
        {
            let names = ["csv", "csv.gz", "ndjson", "ndjson.gz"];
            let candidates = names
                .iter()
                .map(|ending| request.data.join(format!("{}.{ending}", series.symbol)));
            match candidates.into_iter().find(|path| path.is_file()) {
                Some(path) => {
                    paths.insert(series.symbol.clone(), path);
                }
                None if !series.clocks.is_empty() => {
                    missing.insert(series.symbol.clone());
                }
                None => {}
            }
        }
    }
    let mut found = Found {
        paths: paths.into_values().collect(),
        ..Found::default()
    };
    if !missing.is_empty() {
        find_columns(request.data, &mut missing, &mut found);
    }
    found.missing = missing.into_iter().collect();
    found
}

/// Looks for missing series among the columns of the folder's panels, in the order of their names.
fn find_columns(folder: &Path, missing: &mut BTreeSet<String>, found: &mut Found) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut others: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    others.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.ends_with(".csv") || name.ends_with(".csv.gz"))
            && !found.paths.contains(path)
    });
    others.sort();
    for path in others {
        let columns = files::panel_columns(&path).unwrap_or_default();
        let wanted: Vec<String> = columns
            .iter()
            .filter(|column| missing.remove(&***column))
            .map(ToString::to_string)
            .collect();
        if !wanted.is_empty() {
            found.columns.extend(wanted);
            found.paths.push(path);
        }
    }
}

fn options(request: &Request<'_>) -> OpenOptions {
    let universes = request.config.universes.iter();
    let series = universes.flat_map(|plan| &plan.series);
    let whole = series.clone().filter(|series| series.ohlc);
    OpenOptions {
        ohlc: whole.map(|series| series.symbol.clone()).collect(),
        calendars: series
            .map(|series| (series.symbol.clone(), series.calendar))
            .collect(),
        from: request.from,
        to: request.to,
        ..OpenOptions::default()
    }
}

/// The universes at work.
struct Run {
    universes: Vec<(Arc<UniversePlan>, Pipeline)>,
    out: Vec<Output>,
    newest: EventTime,
    records: u64,
}

impl Run {
    fn new(request: &Request<'_>) -> Self {
        let pipeline = |plan: &Arc<UniversePlan>| {
            let mut pipeline = Pipeline::new(plan, 1);
            pipeline.set_readings(request.detail);
            (plan.clone(), pipeline)
        };
        let universes = request.config.universes.iter().map(pipeline).collect();
        Run {
            universes,
            out: Vec::new(),
            newest: EventTime::MIN,
            records: 0,
        }
    }

    fn take(&mut self, record: &FileRecord, outcome: &mut Outcome) -> anyhow::Result<()> {
        match &record.content {
            Content::Tick {
                price,
                size,
                official,
            } => {
                let symbol = record
                    .symbol
                    .as_deref()
                    .context("a tick without a symbol")?;
                let size = size.unwrap_or(0.0);
                let tick = Tick {
                    time: record.time,
                    price: *price,
                    size,
                    seq: None,
                    official: *official,
                };
                self.push(&SourceEvent::Tick { symbol, tick }, outcome);
            }
            Content::Raw(bytes) => match rotation_wire::input::decode(bytes) {
                Ok(input) => self.push(&input.event(), outcome),
                Err(error) => outcome.faults.push(error.to_string()),
            },
        }
        self.newest = self.newest.max(record.time);
        self.records += 1;
        if self.records.is_multiple_of(FLUSH_EVERY) {
            for (_, pipeline) in &mut self.universes {
                pipeline.flush(&mut self.out);
            }
            self.sort_out(outcome);
        }
        Ok(())
    }

    fn push(&mut self, event: &SourceEvent<'_>, outcome: &mut Outcome) {
        if let SourceEvent::Tick { symbol, tick } = event {
            outcome.ticks += 1;
            note_close(outcome, symbol, tick);
        }
        for (_, pipeline) in &mut self.universes {
            pipeline.push(0, event, &mut self.out);
        }
        self.sort_out(outcome);
    }

    /// Nothing more comes: every session closes, and its corrections are over, as a replay's last heartbeat has it.
    fn end(&mut self, outcome: &mut Outcome) {
        for (plan, pipeline) in &mut self.universes {
            let mut calendars: Vec<Calendar> =
                plan.series.iter().map(|series| series.calendar).collect();
            calendars.sort_unstable();
            calendars.dedup();
            let options = HeartbeatOptions {
                calendars,
                lateness: plan.lateness,
                closing_window: plan.closing_window,
                correction_window: plan.correction_window,
                ceiling: EventTime::MAX,
            };
            pipeline.close(final_time(&options, self.newest), &mut self.out);
        }
        self.sort_out(outcome);
    }

    fn sort_out(&mut self, outcome: &mut Outcome) {
        for output in self.out.drain(..) {
            match output {
                Output::Alert(alert) => outcome.alerts.push(*alert),
                Output::Reading(reading) => outcome.readings.push(*reading),
                Output::Dropped { code, .. } => {
                    *outcome.dropped.entry(code.name()).or_default() += 1;
                }
                Output::Rejected { message, .. } => outcome.faults.push(message),
                Output::Refused { reason } => outcome.faults.push(reason),
                Output::Accepted { .. }
                | Output::Log(_)
                | Output::Section { .. }
                | Output::OpenEpisodes { .. }
                | Output::Horizon { .. }
                | Output::Source { .. } => {}
            }
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
