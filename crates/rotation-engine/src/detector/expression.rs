//! A condition in CEL over readings, states and series: for rules that nobody foresaw.

use super::{Account, Change, Detector, Measure, Names, ParamError, Step, Unit};
use crate::alert::{Evidence, round};
use crate::detector::text;
use crate::section::{Point, Said, Section};
use cel::Value;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod condition;

pub use condition::{BRACKETS_MAX, Condition, LENGTH_MAX, OPERATORS_MAX};

/// Parameters of `expression`: a condition in the [Common Expression Language](https://cel.dev) over other rules of the
/// same clock and over series.
///
/// A rule's name in the condition stands for `value`, `threshold`, `distance` (numbers, in the rule's unit), `open`
/// (whether an episode stands), `opened` (whether one opened in this section) and `age` (sections since its last
/// reading); a series' name for `close`, `open`, `high`, `low`, `size`, `previous` (the close of the section before)
/// and `age`. Numbers are decimal: write `5.0`, not `5`. While a rule or series in it has not spoken yet, the condition
/// is not asked. The section's `month` (1 to 12), `weekday` (1 for Monday) are there too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The condition: true or false, such as `breadth.value > 60.0 && streak.open && vix.close < 20.0`.
    pub when: Condition,
    /// What is reported as the reading: a number. Default: 1 while the condition holds, else 0.
    pub value: Option<Condition>,
    /// The rules that the condition reads: its name there, and the rule's name.
    #[serde(default)]
    pub rules: BTreeMap<String, String>,
    /// The series that the condition reads: its name there, and the symbol.
    #[serde(default)]
    pub series: BTreeMap<String, String>,
    /// What it speaks about. Default: the names in the condition, joined by `+`.
    pub subject: Option<String>,
    /// Sections in a row in which it has to hold before it opens. Default 1; 1 to 10,000.
    #[serde(default = "one")]
    pub open_after: u32,
    /// Sections in a row in which it must not hold before it ends. Default 1; 1 to 10,000.
    #[serde(default = "one")]
    pub close_after: u32,
}

fn one() -> u32 {
    1
}

/// Rung of the opening.
pub const HOLDS: &str = "holds";
/// Reason of the end: the condition does not hold any more.
pub const FAILS: &str = "fails";

impl super::Params for Params {
    fn inputs(&self) -> Vec<String> {
        self.series.values().cloned().collect()
    }

    fn reads(&self) -> Vec<String> {
        self.rules.values().cloned().collect()
    }

    fn needs_all_inputs(&self) -> bool {
        false
    }

    fn subject(&self) -> String {
        let names = self.rules.keys().chain(self.series.keys()).cloned();
        let joined = || names.collect::<Vec<_>>().join("+");
        self.subject.clone().unwrap_or_else(joined)
    }

    fn check(&self) -> Result<(), ParamError> {
        if self.rules.is_empty() && self.series.is_empty() {
            return Err(ParamError::new(
                "rules",
                "at least one rule or series",
                "none",
            ));
        }
        if let Some(name) = self
            .rules
            .keys()
            .find(|name| self.series.contains_key(*name))
        {
            let found = format!("\"{name}\", a rule's name too");
            return Err(ParamError::new("series", "names that no rule has", found));
        }
        for (key, names) in [("rules", &self.rules), ("series", &self.series)] {
            if let Some(name) = names.keys().find(|name| !condition::is_name(name)) {
                let expected = "names of letters, digits and \"_\" that are not words of CEL";
                return Err(ParamError::new(key, expected, format!("\"{name}\"")));
            }
        }
        for (key, sections) in [
            ("open_after", self.open_after),
            ("close_after", self.close_after),
        ] {
            if !(1..=10_000).contains(&sections) {
                return Err(ParamError::new(key, "1 to 10000", sections));
            }
        }
        let names = self.example();
        self.when.check("when", condition::Yields::Truth, &names)?;
        match &self.value {
            Some(value) => value.check("value", condition::Yields::Number, &names),
            None => Ok(()),
        }
    }

    fn check_units(&self, _units: &[Unit]) -> Result<(), ParamError> {
        Ok(())
    }

    fn minds_absent_inputs(&self) -> bool {
        false
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[HOLDS]
    }

    fn is_scale_free(&self) -> bool {
        false
    }

    fn reads_ticks(&self) -> bool {
        false
    }

    fn unit(&self, _series_unit: Unit) -> String {
        match self.value {
            Some(_) => "value".to_owned(),
            None => "condition".to_owned(),
        }
    }
}

