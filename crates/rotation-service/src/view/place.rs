//! Where a reader is in the topics.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::str::FromStr;

/// A topic that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Events of episodes.
    Alerts,
    /// What rules measured, and how far universes are.
    Readings,
}

impl Topic {
    /// Both.
    pub const ALL: [Topic; 2] = [Topic::Alerts, Topic::Readings];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Topic::Alerts => "alerts",
            Topic::Readings => "readings",
        }
    }

    /// The letter in a position.
    fn letter(self) -> char {
        match self {
            Topic::Alerts => 'a',
            Topic::Readings => 'r',
        }
    }
}

/// A partition of a topic that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub number: i32,
}

/// A record of a topic that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The partition.
    pub partition: Partition,
    /// The record's offset.
    pub offset: i64,
}

/// The next offset of each partition, written as `a0=12,a1=7;r0=55`. It means the same in every process, since it
/// counts records of the topics and not of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position(BTreeMap<Partition, i64>);

/// The longest text of a position that is looked at.
const TEXT_MAX: usize = 16 * 1024;

impl Position {
    /// The next offset of a partition; nothing where it is not known.
    pub fn next(&self, partition: Partition) -> Option<i64> {
        self.0.get(&partition).copied()
    }

    /// Whether everything up to and with a record was seen.
    pub fn is_past(&self, place: Place) -> bool {
        self.next(place.partition)
            .is_some_and(|next| place.offset < next)
    }

    /// The next offset of a partition from now on.
    pub fn set(&mut self, partition: Partition, next: i64) {
        self.0.insert(partition, next);
    }

    /// Goes past a record.
    pub fn pass(&mut self, place: Place) {
        self.set(place.partition, place.offset + 1);
    }

    /// The partitions with their next offsets.
    pub fn iter(&self) -> impl Iterator<Item = (Partition, i64)> {
        self.0.iter().map(|(partition, next)| (*partition, *next))
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before: Option<Topic> = None;
        for (partition, next) in self.iter() {
            match before {
                None => {}
                Some(topic) if topic == partition.topic => f.write_char(',')?,
                Some(_) => f.write_char(';')?,
            }
            before = Some(partition.topic);
            write!(f, "{}{}={next}", partition.topic.letter(), partition.number)?;
        }
        Ok(())
    }
}

/// A text that is no position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a position such as \"a0=12,a1=7;r0=55\"")]
pub struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let mut position = Position::default();
        if text.len() > TEXT_MAX {
            return Err(NoPosition);
        }
        // With nothing on the topics there is nothing to say.
        for part in text.split([',', ';']).filter(|_| !text.is_empty()) {
            let (partition, next) = read(part).ok_or(NoPosition)?;
            if position.0.insert(partition, next).is_some() {
                return Err(NoPosition);
            }
        }
        Ok(position)
    }
}

fn read(part: &str) -> Option<(Partition, i64)> {
    let (name, next) = part.split_once('=')?;
    let topic = Topic::ALL
        .into_iter()
        .find(|topic| name.starts_with(topic.letter()))?;
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = name.get(1..).filter(|number| is_plain(number))?;
    let partition = Partition {
        topic,
        number: number.parse().ok()?,
    };
    let next: i64 = next.parse().ok().filter(|_| is_plain(next))?;
    // The offset after it has to be a number, too.
    (next < i64::MAX).then_some((partition, next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_position_reads_as_it_is_written() {
        for text in ["", "a0=12", "a0=12,a1=7;r0=55", "r3=0"] {
            assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn another_text_is_refused() {
        for text in [
            "a",
            "a0",
            "a0=",
            "a=1",
            "b0=1",
            "a0=-1",
            "a0=+1",
            "a0=1,",
            "a0=1,a0=2",
            "ä0=1",
            "a0=1 ",
            "a0=9223372036854775807",
            "a99999999999=1",
        ] {
            assert_eq!(text.parse::<Position>(), Err(NoPosition), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_text_is_read_or_refused(text in "[ar0-9=,;ä -]{0,40}") {
            if let Ok(position) = text.parse::<Position>() {
                let written = position.to_string();
                prop_assert_eq!(written.parse::<Position>(), Ok(position));
            }
        }
    }
}
