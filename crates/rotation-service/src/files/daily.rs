//! A row a day: one series in a file, or a panel with a column a series.

use jiff::civil::Date;
use rotation_engine::calendar::{Calendar, Session};

use super::error::{Fault, FilesError};
use super::fields::{Fields, Row};
use super::format::{Column, Quotes};
use super::options::{Named, OpenOptions};
use super::skips::SkipReason;
use super::{FileRecord, Flow, Sink};

/// The daily closes of one series: each an official tick at the close of its session.
///
/// Where the whole row is asked for, its open is a tick at the session's open, its high and its low after one and after
/// two thirds of the session, and the close bears the volume as its size.
#[derive(Debug)]
pub(super) struct DailyRows {
    series: Named,
    close: Column,
    whole: Option<Whole>,
    days: Days,
    fields: Fields,
}

/// The columns of a row that is read as a whole.
#[derive(Debug)]
struct Whole {
    /// Open, high and low.
    prices: [Column; 3],
    volume: Option<Column>,
}

impl Whole {
    fn new(quotes: Quotes) -> Result<Self, Fault> {
        let need = |column: Option<Column>, name| {
            column.ok_or(Fault::Header(name, "series with ohlc = true"))
        };
        Ok(Self {
            prices: [
                need(quotes.open, "open")?,
                need(quotes.high, "high")?,
                need(quotes.low, "low")?,
            ],
            volume: quotes.volume,
        })
    }
}

impl DailyRows {
    /// Rows of a file with these columns.
    ///
    /// # Errors
    ///
    /// When the whole row is asked for and the file does not have it.
    pub(super) fn new(
        series: Named,
        close: Column,
        quotes: Quotes,
        options: &OpenOptions,
    ) -> Result<Self, Fault> {
        let is_whole = options.ohlc.contains(&*series.symbol);
        let whole = is_whole.then(|| Whole::new(quotes)).transpose()?;
        Ok(Self {
            series,
            close,
            whole,
            days: Days::new(options),
            fields: Fields::default(),
        })
    }

    pub(super) fn read(&mut self, row: Row<'_>, out: &mut Sink) -> Result<Flow, FilesError> {
        self.fields.split(row.line);
        let date = match self.days.next(row, self.fields.get(row.line, 0))? {
            Day::Within(date) => date,
            Day::Before => return Ok(Flow::On),
            Day::After => return Ok(Flow::Done),
        };
        let field = self.fields.get(row.line, self.close.at);
        match row.number(&self.close.name, field)? {
            None => out.skips.add(SkipReason::Missing, row.number, date),
            Some(price) => match session_of(self.series.calendar, date) {
                Ok(session) => self.emit(row, session, price, out)?,
                Err(reason) => out.skips.add(reason, row.number, date),
            },
        }
        Ok(Flow::On)
    }

    fn emit(
        &self,
        row: Row<'_>,
        session: Session,
        close: f64,
        out: &mut Sink,
    ) -> Result<(), FilesError> {
        let symbol = &self.series.symbol;
        let mut size = None;
        if let Some(whole) = &self.whole {
            let number = |column: &Column| {
                let field = self.fields.get(row.line, column.at);
                row.number(&column.name, field)
            };
            if let Some(column) = &whole.volume {
                size = number(column)?;
                if size.is_some_and(|size| size < 0.0) {
                    let field = self.fields.get(row.line, column.at);
                    return Err(row.unexpected(&column.name, "a volume of 0 or more", field));
                }
            }
            let [open, high, low] = &whole.prices;
            let prices = [number(open)?, number(high)?, number(low)?];
            let third = session.close.saturating_since(session.open) / 3;
            for (offset, price) in [0, third, 2 * third].into_iter().zip(prices) {
                let time = session.open.saturating_add(offset);
                let tick = price.map(|price| FileRecord::tick(symbol, time, price, None));
                out.records.extend(tick);
            }
        }
        let close = FileRecord::close(symbol, session.close, close, size);
        out.records.push_back(close);
        Ok(())
    }
}

/// The daily closes of many series, a column each; an empty cell is a series not listed that day.
#[derive(Debug)]
pub(super) struct PanelRows {
    /// None for a column that is not read.
    series: Vec<Option<Named>>,
    names: Vec<Box<str>>,
    days: Days,
    fields: Fields,
}

impl PanelRows {
    pub(super) fn new(names: Vec<Box<str>>, options: &OpenOptions) -> Self {
        let series = names.iter().map(|name| {
            let is_read = options.reads_column(name);
            is_read.then(|| options.name(name))
        });
        let series = series.collect();
        Self {
            series,
            names,
            days: Days::new(options),
            fields: Fields::default(),
        }
    }

    pub(super) fn read(&mut self, row: Row<'_>, out: &mut Sink) -> Result<Flow, FilesError> {
        self.fields.split(row.line);
        let date = match self.days.next(row, self.fields.get(row.line, 0))? {
            Day::Within(date) => date,
            Day::Before => return Ok(Flow::On),
            Day::After => return Ok(Flow::Done),
        };
        if self.fields.len() > self.names.len() + 1 {
            let extra = self.fields.get(row.line, self.names.len() + 1);
            return Err(row.unexpected("", "as many fields as the header has", extra));
        }
        let (mut session, row_start) = (None, out.records.len());
        for (at, series) in self.series.iter().enumerate() {
            let Some(series) = series else { continue };
            let field = self.fields.get(row.line, at + 1);
            let price = match row.number(&self.names[at], field) {
                Ok(Some(price)) => price,
                Ok(None) => continue,
                Err(error) => {
                    out.records.truncate(row_start);
                    return Err(error);
                }
            };
            let close = match session {
                Some((calendar, close)) if calendar == series.calendar => close,
                _ => session_of(series.calendar, date),
            };
            session = Some((series.calendar, close));
            match close {
                Ok(Session { close, .. }) => {
                    out.records
                        .push_back(FileRecord::close(&series.symbol, close, price, None));
                }
                Err(reason) => out.skips.add(reason, row.number, date),
            }
        }
        Ok(Flow::On)
    }
}

/// The session of a date.
fn session_of(calendar: Calendar, date: Date) -> Result<Session, SkipReason> {
    match calendar.session(date) {
        Some(session) => Ok(session),
        None if (calendar.first_date()..=calendar.last_date()).contains(&date) => {
            Err(SkipReason::NoSession)
        }
        None => Err(SkipReason::OutsideCalendar),
    }
}

/// Dates of successive rows, held to ascend and cut to the dates asked for.
#[derive(Debug)]
struct Days {
    from: Option<Date>,
    to: Option<Date>,
    last: Option<Date>,
}

enum Day {
    Before,
    Within(Date),
    After,
}

impl Days {
    fn new(options: &OpenOptions) -> Self {
        Self {
            from: options.from,
            to: options.to,
            last: None,
        }
    }

    fn next(&mut self, row: Row<'_>, field: &[u8]) -> Result<Day, FilesError> {
        let date = row.date("date", field)?;
        if let Some(last) = self.last.filter(|last| date <= *last) {
            return Err(row.error(Fault::Order {
                time: date.to_string().into(),
                previous: last.to_string().into(),
            }));
        }
        self.last = Some(date);
        Ok(match () {
            () if self.from.is_some_and(|from| date < from) => Day::Before,
            () if self.to.is_some_and(|to| date > to) => Day::After,
            () => Day::Within(date),
        })
    }
}
