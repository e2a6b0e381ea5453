//! The HTTP address: `/metrics`, `/healthz`, `/readyz`, and later whatever changes something.
//!
//! Who may ask what is decided in one place for all routes, present and future ([`access`]): a method that changes
//! something always needs the token. What a connection may cost is bounded in [`server`].

use crate::metrics::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::future::Future;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;

pub mod access;
mod bounds;
mod server;
#[cfg(test)]
mod tests;

pub use access::{Access, AccessError};

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
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let app = guarded(
        routes(Shared { metrics, health }),
        access,
        Limits::default(),
    );
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

/// Routes that change something. They are POST, PUT, PATCH or DELETE, never GET: that is what asks for the token.
fn changing() -> Router<Shared> {
    Router::new()
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
