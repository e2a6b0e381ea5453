//! What `regime` says of itself.

use super::{Params, Regime, State};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::detector::{Account, Change, text};

impl State {
    pub(super) fn tell(&self, params: &Params, change: &Change) -> Account {
        Account {
            evidence: self.evidence(params),
            headline: self.headline(params, change),
            reverses: self.reverses(params),
            direction: match self.regime {
                Regime::LargeCapLed => Some(Direction::Down),
                Regime::Neutral => None,
                _ => Some(Direction::Up),
            },
        }
    }

    fn evidence(&self, params: &Params) -> Evidence {
        let contributions = self.score.contributions(params);
        let list = contributions.iter().map(|one| {
            let voice = &params.inputs[one.input];
            let spoken = self.score.spoken(one.input);
            let mut fact = Evidence::from([
                ("rule".to_owned(), voice.rule.as_str().into()),
                ("strength".to_owned(), round(one.strength, 4).into()),
                ("weight".to_owned(), voice.weight.into()),
                ("contribution".to_owned(), round(one.part, 4).into()),
            ]);
            if let Some(value) = spoken.value {
                fact.insert("value".to_owned(), round(value, 6).into());
            }
            if voice.when_open.is_some() {
                fact.insert("age".to_owned(), spoken.age.into());
            }
            Fact::Group(fact)
        });
        let names =
            |all: Vec<&str>| -> Fact { all.into_iter().map(Fact::from).collect::<Vec<_>>().into() };
        let missing = self.score.missing(params);
        let missing = missing.iter().map(|at| params.inputs[*at].rule.as_str());
        let score = self.smoothed.get().unwrap_or(0.0);
        let raw: f64 = contributions.iter().map(|one| one.part).sum();
        Evidence::from([
            ("regime".to_owned(), self.regime.name().into()),
            ("previous".to_owned(), self.previous.name().into()),
            ("since".to_owned(), self.since.into()),
            ("score".to_owned(), round(score, 4).into()),
            ("score_unsmoothed".to_owned(), round(raw, 4).into()),
            ("contributions".to_owned(), list.collect::<Vec<_>>().into()),
            ("missing".to_owned(), names(missing.collect())),
            ("dangers".to_owned(), names(self.open_dangers(params))),
        ])
    }

    fn open_dangers<'a>(&self, params: &'a Params) -> Vec<&'a str> {
        let dangers = self.dangers.iter();
        dangers.map(|at| params.dangers[*at].as_str()).collect()
    }

    fn headline(&self, params: &Params, change: &Change) -> String {
        let contributions = self.score.contributions(params);
        let largest: Vec<String> = contributions
            .iter()
            .take(3)
            .filter(|one| one.part != 0.0)
            .map(|one| {
                let rule = &params.inputs[one.input].rule;
                format!("{rule} {}", signed(one.part))
            })
            .collect();
        let because = if largest.is_empty() {
            String::new()
        } else {
            format!("; {}", largest.join(", "))
        };
        let dangers = self.open_dangers(params);
        let danger = if dangers.is_empty() || !self.regime.is_small() {
            String::new()
        } else {
            format!("; in danger from {}", dangers.join(", "))
        };
        let moved = match change {
            Change::Open(_) | Change::Escalate(_) | Change::Ease(_) | Change::Resolve(_) => {
                format!(" after {}", self.previous.name())
            }
            Change::Quiet | Change::Hold => format!(" since {}", self.since),
        };
        format!(
            "{}: {}{moved}, score {}{because}{danger}",
            params.subject,
            self.regime.name(),
            signed(self.smoothed.get().unwrap_or(0.0))
        )
    }

    fn reverses(&self, params: &Params) -> String {
        let below = |level: f64| {
            format!(
                "a score below {}",
                text::number(round(level - params.hysteresis, 9))
            )
        };
        let until = match self.regime {
            Regime::Neutral => {
                return format!(
                    "a score of {} or more, or of −{} or less",
                    text::number(params.broadening_at),
                    text::number(params.large_cap_led_at)
                );
            }
            Regime::LargeCapLed => format!(
                "a score above −{}",
                text::number(round(params.large_cap_led_at - params.hysteresis, 9))
            ),
            Regime::Broadening => below(params.broadening_at),
            Regime::SmallCapLed | Regime::RotationAtRisk => below(params.small_cap_led_at),
        };
        let stay = text::counted(params.min_stay, "section");
        let largest = self.score.contributions(params);
        let pillar = largest.first().filter(|one| one.part != 0.0).map(|one| {
            let rule = &params.inputs[one.input].rule;
            format!(
                "; without {rule} it would be {}",
                signed(without(&largest, one.part))
            )
        });
        format!(
            "{until}, after at least {stay} in the state{}",
            pillar.unwrap_or_default()
        )
    }
}

/// The unsmoothed score if its largest part were nought.
fn without(contributions: &[super::score::Contribution], part: f64) -> f64 {
    contributions.iter().map(|one| one.part).sum::<f64>() - part
}

fn signed(number: f64) -> String {
    let rounded = round(number, 2);
    let sign = if rounded < 0.0 { '−' } else { '+' };
    format!("{sign}{:.2}", rounded.abs())
}
