//! The macro detectors on real series, against facts computed apart from this project.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "facts/common.rs"]
mod common;

use common::{Said, at, closes, events, run, session};
use rotation_engine::alert::Alert;
use rotation_engine::calendar::Calendar;
use rotation_engine::detector::{Change, Kind, Names, Unit};
use rotation_engine::output::Output;
use rotation_engine::pipeline::Pipeline;
use rotation_engine::plan::{RuleCommon, RuleSpec, SeriesSpec, UniversePlan, UniverseSpec};
use rotation_engine::record::{SourceEvent, Tick};
use rotation_engine::section::{Point, Section};
use rotation_engine::time::EventTime;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

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

#[test]
fn consumer_prices_pick_up_in_2026() {
    let Some(said) = run("reacceleration", json!({"series": "CPIAUCSL"}), Unit::Price) else {
        return;
    };
    for (month, three) in [
        ("2026-03-01", 5.33),
        ("2026-04-01", 7.32),
        ("2026-05-01", 8.20),
    ] {
        let reading = at(&said, month).step.reading.unwrap();
        assert_eq!(
            rotation_engine::alert::round(reading.value, 2),
            three,
            "{month}"
        );
    }
    // No print for October 2025: January has no 3-month rate, and nothing is made up for it.
    let january = at(&said, "2026-01-01");
    assert_eq!(january.step.reading, None);
    assert_eq!(january.evidence()["missing_months"], json!(["2025-10"]));
    assert_eq!(
        events(&said, "2025-10-01"),
        [
            "2026-03-01 open open",
            "2026-05-01 escalate prints",
            "2026-06-01 resolve cooled"
        ]
    );
    assert_eq!(
        at(&said, "2026-03-01").account.headline,
        "CPIAUCSL picks up: 5.33 % a year over the 3 months to 2026-03, 3.29 % over the year; 2nd print in a row above it"
    );
    let opened = |from: &str| {
        let opened = events(&said, from)
            .into_iter()
            .filter(|event| event.contains("open"));
        opened.count()
    };
    assert_eq!((opened("1947-01-01"), opened("1990-01-01")), (58, 25));
}

/// Alerts of one rule over one file, whose values are known so long after they were stamped.
fn published(kind: Kind, symbol: &str, lag: &str) -> Option<Vec<Alert>> {
    let series = SeriesSpec {
        calendar: Some("24x7".to_owned()),
        publication_lag: Some(lag.to_owned()),
        ..SeriesSpec::default()
    };
    let rule = RuleSpec {
        common: RuleCommon::default(),
        kind,
        version: "v".to_owned(),
    };
    let spec: UniverseSpec = serde_json::from_value(json!({})).unwrap();
    let spec = UniverseSpec {
        series: BTreeMap::from([(symbol.to_owned(), series)]),
        rules: BTreeMap::from([("rule".to_owned(), rule)]),
        ..spec
    };
    let plan = Arc::new(UniversePlan::build("test", &spec).unwrap());
    let mut pipeline = Pipeline::new(&plan, 1);
    let mut out = Vec::new();
    for (date, price) in closes(symbol)? {
        let time = Calendar::AlwaysOpen.session(date).unwrap().close;
        let tick = Tick {
            time,
            price,
            size: 0.0,
            seq: None,
            official: true,
        };
        pipeline.push(0, &SourceEvent::Tick { symbol, tick }, &mut out);
        pipeline.flush(&mut out);
    }
    pipeline.close(EventTime::MAX, &mut out);
    let alerts = out.into_iter().filter_map(|output| match output {
        Output::Alert(alert) => Some(*alert),
        _ => None,
    });
    Some(alerts.collect())
}

#[test]
fn consumer_prices_are_said_when_they_are_published() {
    let kind = Kind::deserialize("reacceleration", json!({"series": "CPIAUCSL"}));
    let Some(alerts) = published(kind.unwrap().unwrap(), "CPIAUCSL", "43d") else {
        return;
    };
    let told: Vec<String> = alerts
        .iter()
        .map(|alert| {
            let evidence = serde_json::to_value(&alert.evidence).unwrap();
            let month = evidence["month"].as_str().unwrap().to_owned();
            format!("{} {} {month}", alert.session.unwrap(), alert.state.name())
        })
        .collect();
    assert_eq!(
        told[told.len() - 3..],
        [
            "2026-04-13 opened 2026-03",
            "2026-06-13 escalated 2026-05",
            "2026-07-14 resolved 2026-06",
        ]
    );
    // As many as without a lag, and for the same months.
    let opened = alerts.iter().filter(|alert| alert.state.name() == "opened");
    assert_eq!(opened.count(), 58);
}

