//! What is asked of the model.

use super::episodes::{Told, rank};
use super::readings::{Log, latest};
use super::{Change, Model};
use crate::backtest::legs;
use crate::view::shape::{
    Episode, EpisodeDetail, Episodes, Map, MapName, Readings, RegimeHistory, Rule, Rules, Series,
    Shared, Source, UniverseState, Window,
};
use rotation_engine::alert::Severity;
use rotation_engine::detector::{Kind, Unit};
use rotation_engine::plan::{RulePlan, UniversePlan};
use rotation_engine::time::EventTime;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Readings shown before an episode's beginning and after its end.
const BEFORE: usize = 120;
const AFTER: usize = 40;
/// Readings in the list of rules.
const RULE_POINTS: usize = 120;
/// Symbols named in a sentence.
const NAMED_MAX: usize = 6;

/// From an instant up to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Nothing before it.
    pub from: Option<EventTime>,
    /// Nothing from it on.
    pub to: Option<EventTime>,
}

/// Which episodes are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpisodeFilter {
    /// Of this universe.
    pub universe: Option<String>,
    /// Of this rule.
    pub rule: Option<String>,
    /// Whose subject has this in it, in whatever case.
    pub subject: Option<String>,
    /// Whose highest severity is this.
    pub severity: Option<Severity>,
    /// Open, or ended.
    pub open: Option<bool>,
    /// That stood at some time of these.
    pub range: Range,
    /// At most so many.
    pub limit: usize,
    /// After this one: when it was opened, and its id.
    pub after: Option<(EventTime, String)>,
}

impl EpisodeFilter {
    fn holds(&self, episode: &Episode) -> bool {
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|it| it == found);
        let subject = episode.subject.to_lowercase();
        is(&self.universe, &episode.universe)
            && is(&self.rule, &episode.rule)
            && self
                .subject
                .as_ref()
                .is_none_or(|part| subject.contains(&part.to_lowercase()))
            && self
                .severity
                .is_none_or(|severity| severity == episode.worst)
            && self.open.is_none_or(|open| open == episode.open)
            && self.range.to.is_none_or(|to| episode.opened_at < to)
            && self
                .range
                .from
                .is_none_or(|from| episode.ended_at.is_none_or(|end| end >= from))
    }
}

/// A rule that is asked for and that there is not.
pub(crate) type Unknown = String;

impl Model {
    /// A universe at a glance.
    pub(crate) fn universe(&self, name: &str, now: EventTime) -> Option<UniverseState> {
        let plan = self.plans.iter().find(|plan| plan.name == name)?;
        let horizon = self.horizons.get(name);
        let decided = horizon.map(|horizon| horizon.horizon);
        let sources = horizon.into_iter().flat_map(|horizon| &horizon.sources);
        let open = self.episodes.iter().filter(|told| told.episode.open);
        let regimes = plan
            .rules
            .iter()
            .filter(|rule| matches!(rule.kind, Kind::Regime(_)));
        let mut regimes = regimes.filter_map(|rule| self.readings.get(name, &rule.name)?.regime());
        Some(UniverseState {
            name: name.to_owned(),
            calendar: plan.calendar.to_string(),
            horizon: decided,
            newest: horizon.and_then(|horizon| horizon.newest),
            #[expect(clippy::cast_precision_loss, reason = "a lag is shown to the second")]
            lag_seconds: decided.map(|decided| now.saturating_since(decided) as f64 / 1e9),
            sources: sources
                .map(|source| Source {
                    partition: source.partition,
                    horizon: source.horizon,
                    excluded: source.excluded,
                })
                .collect(),
            stale: self.stale(plan).into_iter().collect(),
            rules: plan.rules.len(),
            open: open.filter(|told| told.episode.universe == name).count(),
            regime: regimes.next(),
        })
    }

