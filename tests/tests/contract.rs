//! The contract with those who write ticks and read alerts: the AsyncAPI document, and that the readers of an earlier
//! version read what this one writes.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::io::Read;
use std::path::PathBuf;
use std::sync::OnceLock;

use flate2::read::GzDecoder;
use jsonschema::Validator;
use rotation_engine::alert::Alert;
use rotation_engine::output::Output;
use rotation_engine::pipeline::Pipeline;
use rotation_engine::universe::ReadingDetail;
use rotation_service::backtest::{Request, backtest};
use rotation_service::cli::asyncapi;
use rotation_service::config::Config;
use rotation_sim::scenario::Scenario;
use rotation_tests::compatible::breaks;
use rotation_tests::{market, skipped, workspace};
use rotation_wire::alerts::{AlertEvent, Position};
use rotation_wire::partition::partition_for;
use serde_json::{Value, json};

const DOCUMENT: &str = "docs/asyncapi.json";

/// The schema of alerts that was released as version 1; it is never written again.
fn released() -> Value {
    serde_json::from_str(include_str!("../fixtures/alerts-v1.schema.json")).unwrap()
}

fn validator(schema: &Value) -> Validator {
    let options = jsonschema::options().should_validate_formats(true);
    options.build(schema).unwrap()
}

#[test]
fn the_asyncapi_document_is_in_step() {
    let path = workspace::root().join(DOCUMENT);
    let document = serde_json::to_string_pretty(&asyncapi()).unwrap() + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == document,
        "{DOCUMENT} is out of step; run with UPDATE_DOCS=1"
    );
}

/// The JSON Schema of AsyncAPI 3.0; `None` where it was not fetched.
fn specification() -> Option<Value> {
    let named = std::env::var_os("ROTATION_ASYNCAPI").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| workspace::root().join(".cache/asyncapi"));
    let path = folder.join("node_modules/@asyncapi/specs/schemas/3.0.0.json");
    if !path.is_file() {
        skipped::skip(&format!("no {}: make asyncapi", path.display()));
        return None;
    }
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).ok()
}

#[test]
fn the_asyncapi_document_is_one() {
    let Some(specification) = specification() else {
        return;
    };
    let validator = validator(&specification);
    let document = asyncapi();
    if let Err(error) = validator.validate(&document) {
        panic!("{error} at {}", error.instance_path);
    }
    for (at, broken) in [
        ("/asyncapi", json!("2.6.0")),
        ("/channels/alerts/messages", json!([])),
        ("/operations/send-alerts/action", json!("publish")),
        (
            "/components/messages/alertEvent/examples/0",
            json!({ "name": 3 }),
        ),
        (
            "/components/messages/alertEvent/bindings/kafka/key",
            json!(7),
        ),
        ("/components/schemas/alert/type", json!("record")),
    ] {
        let mut document = document.clone();
        *document.pointer_mut(at).unwrap() = broken;
        assert!(!validator.is_valid(&document), "{at}");
    }
}

/// The events of the demonstration, as the service would publish them.
fn events() -> &'static [Vec<u8>] {
    static EVENTS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    EVENTS.get_or_init(|| decided().into_iter().map(published).collect())
}

fn published(alert: Alert) -> Vec<u8> {
    let position = Position {
        topic: "rotation.bars".to_owned(),
        partition: 0,
        offset: 7,
    };
    let event = AlertEvent {
        detected_at: Some(alert.as_of),
        positions: Some(vec![position]),
        alert,
    };
    event.encode()
}

fn decided() -> Vec<Alert> {
    let config = Config::load(&workspace::root().join("config/demo.toml")).unwrap();
    let sources = 4;
    let mut pipeline = Pipeline::new(config.universe("us").unwrap(), sources);
    let mut outputs = Vec::new();
    for event in Scenario::great_rotation(42).events() {
        let partition = event
            .symbol()
            .map(|it| partition_for(it.as_bytes(), sources));
        for source in partition.map_or(0..sources, |at| at..at + 1) {
            pipeline.push(source, &event.as_source(), &mut outputs);
        }
        outputs.retain(|output| matches!(output, Output::Alert(_)));
    }
    pipeline.flush(&mut outputs);
    let alerts = outputs.into_iter().filter_map(|output| match output {
        Output::Alert(alert) => Some(*alert),
        _ => None,
    });
    alerts.collect()
}

