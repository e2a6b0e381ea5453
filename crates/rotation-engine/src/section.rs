//! Sections: what detectors read.

use crate::clock::Bucket;
use crate::detector::Measure;
use crate::time::EventTime;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// One input's values in a section.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// First value.
    pub open: f64,
    /// Highest value.
    pub high: f64,
    /// Lowest value.
    pub low: f64,
    /// Last value.
    pub close: f64,
    /// Sum of sizes.
    pub size: f64,
    /// The close is an official print.
    pub official: bool,
    /// The instant that the close speaks for, where it was published later than that: a value with a publication lag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<EventTime>,
}

impl Point {
    /// A point whose four prices are one value.
    pub fn flat(value: f64, official: bool) -> Self {
        Point {
            open: value,
            high: value,
            low: value,
            close: value,
            size: 0.0,
            official,
            observed: None,
        }
    }

    /// The same point with prices multiplied by `factor`.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Point {
            open: self.open * factor,
            high: self.high * factor,
            low: self.low * factor,
            close: self.close * factor,
            ..self
        }
    }
}

/// What a rule that reads other rules hears of one of them: how it stood after its latest section up to this bucket.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Its reading, in its own unit; none where it is not warm, or lacked an input.
    pub reading: Option<Measure>,
    /// Whether an episode of it is open.
    pub is_open: bool,
    /// What its sections since the reader's last one did, if more than go on: the latest of it.
    pub began: Option<Began>,
    /// Sections of the reader since it last read one: 0 in the same bucket.
    pub age: u32,
}

/// What began or ended at a rule's section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Began {
    /// An episode opened.
    Opened,
    /// It escalated or eased.
    Moved,
    /// It ended.
    Ended,
}

/// The inputs of a rule over one bucket: complete, in order, each bucket at most once.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// The time it covers.
    pub bucket: Bucket,
    /// A value for each input of the rule, in the order of [`crate::detector::Kind::inputs`]; none where the
    /// member has no bar in this bucket. At least one is present.
    pub values: &'a [Option<Point>],
    /// For each rule that the rule reads, in the order of [`crate::detector::Kind::reads`], how it stands; none while
    /// it has read no section.
    pub said: &'a [Option<Said>],
}

impl Section<'_> {
    /// The close of an input, where it is present.
    pub fn close(&self, input: usize) -> Option<f64> {
        self.values
            .get(input)
            .copied()
            .flatten()
            .map(|point| point.close)
    }

    /// The instant it speaks for.
    pub fn as_of(&self) -> EventTime {
        self.bucket.as_of
    }

    /// The day it speaks for: the session's date, else the day in UTC.
    pub fn date(&self) -> Date {
        self.bucket
            .date
            .unwrap_or_else(|| self.bucket.as_of.utc_date())
    }
}
