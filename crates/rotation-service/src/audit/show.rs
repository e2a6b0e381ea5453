//! How a person and a program read an audit.

use super::{Comparison, Finding, Report};
use crate::table::{self, Align, Row};
use rotation_wire::invariants::Violation;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What else is looked for than the invariants of the log itself.
const MORE_CODES: [&str; 4] = ["not_an_alert", "lost", "invented", "different"];

/// At most so many violations are told one by one to a person.
const SHOWN_MAX: usize = 100;

fn counts(findings: &[Finding]) -> BTreeMap<&'static str, usize> {
    let codes = Violation::CODES.iter().chain(&MORE_CODES);
    let mut counts: BTreeMap<&'static str, usize> = codes.map(|code| (*code, 0)).collect();
    for finding in findings {
        *counts.entry(finding.code).or_default() += 1;
    }
    counts
}

/// For a terminal.
pub(super) fn page(report: &Report) -> String {
    let mut lines = head(report);
    lines.push(String::new());
    lines.extend(invariants(report));
    if !report.positions.is_empty() {
        lines.push(String::new());
        lines.extend(positions(report));
    }
    if !report.open.is_empty() {
        lines.push(String::new());
        lines.extend(open(report));
    }
    lines.push(String::new());
    for finding in report.findings.iter().take(SHOWN_MAX) {
        let text = format!("{}: {}", finding.code, finding.message);
        lines.extend(table::wrapped(&text, ""));
    }
    if report.findings.len() > SHOWN_MAX {
        let more = report.findings.len() - SHOWN_MAX;
        lines.push(format!("and {more} more, all of them with --json"));
    }
    for (universe, reason) in &report.refused {
        let text = format!("universe {universe} cannot be computed anew: {reason}");
        lines.extend(table::wrapped(&text, ""));
    }
    lines.push(verdict(report));
    lines.push(String::new());
    lines.join("\n")
}

/// What came of it, in a line.
pub(super) fn verdict(report: &Report) -> String {
    match report.findings.len() {
        0 if report.is_clean() => "clean".to_owned(),
        0 => "nothing found, but not everything could be looked at".to_owned(),
        1 => "1 violation".to_owned(),
        count => format!("{count} violations"),
    }
}

fn head(report: &Report) -> Vec<String> {
    let summary = &report.summary;
    let mut text = format!(
        "{}: {} events of {} episodes",
        report.alerts, summary.events, summary.episodes
    );
    if let Some((first, last)) = report.times {
        text.push_str(&format!(", {first} to {last}"));
    }
    let mut lines = vec![text];
    if let Some(from) = report.range.from {
        lines.push(format!("reported from {from}"));
    }
    if let Some(to) = report.range.to {
        lines.push(format!("reported up to {to}"));
    }
    for (partition, low, first) in &report.holes {
        let since = first.map_or_else(
            || "it holds nothing".to_owned(),
            |first| format!("speaks from {first} on"),
        );
        lines.push(format!(
            "partition {partition} begins at offset {low}, what was before is gone: {since}"
        ));
    }
    if summary.announced_again > 0 {
        lines.push(format!(
            "{} episodes announced again after topics were made anew, as documented",
            summary.announced_again
        ));
    }
    for (partition, low) in &report.bars_holes {
        lines.push(format!(
            "{} partition {partition} begins at offset {low}: what it no longer holds cannot be computed anew",
            report.bars
        ));
    }
    lines.extend(report.comparison.iter().flat_map(|it| compared(report, it)));
    if report.comparison.is_none() {
        lines.push("nothing computed anew: no rules were given (--config)".to_owned());
    }
    lines
        .iter()
        .flat_map(|line| table::wrapped(line, ""))
        .collect()
}

fn compared(report: &Report, comparison: &Comparison) -> Vec<String> {
    let mut lines = vec![format!(
        "computed anew from {}: {} events, {} identical",
        report.bars, comparison.compared, comparison.identical
    )];
    for (reason, count) in &comparison.left_out {
        lines.push(format!("not computed anew: {count} ({reason})"));
    }
    lines
}

fn invariants(report: &Report) -> Vec<String> {
    let columns = [("invariant", Align::Left), ("violations", Align::Right)];
    let rows: Vec<Row> = counts(&report.findings)
        .into_iter()
        .map(|(code, count)| vec![code.to_owned(), count.to_string()].into())
        .collect();
    table::lines(&columns, &rows)
}

fn positions(report: &Report) -> Vec<String> {
    let columns = [
        ("task", Align::Left),
        ("committed", Align::Right),
        ("state", Align::Right),
        ("snapshot", Align::Right),
    ];
    let cell = |offset: Option<i64>| offset.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let rows: Vec<Row> = report
        .positions
        .iter()
        .map(|task| {
            let mut cells = vec![format!("{} {}", task.stage, task.partition)];
            cells.extend([task.committed, task.head, task.snapshot].map(cell));
            cells.into()
        })
        .collect();
    table::lines(&columns, &rows)
}

fn open(report: &Report) -> Vec<String> {
    let columns = [
        ("episode that stands", Align::Left),
        ("transition", Align::Right),
        ("newest", Align::Left),
        ("for", Align::Right),
    ];
    let rows: Vec<Row> = report
        .open
        .iter()
        .map(|(episode, age)| {
            let age = age.map_or_else(|| "-".to_owned(), lasted);
            let newest = episode.as_of.to_string();
            let transition = episode.transition.to_string();
            vec![episode.episode.clone(), transition, newest, age].into()
        })
        .collect();
    table::lines(&columns, &rows)
}

fn lasted(seconds: i64) -> String {
    match seconds {
        86_400.. => format!("{} d", seconds / 86_400),
        3_600.. => format!("{} h", seconds / 3_600),
        _ => format!("{seconds} s"),
    }
}

/// The same as JSON.
pub(super) fn document(report: &Report) -> Value {
    let violations: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            let place = finding.place.map(|place| {
                json!({ "topic": report.alerts, "partition": place.partition, "offset": place.offset })
            });
            json!({ "invariant": finding.code, "id": finding.id, "position": place, "message": finding.message })
        })
        .collect();
    let open: Vec<Value> = report
        .open
        .iter()
        .map(|(episode, age)| {
            json!({
                "episode": episode.episode,
                "rule_version": episode.rule_version,
                "transition": episode.transition,
                "as_of": episode.as_of.to_string(),
                "open_seconds": age,
            })
        })
        .collect();
    let tasks: Vec<Value> = report
        .positions
        .iter()
        .map(|task| {
            json!({
                "stage": task.stage, "partition": task.partition, "committed": task.committed,
                "state": task.head, "snapshot": task.snapshot,
            })
        })
        .collect();
    let holes = report.holes.iter().map(|(partition, low, first)| {
        let first = first.map(|first| first.to_string());
        json!({ "partition": partition, "first_offset": low, "first_as_of": first })
    });
    let recomputed = report.comparison.as_ref().map(|comparison| {
        json!({
            "compared": comparison.compared,
            "identical": comparison.identical,
            "left_out": comparison.left_out,
        })
    });
    json!({
        "clean": report.is_clean(),
        "events": report.summary.events,
        "episodes": report.summary.episodes,
        "announced_again": report.summary.announced_again,
        "holes": holes.collect::<Vec<Value>>(),
        "bars_begin": report.bars_holes.iter().map(|(partition, low)| {
            json!({ "partition": partition, "first_offset": low })
        }).collect::<Vec<Value>>(),
        "counts": counts(&report.findings),
        "violations": violations,
        "recomputed": recomputed,
        "refused": report.refused,
        "open": open,
        "tasks": tasks,
    })
}
