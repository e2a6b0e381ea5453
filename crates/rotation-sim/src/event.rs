//! An event that owns its symbol.

use rotation_engine::record::{SourceEvent, Tick};
use rotation_engine::time::EventTime;
use rotation_wire::input;
use std::sync::Arc;

/// What a feed says, to be put on a partition of the ticks topic.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An observation.
    Tick {
        /// The symbol, and the record's key.
        symbol: Arc<str>,
        /// The observation.
        tick: Tick,
    },
    /// Nothing older will come; to be put on every partition.
    Heartbeat {
        /// The promise's bound.
        time: EventTime,
    },
    /// A change of basis.
    Split {
        /// The symbol, and the record's key.
        symbol: Arc<str>,
        /// First instant on the new basis.
        time: EventTime,
        /// New shares for an old one.
        ratio: f64,
    },
}

impl Event {
    /// Its event time.
    pub fn time(&self) -> EventTime {
        match self {
            Event::Tick { tick, .. } => tick.time,
            Event::Heartbeat { time } | Event::Split { time, .. } => *time,
        }
    }

    /// Its symbol, where it concerns one.
    pub fn symbol(&self) -> Option<&str> {
        match self {
            Event::Tick { symbol, .. } | Event::Split { symbol, .. } => Some(symbol),
            Event::Heartbeat { .. } => None,
        }
    }

    /// The event as a sampler takes it.
    pub fn as_source(&self) -> SourceEvent<'_> {
        match self {
            Event::Tick { symbol, tick } => SourceEvent::Tick {
                symbol,
                tick: *tick,
            },
            Event::Heartbeat { time } => SourceEvent::Heartbeat { time: *time },
            Event::Split {
                symbol,
                time,
                ratio,
            } => SourceEvent::Split {
                symbol,
                time: *time,
                ratio: *ratio,
            },
        }
    }

    /// Appends the event as an input record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Event::Tick { symbol, tick } => input::encode_tick(out, symbol, tick),
            Event::Heartbeat { time } => input::encode_heartbeat(out, *time),
            Event::Split {
                symbol,
                time,
                ratio,
            } => input::encode_split(out, symbol, *time, *ratio),
        }
    }
}
