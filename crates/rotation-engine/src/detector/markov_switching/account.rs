//! What `markov_switching` says of itself.

use super::{Params, State};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::detector::{Account, Change, text};

impl State {
    pub(super) fn tell(&self, params: &Params, change: &Change) -> Account {
        Account {
            evidence: self.evidence(params),
            headline: self.headline(params, change),
            reverses: match params.open_at {
                Some(_) => format!("a probability of turbulence below {}", params.end_at()),
                None => "nothing: it reads and fires nothing".to_owned(),
            },
            direction: match change {
                Change::Resolve(_) => Some(Direction::Down),
                _ => Some(Direction::Up),
            },
        }
    }

    fn evidence(&self, params: &Params) -> Evidence {
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        let Some(now) = self.now else {
            return evidence;
        };
        let next = params.next(now.turbulent);
        let mean = params.means[0] * (1.0 - next) + params.means[1] * next;
        let [calm, turbulent] = [0, 1].map(|state| {
            let (mean, deviation) = (params.means[state], params.deviations[state]);
            mean * mean + deviation * deviation
        });
        let variance = calm * (1.0 - next) + turbulent * next - mean * mean;
        put("probability", round(now.turbulent, 6).into());
        put("return_pct", round(now.change, 4).into());
        put("state", state(now.turbulent).into());
        put("since", now.since.into());
        put("sections", now.sections.into());
        put("next_probability", round(next, 6).into());
        put(
            "next_deviation_pct",
            round(variance.max(0.0).sqrt(), 4).into(),
        );
        evidence
    }

    fn headline(&self, params: &Params, change: &Change) -> String {
        let series = &params.series;
        let Some(now) = self.now else {
            return format!("{series} has no return yet");
        };
        let probability = format!("{:.1} %", round(now.turbulent * 100.0, 1));
        let moved = text::signed_percent(now.change / 100.0);
        match change {
            Change::Open(_) => {
                format!("{series} is turbulent with a probability of {probability} after {moved}")
            }
            Change::Resolve(_) => {
                format!("{series} is calm again: turbulent with a probability of {probability}")
            }
            _ => {
                let (state, since) = (state(now.turbulent), now.since);
                format!(
                    "{series} is {state} since {since}; turbulent with a probability of {probability}"
                )
            }
        }
    }
}

fn state(turbulent: f64) -> &'static str {
    if turbulent > 0.5 { "turbulent" } else { "calm" }
}
