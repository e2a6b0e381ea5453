//! Correlation, rate sensitivity, volatility, stalls and MACD on real data, against figures computed apart from this
//! project with pandas, statsmodels and TA-Lib.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "facts/common.rs"]
mod common;

use common::{Said, at, closes, events, quotes, run, session};
use jiff::civil::Date;
use rotation_engine::detector::{Kind, Names, Unit};
use rotation_engine::section::{Point, Section};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Whole rows as points.
fn whole(symbol: &str) -> Option<BTreeMap<Date, Point>> {
    let rows = quotes(symbol)?.into_iter().map(|(date, row)| {
        let point = Point {
            open: row.open,
            high: row.high,
            low: row.low,
            size: row.volume,
            ..Point::flat(row.close, true)
        };
        (date, point)
    });
    Some(rows.collect())
}

fn flat(symbol: &str) -> Option<BTreeMap<Date, Point>> {
    let closes = closes(symbol)?;
    let points = closes.into_iter();
    Some(
        points
            .map(|(date, close)| (date, Point::flat(close, true)))
            .collect(),
    )
}

/// Steps a rule through every date on which one of its series has a point.
fn step(kind: &str, params: Value, units: &[Unit], series: &[BTreeMap<Date, Point>]) -> Vec<Said> {
    let kind = Kind::deserialize(kind, params).unwrap().unwrap();
    kind.check().unwrap();
    kind.check_units(units).unwrap();
    let symbols = kind.inputs();
    let mut dates: Vec<Date> = series
        .iter()
        .flat_map(|points| points.keys().copied())
        .collect();
    dates.sort_unstable();
    dates.dedup();
    let mut state = kind.detector();
    let said = dates.into_iter().map(|date| {
        let values: Vec<_> = series
            .iter()
            .map(|points| points.get(&date).copied())
            .collect();
        let section = Section {
            bucket: session(date),
            values: &values,
            said: &[],
        };
        let step = state.step(&kind, &section);
        let names = Names {
            symbols: &symbols,
            units,
        };
        let account = state.account(&kind, names, &step.change);
        Said {
            date,
            step,
            account,
        }
    });
    said.collect()
}

#[track_caller]
fn agree(read: f64, expected: f64, what: &str) {
    let off = (read - expected).abs() / expected.abs();
    assert!(
        off < 1e-9,
        "{what}: {read} against {expected}, off by {off:e}"
    );
}

fn reading(said: &[Said], date: &str) -> f64 {
    at(said, date).step.reading.unwrap().value
}

/// Stocks against the yield: its correlation with the S&P 500, whose sign is the news.
fn stocks_and_yields() -> Option<Vec<Said>> {
    let params = json!({"first": "GSPC", "second": "DGS10", "second_change": "difference"});
    let series = [flat("GSPC")?, flat("DGS10")?];
    Some(step(
        "correlation_break",
        params,
        &[Unit::Price, Unit::Percent],
        &series,
    ))
}

#[test]
fn correlation_of_stocks_and_yields() {
    let Some(said) = stocks_and_yields() else {
        return;
    };
    for (date, short, long) in [
        ("1990-06-15", -0.3788863379509442, -0.1805),
        ("1998-10-05", 0.5194319195165256, 0.296),
        ("2008-10-10", 0.5559369546188518, 0.5449),
        ("2020-03-16", 0.5334542837569524, 0.4798),
        ("2022-06-15", -0.1319141744704774, 0.0627),
        ("2023-10-19", -0.317637257063886, -0.1319),
        ("2026-02-05", -0.1914201940081861, 0.1506),
    ] {
        agree(reading(&said, date), short, date);
        assert_eq!(
            at(&said, date).evidence()["long_correlation"],
            long,
            "{date}"
        );
    }
}

