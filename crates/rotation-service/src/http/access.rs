//! Who may ask: the listening address, the token, and which requests need it.
//!
//! | request | without a token configured | with one |
//! | --- | --- | --- |
//! | GET or HEAD of `/healthz`, `/readyz` | answered | answered |
//! | GET or HEAD of `/`, `/assets/*`, `/favicon.svg`: the page, which holds no data | answered | answered |
//! | any other GET or HEAD | answered | needs the token |
//! | any other method | refused, 403 | needs the token |

use super::refused;
use crate::config::HttpConfig;
use crate::secrets;
use crate::view::page;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use subtle::ConstantTimeEq;

pub(super) const HEALTHZ: &str = "/healthz";
pub(super) const READYZ: &str = "/readyz";

/// Paths that orchestrators ask without knowing a token; they tell nothing but how the process does.
const OPEN: &[&str] = &[HEALTHZ, READYZ];

/// A shorter token could be guessed.
const TOKEN_LENGTH_MIN: usize = 16;

/// What keeps the address from being served.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Anyone who reaches the address could ask.
    #[error(
        "refused to listen on {listen}, which is not loopback, without a token: set [http] token_file, or listen on \
         127.0.0.1, or, where the network itself keeps strangers out, say the address a second time with \
         --insecure-listen {listen}"
    )]
    Exposed {
        /// The address.
        listen: SocketAddr,
    },
    /// The second saying of the address differs from the first.
    #[error(
        "--insecure-listen says {said}, but the address to listen on is {listen}: the two must be the same"
    )]
    Unlike {
        /// What the flag says.
        said: SocketAddr,
        /// The address.
        listen: SocketAddr,
    },
    /// The token cannot be read.
    #[error("http.token_file: cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What the file holds is no token.
    #[error(
        "http.token_file: expected one line of at least {TOKEN_LENGTH_MIN} letters, digits or signs in {}, found \
         {found}; `openssl rand -hex 32` makes one", path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with its content, without the content.
        found: &'static str,
    },
}

/// Who may ask. `Debug` does not show the token.
#[derive(Clone, Default)]
pub struct Access {
    /// The token's digest: of one length whatever the token's, so that comparing tells nothing of it.
    token: Option<[u8; 32]>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("needs_token", &self.token.is_some())
            .finish()
    }
}

impl Access {
    /// Reads the token, once, and refuses an address that strangers could reach; `said` is the address that
    /// `--insecure-listen` says.
    ///
    /// # Errors
    /// An address beyond loopback without a token that was said only once, or a token that cannot be used.
    pub fn new(config: &HttpConfig, said: Option<SocketAddr>) -> Result<Access, AccessError> {
        let listen = config.listen;
        if let Some(said) = said.filter(|said| *said != listen) {
            return Err(AccessError::Unlike { said, listen });
        }
        let token = match &config.token_file {
            Some(path) => Some(read_token(path)?),
            None => None,
        };
        let is_private = listen.ip().to_canonical().is_loopback();
        if token.is_none() && !is_private && said.is_none() {
            return Err(AccessError::Exposed { listen });
        }
        Ok(Access {
            token: token.map(|token| digest(token.as_bytes())),
        })
    }

    /// A request's fate: none to go on, else the refusal.
    fn refusal(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
        let changes = !matches!(*method, Method::GET | Method::HEAD);
        let Some(token) = &self.token else {
            return changes.then(|| {
                let text = "refused: this would change something and no token is configured; set [http] token_file\n";
                refused(path, StatusCode::FORBIDDEN, text)
            });
        };
        if !changes && (OPEN.contains(&path) || page::is_page(path)) {
            return None;
        }
        if bearer(headers).is_some_and(|given| bool::from(digest(given).ct_eq(token))) {
            return None;
        }
        let text = "refused: send the token as `Authorization: Bearer TOKEN`\n";
        let mut answer = refused(path, StatusCode::UNAUTHORIZED, text);
        let challenge = HeaderValue::from_static("Bearer");
        answer
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
        Some(answer)
    }
}

fn read_token(path: &Path) -> Result<String, AccessError> {
    let unreadable = |source| AccessError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let text = secrets::read(path).map_err(unreadable)?;
    let found = if text.is_empty() {
        Some("nothing")
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Some("blanks, further lines or characters beyond ASCII")
    } else if text.len() < TOKEN_LENGTH_MIN {
        Some("fewer")
    } else {
        None
    };
    match found {
        None => Ok(text),
        Some(found) => Err(AccessError::Malformed {
            path: path.to_owned(),
            found,
        }),
    }
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The token that a request brings; none where it brings two, since one of them would go unseen.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else {
        return None;
    };
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

/// Lets a request through, or answers with the refusal.
pub(super) async fn admit(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    match access.refusal(request.method(), request.uri().path(), request.headers()) {
        None => next.run(request).await,
        Some(refusal) => refusal,
    }
}