/// Fails on the first event whose data the schema refuses; how many there were.
fn hold(schema: &Value, events: impl IntoIterator<Item = Vec<u8>>) -> usize {
    let validator = validator(schema);
    let mut count = 0;
    for bytes in events {
        let event: Value = serde_json::from_slice(&bytes).unwrap();
        if let Err(error) = validator.validate(&event["data"]) {
            panic!("{}: {error} at {}", event["id"], error.instance_path);
        }
        assert_eq!(event["dataschema"], schema["$id"]);
        count += 1;
    }
    count
}

#[test]
fn readers_of_version_1_read_the_events_of_the_demonstration() {
    let count = hold(&released(), events().to_vec());
    assert!(count > 10, "{count} events are too few to test with");
}

#[test]
fn readers_of_version_1_read_the_events_of_history() {
    let Some(data) = market::find("daily") else {
        return;
    };
    let mut config = Config::load(&workspace::root().join("config/great-rotation.toml")).unwrap();
    let panel = market::find("panel/sp500_close.csv.gz").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let files = std::fs::read_dir(data).unwrap();
    for file in files.map(|file| file.unwrap().path()).chain([panel]) {
        let link = folder.path().join(file.file_name().unwrap());
        std::os::unix::fs::symlink(file.canonicalize().unwrap(), link).unwrap();
    }
    config.universes.truncate(1);
    let outcome = backtest(&Request {
        config: &config,
        data: folder.path(),
        from: None,
        to: None,
        detail: ReadingDetail::None,
    });
    let count = hold(
        &released(),
        outcome.unwrap().alerts.into_iter().map(published),
    );
    assert!(count > 1000, "{count} events are too few to test with");
}

/// Events that an earlier version wrote: this one's reader takes them, and so does its schema.
#[test]
fn events_of_an_earlier_version_are_read() {
    let file = workspace::root().join("tests/fixtures/state-v1/events.ndjson.gz");
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(file).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    let lines: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
    for line in &lines {
        AlertEvent::decode(line).unwrap();
    }
    assert!(lines.len() > 5, "{} events", lines.len());
    hold(&released(), lines.clone());
    hold(&rotation_wire::schema::alert(), lines);
}

#[test]
fn the_schema_of_alerts_keeps_what_version_1_promised() {
    let (released, today) = (released(), rotation_wire::schema::alert());
    assert_eq!(
        today["$id"], released["$id"],
        "a new version has a fixture of its own"
    );
    assert_eq!(breaks(&released, &today), Vec::<String>::new());
    // And it would be noticed if it did not.
    for field in released["properties"].as_object().unwrap().keys() {
        let mut without = today.clone();
        without["properties"].as_object_mut().unwrap().remove(field);
        assert_ne!(breaks(&released, &without), Vec::<String>::new(), "{field}");
    }
    let mut states = today.clone();
    let state = states.pointer_mut("/$defs/State/oneOf").unwrap();
    state
        .as_array_mut()
        .unwrap()
        .push(json!({ "const": "worse" }));
    assert_eq!(breaks(&released, &states), ["/state: may be \"worse\" now"]);
}

/// The attributes that a router of CloudEvents goes by.
#[test]
fn the_envelope_is_as_the_document_says() {
    let document = asyncapi();
    let mut schema = document["components"]["schemas"]["alertEvent"].clone();
    schema["components"] = document["components"].clone();
    let validator = validator(&schema);
    for bytes in events() {
        let event: Value = serde_json::from_slice(bytes).unwrap();
        if let Err(error) = validator.validate(&event) {
            panic!("{}: {error} at {}", event["id"], error.instance_path);
        }
        let told = schema["properties"].as_object().unwrap();
        assert!(event.as_object().unwrap().keys().eq(told.keys()));
    }
}
