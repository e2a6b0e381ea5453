//! The report of a backtest: one HTML page that needs nothing beside itself.
//!
//! The page asks for nothing outside (its policy forbids it), follows the reader's light or dark setting, and is
//! complete without scripts; a small script adds a readout under the pointer and a filter. Charts are drawn by
//! `plotters` as SVG in the colours of the light theme, which the style sheet replaces in the dark one. Severity is
//! told by shape and word as well as by colour.

use jiff::civil::Date;
use plotters::drawing::DrawingAreaErrorKind;
use serde_json::Value;

pub use rotation_engine::alert::Severity;

mod axis;
mod chart;
mod episode;
mod page;
mod scale;
#[cfg(test)]
mod tests;
mod text;
mod timeline;

pub(crate) use text::short;

/// What a report tells.
#[derive(Debug, Clone)]
pub struct ReportInput {
    /// Heading of the page.
    pub title: String,
    /// First date of the backtest.
    pub from: Date,
    /// Last date of the backtest.
    pub to: Date,
    /// Series to chart, in this order.
    pub series: Vec<SeriesLine>,
    /// Episodes, in any order.
    pub episodes: Vec<EpisodeRow>,
    /// What is said at the head of the page: name and figure.
    pub summary: Vec<(String, String)>,
}

/// A series as its closes.
#[derive(Debug, Clone)]
pub struct SeriesLine {
    /// Symbol, as the subjects of episodes name it.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Unit of its values, such as "percent"; empty for an index level or a price.
    pub unit: String,
    /// Closes by date, ascending.
    pub points: Vec<(Date, f64)>,
}

/// An episode of alerts.
#[derive(Debug, Clone)]
pub struct EpisodeRow {
    /// Name to link to it by, unique among the episodes.
    pub id: String,
    /// The rule that opened it.
    pub rule: String,
    /// What it is about: a series, or several with `/` between them.
    pub subject: String,
    /// Date of the first event.
    pub opened: Date,
    /// Date of the last event; none while it is open.
    pub closed: Option<Date>,
    /// The highest severity it reached.
    pub severity: Severity,
    /// One line that says what happened.
    pub headline: String,
    /// Its events in order.
    pub transitions: Vec<TransitionRow>,
    /// Evidence of the last event, or of the one that says most.
    pub evidence: Value,
}

/// One event of an episode.
#[derive(Debug, Clone)]
pub struct TransitionRow {
    /// Session or date of the event.
    pub date: Date,
    /// `opened`, `escalated`, `resolved`, …
    pub state: String,
    /// Its own headline.
    pub headline: String,
}

/// Why a report could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The last date lies before the first.
    #[error("a report must end no earlier than it begins, given {from} to {to}")]
    Dates {
        /// First date.
        from: Date,
        /// Last date.
        to: Date,
    },
    /// The charting library refused.
    #[error("cannot draw a chart: {0}")]
    Chart(Box<str>),
}

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for ReportError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self::Chart(error.to_string().into())
    }
}

/// Renders the page.
///
/// # Errors
///
/// When the dates are out of order, or a chart cannot be drawn.
pub fn render(input: &ReportInput) -> Result<String, ReportError> {
    let ReportInput { from, to, .. } = *input;
    if to < from {
        return Err(ReportError::Dates { from, to });
    }
    page::render(input)
}
