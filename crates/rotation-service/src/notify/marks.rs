//! How far each target has come in a partition: the text beside the offset that the group commits.
//!
//! The offset is that of the first event that not every target has taken; which have taken more stands in its metadata.
//! So a target that is down holds up no other, and a restart tells nobody twice but what was under way.

use super::event::Event;
use super::routing::Verdict;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a target was told of before it was first met here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Begin {
    /// Of what stands by now, once; of earlier events nothing.
    Standing,
    /// Of every event there is.
    Oldest,
    /// Of nothing before the next event.
    Next,
}

/// How far a target has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(i64, i64, i64, i64)", into = "(i64, i64, i64, i64)")]
pub(crate) struct Mark {
    /// The first event that it has not taken.
    pub(crate) next: i64,
    /// What mute windows kept back that ended up to then was told, in milliseconds since 1970.
    pub(crate) released: i64,
    /// Events before this offset are older than the target.
    pub(crate) begin: i64,
    /// When it was first met, in milliseconds since 1970: what stood then is told. Zero: it is not.
    pub(crate) met: i64,
}

impl From<(i64, i64, i64, i64)> for Mark {
    fn from((next, released, begin, met): (i64, i64, i64, i64)) -> Self {
        Mark {
            next,
            released,
            begin,
            met,
        }
    }
}

impl From<Mark> for (i64, i64, i64, i64) {
    fn from(mark: Mark) -> Self {
        (mark.next, mark.released, mark.begin, mark.met)
    }
}

impl Mark {
    /// Of a target that is met now, where the partition ends at `end`.
    pub(crate) fn new(begin: Begin, end: i64, now: i64) -> Mark {
        let (begin, met) = match begin {
            Begin::Standing => (end, now),
            Begin::Oldest => (0, 0),
            Begin::Next => (end, 0),
        };
        Mark {
            next: begin,
            released: 0,
            begin,
            met,
        }
    }

    /// The verdict for an event, where it is older than the target: what stands is told when they meet.
    pub(crate) fn temper(&self, event: &Event, verdict: Verdict) -> Verdict {
        if event.offset >= self.begin {
            return verdict;
        }
        match verdict {
            _ if self.met == 0 => Verdict::No,
            Verdict::No => Verdict::No,
            Verdict::Tell { follow } => Verdict::Mute {
                until: timestamp(self.met),
                follow,
            },
            Verdict::Mute { until, follow } => Verdict::Mute {
                until: until.max(timestamp(self.met)),
                follow,
            },
        }
    }
}

/// Milliseconds since 1970 as a timestamp.
pub(crate) fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// The offset to commit, and its metadata.
pub(crate) fn encode<'a>(marks: impl Iterator<Item = (&'a str, Mark)>) -> (i64, String) {
    let marks: BTreeMap<&str, Mark> = marks.collect();
    let offset = marks.values().map(|mark| mark.next).min().unwrap_or(0);
    let text = serde_json::to_string(&Written { v: 1, marks }).expect("names and numbers");
    (offset, text)
}

/// What metadata says of each target; nothing where it is not ours.
pub(crate) fn decode(metadata: &str) -> BTreeMap<String, Mark> {
    let read: Result<Written<BTreeMap<String, Mark>>, _> = serde_json::from_str(metadata);
    read.ok()
        .filter(|read| read.v == 1)
        .map(|read| read.marks)
        .unwrap_or_default()
}

#[derive(Serialize, Deserialize)]
struct Written<M> {
    v: u32,
    marks: M,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::notify::TARGETS_MAX;
    use proptest::prelude::*;

    #[test]
    fn the_most_targets_fit_beside_an_offset() {
        let names: Vec<String> = (0..TARGETS_MAX).map(|at| format!("{at:0>40}")).collect();
        let most = Mark {
            next: i64::MAX,
            released: 1 << 42,
            begin: i64::MAX,
            met: 1 << 42,
        };
        let (_, text) = encode(names.iter().map(|name| (name.as_str(), most)));
        // The brokers' default of offset.metadata.max.bytes.
        assert!(text.len() <= 4096, "{} bytes", text.len());
    }

    #[test]
    fn metadata_of_others_says_nothing() {
        for text in [
            "",
            "{}",
            "other",
            r#"{"v":2,"marks":{"a":[1,2,3,4]}}"#,
            r#"{"v":1,"marks":{"a":[1]}}"#,
        ] {
            assert!(decode(text).is_empty(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn marks_survive_and_the_offset_is_the_smallest(
            marks in prop::collection::btree_map("[a-z0-9_-]{1,40}", prop::array::uniform4(0_i64..1 << 50), 1..8)
        ) {
            let marks: BTreeMap<String, Mark> = marks
                .into_iter()
                .map(|(name, [a, b, c, d])| (name, Mark::from((a, b, c, d))))
                .collect();
            let (offset, text) = encode(marks.iter().map(|(name, mark)| (name.as_str(), *mark)));
            prop_assert_eq!(Some(offset), marks.values().map(|mark| mark.next).min());
            prop_assert_eq!(decode(&text), marks);
        }
    }
}
