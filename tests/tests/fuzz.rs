//! Foreign bytes, mutated from good ones: every reader answers, and none panics. `make fuzz-short` runs more cases.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use proptest::prelude::*;
use rotation_service::config::Config;
use rotation_service::files;
use rotation_tests::workspace;
use rotation_wire::alerts::AlertEvent;
use rotation_wire::{bars, input};
use std::io::Write;

/// Good texts to begin with.
const RECORDS: &[&str] = &[
    r#"{"symbol":"RUT","time":"2026-01-22T20:59:59.123Z","price":2718.77,"size":100,"seq":42}"#,
    r#"{"symbol":"DGS10","time":1769115599123000000,"value":4.23,"official":true}"#,
    r#"{"type":"heartbeat","time":"2026-01-22T21:00:00Z"}"#,
    r#"{"type":"split","symbol":"NVDA","time":"2024-06-10T13:30:00-04:00","ratio":10}"#,
    r#"{"type":"bar","source":3,"offset":81,"series":"RUT","clock":"session","start":"2026-01-15T14:30:00Z","end":"2026-01-15T21:00:00.000000001Z","as_of":"2026-01-15T21:00:00Z","date":"2026-01-15","open":2700.5,"high":2701,"low":2700.25,"close":2700.75,"size":1200,"ticks":38}"#,
    r#"{"type":"horizon","source":3,"offset":82,"sources":8,"progress":"at","time":"2026-01-15T14:30:30.5Z","digest":"0123456789abcdef"}"#,
    "date,open,high,low,close,volume\n2026-01-05,1,2,0.5,1.5,10\n2026-01-06,1,2,0.5,1.6,10\n",
    "ts,open,high,low,close,volume\n2026-01-05T14:30:00Z,1,2,0.5,1.5,10\n2026-01-05T14:35:00Z,1,2,0.5,1.6,10\n",
    "ms_since_midnight_et,symbol,price,size,exchange,sale_condition,suspicious\n34200000,SPY,167.41,100,P,0,0\n",
    "date,AAA,BBB\n2026-01-05,1.5,\n2026-01-06,,2.5\n",
];

/// What is done to a text.
#[derive(Clone, Debug)]
enum Mutation {
    /// Cut here.
    Cut(prop::sample::Index),
    /// These bytes instead of the one here.
    Put(prop::sample::Index, Vec<u8>),
    /// A stretch of it again.
    Repeat(prop::sample::Index, prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let token = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        prop::sample::select(vec![
            "NaN",
            "1e400",
            "-0",
            "null",
            "[[[[",
            "{\"a\":",
            "\\ud800",
            "\"",
            "9223372036854775808",
            "1677-09-21T00:12:43Z",
            "\u{feff}",
            ",,,,",
            "\r",
            "\0",
            "true",
            "=",
            "\n\n",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop_oneof![
        any::<prop::sample::Index>().prop_map(Mutation::Cut),
        (any::<prop::sample::Index>(), token).prop_map(|(at, bytes)| Mutation::Put(at, bytes)),
        (any::<prop::sample::Index>(), any::<prop::sample::Index>())
            .prop_map(|(from, to)| Mutation::Repeat(from, to)),
    ]
}

fn mutated(text: &str, mutations: &[Mutation]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for mutation in mutations {
        if bytes.is_empty() {
            break;
        }
        match mutation {
            Mutation::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Mutation::Put(at, new) => {
                let at = at.index(bytes.len());
                bytes.splice(at..=at, new.iter().copied());
            }
            Mutation::Repeat(from, to) => {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                let again = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.extend(again);
            }
        }
    }
    bytes
}

fn config() -> String {
    std::fs::read_to_string(workspace::root().join("config/great-rotation.toml")).unwrap()
}

proptest! {
    #[test]
    fn fuzz_records(text in prop::sample::select(RECORDS), mutations in prop::collection::vec(mutation(), 0..5)) {
        let bytes = mutated(text, &mutations);
        let plan = &Config::parse(&config(), "config").unwrap().universes[0].clone();
        if let Ok(input) = input::decode(&bytes) {
            if let input::Input::Tick { tick, .. } = &input {
                prop_assert!(tick.price.is_finite() && tick.size >= 0.0);
            }
            input.event();
        }
        if let Ok(bars::Decoded::Record(record)) = bars::decode(plan, &bytes) {
            let mut again = Vec::new();
            bars::encode(&mut again, plan, &record);
            let decoded = bars::decode(plan, &again);
            prop_assert!(matches!(decoded, Ok(bars::Decoded::Record(same)) if same == record), "what is read can be written");
        }
        prop_assert!(AlertEvent::decode(&bytes).is_err(), "none of these is an alert");
    }

    #[test]
    fn fuzz_files(text in prop::sample::select(RECORDS), mutations in prop::collection::vec(mutation(), 0..5)) {
        let mut file = tempfile::Builder::new().prefix("F.2026-01-05").suffix(".csv").tempfile().unwrap();
        file.write_all(&mutated(text, &mutations)).unwrap();
        if let Ok(source) = files::open(file.path(), &files::OpenOptions::default()) {
            prop_assert!(source.take(10_000).count() < 10_000, "reading comes to an end");
        }
    }

    #[test]
    fn fuzz_configurations(mutations in prop::collection::vec(mutation(), 1..4)) {
        let bytes = mutated(&config(), &mutations);
        if let Err(errors) = Config::parse(&String::from_utf8_lossy(&bytes), "rules.toml") {
            prop_assert!(errors.to_string().contains("rules.toml"), "{errors}");
        }
    }
}
