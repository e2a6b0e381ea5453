//! How long a connection lives: a stream keeps it, as long as its client takes what it is sent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often a stream's progress is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A connection's life, shared with the stream that it carries. Every request has it among its extensions.
#[derive(Clone, Debug)]
pub(crate) struct Lease(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    streams: AtomicUsize,
    progress: Mutex<Instant>,
    stopping: watch::Receiver<()>,
}

impl Lease {
    /// Of a connection to a server that says when it stops.
    pub(super) fn new(stopping: watch::Receiver<()>) -> Lease {
        Lease(Arc::new(Inner {
            streams: AtomicUsize::new(0),
            progress: Mutex::new(Instant::now()),
            stopping,
        }))
    }

    /// A stream begins.
    pub(crate) fn begin(&self) {
        self.progress();
        self.0.streams.fetch_add(1, Ordering::SeqCst);
    }

    /// The stream ended.
    pub(crate) fn end(&self) {
        self.0.streams.fetch_sub(1, Ordering::SeqCst);
    }

    /// The client took what it was sent, since more is asked for.
    pub(crate) fn progress(&self) {
        *self.last() = Instant::now();
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.0
            .progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends when the server stops.
    pub(crate) async fn stopping(&self) {
        // The server says so by dropping its end.
        let _ = self.0.stopping.clone().changed().await;
    }

    /// Ends when the connection has lived for its time and carries no stream, or one whose client takes nothing.
    pub(super) async fn over(&self, life: Duration, stalled: Duration) {
        tokio::time::sleep(life).await;
        while self.0.streams.load(Ordering::SeqCst) > 0 && self.last().elapsed() < stalled {
            tokio::time::sleep(LOOK.min(stalled)).await;
        }
    }
}
