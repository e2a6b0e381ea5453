//! From the outcome of a backtest to the report page.

use super::gather::Gather;
use super::{Outcome, own_legs};
use crate::config::Config;
use crate::report::{self, Band, EpisodeRow, ReportInput, SeriesLine, Severity, TransitionRow};
use jiff::civil::Date;
use rotation_engine::alert::{self, Alert, Fact};
use rotation_engine::detector::Unit;
use rotation_engine::record::SeriesIx;
use std::collections::{BTreeMap, BTreeSet};

/// What the report tells of an outcome.
pub(super) fn input(config: &Config, gather: &Gather, title: String) -> ReportInput {
    let outcome = &gather.outcome;
    let dates = || outcome.closes.values().flatten().map(|(date, _)| *date);
    let none = jiff::civil::date(1970, 1, 1);
    let to = dates().max().unwrap_or(none);
    ReportInput {
        title,
        from: dates().min().unwrap_or(none),
        to,
        series: series(config, outcome),
        bands: bands(&outcome.alerts, to),
        quadrants: gather.quadrants(config),
        panels: gather.panels(config),
        episodes: episodes(&outcome.alerts),
        summary: summary(outcome),
    }
}

/// A rule that is fed by more series than this speaks of the whole, not of each of them.
const LEGS_MAX: usize = 16;

/// The series to chart: all but those that only wide rules read; first those that most rules speak of.
fn series(config: &Config, outcome: &Outcome) -> Vec<SeriesLine> {
    let mut lines: Vec<(usize, SeriesLine)> = Vec::new();
    for plan in &config.universes {
        let mut narrow: BTreeMap<SeriesIx, usize> = BTreeMap::new();
        let mut wide = BTreeSet::new();
        for rule in &plan.rules {
            let legs = own_legs(plan, rule);
            if legs.len() > LEGS_MAX {
                wide.extend(legs);
            } else {
                legs.iter()
                    .for_each(|leg| *narrow.entry(*leg).or_default() += 1);
            }
        }
        for (ix, series) in (0..).map(SeriesIx).zip(&plan.series) {
            let readers = narrow.get(&ix).copied().unwrap_or(0);
            let Some(points) = outcome.closes.get(&series.symbol) else {
                continue;
            };
            if readers == 0 && wide.contains(&ix) {
                continue;
            }
            let line = SeriesLine {
                name: series.symbol.clone(),
                title: series.name.clone(),
                unit: unit(series.unit).to_owned(),
                points: points.clone(),
            };
            lines.push((readers, line));
        }
    }
    lines.sort_by(|(many, a), (few, b)| few.cmp(many).then_with(|| a.name.cmp(&b.name)));
    lines.into_iter().map(|(_, line)| line).collect()
}

/// A unit as a chart names it; prices and levels of an index need none.
fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Price => "",
        Unit::Percent => "percent",
        Unit::Ratio => "ratio",
        Unit::Number => "number",
    }
}

/// The kind whose episodes are states of the market.
const REGIME: &str = "regime";

/// The states that the first rule of kind `regime` was in: each event enters one, and the end of an episode none.
fn bands(alerts: &[Alert], last: Date) -> Vec<Band> {
    let regimes = || alerts.iter().filter(|alert| alert.kind == REGIME);
    let Some(first) = regimes().map(Alert::key).min() else {
        return Vec::new();
    };
    let mut bands: Vec<Band> = Vec::new();
    let mut state: Option<(Date, String)> = None;
    for alert in regimes().filter(|alert| alert.key() == first) {
        let next = match alert.state {
            alert::State::Opened | alert::State::Escalated | alert::State::Eased => entered(alert),
            alert::State::Resolved | alert::State::Retracted => None,
            alert::State::Confirmed | alert::State::Corrected => continue,
        };
        if let Some((from, label)) = state.take() {
            let to = day(alert);
            bands.push(Band { from, to, label });
        }
        state = next.map(|label| (day(alert), label));
    }
    if let Some((from, label)) = state {
        let to = last;
        bands.push(Band { from, to, label });
    }
    bands
}

/// The state that an event takes its episode into; one that is told late has it in its evidence alone.
fn entered(alert: &Alert) -> Option<String> {
    match (&alert.rung, alert.evidence.get("state")) {
        (Some(rung), _) => Some(rung.clone()),
        (None, Some(Fact::Text(state))) => Some(state.clone()),
        _ => None,
    }
}

fn day(alert: &Alert) -> Date {
    alert.session.unwrap_or_else(|| alert.as_of.utc_date())
}

