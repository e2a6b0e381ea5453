//! Digests: short names of contents.

use rotation_engine::clock::Clock;
use rotation_engine::detector::Kind;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The first 16 hexadecimal digits of the SHA-256 of `bytes`.
pub fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A rule's version in alerts: the digest of what, when changed, makes it another rule.
///
/// These are its clock, its kind and the kind's parameters, defaults filled in. A parameter that is
/// not set is left out, so that rules keep their version when a kind gains an optional one.
pub fn rule_version(kind: &Kind, clock: Clock) -> String {
    let kind = serde_json::to_value(kind).expect("parameters are plain values under text keys");
    let rule = Map::from_iter([
        ("clock".to_owned(), Value::String(clock.to_string())),
        ("rule".to_owned(), kind),
    ]);
    let mut text = String::new();
    push_canonical(&mut text, &Value::Object(rule));
    digest(text.as_bytes())
}

/// Appends JSON with sorted keys, without spaces and without nulls in objects.
fn push_canonical(out: &mut String, value: &Value) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .collect();
            fields.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, value)) in fields.into_iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                push_canonical(out, value);
            }
            out.push('}');
        }
        Value::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                push_canonical(out, value);
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn version(kind: &Value, clock: &str) -> String {
        let kind: Kind = serde_json::from_value(kind.clone()).unwrap();
        rule_version(&kind, clock.parse().unwrap())
    }

    /// The vectors of FIPS 180-2, appendix B, and of the empty text.
    #[test]
    fn is_the_beginning_of_sha_256() {
        assert_eq!(digest(b"abc"), "ba7816bf8f01cfea");
        assert_eq!(digest(b""), "e3b0c44298fc1c14");
    }

    #[test]
    fn a_version_follows_from_kind_parameters_and_clock() {
        let base = json!({"kind": "relative_streak", "leader": "RUT", "laggard": "GSPC"});
        let same =
            json!({"laggard": "GSPC", "leader": "RUT", "open_at": 5, "kind": "relative_streak"});
        assert_eq!(version(&base, "session"), version(&same, "session"));
        assert_ne!(version(&base, "session"), version(&base, "1m"));
        let other =
            json!({"kind": "relative_streak", "leader": "RUT", "laggard": "GSPC", "open_at": 6});
        assert_ne!(version(&base, "session"), version(&other, "session"));
        let reversed = json!({"kind": "relative_streak", "leader": "GSPC", "laggard": "RUT"});
        assert_ne!(version(&base, "session"), version(&reversed, "session"));
        // Published events bear it: it has to stay what it is.
        assert_eq!(version(&base, "session"), "c5ff3b4ab4c59c84");
    }

    #[test]
    fn canonical_text_is_sorted_and_without_nulls() {
        let mut text = String::new();
        push_canonical(
            &mut text,
            &json!({"b": [1, null, {"d": null}], "a": 1.5, "c": null, "\"": true}),
        );
        assert_eq!(text, r#"{"\"":true,"a":1.5,"b":[1,null,{}]}"#);
    }

    proptest! {
        #[test]
        fn is_short_and_hexadecimal(bytes: Vec<u8>) {
            let digest = digest(&bytes);
            prop_assert_eq!(digest.len(), 16);
            prop_assert!(digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        }
    }
}
