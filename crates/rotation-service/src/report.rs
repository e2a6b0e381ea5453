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
mod bands;
mod chart;
mod episode;
mod page;
mod panels;
mod quadrants;
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
    /// States of the market, told over the charts of prices; in order, without overlap.
    pub bands: Vec<Band>,
    /// The rotation picture, where some rule draws one.
    pub quadrants: Option<Quadrants>,
    /// Readings over time, each against its threshold.
    pub panels: Vec<Panel>,
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

/// A state of the market over some days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Band {
    /// The day on which it was entered.
    pub from: Date,
    /// The day on which it was left, or the last shown.
    pub to: Date,
    /// Its name, such as `small_cap_led`.
    pub label: String,
}

/// Relative strength against momentum: who leads, weakens, lags, improves.
#[derive(Debug, Clone)]
pub struct Quadrants {
    /// The rule that draws it.
    pub rule: String,
    /// Those whose strength is compared.
    pub members: Vec<Member>,
}

/// A member of the rotation picture.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its symbol.
    pub name: String,
    /// Its last places, the newest last: date, ratio, momentum; 100 is the middle of both.
    pub tail: Vec<(Date, f64, f64)>,
}

/// A rule's readings over time.
#[derive(Debug, Clone)]
pub struct Panel {
    /// The rule.
    pub rule: String,
    /// What it is about.
    pub subject: String,
    /// Unit of the readings.
    pub unit: String,
    /// Readings by date, ascending.
    pub points: Vec<(Date, f64)>,
    /// What they were held against, likewise.
    pub threshold: Vec<(Date, f64)>,
    /// The same on the days on which no episode was open: what would have opened one.
    pub opening: Vec<(Date, f64)>,
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
    /// Its most extreme reading, and what it was held against.
    pub measured: String,
    /// Why it ended; none while it is open.
    pub ended: Option<String>,
    /// What would have ended it, as its last event has it.
    pub reverses: String,
    /// The id of the episode that it is a part of.
    pub parent: Option<String>,
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
