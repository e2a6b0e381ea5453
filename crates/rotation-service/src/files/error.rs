//! What can be wrong with a file, said with its place.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A fault of one file, with the line it concerns.
#[derive(Debug)]
pub struct FilesError {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from 1; 0 where the file as a whole is concerned.
    pub line: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a file or with one of its lines.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file or directory cannot be opened.
    #[error("cannot open")]
    Open(#[source] io::Error),
    /// Reading or decompressing failed; nothing after this place is read.
    #[error("cannot read on")]
    Read(#[source] io::Error),
    /// Directories are not searched for further directories.
    #[error("is a directory; only the files directly inside a named directory are read")]
    Directory,
    /// There is no line in it.
    #[error("is empty, expected market data")]
    Empty,
    /// The first line is that of no known format.
    #[error("unknown format: first line is {0:?}, expected {known}", known = KNOWN)]
    Unknown(Box<str>),
    /// A header of a known kind lacks a column.
    #[error("header has no column {0:?}, which {1} need")]
    Header(&'static str, &'static str),
    /// Trade prints carry the time of day only.
    #[error("file name holds no date, expected trade prints named like ticks_2013-10-07.csv")]
    NoDate,
    /// The interval of the bars is neither given nor visible in the rows.
    #[error("cannot tell the interval of the bars from their first rows; give it")]
    NoInterval,
    /// A line beyond the bound on memory.
    #[error("line is longer than {0} bytes")]
    TooLong(usize),
    /// A first line with more columns than any file of market data.
    #[error("first line has more than {0} fields")]
    TooWide(usize),
    /// A field that does not read as what it should be.
    #[error("column {column:?}: expected {expected}, found {found:?}")]
    Field {
        /// Name of the column, or of the key.
        column: Box<str>,
        /// What should stand there.
        expected: &'static str,
        /// What stands there, shortened.
        found: Box<str>,
    },
    /// A line that is no JSON object of an input record.
    #[error("not an input record: {0}")]
    Json(Box<str>),
    /// A row that does not come after the one before it.
    #[error("rows must ascend in time: {time} comes after {previous}")]
    Order {
        /// Date or time of this row.
        time: Box<str>,
        /// Date or time of the row before, or the end of the bar before.
        previous: Box<str>,
    },
}

const KNOWN: &str = "date,open,high,low,close; date,close; DATE,SERIES; date,AAA,BBB,…; \
                     ts,open,high,low,close; ms_since_midnight_et,symbol,price,…; or a JSON object";

impl FilesError {
    pub(super) fn whole(path: &Path, fault: Fault) -> Self {
        Self::at(path, 0, fault)
    }

    pub(super) fn at(path: &Path, line: u64, fault: Fault) -> Self {
        Self {
            path: path.to_owned(),
            line,
            fault,
        }
    }

    /// Whether nothing more can be read from the file. Otherwise one row is lost and the next read goes on behind it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(
            self.fault,
            Fault::TooLong(_) | Fault::Field { .. } | Fault::Json(_) | Fault::Order { .. }
        )
    }
}

impl fmt::Display for FilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        write!(f, " {}", self.fault)
    }
}

impl std::error::Error for FilesError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.fault.source()
    }
}

/// Foreign bytes for a message: at most 40 characters.
pub(super) fn excerpt(bytes: &[u8]) -> Box<str> {
    const CHARACTERS_MAX: usize = 40;
    let head = &bytes[..bytes.len().min(4 * CHARACTERS_MAX)];
    let text = String::from_utf8_lossy(head);
    if bytes.len() <= CHARACTERS_MAX
        || text.chars().count() <= CHARACTERS_MAX && head.len() == bytes.len()
    {
        return text.into();
    }
    let mut short: String = text.chars().take(CHARACTERS_MAX).collect();
    short.push('…');
    short.into()
}
