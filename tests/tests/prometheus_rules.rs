//! The shipped Prometheus rules: valid, tested, and, as the Grafana dashboards, about metrics that exist.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use rotation_service::metrics::{MetricDoc, NAMES};
use rotation_service::notify;
use rotation_tests::prometheus::{self, Source, all_expressions};
use rotation_tests::workspace;

/// Metrics that are scraped as `_bucket`, `_sum` and `_count`.
const HISTOGRAMS: &[&str] = &["rotation_commit_duration_seconds"];

/// The metrics of the service and of the notifier.
fn all() -> impl Iterator<Item = &'static MetricDoc> {
    NAMES.iter().chain(notify::NAMES)
}

fn promtool(arguments: &[&str]) {
    let Some(binary) = prometheus::find("promtool") else {
        return;
    };
    let output = Command::new(binary)
        .args(arguments)
        .current_dir(workspace::root().join("deploy/prometheus"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "promtool {arguments:?}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn promtool_accepts_the_configuration_and_its_rules() {
    promtool(&["check", "config", "prometheus.yml"]);
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    promtool(&["test", "rules", "tests/alerts.yml", "tests/notify.yml"]);
}

#[test]
fn every_alert_has_a_test() {
    let read = |file: &str| {
        let folder = workspace::root().join("deploy/prometheus/tests");
        fs::read_to_string(folder.join(file)).unwrap()
    };
    let tests = read("alerts.yml") + &read("notify.yml");
    for rule in alert_names() {
        let fires = format!("alertname: {rule}\n        exp_alerts:");
        let quiet = format!("alertname: {rule} }}");
        assert!(tests.contains(&fires), "no test in which {rule} fires");
        assert!(tests.contains(&quiet), "no test of {rule} on a working day");
    }
}

fn alert_names() -> BTreeSet<String> {
    all_expressions()
        .unwrap()
        .into_iter()
        .filter(|found| found.source == Source::AlertOperand)
        .map(|found| found.place.split(": ").last().unwrap().to_owned())
        .collect()
}

/// Names of metrics and of recorded series in an expression; what stands in quotes is not looked at.
fn names(expression: &str) -> BTreeSet<String> {
    let unquoted: String = expression
        .split('"')
        .step_by(2)
        .collect::<Vec<_>>()
        .join(" ");
    unquoted
        .split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':')))
        .filter(|word| !word.starts_with(|c: char| c.is_ascii_digit()))
        .filter(|word| word.starts_with("rotation_") || word.contains(':'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_metric_asked_for_exists() {
    let mut known: BTreeSet<String> = all().map(|metric| metric.name.to_owned()).collect();
    for histogram in HISTOGRAMS {
        assert!(known.remove(*histogram));
        known.extend(["_bucket", "_sum", "_count"].map(|part| format!("{histogram}{part}")));
    }
    let expressions = all_expressions().unwrap();
    known.extend(
        expressions
            .iter()
            .filter(|found| found.source == Source::Recording)
            .map(|found| found.place.split(": ").last().unwrap().to_owned()),
    );
    for found in &expressions {
        for name in names(&found.expression) {
            assert!(
                known.contains(&name),
                "{} asks for {name}, which is not among the metrics",
                found.place
            );
        }
    }
}

#[test]
fn every_metric_is_on_a_dashboard_or_in_a_rule() {
    let asked: BTreeSet<String> = all_expressions()
        .unwrap()
        .iter()
        .flat_map(|found| names(&found.expression))
        .collect();
    for metric in all() {
        let shown = asked
            .iter()
            .any(|name| name.strip_suffix("_bucket").unwrap_or(name) == metric.name);
        assert!(shown, "{} is shown nowhere", metric.name);
    }
}

#[test]
fn every_label_named_exists() {
    let known: BTreeSet<&str> = all()
        .flat_map(|metric| metric.labels.iter().copied())
        .chain(["le", "instance", "alertname", "alertstate"])
        .collect();
    for found in all_expressions().unwrap() {
        for list in ["by (", "on (", "ignoring ("] {
            for (_, rest) in found
                .expression
                .match_indices(list)
                .map(|(at, _)| found.expression.split_at(at + list.len()))
            {
                let labels = rest.split(')').next().unwrap();
                for label in labels
                    .split(',')
                    .map(str::trim)
                    .filter(|label| !label.is_empty())
                {
                    assert!(
                        known.contains(label),
                        "{} names a label {label}",
                        found.place
                    );
                }
            }
        }
    }
}
