//! The topics that others write or read, as an AsyncAPI 3.0 document: channels, messages, headers, keys, payloads.
//!
//! Payload schemas are those of [`crate::schema`]; their definitions stand among the document's components, since tools
//! for AsyncAPI resolve references from the root of the document.
//!
//! Specification: <https://www.asyncapi.com/docs/reference/specification/v3.0.0>.

use crate::{dead_letter, schema, trace};
use rotation_engine::output::RejectCode;
use serde_json::{Map, Value, json};

mod messages;

/// Version of the specification that the document follows.
pub const ASYNCAPI: &str = "3.0.0";

/// Version of the Kafka bindings that the document uses.
const BINDING: &str = "0.5.0";

/// Where schemas stand in the document.
const SCHEMAS: &str = "#/components/schemas/";

/// The names of the topics.
#[derive(Clone, Copy, Debug)]
pub struct Addresses<'a> {
    /// Input records.
    pub ticks: &'a str,
    /// Alerts.
    pub alerts: &'a str,
    /// What rules measured.
    pub readings: &'a str,
    /// Records that cannot be used.
    pub dead_letters: &'a str,
}

/// A channel with its one operation and its messages, as the document has it.
struct Channel<'a> {
    name: &'static str,
    address: &'a str,
    /// What Rotation does with it: `receive` or `send`.
    action: &'static str,
    description: &'static str,
    messages: &'static [&'static str],
}

/// The document, for topics of these names.
pub fn document(addresses: Addresses<'_>) -> Value {
    let channels = channels(addresses);
    let each = |made: fn(&Channel<'_>) -> Value| -> Map<String, Value> {
        let named = channels.iter().map(|it| (it.name.to_owned(), made(it)));
        named.collect()
    };
    let operations: Map<String, Value> = channels
        .iter()
        .map(|it| (format!("{}-{}", it.action, it.name), operation(it)))
        .collect();
    json!({
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "Rotation",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Ticks in, alerts out. What of it may be relied on is in docs/ALERTS.md and docs/INPUT.md.",
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "localhost:9092",
                "protocol": "kafka",
                "description": "The brokers of the configuration.",
            },
        },
        "channels": each(channel),
        "operations": operations,
        "components": { "messages": messages::all(), "schemas": schemas() },
    })
}

fn channels(addresses: Addresses<'_>) -> [Channel<'_>; 4] {
    [
        Channel {
            name: "ticks",
            address: addresses.ticks,
            action: "receive",
            description: "Input records of the feed, keyed by symbol and partitioned as the Java client does.",
            messages: &["inputRecord"],
        },
        Channel {
            name: "alerts",
            address: addresses.alerts,
            action: "send",
            description: "Events of episodes, in transactions: read them with isolation.level=read_committed.",
            messages: &["alertEvent"],
        },
        Channel {
            name: "readings",
            address: addresses.readings,
            action: "send",
            description: "What rules measured, fired or not, and how far universes have decided; in transactions.",
            messages: &["reading"],
        },
        Channel {
            name: "dead-letters",
            address: addresses.dead_letters,
            action: "send",
            description: "Records that cannot be used, as received, and markers of those that were put back.",
            messages: &["deadLetter", "redriven"],
        },
    ]
}

fn channel(channel: &Channel<'_>) -> Value {
    let messages: Map<String, Value> = channel
        .messages
        .iter()
        .map(|name| {
            let message = format!("#/components/messages/{name}");
            ((*name).to_owned(), json!({ "$ref": message }))
        })
        .collect();
    json!({
        "address": channel.address,
        "description": channel.description,
        "servers": [{ "$ref": "#/servers/kafka" }],
        "messages": messages,
        "bindings": { "kafka": { "topic": channel.address, "bindingVersion": BINDING } },
    })
}

fn operation(channel: &Channel<'_>) -> Value {
    let at = format!("#/channels/{}", channel.name);
    let messages: Vec<Value> = channel
        .messages
        .iter()
        .map(|name| json!({ "$ref": format!("{at}/messages/{name}") }))
        .collect();
    json!({ "action": channel.action, "channel": { "$ref": at }, "messages": messages })
}

