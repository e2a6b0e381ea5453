//! The kinds about price action on real closes, against facts computed apart from this project.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "facts/common.rs"]
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

fn sideways() -> Option<Vec<Said>> {
    run("plateau", json!({"series": "GSPC"}), Unit::Price)
}

#[test]
fn the_plateau_of_february_2026() {
    let Some(said) = sideways() else { return };
    assert_eq!(
        events(&said, "2025-09-01")[..4],
        [
            "2025-11-18 open plateau",
            "2026-01-09 resolve broke_up",
            "2026-02-05 open plateau",
            "2026-03-13 resolve broke_down",
        ]
    );
    // In 2026 the three measures are first within their bounds together on 2026-02-05.
    let first = said
        .iter()
        .filter(|said| said.date.year() == 2026)
        .find(|said| said.step.reading.unwrap().distance == 0.0);
    assert_eq!(first.unwrap().date.to_string(), "2026-02-05");

    let opened = at(&said, "2026-02-05");
    let evidence = opened.evidence();
    assert_eq!(evidence["range_pct"], 3.8261);
    assert_eq!(evidence["range_percentile"], 7.36);
    assert_eq!(
        (&evidence["efficiency"], &evidence["trend_t"]),
        (&json!(0.0307), &json!(3.41))
    );
    assert_eq!(
        (&evidence["since"], &evidence["history"]),
        (&json!("2026-02-05"), &json!(2_520))
    );
    assert_eq!(at(&said, "2026-02-04").evidence()["trend_t"], 4.64);
    assert_eq!(
        evidence["last"],
        json!({"since": "2025-11-18", "until": "2026-01-08", "sessions": 35, "broke": "up"})
    );
    assert_eq!(
        opened.account.headline,
        "GSPC goes sideways: 40 closes between 6721.43 and 6978.6, a range of 3.8 % (percentile 7), efficiency 0.03, \
         trend t 3.4; earlier ones lasted 15.5 sessions at the median"
    );
    assert_eq!(evidence["earlier"]["count"], 273);
    assert_eq!(
        at(&said, "2026-03-13").account.headline,
        "GSPC broke down to 6632.19, past 6721.43, after 25 sessions sideways since 2026-02-05; earlier ones lasted \
         15.5 sessions at the median"
    );
}

#[test]
fn plateaus_come_three_times_a_year() {
    let Some(said) = sideways() else { return };
    let all = events(&said, "1927-01-01");
    let opened = all.iter().filter(|event| event.contains("open")).count();
    let up = all
        .iter()
        .filter(|event| event.contains("broke_up"))
        .count();
    assert_eq!((opened, up), (276, 143));
}

fn ahead(over: Value, more: Value) -> Option<Vec<Said>> {
    let mut params = json!({"leader": "RUT", "laggard": "GSPC", "over": over});
    params
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    run("relative_return", params, Unit::Price)
}

fn number(value: &Value, digits: i32) -> f64 {
    rotation_engine::alert::round(value.as_f64().unwrap(), digits)
}

#[test]
fn the_year_to_date_of_january_2026() {
    let Some(said) = ahead(json!("year"), json!({})) else {
        return;
    };
    let told = at(&said, "2026-01-16");
    let evidence = told.evidence();
    assert_eq!(number(&evidence["leader_return"], 4), 0.0789);
    assert_eq!(number(&evidence["laggard_return"], 4), 0.0138);
    assert_eq!(number(&evidence["points"], 2), 6.51);
    assert_eq!(evidence["from"], "2025-12-31");
    assert!(
        told.account.headline.starts_with(
            "RUT leads GSPC by 6.51 points since the close of 2025-12-31, +7.89 % against +1.38 %"
        ),
        "{}",
        told.account.headline
    );
    let first = said.iter().find(|said| said.step.reading.is_some());
    assert_eq!(first.unwrap().date.to_string(), "1988-01-04");
}

