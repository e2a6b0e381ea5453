//! The progress bar.

use crate::files;
use indicatif::{ProgressBar, ProgressStyle};
use rotation_engine::time::EventTime;
use std::time::{Duration, Instant};

/// How often the bar is drawn.
const INTERVAL: Duration = Duration::from_millis(100);
/// Records between two looks at the clock.
const LOOK_EVERY: u64 = 1024;

/// A bar on standard error, by bytes read of all files; hidden where that is no terminal.
pub(super) struct Bar {
    bar: ProgressBar,
    files: Vec<files::Progress>,
    start: Instant,
    drawn: Instant,
}

impl Bar {
    pub(super) fn new(files: Vec<files::Progress>, is_quiet: bool) -> Self {
        let total = files.iter().map(files::Progress::total_bytes).sum();
        let bar = if is_quiet {
            ProgressBar::hidden()
        } else {
            ProgressBar::new(total)
        };
        let style = ProgressStyle::with_template("{percent:>3} % {bar:30} {msg}, {eta} left");
        bar.set_style(style.expect("the template names known keys"));
        let start = Instant::now();
        Self {
            bar,
            files,
            start,
            drawn: start,
        }
    }

    /// Draws now and then: `records` sent so far, `time` the event time reached.
    pub(super) fn tick(&mut self, records: u64, time: EventTime) {
        if records.is_multiple_of(LOOK_EVERY) {
            self.draw(records, time);
        }
    }

    /// Draws, unless it was drawn just before.
    pub(super) fn draw(&mut self, records: u64, time: EventTime) {
        if self.bar.is_hidden() || self.drawn.elapsed() < INTERVAL {
            return;
        }
        self.drawn = Instant::now();
        let read = self.files.iter().map(files::Progress::read_bytes).sum();
        self.bar.set_position(read);
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let rate = records as f64 / self.start.elapsed().as_secs_f64().max(1e-9);
        let reached = time.utc_date();
        self.bar
            .set_message(format!("{records} records, {rate:.0}/s, at {reached}"));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
