//! Dead letters as they stand on their topic, and which of them may go back.

use super::Filter;
use crate::tasks::from_millis;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};
use rotation_engine::time::EventTime;
use rotation_wire::alerts::Position;
use rotation_wire::dead_letter::{
    CODE, MESSAGE, OFFSET, PARTITION, REDRIVEN_FROM, REDRIVEN_LETTER, REDRIVEN_TO, TOPIC, TRUNCATED,
};
use rotation_wire::invariants::Place;
use std::collections::BTreeSet;

/// A header of a record.
pub(crate) type Header = (String, Option<Vec<u8>>);

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) place: Place,
    pub(crate) written: EventTime,
    pub(crate) code: String,
    pub(crate) message: String,
    /// Where the record was.
    pub(crate) origin: Position,
    /// Only the beginning of the value was kept.
    pub(crate) is_truncated: bool,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
    /// Headers that are not the letter's own.
    pub(crate) headers: Vec<Header>,
}

/// What is to become of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may go back.
    Go,
    /// It went back before.
    Done,
    /// It may not, and why.
    Refused(&'static str),
}

impl Verdict {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Verdict::Go => "goes back",
            Verdict::Done => "went back before",
            Verdict::Refused(_) => "refused",
        }
    }
}

/// The records of the dead-letter topic.
#[derive(Clone, Debug, Default)]
pub(crate) struct Letters {
    letters: Vec<Letter>,
    /// Letters that went back.
    done: BTreeSet<Place>,
    /// Records that went back, where they are now.
    sent: BTreeSet<Position>,
    /// Records that this program did not write.
    pub(crate) strangers: u64,
}

/// Reads a partition and an offset, with a slash between.
pub(super) fn place(text: &str) -> Result<Place, String> {
    let parsed = text.split_once('/').and_then(|(partition, offset)| {
        Some(Place {
            partition: partition.parse().ok()?,
            offset: offset.parse().ok()?,
        })
    });
    parsed.ok_or_else(|| format!("expected PARTITION/OFFSET such as 0/1234, found \"{text}\""))
}

/// Reads topic, partition and offset, with slashes between.
fn position(text: &str) -> Option<Position> {
    let (rest, offset) = text.rsplit_once('/')?;
    let (topic, partition) = rest.rsplit_once('/')?;
    Some(Position {
        topic: topic.to_owned(),
        partition: partition.parse().ok()?,
        offset: offset.parse().ok()?,
    })
}

impl Letters {
    /// Takes a record of the dead-letter topic.
    pub(crate) fn take(&mut self, message: &BorrowedMessage<'_>) {
        let headers: Vec<Header> = message
            .headers()
            .map(|headers| {
                let headers = headers.iter();
                let owned = |value: Option<&[u8]>| value.map(<[u8]>::to_vec);
                headers
                    .map(|header| (header.key.to_owned(), owned(header.value)))
                    .collect()
            })
            .unwrap_or_default();
        let place = Place {
            partition: message.partition(),
            offset: message.offset(),
        };
        let written = from_millis(message.timestamp().to_millis().unwrap_or(0));
        let (key, payload) = (message.key(), message.payload());
        self.add(place, written, key, payload, headers);
    }

