//! What `momentum_stall` says of itself.

use super::{Episode, NEW_HIGH, Params, RESUMED, Read, State};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::detector::{Account, Change, text};

impl State {
    pub(super) fn tell(&self, params: &Params, change: &Change) -> Account {
        let resume = text::number(params.resume_pct);
        Account {
            evidence: self.evidence(params, change),
            headline: self.headline(params, change),
            reverses: format!(
                "a gain of {resume} % over {} (resumed), a new high against {} (new_high), or no gain left over {} (spent)",
                text::counted(params.short, "session"),
                params.benchmark,
                params.long
            ),
            direction: Some(Direction::Down),
        }
    }

    fn told(&self, change: &Change) -> Option<&Episode> {
        let about_one = self.is_open || matches!(change, Change::Resolve(_));
        self.episode.as_ref().filter(|_| about_one)
    }

    fn evidence(&self, params: &Params, change: &Change) -> Evidence {
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        put("long", params.long.into());
        put("short", params.short.into());
        if let Some(rsi) = self.rsi.get() {
            put("rsi", round(rsi, 2).into());
        }
        if let Some(read) = self.read {
            put("long_return", round(read.long, 6).into());
            put("short_return", round(read.short, 6).into());
            put("long_relative", round(read.relative_long, 6).into());
            put("short_relative", round(read.relative_short, 6).into());
        }
        if let Some(high) = self.ratios.get() {
            put("ratio_high_date", high.tag.into());
        }
        if let Some(episode) = self.told(change) {
            put("opened", group(&episode.opened).into());
            put("weakest", group(&episode.weakest).into());
            put("sessions", episode.sessions.into());
        }
        evidence
    }

    fn headline(&self, params: &Params, change: &Change) -> String {
        let Params {
            series, benchmark, ..
        } = params;
        let Some(read) = self.read else {
            return format!("{series} has too little history");
        };
        let [long, short, relative] =
            [read.long, read.short, read.relative_short].map(text::signed_percent);
        let over = text::counted(params.short, "session");
        let figures = format!(
            "{long} over {}, {short} over {over}, {relative} against {benchmark}",
            text::counted(params.long, "session")
        );
        match (change, self.told(change)) {
            (Change::Open(_), _) => {
                let rsi = self
                    .rsi
                    .get()
                    .map(|rsi| format!("; RSI {}", text::number(round(rsi, 1))));
                format!("{series} stalls: {figures}{}", rsi.unwrap_or_default())
            }
            (Change::Resolve(reason), Some(episode)) => {
                let what = match *reason {
                    RESUMED => "goes on",
                    NEW_HIGH => "is at a new high against its benchmark",
                    _ => "has lost its gain",
                };
                let Read { date, .. } = episode.opened;
                format!("{series}, stalled since {date}, {what}: {figures}")
            }
            _ => format!("{series}: {figures}"),
        }
    }
}

fn group(read: &Read) -> Evidence {
    let mut group = Evidence::new();
    group.insert("date".to_owned(), read.date.into());
    group.insert("long_return".to_owned(), round(read.long, 6).into());
    group.insert("short_return".to_owned(), round(read.short, 6).into());
    group
}
