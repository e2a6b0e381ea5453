//! What a replay came to.

use crate::files::{FilesError, Skip};
use rotation_engine::time::EventTime;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What a replay came to. `Display` is the summary for people.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The topic or file that was written.
    pub output: String,
    /// Number of partitions; none of a file.
    pub partitions: Option<i32>,
    /// Records of the files that were sent.
    pub records: u64,
    /// Heartbeats that were sent, each to every partition.
    pub heartbeats: u64,
    /// Records later than the wall clock, which a service refuses.
    pub ahead: u64,
    /// Earliest and latest event time of the records.
    pub span: Option<(EventTime, EventTime)>,
    /// Rows that could not be read, by file and fault.
    pub unreadable: Vec<Unreadable>,
    /// Rows that rightly carry no tick, by file.
    pub skips: Vec<(PathBuf, Skip)>,
    /// Files of the directories that were not read, and why.
    pub passed_over: Vec<String>,
    /// What did not go well and ended nothing.
    pub warnings: Vec<String>,
    /// Messages that were not delivered.
    pub undelivered: u64,
    /// The first of them, and why.
    pub first_undelivered: Option<String>,
    /// How it ended.
    pub ending: Ending,
    /// Wall-clock time from the first record to the last acknowledgement.
    pub took: Duration,
}

/// How a replay ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ending {
    /// With the last record.
    #[default]
    Complete,
    /// At the first row that could not be read, as asked.
    Strict,
    /// Because it was interrupted.
    Interrupted,
    /// Because a record could not be delivered.
    Undelivered,
}

/// Rows of one file that could not be read for one kind of reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The file.
    pub path: PathBuf,
    /// What the kind is called here.
    kind: std::mem::Discriminant<crate::files::Fault>,
    /// How many.
    pub count: u64,
    /// The first, with its line.
    pub first: String,
}

impl Report {
    /// Takes note of a row that could not be read.
    pub(super) fn unreadable(&mut self, error: &FilesError) {
        let kind = std::mem::discriminant(&error.fault);
        let known = self
            .unreadable
            .iter_mut()
            .find(|known| known.kind == kind && known.path == error.path);
        match known {
            Some(known) => known.count += 1,
            None => self.unreadable.push(Unreadable {
                path: error.path.clone(),
                kind,
                count: 1,
                first: chain(error),
            }),
        }
    }

    pub(super) fn note_time(&mut self, time: EventTime) {
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((first.min(time), last.max(time)));
    }

    /// Records a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let records = self.records as f64;
        records / self.took.as_secs_f64().max(1e-9)
    }

    /// The exit code of the command.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.ending {
            _ if self.undelivered > 0 => 3,
            Ending::Undelivered => 3,
            Ending::Interrupted => 130,
            Ending::Strict => 1,
            Ending::Complete => u8::from(!self.unreadable.is_empty()),
        }
    }

    /// What must be said however quiet the command shall be, a line each.
    pub fn errors(&self) -> impl Iterator<Item = String> {
        let unreadable = self.unreadable.iter().map(|rows| match rows.count - 1 {
            0 => format!("unreadable: {}", rows.first),
            1 => format!("unreadable: {} (and 1 more of the kind)", rows.first),
            more => format!("unreadable: {} (and {more} more of the kind)", rows.first),
        });
        let undelivered = self.undelivered;
        let failed = self.first_undelivered.as_ref();
        let failed = failed
            .map(|first| format!("not delivered: {undelivered} messages; the first: {first}"));
        unreadable.chain(failed)
    }
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for reason in &self.passed_over {
            writeln!(f, "not read: {reason}")?;
        }
        for (path, skip) in &self.skips {
            writeln!(f, "skipped: {}: {skip}", path.display())?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        if self.records == 0 && self.ending == Ending::Complete && self.unreadable.is_empty() {
            writeln!(f, "note: no row of the files is between --from and --to")?;
        }
        if self.ahead > 0 {
            let ahead = self.ahead;
            writeln!(
                f,
                "note: {ahead} records are later than this machine's clock; a service refuses such"
            )?;
        }
        if let Some((first, last)) = self.span {
            writeln!(f, "event times: {first} to {last}")?;
        }
        let how = match self.ending {
            Ending::Complete => "sent",
            Ending::Strict => "stopped at an unreadable row after",
            Ending::Interrupted => "interrupted after",
            Ending::Undelivered => "failed after",
        };
        let Self {
            records,
            heartbeats,
            output,
            ..
        } = self;
        write!(
            f,
            "{how} {records} records and {heartbeats} heartbeats to {output}"
        )?;
        match self.partitions {
            Some(1) => write!(f, " (1 partition)")?,
            Some(partitions) => write!(f, " ({partitions} partitions, heartbeats to each)")?,
            None => {}
        }
        let seconds = self.took.as_secs_f64();
        writeln!(f, " in {seconds:.1} s, {:.0} records/s", self.rate())
    }
}
