//! From a local Kafka: the sampler stage against a bare consumer of the same topic, and the service's memory.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use rotation_service::config::{Config, Topics};
use rotation_service::kafka::{KafkaSettings, topics};

use super::market::{Order, Prints, config, symbol, write_record};
use super::reader::{Cost, Reader};
use super::{Rates, Row, Scale};
use crate::broker::{Broker, unique};

const PARTITIONS: i32 = 4;
const SERIES: usize = 30;
const SERIES_MANY: usize = 10_000;

/// Ticks a session, of all series together.
const PER_SESSION: u64 = 500_000;

/// What [`SERIES_MANY`] series may take of memory.
const RESIDENT_MAX: f64 = 200e6;

/// Measures with processes of the program `reader`; none where there is no broker.
///
/// # Errors
///
/// When a reader fails.
pub fn run(scale: &Scale, reader: &Path) -> Result<Option<Vec<Row>>> {
    let Some(broker) = Broker::get() else {
        return Ok(None);
    };
    let mut bench = Bench {
        broker,
        reader,
        folder: tempfile::tempdir()?,
    };
    let mut rows = bench.few_series(scale)?;
    rows.push(bench.many_series(scale)?);
    Ok(Some(rows))
}

struct Bench<'a> {
    broker: &'static Broker,
    reader: &'a Path,
    folder: tempfile::TempDir,
}

impl Bench<'_> {
    /// The stage against the floor, then the service's memory as the same topic goes on.
    fn few_series(&mut self, scale: &Scale) -> Result<Vec<Row>> {
        let mut feed = Feed::new(self.broker, SERIES, Order::Turns)?;
        feed.produce(scale.kafka_records)?;
        let marks = [scale.kafka_records / 2, scale.kafka_records];
        let (mut rates, mut cores) = (Rates::default(), Rates::default());
        let mut threads = Rates::default();
        for _ in 0..scale.kafka_rounds {
            let bare = self.read(&feed, Reader::Bare, marks)?;
            let stage = self.read(&feed, Reader::Stage, marks)?;
            let records = scale.kafka_records as f64;
            rates.add(records / bare.seconds, records / stage.seconds);
            threads.add(
                records / bare.thread_seconds,
                records / stage.thread_seconds,
            );
            cores.add(bare.core_seconds / records, stage.core_seconds / records);
        }
        let [stage, bare, ratio] = cores.medians();
        let cores = Row {
            what: "cores' time of that, a record, all threads".to_owned(),
            measured: format!("{:.2} µs", stage * 1e6),
            floor: format!("{:.2} µs", bare * 1e6),
            ratio,
            aim: String::new(),
        };
        let threads = threads.row("the rate that its consuming thread alone allows", "");
        let [first, last] = scale.memory;
        feed.produce(last.saturating_sub(scale.kafka_records))?;
        let cost = self.read(&feed, Reader::Service, scale.memory)?;
        let memory = Row {
            what: format!(
                "resident memory of the service after {last} records, floor: after {first}"
            ),
            measured: megabytes(cost.resident_last as f64),
            floor: megabytes(cost.resident_first as f64),
            ratio: cost.resident_last as f64 / cost.resident_first as f64,
            aim: "0.90 to 1.10".to_owned(),
        };
        let what = format!("sampler stage from Kafka, {PARTITIONS} partitions");
        Ok(vec![
            rates.row(&what, "0.85 of the floor"),
            threads,
            cores,
            memory,
        ])
    }

    fn many_series(&mut self, scale: &Scale) -> Result<Row> {
        let mut feed = Feed::new(self.broker, SERIES_MANY, Order::Random)?;
        feed.produce(scale.wide_records)?;
        let cost = self.read(
            &feed,
            Reader::Service,
            [scale.wide_records / 2, scale.wide_records],
        )?;
        Ok(Row {
            what: "most resident memory with 10,000 series, floor: what is allowed".to_owned(),
            measured: megabytes(cost.resident_peak as f64),
            floor: megabytes(RESIDENT_MAX),
            ratio: cost.resident_peak as f64 / RESIDENT_MAX,
            aim: "200 MB".to_owned(),
        })
    }

    /// Runs a reader in a group and with outputs of its own.
    fn read(&self, feed: &Feed, reader: Reader, marks: [u64; 2]) -> Result<Cost> {
        let path = self.folder.path().join("bench.toml");
        fs::write(&path, feed.config())?;
        let config = Config::load(&path)?;
        let settings = KafkaSettings::from_config(&config.kafka, "bench")?;
        if reader != Reader::Bare {
            topics::create_topics(&settings, PARTITIONS, 1)?;
        }
        let output = Command::new(self.reader)
            .arg(reader.name())
            .arg(&path)
            .args(marks.map(|mark| mark.to_string()))
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start {}", self.reader.display()))?;
        ensure!(
            output.status.success(),
            "the reader {} failed: {}",
            reader.name(),
            output.status
        );
        serde_json::from_slice(&output.stdout).context("the reader's answer cannot be read")
    }
}

/// A topic of ticks that can be lengthened.
struct Feed {
    broker: &'static Broker,
    topic: String,
    series: usize,
    prints: Prints,
}

impl Feed {
    fn new(broker: &'static Broker, series: usize, order: Order) -> Result<Self> {
        let topic = unique("bench-ticks");
        // Records are stamped with their event time, which is long ago.
        broker.create_topics(&[(&topic, PARTITIONS, &[("retention.ms", "-1")])])?;
        Ok(Self {
            broker,
            topic,
            series,
            prints: Prints::new(series, order, PER_SESSION),
        })
    }

    fn produce(&mut self, records: u64) -> Result<()> {
        let records = usize::try_from(records)?;
        let messages = self.prints.by_ref().take(records).map(|print| {
            let mut payload = Vec::new();
            write_record(&mut payload, &print);
            let stamp = print.tick.time.as_nanos() / 1_000_000 + 1;
            (None, symbol(print.series as usize), payload, Some(stamp))
        });
        let produced = self.broker.produce(&self.topic, messages)?;
        ensure!(
            produced == records,
            "produced {produced} of {records} records"
        );
        Ok(())
    }

    /// A configuration that reads this topic, with everything else new.
    fn config(&self) -> String {
        let name = unique("bench");
        let topics = Topics {
            ticks: self.topic.clone(),
            bars: format!("{name}.bars"),
            alerts: format!("{name}.alerts"),
            readings: format!("{name}.readings"),
            state: format!("{name}.state"),
            dead_letters: format!("{name}.dead-letters"),
        };
        let named: Vec<String> = topics
            .named()
            .iter()
            .map(|(key, topic)| format!("{key} = \"{topic}\""))
            .collect();
        let kafka = format!(
            "brokers = [\"{}\"]\ngroup = \"{name}\"\ntopics = {{ {} }}",
            self.broker.bootstrap(),
            named.join(", ")
        );
        config(self.series, &kafka)
    }
}

fn megabytes(bytes: f64) -> String {
    format!("{:.0} MB", bytes / 1e6)
}
