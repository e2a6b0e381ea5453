//! What `record_high` says of itself.

use super::{Episode, Lookback, Mark, Params, State, drawdown};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::detector::{Account, Change, Names, Unit, text};

impl State {
    pub(super) fn tell(&self, params: &Params, names: Names<'_>, change: &Change) -> Account {
        let unit = names.units.first().copied().unwrap_or_default();
        let what = if self.is_closing { "close" } else { "value" };
        let quiet = text::counted(params.quiet_sessions, "session");
        Account {
            evidence: self.evidence(params, change),
            headline: self.headline(params, unit, change),
            reverses: format!("{quiet} without a record {what}"),
            direction: Some(Direction::Up),
        }
    }

    /// The episode that an account is about.
    fn told(&self, change: &Change) -> Option<&Episode> {
        let about_one = self.is_open || matches!(change, Change::Resolve(_));
        self.episode.as_ref().filter(|_| about_one)
    }

    /// In an episode `previous`, `trough` and `drawdown_pct` tell what lay behind its first record, else what has been
    /// since the last one.
    fn evidence(&self, params: &Params, change: &Change) -> Evidence {
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        put(
            "basis",
            if self.is_closing {
                "closing"
            } else {
                "intraday"
            }
            .into(),
        );
        if let Lookback::Sessions(sessions) = params.lookback {
            put("lookback_sessions", sessions.into());
        }
        let (Some(last), Some(trough)) = (self.last, self.trough) else {
            return evidence;
        };
        let (peak, trough) = match self.told(change) {
            Some(episode) => (episode.previous, episode.trough),
            None => (last, trough),
        };
        put("level", round(last.level, 6).into());
        put("date", last.date.into());
        put(
            "records_this_year",
            self.records_in(self.day.date.year()).into(),
        );
        put("trough", trough.fact());
        put(
            "drawdown_pct",
            round(drawdown(peak.level, trough.level), 2).into(),
        );
        match self.told(change) {
            Some(episode) => {
                put("previous", peak.fact());
                put(
                    "sessions_since_previous",
                    (episode.first.session - peak.session).into(),
                );
                put("records_in_episode", episode.records.into());
                put("first_record", episode.first.fact());
            }
            None => {
                put(
                    "sessions_since_record",
                    self.day.count.saturating_sub(last.session).into(),
                );
            }
        }
        evidence
    }

    fn records_in(&self, year: i16) -> u32 {
        if self.this_year.year == year {
            self.this_year.records
        } else {
            0
        }
    }

    fn headline(&self, params: &Params, unit: Unit, change: &Change) -> String {
        let series = &params.series;
        let Some(last) = self.last else {
            return format!("{series} has no history yet");
        };
        let at = |mark: Mark| format!("{} on {}", text::value(mark.level, unit), mark.date);
        let (record, closed) = match (params.lookback, self.is_closing) {
            (Lookback::All, true) => ("a record".to_owned(), "closed"),
            (Lookback::All, false) => ("a record".to_owned(), "traded"),
            (Lookback::Sessions(sessions), true) => {
                (format!("a {sessions}-session high"), "closed")
            }
            (Lookback::Sessions(sessions), false) => {
                (format!("a {sessions}-session high"), "traded")
            }
        };
        let noun = record.trim_start_matches("a ");
        match (self.told(change), change) {
            (Some(episode), Change::Open(_)) => {
                let level = text::value(last.level, unit);
                let sessions = text::ordinal(episode.first.session - episode.previous.session);
                let previous = at(episode.previous);
                let fell = round(drawdown(episode.previous.level, episode.trough.level), 1);
                format!(
                    "{series} {closed} at {record}, {level}, in the {sessions} session after {previous}; drawdown between {fell} %"
                )
            }
            (Some(episode), Change::Resolve(_)) => {
                let quiet = text::counted(params.quiet_sessions, "session");
                let records = text::counted(episode.records, noun);
                format!(
                    "{series} made no {noun} in {quiet} after {records}, the last {}",
                    at(last)
                )
            }
            (Some(episode), _) => {
                let records = text::counted(episode.records, noun);
                format!(
                    "{series} made {records} since {}, the last {}",
                    episode.first.date,
                    at(last)
                )
            }
            (None, _) => {
                let to_beat = self.to_beat().unwrap_or(last);
                let below = round(drawdown(to_beat.level, self.value).max(0.0), 2);
                format!("{series} is {below} % below {}", at(to_beat))
            }
        }
    }
}

impl Mark {
    fn fact(&self) -> Fact {
        let mut group = Evidence::new();
        group.insert("level".to_owned(), round(self.level, 6).into());
        group.insert("date".to_owned(), self.date.into());
        group.into()
    }
}