#[test]
fn breaks_of_the_correlation_of_stocks_and_yields() {
    let Some(said) = stocks_and_yields() else {
        return;
    };
    assert_eq!(
        events(&said, "1962-01-01"),
        [
            "1968-10-04 open flipped",
            "1968-11-15 resolve restored",
            "1989-11-16 open flipped",
            "1990-01-11 resolve restored",
            "1997-12-12 open flipped",
            "1998-03-31 resolve restored",
            "1999-05-06 open flipped",
            "1999-11-16 resolve settled",
            "2003-07-28 open fell",
            "2003-10-23 resolve restored",
            "2015-05-13 open fell",
            "2015-06-19 resolve restored",
            "2016-09-28 open fell",
            "2016-11-01 escalate flipped",
            "2017-01-03 resolve restored",
            "2021-02-25 open fell",
            "2021-03-18 escalate flipped",
            "2021-06-21 resolve settled",
            "2023-05-17 open rose",
            "2023-07-28 resolve restored",
            "2026-05-28 open fell",
            "2026-08-14 resolve settled",
        ]
    );
    assert_eq!(
        at(&said, "2021-03-18").account.headline,
        "correlation of GSPC and DGS10 over 60 sessions turned to -0.23, against 0.33 over 252"
    );
}

#[test]
fn correlation_of_small_and_large_caps() {
    let params = json!({"first": "RUT", "second": "GSPC"});
    let Some(said) = run("correlation_break", params, Unit::Price) else {
        return;
    };
    for (date, short) in [
        ("2000-03-21", 0.5740077105684741),
        ("2017-02-15", 0.7572604800360602),
        ("2026-01-22", 0.7946303605935465),
    ] {
        agree(reading(&said, date), short, date);
    }
    assert!(
        events(&said, "1987-01-01").is_empty(),
        "never half a correlation from its year's"
    );
}

/// The lead of small caps over large ones on changes of the 10-year yield.
fn small_caps_and_yields() -> Option<Vec<Said>> {
    let params = json!({"leader": "RUT", "laggard": "GSPC", "rate": "DGS10"});
    let units = [Unit::Price, Unit::Price, Unit::Percent];
    let series = [flat("RUT")?, flat("GSPC")?, flat("DGS10")?];
    Some(step("rate_sensitivity", params, &units, &series))
}

#[test]
fn slope_of_small_caps_on_the_yield() {
    let Some(said) = small_caps_and_yields() else {
        return;
    };
    // statsmodels: OLS(...).fit(cov_type="HAC", cov_kwds={"maxlags": 4, "use_correction": False}).
    for (date, beta, error, t, correlation) in [
        (
            "1995-05-10",
            1.7362221122579764,
            0.38802565095440683,
            4.4745,
            0.2351,
        ),
        (
            "2003-07-15",
            -0.8056127230313053,
            0.9786315957289494,
            -0.8232,
            -0.0861,
        ),
        (
            "2008-12-01",
            0.3331965575878626,
            1.6701772362041811,
            0.1995,
            0.0229,
        ),
        (
            "2013-06-20",
            2.068882770831201,
            0.8800708153948265,
            2.3508,
            0.2156,
        ),
        (
            "2022-10-12",
            -0.9875785726479205,
            0.73136815783025,
            -1.3503,
            -0.129,
        ),
        (
            "2023-10-19",
            -0.7110744426023689,
            0.9837662982078916,
            -0.7228,
            -0.0663,
        ),
        (
            "2026-01-22",
            -1.9130841094194233,
            2.0124883101232545,
            -0.9506,
            -0.0894,
        ),
    ] {
        let measure = at(&said, date).step.reading.unwrap();
        agree(measure.value, beta, date);
        let evidence = at(&said, date).evidence();
        assert_eq!(evidence["t"], t, "{date}");
        assert_eq!(evidence["correlation"], correlation, "{date}");
        // While no episode stands the threshold is so many standard errors as t_open says.
        if measure.threshold != 0.0 {
            agree(measure.threshold.abs() / 2.0, error, date);
        }
    }
}

