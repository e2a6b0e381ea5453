//! What `mean_shift` says of itself.

use super::{Method, Of, Params, Segments, Shift, State};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::clock::DAY;
use crate::detector::{Account, Change, Names, Unit, text};
use crate::time::EventTime;

impl State {
    pub(super) fn tell(&self, params: &Params, names: Names<'_>, change: &Change) -> Account {
        let unit = names.units.first().copied().unwrap_or_default();
        let settle = text::counted(params.settle, self.thing());
        Account {
            evidence: self.evidence(params, change),
            headline: self.headline(params, unit, change),
            reverses: format!("{settle} after the alarm without another change"),
            direction: self.spoken_of(change).map(|shift| {
                if shift.size() >= 0.0 {
                    Direction::Up
                } else {
                    Direction::Down
                }
            }),
        }
    }

    /// The change that the episode is about.
    fn spoken_of(&self, change: &Change) -> Option<&Shift> {
        let about_one = self.is_open || matches!(change, Change::Resolve(_));
        self.told.as_ref().filter(|_| about_one)
    }

    fn thing(&self) -> &'static str {
        if self.on_sessions {
            "session"
        } else {
            "observation"
        }
    }

    /// A date on the clock `session`, else an instant.
    fn time(&self, nanos: i64) -> String {
        let instant = EventTime::from_nanos(nanos);
        if self.on_sessions {
            instant.saturating_add(DAY / 2).utc_date().to_string()
        } else {
            instant.to_string()
        }
    }

    fn evidence(&self, params: &Params, change: &Change) -> Evidence {
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        put("noise", significant(self.scale.noise()).into());
        put("weight", round(self.scale.weight(), 3).into());
        if let Some(search) = &self.search {
            let line = search.line();
            put("segment_start", self.time(search.began).as_str().into());
            put("segment_length", line.observations.into());
            put("level", significant(line.level).into());
            if params.segments() == Segments::Linear {
                put("slope", significant(line.slope).into());
            }
            if params.method == Method::Bocpd {
                put(
                    "probability",
                    round(probability(search.reading()), 4).into(),
                );
            }
        }
        if let Some(shift) = self.spoken_of(change) {
            put("location", self.time(shift.at).as_str().into());
            put("seen", self.time(shift.alarm_at).as_str().into());
            put("delay", shift.delay.into());
            put("before", significant(shift.before).into());
            put("after", significant(shift.after).into());
            put("shift", significant(shift.size()).into());
            put(
                "shift_in_noise",
                round(shift.size() / shift.noise, 2).into(),
            );
            put("alarm_reading", round(shift.reading, 2).into());
        }
        evidence
    }

    fn headline(&self, params: &Params, unit: Unit, change: &Change) -> String {
        let series = &params.series;
        let Some(shift) = self.spoken_of(change) else {
            return match &self.search {
                Some(search) => {
                    let length = text::counted(search.line().observations, self.thing());
                    let since = self.time(search.began);
                    format!("{series} has kept to its course for {length}, since {since}")
                }
                None => format!("{series} has too short a history"),
            };
        };
        let direction = if shift.size() >= 0.0 { "up" } else { "down" };
        let amount = |value: f64| match params.of {
            Of::Level | Of::Change => text::value(value, unit),
            Of::Return => text::signed_percent(value),
        };
        let what = match params.of {
            Of::Level => "",
            Of::Change => "the change of ",
            Of::Return => "the return of ",
        };
        let (before, after) = (amount(shift.before), amount(shift.after));
        let size = round((shift.size() / shift.noise).abs(), 1);
        let at = self.time(shift.at);
        let later = text::counted(shift.delay, self.thing());
        let settled = match change {
            Change::Resolve(_) => "; no other change since",
            _ => "",
        };
        format!(
            "{what}{series} has shifted {direction} since {at}: {after} where {before} was due, {size} times the \
             noise; seen {later} later{settled}"
        )
    }
}

/// The probability with these log odds.
fn probability(log_odds: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-log_odds))
}

/// A value with some six significant digits.
fn significant(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let leading = libm::floor(libm::log10(value.abs()));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float has some 600 decimals at most"
    )]
    let digits = 5 - leading.clamp(-50.0, 50.0) as i32;
    round(value, digits)
}
