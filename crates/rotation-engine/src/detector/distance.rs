//! Distances as people write them: in the series' unit, or in basis points.

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A distance between values of a series: a number in the series' unit (`0.1`), or basis points of a series in percent
/// (`"10bp"`, a hundredth of a percent each).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distance {
    /// In the unit of the series.
    Units(f64),
    /// In hundredths of a percent; for series in percent.
    BasisPoints(f64),
}

/// Why a text is not a [`Distance`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a number in the series' unit or basis points such as \"10bp\", found \"{found}\""
)]
pub struct DistanceError {
    found: String,
}

impl Distance {
    /// The distance in the unit of the series.
    pub fn in_units(self) -> f64 {
        match self {
            Distance::Units(value) => value,
            Distance::BasisPoints(value) => value / 100.0,
        }
    }

    /// Whether it was given in basis points.
    pub fn is_basis_points(self) -> bool {
        matches!(self, Distance::BasisPoints(_))
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Distance::Units(value) => write!(f, "{value}"),
            Distance::BasisPoints(value) => write!(f, "{value}bp"),
        }
    }
}

impl FromStr for Distance {
    type Err = DistanceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_suffix("bp").map(str::trim_end);
        match number.map(str::parse::<f64>) {
            Some(Ok(value)) if value.is_finite() => Ok(Distance::BasisPoints(value)),
            _ => Err(DistanceError {
                found: text.to_owned(),
            }),
        }
    }
}

impl Serialize for Distance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Distance::Units(value) => serializer.serialize_f64(*value),
            Distance::BasisPoints(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Distance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DistanceVisitor)
    }
}

struct DistanceVisitor;

impl Visitor<'_> for DistanceVisitor {
    type Value = Distance;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number in the series' unit, or basis points such as \"10bp\"")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Distance, E> {
        Ok(Distance::Units(value))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a distance beyond 2^53 is out of bounds anyway"
    )]
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Distance, E> {
        Ok(Distance::Units(value as f64))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a distance beyond 2^53 is out of bounds anyway"
    )]
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Distance, E> {
        Ok(Distance::Units(value as f64))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Distance, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Distance {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Distance".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A distance in the series' unit, or basis points of a series in percent.",
            "anyOf": [
                { "type": "number" },
                { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)? ?bp$" }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_basis_points_read_and_write_back() {
        for (text, units) in [
            ("0.1", 0.1),
            ("2", 2.0),
            ("\"10bp\"", 0.1),
            ("\"2.5 bp\"", 0.025),
        ] {
            let distance: Distance = serde_json::from_str(text).unwrap();
            assert_eq!(distance.in_units(), units, "{text}");
            let written = serde_json::to_string(&distance).unwrap();
            assert_eq!(
                serde_json::from_str::<Distance>(&written).unwrap(),
                distance
            );
        }
    }

    #[test]
    fn other_texts_are_refused_with_what_was_expected() {
        for text in ["\"ten\"", "\"10\"", "\"bp\"", "\"NaNbp\"", "true", "[1]"] {
            let error = serde_json::from_str::<Distance>(text)
                .unwrap_err()
                .to_string();
            assert!(error.contains("10bp"), "{text}: {error}");
        }
    }
}
