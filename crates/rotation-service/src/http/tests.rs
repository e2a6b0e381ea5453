//! Each rule of the HTTP address, on loopback.

use super::*;
use crate::config::HttpConfig;
use axum::routing::post;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

struct Fine;

impl Health for Fine {
    fn failing(&self) -> Option<String> {
        None
    }
    fn waiting(&self) -> Option<String> {
        Some("stage sampler waits for its group".to_owned())
    }
}

/// Limits that no request of a test reaches unless it means to.
fn limits() -> Limits {
    Limits {
        head: Duration::from_secs(30),
        request: Duration::from_secs(30),
        connection: Duration::from_secs(30),
        stalled: Duration::from_secs(30),
        grace: Duration::from_millis(200),
        connections: 4,
    }
}

/// With a limit on requests that those that hang reach soon.
fn impatient() -> Limits {
    Limits {
        request: Duration::from_millis(300),
        ..limits()
    }
}

/// The routes there are, and of those to come one that changes something, one that reads a body and one that hangs.
async fn start(token: bool, limits: Limits) -> SocketAddr {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = HttpConfig {
        listen: address,
        token_file: token.then_some(file),
        ..HttpConfig::default()
    };
    let access = Access::new(&config, None).unwrap();
    let shared = Shared {
        reload: None,
        metrics: Metrics::new(),
        health: Arc::new(Fine),
    };
    let to_come = Router::new()
        .route(
            "/-/change",
            post(|| async { "changed\n" }).delete(|| async { "gone\n" }),
        )
        .route(
            "/-/body",
            post(|body: String| async move { body.len().to_string() }),
        )
        .route(
            "/-/hang",
            get(|| async { std::future::pending::<()>().await }),
        );
    let app = guarded(routes(shared).merge(to_come), access, limits);
    tokio::spawn(server::serve(listener, app, limits, std::future::pending()));
    address
}

