//! `[universe.NAME]`: series and rules.

use super::document::KeyPath;
use super::error::Problem;
use super::kafka::{is_name, name_bound};
use super::reader::{Reader, field_names, names_asked_for};
use rotation_engine::clock::Clock;
use rotation_engine::detector::Kind;
use rotation_engine::plan::{PlanError, RuleCommon, RuleSpec, SeriesSpec, UniversePlan, UniverseSpec};
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::{Table, Value};

const NAME_MAX: usize = 64;

/// Reads `[universe.*]`.
pub(super) fn read_all(reader: &mut Reader<'_>, table: Table, at: &KeyPath) -> Option<Vec<Arc<UniversePlan>>> {
    if table.is_empty() {
        let expected = "at least one universe, [universe.NAME]".to_owned();
        reader.fault(at, Problem::Value { expected, found: "none".to_owned() });
    }
    let before = reader.faults();
    let mut plans = Vec::new();
    for (name, value) in table {
        let at = at.key(&name);
        match value {
            Value::Table(_) if !is_name(&name, NAME_MAX) => {
                let problem = Problem::Value { expected: name_bound(NAME_MAX), found: format!("\"{name}\"") };
                reader.fault(&at, problem);
            }
            Value::Table(table) => plans.extend(read_universe(reader, table, &at, &name).map(Arc::new)),
            _ => reader.bad_value(&at, "a table", ""),
        }
    }
    (reader.faults() == before && !plans.is_empty()).then_some(plans)
}

fn read_universe(reader: &mut Reader<'_>, mut table: Table, at: &KeyPath, name: &str) -> Option<UniversePlan> {
    let series = reader.table(&mut table, at, "series").unwrap_or_default();
    let rules = reader.table(&mut table, at, "rules").unwrap_or_default();
    let known: Vec<&str> = field_names::<UniverseSpec>().iter().copied().chain(["rules"]).collect();
    reader.only_known(&mut table, at, &known);
    let before = reader.faults();
    let mut spec: Option<UniverseSpec> = reader.read(table, at);
    let series = read_each(reader, series, &at.key("series"), |reader, table, at| reader.read::<SeriesSpec>(table, at));
    let rules_written = rules.len();
    let rules = read_each(reader, rules, &at.key("rules"), read_rule);
    if rules_written == 0 {
        let expected = "at least one rule, [universe.NAME.rules.RULE]".to_owned();
        reader.fault(&at.key("rules"), Problem::Value { expected, found: "none".to_owned() });
    }
    // A series with a fault would be missed by each rule that reads it: say the one fault, not its consequences.
    let sound = reader.faults() == before;
    if let Some(spec) = &mut spec {
        spec.series = series?;
        spec.rules = rules.unwrap_or_default();
    }
    if sound { build(reader, name, spec?) } else { None }
}

/// Reads every entry of a table of tables; none when one is no table or has faults.
fn read_each<T>(
    reader: &mut Reader<'_>,
    table: Table,
    at: &KeyPath,
    mut read: impl FnMut(&mut Reader<'_>, Table, &KeyPath) -> Option<T>,
) -> Option<BTreeMap<String, T>> {
    let mut all = Some(BTreeMap::new());
    for (name, value) in table {
        let at = at.key(&name);
        let one = match value {
            Value::Table(table) => read(reader, table, &at),
            _ => {
                reader.bad_value(&at, "a table", "");
                None
            }
        };
        match (one, &mut all) {
            (Some(one), Some(all)) => drop(all.insert(name, one)),
            (None, _) => all = None,
            (Some(_), None) => {}
        }
    }
    all
}

/// Reads a rule: its kind, what every rule may say, and the kind's parameters.
fn read_rule(reader: &mut Reader<'_>, mut table: Table, at: &KeyPath) -> Option<RuleSpec> {
    let kind = match table.remove("kind") {
        Some(Value::String(kind)) if Kind::NAMES.contains(&kind.as_str()) => kind,
        Some(Value::String(kind)) => {
            reader.fault(&at.key("kind"), Problem::unknown_value(&kind, Kind::NAMES.iter().copied()));
            return None;
        }
        Some(_) => {
            reader.bad_value(&at.key("kind"), "a text in quotes", "");
            return None;
        }
        None => {
            reader.fault(at, Problem::Missing("kind".to_owned()));
            return None;
        }
    };
    let before = reader.faults();
    let common_names = field_names::<RuleCommon>();
    let own_names = parameter_names(&kind);
    let known: Vec<&str> = ["kind"].iter().chain(common_names).chain(own_names).copied().collect();
    reader.only_known(&mut table, at, &known);
    let (common, own): (Table, Table) = table.into_iter().partition(|(key, _)| common_names.contains(&key.as_str()));
    let common: Option<RuleCommon> = reader.read(common, at);
    let kind = reader.read_with(own, at, |tracked| {
        Kind::deserialize(&kind, tracked).expect("the kind is one of Kind::NAMES")
    });
    if let Some(Err(error)) = kind.as_ref().map(Kind::check) {
        reader.bad_value(&at.key(&error.key), &error.expected, &error.found);
    }
    let (common, kind) = (common?, kind?);
    let clock = common.clock.as_deref().unwrap_or("session").parse::<Clock>();
    let version = match &clock {
        Ok(clock) => version(&kind, *clock),
        Err(_) => String::new(),
    };
    (reader.faults() == before).then_some(RuleSpec { common, kind, version })
}

/// The keys of a kind's parameters.
pub(super) fn parameter_names(kind: &str) -> &'static [&'static str] {
    names_asked_for(|names| drop(Kind::deserialize(kind, names)))
}

/// Builds the plan. A rule with a fault is told and left out, so that the other rules' faults are told too.
fn build(reader: &mut Reader<'_>, name: &str, mut spec: UniverseSpec) -> Option<UniversePlan> {
    let prefix = format!("universe.{name}.rules.");
    let mut plan = None;
    loop {
        let error = match UniversePlan::build(name, &spec) {
            Ok(built) => return plan.is_none().then_some(built),
            Err(error) => error,
        };
        plan = Some(());
        tell(reader, &error);
        let in_rule = |rule: &&String| error.key.strip_prefix(&prefix).is_some_and(|rest| starts_with_key(rest, rule));
        let Some(rule) = spec.rules.keys().filter(in_rule).max_by_key(|rule| rule.len()).cloned() else { return None };
        spec.rules.remove(&rule);
        if spec.rules.is_empty() {
            return None;
        }
    }
}

fn starts_with_key(rest: &str, key: &str) -> bool {
    rest.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn tell(reader: &mut Reader<'_>, error: &PlanError) {
    let place = reader.resolve(&error.key);
    reader.fault(&place, Problem::Value { expected: error.expected.clone(), found: error.found.clone() });
}
