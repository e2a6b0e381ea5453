//! `[kafka]`: brokers, group, topics, and what else librdkafka is told.

use super::document::KeyPath;
use super::error::Problem;
use super::reader::Reader;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use toml::{Table, Value};

/// Brokers, group, topics.
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaConfig {
    /// The brokers to ask first, `host:port`; at least one.
    pub brokers: Vec<String>,
    /// Prefix of the consumer groups and of the transactional ids.
    pub group: String,
    /// The topics.
    pub topics: Topics,
    /// What else librdkafka is told.
    pub properties: Properties,
}

/// `[kafka]` as written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KafkaSpec {
    /// The brokers to ask first, as `host:port`. Default `["localhost:9092"]`.
    brokers: Option<Vec<String>>,
    /// Prefix of the consumer groups and of the transactional ids. Default `rotation`.
    group: Option<String>,
}

/// The topics, by name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Topics {
    /// Input records, keyed by symbol. Default `market.ticks`.
    pub ticks: String,
    /// Closed bars, watched ticks and horizons, keyed by universe. Default `rotation.bars`.
    pub bars: String,
    /// Alerts, keyed by universe, rule and subject. Default `rotation.alerts`.
    pub alerts: String,
    /// What rules measured, fired or not, keyed by universe and rule. Default `rotation.readings`.
    pub readings: String,
    /// Snapshots; compacted. Default `rotation.state`.
    pub state: String,
    /// Records that cannot be used, as received. Default `rotation.dead-letters`.
    pub dead_letters: String,
}

impl Default for Topics {
    fn default() -> Self {
        Topics {
            ticks: "market.ticks".to_owned(),
            bars: "rotation.bars".to_owned(),
            alerts: "rotation.alerts".to_owned(),
            readings: "rotation.readings".to_owned(),
            state: "rotation.state".to_owned(),
            dead_letters: "rotation.dead-letters".to_owned(),
        }
    }
}

impl Topics {
    /// Each topic's key in the file and its name.
    pub fn named(&self) -> [(&'static str, &str); 6] {
        [
            ("ticks", &self.ticks),
            ("bars", &self.bars),
            ("alerts", &self.alerts),
            ("readings", &self.readings),
            ("state", &self.state),
            ("dead_letters", &self.dead_letters),
        ]
    }
}

/// One librdkafka property's value, or where it is to be had.
#[derive(Clone, PartialEq, Eq)]
pub enum Property {
    /// The value itself.
    Plain(String),
    /// The value of this environment variable.
    Env(String),
    /// The content of this file, without the line break at its end.
    File(PathBuf),
}

/// librdkafka properties by name. `Debug` and `Display` never show the value of a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(BTreeMap<String, Property>);

/// Why a property's value cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment lacks it.
    #[error("kafka.properties.\"{key}\": expected the environment variable {variable} to be set")]
    Env {
        /// The property.
        key: String,
        /// The variable.
        variable: String,
    },
    /// The file cannot be read.
    #[error("kafka.properties.\"{key}\": cannot read {}", path.display())]
    File {
        /// The property.
        key: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Properties {
    /// The properties by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Property)> {
        self.0
            .iter()
            .map(|(key, property)| (key.as_str(), property))
    }

    /// Sets one; the embedded broker's clients need some.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_owned(), Property::Plain(value.into()));
    }

    /// Sets one from the command line.
    ///
    /// # Errors
    /// One on which the commit protocol stands, that librdkafka does not know, or whose value it does not take. The
    /// value is not repeated where it may be a secret.
    pub(crate) fn give(&mut self, key: &str, value: &str) -> Result<(), Problem> {
        if let Some(reason) = crate::kafka::reserved(key) {
            return Err(Problem::Reserved(reason.to_owned()));
        }
        check_given(key, value)?;
        if is_secret(key) {
            tracing::warn!(
                "--property {key}: a secret on the command line can be read by every user of the machine; \
                 give it as {{ env = \"NAME\" }} or {{ file = \"PATH\" }} in [kafka.properties]"
            );
        }
        self.set(key, value);
        Ok(())
    }

