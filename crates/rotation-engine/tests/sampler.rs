//! The sampler, event by event: what each tick does to the bars, and what is left out.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use rotation_engine::calendar::Calendar;
use rotation_engine::clock::{Bucket, Clock, SECOND, format_span, parse_span};
use rotation_engine::detector::Kind;
use rotation_engine::output::Output;
use rotation_engine::plan::{RuleCommon, RuleSpec, SeriesSpec, UniversePlan, UniverseSpec};
use rotation_engine::record::{LogBody, Progress, Tick};
use rotation_engine::sampler::Sampler;
use rotation_engine::time::EventTime;
use std::collections::BTreeMap;
use std::sync::Arc;

fn at(text: &str) -> EventTime {
    text.parse().unwrap()
}

/// A universe that reads `A` on a clock, lateness 30 s.
fn plan(clock: &str, series: SeriesSpec) -> Arc<UniversePlan> {
    let params = serde_json::json!({"series": "A", "level": 5.0, "near": 0.1, "rearm": 0.3});
    let rule = RuleSpec {
        common: RuleCommon {
            clock: Some(clock.to_owned()),
            ..RuleCommon::default()
        },
        kind: Kind::deserialize("level_approach", params)
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
        correction_window: Some("2h".to_owned()),
        live_from: None,
        publish_history: None,
        late_ticks: None,
        void_prints: None,
        series: BTreeMap::from([("A".to_owned(), series)]),
        rules: BTreeMap::from([("rule".to_owned(), rule)]),
    };
    Arc::new(UniversePlan::build("test", &spec).unwrap())
}