/// The payload schemas, and beside them the definitions that they refer to.
fn schemas() -> Value {
    let mut all = Map::new();
    for (name, schema) in [
        ("inputRecord", schema::input()),
        ("alert", schema::alert()),
        ("alertEvent", envelope()),
        ("reading", schema::reading()),
        ("deadLetterHeaders", dead_letter_headers()),
        ("redrivenHeaders", redriven_headers()),
        ("traceparent", traceparent()),
        ("tracestate", tracestate()),
    ] {
        let component = as_component(schema, &mut all);
        all.insert(name.to_owned(), component);
    }
    Value::Object(all)
}

/// A schema as a component: definitions go beside it, and what makes it a document of its own is noted.
fn as_component(mut schema: Value, all: &mut Map<String, Value>) -> Value {
    refer_to_components(&mut schema);
    let Some(fields) = schema.as_object_mut() else {
        return schema;
    };
    if let Some(Value::Object(definitions)) = fields.remove("$defs") {
        all.extend(definitions);
    }
    fields.remove("$schema");
    // An `$id` would be the base of every reference below it.
    if let Some(id) = fields.remove("$id") {
        fields.insert("x-schema-id".to_owned(), id);
    }
    schema
}

fn refer_to_components(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get_mut("$ref")
                && let Some(name) = target.strip_prefix("#/$defs/")
            {
                *target = format!("{SCHEMAS}{name}");
            }
            fields.values_mut().for_each(refer_to_components);
        }
        Value::Array(items) => items.iter_mut().for_each(refer_to_components),
        _ => {}
    }
}

/// The attributes of a CloudEvent around an alert.
fn envelope() -> Value {
    let types: Vec<String> = rotation_engine::alert::State::ALL
        .iter()
        .map(|state| format!("rotation.alert.{}.v1", state.name()))
        .collect();
    json!({
        "title": "Alert event",
        "description": "A CloudEvent 1.0 in structured JSON.",
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": {
                "type": "string",
                "description": "data.episode, a slash, data.transition. The same event has the same id, always.",
            },
            "source": { "type": "string", "description": "/rotation/<universe>/<rule>" },
            "type": { "enum": types },
            "subject": { "type": "string", "description": "As data.subject." },
            "time": {
                "type": "string",
                "format": "date-time",
                "description": "As data.as_of: event time, not the wall clock.",
            },
            "datacontenttype": { "const": "application/json" },
            "dataschema": { "const": crate::alerts::DATA_SCHEMA },
            "data": { "$ref": format!("{SCHEMAS}alert") },
        },
    })
}

fn dead_letter_headers() -> Value {
    let codes: Vec<&str> = RejectCode::ALL.iter().map(|code| code.name()).collect();
    let number = json!({ "type": "string", "pattern": "^[0-9]+$" });
    json!({
        "type": "object",
        "required": [
            dead_letter::TOPIC,
            dead_letter::PARTITION,
            dead_letter::OFFSET,
            dead_letter::CODE,
            dead_letter::MESSAGE,
        ],
        "properties": {
            (dead_letter::TOPIC): { "type": "string", "description": "The topic that the record was read from." },
            (dead_letter::PARTITION): number,
            (dead_letter::OFFSET): number,
            (dead_letter::CODE): { "enum": codes },
            (dead_letter::MESSAGE): { "type": "string", "maxLength": dead_letter::MESSAGE_MAX },
            (dead_letter::TRUNCATED): number,
            (trace::TRACEPARENT): { "$ref": format!("{SCHEMAS}traceparent") },
            (trace::TRACESTATE): { "$ref": format!("{SCHEMAS}tracestate") },
        },
    })
}

fn redriven_headers() -> Value {
    json!({
        "type": "object",
        "required": [dead_letter::REDRIVEN_LETTER, dead_letter::REDRIVEN_TO],
        "properties": {
            (dead_letter::REDRIVEN_LETTER): {
                "type": "string",
                "description": "Partition and offset of the dead letter that was put back, with a slash.",
            },
            (dead_letter::REDRIVEN_TO): {
                "type": "string",
                "description": "Topic, partition and offset of the record that was put back, with slashes.",
            },
        },
    })
}

fn traceparent() -> Value {
    json!({
        "type": "string",
        "description": "W3C Trace Context: the trace, and the span that sent the record.",
        "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
    })
}

fn tracestate() -> Value {
    json!({
        "type": "string",
        "description": "W3C Trace Context: what tracing systems add, passed along.",
        "maxLength": trace::TRACESTATE_MAX,
    })
}

#[cfg(test)]
mod tests;
