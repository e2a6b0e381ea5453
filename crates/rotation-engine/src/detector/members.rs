//! Lists of members: who belongs to a group, and when.

use super::{ParamError, Unit};
use crate::alert::Evidence;
use jiff::civil::Date;
use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// Most entries of a list.
const MEMBERS_MAX: usize = 10_000;

/// The members of a group: a list whose entries are symbols, or tables `{ symbol, from, to }` of an interval in which a
/// symbol belongs to the group.
///
/// `from` is the first day inside, `to` the first outside; either may be absent. A symbol may have several intervals
/// which do not overlap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members {
    entries: Vec<Member>,
    /// Each symbol once, as first named.
    symbols: Vec<String>,
    /// The symbol of each entry.
    places: Vec<u32>,
    is_dated: bool,
}

/// A symbol, and the time in which it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The symbol.
    pub symbol: String,
    /// The first day inside; none: always before `to`.
    pub from: Option<Date>,
    /// The first day outside; none: ever after `from`.
    pub to: Option<Date>,
}

impl Member {
    fn holds(&self, date: Date) -> bool {
        self.from.is_none_or(|from| from <= date) && self.to.is_none_or(|to| date < to)
    }

    fn is_dated(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.symbol)?;
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        if let Some(to) = self.to {
            write!(f, " to {to}")?;
        }
        Ok(())
    }
}

impl From<Vec<Member>> for Members {
    fn from(entries: Vec<Member>) -> Self {
        let mut known: BTreeMap<&str, u32> = BTreeMap::new();
        let mut symbols = Vec::new();
        let places = entries
            .iter()
            .map(|entry| {
                *known.entry(&entry.symbol).or_insert_with(|| {
                    symbols.push(entry.symbol.clone());
                    u32::try_from(symbols.len() - 1).unwrap_or(u32::MAX)
                })
            })
            .collect();
        let is_dated = entries.iter().any(Member::is_dated);
        Members {
            symbols,
            places,
            is_dated,
            entries,
        }
    }
}

impl Members {
    /// Each symbol once, in the order in which they are first named.
    pub fn symbols(&self) -> &[String] {
        &self.symbols
    }

    /// How many symbols there are.
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// Where a symbol stands among [`Members::symbols`]. O(n).
    pub(super) fn place(&self, symbol: &str) -> Option<usize> {
        self.symbols.iter().position(|held| held == symbol)
    }

    /// Whether the list is usable: of `fewest` symbols at least, none of them empty or named twice for one day.
    pub(super) fn check(&self, key: &str, fewest: usize) -> Result<(), ParamError> {
        if self.len() < fewest || self.entries.len() > MEMBERS_MAX {
            let expected = format!("{fewest} to {MEMBERS_MAX} members");
            return Err(ParamError::new(key, expected, self.entries.len()));
        }
        for entry in &self.entries {
            if entry.symbol.is_empty() {
                return Err(ParamError::new(key, "symbols", "\"\""));
            }
            if let (Some(from), Some(to)) = (entry.from, entry.to)
                && from >= to
            {
                return Err(ParamError::new(
                    key,
                    "intervals whose to is after their from",
                    entry,
                ));
            }
        }
        let mut ordered: Vec<(u32, &Member)> =
            self.places.iter().copied().zip(&self.entries).collect();
        ordered.sort_by_key(|(place, entry)| (*place, entry.from));
        for pair in ordered.windows(2) {
            let [(place, before), (next, after)] = pair else {
                continue;
            };
            let overlaps = match (before.to, after.from) {
                (Some(to), Some(from)) => from < to,
                _ => true,
            };
            if place == next && overlaps {
                let found = format!("{before}, {after}");
                return Err(ParamError::new(key, "each symbol once at any time", found));
            }
        }
        Ok(())
    }

    /// Who belongs on a day.
    pub(super) fn on(&self, date: Date) -> Roster {
        if !self.is_dated {
            return Roster {
                holds: None,
                count: self.len(),
            };
        }
        let mut holds = vec![false; self.len()];
        let mut count = 0;
        for (entry, place) in self.entries.iter().zip(&self.places) {
            if entry.holds(date) {
                holds[*place as usize] = true;
                count += 1;
            }
        }
        Roster {
            holds: Some(holds),
            count,
        }
    }
}

/// The members of one day.
pub(super) struct Roster {
    /// For each symbol whether it belongs; none where all do.
    holds: Option<Vec<bool>>,
    count: usize,
}

impl Roster {
    pub(super) fn holds(&self, place: usize) -> bool {
        self.holds.as_ref().is_none_or(|holds| holds[place])
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }
}

/// Whom a section counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Members of the day.
    pub(super) members: u32,
    /// Those with a value.
    pub(super) present: u32,
    /// Those that the reading stands on.
    pub(super) counted: u32,
}

impl Tally {
    /// Whether at least one counts, and so large a part of the day's members.
    pub(super) fn is_enough(self, min_percent: f64) -> bool {
        self.counted > 0 && f64::from(self.counted) * 100.0 >= min_percent * f64::from(self.members)
    }

    /// Adds the counts to the evidence.
    pub(super) fn put(self, evidence: &mut Evidence) {
        for (key, count) in [
            ("members", self.members),
            ("present", self.present),
            ("counted", self.counted),
        ] {
            evidence.insert(key.to_owned(), count.into());
        }
    }
}

