//! Files as text, and what is read from them as text.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use rotation_engine::calendar::Calendar;
use tempfile::TempDir;

use super::*;

mod market;

/// One line a record, `!` an error, `~` a skip at the end; paths are cut to the file's name.
fn rendered(records: impl IntoIterator<Item = Result<FileRecord, FilesError>>) -> String {
    let mut text = String::new();
    for record in records {
        match record {
            Err(error) => writeln!(text, "! {}", base(&error)),
            Ok(FileRecord {
                symbol,
                time,
                content,
            }) => {
                let symbol = symbol.as_deref().unwrap_or("-");
                match content {
                    Content::Raw(raw) => {
                        writeln!(text, "{symbol} {time} {}", String::from_utf8_lossy(&raw))
                    }
                    Content::Tick {
                        price,
                        size,
                        official,
                    } => {
                        let size = size.map(|size| format!(" x{size}")).unwrap_or_default();
                        let official = if official { " official" } else { "" };
                        writeln!(text, "{symbol} {time} {price}{size}{official}")
                    }
                }
            }
        }
        .unwrap();
    }
    text
}

fn base(error: &FilesError) -> String {
    let directory = error.path.parent().unwrap().display().to_string();
    error.to_string().replace(&format!("{directory}/"), "")
}

fn read(path: &Path, options: &OpenOptions) -> String {
    let mut source = match open(path, options) {
        Ok(source) => source,
        Err(error) => return format!("! {}\n", base(&error)),
    };
    let mut text = rendered(&mut source);
    for skip in source.skips() {
        writeln!(text, "~ {skip}").unwrap();
    }
    text
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Reads the file plain, gzipped under the same name, and with Windows line ends and a byte order mark.
#[track_caller]
fn check_with(options: &OpenOptions, name: &str, content: &str, expected: &str) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join(name);
    let windows = format!("\u{feff}{}", content.replace('\n', "\r\n"));
    let forms = [
        ("plain", content.as_bytes().to_vec()),
        ("gzip", gzip(content.as_bytes())),
        ("windows", windows.into_bytes()),
    ];
    for (form, bytes) in forms {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(read(&path, options), expected, "{form}");
    }
}

#[track_caller]
fn check(name: &str, content: &str, expected: &str) {
    check_with(&OpenOptions::default(), name, content, expected);
}

#[test]
fn daily_rows_are_official_ticks_at_the_session_close() {
    let ticks =
        "RUT 2026-01-15T21:00:00Z 2674.56 official\nRUT 2026-01-16T21:00:00Z 2677.74 official\n";
    check(
        "RUT.csv",
        "date,open,high,low,close,volume\n\
         2026-01-15,2651.6,2680.1,2650.2,2674.56,0\n2026-01-16,2674.5,2690.0,2670.0,2677.74,0\n",
        ticks,
    );
    check(
        "RUT.csv.gz",
        "Date,Open,High,Low,Close,Adj Close,Volume\n\
         2026-01-15,1,1,1,2674.56,99,0\n\n2026-01-16,1,1,1,2677.74,99,0",
        ticks,
    );
    check(
        "RUT.csv",
        "\"Date\",\"Close\"\n\"2026-01-15 00:00:00-05:00\",\"2674.56\"\n2026-01-16T00:00:00, 2677.740\n",
        ticks,
    );
    // Summer time: the close is an hour earlier in UTC.
    check(
        "X.csv",
        "date,close\n2026-07-01,-0.5\n",
        "X 2026-07-01T20:00:00Z -0.5 official\n",
    );
}

