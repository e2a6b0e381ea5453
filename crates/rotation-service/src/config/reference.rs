//! The manual of the configuration, made from the doc comments of the types that read it.

use super::HttpSpec;
use super::groups::GroupSpec;
use super::kafka::{KafkaSpec, Topics};
use super::notify::{
    AlertmanagerSpec, DeliverySpec, MuteSpec, NotifySpec, PagerdutySpec, RouteSpec, SlackSpec,
    WebhookSpec,
};
use rotation_engine::detector::Kind;
use rotation_engine::plan::{RuleCommon, SeriesSpec, UniverseSpec};
use schemars::{JsonSchema, Schema, schema_for};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// The JSON Schema of the configuration file.
pub fn schema() -> Value {
    let mut kafka = inlined::<KafkaSpec>();
    set_property(&mut kafka, "topics", inlined::<Topics>().to_value());
    set_property(&mut kafka, "properties", properties_schema());
    let http = inlined::<HttpSpec>();
    let group = inlined::<GroupSpec>();
    rotation_wire::schema::configuration(kafka, http, notify_schema(), group)
}

fn notify_schema() -> Schema {
    let mut notify = inlined::<NotifySpec>();
    let one = |kind: &str, own: Schema| {
        let mut target = plain(inlined::<DeliverySpec>());
        let own = plain(own);
        for (key, property) in object(&own, "properties") {
            target["properties"][key] = property.clone();
        }
        target["properties"]["type"] = json!({ "const": kind });
        let mut required = vec![json!("type")];
        let own_required = own.get("required").and_then(Value::as_array);
        required.extend(own_required.into_iter().flatten().cloned());
        target["required"] = Value::Array(required);
        target["title"] = json!(kind);
        target["description"] = own["description"].clone();
        target
    };
    let targets = TARGETS.map(|(kind, own, _)| one(kind, own()));
    let table = |value: Value| json!({ "type": "object", "additionalProperties": value });
    let targets = table(json!({ "oneOf": targets }));
    set_property(&mut notify, "targets", targets);
    let windows = table(plain(inlined::<MuteSpec>()));
    set_property(&mut notify, "windows", windows);
    let routes = json!({ "type": "array", "items": plain(inlined::<RouteSpec>()) });
    set_property(&mut notify, "routes", routes);
    notify
}

type SchemaOf = fn() -> Schema;

/// The kinds of targets: the schema of their keys, for the JSON Schema and for the manual.
const TARGETS: [(&str, SchemaOf, SchemaOf); 4] = [
    ("alertmanager", inlined::<AlertmanagerSpec>, || {
        schema_for!(AlertmanagerSpec)
    }),
    ("pagerduty", inlined::<PagerdutySpec>, || {
        schema_for!(PagerdutySpec)
    }),
    ("slack", inlined::<SlackSpec>, || schema_for!(SlackSpec)),
    ("webhook", inlined::<WebhookSpec>, || {
        schema_for!(WebhookSpec)
    }),
];

fn properties_schema() -> Value {
    let reference = |key: &str| json!({"type": "object", "required": [key], "additionalProperties": false, "properties": {key: {"type": "string"}}});
    json!({
        "type": "object",
        "description": "What else librdkafka is told.",
        "additionalProperties": {
            "anyOf": [{"type": ["string", "number", "boolean"]}, reference("env"), reference("file")]
        },
    })
}

fn set_property(schema: &mut Schema, key: &str, property: Value) {
    let properties = schema
        .ensure_object()
        .entry("properties")
        .or_insert_with(|| json!({}));
    properties[key] = property;
}

/// A type's schema without references, so that parts can be put together.
fn inlined<T: JsonSchema>() -> Schema {
    let settings = schemars::generate::SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>()
}

fn plain(schema: Schema) -> Value {
    let mut value = schema.to_value();
    if let Some(object) = value.as_object_mut() {
        object.remove("$schema");
        object.remove("title");
    }
    value
}

fn object<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value
        .get(key)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// The manual as Markdown: every table and key, its type and what it does.
