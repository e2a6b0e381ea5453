//! The macro detectors on real series, against facts computed apart from this project.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::{Said, at, events, run};
use rotation_engine::detector::Unit;
use serde_json::json;

fn cycle() -> Option<Vec<Said>> {
    let params = json!({"series": "DFEDTARU", "neutral": [2.75, 3.25], "terminal": 3.25});
    run("policy_cycle", params, Unit::Percent)
}

#[test]
fn three_cuts_of_2025() {
    let Some(said) = cycle() else { return };
    let third = at(&said, "2025-12-11");
    let evidence = third.evidence();
    assert_eq!(third.step.reading.unwrap().value, 3.0);
    assert_eq!(
        evidence["last_moves"],
        json!([
            {"date": "2025-09-18", "bp": -25.0},
            {"date": "2025-10-30", "bp": -25.0},
            {"date": "2025-12-11", "bp": -25.0},
        ])
    );
    assert_eq!(
        (&evidence["rate"], &evidence["sum_bp"]),
        (&json!(3.75), &json!(-75.0))
    );
    assert_eq!(evidence["stance"], "restrictive");
    assert_eq!(evidence["to_terminal_bp"], -50.0);
    assert_eq!(evidence["pivot"], false);
    assert_eq!(
        third.account.headline,
        "DFEDTARU was cut for the 3rd time in a row, by 25 bp to 3.75 %; 75 bp since 2025-09-18"
    );
}

#[test]
fn cycles_of_the_federal_funds_target() {
    let Some(said) = cycle() else { return };
    assert_eq!(
        events(&said, "2008-01-01"),
        [
            "2017-06-15 open moves",
            "2017-09-23 ease pause",
            "2017-12-14 escalate resumed",
            "2018-03-22 escalate moves",
            "2018-09-22 ease pause",
            "2018-09-27 escalate resumed",
            "2018-12-20 escalate moves",
            "2019-03-30 ease pause",
            "2019-07-08 resolve over",
            "2019-08-01 open pivot",
            "2019-10-31 escalate moves",
            "2020-02-08 ease pause",
            "2020-03-04 escalate resumed",
            "2020-03-16 escalate moves",
            "2020-06-24 ease pause",
            "2020-10-02 resolve over",
            "2022-03-17 open pivot",
            "2022-06-16 escalate moves",
            "2022-09-22 escalate moves",
            "2023-02-02 escalate moves",
            "2023-11-04 ease pause",
            "2024-02-12 resolve over",
            "2024-09-19 open pivot",
            "2024-12-19 escalate moves",
            "2025-03-29 ease pause",
            "2025-07-07 resolve over",
            "2025-12-11 open moves",
            "2026-03-21 ease pause",
            "2026-06-29 resolve over",
        ]
    );
    assert_eq!(
        at(&said, "2024-09-19").account.headline,
        "DFEDTARU was cut by 50 bp to 5 %, the first cut after the hikes that ended 2023-07-27"
    );
    let hikes = at(&said, "2023-07-27").evidence();
    assert_eq!(
        (&hikes["length"], &hikes["sum_bp"]),
        (&json!(11), &json!(525.0))
    );
}
