//! What `absorption_ratio` says of itself.

use super::{Gauge, Params, State};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::detector::threshold::Side;
use crate::detector::{Account, text};

impl State {
    pub(super) fn tell(&self, params: &Params) -> Account {
        let direction = match params.direction {
            Side::Above => Direction::Up,
            Side::Below => Direction::Down,
        };
        let what = match params.measure {
            Gauge::Ratio => "the ratio",
            Gauge::Shift => "the shift",
        };
        let reverses = params
            .threshold()
            .map_or("nothing: it only reads".to_owned(), |levels| {
                levels.reverses(what, &text::number(levels.close_at))
            });
        Account {
            evidence: self.evidence(params),
            headline: self.headline(params),
            reverses,
            direction: Some(direction),
        }
    }

    fn evidence(&self, params: &Params) -> Evidence {
        let mut evidence = Evidence::new();
        self.tally.put(&mut evidence);
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        put("window", params.window.into());
        if let Some((ratio, eigenvalues)) = self.ratio {
            put("ratio", round(ratio, 6).into());
            put("eigenvalues", eigenvalues.into());
        }
        if let Some(mean) = self.short.mean() {
            put("mean_15", round(mean, 6).into());
        }
        if let Some(mean) = self.long.mean() {
            put("mean_252", round(mean, 6).into());
        }
        if let Some(shift) = self.shift() {
            put("shift", round(shift, 4).into());
        }
        evidence
    }

    fn headline(&self, params: &Params) -> String {
        let (group, members) = (&params.group, self.tally.counted);
        match (self.value, self.ratio, params.measure) {
            (Some(value), Some(_), Gauge::Shift) => {
                let shift = round(value, 2);
                format!("{group}: absorption ratio shifted by {shift} deviations")
            }
            (Some(value), Some((_, eigenvalues)), Gauge::Ratio) => {
                let percent = round(100.0 * value, 1);
                let movements = text::counted(eigenvalues, "common movement");
                format!("{percent} % of the variance of {members} {group} in {movements}")
            }
            _ => format!(
                "{group}: no ratio from {members} of {} members",
                self.tally.members
            ),
        }
    }
}