    /// The values, those of environment variables and files fetched now.
    ///
    /// # Errors
    /// The first variable that is not set, or file that cannot be read.
    pub fn resolve(&self) -> Result<BTreeMap<String, String>, SecretError> {
        let value = |key: &String, property: &Property| match property {
            Property::Plain(value) => Ok(value.clone()),
            Property::Env(variable) => std::env::var(variable).map_err(|_| SecretError::Env {
                key: key.clone(),
                variable: variable.clone(),
            }),
            Property::File(path) => {
                crate::secrets::read(path).map_err(|source| SecretError::File {
                    key: key.clone(),
                    path: path.clone(),
                    source,
                })
            }
        };
        self.0
            .iter()
            .map(|(key, property)| Ok((key.clone(), value(key, property)?)))
            .collect()
    }

    /// Whether the value of a property must never be shown.
    #[must_use]
    pub fn is_secret(&self, key: &str) -> bool {
        is_secret(key)
    }

    fn shown<'a>(&'a self, key: &str, property: &'a Property) -> std::borrow::Cow<'a, str> {
        match property {
            Property::Plain(_) if is_secret(key) => "[redacted]".into(),
            Property::Plain(value) => value.into(),
            Property::Env(variable) => format!("[environment variable {variable}]").into(),
            Property::File(path) => format!("[file {}]", path.display()).into(),
        }
    }
}

impl fmt::Display for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (key, property)) in self.iter().enumerate() {
            write!(
                f,
                "{}{key} = {}",
                if at == 0 { "" } else { "\n" },
                self.shown(key, property)
            )?;
        }
        Ok(())
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.iter()
                    .map(|(key, property)| (key, self.shown(key, property))),
            )
            .finish()
    }
}

impl fmt::Debug for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Property::Plain(_) => f.write_str("Plain([not shown])"),
            Property::Env(variable) => f.debug_tuple("Env").field(variable).finish(),
            Property::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// Whether the value of a property must never be shown.
pub(super) fn is_secret(key: &str) -> bool {
    const WORDS: &[&str] = &[
        "password",
        "secret",
        "token",
        "key.pem",
        "jaas",
        "oauthbearer.config",
        "passphrase",
    ];
    WORDS.iter().any(|word| key.contains(word))
}

pub(super) fn read(reader: &mut Reader<'_>, mut table: Table, at: &KeyPath) -> Option<KafkaConfig> {
    let before = reader.faults();
    let topics = reader.table(&mut table, at, "topics");
    let topics = topics.and_then(|table| read_topics(reader, table, &at.key("topics")));
    if table
        .get("properties")
        .is_some_and(|value| !value.is_table())
    {
        // Not shown: it may well be a list of secrets.
        let problem = Problem::Value {
            expected: "a table".to_owned(),
            found: "something else".to_owned(),
        };
        reader.fault(&at.key("properties"), problem);
        table.remove("properties");
    }
    let properties = reader.table(&mut table, at, "properties");
    let properties = properties.map(|table| read_properties(reader, table, &at.key("properties")));
    reader.only_known(
        &mut table,
        at,
        &["brokers", "group", "topics", "properties"],
    );
    let spec: KafkaSpec = reader.read(table, at)?;
    let brokers = spec
        .brokers
        .unwrap_or_else(|| vec!["localhost:9092".to_owned()]);
    if brokers.is_empty() || brokers.iter().any(|broker| !is_address(broker)) {
        reader.bad_value(&at.key("brokers"), "at least one \"host:port\"", "");
    }
    let group = spec.group.unwrap_or_else(|| "rotation".to_owned());
    if !is_name(&group, GROUP_MAX) {
        reader.bad_value(&at.key("group"), &name_bound(GROUP_MAX), &group);
    }
    let config = KafkaConfig {
        brokers,
        group,
        topics: topics?,
        properties: properties?,
    };
    (reader.faults() == before).then_some(config)
}

const GROUP_MAX: usize = 100;
/// The longest topic name that Kafka takes.
const TOPIC_MAX: usize = 249;

