//! The rotation of sectors, equal weight and mid caps against SPY, all with dividends.

use crate::common::{Said, at, events, run};
use rotation_engine::detector::Unit;
use serde_json::{Value, json};

fn rotation(watch: &[&str], confirm_weeks: u32) -> Option<Vec<Said>> {
    let params = json!({
        "members": ["KRE", "XLK", "XLF", "XLI", "XLV", "RSP", "IJH"], "benchmark": "SPY_adj", "watch": watch,
        "confirm_weeks": confirm_weeks,
    });
    run("leadership", params, Unit::Price)
}

fn member(said: &Said, symbol: &str) -> Value {
    let evidence = said.evidence();
    let picture = evidence["picture"].as_array().unwrap();
    picture
        .iter()
        .find(|member| member["symbol"] == symbol)
        .unwrap()
        .clone()
}

/// Dates and values by pandas: the last closes of each week, `rolling(26)` with `ddof=0`, `pct_change`.
#[test]
fn regional_banks_lead_from_january_2026() {
    let Some(said) = rotation(&["KRE"], 2) else {
        return;
    };
    let told = events(&said, "2025-08-01");
    assert_eq!(
        told[..6],
        [
            "2025-08-29 open entered",
            "2025-09-12 resolve left",
            "2026-01-16 open entered",
            "2026-02-20 resolve left",
            "2026-03-27 open entered",
            "2026-04-17 resolve left",
        ]
    );
    let entered = at(&said, "2026-01-16");
    assert_eq!(
        entered.account.headline,
        "KRE (ratio 100.88, momentum 100.37) entered leading against SPY_adj"
    );
    let depth = 100.368_377_892_210_03 - 100.0;
    let read = entered.step.reading.unwrap().value;
    assert!((read / depth - 1.0).abs() < 1e-9, "{read}");
    let evidence = entered.evidence();
    assert_eq!(evidence["rank_correlation"], 0.0714);
    assert_eq!(evidence["top"], json!(["XLI", "IJH", "XLV", "KRE", "RSP"]));
    assert_eq!(evidence["top_came"], json!(["XLV", "RSP"]));
    assert_eq!(evidence["top_went"], json!(["XLK", "XLF"]));
    assert_eq!(evidence["top_turnover"], 0.4);
    assert_eq!(evidence["week"], "2026-01-16");
    // The week of Good Friday is known on its Thursday.
    assert_eq!(at(&said, "2026-04-02").evidence()["week"], "2026-04-02");
}

#[test]
fn the_picture_of_16_january_2026() {
    let Some(said) = rotation(&[], 2) else { return };
    let told = at(&said, "2026-01-16");
    for (symbol, quadrant, point, ratio, momentum) in [
        ("KRE", "leading", "leading", 100.8819, 100.3684),
        ("XLK", "leading", "improving", 99.9686, 100.1082),
        ("XLF", "lagging", "lagging", 99.1372, 98.1302),
        ("XLI", "leading", "leading", 102.0764, 102.8771),
        ("XLV", "weakening", "weakening", 100.8924, 99.2900),
        ("RSP", "improving", "leading", 100.6929, 101.4757),
        ("IJH", "leading", "leading", 101.6775, 101.3488),
    ] {
        let member = member(told, symbol);
        assert_eq!(member["quadrant"], quadrant, "{symbol}");
        assert_eq!(member["point"], point, "{symbol}");
        assert_eq!(member["ratio"], ratio, "{symbol}");
        assert_eq!(member["momentum"], momentum, "{symbol}");
        let tail = member["tail"].as_array().unwrap();
        assert_eq!(tail.len(), 8);
        assert_eq!(tail[7], json!([ratio, momentum]));
    }
    let read = told.step.reading.unwrap().value;
    assert!((read - 400.0 / 7.0).abs() < 1e-9, "{read}");
    assert_eq!(
        told.account.headline,
        "57.14 % of members leading against SPY_adj: 4 of 7"
    );
}

/// Where two closes have to agree a member changes quadrant some nine times a year, else three times as often.
#[test]
fn two_closes_make_a_third_of_the_changes() {
    for (confirm_weeks, per_year) in [(1, 28.0..31.0), (2, 8.5..10.0)] {
        let Some(said) = rotation(&[], confirm_weeks) else {
            return;
        };
        for symbol in ["KRE", "XLK", "XLF", "XLI", "XLV", "RSP", "IJH"] {
            let mut quadrants = Vec::new();
            let mut week = Value::Null;
            for told in &said {
                let evidence = told.evidence();
                if evidence.get("week").is_none_or(|now| *now == week) {
                    continue;
                }
                week = evidence["week"].clone();
                let picture = evidence["picture"].as_array().unwrap();
                let member = picture.iter().find(|member| member["symbol"] == symbol);
                quadrants.extend(member.and_then(|member| member.get("quadrant").cloned()));
            }
            let changes = quadrants
                .windows(2)
                .filter(|pair| pair[0] != pair[1])
                .count();
            let rate = changes as f64 / (quadrants.len() as f64 / 52.18);
            assert!(per_year.contains(&rate), "{symbol}: {rate} a year");
        }
    }
}
