//! What a reader must be told beside the file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rotation_engine::calendar::Calendar;
use rotation_engine::plan::SERIES_MAX;
use rotation_engine::time::EventTime;

/// How files are read.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Calendar of each symbol; daily rows become ticks at the close of its sessions.
    pub calendars: BTreeMap<String, Calendar>,
    /// Calendar of every other symbol.
    pub calendar: Calendar,
    /// Symbols by the name in the files: a file's stem, a panel's column, or the symbol of a trade print.
    /// A name that is not listed is the symbol. Input records keep theirs: they are passed on as they are.
    pub aliases: BTreeMap<String, String>,
    /// The columns of panels that are read, by their names in the file; none: all.
    pub columns: Option<BTreeSet<String>>,
    /// Symbols whose daily rows become ticks of open, high, low and close, with their volume; those of others are the
    /// close alone.
    pub ohlc: BTreeSet<String>,
    /// The first date read; of a moment, the date in the time zone of the symbol's calendar.
    pub from: Option<Date>,
    /// The last date read.
    pub to: Option<Date>,
    /// Length of the bars in nanoseconds; otherwise the smallest step between the starts of a file's first rows.
    pub bar_nanos: Option<i64>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            calendars: BTreeMap::new(),
            calendar: Calendar::Xnys,
            aliases: BTreeMap::new(),
            columns: None,
            ohlc: BTreeSet::new(),
            from: None,
            to: None,
            bar_nanos: None,
        }
    }
}

/// What is known of one symbol.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) symbol: Arc<str>,
    pub(super) calendar: Calendar,
    pub(super) window: Window,
}

/// Begins to learn symbols afresh where a file has more than a universe may: they are kept to be quick, and a file must
/// not fill memory.
pub(super) fn forget_beyond_bound<K>(symbols: &mut HashMap<K, Named>) {
    if symbols.len() >= SERIES_MAX {
        symbols.clear();
    }
}

impl OpenOptions {
    /// The symbol that a name in a file stands for.
    pub(super) fn name(&self, name: &str) -> Named {
        self.symbol(self.aliases.get(name).map_or(name, String::as_str))
    }

    /// Whether a panel's column is read.
    pub(super) fn reads_column(&self, name: &str) -> bool {
        self.columns
            .as_ref()
            .is_none_or(|columns| columns.contains(name))
    }

    pub(super) fn symbol(&self, symbol: &str) -> Named {
        let calendar = self.calendars.get(symbol).copied().unwrap_or(self.calendar);
        Named {
            symbol: symbol.into(),
            calendar,
            window: self.window(calendar),
        }
    }

    /// The moments within the dates asked for.
    pub(super) fn window(&self, calendar: Calendar) -> Window {
        let zone = match calendar {
            Calendar::AlwaysOpen => TimeZone::UTC,
            Calendar::Xnys | Calendar::UsBond => new_york(),
        };
        let midnight = |date: Date| {
            let zoned = zone.to_zoned(date.at(0, 0, 0, 0)).ok()?;
            EventTime::try_from(zoned.timestamp()).ok()
        };
        let from = self.from.and_then(midnight).unwrap_or(EventTime::MIN);
        let after = self.to.and_then(|to| to.tomorrow().ok()).and_then(midnight);
        Window(from.as_nanos()..after.unwrap_or(EventTime::MAX).as_nanos())
    }
}

/// The time zone of the exchanges whose sessions are known.
pub(super) fn new_york() -> TimeZone {
    TimeZone::get("America/New_York").expect("the time zone database is part of the binary")
}

/// Moments of event time, in nanoseconds.
#[derive(Debug, Clone)]
pub(super) struct Window(Range<i64>);

impl Window {
    pub(super) fn contains(&self, time: EventTime) -> bool {
        self.0.contains(&time.as_nanos())
    }

    pub(super) fn is_past(&self, time: EventTime) -> bool {
        time.as_nanos() >= self.0.end
    }
}
