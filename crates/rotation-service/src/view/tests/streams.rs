//! The stream: from a position, at another process, to the end.

use super::*;
use axum::response::IntoResponse;
use std::collections::BTreeSet;
use std::time::Duration;

/// A client that reads events.
struct Reader {
    status: u16,
    lines: Lines<BufReader<TcpStream>>,
}

/// An event: name, id, data.
type Read = (String, String, String);

async fn listen(address: SocketAddr, last: Option<&str>) -> Reader {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let last = last.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: test\r\n{last}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let status = lines.next_line().await.unwrap().unwrap();
    Reader {
        status: status.split(' ').nth(1).unwrap().parse().unwrap(),
        lines,
    }
}

impl Reader {
    /// The next event; nothing when the stream has ended.
    async fn next(&mut self) -> Option<Read> {
        let (mut event, mut id, mut data) = (None, String::new(), String::new());
        loop {
            let line = self.lines.next_line().await.ok()??;
            match line.split_once(": ") {
                Some(("event", name)) => event = Some(name.to_owned()),
                Some(("id", text)) => id = text.to_owned(),
                Some(("data", text)) => data = text.to_owned(),
                _ if line.is_empty() => {
                    if let Some(event) = event.take() {
                        return Some((event, id, data));
                    }
                }
                // The head, the sizes of chunks, comments.
                _ => {}
            }
        }
    }

    /// The events until everything was told.
    async fn rest(&mut self) -> Vec<Read> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await.expect("the stream goes on");
            if event.0 == "caught_up" {
                return events;
            }
            events.push(event);
        }
    }
}

/// What an event is about, wherever it was read.
fn name(event: &Read) -> String {
    let data: Value = serde_json::from_str(&event.2).unwrap();
    match event.0.as_str() {
        "alert" => data["event"]["id"].as_str().unwrap().to_owned(),
        "reading" => format!("{} {}", data["rule"], data["as_of"]),
        _ => event.1.clone(),
    }
}

#[tokio::test]
async fn a_client_that_changes_the_process_misses_nothing_and_gets_nothing_twice() {
    let (one, other) = (filled(), view(&Metrics::new()));
    // The other process read the partitions one after the other.
    other.take(topics().concat());
    catch_up(&other);
    let ((one, _a), (other, _b)) = (serve(&one, false).await, serve(&other, false).await);
    let all = listen(one, Some("")).await.rest().await;
    assert_eq!(all.len(), 45);
    let is_named = |event: &&Read| event.0 != "horizon";
    let names: BTreeSet<String> = all.iter().filter(is_named).map(name).collect();
    for cut in 0..=all.len() {
        let id = cut.checked_sub(1).map_or("", |last| &all[last].1);
        let rest = listen(other, Some(id)).await.rest().await;
        assert_eq!(rest.len() + cut, all.len(), "after {id}");
        let seen = all[..cut].iter().chain(&rest).filter(is_named).map(name);
        assert_eq!(seen.collect::<BTreeSet<String>>(), names, "after {id}");
        if let Some(last) = rest.last() {
            assert_eq!(last.1, "a0=5,a1=3;r0=59,r1=19");
        }
    }
}

#[tokio::test]
async fn a_client_hears_what_comes() {
    let metrics = Metrics::new();
    let view = view(&metrics);
    let (address, _stop) = serve(&view, false).await;
    let mut early = listen(address, None).await;
    assert_eq!(early.status, 200);
    let mut topics = topics();
    let alerts = topics.remove(0);
    view.take(topics.concat());
    catch_up(&view);
    let position = "a0=0,a1=3;r0=59,r1=19".to_owned();
    let caught_up = ("caught_up".to_owned(), position, "{}".to_owned());
    assert_eq!(early.next().await, Some(caught_up));
    view.take(alerts);
    for state in ["opened", "escalated", "resolved"] {
        let (event, _, data) = early.next().await.unwrap();
        let data: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(
            (event.as_str(), &data["episode"]["state"]),
            ("alert", &state.into())
        );
        assert_eq!(data["event"]["data"]["state"], state);
    }
    assert!(metrics.scrape(0.0).contains("rotation_view_clients 1\n"));
}

#[tokio::test]
async fn a_client_hears_what_keeps_the_topics_from_being_read() {
    let view = filled();
    let (address, _stop) = serve(&view, false).await;
    let mut client = listen(address, None).await;
    assert_eq!(client.rest().await, []);
    let why = || Some("it is away".to_owned());
    assert!(view.note(Topic::Alerts, why()));
    // Said once, though it keeps both from being read, and of no place in the topics.
    assert!(view.note(Topic::Readings, why()) && !view.note(Topic::Readings, why()));
    let told = |text: &str| Some(("notes".to_owned(), String::new(), text.to_owned()));
    assert_eq!(client.next().await, told("[\"it is away\"]"));
    let mut late = listen(address, Some("")).await;
    assert_eq!(late.next().await, told("[\"it is away\"]"));
    view.note(Topic::Alerts, None);
    view.note(Topic::Readings, None);
    assert_eq!(client.next().await, told("[]"));
}