impl Params {
    /// Every name with a value of its kind, to try a condition with.
    fn example(&self) -> Vec<(String, Value)> {
        let said = Said {
            reading: Some(Measure {
                value: 1.5,
                threshold: 2.5,
                distance: 1.0,
            }),
            is_open: true,
            began: None,
            age: 0,
        };
        let seen = Seen {
            point: Point::flat(1.5, true),
            previous: 2.5,
            age: 0,
        };
        let rules = self
            .rules
            .keys()
            .map(|name| (name.clone(), rule_value(&said)));
        let series = self.series.keys().map(|name| (name.clone(), seen.value()));
        let mut names: Vec<(String, Value)> = rules.chain(series).collect();
        names.extend(calendar(Date::constant(2026, 1, 15)));
        names
    }
}

/// State of `expression`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The last values of each series.
    seen: Vec<Option<Seen>>,
    /// The last reading of each rule.
    said: Vec<Option<Said>>,
    /// Sections in a row in which the condition was as it is now.
    run: u32,
    holds: bool,
    is_open: bool,
    value: f64,
    /// Why the condition could not be asked at the last section.
    trouble: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    point: Point,
    /// The close before; the first one itself at the first.
    previous: f64,
    age: u32,
}

impl Seen {
    fn value(&self) -> Value {
        let Point {
            open,
            high,
            low,
            close,
            size,
            ..
        } = self.point;
        let numbers = [
            ("open", open),
            ("high", high),
            ("low", low),
            ("close", close),
            ("size", size),
            ("previous", self.previous),
        ];
        let numbers = numbers.map(|(name, number)| (name.to_owned(), Value::Float(number)));
        let age = ("age".to_owned(), Value::Float(f64::from(self.age)));
        map(numbers.into_iter().chain([age]))
    }
}

fn map(entries: impl Iterator<Item = (String, Value)>) -> Value {
    let entries: std::collections::HashMap<String, Value> = entries.collect();
    entries.into()
}

/// What a rule's name stands for; a rule without a reading has none of its numbers.
fn rule_value(said: &Said) -> Value {
    let numbers = said.reading.into_iter().flat_map(|measure| {
        [
            ("value", measure.value),
            ("threshold", measure.threshold),
            ("distance", measure.distance),
        ]
    });
    let numbers = numbers.map(|(name, number)| (name.to_owned(), Value::Float(number)));
    let opened = said.began == Some(crate::section::Began::Opened);
    let rest = [
        ("open".to_owned(), Value::Bool(said.is_open)),
        ("opened".to_owned(), Value::Bool(opened)),
        ("age".to_owned(), Value::Float(f64::from(said.age))),
    ];
    map(numbers.chain(rest))
}

