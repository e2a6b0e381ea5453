//! A TCP proxy on loopback that can cut, refuse, stall or slow down what goes through it.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Bytes handed on at a time; small enough for a slow pace to be even.
const PIECE: usize = 16 << 10;

/// What the proxy does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Hands everything on.
    Pass,
    /// Ends new connections at once.
    Refuse,
    /// Takes connections and hands nothing on.
    Stall,
}

/// A running proxy; it ends, and its connections with it, when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    /// Bytes a second that all clients together may send; none: as fast as it goes.
    pace: Option<u64>,
    /// When the next piece may be sent, where there is a pace.
    free: Instant,
    ended: bool,
    next: u64,
    /// Both ends of each open connection.
    links: HashMap<u64, [TcpStream; 2]>,
}

impl Proxy {
    /// Listens on this port of loopback and hands connections on to another.
    ///
    /// # Errors
    ///
    /// When the port is taken.
    pub fn start(port: u16, target: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .with_context(|| format!("cannot listen on 127.0.0.1:{port}"))?;
        let shared = Arc::new(Shared {
            target: SocketAddr::from(([127, 0, 0, 1], target)),
            state: Mutex::new(State {
                mode: Mode::Pass,
                pace: None,
                free: Instant::now(),
                ended: false,
                next: 0,
                links: HashMap::new(),
            }),
            changed: Condvar::new(),
        });
        let address = listener.local_addr()?;
        let taken = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || accept(&listener, &taken));
        Ok(Self {
            address,
            shared,
            acceptor: Some(acceptor),
        })
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what is done with connections; those that are open stay so.
    pub fn set(&self, mode: Mode) {
        self.shared.lock().mode = mode;
        self.shared.changed.notify_all();
    }

    /// Bounds what all clients together may send, in bytes a second; answers go as fast as they do.
    pub fn pace(&self, bytes_per_second: Option<u64>) {
        let mut state = self.shared.lock();
        state.pace = bytes_per_second;
        state.free = Instant::now();
    }

    /// Ends every connection; returns how many there were.
    pub fn cut(&self) -> usize {
        let links = std::mem::take(&mut self.shared.lock().links);
        for link in links.values() {
            end(link);
        }
        self.shared.changed.notify_all();
        links.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.cut();
        // Wakes the thread that waits for a connection.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a piece may be handed on; false where the connection was cut meanwhile.
    fn may_pass(&self, link: u64, bytes: usize, from_client: bool) -> bool {
        let mut state = self.lock();
        loop {
            if state.ended || !state.links.contains_key(&link) {
                return false;
            }
            let wait = match (state.mode, state.pace) {
                (Mode::Stall, _) => Duration::from_secs(60),
                (_, Some(pace)) if from_client => {
                    let now = Instant::now();
                    if state.free <= now {
                        let took = Duration::from_secs_f64(bytes as f64 / pace as f64);
                        state.free = now + took;
                        return true;
                    }
                    state.free - now
                }
                _ => return true,
            };
            state = self
                .changed
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

fn end(link: &[TcpStream; 2]) {
    for stream in link {
        // It may have ended by itself.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept() else {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let mode = {
            let state = shared.lock();
            if state.ended {
                return;
            }
            state.mode
        };
        if mode == Mode::Refuse {
            continue;
        }
        // A broker that is down refuses at once; so does the proxy then.
        if let Ok(server) = TcpStream::connect(shared.target) {
            let _ = open(shared, client, server);
        }
    }
}

/// Hands on what comes from either side, on a thread each.
fn open(shared: &Arc<Shared>, client: TcpStream, server: TcpStream) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let both = [client.try_clone()?, server.try_clone()?];
    let link = {
        let mut state = shared.lock();
        state.next += 1;
        let link = state.next;
        state.links.insert(link, both);
        link
    };
    let pairs = [
        (client.try_clone()?, server.try_clone()?, true),
        (server, client, false),
    ];
    for (from, to, from_client) in pairs {
        let shared = Arc::clone(shared);
        std::thread::spawn(move || hand_on(&shared, link, from, to, from_client));
    }
    Ok(())
}

fn hand_on(shared: &Shared, link: u64, mut from: TcpStream, mut to: TcpStream, from_client: bool) {
    let mut piece = vec![0; PIECE];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        if !shared.may_pass(link, read, from_client) || to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    if let Some(link) = shared.lock().links.remove(&link) {
        end(&link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets, on a port of its own.
    fn echo() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut back = stream.try_clone().unwrap();
                    std::io::copy(&mut stream, &mut back)
                });
            }
        });
        port
    }

    fn said(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
        stream.write_all(text)?;
        let mut answer = vec![0; text.len()];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn it_hands_on_until_it_cuts_refuses_or_stalls() {
        let proxy = Proxy::start(0, echo()).unwrap();
        let connect = || {
            let stream = TcpStream::connect(proxy.address()).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_millis(300)))
                .unwrap();
            stream
        };
        let mut stream = connect();
        assert_eq!(said(&mut stream, b"one").unwrap(), b"one");
        assert_eq!(proxy.cut(), 1);
        assert!(said(&mut stream, b"two").is_err(), "the connection was cut");

        proxy.set(Mode::Refuse);
        assert!(said(&mut connect(), b"three").is_err(), "refused");

        proxy.set(Mode::Pass);
        let mut stream = connect();
        assert_eq!(said(&mut stream, b"four").unwrap(), b"four");
        proxy.set(Mode::Stall);
        assert!(said(&mut stream, b"five").is_err(), "stalled");
        proxy.set(Mode::Pass);
        stream.set_read_timeout(None).unwrap();
        let mut late = [0; 4];
        stream.read_exact(&mut late).unwrap();
        assert_eq!(&late, b"five", "what was stalled comes late, and whole");
    }

    #[test]
    fn a_pace_bounds_what_clients_send() {
        let proxy = Proxy::start(0, echo()).unwrap();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        proxy.pace(Some(200_000));
        let begun = Instant::now();
        let piece = vec![7; 50_000];
        assert_eq!(said(&mut stream, &piece).unwrap(), piece);
        assert_eq!(said(&mut stream, &piece).unwrap(), piece);
        let least = Duration::from_millis(300);
        assert!(begun.elapsed() > least, "it took {:?}", begun.elapsed());
    }
}
