//! Conditions of the rules of kind `expression`.

use rotation_engine::detector::Params;
use rotation_engine::detector::expression::{Condition, Params as Expression};
use std::collections::BTreeMap;

/// An expression compiles or says where it does not; one that passes the check of its rule is the same written again.
pub(super) fn condition(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let condition = match Condition::new(&text) {
        Ok(condition) => condition,
        Err(error) => return assert!(error.starts_with("at ") || error.starts_with("expected ")),
    };
    assert_eq!(condition.source(), text);
    let again = Condition::new(condition.source()).expect("it compiled before");
    assert_eq!(again, condition);
    let name = |name: &str| BTreeMap::from([(name.to_owned(), name.to_owned())]);
    let params = Expression {
        when: condition,
        value: None,
        rules: name("trend"),
        series: name("price"),
        subject: None,
        open_after: 1,
        close_after: 1,
    };
    if let Err(error) = params.check() {
        assert!(error.to_string().contains("when"), "{error}");
    }
}
