//! Why a replay cannot begin, or cannot go on.

use crate::config::{ConfigErrors, Problem, SecretError};
use crate::files::FilesError;
use rdkafka::error::KafkaError;
use std::io;
use std::path::PathBuf;

/// A replay that cannot begin, or that was cut short by its output.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The configuration is not valid.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The value of a property cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A file cannot be opened.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// No file in the directories is of a known format.
    #[error("no market data in {named}{first}")]
    NoFiles {
        /// The paths as given.
        named: String,
        /// What lies there instead.
        first: String,
    },
    /// Two universes put one symbol on different calendars.
    #[error(
        "{symbol} is on {first} in one universe and on {second} in another; say which with --calendar {symbol}=…"
    )]
    Calendars {
        /// The symbol.
        symbol: String,
        /// The name of one calendar.
        first: &'static str,
        /// The name of the other.
        second: &'static str,
    },
    /// A property that the replay sets itself.
    #[error("-X {name}: expected to be set by {by}")]
    Property {
        /// The property.
        name: String,
        /// What sets it.
        by: &'static str,
    },
    /// A property that librdkafka does not know, or whose value it does not take.
    #[error("-X {name}")]
    BadProperty {
        /// The property.
        name: String,
        /// What is wrong, without a value that may be secret.
        source: Problem,
    },
    /// librdkafka refuses the settings.
    #[error("librdkafka refuses the settings")]
    Client(#[source] Box<KafkaError>),
    /// The cluster does not answer.
    #[error("cannot ask {brokers} for topic {topic}{met}")]
    Metadata {
        /// Addresses asked.
        brokers: String,
        /// The topic.
        topic: String,
        /// What the client met on the way, in parentheses; may be empty.
        met: String,
        /// Why.
        source: Box<KafkaError>,
    },
    /// There is no such topic.
    #[error(
        "topic {topic} does not exist at {brokers}; create it with as many partitions as it shall ever have, or name \
         another with --topic"
    )]
    NoTopic {
        /// Addresses asked.
        brokers: String,
        /// The topic.
        topic: String,
    },
    /// The output file cannot be written.
    #[error("cannot write {}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ReplayError {
    /// Whether the reader of the output went away, as `head` does.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code of the command: 2 where what was asked for cannot be done, 3 where Kafka or the output failed.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Metadata { .. } | Self::NoTopic { .. } | Self::Output { .. } => 3,
            _ => 2,
        }
    }
}
