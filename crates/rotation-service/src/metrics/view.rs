//! What the page counts.

use super::{
    Metrics, VIEW_CAUGHT_UP, VIEW_CLIENTS, VIEW_DROPPED, VIEW_MALFORMED, VIEW_RECORDS, counter,
    int_gauge, opts, register,
};
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Registry};

#[derive(Clone, Debug)]
pub(super) struct Families {
    records: IntCounterVec,
    malformed: IntCounterVec,
    caught_up: IntGaugeVec,
    clients: IntGauge,
    dropped: IntCounterVec,
}

impl Families {
    pub(super) fn new(registry: &Registry) -> Families {
        Families {
            records: counter(registry, &VIEW_RECORDS),
            malformed: counter(registry, &VIEW_MALFORMED),
            caught_up: int_gauge(registry, &VIEW_CAUGHT_UP),
            clients: register(registry, IntGauge::with_opts(opts(&VIEW_CLIENTS))),
            dropped: counter(registry, &VIEW_DROPPED),
        }
    }
}

impl Metrics {
    /// Handles for the page, its series made.
    pub fn view(&self) -> ViewMetrics {
        for topic in ["alerts", "readings"] {
            self.view.records.with_label_values(&[topic]);
            self.view.malformed.with_label_values(&[topic]);
            self.view.caught_up.with_label_values(&[topic]);
        }
        for reason in ["full", "slow"] {
            self.view.dropped.with_label_values(&[reason]);
        }
        ViewMetrics(self.view.clone())
    }
}

/// Handles for the page.
#[derive(Clone, Debug)]
pub struct ViewMetrics(Families);

impl ViewMetrics {
    /// A record of a topic was read.
    pub fn record(&self, topic: &str) {
        self.0.records.with_label_values(&[topic]).inc();
    }

    /// A record of a topic is none of ours.
    pub fn malformed(&self, topic: &str) {
        self.0.malformed.with_label_values(&[topic]).inc();
    }

    /// A topic was read to its end, or there is more again.
    pub fn caught_up(&self, topic: &str, is_at_end: bool) {
        let gauge = self.0.caught_up.with_label_values(&[topic]);
        gauge.set(i64::from(is_at_end));
    }

    /// The stream has so many clients.
    pub fn clients(&self, clients: usize) {
        self.0
            .clients
            .set(i64::try_from(clients).unwrap_or(i64::MAX));
    }

    /// A client of the stream was sent away.
    pub fn client_dropped(&self, reason: &str) {
        self.0.dropped.with_label_values(&[reason]).inc();
    }
}
