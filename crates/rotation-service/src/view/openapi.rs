//! `/api/v1` as an OpenAPI 3.1 document. The schemas are made from the types that are served.

use super::api::{LIMIT_MAX, TEXT_MAX};
use super::shape;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The document.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(build);
    &DOCUMENT
}

fn build() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with(|it| it.definitions_path = "/components/schemas".into());
    let mut schemas = settings.into_generator();
    let mut paths = Map::new();
    for (path, operation) in [
        ("/now", now(&mut schemas)),
        ("/episodes", episodes(&mut schemas)),
        ("/episode", episode(&mut schemas)),
        ("/explain", explain(&mut schemas)),
        ("/rules", rules(&mut schemas)),
        ("/readings", readings(&mut schemas)),
        ("/regime", regime(&mut schemas)),
        ("/map", map(&mut schemas)),
        ("/events", events(&mut schemas)),
        ("/openapi.json", own()),
    ] {
        paths.insert(format!("/api/v1{path}"), json!({ "get": operation }));
    }
    // The messages of the stream: no answer refers to them.
    schemas.subschema_for::<shape::AlertMessage>();
    schemas.subschema_for::<shape::ReadingMessage>();
    schemas.subschema_for::<shape::Problem>();
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Rotation",
            "version": "1",
            "description": "What the page shows: episodes of alerts, readings of rules, the regime, the rotation \
                picture. Any process of a group answers alike. Instants are RFC 3339 in UTC; points begin with \
                milliseconds since 1970.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "token": [] }],
        "tags": [{ "name": "view", "description": "Everything here is only read." }],
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "responses": {
                "Problem": {
                    "description": "Why there is no answer (RFC 9457).",
                    "content": content("application/problem+json", reference("Problem")),
                },
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Where `[http] token_file` is configured.",
                },
            },
        },
    })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn content(kind: &str, schema: Value) -> Value {
    json!({ kind: { "schema": schema } })
}

/// A parameter of the query.
fn parameter(name: &str, about: &str, is_required: bool, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "description": about, "required": is_required, "schema": schema })
}

/// No control characters.
fn text() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": TEXT_MAX, "pattern": format!("^{PRINTABLE}+$") })
}

const PRINTABLE: &str = "[^\\u0000-\\u001f\\u007f-\\u009f]";

fn instant() -> Value {
    json!({ "anyOf": [
        { "type": "string", "pattern": "^(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]$", "format": "date" },
        { "type": "string", "pattern": "^(19|20)[0-9]{2}-", "format": "date-time" },
    ]})
}

fn limit(otherwise: u32) -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": otherwise })
}

fn in_universe(is_required: bool) -> Value {
    parameter("universe", "Of this universe.", is_required, text())
}

fn of_rule(is_required: bool) -> Value {
    parameter("rule", "Of this rule.", is_required, text())
}

fn stretch() -> [Value; 2] {
    [
        parameter(
            "from",
            "Nothing before this instant or date.",
            false,
            instant(),
        ),
        parameter(
            "to",
            "Nothing from this instant or date on.",
            false,
            instant(),
        ),
    ]
}

/// An operation that answers with a type; `problems` are the statuses that stand for another outcome.
fn operation<T: JsonSchema>(
    schemas: &mut SchemaGenerator,
    (id, summary): (&str, &str),
    parameters: Vec<Value>,
    problems: &[&str],
) -> Value {
    let schema = schemas.subschema_for::<T>().to_value();
    described(
        (id, summary),
        parameters,
        problems,
        content("application/json", schema),
    )
}

fn described(
    (id, summary): (&str, &str),
    parameters: Vec<Value>,
    problems: &[&str],
    content: Value,
) -> Value {
    let mut responses = Map::new();
    let told = json!({ "description": summary, "content": content });
    responses.insert("200".to_owned(), told);
    let always = ["400", "401", "405", "408"];
    for status in always.iter().chain(problems) {
        let problem = json!({ "$ref": "#/components/responses/Problem" });
        responses.insert((*status).to_owned(), problem);
    }
    json!({
        "operationId": id,
        "summary": summary,
        "tags": ["view"],
        "parameters": parameters,
        "responses": responses,
    })
}

fn now(schemas: &mut SchemaGenerator) -> Value {
    let told = (
        "now",
        "The present: universes, open episodes, and the position to go on from.",
    );
    operation::<shape::Now>(schemas, told, vec![], &[])
}