    /// The series that were missing at the newest reading of some rule.
    fn stale(&self, plan: &UniversePlan) -> BTreeSet<String> {
        let is_in_force = |rule: &str| plan.rules.iter().any(|known| known.name == rule);
        let logs = self
            .readings
            .of(&plan.name)
            .filter(|(rule, _)| is_in_force(rule));
        let named = logs.flat_map(|(_, log)| &log.newest.quality.stale);
        let series = named.filter(|name| plan.series_ix(name).is_some());
        series.cloned().collect()
    }

    /// The universes, in order.
    pub(crate) fn universes(&self, now: EventTime) -> Vec<UniverseState> {
        let names = self.plans.iter().map(|plan| plan.name.as_str());
        names.filter_map(|name| self.universe(name, now)).collect()
    }

    fn sparked(&self, episode: &Episode) -> Episode {
        let mut episode = episode.clone();
        episode.spark = self.readings.spark(&episode.universe, &episode.rule);
        episode
    }

    /// Open episodes, the most severe first, then the newest.
    pub(crate) fn open(&self) -> Vec<Episode> {
        let open = self.episodes.iter().map(|told| &told.episode);
        let mut open: Vec<&Episode> = open.filter(|episode| episode.open).collect();
        open.sort_by_key(|episode| (Reverse(episode.severity), rank(episode)));
        open.into_iter()
            .map(|episode| self.sparked(episode))
            .collect()
    }

    /// Episodes, the newest first.
    pub(crate) fn episodes(&self, filter: &EpisodeFilter) -> Episodes {
        let all = self.episodes.iter().map(|told| &told.episode);
        let found: Vec<&Episode> = all.filter(|episode| filter.holds(episode)).collect();
        let after = filter
            .after
            .clone()
            .map(|(opened, id)| (Reverse(opened), id));
        let begin = after.map_or(0, |after| found.partition_point(|it| rank(it) <= after));
        let end = (begin + filter.limit).min(found.len());
        let page = &found[begin..end];
        let next = page.last().filter(|_| end < found.len());
        Episodes {
            episodes: page.iter().copied().cloned().collect(),
            next: next.map(|last| cursor(last)),
            total: found.len(),
        }
    }

    /// The episode of that id, or with an event of that id.
    fn told(&self, id: &str) -> Option<&Told> {
        self.episodes.get(id).or_else(|| {
            let (episode, transition) = id.rsplit_once('/')?;
            let told = self.episodes.get(episode)?;
            let transition = transition.parse().ok()?;
            told.events.contains_key(&transition).then_some(told)
        })
    }

    /// An episode with all that there is to show of it; `explain` makes its command line.
    pub(crate) fn episode(
        &self,
        id: &str,
        explain: impl Fn(&str) -> String,
    ) -> Option<EpisodeDetail> {
        let told = self.told(id)?;
        let episode = &told.episode;
        let log = self.readings.get(&episode.universe, &episode.rule);
        let range = log.map(|log| around(log, episode)).unwrap_or_default();
        let plan = self.plans.iter().find(|plan| plan.name == episode.universe);
        let unit = |name: &str| {
            let plan = plan?;
            Some(unit_name(plan.series(plan.series_ix(name)?).unit).to_owned())
        };
        let series = log.map(|log| log.series(range.clone())).unwrap_or_default();
        let parts = self.episodes.iter().map(|told| &told.episode);
        let parts = parts.filter(|part| part.parent.as_ref() == Some(&episode.episode));
        Some(EpisodeDetail {
            window: Window {
                from: episode.since,
                to: episode.ended_at,
            },
            events: told.events.values().map(super::Packed::json).collect(),
            reading: Readings {
                unit: episode.unit.clone(),
                points: log
                    .filter(|log| log.newest.unit == episode.unit)
                    .map(|log| {
                        log.points
                            .range(range)
                            .map(super::readings::Point::triple)
                            .collect()
                    })
                    .unwrap_or_default(),
            },
            series: series
                .into_iter()
                .map(|(name, points)| Series {
                    unit: unit(name),
                    name: name.clone(),
                    points,
                })
                .collect(),
            parts: parts.cloned().collect(),
            explain: explain(&episode.episode),
            episode: self.sparked(episode),
        })
    }

