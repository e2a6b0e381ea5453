//! From tick to alert as one trace: headers through both stages on a real broker, and spans at a collector.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rotation_tests::broker::{Broker, Record};
use rotation_tests::service::Deployment;
use rotation_wire::trace::{TRACEPARENT, TRACESTATE, TraceParent};
use serde_json::Value;

/// Small companies ahead in each session: an event at each from the second comparison on.
const UNIVERSE: &str = "\
[universe.us]
calendar = \"XNYS\"
[universe.us.series]
RUT = {}
GSPC = {}
[universe.us.rules.streak]
kind = \"relative_streak\"
clock = \"session\"
leader = \"RUT\"
laggard = \"GSPC\"
open_at = 2
escalate_at = [3, 4, 5, 6, 7, 8]
";

const DAYS: [&str; 9] = ["05", "06", "07", "08", "09", "12", "13", "14", "15"];

/// A trace of its own for each record.
fn parent(number: usize, flags: &str) -> String {
    format!("00-{:032x}-{:016x}-{flags}", number + 1, 0xabc + number)
}

/// The headers of a record, by its number: valid and sampled but for some.
fn headers(number: usize) -> Vec<(&'static str, String)> {
    let sampled = parent(number, "01");
    match number / 2 {
        3 => vec![(TRACEPARENT, parent(number, "00"))],
        4 => vec![(TRACEPARENT, sampled.replacen("00-", "FF-", 1))],
        5 => Vec::new(),
        6 => vec![(TRACESTATE, "a=1,b=2".to_owned()), (TRACEPARENT, sampled)],
        7 => vec![(TRACEPARENT, sampled.clone()), (TRACEPARENT, sampled)],
        _ => vec![(TRACEPARENT, sampled)],
    }
}

/// The trace that a record says it belongs to, if what it says is valid; and its trace state.
fn expected(number: usize) -> Option<(TraceParent, Option<String>)> {
    let said = headers(number);
    let of = |name| said.iter().filter(move |(key, _)| *key == name);
    let (Some((_, only)), 1) = (of(TRACEPARENT).next(), of(TRACEPARENT).count()) else {
        return None;
    };
    let state = of(TRACESTATE).next().map(|(_, value)| value.clone());
    Some((TraceParent::parse(only.as_bytes())?, state))
}

/// Puts the official closes of some sessions on the ticks topic, two records a session.
fn feed(deployment: &Deployment, sessions: std::ops::Range<usize>) {
    let producer: BaseProducer = deployment.broker.config().create().unwrap();
    for session in sessions {
        for (leg, (symbol, price)) in [("RUT", 100 + session), ("GSPC", 100)]
            .into_iter()
            .enumerate()
        {
            let day = DAYS[session];
            let tick = format!(
                r#"{{"symbol":"{symbol}","time":"2026-01-{day}T21:00:00Z","price":{price},"official":true}}"#
            );
            let empty = OwnedHeaders::new();
            let said = headers(2 * session + leg)
                .into_iter()
                .fold(empty, |all, (key, value)| {
                    all.insert(Header {
                        key,
                        value: Some(&value),
                    })
                });
            let record = BaseRecord::to(&deployment.topics[0])
                .key(symbol)
                .payload(&tick);
            let sent = producer.send(record.headers(said));
            sent.map_err(|(error, _)| error).unwrap();
        }
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

/// Takes OTLP over HTTP, as far as one client needs it, until the process ends.
fn collector() -> (String, Arc<Mutex<Vec<Span>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let spans: Arc<Mutex<Vec<Span>>> = Arc::default();
    let taken = spans.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let taken = taken.clone();
            std::thread::spawn(move || {
                while let Some(spans) = request(stream.as_ref().unwrap()) {
                    taken.lock().unwrap().extend(spans);
                }
            });
        }
    });
    (address, spans)
}

/// One request of a connection, answered; nothing where it was closed.
fn request(mut stream: &TcpStream) -> Option<Vec<Span>> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        head.push(line.trim_end().to_lowercase());
    }
    assert_eq!(head[0], "post /v1/traces http/1.1");
    let value = |name: &str| {
        head.iter()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    assert_eq!(value("content-type:"), Some("application/x-protobuf"));
    let mut body = vec![0; value("content-length:").unwrap().parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| {
        let named = resource.resource.unwrap().attributes;
        assert!(named.iter().any(|it| it.key == "service.name"), "{named:?}");
        resource.scope_spans
    });
    Some(scopes.flat_map(|scope| scope.spans).collect())
}

fn header(record: &Record, name: &str) -> Option<String> {
    let mut found = record.headers.iter().filter(|(key, _)| key == name);
    let value = found.next()?.1.clone().unwrap();
    assert_eq!(found.next(), None, "{name} is there twice");
    Some(String::from_utf8(value).unwrap())
}

fn traced(record: &Record) -> Option<TraceParent> {
    let said = header(record, TRACEPARENT)?;
    let parent = TraceParent::parse(said.as_bytes()).unwrap();
    assert_eq!(parent.to_string(), said);
    Some(parent)
}

