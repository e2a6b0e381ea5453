use super::*;
use crate::detector::Params as _;
use serde_json::json;

fn params(when: &str) -> Result<Params, String> {
    let given = json!({
        "when": when,
        "rules": {"breadth": "breadth-50", "streak": "small-cap-streak"},
        "series": {"vix": "VIXCLS"},
    });
    let params: Params = serde_json::from_value(given).map_err(|error| error.to_string())?;
    params.check().map_err(|error| error.to_string())?;
    Ok(params)
}

#[test]
fn a_fault_is_told_with_the_character_it_is_at() {
    for (when, character, word) in [
        ("breadth.value > 60.0 &&", 24, ""),
        ("breadth.value > 60.0 && breadht.open", 25, "breadht"),
        ("breadth.value > 60.0 || streak.opne", 31, "opne"),
        ("streak.open && vix.close + 1 > 2.0", 26, "write 5.0"),
        ("breadth.value >> 60.0", 16, ""),
        ("vix.close", 1, "float"),
    ] {
        let error = params(when).unwrap_err();
        let place = format!("at character {character},");
        assert!(error.contains(&place), "{when}: {error}");
        assert!(error.contains(word), "{when}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn conditions_over_all_names_are_taken() {
    for when in [
        "breadth.value > 60.0 && streak.open && vix.close < 20.0",
        "streak.opened || (vix.close / vix.previous - 1.0 > 0.2 && month in [1, 2])",
        "[breadth.value, vix.close].exists(number, number > 50.0)",
        "streak.distance <= 1.0 ? breadth.age < 5.0 : weekday == 5",
    ] {
        assert!(params(when).is_ok(), "{when}: {:?}", params(when));
    }
}

#[test]
fn names_are_held_to_be_names() {
    for name in ["a-b", "1a", "", "in", "month", "ü"] {
        let given = json!({"when": "true", "series": {name: "A"}});
        let params: Params = serde_json::from_value(given).unwrap();
        assert_eq!(params.check().unwrap_err().key, "series", "{name}");
    }
}
