//! What `rate_sensitivity` says of itself.

use super::{Episode, Params, REVERSED, Read, SIGNIFICANT, Sign, State};
use crate::alert::{Evidence, Fact, round};
use crate::detector::{Account, Change, text};

impl State {
    pub(super) fn tell(&self, params: &Params, change: &Change) -> Account {
        let fades = text::number(params.t_end);
        let than = match (params.sign, params.t_end > 0.0) {
            (Sign::Negative, true) => format!("above -{fades}"),
            (Sign::Negative, false) => "of zero or above".to_owned(),
            (Sign::Positive, true) => format!("below {fades}"),
            (Sign::Positive, false) => "of zero or below".to_owned(),
        };
        Account {
            evidence: self.evidence(params, change),
            headline: self.headline(params, change),
            reverses: format!("a t {than}"),
            direction: Some(params.sign.direction()),
        }
    }

    fn told(&self, change: &Change) -> Option<&Episode> {
        let about_one = self.is_open || matches!(change, Change::Resolve(_));
        self.episode.as_ref().filter(|_| about_one)
    }

    fn evidence(&self, params: &Params, change: &Change) -> Evidence {
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        put("window", params.window.into());
        put("lags", i64::try_from(params.lags()).unwrap_or(0).into());
        if let Some(read) = self.read {
            put("beta", round(read.beta, 6).into());
            put("standard_error", round(read.standard_error, 6).into());
            put("t", round(read.t(), 4).into());
            if let Some(correlation) = self.changes.correlation() {
                put("correlation", round(correlation, 4).into());
            }
        }
        if let Some(established) = self.established {
            let mut group = Evidence::new();
            group.insert("sign".to_owned(), name(established.sign).into());
            group.insert("since".to_owned(), established.since.into());
            put("established", group.into());
        }
        if let Some(episode) = self.told(change) {
            put("opened", group(&episode.opened).into());
            put("strongest", group(&episode.strongest).into());
            put("flipped", episode.before.is_some().into());
            if let Some(before) = episode.before {
                put("other_sign_since", before.since.into());
            }
        }
        evidence
    }

    fn headline(&self, params: &Params, change: &Change) -> String {
        let Params {
            leader,
            laggard,
            rate,
            window,
            ..
        } = params;
        let lead = format!("{leader} − {laggard}");
        let Some(read) = self.read else {
            return format!("{lead} has no slope on {rate} yet");
        };
        let beta = text::number(round(read.beta, 2));
        let t = text::number(round(read.t(), 1));
        let over = text::counted(*window, "session");
        let now = format!("{lead} moves {beta} bp a bp of {rate} over {over}, t {t}");
        match (change, self.told(change)) {
            (Change::Open(SIGNIFICANT), _) => {
                format!("{now}; the {} sign counts", name(params.sign))
            }
            (Change::Open(_), Some(episode)) => match episode.before {
                Some(before) => format!(
                    "{now}; the sign was {} since {}",
                    name(before.sign),
                    before.since
                ),
                None => now,
            },
            (Change::Resolve(reason), Some(episode)) => {
                let what = if *reason == REVERSED {
                    "turned round"
                } else {
                    "faded"
                };
                let Read { date, .. } = episode.strongest;
                let strongest = text::number(round(episode.strongest.t(), 1));
                format!(
                    "{now}: the {} sign {what} after t {strongest} on {date}",
                    name(params.sign)
                )
            }
            _ => now,
        }
    }
}

fn group(read: &Read) -> Evidence {
    let mut group = Evidence::new();
    group.insert("date".to_owned(), read.date.into());
    group.insert("beta".to_owned(), round(read.beta, 6).into());
    group.insert("t".to_owned(), round(read.t(), 4).into());
    group
}

fn name(sign: Sign) -> &'static str {
    match sign {
        Sign::Negative => "negative",
        Sign::Positive => "positive",
    }
}
