//! The market data beside the repository, read apart from the product's own readers.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use jiff::civil::Date;

use crate::{skipped, workspace};

/// A file or folder of the market data; `None` where there is none, and the test is then recorded as skipped.
///
/// # Panics
///
/// Under `CI=true` where there is none.
#[must_use]
pub fn find(path: &str) -> Option<PathBuf> {
    let found = workspace::root().join("../shared/market").join(path);
    if found.exists() {
        return Some(found);
    }
    skipped::skip(&format!("no market data at ../shared/market/{path}"));
    None
}

/// The text of a file, which may be gzipped.
///
/// # Panics
///
/// When it cannot be read.
#[must_use]
pub fn text(path: &PathBuf) -> String {
    let file =
        std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    let read = if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text)
    } else {
        std::io::BufReader::new(file).read_to_string(&mut text)
    };
    read.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text
}

/// The column `close` (or the second of two) of a daily file by date; days without a value are left out.
///
/// # Panics
///
/// When a row is of another form.
#[must_use]
pub fn closes(path: &PathBuf) -> BTreeMap<Date, f64> {
    let text = text(path);
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let column = header
        .split(',')
        .position(|name| name == "close")
        .unwrap_or(1);
    let row = |line: &str| -> Option<(Date, f64)> {
        let mut fields = line.split(',');
        let date = fields.next()?.parse().ok()?;
        let value = fields.nth(column - 1)?;
        (!value.is_empty() && value != ".").then(|| {
            let value = value
                .parse()
                .unwrap_or_else(|error| panic!("{}: {line}: {error}", path.display()));
            (date, value)
        })
    };
    lines.filter_map(row).collect()
}
