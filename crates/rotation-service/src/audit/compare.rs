//! What was published against what the engine decides now from the same bars.

use super::Finding;
use crate::backtest::closure;
use crate::proof::{Begun, Late, Published, Range};
use rotation_engine::plan::UniversePlan;
use rotation_wire::alerts::{AlertEvent, Position};
use rotation_wire::invariants::{Different, Place, equal};
use rotation_wire::partition::partition_for;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Fields that a configuration may change without making another rule of it.
const OUTSIDE_VERSION: [&str; 7] = [
    "data.severity",
    "data.notify",
    "data.base_rate",
    "data.runbook",
    "data.replay",
    "data.quality.capped_from",
    "data.parent_episode",
];

/// Why an episode ends whose rule is evaluated no more as it was.
pub(crate) const BY_CONFIGURATION: [&str; 3] = ["rule_changed", "rule_removed", "universe_removed"];

/// What the engine decided from a record of the bars log.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) event: AlertEvent,
    /// The record.
    pub(crate) place: Place,
}

/// What there is to compare on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grounds {
    /// The bars log.
    pub(crate) bars: String,
    /// Partitions of the bars log that begin with their first record, and how far each was taken.
    pub(crate) until: BTreeMap<i32, (bool, i64)>,
    /// Universes that refused the log, and why.
    pub(crate) refused: BTreeMap<String, String>,
    /// For each partition of the alert topic, the first offset of the bars log that its oldest event cites; only where
    /// older ones are gone.
    pub(crate) floor: BTreeMap<i32, i64>,
    /// Number of partitions of the alert topic.
    pub(crate) partitions: u32,
    pub(crate) range: Range,
    /// Since when rules are at work.
    pub(crate) begun: Begun,
    /// Compare so many events only.
    pub(crate) sample: Option<usize>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Comparison {
    /// Events that were held against what was decided.
    pub(crate) compared: usize,
    /// Those that are the same.
    pub(crate) identical: usize,
    pub(crate) findings: Vec<Finding>,
    /// Events that could not be compared, by why.
    pub(crate) left_out: BTreeMap<String, u64>,
}

struct Compare<'a> {
    grounds: &'a Grounds,
    plans: &'a [Arc<UniversePlan>],
    /// Versions that were published of each rule.
    versions: BTreeMap<(&'a str, &'a str), BTreeSet<&'a str>>,
    /// Rules of which an episode was ended by a configuration: they began cold after it.
    ended: BTreeSet<(&'a str, &'a str)>,
}

/// Holds each published event against the one that was decided.
pub(crate) fn compare(
    plans: &[Arc<UniversePlan>],
    grounds: &Grounds,
    published: &[Published],
    decided: &[Decided],
) -> Comparison {
    let mut versions: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    let mut ended = BTreeSet::new();
    for event in published
        .iter()
        .filter_map(|published| published.event.as_ref().ok())
    {
        let alert = &event.alert;
        let rule = (alert.universe.as_str(), alert.rule.as_str());
        let version = alert.rule_version.as_str();
        versions.entry(rule).or_default().insert(version);
        let reason = alert.resolve_reason.as_deref().unwrap_or_default();
        if BY_CONFIGURATION.contains(&reason) {
            ended.insert(rule);
        }
    }
    let compare = Compare {
        grounds,
        plans,
        versions,
        ended,
    };
    let mut result = Comparison::default();
    let mut told: Vec<&Published> = Vec::new();
    for published in published {
        let Ok(event) = &published.event else {
            continue;
        };
        if !grounds
            .range
            .holds(published.place.offset, event.alert.as_of)
        {
            continue;
        }
        match compare.left_out(event) {
            None => told.push(published),
            Some(reason) => *result.left_out.entry(reason).or_default() += 1,
        }
    }
    if let Some(sample) = grounds.sample {
        told = spread(told, sample);
    }
    let ids: BTreeSet<&str> = ids(published).collect();
    let sampled: BTreeSet<&str> = ids_of(&told).collect();
    for is_exact in [true, false] {
        let told: Vec<&Published> = told
            .iter()
            .copied()
            .filter(|told| compare.is_exact_of(told) == is_exact)
            .collect();
        let reference: Vec<&Decided> = decided
            .iter()
            .filter(|decided| {
                let id = decided.event.alert.id.as_str();
                compare.is_exact(&decided.event.alert, decided.place.partition) == is_exact
                    && (sampled.contains(id) || (!ids.contains(id) && compare.is_due(decided)))
            })
            .collect();
        result.hold(&told, &reference, is_exact);
    }
    result
}