/// Holds the headers of an alert against those of the tick that it cites, two hops before it.
fn hold(alert: &Record, bars: &BTreeMap<(i32, i64), Record>) -> Option<(TraceParent, TraceParent)> {
    let event: Value = serde_json::from_slice(alert.payload.as_ref().unwrap()).unwrap();
    let [bar, tick] = [0, 1].map(|at| {
        let position = &event["data"]["positions"][at];
        let number = |field: &str| position[field].as_i64().unwrap();
        (
            i32::try_from(number("partition")).unwrap(),
            number("offset"),
        )
    });
    let bars = &bars[&bar];
    let Some((sent, state)) = expected(usize::try_from(tick.1).unwrap()) else {
        assert_eq!((traced(bars), traced(alert)), (None, None), "{event:#}");
        assert_eq!(header(alert, TRACESTATE), None);
        assert_eq!(bars.headers, [], "a record without a trace has no headers");
        return None;
    };
    let sampled = sent.child("sample", tick.0, tick.1);
    let decided = sampled.child("decide", bar.0, bar.1);
    assert_eq!(
        (traced(bars), traced(alert)),
        (Some(sampled), Some(decided)),
        "{event:#}"
    );
    assert_eq!(
        (header(bars, TRACESTATE), header(alert, TRACESTATE)),
        (state.clone(), state)
    );
    assert_eq!(decided.trace, sent.trace);
    Some((sent, decided))
}

fn attribute<'a>(span: &'a Span, key: &str) -> &'a Attribute {
    let found = span.attributes.iter().find(|it| it.key == key);
    let value = found.unwrap_or_else(|| panic!("no {key} in {span:#?}"));
    value.value.as_ref().unwrap().value.as_ref().unwrap()
}

/// The spans of a trace: the tick's sender, what sampled it, what decided by it, and the commit of either.
fn follow(spans: &[Span], sent: TraceParent, decided: TraceParent, topics: [&str; 2]) {
    let of = |name: &str, parent: &[u8], own: Option<&[u8]>| -> Span {
        let is_it = |span: &&Span| {
            let is_below = span.trace_id == sent.trace && span.parent_span_id == parent;
            is_below && span.name == name && own.is_none_or(|own| span.span_id == own)
        };
        let found: Vec<&Span> = spans.iter().filter(is_it).collect();
        let ids: BTreeSet<&[u8]> = found.iter().map(|span| span.span_id.as_slice()).collect();
        assert_eq!(
            ids.len(),
            1,
            "{name} after {parent:x?}: {found:#?} of {spans:#?}"
        );
        found[0].clone()
    };
    let sample = of("sample", &sent.span, None);
    // A tick leads to more than its bar, such as to how far its partition is: each is decided upon apart.
    let decide = of("decide", &sample.span_id, Some(&decided.span));
    for (span, topic) in [(&sample, topics[0]), (&decide, topics[1])] {
        let name = attribute(span, "messaging.destination.name");
        assert_eq!(*name, Attribute::StringValue(topic.to_owned()));
        assert!(matches!(
            attribute(span, "messaging.kafka.offset"),
            Attribute::IntValue(_)
        ));
        let commit = of("commit", &span.span_id, None);
        assert!(commit.end_time_unix_nano >= commit.start_time_unix_nano);
        assert!(commit.end_time_unix_nano >= span.start_time_unix_nano);
    }
    let episodes = format!("{:?}", attribute(&decide, "rotation.episodes"));
    assert!(episodes.contains("us/streak/RUT/GSPC/"), "{episodes}");
    let rules = format!("{:?}", attribute(&decide, "rotation.rules"));
    assert!(rules.contains("\"streak\""), "{rules}");
}

#[test]
fn a_tick_and_its_alert_are_one_trace() {
    let Some(broker) = Broker::get() else { return };
    let deployment = Deployment::new(broker, 1, UNIVERSE).unwrap();
    let (address, spans) = collector();
    let flags = ["--otlp-endpoint", &address, "--snapshot-interval", "500ms"];
    let mut services = [deployment.run("one", &flags).unwrap()];
    feed(&deployment, 0..4);
    deployment.await_done(&mut services).unwrap();
    let [service] = services;
    // What it was about to tell is lost with it; what it wrote is not, and what follows goes on from there.
    service.kill().unwrap();
    let before = spans.lock().unwrap().len();
    feed(&deployment, 4..DAYS.len());
    let mut services = [deployment.run("one", &flags).unwrap()];
    deployment.await_done(&mut services).unwrap();
    let exported = |outcome: &str| format!("rotation_spans_total{{outcome=\"{outcome}\"}}");
    for outcome in ["dropped", "failed"] {
        assert_eq!(
            services[0].metric(&exported(outcome)).unwrap(),
            0.0,
            "{outcome}"
        );
    }
    let [service] = services;
    service.terminate().unwrap();
    let bars: BTreeMap<(i32, i64), Record> = broker
        .read_committed(&deployment.topics[1])
        .unwrap()
        .into_iter()
        .map(|record| ((record.partition, record.offset), record))
        .collect();
    let alerts = broker.read_committed(&deployment.topics[2]).unwrap();
    assert_eq!(
        alerts.len(),
        DAYS.len() - 2,
        "an event a session from the third on"
    );
    let found: Vec<_> = alerts
        .iter()
        .filter_map(|alert| hold(alert, &bars))
        .collect();
    let unsampled = found.iter().filter(|(sent, _)| !sent.is_sampled());
    assert_eq!((found.len(), unsampled.count()), (4, 1));
    let spans = spans.lock().unwrap();
    assert!(spans.len() > before, "{} spans", spans.len());
    let topics = [&deployment.topics[0], &deployment.topics[1]].map(String::as_str);
    let mut followed = 0;
    for &(sent, decided) in &found {
        let told = spans.iter().any(|span| span.trace_id == sent.trace);
        assert!(
            sent.is_sampled() || !told,
            "what is not sampled is not told"
        );
        // The first process may have been killed before it told its last ones.
        let number = u128::from_be_bytes(sent.trace) - 1;
        if sent.is_sampled() && number >= 8 {
            follow(&spans, sent, decided, topics);
            followed += 1;
        }
    }
    assert_eq!(followed, 2);
}