#[test]
fn signs_of_the_slope_of_small_caps_on_the_yield() {
    let Some(said) = small_caps_and_yields() else {
        return;
    };
    assert_eq!(
        events(&said, "1987-01-01"),
        [
            "1998-10-15 open flipped",
            "1999-04-09 resolve faded",
            "2003-02-06 open flipped",
            "2003-08-04 resolve faded",
            "2022-11-02 open flipped",
            "2023-03-24 resolve faded",
            "2023-11-29 open flipped",
            "2024-11-06 resolve faded",
        ]
    );
    let flipped = at(&said, "2023-11-29");
    assert_eq!(
        flipped.account.headline,
        "RUT − GSPC moves -2.72 bp a bp of DGS10 over 120 sessions, t -2.5; the sign was positive since 2023-06-07"
    );
}

fn volatility(symbol: &str, estimator: &str) -> Option<Vec<Said>> {
    let params = json!({"series": symbol, "estimator": estimator});
    Some(step(
        "volatility_shift",
        params,
        &[Unit::Price],
        &[whole(symbol)?],
    ))
}

#[test]
fn yang_zhang_of_funds_with_real_opens() {
    for (symbol, facts) in [
        (
            "SPY",
            [
                ("2001-06-29", 0.7706321795765703, 16.61, 21.55),
                ("2008-10-15", 2.443243226332242, 74.16, 30.35),
                ("2017-11-03", 0.8421271391831305, 6.12, 7.27),
                ("2020-03-16", 3.0069075202249493, 77.77, 25.86),
                ("2025-04-10", 2.230785444411686, 41.28, 18.51),
                ("2026-01-22", 0.5710240789271938, 10.56, 18.49),
            ],
        ),
        (
            "IWM",
            [
                ("2001-06-29", 0.7615423033521717, 17.28, 22.69),
                ("2008-10-15", 2.4149056014819745, 90.12, 37.32),
                ("2017-11-03", 0.8281910828387233, 10.67, 12.88),
                ("2020-03-16", 2.8003785210679046, 75.81, 27.07),
                ("2025-04-10", 1.9199771736676634, 50.37, 26.23),
                ("2026-01-22", 0.6178915413332824, 15.02, 24.31),
            ],
        ),
    ] {
        let Some(said) = volatility(symbol, "yang_zhang") else {
            return;
        };
        for (date, ratio, short, long) in facts {
            agree(reading(&said, date), ratio, &format!("{symbol} {date}"));
            let evidence = at(&said, date).evidence();
            assert_eq!(evidence["short_volatility_pct"], short, "{symbol} {date}");
            assert_eq!(evidence["long_volatility_pct"], long, "{symbol} {date}");
            let without = evidence["sessions_without_open"].as_i64().unwrap();
            assert!(
                without < 20,
                "{symbol} {date}: {without} opens repeat the close before"
            );
        }
    }
    // Many rows of an index repeat the close before as open, which the evidence tells.
    let Some(index) = volatility("GSPC", "yang_zhang") else {
        return;
    };
    for (date, count) in [
        ("1960-01-04", 252),
        ("1975-01-02", 215),
        ("2000-01-03", 244),
        ("2015-01-05", 2),
    ] {
        assert_eq!(
            at(&index, date).evidence()["sessions_without_open"],
            count,
            "{date}"
        );
    }
}

#[test]
fn volatility_of_closes() {
    for (symbol, facts) in [
        (
            "GSPC",
            [
                ("1987-10-19", 2.9062357498023217),
                ("2017-10-20", 0.479322369569351),
                ("2020-03-16", 3.0136042813415704),
                ("2026-01-22", 0.5785766579337247),
            ],
        ),
        (
            "IWM",
            [
                ("2001-06-29", 0.713015186255904),
                ("2008-10-15", 2.2967223630444007),
                ("2020-03-16", 2.749004229459552),
                ("2026-01-22", 0.6143559065989358),
            ],
        ),
    ] {
        let Some(said) = volatility(symbol, "close") else {
            return;
        };
        for (date, ratio) in facts {
            agree(reading(&said, date), ratio, &format!("{symbol} {date}"));
        }
    }
}