/// Sends a request as it stands, with `Connection: close`, and returns status, head and body of the answer.
async fn ask(address: SocketAddr, request: &str, more: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{more}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer but {answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

fn with(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[tokio::test]
async fn without_a_token_reading_is_free_and_changing_is_refused() {
    let address = start(false, limits()).await;
    assert_eq!(ask(address, "GET /healthz", "").await.0, 200);
    let (status, _, body) = ask(address, "GET /readyz", "").await;
    assert_eq!(
        (status, body.as_str()),
        (503, "stage sampler waits for its group\n")
    );
    assert_eq!(ask(address, "GET /metrics", "").await.0, 200);
    for request in [
        "POST /-/change",
        "DELETE /-/change",
        "PUT /metrics",
        "POST /nowhere",
    ] {
        let (status, _, body) = ask(address, request, &with(TOKEN)).await;
        assert_eq!(status, 403, "{request}");
        assert_eq!(
            body,
            "refused: this would change something and no token is configured; set [http] token_file\n"
        );
    }
}

#[tokio::test]
async fn with_a_token_everything_but_health_needs_it() {
    let address = start(true, limits()).await;
    assert_eq!(ask(address, "GET /healthz", "").await.0, 200);
    assert_eq!(ask(address, "GET /readyz", "").await.0, 503);
    let cut = &TOKEN[..TOKEN.len() - 1];
    let longer = format!("{TOKEN}0");
    let other = TOKEN.replace('0', "1");
    let basic = format!("Authorization: Basic {TOKEN}\r\n");
    let twice = with(TOKEN) + &with(TOKEN);
    let wrong = [
        String::new(),
        with(""),
        with(cut),
        with(&longer),
        with(&other),
        basic,
        twice,
    ];
    for request in [
        "GET /metrics",
        "POST /-/change",
        "DELETE /-/change",
        "POST /healthz",
        "GET /nowhere",
    ] {
        for headers in &wrong {
            let (status, head, body) = ask(address, request, headers).await;
            assert_eq!(status, 401, "{request} with {headers:?}");
            assert!(head.contains("\r\nwww-authenticate: bearer\r\n"), "{head}");
            assert_eq!(
                body,
                "refused: send the token as `Authorization: Bearer TOKEN`\n"
            );
        }
    }
    assert_eq!(ask(address, "GET /metrics", &with(TOKEN)).await.0, 200);
    assert_eq!(ask(address, "GET /nowhere", &with(TOKEN)).await.0, 404);
    let (status, _, body) = ask(address, "POST /-/change", &with(TOKEN)).await;
    assert_eq!((status, body.as_str()), (200, "changed\n"));
}

#[tokio::test]
async fn every_answer_carries_the_headers() {
    for token in [false, true] {
        let address = start(token, impatient()).await;
        for request in [
            "GET /healthz",
            "GET /metrics",
            "POST /-/change",
            "GET /nowhere",
            "GET /-/hang",
        ] {
            let (_, head, _) = ask(address, request, "").await;
            for header in [
                "content-security-policy: default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
                "x-content-type-options: nosniff",
                "x-frame-options: deny",
                "referrer-policy: no-referrer",
                "cache-control: no-store",
            ] {
                assert!(head.contains(header), "{request}: no {header} in\n{head}");
            }
        }
    }
}

#[tokio::test]
async fn long_bodies_are_refused_whether_they_say_so_or_not() {
    let address = start(true, limits()).await;
    let sized = |length: usize| format!("{}Content-Length: {length}\r\n", with(TOKEN));
    let fits = format!(
        "{}\r\n{}",
        sized(bounds::BODY_MAX),
        "x".repeat(bounds::BODY_MAX)
    );
    let (status, _, body) = ask(address, "POST /-/body", &fits).await;
    // The blank line that `ask` adds comes after the body's length and is not read.
    assert_eq!((status, body), (200, bounds::BODY_MAX.to_string()));
    let (status, _, body) = ask(address, "POST /-/body", &sized(bounds::BODY_MAX + 1)).await;
    assert_eq!(
        (status, body.as_str()),
        (413, "refused: the body is longer than 65536 bytes\n")
    );
    let chunk = format!(
        "{:x}\r\n{}\r\n0\r\n",
        bounds::BODY_MAX + 1,
        "x".repeat(bounds::BODY_MAX + 1)
    );
    let unsaid = format!("{}Transfer-Encoding: chunked\r\n\r\n{chunk}", with(TOKEN));
    assert_eq!(ask(address, "POST /-/body", &unsaid).await.0, 413);
}

#[tokio::test]
async fn a_request_that_hangs_is_ended() {
    let address = start(false, impatient()).await;
    let (status, _, body) = ask(address, "GET /-/hang", "").await;
    assert_eq!(
        (status, body.as_str()),
        (408, "refused: the request took too long\n")
    );
}

#[tokio::test]
async fn a_client_that_sends_its_head_slowly_is_cut() {
    let short = Limits {
        head: Duration::from_secs(1),
        ..limits()
    };
    let address = start(false, short).await;
    // More of them than there are places, so that one who is not cut would keep the last request out.
    let mut slow = Vec::new();
    for _ in 0..short.connections {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\nX-Slow: ")
            .await
            .unwrap();
        slow.push(stream);
    }
    // A byte now and then does not keep a connection: each goes on until it is told that nobody listens.
    for mut stream in slow {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let mut answer = [0_u8; 256];
            let read =
                tokio::time::timeout(Duration::from_millis(1), stream.read(&mut answer)).await;
            if let Ok(Ok(0) | Err(_)) = read {
                break;
            }
            if stream.write_all(b"x").await.is_err() {
                break;
            }
        }
    }
    assert_eq!(ask(address, "GET /healthz", "").await.0, 200);
}

#[tokio::test]
async fn a_client_that_says_nothing_or_never_reads_is_cut() {
    let short = Limits {
        connection: Duration::from_secs(2),
        ..limits()
    };
    let address = start(false, short).await;
    let mut kept = Vec::new();
    for number in 0..short.connections {
        let mut stream = TcpStream::connect(address).await.unwrap();
        if number % 2 == 0 {
            // Pipelined requests whose answers are not read.
            let many = "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n".repeat(2_000);
            drop(
                tokio::time::timeout(
                    Duration::from_millis(200),
                    stream.write_all(many.as_bytes()),
                )
                .await,
            );
        }
        kept.push(stream);
    }
    assert_eq!(ask(address, "GET /healthz", "").await.0, 200);
    drop(kept);
}

#[tokio::test]
async fn an_endless_head_is_refused() {
    let address = start(false, limits()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET /healthz HTTP/1.1\r\nHost: test\r\nX-Long: {}\r\n\r\n",
        "x".repeat(64 * 1024)
    );
    drop(stream.write_all(head.as_bytes()).await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );
}

#[test]
fn an_address_beyond_loopback_needs_a_token_or_to_be_said_twice() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    let open = |listen: &str, token: Option<&PathBuf>, said: Option<&str>| {
        let config = HttpConfig {
            listen: listen.parse().unwrap(),
            token_file: token.cloned(),
            ..HttpConfig::default()
        };
        Access::new(&config, said.map(|said| said.parse().unwrap()))
            .map(drop)
            .map_err(|error| error.to_string())
    };
    for loopback in [
        "127.0.0.1:9464",
        "127.8.8.8:9464",
        "[::1]:9464",
        "[::ffff:127.0.0.1]:9464",
    ] {
        assert_eq!(open(loopback, None, None), Ok(()), "{loopback}");
    }
    for beyond in [
        "0.0.0.0:9464",
        "[::]:9464",
        "10.0.0.7:9464",
        "[::ffff:10.0.0.7]:9464",
    ] {
        let refused = open(beyond, None, None).unwrap_err();
        assert!(
            refused.starts_with(&format!(
                "refused to listen on {beyond}, which is not loopback"
            )),
            "{refused}"
        );
        assert_eq!(open(beyond, Some(&file), None), Ok(()), "{beyond}");
        assert_eq!(open(beyond, None, Some(beyond)), Ok(()), "{beyond}");
    }
    let unlike = open("0.0.0.0:9464", None, Some("0.0.0.0:9465")).unwrap_err();
    assert_eq!(
        unlike,
        "--insecure-listen says 0.0.0.0:9465, but the address to listen on is 0.0.0.0:9464: the two must be the same"
    );
}

#[test]
fn a_token_file_that_cannot_be_used_is_refused_without_showing_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let config = HttpConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        token_file: Some(file.clone()),
        ..HttpConfig::default()
    };
    let absent = Access::new(&config, None).unwrap_err().to_string();
    assert_eq!(
        absent,
        format!("http.token_file: cannot read {}", file.display())
    );
    for (content, found) in [
        ("", "nothing"),
        ("\n", "nothing"),
        ("short-canary", "fewer"),
        (
            "canary canary canary",
            "blanks, further lines or characters beyond ASCII",
        ),
        (
            "canary-canary-canary\nsecond",
            "blanks, further lines or characters beyond ASCII",
        ),
    ] {
        std::fs::write(&file, content).unwrap();
        let error = Access::new(&config, None).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(&format!("found {found};")), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
    std::fs::write(&file, TOKEN).unwrap();
    let access = Access::new(&config, None).unwrap();
    assert_eq!(format!("{access:?}"), "Access { needs_token: true }");
}