pub fn reference() -> String {
    let mut text = String::from(HEAD);
    section(&mut text, "[kafka]", KAFKA, &plain(schema_for!(KafkaSpec)));
    section(
        &mut text,
        "[kafka.topics]",
        TOPICS,
        &plain(schema_for!(Topics)),
    );
    text.push_str(PROPERTIES);
    section(&mut text, "[http]", "", &plain(schema_for!(HttpSpec)));
    notify_sections(&mut text);
    section(
        &mut text,
        "[universe.NAME]",
        UNIVERSE,
        &plain(schema_for!(UniverseSpec)),
    );
    section(
        &mut text,
        "[universe.NAME.series]",
        SERIES,
        &plain(schema_for!(SeriesSpec)),
    );
    section(
        &mut text,
        "[universe.NAME.groups.GROUP]",
        GROUPS,
        &plain(schema_for!(GroupSpec)),
    );
    section(
        &mut text,
        "[universe.NAME.rules.RULE]",
        RULES,
        &plain(schema_for!(RuleCommon)),
    );
    for (kind, own) in Kind::schemas() {
        let own = plain(own);
        let about = own
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        section(&mut text, &format!("kind = \"{kind}\""), &about, &own);
    }
    text
}

fn notify_sections(text: &mut String) {
    section(text, "[notify]", NOTIFY, &plain(schema_for!(NotifySpec)));
    let common = plain(schema_for!(DeliverySpec));
    section(text, "[notify.targets.NAME]", NOTIFY_TARGETS, &common);
    for (kind, _, own) in TARGETS {
        let own = plain(own());
        let about = own.get("description").and_then(Value::as_str);
        let about = about.unwrap_or_default().to_owned();
        section(text, &format!("type = \"{kind}\""), &about, &own);
    }
    let route = plain(schema_for!(RouteSpec));
    section(text, "[[notify.routes]]", NOTIFY_ROUTES, &route);
    let window = plain(schema_for!(MuteSpec));
    section(text, "[notify.windows.NAME]", NOTIFY_WINDOWS, &window);
}

/// Paragraphs broken to [`WIDTH`], wherever the doc comment broke them.
fn wrapped(text: &str) -> String {
    let paragraphs = text.trim().split("\n\n").map(|paragraph| {
        let mut lines = vec![String::new()];
        for word in paragraph.split_whitespace() {
            let line = lines.last_mut().expect("there is a first line");
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
                lines.push(word.to_owned());
            } else {
                line.push_str(if line.is_empty() { "" } else { " " });
                line.push_str(word);
            }
        }
        lines.join("\n")
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// Of a line of prose, in characters.
const WIDTH: usize = 120;

fn section(text: &mut String, title: &str, about: &str, schema: &Value) {
    let _ = write!(text, "\n## `{title}`\n\n");
    if !about.is_empty() {
        let _ = write!(text, "{}\n\n", wrapped(about));
    }
    text.push_str("| key | type | meaning |\n| --- | --- | --- |\n");
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (key, property) in object(schema, "properties") {
        let about = property
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let must = if required.contains(&key.as_str()) {
            " Required."
        } else {
            ""
        };
        let about = about
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .replace('|', "\\|");
        let _ = writeln!(
            text,
            "| `{key}` | {} | {about}{must} |",
            type_name(property, schema).replace('|', "\\|")
        );
    }
}

/// A property's type in a word or two.
fn type_name(property: &Value, root: &Value) -> String {
    if let Some(name) = property
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|path| path.rsplit('/').next())
    {
        return root
            .get("$defs")
            .and_then(|defs| defs.get(name))
            .map_or(String::new(), |def| type_name(def, root));
    }
    let any = ["anyOf", "oneOf", "allOf"]
        .iter()
        .find_map(|key| property.get(key))
        .and_then(Value::as_array);
    if let Some(any) = any {
        let mut names: Vec<String> = any
            .iter()
            .map(|one| type_name(one, root))
            .filter(|name| !name.is_empty())
            .collect();
        names.dedup();
        return names.join(" or ");
    }
    if let Some(word) = property.get("const") {
        return format!("`{word}`");
    }
    if let Some(words) = property.get("enum").and_then(Value::as_array) {
        return words
            .iter()
            .filter(|word| !word.is_null())
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(" or ");
    }
    let kinds = match property.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(kind)) => vec![kind.as_str()],
        _ => Vec::new(),
    };
    let empty = Map::new();
    let fields = property.as_object().unwrap_or(&empty);
    let words = kinds.into_iter().filter_map(|kind| match kind {
        "string" => Some("text".to_owned()),
        "integer" => Some("whole number".to_owned()),
        "number" => Some("number".to_owned()),
        "boolean" => Some("true or false".to_owned()),
        "array" => Some(
            match fields.get("items").map(|items| type_name(items, root)) {
                Some(items) if !items.is_empty() => format!("list of {items}"),
                _ => "list".to_owned(),
            },
        ),
        "object" => Some(
            match fields
                .get("additionalProperties")
                .map(|values| type_name(values, root))
            {
                Some(values) if !values.is_empty() => format!("table of {values}"),
                _ => "table".to_owned(),
            },
        ),
        _ => None,
    });
    words.collect::<Vec<_>>().join(" or ")
}

