//! What `stale_feed` says of itself.

use super::{Feed, Params, State};
use crate::alert::{Evidence, Fact};
use crate::detector::{Account, Change, text};
use std::cmp::Reverse;

/// So many stale series are listed one by one, the longest silent first.
const LISTED: usize = 20;

impl State {
    pub(super) fn tell(&self, params: &Params, change: &Change) -> Account {
        let mut stale: Vec<(&str, &Feed)> = params
            .series
            .iter()
            .map(String::as_str)
            .zip(&self.feeds)
            .filter(|(_, feed)| feed.is_stale(params))
            .collect();
        stale.sort_by_key(|(_, feed)| Reverse(feed.silent));
        Account {
            evidence: self.evidence(params, &stale),
            headline: self.headline(params, &stale, change),
            reverses: "a value of each stale series".to_owned(),
            direction: None,
        }
    }

    fn evidence(&self, params: &Params, stale: &[(&str, &Feed)]) -> Evidence {
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        put("watched", count(params.series.len()));
        put("stale", count(stale.len()));
        put("max_silence", params.max_silence.into());
        put("longest_silence", self.longest.into());
        let waiting = self.feeds.iter().filter(|feed| feed.last.is_none());
        put("never_seen", count(waiting.count()));
        let feeds = stale.iter().take(LISTED).map(|(symbol, feed)| {
            let mut facts = Evidence::from([
                ("series".to_owned(), (*symbol).into()),
                ("silent".to_owned(), feed.silent.into()),
            ]);
            let marks = [("since", feed.since), ("last", feed.last)];
            let marks = marks
                .into_iter()
                .filter_map(|(key, mark)| Some((key.to_owned(), mark?.fact())));
            facts.extend(marks);
            Fact::Group(facts)
        });
        put("feeds", feeds.collect::<Vec<_>>().into());
        evidence
    }

    fn headline(&self, params: &Params, stale: &[(&str, &Feed)], change: &Change) -> String {
        if let Change::Resolve(_) = change {
            let (silent, whose) = self.worst;
            let symbol = params.series.get(whose as usize).map_or("", String::as_str);
            let sections = text::counted(silent, "section");
            return format!("{symbol} was silent for {sections}; no series is stale now");
        }
        let Some((symbol, feed)) = stale.first() else {
            let silent = text::counted(self.longest, "section");
            return match params.series.as_slice() {
                [one] => format!("{one} is not stale, silent for {silent}"),
                several => {
                    let watched = several.len();
                    format!("none of {watched} series is stale, the longest silent for {silent}")
                }
            };
        };
        let sections = text::counted(feed.silent, "section");
        let last = match feed.last {
            Some(last) => format!("its last value is of {last}"),
            None => "it never had a value".to_owned(),
        };
        let others = match stale.len() {
            1 => String::new(),
            2 => "; 1 other series is stale".to_owned(),
            several => format!("; {} other series are stale", several - 1),
        };
        format!("{symbol} silent for {sections}, {last}{others}")
    }
}

fn count(things: usize) -> Fact {
    Fact::Count(i64::try_from(things).unwrap_or(i64::MAX))
}