    pub(crate) fn add(
        &mut self,
        place: Place,
        written: EventTime,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
        headers: Vec<Header>,
    ) {
        let text = |name: &str| {
            let found = headers.iter().find(|(header, _)| header == name);
            let bytes = found.and_then(|(_, value)| value.as_deref())?;
            Some(String::from_utf8_lossy(bytes).into_owned())
        };
        if let Some(letter) = text(REDRIVEN_LETTER) {
            self.done.extend(self::place(&letter));
            self.sent
                .extend(text(REDRIVEN_TO).as_deref().and_then(position));
            return;
        }
        let origin = (|| {
            Some(Position {
                topic: text(TOPIC)?,
                partition: text(PARTITION)?.parse().ok()?,
                offset: text(OFFSET)?.parse().ok()?,
            })
        })();
        let (Some(origin), Some(code)) = (origin, text(CODE)) else {
            self.strangers += 1;
            return;
        };
        let (message, is_truncated) =
            (text(MESSAGE).unwrap_or_default(), text(TRUNCATED).is_some());
        let own = [
            TOPIC,
            PARTITION,
            OFFSET,
            CODE,
            MESSAGE,
            TRUNCATED,
            REDRIVEN_FROM,
        ];
        self.letters.push(Letter {
            place,
            written,
            code,
            message,
            origin,
            is_truncated,
            key: key.map(<[u8]>::to_vec),
            payload: payload.map(<[u8]>::to_vec),
            headers: headers
                .into_iter()
                .filter(|(name, _)| !own.contains(&name.as_str()))
                .collect(),
        });
    }

    /// The letters that are asked for, in the order of their origin, and what is to become of each.
    pub(crate) fn judge(&self, filter: &Filter) -> Vec<(&Letter, Verdict)> {
        let asked = self.letters.iter().filter(|letter| {
            (filter.codes.is_empty() || filter.codes.contains(&letter.code))
                && (filter.places.is_empty() || filter.places.contains(&letter.place))
                && filter.range.holds(letter.place.offset, letter.written)
                // A letter that is asked for by its place, and is of another topic, is refused rather than not seen.
                && (letter.origin.topic == filter.topic || filter.places.contains(&letter.place))
        });
        let mut judged: Vec<_> = asked
            .map(|letter| (letter, self.verdict(letter, filter)))
            .collect();
        judged.sort_by(|(a, _), (b, _)| (&a.origin, a.place).cmp(&(&b.origin, b.place)));
        judged
    }

    fn verdict(&self, letter: &Letter, filter: &Filter) -> Verdict {
        if self.done.contains(&letter.place) {
            Verdict::Done
        } else if letter.is_truncated {
            Verdict::Refused(
                "only the beginning of its value was kept: have the feed send it again",
            )
        } else if letter.code == crate::notify::UNDELIVERED {
            Verdict::Refused(
                "the event is on its topic: a target of `rotation notify` did not take it",
            )
        } else if letter.origin.topic != filter.topic {
            Verdict::Refused("it came from another topic: name it with --topic")
        } else if self.sent.contains(&letter.origin) && !filter.again {
            Verdict::Refused(
                "its record was put back before and came back dead: --again if that is mended",
            )
        } else {
            Verdict::Go
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::{Bound, Range};
    use rotation_engine::output::RejectCode;
    use rotation_wire::dead_letter;

    fn at(offset: i64) -> Place {
        Place {
            partition: 0,
            offset,
        }
    }

    fn letter(letters: &mut Letters, offset: i64, topic: &str, origin: i64, code: RejectCode) {
        let headers = dead_letter::headers(topic, 2, origin, code, "expected better");
        let mut headers: Vec<Header> = headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Some(value.into_bytes())))
            .collect();
        headers.push(("trace".to_owned(), Some(b"abc".to_vec())));
        let written = EventTime::from_nanos(offset * 1_000_000_000);
        letters.add(at(offset), written, Some(b"RUT"), Some(b"{}"), headers);
    }

