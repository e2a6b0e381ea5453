//! One row of comma-separated fields, and the values in them.

use std::ops::Range;
use std::path::Path;

use jiff::civil::Date;
use rotation_engine::plan::SERIES_MAX;
use rotation_engine::time::EventTime;

use super::error::{Fault, FilesError, excerpt};

/// The most fields of a line: a day of a panel of as many series as a universe may have.
pub const FIELDS_MAX: usize = SERIES_MAX + 1;

/// Where the fields of the current row lie; reused from row to row.
#[derive(Debug, Default)]
pub(super) struct Fields {
    ranges: Vec<Range<usize>>,
}

impl Fields {
    /// Finds the fields of a row, one more than [`FIELDS_MAX`] at most. Commas inside double quotes belong to the
    /// field.
    pub(super) fn split(&mut self, line: &[u8]) {
        self.ranges.clear();
        let (mut start, mut quoted) = (0, false);
        for (at, byte) in line.iter().enumerate() {
            match byte {
                b'"' => quoted = !quoted,
                b',' if !quoted => {
                    if self.ranges.len() == FIELDS_MAX {
                        return;
                    }
                    self.ranges.push(start..at);
                    start = at + 1;
                }
                _ => {}
            }
        }
        self.ranges.push(start..line.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// The field, without blanks and quotes around it; empty where the row is too short.
    pub(super) fn get<'a>(&self, line: &'a [u8], column: usize) -> &'a [u8] {
        let Some(range) = self.ranges.get(column) else {
            return &[];
        };
        let field = line[range.clone()].trim_ascii();
        match field {
            [b'"', inner @ .., b'"'] => inner.trim_ascii(),
            _ => field,
        }
    }
}

/// A row with its place, for whoever reads values from it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) path: &'a Path,
    pub(super) number: u64,
    pub(super) line: &'a [u8],
}

impl Row<'_> {
    pub(super) fn error(&self, fault: Fault) -> FilesError {
        FilesError::at(self.path, self.number, fault)
    }

    pub(super) fn unexpected(
        &self,
        column: &str,
        expected: &'static str,
        found: &[u8],
    ) -> FilesError {
        self.error(Fault::Field {
            column: column.into(),
            expected,
            found: excerpt(found),
        })
    }

    /// A day; a midnight behind it is passed over, as some exports carry one.
    pub(super) fn date(&self, column: &str, field: &[u8]) -> Result<Date, FilesError> {
        parse_date(field).ok_or_else(|| self.unexpected(column, "a date such as 2026-01-22", field))
    }

    pub(super) fn instant(&self, column: &str, field: &[u8]) -> Result<EventTime, FilesError> {
        str::from_utf8(field)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| self.unexpected(column, "a time such as 2026-01-22T20:55:00Z", field))
    }

    /// A finite number, or none where the field says that there is none.
    pub(super) fn number(&self, column: &str, field: &[u8]) -> Result<Option<f64>, FilesError> {
        if is_missing(field) {
            return Ok(None);
        }
        str::from_utf8(field)
            .ok()
            .and_then(|text| text.parse::<f64>().ok())
            .filter(|number| number.is_finite())
            .map(Some)
            .ok_or_else(|| self.unexpected(column, "a number", field))
    }
}

/// How the sources write "no value on this day".
fn is_missing(field: &[u8]) -> bool {
    const MARKS: [&[u8]; 6] = [b".", b"nan", b"null", b"n/a", b"na", b"#n/a"];
    field.is_empty()
        || field.len() <= 4 && MARKS.iter().any(|mark| field.eq_ignore_ascii_case(mark))
}

fn parse_date(field: &[u8]) -> Option<Date> {
    let (day, rest) = field.split_at_checked(10)?;
    if !(rest.is_empty() || rest.starts_with(b" 00:00:00") || rest.starts_with(b"T00:00:00")) {
        return None;
    }
    date_of(day)
}

/// Reads `YYYY-MM-DD`, and nothing else.
pub(super) fn date_of(day: &[u8]) -> Option<Date> {
    let [y3, y2, y1, y0, b'-', m1, m0, b'-', d1, d0] = day else {
        return None;
    };
    let number = |digits: &[&u8]| {
        digits.iter().try_fold(0_i16, |sum, digit| {
            digit
                .is_ascii_digit()
                .then(|| sum * 10 + i16::from(**digit - b'0'))
        })
    };
    let small = |digits: &[&u8]| number(digits).and_then(|number| i8::try_from(number).ok());
    Date::new(
        number(&[y3, y2, y1, y0])?,
        small(&[m1, m0])?,
        small(&[d1, d0])?,
    )
    .ok()
}
