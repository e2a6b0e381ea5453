//! Whether a reader of one JSON Schema reads what is written by another.
//!
//! What is written may gain fields, and may leave values of a list out; everything that a reader was promised stays:
//! fields that were there, those that were always there, their types, and no value that a list did not have.

use std::collections::BTreeSet;

use serde_json::Value;

/// What a reader of `old` would stumble over in documents of `new`; nothing where they are compatible.
#[must_use]
pub fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut check = Check {
        old_root: old,
        new_root: new,
        seen: BTreeSet::new(),
        found: Vec::new(),
    };
    check.node("", old, new);
    check.found
}

/// Keywords that a reader may rely on, and that may not become another.
const FIXED: [&str; 7] = [
    "format",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "additionalProperties",
];

struct Check<'a> {
    old_root: &'a Value,
    new_root: &'a Value,
    /// Pairs of definitions that were compared, since they may refer to themselves.
    seen: BTreeSet<(String, String)>,
    found: Vec<String>,
}

impl<'a> Check<'a> {
    fn node(&mut self, path: &str, old: &'a Value, new: &'a Value) {
        if let (Some(from), Some(to)) = (reference(old), reference(new))
            && !self.seen.insert((from.to_owned(), to.to_owned()))
        {
            return;
        }
        let (old, new) = (resolved(self.old_root, old), resolved(self.new_root, new));
        if let Some(listed) = list(self.old_root, old) {
            self.listed(path, &listed, list(self.new_root, new));
            return;
        }
        if let Some(choices) = choices(old) {
            self.choices(path, choices, new);
        }
        self.types(path, old, new);
        self.properties(path, old, new);
        for keyword in FIXED {
            match (&old[keyword], &new[keyword]) {
                (Value::Null, _) => {}
                (from @ Value::Object(_), to @ Value::Object(_)) => {
                    self.node(&format!("{path}/*"), from, to);
                }
                (from, to) if from != to => {
                    self.says(path, &format!("{keyword} was {from}, is {to}"));
                }
                _ => {}
            }
        }
        if old["items"].is_object() {
            self.node(&format!("{path}/[]"), &old["items"], &new["items"]);
        }
    }

    fn listed(&mut self, path: &str, old: &[&Value], new: Option<Vec<&Value>>) {
        let Some(new) = new else {
            self.says(path, "was one of a list, and may be anything now");
            return;
        };
        for value in new.iter().filter(|value| !old.contains(value)) {
            self.says(path, &format!("may be {value} now"));
        }
    }

    /// Each way to write it has to be one that was there.
    fn choices(&mut self, path: &str, old: &'a [Value], new: &'a Value) {
        let alone = std::slice::from_ref(new);
        for way in choices(new).unwrap_or(alone) {
            let is_known = old.iter().any(|known| {
                let mut apart = Check {
                    old_root: self.old_root,
                    new_root: self.new_root,
                    seen: self.seen.clone(),
                    found: Vec::new(),
                };
                apart.node(path, known, way);
                apart.found.is_empty()
            });
            if !is_known {
                self.says(path, &format!("may be written as {way} now"));
            }
        }
    }

    fn types(&mut self, path: &str, old: &Value, new: &Value) {
        let (old, new) = (types(old), types(new));
        if old.is_empty() {
            return;
        }
        if new.is_empty() {
            self.says(path, &format!("was {old:?}, and may be anything now"));
        }
        let is_known =
            |kind: &&str| old.contains(kind) || (*kind == "integer" && old.contains(&"number"));
        for kind in new.iter().filter(|kind| !is_known(kind)) {
            self.says(path, &format!("was {old:?}, and may be {kind} now"));
        }
    }

    fn properties(&mut self, path: &str, old: &'a Value, new: &'a Value) {
        for (name, property) in old["properties"].as_object().into_iter().flatten() {
            let at = format!("{path}/{name}");
            match new["properties"].get(name) {
                Some(now) => self.node(&at, property, now),
                None => self.says(&at, "is gone"),
            }
        }
        let required = strings(&new["required"]);
        for name in strings(&old["required"]) {
            if !required.contains(&name) {
                self.says(
                    &format!("{path}/{name}"),
                    "was always there, and may be absent now",
                );
            }
        }
    }

    fn says(&mut self, path: &str, what: &str) {
        self.found.push(format!("{path}: {what}"));
    }
}

fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()
}

fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = reference(schema).and_then(|target| target.strip_prefix('#'));
    target.and_then(|path| root.pointer(path)).unwrap_or(schema)
}

fn choices(schema: &Value) -> Option<&[Value]> {
    let found = schema.get("anyOf").or_else(|| schema.get("oneOf"))?;
    found.as_array().map(Vec::as_slice)
}

/// The values that a schema allows, where it names them one by one.
fn list<'a>(root: &'a Value, schema: &'a Value) -> Option<Vec<&'a Value>> {
    if let Some(only) = schema.get("const") {
        return Some(vec![only]);
    }
    if let Some(values) = schema.get("enum") {
        return values.as_array().map(|values| values.iter().collect());
    }
    let mut all = Vec::new();
    for choice in choices(schema)? {
        all.extend(list(root, resolved(root, choice))?);
    }
    Some(all)
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(only) => vec![only],
        several => strings(several),
    }
}

fn strings(list: &Value) -> Vec<&str> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({
            "type": "object",
            "required": ["id", "state"],
            "properties": {
                "id": { "type": "string" },
                "state": { "$ref": "#/$defs/State" },
                "worst": { "anyOf": [{ "$ref": "#/$defs/State" }, { "type": "null" }] },
                "value": { "type": ["number", "null"], "format": "double" },
                "stale": { "type": "array", "items": { "type": "string" } },
                "facts": { "$ref": "#/$defs/Facts" },
            },
            "$defs": {
                "State": { "oneOf": [{ "const": "opened" }, { "enum": ["resolved", "eased"] }] },
                "Facts": { "type": "object", "additionalProperties": { "$ref": "#/$defs/Fact" } },
                "Fact": { "anyOf": [{ "type": "number" }, { "$ref": "#/$defs/Facts" }] },
            },
        })
    }

    fn changed(at: &str, to: Value) -> Value {
        let mut schema = schema();
        if to == json!("gone") {
            let (parent, key) = at.rsplit_once('/').unwrap();
            let parent = schema.pointer_mut(parent).unwrap();
            parent.as_object_mut().unwrap().remove(key).unwrap();
        } else if let Some(there) = schema.pointer_mut(at) {
            *there = to;
        } else {
            let (parent, key) = at.rsplit_once('/').unwrap();
            schema.pointer_mut(parent).unwrap()[key] = to;
        }
        schema
    }

    #[test]
    fn what_a_reader_does_not_see_is_compatible() {
        let schema = schema();
        assert_eq!(breaks(&schema, &schema), Vec::<String>::new());
        for (at, to) in [
            ("/properties/more", json!({ "type": "string" })),
            ("/description", json!("told better")),
            ("/required", json!(["state", "id", "value"])),
            ("/$defs/State", json!({ "enum": ["opened", "resolved"] })),
            ("/properties/value/type", json!("integer")),
            ("/properties/worst", json!({ "type": "null" })),
            (
                "/properties/worst/anyOf",
                json!([{ "const": "eased" }, { "type": "null" }]),
            ),
            ("/$defs/Fact/anyOf", json!([{ "type": "integer" }])),
        ] {
            assert_eq!(
                breaks(&schema, &changed(at, to)),
                Vec::<String>::new(),
                "{at}"
            );
        }
    }

    #[test]
    fn what_a_reader_stumbles_over_is_found() {
        for (at, to) in [
            ("/properties/id", json!("gone")),
            ("/properties/stale", json!("gone")),
            ("/required", json!(["id"])),
            ("/required", json!("gone")),
            ("/type", json!("array")),
            ("/properties/id/type", json!("integer")),
            ("/properties/id/type", json!(["string", "null"])),
            ("/properties/id/type", json!("gone")),
            ("/properties/value/format", json!("float")),
            ("/properties/stale/items/type", json!("number")),
            ("/properties/state", json!({ "type": "string" })),
            ("/properties/worst/anyOf/1", json!({ "type": "number" })),
            (
                "/$defs/State/oneOf/1/enum",
                json!(["resolved", "eased", "confirmed"]),
            ),
            (
                "/$defs/State/oneOf",
                json!([{ "const": "opened" }, { "const": "worse" }]),
            ),
            ("/$defs/Fact/anyOf/0/type", json!("string")),
            ("/$defs/Facts/additionalProperties", json!(true)),
        ] {
            let found = breaks(&schema(), &changed(at, to.clone()));
            assert_ne!(found, Vec::<String>::new(), "{at} {to}");
        }
    }
}
