//! What `gap` says of itself.

use super::{Episode, Gap, Held, Params, Phase, State, Width};
use crate::alert::{Evidence, Fact, round};
use crate::detector::level_approach::Side;
use crate::detector::{Account, Change, Names, Unit, text};

impl State {
    pub(super) fn tell(&self, params: &Params, names: Names<'_>, change: &Change) -> Account {
        let unit = names.units.first().copied().unwrap_or_default();
        Account {
            evidence: self.evidence(params, change),
            headline: self.headline(params, unit, change),
            reverses: self.reverses(params, unit, change),
            direction: Some(params.direction()),
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
        if let Some(series) = self.series {
            put("series", series.fact());
        }
        if let Some(against) = self.against {
            put("against", against.fact());
        }
        let Some(now) = &self.now else {
            return evidence;
        };
        put(key(params.measure), round(now.value, 6).into());
        put("history", now.history.into());
        if let Some(percentile) = now.percentile {
            put("percentile", round(percentile, 2).into());
        }
        if let Some(episode) = self.told(change) {
            put("since", episode.since.into());
            put("widest", episode.widest.fact());
            let narrowed = (episode.widest.value - now.value).abs();
            put("narrowed_by", round(narrowed, 6).into());
            put("closing", episode.is_closing.into());
        }
        evidence
    }

    fn headline(&self, params: &Params, unit: Unit, change: &Change) -> String {
        let (Some(now), Some(series)) = (&self.now, self.series) else {
            return format!("{} has no gap to speak of yet", params.series);
        };
        let gap = describe(params, unit, now, series, self.against);
        let rank = now.percentile.map_or(String::new(), |percentile| {
            let percentile = text::fixed(percentile, 0);
            let of = text::counted(now.history, "observation");
            format!("; percentile {percentile} of {of}")
        });
        let narrowed = |episode: &Episode, word: &str| {
            let widest = measured(params, unit, episode.widest.value);
            format!("; {word} from {widest} on {}", episode.widest.date)
        };
        match (self.told(change), change) {
            (Some(episode), Change::Resolve(_)) => {
                format!("{gap}{}", narrowed(episode, "it has closed"))
            }
            (Some(episode), _) if episode.is_closing => {
                format!("{gap}{}", narrowed(episode, "it is closing"))
            }
            _ => format!("{gap}{rank}"),
        }
    }

    fn reverses(&self, params: &Params, unit: Unit, change: &Change) -> String {
        let what = match params.measure {
            Gap::Level => "a level",
            Gap::Ratio => "a ratio",
            Gap::Discount => "a discount",
            Gap::Difference => "a difference",
        };
        let side = match params.wide {
            Side::Above => "or less",
            Side::Below => "or more",
        };
        match self.told(change) {
            Some(episode) => {
                let edge = measured(params, unit, episode.closing_edge(params));
                format!("{what} of {edge} {side}, no longer wide enough to open")
            }
            None => {
                format!("{what} that has narrowed from its widest, no longer wide enough to open")
            }
        }
    }
}

/// The key of the measure.
fn key(measure: Gap) -> &'static str {
    match measure {
        Gap::Level => "level",
        Gap::Ratio => "ratio",
        Gap::Discount => "discount_pct",
        Gap::Difference => "difference",
    }
}

/// A measure with its unit.
fn measured(params: &Params, unit: Unit, value: f64) -> String {
    match (params.measure, unit) {
        (Gap::Discount, _) => format!("{} %", text::fixed(value, 1)),
        (Gap::Ratio, _) => text::number(value),
        (Gap::Difference, Unit::Percent) => format!("{} points", text::number(round(value, 2))),
        (Gap::Level | Gap::Difference, _) => text::value(value, unit),
    }
}

fn describe(
    params: &Params,
    unit: Unit,
    now: &Width,
    series: Held,
    against: Option<Held>,
) -> String {
    let name = &params.series;
    let value = measured(params, unit, now.value);
    let (Some(other), Some(against)) = (&params.against, against) else {
        return format!("{name} at {value}");
    };
    let both = format!(
        "{} against {}",
        text::value(series.value, unit),
        text::value(against.value, unit)
    );
    match params.measure {
        Gap::Discount => format!("{name} is at a discount of {value} to {other}, {both}"),
        Gap::Difference => format!("{name} minus {other} is {value}, {both}"),
        Gap::Ratio | Gap::Level => format!("{name} is {value} of {other}, {both}"),
    }
}

impl Held {
    fn fact(&self) -> Fact {
        let mut group = Evidence::new();
        group.insert("value".to_owned(), round(self.value, 6).into());
        group.insert("date".to_owned(), self.date.into());
        group.into()
    }
}