/// A count of members.
pub(super) fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Whether every member has returns.
pub(super) fn check_units(key: &str, units: &[Unit]) -> Result<(), ParamError> {
    if units.contains(&Unit::Percent) {
        let expected = "series with a return: of unit \"price\", \"ratio\" or \"number\"";
        return Err(ParamError::new(key, expected, "one of unit \"percent\""));
    }
    Ok(())
}

/// What a group is called where the rule does not say.
pub(super) fn group_default() -> String {
    "members".to_owned()
}

/// Percent of the day's members that have to count where the rule does not say.
pub(super) fn min_counted_pct_default() -> f64 {
    50.0
}

/// A group has a name.
pub(super) fn check_group(group: &str) -> Result<(), ParamError> {
    if group.is_empty() {
        return Err(ParamError::new("group", "a name", "\"\""));
    }
    Ok(())
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.entries.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Member>::deserialize(deserializer).map(Members::from)
    }
}

/// An entry with an interval, as written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Interval {
    symbol: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Date>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<Date>,
}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.is_dated() {
            return self.symbol.serialize(serializer);
        }
        let interval = Interval {
            symbol: self.symbol.clone(),
            from: self.from,
            to: self.to,
        };
        interval.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MemberVisitor)
    }
}

struct MemberVisitor;

impl<'de> Visitor<'de> for MemberVisitor {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a symbol, or a table such as { symbol = \"A\", from = \"2001-01-31\", to = \"2010-12-31\" }")
    }

    fn visit_str<E: de::Error>(self, symbol: &str) -> Result<Member, E> {
        Ok(Member {
            symbol: symbol.to_owned(),
            from: None,
            to: None,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Member, A::Error> {
        let Interval { symbol, from, to } = Interval::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Member { symbol, from, to })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Members {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Members".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Symbols, or intervals in which a symbol belongs to the group.",
            "type": "array",
            "items": {
                "anyOf": [
                    { "type": "string" },
                    {
                        "type": "object",
                        "properties": {
                            "symbol": { "type": "string" },
                            "from": { "type": "string", "description": "The first day inside." },
                            "to": { "type": "string", "description": "The first day outside." }
                        },
                        "required": ["symbol"],
                        "additionalProperties": false
                    }
                ]
            }
        })
    }
}

#[cfg(test)]
impl Members {
    /// Symbols that always belong.
    pub(super) fn always(symbols: &[&str]) -> Self {
        let entry = |symbol: &&str| Member {
            symbol: (*symbol).to_owned(),
            from: None,
            to: None,
        };
        symbols.iter().map(entry).collect::<Vec<_>>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use serde_json::{Value, json};

    fn members(written: Value) -> Members {
        serde_json::from_value(written).unwrap()
    }

    #[test]
    fn symbols_and_intervals_read_and_write_back() {
        let written = json!([
            "A",
            {"symbol": "B", "from": "2001-01-31", "to": "2010-12-31"},
            {"symbol": "C", "to": "2005-06-01"},
            {"symbol": "B", "from": "2012-01-01"},
        ]);
        let members = members(written.clone());
        assert_eq!(members.symbols(), ["A", "B", "C"]);
        assert_eq!(members.check("members", 2), Ok(()));
        assert_eq!(serde_json::to_value(&members).unwrap(), written);
    }

    #[test]
    fn the_first_day_is_inside_and_the_last_outside() {
        let members = members(json!([
            "A",
            {"symbol": "B", "from": "2001-01-31", "to": "2010-12-31"},
            {"symbol": "B", "from": "2012-01-01"},
        ]));
        for (day, holds) in [
            (date(2001, 1, 30), false),
            (date(2001, 1, 31), true),
            (date(2010, 12, 30), true),
            (date(2010, 12, 31), false),
            (date(2012, 1, 1), true),
            (date(2100, 1, 1), true),
        ] {
            let roster = members.on(day);
            assert!(roster.holds(0));
            assert_eq!(roster.holds(1), holds, "{day}");
            assert_eq!(roster.len(), 1 + usize::from(holds));
        }
    }

    #[test]
    fn faults_are_told() {
        for (written, error) in [
            (
                json!(["A"]),
                "members: expected 2 to 10000 members, found 1",
            ),
            (json!(["A", ""]), "members: expected symbols, found \"\""),
            (
                json!(["A", "B", "A"]),
                "members: expected each symbol once at any time, found A, A",
            ),
            (
                json!(["A", {"symbol": "B", "from": "2001-01-02", "to": "2001-01-02"}]),
                "members: expected intervals whose to is after their from, found B from 2001-01-02 to 2001-01-02",
            ),
            (
                json!([
                    {"symbol": "B", "from": "2004-01-01"},
                    "A",
                    {"symbol": "B", "from": "2001-01-01", "to": "2004-01-02"},
                ]),
                "members: expected each symbol once at any time, found B from 2001-01-01 to 2004-01-02, \
                 B from 2004-01-01",
            ),
        ] {
            let error_found = members(written).check("members", 2).unwrap_err();
            assert_eq!(error_found.to_string(), error);
        }
        for (written, part) in [
            (json!([1]), "expected a symbol, or a table"),
            (
                json!([{"symbol": "A", "until": "2001-01-01"}]),
                "unknown field `until`",
            ),
            (json!([{"from": "2001-01-01"}]), "missing field `symbol`"),
            (json!([{"symbol": "A", "from": "soon"}]), "year"),
        ] {
            let error = serde_json::from_value::<Members>(written)
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
