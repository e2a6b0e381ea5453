//! JSON Schemas (draft 2020-12) of what users write and read: input records, alerts, readings, configuration.
//!
//! Each has an `$id` that ends in its version. A new version comes with a change that would make a
//! reader of the old one fail; fields and keys are added within a version.

use crate::alerts::{DATA_SCHEMA, Data};
use crate::readings::ReadingRecord;
use rotation_engine::detector::Kind;
use rotation_engine::plan::{RuleCommon, SeriesSpec, UniverseSpec};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

mod input;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Identifies [`input`].
pub const INPUT_SCHEMA: &str = "urn:rotation:schema:input:v1";

/// Identifies [`reading`].
pub const READING_SCHEMA: &str = "urn:rotation:schema:reading:v1";

/// Identifies [`configuration`].
pub const CONFIGURATION_SCHEMA: &str = "urn:rotation:schema:configuration:v1";

/// The schema of input records, as [`crate::input::decode`] takes them.
pub fn input() -> Value {
    let schema = json!({
        "type": "object",
        "properties": {
            "time": {
                "description": "When it happened: RFC 3339 with any offset, or nanoseconds since 1970-01-01T00:00:00Z.",
                "anyOf": [
                    { "type": "string", "format": "date-time" },
                    { "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX },
                ],
            },
        },
        "oneOf": [input::tick(), input::heartbeat(), input::split(), input::void()],
    });
    let about = "A record of the ticks topic. Other keys than these are passed over.";
    headed(INPUT_SCHEMA, "Input record", about, schema)
}

/// The schema of an alert event's `data`; the event's `dataschema` names it.
pub fn alert() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let schema = generator.into_root_schema_for::<Data>();
    headed(
        DATA_SCHEMA,
        "Alert",
        "One event of an episode: the data of a CloudEvent on the alert topic.",
        schema.to_value(),
    )
}

/// The schema of records of the readings topic.
pub fn reading() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let schema = generator.into_root_schema_for::<ReadingRecord>();
    headed(
        READING_SCHEMA,
        "Reading",
        "A record of the readings topic: what a rule measured, or how far a universe has decided.",
        schema.to_value(),
    )
}

/// The schema of the configuration file, where `kafka`, `http`, `notify` and `group` are the schemas
/// of those tables.
pub fn configuration(kafka: Schema, http: Schema, notify: Schema, group: Schema) -> Value {
    let mut universe = inlined::<UniverseSpec>();
    let series = json!({ "type": "object", "additionalProperties": inlined::<SeriesSpec>() });
    set_property(&mut universe, "series", series);
    let groups = json!({ "type": "object", "additionalProperties": plain(group) });
    set_property(&mut universe, "groups", groups);
    let rules: Vec<Value> = Kind::schemas().into_iter().map(rule).collect();
    let rules = json!({
        "description": "The rules by name.",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": { "oneOf": rules },
    });
    set_property(&mut universe, "rules", rules);
    universe["required"] = json!(["rules", "series"]);
    let universes = json!({
        "description": "The universes by name.",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": universe,
    });
    let properties = json!({
        "kafka": plain(kafka),
        "http": plain(http),
        "notify": plain(notify),
        "universe": universes,
    });
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["universe"],
        "properties": properties,
    });
    let about = "What is detected, and where the topics are.";
    headed(
        CONFIGURATION_SCHEMA,
        "Rotation configuration",
        about,
        schema,
    )
}

/// A rule of one kind: what every rule may say, and what the kind is told.
fn rule((kind, own): (&'static str, Schema)) -> Value {
    let mut rule = inlined::<RuleCommon>();
    let mut own = plain(own);
    let own_properties = own["properties"].as_object_mut().map(std::mem::take);
    for (key, mut property) in own_properties.into_iter().flatten() {
        if key == "members" {
            let group = json!({ "type": "string", "description": "The name of a group." });
            property = json!({ "anyOf": [property, group] });
        }
        set_property(&mut rule, &key, property);
    }
    set_property(&mut rule, "kind", json!({ "const": kind }));
    let mut required = vec![json!("kind")];
    required.extend(own["required"].as_array().into_iter().flatten().cloned());
    rule["required"] = Value::Array(required);
    rule["title"] = json!(kind);
    rule["description"] = own["description"].take();
    if let Some(definitions) = own.get_mut("$defs") {
        resolve(&mut rule, &definitions.take());
    }
    rule
}

fn set_property(schema: &mut Value, key: &str, property: Value) {
    schema["properties"][key] = property;
}

/// Puts definitions in the place of references to them. They must not refer to themselves.
fn resolve(schema: &mut Value, definitions: &Value) {
    match schema {
        Value::Object(fields) => {
            let name = fields.get("$ref").and_then(Value::as_str);
            let definition = name.and_then(|name| definitions.get(name.strip_prefix("#/$defs/")?));
            if let Some(Value::Object(definition)) = definition {
                fields.remove("$ref");
                for (key, value) in definition {
                    fields.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
            fields
                .values_mut()
                .for_each(|field| resolve(field, definitions));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, definitions)),
        _ => {}
    }
}

/// A type's schema without references, so that it can be put inside another.
fn inlined<T: JsonSchema>() -> Value {
    let inline = |settings: &mut SchemaSettings| settings.inline_subschemas = true;
    let generator = SchemaSettings::draft2020_12().with(inline).into_generator();
    plain(generator.into_root_schema_for::<T>())
}

/// A schema without what only a root has.
fn plain(schema: Schema) -> Value {
    let mut schema = schema.to_value();
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("$schema");
        fields.remove("title");
    }
    schema
}

/// The schema as a document of its own.
fn headed(id: &str, title: &str, about: &str, schema: Value) -> Value {
    let mut document = Map::new();
    if let Value::Object(fields) = schema {
        document.extend(fields);
    }
    for (key, value) in [
        ("$schema", DRAFT),
        ("$id", id),
        ("title", title),
        ("description", about),
    ] {
        document.insert(key.to_owned(), json!(value));
    }
    Value::Object(document)
}

#[cfg(test)]
mod tests;
