//! The flat struct that every input record is read into.
//!
//! An enum tagged by `type` would have serde keep the whole record aside until it has seen the tag;
//! one struct with all fields optional is filled as the bytes go by, and judged afterwards.

use rotation_engine::time::EventTime;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

/// What a record says, kind by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tick,
    Heartbeat,
    Split,
    Void,
}

/// Every field of every kind of record, as far as given.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fields<'a> {
    pub(super) kind: Option<Kind>,
    pub(super) symbol: Option<Cow<'a, str>>,
    pub(super) time: Option<EventTime>,
    pub(super) price: Option<f64>,
    pub(super) size: Option<f64>,
    pub(super) seq: Option<u64>,
    pub(super) official: Option<bool>,
    pub(super) ratio: Option<f64>,
}

/// A key with a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Type,
    Symbol,
    Time,
    /// `price` or `value`.
    Price,
    Size,
    Seq,
    Official,
    Ratio,
}

impl Key {
    pub(super) fn find(name: &[u8]) -> Option<Key> {
        match name {
            b"symbol" => Some(Key::Symbol),
            b"time" => Some(Key::Time),
            b"price" | b"value" => Some(Key::Price),
            b"size" => Some(Key::Size),
            b"seq" => Some(Key::Seq),
            b"type" => Some(Key::Type),
            b"official" => Some(Key::Official),
            b"ratio" => Some(Key::Ratio),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Key::Type => "type",
            Key::Symbol => "symbol",
            Key::Time => "time",
            Key::Price => "price",
            Key::Size => "size",
            Key::Seq => "seq",
            Key::Official => "official",
            Key::Ratio => "ratio",
        }
    }
}

/// What stopped the reading, and at which key's value.
pub(super) struct Failure {
    pub(super) error: serde_json::Error,
    pub(super) at: Option<Key>,
}

/// Reads the fields of a JSON object.
pub(super) fn read(bytes: &[u8]) -> Result<Fields<'_>, Failure> {
    let at = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let fields = deserializer.deserialize_map(FieldsVisitor { at: &at });
    fields
        .and_then(|fields| deserializer.end().map(|()| fields))
        .map_err(|error| Failure {
            error,
            at: at.get(),
        })
}

struct FieldsVisitor<'c> {
    /// The key whose value is being read.
    at: &'c Cell<Option<Key>>,
}

impl<'de> Visitor<'de> for FieldsVisitor<'_> {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an input record, a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        let mut seen = 0_u8;
        while let Some(AnyKey(key)) = map.next_key()? {
            let Some(key) = key else {
                map.next_value::<de::IgnoredAny>()?;
                continue;
            };
            let bit = 1 << key as u8;
            if seen & bit != 0 {
                let message = format_args!("{}: expected once, found twice", key.name());
                return Err(de::Error::custom(message));
            }
            seen |= bit;
            self.at.set(Some(key));
            match key {
                Key::Symbol => fields.symbol = value(&mut map, |Text(symbol)| symbol)?,
                Key::Time => fields.time = map.next_value()?,
                Key::Price => fields.price = value(&mut map, |Number(price)| price)?,
                Key::Size => fields.size = value(&mut map, |Number(size)| size)?,
                Key::Seq => fields.seq = value(&mut map, |Sequence(seq)| seq)?,
                Key::Type => fields.kind = map.next_value()?,
                Key::Official => fields.official = map.next_value()?,
                Key::Ratio => fields.ratio = value(&mut map, |Number(ratio)| ratio)?,
            }
            self.at.set(None);
        }
        Ok(fields)
    }
}

/// The next value, if it is not `null`, without its wrapper.
fn value<'de, A: MapAccess<'de>, W: Deserialize<'de>, T>(
    map: &mut A,
    unwrap: impl FnOnce(W) -> T,
) -> Result<Option<T>, A::Error> {
    Ok(map.next_value::<Option<W>>()?.map(unwrap))
}

/// A key, where it is one with a meaning.
struct AnyKey(Option<Key>);

impl<'de> Deserialize<'de> for AnyKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = AnyKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<AnyKey, E> {
                Ok(AnyKey(Key::find(name.as_bytes())))
            }
        }
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KindVisitor;
        impl Visitor<'_> for KindVisitor {
            type Value = Kind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"tick\", \"heartbeat\", \"split\" or \"void\"")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Kind, E> {
                match name {
                    "tick" => Ok(Kind::Tick),
                    "heartbeat" => Ok(Kind::Heartbeat),
                    "split" => Ok(Kind::Split),
                    "void" => Ok(Kind::Void),
                    _ => Err(E::invalid_value(de::Unexpected::Str(name), &self)),
                }
            }
        }
        deserializer.deserialize_str(KindVisitor)
    }
}

/// A text, borrowed where the JSON has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// A finite number; JSON has no others.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a finite number")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Number, E> {
                Ok(Number(number as f64))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number as f64))
            }
        }
        deserializer.deserialize_f64(NumberVisitor)
    }
}

/// A sequence number.
struct Sequence(u64);

impl<'de> Deserialize<'de> for Sequence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SequenceVisitor;
        impl Visitor<'_> for SequenceVisitor {
            type Value = Sequence;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 0 to 18446744073709551615")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Sequence, E> {
                Ok(Sequence(number))
            }
        }
        deserializer.deserialize_u64(SequenceVisitor)
    }
}
