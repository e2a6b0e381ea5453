use super::*;
use crate::alerts::AlertEvent;
use jsonschema::{Draft, Validator};
use std::path::Path;

fn validator(schema: &Value) -> Validator {
    jsonschema::meta::validate(schema).unwrap_or_else(|error| panic!("no valid schema: {error}"));
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .build(schema)
        .unwrap()
}

fn anything() -> Schema {
    schemars::json_schema!({ "type": "object" })
}

#[test]
fn each_is_a_document_with_its_version() {
    let schemas = [
        input(),
        alert(),
        reading(),
        configuration(anything(), anything(), anything(), anything()),
    ];
    let ids = schemas
        .each_ref()
        .map(|schema| schema["$id"].as_str().unwrap());
    assert_eq!(
        ids,
        [
            "urn:rotation:schema:input:v1",
            "urn:rotation:schema:alert:v1",
            "urn:rotation:schema:reading:v1",
            "urn:rotation:schema:configuration:v1"
        ]
    );
    for schema in &schemas {
        assert_eq!(schema["$schema"], DRAFT);
        assert!(schema["title"].is_string() && schema["description"].is_string());
    }
}

/// Records on which the schema and the decoder have to agree.
#[test]
fn input_records_are_those_that_decode() {
    let validator = validator(&input());
    let good = [
        r#"{"symbol":"RUT","time":"2026-01-22T20:59:59.123Z","price":2718.77,"size":100,"seq":42}"#,
        r#"{"symbol":"DGS10","time":1769115599123000000,"value":-0.5,"venue":"H.15"}"#,
        r#"{"type":"tick","symbol":"RUT","time":"2026-01-22T15:59:59-05:00","price":1,"size":null,"official":true}"#,
        r#"{"type":"heartbeat","time":"2026-01-22T21:00:00Z"}"#,
        r#"{"type":"split","symbol":"NVDA","time":"2026-01-22T21:00:00Z","ratio":10}"#,
        r#"{"type":"void","symbol":"RUT","seq":42}"#,
        r#"{"type":"void","symbol":"RUT","seq":42,"time":"2026-01-22T21:00:00Z"}"#,
    ];
    let bad = [
        "[]",
        "{}",
        r#"{"symbol":"RUT","time":"2026-01-22T20:59:59.123Z"}"#,
        r#"{"symbol":"RUT","price":1}"#,
        r#"{"time":"2026-01-22T20:59:59.123Z","price":1}"#,
        r#"{"symbol":"","time":0,"price":1}"#,
        r#"{"symbol":"RUT","time":"noon","price":1}"#,
        r#"{"symbol":"RUT","time":true,"price":1}"#,
        r#"{"symbol":"RUT","time":0,"price":"1"}"#,
        r#"{"symbol":"RUT","time":0,"price":1,"value":1}"#,
        r#"{"symbol":"RUT","time":0,"price":1,"size":-1}"#,
        r#"{"symbol":"RUT","time":0,"price":1,"seq":-1}"#,
        r#"{"symbol":"RUT","time":0,"price":1,"official":"yes"}"#,
        r#"{"type":"trade","symbol":"RUT","time":0,"price":1}"#,
        r#"{"type":"heartbeat"}"#,
        r#"{"type":"split","symbol":"NVDA","time":0,"ratio":0}"#,
        r#"{"type":"split","symbol":"NVDA","time":0}"#,
        r#"{"type":"void","symbol":"NVDA","time":0}"#,
        r#"{"type":"void","seq":0,"time":0}"#,
    ];
    let records = good
        .map(|record| (record, true))
        .into_iter()
        .chain(bad.map(|record| (record, false)));
    for (record, is_good) in records {
        let value: Value = serde_json::from_str(record).unwrap();
        assert_eq!(validator.is_valid(&value), is_good, "schema: {record}");
        assert_eq!(
            crate::input::decode(record.as_bytes()).is_ok(),
            is_good,
            "decoder: {record}"
        );
    }
}

