//! Input records: what a feed writes to the ticks topic.
//!
//! A record is one JSON object. A tick is
//! `{"symbol":"RUT","time":"2026-01-22T20:59:59.123Z","price":2718.77,"size":100,"seq":42}`, where
//! `value` may stand for `price`, and `size`, `seq` and `official` may be absent;
//! `{"type":"heartbeat","time":…}` promises that nothing older will come on this partition,
//! `{"type":"split","symbol":…,"time":…,"ratio":10}` changes a price's basis, and
//! `{"type":"void","symbol":…,"seq":42}` takes a print back. `time` is RFC 3339 with any offset, or
//! integer nanoseconds since 1970-01-01T00:00:00Z.
//!
//! Keys that are not named here are passed over, because feeds add fields; a named key given twice
//! is an error, because nobody can say which of the two was meant. `null` reads as absent.
//!
//! Anybody may write here, so nothing that arrives is trusted: whatever the bytes, [`decode`] ends
//! in a record or in a [`DecodeError`], and its work and memory are bounded by [`RECORD_MAX`].

use crate::text::one_line;
use rotation_engine::output::RejectCode;
use rotation_engine::record::{SourceEvent, Tick};
use rotation_engine::time::EventTime;
use std::borrow::Cow;

mod encode;
mod explain;
mod fast;
mod fields;

pub use encode::{encode_heartbeat, encode_split, encode_tick, encode_void};
use fields::{Fields, Kind};

/// The most bytes that a record may have.
pub const RECORD_MAX: usize = 64 * 1024;

/// An input record, borrowed from its bytes; a symbol written with escapes is a copy.
#[derive(Clone, Debug, PartialEq)]
pub enum Input<'a> {
    /// An observation of a symbol. Its price may be negative, as a yield may; its size is not.
    Tick {
        /// The symbol, as the feed writes it; not empty.
        symbol: Cow<'a, str>,
        /// The observation.
        tick: Tick,
    },
    /// Nothing older will come on this partition.
    Heartbeat {
        /// The promise's bound.
        time: EventTime,
    },
    /// From `time` on, prices of the symbol are divided by `ratio`.
    Split {
        /// The symbol; not empty.
        symbol: Cow<'a, str>,
        /// First instant on the new basis.
        time: EventTime,
        /// New shares for an old one; finite and positive.
        ratio: f64,
    },
    /// A print of the symbol never was.
    Void {
        /// The symbol; not empty.
        symbol: Cow<'a, str>,
        /// The print's number.
        seq: u64,
        /// The print's time, where the feed says it.
        time: Option<EventTime>,
    },
}

impl Input<'_> {
    /// The record as the sampler takes it.
    pub fn event(&self) -> SourceEvent<'_> {
        match self {
            Input::Tick { symbol, tick } => SourceEvent::Tick {
                symbol,
                tick: *tick,
            },
            Input::Heartbeat { time } => SourceEvent::Heartbeat { time: *time },
            Input::Split {
                symbol,
                time,
                ratio,
            } => SourceEvent::Split {
                symbol,
                time: *time,
                ratio: *ratio,
            },
            Input::Void { symbol, seq, time } => SourceEvent::Void {
                symbol,
                seq: *seq,
                time: *time,
            },
        }
    }
}

/// Why bytes are not an input record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// The code, for labels and headers.
    pub code: RejectCode,
    /// What was expected and what was found, in one line.
    pub message: String,
}

impl DecodeError {
    fn new(code: RejectCode, message: &str) -> Self {
        let message = one_line(message, crate::dead_letter::MESSAGE_MAX);
        DecodeError { code, message }
    }

    fn missing(field: &str, expected: &str) -> Self {
        let message = format!("missing field \"{field}\": expected {expected}");
        Self::new(RejectCode::Undecodable, &message)
    }
}

