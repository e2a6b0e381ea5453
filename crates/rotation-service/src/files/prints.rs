//! A row a trade, of any number of symbols, as the tape carried them.

use std::collections::HashMap;
use std::path::Path;

use rotation_engine::time::{EventTime, Nanos};

use super::error::{Fault, FilesError};
use super::fields::{Fields, Row, date_of};
use super::format::Column;
use super::options::{Named, OpenOptions, forget_beyond_bound, new_york};
use super::skips::SkipReason;
use super::{FileRecord, Flow, Sink};

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;
const MILLI_NANOS: Nanos = 1_000_000;

/// Trade prints of one day in the order of the file, which is not always that of time: late prints are left where they
/// are.
#[derive(Debug)]
pub(super) struct PrintRows {
    midnight: EventTime,
    columns: Columns,
    options: OpenOptions,
    symbols: HashMap<Box<[u8]>, Named>,
    fields: Fields,
}

#[derive(Debug)]
struct Columns {
    symbol: Column,
    price: Column,
    size: Option<Column>,
}

impl PrintRows {
    /// The day, in New York, is the first date in the file's name.
    pub(super) fn new(
        path: &Path,
        (symbol, price, size): (Column, Column, Option<Column>),
        options: &OpenOptions,
    ) -> Result<Self, FilesError> {
        let midnight = midnight_of(path).ok_or_else(|| FilesError::whole(path, Fault::NoDate))?;
        Ok(Self {
            midnight,
            columns: Columns {
                symbol,
                price,
                size,
            },
            options: options.clone(),
            symbols: HashMap::new(),
            fields: Fields::default(),
        })
    }

    pub(super) fn read(&mut self, row: Row<'_>, out: &mut Sink) -> Result<Flow, FilesError> {
        let Self {
            midnight,
            columns,
            options,
            symbols,
            fields,
        } = self;
        fields.split(row.line);
        let time = midnight.saturating_add(millis(row, fields.get(row.line, 0))? * MILLI_NANOS);
        let name = fields.get(row.line, columns.symbol.at);
        if !symbols.contains_key(name) {
            forget_beyond_bound(symbols);
            let text = str::from_utf8(name).ok().filter(|text| !text.is_empty());
            let text =
                text.ok_or_else(|| row.unexpected(&columns.symbol.name, "a symbol", name))?;
            symbols.insert(name.into(), options.name(text));
        }
        let Named { symbol, window, .. } = &symbols[name];
        let price = row.number(&columns.price.name, fields.get(row.line, columns.price.at))?;
        let size = match &columns.size {
            Some(column) => row.number(&column.name, fields.get(row.line, column.at))?,
            None => None,
        };
        match price {
            None => out.skips.add(SkipReason::Missing, row.number, time),
            Some(price) if window.contains(time) => {
                out.records
                    .push_back(FileRecord::tick(symbol, time, price, size));
            }
            Some(_) => {}
        }
        Ok(Flow::On)
    }
}

fn millis(row: Row<'_>, field: &[u8]) -> Result<Nanos, FilesError> {
    str::from_utf8(field)
        .ok()
        .and_then(|text| text.parse::<u64>().ok())
        .filter(|millis| *millis < DAY_MILLIS)
        .and_then(|millis| Nanos::try_from(millis).ok())
        .ok_or_else(|| row.unexpected("ms_since_midnight_et", "milliseconds below 86400000", field))
}

fn midnight_of(path: &Path) -> Option<EventTime> {
    let name = path.file_name()?.as_encoded_bytes();
    let date = name.windows(10).find_map(date_of)?;
    let midnight = new_york().to_zoned(date.at(0, 0, 0, 0)).ok()?;
    EventTime::try_from(midnight.timestamp()).ok()
}
