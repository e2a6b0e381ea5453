//! Reading records of the bars log.

use super::RECORD_MAX;
use crate::text::one_line;
use jiff::civil::Date;
use rotation_engine::clock::{Bucket, Clock};
use rotation_engine::plan::UniversePlan;
use rotation_engine::record::{
    Bar, Cause, Horizon, LogBody, LogRecord, Progress, Restated, SeriesIx, Split, VoidedTick,
    WatchedTick,
};
use rotation_engine::time::EventTime;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use std::borrow::Cow;
use std::fmt;

/// What a record of the bars log came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// A record for this plan.
    Record(LogRecord),
    /// A record about a series that the plan does not have, or does not read on that clock: written
    /// for another configuration, and of no concern to this one.
    Unread {
        /// The partition of the ticks topic that it was made from.
        source: u32,
        /// The offset there of the last record that went into it.
        offset: i64,
        /// The series.
        series: String,
        /// The clock, of bars and watched ticks.
        clock: Option<Clock>,
    },
}

/// Why bytes are not a record of the bars log.
#[derive(Debug, thiserror::Error)]
pub enum BarsError {
    /// More bytes than a sampler writes.
    #[error("expected a record of the bars log of at most {RECORD_MAX} bytes, found {0}")]
    TooLarge(usize),
    /// Not a JSON object, or a field of the wrong type.
    #[error("expected a record of the bars log")]
    Json(#[from] serde_json::Error),
    /// A field that this kind of record must have is absent.
    #[error("expected field \"{field}\" in a {kind} record of the bars log, found none")]
    Missing {
        /// The kind of record.
        kind: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A field's value has no meaning.
    #[error("{field} in the bars log: expected {expected}, found \"{found}\"")]
    Value {
        /// The field.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
}

impl BarsError {
    fn value(field: &'static str, expected: &'static str, found: &str) -> Self {
        let found = one_line(found, 64);
        BarsError::Value {
            field,
            expected,
            found,
        }
    }
}

/// Reads a record.
///
/// # Errors
/// Bytes that no sampler writes.
pub fn decode(plan: &UniversePlan, bytes: &[u8]) -> Result<Decoded, BarsError> {
    if bytes.len() > RECORD_MAX {
        return Err(BarsError::TooLarge(bytes.len()));
    }
    let flat: Flat<'_> = serde_json::from_slice(bytes)?;
    let (source, offset) = (flat.source, flat.offset);
    let body = match flat.kind.as_ref() {
        "bar" => flat.bar(plan)?,
        "tick" => flat.tick(plan)?,
        "horizon" => Some(flat.horizon()?),
        "split" => flat.split(plan)?,
        "void" => flat.void(plan)?,
        other => {
            let expected = "\"bar\", \"tick\", \"horizon\", \"split\" or \"void\"";
            return Err(BarsError::value("type", expected, other));
        }
    };
    Ok(match body {
        Some(body) => Decoded::Record(LogRecord {
            source,
            offset,
            body,
        }),
        None => Decoded::Unread {
            source,
            offset,
            clock: flat.clock_of_unread(),
            series: flat.series.into_owned(),
        },
    })
}

/// The fields of every kind of record, as far as given.
#[derive(serde::Deserialize)]
struct Flat<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    source: u32,
    offset: i64,
    #[serde(borrow, default)]
    series: Cow<'a, str>,
    #[serde(borrow, default)]
    clock: Cow<'a, str>,
    start: Option<EventTime>,
    end: Option<EventTime>,
    as_of: Option<EventTime>,
    date: Option<Date>,
    open: Option<Real>,
    high: Option<Real>,
    low: Option<Real>,
    close: Option<Real>,
    size: Option<Real>,
    ticks: Option<u32>,
    #[serde(default)]
    official: bool,
    #[serde(default)]
    correction: bool,
    observed: Option<EventTime>,
    time: Option<EventTime>,
    price: Option<Real>,
    ratio: Option<Real>,
    seq: Option<u64>,
    was: Option<Real>,
    #[serde(borrow, default)]
    cause: Cow<'a, str>,
    sources: Option<u32>,
    #[serde(borrow, default)]
    progress: Cow<'a, str>,
    #[serde(borrow, default)]
    digest: Cow<'a, str>,
}

impl Flat<'_> {
    fn bar(&self, plan: &UniversePlan) -> Result<Option<LogBody>, BarsError> {
        let need = Need("bar");
        let clock = self.clock()?;
        let bucket = Bucket {
            start: need.given("start", self.start)?,
            end: need.given("end", self.end)?,
            as_of: need.given("as_of", self.as_of)?,
            date: self.date,
        };
        let bar = |series| -> Result<LogBody, BarsError> {
            Ok(LogBody::Bar(Bar {
                series,
                clock,
                bucket,
                open: need.given("open", self.open)?.0,
                high: need.given("high", self.high)?.0,
                low: need.given("low", self.low)?.0,
                close: need.given("close", self.close)?.0,
                size: need.given("size", self.size)?.0,
                ticks: need.given("ticks", self.ticks)?,
                official: self.official,
                correction: self.correction,
                observed: self.observed,
                restated: self.restated()?,
            }))
        };
        self.series_on(plan, Some(clock)).map(bar).transpose()
    }

    fn tick(&self, plan: &UniversePlan) -> Result<Option<LogBody>, BarsError> {
        let need = Need("tick");
        let time = need.given("time", self.time)?;
        let price = need.given("price", self.price)?.0;
        let size = need.given("size", self.size)?.0;
        let series = self.series_on(plan, Some(Clock::Tick));
        Ok(series.map(|series| {
            LogBody::Tick(WatchedTick {
                series,
                time,
                price,
                size,
            })
        }))
    }

    fn horizon(&self) -> Result<LogBody, BarsError> {
        let need = Need("horizon");
        let progress = match self.progress.as_ref() {
            "empty" => Progress::Empty,
            "unknown" => Progress::Unknown,
            "at" => Progress::At(need.given("time", self.time)?),
            other => {
                let expected = "\"empty\", \"unknown\" or \"at\"";
                return Err(BarsError::value("progress", expected, other));
            }
        };
        let digest = u64::from_str_radix(&self.digest, 16)
            .map_err(|_| BarsError::value("digest", "16 hexadecimal digits", &self.digest))?;
        let sources = need.given("sources", self.sources)?;
        Ok(LogBody::Horizon(Horizon {
            sources,
            progress,
            digest,
        }))
    }

    fn split(&self, plan: &UniversePlan) -> Result<Option<LogBody>, BarsError> {
        let need = Need("split");
        let time = need.given("time", self.time)?;
        let ratio = need.given("ratio", self.ratio)?.0;
        let series = self.series_on(plan, None);
        Ok(series.map(|series| {
            LogBody::Split(Split {
                series,
                time,
                ratio,
            })
        }))
    }

    /// What restated a bar, where it says so.
    fn restated(&self) -> Result<Option<Restated>, BarsError> {
        let cause = match self.cause.as_ref() {
            "" => return Ok(None),
            "late" => Cause::Late,
            "void" => Cause::Void,
            other => return Err(BarsError::value("cause", "\"late\" or \"void\"", other)),
        };
        let need = Need("bar");
        let close = self.close.filter(|_| self.ticks != Some(0));
        Ok(Some(Restated {
            cause,
            time: need.given("time", self.time)?,
            price: need.given("price", self.price)?.0,
            seq: self.seq,
            was: self.was.map(|was| was.0),
            close: close.map(|close| close.0),
        }))
    }

    fn void(&self, plan: &UniversePlan) -> Result<Option<LogBody>, BarsError> {
        let need = Need("void");
        let time = need.given("time", self.time)?;
        let price = need.given("price", self.price)?.0;
        let seq = need.given("seq", self.seq)?;
        let series = self.series_on(plan, Some(Clock::Tick));
        Ok(series.map(|series| {
            LogBody::Void(VoidedTick {
                series,
                time,
                price,
                seq,
            })
        }))
    }

    fn clock(&self) -> Result<Clock, BarsError> {
        let expected = "\"tick\", \"session\" or an interval such as \"1m\"";
        let error = |_| BarsError::value("clock", expected, &self.clock);
        self.clock.parse().map_err(error)
    }

    /// The series, where the plan has it and reads it on the clock.
    fn series_on(&self, plan: &UniversePlan, clock: Option<Clock>) -> Option<SeriesIx> {
        let series = plan.series_ix(&self.series)?;
        let is_read = clock.is_none_or(|clock| plan.series(series).clocks.contains(&clock));
        is_read.then_some(series)
    }

    fn clock_of_unread(&self) -> Option<Clock> {
        match self.kind.as_ref() {
            "bar" => self.clock().ok(),
            "tick" | "void" => Some(Clock::Tick),
            _ => None,
        }
    }
}

/// Asks for the fields of one kind of record.
#[derive(Clone, Copy)]
struct Need(&'static str);

impl Need {
    fn given<T>(self, field: &'static str, value: Option<T>) -> Result<T, BarsError> {
        value.ok_or(BarsError::Missing {
            kind: self.0,
            field,
        })
    }
}

/// What stands for a double that is no JSON number.
pub(super) fn name_of(number: f64) -> &'static str {
    match number {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    }
}

/// A double: a JSON number, or the name of one that is not finite.
#[derive(Clone, Copy)]
struct Real(f64);

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RealVisitor;
        impl Visitor<'_> for RealVisitor {
            type Value = Real;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"Infinity\", \"-Infinity\" or \"NaN\"")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Real, E> {
                Ok(Real(number))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Real, E> {
                Ok(Real(number as f64))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Real, E> {
                Ok(Real(number as f64))
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Real, E> {
                [f64::INFINITY, f64::NEG_INFINITY, f64::NAN]
                    .into_iter()
                    .find(|number| name_of(*number) == name)
                    .map(Real)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(name), &self))
            }
        }
        deserializer.deserialize_any(RealVisitor)
    }
}
