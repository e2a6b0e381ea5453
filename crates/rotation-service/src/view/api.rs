//! `/api/v1`: what the page asks. Every answer is bounded, and every parameter is known or refused.

use super::explain::{LIMIT, NoExplanation};
use super::model::{EpisodeFilter, Range};
use super::shape::Problem;
use super::stream::{self, CLIENTS_MAX, From};
use super::{View, openapi, page};
use crate::http::Lease;
use axum::extract::{Extension, FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use rotation_engine::alert::Severity;
use rotation_engine::time::EventTime;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// The path of everything here.
pub(crate) const PREFIX: &str = "/api/";
/// Takes longer than other requests may.
pub(crate) const EXPLAIN: &str = "/api/v1/explain";
/// How long that is.
pub(crate) const EXPLAIN_LIMIT: Duration = Duration::from_secs(LIMIT.as_secs() + 5);

/// Answers shorter than this are not worth packing.
const PACKED_MIN: usize = 1_400;
/// The longest text of a parameter.
pub(super) const TEXT_MAX: usize = 1_024;
pub(super) const LIMIT_MAX: usize = 5_000;

type Shown = State<Arc<View>>;

/// The routes, answered from a view.
pub(crate) fn routes(view: Arc<View>) -> Router {
    let routes = Router::new()
        .route("/now", get(now))
        .route("/episodes", get(episodes))
        .route("/episode", get(episode))
        .route("/explain", get(explain))
        .route("/rules", get(rules))
        .route("/readings", get(readings))
        .route("/regime", get(regime))
        .route("/map", get(map))
        .route("/events", get(events))
        .route("/openapi.json", get(document))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(middleware::from_fn(packed))
        .with_state(view);
    Router::new().nest("/api/v1", routes)
}

/// An answer that is none.
pub(crate) fn problem(status: StatusCode, detail: impl Into<String>) -> Response {
    let problem = Problem {
        kind: "about:blank".to_owned(),
        title: status.canonical_reason().unwrap_or("Problem").to_owned(),
        status: status.as_u16(),
        detail: detail.into(),
    };
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, kind, encoded(&problem)).into_response()
}

fn encoded(answer: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(answer).expect("what is served has text keys and plain values")
}

fn json(answer: &impl Serialize) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        encoded(answer),
    )
        .into_response()
}

fn bad(detail: impl Into<String>) -> Response {
    problem(StatusCode::BAD_REQUEST, detail)
}

fn unknown(detail: impl Into<String>) -> Response {
    problem(StatusCode::NOT_FOUND, detail)
}

/// The parameters of a request: unknown ones and those that mean nothing are refused.
struct Asked<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Asked(asked)),
            Err(refused) => {
                let source = std::error::Error::source(&refused).map(ToString::to_string);
                Err(bad(source.unwrap_or_else(|| refused.to_string())))
            }
        }
    }
}

/// Whether a text may be a name: as the document says it.
fn is_text(text: &str) -> bool {
    (1..=TEXT_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// A text of some length.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(from)?;
    if is_text(&text) {
        return Ok(Some(text));
    }
    let expected = format!("expected 1 to {TEXT_MAX} printable characters");
    Err(serde::de::Error::custom(expected))
}

/// RFC 3339, or a date, which is its first instant in UTC; of this century or the last.
fn instant<'de, D: Deserializer<'de>>(from: D) -> Result<Option<EventTime>, D::Error> {
    let text = String::deserialize(from)?;
    let midnight = format!("{text}T00:00:00Z");
    let time = text.parse().or_else(|_| midnight.parse()).ok();
    let is_known = text.starts_with("19") || text.starts_with("20");
    time.filter(|_| is_known).map(Some).ok_or_else(|| {
        serde::de::Error::custom(
            "expected an instant such as 2026-01-15T21:00:00Z, or a date, from 1900 to 2099",
        )
    })
}

fn limit<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    let text = String::deserialize(from)?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let limit = text
        .parse()
        .ok()
        .filter(|limit| is_plain && (1..=LIMIT_MAX).contains(limit));
    let expected = || serde::de::Error::custom(format!("expected a limit of 1 to {LIMIT_MAX}"));
    limit.map(Some).ok_or_else(expected)
}

