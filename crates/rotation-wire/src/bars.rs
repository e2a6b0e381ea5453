//! Records of the bars log: what samplers tell universes, as JSON that a person can read.
//!
//! ```json
//! {"type":"bar","source":3,"offset":81,"series":"RUT","clock":"1m","start":"2026-01-15T14:30:00Z",
//!  "end":"2026-01-15T14:31:00Z","as_of":"2026-01-15T14:31:00Z","open":2700.5,"high":2701,
//!  "low":2700.25,"close":2700.75,"size":1200,"ticks":38}
//! {"type":"tick","source":3,"offset":82,"series":"RUT","time":"2026-01-15T14:31:00.5Z","price":2701,"size":0}
//! {"type":"horizon","source":3,"offset":82,"sources":8,"progress":"at",
//!  "time":"2026-01-15T14:30:30.5Z","digest":"0123456789abcdef"}
//! {"type":"split","source":3,"offset":83,"series":"NVDA","time":"2024-06-10T13:30:00Z","ratio":10}
//! {"type":"void","source":3,"offset":84,"series":"RUT","time":"2026-01-15T14:31:00.5Z","price":2701,"seq":42}
//! ```
//!
//! The record's key is the universe's name. Series are named, not numbered, so that a universe whose
//! configuration gained a series still reads what was written before. Flags (`official`,
//! `correction`) are there when they are set. A correction that is no official print says the `cause`,
//! `late` or `void`, the print's `time`, `price` and `seq`, and the close that `was` said before; one of
//! no ticks withdraws the bar. Numbers read back to the same bits; a sum of sizes
//! beyond the largest double is the text `"Infinity"`, which JSON numbers cannot say.

use crate::text::{push_json, push_number, push_time};
use rotation_engine::clock::Clock;
use rotation_engine::plan::UniversePlan;
use rotation_engine::record::{
    Bar, Horizon, LogBody, LogRecord, Progress, Restated, SeriesIx, Split, VoidedTick, WatchedTick,
};

/// The most bytes that a record of the bars log may have.
pub const RECORD_MAX: usize = 64 * 1024;

mod decode;

pub use decode::{BarsError, Decoded, decode};

/// Appends a record. Its series have to be the plan's.
pub fn encode(out: &mut Vec<u8>, plan: &UniversePlan, record: &LogRecord) {
    let name = match record.body {
        LogBody::Bar(_) => "bar",
        LogBody::Tick(_) => "tick",
        LogBody::Horizon(_) => "horizon",
        LogBody::Split(_) => "split",
        LogBody::Void(_) => "void",
    };
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\",\"source\":");
    push_json(out, &record.source);
    out.extend_from_slice(b",\"offset\":");
    push_json(out, &record.offset);
    let mut fields = Fields { out, plan };
    match &record.body {
        LogBody::Bar(bar) => fields.bar(bar),
        LogBody::Tick(tick) => fields.tick(tick),
        LogBody::Horizon(horizon) => fields.horizon(horizon),
        LogBody::Split(split) => fields.split(split),
        LogBody::Void(voided) => fields.void(voided),
    }
    out.push(b'}');
}

struct Fields<'a> {
    out: &'a mut Vec<u8>,
    plan: &'a UniversePlan,
}

impl Fields<'_> {
    fn bar(&mut self, bar: &Bar) {
        self.series(bar.series);
        self.key("clock");
        match bar.clock {
            Clock::Tick => self.out.extend_from_slice(b"\"tick\""),
            Clock::Session => self.out.extend_from_slice(b"\"session\""),
            Clock::Interval(_) => push_json(self.out, &bar.clock),
        }
        self.time("start", bar.bucket.start);
        self.time("end", bar.bucket.end);
        self.time("as_of", bar.bucket.as_of);
        if let Some(date) = bar.bucket.date {
            self.key("date");
            push_json(self.out, &date);
        }
        self.number("open", bar.open);
        self.number("high", bar.high);
        self.number("low", bar.low);
        self.number("close", bar.close);
        self.number("size", bar.size);
        self.key("ticks");
        push_json(self.out, &bar.ticks);
        self.flag("official", bar.official);
        self.flag("correction", bar.correction);
        if let Some(observed) = bar.observed {
            self.time("observed", observed);
        }
        if let Some(restated) = &bar.restated {
            self.restated(restated);
        }
    }

    fn restated(&mut self, restated: &Restated) {
        self.key("cause");
        push_json(self.out, restated.cause.name());
        self.time("time", restated.time);
        self.number("price", restated.price);
        if let Some(seq) = restated.seq {
            self.key("seq");
            push_json(self.out, &seq);
        }
        if let Some(was) = restated.was {
            self.number("was", was);
        }
    }

    fn tick(&mut self, tick: &WatchedTick) {
        self.series(tick.series);
        self.time("time", tick.time);
        self.number("price", tick.price);
        self.number("size", tick.size);
    }

    fn horizon(&mut self, horizon: &Horizon) {
        self.key("sources");
        push_json(self.out, &horizon.sources);
        self.key("progress");
        match horizon.progress {
            Progress::Empty => self.out.extend_from_slice(b"\"empty\""),
            Progress::Unknown => self.out.extend_from_slice(b"\"unknown\""),
            Progress::At(time) => {
                self.out.extend_from_slice(b"\"at\"");
                self.time("time", time);
            }
        }
        self.key("digest");
        push_json(self.out, &format_args!("{:016x}", horizon.digest));
    }

    fn split(&mut self, split: &Split) {
        self.series(split.series);
        self.time("time", split.time);
        self.number("ratio", split.ratio);
    }

    fn void(&mut self, voided: &VoidedTick) {
        self.series(voided.series);
        self.time("time", voided.time);
        self.number("price", voided.price);
        self.key("seq");
        push_json(self.out, &voided.seq);
    }

    fn key(&mut self, name: &str) {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn series(&mut self, series: SeriesIx) {
        self.key("series");
        push_json(self.out, &self.plan.series(series).symbol);
    }

    fn time(&mut self, name: &str, time: rotation_engine::time::EventTime) {
        self.key(name);
        push_time(self.out, time);
    }

    fn number(&mut self, name: &str, number: f64) {
        self.key(name);
        if number.is_finite() {
            push_number(self.out, number);
        } else {
            push_json(self.out, decode::name_of(number));
        }
    }

    fn flag(&mut self, name: &str, is_set: bool) {
        if is_set {
            self.key(name);
            self.out.extend_from_slice(b"true");
        }
    }
}

#[cfg(test)]
mod tests;