    fn marker(letters: &mut Letters, offset: i64, letter: i64, to: &str) {
        let headers = [
            (REDRIVEN_LETTER, format!("0/{letter}")),
            (REDRIVEN_TO, to.to_owned()),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), Some(value.into_bytes())));
        letters.add(
            at(offset),
            EventTime::MIN,
            Some(b"RUT"),
            None,
            headers.to_vec(),
        );
    }

    fn ticks() -> Filter {
        Filter {
            topic: "market.ticks".to_owned(),
            ..Filter::default()
        }
    }

    fn verdicts(letters: &Letters, filter: &Filter) -> Vec<(i64, Verdict)> {
        let judged = letters.judge(filter).into_iter();
        judged
            .map(|(letter, verdict)| (letter.place.offset, verdict))
            .collect()
    }

    #[test]
    fn letters_go_back_in_the_order_of_their_origin_by_code_time_and_place() {
        let mut letters = Letters::default();
        letter(&mut letters, 0, "market.ticks", 9, RejectCode::Future);
        letter(&mut letters, 1, "market.ticks", 5, RejectCode::BadPrice);
        letter(&mut letters, 2, "market.ticks", 7, RejectCode::Future);
        letter(&mut letters, 3, "rotation.bars", 1, RejectCode::WrongSource);
        letters.add(at(4), EventTime::MIN, None, Some(b"?"), Vec::new());
        assert_eq!(letters.strangers, 1);
        let go = |offsets: &[i64]| -> Vec<(i64, Verdict)> {
            offsets
                .iter()
                .map(|offset| (*offset, Verdict::Go))
                .collect()
        };
        assert_eq!(verdicts(&letters, &ticks()), go(&[1, 2, 0]));
        let mut coded = ticks();
        coded.codes = vec!["future".to_owned()];
        assert_eq!(verdicts(&letters, &coded), go(&[2, 0]));
        let mut timed = ticks();
        timed.range = Range {
            from: Some(Bound::Time(EventTime::from_nanos(1_000_000_000))),
            to: Some(Bound::Offset(2)),
        };
        assert_eq!(verdicts(&letters, &timed), go(&[1]));
        let mut placed = ticks();
        placed.places = vec![at(2), at(3)];
        let judged = verdicts(&letters, &placed);
        assert_eq!(judged[0], (2, Verdict::Go));
        assert!(matches!(judged[1], (3, Verdict::Refused(_))), "{judged:?}");
        placed.topic = "rotation.bars".to_owned();
        assert!(verdicts(&letters, &placed).contains(&(3, Verdict::Go)));
        let first = letters.judge(&coded)[0].0;
        assert_eq!(
            first.headers,
            [("trace".to_owned(), Some(b"abc".to_vec()))],
            "the record's own headers only"
        );
    }

    #[test]
    fn a_letter_goes_back_once_and_one_that_came_back_dead_only_when_told() {
        let mut letters = Letters::default();
        letter(&mut letters, 0, "market.ticks", 9, RejectCode::Future);
        letter(&mut letters, 1, "market.ticks", 5, RejectCode::Future);
        marker(&mut letters, 2, 1, "market.ticks/2/30");
        assert_eq!(
            verdicts(&letters, &ticks()),
            [(1, Verdict::Done), (0, Verdict::Go)]
        );
        letter(&mut letters, 3, "market.ticks", 30, RejectCode::Future);
        let [.., (3, Verdict::Refused(why))] = verdicts(&letters, &ticks())[..] else {
            panic!("{:?}", verdicts(&letters, &ticks()));
        };
        assert!(why.contains("--again"), "{why}");
        let mut again = ticks();
        again.again = true;
        assert!(verdicts(&letters, &again).contains(&(3, Verdict::Go)));
    }

    #[test]
    fn what_was_cut_short_is_refused() {
        let mut letters = Letters::default();
        letter(&mut letters, 0, "market.ticks", 9, RejectCode::TooLarge);
        letters.letters[0].is_truncated = true;
        let [(0, Verdict::Refused(why))] = verdicts(&letters, &ticks())[..] else {
            panic!("{:?}", verdicts(&letters, &ticks()));
        };
        assert!(why.contains("beginning"), "{why}");
    }

    #[test]
    fn places_and_positions_are_read_or_said_to_be_wrong() {
        assert_eq!(place("0/12"), Ok(at(12)));
        assert!(place("12").unwrap_err().contains("PARTITION/OFFSET"));
        let found = position("a/b.c/3/4").unwrap();
        assert_eq!(
            (found.topic.as_str(), found.partition, found.offset),
            ("a/b.c", 3, 4)
        );
        assert_eq!(position("a/3"), None);
    }
}
