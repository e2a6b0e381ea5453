//! Market data files, read into a stream of records ordered by event time.
//!
//! A file's first line tells its format, its first bytes whether it is gzip; names tell neither.
//!
//! | first line | a row is | its ticks |
//! | --- | --- | --- |
//! | `date,open,high,low,close,…` (Yahoo, Stooq) | a day | the close, official, at the session's close |
//! | `date,close`; `DATE,DGS10`, `observation_date,DGS10` (FRED) | a day | the value, likewise |
//! | `date,AAA,BBB,…` | a day of many series | one for each cell that is not empty, likewise |
//! | `ts,open,high,low,close,…` | a bar; `ts` is its start | open, high, low, close, spread over the bar |
//! | `ms_since_midnight_et,symbol,price,…` | a trade of the day in the file's name | the price, with its size |
//! | a JSON object | an input record | passed on as it is |
//!
//! For the symbols of [`OpenOptions::ohlc`] a row of the first kind is four ticks: open, high and low spread over the
//! session, and the official close with the volume as its size.
//!
//! The symbol of a file of one series is its name up to the first dot, unless [`OpenOptions::aliases`] says otherwise.
//! Rows are read as they are asked for, in memory that does not grow with the file.
//!
//! A row that cannot be read is an error that names file, line and column, and is not the end of the stream: the caller
//! decides. A row that rightly carries no tick (no value, no session) is counted in [`Source::skips`].

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rotation_engine::time::EventTime;

mod bars;
mod daily;
mod error;
mod expand;
mod fields;
mod format;
mod lines;
mod merge;
mod ndjson;
mod options;
mod prints;
mod skips;
#[cfg(test)]
mod tests;

pub use error::{Fault, FilesError};
pub use expand::{Expansion, expand};
pub use fields::FIELDS_MAX;
pub use lines::{EXPANSION_MAX, LINE_BYTES_MAX, Progress};
pub use merge::{Merged, merge};
pub use options::OpenOptions;
pub use skips::{Skip, SkipReason};

use bars::BarRows;
use daily::{DailyRows, PanelRows};
use fields::Row;
use format::Format;
use lines::Lines;
use ndjson::NdjsonRows;
use prints::PrintRows;
use skips::Skips;

/// One record of a file, to become one record of the ticks topic.
#[derive(Debug, Clone, PartialEq)]
pub struct FileRecord {
    /// The series, and the key on the topic; none on a record that concerns all (a heartbeat).
    pub symbol: Option<Arc<str>>,
    /// Event time.
    pub time: EventTime,
    /// What it says.
    pub content: Content,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A price, or any other value of a series.
    Tick {
        /// In the unit of the file, finite.
        price: f64,
        /// Units traded, where the file says so.
        size: Option<f64>,
        /// Whether this is the official close of a session.
        official: bool,
    },
    /// An input record as the file writes it, without the end of its line.
    Raw(Box<[u8]>),
}

impl FileRecord {
    fn close(symbol: &Arc<str>, time: EventTime, price: f64, size: Option<f64>) -> Self {
        let content = Content::Tick {
            price,
            size,
            official: true,
        };
        Self {
            symbol: Some(Arc::clone(symbol)),
            time,
            content,
        }
    }

    fn tick(symbol: &Arc<str>, time: EventTime, price: f64, size: Option<f64>) -> Self {
        let content = Content::Tick {
            price,
            size,
            official: false,
        };
        Self {
            symbol: Some(Arc::clone(symbol)),
            time,
            content,
        }
    }
}

/// The records of one file, in the order of the file.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    lines: Lines,
    rows: Rows,
    out: Sink,
    ended: bool,
}

/// Where rows put what they hold.
#[derive(Debug, Default)]
struct Sink {
    records: VecDeque<FileRecord>,
    skips: Skips,
}

/// Whether rows after this one are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Done,
}

#[derive(Debug)]
enum Rows {
    Daily(DailyRows),
    Panel(PanelRows),
    Bars(BarRows),
    Prints(Box<PrintRows>),
    Ndjson(Box<NdjsonRows>),
}

