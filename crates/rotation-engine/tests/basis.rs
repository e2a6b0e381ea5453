//! Rules that hold their inputs against each other read prices of one adjustment basis.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use rotation_engine::detector::Kind;
use rotation_engine::plan::{PlanError, RuleCommon, RuleSpec, UniversePlan, UniverseSpec};
use serde_json::{Value, json};

fn build(series: Value, kind: &str, params: Value) -> Result<UniversePlan, PlanError> {
    let mut spec: UniverseSpec = serde_json::from_value(json!({"series": series})).unwrap();
    let rule = RuleSpec {
        common: RuleCommon::default(),
        kind: Kind::deserialize(kind, params).unwrap().unwrap(),
        version: "v".to_owned(),
    };
    spec.rules.insert("rule".to_owned(), rule);
    UniversePlan::build("test", &spec)
}

#[test]
fn members_and_benchmark_have_to_agree() {
    let params = json!({"members": ["KRE", "RSP"], "benchmark": "SPY"});
    let adjusted = json!({"adjustment": "total"});
    let mixed = json!({"KRE": adjusted, "RSP": adjusted, "SPY": {}});
    assert_eq!(
        build(mixed, "leadership", params.clone())
            .unwrap_err()
            .to_string(),
        "universe.test.rules.rule: expected inputs of one adjustment basis, found KRE is total, SPY is price"
    );
    let same = json!({"KRE": adjusted, "RSP": adjusted, "SPY": adjusted});
    assert!(build(same, "leadership", params.clone()).is_ok());
    // What is no price has no basis; a derived series has that of its legs.
    let no_price = json!({"KRE": adjusted, "RSP": adjusted, "SPY": {"unit": "number"}});
    assert!(build(no_price, "leadership", params.clone()).is_ok());
    let derived =
        json!({"KRE": adjusted, "RSP": adjusted, "SPY": {"basket": ["A", "B"]}, "A": {}, "B": {}});
    let error = build(derived, "leadership", params)
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("found KRE is total, A is price"), "{error}");
}

#[test]
fn kinds_that_read_each_member_by_itself_take_any() {
    let mixed = json!({"A": {"adjustment": "total"}, "B": {}});
    let members = json!({"members": ["A", "B"]});
    assert!(build(mixed.clone(), "breadth", members).is_ok());
    let weights = json!({"members": ["A", "B"], "top": 1});
    assert!(build(mixed, "concentration", weights).is_err());
}