fn episodes(alerts: &[Alert]) -> Vec<EpisodeRow> {
    let mut rows: BTreeMap<&str, EpisodeRow> = BTreeMap::new();
    let mut opened_at: BTreeMap<&str, f64> = BTreeMap::new();
    for alert in alerts {
        let row = rows.entry(&alert.episode).or_insert_with(|| EpisodeRow {
            id: alert.episode.clone(),
            rule: alert.rule.clone(),
            subject: alert.subject.clone(),
            opened: day(alert),
            closed: None,
            severity: Severity::Info,
            headline: String::new(),
            measured: String::new(),
            ended: None,
            reverses: String::new(),
            parent: None,
            transitions: Vec::new(),
            evidence: serde_json::Value::Null,
        });
        row.closed = alert.state.is_final().then(|| day(alert));
        row.severity = row.severity.max(alert.severity);
        // The last event before the end says most.
        if !alert.state.is_final() || row.headline.is_empty() {
            row.headline.clone_from(&alert.headline);
        }
        let threshold = *opened_at.entry(&alert.episode).or_insert(alert.threshold);
        let [peak, threshold] = [alert.peak, threshold].map(report::short);
        row.measured = format!("peak {peak}, opened against {threshold} {}", alert.unit);
        row.ended.clone_from(&alert.resolve_reason);
        row.reverses.clone_from(&alert.reverses);
        row.parent = row.parent.take().or_else(|| alert.parent_episode.clone());
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
    if by_rule.len() > RULES_MAX {
        let episodes: usize = by_rule.values().sum();
        rows.push(("rules with episodes".to_owned(), by_rule.len().to_string()));
        rows.push(("episodes".to_owned(), episodes.to_string()));
        for severity in [Severity::Warning, Severity::Critical] {
            let rows_of = rows_of(&outcome.alerts, severity);
            rows.push((
                format!("episodes with a {} event", severity.name()),
                rows_of.to_string(),
            ));
        }
        return rows;
    }
    rows.extend(
        by_rule
            .into_iter()
            .map(|(rule, count)| (format!("episodes of {rule}"), count.to_string())),
    );
    rows
}

/// More rules than this are summed up at the head of the page; the table of rules has each.
const RULES_MAX: usize = 6;

/// Episodes with an event of this severity.
fn rows_of(alerts: &[Alert], severity: Severity) -> usize {
    let of = alerts.iter().filter(|alert| alert.severity == severity);
    let episodes: BTreeSet<&str> = of.map(|alert| alert.episode.as_str()).collect();
    episodes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rotation_engine::alert::{CloseStatus, Direction, Notify, Quality, State};

    fn alert(rule: &str, day: &str, state: State, rung: Option<&str>) -> Alert {
        let date: Date = day.parse().unwrap();
        Alert {
            id: String::new(),
            universe: "us".to_owned(),
            rule: rule.to_owned(),
            rule_version: String::new(),
            kind: REGIME.to_owned(),
            subject: "us".to_owned(),
            direction: Some(Direction::Up),
            severity: Severity::Info,
            notify: Notify::Digest,
            state,
            rung: rung.map(str::to_owned),
            episode: format!("us/{rule}/us/1"),
            parent_episode: None,
            transition: 1,
            as_of: format!("{date}T21:00:00Z").parse().unwrap(),
            session: Some(date),
            value: 0.5,
            peak: 0.7,
            duration_seconds: 0,
            threshold: 0.4,
            unit: "score".to_owned(),
            close_status: Some(CloseStatus::Official),
            evidence: alert::Evidence::new(),
            reverses: "a score below 0.2".to_owned(),
            base_rate: None,
            resolve_reason: (state == State::Resolved).then(|| "neutral".to_owned()),
            quality: Quality::default(),
            replay: false,
            headline: String::new(),
            runbook: None,
        }
    }

    fn told(bands: &[Band]) -> Vec<String> {
        let band = |band: &Band| format!("{} {} {}", band.label, band.from, band.to);
        bands.iter().map(band).collect()
    }

    #[test]
    fn bands_are_the_states_of_the_first_regime() {
        let mut late = alert("a", "2026-03-02", State::Opened, None);
        late.evidence
            .insert("state".to_owned(), "large_cap_led".into());
        let alerts = [
            alert("a", "2026-01-05", State::Opened, Some("broadening")),
            alert("b", "2026-01-06", State::Opened, Some("large_cap_led")),
            alert("a", "2026-01-08", State::Escalated, Some("small_cap_led")),
            alert("a", "2026-01-08", State::Confirmed, None),
            alert("a", "2026-02-02", State::Eased, Some("broadening")),
            alert("a", "2026-02-09", State::Resolved, None),
            late,
        ];
        assert_eq!(
            told(&bands(&alerts, "2026-03-31".parse().unwrap())),
            [
                "broadening 2026-01-05 2026-01-08",
                "small_cap_led 2026-01-08 2026-02-02",
                "broadening 2026-02-02 2026-02-09",
                "large_cap_led 2026-03-02 2026-03-31",
            ]
        );
        let mut other = alerts[0].clone();
        other.kind = "relative_streak".to_owned();
        assert!(bands(&[other], "2026-03-31".parse().unwrap()).is_empty());
    }

    #[test]
    fn an_episode_tells_its_peak_why_it_ended_and_what_it_is_part_of() {
        let mut end = alert("a", "2026-02-09", State::Resolved, None);
        end.threshold = 0.2;
        let mut open = alert("a", "2026-01-05", State::Opened, Some("broadening"));
        open.parent_episode = Some("us/rotation/us/0".to_owned());
        let rows = episodes(&[open, end]);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].measured, "peak 0.7, opened against 0.4 score");
        assert_eq!(rows[0].ended.as_deref(), Some("neutral"));
        assert_eq!(rows[0].parent.as_deref(), Some("us/rotation/us/0"));
        assert_eq!(rows[0].reverses, "a score below 0.2");
    }
}
