//! `rotation tail`: follows the alert topic, one readable line an event.

use crate::config::{Config, KafkaConfig, Topics};
use crate::kafka::refusal::{Resource, is_topic_denied};
use crate::kafka::{KafkaSettings, preflight};
use crate::secrets;
use anyhow::Context;
use clap::ValueEnum;
use rdkafka::ClientConfig;
use rotation_engine::alert::{Alert, Notify, Severity, State};
use serde::Deserialize;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

mod follow;
#[cfg(test)]
mod tests;

pub(crate) use follow::{Follower, Start};

/// Follow the alert topic, one readable line an event.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rotation tail --config config/great-rotation.toml
  rotation tail --brokers localhost:9092 --from-beginning --limit 10
  rotation tail --brokers localhost:9092 --json | jq .data.headline

Ends at --limit or when interrupted. Exit codes: 0 fine, 2 wrong configuration, 3 Kafka failed.")]
pub struct Args {
    /// The configuration: brokers, properties and topics are taken from it.
    #[arg(long, value_name = "FILE", env = "ROTATION_CONFIG")]
    pub config: Option<PathBuf>,
    /// Brokers, instead of those in the configuration: host:port,host:port. Default: localhost:9092.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        env = "ROTATION_BROKERS"
    )]
    pub brokers: Vec<String>,
    /// The alert topic, instead of the one in the configuration.
    #[arg(long, value_name = "TOPIC")]
    pub topic: Option<String>,
    /// Print the events as they are, one JSON document a line.
    #[arg(long)]
    pub json: bool,
    /// Begin with the oldest event there is, not with the next.
    #[arg(long)]
    pub from_beginning: bool,
    /// End after so many events.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Whether lines are coloured.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// Whether lines are coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether it comes to colours on standard output.
    pub(crate) fn is_on(self) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                std::io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }
}

/// Runs the command.
///
/// # Errors
/// A wrong configuration, or a topic that cannot be read.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (kafka, topic) = args.source()?;
    let settings = KafkaSettings::from_config(&kafka, "tail")?;
    preflight::connect(&settings)?;
    let client = client(&kafka).context("cannot configure the Kafka client")?;
    let start = if args.from_beginning {
        Start::Beginning
    } else {
        Start::End
    };
    let follower = Follower::open(client, &topic, start)?;
    let mut out = std::io::stdout();
    let colored = args.color.is_on();
    let mut seen = 0;
    while args.limit.is_none_or(|limit| seen < limit) {
        let next = follower.next(Duration::from_millis(200));
        let next = next.map_err(|error| match is_topic_denied(&error) {
            true => settings
                .denies("Read", Resource::Topic(topic.clone()))
                .into(),
            false => anyhow::Error::from(error),
        })?;
        if let Some(event) = next {
            write_event(&mut out, &event, args.json, colored)?;
            seen += 1;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    /// How to reach Kafka, and the topic: flags win over the file.
    fn source(&self) -> anyhow::Result<(KafkaConfig, String)> {
        let mut kafka = match &self.config {
            Some(path) => {
                let config = Config::load(path)?;
                for warning in secrets::warnings(&config, path) {
                    eprintln!("warning: {warning}");
                }
                config.kafka
            }
            None => KafkaConfig {
                brokers: vec!["localhost:9092".to_owned()],
                group: "rotation".to_owned(),
                topics: Topics::default(),
                properties: crate::config::Properties::default(),
            },
        };
        if !self.brokers.is_empty() {
            kafka.brokers.clone_from(&self.brokers);
        }
        let topic = self
            .topic
            .clone()
            .unwrap_or_else(|| kafka.topics.alerts.clone());
        Ok((kafka, topic))
    }
}

/// What a reader of the alert topic tells librdkafka.
pub(crate) fn client(kafka: &KafkaConfig) -> Result<ClientConfig, crate::config::SecretError> {
    let mut client = ClientConfig::new();
    for (key, value) in kafka.properties.resolve()? {
        client.set(key, value);
    }
    client.set("bootstrap.servers", kafka.brokers.join(","));
    client.set("group.id", format!("{}.tail", kafka.group));
    Ok(client)
}

/// Writes an event as it is, or as a line; what is no event of ours is shown, not hidden.
pub(crate) fn write_event(
    out: &mut dyn Write,
    event: &[u8],
    json: bool,
    colored: bool,
) -> std::io::Result<()> {
    if json {
        out.write_all(event)?;
        return out.write_all(b"\n");
    }
    match (parse(event), colored) {
        (Some(alert), true) => writeln!(out, "{}", colored_line(&alert)),
        (Some(alert), false) => writeln!(out, "{}", line(&alert)),
        (None, _) => writeln!(
            out,
            "not an alert event: {}",
            String::from_utf8_lossy(event)
        ),
    }
}

/// The alert that an event on the topic carries.
pub(crate) fn parse(event: &[u8]) -> Option<Alert> {
    #[derive(Deserialize)]
    struct Event {
        data: Alert,
    }
    serde_json::from_slice(event)
        .ok()
        .map(|event: Event| event.data)
}

/// An alert in one line: time, severity, state, rule, headline.
pub fn line(alert: &Alert) -> String {
    let paint = |_: &str, text: &str| text.to_owned();
    compose(alert, paint)
}

/// The same with the colours of a terminal.
pub fn colored_line(alert: &Alert) -> String {
    compose(alert, |color, text| format!("\x1b[{color}m{text}\x1b[0m"))
}

const DIM: &str = "2";
const BOLD: &str = "1";

fn compose(alert: &Alert, paint: impl Fn(&str, &str) -> String) -> String {
    let severity = match alert.severity {
        Severity::Info => "36",
        Severity::Warning => "33",
        Severity::Critical => "1;31",
    };
    let state = match alert.state {
        State::Opened | State::Escalated | State::Eased => BOLD,
        State::Confirmed | State::Corrected | State::Resolved | State::Retracted => DIM,
    };
    let time = alert.as_of.to_string();
    let seconds = time.split(['.', 'Z']).next().unwrap_or_default();
    let mut marks = String::new();
    if alert.notify == Notify::Page {
        marks.push_str("  [page]");
    }
    if alert.replay {
        marks.push_str("  [replay]");
    }
    format!(
        "{}  {}  {}  {}  {}{}",
        paint(DIM, &format!("{seconds}Z")),
        paint(severity, &format!("{:<8}", alert.severity.name())),
        paint(state, &format!("{:<9}", alert.state.name())),
        paint(DIM, &format!("{}/{}", alert.universe, alert.rule)),
        alert.headline,
        paint(severity, &marks),
    )
}
