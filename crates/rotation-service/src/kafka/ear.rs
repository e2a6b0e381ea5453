//! Hears what librdkafka says aside: the reasons of its errors come by log lines and callbacks, not by return codes.

use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;

/// A remark of the client.
#[derive(Clone, Debug)]
pub(super) struct Remark {
    /// The code, of what came as an error.
    pub(super) code: Option<RDKafkaErrorCode>,
    /// What was said.
    pub(super) text: String,
}

/// The context of clients that look before the service starts.
#[derive(Default)]
pub(super) struct Ear(Mutex<Vec<Remark>>);

impl Ear {
    /// The remarks so far.
    pub(super) fn heard(&self) -> Vec<Remark> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn hear(&self, code: Option<RDKafkaErrorCode>, text: &str) {
        tracing::debug!(?code, "librdkafka: {text}");
        let text = text.to_owned();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Remark { code, text });
    }
}

impl ClientContext for Ear {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let is_grave = (level as i32) <= (RDKafkaLogLevel::Warning as i32);
        // A connection that the other end closes is no more than news to the client.
        if (is_grave && facility != "CONFWARN") || matches!(facility, "FAIL" | "ADDPARTS") {
            self.hear(None, message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        // Told again and again while a client waits for one; what matters is why they are down.
        if code != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.hear(code, reason);
        }
    }
}

impl ConsumerContext for Ear {}

impl ProducerContext for Ear {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}
