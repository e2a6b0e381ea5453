//! What `plateau` says of itself.

use super::{Episode, Params, Phase, State};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::detector::{Account, Change, Names, Unit, text};

impl State {
    pub(super) fn tell(&self, params: &Params, names: Names<'_>, change: &Change) -> Account {
        let unit = names.units.first().copied().unwrap_or_default();
        let told = self.told(change);
        Account {
            evidence: self.evidence(params, change),
            headline: self.headline(params, unit, change),
            reverses: match told {
                Some(episode) => {
                    let (low, high) = episode.edges(params);
                    let (low, high) = (text::value(low, unit), text::value(high, unit));
                    format!("a close of {} above {high} or below {low}", params.series)
                }
                None => format!("a close of {} outside the range", params.series),
            },
            direction: told.and_then(|episode| episode.broke),
        }
    }

    /// The episode that an account is about.
    fn told(&self, change: &Change) -> Option<&Episode> {
        let about_one = self.phase == Phase::Open || matches!(change, Change::Resolve(_));
        self.episode.as_ref().filter(|_| about_one)
    }

    fn evidence(&self, params: &Params, change: &Change) -> Evidence {
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        put("window", params.window.into());
        if let Some(now) = &self.now {
            put("high", round(now.high, 6).into());
            put("low", round(now.low, 6).into());
            put("range_pct", round(now.range_pct, 4).into());
            put("range_percentile", round(now.percentile, 2).into());
            put("history", now.history.into());
            put("efficiency", round(now.efficiency, 4).into());
            put("trend_t", round(now.trend_t, 2).into());
        }
        match self.told(change) {
            Some(episode) => {
                put("since", episode.since.into());
                put("sessions", episode.sessions.into());
                let mut range = Evidence::new();
                range.insert("high".to_owned(), round(episode.high, 6).into());
                range.insert("low".to_owned(), round(episode.low, 6).into());
                put("range", range.into());
                if let Some(last) = &self.past.last {
                    put("last", last.fact());
                }
            }
            None => {
                if let Some(last) = &self.episode {
                    put("last", last.fact());
                }
            }
        }
        if let Some(median) = self.past.lengths.median() {
            let mut earlier = Evidence::new();
            earlier.insert("count".to_owned(), self.past.count.into());
            earlier.insert("median_sessions".to_owned(), median.into());
            earlier.insert("longest_sessions".to_owned(), self.past.longest.into());
            put("earlier", earlier.into());
        }
        evidence
    }

    fn headline(&self, params: &Params, unit: Unit, change: &Change) -> String {
        let series = &params.series;
        let Some(now) = &self.now else {
            return format!("{series} has too little history for a plateau");
        };
        let earlier = match self.past.lengths.median() {
            Some(median) => format!("; earlier ones lasted {} at the median", sessions(median)),
            None => "; the first on record".to_owned(),
        };
        let within = |high: f64, low: f64| {
            let (low, high) = (text::value(low, unit), text::value(high, unit));
            format!("between {low} and {high}")
        };
        let (range, rank) = (
            text::fixed(now.range_pct, 1),
            text::fixed(now.percentile, 0),
        );
        let measures = format!(
            "a range of {range} % (percentile {rank}), efficiency {}, trend t {}",
            text::fixed(now.efficiency, 2),
            text::fixed(now.trend_t, 1)
        );
        let closes = params.window;
        match (self.told(change), change) {
            (Some(episode), Change::Open(_)) => {
                let within = within(episode.high, episode.low);
                format!("{series} goes sideways: {closes} closes {within}, {measures}{earlier}")
            }
            (Some(episode), Change::Resolve(_)) => {
                let (side, edge) = match episode.broke {
                    Some(Direction::Down) => ("down", episode.low),
                    Some(Direction::Up) | None => ("up", episode.high),
                };
                let close = text::value(self.line.last().unwrap_or(edge), unit);
                let (lasted, edge) = (
                    text::counted(episode.sessions, "session"),
                    text::value(edge, unit),
                );
                format!(
                    "{series} broke {side} to {close}, past {edge}, after {lasted} sideways since {}{earlier}",
                    episode.since
                )
            }
            (Some(episode), _) => {
                let session = text::ordinal(episode.sessions);
                let within = within(episode.high, episode.low);
                format!(
                    "{series} is in the {session} session of a plateau {within} since {}{earlier}",
                    episode.since
                )
            }
            (None, _) => format!("{series} over {closes} closes: {measures}"),
        }
    }
}

/// A median of lengths: `13 sessions`, `13.5 sessions`.
fn sessions(median: f64) -> String {
    format!("{median} session{}", if median == 1.0 { "" } else { "s" })
}

impl Episode {
    fn fact(&self) -> Fact {
        let mut group = Evidence::new();
        group.insert("since".to_owned(), self.since.into());
        group.insert("until".to_owned(), self.until.into());
        group.insert("sessions".to_owned(), self.sessions.into());
        let broke = self.broke.map(|direction| match direction {
            Direction::Up => "up",
            Direction::Down => "down",
        });
        group.extend(broke.map(|broke| ("broke".to_owned(), broke.into())));
        group.into()
    }
}
