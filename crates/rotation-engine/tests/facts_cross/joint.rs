//! Turbulence and absorption of sectors, regional banks and mid caps.

use crate::common::{Said, at, events, run};
use rotation_engine::detector::Unit;
use serde_json::{Value, json};

/// Members from the day on which the youngest has been listed for 500 returns.
fn said(kind: &str, mut params: Value) -> Option<Vec<Said>> {
    let symbols = ["XLK", "XLF", "XLI", "XLV", "KRE", "IJH"];
    params["members"] = symbols
        .map(|symbol| json!({"symbol": symbol, "from": "2008-06-19"}))
        .into_iter()
        .collect();
    run(kind, params, Unit::Price)
}

fn expect(said: &[Said], date: &str, fact: f64) {
    let read = at(said, date).step.reading.unwrap().value;
    assert!(
        (read / fact - 1.0).abs() < 1e-9,
        "{date}: {read} against {fact}"
    );
}

/// By scikit-learn: `ledoit_wolf` of the 500 rows before, and `numpy.linalg.solve`.
#[test]
fn distances_and_turbulent_times() {
    let Some(said) = said("turbulence", json!({"group": "sectors"})) else {
        return;
    };
    for (date, distance, shrinkage) in [
        ("2008-10-15", 82.042_084_215_264_84, 0.030_945),
        ("2020-03-16", 137.594_558_126_811_68, 0.051_459),
        ("2025-04-04", 122.511_763_318_699_1, 0.024_738),
        ("2026-01-15", 3.584_639_806_829_023_7, 0.047_692),
    ] {
        expect(&said, date, distance);
        assert_eq!(at(&said, date).evidence()["shrinkage"], shrinkage, "{date}");
    }
    assert_eq!(
        events(&said, "2019-01-01"),
        [
            "2019-01-11 resolve calm",
            "2019-04-17 open turbulent",
            "2019-05-02 resolve calm",
            "2020-03-02 open turbulent",
            "2020-04-24 resolve calm",
            "2020-05-18 open turbulent",
            "2020-06-18 resolve calm",
            "2020-11-04 open turbulent",
            "2020-11-16 resolve calm",
            "2023-03-09 open turbulent",
            "2023-03-31 resolve calm",
            "2024-11-06 open turbulent",
            "2024-11-14 resolve calm",
            "2025-01-27 open turbulent",
            "2025-02-03 resolve calm",
            "2025-04-03 open turbulent",
            "2025-04-17 resolve calm",
        ]
    );
    assert_eq!(
        at(&said, "2023-03-09").account.headline,
        "sectors: distance 39.7, 99 % of 2520 before were nearer; KRE −8.11 % (-4.7 deviations)"
    );
}

/// By numpy: `eigvalsh` of the covariance with weights of half-life 250.
#[test]
fn what_common_movements_absorb() {
    let Some(ratio) = said("absorption_ratio", json!({})) else {
        return;
    };
    expect(&ratio, "2008-10-15", 0.798_525_973_777_634_5);
    expect(&ratio, "2020-03-16", 0.908_351_615_259_233_2);
    expect(&ratio, "2026-01-15", 0.715_455_481_280_950_5);
    assert_eq!(
        events(&ratio, "1999-01-01"),
        Vec::<String>::new(),
        "readings only"
    );
    let Some(equal) = said(
        "absorption_ratio",
        json!({"eigenvalues": 2, "half_life": 0}),
    ) else {
        return;
    };
    expect(&equal, "2020-03-16", 0.942_674_610_860_667_8);
    let Some(shift) = said("absorption_ratio", json!({"measure": "shift"})) else {
        return;
    };
    expect(&shift, "2020-03-16", 2.869_245_328_721_403_3);
    expect(&shift, "2026-01-15", -0.497_990_490_237_366_3);
}