fn read_topics(reader: &mut Reader<'_>, table: Table, at: &KeyPath) -> Option<Topics> {
    let topics: Topics = reader.read(table, at)?;
    let before = reader.faults();
    let named = topics.named();
    for (at_position, (key, topic)) in named.iter().enumerate() {
        if !is_name(topic, TOPIC_MAX) {
            reader.bad_value(&at.key(key), &name_bound(TOPIC_MAX), topic);
        } else if let Some((other, _)) = named[..at_position]
            .iter()
            .find(|(_, other)| other == topic)
        {
            let expected = format!("another topic than that of {other}");
            reader.bad_value(&at.key(key), &expected, topic);
        }
    }
    (reader.faults() == before).then_some(topics)
}

fn read_properties(reader: &mut Reader<'_>, table: Table, at: &KeyPath) -> Properties {
    let mut properties = Properties::default();
    for (key, value) in table {
        let place = at.key(&key);
        if let Some(reason) = crate::kafka::reserved(&key) {
            reader.fault(&place, Problem::Reserved(reason.to_owned()));
            continue;
        }
        let property = match value {
            Value::String(text) => Property::Plain(text),
            Value::Integer(number) => Property::Plain(number.to_string()),
            Value::Float(number) => Property::Plain(number.to_string()),
            Value::Boolean(flag) => Property::Plain(flag.to_string()),
            other => match read_reference(other) {
                Some(property) => property,
                None => {
                    let expected = "a text, { env = \"NAME\" } or { file = \"/path\" }".to_owned();
                    reader.fault(
                        &place,
                        Problem::Value {
                            expected,
                            found: "something else".to_owned(),
                        },
                    );
                    continue;
                }
            },
        };
        if let Some(problem) = check_property(&key, &property) {
            reader.fault(&place, problem);
        }
        properties.0.insert(key, property);
    }
    properties
}

fn read_reference(value: Value) -> Option<Property> {
    let Value::Table(table) = value else {
        return None;
    };
    let mut entries = table.into_iter();
    match (entries.next(), entries.next()) {
        (Some((key, Value::String(name))), None) if key == "env" && !name.is_empty() => {
            Some(Property::Env(name))
        }
        (Some((key, Value::String(path))), None) if key == "file" && !path.is_empty() => {
            Some(Property::File(PathBuf::from(path)))
        }
        _ => None,
    }
}

/// Asks librdkafka about a property from the command line.
///
/// # Errors
/// One that it does not know, or whose value it does not take; the value is not repeated where it may be a secret.
pub(crate) fn check_given(key: &str, value: &str) -> Result<(), Problem> {
    check_property(key, &Property::Plain(value.to_owned())).map_or(Ok(()), Err)
}

/// Asks librdkafka whether it knows the property and takes the value; of a secret only whether it knows it.
fn check_property(key: &str, property: &Property) -> Option<Problem> {
    use rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN;
    let value = match property {
        Property::Plain(value) => value.as_str(),
        Property::Env(_) | Property::File(_) => "",
    };
    let refused = ClientConfig::new()
        .set(key, value)
        .create_native_config()
        .err()?;
    let shown = matches!(property, Property::Plain(_)) && !is_secret(key);
    match refused {
        KafkaError::ClientConfig(RD_KAFKA_CONF_UNKNOWN, ..) => Some(Problem::Value {
            expected: "a property that librdkafka knows".to_owned(),
            found: format!("\"{key}\""),
        }),
        KafkaError::ClientConfig(_, why, ..) if shown => Some(Problem::Value {
            expected: format!(
                "a value that librdkafka takes ({})",
                why.trim_end_matches('.')
            ),
            found: format!("\"{value}\""),
        }),
        _ => None,
    }
}

fn is_address(broker: &str) -> bool {
    let address = broker
        .rsplit_once("://")
        .map_or(broker, |(_, address)| address);
    let port = |(host, port): (&str, &str)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    address.rsplit_once(':').is_some_and(port)
}

/// Whether Kafka and file systems take the name: letters, digits, `.`, `_` and `-`.
fn is_name(name: &str, length_max: usize) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty()
        && name.len() <= length_max
        && name != "."
        && name != ".."
        && name.chars().all(legal)
}

fn name_bound(length_max: usize) -> String {
    format!("1 to {length_max} letters, digits, \".\", \"_\" or \"-\"")
}