/// One thing that a partition says.
enum Say {
    /// Time, price.
    Tick(&'static str, f64),
    /// Time, price, sequence number.
    Numbered(&'static str, f64, u64),
    /// Time, price: an official print.
    Official(&'static str, f64),
    /// Time.
    Heartbeat(&'static str),
    /// Time, ratio.
    Split(&'static str, f64),
    /// The end of a batch.
    Flush,
}
use Say::{Flush, Heartbeat, Numbered, Official, Split};

/// Runs a script; what came out, a word each.
fn run(plan: &Arc<UniversePlan>, script: &[Say]) -> Vec<String> {
    let mut sampler = Sampler::new(plan.clone(), 0, 1);
    let series = sampler.slot("A").unwrap();
    let bound = Some(at("2026-06-01T00:00:00Z"));
    let mut said = Vec::new();
    for (offset, say) in (0..).zip(script) {
        let mut out = Vec::new();
        let mut tick = |time: &str, price, seq, official| {
            let tick = Tick {
                time: at(time),
                price,
                size: 1.0,
                seq,
                official,
            };
            sampler.tick(series, &tick, bound, offset, &mut out);
        };
        match *say {
            Say::Tick(time, price) => tick(time, price, None, false),
            Numbered(time, price, seq) => tick(time, price, Some(seq), false),
            Official(time, price) => tick(time, price, None, true),
            Heartbeat(time) => sampler.heartbeat(at(time), bound, offset, &mut out),
            Split(time, ratio) => sampler.split(series, at(time), ratio, offset, &mut out),
            Flush => sampler.flush(offset, &mut out),
        }
        said.extend(out.iter().map(word));
    }
    said
}

fn word(output: &Output) -> String {
    match output {
        Output::Log(record) => match &record.body {
            LogBody::Bar(bar) => format!(
                "bar {} o{} h{} l{} c{} n{}{}{}",
                bar.bucket.as_of,
                bar.open,
                bar.high,
                bar.low,
                bar.close,
                bar.ticks,
                if bar.official { " official" } else { "" },
                match bar.restated {
                    Some(restated) => format!(" {}", restated.cause.name()),
                    None if bar.correction => " correction".to_owned(),
                    None => String::new(),
                },
            ),
            LogBody::Tick(tick) => format!("tick {}", tick.price),
            LogBody::Horizon(horizon) => match horizon.progress {
                Progress::At(time) => format!("horizon {time}"),
                other => format!("horizon {other:?}"),
            },
            LogBody::Split(split) => format!("split {}", split.ratio),
            LogBody::Void(voided) => format!("void {}", voided.price),
        },
        Output::Dropped { code, .. } => code.name().to_owned(),
        Output::Rejected { code, .. } => code.name().to_owned(),
        Output::Accepted { ticks } => format!("accepted {ticks}"),
        other => format!("{other:?}"),
    }
}

fn check(name: &str, clock: &str, script: &[Say], expected: &[&str]) {
    assert_eq!(
        run(&plan(clock, SeriesSpec::default()), script),
        expected,
        "{name}"
    );
}

#[test]
fn minute_bars_close_in_order_behind_the_horizon() {
    use Say::Tick;
    check(
        "a bar closes when the horizon reaches its end",
        "1m",
        &[
            Tick("2026-01-15T15:00:10Z", 10.0),
            Tick("2026-01-15T15:00:50Z", 12.0),
            Tick("2026-01-15T15:01:05Z", 11.0),
            Tick("2026-01-15T15:01:29.999Z", 11.5),
            Tick("2026-01-15T15:01:30Z", 13.0),
        ],
        &["bar 2026-01-15T15:01:00Z o10 h12 l10 c12 n2"],
    );
    check(
        "within the lateness, order of arrival does not matter",
        "1m",
        &[
            Tick("2026-01-15T15:00:40Z", 10.0),
            Tick("2026-01-15T15:01:01Z", 20.0),
            Tick("2026-01-15T15:00:50Z", 12.0),
            Tick("2026-01-15T15:00:35Z", 9.0),
            Heartbeat("2026-01-15T15:02:00Z"),
        ],
        &[
            "bar 2026-01-15T15:01:00Z o9 h12 l9 c12 n3",
            "bar 2026-01-15T15:02:00Z o20 h20 l20 c20 n1",
        ],
    );
    check(
        "ticks of one instant keep their order: the later arrival is the close",
        "1m",
        &[
            Tick("2026-01-15T15:00:40Z", 10.0),
            Tick("2026-01-15T15:00:40Z", 11.0),
            Heartbeat("2026-01-15T15:01:00Z"),
        ],
        &["bar 2026-01-15T15:01:00Z o10 h11 l10 c11 n2"],
    );
    check(
        "behind the horizon a tick counts while its bar is open, and is late for one long closed",
        "1m",
        &[
            Tick("2026-01-15T15:01:00Z", 10.0),
            Tick("2026-01-15T15:00:30Z", 9.0),
            Tick("2026-01-15T15:00:29.999999999Z", 8.0),
            Tick("2026-01-15T14:58:59.999999999Z", 8.0),
            Flush,
        ],
        &["late", "accepted 3", "horizon 2026-01-15T15:00:30Z"],
    );
    check(
        "a night is one gap",
        "1m",
        &[
            Tick("2026-01-15T20:59:59Z", 10.0),
            Tick("2026-01-16T14:30:00Z", 11.0),
            Heartbeat("2026-01-16T15:00:00Z"),
        ],
        &[
            "bar 2026-01-15T21:00:00Z o10 h10 l10 c10 n1",
            "bar 2026-01-16T14:31:00Z o11 h11 l11 c11 n1",
        ],
    );
}

#[test]
fn what_cannot_be_used_says_why() {
    use Say::Tick;
    check(
        "duplicates by number; a repeat is dropped whatever it says",
        "1m",
        &[
            Numbered("2026-01-15T15:00:10Z", 10.0, 1),
            Numbered("2026-01-15T15:00:11Z", 11.0, 2),
            Numbered("2026-01-15T15:00:10Z", 10.0, 1),
            Flush,
        ],
        &["duplicate", "accepted 2", "horizon 2026-01-15T14:59:41Z"],
    );
    check(
        "values that no price has",
        "1m",
        &[
            Tick("2026-01-15T15:00:10Z", f64::NAN),
            Tick("2026-01-15T15:00:10Z", -1.0),
            Tick("2026-01-15T15:00:10Z", 0.0),
            Tick("2026-01-15T15:00:10Z", f64::INFINITY),
            Flush,
        ],
        &[
            "bad_price",
            "bad_price",
            "bad_price",
            "bad_price",
            "horizon Unknown",
        ],
    );
    check(
        "the year 2100 closes nothing",
        "1m",
        &[
            Tick("2026-01-15T15:00:10Z", 10.0),
            Tick("2100-01-01T00:00:00Z", 11.0),
            Heartbeat("2100-01-01T00:00:00Z"),
            Flush,
        ],
        &[
            "future",
            "future",
            "accepted 1",
            "horizon 2026-01-15T14:59:40Z",
        ],
    );
    check(
        "a horizon does not go back",
        "1m",
        &[
            Heartbeat("2026-01-15T15:00:00Z"),
            Flush,
            Heartbeat("2026-01-15T14:00:00Z"),
            Flush,
        ],
        &["horizon 2026-01-15T15:00:00Z"],
    );
    let yields = SeriesSpec {
        unit: Some(rotation_engine::detector::Unit::Percent),
        ..SeriesSpec::default()
    };
    let said = run(
        &plan("1m", yields),
        &[Tick("2026-01-15T15:00:10Z", -0.5), Flush],
    );
    assert_eq!(
        said,
        ["accepted 1", "horizon 2026-01-15T14:59:40Z"],
        "a yield may be negative"
    );
}

#[test]
fn sessions_end_with_their_official_print() {
    use Say::Tick;
    check(
        "the closing instant belongs to the session, what is outside of it does not",
        "session",
        &[
            Tick("2026-01-15T14:29:59Z", 1.0),
            Tick("2026-01-15T14:30:00Z", 10.0),
            Tick("2026-01-15T21:00:00Z", 11.0),
            Tick("2026-01-15T21:00:00.000000001Z", 12.0),
            Heartbeat("2026-01-15T21:00:00.000000001Z"),
        ],
        &[
            "out_of_session",
            "out_of_session",
            "bar 2026-01-15T21:00:00Z o10 h11 l10 c11 n2",
        ],
    );
    check(
        "an official print closes the bar at once, and nothing comes after it",
        "session",
        &[
            Tick("2026-01-15T20:59:59Z", 10.0),
            Official("2026-01-15T21:00:00Z", 10.5),
            Tick("2026-01-15T20:59:59.5Z", 9.0),
            Official("2026-01-15T21:05:00Z", 10.5),
        ],
        &[
            "bar 2026-01-15T21:00:00Z o10 h10.5 l10 c10.5 n2 official",
            "after_official",
            "duplicate",
        ],
    );
}

#[test]
fn an_official_print_may_correct_the_last_session() {
    use Say::Tick;
    check(
        "an official print after the horizon is a correction",
        "session",
        &[
            Tick("2026-01-15T20:59:59Z", 10.0),
            Heartbeat("2026-01-15T21:10:00Z"),
            Official("2026-01-15T21:00:00Z", 9.5),
            Official("2026-01-15T21:00:00Z", 9.4),
        ],
        &[
            "bar 2026-01-15T21:00:00Z o10 h10 l10 c10 n1",
            "bar 2026-01-15T21:00:00Z o10 h10 l9.5 c9.5 n1 official correction",
            "stale_correction",
        ],
    );
    check(
        "a correction comes within its window, and of the last session only",
        "session",
        &[
            Tick("2026-01-14T20:59:59Z", 9.0),
            Tick("2026-01-15T20:59:59Z", 10.0),
            Heartbeat("2026-01-15T22:00:00Z"),
            Official("2026-01-14T21:00:00Z", 9.5),
            Heartbeat("2026-01-15T23:00:00.000000001Z"),
            Official("2026-01-15T21:00:00Z", 9.5),
        ],
        &[
            "bar 2026-01-14T21:00:00Z o9 h9 l9 c9 n1",
            "bar 2026-01-15T21:00:00Z o10 h10 l10 c10 n1",
            "stale_correction",
            "stale_correction",
        ],
    );
    check(
        "an early close ends early",
        "session",
        &[
            Tick("2025-11-28T17:59:59Z", 10.0),
            Tick("2025-11-28T18:00:01Z", 11.0),
            Heartbeat("2025-11-28T18:30:00Z"),
        ],
        &[
            "out_of_session",
            "bar 2025-11-28T18:00:00Z o10 h10 l10 c10 n1",
        ],
    );
}

#[test]
fn ticks_go_on_at_once_and_in_order() {
    use Say::Tick;
    check(
        "an older tick is superseded",
        "tick",
        &[
            Tick("2026-01-15T15:00:10Z", 10.0),
            Tick("2026-01-15T15:00:09Z", 9.0),
            Tick("2026-01-15T15:00:10Z", 11.0),
            Flush,
        ],
        &[
            "tick 10",
            "superseded",
            "tick 11",
            "accepted 2",
            "horizon 2026-01-15T14:59:40Z",
        ],
    );
}

#[test]
fn a_split_rescales_the_open_bar_once() {
    use Say::Tick;
    check(
        "what was traded before is divided, what comes after is not",
        "1m",
        &[
            Tick("2026-01-15T15:00:10Z", 100.0),
            Split("2026-01-15T15:00:20Z", 10.0),
            Split("2026-01-15T15:00:20Z", 10.0),
            Split("2026-01-15T15:00:30Z", 0.0),
            Tick("2026-01-15T15:00:40Z", 11.0),
            Heartbeat("2026-01-15T15:01:00Z"),
        ],
        &[
            "split 10",
            "duplicate",
            "bad_split",
            "bar 2026-01-15T15:01:00Z o10 h11 l10 c11 n2",
        ],
    );
}

#[test]
fn a_value_counts_from_when_it_is_published() {
    use Say::Tick;
    let lagged = || SeriesSpec {
        publication_lag: Some("14d".to_owned()),
        ..SeriesSpec::default()
    };
    let replayed = run(
        &plan("session", lagged()),
        &[
            Official("2026-01-01T05:00:00Z", 3.0),
            Tick("2026-01-14T15:00:00Z", 3.1),
            Heartbeat("2026-01-15T21:00:00Z"),
            Heartbeat("2026-01-15T21:00:00.000000001Z"),
        ],
    );
    assert_eq!(
        replayed,
        ["bar 2026-01-15T21:00:00Z o3 h3 l3 c3 n1 official"],
        "the session after the lag, not before"
    );
    let live = run(
        &plan("session", lagged()),
        &[
            Heartbeat("2026-01-16T15:00:00Z"),
            Tick("2026-01-01T05:00:00Z", 3.0),
            Heartbeat("2026-01-16T22:00:00Z"),
        ],
    );
    assert_eq!(
        live,
        ["bar 2026-01-16T21:00:00Z o3 h3 l3 c3 n1"],
        "one that comes later counts when it comes"
    );
}

#[test]
fn spans_and_buckets_are_what_they_say() {
    for (text, nanos) in [
        ("30s", 30 * SECOND),
        ("250ms", 250_000_000),
        ("2d", 172_800 * SECOND),
        ("1m", 60 * SECOND),
    ] {
        assert_eq!(parse_span(text), Ok(nanos), "{text}");
        assert_eq!(format_span(nanos), text);
    }
    for wrong in ["", "s", "30", "-1s", "1.5s", "30 s", "99999999d", "1w"] {
        assert!(parse_span(wrong).is_err(), "{wrong}");
    }
    let minute = Clock::Interval(60 * SECOND);
    let bucket = |nanos| {
        minute
            .bucket(Calendar::AlwaysOpen, 0, EventTime::from_nanos(nanos))
            .unwrap()
    };
    for nanos in [-1, 0, 1, -60 * SECOND, 60 * SECOND - 1, 60 * SECOND] {
        let Bucket { start, end, .. } = bucket(nanos);
        assert!(
            start.as_nanos() <= nanos && nanos < end.as_nanos(),
            "{nanos} lies in its bucket"
        );
        assert_eq!(
            start.as_nanos().rem_euclid(60 * SECOND),
            0,
            "buckets are aligned before the epoch too"
        );
    }
}
