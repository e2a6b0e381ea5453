//! Delivery reports, counted as they come: a commit begins when all of its messages are delivered.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};

use super::consumer::log_client;

/// Counts delivery reports.
#[derive(Clone)]
pub(super) struct Deliveries {
    stage: Arc<str>,
    counts: Arc<(Mutex<Counts>, Condvar)>,
}

#[derive(Default)]
struct Counts {
    reported: u64,
    failure: Option<KafkaError>,
    /// Somebody waits until so many are reported.
    awaited: u64,
}

impl Deliveries {
    pub(super) fn new(stage: &str) -> Self {
        Self {
            stage: Arc::from(stage),
            counts: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn reset(&self) {
        *self.lock() = Counts::default();
    }

    /// Waits until `sent` messages are reported, all delivered.
    pub(super) fn wait(&self, sent: u64, deadline: Instant) -> Result<(), KafkaError> {
        let mut counts = self.lock();
        counts.awaited = sent;
        loop {
            if let Some(error) = &counts.failure {
                return Err(error.clone());
            }
            if counts.reported >= sent {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(KafkaError::MessageProduction(
                    RDKafkaErrorCode::MessageTimedOut,
                ));
            }
            counts = self
                .counts
                .1
                .wait_timeout(counts, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        log_client(&self.stage, level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(stage = &*self.stage, %error, reason, "kafka producer reports an error");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        let mut counts = self.lock();
        counts.reported += 1;
        if let Err((error, _)) = report {
            counts.failure.get_or_insert_with(|| error.clone());
        }
        if counts.failure.is_some() || counts.reported == counts.awaited {
            self.counts.1.notify_all();
        }
    }
}
