//! Events of the alert topic: CloudEvents 1.0 in structured JSON.
//!
//! The envelope says what every CloudEvents client knows how to route by (`type`, `source`,
//! `subject`, `time`); `data` is the engine's [`Alert`] with what only the live service knows: when
//! it was detected, and from which records. The order of the fields is fixed, so the same alert has
//! the same bytes; [`comparable`] takes out what differs between a live run and a backtest.
//!
//! Specification: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md> and
//! `formats/json-format.md` beside it.

use rotation_engine::alert::Alert;
use rotation_engine::time::EventTime;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

mod comparable;

pub use comparable::comparable;

/// Name of the header that carries [`CONTENT_TYPE`].
pub const CONTENT_TYPE_HEADER: &str = "content-type";

/// The content type of a structured CloudEvent.
pub const CONTENT_TYPE: &str = "application/cloudevents+json; charset=UTF-8";

/// Identifies the JSON Schema of `data`, see [`crate::schema::alert`]. An absolute URI, as the
/// specification demands of `dataschema`.
pub const DATA_SCHEMA: &str = "urn:rotation:schema:alert:v1";

/// The most bytes that an event may have.
pub const EVENT_MAX: usize = 1 << 20;

const SPEC_VERSION: &str = "1.0";
const DATA_CONTENT_TYPE: &str = "application/json";

/// A record of a topic.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Position {
    /// The topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// The record's offset there.
    pub offset: i64,
}

/// An event of the alert topic.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertEvent {
    /// What the engine says.
    pub alert: Alert,
    /// When the service decided, by its clock; none in a backtest.
    pub detected_at: Option<EventTime>,
    /// The record of the bars log that led to it, and how far the ticks' partitions had been read;
    /// none in a backtest.
    pub positions: Option<Vec<Position>>,
}

impl From<Alert> for AlertEvent {
    /// The event as a backtest has it.
    fn from(alert: Alert) -> Self {
        AlertEvent {
            alert,
            detected_at: None,
            positions: None,
        }
    }
}

/// Why bytes are not an event of the alert topic.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    /// More bytes than the program writes.
    #[error("expected an alert event of at most {EVENT_MAX} bytes, found {0}")]
    TooLarge(usize),
    /// Not a CloudEvent in structured JSON whose data is an alert.
    #[error("expected an alert as a CloudEvent in structured JSON")]
    Json(#[from] serde_json::Error),
    /// An attribute of the envelope has another value than the program writes.
    #[error("attribute {attribute} of an alert event: expected \"{expected}\", found \"{found}\"")]
    Attribute {
        /// The attribute.
        attribute: &'static str,
        /// What the program writes.
        expected: String,
        /// What is there.
        found: String,
    },
}

impl AlertEvent {
    /// The event's bytes.
    ///
    /// # Panics
    /// When a number is not finite, which no alert's is.
    pub fn encode(&self) -> Vec<u8> {
        let alert = &self.alert;
        let envelope = Envelope {
            specversion: SPEC_VERSION.into(),
            id: alert.id.as_str().into(),
            source: source(alert).into(),
            kind: kind(alert).into(),
            subject: alert.subject.as_str().into(),
            time: alert.as_of,
            datacontenttype: DATA_CONTENT_TYPE.into(),
            dataschema: DATA_SCHEMA.into(),
            data: DataRef {
                alert,
                detected_at: self.detected_at,
                positions: self.positions.as_deref(),
            },
        };
        serde_json::to_vec(&envelope).expect("an alert has text keys and plain values")
    }

    /// Reads an event. Attributes and fields that a later version added are passed over.
    ///
    /// # Errors
    /// Bytes that are no such event, or one whose envelope says another thing than its data.
    pub fn decode(bytes: &[u8]) -> Result<AlertEvent, AlertError> {
        if bytes.len() > EVENT_MAX {
            return Err(AlertError::TooLarge(bytes.len()));
        }
        let envelope: Envelope<'_, Data> = serde_json::from_slice(bytes)?;
        let Data {
            mut alert,
            detected_at,
            positions,
        } = envelope.data;
        alert.id = envelope.id.into_owned();
        let as_of = alert.as_of.to_string();
        for (attribute, expected, found) in [
            ("specversion", SPEC_VERSION, envelope.specversion.as_ref()),
            ("type", &kind(&alert), envelope.kind.as_ref()),
            ("source", &source(&alert), envelope.source.as_ref()),
            ("subject", &alert.subject, envelope.subject.as_ref()),
            ("time", &as_of, &envelope.time.to_string()),
        ] {
            if expected != found {
                let (expected, found) = (expected.to_owned(), crate::text::one_line(found, 128));
                return Err(AlertError::Attribute {
                    attribute,
                    expected,
                    found,
                });
            }
        }
        Ok(AlertEvent {
            alert,
            detected_at,
            positions,
        })
    }
}

/// The attribute `source`: `/rotation/<universe>/<rule>`, a URI reference.
fn source(alert: &Alert) -> String {
    let mut source = String::from("/rotation/");
    push_percent_encoded(&mut source, &alert.universe);
    source.push('/');
    push_percent_encoded(&mut source, &alert.rule);
    source
}

/// The attribute `type`.
fn kind(alert: &Alert) -> String {
    format!("rotation.alert.{}.v1", alert.state.name())
}

/// Appends a path segment: all but unreserved characters (RFC 3986, section 2.3) percent-encoded.
fn push_percent_encoded(out: &mut String, segment: &str) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.extend([
                '%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a, D> {
    specversion: Cow<'a, str>,
    id: Cow<'a, str>,
    source: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: Cow<'a, str>,
    subject: Cow<'a, str>,
    time: EventTime,
    datacontenttype: Cow<'a, str>,
    dataschema: Cow<'a, str>,
    data: D,
}

/// What an alert event carries as `data`.
#[derive(Deserialize, schemars::JsonSchema)]
#[schemars(rename = "AlertData")]
pub(crate) struct Data {
    #[serde(flatten)]
    alert: Alert,
    /// When the service decided, by its clock, RFC 3339; absent in a backtest.
    #[serde(default)]
    detected_at: Option<EventTime>,
    /// The record of the bars log that led to it, and how far the ticks' partitions had been read; absent in a
    /// backtest.
    #[serde(default)]
    positions: Option<Vec<Position>>,
}

/// [`Data`] without a copy; the fields in the same order.
#[derive(Serialize)]
struct DataRef<'a> {
    #[serde(flatten)]
    alert: &'a Alert,
    #[serde(skip_serializing_if = "Option::is_none")]
    detected_at: Option<EventTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    positions: Option<&'a [Position]>,
}

#[cfg(test)]
pub(crate) mod tests;
