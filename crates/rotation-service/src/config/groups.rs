//! `[universe.NAME.groups.GROUP]`: members that several rules share, written once.

use super::document::KeyPath;
use super::reader::Reader;
use jiff::civil::Date;
use rotation_engine::plan::SeriesSpec;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use toml::{Table, Value};

/// A group of members as written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupSpec {
    /// The members: symbols, or `{ symbol, from, to }` where a symbol belongs for a time; `from` is its first day, `to`
    /// the first day after it.
    pub(super) members: Option<Vec<MemberSpec>>,
    /// Instead: a CSV file, beside the configuration, with a member a row: columns `symbol` (or `ticker`), and `from`
    /// and `to` (or `start_date` and `end_date`), which may be empty or absent.
    pub(super) file: Option<String>,
    /// What its members are where `series` does not name them, as an entry of `series`. Without it each member has to
    /// be a series.
    pub(super) series: Option<SeriesSpec>,
}

/// A member as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum MemberSpec {
    /// Always.
    Symbol(String),
    /// For a time.
    Interval {
        /// The symbol.
        symbol: String,
        /// Its first day.
        #[schemars(with = "Option<String>")]
        from: Option<String>,
        /// The first day after it.
        #[schemars(with = "Option<String>")]
        to: Option<String>,
    },
}

/// A valid group.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    members: Vec<Value>,
    /// The members' symbols, and what they are where `series` does not name them.
    pub(super) symbols: Vec<String>,
    pub(super) series: Option<SeriesSpec>,
}

/// The keys of a rule that may name a group instead of listing members.
const MEMBER_KEYS: &[&str] = &["members"];

pub(super) type Groups = BTreeMap<String, Group>;

/// Reads a group; `folder` is where the configuration lies.
pub(super) fn read(
    reader: &mut Reader<'_>,
    table: Table,
    at: &KeyPath,
    folder: &Path,
) -> Option<Group> {
    let spec: GroupSpec = reader.read(table, at)?;
    let members = match (spec.members, spec.file) {
        (Some(members), None) => members.iter().map(MemberSpec::entry).collect(),
        (None, Some(file)) => match read_file(&folder.join(&file)) {
            Ok(members) => members,
            Err(fault) => {
                reader.bad_value(&at.key("file"), &fault, &file);
                return None;
            }
        },
        _ => {
            reader.bad_value(at, "either members or file", "");
            return None;
        }
    };
    if members.is_empty() {
        reader.bad_value(at, "at least one member", "none");
        return None;
    }
    let mut symbols: Vec<String> = members
        .iter()
        .filter_map(symbol)
        .map(str::to_owned)
        .collect();
    symbols.sort_unstable();
    symbols.dedup();
    Some(Group {
        members,
        symbols,
        series: spec.series,
    })
}

/// Puts the members of a group where a rule names it.
pub(super) fn expand(reader: &mut Reader<'_>, rule: &mut Table, at: &KeyPath, groups: &Groups) {
    for key in MEMBER_KEYS {
        let Some(Value::String(name)) = rule.get(*key) else {
            continue;
        };
        match groups.get(name) {
            Some(group) => {
                drop(rule.insert((*key).to_owned(), Value::Array(group.members.clone())));
            }
            None => {
                let names: Vec<&str> = groups.keys().map(String::as_str).collect();
                let known = if names.is_empty() {
                    "there is none".to_owned()
                } else {
                    names.join(", ")
                };
                let expected = format!("a list of members, or the name of a group ({known})");
                reader.bad_value(&at.key(key), &expected, name);
            }
        }
    }
}

impl MemberSpec {
    /// As a rule's own list has it.
    fn entry(&self) -> Value {
        match self {
            MemberSpec::Symbol(symbol) => Value::String(symbol.clone()),
            MemberSpec::Interval { symbol, from, to } => {
                interval(symbol, from.as_deref(), to.as_deref())
            }
        }
    }
}

fn interval(symbol: &str, from: Option<&str>, to: Option<&str>) -> Value {
    let days = [("from", from), ("to", to)];
    let days = days
        .into_iter()
        .filter_map(|(key, day)| Some((key.to_owned(), Value::String(day?.to_owned()))));
    let symbol = ("symbol".to_owned(), Value::String(symbol.to_owned()));
    Value::Table(std::iter::once(symbol).chain(days).collect())
}

fn symbol(member: &Value) -> Option<&str> {
    match member {
        Value::String(symbol) => Some(symbol),
        Value::Table(interval) => interval.get("symbol")?.as_str(),
        _ => None,
    }
}

/// Reads members from a file; what was expected of it where it has a fault.
fn read_file(path: &Path) -> Result<Vec<Value>, String> {
    let readable = |error: csv::Error| format!("a CSV file of members: {error}");
    let text = super::read_bounded(path).map_err(|error| readable(error.into()))?;
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(readable)?.clone();
    let column = |names: [&str; 2]| header.iter().position(|name| names.contains(&name));
    let symbol =
        column(["symbol", "ticker"]).ok_or("a column symbol or ticker in its first line")?;
    let (from, to) = (column(["from", "start_date"]), column(["to", "end_date"]));
    let mut members = Vec::new();
    for row in reader.records() {
        let row = row.map_err(readable)?;
        let line = row.position().map_or(0, csv::Position::line);
        let day = |column: Option<usize>| -> Result<Option<&str>, String> {
            let text = column
                .and_then(|column| row.get(column))
                .filter(|text| !text.is_empty());
            match text {
                Some(text) if text.parse::<Date>().is_err() => Err(format!(
                    "dates such as 2026-01-31; line {line} has \"{text}\""
                )),
                _ => Ok(text),
            }
        };
        let (from, to) = (day(from)?, day(to)?);
        let name = row.get(symbol).unwrap_or_default();
        members.push(match (from, to) {
            (None, None) => Value::String(name.to_owned()),
            _ => interval(name, from, to),
        });
    }
    Ok(members)
}