#[tokio::test]
async fn a_client_is_told_to_load_anew_where_it_cannot_go_on() {
    let view = filled();
    // A third partition, of which what came first was deleted before this process began.
    let third = Partition {
        topic: Topic::Alerts,
        number: 2,
    };
    view.begin(third, (10, 12));
    let (address, _stop) = serve(&view, false).await;
    for id in ["x", "a0=5", "a0=5,a1=3,a2=9;r0=59,r1=19"] {
        let mut client = listen(address, Some(id)).await;
        let reset = ("reset".to_owned(), String::new(), "{}".to_owned());
        assert_eq!(client.next().await, Some(reset), "{id}");
        assert_eq!(client.next().await, None, "{id}");
    }
    let mut client = listen(address, Some("a0=5,a1=3,a2=10;r0=59,r1=19")).await;
    assert_eq!(client.next().await.unwrap().0, "caught_up");
}

#[tokio::test]
async fn topics_that_are_made_anew_send_their_clients_away() {
    let metrics = Metrics::new();
    let view = view(&metrics);
    view.take(in_turns(&topics()));
    catch_up(&view);
    let (address, _stop) = serve(&view, false).await;
    let mut client = listen(address, None).await;
    assert_eq!(client.next().await.unwrap().0, "caught_up");
    let event = AlertEvent::from(alert(40, 1, Did::Opened, 0)).encode();
    view.take(partition(Topic::Alerts, 0, vec![event]));
    assert_eq!(client.next().await, None);
    assert_eq!(view.now().position, "a0=1,a1=3;r0=59,r1=19");
    let mut client = listen(address, Some("a0=0,a1=3;r0=59,r1=19")).await;
    assert_eq!(client.next().await.unwrap().0, "alert");
}

#[tokio::test]
async fn there_are_only_so_many_clients() {
    let metrics = Metrics::new();
    let view = view(&metrics);
    catch_up(&view);
    let (address, _stop) = serve(&view, false).await;
    let mut clients = Vec::new();
    for _ in 0..stream::CLIENTS_MAX {
        let mut client = listen(address, None).await;
        assert_eq!(client.next().await.unwrap().0, "caught_up");
        clients.push(client);
    }
    let (status, head, _) = ask(address, "GET /api/v1/events", "").await;
    assert!(status == 503 && head.contains("retry-after: 10"), "{head}");
    assert!(
        metrics
            .scrape(0.0)
            .contains("rotation_view_clients_dropped_total{reason=\"full\"} 1\n")
    );
    drop(clients.pop());
    // The server notices when it is told, or at the next heartbeat.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while listen(address, None).await.status != 200 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "a place is not given back"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_client_that_reads_too_slowly_is_sent_away_and_costs_no_memory() {
    let metrics = Metrics::new();
    let view = view(&metrics);
    catch_up(&view);
    let stream = stream::open(&view, stream::From::Now, None).unwrap();
    let mut body = stream.into_response().into_body().into_data_stream();
    let first = futures_util::StreamExt::next(&mut body)
        .await
        .unwrap()
        .unwrap();
    assert!(first.starts_with(b"event: caught_up"), "{first:?}");
    let partition = Partition {
        topic: Topic::Readings,
        number: 0,
    };
    let records = (0_u32..).take(ring::CHANGES_MAX + 1).map(|at| {
        let record = ReadingRecord::Reading(Box::new(reading("streak", at, 1.0)));
        let offset = i64::from(at);
        (Place { partition, offset }, record.encode())
    });
    view.take(records.collect());
    assert!(futures_util::StreamExt::next(&mut body).await.is_none());
    drop(body);
    let page = metrics.scrape(0.0);
    assert!(
        page.contains("rotation_view_clients_dropped_total{reason=\"slow\"} 1\n"),
        "{page}"
    );
    assert!(page.contains("rotation_view_clients 0\n"), "{page}");
}

#[tokio::test]
async fn streams_end_with_the_process() {
    let view = filled();
    let (address, stop) = serve(&view, false).await;
    let mut client = listen(address, None).await;
    assert_eq!(client.next().await.unwrap().0, "caught_up");
    drop(stop);
    assert_eq!(client.next().await, None);
}
