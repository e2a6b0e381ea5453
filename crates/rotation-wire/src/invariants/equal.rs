//! The events of one run against those of another.

use super::Place;
use crate::alerts::comparable;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An event that was told more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// Its id.
    pub id: String,
    /// Where, in the order found; always more than one.
    pub places: Vec<Place>,
}

/// An event that says another thing than the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Different {
    /// Its id.
    pub id: String,
    /// Where it is.
    pub place: Place,
    /// Names of the fields that differ, with what was expected and what was found, as JSON; nothing where one lacks it.
    pub fields: Vec<(String, Option<String>, Option<String>)>,
}

/// How the events of a run differ from those of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unequal {
    /// Ids of the reference that were not found.
    pub lost: Vec<String>,
    /// Events told more than once.
    pub repeated: Vec<Repeat>,
    /// Events that the reference does not have, by id, and where.
    pub invented: Vec<(String, Place)>,
    /// Events that say another thing than the reference.
    pub different: Vec<Different>,
}

impl Unequal {
    /// Whether there is no difference.
    pub fn is_none(&self) -> bool {
        *self == Unequal::default()
    }
}

/// How the events found differ from those of the reference, both as their bytes. Nothing is said about order, and what
/// only a live run knows (`detected_at`, `positions`) is not compared. Bytes without an id are known by their text.
pub fn equal<R: AsRef<[u8]>, F: AsRef<[u8]>>(reference: &[R], found: &[(Place, F)]) -> Unequal {
    let mut expected: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for event in reference {
        expected.insert(id_of(event.as_ref()), comparable(event.as_ref()));
    }
    let mut places: BTreeMap<String, Vec<Place>> = BTreeMap::new();
    let mut unequal = Unequal::default();
    for (place, event) in found {
        let id = id_of(event.as_ref());
        let seen = places.entry(id.clone()).or_default();
        seen.push(*place);
        match expected.get(&id) {
            None if seen.len() == 1 => unequal.invented.push((id, *place)),
            None => {}
            Some(reference) => {
                let found = comparable(event.as_ref());
                if *reference != found {
                    unequal.different.push(Different {
                        id,
                        place: *place,
                        fields: differing(reference, &found),
                    });
                }
            }
        }
    }
    unequal.lost = expected
        .into_keys()
        .filter(|id| !places.contains_key(id))
        .collect();
    unequal.repeated = places
        .into_iter()
        .filter(|(_, places)| places.len() > 1)
        .map(|(id, places)| Repeat { id, places })
        .collect();
    unequal
}

fn id_of(event: &[u8]) -> String {
    serde_json::from_slice::<Value>(event)
        .ok()
        .and_then(|event| Some(event.get("id")?.as_str()?.to_owned()))
        .unwrap_or_else(|| crate::text::one_line(&String::from_utf8_lossy(event), 128))
}

/// The leaves that differ, by path.
fn differing(expected: &[u8], found: &[u8]) -> Vec<(String, Option<String>, Option<String>)> {
    let leaves = |bytes: &[u8]| {
        let mut leaves = BTreeMap::new();
        match serde_json::from_slice(bytes) {
            Ok(value) => push_leaves("", &value, &mut leaves),
            Err(_) => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                leaves.insert(String::new(), text);
            }
        }
        leaves
    };
    let (expected, found) = (leaves(expected), leaves(found));
    let names: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let mut differing: Vec<_> = names
        .into_iter()
        .map(|name| {
            (
                name.clone(),
                expected.get(name).cloned(),
                found.get(name).cloned(),
            )
        })
        .filter(|(_, expected, found)| expected != found)
        .collect();
    if differing.is_empty() {
        // Same values in another order or notation.
        differing.push(("bytes".to_owned(), None, None));
    }
    differing
}

fn push_leaves(path: &str, value: &Value, leaves: &mut BTreeMap<String, String>) {
    let join = |name: &str| {
        let dot = if path.is_empty() { "" } else { "." };
        format!("{path}{dot}{name}")
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                push_leaves(&join(name), value, leaves);
            }
        }
        Value::Array(values) if !values.is_empty() => {
            for (at, value) in values.iter().enumerate() {
                push_leaves(&join(&at.to_string()), value, leaves);
            }
        }
        leaf => {
            leaves.insert(path.to_owned(), leaf.to_string());
        }
    }
}
