//! Breadth of the panel.

use crate::common::{Said, at, events};
use crate::panel::Panel;
use serde_json::{Value, json};

fn value(said: &[Said], date: &str) -> f64 {
    at(said, date).step.reading.unwrap().value
}

#[test]
fn percent_above_the_mean_around_the_turn_of_2025() {
    let Some(panel) = Panel::read() else { return };
    for (sessions, facts) in [
        (
            50,
            [
                ("2025-12-31", 57.40, 283, 493),
                ("2026-01-15", 73.48, 363, 494),
            ],
        ),
        (
            200,
            [
                ("2025-12-31", 62.07, 306, 493),
                ("2026-01-15", 72.21, 356, 493),
            ],
        ),
    ] {
        let said = panel.run("breadth", json!({"sessions": sessions}), "2024-01-01");
        for (date, percent, above, counted) in facts {
            assert!(
                (value(&said, date) - percent).abs() < 0.01,
                "{date}: {}",
                value(&said, date)
            );
            let evidence = at(&said, date).evidence();
            let counts = ["above", "counted", "present", "members"]
                .map(|key| evidence[key].as_u64().unwrap());
            assert_eq!(counts, [above, counted, 495, 495], "{date}");
        }
    }
}

#[test]
fn the_thrust_of_march_2009() {
    let Some(panel) = Panel::read() else { return };
    let params = json!({"measure": "thrust", "group": "the panel"});
    let said = panel.run("breadth", params, "2004-01-01");
    let opened: Vec<String> = events(&said, "2009-02-01").into_iter().take(2).collect();
    assert_eq!(
        opened,
        ["2009-03-17 open thrust", "2009-03-30 resolve faded"]
    );
    let thrust = at(&said, "2009-03-17");
    assert_eq!(thrust.evidence()["last_below"]["date"], "2009-03-09");
    assert_eq!(thrust.evidence()["last_below"]["sessions_ago"], 6);
    assert_eq!(
        thrust.account.headline,
        "the panel: breadth thrust, 0.6168 of the moves up after 0.351 on 2009-03-09, 6 sessions ago"
    );
    let count = events(&said, "2004-01-01")
        .iter()
        .filter(|event| event.contains("open"))
        .count();
    assert_eq!(count, 38, "in 22.5 years");
}

/// Values of pandas: `ewm(span=19, adjust=False).mean()` less that of 39 over 1000 · (A − D) / (A + D), and its sum
/// from the 39th session on.
#[test]
fn the_oscillator_and_its_sum() {
    let Some(panel) = Panel::read() else { return };
    for (measure, facts) in [
        (
            "mcclellan",
            [
                ("2009-03-17", 86.301_175_002_578_76),
                ("2026-01-15", 21.481_259_493_917_32),
            ],
        ),
        (
            "summation",
            [
                ("2009-03-17", -2_186.995_972_105_961_8),
                ("2026-01-15", -850.916_849_098_483),
            ],
        ),
    ] {
        let said = panel.run("breadth", json!({"measure": measure}), "2004-01-01");
        for (date, fact) in facts {
            let read = value(&said, date);
            assert!((read / fact - 1.0).abs() < 1e-9, "{measure} {date}: {read}");
        }
        assert_eq!(
            events(&said, "2004-01-01"),
            Vec::<String>::new(),
            "readings only"
        );
    }
}

#[test]
fn highs_and_advances_of_a_day() {
    let Some(panel) = Panel::read() else { return };
    let counts = |params: Value, date: &str, keys: [&str; 3]| {
        let said = panel.run("breadth", params, "2024-01-01");
        let evidence = at(&said, date).evidence();
        keys.map(|key| evidence[key].as_u64().unwrap())
    };
    let highs = counts(
        json!({"measure": "new_highs"}),
        "2026-01-15",
        ["highs", "lows", "counted"],
    );
    assert_eq!(highs, [57, 5, 492]);
    let moves = counts(
        json!({"measure": "advance_decline"}),
        "2025-11-13",
        ["advances", "declines", "counted"],
    );
    // One of them, absent the day before, advanced over two sessions.
    assert_eq!(moves, [127, 366, 495]);
}
