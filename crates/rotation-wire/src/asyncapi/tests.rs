use super::*;
use crate::readings::ReadingRecord;
use jsonschema::{Draft, Validator};

fn shipped() -> Value {
    document(Addresses {
        ticks: "market.ticks",
        alerts: "rotation.alerts",
        readings: "rotation.readings",
        dead_letters: "rotation.dead-letters",
    })
}

/// The schema of a part of the document, which may refer to the document's components.
fn validator(document: &Value, schema: &Value) -> Validator {
    let mut schema = schema.clone();
    schema["components"] = document["components"].clone();
    jsonschema::options()
        .with_draft(Draft::Draft7)
        .should_validate_formats(true)
        .build(&schema)
        .unwrap()
}

/// Every reference in the document with what it points to.
fn references<'a>(
    document: &'a Value,
    part: &'a Value,
    found: &mut Vec<(&'a str, Option<&'a Value>)>,
) {
    match part {
        Value::Object(fields) => {
            if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
                let path = target.strip_prefix('#').unwrap_or(target);
                found.push((target, document.pointer(path)));
            }
            fields
                .values()
                .for_each(|field| references(document, field, found));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| references(document, item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_points_to_something() {
    let document = shipped();
    let mut found = Vec::new();
    references(&document, &document, &mut found);
    assert!(found.len() > 20, "{} references", found.len());
    for (target, there) in found {
        assert!(there.is_some(), "{target} is not in the document");
    }
}

#[test]
fn examples_are_as_their_schemas_say() {
    let document = shipped();
    let messages = document["components"]["messages"].as_object().unwrap();
    for (name, message) in messages {
        let examples = message["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{name} has no example");
        for example in examples {
            for part in ["headers", "payload"] {
                let Some(value) = example.get(part) else {
                    continue;
                };
                let validator = validator(&document, &message[part]);
                if let Err(error) = validator.validate(value) {
                    panic!(
                        "{name}, {}: {error} at {}",
                        example["name"], error.instance_path
                    );
                }
            }
        }
    }
}

#[test]
fn what_an_example_must_not_say_is_refused() {
    let document = shipped();
    let message = &document["components"]["messages"]["alertEvent"];
    let event = validator(&document, &message["payload"]);
    for (at, broken) in [
        ("/specversion", json!("0.3")),
        ("/type", json!("rotation.alert.worse.v1")),
        ("/data/severity", json!("mild")),
        ("/data/quality", json!({ "present": 2 })),
    ] {
        let mut payload = message["examples"][0]["payload"].clone();
        assert!(event.is_valid(&payload));
        *payload.pointer_mut(at).unwrap() = broken;
        assert!(!event.is_valid(&payload), "{at}");
    }
    let headers = validator(&document, &message["headers"]);
    for parent in [
        "00-0-0-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ] {
        let mut found = message["examples"][0]["headers"].clone();
        assert!(headers.is_valid(&found));
        found["traceparent"] = json!(parent);
        assert!(!headers.is_valid(&found), "{parent}");
    }
}

/// The examples are read by what reads the topics, too.
#[test]
fn examples_decode() {
    let document = shipped();
    let messages = &document["components"]["messages"];
    let records = messages["inputRecord"]["examples"].as_array().unwrap();
    for record in records {
        crate::input::decode(record["payload"].to_string().as_bytes()).unwrap();
        if let Some(parent) = record["headers"][trace::TRACEPARENT].as_str() {
            assert!(
                trace::TraceParent::parse(parent.as_bytes()).is_some(),
                "{parent}"
            );
        }
    }
    for reading in messages["reading"]["examples"].as_array().unwrap() {
        let decoded = ReadingRecord::decode(reading["payload"].to_string().as_bytes()).unwrap();
        let encoded: Value = serde_json::from_slice(&decoded.encode()).unwrap();
        assert_eq!(encoded, reading["payload"]);
    }
    let event = &messages["alertEvent"]["examples"][0]["payload"];
    let decoded = crate::alerts::AlertEvent::decode(event.to_string().as_bytes()).unwrap();
    let encoded: Value = serde_json::from_slice(&decoded.encode()).unwrap();
    assert_eq!(
        encoded, *event,
        "a field of the example is none of an alert's"
    );
}

/// Payload schemas are those that `rotation schema` prints.
#[test]
fn schemas_are_those_of_the_documents_of_their_own() {
    let document = shipped();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, mut own) in [
        ("inputRecord", schema::input()),
        ("alert", schema::alert()),
        ("reading", schema::reading()),
    ] {
        let mut found = schemas[name].clone();
        let id = found.as_object_mut().unwrap().remove("x-schema-id");
        assert_eq!(id.as_ref(), own.get("$id"));
        refer_to_components(&mut own);
        let own = own.as_object_mut().unwrap();
        own.remove("$id");
        own.remove("$schema");
        let definitions = own.remove("$defs");
        assert_eq!(found.as_object(), Some(&*own), "{name}");
        for (name, definition) in definitions.iter().flat_map(|it| it.as_object().unwrap()) {
            assert_eq!(&schemas[name], definition);
        }
    }
}
