//! What `relative_return` says of itself.

use super::{Episode, Over, PERIOD_OVER, Params, Spread, State};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::detector::way::along;
use crate::detector::{Account, Change, text};
use crate::window::Peak;

impl State {
    pub(super) fn tell(&self, params: &Params, change: &Change) -> Account {
        let told = self.told(change);
        let direction = told
            .map(|episode| episode.direction)
            .or(self.now.map(|now| now.direction));
        Account {
            evidence: self.evidence(params, change),
            headline: self.headline(params, change),
            reverses: reverses(params, told),
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
        match params.over {
            Over::Sessions(sessions) => put("over_sessions", sessions.into()),
            Over::Month => put("over", "month".into()),
            Over::Quarter => put("over", "quarter".into()),
            Over::Year => put("over", "year".into()),
        };
        let Some(now) = &self.now else {
            return evidence;
        };
        put("points", round(now.points, 4).into());
        put("leader_return", round(now.returns[0], 6).into());
        put("laggard_return", round(now.returns[1], 6).into());
        put("from", now.from.into());
        put("to", now.date.into());
        put("history", now.history.into());
        if let Some(percentile) = now.percentile {
            put("percentile", round(percentile, 2).into());
        }
        if let Some(beta) = now.beta {
            put("beta", round(beta, 4).into());
            let raw = (now.returns[0] - now.returns[1]) * super::POINTS;
            put("plain_points", round(raw, 4).into());
        }
        if along(now.direction, now.points) > 0.0 {
            match (now.widest_since, self.first) {
                (Some(peak), _) => {
                    put("widest_since", fact(peak, now.direction));
                }
                (None, first) => {
                    put("widest_on_record_since", first.unwrap_or(now.date).into());
                }
            }
        }
        if let Some(peak) = now.other_way {
            let other = match now.direction {
                Direction::Up => Direction::Down,
                Direction::Down => Direction::Up,
            };
            put("widest_other_way", fact(peak, other));
        }
        if let Some(episode) = self.told(change) {
            put("since", episode.since.into());
            put("peak", fact(episode.peak, episode.direction));
        }
        if let Some(years) = self.reached_years {
            put("reached_since_years", years.into());
        }
        evidence
    }

    fn headline(&self, params: &Params, change: &Change) -> String {
        let Params {
            leader, laggard, ..
        } = params;
        let Some(now) = &self.now else {
            return format!("{leader} and {laggard} have too little history together");
        };
        let [ahead, behind] = now.returns.map(text::signed_percent);
        let over = match params.over {
            Over::Sessions(sessions) => format!("over {}", text::counted(sessions, "session")),
            _ => format!("since the close of {}", now.from),
        };
        let beta = now.beta.map_or(String::new(), |beta| {
            format!(" at a beta of {}", text::fixed(beta, 2))
        });
        let points = text::fixed(now.points.abs(), 2);
        let is_ahead = if now.points < 0.0 { "trails" } else { "leads" };
        let spread = format!(
            "{leader} {is_ahead} {laggard} by {points} points {over}, {ahead} against {behind}{beta}"
        );
        match (change, self.told(change)) {
            (Change::Resolve(reason), Some(episode)) => {
                let widest = text::fixed(episode.peak.value, 2);
                let ended = if *reason == PERIOD_OVER {
                    "another period began"
                } else {
                    "it has narrowed"
                };
                let on = episode.peak.date;
                format!("{spread}; {ended} after {widest} points on {on}")
            }
            _ => format!("{spread}{}", self.rank(now)),
        }
    }

    /// How rare the difference is, in words.
    fn rank(&self, now: &Spread) -> String {
        if along(now.direction, now.points) <= 0.0 {
            return String::new();
        }
        match (now.widest_since, self.first) {
            (Some(peak), _) => {
                let points = text::fixed(peak.value, 2);
                format!("; widest this way since {points} on {}", peak.date)
            }
            (None, Some(first)) if first < now.date => {
                format!("; widest this way on record, which begins {first}")
            }
            (None, _) => String::new(),
        }
    }
}

fn reverses(params: &Params, told: Option<&Episode>) -> String {
    let Params {
        leader, laggard, ..
    } = params;
    let period = match params.over {
        Over::Sessions(_) => "",
        Over::Month => ", or another month",
        Over::Quarter => ", or another quarter",
        Over::Year => ", or another year",
    };
    let edge = told.map_or_else(
        || "part of its widest".to_owned(),
        |episode| {
            let edge = text::fixed(params.narrowed_to * episode.peak.value, 2);
            format!("{edge} points or less")
        },
    );
    format!(
        "a difference between {leader} and {laggard} of {edge}, no longer enough to open{period}"
    )
}

fn fact(peak: Peak, direction: Direction) -> Fact {
    let mut group = Evidence::new();
    let points = along(direction, peak.value);
    group.insert("points".to_owned(), round(points, 4).into());
    group.insert("date".to_owned(), peak.date.into());
    group.into()
}
