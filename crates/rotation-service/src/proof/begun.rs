//! Since when rules are at work. One that was added, or changed, after the log's beginning starts cold: its windows are
//! not those that the whole log gives, and what it decided does not follow from the log alone.

use super::Step;
use crate::kafka::KafkaSettings;
use crate::kafka::log::TopicLog;
use crate::kafka::topics::TopicError;
use rdkafka::Message;
use rotation_engine::output::Output;
use rotation_engine::plan::UniversePlan;
use rotation_engine::time::EventTime;
use rotation_wire::readings::ReadingRecord;
use std::collections::BTreeMap;
use std::fmt;

/// A rule's universe, name and version.
type Rule = (String, String, String);

/// What the readings topic says of when rules began, and what the engine says of the bars log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Begun {
    /// The event time of what was told first of each universe.
    universes: BTreeMap<String, EventTime>,
    /// The first reading that was told of each rule.
    told: BTreeMap<Rule, EventTime>,
    /// The first that is computed, from there on where the universe was told of.
    computed: BTreeMap<Rule, EventTime>,
}

/// A rule that began after its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Late {
    rule: String,
    /// Its first reading, where it has any.
    since: Option<EventTime>,
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = &self.rule;
        match self.since {
            Some(since) => write!(
                f,
                "rule {rule} began later than the bars log, its first reading is of {since}"
            )?,
            None => write!(
                f,
                "rule {rule} has not begun yet as the configuration has it"
            )?,
        }
        f.write_str(": one that is added or changed starts cold, so its windows are not those of the whole log")
    }
}

impl Begun {
    /// Reads the readings topic. Where there is none, or its beginning is gone, nothing is known.
    pub(crate) fn read(settings: &KafkaSettings, purpose: &str) -> Result<Begun, TopicError> {
        let mut begun = Begun::default();
        let log = match TopicLog::open(settings, &settings.topics.readings, purpose) {
            Ok(log) => log,
            Err(TopicError::Missing { .. } | TopicError::Hidden { .. }) => return Ok(begun),
            Err(error) => return Err(error),
        };
        if log.spans().values().any(|(low, _)| *low > 0) {
            return Ok(begun);
        }
        log.read_all(|message| {
            let record = message.payload().map(ReadingRecord::decode);
            if let Some(Ok(record)) = record {
                begun.take(&record);
            }
        })?;
        Ok(begun)
    }

    /// Takes a record of the readings topic.
    pub(crate) fn take(&mut self, record: &ReadingRecord) {
        let (universe, at) = match record {
            ReadingRecord::Reading(reading) => (&reading.universe, reading.as_of),
            ReadingRecord::Horizon(horizon) => (&horizon.universe, horizon.horizon),
        };
        earlier(&mut self.universes, universe.clone(), at);
        if let ReadingRecord::Reading(reading) = record {
            let (rule, version) = (reading.rule.clone(), reading.rule_version.clone());
            earlier(&mut self.told, (universe.clone(), rule, version), at);
        }
    }

    /// Sees what the engine says to a record of the bars log.
    pub(crate) fn see(&mut self, step: &Step<'_>) {
        for output in step.outputs {
            if let Output::Reading(reading) = output {
                self.computed(step.plan, reading.rule_index as usize, reading.as_of);
            }
        }
    }

    /// Takes a reading that is computed.
    pub(crate) fn computed(&mut self, plan: &UniversePlan, rule: usize, as_of: EventTime) {
        let first = self.universes.get(&plan.name);
        if first.is_some_and(|first| as_of >= *first) {
            earlier(&mut self.computed, named(plan, rule), as_of);
        }
    }

    /// Whether a rule began later than its log, as far as that is known.
    pub(crate) fn late(&self, plan: &UniversePlan, rule: usize) -> Option<Late> {
        let named = named(plan, rule);
        let computed = self.computed.get(&named)?;
        let told = self.told.get(&named).copied();
        told.is_none_or(|told| told > *computed).then_some(Late {
            rule: named.1,
            since: told,
        })
    }
}

fn named(plan: &UniversePlan, rule: usize) -> Rule {
    let rule = &plan.rules[rule];
    (plan.name.clone(), rule.name.clone(), rule.version.clone())
}

fn earlier<K: Ord>(first: &mut BTreeMap<K, EventTime>, key: K, at: EventTime) {
    let first = first.entry(key).or_insert(at);
    *first = at.min(*first);
}