#[test]
fn whole_rows_are_ticks_in_order_with_the_volume_at_the_close() {
    let whole = OpenOptions {
        ohlc: ["SPY".to_owned()].into(),
        ..OpenOptions::default()
    };
    // The second day closes at 13:00 in New York.
    let rows = "Date,Open,High,Low,Close,Volume\n\
                2025-11-26,677.5,681.4,676.8,679.68,75000000\n2025-11-28,680,683.5,679.9,683.39,49212000\n";
    check_with(
        &whole,
        "SPY.csv",
        rows,
        "SPY 2025-11-26T14:30:00Z 677.5\nSPY 2025-11-26T16:40:00Z 681.4\n\
         SPY 2025-11-26T18:50:00Z 676.8\nSPY 2025-11-26T21:00:00Z 679.68 x75000000 official\n\
         SPY 2025-11-28T14:30:00Z 680\nSPY 2025-11-28T15:40:00Z 683.5\n\
         SPY 2025-11-28T16:50:00Z 679.9\nSPY 2025-11-28T18:00:00Z 683.39 x49212000 official\n",
    );
    // Another series of the same options keeps its close alone.
    check_with(
        &whole,
        "IWM.csv",
        rows,
        "IWM 2025-11-26T21:00:00Z 679.68 official\nIWM 2025-11-28T18:00:00Z 683.39 official\n",
    );
    // What a row lacks is left out, and a file without volume has none.
    check_with(
        &whole,
        "SPY.csv",
        "date,open,high,low,close\n2025-11-26,,681.4,,679.68\n2025-11-28,680,683.5,679.9,\n",
        "SPY 2025-11-26T16:40:00Z 681.4\nSPY 2025-11-26T21:00:00Z 679.68 official\n\
         ~ 1 row without a value, the first in line 3: 2025-11-28\n",
    );
    // A cell that is no number takes its whole row with it.
    check_with(
        &whole,
        "SPY.csv",
        "date,open,high,low,close,volume\n2025-11-25,1,1,1,1,-5\n2025-11-26,677.5,x,676.8,679.68,1\n",
        "! SPY.csv:2: column \"volume\": expected a volume of 0 or more, found \"-5\"\n\
         ! SPY.csv:3: column \"high\": expected a number, found \"x\"\n",
    );
    check_with(
        &whole,
        "SPY.csv",
        "date,close\n2025-11-26,679.68\n",
        "! SPY.csv: header has no column \"open\", which series with ohlc = true need\n",
    );
}

#[test]
fn values_that_are_missing_are_counted() {
    check(
        "DGS10.csv",
        "observation_date,DGS10\n2023-10-18,4.91\n2023-10-19,.\n2023-10-20,\n2023-10-23,NaN\n2023-10-24,4.83\n",
        "DGS10 2023-10-18T20:00:00Z 4.91 official\nDGS10 2023-10-24T20:00:00Z 4.83 official\n\
         ~ 3 rows without a value, the first in line 3: 2023-10-19\n",
    );
    check(
        "D.csv",
        "DATE,D\n2023-10-19,null\n",
        "~ 1 row without a value, the first in line 2: 2023-10-19\n",
    );
}

#[test]
fn dates_without_a_session_are_counted() {
    check(
        "GSPC.csv",
        "date,close\n1927-12-30,17.66\n1928-01-03,17.76\n2026-01-16,6940.01\n2026-01-17,1\n",
        "GSPC 2026-01-16T21:00:00Z 6940.01 official\n\
         ~ 2 rows outside the years of the calendar, the first in line 2: 1927-12-30\n\
         ~ 1 row on a date without a session, the first in line 5: 2026-01-17\n",
    );
    let always = OpenOptions {
        calendars: [("BTC".to_owned(), Calendar::AlwaysOpen)].into(),
        ..OpenOptions::default()
    };
    check_with(
        &always,
        "BTC.csv",
        "date,close\n2026-01-17,95000\n",
        "BTC 2026-01-17T23:59:59.999999999Z 95000 official\n",
    );
}

