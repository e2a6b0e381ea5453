//! The page as it was built, inside the program: nothing is loaded from elsewhere, and nothing is read from disk.
//!
//! It holds no data, so it needs no token; what it shows it asks of `/api/v1`.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;

static DIST: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/page/dist");

/// Scripts and styles are the program's own, nothing is sent anywhere but to where the page came from, and nobody
/// frames it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page.
struct File {
    kind: &'static str,
    plain: Encoded,
    gzip: Option<Encoded>,
}

struct Encoded {
    bytes: Bytes,
    tag: HeaderValue,
}

impl Encoded {
    fn new(bytes: impl Into<Bytes>) -> Encoded {
        let bytes = bytes.into();
        let mut tag = String::from("\"");
        for byte in &Sha256::digest(&bytes)[..16] {
            // Writing to a text does not fail.
            let _ = write!(tag, "{byte:02x}");
        }
        tag.push('"');
        let tag = HeaderValue::from_str(&tag).expect("a tag is hexadecimal");
        Encoded { bytes, tag }
    }
}

static FILES: LazyLock<BTreeMap<String, File>> = LazyLock::new(|| {
    let mut files = BTreeMap::new();
    let mut folders = vec![&DIST];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        for file in folder.files() {
            let path = file.path().to_string_lossy().replace('\\', "/");
            let bytes = file.contents();
            let packed = gzip(bytes);
            let file = File {
                kind: kind(&path),
                plain: Encoded::new(Bytes::from_static(bytes)),
                gzip: (packed.len() < bytes.len()).then(|| Encoded::new(packed)),
            };
            files.insert(path, file);
        }
    }
    files
});

/// Whether a path is one of the page's: those need no token.
pub(crate) fn is_page(path: &str) -> bool {
    path == "/" || path == "/favicon.svg" || path.starts_with("/assets/")
}

/// The page's routes.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let asset = |Path(name): Path<String>, headers: HeaderMap| async move {
        serve(&format!("assets/{name}"), &headers)
    };
    Router::new()
        .route(
            "/",
            get(|headers: HeaderMap| async move { serve("index.html", &headers) }),
        )
        .route(
            "/favicon.svg",
            get(|headers: HeaderMap| async move { serve("favicon.svg", &headers) }),
        )
        .route("/assets/{*name}", get(asset))
}

fn serve(path: &str, headers: &HeaderMap) -> Response {
    let Some(file) = FILES.get(path) else {
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    };
    let packed = file.gzip.as_ref().filter(|_| takes_gzip(headers));
    let encoded = packed.unwrap_or(&file.plain);
    let is_known = headers.get_all(header::IF_NONE_MATCH).iter().any(|tags| {
        let tags = tags.to_str().unwrap_or_default().split(',');
        let mut tags = tags.map(|tag| tag.trim().trim_start_matches("W/"));
        tags.any(|tag| tag == "*" || tag.as_bytes() == encoded.tag.as_bytes())
    });
    let status = if is_known {
        StatusCode::NOT_MODIFIED
    } else {
        StatusCode::OK
    };
    let body = if is_known {
        Bytes::new()
    } else {
        encoded.bytes.clone()
    };
    let mut answer = (status, Body::from(body)).into_response();
    let told = answer.headers_mut();
    told.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    // Asked for again each time, and answered with nothing where it is the same: another program has another page.
    told.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    told.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    told.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    told.insert(header::ETAG, encoded.tag.clone());
    if packed.is_some() {
        told.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Whether a client takes gzip: named, or by `*`, and not with a weight of 0.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter();
    let codings = lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','));
    let weights = codings.filter_map(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next()?.to_ascii_lowercase();
        let weight = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(Ok(1.0), str::parse);
        Some((name, weight.unwrap_or(0.0)))
    });
    let weights: BTreeMap<String, f64> = weights.collect();
    let weight = weights.get("gzip").or_else(|| weights.get("*"));
    weight.is_some_and(|weight| *weight > 0.0)
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::new(6));
    let packed = packer.write_all(bytes).and_then(|()| packer.finish());
    packed.expect("memory takes what is written to it")
}
