//! Prints, and what they come to, computed without the product.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use rotation_engine::record::Bar;
use rotation_tests::market;

use super::PRINTS;

/// Midnight in New York on 2013-10-07.
pub(crate) const MIDNIGHT: &str = "2013-10-07T04:00:00Z";
pub(crate) const MILLI: i64 = 1_000_000;
pub(crate) const OPEN: i64 = (9 * 60 + 30) * 60_000 * MILLI;
pub(crate) const CLOSE: i64 = 16 * 60 * 60_000 * MILLI;
pub(crate) const MINUTE: i64 = 60_000 * MILLI;
pub(crate) const LATENESS: i64 = 30_000 * MILLI;

pub(crate) const SYMBOLS: [&str; 4] = ["SPY", "BAC", "AIG", "IBM"];

pub(crate) fn has_minutes(symbol: &str) -> bool {
    ["AIG", "BAC"].contains(&symbol)
}

/// A trade, its time in nanoseconds from midnight.
#[derive(Clone, Copy)]
pub(crate) struct Print {
    pub(crate) time: i64,
    pub(crate) symbol: &'static str,
    pub(crate) price: f64,
    pub(crate) size: f64,
}

/// The trades in the order of the file.
pub(crate) fn prints() -> Option<Vec<Print>> {
    let text = market::text(&market::find("ticks/ticks_2013-10-07.csv.gz")?);
    let print = |line: &str| {
        let mut fields = line.split(',');
        let mut next = || fields.next().unwrap();
        let (millis, symbol) = (next().parse::<i64>().unwrap(), next());
        let symbol = SYMBOLS.into_iter().find(|known| *known == symbol).unwrap();
        Print {
            time: millis * MILLI,
            symbol,
            price: next().parse().unwrap(),
            size: next().parse().unwrap(),
        }
    };
    let prints: Vec<Print> = text.lines().skip(1).map(print).collect();
    assert_eq!(prints.len(), PRINTS);
    Some(prints)
}

/// The trades in an order of arrival in which some are late.
pub(crate) fn delayed(prints: &[Print]) -> Vec<Print> {
    let delay = |index: usize| match index {
        _ if index.is_multiple_of(8_191) => 3_600_000 * MILLI,
        _ if index.is_multiple_of(1_009) => 45_000 * MILLI,
        _ if index.is_multiple_of(499) => 20_000 * MILLI,
        _ => 0,
    };
    let mut arrivals: Vec<(i64, Print)> = prints
        .iter()
        .enumerate()
        .map(|(index, print)| (print.time + delay(index), *print))
        .collect();
    arrivals.sort_by_key(|(arrival, _)| *arrival);
    arrivals.into_iter().map(|(_, print)| print).collect()
}

/// Symbol, clock, and start of the bucket from midnight.
pub(crate) type Key = (&'static str, &'static str, i64);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ohlc {
    pub(crate) open: f64,
    pub(crate) high: f64,
    pub(crate) low: f64,
    pub(crate) close: f64,
    pub(crate) size: f64,
    pub(crate) ticks: u32,
}

impl From<&Bar> for Ohlc {
    fn from(bar: &Bar) -> Self {
        let Bar {
            open,
            high,
            low,
            close,
            size,
            ticks,
            ..
        } = *bar;
        Ohlc {
            open,
            high,
            low,
            close,
            size,
            ticks,
        }
    }
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) accepted: u64,
    pub(crate) late: u64,
    pub(crate) out_of_session: u64,
    pub(crate) duplicate: u64,
}

/// Bars and counts of prints in their order of arrival. A partition's horizon is its newest print less the lateness;
/// with
/// `heartbeats`, what a replay says when the first print is past the session's end by the lateness ends the session for
/// all partitions.
pub(crate) fn naive(
    prints: &[Print],
    partition: impl Fn(&str) -> u32,
    heartbeats: bool,
) -> (BTreeMap<Key, Ohlc>, Counts) {
    let mut horizons: BTreeMap<u32, i64> = BTreeMap::new();
    let mut ended = 0;
    let mut counts = Counts::default();
    let mut held: BTreeMap<Key, Vec<Print>> = BTreeMap::new();
    for print in prints {
        if heartbeats && print.time > CLOSE + LATENESS {
            ended = CLOSE + 1;
        }
        let horizon = horizons.entry(partition(print.symbol)).or_insert(0);
        if print.time < (*horizon).max(ended) {
            counts.late += 1;
            continue;
        }
        *horizon = (*horizon).max(print.time - LATENESS);
        let in_session = (OPEN..=CLOSE).contains(&print.time);
        if in_session {
            held.entry((print.symbol, "session", OPEN))
                .or_default()
                .push(*print);
        }
        if has_minutes(print.symbol) {
            let minute = print.time / MINUTE * MINUTE;
            held.entry((print.symbol, "1m", minute))
                .or_default()
                .push(*print);
        }
        if in_session || has_minutes(print.symbol) {
            counts.accepted += 1;
        } else {
            counts.out_of_session += 1;
        }
    }
    let bars = held.into_iter().map(|(key, mut prints)| {
        // Stable: prints of one millisecond keep their order of arrival.
        prints.sort_by_key(|print| print.time);
        let prices = || prints.iter().map(|print| print.price);
        let bar = Ohlc {
            open: prints[0].price,
            high: prices().fold(f64::MIN, f64::max),
            low: prices().fold(f64::MAX, f64::min),
            close: prints[prints.len() - 1].price,
            size: prints.iter().map(|print| print.size).sum(),
            ticks: u32::try_from(prints.len()).unwrap(),
        };
        (key, bar)
    });
    (bars.collect(), counts)
}

/// The prints in the form of the file.
pub(crate) fn write(prints: &[Print], folder: &std::path::Path) -> PathBuf {
    let mut text =
        String::from("ms_since_midnight_et,symbol,price,size,exchange,sale_condition,suspicious\n");
    for Print {
        time,
        symbol,
        price,
        size,
    } in prints
    {
        writeln!(text, "{},{symbol},{price},{size},P,1,0", time / MILLI).unwrap();
    }
    let path = folder.join("late_2013-10-07.csv");
    std::fs::write(&path, text).unwrap();
    path
}
