//! `[universe.NAME]`: series and rules.

use super::document::KeyPath;
use super::error::Problem;
use super::groups::{self, Groups};
use super::reader::{Reader, field_names, names_asked_for};
use super::{FAULTS_MAX, UNIVERSES_MAX};
use rotation_engine::alert::BaseRate;
use rotation_engine::clock::Clock;
use rotation_engine::detector::Kind;
use rotation_engine::plan::{RuleCommon, RuleSpec, SeriesSpec, UniversePlan, UniverseSpec};
use rotation_wire::digest::rule_version;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use toml::{Table, Value};

/// Reads `[universe.*]`.
pub(super) fn read_all(
    reader: &mut Reader<'_>,
    table: Table,
    at: &KeyPath,
    folder: &Path,
) -> Option<Vec<Arc<UniversePlan>>> {
    if table.is_empty() {
        let expected = "at least one universe, [universe.NAME]".to_owned();
        reader.fault(
            at,
            Problem::Value {
                expected,
                found: "none".to_owned(),
            },
        );
    }
    let before = reader.faults();
    if table.len() > UNIVERSES_MAX {
        let expected = format!("at most {UNIVERSES_MAX} universes");
        let found = table.len().to_string();
        reader.fault(at, Problem::Value { expected, found });
        return None;
    }
    let mut plans = Vec::new();
    for (name, value) in table {
        let at = at.key(&name);
        match value {
            Value::Table(table) => {
                plans.extend(read_universe(reader, table, &at, &name, folder).map(Arc::new));
            }
            _ => reader.bad_value(&at, "a table", ""),
        }
    }
    (reader.faults() == before && !plans.is_empty()).then_some(plans)
}

