//! Spans of traced ticks, told to an OpenTelemetry collector: what the stages did with them, and when.
//!
//! A span is made where its trace is sampled and a collector is named, and nowhere else. It goes into a queue that is
//! never waited for: what does not fit is dropped and counted. Which ids spans have is decided by the records alone
//! ([`rotation_wire::trace`]), so one that is told twice, after a restart, is the same span.

use crate::stage::InputRecord;
use crate::tasks::Hop;
use anyhow::{Context, ensure};
use axum::http::Uri;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanExporter, SpanProcessor,
};
use prometheus::IntCounter;
use rotation_wire::trace::TraceParent;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

mod export;

use export::{Client, Counted};

/// Spans that wait for the collector at most.
const QUEUE: usize = 4096;

/// Spans of a request at most.
const BATCH: usize = 512;

/// Longest time that a span waits for others.
const DELAY: Duration = Duration::from_secs(1);

/// Longest wait for what is queued when the process stops.
const FLUSH: Duration = Duration::from_secs(3);

/// Where spans go; nowhere unless a collector is named.
#[derive(Clone, Debug, Default)]
pub struct Tracer(Option<Arc<Sink>>);

#[derive(Debug)]
struct Sink {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    waiting: Arc<AtomicUsize>,
    dropped: IntCounter,
}

/// What became of spans, counted.
#[derive(Clone, Debug)]
pub struct SpanCounts {
    /// The collector took them.
    pub exported: IntCounter,
    /// They did not fit the queue.
    pub dropped: IntCounter,
    /// The collector refused them, or was away.
    pub failed: IntCounter,
}

/// A span that has begun.
#[derive(Debug)]
pub(crate) struct Begun {
    hop: Hop,
    since: SystemTime,
    attributes: Vec<KeyValue>,
}

impl Begun {
    /// Notes what the record led to: the rules that spoke, and their episodes.
    pub(crate) fn told<'a>(&mut self, alerts: impl Iterator<Item = (&'a str, &'a str)>) {
        let (rules, episodes): (Vec<StringValue>, Vec<StringValue>) = alerts
            .map(|(rule, episode)| (rule.to_owned().into(), episode.to_owned().into()))
            .unzip();
        if !rules.is_empty() {
            for (key, values) in [("rotation.rules", rules), ("rotation.episodes", episodes)] {
                self.note(key, Value::Array(Array::String(values)));
            }
        }
    }

    fn note(&mut self, key: &'static str, value: impl Into<Value>) {
        self.attributes.push(KeyValue::new(key, value));
    }
}

