//! What rules hear of each other: how the rules that a rule reads stand, bucket by bucket, and the events of its parts.
//!
//! A rule that reads others is cut by all their series, so when it decides a bucket each of them has decided it. One
//! with fewer series may be further on already: what it says waits here. A bucket's first decision hears the first
//! ones of the others, and its final decision the final ones, so that it does not matter when corrections arrive.

use crate::alert::Alert;
use crate::section::{Began, Said};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What a rule says to those that read it.
#[derive(Clone, Debug)]
pub(super) struct Mail {
    /// The rule.
    pub(super) rule: u32,
    /// Key of the bucket.
    pub(super) key: i64,
    /// The bucket was decided anew, with its corrections.
    pub(super) is_final: bool,
    pub(super) news: News,
}

#[derive(Clone, Debug)]
pub(super) enum News {
    /// How it stands after the bucket.
    Said(Said),
    /// An event, for the rule that it is a part of.
    Event(Box<Alert>),
}

impl Mail {
    /// Whether it is an event, rather than how the rule stands.
    pub(super) fn is_event(&self) -> bool {
        matches!(self.news, News::Event(_))
    }
}

/// What a rule that reads others has been told, and has not used yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Inbox {
    /// For each rule that it reads, oldest first.
    letters: Vec<VecDeque<Letter>>,
    /// Events of its parts, until it has decided their bucket.
    held: Vec<Held>,
    /// Key of the newest bucket that was decided.
    seen: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Letter {
    key: i64,
    /// None where the rule read no section of the bucket before its corrections.
    first: Option<Said>,
    last: Option<Said>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Held {
    key: i64,
    is_final: bool,
    alert: Alert,
    /// Alerts are kept without their id; it is told apart.
    id: String,
}

impl Letter {
    fn newest(&self) -> Option<Said> {
        self.last.or(self.first)
    }
}

impl Inbox {
    pub(super) fn new(reads: usize) -> Self {
        Inbox {
            letters: vec![VecDeque::new(); reads],
            held: Vec::new(),
            seen: None,
        }
    }

    pub(super) fn reads(&self) -> usize {
        self.letters.len()
    }

    /// Takes what the rule at `slot` says.
    pub(super) fn take(&mut self, slot: usize, mail: &Mail) {
        let Mail { key, is_final, .. } = *mail;
        match &mail.news {
            News::Said(said) => self.hear(slot, key, is_final, *said),
            News::Event(alert) => {
                let mut alert = (**alert).clone();
                let id = std::mem::take(&mut alert.id);
                self.held.push(Held {
                    key,
                    is_final,
                    alert,
                    id,
                });
            }
        }
    }

    fn hear(&mut self, slot: usize, key: i64, is_final: bool, said: Said) {
        let letters = &mut self.letters[slot];
        match letters.back_mut().filter(|letter| letter.key == key) {
            Some(letter) if is_final => letter.last = Some(said),
            Some(letter) => letter.first = Some(said),
            None => letters.push_back(Letter {
                key,
                first: (!is_final).then_some(said),
                last: is_final.then_some(said),
            }),
        }
    }

    /// Whether it went on to a bucket.
    pub(super) fn is_at(&self, key: i64) -> bool {
        self.seen == Some(key)
    }

    /// Goes on to a bucket: what was said of those before it is known now.
    pub(super) fn absorb(&mut self, key: i64, known: &mut [Option<Said>]) {
        for (letters, known) in self.letters.iter_mut().zip(known) {
            if let Some(known) = known {
                known.began = None;
                known.age = known.age.saturating_add(1);
            }
            while let Some(letter) = letters.front().copied().filter(|letter| letter.key < key) {
                letters.pop_front();
                let is_new = self.seen.is_none_or(|seen| letter.key > seen);
                let Some(said) = letter.newest() else {
                    continue;
                };
                let before: Option<Began> = known.and_then(|known| known.began);
                *known = Some(Said {
                    began: said.began.filter(|_| is_new).or(before),
                    age: u32::from(!is_new),
                    ..said
                });
            }
        }
        self.seen = Some(key);
    }

    /// How the rules stand at a bucket, by their first or final decisions.
    pub(super) fn view(
        &self,
        key: i64,
        is_final: bool,
        known: &[Option<Said>],
    ) -> Vec<Option<Said>> {
        let letters = self.letters.iter().map(VecDeque::front);
        letters
            .zip(known)
            .map(|(letter, known)| {
                let Some(letter) = letter.filter(|letter| letter.key == key) else {
                    return *known;
                };
                let heard = if is_final {
                    letter.newest()
                } else {
                    letter.first
                };
                let Some(said) = heard else {
                    return *known;
                };
                let before = known.and_then(|known| known.began);
                Some(Said {
                    began: said.began.or(before),
                    age: 0,
                    ..said
                })
            })
            .collect()
    }

    /// Every event that waits, in the order of [`Inbox::release`].
    pub(super) fn release_all(&mut self) -> Vec<Alert> {
        self.release(i64::MAX, true)
    }

    /// The events of parts up to a bucket's first or final decision, in an order that does not depend on how they came.
    pub(super) fn release(&mut self, key: i64, is_final: bool) -> Vec<Alert> {
        let is_due = |held: &Held| (held.key, held.is_final) <= (key, is_final);
        let (mut due, later): (Vec<Held>, Vec<Held>) = self.held.drain(..).partition(is_due);
        self.held = later;
        due.sort_by(|a, b| {
            let place = |held: &Held| (held.key, held.is_final);
            place(a)
                .cmp(&place(b))
                .then_with(|| a.alert.rule.cmp(&b.alert.rule))
                .then(a.alert.transition.cmp(&b.alert.transition))
        });
        let named = due.into_iter().map(|held| Alert {
            id: held.id,
            ..held.alert
        });
        named.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: f64, began: Option<Began>) -> Said {
        Said {
            reading: Some(crate::detector::Measure {
                value,
                threshold: 0.0,
                distance: 0.0,
            }),
            is_open: false,
            began,
            age: 0,
        }
    }

    fn mail(key: i64, is_final: bool, value: f64, began: Option<Began>) -> Mail {
        Mail {
            rule: 0,
            key,
            is_final,
            news: News::Said(said(value, began)),
        }
    }

    fn value(view: &[Option<Said>]) -> Option<(f64, Option<Began>, u32)> {
        let said = view[0]?;
        Some((said.reading?.value, said.began, said.age))
    }

    #[test]
    fn a_bucket_hears_first_decisions_first_and_final_ones_at_the_end() {
        let mut inbox = Inbox::new(1);
        let mut known = vec![None];
        let opened = Some(Began::Opened);
        inbox.take(0, &mail(5, false, 1.0, opened));
        inbox.take(0, &mail(5, true, 2.0, None));
        inbox.take(0, &mail(6, false, 3.0, None));
        inbox.absorb(5, &mut known);
        assert_eq!(
            value(&inbox.view(5, false, &known)),
            Some((1.0, opened, 0)),
            "the correction came early, and is not heard early"
        );
        assert_eq!(value(&inbox.view(5, true, &known)), Some((2.0, None, 0)));
        inbox.absorb(6, &mut known);
        assert_eq!(value(&inbox.view(6, false, &known)), Some((3.0, None, 0)));
        inbox.absorb(7, &mut known);
        assert_eq!(
            value(&inbox.view(7, false, &known)),
            Some((3.0, None, 1)),
            "nothing new: what it said last, a section old"
        );
    }

    #[test]
    fn what_began_between_two_buckets_is_heard_at_the_second_only() {
        let mut inbox = Inbox::new(1);
        let mut known = vec![None];
        inbox.absorb(5, &mut known);
        assert_eq!(value(&inbox.view(5, false, &known)), None);
        inbox.take(0, &mail(6, false, 1.0, Some(Began::Opened)));
        inbox.take(0, &mail(7, false, 2.0, None));
        inbox.absorb(8, &mut known);
        let heard = value(&inbox.view(8, false, &known));
        assert_eq!(heard, Some((2.0, Some(Began::Opened), 0)));
        inbox.absorb(9, &mut known);
        assert_eq!(value(&inbox.view(9, false, &known)), Some((2.0, None, 1)));
    }
}
