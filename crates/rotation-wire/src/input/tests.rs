use super::*;
use proptest::prelude::*;
use std::fmt::Write as _;

fn time(text: &str) -> EventTime {
    text.parse().unwrap()
}

fn plain(price: f64) -> Tick {
    Tick {
        time: time("2026-01-22T20:59:59.123Z"),
        price,
        size: 0.0,
        seq: None,
        official: false,
    }
}

#[test]
fn reads_ticks_in_every_form() {
    let full = Tick {
        size: 100.0,
        seq: Some(42),
        ..plain(2718.77)
    };
    let cases = [
        (
            r#"{"symbol":"RUT","time":"2026-01-22T20:59:59.123Z","price":2718.77,"size":100,"seq":42}"#,
            full,
        ),
        (
            r#" { "seq":42, "size":1e2, "value":2718.77, "time":"2026-01-22T15:59:59.123-05:00", "type":"tick", "symbol":"RUT" } "#,
            full,
        ),
        (
            r#"{"symbol":"RUT","time":1769115599123000000,"price":-0.25,"size":null,"seq":null,"official":null}"#,
            plain(-0.25),
        ),
        (
            r#"{"venue":"XNYS","symbol":"RUT","depth":[{"symbol":"x"}],"time":"2026-01-22T20:59:59.123Z","price":3,"official":true}"#,
            Tick {
                official: true,
                ..plain(3.0)
            },
        ),
        (
            r#"{"symbol":"R\u0055T","time":"2026-01-22T20:59:59.123Z","pr\u0069ce":1}"#,
            plain(1.0),
        ),
    ];
    for (record, tick) in cases {
        let symbol = Cow::Borrowed("RUT");
        assert_eq!(
            decode(record.as_bytes()),
            Ok(Input::Tick { symbol, tick }),
            "{record}"
        );
    }
}

