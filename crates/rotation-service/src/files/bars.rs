//! A row a bar: its open, high, low and close become ticks spread over the bar.

use rotation_engine::time::{EventTime, Nanos};

use super::error::{Fault, FilesError};
use super::fields::{Fields, Row};
use super::format::Column;
use super::options::{Named, OpenOptions};
use super::skips::SkipReason;
use super::{FileRecord, Flow, Sink};

/// Rows looked at to tell the interval.
const ROWS_LOOKED_AT: usize = 64;

/// A shorter interval leaves no room for four ticks in their order.
const INTERVAL_NANOS_MIN: Nanos = 10_000_000;

const NANOS_BEFORE_END: Nanos = 1_000_000;

/// Bars of one series.
///
/// A bar holds no more than the order open, high, low, close says; the ticks stand at its start, after one
/// and after two thirds of it, and a millisecond before its end, so that the next bar's open comes later.
/// Without a given interval rows are held back until the first [`ROWS_LOOKED_AT`] have shown it.
#[derive(Debug)]
pub(super) struct BarRows {
    series: Named,
    columns: [Column; 4],
    interval: Option<Nanos>,
    held: Vec<Bar>,
    last: Option<EventTime>,
    fields: Fields,
}

#[derive(Debug, Clone, Copy)]
struct Bar {
    start: EventTime,
    prices: [f64; 4],
}

impl BarRows {
    pub(super) fn new(series: Named, columns: [Column; 4], options: &OpenOptions) -> Self {
        let interval = options.bar_nanos.map(|nanos| nanos.max(INTERVAL_NANOS_MIN));
        let held = Vec::new();
        Self {
            series,
            columns,
            interval,
            held,
            last: None,
            fields: Fields::default(),
        }
    }

    pub(super) fn read(&mut self, row: Row<'_>, out: &mut Sink) -> Result<Flow, FilesError> {
        self.fields.split(row.line);
        let start = row.instant("ts", self.fields.get(row.line, 0))?;
        self.hold_order(row, start)?;
        let mut prices = [0.0; 4];
        for (price, column) in prices.iter_mut().zip(&self.columns) {
            let field = self.fields.get(row.line, column.at);
            let Some(number) = row.number(&column.name, field)? else {
                out.skips.add(SkipReason::Missing, row.number, start);
                return Ok(Flow::On);
            };
            *price = number;
        }
        let bar = Bar { start, prices };
        match self.interval {
            Some(interval) => self.emit(bar, interval, out),
            None => {
                self.held.push(bar);
                if self.held.len() == ROWS_LOOKED_AT {
                    self.release(row, out)?;
                }
            }
        }
        let past = self.series.window.is_past(start);
        Ok(if past && self.interval.is_some() {
            Flow::Done
        } else {
            Flow::On
        })
    }

    /// Lets the held rows go at the end of the file.
    pub(super) fn finish(&mut self, row: Row<'_>, out: &mut Sink) -> Result<(), FilesError> {
        if self.held.is_empty() {
            Ok(())
        } else {
            self.release(row, out)
        }
    }

    fn release(&mut self, row: Row<'_>, out: &mut Sink) -> Result<(), FilesError> {
        let steps = self
            .held
            .windows(2)
            .map(|pair| pair[1].start.saturating_since(pair[0].start));
        let interval = steps
            .min()
            .filter(|interval| *interval >= INTERVAL_NANOS_MIN);
        let held = std::mem::take(&mut self.held);
        let interval = interval.ok_or_else(|| FilesError::whole(row.path, Fault::NoInterval))?;
        self.interval = Some(interval);
        for bar in held {
            self.emit(bar, interval, out);
        }
        Ok(())
    }

    fn emit(&self, bar: Bar, interval: Nanos, out: &mut Sink) {
        let third = interval / 3;
        let offsets = [0, third, 2 * third, interval - NANOS_BEFORE_END];
        for (offset, price) in offsets.into_iter().zip(bar.prices) {
            let time = bar.start.saturating_add(offset);
            if self.series.window.contains(time) {
                out.records
                    .push_back(FileRecord::tick(&self.series.symbol, time, price, None));
            }
        }
    }

    fn hold_order(&mut self, row: Row<'_>, start: EventTime) -> Result<(), FilesError> {
        if let Some(last) = self.last {
            let earliest = last.saturating_add(self.interval.unwrap_or(1));
            if start < earliest {
                let previous = self.interval.map_or(last, |_| earliest);
                let [time, previous] = [start, previous].map(|time| time.to_string().into());
                return Err(row.error(Fault::Order { time, previous }));
            }
        }
        self.last = Some(start);
        Ok(())
    }
}
