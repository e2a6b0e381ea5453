//! Open, high, low and close through sampler and universe: what a daily file with whole rows comes to.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "facts/common.rs"]
mod common;

use common::{Quote, quotes};
use jiff::civil::Date;
use rotation_engine::calendar::{Calendar, Session};
use rotation_engine::detector::Kind;
use rotation_engine::output::{Output, Reading};
use rotation_engine::pipeline::Pipeline;
use rotation_engine::plan::{
    PlanError, RuleCommon, RuleSpec, SeriesSpec, UniversePlan, UniverseSpec,
};
use rotation_engine::record::{LogBody, SourceEvent, Tick};
use rotation_engine::sampler::Sampler;
use rotation_engine::time::EventTime;
use rotation_engine::universe::ReadingDetail;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A universe that reads volatility by open, high, low and close of `SPY`.
fn plan(series: SeriesSpec) -> Result<Arc<UniversePlan>, PlanError> {
    let params = json!({"series": "SPY", "estimator": "yang_zhang"});
    let rule = RuleSpec {
        common: RuleCommon::default(),
        kind: Kind::deserialize("volatility_shift", params)
            .unwrap()
            .unwrap(),
        version: "v".to_owned(),
    };
    let spec = UniverseSpec {
        calendar: None,
        lateness: None,
        skew: None,
        stall_after: None,
        closing_window: None,
        correction_window: None,
        live_from: None,
        publish_history: None,
        late_ticks: None,
        void_prints: None,
        series: BTreeMap::from([
            ("SPY".to_owned(), series),
            ("X".to_owned(), SeriesSpec::default()),
        ]),
        rules: BTreeMap::from([("volatility".to_owned(), rule)]),
    };
    UniversePlan::build("test", &spec).map(Arc::new)
}

fn whole() -> SeriesSpec {
    SeriesSpec {
        ohlc: Some(true),
        ..SeriesSpec::default()
    }
}

/// A row of a daily file as the readers feed it: open, high, low over the session, the official close with the volume.
fn ticks(session: Session, row: &Quote) -> [Tick; 4] {
    let third = session.close.saturating_since(session.open) / 3;
    let at = |offset: i64, price: f64| Tick {
        time: session.open.saturating_add(offset),
        price,
        size: 0.0,
        seq: None,
        official: false,
    };
    let close = Tick {
        time: session.close,
        size: row.volume,
        official: true,
        ..at(0, row.close)
    };
    [
        at(0, row.open),
        at(third, row.high),
        at(2 * third, row.low),
        close,
    ]
}

#[test]
fn a_whole_row_comes_to_one_official_bar() {
    let plan = plan(whole()).unwrap();
    assert!(
        plan.series
            .iter()
            .find(|series| series.symbol == "SPY")
            .unwrap()
            .ohlc
    );
    let mut sampler = Sampler::new(plan, 0, 1);
    let series = sampler.slot("SPY").unwrap();
    let session = Calendar::Xnys
        .session(Date::constant(2025, 11, 28))
        .unwrap();
    let row = Quote {
        open: 680.0,
        high: 683.5,
        low: 679.9,
        close: 683.39,
        volume: 49_212_000.0,
    };
    let mut out = Vec::new();
    for (offset, tick) in (0..).zip(ticks(session, &row)) {
        sampler.tick(series, &tick, None, offset, &mut out);
    }
    let bars = out.iter().filter_map(|output| match output {
        Output::Log(record) => match record.body {
            LogBody::Bar(bar) => Some(bar),
            _ => None,
        },
        other => panic!("{other:?}"),
    });
    let [bar] = bars.collect::<Vec<_>>()[..] else {
        panic!("one bar")
    };
    assert_eq!(
        [bar.open, bar.high, bar.low, bar.close],
        [680.0, 683.5, 679.9, 683.39]
    );
    assert_eq!(
        (bar.size, bar.ticks, bar.official, bar.correction),
        (49_212_000.0, 4, true, false)
    );
    assert_eq!(bar.bucket.date, Some(session.date));
}

/// Every reading of the rule over all rows of a file.
fn readings(rows: &BTreeMap<Date, Quote>) -> Vec<Reading> {
    let mut pipeline = Pipeline::new(&plan(whole()).unwrap(), 1);
    pipeline.set_readings(ReadingDetail::Evidence);
    let mut out = Vec::new();
    for (date, row) in rows {
        let session = Calendar::Xnys.session(*date).unwrap();
        for tick in ticks(session, row) {
            let event = SourceEvent::Tick {
                symbol: "SPY",
                tick,
            };
            pipeline.push(0, &event, &mut out);
        }
    }
    pipeline.close(EventTime::MAX.saturating_sub(1), &mut out);
    let readings = out.into_iter().filter_map(|output| match output {
        Output::Reading(reading) => Some(*reading),
        Output::Dropped { .. } | Output::Rejected { .. } => panic!("{output:?}"),
        _ => None,
    });
    readings.collect()
}

#[test]
fn yang_zhang_reads_whole_rows_through_the_sampler() {
    let Some(rows) = quotes("SPY") else { return };
    let readings = readings(&rows);
    assert_eq!(
        readings.len(),
        rows.len() - 252,
        "one a session from the 253rd on"
    );
    // The same figures as of the kind alone, and as of pandas.
    for (date, ratio) in [
        ("2001-06-29", 0.7706321795765703),
        ("2008-10-15", 2.443243226332242),
        ("2020-03-16", 3.0069075202249493),
        ("2026-01-22", 0.5710240789271938),
    ] {
        let date: Date = date.parse().unwrap();
        let reading = readings
            .iter()
            .find(|reading| reading.session == Some(date))
            .unwrap();
        let off = (reading.value - ratio).abs() / ratio;
        assert!(off < 1e-9, "{date}: {} against {ratio}", reading.value);
    }
}

#[test]
fn whole_rows_are_for_series_that_are_known_at_once() {
    let lagged = SeriesSpec {
        publication_lag: Some("1d".to_owned()),
        ..whole()
    };
    let derived = SeriesSpec {
        basket: Some(vec!["X".to_owned()]),
        ..whole()
    };
    for series in [lagged, derived] {
        let error = plan(series).unwrap_err();
        assert_eq!(error.key, "universe.test.series.SPY.ohlc");
        assert_eq!(
            error.expected,
            "false on a derived series and on one with publication_lag"
        );
    }
    assert!(
        plan(SeriesSpec {
            ohlc: Some(false),
            ..whole()
        })
        .is_ok()
    );
}
