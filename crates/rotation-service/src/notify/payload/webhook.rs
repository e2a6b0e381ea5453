//! Any webhook: the event as published or what a template makes of it, signed as Standard Webhooks are.
//!
//! Specification: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use crate::notify::ledger::Notice;
use crate::notify::template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The body of a notice.
///
/// # Errors
/// What the template cannot be made to say of this event.
pub(crate) fn body(notice: &Notice, source: Option<&str>) -> Result<Vec<u8>, String> {
    let event = &notice.event;
    match source {
        None => Ok(event.bytes.clone()),
        Some(source) => {
            let rendered = template::render(source, &event.bytes, event.link.as_deref());
            rendered.map(String::into_bytes)
        }
    }
}

/// An id as a header's value: what is no visible ASCII is percent-encoded.
pub(crate) fn header(id: &str) -> String {
    let mut text = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'%' => text.push_str("%25"),
            b'!'..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// The value of `webhook-signature`: `v1,` and the HMAC-SHA256 of id, timestamp and body with dots between.
pub(crate) fn signature(secret: &str, id: &str, seconds: i64, body: &[u8]) -> String {
    // Keys of that form are base64, others are what they are.
    let decoded = secret
        .strip_prefix("whsec_")
        .and_then(|key| STANDARD.decode(key).ok());
    let key = decoded.unwrap_or_else(|| secret.as_bytes().to_vec());
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key of HMAC may have any length");
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}
