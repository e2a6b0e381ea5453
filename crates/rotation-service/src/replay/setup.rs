//! From flags and configuration to what the replay works with.

use super::args::ReplayArgs;
use super::error::ReplayError;
use super::feed::FeedOptions;
use super::heartbeats::HeartbeatOptions;
use crate::config::{Config, Topics, check_given};
use crate::files::OpenOptions;
use crate::kafka::KafkaSettings;
use rdkafka::ClientConfig;
use rotation_engine::calendar::Calendar;
use rotation_engine::plan::{SeriesSource, UniversePlan};
use rotation_engine::time::EventTime;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// What a replay works with.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) open: OpenOptions,
    pub(super) feed: FeedOptions,
    pub(super) target: Target,
}

/// Where records go.
#[derive(Debug)]
pub(super) enum Target {
    Topic {
        brokers: String,
        topic: String,
        client: Box<ClientConfig>,
        /// How to ask who reads it, where the configuration says so.
        readers: Option<Box<KafkaSettings>>,
    },
    File(PathBuf),
}

const BROKERS_DEFAULT: &str = "localhost:9092";

/// What the producer is set to, unless told otherwise.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "rotation-replay"),
    ("linger.ms", "5"),
    ("compression.type", "lz4"),
    // What may be in flight: the replay waits for room.
    ("queue.buffering.max.messages", "100000"),
    ("queue.buffering.max.kbytes", "65536"),
    // A cluster that is gone is told within half a minute.
    ("message.timeout.ms", "30000"),
];

/// What the replay stands on, and what sets it.
const OURS: &[(&str, &str, &str)] = &[
    (
        "partitioner",
        "murmur2_random",
        "the replay, which partitions as Java clients do",
    ),
    (
        "enable.idempotence",
        "true",
        "the replay, which sends each record once and in order",
    ),
    (
        "delivery.report.only.error",
        "true",
        "the replay, which counts what failed",
    ),
];

/// Properties that have no place in a replay, and what has theirs.
const NOT_HERE: &[(&str, &str)] = &[
    ("bootstrap.servers", "--brokers"),
    ("metadata.broker.list", "--brokers"),
    ("transactional.id", "nobody: a replay is no transaction"),
];

impl Setup {
    /// Reads the configuration, where there is one. `now` is the wall clock: no heartbeat on a topic lies beyond it.
    pub(super) fn new(args: &ReplayArgs, now: EventTime) -> Result<Self, ReplayError> {
        let config = args.config.as_deref().map(Config::load).transpose()?;
        let universes = config.as_ref().map_or(&[][..], |config| &config.universes);
        let open = open_options(args, universes)?;
        let ceiling = if args.output.is_some() {
            EventTime::MAX
        } else {
            now
        };
        let heartbeats = heartbeat_options(args, universes, &open, ceiling);
        let feed = FeedOptions {
            heartbeats: (!args.no_heartbeats).then_some(heartbeats),
            numbered: args.seq,
        };
        let target = match &args.output {
            Some(path) => Target::File(path.clone()),
            None => topic(args, config.as_ref())?,
        };
        Ok(Self { open, feed, target })
    }
}

fn open_options(
    args: &ReplayArgs,
    universes: &[Arc<UniversePlan>],
) -> Result<OpenOptions, ReplayError> {
    let named = args.calendars.iter();
    let named = named.filter_map(|(symbol, calendar)| Some((symbol.clone()?, *calendar)));
    let mut calendars: BTreeMap<String, Calendar> = named.collect();
    let said: BTreeSet<String> = calendars.keys().cloned().collect();
    for series in universes.iter().flat_map(|plan| &plan.series) {
        if series.source != SeriesSource::Raw || said.contains(&series.symbol) {
            continue;
        }
        let first = *calendars
            .entry(series.symbol.clone())
            .or_insert(series.calendar);
        if first != series.calendar {
            return Err(ReplayError::Calendars {
                symbol: series.symbol.clone(),
                first: first.name(),
                second: series.calendar.name(),
            });
        }
    }
    let alone = args.calendars.iter().rfind(|(symbol, _)| symbol.is_none());
    Ok(OpenOptions {
        calendars,
        calendar: alone.map_or(Calendar::Xnys, |(_, calendar)| *calendar),
        aliases: args.aliases.iter().cloned().collect(),
        from: args.from,
        to: args.to,
        bar_nanos: args.bar_length,
        columns: None,
        ohlc: whole_rows(universes),
    })
}

