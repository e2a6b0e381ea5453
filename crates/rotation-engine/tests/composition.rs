//! Rules over rules: who hears what, and when; parts of an episode; guards.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use jiff::civil::Date;
use rotation_engine::alert::{Alert, Notify, Severity, State};
use rotation_engine::calendar::Calendar;
use rotation_engine::detector::Kind;
use rotation_engine::output::Output;
use rotation_engine::pipeline::Pipeline;
use rotation_engine::plan::{
    PlanError, RuleCommon, RuleSpec, SeriesSpec, UniversePlan, UniverseSpec,
};
use rotation_engine::record::{SourceEvent, Tick};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn rule(kind: &str, mut written: Value) -> RuleSpec {
    let own = written.as_object_mut().unwrap();
    let mut take = |key: &str| own.remove(key);
    let severity = take("severity").map(|value| serde_json::from_value(value).unwrap());
    let guards = take("guards").map(|value| serde_json::from_value(value).unwrap());
    let common = RuleCommon {
        severity: severity.unwrap_or_default(),
        guards: guards.unwrap_or_default(),
        clock: take("clock").map(|value| value.as_str().unwrap().to_owned()),
        ..RuleCommon::default()
    };
    RuleSpec {
        common,
        kind: Kind::deserialize(kind, written).unwrap().unwrap(),
        version: "v1".to_owned(),
    }
}

fn plan(rules: Vec<(&str, RuleSpec)>) -> Result<Arc<UniversePlan>, PlanError> {
    let series = ["A", "B", "C", "D"].map(|symbol| (symbol.to_owned(), SeriesSpec::default()));
    let spec = UniverseSpec {
        calendar: None,
        lateness: None,
        skew: None,
        stall_after: None,
        closing_window: None,
        correction_window: None,
        live_from: None,
        publish_history: None,
        late_ticks: None,
        void_prints: None,
        series: BTreeMap::from(series),
        rules: rules
            .into_iter()
            .map(|(name, rule)| (name.to_owned(), rule))
            .collect(),
    };
    UniversePlan::build("test", &spec).map(Arc::new)
}

fn streak(leader: &str, laggard: &str) -> Value {
    json!({"leader": leader, "laggard": laggard, "open_at": 2, "escalate_at": [4],
        "escalate_since_years": [], "severity": {"opened": "warning", "escalated": "critical"}})
}

/// Official closes, a row a session from 2026-01-05; none where a series has no print.
fn run(plan: &Arc<UniversePlan>, rows: &[[Option<f64>; 4]]) -> Vec<Alert> {
    let mut pipeline = Pipeline::new(plan, 1);
    let mut out = Vec::new();
    let first: Date = "2026-01-05".parse().unwrap();
    let last: Date = "2026-03-31".parse().unwrap();
    let mut end = None;
    for (session, row) in Calendar::Xnys.sessions(first, last).zip(rows) {
        for (symbol, price) in ["A", "B", "C", "D"].into_iter().zip(row) {
            let Some(price) = *price else { continue };
            let tick = Tick {
                time: session.close,
                price,
                size: 0.0,
                seq: None,
                official: true,
            };
            pipeline.push(0, &SourceEvent::Tick { symbol, tick }, &mut out);
        }
        end = Some(session.close.saturating_add(86_400_000_000_000));
    }
    pipeline.close(end.unwrap(), &mut out);
    let alerts = out.into_iter().filter_map(|output| match output {
        Output::Alert(alert) => Some(*alert),
        _ => None,
    });
    alerts.collect()
}

/// A and C rise by a percent a session, B and D stand still; from the sixth session on it is the other way round.
fn rows(sessions: usize) -> Vec<[Option<f64>; 4]> {
    let mut prices = [100.0; 4];
    let rows = (0..sessions).map(|session| {
        let rising: [usize; 2] = if session < 6 { [0, 2] } else { [1, 3] };
        for at in rising {
            prices[at] *= 1.01;
        }
        prices.map(Some)
    });
    rows.collect()
}

fn of<'a>(alerts: &'a [Alert], rule: &str) -> Vec<&'a Alert> {
    alerts.iter().filter(|alert| alert.rule == rule).collect()
}

