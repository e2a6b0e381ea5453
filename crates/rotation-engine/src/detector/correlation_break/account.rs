//! What `correlation_break` says of itself.

use super::{Episode, FLIPPED, Params, RESTORED, Read, State};
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
        put("short", params.short.into());
        put("long", params.long.into());
        if let Some(read) = self.read {
            put("correlation", round(read.short, 4).into());
            put("long_correlation", round(read.long, 4).into());
            put("change", round(read.change(Direction::Up), 4).into());
        }
        if let Some(episode) = self.told(change) {
            put("opened", group(&episode.opened).into());
            put("furthest", group(&episode.furthest).into());
            put("flipped", episode.is_flipped.into());
        }
        evidence
    }

    fn headline(&self, params: &Params, change: &Change) -> String {
        let Params {
            first,
            second,
            short,
            long,
            ..
        } = params;
        let Some(read) = self.read else {
            return format!("{first} and {second} have no correlation yet");
        };
        let (now, usual) = (figure(read.short), figure(read.long));
        let sessions = text::counted(*short, "session");
        let about = format!("correlation of {first} and {second} over {sessions}");
        match (change, self.told(change)) {
            (Change::Resolve(RESTORED), Some(episode)) => {
                let Read { date, short, .. } = episode.furthest;
                let furthest = figure(short);
                format!(
                    "{about} is back at {now}, against {usual} over {long}; it came to {furthest} on {date}"
                )
            }
            (Change::Resolve(_), Some(episode)) => {
                let was = figure(episode.opened.long);
                format!(
                    "{about} stays at {now}, and the one over {long} has followed from {was} to {usual}"
                )
            }
            (Change::Open(FLIPPED) | Change::Escalate(_), _) => {
                format!("{about} turned to {now}, against {usual} over {long}")
            }
            _ => {
                let distance = figure(read.change(Direction::Up).abs());
                let side = if read.short < read.long {
                    "below"
                } else {
                    "above"
                };
                format!("{about} at {now}, {distance} {side} the {usual} over {long}")
            }
        }
    }
}

fn reverses(params: &Params, told: Option<&Episode>) -> String {
    let within = figure(params.end_change);
    let side = match told.map(|episode| episode.way) {
        Some(Direction::Up) => "above",
        Some(Direction::Down) => "below",
        None => "from",
    };
    format!("a short correlation no more than {within} {side} the long one")
}

fn group(read: &Read) -> Evidence {
    let mut group = Evidence::new();
    group.insert("date".to_owned(), read.date.into());
    group.insert("correlation".to_owned(), round(read.short, 4).into());
    group.insert("long_correlation".to_owned(), round(read.long, 4).into());
    group
}

/// A correlation as people write it.
fn figure(correlation: f64) -> String {
    text::number(round(correlation, 2))
}