#[test]
fn the_july_of_2024() {
    let Some(said) = ahead(json!("month"), json!({})) else {
        return;
    };
    let evidence = at(&said, "2024-07-31").evidence();
    assert_eq!(number(&evidence["leader_return"], 4), 0.1010);
    assert_eq!(number(&evidence["laggard_return"], 4), 0.0113);
    assert_eq!(
        (&evidence["from"], &evidence["to"]),
        (&json!("2024-06-28"), &json!("2024-07-31"))
    );
    let quarter = ahead(json!("quarter"), json!({})).unwrap();
    assert_eq!(
        at(&quarter, "2024-07-31").evidence()["points"],
        evidence["points"]
    );
}

#[test]
fn the_widest_five_sessions_are_those_of_july_2024() {
    let Some(said) = ahead(json!(5), json!({})) else {
        return;
    };
    let july: Vec<String> = events(&said, "2024-07-01").into_iter().take(5).collect();
    assert_eq!(
        july,
        [
            "2024-07-12 open open",
            "2024-07-16 escalate record",
            "2024-07-17 escalate record",
            "2024-07-18 resolve narrowed",
            "2024-11-06 open open",
        ]
    );
    for (date, points) in [("2024-07-16", 9.92), ("2024-07-17", 9.97)] {
        let evidence = at(&said, date).evidence();
        assert_eq!(number(&evidence["points"], 2), points);
        assert_eq!(evidence["widest_on_record_since"], "1987-09-17", "{date}");
        assert_eq!(evidence["percentile"], 100.0);
        assert_eq!(number(&evidence["widest_other_way"]["points"], 2), -18.68);
        assert_eq!(evidence["widest_other_way"]["date"], "1987-10-26");
    }
    assert_eq!(
        at(&said, "2024-07-17").account.headline,
        "RUT leads GSPC by 9.97 points over 5 sessions, +9.16 % against −0.81 %; widest this way on record, which \
         begins 1987-09-17"
    );
    let day_before = at(&said, "2024-07-15").evidence();
    assert_eq!(day_before["widest_since"]["date"], "2020-04-29");
}

#[test]
fn wider_spreads_the_other_way_were_in_2000_and_1987() {
    let Some(said) = ahead(json!(5), json!({"direction": "both"})) else {
        return;
    };
    let evidence = at(&said, "2000-03-21").evidence();
    assert_eq!(number(&evidence["points"], 2), -13.44);
    assert_eq!(evidence["widest_since"]["date"], "1987-10-26");
    assert_eq!(number(&evidence["widest_since"]["points"], 2), -18.68);
    assert_eq!(evidence["widest_other_way"]["date"], "1987-10-19");
    let told = at(&said, "2000-03-21");
    assert!(
        told.account
            .headline
            .contains("RUT trails GSPC by 13.44 points")
    );
}

#[test]
fn part_of_the_lead_is_beta() {
    let Some(said) = ahead(json!(5), json!({"beta_sessions": 252})) else {
        return;
    };
    let evidence = at(&said, "2024-07-17").evidence();
    assert_eq!(evidence["beta"], 1.2376);
    assert_eq!(number(&evidence["points"], 2), 10.16);
    assert_eq!(number(&evidence["plain_points"], 2), 9.97);
    let slump = at(&said, "2020-03-16").evidence();
    let points = ["plain_points", "points"].map(|key| number(&slump[key], 2));
    assert_eq!(points, [-7.89, -7.37]);
}

#[test]
fn leads_are_this_rare() {
    let Some(said) = ahead(json!(20), json!({})) else {
        return;
    };
    let opened = |said: &[Said]| {
        let all = events(said, "1987-01-01");
        all.iter().filter(|event| event.contains("open")).count()
    };
    assert_eq!(opened(&said), 18);
    assert_eq!(opened(&ahead(json!(5), json!({})).unwrap()), 46);
    assert_eq!(opened(&ahead(json!("month"), json!({})).unwrap()), 21);
    assert_eq!(opened(&ahead(json!("year"), json!({})).unwrap()), 7);
}
