//! An event without what only a live run knows.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Fields of `data` that differ between two runs over the same ticks.
const LIVE_FIELDS: [&str; 2] = ["detected_at", "positions"];

/// The event without `data.detected_at` and `data.positions`, every other byte as it was: what a
/// live run and a backtest have in common. Bytes that are not such an event come back unchanged.
pub fn comparable(bytes: &[u8]) -> Vec<u8> {
    without_live_fields(bytes).unwrap_or_else(|_| bytes.to_vec())
}

fn without_live_fields(bytes: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let Entries(event) = serde_json::from_slice(bytes)?;
    let mut out = Vec::with_capacity(bytes.len());
    for (key, value) in &event {
        push_key(&mut out, key);
        if key == "data" {
            let Entries(data) = serde_json::from_str(value.get())?;
            let mut kept = Vec::with_capacity(value.get().len());
            for (key, value) in data
                .iter()
                .filter(|(key, _)| !LIVE_FIELDS.contains(&key.as_ref()))
            {
                push_key(&mut kept, key);
                kept.extend_from_slice(value.get().as_bytes());
            }
            close(&mut kept);
            out.append(&mut kept);
        } else {
            out.extend_from_slice(value.get().as_bytes());
        }
    }
    close(&mut out);
    Ok(out)
}

fn push_key(out: &mut Vec<u8>, key: &str) {
    out.push(if out.is_empty() { b'{' } else { b',' });
    crate::text::push_json(out, key);
    out.push(b':');
}

fn close(out: &mut Vec<u8>) {
    if out.is_empty() {
        out.push(b'{');
    }
    out.push(b'}');
}

/// The keys of an object in their order, each with its value's text.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}
