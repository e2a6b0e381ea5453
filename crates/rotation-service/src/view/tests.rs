//! The view by HTTP, on loopback and without Kafka: records are handed to it as the readers would.

use super::model::tests::{alert, day, horizon, plans, reading};
use super::place::{Partition, Place, Topic};
use super::*;
use crate::config::HttpConfig;
use crate::http::{self, Access, Health};
use crate::metrics::Metrics;
use rotation_engine::alert::State as Did;
use rotation_wire::alerts::AlertEvent;
use rotation_wire::readings::ReadingRecord;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

mod answers;
mod streams;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

struct Fine;

impl Health for Fine {
    fn failing(&self) -> Option<String> {
        None
    }
    fn waiting(&self) -> Option<String> {
        None
    }
}

fn view(metrics: &Metrics) -> Arc<View> {
    let view = View::new(&plans(), "one", None, metrics.view());
    for (topic, partitions) in [(Topic::Alerts, 2), (Topic::Readings, 2)] {
        for number in 0..partitions {
            view.begin(Partition { topic, number }, (0, 0));
        }
    }
    Arc::new(view)
}

fn catch_up(view: &View) {
    for topic in Topic::ALL {
        view.set_at_end(topic, true);
    }
}

/// A record in its place.
type Placed = (Place, Vec<u8>);

/// A partition of records at the even offsets: markers of transactions stand between them.
fn partition(topic: Topic, number: i32, records: Vec<Vec<u8>>) -> Vec<Placed> {
    let partition = Partition { topic, number };
    let records = (0_i64..).zip(records);
    let placed = records.map(|(at, bytes)| {
        let offset = 2 * at;
        (Place { partition, offset }, bytes)
    });
    placed.collect()
}

/// What is on the topics: an episode with its end, one that is open, readings and horizons.
fn topics() -> Vec<Vec<Placed>> {
    let event = |event| AlertEvent::from(event).encode();
    let measured =
        |rule, at, distance| ReadingRecord::Reading(Box::new(reading(rule, at, distance))).encode();
    let first = [
        alert(0, 1, Did::Opened, 4),
        alert(0, 2, Did::Escalated, 5),
        alert(0, 3, Did::Resolved, 6),
    ];
    let second = [
        alert(20, 1, Did::Opened, 0),
        alert(20, 2, Did::Escalated, 2),
    ];
    let streak = (0..30).map(|at| measured("streak", at, f64::from(at % 5)));
    let other = (0..10).map(|at| match at % 3 {
        0 => ReadingRecord::Horizon(horizon(at)).encode(),
        _ => measured("other", at, 1.0),
    });
    vec![
        partition(Topic::Alerts, 0, first.map(event).to_vec()),
        partition(Topic::Alerts, 1, second.map(event).to_vec()),
        partition(Topic::Readings, 0, streak.collect()),
        partition(Topic::Readings, 1, other.collect()),
    ]
}

/// The records of several partitions, in turns.
fn in_turns(partitions: &[Vec<Placed>]) -> Vec<Placed> {
    let longest = partitions.iter().map(Vec::len).max().unwrap_or(0);
    let rounds = (0..longest).flat_map(|at| partitions.iter().filter_map(move |it| it.get(at)));
    rounds.cloned().collect()
}

/// A view that has read everything.
fn filled() -> Arc<View> {
    let view = view(&Metrics::new());
    view.take(in_turns(&topics()));
    catch_up(&view);
    view
}

/// Serves a view; ends when what it returns is dropped.
async fn serve(view: &Arc<View>, token: bool) -> (SocketAddr, oneshot::Sender<()>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = HttpConfig {
        listen: address,
        token_file: token.then_some(file),
        ..HttpConfig::default()
    };
    let access = Access::new(&config, None).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move { drop(stopped.await) };
    let (metrics, view) = (Metrics::new(), Some(view.clone()));
    let health = Arc::new(Fine);
    tokio::spawn(http::serve(
        listener, access, metrics, health, None, view, stopped,
    ));
    (address, stop)
}

/// An answer: status, head in small letters, body.
async fn ask(address: SocketAddr, request: &str, headers: &str) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let text = format!("{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8(answer[..end].to_vec())
        .unwrap()
        .to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, answer[end + 4..].to_vec())
}

async fn get(address: SocketAddr, path: &str) -> (u16, Value) {
    let (status, _, body) = ask(address, &format!("GET /api/v1{path}"), "").await;
    let value = serde_json::from_slice(&body).unwrap_or_else(|error| {
        panic!("{path}: {error}: {}", String::from_utf8_lossy(&body));
    });
    (status, value)
}