#[test]
fn parts_are_told_once_with_their_episode() {
    let cluster = json!({"rules": ["ab", "cd"], "open_at": 2, "window": 3, "subject": "pair"});
    let plan = plan(vec![
        ("ab", rule("relative_streak", streak("A", "B"))),
        ("cd", rule("relative_streak", streak("C", "D"))),
        ("cluster", rule("confluence", cluster)),
    ]);
    let alerts = run(&plan.unwrap(), &rows(20));
    let clusters = of(&alerts, "cluster");
    assert_eq!(clusters[0].state, State::Opened);
    let parts = serde_json::to_value(&clusters[0].evidence["parts"]).unwrap();
    assert_eq!(parts[0]["rule"], "ab");
    assert_eq!(parts[1]["opened"], "2026-01-07");
    let episode = clusters[0].episode.as_str();
    for part in ["ab", "cd"] {
        let told = of(&alerts, part);
        assert_eq!(told[0].state, State::Opened);
        assert_eq!(
            told[0].parent_episode.as_deref(),
            Some(episode),
            "of the same session"
        );
        assert_eq!(told[0].severity, Severity::Warning);
        assert_eq!(
            told[0].notify,
            Notify::Digest,
            "the episode is told, not its parts"
        );
        assert_eq!(told[1].state, State::Escalated);
        assert_eq!(told[1].notify, Notify::Page, "what pages still pages");
        let resolved = told
            .iter()
            .find(|alert| alert.state == State::Resolved)
            .unwrap();
        assert_eq!(resolved.as_of, told[2].as_of);
    }
    let ended = clusters
        .iter()
        .find(|alert| alert.state == State::Resolved)
        .unwrap();
    assert_eq!(ended.resolve_reason.as_deref(), Some("quiet"));
    let mut ids: Vec<&str> = alerts.iter().map(|alert| alert.id.as_str()).collect();
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "no event is told twice");
}

#[test]
fn a_standing_guard_caps_what_its_rules_say() {
    let guarded = |guards: &[&str]| {
        let mut written = streak("A", "B");
        written["guards"] = json!(guards);
        let feeds = json!({"series": ["D"], "reference": ["A"], "max_silence": 1});
        let plan = plan(vec![
            ("ab", rule("relative_streak", written)),
            ("feeds", rule("stale_feed", feeds)),
        ]);
        let mut rows = rows(6);
        for row in &mut rows[1..] {
            row[3] = None;
        }
        run(&plan.unwrap(), &rows)
    };
    let free = guarded(&[]);
    let opened = of(&free, "ab")[1];
    assert_eq!(
        (opened.severity, opened.quality.capped_from),
        (Severity::Critical, None)
    );
    let capped = guarded(&["feeds"]);
    assert!(
        !of(&capped, "feeds").is_empty(),
        "the feed of D has to be stale"
    );
    let opened = of(&capped, "ab")[1];
    assert_eq!(opened.severity, Severity::Info);
    assert_eq!(opened.quality.capped_from, Some(Severity::Critical));
    assert_eq!(opened.notify, Notify::Digest);
}

#[test]
fn rules_over_rules_are_checked() {
    let ab = || ("ab", rule("relative_streak", streak("A", "B")));
    let condition = |rules: Value| rule("expression", json!({"when": "x.open", "rules": rules}));
    let minute = || {
        let mut written = streak("A", "B");
        written["clock"] = json!("1m");
        ("minute", rule("relative_streak", written))
    };
    let cluster = || rule("confluence", json!({"rules": ["ab", "cd"], "open_at": 2}));
    let cd = || ("cd", rule("relative_streak", streak("C", "D")));
    let mut guarded = streak("A", "B");
    guarded["guards"] = json!(["ab"]);
    for (rules, key, found) in [
        (
            vec![ab(), ("e", condition(json!({"x": "abc"})))],
            "rules.e.rules",
            "\"abc\"",
        ),
        (
            vec![ab(), minute(), ("e", condition(json!({"x": "minute"})))],
            "rules.e.rules",
            "\"minute\", on the clock 1m",
        ),
        (
            vec![
                ("e", condition(json!({"x": "f"}))),
                ("f", condition(json!({"x": "e"}))),
            ],
            "rules.e.rules",
            "a circle",
        ),
        (
            vec![ab(), cd(), ("one", cluster()), ("two", cluster())],
            "rules.two.rules",
            "\"ab\", a part of \"one\" too",
        ),
        (
            vec![ab(), ("g", rule("relative_streak", guarded))],
            "rules.g.guards",
            "\"ab\", a relative_streak",
        ),
    ] {
        let error = plan(rules).unwrap_err();
        assert_eq!(error.key, format!("universe.test.{key}"));
        assert_eq!(error.found, found);
    }
}
