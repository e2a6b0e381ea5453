//! What goes into the two stages: events of a source partition, and records of the bars log.

use crate::clock::{Bucket, Clock};
use crate::time::EventTime;
use serde::{Deserialize, Serialize};

/// A series by its position in the universe's plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesIx(pub u32);

impl SeriesIx {
    /// The position as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One observation of a series: a trade, an index level, a yield, a ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tick {
    /// When it happened.
    pub time: EventTime,
    /// Price, or value in the series' unit; finite.
    pub price: f64,
    /// Traded quantity; zero where there is none.
    pub size: f64,
    /// The feed's sequence number within the series, where it has one.
    pub seq: Option<u64>,
    /// An official closing print.
    pub official: bool,
}

/// What one partition of the ticks topic says, in its order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SourceEvent<'a> {
    /// An observation of a symbol.
    Tick {
        /// The symbol, as the feed writes it.
        symbol: &'a str,
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
        /// The symbol.
        symbol: &'a str,
        /// First instant on the new basis.
        time: EventTime,
        /// New shares for an old one; 10 for ten-for-one.
        ratio: f64,
    },
    /// A print of the symbol never was: it is taken out of its bars.
    Void {
        /// The symbol.
        symbol: &'a str,
        /// Its number.
        seq: u64,
        /// Its time, where the feed says it.
        time: Option<EventTime>,
    },
}

/// A record of the bars log: what the sampler of one source says to a universe.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// The partition of the ticks topic that it was made from.
    pub source: u32,
    /// The offset there of the last record that went into it.
    pub offset: i64,
    /// What it says.
    pub body: LogBody,
}

/// The kinds of record in the bars log.
#[derive(Clone, Debug, PartialEq)]
pub enum LogBody {
    /// A closed bar.
    Bar(Bar),
    /// A tick of a watched series, as it came.
    Tick(WatchedTick),
    /// How far the source has come.
    Horizon(Horizon),
    /// Prices of a series change basis.
    Split(Split),
    /// A tick of a watched series never was.
    Void(VoidedTick),
}

/// A closed bar of one series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// The series.
    pub series: SeriesIx,
    /// The clock that cut it.
    pub clock: Clock,
    /// The time it covers.
    pub bucket: Bucket,
    /// First, highest, lowest and last price by event time.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Sum of sizes.
    pub size: f64,
    /// Number of ticks.
    pub ticks: u32,
    /// The close is an official print, not merely the last tick.
    pub official: bool,
    /// The bar restates one that was published before.
    pub correction: bool,
    /// The last tick's own time, where the series has a publication lag; the bucket is that of the publication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<EventTime>,
    /// What made a correction that is no official print. A bar of no ticks that has one is withdrawn: nothing is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restated: Option<Restated>,
}

/// What restated a bar after it was closed: the print, and the close before it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restated {
    /// What became of the print.
    pub cause: Cause,
    /// When it happened.
    pub time: EventTime,
    /// Its price.
    pub price: f64,
    /// Its number, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The close that was said before; none where there was no bar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<f64>,
    /// The close that it has now; none where no bar is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close: Option<f64>,
}

/// Why a bar was restated, where it was not by an official print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A tick that came after its bar was closed.
    Late,
    /// A print that never was.
    Void,
}

impl Cause {
    /// The name in the bars log, in evidence and in labels.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Late => "late",
            Cause::Void => "void",
        }
    }
}

/// A tick that was forwarded for rules on the clock `tick`, and never was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoidedTick {
    /// The series.
    pub series: SeriesIx,
    /// When it happened.
    pub time: EventTime,
    /// Its price.
    pub price: f64,
    /// Its number.
    pub seq: u64,
}

/// A tick forwarded for rules on the clock `tick`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WatchedTick {
    /// The series.
    pub series: SeriesIx,
    /// When it happened.
    pub time: EventTime,
    /// Price.
    pub price: f64,
    /// Traded quantity; zero where there is none.
    pub size: f64,
}

/// How far a source has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// Number of partitions of the ticks topic.
    pub sources: u32,
    /// The source's progress.
    pub progress: Progress,
    /// Digest of the part of the plan on which samplers and universes have to agree.
    pub digest: u64,
}

/// Progress of one source in event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Never had a record: left out of the universe's horizon.
    Empty,
    /// Has records, but none that gives a time.
    Unknown,
    /// Nothing before this instant will be accepted any more.
    At(EventTime),
}

/// A change of basis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    /// The series.
    pub series: SeriesIx,
    /// First instant on the new basis.
    pub time: EventTime,
    /// New shares for an old one.
    pub ratio: f64,
}
