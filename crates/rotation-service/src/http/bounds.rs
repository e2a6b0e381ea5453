//! What a request may cost, and what every answer says to browsers.

use super::refused;
use super::server::Limits;
use crate::view::api;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

/// Longest body of a request.
pub(super) const BODY_MAX: usize = 64 * 1024;

/// Nothing here is to be framed, cached, sniffed or told to another site; a page of ours loads nothing foreign.
fn headers() -> [(HeaderName, HeaderValue); 5] {
    let policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ]
    .map(|(name, value)| (name, HeaderValue::from_static(value)))
}

/// Refuses a body that says it is too long, and ends a request that takes too long. Bodies that do not say their
/// length are cut by [`axum::extract::DefaultBodyLimit`] where they are read.
pub(super) async fn bound(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY_MAX) {
        let text = format!("refused: the body is longer than {BODY_MAX} bytes\n");
        return refused(&path, StatusCode::PAYLOAD_TOO_LARGE, &text);
    }
    let limit = match path.as_str() {
        api::EXPLAIN => api::EXPLAIN_LIMIT.max(limits.request),
        _ => limits.request,
    };
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => {
            let text = "refused: the request took too long\n";
            refused(&path, StatusCode::REQUEST_TIMEOUT, text)
        }
    }
}

/// Adds the headers; a route that says one of them itself knows better, as a page with scripts must.
pub(super) async fn harden(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    for (name, value) in headers() {
        answer.headers_mut().entry(name).or_insert(value);
    }
    answer
}
