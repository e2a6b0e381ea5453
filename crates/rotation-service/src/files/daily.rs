//! A row a day: one series in a file, or a panel with a column a series.

use jiff::civil::Date;
use rotation_engine::calendar::Calendar;
use rotation_engine::time::EventTime;

use super::error::{Fault, FilesError};
use super::fields::{Fields, Row};
use super::format::Column;
use super::options::{Named, OpenOptions};
use super::skips::SkipReason;
use super::{FileRecord, Flow, Sink};

/// The daily closes of one series: each an official tick at the close of its session.
#[derive(Debug)]
pub(super) struct DailyRows {
    series: Named,
    close: Column,
    days: Days,
    fields: Fields,
}

impl DailyRows {
    pub(super) fn new(series: Named, close: Column, options: &OpenOptions) -> Self {
        Self {
            series,
            close,
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
        let field = self.fields.get(row.line, self.close.at);
        match row.number(&self.close.name, field)? {
            None => out.skips.add(SkipReason::Missing, row.number, date),
            Some(price) => match close_of(self.series.calendar, date) {
                Ok(time) => {
                    out.records
                        .push_back(FileRecord::close(&self.series.symbol, time, price));
                }
                Err(reason) => out.skips.add(reason, row.number, date),
            },
        }
        Ok(Flow::On)
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
                _ => close_of(series.calendar, date),
            };
            session = Some((series.calendar, close));
            match close {
                Ok(time) => out
                    .records
                    .push_back(FileRecord::close(&series.symbol, time, price)),
                Err(reason) => out.skips.add(reason, row.number, date),
            }
        }
        Ok(Flow::On)
    }
}

/// The close of the session of a date.
fn close_of(calendar: Calendar, date: Date) -> Result<EventTime, SkipReason> {
    match calendar.session(date) {
        Some(session) => Ok(session.close),
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
