//! Duplicates by sequence number.

use serde::{Deserialize, Serialize};

/// Whether a sequence number was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Novelty {
    New,
    Seen,
}

/// The last 128 sequence numbers of a series.
///
/// A number below the window on a tick that is newer than any before it means that the feed numbers afresh (feeds
/// do so every day): the window starts over. On an older tick it is taken for a repeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SequenceWindow {
    /// Highest number seen; meaningless while `seen` is zero.
    top: u64,
    /// Bit `i` says that `top - i` was seen.
    seen: u128,
}

impl SequenceWindow {
    /// Whether a number was seen, as far as is remembered.
    pub(super) fn has(&self, seq: u64) -> bool {
        self.seen != 0
            && seq <= self.top
            && (self.top - seq >= 128 || self.seen & (1 << (self.top - seq)) != 0)
    }

    /// Takes note of a number; `is_newest` says that its tick is not older than any before it.
    pub(super) fn admit(&mut self, seq: u64, is_newest: bool) -> Novelty {
        if self.seen == 0 || seq > self.top {
            let shift = if self.seen == 0 { 128 } else { seq - self.top };
            self.seen = if shift < 128 { self.seen << shift } else { 0 } | 1;
            self.top = seq;
            return Novelty::New;
        }
        let back = self.top - seq;
        if back >= 128 {
            if is_newest {
                *self = SequenceWindow { top: seq, seen: 1 };
                return Novelty::New;
            }
            return Novelty::Seen;
        }
        let bit = 1_u128 << back;
        if self.seen & bit != 0 {
            return Novelty::Seen;
        }
        self.seen |= bit;
        Novelty::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Novelty::{New, Seen};

    /// A name, numbers with whether each is on the newest tick, and what is expected of each.
    type Case = (&'static str, &'static [(u64, bool)], &'static [Novelty]);

    #[test]
    fn repeats_are_seen_and_gaps_are_filled() {
        let cases: &[Case] = &[
            (
                "in order",
                &[(1, true), (2, true), (3, true)],
                &[New, New, New],
            ),
            ("repeat", &[(7, true), (7, true)], &[New, Seen]),
            (
                "zero is a number",
                &[(0, true), (0, true), (1, true)],
                &[New, Seen, New],
            ),
            (
                "out of order",
                &[(5, true), (3, false), (4, false), (3, false)],
                &[New, New, New, Seen],
            ),
            (
                "far jump forgets",
                &[(1, true), (1_000, true), (999, false), (1, false)],
                &[New, New, New, Seen],
            ),
            (
                "renumbered feed",
                &[(5_000, true), (1, true), (1, true), (2, true)],
                &[New, New, Seen, New],
            ),
            (
                "edge of the window",
                &[(128, true), (1, false), (0, false)],
                &[New, New, Seen],
            ),
        ];
        for (name, given, expected) in cases {
            let mut window = SequenceWindow::default();
            let got: Vec<_> = given
                .iter()
                .map(|(seq, newest)| window.admit(*seq, *newest))
                .collect();
            assert_eq!(&got, expected, "{name}");
        }
    }
}
