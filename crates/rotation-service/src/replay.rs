//! `rotation replay`: files to the ticks topic, as a feed would write them.
//!
//! The records of all files, merged in order of time by [`files::merge`], become input records keyed by symbol
//! ([`Feed`]), with heartbeats where sessions end ([`heartbeats`]), and go out at a pace ([`Pacer`]) through an
//! idempotent producer that partitions as Java clients do.
//!
//! [`replay`] is the whole command without its signals and its printing; [`run`] adds these. [`Feed`] alone makes the
//! same input records for whoever sends them elsewhere.

use crate::files;
use rotation_engine::time::{EventTime, Nanos};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

mod args;
mod error;
mod feed;
pub mod heartbeats;
mod interrupt;
mod pace;
mod progress;
mod report;
mod rouse;
mod setup;
mod sink;
mod topic;

pub use args::ReplayArgs;
pub use error::ReplayError;
pub use feed::{Feed, FeedOptions, Outgoing, Route};
pub use pace::{Pacer, Speed, SpeedError, WAIT_CUT, WAIT_MAX};
pub use report::{Ending, Report, Unreadable};

use progress::Bar;
use setup::{Setup, Target};
use sink::{Sent, Sink};

/// Runs the command: replays until the end or Ctrl-C, and says on standard error what it came to.
///
/// # Errors
/// When standard error cannot be written, or the system grants no signal handler.
pub fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let stop = interrupt::flag()?;
    let outcome = replay(args, &stop);
    let mut err = io::stderr().lock();
    match outcome {
        Ok(report) => {
            if !args.quiet {
                write!(err, "{report}")?;
            }
            for line in report.errors() {
                writeln!(err, "error: {line}")?;
            }
            Ok(report.exit_code().into())
        }
        Err(error) if error.is_broken_pipe() => Ok(ExitCode::SUCCESS),
        Err(error) => {
            writeln!(err, "error: {}", report::chain(&error))?;
            Ok(error.exit_code().into())
        }
    }
}

/// Replays until the last record, or until `stop` is raised.
///
/// # Errors
/// What keeps it from beginning, and an output file that cannot be written on. A record that Kafka does not take ends
/// the replay too, but is in the report.
pub fn replay(args: &ReplayArgs, stop: &AtomicBool) -> Result<Report, ReplayError> {
    let now = wall_clock();
    let setup = Setup::new(args, now)?;
    let expansion = files::expand(&args.paths)?;
    let mut passed_over: Vec<String> = expansion
        .passed_over
        .iter()
        .map(|error| report::chain(error))
        .collect();
    if expansion.files.is_empty() {
        let named: Vec<String> = args
            .paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let first = passed_over
            .drain(..)
            .next()
            .map(|reason| format!(" ({reason})"));
        return Err(ReplayError::NoFiles {
            named: named.join(", "),
            first: first.unwrap_or_default(),
        });
    }
    let sources = expansion
        .files
        .iter()
        .map(|file| files::open(file, &setup.open));
    let sources = sources.collect::<Result<Vec<_>, _>>()?;
    let progress = sources
        .iter()
        .map(|source| source.progress().clone())
        .collect();
    let sink = Sink::open(&setup.target)?;
    let report = Report {
        output: sink.name(),
        partitions: sink.partitions(),
        passed_over,
        ..Report::default()
    };
    let rouses = setup.feed.heartbeats.as_ref().map(|it| it.lateness);
    let is_live = matches!(setup.target, Target::Topic { .. });
    let run = Run {
        sink,
        pacer: Pacer::new(args.speed),
        bar: Bar::new(progress, args.quiet),
        report,
        start: Instant::now(),
        now: if is_live { now } else { EventTime::MAX },
        is_strict: args.strict,
        rouses,
    };
    run.through(Feed::new(files::merge(sources), setup.feed), stop)
}

/// A replay under way.
struct Run {
    sink: Sink,
    pacer: Pacer,
    bar: Bar,
    report: Report,
    start: Instant,
    /// The wall clock at the start.
    now: EventTime,
    is_strict: bool,
    /// Who reads along is to be told before the first record, by that much earlier than it.
    rouses: Option<Nanos>,
}

impl Run {
    fn through(
        mut self,
        mut feed: Feed<files::Merged>,
        stop: &AtomicBool,
    ) -> Result<Report, ReplayError> {
        self.report.ending = self.drive(&mut feed, stop)?;
        let (undelivered, first) = self.sink.finish(stop)?;
        self.report.undelivered = undelivered;
        self.report.first_undelivered = first;
        self.report.took = self.start.elapsed();
        self.bar.finish();
        for source in feed.records().sources() {
            let skips = source.skips().iter();
            let skips = skips.map(|skip| (source.path().to_owned(), skip.clone()));
            self.report.skips.extend(skips);
        }
        Ok(self.report)
    }

    fn drive(
        &mut self,
        feed: &mut Feed<files::Merged>,
        stop: &AtomicBool,
    ) -> Result<Ending, ReplayError> {
        for outgoing in feed {
            let outgoing = match outgoing {
                Ok(outgoing) => outgoing,
                Err(error) => {
                    self.report.unreadable(&error);
                    if self.is_strict {
                        return Ok(Ending::Strict);
                    }
                    continue;
                }
            };
            if let Some(lateness) = self.rouses.take() {
                let time = outgoing.time.min(self.now).saturating_sub(lateness);
                self.report.warnings.extend(self.sink.rouse(time, stop));
            }
            self.hold(&outgoing, stop)?;
            if stop.load(Ordering::Relaxed) {
                return Ok(Ending::Interrupted);
            }
            match self.sink.send(&outgoing, stop)? {
                Sent::Yes => self.count(&outgoing),
                Sent::Interrupted => return Ok(Ending::Interrupted),
                Sent::Failed => return Ok(Ending::Undelivered),
            }
        }
        Ok(Ending::Complete)
    }

    /// Waits until the record is due.
    fn hold(&mut self, outgoing: &Outgoing, stop: &AtomicBool) -> Result<(), ReplayError> {
        let due = self.pacer.due(outgoing.due);
        if due.is_zero() {
            return Ok(());
        }
        loop {
            let wait = due.saturating_sub(self.start.elapsed());
            if wait.is_zero() || stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.bar.draw(self.report.records, outgoing.due);
            self.sink.wait(wait)?;
        }
    }

    fn count(&mut self, outgoing: &Outgoing) {
        if outgoing.route == Route::Every {
            self.report.heartbeats += 1;
            return;
        }
        self.report.records += 1;
        self.report.ahead += u64::from(outgoing.time > self.now);
        self.report.note_time(outgoing.time);
        self.bar.tick(self.report.records, outgoing.due);
    }
}

fn wall_clock() -> EventTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    EventTime::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
