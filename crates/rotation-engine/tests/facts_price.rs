//! The kinds about price action on real closes, against facts computed apart from this project.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use common::{Said, at, events, run};
use rotation_engine::detector::Unit;
use serde_json::{Value, json};

fn yield_spikes(more: Value) -> Option<Vec<Said>> {
    let mut params = json!({"series": "DGS10", "min_change": "50bp"});
    params
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    run("spike", params, Unit::Percent)
}

#[test]
fn the_yield_spikes_of_october_2023() {
    let Some(said) = yield_spikes(json!({})) else {
        return;
    };
    let told = at(&said, "2023-10-19");
    let reading = told.step.reading.unwrap();
    assert_eq!(rotation_engine::alert::round(reading.value, 2), 3.22);
    assert_eq!(reading.distance, 0.0);
    let evidence = told.evidence();
    assert_eq!(evidence["change_bp"], 63.0);
    assert_eq!(
        (&evidence["median_bp"], &evidence["mad_bp"]),
        (&json!(1.0), &json!(13.0))
    );
    assert_eq!(evidence["history"], 2_520);
    assert_eq!(
        evidence["from"],
        json!({"value": 4.35, "date": "2023-09-20"})
    );
    assert_eq!(
        told.account.headline,
        "DGS10 +63 bp over 20 observations, to 4.98 %; z 3.22"
    );
    let autumn: Vec<String> = events(&said, "2023-05-01").into_iter().take(4).collect();
    assert_eq!(
        autumn,
        [
            "2023-10-19 open spike",
            "2023-10-24 resolve faded",
            "2023-11-29 open spike",
            "2023-12-04 resolve faded",
        ]
    );
    // The day before was large enough, and ordinary enough.
    let before = at(&said, "2023-10-18");
    assert_eq!(before.evidence()["change_bp"], 54.0);
    assert_eq!(before.evidence()["z"], 2.75);
}

#[test]
fn spikes_of_the_yield_come_once_in_two_years() {
    let Some(said) = yield_spikes(json!({})) else {
        return;
    };
    let opened = events(&said, "1990-01-01");
    let opened = opened.iter().filter(|event| event.contains("open")).count();
    assert_eq!(opened, 19, "in 36.6 years");
    let rises = yield_spikes(json!({"direction": "up"})).unwrap();
    let rises = events(&rises, "1990-01-01");
    let rises = rises.iter().filter(|event| event.contains("open")).count();
    assert_eq!(rises, 9);
}

#[test]
fn a_shorter_memory_would_not_have_called_it_a_spike() {
    for (trailing, z) in [(252, 1.78), (504, 1.59), (1_000, 2.61), (1_260, 2.74)] {
        let Some(said) = yield_spikes(json!({"trailing": trailing})) else {
            return;
        };
        let told = at(&said, "2023-10-19");
        assert_eq!(told.evidence()["z"], z, "{trailing}");
        assert!(told.step.reading.unwrap().distance > 0.2, "{trailing}");
        let october = events(&said, "2023-10-01");
        assert!(
            !october.iter().any(|event| event.starts_with("2023-10-19")),
            "{trailing}: {october:?}"
        );
    }
}