fn read_universe(
    reader: &mut Reader<'_>,
    mut table: Table,
    at: &KeyPath,
    name: &str,
    folder: &Path,
) -> Option<UniversePlan> {
    let groups = reader.table(&mut table, at, "groups").unwrap_or_default();
    let series = reader.table(&mut table, at, "series").unwrap_or_default();
    let rules = reader.table(&mut table, at, "rules").unwrap_or_default();
    let known: Vec<&str> = field_names::<UniverseSpec>()
        .iter()
        .copied()
        .chain(["rules", "groups"])
        .collect();
    reader.only_known(&mut table, at, &known);
    let before = reader.faults();
    let mut spec: Option<UniverseSpec> = reader.read(table, at);
    let series = read_each(reader, series, &at.key("series"), |reader, table, at| {
        reader.read::<SeriesSpec>(table, at)
    });
    let groups = read_each(reader, groups, &at.key("groups"), |reader, table, at| {
        groups::read(reader, table, at, folder)
    });
    let groups = groups.unwrap_or_default();
    let rules_written = rules.len();
    let rules = read_each(reader, rules, &at.key("rules"), |reader, table, at| {
        read_rule(reader, table, at, &groups)
    });
    if rules_written == 0 {
        let expected = "at least one rule, [universe.NAME.rules.RULE]".to_owned();
        reader.fault(
            &at.key("rules"),
            Problem::Value {
                expected,
                found: "none".to_owned(),
            },
        );
    }
    // A series with a fault would be missed by each rule that reads it: say the one fault, not its consequences.
    let sound = reader.faults() == before;
    if let Some(spec) = &mut spec {
        spec.series = series?;
        for group in groups.values() {
            let Some(template) = &group.series else {
                continue;
            };
            for symbol in &group.symbols {
                let known = spec.series.entry(symbol.clone());
                known.or_insert_with(|| template.clone());
            }
        }
        spec.rules = rules.unwrap_or_default();
    }
    if sound {
        build(reader, name, spec?)
    } else {
        None
    }
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
fn read_rule(
    reader: &mut Reader<'_>,
    mut table: Table,
    at: &KeyPath,
    groups: &Groups,
) -> Option<RuleSpec> {
    let kind = match table.remove("kind") {
        Some(Value::String(kind)) if Kind::NAMES.contains(&kind.as_str()) => kind,
        Some(Value::String(kind)) => {
            reader.fault(
                &at.key("kind"),
                Problem::unknown_value(&kind, Kind::NAMES.iter().copied()),
            );
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
    let known: Vec<&str> = ["kind"]
        .iter()
        .chain(common_names)
        .chain(own_names)
        .copied()
        .collect();
    reader.only_known(&mut table, at, &known);
    groups::expand(reader, &mut table, at, groups);
    if reader.faults() > before {
        return None;
    }
    if let Some(Value::Table(rate)) = table.get_mut("base_rate") {
        reader.only_known(rate, &at.key("base_rate"), field_names::<BaseRate>());
    }
    let (common, own): (Table, Table) = table
        .into_iter()
        .partition(|(key, _)| common_names.contains(&key.as_str()));
    let common: Option<RuleCommon> = reader.read(common, at);
    let kind = reader.read_with(own, at, |tracked| {
        Kind::deserialize(&kind, tracked).expect("the kind is one of Kind::NAMES")
    });
    if let Some(Err(error)) = kind.as_ref().map(Kind::check) {
        reader.bad_value(&at.key(&error.key), &error.expected, &error.found);
    }
    let (common, kind) = (common?, kind?);
    let clock = common
        .clock
        .as_deref()
        .unwrap_or("session")
        .parse::<Clock>();
    let version = match &clock {
        Ok(clock) => rule_version(&kind, *clock),
        Err(_) => String::new(),
    };
    (reader.faults() == before).then_some(RuleSpec {
        common,
        kind,
        version,
    })
}

/// The keys of a kind's parameters.
pub(super) fn parameter_names(kind: &str) -> &'static [&'static str] {
    names_asked_for(|names| drop(Kind::deserialize(kind, names)))
}

/// Builds the plan. What has a fault is told and left out, so that the other faults are told too.
fn build(reader: &mut Reader<'_>, name: &str, mut spec: UniverseSpec) -> Option<UniversePlan> {
    let mut is_sound = true;
    loop {
        let error = match UniversePlan::build(name, &spec) {
            Ok(plan) => return is_sound.then_some(plan),
            Err(error) => error,
        };
        is_sound = false;
        let place = reader.resolve(&error.key);
        let key = error
            .key
            .strip_prefix(&format!("universe.{name}."))
            .unwrap_or_default()
            .to_owned();
        reader.fault(
            &place,
            Problem::Value {
                expected: error.expected,
                found: error.found,
            },
        );
        // Each fault costs another look at all of it.
        if reader.faults() >= FAULTS_MAX || !leave_out(&mut spec, &key) || spec.rules.is_empty() {
            return None;
        }
    }
}

/// Takes out what a key stands for; whether there was something to take out.
fn leave_out(spec: &mut UniverseSpec, key: &str) -> bool {
    if let Some(rest) = key.strip_prefix("rules.") {
        return named(&spec.rules, rest).is_some_and(|rule| spec.rules.remove(&rule).is_some());
    }
    if let Some(rest) = key.strip_prefix("series.") {
        let series = named(&spec.series, rest).and_then(|symbol| spec.series.get_mut(&symbol));
        let Some(series) = series else { return false };
        let plain = SeriesSpec {
            unit: series.unit,
            ..SeriesSpec::default()
        };
        let changes = series.calendar.is_some()
            || series.publication_lag.is_some()
            || series.adjustment.is_some()
            || series.ohlc.is_some()
            || series.ratio.is_some()
            || series.spread.is_some()
            || series.basket.is_some();
        *series = plain;
        return changes;
    }
    let value = match key {
        "calendar" => &mut spec.calendar,
        "lateness" => &mut spec.lateness,
        "skew" => &mut spec.skew,
        "stall_after" => &mut spec.stall_after,
        "closing_window" => &mut spec.closing_window,
        "correction_window" => &mut spec.correction_window,
        "void_prints" => return spec.void_prints.take().is_some(),
        "live_from" => &mut spec.live_from,
        _ => return false,
    };
    value.take().is_some()
}

/// The entry whose name `rest` begins with; names may hold dots.
fn named<T>(entries: &BTreeMap<String, T>, rest: &str) -> Option<String> {
    entries
        .keys()
        .filter(|name| starts_with_key(rest, name))
        .max_by_key(|name| name.len())
        .cloned()
}

fn starts_with_key(rest: &str, key: &str) -> bool {
    rest.strip_prefix(key)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
