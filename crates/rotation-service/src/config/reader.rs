//! Reads tables strictly: unknown keys refused, and every fault told, not only the first.

use super::FAULTS_MAX;
use super::document::{Document, KeyPath};
use super::error::{ConfigError, Problem};
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde_path_to_error::Track;
use std::fmt;
use toml::{Table, Value};

/// Collects the faults of one document while its tables are read.
pub(super) struct Reader<'a> {
    document: &'a Document<'a>,
    errors: Vec<ConfigError>,
    /// Faults beyond the most that are told.
    untold: usize,
}

/// The deserializer that tables are read with: it remembers where it is.
pub(super) type Tracked<'a, 'b> = serde_path_to_error::Deserializer<'a, 'b, Value>;

impl<'a> Reader<'a> {
    /// A reader without faults yet.
    pub(super) fn new(document: &'a Document<'a>) -> Self {
        Reader {
            document,
            errors: Vec::new(),
            untold: 0,
        }
    }

    /// The faults, in the order of the file.
    pub(super) fn into_errors(mut self) -> Vec<ConfigError> {
        self.errors.sort_by_key(|error| error.line);
        self.errors.dedup();
        if self.untold > 0 {
            self.errors.push(ConfigError {
                line: None,
                key: String::new(),
                problem: Problem::More(self.untold),
            });
        }
        self.errors
    }

    /// Number of faults so far.
    pub(super) fn faults(&self) -> usize {
        self.errors.len() + self.untold
    }

    /// Notes a fault at a place.
    pub(super) fn fault(&mut self, at: &KeyPath, problem: Problem) {
        // To find a fault's line takes a look at the whole text.
        if self.errors.len() == FAULTS_MAX {
            self.untold += 1;
            return;
        }
        self.errors.push(ConfigError {
            line: self.document.line(at),
            key: at.to_string(),
            problem,
        });
    }

    /// Notes a fault of the value at a place, showing the value as written.
    pub(super) fn bad_value(&mut self, at: &KeyPath, expected: &str, found: &str) {
        let found = self
            .document
            .written(at)
            .unwrap_or_else(|| found.to_owned());
        self.fault(
            at,
            Problem::Value {
                expected: expected.to_owned(),
                found,
            },
        );
    }

    /// The place that a dotted key means.
    pub(super) fn resolve(&self, dotted: &str) -> KeyPath {
        self.document.resolve(dotted)
    }

    /// Takes a table out of `from`: an empty one where it is absent, none where it is something else.
    pub(super) fn table(&mut self, from: &mut Table, at: &KeyPath, name: &str) -> Option<Table> {
        match from.remove(name) {
            None => Some(Table::new()),
            Some(Value::Table(table)) => Some(table),
            Some(_) => {
                self.bad_value(&at.key(name), "a table", "");
                None
            }
        }
    }

    /// Refuses the keys that are not among `known`, and takes them out.
    pub(super) fn only_known(&mut self, table: &mut Table, at: &KeyPath, known: &[&str]) {
        let unknown: Vec<String> = table
            .keys()
            .filter(|key| !known.contains(&key.as_str()))
            .cloned()
            .collect();
        for name in unknown {
            table.remove(&name);
            self.fault(
                &at.key(&name),
                Problem::unknown_key(&name, known.iter().copied()),
            );
        }
    }

    /// Reads a table as a `T`; none where it has faults.
    pub(super) fn read<T: DeserializeOwned>(
        &mut self,
        mut table: Table,
        at: &KeyPath,
    ) -> Option<T> {
        let before = self.faults();
        self.only_known(&mut table, at, field_names::<T>());
        let value = self.read_with(table, at, |tracked| T::deserialize(tracked));
        if self.faults() == before { value } else { None }
    }

    /// Reads a table with a function. Each faulty key is noted, then taken out, and the rest is read again.
    pub(super) fn read_with<T>(
        &mut self,
        mut table: Table,
        at: &KeyPath,
        parse: impl Fn(Tracked<'_, '_>) -> Result<T, toml::de::Error>,
    ) -> Option<T> {
        let mut removed: Vec<String> = Vec::new();
        loop {
            let mut track = Track::new();
            let value = Value::Table(table.clone());
            let error = match parse(serde_path_to_error::Deserializer::new(value, &mut track)) {
                Ok(value) => return removed.is_empty().then_some(value),
                Err(error) => error,
            };
            let path = track.path();
            let place = at.below(&path);
            let problem = self.explain(error.message(), &place);
            let key = path.iter().next().map(ToString::to_string);
            match key.filter(|key| table.remove(key).is_some()) {
                Some(key) => removed.push(key),
                None => {
                    if !matches!(&problem, Problem::Missing(key) if removed.contains(key)) {
                        self.fault(&place, problem);
                    }
                    return None;
                }
            }
            self.fault(&place, problem);
        }
    }

    /// Says in the words of this file what serde says in those of Rust.
    fn explain(&self, message: &str, place: &KeyPath) -> Problem {
        let quoted = |text: &str| -> Vec<String> {
            text.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        };
        let names = quoted(message);
        if message.starts_with("missing field") {
            return Problem::Missing(names.into_iter().next().unwrap_or_default());
        }
        if let Some((first, known)) = names.split_first() {
            let known = known.iter().map(String::as_str);
            if message.starts_with("unknown field") {
                return Problem::unknown_key(first, known);
            }
            if message.starts_with("unknown variant") {
                return Problem::unknown_value(first, known);
            }
        }
        let is_type = ["invalid type: ", "invalid value: ", "invalid length "]
            .iter()
            .any(|what| message.starts_with(what));
        let (given, expected) = match message.rsplit_once(", expected ").filter(|_| is_type) {
            Some((given, expected)) => (given, plain_words(expected)),
            None => match message
                .strip_prefix("expected ")
                .and_then(|rest| rest.split_once(", found "))
            {
                Some((expected, given)) => (given, expected.to_owned()),
                None => (message, message.to_owned()),
            },
        };
        let found = self
            .document
            .written(place)
            .unwrap_or_else(|| given.to_owned());
        Problem::Value { expected, found }
    }
}

fn plain_words(expected: &str) -> String {
    let words = match expected {
        "f64" | "f32" => "a number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, zero or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "a boolean" => "true or false",
        "a string" | "a borrowed string" | "string or map" => "a text in quotes",
        "a sequence" => "a list",
        "a map" => "a table",
        "an array of length 2" => "a list of 2",
        "fewer elements in array" => "a shorter list",
        other if other.starts_with("struct ") => "a table",
        other => other,
    };
    words.to_owned()
}

/// The keys that a type's table may have.
pub(super) fn field_names<T: DeserializeOwned>() -> &'static [&'static str] {
    names_asked_for(|names| drop(T::deserialize(names)))
}

/// The keys that whatever `read` deserializes asks for.
pub(super) fn names_asked_for(read: impl FnOnce(FieldNames<'_>)) -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    read(FieldNames {
        fields: &mut fields,
    });
    fields
}

/// A deserializer that only learns the names of a struct's fields, then gives up.
pub(super) struct FieldNames<'a> {
    fields: &'a mut &'static [&'static str],
}

/// Stands for "nothing was read".
#[derive(Debug)]
pub(super) struct NothingRead;

impl fmt::Display for NothingRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing was read")
    }
}

impl std::error::Error for NothingRead {}

impl serde::de::Error for NothingRead {
    fn custom<T: fmt::Display>(_: T) -> Self {
        NothingRead
    }
}

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = NothingRead;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, NothingRead> {
        Err(NothingRead)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, NothingRead> {
        *self.fields = fields;
        Err(NothingRead)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