fn ids(published: &[Published]) -> impl Iterator<Item = &str> {
    let events = published.iter().filter_map(|it| it.event.as_ref().ok());
    events.map(|event| event.alert.id.as_str())
}

fn ids_of<'a>(published: &[&'a Published]) -> impl Iterator<Item = &'a str> {
    let events: Vec<_> = published
        .iter()
        .filter_map(|it| it.event.as_ref().ok())
        .collect();
    events.into_iter().map(|event| event.alert.id.as_str())
}

/// So many of them, evenly over the whole.
fn spread(all: Vec<&Published>, sample: usize) -> Vec<&Published> {
    let (count, sample) = (all.len(), sample.min(all.len()));
    (0..sample).map(|at| all[at * count / sample]).collect()
}

impl Compare<'_> {
    /// Why an event cannot be computed anew; nothing where it can.
    fn left_out(&self, event: &AlertEvent) -> Option<String> {
        let alert = &event.alert;
        let plan = self.plans.iter().find(|plan| plan.name == alert.universe);
        let rule = plan.and_then(|plan| plan.rules.iter().find(|rule| rule.name == alert.rule));
        let Some(rule) = rule else {
            return Some("the configuration has no such rule".to_owned());
        };
        if rule.version != alert.rule_version {
            return Some("the configuration has another version of the rule".to_owned());
        }
        if let Some(reason) = self.grounds.refused.get(&alert.universe) {
            return Some(format!("universe {}: {reason}", alert.universe));
        }
        let Some(cause) = cause(event, &self.grounds.bars) else {
            return Some(format!("cites no record of {}", self.grounds.bars));
        };
        match self.grounds.until.get(&cause.partition) {
            Some((_, until)) if cause.offset < *until => None,
            _ => Some("published after this audit began".to_owned()),
        }
    }

    /// Whether what is decided now has to be what was decided then: the log is there from its first record, and the
    /// rule, and those that it reads, never had another version and did not begin later.
    fn is_exact(&self, alert: &rotation_engine::alert::Alert, partition: i32) -> bool {
        let is_whole = |until: Option<&(bool, i64)>| until.is_some_and(|(whole, _)| *whole);
        if !is_whole(self.grounds.until.get(&partition)) {
            return false;
        }
        let Some(plan) = self.plans.iter().find(|plan| plan.name == alert.universe) else {
            return false;
        };
        let Some(rule) = plan.rules.iter().position(|rule| rule.name == alert.rule) else {
            return false;
        };
        on_which(plan, rule).into_iter().all(|rule| {
            let rule = &plan.rules[rule];
            let named = (plan.name.as_str(), rule.name.as_str());
            let known = self.versions.get(&named);
            let is_one = |known: &BTreeSet<&str>| known.iter().all(|it| *it == rule.version);
            !self.ended.contains(&named) && known.is_none_or(is_one)
        }) && late(plan, rule, &self.grounds.begun).is_none()
    }

    fn is_exact_of(&self, published: &Published) -> bool {
        published.event.as_ref().is_ok_and(|event| {
            cause(event, &self.grounds.bars)
                .is_some_and(|cause| self.is_exact(&event.alert, cause.partition))
        })
    }

    /// Whether an event has to stand on the topic, as far as that can be known.
    fn is_due(&self, decided: &Decided) -> bool {
        let (grounds, alert) = (self.grounds, &decided.event.alert);
        let partition = partition_for(alert.key().as_bytes(), grounds.partitions.max(1));
        let partition = i32::try_from(partition).unwrap_or(i32::MAX);
        let floor = grounds.floor.get(&partition);
        grounds.sample.is_none()
            && !grounds.range.is_by_offset()
            && grounds.range.holds(0, alert.as_of)
            && !grounds.refused.contains_key(&alert.universe)
            && floor.is_none_or(|floor| decided.place.offset > *floor)
    }
}

/// A rule on which the events of this one depend that began later than the log.
pub(crate) fn late(plan: &UniversePlan, rule: usize, begun: &Begun) -> Option<Late> {
    let mut rules = on_which(plan, rule).into_iter();
    rules.find_map(|rule| begun.late(plan, rule))
}

