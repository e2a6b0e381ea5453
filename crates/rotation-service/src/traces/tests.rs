use super::*;
use crate::metrics::Metrics;
use crate::stage::{InputRecord, TraceHeaders};
use crate::tasks::SAMPLE;
use std::net::TcpListener;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn hop(parent: &str, offset: i64) -> Option<Hop> {
    let record = InputRecord {
        partition: 3,
        offset,
        timestamp: None,
        key: None,
        payload: None,
        trace: Some(TraceHeaders {
            parent: parent.as_bytes(),
            state: None,
        }),
    };
    Hop::of(&record, SAMPLE)
}

fn place(offset: i64) -> Place<'static> {
    Place {
        topic: "market.ticks",
        partition: 3,
        offset,
    }
}

#[test]
fn the_address_is_that_of_a_collector() {
    for (given, expected) in [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
        ("http://otel/sub", "http://otel/sub/v1/traces"),
    ] {
        assert_eq!(traces_address(given).unwrap(), expected);
    }
    for given in [
        "",
        "otel",
        "otel:4318",
        "https://otel:4318",
        "http://",
        "http://otel?x=1",
        "http://user:secret@otel",
    ] {
        assert!(traces_address(given).is_err(), "{given:?}");
        let counts = Metrics::new().span_counts();
        let error = Tracer::start(given, "one", counts).unwrap_err();
        assert!(error.to_string().starts_with("--otlp-endpoint"), "{error}");
    }
}

#[test]
fn what_is_not_sampled_has_no_span_and_without_a_collector_nothing_has() {
    let counts = Metrics::new().span_counts();
    let tracer = Tracer::start("http://127.0.0.1:1", "one", counts).unwrap();
    assert!(tracer.begin(hop(PARENT, 1).as_ref(), place(1)).is_some());
    let unsampled = PARENT.replace("-01", "-00");
    assert!(
        tracer
            .begin(hop(&unsampled, 1).as_ref(), place(1))
            .is_none()
    );
    assert!(tracer.begin(None, place(1)).is_none());
    assert!(
        Tracer::default()
            .begin(hop(PARENT, 1).as_ref(), place(1))
            .is_none()
    );
}

/// A collector that takes connections and never answers: nobody waits for it, and what does not fit is counted.
#[test]
fn a_collector_that_hangs_costs_spans_and_nothing_else() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let counts = Metrics::new().span_counts();
    let tracer = Tracer::start(&endpoint, "one", counts.clone()).unwrap();
    let spans = 3 * QUEUE;
    for offset in 0..spans as i64 {
        tracer.end(tracer.begin(hop(PARENT, offset).as_ref(), place(offset)));
    }
    // One batch is on its way, and a queue is full; all others have been dropped.
    let dropped = counts.dropped.get();
    assert!(
        dropped >= (spans - QUEUE - BATCH) as u64,
        "{dropped} of {spans}"
    );
    assert_eq!(counts.exported.get(), 0);
}
