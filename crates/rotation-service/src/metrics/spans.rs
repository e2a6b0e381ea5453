//! Where spans go, and what becomes of them.

use super::Metrics;
use crate::traces::{SpanCounts, Tracer};

impl Metrics {
    /// The same, where spans go to a collector, too.
    #[must_use]
    pub fn traced(self, tracer: Tracer) -> Self {
        Metrics { tracer, ..self }
    }

    /// Where spans go.
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// What becomes of spans.
    pub fn span_counts(&self) -> SpanCounts {
        let [exported, dropped, failed] = ["exported", "dropped", "failed"]
            .map(|outcome| self.spans.with_label_values(&[outcome]));
        SpanCounts {
            exported,
            dropped,
            failed,
        }
    }
}
