//! What `audit`, `explain` and `redrive` have in common: where the topics are, what was published, and what the engine
//! says of the bars log now.

use crate::config::{Config, KafkaConfig, Properties, Topics};
use crate::kafka::KafkaSettings;
use crate::tasks::universe::Cited;
use rotation_engine::plan::UniversePlan;
use rotation_engine::time::EventTime;
use rotation_engine::universe::ReadingDetail;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

mod begun;
mod published;
mod recompute;

pub(crate) use begun::{Begun, Late};
pub(crate) use published::{Published, published};
pub(crate) use recompute::{Recompute, Step};

/// Where the topics are.
#[derive(Clone, Debug, clap::Args)]
pub struct Source {
    /// The configuration: brokers, properties, topics, group and rules are taken from it.
    #[arg(long, value_name = "FILE", env = "ROTATION_CONFIG")]
    pub config: Option<PathBuf>,
    /// Brokers, instead of those in the configuration: host:port,host:port. Default: localhost:9092.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        env = "ROTATION_BROKERS"
    )]
    pub brokers: Vec<String>,
}

/// The source as it is: how to reach it, and the rules, if a configuration was given.
pub(crate) struct Opened {
    pub(crate) settings: KafkaSettings,
    pub(crate) plans: Vec<Arc<UniversePlan>>,
}

impl Opened {
    /// The universes, to be stepped over the bars log as the service steps them.
    pub(crate) fn recompute(&self, detail: ReadingDetail) -> Recompute {
        let topics = &self.settings.topics;
        let cited = Cited {
            ticks: topics.ticks.clone(),
            bars: topics.bars.clone(),
        };
        Recompute::new(&self.plans, cited, detail)
    }
}

impl Source {
    /// Reads the configuration, where there is one. `purpose` names the client.
    ///
    /// # Errors
    /// A wrong configuration, or a secret that cannot be had.
    pub(crate) fn open(&self, purpose: &str) -> anyhow::Result<Opened> {
        let (mut kafka, plans) = match &self.config {
            Some(path) => {
                let config = Config::load(path)?;
                (config.kafka, config.universes)
            }
            None => (
                KafkaConfig {
                    brokers: vec!["localhost:9092".to_owned()],
                    group: "rotation".to_owned(),
                    topics: Topics::default(),
                    properties: Properties::default(),
                },
                Vec::new(),
            ),
        };
        if !self.brokers.is_empty() {
            kafka.brokers.clone_from(&self.brokers);
        }
        let settings = KafkaSettings::from_config(&kafka, purpose)?;
        Ok(Opened { settings, plans })
    }
}

/// One end of a range: an instant, or an offset in each partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// An instant.
    Time(EventTime),
    /// An offset.
    Offset(i64),
}

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(offset) = text.parse() {
            return Ok(Bound::Offset(offset));
        }
        let midnight = format!("{text}T00:00:00Z");
        let time = text.parse().or_else(|_| midnight.parse());
        time.map(Bound::Time).map_err(|_| {
            "expected a date, an instant such as 2026-01-15T21:00:00Z, or an offset".to_owned()
        })
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Time(time) => time.fmt(f),
            Bound::Offset(offset) => write!(f, "offset {offset}"),
        }
    }
}

/// From a bound up to another, that not included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Nothing before it.
    pub from: Option<Bound>,
    /// Nothing from it on.
    pub to: Option<Bound>,
}

impl Range {
    /// Whether a record of this offset and time is within.
    pub fn holds(&self, offset: i64, time: EventTime) -> bool {
        let is_before = |bound: Bound| match bound {
            Bound::Time(bound) => time < bound,
            Bound::Offset(bound) => offset < bound,
        };
        !self.from.is_some_and(is_before) && self.to.is_none_or(is_before)
    }

    /// Whether it is by offset, at either end.
    pub fn is_by_offset(&self) -> bool {
        let is_offset = |bound| matches!(bound, Some(Bound::Offset(_)));
        is_offset(self.from) || is_offset(self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> EventTime {
        text.parse().unwrap()
    }

    #[test]
    fn a_bound_is_a_date_an_instant_or_an_offset() {
        let midnight = Bound::Time(time("2026-01-15T00:00:00Z"));
        assert_eq!("2026-01-15".parse(), Ok(midnight));
        assert_eq!("2026-01-15T00:00:00Z".parse(), Ok(midnight));
        assert_eq!("120".parse(), Ok(Bound::Offset(120)));
        let refused = "yesterday".parse::<Bound>().unwrap_err();
        assert!(refused.contains("expected a date"), "{refused}");
    }

    #[test]
    fn a_range_holds_its_beginning_and_not_its_end() {
        let range = Range {
            from: Some("2026-01-15".parse().unwrap()),
            to: Some("2026-01-16".parse().unwrap()),
        };
        for (at, held) in [
            ("2026-01-14T23:59:59Z", false),
            ("2026-01-15T00:00:00Z", true),
            ("2026-01-16T00:00:00Z", false),
        ] {
            assert_eq!(range.holds(0, time(at)), held, "{at}");
        }
        let range = Range {
            from: Some(Bound::Offset(5)),
            to: None,
        };
        let at = time("2026-01-15T00:00:00Z");
        assert!(!range.holds(4, at) && range.holds(5, at) && range.is_by_offset());
        assert!(Range::default().holds(0, at) && !Range::default().is_by_offset());
    }
}
