//! The files of a backtest as one stream of events.

use super::Request;
use crate::files::{self, Content, FileRecord, OpenOptions};
use anyhow::{Context, bail};
use rotation_engine::plan::SeriesSource;
use rotation_engine::record::{SourceEvent, Tick};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What the files held beside their events.
#[derive(Clone, Debug, Default)]
pub(crate) struct FilesRead {
    /// What was not used: a line each.
    pub(crate) notes: Vec<String>,
    /// Rows that could not be read: a line each.
    pub(crate) faults: Vec<String>,
}

/// Reads the files of the raw series that some rule reads, in order of time.
///
/// # Errors
/// When there is no file for any series, or one cannot be opened.
pub(crate) fn read(
    request: &Request<'_>,
    mut take: impl FnMut(&SourceEvent<'_>),
) -> anyhow::Result<FilesRead> {
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
    let mut read = FilesRead {
        notes: missing
            .iter()
            .map(|symbol| format!("{symbol}: no file, its rules stay silent"))
            .collect(),
        faults: Vec::new(),
    };
    let options = OpenOptions {
        columns: Some(columns),
        ..options(request)
    };
    let sources = paths
        .iter()
        .map(|path| files::open(path, &options))
        .collect::<Result<Vec<_>, _>>()?;
    let mut merged = files::merge(sources);
    for record in merged.by_ref() {
        match record {
            Ok(record) => give(&record, &mut take, &mut read)?,
            Err(error) if error.is_final() => return Err(error).context("the backtest stops"),
            Err(error) => read.faults.push(error.to_string()),
        }
    }
    for source in merged.sources() {
        let name = source.path().display();
        read.notes
            .extend(source.skips().iter().map(|skip| format!("{name}: {skip}")));
    }
    Ok(read)
}

fn give(
    record: &FileRecord,
    take: &mut impl FnMut(&SourceEvent<'_>),
    read: &mut FilesRead,
) -> anyhow::Result<()> {
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
            let tick = Tick {
                time: record.time,
                price: *price,
                size: size.unwrap_or(0.0),
                seq: None,
                official: *official,
            };
            take(&SourceEvent::Tick { symbol, tick });
        }
        Content::Raw(bytes) => match rotation_wire::input::decode(bytes) {
            Ok(input) => take(&input.event()),
            Err(error) => read.faults.push(error.to_string()),
        },
    }
    Ok(())
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