#[test]
fn alerts_are_as_their_schema_says() {
    let schema = alert();
    let validator = validator(&schema);
    let live = crate::alerts::tests::live();
    for event in [live.clone(), AlertEvent::from(live.alert)] {
        let event: Value = serde_json::from_slice(&event.encode()).unwrap();
        assert_eq!(event["dataschema"], schema["$id"]);
        let data = &event["data"];
        if let Err(error) = validator.validate(data) {
            panic!("{} at {}", error, error.instance_path);
        }
        for (key, _) in data.as_object().unwrap() {
            assert!(
                schema["properties"].get(key).is_some(),
                "the schema lacks {key}"
            );
        }
        for (key, broken) in [
            ("state", json!("worse")),
            ("severity", json!(3)),
            ("value", json!("high")),
            ("as_of", Value::Null),
            ("evidence", json!([])),
            ("quality", json!({ "present": 1 })),
            ("positions", json!([{ "topic": "t" }])),
        ] {
            let mut data = data.clone();
            data[key] = broken;
            assert!(!validator.is_valid(&data), "{key}: {}", data[key]);
        }
        let mut data = data.clone();
        data.as_object_mut().unwrap().remove("headline");
        assert!(!validator.is_valid(&data));
    }
}

/// The schema where the tables that the service owns may hold anything.
fn open_configuration() -> Value {
    configuration(anything(), anything(), anything(), anything())
}

fn config(text: &str) -> Value {
    let table: toml::Table = text.parse().unwrap();
    serde_json::to_value(table).unwrap()
}

const EXAMPLE: &str = r#"
[kafka]
brokers = ["localhost:9092"]

[universe.us]
calendar = "XNYS"
lateness = "30s"
live_from = "2026-01-01"

[universe.us.series]
RUT       = { name = "Russell 2000" }
GSPC      = { name = "S&P 500" }
DGS10     = { name = "10-year Treasury yield", unit = "percent", calendar = "US-BOND" }
"RSP/SPY" = { ratio = ["RSP", "SPY"] }

[universe.us.rules.small-cap-streak]
kind = "relative_streak"
clock = "session"
leader = "RUT"
laggard = "GSPC"
open_at = 5
escalate_at = [10, 15]
severity = { opened = "info", escalated = "warning" }

[universe.us.rules.ten-year]
kind = "level_approach"
series = "DGS10"
level = 5.00
from = "below"
near = "10bp"
rearm = 0.3
base_rate = { per_year = 0.4 }

[universe.us.rules.record]
kind = "record_high"
series = "RUT"
lookback = 252
"#;

#[test]
fn configurations_are_as_their_schema_says() {
    let validator = validator(&open_configuration());
    if let Err(error) = validator.validate(&config(EXAMPLE)) {
        panic!("{} at {}", error, error.instance_path);
    }
    for (from, to) in [
        ("[kafka]", "[kafkaesque]"),
        ("lateness =", "latenes ="),
        ("lateness = \"30s\"", "lateness = 30"),
        ("unit = \"percent\"", "unit = \"bp\""),
        ("ratio = [\"RSP\", \"SPY\"]", "ratio = [\"RSP\"]"),
        ("kind = \"relative_streak\"", "kind = \"streak\""),
        ("kind = \"relative_streak\"", ""),
        ("leader = \"RUT\"", ""),
        ("open_at = 5", "open_at = -5"),
        ("open_at = 5", "opens_at = 5"),
        ("open_at = 5", "lookback = 5"),
        ("opened = \"info\"", "opened = \"mild\""),
        ("level = 5.00", "level = \"five\""),
        ("from = \"below\"", "from = \"under\""),
        ("lookback = 252", "lookback = \"some\""),
        ("per_year = 0.4", "per_year = \"seldom\""),
    ] {
        let broken = EXAMPLE.replacen(from, to, 1);
        assert_ne!(broken, EXAMPLE, "{from}");
        assert!(!validator.is_valid(&config(&broken)), "{from} -> {to}");
    }
    assert!(!validator.is_valid(&json!({})));
}

#[test]
fn shipped_examples_are_valid() {
    let validator = validator(&open_configuration());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        if let Err(error) = validator.validate(&config(&text)) {
            panic!("{}: {} at {}", path.display(), error, error.instance_path);
        }
        seen += 1;
    }
    assert!(seen > 0, "no example was found");
}
