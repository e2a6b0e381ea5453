//! What is wrong with a configuration file: every fault, with its line, its key, the bound and what was given.

use std::fmt;

/// Every fault found in one file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    /// The file, as it was named.
    pub file: String,
    /// The faults, in the order of the file.
    pub errors: Vec<ConfigError>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.errors.iter().enumerate() {
            let end = if at + 1 < self.errors.len() { "\n" } else { "" };
            match error.line {
                Some(line) => write!(f, "{}:{line}: {error}{end}", self.file)?,
                None => write!(f, "{}: {error}{end}", self.file)?,
            }
        }
        Ok(())
    }
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The line, from 1, where the file has one to show.
    pub line: Option<usize>,
    /// The key from the root on, such as `universe.us.rules.streak.open_at`; empty for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            self.problem.fmt(f)
        } else {
            write!(f, "{}: {}", self.key, self.problem)
        }
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// So many faults that the rest is only counted.
    #[error("{0} more faults")]
    More(usize),
    /// The file cannot be read.
    #[error("cannot read the file: {0}")]
    Unreadable(String),
    /// The file is not TOML.
    #[error("not TOML: {0}")]
    Syntax(String),
    /// Nothing of that name belongs there.
    #[error("unknown key \"{name}\"; {}", hint(.nearest.as_deref(), .known))]
    UnknownKey {
        /// The name as written.
        name: String,
        /// The name that was probably meant.
        nearest: Option<String>,
        /// Every name that belongs there.
        known: Vec<String>,
    },
    /// A name outside a closed set.
    #[error("unknown value {found}; {}", hint(.nearest.as_deref(), .known))]
    UnknownValue {
        /// The value as written.
        found: String,
        /// The value that was probably meant.
        nearest: Option<String>,
        /// Every value of the set.
        known: Vec<String>,
    },
    /// A key that has to be there is not.
    #[error("missing key \"{0}\"")]
    Missing(String),
    /// A key that is not for the file to set.
    #[error("cannot be set: {0}")]
    Reserved(String),
    /// A value of the wrong type or outside its bounds.
    #[error("expected {expected}, found {found}")]
    Value {
        /// The type or the bound.
        expected: String,
        /// What was given.
        found: String,
    },
}

impl Problem {
    /// An unknown key among known ones.
    pub(super) fn unknown_key<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known = sorted(known);
        Problem::UnknownKey {
            name: name.to_owned(),
            nearest: nearest(name, &known),
            known,
        }
    }

    /// A value outside a closed set.
    pub(super) fn unknown_value<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known = sorted(known);
        Problem::UnknownValue {
            found: format!("\"{found}\""),
            nearest: nearest(found, &known),
            known,
        }
    }
}

fn sorted<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

fn hint(nearest: Option<&str>, known: &[String]) -> String {
    match nearest {
        Some(name) => format!("did you mean \"{name}\"?"),
        None if known.is_empty() => "none is expected here".to_owned(),
        None => format!("expected one of {}", known.join(", ")),
    }
}

/// The known name that a person most likely meant: at most a third of its letters away, at least one letter kept.
fn nearest(name: &str, known: &[String]) -> Option<String> {
    let distance = |candidate: &String| strsim::osa_distance(name, candidate);
    let best = known.iter().min_by_key(|candidate| distance(candidate))?;
    let reach = (best.chars().count().max(name.chars().count()) / 3).max(1);
    (distance(best) <= reach).then(|| best.clone())
}
