//! Where a replay sends to: a topic, or a file of input records.

use super::error::ReplayError;
use super::feed::Outgoing;
use super::setup::Target;
use super::topic::{Topic, Unsent};
use rotation_engine::time::EventTime;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

/// Slice of a wait: so soon an interruption is noticed.
const SLICE: Duration = Duration::from_millis(50);

/// Takes the records of a replay.
pub(super) enum Sink {
    Topic(Box<Topic>),
    File(Lines),
}

/// A file of input records, a line each.
pub(super) struct Lines {
    path: PathBuf,
    out: BufWriter<Box<dyn Write>>,
}

/// What became of a record.
pub(super) enum Sent {
    Yes,
    Interrupted,
    Failed,
}

impl Sink {
    pub(super) fn open(target: &Target) -> Result<Self, ReplayError> {
        match target {
            Target::Topic {
                brokers,
                topic,
                client,
                readers,
            } => {
                let topic = Topic::open(client, brokers, topic, readers.as_deref())?;
                Ok(Self::Topic(topic.into()))
            }
            Target::File(path) => Ok(Self::File(Lines::create(path)?)),
        }
    }

    /// The output as people call it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Topic(topic) => topic.name().to_owned(),
            Self::File(lines) => lines.path.display().to_string(),
        }
    }

    /// The number of partitions; none of a file.
    pub(super) fn partitions(&self) -> Option<i32> {
        match self {
            Self::Topic(topic) => Some(topic.partitions()),
            Self::File(_) => None,
        }
    }

    pub(super) fn send(
        &mut self,
        record: &Outgoing,
        stop: &AtomicBool,
    ) -> Result<Sent, ReplayError> {
        match self {
            Self::Topic(topic) => Ok(match topic.send(record, stop) {
                Ok(()) => Sent::Yes,
                Err(Unsent::Interrupted) => Sent::Interrupted,
                Err(Unsent::Failed) => Sent::Failed,
            }),
            Self::File(lines) => lines.write(&record.payload).map(|()| Sent::Yes),
        }
    }

    /// Tells who reads along that records from this time on come; a warning where that does not go well.
    pub(super) fn rouse(&mut self, time: EventTime, stop: &AtomicBool) -> Option<String> {
        match self {
            Self::Topic(topic) => topic.rouse(time, stop),
            Self::File(_) => None,
        }
    }

    /// Waits, for a slice of `wait` at most.
    pub(super) fn wait(&mut self, wait: Duration) -> Result<(), ReplayError> {
        match self {
            Self::Topic(topic) => topic.wait(wait),
            Self::File(lines) => {
                lines.flush()?;
                thread::sleep(wait.min(SLICE));
            }
        }
        Ok(())
    }

    /// Sees everything off. Returns how many messages were not delivered, and why the first was not.
    pub(super) fn finish(
        &mut self,
        stop: &AtomicBool,
    ) -> Result<(u64, Option<String>), ReplayError> {
        match self {
            Self::Topic(topic) => Ok(topic.finish(stop)),
            Self::File(lines) => lines.flush().map(|()| (0, None)),
        }
    }
}

impl Lines {
    fn create(path: &Path) -> Result<Self, ReplayError> {
        let out: Box<dyn Write> = if path == Path::new("-") {
            Box::new(io::stdout())
        } else {
            let file = File::create(path);
            Box::new(file.map_err(|source| failed(path, source))?)
        };
        Ok(Self {
            path: path.to_owned(),
            out: BufWriter::with_capacity(1 << 16, out),
        })
    }

    fn write(&mut self, record: &[u8]) -> Result<(), ReplayError> {
        let written = self.out.write_all(record);
        let written = written.and_then(|()| self.out.write_all(b"\n"));
        written.map_err(|source| failed(&self.path, source))
    }

    fn flush(&mut self) -> Result<(), ReplayError> {
        let flushed = self.out.flush();
        flushed.map_err(|source| failed(&self.path, source))
    }
}

fn failed(path: &Path, source: io::Error) -> ReplayError {
    ReplayError::Output {
        path: path.to_owned(),
        source,
    }
}
