//! How a person, a configuration and a program read a calibration.

use super::{Calibrated, Calibration, Level, Null, Settings};
use crate::table::{self, Align, Row, short};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A table for a terminal.
pub fn page(calibration: &Calibration, settings: &Settings) -> String {
    let budget = format!("for {} a year", short(settings.budget));
    let mut columns = vec![
        ("rule", Align::Left),
        ("years", Align::Right),
        ("history", Align::Right),
        ("chance", Align::Right),
        ("10-90 %", Align::Right),
        ("independent", Align::Right),
        ("threshold", Align::Right),
        (budget.as_str(), Align::Right),
        ("unit", Align::Left),
    ];
    let has_blocks = settings.block > 1.0;
    if !has_blocks {
        columns.remove(INDEPENDENT);
    }
    let rows: Vec<Row> = calibration
        .rules
        .iter()
        .map(|rule| {
            let mut row = row(rule, is_alone(calibration));
            if !has_blocks {
                row.cells.remove(INDEPENDENT);
            }
            row
        })
        .collect();
    let mut text = String::new();
    for line in table::lines(&columns, &rows) {
        let _ = writeln!(text, "{line}");
    }
    let _ = write!(text, "\n{}", legend(settings, has_blocks));
    for (why, rules) in without_level(calibration) {
        let line = format!("n/a, {why}: {}.", rules.join(", "));
        for line in table::wrapped(&line, "") {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

/// The rules that have no threshold for a budget, by the reason.
fn without_level(calibration: &Calibration) -> BTreeMap<&'static str, Vec<&str>> {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for rule in &calibration.rules {
        if let Err(reason) = rule.level {
            let rules = reasons.entry(reason.why()).or_default();
            rules.push(&rule.rule);
        }
    }
    reasons
}

/// The column of independent days.
const INDEPENDENT: usize = 5;

fn is_alone(calibration: &Calibration) -> bool {
    let mut universes = calibration.rules.iter().map(|rule| &rule.universe);
    let first = universes.next();
    universes.all(|universe| Some(universe) == first)
}

fn row(rule: &Calibrated, alone: bool) -> Row {
    let name = if alone {
        rule.rule.clone()
    } else {
        format!("{}/{}", rule.universe, rule.rule)
    };
    let none = || "-".to_owned();
    let (chance, range) = match rule.null {
        Some(null) => (
            rate(null.mean),
            format!("{} to {}", rate(null.low), rate(null.high)),
        ),
        None => (none(), none()),
    };
    let (now, wanted) = match rule.level {
        Ok(Level {
            now,
            wanted,
            per_year,
        }) => (
            short(now),
            format!("{} ({})", short(wanted), rate(per_year)),
        ),
        Err(_) => (none(), "n/a".to_owned()),
    };
    vec![
        name,
        format!("{:.1}", rule.years),
        rule.per_year.map_or_else(none, rate),
        chance,
        range,
        rule.per_year_independent.map_or_else(none, rate),
        now,
        wanted,
        rule.unit.clone(),
    ]
    .into()
}

/// A rate to two decimals.
fn rate(rate: f64) -> String {
    format!("{rate:.2}")
}

fn legend(settings: &Settings, has_blocks: bool) -> String {
    let Settings {
        replicates,
        block,
        seed,
        ..
    } = settings;
    let law = match settings.null {
        Null::Bootstrap => "",
        Null::Centred => ", each series without its mean change",
        Null::Fair => ", the sign of each block tossed",
    };
    let mut text = String::from("Openings a year, in history and by chance.\n");
    let blocks = if has_blocks {
        format!("blocks of {} days in the mean", short(*block))
    } else {
        "every day drawn by itself".to_owned()
    };
    let _ = writeln!(
        text,
        "chance: the mean of {replicates} synthetic histories, {blocks}{law}; seed {seed}."
    );
    if has_blocks {
        text.push_str("independent: the same with every day drawn by itself.\n");
    }
    let _ = writeln!(
        text,
        "for {} a year: the threshold that chance reaches so often at most (how often it does).",
        short(settings.budget)
    );
    text
}

/// What to paste into the configuration.
pub fn toml(calibration: &Calibration) -> String {
    let mut text = String::new();
    for rule in &calibration.rules {
        let Some(rates) = rule.base_rate() else {
            continue;
        };
        let null = rates
            .per_year_null
            .map_or(String::new(), |null| format!(", per_year_null = {null:?}"));
        let _ = write!(
            text,
            "[universe.{}.rules.{}]\nbase_rate = {{ per_year = {:?}{null} }}\n\n",
            key(&rule.universe),
            key(&rule.rule),
            rates.per_year,
        );
    }
    text.truncate(text.trim_end().len());
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// A name as TOML writes it.
fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.chars().all(is_bare) {
        name.to_owned()
    } else {
        format!("\"{name}\"")
    }
}

/// All of it as JSON.
pub fn document(calibration: &Calibration, settings: &Settings) -> Value {
    let rules: Vec<Value> = calibration
        .rules
        .iter()
        .map(|rule| {
            let mut value = json!(rule);
            value["level"] = match rule.level {
                Ok(level) => json!(level),
                Err(reason) => json!({ "none": reason, "why": reason.why() }),
            };
            value
        })
        .collect();
    json!({
        "settings": {
            "replicates": settings.replicates,
            "block": settings.block,
            "slow_block": settings.slow_block,
            "null": settings.null,
            "seed": settings.seed,
            "budget": settings.budget,
        },
        "rules": rules,
    })
}