/// A stream that goes on for ever, as fast as it is taken or a line at a time.
async fn endless(
    lease: axum::extract::Extension<Lease>,
    uri: axum::http::Uri,
) -> axum::response::Response {
    use futures_util::stream;
    lease.begin();
    let (fast, lease) = (uri.query() == Some("fast"), lease.0);
    let lines = stream::unfold(lease, move |lease| async move {
        lease.progress();
        let line = if fast {
            vec![b'x'; 1 << 16]
        } else {
            b"line\n".to_vec()
        };
        if !fast {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some((Ok::<_, std::convert::Infallible>(line), lease))
    });
    axum::body::Body::from_stream(lines).into_response()
}

async fn stream_to(query: &str) -> TcpStream {
    let limits = Limits {
        connection: Duration::from_millis(100),
        stalled: Duration::from_millis(300),
        ..limits()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/", get(endless));
    tokio::spawn(server::serve(listener, app, limits, std::future::pending()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /?{query} HTTP/1.1\r\nHost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_stream_outlives_other_connections_while_it_is_read() {
    let mut stream = stream_to("slow").await;
    let (mut read, mut buffer) = (String::new(), [0; 256]);
    // A hundred lines take twenty times as long as other connections live.
    while read.matches("line").count() < 100 {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "ended after {read:?}");
        read.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_cut() {
    let mut stream = stream_to("fast").await;
    // Until the server has gone, a probe of the other direction is taken.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while stream.write_all(b" ").await.is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "it is kept");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
