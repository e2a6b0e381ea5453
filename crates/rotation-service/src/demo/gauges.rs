//! How far the service is, read from its metrics as a person would read them.

use crate::metrics::Metrics;
use rotation_engine::clock::SECOND;
use rotation_engine::time::EventTime;

/// Reads the metrics of the service in this process.
#[derive(Clone)]
pub(super) struct Gauges {
    metrics: Metrics,
}

impl Gauges {
    /// Reads these.
    pub(super) fn new(metrics: Metrics) -> Gauges {
        Gauges { metrics }
    }

    /// What is read.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Records that the sampler stage has read.
    pub(super) fn consumed(&self) -> u64 {
        self.sum("rotation_records_consumed_total{stage=\"sampler\"") as u64
    }

    /// Alert events that the universes have decided.
    pub(super) fn alerts(&self) -> u64 {
        self.sum("rotation_alerts_total{") as u64
    }

    /// Event time up to which the universe has decided.
    pub(super) fn horizon(&self) -> EventTime {
        let seconds = self.sum("rotation_horizon_seconds{");
        EventTime::from_nanos((seconds * SECOND as f64) as i64)
    }

    fn sum(&self, prefix: &str) -> f64 {
        total(&self.metrics.scrape(0.0), prefix)
    }
}

/// The sum of the samples whose name and labels begin so, in Prometheus' text format.
pub(super) fn total(scrape: &str, prefix: &str) -> f64 {
    let samples = scrape.lines().filter(|line| line.starts_with(prefix));
    samples
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}