/// Opens a file and tells its format.
///
/// # Errors
///
/// When the file cannot be read, is empty, or is of no known format.
pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Source, FilesError> {
    let path = path.as_ref();
    begin(path, Lines::open(path)?, options)
}

/// Reads bytes as the file of that name; otherwise as [`open`].
///
/// # Errors
///
/// As [`open`].
pub fn read(path: &Path, bytes: Vec<u8>, options: &OpenOptions) -> Result<Source, FilesError> {
    begin(path, Lines::of(path, bytes)?, options)
}

fn begin(path: &Path, mut lines: Lines, options: &OpenOptions) -> Result<Source, FilesError> {
    let whole = |fault| FilesError::whole(path, fault);
    if !lines.advance().map_err(whole)? {
        return Err(whole(Fault::Empty));
    }
    let series = || options.name(stem(path));
    let rows = match Format::of(lines.line()).map_err(whole)? {
        Format::Daily { close, quotes } => {
            Rows::Daily(DailyRows::new(series(), close, quotes, options).map_err(whole)?)
        }
        Format::Panel { names } => Rows::Panel(PanelRows::new(names, options)),
        Format::Bars { prices } => Rows::Bars(BarRows::new(series(), prices, options)),
        Format::Prints {
            symbol,
            price,
            size,
        } => Rows::Prints(PrintRows::new(path, (symbol, price, size), options)?.into()),
        Format::Ndjson => Rows::Ndjson(NdjsonRows::new(options).into()),
    };
    if matches!(rows, Rows::Ndjson(_)) {
        lines.keep();
    }
    Ok(Source {
        path: path.to_owned(),
        lines,
        rows,
        out: Sink::default(),
        ended: false,
    })
}

/// The columns of a panel: a file with a row a day and a column a series. None where the file is something else, or
/// cannot be read.
pub fn panel_columns(path: &Path) -> Option<Vec<Box<str>>> {
    let mut lines = Lines::open(path).ok()?;
    if !lines.advance().ok()? {
        return None;
    }
    match Format::of(lines.line()) {
        Ok(Format::Panel { names }) => Some(names),
        _ => None,
    }
}

/// The name of a file up to its first dot.
fn stem(path: &Path) -> &str {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    name.split('.').next().unwrap_or(name)
}

impl Source {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How far the file has been read.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        self.lines.progress()
    }

    /// Rows that carried no tick so far, a line a reason.
    #[must_use]
    pub fn skips(&self) -> &[Skip] {
        self.out.skips.as_slice()
    }

    /// Reads one row; `Done` after the last.
    fn read_row(&mut self) -> Result<Flow, FilesError> {
        let more = self.lines.advance();
        let (path, number) = (self.path.as_path(), self.lines.number());
        let more = more.map_err(|fault| FilesError::at(path, number, fault))?;
        let row = Row {
            path,
            number,
            line: self.lines.line(),
        };
        match &mut self.rows {
            Rows::Bars(rows) if !more => rows.finish(row, &mut self.out).map(|()| Flow::Done),
            _ if !more => Ok(Flow::Done),
            Rows::Daily(rows) => rows.read(row, &mut self.out),
            Rows::Panel(rows) => rows.read(row, &mut self.out),
            Rows::Bars(rows) => rows.read(row, &mut self.out),
            Rows::Prints(rows) => rows.read(row, &mut self.out),
            Rows::Ndjson(rows) => rows.read(row, &mut self.out),
        }
    }
}

impl Iterator for Source {
    type Item = Result<FileRecord, FilesError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.out.records.pop_front() {
                return Some(Ok(record));
            }
            if self.ended {
                return None;
            }
            let flow = self.read_row();
            self.ended = match &flow {
                Ok(flow) => *flow == Flow::Done,
                Err(error) => error.is_final(),
            };
            if self.ended {
                self.progress().finish();
            }
            if let Err(error) = flow {
                return Some(Err(error));
            }
        }
    }
}
