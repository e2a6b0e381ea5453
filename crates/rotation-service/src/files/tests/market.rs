//! Real files, held against counts and values taken from them by other means.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::*;
use rotation_engine::calendar::Calendar;

/// The folder of market data beside the repository, or none, loudly.
fn market() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let market = root.join("../shared/market");
    if market.is_dir() {
        return Some(market);
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "no market data at ../shared/market"
    );
    println!("SKIPPED: no market data at ../shared/market");
    None
}

type Tick = (Arc<str>, EventTime, f64);

fn ticks(path: PathBuf, options: &OpenOptions) -> (Vec<Tick>, Vec<Skip>) {
    let mut source = open(path, options).unwrap();
    let ticks = source
        .by_ref()
        .map(|record| {
            let record = record.unwrap();
            let Content::Tick { price, .. } = record.content else {
                panic!("{record:?}")
            };
            (record.symbol.unwrap(), record.time, price)
        })
        .collect();
    (ticks, source.skips().to_vec())
}

struct Expected {
    file: &'static str,
    calendar: Calendar,
    count: usize,
    first: (&'static str, &'static str, f64),
    last: (&'static str, &'static str, f64),
}

const FILES: [Expected; 6] = [
    Expected {
        file: "daily/RUT.csv",
        calendar: Calendar::Xnys,
        count: 9_811,
        first: ("RUT", "1987-09-10T20:00:00Z", 168.97),
        last: ("RUT", "2026-08-21T20:00:00Z", 3017.87),
    },
    Expected {
        file: "daily/CPIAUCSL.csv",
        calendar: Calendar::AlwaysOpen,
        count: 954,
        first: ("CPIAUCSL", "1947-01-01T23:59:59.999999999Z", 21.48),
        last: ("CPIAUCSL", "2026-07-01T23:59:59.999999999Z", 332.813),
    },
    Expected {
        file: "intraday/RUT_5m.csv.gz",
        calendar: Calendar::Xnys,
        count: 4 * 47_738,
        first: ("RUT_5m", "2024-03-11T13:30:00Z", 2075.74),
        last: ("RUT_5m", "2026-08-21T19:59:59.999Z", 3017.905),
    },
    Expected {
        file: "intraday/SPX_5m.csv.gz",
        calendar: Calendar::Xnys,
        count: 4 * 47_753,
        first: ("SPX_5m", "2024-03-11T13:30:00Z", 5111.96),
        last: ("SPX_5m", "2026-08-21T19:59:59.999Z", 7674.1001),
    },
    Expected {
        file: "ticks/ticks_2013-10-07.csv.gz",
        calendar: Calendar::Xnys,
        count: 388_417,
        first: ("SPY", "2013-10-07T08:00:00.464Z", 167.41),
        last: ("SPY", "2013-10-07T23:59:59.536Z", 167.3),
    },
    Expected {
        file: "panel/sp500_close.csv.gz",
        calendar: Calendar::Xnys,
        count: 2_535_614,
        first: ("MMM", "2004-01-02T21:00:00Z", 36.875),
        last: ("ZTS", "2026-07-31T20:00:00Z", 77.29),
    },
];

#[test]
fn real_files_are_read_whole() {
    let Some(market) = market() else { return };
    for Expected {
        file,
        calendar,
        count,
        first,
        last,
    } in FILES
    {
        let options = OpenOptions {
            calendar,
            ..OpenOptions::default()
        };
        let (ticks, skips) = ticks(market.join(file), &options);
        let told = |at: usize| (&*ticks[at].0, ticks[at].1.to_string(), ticks[at].2);
        assert_eq!(skips, [], "{file}");
        assert_eq!(ticks.len(), count, "{file}");
        assert_eq!(told(0), (first.0, first.1.to_owned(), first.2), "{file}");
        assert_eq!(
            told(count - 1),
            (last.0, last.1.to_owned(), last.2),
            "{file}"
        );
    }
}

