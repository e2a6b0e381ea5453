//! A universe whose configuration is another than that of its state: rules that changed or are gone end their episodes.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use rotation_engine::alert::{Alert, State};
use rotation_engine::detector::Kind;
use rotation_engine::output::Output;
use rotation_engine::plan::{RuleCommon, RuleSpec, SeriesSpec, UniversePlan, UniverseSpec};
use rotation_engine::record::{Bar, LogBody, LogRecord, SeriesIx};
use rotation_engine::universe::{Changes, Universe, UniverseState};
use std::sync::Arc;

fn rule(kind: &str, parameters: serde_json::Value, version: &str) -> RuleSpec {
    RuleSpec {
        common: RuleCommon::default(),
        kind: Kind::deserialize(kind, parameters).unwrap().unwrap(),
        version: version.to_owned(),
    }
}

fn level(series: &str, near: f64, version: &str) -> RuleSpec {
    let parameters =
        serde_json::json!({"series": series, "level": 5.0, "near": near, "rearm": 2.0});
    rule("level_approach", parameters, version)
}

fn cluster(window: u32, version: &str) -> RuleSpec {
    let parameters = serde_json::json!({"open_at": 2, "window": window, "escalate_at": [],
        "rules": ["one", "two"]});
    rule("confluence", parameters, version)
}

fn plan(rules: &[(&str, RuleSpec)]) -> Arc<UniversePlan> {
    let spec = UniverseSpec {
        series: ["A", "B"]
            .map(|symbol| (symbol.to_owned(), SeriesSpec::default()))
            .into(),
        rules: rules
            .iter()
            .map(|(name, rule)| ((*name).to_owned(), rule.clone()))
            .collect(),
        ..UniverseSpec::default()
    };
    Arc::new(UniversePlan::build("us", &spec).unwrap())
}

/// Steps the close of a session.
fn close(universe: &mut Universe, date: &str, price: f64) -> Vec<Output> {
    let calendar = universe.plan().calendar;
    let session = calendar.session(date.parse().unwrap()).unwrap();
    let bar = Bar {
        series: SeriesIx(0),
        clock: rotation_engine::clock::Clock::Session,
        bucket: rotation_engine::clock::session_bucket(session, 0),
        open: price,
        high: price,
        low: price,
        close: price,
        size: 0.0,
        ticks: 1,
        official: true,
        correction: false,
        observed: None,
        restated: None,
    };
    let record = LogRecord {
        source: 0,
        offset: 0,
        body: LogBody::Bar(bar),
    };
    let mut out = Vec::new();
    universe.step(&record, None, &mut out);
    out
}

fn alerts(out: Vec<Output>) -> Vec<Alert> {
    out.into_iter()
        .filter_map(|output| match output {
            Output::Alert(alert) => Some(*alert),
            _ => None,
        })
        .collect()
}

/// `rule state transition reason`, a line an alert.
fn lines(alerts: &[Alert]) -> Vec<String> {
    let line = |alert: &Alert| {
        let reason = alert.resolve_reason.as_deref().unwrap_or("");
        format!(
            "{} {} {} {reason}",
            alert.rule,
            alert.state.name(),
            alert.transition
        )
    };
    alerts
        .iter()
        .map(|alert| line(alert).trim_end().to_owned())
        .collect()
}

/// Goes on from a universe's state, through its encoding, under another plan.
fn onwards(universe: &Universe, plan: &Arc<UniversePlan>) -> (Universe, Changes) {
    let text = serde_json::to_string(&universe.state()).unwrap();
    let state: UniverseState = serde_json::from_str(&text).unwrap();
    let mut next = Universe::new(plan.clone());
    let changes = next.restore(state);
    (next, changes)
}

