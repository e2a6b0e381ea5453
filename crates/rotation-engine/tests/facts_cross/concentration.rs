//! The seven against the rest of the panel; and weights, for which prices stand in: there are no shares here.

use crate::common::{Said, at};
use crate::panel::Panel;
use serde_json::json;

fn expect(said: &[Said], date: &str, fact: f64) {
    let read = at(said, date).step.reading.unwrap().value;
    assert!(
        (read / fact - 1.0).abs() < 1e-9,
        "{date}: {read} against {fact}"
    );
}

/// By pandas: means of `pct_change` of each side, compounded over 63 sessions.
#[test]
fn the_seven_fall_behind_in_early_2026() {
    let Some(panel) = Panel::read() else { return };
    let seven = ["AAPL", "AMZN", "GOOGL", "META", "MSFT", "NVDA", "TSLA"];
    let params = json!({"measure": "basket", "basket": seven, "group": "the panel"});
    let said = panel.run("concentration", params, "2024-01-01");
    expect(&said, "2025-10-31", 13.929_385_190_952_193);
    expect(&said, "2026-01-15", -3.347_600_315_908_394_5);
    expect(&said, "2026-02-05", -11.936_411_051_390_017);
    assert_eq!(
        at(&said, "2026-02-05").account.headline,
        "the basket of 7 against the rest of the panel over 63 sessions, −4.38 % against +7.56 %"
    );
}

#[test]
fn weights_by_price() {
    let Some(panel) = Panel::read() else { return };
    for (measure, fact) in [
        ("herfindahl", 0.009_067_494_836_080_128),
        ("effective_number", 110.284_044_058_226_27),
        ("top_share", 16.004_107_159_951_356),
        ("return_share", -0.106_037_670_879_064_81),
    ] {
        let said = panel.run("concentration", json!({"measure": measure}), "2024-01-01");
        expect(&said, "2026-01-15", fact);
    }
    let said = panel.run("concentration", json!({"top": 3}), "2026-01-15");
    let top = at(&said, "2026-01-15").evidence()["top"].clone();
    let symbols: Vec<_> = top
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member["symbol"].clone())
        .collect();
    assert_eq!(symbols, ["NVR", "AZO", "FICO"]);
}
