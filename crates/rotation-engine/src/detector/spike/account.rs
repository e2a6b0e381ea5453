//! What `spike` says of itself.

use super::{Episode, Params, Shift, State};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::detector::way::along;
use crate::detector::{Account, Change, Names, text};

impl State {
    pub(super) fn tell(&self, params: &Params, names: Names<'_>, change: &Change) -> Account {
        let series = &params.series;
        let direction = match (self.told(change), self.now) {
            (Some(episode), _) => Some(episode.direction),
            (None, now) => now.map(|now| params.direction.of(now.z)),
        };
        let side = match direction {
            Some(Direction::Down) => ("above", "−"),
            Some(Direction::Up) | None => ("below", ""),
        };
        let rearm = along(Direction::Up, params.rearm_z());
        Account {
            evidence: self.evidence(params, change),
            headline: self.headline(params, names, change),
            reverses: format!(
                "a change of {series} with a z-score {} {}{rearm}",
                side.0, side.1
            ),
            direction,
        }
    }

    /// The episode that an account is about.
    fn told(&self, change: &Change) -> Option<&Episode> {
        let about_one = self.is_open || matches!(change, Change::Resolve(_));
        self.episode.as_ref().filter(|_| about_one)
    }

    fn evidence(&self, params: &Params, change: &Change) -> Evidence {
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        put("window", params.window.into());
        put(
            "history",
            u32::try_from(self.changes.len()).unwrap_or(u32::MAX).into(),
        );
        if let (Some(from), Some(to)) = (self.values.front(), self.values.back()) {
            put("from", mark("value", from.value, from.date));
            put("to", mark("value", to.value, to.date));
        }
        if let Some(now) = &self.now {
            let suffix = self.suffix();
            put("history", now.history.into());
            put(&format!("change_{suffix}"), round(now.change, 4).into());
            put(&format!("median_{suffix}"), round(now.median, 4).into());
            put(&format!("mad_{suffix}"), round(now.mad, 4).into());
            put("z", round(now.z, 2).into());
        }
        if let Some(episode) = self.told(change) {
            put("since", episode.since.into());
            put("peak", self.peak(&episode.peak));
        }
        evidence
    }

    fn peak(&self, peak: &Shift) -> Fact {
        let mut group = Evidence::new();
        let key = format!("change_{}", self.suffix());
        group.insert(key, round(peak.change, 4).into());
        group.insert("z".to_owned(), round(peak.z, 2).into());
        group.insert("date".to_owned(), peak.date.into());
        group.into()
    }

    fn suffix(&self) -> &'static str {
        if self.in_basis_points { "bp" } else { "pct" }
    }

    fn headline(&self, params: &Params, names: Names<'_>, change: &Change) -> String {
        let series = &params.series;
        let (Some(now), Some(to)) = (&self.now, self.values.back()) else {
            return format!("{series} has too little history for a spike");
        };
        let unit = names.units.first().copied().unwrap_or_default();
        let value = text::value(to.value, unit);
        let (moved, z) = (self.moved(now), text::fixed(now.z, 2));
        let over = text::counted(params.window, "observation");
        match (change, self.told(change)) {
            (Change::Resolve(_), Some(episode)) => {
                let (peak, date) = (self.moved(&episode.peak), episode.peak.date);
                let peak_z = text::fixed(episode.peak.z, 2);
                format!(
                    "{series} calmed down: {moved} over {over}, to {value}, z {z}, after {peak}, z {peak_z}, on {date}"
                )
            }
            _ => format!("{series} {moved} over {over}, to {value}; z {z}"),
        }
    }

    /// A change in words.
    fn moved(&self, shift: &Shift) -> String {
        if self.in_basis_points {
            text::signed(shift.change, 1, "bp")
        } else {
            text::signed_percent(shift.change / super::HUNDREDTHS)
        }
    }
}

fn mark(key: &str, value: f64, date: jiff::civil::Date) -> Fact {
    let mut group = Evidence::new();
    group.insert(key.to_owned(), round(value, 6).into());
    group.insert("date".to_owned(), date.into());
    group.into()
}
