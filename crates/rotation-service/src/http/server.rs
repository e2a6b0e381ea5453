//! The loop that accepts connections: each is bounded in time, and there are only so many.

use super::lease::Lease;
use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// What strangers may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For the head of a request to come, from the first byte or from the answer before.
    pub(super) head: Duration,
    /// For a request to be answered, its body read included.
    pub(super) request: Duration,
    /// Life of a connection; a client that goes on asking makes a new one.
    pub(super) connection: Duration,
    /// For a client of a stream to take what it is sent; its connection may live longer than others.
    pub(super) stalled: Duration,
    /// For the answer under way to be taken once that is over.
    pub(super) grace: Duration,
    /// Connections at a time; further ones wait in the system's queue.
    pub(super) connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head: Duration::from_secs(5),
            request: Duration::from_secs(10),
            connection: Duration::from_secs(60),
            stalled: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            connections: 128,
        }
    }
}

/// Longest head of a request.
const HEAD_BYTES: usize = 16 * 1024;
/// After a failed accept, so that running out of descriptors does not become a busy loop.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// For the answers under way once the process stops.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Serves until `shutdown` ends.
pub(super) async fn serve(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let places = Arc::new(Semaphore::new(limits.connections));
    let (stop, stopping) = watch::channel(());
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, place)) => {
                tokio::spawn(converse(
                    stream,
                    app.clone(),
                    limits,
                    place,
                    stopping.clone(),
                ));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
    drop(listener);
    drop(stop);
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    // Those that are not over by then end with the runtime.
    drop(tokio::time::timeout(STOP_GRACE, places.acquire_many(all)).await);
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = places
        .clone()
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

/// One connection, to its end or its limits.
async fn converse(
    stream: TcpStream,
    app: Router,
    limits: Limits,
    _place: OwnedSemaphorePermit,
    mut stopping: watch::Receiver<()>,
) {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_BYTES);
    let app = TowerToHyperService::new(app);
    let lease = Lease::new(stopping.clone());
    let held = lease.clone();
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(held.clone());
        app.call(request)
    });
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let over = async {
        tokio::select! {
            _ = stopping.changed() => {}
            () = lease.over(limits.connection, limits.stalled) => {}
        }
    };
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = over => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(limits.grace, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