fn episodes(schemas: &mut SchemaGenerator) -> Value {
    let severity = json!({ "type": "string", "enum": ["info", "warning", "critical"] });
    let pattern = format!("^-?[0-9]{{1,19}}~{PRINTABLE}{{1,{TEXT_MAX}}}$");
    let cursor = json!({ "type": "string", "pattern": pattern });
    let [from, to] = stretch();
    let parameters = vec![
        in_universe(false),
        of_rule(false),
        parameter(
            "subject",
            "Whose subject has this in it, in whatever case.",
            false,
            text(),
        ),
        parameter(
            "severity",
            "Whose highest severity is this.",
            false,
            severity,
        ),
        parameter(
            "open",
            "Open, or ended.",
            false,
            json!({ "type": "boolean" }),
        ),
        from,
        to,
        parameter("limit", "At most so many.", false, limit(500)),
        parameter(
            "after",
            "What `next` of the page before said.",
            false,
            cursor,
        ),
    ];
    let told = (
        "episodes",
        "Episodes that stood within a stretch of time, the newest first.",
    );
    operation::<shape::Episodes>(schemas, told, parameters, &[])
}

fn id(about: &str) -> Value {
    parameter("id", about, true, text())
}

fn episode(schemas: &mut SchemaGenerator) -> Value {
    let parameters = vec![id("The id of an episode, or of one of its events.")];
    let told = ("episode", "One episode: its events, readings and series.");
    operation::<shape::EpisodeDetail>(schemas, told, parameters, &["404"])
}

fn explain(schemas: &mut SchemaGenerator) -> Value {
    let parameters = vec![id("The id of an event.")];
    let told = (
        "explain",
        "One event computed anew from the bars log, one at a time.",
    );
    operation::<shape::Explanation>(schemas, told, parameters, &["404", "503"])
}

fn rules(schemas: &mut SchemaGenerator) -> Value {
    let told = (
        "rules",
        "Every rule: its newest readings and how near it is to firing.",
    );
    operation::<shape::Rules>(schemas, told, vec![], &[])
}

fn readings(schemas: &mut SchemaGenerator) -> Value {
    let [from, to] = stretch();
    let most = parameter("limit", "At most so many, the newest.", false, limit(1_000));
    let parameters = vec![in_universe(true), of_rule(true), from, to, most];
    let told = ("readings", "Readings of a rule.");
    operation::<shape::Readings>(schemas, told, parameters, &["404"])
}

fn regime(schemas: &mut SchemaGenerator) -> Value {
    let parameters = vec![in_universe(false), of_rule(false)];
    let told = (
        "regime",
        "How a regime went; without a rule the first that there is.",
    );
    operation::<shape::RegimeHistory>(schemas, told, parameters, &["404"])
}

fn map(schemas: &mut SchemaGenerator) -> Value {
    let parameters = vec![in_universe(false), of_rule(false)];
    let told = (
        "map",
        "The rotation picture through time; without a rule the first that there is.",
    );
    operation::<shape::Map>(schemas, told, parameters, &["404"])
}

fn events(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<shape::UniverseState>();
    let about = "The `id` of the last event that was read, or `position` of `/now`; also as a header `Last-Event-ID`.";
    let position = json!({ "type": "string", "maxLength": 16_384 });
    let parameters = vec![parameter("last_event_id", about, false, position)];
    let stream = json!({
        "type": "string",
        "description": "Server-sent events. `alert`: AlertMessage. `reading`: ReadingMessage. `horizon`: UniverseState. \
            `notes`: a list of texts, as in Now, when it becomes another. `caught_up`: an empty object, once everything \
            until now was sent. `reset`: what came after the position cannot be told any more, load everything anew; \
            the stream ends. A comment every 10 s.",
    });
    let told = ("events", "What changes from now on, or from a position on.");
    described(
        told,
        parameters,
        &["503"],
        content("text/event-stream", stream),
    )
}

fn own() -> Value {
    let told = ("openapi", "This document.");
    described(
        told,
        vec![],
        &[],
        content("application/json", json!({ "type": "object" })),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_DOCS=1` writes it anew.
    #[test]
    fn the_committed_document_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        let text = serde_json::to_string_pretty(document()).unwrap() + "\n";
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == text,
            "docs/openapi.json is another document: UPDATE_DOCS=1 cargo test -p rotation-service openapi"
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let text = document().to_string();
        for part in text.split("\"$ref\":\"#").skip(1) {
            let pointer = part.split('"').next().unwrap();
            assert!(document().pointer(pointer).is_some(), "{pointer}");
        }
    }
}
