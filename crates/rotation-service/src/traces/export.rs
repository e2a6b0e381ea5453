//! The way to the collector: on the exporter's own thread, bounded in time, counted.

use super::SpanCounts;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Of an answer's body, in bytes.
const BODY_MAX: u64 = 64 * 1024;

/// A client that blocks the thread of the exporter, and no other.
#[derive(Debug)]
pub(super) struct Client(ureq::Agent);

impl Client {
    pub(super) fn new() -> Client {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .build();
        Client(config.into())
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = request.map(|body| body.to_vec());
        let (head, mut body) = self.0.run(request)?.into_parts();
        let body = body.with_config().limit(BODY_MAX).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}

/// An exporter that counts what becomes of spans.
#[derive(Debug)]
pub(super) struct Counted<E> {
    pub(super) exporter: E,
    /// Spans in the queue.
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) counts: SpanCounts,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.waiting.fetch_sub(spans, Ordering::AcqRel);
        let result = self.exporter.export(batch).await;
        let count = match &result {
            Ok(()) => &self.counts.exported,
            Err(error) => {
                tracing::debug!(%error, spans, "spans did not reach the collector");
                &self.counts.failed
            }
        };
        count.inc_by(spans as u64);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
