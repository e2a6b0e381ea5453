//! The returns of many members together.

use super::members::{Members, Roster, Tally, count};
use super::positive;
use crate::section::Section;
use crate::window::RollingCovariance;
use serde::{Deserialize, Serialize};

/// Most members of a matrix.
pub(super) const MEMBERS_MAX: usize = 200;

/// Simple returns of many members, close to close, and their covariances over the last sections.
///
/// A member without a close stands still: its return is 0 in the window, and the next one spans the gap. It counts once
/// it has been listed for the whole window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Joint {
    size: u32,
    /// Each member's last close, 0 before the first.
    last: Vec<f64>,
    /// Sections since each member's first return, that one included; as far as it matters.
    ages: Vec<u32>,
    pub(super) window: RollingCovariance,
    /// The last section's returns.
    pub(super) returns: Vec<f64>,
    /// Who has one.
    is_present: Vec<bool>,
}

/// A change by a thousand in one section is another basis, not a return.
const GROSS_MAX: f64 = 1e3;

impl Joint {
    pub(super) fn new(size: u32, decay: f64) -> Self {
        Joint {
            size,
            last: Vec::new(),
            ages: Vec::new(),
            window: RollingCovariance::new(size as usize, decay),
            returns: Vec::new(),
            is_present: Vec::new(),
        }
    }

    /// Takes in the closes of a section: whether there are returns. They are not in the window yet.
    pub(super) fn read(&mut self, members: &Members, section: &Section<'_>) -> bool {
        let is_first = self.last.is_empty();
        self.last.resize(members.len(), 0.0);
        self.ages.resize(members.len(), 0);
        self.returns.clear();
        self.returns.resize(members.len(), 0.0);
        self.is_present.clear();
        self.is_present.resize(members.len(), false);
        for (place, last) in self.last.iter_mut().enumerate() {
            let Some(close) = positive(section.close(place)) else {
                continue;
            };
            let gross = close / *last;
            if *last > 0.0 && (1.0 / GROSS_MAX..=GROSS_MAX).contains(&gross) {
                self.returns[place] = gross - 1.0;
                self.is_present[place] = true;
            }
            *last = close;
        }
        !is_first
    }

    /// Puts the last section's returns into the window.
    pub(super) fn push(&mut self) {
        self.window.push(&self.returns);
        for (age, is_present) in self.ages.iter_mut().zip(&self.is_present) {
            if *age > 0 || *is_present {
                *age = (*age + 1).min(self.size);
            }
        }
    }

    /// The members of the day that have a return and were listed for the whole window.
    pub(super) fn counted(&self, roster: &Roster) -> (Vec<usize>, Tally) {
        let present =
            (0..self.returns.len()).filter(|place| self.is_present[*place] && roster.holds(*place));
        let present: Vec<usize> = present.collect();
        let is_full = self.window.is_full();
        let counted: Vec<usize> = present
            .iter()
            .copied()
            .filter(|place| is_full && self.ages[*place] == self.size)
            .collect();
        let tally = Tally {
            members: count(roster.len()),
            present: count(present.len()),
            counted: count(counted.len()),
        };
        (counted, tally)
    }

    /// A member's prices change basis.
    pub(super) fn rescale(&mut self, place: usize, factor: f64) {
        if let Some(last) = self.last.get_mut(place) {
            *last *= factor;
        }
    }
}
