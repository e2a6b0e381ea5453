#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use crate::config::Config;
use crate::metrics::{Metrics, UniverseMetrics};
use jiff::civil::date;
use rotation_engine::calendar::{Calendar, Session};
use rotation_engine::output::Output;
use rotation_engine::plan::UniversePlan;
use rotation_engine::record::Tick;
use rotation_engine::sampler::Sampler;
use rotation_engine::universe::Universe;
use std::sync::Arc;

const RULES: &str = r#"
[kafka]
brokers = ["localhost:9092"]
group = "rotation"

[universe.us.series]
A = {}
B = {}
C = {}
Z = {}
Y = { unit = "percent" }

[universe.us.rules.streak]
kind = "relative_streak"
leader = "A"
laggard = "Z"
open_at = 3

[universe.us.rules.quadrants]
kind = "leadership"
members = ["A", "B", "C"]
benchmark = "Z"
weeks = 4

[universe.us.rules.state]
kind = "regime"
inputs = [{ rule = "streak", full = 4.0 }]

[universe.us.rules.toward]
kind = "level_approach"
series = "Y"
level = 5.0
near = "10bp"
rearm = "30bp"

[universe.us.rules.back]
kind = "level_approach"
series = "Y"
level = 2.0
from = "above"
near = 0.25
rearm = 0.5
"#;

fn plan(text: &str) -> Arc<UniversePlan> {
    let config = Config::parse(text, "test.toml").unwrap();
    config.universes[0].clone()
}

/// Samples whose name and labels hold all of these.
fn samples(metrics: &Metrics, parts: &[&str]) -> Vec<f64> {
    let page = metrics.scrape(0.0);
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let found = lines.filter(|line| parts.iter().all(|part| line.contains(part)));
    found
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect()
}