    /// Whether an event of that id was told.
    pub(crate) fn has_event(&self, id: &str) -> bool {
        self.episodes.get(id).is_none() && self.told(id).is_some()
    }

    /// The rules in force and how they stand.
    pub(crate) fn rules(&self) -> Rules {
        let mut open: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for episode in self
            .episodes
            .iter()
            .map(|told| &told.episode)
            .filter(|it| it.open)
        {
            *open.entry((&episode.universe, &episode.rule)).or_default() += 1;
        }
        let plans = self.plans.iter();
        let rules = plans.flat_map(|plan| (0..plan.rules.len()).map(move |at| (plan, at)));
        let rules = rules.map(|(plan, at)| {
            let rule = &plan.rules[at];
            let log = self.readings.get(&plan.name, &rule.name);
            let points = log
                .into_iter()
                .flat_map(|log| log.newest_points(RULE_POINTS));
            Rule {
                universe: plan.name.clone(),
                rule: rule.name.clone(),
                kind: rule.kind.name().to_owned(),
                clock: rule.clock.to_string(),
                subject: rule.subject.clone(),
                unit: rule.unit.clone(),
                open: open
                    .get(&(plan.name.as_str(), rule.name.as_str()))
                    .copied()
                    .unwrap_or(0),
                about: about(rule.kind.name()),
                missing: log.is_none().then(|| self.missing(plan, at)),
                reading: log.map(|log| latest(&log.newest)),
                nearness: log.and_then(Log::nearness),
                points: points.map(super::readings::Point::triple).collect(),
            }
        });
        Rules {
            rules: rules.collect(),
        }
    }

    /// Why a rule has no reading, as far as the topics tell.
    fn missing(&self, plan: &UniversePlan, rule: usize) -> String {
        let Some(horizon) = self.horizons.get(&plan.name) else {
            return "nothing was decided in this universe yet".to_owned();
        };
        let legs = legs(plan, rule);
        let symbols: Vec<&str> = legs
            .iter()
            .map(|leg| plan.series(*leg).symbol.as_str())
            .collect();
        let shown = symbols[..symbols.len().min(NAMED_MAX)].join(", ");
        let more = match symbols.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let until = horizon.horizon;
        format!(
            "no section gave a reading up to {until}: not warm yet, or no data for {shown}{more}"
        )
    }

    fn plan(&self, universe: &str, rule: &str) -> Option<&RulePlan> {
        let plan = self.plans.iter().find(|plan| plan.name == universe)?;
        plan.rules.iter().find(|known| known.name == rule)
    }

    /// The newest readings of a rule in a stretch of time.
    pub(crate) fn readings(
        &self,
        universe: &str,
        rule: &str,
        range: Range,
        limit: usize,
    ) -> Result<Readings, Unknown> {
        let plan = self.plan(universe, rule);
        let log = self.readings.get(universe, rule);
        let unit = log
            .map(|log| &log.newest.unit)
            .or(plan.map(|plan| &plan.unit));
        let unit = unit.ok_or_else(|| unknown(universe, rule))?;
        let points = log.map(|log| {
            let range = log.between(range.from, range.to);
            let start = range.start.max(range.end.saturating_sub(limit));
            log.points
                .range(start..range.end)
                .map(super::readings::Point::triple)
                .collect()
        });
        Ok(Readings {
            unit: unit.clone(),
            points: points.unwrap_or_default(),
        })
    }