/// The series whose daily rows are read as a whole, in any universe.
fn whole_rows(universes: &[Arc<UniversePlan>]) -> BTreeSet<String> {
    let series = universes.iter().flat_map(|plan| &plan.series);
    let whole = series.filter(|series| series.ohlc);
    whole.map(|series| series.symbol.clone()).collect()
}

/// The widest windows of any universe, and every calendar that a universe or a flag names.
fn heartbeat_options(
    args: &ReplayArgs,
    universes: &[Arc<UniversePlan>],
    open: &OpenOptions,
    ceiling: EventTime,
) -> HeartbeatOptions {
    let mut calendars: BTreeSet<Calendar> = open.calendars.values().copied().collect();
    if universes.is_empty() || args.calendars.iter().any(|(symbol, _)| symbol.is_none()) {
        calendars.insert(open.calendar);
    }
    let defaults = HeartbeatOptions::default();
    let widest = |span: fn(&UniversePlan) -> i64, default| {
        universes
            .iter()
            .map(|plan| span(plan))
            .max()
            .unwrap_or(default)
    };
    HeartbeatOptions {
        calendars: calendars.into_iter().collect(),
        lateness: widest(|plan| plan.lateness, defaults.lateness),
        closing_window: widest(|plan| plan.closing_window, defaults.closing_window),
        correction_window: widest(|plan| plan.correction_window, defaults.correction_window),
        ceiling,
    }
}

fn topic(args: &ReplayArgs, config: Option<&Config>) -> Result<Target, ReplayError> {
    let brokers = match config {
        _ if !args.brokers.is_empty() => args.brokers.join(","),
        Some(config) => config.kafka.brokers.join(","),
        None => BROKERS_DEFAULT.to_owned(),
    };
    let configured = || config.map_or_else(Topics::default, |config| config.kafka.topics.clone());
    let topic = args.topic.clone().unwrap_or_else(|| configured().ticks);
    let mut client = ClientConfig::new();
    for (name, value) in DEFAULTS {
        client.set(*name, *value);
    }
    if let Some(config) = config {
        for (name, value) in config.kafka.properties.resolve()? {
            client.set(name, value);
        }
    }
    for (name, value) in &args.properties {
        let ours = OURS.iter().map(|(ours, _, by)| (ours, by));
        let taken = ours.chain(NOT_HERE.iter().map(|(theirs, by)| (theirs, by)));
        if let Some((_, by)) = taken.into_iter().find(|(taken, _)| *taken == name) {
            let name = name.clone();
            return Err(ReplayError::Property { name, by });
        }
        check_given(name, value).map_err(|source| ReplayError::BadProperty {
            name: name.clone(),
            source,
        })?;
        client.set(name, value);
    }
    for (name, value, _) in OURS {
        client.set(*name, *value);
    }
    client.set("bootstrap.servers", &brokers);
    let readers = config.filter(|config| config.kafka.topics.ticks == topic);
    let readers = readers.and_then(|config| {
        let mut kafka = config.kafka.clone();
        if !args.brokers.is_empty() {
            kafka.brokers.clone_from(&args.brokers);
        }
        KafkaSettings::from_config(&kafka, "replay")
            .ok()
            .map(Box::new)
    });
    Ok(Target::Topic {
        brokers,
        topic,
        client: Box::new(client),
        readers,
    })
}

#[cfg(test)]
mod tests;
