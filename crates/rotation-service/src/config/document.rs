//! A TOML document that knows on which line each key stands.

use super::FAULTS_MAX;
use super::error::{ConfigError, Problem};
use serde_path_to_error::Segment;
use std::fmt;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

/// A place in a document: keys from the root on, and positions in lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl KeyPath {
    /// The key `name` below this place.
    pub(super) fn key(&self, name: &str) -> KeyPath {
        self.with(Step::Key(name.to_owned()))
    }

    /// The entry of that position in a list at this place.
    pub(super) fn index(&self, index: usize) -> KeyPath {
        self.with(Step::Index(index))
    }

    /// The place below this one that the deserializer was at.
    pub(super) fn below(&self, path: &serde_path_to_error::Path) -> KeyPath {
        path.iter().fold(self.clone(), |at, segment| match segment {
            Segment::Map { key } | Segment::Enum { variant: key } => at.key(key),
            Segment::Seq { index } => at.with(Step::Index(*index)),
            Segment::Unknown => at,
        })
    }

    fn with(&self, step: Step) -> KeyPath {
        let mut path = self.clone();
        path.0.push(step);
        path
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    let dot = if at == 0 { "" } else { "." };
                    let bare = !key.is_empty()
                        && key
                            .chars()
                            .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
                    if bare {
                        write!(f, "{dot}{key}")?;
                    } else {
                        write!(f, "{dot}{key:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A parsed document and its text.
pub(super) struct Document<'a> {
    text: &'a str,
    root: Spanned<DeTable<'a>>,
}

impl<'a> Document<'a> {
    /// Parses a text; every syntax error of it.
    pub(super) fn parse(text: &'a str) -> Result<Document<'a>, Vec<ConfigError>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Document { text, root });
        }
        let fault = |error: toml::de::Error| ConfigError {
            line: error.span().map(|span| line(text, span.start)),
            key: String::new(),
            problem: Problem::Syntax(error.message().trim().replace('\n', ", ")),
        };
        Err(errors.into_iter().take(FAULTS_MAX).map(fault).collect())
    }

    /// The document as plain values; dates become the text that they were written as.
    pub(super) fn values(&self) -> toml::Table {
        table(self.root.get_ref())
    }

    /// The line of the last key on the way to `path` that the document has.
    pub(super) fn line(&self, path: &KeyPath) -> Option<usize> {
        self.find(path).map(|found| line(self.text, found.start))
    }

    /// The value at `path` as it is written, cut to a length for messages; none where there is no such key.
    pub(super) fn written(&self, path: &KeyPath) -> Option<String> {
        let found = self.find(path).filter(|found| found.whole)?;
        let text = self
            .text
            .get(found.value.clone())?
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let short: String = text.chars().take(WRITTEN_MAX).collect();
        Some(if short.len() < text.len() {
            format!("{short}…")
        } else {
            short
        })
    }

    /// Reads a dotted key whose parts may hold dots themselves, as symbols do, by what the document has.
    pub(super) fn resolve(&self, dotted: &str) -> KeyPath {
        let mut path = KeyPath::default();
        let mut rest = dotted;
        let mut table = Some(self.root.get_ref());
        while !rest.is_empty() {
            let known = table.and_then(|table| longest_prefix(table, rest));
            let (key, value) = match known {
                Some((key, value)) => (key, Some(value)),
                None => (&rest[..rest.find('.').unwrap_or(rest.len())], None),
            };
            rest = rest[key.len()..].trim_start_matches('.');
            path = path.key(key);
            table = value.and_then(DeValue::as_table);
        }
        path
    }

    fn find(&self, path: &KeyPath) -> Option<Found> {
        let mut found = None;
        let mut table = Some(self.root.get_ref());
        let mut list = None;
        for step in &path.0 {
            let next = match step {
                Step::Key(key) => table
                    .and_then(|table| table.iter().find(|(name, _)| name.get_ref() == key))
                    .map(|(name, value)| (name.span().start, value)),
                Step::Index(index) => list
                    .and_then(|list: &toml::de::DeArray<'_>| list.get(*index))
                    .map(|value| (value.span().start, value)),
            };
            let Some((start, value)) = next else {
                return found.map(|found| Found {
                    whole: false,
                    ..found
                });
            };
            found = Some(Found {
                start,
                value: value.span(),
                whole: true,
            });
            table = value.get_ref().as_table();
            list = value.get_ref().as_array();
        }
        found
    }
}

const WRITTEN_MAX: usize = 60;

#[derive(Clone)]
struct Found {
    start: usize,
    value: std::ops::Range<usize>,
    whole: bool,
}

fn line(text: &str, offset: usize) -> usize {
    1 + text
        .bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
}

fn longest_prefix<'t, 'a>(
    table: &'t DeTable<'a>,
    rest: &str,
) -> Option<(&'t str, &'t DeValue<'a>)> {
    let is_prefix = |key: &str| {
        rest.strip_prefix(key)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let keys = table
        .iter()
        .map(|(name, value)| (name.get_ref().as_ref(), value.get_ref()));
    keys.filter(|(key, _)| is_prefix(key))
        .max_by_key(|(key, _)| key.len())
}

fn table(table: &DeTable<'_>) -> toml::Table {
    table
        .iter()
        .map(|(key, value)| (key.get_ref().to_string(), plain(value.get_ref())))
        .collect()
}

fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::String(number.to_string()),
        },
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(date) => Value::String(date.to_string()),
        DeValue::Array(list) => {
            Value::Array(list.iter().map(|value| plain(value.get_ref())).collect())
        }
        DeValue::Table(inner) => Value::Table(table(inner)),
    }
}