/// The rules that the events of a rule depend on: itself, those that it reads, and the one that it is a part of, with
/// what that reads.
fn on_which(plan: &UniversePlan, rule: usize) -> BTreeSet<usize> {
    let parents = plan.rules.iter().enumerate().filter(|(_, parent)| {
        let parts = &parent.reads[..parent.own_reads()];
        parent.kind.folds() && parts.iter().any(|part| *part as usize == rule)
    });
    let parents = parents.flat_map(|(parent, _)| closure(plan, parent));
    closure(plan, rule).into_iter().chain(parents).collect()
}

/// The record of the bars log that an event cites.
pub(crate) fn cause<'a>(event: &'a AlertEvent, bars: &str) -> Option<&'a Position> {
    let cited = event.positions.as_ref()?;
    cited.iter().find(|position| position.topic == bars)
}

impl Comparison {
    fn hold(&mut self, told: &[&Published], reference: &[&Decided], is_exact: bool) {
        let expected: Vec<Vec<u8>> = reference
            .iter()
            .map(|decided| AlertEvent::from(decided.event.alert.clone()).encode())
            .collect();
        let found: Vec<(Place, &[u8])> = told
            .iter()
            .map(|told| (told.place, told.bytes.as_slice()))
            .collect();
        let mut unequal = equal(&expected, &found);
        unequal
            .different
            .extend(displaced(told, reference, &unequal.different));
        let wrong = unequal.different.len() + unequal.invented.len();
        self.compared += told.len();
        self.identical += told.len().saturating_sub(wrong);
        if !is_exact {
            if wrong > 0 {
                let reason = "the rule in this version, or the bars log, does not go back to the beginning: not the \
                              same windows";
                *self.left_out.entry(reason.to_owned()).or_default() += wrong as u64;
                self.compared -= wrong;
            }
            return;
        }
        for (id, place) in unequal.invented {
            let message = format!("{id} at {place} does not follow from the bars log");
            self.find("invented", id, Some(place), message);
        }
        for different in unequal.different {
            let message = describe(&different);
            self.find("different", different.id, Some(different.place), message);
        }
        for id in unequal.lost {
            let cause = reference
                .iter()
                .find(|decided| decided.event.alert.id == id);
            let by = cause.map_or_else(String::new, |decided| {
                format!(", decided by the bars log's {}", decided.place)
            });
            let message = format!("{id} is not on the topic{by}");
            self.find("lost", id, None, message);
        }
    }

    fn find(&mut self, code: &'static str, id: String, place: Option<Place>, message: String) {
        self.findings.push(Finding {
            code,
            id: Some(id),
            place,
            message,
        });
    }
}

/// Events that say the same, and cite another record than the one that they follow from.
fn displaced(told: &[&Published], reference: &[&Decided], known: &[Different]) -> Vec<Different> {
    let decided: BTreeMap<&str, &Decided> = reference
        .iter()
        .map(|decided| (decided.event.alert.id.as_str(), *decided))
        .collect();
    let mut displaced = Vec::new();
    for published in told {
        let Ok(event) = &published.event else {
            continue;
        };
        let id = &event.alert.id;
        let Some(decided) = decided.get(id.as_str()) else {
            continue;
        };
        let is_known = known.iter().any(|it| it.place == published.place);
        if event.positions != decided.event.positions && !is_known {
            let cited = |event: &AlertEvent| serde_json::to_string(&event.positions).ok();
            displaced.push(Different {
                id: id.clone(),
                place: published.place,
                fields: vec![(
                    "data.positions".to_owned(),
                    cited(&decided.event),
                    cited(event),
                )],
            });
        }
    }
    displaced
}

/// The fields that differ, in a sentence.
pub(crate) fn describe(different: &Different) -> String {
    const SHOWN: usize = 6;
    let absent = "nothing".to_owned();
    let fields: Vec<String> = different
        .fields
        .iter()
        .take(SHOWN)
        .map(|(name, expected, found)| {
            let [expected, found] = [expected, found].map(|it| it.as_ref().unwrap_or(&absent));
            format!("{name}: computed {expected}, published {found}")
        })
        .collect();
    let more = match different.fields.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let is_outside = different
        .fields
        .iter()
        .all(|(name, ..)| is_outside_version(name));
    let hint = if is_outside {
        " (not part of the rule's version: was the configuration changed since?)"
    } else {
        ""
    };
    let (id, place) = (&different.id, different.place);
    format!("{id} at {place} differs: {}{more}{hint}", fields.join("; "))
}

fn is_outside_version(field: &str) -> bool {
    OUTSIDE_VERSION.iter().any(|outside| {
        let rest = field.strip_prefix(outside);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

#[cfg(test)]
mod tests;
