//! What `volatility_shift` says of itself.

use super::{CONTRACTION, EXPANSION, Episode, Estimator, Params, Read, State};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::detector::{Account, Change, text};

impl State {
    pub(super) fn tell(&self, params: &Params, change: &Change) -> Account {
        let told = self.told(change);
        Account {
            evidence: self.evidence(params, change),
            headline: self.headline(params, change),
            reverses: reverses(params, told),
            direction: told.map(|episode| episode.way),
        }
    }

    fn told(&self, change: &Change) -> Option<&Episode> {
        let about_one = self.is_open || matches!(change, Change::Resolve(_));
        self.episode.as_ref().filter(|_| about_one)
    }

    fn evidence(&self, params: &Params, change: &Change) -> Evidence {
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        let estimator = match params.estimator {
            Estimator::Close => "close",
            Estimator::YangZhang => "yang_zhang",
        };
        put("estimator", estimator.into());
        put("short", params.short.into());
        put("long", params.long.into());
        if let Some(read) = self.read {
            put("ratio", round(read.ratio(), 4).into());
            put("short_volatility_pct", yearly(params, read.short).into());
            put("long_volatility_pct", yearly(params, read.long).into());
        }
        if let Some(count) = self.long.without_open() {
            put("sessions_without_open", count.into());
        }
        if let Some(episode) = self.told(change) {
            put("opened", group(params, &episode.opened).into());
            put("furthest", group(params, &episode.furthest).into());
        }
        evidence
    }

    fn headline(&self, params: &Params, change: &Change) -> String {
        let Params {
            series,
            short,
            long,
            ..
        } = params;
        let Some(read) = self.read else {
            return format!("{series} has no volatility yet");
        };
        let [now, usual] = [read.short, read.long].map(|volatility| yearly(params, volatility));
        let ratio = text::number(round(read.ratio(), 2));
        let figures = format!(
            "{now} % a year over {}, {ratio} times the {usual} % over {long}",
            text::counted(*short, "session")
        );
        match (change, self.told(change)) {
            (Change::Open(EXPANSION), _) => format!("{series} became volatile: {figures}"),
            (Change::Open(CONTRACTION), _) => format!("{series} became calm: {figures}"),
            (Change::Resolve(_), Some(episode)) => {
                let what = match episode.way {
                    Direction::Up => "volatility is back",
                    Direction::Down => "calm is over",
                };
                let furthest = text::number(round(episode.furthest.ratio(), 2));
                format!(
                    "{series}'s {what}: {figures}; it came to {furthest} times on {}",
                    episode.furthest.date
                )
            }
            _ => format!("{series}'s volatility: {figures}"),
        }
    }
}

fn reverses(params: &Params, told: Option<&Episode>) -> String {
    match told.map(|episode| episode.way) {
        Some(Direction::Up) => format!("a ratio of {} or less", text::number(params.expand_end)),
        Some(Direction::Down) => {
            format!("a ratio of {} or more", text::number(params.contract_end))
        }
        None => {
            let (calm, wild) = (params.contract_end, params.expand_end);
            format!(
                "a ratio of {} or less after an expansion, {} or more after a contraction",
                text::number(wild),
                text::number(calm)
            )
        }
    }
}

/// Percent a year.
fn yearly(params: &Params, volatility: f64) -> f64 {
    round(
        volatility * libm::sqrt(f64::from(params.per_year)) * 100.0,
        2,
    )
}

fn group(params: &Params, read: &Read) -> Evidence {
    let mut group = Evidence::new();
    group.insert("date".to_owned(), read.date.into());
    group.insert("ratio".to_owned(), round(read.ratio(), 4).into());
    group.insert(
        "short_volatility_pct".to_owned(),
        yearly(params, read.short).into(),
    );
    group
}