/// A leads Z for some sessions, then loses one, with runs that grow; others go their ways.
fn closes(session: usize) -> [(&'static str, f64); 4] {
    let wave = |period: f64, height: f64| 100.0 + height * (session as f64 / period).sin();
    let run = session % 12;
    let lead = if run == 4 {
        0.99
    } else {
        1.001_f64.powi(run as i32)
    };
    [
        ("A", 100.0 * lead),
        ("B", wave(17.0, 4.0)),
        ("C", wave(29.0, 6.0)),
        ("Z", 100.0),
    ]
}

fn run(plan: &Arc<UniversePlan>, shown: &UniverseMetrics, sessions: usize) -> Universe {
    let mut sampler = Sampler::new(plan.clone(), 0, 1);
    let mut universe = Universe::new(plan.clone());
    let days = Calendar::Xnys.sessions(date(2020, 1, 2), date(2024, 1, 1));
    let (mut sampled, mut said) = (Vec::new(), Vec::new());
    for (at, Session { close, .. }) in days.take(sessions).enumerate() {
        for (symbol, price) in closes(at) {
            let tick = Tick {
                time: close,
                price,
                size: 0.0,
                seq: None,
                official: true,
            };
            let series = sampler.slot(symbol).unwrap();
            sampler.tick(series, &tick, None, 0, &mut sampled);
        }
        sampler.heartbeat(close, None, 0, &mut sampled);
        for output in sampled.drain(..) {
            if let Output::Log(record) = output {
                universe.step(&record, None, &mut said);
            }
        }
        for output in said.drain(..) {
            shown.record(&output);
            shown.account(&output, &universe);
        }
    }
    universe
}

#[test]
fn what_readings_stand_on_is_shown_until_the_universe_leaves() {
    let (metrics, plan) = (Metrics::new(), plan(RULES));
    metrics.begin(&plan);
    let shown = metrics.universe(&plan);
    for name in [
        "rotation_rule_reading",
        "rotation_regime_",
        "rotation_quadrant_",
        "rotation_streak_",
    ] {
        assert_eq!(
            samples(&metrics, &[name]),
            [0.0; 0],
            "{name} before the first reading"
        );
    }
    let universe = run(&plan, &shown, 120);

    let state = samples(&metrics, &["rotation_regime_state{", "rule=\"state\""]);
    assert_eq!(state.len(), 5);
    assert_eq!(state.iter().sum::<f64>(), 1.0);
    assert_eq!(samples(&metrics, &["rotation_regime_score{"]).len(), 1);
    assert_eq!(
        samples(&metrics, &["rotation_regime_contribution{input=\"streak\""]).len(),
        1
    );
    let members = samples(&metrics, &["rotation_quadrant_members{"]);
    assert_eq!(members.len(), 4);
    assert!(members.iter().sum::<f64>() <= 3.0);
    for name in ["rotation_quadrant_ratio{", "rotation_quadrant_momentum{"] {
        assert_eq!(samples(&metrics, &[name]).len(), 3, "{name}");
    }
    assert_eq!(
        samples(&metrics, &["rotation_streak_record_sessions{"]).len(),
        1
    );

    // A restart: another process shows the same, without a reading.
    let before = standing(&metrics);
    shown.leave();
    assert_eq!(standing(&metrics), "");
    assert_eq!(samples(&metrics, &["rotation_rule_reading{"]), [0.0; 0]);
    let mut restored = Universe::new(plan.clone());
    restored.restore(universe.state());
    let again = metrics.universe(&plan);
    again.stand(&restored);
    again.account_all(&restored);
    assert_eq!(standing(&metrics), before);

    // One that has seen nothing has nothing to show of what needs a reading.
    again.leave();
    metrics
        .universe(&plan)
        .account_all(&Universe::new(plan.clone()));
    for name in ["rotation_regime_", "rotation_quadrant_"] {
        assert_eq!(samples(&metrics, &[name]), [0.0; 0], "{name}");
    }
}

/// The page's lines about what readings stand on.
fn standing(metrics: &Metrics) -> String {
    let kinds = ["rotation_regime_", "rotation_quadrant_", "rotation_streak_"];
    let page = metrics.scrape(0.0);
    let lines = page
        .lines()
        .filter(|line| kinds.iter().any(|kind| line.starts_with(kind)));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn rules_are_described_until_they_are_gone() {
    let (metrics, before) = (Metrics::new(), plan(RULES));
    metrics.begin(&before);
    assert_eq!(samples(&metrics, &["rotation_rule_info{"]).len(), 5);
    let streak = [
        "rotation_rule_info{",
        "kind=\"relative_streak\"",
        "subject=\"A/Z\"",
        "unit=\"sessions\"",
    ];
    assert_eq!(samples(&metrics, &streak), [1.0]);
    let level = |rule: &str, line: &str| {
        samples(
            &metrics,
            &[
                "rotation_rule_level{",
                &format!("line=\"{line}\""),
                &format!("rule=\"{rule}\""),
            ],
        )
    };
    for (line, toward, back) in [
        ("level", 5.0, 2.0),
        ("opens", 4.9, 2.25),
        ("ends", 4.7, 2.5),
        ("through", 5.3, 1.5),
    ] {
        assert_eq!(level("toward", line), [toward]);
        assert_eq!(level("back", line), [back]);
    }
    for severity in ["info", "warning"] {
        let opened = [
            "rotation_alerts_total{",
            "rule=\"toward\"",
            "state=\"opened\"",
            severity,
        ];
        let expected = if severity == "info" {
            vec![0.0]
        } else {
            vec![]
        };
        assert_eq!(samples(&metrics, &opened), expected);
    }

    let (kept, _) = RULES.split_once("[universe.us.rules.toward]").unwrap();
    metrics.begin(&plan(
        &kept
            .replace("open_at = 3", "open_at = 4")
            .replace("leader = \"A\"", "leader = \"B\""),
    ));
    assert_eq!(samples(&metrics, &["rotation_rule_info{"]).len(), 3);
    assert_eq!(
        samples(&metrics, &["rotation_rule_info{", "subject=\"B/Z\""]),
        [1.0]
    );
    assert_eq!(samples(&metrics, &["rotation_rule_level{"]), [0.0; 0]);
    for name in [
        "rotation_open_episodes{",
        "rotation_episode_opened_seconds{",
    ] {
        assert_eq!(samples(&metrics, &[name]).len(), 3, "{name}");
    }
}
