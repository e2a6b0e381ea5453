//! The messages of the channels, with an example each.

use super::{BINDING, SCHEMAS};
use crate::alerts::{CONTENT_TYPE, CONTENT_TYPE_HEADER};
use crate::{dead_letter, trace};
use serde_json::{Value, json};

/// An alert as it is published.
const ALERT: &str = include_str!("alert.example.json");

/// A trace in an example.
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("{SCHEMAS}{schema}") })
}

fn key(description: &str) -> Value {
    json!({
        "kafka": {
            "key": { "type": "string", "description": description },
            "bindingVersion": BINDING,
        },
    })
}

pub(super) fn all() -> Value {
    json!({
        "inputRecord": input_record(),
        "alertEvent": alert_event(),
        "reading": reading(),
        "deadLetter": dead_letter(),
        "redriven": redriven(),
    })
}

fn input_record() -> Value {
    let record = |name: &str, payload: Value| json!({ "name": name, "payload": payload });
    json!({
        "name": "inputRecord",
        "title": "Input record",
        "summary": "A tick, a heartbeat, a split or a void.",
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "properties": {
                (trace::TRACEPARENT): reference("traceparent"),
                (trace::TRACESTATE): reference("tracestate"),
            },
        },
        "payload": reference("inputRecord"),
        "bindings": key("The symbol; a heartbeat has none and goes to every partition."),
        "examples": [
            {
                "name": "tick",
                "headers": { (trace::TRACEPARENT): PARENT },
                "payload": {
                    "symbol": "RUT", "time": "2026-01-22T20:59:59.123Z", "price": 2718.77, "size": 100, "seq": 42,
                },
            },
            record("official", json!({
                "symbol": "RUT", "time": "2026-01-22T21:00:00Z", "price": 2718.77, "official": true,
            })),
            record("heartbeat", json!({ "type": "heartbeat", "time": "2026-01-22T21:00:30Z" })),
            record("split", json!({
                "type": "split", "symbol": "NVDA", "time": "2024-06-10T13:30:00Z", "ratio": 10,
            })),
            record("void", json!({ "type": "void", "symbol": "RUT", "seq": 42 })),
        ],
    })
}

fn alert_event() -> Value {
    let event: Value =
        serde_json::from_str(ALERT).expect("the example is JSON, which a test reads");
    json!({
        "name": "alertEvent",
        "title": "Alert event",
        "summary": "One event of an episode.",
        "contentType": CONTENT_TYPE,
        "headers": {
            "type": "object",
            "required": [CONTENT_TYPE_HEADER],
            "properties": {
                (CONTENT_TYPE_HEADER): { "const": CONTENT_TYPE },
                (trace::TRACEPARENT): reference("traceparent"),
                (trace::TRACESTATE): reference("tracestate"),
            },
        },
        "payload": reference("alertEvent"),
        "bindings": key("universe/rule/subject: the events of an episode are in one partition, in order."),
        "examples": [{
            "name": "escalated",
            "headers": {
                (CONTENT_TYPE_HEADER): CONTENT_TYPE,
                (trace::TRACEPARENT): PARENT,
            },
            "payload": event,
        }],
    })
}

fn reading() -> Value {
    json!({
        "name": "reading",
        "title": "Reading",
        "summary": "What a rule measured at a section, or how far a universe has decided.",
        "contentType": "application/json",
        "payload": reference("reading"),
        "bindings": key("universe/rule; of a horizon the universe."),
        "examples": [
            {
                "name": "reading",
                "payload": {
                    "type": "reading", "universe": "us", "rule": "small-cap-streak",
                    "rule_version": "02b404713862ed2f", "kind": "relative_streak", "clock": "session",
                    "subject": "RUT/GSPC", "as_of": "2026-01-15T21:00:00Z", "session": "2026-01-15",
                    "value": 10.0, "threshold": 15.0, "distance": 5.0, "unit": "sessions", "open": true,
                    "inputs": { "GSPC": 6890.1, "RUT": 2451.3 },
                    "quality": { "present": 2, "expected": 2, "stale": [] },
                },
            },
            {
                "name": "horizon",
                "payload": {
                    "type": "horizon", "universe": "us", "horizon": "2026-01-15T21:00:00Z",
                    "newest": "2026-01-15T20:59:58Z",
                    "sources": [{ "partition": 0, "horizon": "2026-01-15T21:00:00Z", "excluded": false }],
                },
            },
        ],
    })
}

fn dead_letter() -> Value {
    json!({
        "name": "deadLetter",
        "title": "Dead letter",
        "summary": "A record that cannot be used, as received.",
        "contentType": "application/octet-stream",
        "headers": reference("deadLetterHeaders"),
        "payload": { "description": "The bytes as received, or their beginning." },
        "bindings": key("As received."),
        "examples": [{
            "name": "undecodable",
            "headers": {
                (dead_letter::TOPIC): "market.ticks",
                (dead_letter::PARTITION): "3",
                (dead_letter::OFFSET): "4711",
                (dead_letter::CODE): "undecodable",
                (dead_letter::MESSAGE): "expected a JSON object, found a number",
            },
            "payload": "42",
        }],
    })
}

fn redriven() -> Value {
    json!({
        "name": "redriven",
        "title": "Marker of a dead letter that was put back",
        "summary": "Says that a letter went back to its topic; it has no value.",
        "headers": reference("redrivenHeaders"),
        "payload": { "type": "null" },
        "bindings": key("As the letter's."),
        "examples": [{
            "name": "marker",
            "headers": {
                (dead_letter::REDRIVEN_LETTER): "0/17",
                (dead_letter::REDRIVEN_TO): "market.ticks/3/5012",
            },
            "payload": null,
        }],
    })
}
