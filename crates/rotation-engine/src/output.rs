//! What the stages say: a closed set of facts, each of which the service counts, publishes or both.

use crate::alert::{Alert, Evidence, Quality};
use crate::record::{LogRecord, SeriesIx};
use crate::time::EventTime;
use jiff::civil::Date;
use serde::Serialize;

/// One fact.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// The sampler accepted ticks since it last said so.
    Accepted {
        /// How many.
        ticks: u64,
    },
    /// A record for the bars log.
    Log(LogRecord),
    /// Something was left out on purpose, and counted.
    Dropped {
        /// The series, where it is known.
        series: Option<SeriesIx>,
        /// Why.
        code: DropCode,
    },
    /// A record that belongs with the dead letters: the sender has to know.
    Rejected {
        /// Why.
        code: RejectCode,
        /// For the person who reads it: what was expected and what was found.
        message: String,
    },
    /// A rule read a section.
    Section {
        /// The rule's position in the plan.
        rule: u32,
        /// The section's instant.
        as_of: EventTime,
    },
    /// A rule's reading.
    Reading(Box<Reading>),
    /// An event for the alert topic.
    Alert(Box<Alert>),
    /// Number of episodes that a rule holds open now.
    OpenEpisodes {
        /// The rule's position in the plan.
        rule: u32,
        /// How many.
        open: u32,
    },
    /// The universe's horizon moved.
    Horizon {
        /// The smallest of its sources' horizons.
        time: EventTime,
    },
    /// The universe goes no further: its log mixes configurations. The process has to stop and say so.
    Refused {
        /// What does not agree, and what to do.
        reason: String,
    },
    /// The configuration changed what a rule is; said once, when the universe goes on.
    RuleChanged {
        /// The rule's name; it may be gone.
        rule: String,
        /// What became of it.
        change: RuleChange,
    },
    /// A source was left out for trailing the log, or came back.
    Source {
        /// The partition of the ticks topic.
        source: u32,
        /// Whether it is left out now.
        excluded: bool,
    },
}

/// What a rule measured at a section, and how far it is from firing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reading {
    /// The universe's name.
    pub universe: String,
    /// The rule's position in the plan.
    #[serde(skip)]
    pub rule_index: u32,
    /// The rule's name.
    pub rule: String,
    /// What the rule speaks about.
    pub subject: String,
    /// The section's instant.
    pub as_of: EventTime,
    /// The session, on the clock `session`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Date>,
    /// The reading, in `unit`.
    pub value: f64,
    /// What it is held against.
    pub threshold: f64,
    /// How much is missing until the next event, in `unit`; zero when the episode stands.
    pub distance: f64,
    /// The unit.
    pub unit: String,
    /// Whether an episode is open.
    pub open: bool,
    /// What the reading stands on, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// The closes that it stands on, in the order of the rule's symbols; empty where there are many of them, and where
    /// not asked for.
    #[serde(skip)]
    pub inputs: Vec<Option<f64>>,
    /// How good the data under it were, where asked for.
    #[serde(skip)]
    pub quality: Option<Quality>,
}

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }
        impl $name {
            /// Every code.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];
            /// The label in metrics and headers.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
    };
}

codes! {
    /// What a new configuration did to a rule.
    RuleChange {
        /// It is new, and starts cold.
        Added = "added",
        /// Its kind, clock, parameters or series are others: it starts cold, and its open episode was closed.
        Changed = "changed",
        /// It is gone, and its open episode was closed.
        Removed = "removed",
    }
}

codes! {
    /// Why something was left out on purpose.
    DropCode {
        /// A tick older than its partition's horizon.
        Late = "late",
        /// A tick whose `seq` was seen before.
        Duplicate = "duplicate",
        /// A watched tick older than the last one forwarded.
        Superseded = "superseded",
        /// A tick outside the sessions of its series' calendar.
        OutOfSession = "out_of_session",
        /// A tick after its session's official close.
        AfterOfficial = "after_official",
        /// A correction of a section that is no longer the latest, or of one that was official already.
        StaleCorrection = "stale_correction",
        /// A bar for a bucket whose section was cut already.
        ClosedBucket = "closed_bucket",
        /// A horizon behind the one that the source gave before.
        HorizonBack = "horizon_back",
        /// A record of the bars log for a series or clock that no rule reads.
        Unread = "unread",
        /// A symbol that no universe names.
        UnknownSymbol = "unknown_symbol",
    }
}

codes! {
    /// Why a record belongs with the dead letters.
    RejectCode {
        /// The bytes are not an input record.
        Undecodable = "undecodable",
        /// The price is not a finite number, or not positive where the series is a price.
        BadPrice = "bad_price",
        /// The size is negative or not finite.
        BadSize = "bad_size",
        /// The event time is beyond the record's own timestamp and the permitted skew.
        Future = "future",
        /// The series was first seen on another partition.
        WrongSource = "wrong_source",
        /// The split's ratio is not a positive number.
        BadSplit = "bad_split",
        /// The record is larger than the limit.
        TooLarge = "too_large",
        /// A void of a print that never came.
        VoidUnknown = "void_unknown",
        /// A void of a print that is held no longer, or that never counted.
        VoidNotHeld = "void_not_held",
        /// A void of a print that was voided before.
        VoidRepeated = "void_repeated",
        /// A void of a print whose bars are official, or too old to be corrected.
        VoidSettled = "void_settled",
    }
}