#[test]
fn a_panel_has_a_tick_for_each_cell_that_is_not_empty() {
    check(
        "sp500_close.csv",
        "date,MMM,ABBV,A\n2026-01-15,160.5,,130\n2026-01-16,161,215.25,\n2026-01-17,1,,\n2026-01-20,1,2,3,4\n",
        "MMM 2026-01-15T21:00:00Z 160.5 official\nA 2026-01-15T21:00:00Z 130 official\n\
         MMM 2026-01-16T21:00:00Z 161 official\nABBV 2026-01-16T21:00:00Z 215.25 official\n\
         ! sp500_close.csv:5: column \"\": expected as many fields as the header has, found \"4\"\n\
         ~ 1 row on a date without a session, the first in line 4: 2026-01-17\n",
    );
    // Lowe's trades as LOW.
    check(
        "p.csv",
        "date,LOW,MMM\n2026-01-15,,2\n",
        "MMM 2026-01-15T21:00:00Z 2 official\n",
    );
    // A cell that is no number takes its whole row with it: a part of a day would look like delistings.
    check(
        "p.csv",
        "date,AAA,BBB,CCC\n2026-01-15,1,2,3\n2026-01-16,1,x,3\n",
        "AAA 2026-01-15T21:00:00Z 1 official\nBBB 2026-01-15T21:00:00Z 2 official\n\
         CCC 2026-01-15T21:00:00Z 3 official\n\
         ! p.csv:3: column \"BBB\": expected a number, found \"x\"\n",
    );
}

#[test]
fn a_bar_becomes_its_four_prices_in_order() {
    check(
        "RUT_5m.csv.gz",
        "ts,open,high,low,close,volume\n2026-01-15T14:30:00Z,10,12,9,11,0\n2026-01-15T14:35:00Z,11,11.5,10.5,11.25,\n\
         2026-01-15T09:45:00-05:00,8,8,8,8,0\n",
        "RUT_5m 2026-01-15T14:30:00Z 10\nRUT_5m 2026-01-15T14:31:40Z 12\n\
         RUT_5m 2026-01-15T14:33:20Z 9\nRUT_5m 2026-01-15T14:34:59.999Z 11\n\
         RUT_5m 2026-01-15T14:35:00Z 11\nRUT_5m 2026-01-15T14:36:40Z 11.5\n\
         RUT_5m 2026-01-15T14:38:20Z 10.5\nRUT_5m 2026-01-15T14:39:59.999Z 11.25\n\
         RUT_5m 2026-01-15T14:45:00Z 8\nRUT_5m 2026-01-15T14:46:40Z 8\n\
         RUT_5m 2026-01-15T14:48:20Z 8\nRUT_5m 2026-01-15T14:49:59.999Z 8\n",
    );
    let one = "ts,open,high,low,close\n2026-01-15T14:30:00Z,10,12,9,11\n";
    check(
        "R.csv",
        one,
        "! R.csv: cannot tell the interval of the bars from their first rows; give it\n",
    );
    let minute = OpenOptions {
        bar_nanos: Some(60_000_000_000),
        ..OpenOptions::default()
    };
    check_with(
        &minute,
        "R.csv",
        one,
        "R 2026-01-15T14:30:00Z 10\nR 2026-01-15T14:30:20Z 12\n\
         R 2026-01-15T14:30:40Z 9\nR 2026-01-15T14:30:59.999Z 11\n",
    );
    check_with(
        &minute,
        "R.csv",
        "ts,open,high,low,close\n2026-01-15T14:30:00Z,10,12,,11\n2026-01-15T14:30:30Z,1,1,1,1\n",
        "! R.csv:3: rows must ascend in time: 2026-01-15T14:30:30Z comes after 2026-01-15T14:31:00Z\n\
         ~ 1 row without a value, the first in line 2: 2026-01-15T14:30:00Z\n",
    );
}

