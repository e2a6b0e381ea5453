//! From records of files to what is sent: keyed, encoded, with heartbeats between them.

use super::heartbeats::{Heartbeat, HeartbeatOptions, Heartbeats};
use crate::files::{Content, FileRecord, FilesError};
use rotation_engine::clock::DAY;
use rotation_engine::record::Tick;
use rotation_engine::time::EventTime;
use rotation_wire::input::{Input, decode, encode_heartbeat, encode_tick};
use std::collections::HashMap;
use std::sync::Arc;

const MILLI_NANOS: i64 = 1_000_000;

/// One input record to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Where it goes.
    pub route: Route,
    /// The time it bears.
    pub time: EventTime,
    /// The event time at which it is sent: that of a record, later than that of a heartbeat.
    pub due: EventTime,
    /// The record as JSON.
    pub payload: Vec<u8>,
}

/// Which partitions a record goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// That of its key, the symbol.
    Key(Arc<str>),
    /// Each of them.
    Every,
    /// Any: it names no symbol, so a service refuses it wherever it is.
    Any,
}

/// How a feed is made.
#[derive(Clone, Debug, Default)]
pub struct FeedOptions {
    /// When heartbeats are said; never, where absent.
    pub heartbeats: Option<HeartbeatOptions>,
    /// Number the ticks of each symbol, so that the same files replayed again count as duplicates.
    pub numbered: bool,
}

/// Input records made of file records.
#[derive(Debug)]
pub struct Feed<I> {
    records: I,
    held: Option<FileRecord>,
    heartbeats: Option<Heartbeats>,
    numbers: Option<HashMap<Arc<str>, u64>>,
}

impl<I> Feed<I>
where
    I: Iterator<Item = Result<FileRecord, FilesError>>,
{
    /// A feed of records that are in order of time, late ones excepted.
    pub fn new(records: I, options: FeedOptions) -> Self {
        Self {
            records,
            held: None,
            heartbeats: options.heartbeats.map(Heartbeats::new),
            numbers: options.numbered.then(HashMap::new),
        }
    }

    /// Where the records come from.
    pub fn records(&self) -> &I {
        &self.records
    }

    fn outgoing(&mut self, record: FileRecord) -> Outgoing {
        let FileRecord {
            symbol,
            time,
            content,
        } = record;
        let (route, payload) = match (symbol, content) {
            (Some(symbol), Content::Raw(bytes)) => (Route::Key(symbol), bytes.into_vec()),
            (None, Content::Raw(bytes)) => (unkeyed(&bytes), bytes.into_vec()),
            (
                symbol,
                Content::Tick {
                    price,
                    size,
                    official,
                },
            ) => {
                let symbol = symbol.unwrap_or_default();
                let tick = Tick {
                    time,
                    price,
                    size: size.unwrap_or(0.0),
                    seq: self.number(&symbol, time),
                    official,
                };
                let mut payload = Vec::with_capacity(128);
                encode_tick(&mut payload, &symbol, &tick);
                (Route::Key(symbol), payload)
            }
        };
        if let (Route::Key(_), Some(heartbeats)) = (&route, &mut self.heartbeats) {
            heartbeats.passed(time);
        }
        Outgoing {
            route,
            time,
            due: time,
            payload,
        }
    }

    /// The tick's number: one more than the one before, and at least the milliseconds at which its day began. So the
    /// numbers of another day's files are higher, and a service does not take their rows for repeats.
    fn number(&mut self, symbol: &Arc<str>, time: EventTime) -> Option<u64> {
        let numbers = self.numbers.as_mut()?;
        let day_nanos = time.as_nanos().div_euclid(DAY) * DAY;
        let floor = u64::try_from(day_nanos / MILLI_NANOS).unwrap_or(0);
        let next = match numbers.get_mut(symbol) {
            Some(last) => {
                *last = floor.max(*last + 1);
                *last
            }
            None => {
                numbers.insert(Arc::clone(symbol), floor);
                floor
            }
        };
        Some(next)
    }
}

impl<I> Iterator for Feed<I>
where
    I: Iterator<Item = Result<FileRecord, FilesError>>,
{
    type Item = Result<Outgoing, FilesError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.held.take() {
                let heartbeat = self.heartbeats.as_mut();
                if let Some(heartbeat) = heartbeat.and_then(|beats| beats.before(record.time)) {
                    self.held = Some(record);
                    return Some(Ok(said(heartbeat)));
                }
                return Some(Ok(self.outgoing(record)));
            }
            match self.records.next() {
                Some(Ok(record)) => self.held = Some(record),
                Some(Err(error)) => return Some(Err(error)),
                None => {
                    let heartbeats = self.heartbeats.take()?;
                    return heartbeats.last().map(said).map(Ok);
                }
            }
        }
    }
}

fn said(heartbeat: Heartbeat) -> Outgoing {
    let mut payload = Vec::with_capacity(64);
    encode_heartbeat(&mut payload, heartbeat.time);
    Outgoing {
        route: Route::Every,
        time: heartbeat.time,
        due: heartbeat.due,
        payload,
    }
}

/// A heartbeat of the file concerns all partitions.
fn unkeyed(bytes: &[u8]) -> Route {
    match decode(bytes) {
        Ok(Input::Heartbeat { .. }) => Route::Every,
        _ => Route::Any,
    }
}

#[cfg(test)]
mod tests;