fn calendar(date: Date) -> [(String, Value); 2] {
    let number = |number: i8| Value::Int(i64::from(number));
    [
        ("month".to_owned(), number(date.month())),
        (
            "weekday".to_owned(),
            number(date.weekday().to_monday_one_offset()),
        ),
    ]
}

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            seen: vec![None; params.series.len()],
            said: vec![None; params.rules.len()],
            run: 0,
            holds: false,
            is_open: false,
            value: 0.0,
            trouble: None,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        self.look(section);
        let Some(names) = self.names(params, section.date()) else {
            return Step::passed_over(self.is_open);
        };
        let asked = params.when.truth(&names);
        let value = match (&asked, &params.value) {
            (Ok(_), Some(value)) => value.number(&names),
            (Ok(holds), None) => Ok(f64::from(u8::from(*holds))),
            (Err(error), _) => Err(error.clone()),
        };
        let (holds, value) = match (asked, value) {
            (Ok(holds), Ok(value)) => (holds, value),
            (Err(error), _) | (_, Err(error)) => {
                self.trouble = Some(error);
                return Step::passed_over(self.is_open);
            }
        };
        self.trouble = None;
        self.run = if holds == self.holds {
            self.run.saturating_add(1)
        } else {
            1
        };
        self.holds = holds;
        self.value = value;
        let change = match (self.is_open, holds) {
            (false, true) if self.run >= params.open_after => Change::Open(HOLDS),
            (true, false) if self.run >= params.close_after => Change::Resolve(FAILS),
            (true, _) => Change::Hold,
            (false, _) => Change::Quiet,
        };
        self.is_open = match change {
            Change::Open(_) => true,
            Change::Resolve(_) => false,
            _ => self.is_open,
        };
        let missing = if self.is_open || holds { 0.0 } else { 1.0 };
        Step {
            reading: Some(Measure {
                value,
                threshold: if params.value.is_some() { value } else { 1.0 },
                distance: missing,
            }),
            change,
        }
    }

    fn account(&self, params: &Params, _names: Names<'_>, change: &Change) -> Account {
        let condition = params.when.source();
        let mut evidence = Evidence::new();
        evidence.insert("condition".to_owned(), condition.into());
        evidence.insert("holds".to_owned(), self.holds.into());
        for (name, said) in params.rules.keys().zip(&self.said) {
            if let Some(reading) = said.and_then(|said| said.reading) {
                evidence.insert(name.clone(), round(reading.value, 6).into());
            }
        }
        for (name, seen) in params.series.keys().zip(&self.seen) {
            if let Some(seen) = seen {
                evidence.insert(name.clone(), round(seen.point.close, 6).into());
            }
        }
        if let Some(trouble) = &self.trouble {
            evidence.insert("trouble".to_owned(), trouble.as_str().into());
        }
        let numbers = evidence.iter().filter_map(|(name, fact)| match fact {
            crate::alert::Fact::Number(number) => Some(format!("{name} {}", text::number(*number))),
            _ => None,
        });
        let numbers = numbers.collect::<Vec<_>>().join(", ");
        let verb = match change {
            Change::Resolve(_) => "no longer holds",
            _ if self.holds => "holds",
            _ => "does not hold",
        };
        Account {
            headline: format!("{condition} {verb}: {numbers}"),
            evidence,
            reverses: format!("{condition} no longer holds"),
            direction: None,
        }
    }

    fn rescale(&mut self, input: usize, factor: f64) {
        if let Some(Some(seen)) = self.seen.get_mut(input) {
            seen.point = seen.point.scaled(factor);
            seen.previous *= factor;
        }
    }
}

impl State {
    fn look(&mut self, section: &Section<'_>) {
        for (seen, value) in self.seen.iter_mut().zip(section.values) {
            match value.filter(is_finite) {
                Some(point) => {
                    let previous = seen.map_or(point.close, |seen: Seen| seen.point.close);
                    *seen = Some(Seen {
                        point,
                        previous,
                        age: 0,
                    });
                }
                None => {
                    if let Some(seen) = seen {
                        seen.age = seen.age.saturating_add(1);
                    }
                }
            }
        }
        for (kept, said) in self.said.iter_mut().zip(section.said) {
            match (said, &mut *kept) {
                (Some(said), _) if said.reading.is_some() => *kept = Some(*said),
                // Without a reading the last numbers stand, and grow older.
                (Some(said), Some(kept)) => {
                    *kept = Said {
                        reading: kept.reading,
                        age: kept.age.saturating_add(1),
                        ..*said
                    };
                }
                _ => {}
            }
        }
    }

    /// What each name stands for; none while one has not spoken yet.
    fn names(&self, params: &Params, date: Date) -> Option<Vec<(String, Value)>> {
        let mut names = Vec::with_capacity(params.rules.len() + params.series.len() + 2);
        for (name, said) in params.rules.keys().zip(&self.said) {
            names.push((name.clone(), rule_value(said.as_ref()?)));
        }
        for (name, seen) in params.series.keys().zip(&self.seen) {
            names.push((name.clone(), seen.as_ref()?.value()));
        }
        names.extend(calendar(date));
        Some(names)
    }
}

/// Sums and products of such values stay finite too, or the condition's number is refused.
fn is_finite(point: &Point) -> bool {
    [point.open, point.high, point.low, point.close, point.size]
        .iter()
        .all(|number| number.is_finite())
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let name = |name: &str, of: &str| BTreeMap::from([(name.to_owned(), of.to_owned())]);
    let params = |when: &str, value: Option<&str>| Params {
        when: Condition::new(when).unwrap(),
        value: value.map(|value| Condition::new(value).unwrap()),
        rules: name("trend", "a"),
        series: name("price", "A"),
        subject: None,
        open_after: 2,
        close_after: 1,
    };
    vec![
        params(
            "trend.value > 0.5 && price.close > price.previous + 0.01",
            None,
        ),
        params(
            "trend.open && price.close != price.previous",
            Some("price.close / price.previous - 1.0"),
        ),
    ]
}

#[cfg(test)]
mod tests;