#[test]
fn prints_keep_the_order_of_the_file() {
    check(
        "ticks_2013-10-07.csv",
        "ms_since_midnight_et,symbol,price,size,exchange,sale_condition,suspicious\n\
         14400464,SPY,167.41,100,P,20002000,0\n14400465,BAC,13.99,1400,P,2000,0\n14400001,SPY,167.4,,K,Z,0\n\
         14400466,SPY,0x10,1,K,Z,0\n86400000,SPY,1,1,K,Z,0\n14400467,SPY,,1,K,Z,0\n14400468\n",
        "SPY 2013-10-07T08:00:00.464Z 167.41 x100\nBAC 2013-10-07T08:00:00.465Z 13.99 x1400\n\
         SPY 2013-10-07T08:00:00.001Z 167.4\n\
         ! ticks_2013-10-07.csv:5: column \"price\": expected a number, found \"0x10\"\n\
         ! ticks_2013-10-07.csv:6: column \"ms_since_midnight_et\": expected milliseconds below 86400000, found \"86400000\"\n\
         ! ticks_2013-10-07.csv:8: column \"symbol\": expected a symbol, found \"\"\n\
         ~ 1 row without a value, the first in line 7: 2013-10-07T08:00:00.467Z\n",
    );
    check(
        "ticks.csv",
        "ms_since_midnight_et,symbol,price\n1,SPY,2\n",
        "! ticks.csv: file name holds no date, expected trade prints named like ticks_2013-10-07.csv\n",
    );
}

#[test]
fn input_records_are_passed_on_as_they_are() {
    check(
        "feed.ndjson",
        "{\"symbol\":\"RUT\",\"time\":\"2026-01-22T20:59:59.123Z\",\"price\":2718.77,  \"seq\":42}\n\
         {\"type\":\"heartbeat\",\"time\":1769115600000000000}\n\
         {\"time\":\"2026-01-22T16:00:00-05:00\",\"symbol\":\"R\\u0055T\",\"value\":1e400}\n\
         {\"symbol\":\"RUT\",\"price\":1}\n{\"symbol\":\n{\"symbol\":\"RUT\",\"time\":\"soon\"}\n",
        "RUT 2026-01-22T20:59:59.123Z {\"symbol\":\"RUT\",\"time\":\"2026-01-22T20:59:59.123Z\",\"price\":2718.77,  \"seq\":42}\n\
         - 2026-01-22T21:00:00Z {\"type\":\"heartbeat\",\"time\":1769115600000000000}\n\
         RUT 2026-01-22T21:00:00Z {\"time\":\"2026-01-22T16:00:00-05:00\",\"symbol\":\"R\\u0055T\",\"value\":1e400}\n\
         ! feed.ndjson:4: not an input record: missing field `time` at column 26\n\
         ! feed.ndjson:5: not an input record: EOF while parsing a value at column 10\n\
         ! feed.ndjson:6: not an input record: expected an RFC 3339 time such as 2026-01-15T20:59:59.123Z, given \"soon\" at column 29\n",
    );
    // A first line that is no record is an error of that line alone.
    check(
        "x",
        "{\n{\"time\":0}\n",
        "! x:1: not an input record: EOF while parsing an object at column 1\n- 1970-01-01T00:00:00Z {\"time\":0}\n",
    );
}

/// A void without a time follows the line before.
#[test]
fn a_void_comes_after_the_print_that_it_voids() {
    check(
        "feed.ndjson",
        "{\"symbol\":\"RUT\",\"time\":\"2026-01-22T20:59:59Z\",\"price\":1,\"seq\":42}\n\
         {\"type\":\"void\",\"symbol\":\"RUT\",\"seq\":42}\n",
        "RUT 2026-01-22T20:59:59Z {\"symbol\":\"RUT\",\"time\":\"2026-01-22T20:59:59Z\",\"price\":1,\"seq\":42}\n\
         RUT 2026-01-22T20:59:59Z {\"type\":\"void\",\"symbol\":\"RUT\",\"seq\":42}\n",
    );
}

