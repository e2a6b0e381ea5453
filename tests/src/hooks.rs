//! A web server on loopback that takes what is posted to it, or behaves badly: it drops, delays, refuses, cuts off.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Taken.
    Ok,
    /// This status, with these headers.
    Status(u16, Vec<(&'static str, String)>),
    /// The connection is closed without an answer.
    Drop,
    /// The connection is closed in the middle of the answer's head.
    Cut,
    /// Taken, but the answer's body never ends.
    Endless,
    /// No answer for so long, then taken.
    Delay(Duration),
}

/// A request that came in whole.
#[derive(Clone, Debug)]
pub struct Request {
    /// The path.
    pub path: String,
    /// Headers by their names in small letters.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
    /// What it came to.
    pub answer: Answer,
}

impl Request {
    /// A header's value, empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Whether the sender was told that it is taken.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        matches!(self.answer, Answer::Ok | Answer::Endless)
    }
}

/// The ids of the events that requests bear.
#[must_use]
pub fn ids(requests: &[Request]) -> Vec<String> {
    let ids = requests.iter().map(|request| request.header("webhook-id"));
    ids.map(str::to_owned).collect()
}

/// The server; it ends when dropped.
#[derive(Debug)]
pub struct Hooks {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    ended: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// What the next requests of a path come to; then all are taken.
    script: BTreeMap<String, VecDeque<Answer>>,
    /// What all requests of a path come to that its script says nothing of.
    always: BTreeMap<String, Answer>,
    requests: Vec<Request>,
}

impl Hooks {
    /// Listens on a free port.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared: Arc<Shared> = Arc::default();
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || {
                    // A client that goes away is part of the game.
                    let _ = serve(&shared, stream);
                });
            }
        });
        Ok(Self { address, shared })
    }

    /// The address of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What the next requests of a path come to; after them all are taken.
    pub fn script(&self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        let mut state = lock(&self.shared);
        let script = state.script.entry(path.to_owned()).or_default();
        script.extend(answers);
    }

    /// What all requests of a path come to from now on.
    pub fn always(&self, path: &str, answer: Answer) {
        lock(&self.shared).always.insert(path.to_owned(), answer);
    }

    /// The requests of a path so far, in order.
    #[must_use]
    pub fn requests(&self, path: &str) -> Vec<Request> {
        let state = lock(&self.shared);
        let of_path = state.requests.iter().filter(|found| found.path == path);
        of_path.cloned().collect()
    }

    /// Waits until so many requests of a path were taken, and returns them.
    ///
    /// # Errors
    ///
    /// When that takes too long.
    pub fn await_taken(
        &self,
        path: &str,
        count: usize,
        patience: Duration,
    ) -> Result<Vec<Request>> {
        self.await_that(path, patience, |found| {
            found.iter().filter(|request| request.is_taken()).count() >= count
        })
        .with_context(|| format!("expected {count} taken"))
    }

    /// Waits until the requests of a path are as asked for, and returns them.
    ///
    /// # Errors
    ///
    /// When that takes too long.
    pub fn await_that(
        &self,
        path: &str,
        patience: Duration,
        is_so: impl Fn(&[Request]) -> bool,
    ) -> Result<Vec<Request>> {
        let deadline = Instant::now() + patience;
        let mut state = lock(&self.shared);
        loop {
            let of_path = state.requests.iter().filter(|found| found.path == path);
            let found: Vec<Request> = of_path.cloned().collect();
            if is_so(&found) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let answers: Vec<&Answer> = found.iter().map(|request| &request.answer).collect();
                bail!(
                    "{path} was asked {} times in {patience:?}: {answers:?}",
                    found.len()
                );
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers the requests of a connection.
fn serve(shared: &Shared, stream: TcpStream) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(mut request) = read(&mut reader)? {
        let answer = {
            let mut state = lock(shared);
            let scripted = state
                .script
                .get_mut(&request.path)
                .and_then(VecDeque::pop_front);
            let usual = || state.always.get(&request.path).cloned();
            scripted.or_else(usual).unwrap_or(Answer::Ok)
        };
        request.answer = answer.clone();
        if let Answer::Delay(time) = answer {
            std::thread::sleep(time);
        }
        {
            let mut state = lock(shared);
            state.requests.push(request);
            shared.changed.notify_all();
        }
        if !give(&stream, &answer)? {
            stream.shutdown(Shutdown::Both)?;
            return Ok(());
        }
    }
    Ok(())
}

/// Answers; whether the connection goes on.
fn give(mut stream: &TcpStream, answer: &Answer) -> Result<bool> {
    match answer {
        Answer::Ok | Answer::Delay(_) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
            Ok(true)
        }
        Answer::Status(status, headers) => {
            let more = headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}\r\n"));
            let more: String = more.collect();
            let head = format!("HTTP/1.1 {status} No\r\n{more}content-length: 4\r\n\r\nno\r\n");
            stream.write_all(head.as_bytes())?;
            Ok(true)
        }
        Answer::Drop => Ok(false),
        Answer::Cut => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le")?;
            Ok(false)
        }
        Answer::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n.")?;
            // Until the client has enough of it.
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest)?;
            Ok(false)
        }
    }
}

/// The next request of a connection; none at its end.
fn read(reader: &mut impl BufRead) -> Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line
        .split(' ')
        .nth(1)
        .context("no request line")?
        .to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(Ok(0), |length| length.parse())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request {
        path,
        headers,
        body,
        answer: Answer::Ok,
    }))
}