#[test]
fn files_that_end_are_stale_on_the_second_session_after() {
    let params = json!({"series": ["MDY", "IJH"], "reference": ["GSPC"]});
    let Some(said) = run("stale_feed", params, Unit::Price) else {
        return;
    };
    // MDY ends on 2025-09-26, a Friday, and IJH on 2026-07-31, another.
    assert_eq!(
        events(&said, "1927-01-01"),
        ["2025-09-30 open stale", "2026-08-04 escalate more"]
    );
    assert_eq!(
        at(&said, "2025-09-30").account.headline,
        "MDY silent for 2 sections, its last value is of 2025-09-26"
    );
}

#[test]
fn bond_holidays_are_no_silence_in_the_calendar_of_bonds() {
    let opened = |calendar| {
        let params = json!({
            "series": ["DGS10"], "reference": ["GSPC"], "calendar": calendar, "max_silence": 0
        });
        let said = run("stale_feed", params, Unit::Price)?;
        Some(events(&said, "1962-01-01"))
    };
    let (Some(bonds), Some(shares)) = (opened("US-BOND"), opened("XNYS")) else {
        return;
    };
    // In 64 years only the last day: the file of yields ends on 2026-08-20, the one of shares a day later.
    assert_eq!(bonds, ["2026-08-21 open stale"]);
    // Columbus Day, on which shares trade and bonds do not.
    assert!(
        shares.contains(&"2025-10-13 open stale".to_owned()),
        "{shares:?}"
    );
    assert!(shares.contains(&"2025-10-14 resolve fresh".to_owned()));
}

/// What a rule over one series says of the last of some dates, after all of them.
fn last(kind: &Kind, symbol: &str, unit: Unit, dates: [&str; 2]) -> Option<Said> {
    let [from, to]: [jiff::civil::Date; 2] = dates.map(|date| date.parse().unwrap());
    let mut state = kind.detector();
    let mut latest = None;
    for (date, close) in closes(symbol)?.range(from..=to) {
        let values = [Some(Point::flat(*close, true))];
        let section = Section {
            bucket: session(*date),
            values: &values,
            said: &[],
        };
        latest = Some((*date, state.step(kind, &section)));
    }
    let (date, step) = latest.unwrap();
    let names = Names {
        symbols: &kind.inputs(),
        units: &[unit],
    };
    Some(Said {
        date,
        account: state.account(kind, names, &step.change),
        step,
    })
}

/// The distances and outcomes are those of a search over all windows in numpy.
#[test]
fn past_stretches_like_two_lows() {
    let params = json!({"series": "GSPC", "length": 60, "history": 4000});
    let kind = Kind::deserialize("analogue", params).unwrap().unwrap();
    for (from, date, distance, start, end, after) in [
        (
            "1993-01-01",
            "2009-03-09",
            2.738_622_254_984_256,
            "2002-05-02",
            "2002-07-26",
            10.3208,
        ),
        (
            "2004-01-01",
            "2020-03-23",
            2.920_151_215_288_363_3,
            "2008-07-24",
            "2008-10-16",
            -3.7129,
        ),
    ] {
        let Some(said) = last(&kind, "GSPC", Unit::Price, [from, date]) else {
            return;
        };
        let reading = said.step.reading.unwrap();
        assert!(
            (reading.value / distance - 1.0).abs() < 1e-9,
            "{date}: {reading:?}"
        );
        assert_eq!(said.step.change, Change::Quiet);
        let found = &said.evidence()["matches"][0];
        assert_eq!(
            (&found["start"], &found["end"]),
            (&json!(start), &json!(end)),
            "{date}"
        );
        assert_eq!(found["after_pct"], after, "{date}");
    }
}

/// The probabilities are those of `MarkovRegression(...).filter(...)` of statsmodels with the default parameters.
#[test]
fn turbulence_of_shares() {
    for (symbol, date, probability) in [
        ("GSPC", "2024-08-05", 0.999_995_659_783_462_7),
        ("GSPC", "2026-01-22", 0.373_006_723_384_225_86),
        ("RUT", "2026-01-22", 0.498_400_437_628_581_2),
        ("KRE", "2026-01-22", 0.926_134_705_108_147_8),
    ] {
        let params = json!({"series": symbol});
        let Some(said) = run("markov_switching", params, Unit::Price) else {
            return;
        };
        let value = at(&said, date).step.reading.unwrap().value;
        assert!(
            (value / probability - 1.0).abs() < 1e-9,
            "{symbol} {date}: {value}"
        );
        assert!(events(&said, "1927-01-01").is_empty());
    }
    let params = json!({"series": "GSPC", "open_at": 0.9});
    let said = run("markov_switching", params, Unit::Price).unwrap();
    let opened = events(&said, "1927-01-01");
    let opened = opened.iter().filter(|event| event.contains("open"));
    assert_eq!(opened.count(), 283);
}