    /// The rules that are asked for: those named, or of those that have something to show the first.
    fn chosen<'a>(
        &'a self,
        universe: Option<&str>,
        rule: Option<&str>,
        has: impl Fn(&Log) -> bool,
    ) -> Result<Option<(&'a str, &'a str, &'a Log)>, Unknown> {
        let is = |wanted: Option<&str>, found: &str| wanted.is_none_or(|wanted| wanted == found);
        let mut all = self.readings.iter();
        let found = all.find(|(in_universe, name, log)| {
            is(universe, in_universe) && is(rule, name) && has(log)
        });
        let is_known = self
            .plans
            .iter()
            .filter(|plan| is(universe, &plan.name))
            .any(|plan| rule.is_none() || plan.rules.iter().any(|known| is(rule, &known.name)));
        match found {
            None if !is_known && (universe.is_some() || rule.is_some()) => {
                Err(unknown(universe.unwrap_or("*"), rule.unwrap_or("*")))
            }
            found => Ok(found.map(|(universe, rule, log)| (universe.as_str(), rule.as_str(), log))),
        }
    }

    /// How a regime went.
    pub(crate) fn regime(
        &self,
        universe: Option<&str>,
        rule: Option<&str>,
    ) -> Result<RegimeHistory, Unknown> {
        let found = self.chosen(universe, rule, |log| !log.regimes.is_empty())?;
        let points = found.into_iter().flat_map(|(_, _, log)| &log.regimes);
        Ok(RegimeHistory {
            points: points.map(|(point, _)| point.clone()).collect(),
        })
    }

    /// The rotation picture through time.
    pub(crate) fn map(&self, universe: Option<&str>, rule: Option<&str>) -> Result<Map, Unknown> {
        let found = self.chosen(universe, rule, |log| !log.frames.is_empty())?;
        let maps = self.readings.iter().filter_map(|(universe, rule, log)| {
            Some(MapName {
                universe: universe.clone(),
                rule: rule.clone(),
                benchmark: log.benchmark.clone()?,
            })
        });
        let frames = found.map(|(_, _, log)| &log.frames);
        let members = frames
            .into_iter()
            .flatten()
            .flat_map(|frame| frame.points.keys());
        let members: BTreeSet<&String> = members.collect();
        Ok(Map {
            maps: maps.collect(),
            universe: found.map(|(universe, _, _)| universe.to_owned()),
            rule: found.map(|(_, rule, _)| rule.to_owned()),
            benchmark: found.and_then(|(_, _, log)| log.benchmark.clone()),
            members: members.into_iter().cloned().collect(),
            frames: frames.into_iter().flatten().cloned().map(Shared).collect(),
        })
    }
}

impl Change {
    /// The rule that it is about; of a horizon nothing.
    pub fn rule(&self) -> Option<(&str, &str)> {
        match self {
            Change::Alert(episode, _) => Some((&episode.universe, &episode.rule)),
            Change::Reading(reading) => Some((&reading.universe, &reading.rule)),
            Change::Horizon(_) => None,
        }
    }
}

fn unknown(universe: &str, rule: &str) -> Unknown {
    format!("there is no rule \"{rule}\" in a universe \"{universe}\"")
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Price => "price",
        Unit::Percent => "percent",
        Unit::Ratio => "ratio",
        Unit::Number => "number",
    }
}

/// Names an episode's place in the list.
pub(crate) fn cursor(episode: &Episode) -> String {
    format!("{}~{}", episode.opened_at.as_nanos(), episode.episode)
}

/// The points of a rule from before an episode to after it.
fn around(log: &Log, episode: &Episode) -> std::ops::Range<usize> {
    let within = log.between(Some(episode.since), episode.ended_at);
    let after = within.end + AFTER;
    within.start.saturating_sub(BEFORE)..after.min(log.points.len())
}

/// What a kind looks for, in one line: the first sentence of its manual.
fn about(kind: &str) -> String {
    static ABOUT: LazyLock<BTreeMap<&str, String>> = LazyLock::new(|| {
        let kinds = Kind::schemas().into_iter();
        kinds
            .map(|(kind, schema)| {
                let text = schema.get("description").and_then(|text| text.as_str());
                (kind, sentence(text.unwrap_or_default()))
            })
            .collect()
    });
    ABOUT.get(kind).cloned().unwrap_or_default()
}

/// Of "Parameters of `kind`: a thing. More." what is between.
fn sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = text
        .split_once(": ")
        .map_or(text.as_str(), |(_, said)| said);
    let said = said
        .split(". ")
        .next()
        .unwrap_or_default()
        .trim_end_matches('.');
    let mut letters = said.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}", first.unwrap_or_default(), letters.as_str())
}