#[test]
fn shifts_of_the_volatility_of_spy() {
    let Some(said) = volatility("SPY", "yang_zhang") else {
        return;
    };
    assert_eq!(
        events(&said, "2018-01-01"),
        [
            "2018-02-08 open expansion",
            "2018-05-07 resolve normal",
            "2019-05-01 open contraction",
            "2019-05-09 resolve normal",
            "2019-11-11 open contraction",
            "2020-01-27 resolve normal",
            "2020-03-02 open expansion",
            "2020-05-01 resolve normal",
            "2020-07-29 open contraction",
            "2021-03-18 resolve normal",
            "2021-04-19 open contraction",
            "2021-09-27 resolve normal",
            "2023-04-28 open contraction",
            "2023-10-13 resolve normal",
            "2025-04-08 open expansion",
            "2025-05-14 resolve normal",
            "2025-07-09 open contraction",
            "2025-11-07 resolve normal",
            "2025-12-31 open contraction",
            "2026-03-03 resolve normal",
        ]
    );
}

#[test]
fn stalls_of_a_mega_cap() {
    let params = json!({"series": "NVDA", "benchmark": "SPY_adj"});
    let Some(said) = run("momentum_stall", params, Unit::Price) else {
        return;
    };
    assert_eq!(
        events(&said, "2025-01-01"),
        [
            "2025-01-30 open stalled",
            "2025-02-26 resolve resumed",
            "2025-08-29 open stalled",
            "2025-09-30 resolve resumed",
            "2025-10-21 open stalled",
            "2025-10-27 resolve resumed",
            "2025-11-06 open stalled",
            "2025-11-10 resolve resumed",
            "2025-11-24 open stalled",
            "2025-12-23 resolve resumed",
            "2026-06-22 open stalled",
        ]
    );
    // Return over 126 and over 21 sessions, and Wilder's index as TA-Lib has it.
    for (date, long, short, rsi) in [
        ("2025-01-30", 0.201863, -0.090212, 41.59),
        ("2025-08-29", 0.394557, -0.020745, 46.23),
        ("2026-06-22", 0.222093, -0.065229, 48.83),
    ] {
        let evidence = at(&said, date).evidence();
        assert_eq!(evidence["long_return"], long, "{date}");
        assert_eq!(evidence["short_return"], short, "{date}");
        assert_eq!(evidence["rsi"], rsi, "{date}");
    }
}

#[test]
fn stalls_of_small_caps() {
    let params = json!({"series": "RUT", "benchmark": "GSPC", "strong_pct": 10});
    let Some(said) = run("momentum_stall", params, Unit::Price) else {
        return;
    };
    assert_eq!(
        events(&said, "2025-06-01"),
        [
            "2025-10-10 open stalled",
            "2025-10-14 resolve new_high",
            "2025-10-17 open stalled",
            "2025-12-11 resolve resumed",
            "2026-02-20 open stalled",
            "2026-03-20 resolve spent",
            "2026-05-18 open stalled",
            "2026-05-28 resolve resumed",
            "2026-06-05 open stalled",
            "2026-06-11 resolve new_high",
            "2026-07-22 open stalled",
        ]
    );
}

#[test]
fn macd_is_that_of_pandas_and_in_the_long_run_of_ta_lib() {
    for (symbol, pandas, ta_lib) in [
        ("GSPC", 5.124914082812843, 5.124914082813174),
        ("RUT", 0.6667592988001125, 0.6667592987999136),
        ("DGS10", 0.014294982027812153, 0.014294982027811903),
        ("NVDA", -0.22762570270870486, -0.2276257027087142),
        ("IWM", 0.07838741716680486, 0.078387417166776),
    ] {
        let Some(said) = run("macd", json!({"series": symbol}), Unit::Price) else {
            return;
        };
        let read = reading(&said, "2023-10-19");
        agree(read, pandas, symbol);
        agree(read, ta_lib, symbol);
    }
    // At the beginning the two differ, since TA-Lib's averages begin with the mean of their first values.
    let Some(said) = run("macd", json!({"series": "GSPC"}), Unit::Price) else {
        return;
    };
    assert!(said[32].step.reading.is_none());
    agree(
        said[33].step.reading.unwrap().value,
        -0.03528329925264714,
        "pandas",
    );
    assert!(said[33].step.reading.unwrap().value > -0.05532000590332034 + 0.02);
}