fn farewell(universe: &mut Universe) -> (Vec<Alert>, Vec<String>) {
    let mut out = Vec::new();
    universe.farewell(&mut out);
    let changed = out
        .iter()
        .filter_map(|output| match output {
            Output::RuleChanged { rule, change } => Some(format!("{rule} {}", change.name())),
            _ => None,
        })
        .collect();
    (alerts(out), changed)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn changed_and_removed_rules_end_their_episodes_once_and_others_go_on() {
    let before = plan(&[
        ("changed", level("A", 0.1, "v1")),
        ("kept", level("A", 0.1, "v1")),
        ("quiet", level("A", 0.001, "v1")),
        ("removed", level("A", 0.1, "v1")),
    ]);
    let mut universe = Universe::new(before);
    close(&mut universe, "2026-01-05", 2.0);
    let opened = alerts(close(&mut universe, "2026-01-06", 4.95));
    let all = ["changed opened 1", "kept opened 1", "removed opened 1"];
    assert_eq!(lines(&opened), all);

    let after = plan(&[
        ("added", level("A", 0.1, "v1")),
        ("changed", level("A", 0.2, "v2")),
        ("kept", level("A", 0.1, "v1")),
    ]);
    let (mut universe, changes) = onwards(&universe, &after);
    let expected = Changes {
        added: names(&["added"]),
        changed: names(&["changed"]),
        removed: names(&["quiet", "removed"]),
    };
    assert_eq!(changes, expected);
    assert!(changes.leaves_behind());

    // Until it is told, a state keeps what there is to tell.
    let (mut again, changes) = onwards(&universe, &after);
    assert_eq!(changes, Changes::default());
    assert_eq!(farewell(&mut again), farewell(&mut universe));

    let (mut universe, _) = onwards(&again, &after);
    assert_eq!(
        farewell(&mut universe),
        (Vec::new(), Vec::new()),
        "told once"
    );
    let next = alerts(close(&mut universe, "2026-01-07", 2.0));
    assert_eq!(
        lines(&next),
        ["kept resolved 2 retreated"],
        "others go on, cold ones warm up"
    );
}

#[test]
fn an_end_says_why_and_continues_the_numbers_of_its_episode() {
    let mut universe = Universe::new(plan(&[
        ("a", level("A", 0.1, "v1")),
        ("b", level("A", 0.1, "v1")),
    ]));
    close(&mut universe, "2026-01-05", 2.0);
    let opened = alerts(close(&mut universe, "2026-01-06", 4.95));
    let (mut universe, _) = onwards(&universe, &plan(&[("b", level("A", 0.2, "v2"))]));
    let (ends, changed) = farewell(&mut universe);
    assert_eq!(
        lines(&ends),
        ["b resolved 2 rule_changed", "a resolved 2 rule_removed"]
    );
    assert_eq!(changed, ["b changed", "a removed"]);
    let (opening, end) = (&opened[0], &ends[1]);
    assert_eq!(end.state, State::Resolved);
    assert_eq!(end.id, format!("{}/2", opening.episode));
    assert_eq!(
        (
            &end.rule,
            &end.rule_version,
            &end.kind,
            &end.subject,
            &end.unit
        ),
        (
            &opening.rule,
            &opening.rule_version,
            &opening.kind,
            &opening.subject,
            &opening.unit
        )
    );
    assert_eq!(end.key(), opening.key());
    assert!(end.as_of >= opening.as_of);
    assert_eq!(
        end.headline,
        "resolved: the rule a was removed from the configuration"
    );
}

/// `cluster` waits for the close of `B`, and its part's opening with it.
#[test]
fn events_that_a_changed_rule_held_for_its_parts_are_told_before_any_end() {
    let rules = |cluster: RuleSpec| {
        plan(&[
            ("cluster", cluster),
            ("one", level("A", 0.1, "v1")),
            ("two", level("B", 0.2, "v1")),
        ])
    };
    let mut universe = Universe::new(rules(cluster(2, "v1")));
    close(&mut universe, "2026-01-05", 2.0);
    let held = alerts(close(&mut universe, "2026-01-06", 4.95));
    assert_eq!(lines(&held), [""; 0]);
    let (mut next, changes) = onwards(&universe, &rules(cluster(3, "v2")));
    assert_eq!(changes.changed, ["cluster"]);
    assert_eq!(lines(&farewell(&mut next).0), ["one opened 1"]);
    let (mut next, _) = onwards(&universe, &plan(&[("two", level("B", 0.2, "v1"))]));
    let ends = ["one opened 1", "one resolved 2 rule_removed"];
    assert_eq!(lines(&farewell(&mut next).0), ends);
}

#[test]
fn a_universe_that_is_gone_ends_all_of_its_episodes() {
    let mut universe = Universe::new(plan(&[
        ("a", level("A", 0.1, "v1")),
        ("b", level("A", 0.001, "v1")),
    ]));
    close(&mut universe, "2026-01-05", 2.0);
    close(&mut universe, "2026-01-06", 4.95);
    let mut out = Vec::new();
    universe.state().farewell("us", &mut out);
    assert_eq!(lines(&alerts(out)), ["a resolved 2 universe_removed"]);
}

/// What a version before this one wrote says less of a rule: what can be known is told.
#[test]
fn a_state_that_says_nothing_of_its_rules_ends_them_too() {
    let mut universe = Universe::new(plan(&[("a", level("A", 0.1, "v1"))]));
    close(&mut universe, "2026-01-05", 2.0);
    close(&mut universe, "2026-01-06", 4.95);
    let mut state = serde_json::to_value(universe.state()).unwrap();
    state["rules"]["a"].as_object_mut().unwrap().remove("about");
    let mut next = Universe::new(plan(&[("b", level("A", 0.1, "v1"))]));
    next.restore(serde_json::from_value(state).unwrap());
    let (ends, _) = farewell(&mut next);
    assert_eq!(ends[0].key(), "us/a/A");
    assert_eq!(ends[0].transition, 2);
}
