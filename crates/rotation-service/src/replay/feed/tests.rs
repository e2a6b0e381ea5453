use super::*;

fn tick(symbol: &str, time: &str, price: f64, size: Option<f64>, official: bool) -> FileRecord {
    FileRecord {
        symbol: Some(symbol.into()),
        time: time.parse().unwrap(),
        content: Content::Tick {
            price,
            size,
            official,
        },
    }
}

fn raw(symbol: Option<&str>, time: &str, line: &str) -> FileRecord {
    FileRecord {
        symbol: symbol.map(Into::into),
        time: time.parse().unwrap(),
        content: Content::Raw(line.as_bytes().into()),
    }
}

fn feed(records: Vec<FileRecord>, options: FeedOptions) -> Vec<String> {
    let feed = Feed::new(records.into_iter().map(Ok), options);
    let show = |outgoing: Result<Outgoing, FilesError>| {
        let Outgoing { route, payload, .. } = outgoing.unwrap();
        let route = match route {
            Route::Key(symbol) => symbol.to_string(),
            Route::Every => "*".to_owned(),
            Route::Any => "?".to_owned(),
        };
        format!("{route} {}", String::from_utf8(payload).unwrap())
    };
    feed.map(show).collect()
}

#[test]
fn records_are_keyed_and_encoded_with_heartbeats_between_them() {
    let records = vec![
        tick("RUT", "2026-01-21T21:00:00Z", 2698.17, None, true),
        tick("SPY", "2026-01-22T15:00:00.5Z", 690.0, Some(100.0), false),
    ];
    let options = FeedOptions {
        heartbeats: Some(HeartbeatOptions::default()),
        numbered: false,
    };
    assert_eq!(
        feed(records, options),
        [
            r#"RUT {"symbol":"RUT","time":"2026-01-21T21:00:00Z","price":2698.17,"official":true}"#,
            r#"* {"type":"heartbeat","time":"2026-01-21T21:00:00.000000001Z"}"#,
            r#"SPY {"symbol":"SPY","time":"2026-01-22T15:00:00.5Z","price":690,"size":100}"#,
            r#"* {"type":"heartbeat","time":"2026-01-23T09:00:01Z"}"#,
        ]
    );
}

#[test]
fn input_records_pass_through_and_heartbeats_among_them_go_everywhere() {
    let lines = [
        (
            Some("RUT"),
            r#"{ "value": 1, "symbol":"RUT", "time":"2026-01-22T15:00:00Z", "odd": [1] }"#,
            "RUT",
        ),
        (
            None,
            r#"{"type":"heartbeat","time":"2026-01-22T15:00:00Z"}"#,
            "*",
        ),
        (None, r#"{"time":"2026-01-22T15:00:00Z","price":1}"#, "?"),
        (
            Some("RUT"),
            r#"{"symbol":"RUT","time":"2026-01-22T15:00:00Z","price":"five"}"#,
            "RUT",
        ),
    ];
    let records = lines.map(|(symbol, line, _)| raw(symbol, "2026-01-22T15:00:00Z", line));
    let expected = lines.map(|(_, line, route)| format!("{route} {line}"));
    let options = FeedOptions {
        heartbeats: None,
        numbered: true,
    };
    assert_eq!(feed(records.into(), options), expected);
}

#[test]
fn heartbeats_of_a_file_do_not_put_off_the_end() {
    // What a replay wrote, replayed: the same, with heartbeats that were there already said twice.
    let records = || {
        vec![
            tick("RUT", "2026-01-21T21:00:00Z", 2698.17, None, true),
            tick("RUT", "2026-01-22T21:00:00Z", 2718.77, None, true),
        ]
    };
    let options = FeedOptions {
        heartbeats: Some(HeartbeatOptions::default()),
        numbered: false,
    };
    let written = feed(records(), options.clone());
    let again = written.iter().map(|line| {
        let (route, line) = line.split_once(' ').unwrap();
        let time = serde_json::from_str::<serde_json::Value>(line).unwrap()["time"].to_string();
        raw(
            (route != "*").then_some(route),
            time.trim_matches('"'),
            line,
        )
    });
    let again = feed(again.collect(), options);
    assert_eq!(again.last(), written.last());
    let mut once = again.clone();
    once.dedup();
    let ticks = |lines: &[String]| lines.iter().filter(|line| line.starts_with("RUT")).count();
    assert_eq!((ticks(&once), ticks(&written)), (2, 2));
}

#[test]
fn numbers_are_the_same_in_each_replay_and_higher_on_each_day() {
    let seqs = |records: Vec<FileRecord>| {
        let lines = feed(
            records,
            FeedOptions {
                heartbeats: None,
                numbered: true,
            },
        );
        let seq = |line: &String| {
            let json = line.split_once(' ').unwrap().1;
            serde_json::from_str::<serde_json::Value>(json).unwrap()["seq"]
                .as_u64()
                .unwrap()
        };
        lines.iter().map(seq).collect::<Vec<_>>()
    };
    let day = |date: &str, symbols: &[&str]| {
        let at = |(second, symbol): (usize, &&str)| {
            tick(
                symbol,
                &format!("{date}T15:00:{second:02}Z"),
                1.0,
                None,
                false,
            )
        };
        symbols.iter().enumerate().map(at).collect::<Vec<_>>()
    };
    let midnight = 1_769_040_000_000; // 2026-01-22T00:00:00Z
    let first = day("2026-01-22", &["A", "B", "A", "A"]);
    assert_eq!(
        seqs(first.clone()),
        [midnight, midnight, midnight + 1, midnight + 2]
    );
    let second = day("2026-01-23", &["A", "B"]);
    let both = seqs(first.into_iter().chain(second.clone()).collect());
    assert_eq!(both[4..], seqs(second)[..]);
    assert_eq!(both[4], midnight + 86_400_000);
    // A late print of the day before has its number too.
    let mut late = day("2026-01-23", &["A"]);
    late.extend(day("2026-01-22", &["A"]));
    assert_eq!(seqs(late), [midnight + 86_400_000, midnight + 86_400_001]);
}

#[test]
fn errors_pass_through_and_do_not_end_the_feed() {
    let error = crate::files::FilesError {
        path: "x.csv".into(),
        line: 7,
        fault: crate::files::Fault::Empty,
    };
    let record = tick("RUT", "2026-01-21T21:00:00Z", 1.0, None, true);
    let records = vec![Ok(record.clone()), Err(error), Ok(record)];
    let options = FeedOptions {
        heartbeats: Some(HeartbeatOptions::default()),
        numbered: false,
    };
    let fed: Vec<bool> = Feed::new(records.into_iter(), options)
        .map(|fed| fed.is_ok())
        .collect();
    assert_eq!(fed, [true, false, true, true]);
}
