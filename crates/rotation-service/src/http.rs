//! The HTTP address: `/metrics`, `/healthz`, `/readyz`, the page with `/api/v1`, and `/-/reload`, which changes
//! something.
//!
//! Who may ask what is decided in one place for all routes, present and future ([`access`]): a method that changes
//! something always needs the token. What a connection may cost is bounded in [`server`].

use crate::metrics::Metrics;
use crate::run::{Refused, Reloader};
use crate::view::{View, api, page};
use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;

pub mod access;
mod bounds;
mod lease;
mod server;
#[cfg(test)]
mod tests;

pub use access::{Access, AccessError};

pub(crate) use lease::Lease;
use server::Limits;

/// Asks the process how it does.
pub trait Health: Send + Sync + 'static {
    /// What keeps it from being alive; nothing when it is.
    fn failing(&self) -> Option<String>;
    /// What keeps it from being ready; nothing when it is.
    fn waiting(&self) -> Option<String>;
}

#[derive(Clone)]
struct Shared {
    metrics: Metrics,
    health: Arc<dyn Health>,
    reload: Option<Arc<Reloader>>,
}

/// Listens at an address, for a process that may have others beside it.
///
/// # Errors
/// When somebody has the address, or it is none of this machine.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address} (another process? beside it, this one needs another --listen and another --instance)"
        )
    })
}

/// Serves on a listener until `shutdown` ends.
///
/// # Errors
/// Those of the listener.
pub async fn serve(
    listener: TcpListener,
    access: Access,
    metrics: Metrics,
    health: Arc<dyn Health>,
    reload: Option<Arc<Reloader>>,
    view: Option<Arc<View>>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let shared = Shared {
        metrics,
        health,
        reload,
    };
    let shown = view.map_or_else(Router::new, showing);
    let app = guarded(routes(shared).merge(shown), access, Limits::default());
    server::serve(listener, app, Limits::default(), shutdown).await
}

fn routes(shared: Shared) -> Router {
    reading().merge(changing()).with_state(shared)
}

/// Routes that only tell something: GET, and so HEAD.
fn reading() -> Router<Shared> {
    Router::new()
        .route("/metrics", get(scrape))
        .route(access::HEALTHZ, get(healthz))
        .route(access::READYZ, get(readyz))
}

/// The page and what it asks.
fn showing(view: Arc<View>) -> Router {
    page::routes().merge(api::routes(view))
}

/// An answer that refuses, in the form in which the path answers.
fn refused(path: &str, status: StatusCode, text: &str) -> Response {
    if path.starts_with(api::PREFIX) {
        api::problem(status, text.trim_end())
    } else {
        (status, text.to_owned()).into_response()
    }
}

/// Routes that change something. They are POST, PUT, PATCH or DELETE, never GET: that is what asks for the token.
fn changing() -> Router<Shared> {
    Router::new().route("/-/reload", post(reload))
}

/// The routes behind who may ask, what a request may cost, and what every answer says to browsers.
fn guarded(routes: Router, access: Access, limits: Limits) -> Router {
    use axum::middleware::{from_fn, from_fn_with_state};
    routes
        .layer(from_fn_with_state(Arc::new(access), access::admit))
        .layer(from_fn_with_state(limits, bounds::bound))
        .layer(axum::extract::DefaultBodyLimit::max(bounds::BODY_MAX))
        .layer(from_fn(bounds::harden))
}

async fn scrape(State(shared): State<Shared>) -> impl IntoResponse {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64());
    (
        [(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)],
        shared.metrics.scrape(now),
    )
}

/// Reads the configuration again; answers once it is in force, or with the reason why it is not.
async fn reload(State(shared): State<Shared>) -> (StatusCode, String) {
    let Some(reloader) = shared.reload else {
        let text = "this process has no configuration file to read again\n";
        return (StatusCode::NOT_FOUND, text.to_owned());
    };
    let outcome = tokio::task::spawn_blocking(move || reloader.reload()).await;
    match outcome {
        Ok(Ok(digest)) => (StatusCode::OK, format!("applied {digest}\n")),
        Ok(Err(refused)) => {
            let status = match refused {
                Refused::Bad(_) => StatusCode::UNPROCESSABLE_ENTITY,
                Refused::Restart(_) => StatusCode::CONFLICT,
                Refused::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            (status, format!("{refused}\n"))
        }
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the reload ended early\n".to_owned(),
        ),
    }
}

async fn healthz(State(shared): State<Shared>) -> impl IntoResponse {
    answer(shared.health.failing(), "alive")
}

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    answer(shared.health.waiting(), "ready")
}

fn answer(problem: Option<String>, fine: &str) -> (StatusCode, String) {
    match problem {
        None => (StatusCode::OK, format!("{fine}\n")),
        Some(problem) => (StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n")),
    }
}
