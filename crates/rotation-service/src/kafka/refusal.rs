//! Why a cluster does not let us in, or does not let us do something: one sentence that says what to change.

use std::fmt;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::KafkaSettings;

/// The page that lists what each command has to be allowed.
const GUIDE: &str = "docs/KAFKA-SECURITY.md";

/// The cluster is there and refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody answered.
    #[error("cannot reach Kafka at {brokers} within {seconds} s: {said}")]
    Unreachable {
        /// The brokers that were asked.
        brokers: String,
        /// How long.
        seconds: u64,
        /// What the client said last.
        said: String,
    },
    /// A connection could not be made safe, or its other end is not who it should be.
    #[error("cannot connect to Kafka at {broker}: {cause}")]
    Connection {
        /// The broker.
        broker: String,
        /// What is wrong, and what to change.
        cause: String,
    },
    /// User and password were not accepted.
    #[error(
        "cannot log in to Kafka at {broker} {who}: {said}; check sasl.username, sasl.password and sasl.mechanism"
    )]
    Login {
        /// The broker.
        broker: String,
        /// As whom.
        who: String,
        /// What the broker said.
        said: String,
    },
    /// The user is not allowed to do something.
    #[error(
        "Kafka does not allow {operation} on {resource} {who}: add that permission ({GUIDE} lists them all)"
    )]
    Denied {
        /// What was tried.
        operation: &'static str,
        /// On what.
        resource: Resource,
        /// As whom.
        who: String,
    },
}

/// What an operation was tried on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A topic.
    Topic(String),
    /// One of several topics: the client does not say which.
    OneOf(Vec<String>),
    /// A consumer group.
    Group(String),
    /// A transactional id.
    TransactionalId(String),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resource::Topic(name) => write!(f, "topic `{name}`"),
            Resource::OneOf(names) => write!(f, "one of the topics `{}`", names.join("`, `")),
            Resource::Group(name) => write!(f, "group `{name}`"),
            Resource::TransactionalId(name) => write!(f, "transactional id `{name}`"),
        }
    }
}

/// What a stage asks of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Its name.
    pub stage: String,
    /// The topic it reads.
    pub input: String,
    /// The topics it writes, that of its state not among them.
    pub outputs: Vec<String>,
}

impl Needs {
    /// The topics it writes, that of its state among them.
    pub(crate) fn written(&self, settings: &KafkaSettings) -> Vec<String> {
        let mut topics = self.outputs.clone();
        topics.push(settings.topics.state.clone());
        topics
    }
}

/// Whether the cluster refused for want of permission: trying again is of no use.
pub(crate) fn is_denied(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::TransactionalIdAuthorizationFailed
                | Code::ClusterAuthorizationFailed
        )
    )
}

/// Whether the cluster refused to let us read or write a topic.
pub(crate) fn is_topic_denied(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed)
}

impl KafkaSettings {
    /// As whom we come, for messages.
    pub(crate) fn who(&self) -> String {
        let property = |name: &str| self.properties.get(name);
        if let Some(user) = property("sasl.username") {
            return format!("as user `{user}`");
        }
        let files = ["ssl.certificate.location", "ssl.keystore.location"];
        match files.into_iter().find_map(property) {
            Some(file) => format!("with the certificate in {file}"),
            None => "without a login".to_owned(),
        }
    }

    /// That we are not allowed something.
    pub(crate) fn denies(&self, operation: &'static str, resource: Resource) -> Refusal {
        Refusal::Denied {
            operation,
            resource,
            who: self.who(),
        }
    }

    /// What a stage is refused, where an error says that it is.
    pub(crate) fn denied(&self, needs: &Needs, error: &KafkaError) -> Option<Refusal> {
        let writing = matches!(
            error,
            KafkaError::Transaction(_) | KafkaError::MessageProduction(_)
        );
        use RDKafkaErrorCode as Code;
        let (operation, resource) = match error.rdkafka_error_code()? {
            Code::TopicAuthorizationFailed if writing => {
                ("Write", Resource::OneOf(needs.written(self)))
            }
            Code::TopicAuthorizationFailed => {
                let topics = vec![needs.input.clone(), self.topics.state.clone()];
                ("Read", Resource::OneOf(topics))
            }
            Code::GroupAuthorizationFailed => {
                ("Read", Resource::Group(self.stage_group(&needs.stage)))
            }
            Code::TransactionalIdAuthorizationFailed => (
                "Write",
                Resource::TransactionalId(self.transactional_id(&needs.stage)),
            ),
            _ => return None,
        };
        Some(self.denies(operation, resource))
    }
}