#[test]
fn whole_rows_of_a_fund_are_four_ticks_each() {
    let Some(market) = market() else { return };
    let options = OpenOptions {
        ohlc: ["SPY".to_owned()].into(),
        ..OpenOptions::default()
    };
    let records: Vec<FileRecord> = open(market.join("daily/SPY.csv"), &options)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(records.len(), 4 * 8_448);
    assert!(records.is_sorted_by_key(|record| record.time));
    let last = records[records.len() - 4..].iter().map(|record| {
        let Content::Tick {
            price,
            size,
            official,
        } = record.content
        else {
            panic!("{record:?}")
        };
        (price, size, official)
    });
    assert_eq!(
        last.collect::<Vec<_>>(),
        [
            (766.05, None, false),
            (767.85, None, false),
            (764.17, None, false),
            (765.72, Some(38_583_716.0), true),
        ]
    );
}

#[test]
fn history_before_the_calendar_is_counted() {
    let Some(market) = market() else { return };
    let (ticks, skips) = ticks(market.join("daily/GSPC.csv"), &OpenOptions::default());
    assert_eq!(ticks.len(), 9_985);
    assert_eq!(skips.len(), 1);
    assert_eq!(
        (skips[0].reason, skips[0].count),
        (SkipReason::OutsideCalendar, 24_777 - 9_985)
    );
}

#[test]
fn intraday_files_hold_615_sessions() {
    let Some(market) = market() else { return };
    let (ticks, _) = ticks(
        market.join("intraday/RUT_5m.csv.gz"),
        &OpenOptions::default(),
    );
    let mut sessions = BTreeMap::new();
    for (_, time, price) in &ticks {
        sessions.insert(time.to_string()[..10].to_owned(), *price);
    }
    assert_eq!(sessions.len(), 615);
    assert_eq!(sessions["2026-01-22"], 2718.32);
    assert!(ticks.is_sorted_by_key(|(_, time, _)| *time));
}

#[test]
fn prints_are_those_of_four_symbols() {
    let Some(market) = market() else { return };
    let (ticks, _) = ticks(
        market.join("ticks/ticks_2013-10-07.csv.gz"),
        &OpenOptions::default(),
    );
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for (symbol, ..) in &ticks {
        *counts.entry(symbol).or_default() += 1;
    }
    assert_eq!(
        counts,
        [
            ("AIG", 25_351),
            ("BAC", 88_172),
            ("IBM", 24_293),
            ("SPY", 250_601)
        ]
        .into()
    );
}

#[test]
fn the_daily_folder_merges_in_order() {
    let Some(market) = market() else { return };
    let mut options = OpenOptions::default();
    options
        .calendars
        .insert("DGS10".to_owned(), Calendar::UsBond);
    for symbol in ["CPIAUCSL", "DFEDTARL", "DFEDTARU"] {
        options
            .calendars
            .insert(symbol.to_owned(), Calendar::AlwaysOpen);
    }
    let expansion = expand(&[market.join("daily"), market.join("panel")]).unwrap();
    assert_eq!(expansion.files.len(), 31, "{:?}", expansion.passed_over);
    assert_eq!(expansion.passed_over.len(), 1);
    assert!(
        expansion.passed_over[0]
            .path
            .ends_with("sp500_ticker_start_end.csv")
    );
    let sources: Vec<_> = expansion
        .files
        .iter()
        .map(|file| open(file, &options).unwrap())
        .collect();
    let mut merged = merge(sources);
    let times: Vec<_> = merged.by_ref().map(|record| record.unwrap().time).collect();
    assert!(times.is_sorted());
    let unexplained: Vec<_> = merged
        .sources()
        .iter()
        .flat_map(|source| {
            source
                .skips()
                .iter()
                .map(|skip| (source.path().to_owned(), skip))
        })
        .filter(|(_, skip)| skip.reason != SkipReason::OutsideCalendar)
        .map(|(path, skip)| format!("{}: {skip}", path.display()))
        .collect();
    assert_eq!(unexplained, [""; 0]);
}