/// Where a list went on to.
fn cursor<'de, D: Deserializer<'de>>(from: D) -> Result<Option<(EventTime, String)>, D::Error> {
    let text = String::deserialize(from)?;
    let read = text.split_once('~').and_then(|(opened, id)| {
        let digits = opened.strip_prefix('-').unwrap_or(opened);
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = is_plain && (1..=19).contains(&digits.len());
        let opened: i128 = opened.parse().ok().filter(|_| is_number && is_text(id))?;
        let bounded = opened.clamp(i64::MIN.into(), i64::MAX.into());
        let nanos = i64::try_from(bounded).ok()?;
        Some((EventTime::from_nanos(nanos), id.to_owned()))
    });
    let expected = || serde::de::Error::custom("expected what `next` of a page said");
    read.map(Some).ok_or_else(expected)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

async fn now(State(view): Shown, _: Asked<Nothing>) -> Response {
    json(&view.now())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedEpisodes {
    #[serde(default, deserialize_with = "text")]
    universe: Option<String>,
    #[serde(default, deserialize_with = "text")]
    rule: Option<String>,
    #[serde(default, deserialize_with = "text")]
    subject: Option<String>,
    severity: Option<Severity>,
    open: Option<bool>,
    #[serde(default, deserialize_with = "instant")]
    from: Option<EventTime>,
    #[serde(default, deserialize_with = "instant")]
    to: Option<EventTime>,
    #[serde(default, deserialize_with = "limit")]
    limit: Option<usize>,
    #[serde(default, deserialize_with = "cursor")]
    after: Option<(EventTime, String)>,
}

async fn episodes(State(view): Shown, Asked(asked): Asked<AskedEpisodes>) -> Response {
    let filter = EpisodeFilter {
        universe: asked.universe,
        rule: asked.rule,
        subject: asked.subject,
        severity: asked.severity,
        open: asked.open,
        range: Range {
            from: asked.from,
            to: asked.to,
        },
        limit: asked.limit.unwrap_or(500),
        after: asked.after,
    };
    let episodes = view.read().model.episodes(&filter);
    json(&episodes)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedId {
    #[serde(default, deserialize_with = "text")]
    id: Option<String>,
}

impl AskedId {
    fn id(self) -> Result<String, Box<Response>> {
        let refused = || Box::new(bad("expected the parameter `id`"));
        self.id.ok_or_else(refused)
    }
}

async fn episode(State(view): Shown, Asked(asked): Asked<AskedId>) -> Result<Response, Response> {
    let id = asked.id().map_err(|refused| *refused)?;
    let command = |id: &str| view.explain_command(id);
    let found = view.read().model.episode(&id, command);
    let found =
        found.ok_or_else(|| unknown(format!("no episode and no event has the id {id:?}")))?;
    Ok(json(&found))
}

async fn explain(State(view): Shown, Asked(asked): Asked<AskedId>) -> Result<Response, Response> {
    let id = asked.id().map_err(|refused| *refused)?;
    if !view.read().model.has_event(&id) {
        return Err(unknown(format!("no event has the id {id:?}")));
    }
    let Some(explainer) = &view.explainer else {
        return Err(unknown("this process computes no events anew"));
    };
    match explainer.explain(id).await {
        Ok(explanation) => Ok(json(&explanation)),
        Err(NoExplanation::Unknown(why)) => Err(unknown(why)),
        Err(NoExplanation::Unavailable(why)) => Err(later(why)),
    }
}

/// Not now.
fn later(detail: impl Into<String>) -> Response {
    let mut answer = problem(StatusCode::SERVICE_UNAVAILABLE, detail);
    let seconds = HeaderValue::from_static("10");
    answer.headers_mut().insert(header::RETRY_AFTER, seconds);
    answer
}

async fn rules(State(view): Shown, _: Asked<Nothing>) -> Response {
    let rules = view.read().model.rules();
    json(&rules)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedReadings {
    #[serde(default, deserialize_with = "text")]
    universe: Option<String>,
    #[serde(default, deserialize_with = "text")]
    rule: Option<String>,
    #[serde(default, deserialize_with = "instant")]
    from: Option<EventTime>,
    #[serde(default, deserialize_with = "instant")]
    to: Option<EventTime>,
    #[serde(default, deserialize_with = "limit")]
    limit: Option<usize>,
}

async fn readings(
    State(view): Shown,
    Asked(asked): Asked<AskedReadings>,
) -> Result<Response, Response> {
    let (Some(universe), Some(rule)) = (asked.universe, asked.rule) else {
        return Err(bad("expected the parameters `universe` and `rule`"));
    };
    let range = Range {
        from: asked.from,
        to: asked.to,
    };
    let limit = asked.limit.unwrap_or(1_000);
    let found = view.read().model.readings(&universe, &rule, range, limit);
    Ok(json(&found.map_err(unknown)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedRule {
    #[serde(default, deserialize_with = "text")]
    universe: Option<String>,
    #[serde(default, deserialize_with = "text")]
    rule: Option<String>,
}

async fn regime(State(view): Shown, Asked(asked): Asked<AskedRule>) -> Result<Response, Response> {
    let state = view.read();
    let found = state
        .model
        .regime(asked.universe.as_deref(), asked.rule.as_deref());
    Ok(json(&found.map_err(unknown)?))
}

async fn map(State(view): Shown, Asked(asked): Asked<AskedRule>) -> Result<Response, Response> {
    let state = view.read();
    let found = state
        .model
        .map(asked.universe.as_deref(), asked.rule.as_deref());
    Ok(json(&found.map_err(unknown)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedEvents {
    last_event_id: Option<String>,
}

async fn events(
    State(view): Shown,
    Asked(asked): Asked<AskedEvents>,
    lease: Option<Extension<Lease>>,
    headers: HeaderMap,
) -> Response {
    let header = headers
        .get("last-event-id")
        .map(|id| id.to_str().unwrap_or("?").to_owned());
    let from = match header.or(asked.last_event_id) {
        None => From::Now,
        Some(id) => id.parse().map_or(From::Malformed, From::Position),
    };
    match stream::open(&view, from, lease.map(|Extension(lease)| lease)) {
        Some(stream) => stream.into_response(),
        None => later(format!(
            "{CLIENTS_MAX} clients read the stream already: ask again later"
        )),
    }
}

async fn document(_: Asked<Nothing>) -> Response {
    json(openapi::document())
}

async fn nowhere() -> Response {
    unknown("there is no such resource: /api/v1/openapi.json lists them")
}

async fn not_so() -> Response {
    let detail = "this resource is only read: GET or HEAD";
    problem(StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// Packs long answers for who takes them packed. Streams go out as they come.
async fn packed(request: axum::extract::Request, next: middleware::Next) -> Response {
    let takes_gzip = page::takes_gzip(request.headers());
    let answer = next.run(request).await;
    let kind = answer.headers().get(header::CONTENT_TYPE);
    let is_stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if is_stream {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let vary = HeaderValue::from_static("accept-encoding");
    parts.headers.insert(header::VARY, vary);
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "the answer ended early");
    };
    if !takes_gzip || bytes.len() < PACKED_MIN {
        return Response::from_parts(parts, bytes.into());
    }
    let gzip = HeaderValue::from_static("gzip");
    parts.headers.insert(header::CONTENT_ENCODING, gzip);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, page::gzip(&bytes).into())
}
