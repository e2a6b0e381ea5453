//! What `analogue` says of itself.

use super::paths::{Match, distance};
use super::{Params, State};
use crate::alert::{Evidence, Fact, round};
use crate::detector::{Account, Change, text};
use jiff::Span;
use jiff::civil::{Date, date};

impl State {
    pub(super) fn tell(&self, params: &Params, change: &Change) -> Account {
        let matches = match self.best {
            Some(_) => self
                .paths
                .matches(params.nearest(), params.matches as usize),
            None => Vec::new(),
        };
        Account {
            evidence: self.evidence(params, &matches),
            headline: self.headline(params, &matches, change),
            reverses: match params.end_at() {
                Some(end_at) => format!("a best distance above {}", text::number(end_at)),
                None => "nothing: it reads and fires nothing".to_owned(),
            },
            direction: None,
        }
    }

    fn evidence(&self, params: &Params, matches: &[Match]) -> Evidence {
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        put("length", params.length.into());
        put("after_sections", params.after.into());
        put(
            "searched",
            params
                .history
                .min(u32::try_from(self.paths.len()).unwrap_or(u32::MAX))
                .into(),
        );
        if let (Some(start), Some(end)) = (self.day(params.length as usize - 1), self.day(0)) {
            put("start", start.into());
            put("end", end.into());
        }
        let facts = matches.iter().map(|found| self.fact(params, found));
        put("matches", facts.collect::<Vec<_>>().into());
        let outcomes = matches
            .iter()
            .filter_map(|found| self.outcome(params, found.lag));
        if let Some(mean) = mean(outcomes) {
            put("after_mean_pct", round(mean * 100.0, 4).into());
        }
        let lags = params.after as usize..self.paths.len();
        if let Some(mean) = mean(lags.filter_map(|lag| self.outcome(params, lag)))
            && !matches.is_empty()
        {
            put("after_always_pct", round(mean * 100.0, 4).into());
        }
        evidence
    }

    fn fact(&self, params: &Params, found: &Match) -> Fact {
        let mut facts = Evidence::new();
        let mut put = |key: &str, fact: Fact| facts.insert(key.to_owned(), fact);
        let [start, end] = self.span(params, found);
        put("start", start.into());
        put("end", end.into());
        put(
            "distance",
            round(distance(found.correlation, params.length), 6).into(),
        );
        put("correlation", round(found.correlation, 6).into());
        if let Some(after) = self.outcome(params, found.lag) {
            put("after_pct", round(after * 100.0, 4).into());
        }
        facts.into()
    }

    /// The return that followed a window that ended so many sections ago.
    fn outcome(&self, params: &Params, lag: usize) -> Option<f64> {
        self.paths.outcome(lag, params.after as usize)
    }

    /// The first and the last day of a past window.
    fn span(&self, params: &Params, found: &Match) -> [Date; 2] {
        let start = found.lag + params.length as usize - 1;
        [start, found.lag].map(|lag| self.day(lag).unwrap_or_default())
    }

    /// The day so many sections ago.
    fn day(&self, lag: usize) -> Option<Date> {
        let at = self.days.len().checked_sub(1 + lag)?;
        let epoch = date(1970, 1, 1);
        Some(epoch.saturating_add(Span::new().days(self.days[at])))
    }

    fn headline(&self, params: &Params, matches: &[Match], change: &Change) -> String {
        let Params { series, length, .. } = params;
        let Some(best) = matches.first() else {
            return format!("{series} has nothing yet to compare its last {length} sections with");
        };
        let [start, end] = self.span(params, best);
        let distance = round(distance(best.correlation, *length), 2);
        let after = match self.outcome(params, best.lag) {
            Some(after) => {
                let sections = text::counted(params.after, "session");
                format!(
                    "; {} in the {sections} after it",
                    text::signed_percent(after)
                )
            }
            None => String::new(),
        };
        let like = match change {
            Change::Resolve(_) => "is no more as like any past stretch; closest is",
            _ => "is most like",
        };
        format!(
            "{series} over {length} sessions {like} {start} to {end}, distance {distance}{after}"
        )
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    let mean = sum / count;
    mean.is_finite().then_some(mean)
}