#[test]
fn borrows_the_symbol_unless_it_has_escapes() {
    for (symbol, is_borrowed) in [("BRK.B", true), ("東証", true), (r"A\/B", false)] {
        let record = format!(r#"{{"symbol":"{symbol}","time":0,"price":1}}"#);
        let Ok(Input::Tick { symbol, .. }) = decode(record.as_bytes()) else {
            panic!("{record} is a tick");
        };
        assert_eq!(matches!(symbol, Cow::Borrowed(_)), is_borrowed, "{record}");
    }
}

#[test]
fn reads_heartbeats_splits_and_voids() {
    let at = time("2026-01-22T21:00:00Z");
    let void = |seq, time| {
        let symbol = Cow::Borrowed("RUT");
        Ok(Input::Void { symbol, seq, time })
    };
    for (record, expected) in [
        (r#"{"type":"void","symbol":"RUT","seq":42}"#, void(42, None)),
        (
            r#"{"type":"void","symbol":"RUT","seq":0,"time":null}"#,
            void(0, None),
        ),
        (
            r#"{"type":"void","symbol":"RUT","seq":42,"time":"2026-01-22T21:00:00Z"}"#,
            void(42, Some(at)),
        ),
    ] {
        assert_eq!(decode(record.as_bytes()), expected, "{record}");
    }
    assert_eq!(
        decode(br#"{"type":"heartbeat","time":"2026-01-22T21:00:00Z"}"#),
        Ok(Input::Heartbeat { time: at })
    );
    assert_eq!(
        decode(br#"{"type":"split","symbol":"NVDA","time":"2026-01-22T21:00:00Z","ratio":10}"#),
        Ok(Input::Split {
            symbol: Cow::Borrowed("NVDA"),
            time: at,
            ratio: 10.0
        })
    );
}

/// Records that are refused: the record, its code, and what the message has to say.
const REFUSED: &[(&str, RejectCode, &str)] = &[
    ("", RejectCode::Undecodable, "found nothing"),
    (
        r#"{"type":"void","symbol":"RUT","time":0}"#,
        RejectCode::Undecodable,
        r#"missing field "seq""#,
    ),
    (
        r#"{"type":"void","seq":1}"#,
        RejectCode::Undecodable,
        r#"missing field "symbol""#,
    ),
    (" \n", RejectCode::Undecodable, "found nothing"),
    (
        "5",
        RejectCode::Undecodable,
        "invalid type: integer `5`, expected an input record",
    ),
    (
        "[]",
        RejectCode::Undecodable,
        "expected an input record, a JSON object",
    ),
    (
        "price 3",
        RejectCode::Undecodable,
        "found price: expected value at line 1 column 1",
    ),
    ("{}", RejectCode::Undecodable, r#"missing field "time""#),
    (
        r#"{"symbol":"RUT","time":0,"pri"#,
        RejectCode::Undecodable,
        "found its beginning",
    ),
    (
        r#"{"symbol":"RUT","time":0,"price":27"#,
        RejectCode::Undecodable,
        "found its beginning",
    ),
    (
        r#"{"symbol":"RUT","time":0,"price":1} x"#,
        RejectCode::Undecodable,
        "trailing characters",
    ),
    (
        r#"{"symbol":"RUT","time":0}"#,
        RejectCode::Undecodable,
        r#"missing field "price""#,
    ),
    (
        r#"{"symbol":"RUT","time":0,"price":null}"#,
        RejectCode::Undecodable,
        r#"missing field "price""#,
    ),
    (
        r#"{"time":0,"price":1}"#,
        RejectCode::Undecodable,
        r#"missing field "symbol""#,
    ),
    (
        r#"{"symbol":"RUT","price":1}"#,
        RejectCode::Undecodable,
        r#"missing field "time""#,
    ),
    (
        r#"{"symbol":"","time":0,"price":1}"#,
        RejectCode::Undecodable,
        "not empty",
    ),
    (
        r#"{"symbol":7,"time":0,"price":1}"#,
        RejectCode::Undecodable,
        "symbol: invalid type: integer `7`, expected a text",
    ),
    (
        r#"{"symbol":"RUT","time":"noon","price":1}"#,
        RejectCode::Undecodable,
        r#"time: expected an RFC 3339 time such as 2026-01-15T20:59:59.123Z, given "noon""#,
    ),
    (
        r#"{"symbol":"RUT","time":1.5,"price":1}"#,
        RejectCode::Undecodable,
        "time: invalid type",
    ),
    (
        r#"{"symbol":"RUT","time":"2300-01-01T00:00:00Z","price":1}"#,
        RejectCode::Undecodable,
        "expected a time from 1677",
    ),
    (
        r#"{"symbol":"RUT","time":0,"price":"2718.77"}"#,
        RejectCode::BadPrice,
        r#"price: invalid type: string "2718.77", expected a finite number"#,
    ),
    (
        r#"{"symbol":"RUT","time":0,"price":true}"#,
        RejectCode::BadPrice,
        "expected a finite number",
    ),
    (
        r#"{"symbol":"RUT","time":0,"price":NaN}"#,
        RejectCode::BadPrice,
        "price: expected a finite number, found NaN",
    ),
    (
        r#"{"symbol":"RUT","time":0,"value": nan}"#,
        RejectCode::BadPrice,
        "price: expected a finite number, found nan",
    ),
    (
        r#"{"symbol":"RUT","time":0,"price":Infinity,"seq":1}"#,
        RejectCode::BadPrice,
        "price: expected a finite number, found Infinity",
    ),
    (
        "{\"symbol\":\"RUT\",\n\"time\":0,\n\"price\":-Infinity}",
        RejectCode::BadPrice,
        "price: expected a finite number, found -Infinity",
    ),
    (
        r#"{"symbol":"RUT","time":0,"price":1e999}"#,
        RejectCode::BadPrice,
        "price: expected a finite number, found 1e999",
    ),
    (
        r#"{"symbol":"RUT","time":0,"price":1,"size":NaN}"#,
        RejectCode::BadSize,
        "size: expected a finite number, found NaN",
    ),
    (
        r#"{"symbol":"RUT","time":0,"price":1,"size":"9"}"#,
        RejectCode::BadSize,
        "size: invalid type",
    ),
    (
        r#"{"symbol":"RUT","time":0,"price":1,"size":-2}"#,
        RejectCode::BadSize,
        "size: expected a number of at least 0, found -2",
    ),
    (
        r#"{"symbol":"RUT","time":0,"price":1,"bid":NaN}"#,
        RejectCode::Undecodable,
        "found NaN",
    ),
    (
        r#"{"symbol":"RUT","time":NaN,"price":1}"#,
        RejectCode::Undecodable,
        "time: expected JSON, found NaN",
    ),
    (
        r#"{"symbol":"RUT","time":0,"price":1,"seq":-1}"#,
        RejectCode::Undecodable,
        "seq: invalid type: integer `-1`, expected a whole number",
    ),
    (
        r#"{"symbol":"RUT","time":0,"price":1,"official":1}"#,
        RejectCode::Undecodable,
        "official: invalid type: integer `1`, expected a boolean",
    ),
    (
        r#"{"symbol":"RUT","time":0,"price":1,"price":1}"#,
        RejectCode::Undecodable,
        "price: expected once, found twice",
    ),
    (
        r#"{"symbol":"RUT","time":0,"price":1,"value":2}"#,
        RejectCode::Undecodable,
        "price: expected once, found twice",
    ),
    (
        r#"{"symbol":"RUT","symbol":"RUT","time":0,"price":1}"#,
        RejectCode::Undecodable,
        "symbol: expected once, found twice",
    ),
    (
        r#"{"type":"trade","symbol":"RUT","time":0,"price":1}"#,
        RejectCode::Undecodable,
        r#"type: invalid value: string "trade", expected "tick", "heartbeat", "split" or "void""#,
    ),
    (
        r#"{"type":"heartbeat"}"#,
        RejectCode::Undecodable,
        r#"missing field "time""#,
    ),
    (
        r#"{"type":"split","symbol":"A","time":0}"#,
        RejectCode::Undecodable,
        r#"missing field "ratio""#,
    ),
    (
        r#"{"type":"split","symbol":"A","time":0,"ratio":0}"#,
        RejectCode::BadSplit,
        "ratio: expected a positive number, found 0",
    ),
    (
        r#"{"type":"split","symbol":"A","time":0,"ratio":-2}"#,
        RejectCode::BadSplit,
        "ratio: expected a positive number, found -2",
    ),
    (
        r#"{"type":"split","symbol":"A","time":0,"ratio":"2"}"#,
        RejectCode::BadSplit,
        "ratio: invalid type",
    ),
    (
        r#"{"type":"split","time":0,"ratio":2}"#,
        RejectCode::Undecodable,
        r#"missing field "symbol""#,
    ),
];

#[test]
fn refuses_with_a_code_and_a_reason() {
    for &(record, code, reason) in REFUSED {
        let error = decode(record.as_bytes()).expect_err(record);
        assert_eq!(error.code, code, "{record}: {error}");
        assert!(error.message.contains(reason), "{record}: {error}");
    }
}

#[test]
fn refuses_what_is_too_large_or_too_deep_at_once() {
    let noise = vec![b'x'; 1 << 20];
    let error = decode(&noise).unwrap_err();
    assert_eq!(error.code, RejectCode::TooLarge);
    assert_eq!(error.message, "expected at most 65536 bytes, found 1048576");

    let record = br#"{"symbol":"RUT","time":0,"price":1}"#;
    assert!(decode_within(record, record.len()).is_ok());
    assert!(decode_within(record, record.len() - 1).is_err());

    let deep = format!(r#"{{"depth":{}"#, "[".repeat(60_000));
    let error = decode(deep.as_bytes()).unwrap_err();
    assert_eq!(error.code, RejectCode::Undecodable);
}

#[test]
fn messages_are_short_and_plain_whatever_was_sent() {
    let text = "é\\u0007".repeat(5_000);
    for record in [
        format!(r#"{{"symbol":"RUT","time":"{text}","price":1}}"#),
        format!(r#"{{"symbol":"RUT","time":0,"price":"{text}"}}"#),
        format!(
            r#"{{"symbol":"RUT","time":0,"price":{}}}"#,
            "x".repeat(5_000)
        ),
    ] {
        let error = decode(record.as_bytes()).unwrap_err();
        assert!(error.message.chars().count() <= 512, "{error}");
        assert!(!error.message.contains(char::is_control), "{error}");
    }
}

#[test]
fn writes_few_digits_and_no_defaults() {
    let mut out = Vec::new();
    encode_tick(&mut out, "R\"UT", &plain(2718.77));
    out.push(b'\n');
    let full = Tick {
        size: 100.0,
        seq: Some(u64::MAX),
        official: true,
        ..plain(3.0)
    };
    encode_tick(&mut out, "RUT", &full);
    out.push(b'\n');
    encode_heartbeat(&mut out, time("2026-01-22T21:00:00Z"));
    out.push(b'\n');
    encode_split(&mut out, "NVDA", time("2026-01-22T21:00:00.5Z"), 1.5);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"symbol":"R\"UT","time":"2026-01-22T20:59:59.123Z","price":2718.77}
{"symbol":"RUT","time":"2026-01-22T20:59:59.123Z","price":3,"size":100,"seq":18446744073709551615,"official":true}
{"type":"heartbeat","time":"2026-01-22T21:00:00Z"}
{"type":"split","symbol":"NVDA","time":"2026-01-22T21:00:00.5Z","ratio":1.5}"#
    );
}

fn finite() -> impl Strategy<Value = f64> {
    any::<u64>()
        .prop_map(f64::from_bits)
        .prop_filter("finite", |number| number.is_finite())
}

prop_compose! {
    fn ticks()(
        nanos in any::<i64>(), price in finite(), size in finite(), seq: Option<u64>, official: bool,
    ) -> Tick {
        Tick { time: EventTime::from_nanos(nanos), price, size: size.abs(), seq, official }
    }
}

/// Objects of known and unknown keys, most of them sensible.
fn ordinary_records() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        "\"symbol\" ?: ?\"[A-Zé./\\\\n]{0,6}\"",
        "\"time\":\"20[0-9]{2}-(0[1-9]|1[0-2])-[012][0-9]T[012][0-9]:00:00(\\.[0-9]{1,9})?Z\"",
        "\"(time|seq)\":-?[0-9]{1,21}",
        "\"(price|value|size|ratio|bid)\":-?(0|[1-9][0-9]{0,3}|[0-9]{1,22})(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?",
        "\"(official|open)\":(true|false|null)",
        "\"type\":\"(tick|heartbeat|split|void|trade)\"",
        "\"(venue|é|sym\\\\u0062ol)\":(\"[a-z\\\\\"é\t]{0,3}\"|\\[1,2\\]|\\{\\}|null)",
    ];
    prop::collection::vec(field, 0..7).prop_map(|fields| format!("{{{}}}", fields.join(",")))
}

/// The short way is worth having only if ordinary records take it.
#[test]
fn ordinary_records_take_the_short_way() {
    for record in [
        r#"{"symbol":"RUT","time":"2026-01-22T20:59:59.123Z","price":2718.77,"size":100,"seq":42}"#,
        r#"{"symbol":"DGS10", "value": -4.98, "time":1769115599123456789, "source":"H.15", "final":true}"#,
        r#"{"type":"heartbeat","time":"2026-01-22T21:00:00Z"}"#,
        r#"{"type":"split","symbol":"NVDA","time":"2026-01-22T21:00:00Z","ratio":10}"#,
        r#"{"type":"void","symbol":"RUT","seq":42}"#,
    ] {
        assert!(fast::read(record.as_bytes()).is_some(), "{record}");
    }
}

proptest! {
    #[test]
    fn reads_what_it_writes(symbol in "\\PC{1,12}|[\\x00-\\xff]{1,5}", tick in ticks(), ratio in finite()) {
        let mut out = Vec::new();
        encode_tick(&mut out, &symbol, &tick);
        let input = decode(&out).unwrap();
        prop_assert_eq!(&input, &Input::Tick { symbol: Cow::Borrowed(&symbol), tick });
        prop_assert_eq!(input.event(), SourceEvent::Tick { symbol: &symbol, tick });

        out.clear();
        encode_heartbeat(&mut out, tick.time);
        prop_assert_eq!(decode(&out).unwrap(), Input::Heartbeat { time: tick.time });

        let ratio = ratio.abs().max(f64::MIN_POSITIVE);
        out.clear();
        encode_split(&mut out, &symbol, tick.time, ratio);
        let name = Cow::Borrowed(symbol.as_str());
        prop_assert_eq!(decode(&out).unwrap(), Input::Split { symbol: name, time: tick.time, ratio });

        let (seq, time) = (tick.seq.unwrap_or(0), tick.official.then_some(tick.time));
        out.clear();
        encode_void(&mut out, &symbol, seq, time);
        let name = Cow::Borrowed(symbol.as_str());
        prop_assert_eq!(decode(&out).unwrap(), Input::Void { symbol: name, seq, time });
    }

    /// The reference is the standard library's correctly rounded reading of the same decimal text.
    #[test]
    fn prices_are_the_nearest_doubles(text in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?") {
        let mut record = String::new();
        write!(record, r#"{{"symbol":"A","time":0,"price":{text}}}"#).unwrap();
        let Ok(Input::Tick { tick, .. }) = decode(record.as_bytes()) else {
            panic!("{record} is a tick");
        };
        prop_assert_eq!(tick.price.to_bits(), text.parse::<f64>().unwrap().to_bits());
    }

    #[test]
    fn times_are_what_event_time_reads(
        text in "(1[678]|2[0123])[0-9]{2}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,10})?([Zz]|[+-][01][0-9]:[0-5][0-9])"
    ) {
        let record = format!(r#"{{"type":"heartbeat","time":"{text}"}}"#);
        let read = decode(record.as_bytes());
        match text.parse() {
            Ok(time) => prop_assert_eq!(read, Ok(Input::Heartbeat { time })),
            Err(_) => prop_assert_eq!(read.unwrap_err().code, RejectCode::Undecodable),
        }
    }

    /// Ordinary records, and records one byte away from ordinary.
    #[test]
    fn the_short_way_agrees_with_the_long_one(
        record in ordinary_records(), change in prop::option::of((0.0..1.0_f64, any::<u8>())),
    ) {
        let mut record = record.into_bytes();
        if let Some((place, byte)) = change {
            let place = (place * record.len() as f64) as usize;
            record[place] = byte;
        }
        if let Some(fields) = fast::read(&record) {
            let price = fields.price.map(f64::to_bits);
            let Ok(reference) = fields::read(&record) else {
                panic!("{} is no record", String::from_utf8_lossy(&record));
            };
            prop_assert_eq!(price, reference.price.map(f64::to_bits));
            prop_assert_eq!(fields, reference);
        }
    }

    #[test]
    fn strings_end_where_they_should(text in "[ -~\\x00-\\x1f\"\\\\é\u{7f}]{0,40}", plain in 0_usize..30) {
        let text = "x".repeat(plain) + &text;
        let is_plain = |byte: &u8| matches!(byte, b' '..=0x7f) && *byte != b'"' && *byte != b'\\';
        let expected = text.as_bytes().iter().take_while(|byte| is_plain(byte)).count();
        prop_assert_eq!(fast::plain_length(text.as_bytes()), expected);
    }

    #[test]
    fn noise_is_an_error_and_nothing_worse(noise: Vec<u8>) {
        if let Err(error) = decode(&noise) {
            prop_assert!(!error.message.is_empty());
        }
    }

    #[test]
    fn no_prefix_of_a_record_is_a_record(tick in ticks(), cut in 0.0..1.0_f64) {
        let mut out = Vec::new();
        encode_tick(&mut out, "RUT", &tick);
        let cut = (cut * out.len() as f64) as usize;
        prop_assert_eq!(decode(&out[..cut]).unwrap_err().code, RejectCode::Undecodable);
    }
}