impl Tracer {
    /// Tells spans to the collector at an address such as `http://127.0.0.1:4318`, by OTLP over HTTP.
    ///
    /// # Errors
    /// An address that is none.
    pub fn start(endpoint: &str, instance: &str, counts: SpanCounts) -> anyhow::Result<Tracer> {
        let endpoint = traces_address(endpoint).with_context(|| {
            format!("--otlp-endpoint: expected an address such as http://127.0.0.1:4318, found {endpoint:?}")
        })?;
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new())
            .with_endpoint(endpoint)
            .build()
            .context("cannot make an exporter of spans")?;
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut exporter = Counted {
            exporter,
            waiting: waiting.clone(),
            counts: counts.clone(),
        };
        let resource = Resource::builder_empty()
            .with_service_name("rotation")
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.instance.id", instance.to_owned()),
            ])
            .build();
        exporter.set_resource(&resource);
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(batches)
            .build();
        Ok(Tracer(Some(Arc::new(Sink {
            processor,
            scope: InstrumentationScope::builder("rotation").build(),
            waiting,
            dropped: counts.dropped,
        }))))
    }

    /// Begins the span of a hop, if it is one to be told.
    pub(crate) fn begin(&self, hop: Option<&Hop>, place: Place<'_>) -> Option<Begun> {
        self.0.as_ref()?;
        let hop = hop.filter(|hop| hop.own.is_sampled())?;
        let mut begun = Begun {
            hop: hop.clone(),
            since: SystemTime::now(),
            attributes: Vec::with_capacity(6),
        };
        begun.note("messaging.system", "kafka");
        begun.note("messaging.destination.name", place.topic.to_owned());
        begun.note(
            "messaging.destination.partition.id",
            place.partition.to_string(),
        );
        begun.note("messaging.kafka.offset", place.offset);
        Some(begun)
    }

    /// Ends it.
    pub(crate) fn end(&self, begun: Option<Begun>) {
        if let (Some(sink), Some(begun)) = (&self.0, begun) {
            let Begun {
                hop,
                since,
                attributes,
            } = begun;
            sink.tell(Span {
                name: hop.name,
                kind: SpanKind::Consumer,
                parent: hop.parent,
                own: hop.own,
                since,
                attributes,
            });
        }
    }

    /// A transaction that took so long and has just been committed held what these spans sent.
    pub(crate) fn committed(&self, stage: &str, took: Duration, traces: &[TraceParent]) {
        let Some(sink) = &self.0 else { return };
        for &parent in traces.iter().filter(|parent| parent.is_sampled()) {
            sink.tell(Span {
                name: COMMIT,
                kind: SpanKind::Producer,
                parent,
                own: parent.child(COMMIT, 0, 0),
                since: SystemTime::now() - took,
                attributes: vec![
                    KeyValue::new("messaging.system", "kafka"),
                    KeyValue::new("rotation.stage", stage.to_owned()),
                ],
            });
        }
    }

    /// Tells what is queued, and no more after that.
    pub fn stop(&self) {
        if let Some(sink) = &self.0
            && let Err(error) = sink.processor.shutdown_with_timeout(FLUSH)
        {
            tracing::warn!(%error, "not every span reached the collector");
        }
    }
}

/// What a stage does with all that waits for it.
const COMMIT: &str = "commit";

/// Where a record is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

impl<'a> Place<'a> {
    /// Where a record of this topic is.
    pub(crate) fn of(topic: &'a str, record: &InputRecord<'_>) -> Place<'a> {
        Place {
            topic,
            partition: record.partition,
            offset: record.offset,
        }
    }
}

struct Span {
    name: &'static str,
    kind: SpanKind,
    parent: TraceParent,
    own: TraceParent,
    since: SystemTime,
    attributes: Vec<KeyValue>,
}

impl Sink {
    /// Queues a span that ends now, if there is room.
    fn tell(&self, span: Span) {
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= QUEUE {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            self.dropped.inc();
            return;
        }
        self.processor.on_end(SpanData {
            span_context: context(span.own),
            parent_span_id: SpanId::from_bytes(span.parent.span),
            // A commit belongs to a span of this process.
            parent_span_is_remote: span.name != COMMIT,
            span_kind: span.kind,
            name: span.name.into(),
            start_time: span.since,
            end_time: SystemTime::now().max(span.since),
            attributes: span.attributes,
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        });
    }
}

fn context(own: TraceParent) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(own.trace),
        SpanId::from_bytes(own.span),
        TraceFlags::new(own.flags()),
        false,
        TraceState::NONE,
    )
}

/// The address that spans go to, below the one of the collector.
fn traces_address(endpoint: &str) -> anyhow::Result<String> {
    let uri: Uri = endpoint.parse()?;
    ensure!(
        uri.scheme_str() == Some("http"),
        "only http is spoken: let a collector near this process speak TLS"
    );
    ensure!(uri.query().is_none(), "an address has no query");
    let authority = uri.authority().context("a host is missing")?;
    ensure!(
        !authority.as_str().contains('@'),
        "a name and a password cannot be given"
    );
    let path = uri.path().trim_end_matches('/');
    Ok(format!("http://{authority}{path}/v1/traces"))
}

#[cfg(test)]
mod tests;
