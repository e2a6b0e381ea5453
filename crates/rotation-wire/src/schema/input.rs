//! The kinds of input record.

use serde_json::{Value, json};

pub(super) fn tick() -> Value {
    let price = json!({
        "description": "Price, or value in the series' unit, such as a yield in percent.",
        "type": "number",
    });
    json!({
        "title": "Tick",
        "description": "An observation of a series.",
        "required": ["symbol", "time"],
        "properties": {
            "type": { "enum": ["tick", null] },
            "symbol": symbol(),
            "price": price,
            "value": price,
            "size": {
                "description": "Traded quantity.",
                "type": ["number", "null"],
                "minimum": 0,
            },
            "seq": {
                "description": "The feed's sequence number within the series: a number seen before marks a duplicate.",
                "type": ["integer", "null"],
                "minimum": 0,
                "maximum": u64::MAX,
            },
            "official": {
                "description": "An official closing print.",
                "type": ["boolean", "null"],
            },
        },
        "oneOf": [{ "required": ["price"] }, { "required": ["value"] }],
    })
}

pub(super) fn heartbeat() -> Value {
    json!({
        "title": "Heartbeat",
        "description": "Nothing older than its time will come on this partition.",
        "required": ["type", "time"],
        "properties": { "type": { "const": "heartbeat" } },
    })
}

pub(super) fn split() -> Value {
    json!({
        "title": "Split",
        "description": "From its time on, prices of the symbol are divided by the ratio.",
        "required": ["type", "symbol", "time", "ratio"],
        "properties": {
            "type": { "const": "split" },
            "symbol": symbol(),
            "ratio": {
                "description": "New shares for an old one; 10 for ten-for-one.",
                "type": "number",
                "exclusiveMinimum": 0,
            },
        },
    })
}

pub(super) fn void() -> Value {
    json!({
        "title": "Void",
        "description": "The print of this number never was: it is taken out of its bars. A time has to be the print's own.",
        "required": ["type", "symbol", "seq"],
        "properties": {
            "type": { "const": "void" },
            "symbol": symbol(),
            "seq": {
                "description": "The print's sequence number within the series.",
                "type": "integer",
                "minimum": 0,
                "maximum": u64::MAX,
            },
        },
    })
}

fn symbol() -> Value {
    json!({
        "description": "The series, as the configuration names it. Best also the record's key: symbols that no universe names are then passed over unread.",
        "type": "string",
        "minLength": 1,
    })
}
