//! What `short_squeeze` says of itself.

use super::{COVERED, Episode, Params, Print, Read, State};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::detector::{Account, Change, text};

impl State {
    pub(super) fn tell(&self, params: &Params, change: &Change) -> Account {
        let (fade, covered) = (
            text::number(params.fade_pct),
            text::number(params.covered_at),
        );
        Account {
            evidence: self.evidence(params, change),
            headline: self.headline(params, change),
            reverses: format!(
                "a return of {fade} % or less over {} (faded), or {covered} days to cover or fewer (covered)",
                text::counted(params.surge_sessions, "session")
            ),
            direction: Some(Direction::Up),
        }
    }

    fn told(&self, change: &Change) -> Option<&Episode> {
        let about_one = self.is_open || matches!(change, Change::Resolve(_));
        self.episode.as_ref().filter(|_| about_one)
    }

    fn evidence(&self, params: &Params, change: &Change) -> Evidence {
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        put("surge_sessions", params.surge_sessions.into());
        if let Some(read) = self.read {
            put("surge_return", round(read.surge, 6).into());
            put("days_to_cover", round(read.cover, 4).into());
            if let Some(z) = read.volume_z {
                put("volume_z", round(z, 4).into());
            }
            if let Some(before) = read.cover_before {
                put("days_to_cover_before", round(before, 4).into());
            }
            let conditions = read.conditions(params);
            put("surging", conditions.is_surging.into());
            put("volume_high", conditions.is_volume_high.into());
            put("cover_high", conditions.is_cover_high.into());
            put("cover_falling", conditions.is_cover_falling.into());
        }
        if let Some(interest) = &self.interest {
            put("short_interest", group(interest).into());
        }
        if let Some(before) = &self.interest_before {
            put("short_interest_before", group(before).into());
        }
        if let Some(episode) = self.told(change) {
            put("opened", episode.opened.date.into());
            put("strongest_return", round(episode.strongest.surge, 6).into());
        }
        evidence
    }

    fn headline(&self, params: &Params, change: &Change) -> String {
        let series = &params.series;
        let Some(read) = self.read else {
            return format!("{series}: too little is known of its volume or short interest");
        };
        let surge = text::signed_percent(read.surge);
        let over = text::counted(params.surge_sessions, "session");
        let cover = text::number(round(read.cover, 1));
        let days = match read.cover_before {
            Some(before) => format!(
                "{cover} days to cover after {}",
                text::number(round(before, 1))
            ),
            None => format!("{cover} days to cover"),
        };
        let volume = match read.volume_z {
            Some(z) => format!(
                ", volume {} standard deviations up",
                text::number(round(z, 1))
            ),
            None => String::new(),
        };
        match (change, self.told(change)) {
            (Change::Open(_), _) => {
                format!("{series} is squeezed: {surge} over {over}{volume}, {days}")
            }
            (Change::Resolve(COVERED), Some(Episode { opened, .. })) => {
                format!(
                    "{series}, squeezed since {}, is covered: {days}",
                    opened.date
                )
            }
            (Change::Resolve(_), Some(Episode { opened, strongest })) => {
                let Read { date, .. } = opened;
                let most = text::signed_percent(strongest.surge);
                format!(
                    "{series}, squeezed since {date}, is at {surge} over {over} after {most} at most; {days}"
                )
            }
            _ => format!("{series}: {surge} over {over}{volume}, {days}"),
        }
    }
}

fn group(print: &Print) -> Evidence {
    let mut group = Evidence::new();
    group.insert("shares".to_owned(), print.shares.into());
    group.insert("date".to_owned(), print.date.into());
    group
}
