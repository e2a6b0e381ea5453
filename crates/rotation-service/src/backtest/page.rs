//! From the outcome of a backtest to the report page.

use super::Outcome;
use crate::config::Config;
use crate::report::{EpisodeRow, ReportInput, SeriesLine, Severity, TransitionRow};
use jiff::civil::Date;
use rotation_engine::alert::{self, Alert};
use rotation_engine::detector::Unit;
use std::collections::BTreeMap;

/// What the report tells of an outcome.
pub(super) fn input(config: &Config, outcome: &Outcome, title: String) -> ReportInput {
    let dates = || outcome.closes.values().flatten().map(|(date, _)| *date);
    let none = jiff::civil::date(1970, 1, 1);
    ReportInput {
        title,
        from: dates().min().unwrap_or(none),
        to: dates().max().unwrap_or(none),
        series: series(config, outcome),
        episodes: episodes(&outcome.alerts),
        summary: summary(outcome),
    }
}

fn series(config: &Config, outcome: &Outcome) -> Vec<SeriesLine> {
    let plans = config.universes.iter().flat_map(|plan| &plan.series);
    let lines = plans.filter_map(|plan| {
        let points = outcome.closes.get(&plan.symbol)?.clone();
        let unit = if plan.unit == Unit::Percent {
            "percent"
        } else {
            ""
        };
        Some(SeriesLine {
            name: plan.symbol.clone(),
            title: plan.name.clone(),
            unit: unit.to_owned(),
            points,
        })
    });
    lines.collect()
}

fn day(alert: &Alert) -> Date {
    alert.session.unwrap_or_else(|| alert.as_of.utc_date())
}

fn episodes(alerts: &[Alert]) -> Vec<EpisodeRow> {
    let mut rows: BTreeMap<&str, EpisodeRow> = BTreeMap::new();
    for alert in alerts {
        let row = rows.entry(&alert.episode).or_insert_with(|| EpisodeRow {
            id: alert.episode.clone(),
            rule: alert.rule.clone(),
            subject: alert.subject.clone(),
            opened: day(alert),
            closed: None,
            severity: Severity::Info,
            headline: String::new(),
            transitions: Vec::new(),
            evidence: serde_json::Value::Null,
        });
        row.closed = alert.state.is_final().then(|| day(alert));
        row.severity = row.severity.max(alert.severity);
        // The last event before the end says most.
        if !alert.state.is_final() || row.headline.is_empty() {
            row.headline.clone_from(&alert.headline);
        }
        row.evidence = serde_json::to_value(&alert.evidence).unwrap_or_default();
        let (state, headline) = (alert.state.name().to_owned(), alert.headline.clone());
        row.transitions.push(TransitionRow {
            date: day(alert),
            state,
            headline,
        });
    }
    rows.into_values().collect()
}

fn summary(outcome: &Outcome) -> Vec<(String, String)> {
    let mut by_rule: BTreeMap<&str, usize> = BTreeMap::new();
    for alert in outcome
        .alerts
        .iter()
        .filter(|alert| alert.state == alert::State::Opened)
    {
        *by_rule.entry(&alert.rule).or_default() += 1;
    }
    let mut rows = vec![("ticks".to_owned(), outcome.ticks.to_string())];
    rows.extend(
        by_rule
            .into_iter()
            .map(|(rule, count)| (format!("episodes of {rule}"), count.to_string())),
    );
    rows
}
