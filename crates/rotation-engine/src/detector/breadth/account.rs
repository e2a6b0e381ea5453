//! What `breadth` says of itself.

use super::{Gauge, Params, Smooth, State, THRUST};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::detector::threshold::Side;
use crate::detector::{Account, Change, text};

impl State {
    pub(super) fn tell(&self, params: &Params, change: &Change) -> Account {
        let direction = match params.direction {
            Side::Above => Direction::Up,
            Side::Below => Direction::Down,
        };
        Account {
            evidence: self.evidence(params),
            headline: self.headline(params, change),
            reverses: reverses(params),
            direction: Some(direction),
        }
    }

    fn evidence(&self, params: &Params) -> Evidence {
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        let tally = self.tally;
        let (up, down) = match params.measure {
            Gauge::AboveMean => ("above", "below"),
            Gauge::NewHighs => ("highs", "lows"),
            _ => ("advances", "declines"),
        };
        put("members", tally.members.into());
        put("present", tally.present.into());
        put("counted", tally.counted.into());
        put(up, tally.up.into());
        put(down, tally.down.into());
        if let Some(window) = params.window() {
            put("sessions", window.into());
        }
        match &self.smooth {
            Smooth::Nothing => {}
            Smooth::Line(line) => {
                put("line", (*line).into());
            }
            Smooth::Mcclellan {
                fast,
                slow,
                net,
                summation,
                ..
            } => {
                put("net_advances", round(*net, 4).into());
                put("summation", round(*summation, 4).into());
                if let (Some(fast), Some(slow)) = (fast.get(), slow.get()) {
                    put("oscillator", round(fast - slow, 4).into());
                }
            }
            Smooth::Thrust { average, low, .. } => {
                if let Some(average) = average.get() {
                    put("average", round(average, 6).into());
                }
                if let Some(low) = low {
                    let mut group = Evidence::new();
                    group.insert("value".to_owned(), round(low.value, 6).into());
                    group.insert("date".to_owned(), low.date.into());
                    group.insert("sessions_ago".to_owned(), low.sessions_ago.into());
                    put("last_below", group.into());
                }
            }
        }
        evidence
    }

    fn headline(&self, params: &Params, change: &Change) -> String {
        let (group, tally) = (&params.group, self.tally);
        let Some(value) = self.value else {
            let (counted, members) = (tally.counted, tally.members);
            return format!("{group}: only {counted} of {members} members count");
        };
        let shown = text::number(round(value, 2));
        match params.measure {
            Gauge::AboveMean => {
                let window = params.window().unwrap_or(0);
                let (up, counted) = (tally.up, tally.counted);
                format!("{shown} % of {group} above their {window}-session mean: {up} of {counted}")
            }
            Gauge::AdvanceDecline => {
                let (up, down) = (tally.up, tally.down);
                format!("{group}: {up} advanced, {down} declined, net {shown}")
            }
            Gauge::NewHighs => {
                let window = params.window().unwrap_or(0);
                let (up, down) = (tally.up, tally.down);
                format!("{group}: {up} new {window}-session highs, {down} new lows, net {shown}")
            }
            Gauge::Mcclellan => format!("{group}: McClellan oscillator at {shown}"),
            Gauge::Summation => format!("{group}: McClellan summation at {shown}"),
            Gauge::Thrust => self.headline_of_thrust(group, value, change),
        }
    }

    fn headline_of_thrust(&self, group: &str, value: f64, change: &Change) -> String {
        let average = round(value, 4);
        match (&self.smooth, change) {
            (Smooth::Thrust { low: Some(low), .. }, Change::Open(THRUST)) => {
                let was = round(low.value, 4);
                let sessions = text::counted(low.sessions_ago, "session");
                let date = low.date;
                format!(
                    "{group}: breadth thrust, {average} of the moves up after {was} on {date}, {sessions} ago"
                )
            }
            (_, Change::Resolve(_)) => {
                format!("{group}: the thrust faded, {average} of the moves up")
            }
            _ => format!("{group}: {average} of the moves up"),
        }
    }
}

fn reverses(params: &Params) -> String {
    let Some(levels) = params.threshold() else {
        return "nothing: it only reads".to_owned();
    };
    let level = text::number(levels.close_at);
    let (what, level) = match params.measure {
        Gauge::AboveMean => ("the share above the mean", format!("{level} %")),
        Gauge::AdvanceDecline => ("advances less declines", level),
        Gauge::NewHighs => ("new highs less new lows", level),
        Gauge::Mcclellan => ("the oscillator", level),
        Gauge::Summation => ("the summation", level),
        Gauge::Thrust => ("the average share of advances", level),
    };
    levels.reverses(what, &level)
}
