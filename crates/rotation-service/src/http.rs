//! The HTTP address: `/metrics`, `/healthz`, `/readyz`.

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
    metrics: Metrics,
    health: Arc<dyn Health>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/metrics", get(scrape))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(Shared { metrics, health });
    axum::serve(listener, app)
        .with_graceful_shutdown(shutdown)
        .await
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
