//! Acts on each alert once, and knows which episodes stand. See README.md one folder up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Message};
use serde_json::Value;

const COMMIT_EVERY: usize = 100;

#[derive(Parser)]
struct Args {
    #[arg(long, default_value = "localhost:9092")]
    brokers: String,
    #[arg(long, default_value = "rotation.alerts")]
    topic: String,
    #[arg(long, default_value = "my-alerts")]
    group: String,
    #[arg(long, default_value = "alerts.journal")]
    journal: PathBuf,
    #[arg(long)]
    until_end: bool,
    #[arg(short = 'X', value_name = "KEY=VALUE")]
    properties: Vec<String>,
}

/// The newest transition of each episode that was acted on: a file that is only ever added to.
struct Journal {
    episodes: BTreeMap<String, Vec<String>>,
    file: File,
}

impl Journal {
    fn open(path: &Path) -> Result<Journal> {
        let mut text = std::fs::read_to_string(path).unwrap_or_default();
        // A line without its end was being written in a crash: it was not acted on.
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(path)?;
        file.set_len(text.len() as u64)?;
        let lines = text
            .lines()
            .map(|line| line.split('\t').map(str::to_owned).collect());
        let episodes = lines
            .map(|fields: Vec<String>| (fields[1].clone(), fields))
            .collect();
        Ok(Journal { episodes, file })
    }

    fn knows(&self, data: &Value) -> bool {
        let known = self.episodes.get(text(&data["episode"]));
        known.is_some_and(|known| data["transition"].as_u64() <= known[2].parse().ok())
    }

    fn note(&mut self, data: &Value) -> Result<()> {
        let episode = text(&data["episode"]);
        let stands = match text(&data["state"]) {
            "opened" | "escalated" | "eased" | "corrected" => "open",
            "resolved" | "retracted" => "closed",
            // `confirmed`, and what a later version adds, leave the episode as it is.
            _ => self.episodes.get(episode).map_or("open", |known| &known[0]),
        };
        let transition = data["transition"].to_string();
        let rest = ["state", "severity", "as_of"].map(|field| text(&data[field]));
        let fields = [stands, episode, &transition, rest[0], rest[1], rest[2]];
        self.file
            .write_all(format!("{}\n", fields.join("\t")).as_bytes())?;
        let fields = fields.map(str::to_owned).to_vec();
        self.episodes.insert(fields[1].clone(), fields);
        Ok(())
    }
}

/// Yours to replace. The event's id is the key to give to what can tell repeats apart.
fn act(event: &Value) {
    println!(
        "act\t{}\t{}",
        text(&event["id"]),
        text(&event["data"]["headline"])
    );
}

fn take(payload: &[u8], journal: &mut Journal) -> Result<()> {
    let event: Value = serde_json::from_slice(payload).context("not an alert event")?;
    if !journal.knows(&event["data"]) {
        // The other way around: never lost, perhaps repeated. See README.md.
        journal.note(&event["data"])?;
        act(&event);
    }
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn main() -> Result<()> {
    let args = Args::parse();
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stopped))?;
    }
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &args.brokers)
        .set("group.id", &args.group)
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false") // after the fact, below
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true");
    for property in &args.properties {
        let (key, value) = property.split_once('=').context("expected -X key=value")?;
        config.set(key, value);
    }
    let consumer: BaseConsumer = config.create()?;
    let mut journal = Journal::open(&args.journal)?;
    let (mut taken, mut ends) = (0, BTreeSet::new());
    consumer.subscribe(&[&args.topic])?;
    while !stopped.load(Ordering::Relaxed) {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                take(message.payload().unwrap_or_default(), &mut journal)?;
                taken += 1;
                if taken == COMMIT_EVERY {
                    consumer.commit_consumer_state(CommitMode::Async)?;
                    taken = 0;
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                ends.insert(partition);
                let assigned = consumer.assignment()?;
                if args.until_end
                    && assigned
                        .elements()
                        .iter()
                        .all(|it| ends.contains(&it.partition()))
                {
                    break;
                }
            }
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(error.into()),
            Some(Err(error)) => eprintln!("{error}"), // the client gets over it
            None => {}
        }
    }
    if taken > 0 {
        match consumer.commit_consumer_state(CommitMode::Sync) {
            // What was taken is of partitions that another member has by now; it reads them again.
            Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            other => other?,
        }
    }
    for fields in journal.episodes.values() {
        println!("{}", fields.join("\t"));
    }
    Ok(())
}