/// Reads an input record.
///
/// ```
/// use rotation_wire::input::{Input, decode};
///
/// let record = br#"{"symbol":"RUT","time":"2026-01-22T20:59:59.123Z","price":2718.77}"#;
/// let Input::Tick { symbol, tick } = decode(record)? else { panic!("a tick") };
/// assert_eq!((symbol.as_ref(), tick.price), ("RUT", 2718.77));
/// # Ok::<(), rotation_wire::input::DecodeError>(())
/// ```
///
/// # Errors
/// Bytes that are not one JSON object with the fields of its kind: [`RejectCode::Undecodable`], or
/// the code of the value that is wrong, `BadPrice`, `BadSize` or `BadSplit`; more than
/// [`RECORD_MAX`] bytes: `TooLarge`.
pub fn decode(bytes: &[u8]) -> Result<Input<'_>, DecodeError> {
    decode_within(bytes, RECORD_MAX)
}

/// Reads an input record of at most `bytes_max` bytes; otherwise as [`decode`].
///
/// # Errors
/// As [`decode`].
pub fn decode_within(bytes: &[u8], bytes_max: usize) -> Result<Input<'_>, DecodeError> {
    if bytes.len() > bytes_max {
        let found = bytes.len();
        let message = format!("expected at most {bytes_max} bytes, found {found}");
        return Err(DecodeError::new(RejectCode::TooLarge, &message));
    }
    match fast::read(bytes) {
        Some(fields) => input(fields),
        None => decode_closely(bytes),
    }
}

/// Reads an input record the long way alone: what [`decode`] is held against.
#[doc(hidden)]
pub fn decode_closely(bytes: &[u8]) -> Result<Input<'_>, DecodeError> {
    input(fields::read(bytes).map_err(|failure| explain::failure(bytes, &failure))?)
}

fn input(fields: Fields<'_>) -> Result<Input<'_>, DecodeError> {
    match fields.kind {
        None | Some(Kind::Tick) => tick(fields),
        Some(Kind::Heartbeat) => Ok(Input::Heartbeat {
            time: time(&fields)?,
        }),
        Some(Kind::Split) => split(fields),
        Some(Kind::Void) => void(fields),
    }
}

fn tick(fields: Fields<'_>) -> Result<Input<'_>, DecodeError> {
    let time = time(&fields)?;
    let Some(price) = fields.price else {
        return Err(DecodeError::missing(
            "price",
            "\"price\" or \"value\", a finite number",
        ));
    };
    let size = fields.size.unwrap_or(0.0);
    if size < 0.0 {
        let message = format!("size: expected a number of at least 0, found {size}");
        return Err(DecodeError::new(RejectCode::BadSize, &message));
    }
    let tick = Tick {
        time,
        price,
        size,
        seq: fields.seq,
        official: fields.official.unwrap_or(false),
    };
    let symbol = symbol(fields.symbol)?;
    Ok(Input::Tick { symbol, tick })
}

fn split(fields: Fields<'_>) -> Result<Input<'_>, DecodeError> {
    let time = time(&fields)?;
    let Some(ratio) = fields.ratio else {
        return Err(DecodeError::missing(
            "ratio",
            "new shares for an old one, a positive number",
        ));
    };
    if ratio <= 0.0 {
        let message = format!("ratio: expected a positive number, found {ratio}");
        return Err(DecodeError::new(RejectCode::BadSplit, &message));
    }
    let symbol = symbol(fields.symbol)?;
    Ok(Input::Split {
        symbol,
        time,
        ratio,
    })
}

fn void(fields: Fields<'_>) -> Result<Input<'_>, DecodeError> {
    let Some(seq) = fields.seq else {
        return Err(DecodeError::missing(
            "seq",
            "the number of the print to void, a whole number",
        ));
    };
    let symbol = symbol(fields.symbol)?;
    Ok(Input::Void {
        symbol,
        seq,
        time: fields.time,
    })
}

fn time(fields: &Fields<'_>) -> Result<EventTime, DecodeError> {
    fields.time.ok_or_else(|| {
        DecodeError::missing("time", "an RFC 3339 time or integer nanoseconds since 1970")
    })
}

fn symbol(symbol: Option<Cow<'_, str>>) -> Result<Cow<'_, str>, DecodeError> {
    match symbol {
        Some(symbol) if symbol.is_empty() => {
            let message = "symbol: expected a text that is not empty, found \"\"";
            Err(DecodeError::new(RejectCode::Undecodable, message))
        }
        Some(symbol) => Ok(symbol),
        None => Err(DecodeError::missing("symbol", "the series' symbol, a text")),
    }
}

#[cfg(test)]
mod tests;
