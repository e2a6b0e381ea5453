use super::*;
use proptest::prelude::*;
use rotation_engine::clock::{Bucket, SECOND};
use rotation_engine::detector::Kind;
use rotation_engine::plan::{RuleCommon, RuleSpec, SeriesSpec, UniverseSpec};
use rotation_engine::record::{Cause, Restated, VoidedTick};
use rotation_engine::time::EventTime;
use std::collections::BTreeMap;

/// Three raw series: `A"é` on sessions, `B` on sessions, minutes and ticks, `C` read by nobody.
fn plan() -> UniversePlan {
    let rules = [
        (
            "day",
            "session",
            r#"{"kind":"relative_streak","leader":"A\"é","laggard":"B"}"#,
        ),
        ("minute", "1m", r#"{"kind":"record_high","series":"B"}"#),
        ("tick", "tick", r#"{"kind":"record_high","series":"B"}"#),
    ];
    let rule = |clock: &str, kind: &str| RuleSpec {
        common: RuleCommon {
            clock: Some(clock.to_owned()),
            ..RuleCommon::default()
        },
        kind: serde_json::from_str::<Kind>(kind).unwrap(),
        version: String::new(),
    };
    let series = ["A\"é", "B", "C"].map(|symbol| (symbol.to_owned(), SeriesSpec::default()));
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
        series: BTreeMap::from(series),
        rules: rules
            .map(|(name, clock, kind)| (name.to_owned(), rule(clock, kind)))
            .into(),
    };
    UniversePlan::build("us", &spec).unwrap()
}

fn written(plan: &UniversePlan, record: &LogRecord) -> String {
    let mut out = Vec::new();
    encode(&mut out, plan, record);
    String::from_utf8(out).unwrap()
}

fn time(text: &str) -> EventTime {
    text.parse().unwrap()
}

fn session_bar() -> Bar {
    Bar {
        series: SeriesIx(1),
        clock: Clock::Session,
        bucket: Bucket {
            start: time("2026-01-15T14:30:00Z"),
            end: time("2026-01-15T21:00:00.000000001Z"),
            as_of: time("2026-01-15T21:00:00Z"),
            date: Some(jiff::civil::date(2026, 1, 15)),
        },
        open: 2700.5,
        high: 2701.0,
        low: 2700.25,
        close: 2700.75,
        size: 1200.0,
        ticks: 38,
        official: true,
        correction: false,
        observed: None,
        restated: None,
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table, a record a row")]
fn records_read_as_a_person_would_write_them() {
    let plan = plan();
    let at = time("2026-01-15T21:00:00.5Z");
    let split = Split {
        series: SeriesIx(0),
        time: at,
        ratio: 10.0,
    };
    let tick = WatchedTick {
        series: SeriesIx(1),
        time: at,
        price: 2701.25,
        size: 0.0,
    };
    let horizon = |progress| {
        LogBody::Horizon(Horizon {
            sources: 8,
            progress,
            digest: 0xabc,
        })
    };
    let restated = Restated {
        cause: Cause::Late,
        time: time("2026-01-15T20:59:58Z"),
        price: 2699.5,
        seq: Some(7),
        was: Some(2700.75),
        close: Some(2699.5),
    };
    let voided = VoidedTick {
        series: SeriesIx(1),
        time: at,
        price: 2701.25,
        seq: 42,
    };
    let cases = [
        (
            LogBody::Bar(Bar {
                close: 2699.5,
                official: false,
                correction: true,
                restated: Some(restated),
                ..session_bar()
            }),
            r#"{"type":"bar","source":3,"offset":81,"series":"B","clock":"session","start":"2026-01-15T14:30:00Z","end":"2026-01-15T21:00:00.000000001Z","as_of":"2026-01-15T21:00:00Z","date":"2026-01-15","open":2700.5,"high":2701,"low":2700.25,"close":2699.5,"size":1200,"ticks":38,"correction":true,"cause":"late","time":"2026-01-15T20:59:58Z","price":2699.5,"seq":7,"was":2700.75}"#,
        ),
        (
            LogBody::Void(voided),
            r#"{"type":"void","source":3,"offset":81,"series":"B","time":"2026-01-15T21:00:00.5Z","price":2701.25,"seq":42}"#,
        ),
        (
            LogBody::Bar(session_bar()),
            r#"{"type":"bar","source":3,"offset":81,"series":"B","clock":"session","start":"2026-01-15T14:30:00Z","end":"2026-01-15T21:00:00.000000001Z","as_of":"2026-01-15T21:00:00Z","date":"2026-01-15","open":2700.5,"high":2701,"low":2700.25,"close":2700.75,"size":1200,"ticks":38,"official":true}"#,
        ),
        (
            LogBody::Tick(tick),
            r#"{"type":"tick","source":3,"offset":81,"series":"B","time":"2026-01-15T21:00:00.5Z","price":2701.25,"size":0}"#,
        ),
        (
            LogBody::Split(split),
            r#"{"type":"split","source":3,"offset":81,"series":"A\"é","time":"2026-01-15T21:00:00.5Z","ratio":10}"#,
        ),
        (
            horizon(Progress::At(at)),
            r#"{"type":"horizon","source":3,"offset":81,"sources":8,"progress":"at","time":"2026-01-15T21:00:00.5Z","digest":"0000000000000abc"}"#,
        ),
        (
            horizon(Progress::Empty),
            r#"{"type":"horizon","source":3,"offset":81,"sources":8,"progress":"empty","digest":"0000000000000abc"}"#,
        ),
        (
            horizon(Progress::Unknown),
            r#"{"type":"horizon","source":3,"offset":81,"sources":8,"progress":"unknown","digest":"0000000000000abc"}"#,
        ),
    ];
    for (body, text) in cases {
        let record = LogRecord {
            source: 3,
            offset: 81,
            body,
        };
        assert_eq!(written(&plan, &record), text);
        assert_eq!(
            decode(&plan, text.as_bytes()).unwrap(),
            Decoded::Record(record),
            "{text}"
        );
    }
}

#[test]
fn a_series_or_clock_of_another_configuration_is_unread() {
    let plan = plan();
    let bar = |series: &str, clock: &str| {
        format!(
            r#"{{"type":"bar","source":3,"offset":81,"series":"{series}","clock":"{clock}","start":0,"end":1,"as_of":1,"open":1,"high":1,"low":1,"close":1,"size":1,"ticks":1}}"#
        )
    };
    let cases = [
        (bar("D", "session"), "D", Some(Clock::Session)),
        (bar("C", "session"), "C", Some(Clock::Session)),
        (bar("B", "5m"), "B", Some(Clock::Interval(300 * SECOND))),
        (
            r#"{"type":"tick","source":3,"offset":81,"series":"A\"é","time":0,"price":1,"size":0}"#
                .to_owned(),
            "A\"é",
            Some(Clock::Tick),
        ),
        (
            r#"{"type":"split","source":3,"offset":81,"series":"D","time":0,"ratio":2}"#.to_owned(),
            "D",
            None,
        ),
    ];
    for (text, series, clock) in cases {
        let unread = Decoded::Unread {
            source: 3,
            offset: 81,
            series: series.to_owned(),
            clock,
        };
        assert_eq!(decode(&plan, text.as_bytes()).unwrap(), unread, "{text}");
    }
}

#[test]
fn refuses_what_no_sampler_writes() {
    let plan = plan();
    let cases = [
        ("", "expected a record of the bars log"),
        ("[]", "expected a record of the bars log"),
        (
            r#"{"type":"bar","source":-1,"offset":0}"#,
            "expected a record of the bars log",
        ),
        (
            r#"{"type":"candle","source":0,"offset":0}"#,
            r#"type in the bars log: expected "bar", "tick", "horizon", "split" or "void", found "candle""#,
        ),
        (
            r#"{"type":"bar","source":0,"offset":0,"series":"B","clock":"noon"}"#,
            "clock in the bars log",
        ),
        (
            r#"{"type":"bar","source":0,"offset":0,"series":"B","clock":"session","start":0,"end":1,"as_of":1}"#,
            r#"expected field "open" in a bar record"#,
        ),
        (
            r#"{"type":"tick","source":0,"offset":0,"series":"B","price":1,"size":1}"#,
            r#"expected field "time" in a tick record"#,
        ),
        (
            r#"{"type":"tick","source":0,"offset":0,"series":"B","time":0,"price":"high","size":1}"#,
            "expected a record of the bars log",
        ),
        (
            r#"{"type":"horizon","source":0,"offset":0,"sources":1,"progress":"at","digest":"0"}"#,
            r#"expected field "time""#,
        ),
        (
            r#"{"type":"horizon","source":0,"offset":0,"sources":1,"progress":"soon","digest":"0"}"#,
            "progress in the bars log",
        ),
        (
            r#"{"type":"horizon","source":0,"offset":0,"sources":1,"progress":"empty"}"#,
            "digest in the bars log",
        ),
        (
            r#"{"type":"split","source":0,"offset":0,"series":"B","time":0}"#,
            r#"expected field "ratio""#,
        ),
    ];
    for (text, reason) in cases {
        let error = decode(&plan, text.as_bytes()).expect_err(text).to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

/// Any double, with a fair share of the odd ones; NaN has one form only.
fn reals() -> impl Strategy<Value = f64> {
    let odd = [
        0.0,
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        5e-324,
        2718.77,
        1e22,
    ];
    prop_oneof![
        any::<u64>()
            .prop_map(f64::from_bits)
            .prop_filter("one form of NaN", |number| !number.is_nan()),
        prop::sample::select(odd.to_vec()),
    ]
}

fn times() -> impl Strategy<Value = EventTime> {
    any::<i64>().prop_map(EventTime::from_nanos)
}

fn bars() -> impl Strategy<Value = LogBody> {
    let clocks = [
        (SeriesIx(0), Clock::Session),
        (SeriesIx(1), Clock::Session),
        (SeriesIx(1), Clock::Interval(60 * SECOND)),
        (SeriesIx(1), Clock::Tick),
    ];
    let buckets = (times(), times(), times(), prop::option::of(0_i32..200_000)).prop_map(
        |(start, end, as_of, days)| {
            let day = |days: i32| jiff::civil::date(1700, 1, 1) + jiff::Span::new().days(days);
            Bucket {
                start,
                end,
                as_of,
                date: days.map(day),
            }
        },
    );
    let prices = (reals(), reals(), reals(), reals(), reals());
    let cause = prop_oneof![Just(Cause::Late), Just(Cause::Void)];
    let was = prop::option::of(reals());
    let restated = (cause, times(), reals(), any::<Option<u64>>(), was);
    let flags = (
        any::<u32>(),
        any::<bool>(),
        any::<bool>(),
        prop::option::of(times()),
        prop::option::of(restated),
    );
    (
        prop::sample::select(clocks.to_vec()),
        buckets,
        prices,
        flags,
    )
        .prop_map(
            |(
                (series, clock),
                bucket,
                (open, high, low, close, size),
                (ticks, official, correction, observed, restated),
            )| {
                let restated = restated.map(|(cause, time, price, seq, was)| Restated {
                    cause,
                    time,
                    price,
                    seq,
                    was,
                    close: (ticks > 0).then_some(close),
                });
                LogBody::Bar(Bar {
                    series,
                    clock,
                    bucket,
                    open,
                    high,
                    low,
                    close,
                    size,
                    ticks,
                    official,
                    correction,
                    observed,
                    restated,
                })
            },
        )
}

fn bodies() -> impl Strategy<Value = LogBody> {
    let ticks = (times(), reals(), reals()).prop_map(|(time, price, size)| {
        LogBody::Tick(WatchedTick {
            series: SeriesIx(1),
            time,
            price,
            size,
        })
    });
    let splits = (0_u32..3, times(), reals()).prop_map(|(series, time, ratio)| {
        LogBody::Split(Split {
            series: SeriesIx(series),
            time,
            ratio,
        })
    });
    let progress = prop_oneof![
        Just(Progress::Empty),
        Just(Progress::Unknown),
        times().prop_map(Progress::At)
    ];
    let horizons =
        (any::<u32>(), progress, any::<u64>()).prop_map(|(sources, progress, digest)| {
            LogBody::Horizon(Horizon {
                sources,
                progress,
                digest,
            })
        });
    let voids = (times(), reals(), any::<u64>()).prop_map(|(time, price, seq)| {
        LogBody::Void(VoidedTick {
            series: SeriesIx(1),
            time,
            price,
            seq,
        })
    });
    prop_oneof![bars(), ticks, splits, voids, horizons]
}

proptest! {
    #[test]
    fn reads_what_it_writes(source: u32, offset: i64, body in bodies()) {
        let plan = plan();
        let record = LogRecord { source, offset, body };
        let text = written(&plan, &record);
        let decoded = decode(&plan, text.as_bytes()).unwrap();
        prop_assert_eq!(&decoded, &Decoded::Record(record), "{}", text);
        // Equality takes both zeros for one; their texts differ.
        let Decoded::Record(again) = decoded else { unreachable!("compared above") };
        prop_assert_eq!(written(&plan, &again), text);
    }

    #[test]
    fn noise_is_an_error_and_nothing_worse(noise: Vec<u8>) {
        prop_assert!(decode(&plan(), &noise).is_err());
    }
}