#[test]
fn faults_name_their_place() {
    let cases = [
        (
            "date,close\n2026-01-15,abc\n",
            "! F.csv:2: column \"close\": expected a number, found \"abc\"\n",
        ),
        (
            "date,close\n2026-01-15,inf\n",
            "! F.csv:2: column \"close\": expected a number, found \"inf\"\n",
        ),
        (
            "Date,Close\n15/01/2026,1\n",
            "! F.csv:2: column \"date\": expected a date such as 2026-01-22, found \"15/01/2026\"\n",
        ),
        (
            "Date,Close\n2026-02-29,1\n",
            "! F.csv:2: column \"date\": expected a date such as 2026-01-22, found \"2026-02-29\"\n",
        ),
        (
            "date,close\n2026-01-16,1\n2026-01-15,2\n2026-01-16,3\n2026-01-20,4\n",
            "F 2026-01-16T21:00:00Z 1 official\n! F.csv:3: rows must ascend in time: 2026-01-15 comes after 2026-01-16\n\
             ! F.csv:4: rows must ascend in time: 2026-01-16 comes after 2026-01-16\nF 2026-01-20T21:00:00Z 4 official\n",
        ),
        (
            "date,open,high\n",
            "! F.csv: header has no column \"close\", which daily quotes need\n",
        ),
        (
            "ts,open,high,low\n",
            "! F.csv: header has no column \"close\", which bars need\n",
        ),
        (
            "ts,open,high,low,close\nnow,1,1,1,1\n",
            "! F.csv:2: column \"ts\": expected a time such as 2026-01-22T20:55:00Z, found \"now\"\n",
        ),
        (
            "ms_since_midnight_et,price\n",
            "! F.csv: header has no column \"symbol\", which trade prints need\n",
        ),
        ("", "! F.csv: is empty, expected market data\n"),
        ("\n\n", "! F.csv: is empty, expected market data\n"),
        ("date,close\n", ""),
    ];
    for (content, expected) in cases {
        check("F.csv", content, expected);
    }
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("s.csv");
    std::fs::write(&path, "ticker,start_date,end_date\nA,2000-06-05,\n").unwrap();
    let error = open(&path, &OpenOptions::default()).unwrap_err();
    assert!(base(&error).starts_with(
        "s.csv: unknown format: first line is \"ticker,start_date,end_date\", expected date,open"
    ));
}

#[test]
fn a_line_beyond_the_bound_costs_that_line_only() {
    let noise = "9".repeat(LINE_BYTES_MAX + 1);
    check(
        "N.csv",
        &format!("date,close\n2026-01-15,1\n{noise}\n2026-01-16,2\n"),
        "N 2026-01-15T21:00:00Z 1 official\n! N.csv:3: line is longer than 1048576 bytes\n\
         N 2026-01-16T21:00:00Z 2 official\n",
    );
}

#[test]
fn a_cut_off_archive_is_the_end_with_an_error() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("RUT.csv.gz");
    let whole = gzip(format!("date,close\n{}", "2026-01-15,1\n".repeat(3)).as_bytes());
    std::fs::write(&path, &whole[..whole.len() - 6]).unwrap();
    let results: Vec<_> = open(&path, &OpenOptions::default()).unwrap().collect();
    let last = results.last().unwrap().as_ref().unwrap_err();
    assert!(
        last.is_final() && matches!(last.fault, Fault::Read(_)),
        "{last}"
    );
    assert!(base(last).ends_with("cannot read on"));
}

#[test]
fn dates_asked_for_are_those_of_the_exchange() {
    let options = OpenOptions {
        from: Some("2026-01-15".parse().unwrap()),
        to: Some("2026-01-16".parse().unwrap()),
        ..OpenOptions::default()
    };
    check_with(
        &options,
        "R.csv",
        "date,close\n2026-01-14,1\n2026-01-15,2\n2026-01-16,3\n2026-01-20,4\nnot read\n",
        "R 2026-01-15T21:00:00Z 2 official\nR 2026-01-16T21:00:00Z 3 official\n",
    );
    check_with(
        &options,
        "feed",
        "{\"time\":\"2026-01-15T04:59:59Z\"}\n{\"time\":\"2026-01-15T05:00:00Z\"}\n\
         {\"time\":\"2026-01-17T04:59:59Z\",\"symbol\":\"A\"}\n{\"time\":\"2026-01-17T05:00:00Z\",\"symbol\":\"A\"}\n",
        "- 2026-01-15T05:00:00Z {\"time\":\"2026-01-15T05:00:00Z\"}\n\
         A 2026-01-17T04:59:59Z {\"time\":\"2026-01-17T04:59:59Z\",\"symbol\":\"A\"}\n",
    );
}