const HEAD: &str = "\
# Configuration

<!-- Made from the doc comments of the code. To bring it up to date:
     UPDATE_DOCS=1 cargo test -p rotation-service config -->

One TOML file says what is detected and where the topics are. How the process runs (stages, intervals, logs) is said by
flags and environment: `rotation run --help`. `rotation check FILE` tells every fault of a file, each with its line, its
key, the bound and what was given, and prints what a valid file comes to with its defaults; `rotation schema config`
prints its JSON Schema. Unknown keys are refused. Examples: [`config/`](../config).

Lengths of time are a whole number and a unit: `250ms`, `30s`, `1m`, `4h`, `2d`. Dates are `2026-01-31`, with or without
quotes.
";

const KAFKA: &str = "May be left out: `rotation backtest` and `rotation check` need no broker.";

const TOPICS: &str = "Five different topics. The ticks topic should be `message.timestamp.type=LogAppendTime`, so that one tick \
stamped in the far future cannot move event time.";

const PROPERTIES: &str = "
## `[kafka.properties]`

Any [librdkafka property](https://github.com/confluentinc/librdkafka/blob/v2.12.1/CONFIGURATION.md), by its name in quotes. A
value is a text, a number or true/false; or it names where it is to be had when the program connects, which is how
secrets are given:

```toml
[kafka.properties]
\"security.protocol\" = \"SASL_SSL\"
\"sasl.mechanism\" = \"SCRAM-SHA-512\"
\"sasl.username\" = \"rotation\"
\"sasl.password\" = { env = \"KAFKA_PASSWORD\" }          # or { file = \"/run/secrets/kafka\" }
```

Values of properties that hold secrets are never printed, however they were given. Refused are the properties on which
exactly-once delivery stands, such as `isolation.level`, `transactional.id` or `enable.auto.commit`. How to connect
safely, and which permissions are needed: [KAFKA-SECURITY.md](KAFKA-SECURITY.md).
";

const NOTIFY: &str = "Where `rotation notify` tells of alerts; other commands only check it. Beside these keys it has the tables \
`targets` and `windows` and the list `routes`. What is promised: [NOTIFY.md](NOTIFY.md).";

const NOTIFY_TARGETS: &str = "At most 16 targets. `type` says what it is, and decides which further keys there are. These are \
common to all.";

const NOTIFY_ROUTES: &str = "Looked at in their order; an event goes to the targets of the first that matches, and of later ones \
where that says `continue`. Events with `replay: true` go nowhere.";

const NOTIFY_WINDOWS: &str = "A mute window: whom a route would tell of an event that was published within it is told when it \
ends, if the episode still stands, and of its newest state alone. The end of what was told before is told at once.";

const UNIVERSE: &str = "A universe is a set of series that are looked at together. Beside these keys it has the tables `series`, \
`groups` and `rules`.";

const SERIES: &str = "One line a series: `SYMBOL = { name = \"…\" }`; symbols with other characters than letters, digits, `-` and `_` \
in quotes. A series is raw, fed by the ticks of its symbol, unless it says `ratio`, `spread` or `basket`.";

const GROUPS: &str = "Members that rules share. A rule names the group where it would list them: `members = \"GROUP\"`.";

const RULES: &str = "`kind` says what is detected, and decides which further keys there are. These are common to all kinds.";
