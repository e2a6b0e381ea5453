//! What stands on the alert topic.

use crate::kafka::KafkaSettings;
use crate::kafka::log::TopicLog;
use crate::kafka::topics::TopicError;
use rdkafka::Message;
use rotation_wire::alerts::AlertEvent;
use rotation_wire::invariants::Place;

/// A record of the alert topic.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) place: Place,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) bytes: Vec<u8>,
    /// The event, or why it is none.
    pub(crate) event: Result<AlertEvent, String>,
}

impl Published {
    pub(crate) fn new(place: Place, key: Option<&[u8]>, bytes: &[u8]) -> Published {
        Published {
            place,
            key: key.map(<[u8]>::to_vec),
            bytes: bytes.to_vec(),
            event: AlertEvent::decode(bytes).map_err(|error| {
                let cause = std::error::Error::source(&error);
                cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
            }),
        }
    }
}

/// Every committed record of the alert topic, by partition and in order; and the topic as it stood.
pub(crate) fn published(
    settings: &KafkaSettings,
    purpose: &str,
) -> Result<(TopicLog, Vec<Published>), TopicError> {
    let log = TopicLog::open(settings, &settings.topics.alerts, purpose)?;
    let mut found = Vec::new();
    log.read_all(|message| {
        let place = Place {
            partition: message.partition(),
            offset: message.offset(),
        };
        let bytes = message.payload().unwrap_or_default();
        found.push(Published::new(place, message.key(), bytes));
    })?;
    Ok((log, found))
}