#[test]
fn aliases_rename_files_columns_and_printed_symbols() {
    let aliases = [("RUT_5m", "RUT"), ("BRK.B", "BRK-B")];
    let options = OpenOptions {
        aliases: aliases
            .map(|(from, to)| (from.to_owned(), to.to_owned()))
            .into(),
        ..OpenOptions::default()
    };
    check_with(
        &options,
        "RUT_5m.csv",
        "date,close\n2026-01-15,2\n",
        "RUT 2026-01-15T21:00:00Z 2 official\n",
    );
    check_with(
        &options,
        "p.csv",
        "date,BRK.B,A\n2026-01-15,2,\n",
        "BRK-B 2026-01-15T21:00:00Z 2 official\n",
    );
    check_with(
        &options,
        "2013-10-07",
        "ms_since_midnight_et,symbol,price\n0,BRK.B,2\n",
        "BRK-B 2013-10-07T04:00:00Z 2\n",
    );
}

#[test]
fn sources_merge_by_time_then_by_their_order() {
    let directory = TempDir::new().unwrap();
    let write = |name: &str, content: &str| {
        std::fs::write(directory.path().join(name), content).unwrap();
    };
    write(
        "RUT.csv",
        "date,close\n2026-01-15,1\n2026-01-16,x\n2026-01-20,3\n",
    );
    write("A.csv", "date,close\n2026-01-15,10\n2026-01-16,20\n");
    // The second line is late: it comes right behind the first, not before it.
    write(
        "feed",
        "{\"time\":\"2026-01-16T22:00:00Z\"}\n{\"time\":\"2026-01-15T00:00:00Z\"}\n{\"time\":\"2026-01-21T00:00:00Z\"}\n",
    );
    let options = OpenOptions::default();
    let sources = ["RUT.csv", "A.csv", "feed"]
        .map(|name| open(directory.path().join(name), &options).unwrap());
    let mut merged = merge(sources.into());
    assert_eq!(
        rendered(&mut merged),
        "RUT 2026-01-15T21:00:00Z 1 official\n\
         ! RUT.csv:3: column \"close\": expected a number, found \"x\"\n\
         A 2026-01-15T21:00:00Z 10 official\nA 2026-01-16T21:00:00Z 20 official\n\
         - 2026-01-16T22:00:00Z {\"time\":\"2026-01-16T22:00:00Z\"}\n\
         - 2026-01-15T00:00:00Z {\"time\":\"2026-01-15T00:00:00Z\"}\n\
         RUT 2026-01-20T21:00:00Z 3 official\n\
         - 2026-01-21T00:00:00Z {\"time\":\"2026-01-21T00:00:00Z\"}\n"
    );
    for source in merged.sources() {
        assert_eq!(
            source.progress().read_bytes(),
            source.progress().total_bytes()
        );
    }
    assert_eq!(rendered(merge(Vec::new())), "");
}

#[test]
fn directories_give_the_files_that_hold_market_data() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    for name in ["RUT.csv", "GSPC.csv.gz", ".hidden.csv"] {
        std::fs::write(path(name), "date,close\n").unwrap();
    }
    std::fs::write(path("README.md"), "# Data\n").unwrap();
    std::fs::create_dir(path("old")).unwrap();
    let expansion = expand(&[path("RUT.csv").as_path(), directory.path()]).unwrap();
    assert_eq!(expansion.files, [path("RUT.csv"), path("GSPC.csv.gz")]);
    let passed_over: Vec<_> = expansion.passed_over.iter().map(base).collect();
    assert!(passed_over[0].starts_with("README.md: unknown format: first line is \"# Data\""));
    assert!(passed_over[1].starts_with("old: is a directory"));
    assert_eq!(passed_over.len(), 2);
    assert!(expand(&[path("README.md")]).is_err());
    assert!(expand(&[path("none")]).is_err());
}
