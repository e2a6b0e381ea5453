//! Records of the readings topic: what rules measured, fired or not, and how far a universe has decided.
//!
//! A subscriber sees here what is about to happen, where the alert topic says what did. A reading stands for itself:
//! nothing has to be remembered to read it, and a repeat says the same again.

use rotation_engine::alert::{Evidence, Quality};
use rotation_engine::output::Reading;
use rotation_engine::plan::UniversePlan;
use rotation_engine::time::EventTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most bytes that a record may have.
pub const RECORD_MAX: usize = 1 << 20;

/// A record of the readings topic. Fields that a later version added are passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ReadingRecord {
    /// What a rule measured at a section; keyed by universe and rule, `us/small-cap-streak`.
    Reading(Box<RuleReading>),
    /// How far a universe has decided; keyed by universe.
    Horizon(UniverseHorizon),
}

/// What a rule measured at a section, and how far it is from its next event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RuleReading {
    /// The universe's name.
    pub universe: String,
    /// The rule's name.
    pub rule: String,
    /// Digest of the rule's kind, clock and parameters, as in its alerts.
    pub rule_version: String,
    /// The rule's kind.
    pub kind: String,
    /// What cuts the rule's sections: `tick`, `session`, or an interval such as `5m`.
    pub clock: String,
    /// What the rule speaks about.
    pub subject: String,
    /// The section's instant.
    #[schemars(with = "String")]
    pub as_of: EventTime,
    /// The date of the session, on the clock `session`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub session: Option<jiff::civil::Date>,
    /// The reading, in `unit`.
    pub value: f64,
    /// What it is held against, in `unit`.
    pub threshold: f64,
    /// How much is missing until the next event, in `unit`; zero when the episode stands.
    pub distance: f64,
    /// The unit.
    pub unit: String,
    /// Whether an episode is open.
    pub open: bool,
    /// The closes that the rule read, by series; of rules over more than eight series none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, f64>,
    /// How good the data under it were.
    #[serde(default)]
    pub quality: Quality,
    /// What it stands on: of kinds whose evidence is looked at between events too, and not on the clock `tick`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// How far a universe has decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct UniverseHorizon {
    /// The universe's name.
    pub universe: String,
    /// Event time up to which everything is decided.
    #[schemars(with = "String")]
    pub horizon: EventTime,
    /// End of the newest bar that was read; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub newest: Option<EventTime>,
    /// The partitions of the ticks topic that it waits for.
    pub sources: Vec<SourceHorizon>,
}

/// How far a partition of the ticks topic is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SourceHorizon {
    /// The partition.
    pub partition: u32,
    /// Its horizon: what is older comes late.
    #[schemars(with = "String")]
    pub horizon: EventTime,
    /// Whether the universe goes on without it, because it trails the log.
    pub excluded: bool,
}

/// Why bytes are no record of the readings topic.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// More bytes than the program writes.
    #[error("expected a reading of at most {RECORD_MAX} bytes, found {0}")]
    TooLarge(usize),
    /// Not such a record.
    #[error("expected a reading or a horizon as JSON")]
    Json(#[from] serde_json::Error),
}

impl RuleReading {
    /// A reading as subscribers get it.
    pub fn new(plan: &UniversePlan, reading: &Reading) -> RuleReading {
        let rule = &plan.rules[reading.rule_index as usize];
        let inputs = rule.symbols.iter().zip(&reading.inputs);
        RuleReading {
            universe: reading.universe.clone(),
            rule: reading.rule.clone(),
            rule_version: rule.version.clone(),
            kind: rule.kind.name().to_owned(),
            clock: rule.clock.to_string(),
            subject: reading.subject.clone(),
            as_of: reading.as_of,
            session: reading.session,
            value: reading.value,
            threshold: reading.threshold,
            distance: reading.distance,
            unit: reading.unit.clone(),
            open: reading.open,
            inputs: inputs
                .filter_map(|(symbol, close)| Some((symbol.clone(), (*close)?)))
                .collect(),
            quality: reading.quality.clone().unwrap_or_default(),
            evidence: reading.evidence.clone(),
        }
    }
}

impl ReadingRecord {
    /// The record's key.
    pub fn key(&self) -> String {
        match self {
            ReadingRecord::Reading(reading) => format!("{}/{}", reading.universe, reading.rule),
            ReadingRecord::Horizon(horizon) => horizon.universe.clone(),
        }
    }

    /// The record's bytes.
    ///
    /// # Panics
    /// When a number is not finite, which no reading's is.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a reading has text keys and plain values")
    }

    /// Reads a record.
    ///
    /// # Errors
    /// Bytes that are no such record.
    pub fn decode(bytes: &[u8]) -> Result<ReadingRecord, ReadingError> {
        if bytes.len() > RECORD_MAX {
            return Err(ReadingError::TooLarge(bytes.len()));
        }
        Ok(serde_json::from_slice(bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn horizon() -> ReadingRecord {
        let time = |text: &str| text.parse().unwrap();
        ReadingRecord::Horizon(UniverseHorizon {
            universe: "us".to_owned(),
            horizon: time("2026-01-15T21:00:00Z"),
            newest: Some(time("2026-01-15T20:59:58Z")),
            sources: vec![SourceHorizon {
                partition: 3,
                horizon: time("2026-01-15T21:00:00Z"),
                excluded: false,
            }],
        })
    }

    const READING: &str = r#"{"type":"reading","universe":"us","rule":"small-cap-streak","rule_version":"02b4","kind":"relative_streak","clock":"session","subject":"RUT/GSPC","as_of":"2026-01-15T21:00:00Z","session":"2026-01-15","value":10.0,"threshold":15.0,"distance":5.0,"unit":"sessions","open":true,"inputs":{"GSPC":6890.1,"RUT":2451.3},"quality":{"present":2,"expected":2,"stale":[]}}"#;

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(
            ReadingRecord::decode(&horizon().encode()).unwrap(),
            horizon()
        );
        let reading = ReadingRecord::decode(READING.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(reading.encode()).unwrap(), READING);
        assert_eq!(
            (reading.key(), horizon().key()),
            ("us/small-cap-streak".to_owned(), "us".to_owned())
        );
    }

    #[test]
    fn fields_of_a_later_version_are_passed_over() {
        let later = READING.replacen("\"value\"", "\"new\":[1],\"value\"", 1);
        let reading = ReadingRecord::decode(later.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(reading.encode()).unwrap(), READING);
    }

    #[test]
    fn other_bytes_are_refused() {
        for bytes in [&b"{}"[..], b"", b"{\"type\":\"other\"}", b"[]"] {
            let refused = ReadingRecord::decode(bytes).unwrap_err();
            assert!(matches!(refused, ReadingError::Json(_)), "{refused}");
        }
        let refused = ReadingRecord::decode(&vec![b' '; RECORD_MAX + 1]).unwrap_err();
        assert!(matches!(refused, ReadingError::TooLarge(_)), "{refused}");
    }
}
