//! What `turbulence` says of itself.

use super::{Far, Params, State, Today};
use crate::alert::{Evidence, Fact, round};
use crate::detector::{Account, Change, text};

impl State {
    pub(super) fn tell(&self, params: &Params, change: &Change) -> Account {
        let sections = text::counted(params.calm_sections, "section");
        let percentile = params.close_percentile;
        Account {
            evidence: self.evidence(params),
            headline: self.headline(params, change),
            reverses: format!("{sections} in a row at or below percentile {percentile}"),
            direction: None,
        }
    }

    fn evidence(&self, params: &Params) -> Evidence {
        let mut evidence = Evidence::new();
        self.tally.put(&mut evidence);
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        put("window", params.window.into());
        if self.is_open {
            put("calm_sections", self.calm.into());
        }
        let Some(today) = &self.today else {
            return evidence;
        };
        put("distance", round(today.distance, 4).into());
        put(
            "per_member",
            round(today.distance / f64::from(self.tally.counted), 4).into(),
        );
        put("history", today.among.into());
        put("shrinkage", round(today.shrinkage, 6).into());
        if let Some(rank) = today.rank {
            put("percentile", round(100.0 * rank, 2).into());
        }
        let furthest = today.furthest.iter().map(|far| {
            let mut group = Evidence::new();
            let mut put = |key: &str, fact: Fact| group.insert(key.to_owned(), fact);
            put("symbol", symbol(params, far).into());
            put("return", round(far.change, 6).into());
            put("deviations", round(far.deviations, 2).into());
            Fact::Group(group)
        });
        put("furthest", furthest.collect::<Vec<_>>().into());
        evidence
    }

    fn headline(&self, params: &Params, change: &Change) -> String {
        let group = &params.group;
        let Some(today) = &self.today else {
            let (counted, members) = (self.tally.counted, self.tally.members);
            return format!("{group}: no distance from {counted} of {members} members");
        };
        let Today {
            distance,
            rank,
            among,
            furthest,
            ..
        } = today;
        let distance = round(*distance, 1);
        let rank = rank.map_or(String::new(), |rank| {
            format!(
                ", {} % of {among} before were nearer",
                round(100.0 * rank, 1)
            )
        });
        let what = match change {
            Change::Resolve(_) => "calm again, distance",
            _ => "distance",
        };
        let moved = furthest.first().map_or(String::new(), |far| {
            let deviations = round(far.deviations, 1);
            format!(
                "; {} {} ({deviations} deviations)",
                symbol(params, far),
                text::signed_percent(far.change)
            )
        });
        format!("{group}: {what} {distance}{rank}{moved}")
    }
}

fn symbol<'a>(params: &'a Params, far: &Far) -> &'a str {
    params.members.symbols()[far.place as usize].as_str()
}
