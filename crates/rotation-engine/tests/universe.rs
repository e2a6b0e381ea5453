//! The universe, record by record: sections, corrections, sources, and the episodes that are told.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use rotation_engine::calendar::Calendar;
use rotation_engine::clock::{Clock, session_bucket};
use rotation_engine::detector::Kind;
use rotation_engine::output::Output;
use rotation_engine::plan::{RuleCommon, RuleSpec, SeriesSpec, UniversePlan, UniverseSpec};
use rotation_engine::record::{Bar, Horizon, LogBody, LogRecord, Progress};
use rotation_engine::time::EventTime;
use rotation_engine::universe::Universe;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A universe with a streak of A over B that opens at 2 and escalates at 3.
fn spec() -> UniverseSpec {
    let params = serde_json::json!({"leader": "A", "laggard": "B", "open_at": 2, "escalate_at": [3],
        "escalate_since_years": []});
    let rule = RuleSpec {
        common: RuleCommon::default(),
        kind: Kind::deserialize("relative_streak", params)
            .unwrap()
            .unwrap(),
        version: "v".to_owned(),
    };
    let series = ["A", "B"].map(|symbol| (symbol.to_owned(), SeriesSpec::default()));
    UniverseSpec {
        calendar: None,
        lateness: None,
        skew: None,
        stall_after: Some("1m".to_owned()),
        closing_window: None,
        correction_window: Some("2h".to_owned()),
        live_from: None,
        publish_history: None,
        late_ticks: None,
        void_prints: None,
        series: BTreeMap::from(series),
        rules: BTreeMap::from([("streak".to_owned(), rule)]),
    }
}

fn build(spec: &UniverseSpec) -> Arc<UniversePlan> {
    Arc::new(UniversePlan::build("test", spec).unwrap())
}

/// A universe and its log.
struct Log {
    plan: Arc<UniversePlan>,
    universe: Universe,
    appended: Option<EventTime>,
}

impl Log {
    fn new(plan: Arc<UniversePlan>) -> Self {
        Log {
            universe: Universe::new(plan.clone()),
            plan,
            appended: None,
        }
    }

    fn say(&mut self, source: u32, body: LogBody) -> Vec<String> {
        let mut out = Vec::new();
        self.universe.step(
            &LogRecord {
                source,
                offset: 0,
                body,
            },
            self.appended,
            &mut out,
        );
        out.iter().filter_map(word).collect()
    }

    /// The close of a series on a day of January 2026, from its own source.
    fn bar(
        &mut self,
        symbol: &str,
        day: i8,
        close: f64,
        official: bool,
        correction: bool,
    ) -> Vec<String> {
        let source = u32::from(symbol == "B");
        self.bar_from(source, symbol, day, close, official, correction)
    }

    fn bar_from(
        &mut self,
        source: u32,
        symbol: &str,
        day: i8,
        close: f64,
        official: bool,
        correction: bool,
    ) -> Vec<String> {
        let session = Calendar::Xnys
            .session(jiff::civil::date(2026, 1, day))
            .unwrap();
        let bar = Bar {
            series: self.plan.series_ix(symbol).unwrap(),
            clock: Clock::Session,
            bucket: session_bucket(session, 0),
            open: close,
            high: close,
            low: close,
            close,
            size: 0.0,
            ticks: 1,
            official,
            correction,
            observed: None,
            restated: None,
        };
        self.say(source, LogBody::Bar(bar))
    }

    fn horizon(&mut self, source: u32, time: &str) -> Vec<String> {
        let progress = Progress::At(time.parse().unwrap());
        self.say(
            source,
            LogBody::Horizon(Horizon {
                sources: 2,
                progress,
                digest: self.plan.digest,
            }),
        )
    }

    /// Both closes of a day, official.
    fn day(&mut self, day: i8, a: f64, b: f64) -> Vec<String> {
        let mut said = self.bar("A", day, a, true, false);
        said.extend(self.bar("B", day, b, true, false));
        said
    }
}

fn word(output: &Output) -> Option<String> {
    Some(match output {
        Output::Alert(alert) => format!(
            "{} {} #{}{}",
            alert.state.name(),
            alert.session.unwrap(),
            alert.transition,
            if alert.replay { " replay" } else { "" },
        ),
        Output::Dropped { code, .. } => code.name().to_owned(),
        Output::Rejected { code, .. } => code.name().to_owned(),
        Output::Refused { reason } => format!("refused: {reason}"),
        Output::Source { source, excluded } => format!("source {source} excluded {excluded}"),
        Output::Section { as_of, .. } => format!("section {}", as_of.utc_date()),
        _ => return None,
    })
}

#[test]
fn sections_come_as_soon_as_they_are_complete_and_in_order() {
    let mut log = Log::new(build(&spec()));
    assert_eq!(
        log.bar("A", 5, 100.0, true, false),
        Vec::<String>::new(),
        "waits for B"
    );
    assert_eq!(log.bar("A", 6, 101.0, true, false), Vec::<String>::new());
    assert_eq!(log.bar("B", 5, 100.0, true, false), ["section 2026-01-05"]);
    assert_eq!(
        log.bar("B", 7, 100.0, true, false),
        ["section 2026-01-06"],
        "B has gone past the 6th without a bar"
    );
    assert_eq!(
        log.bar("B", 6, 100.0, true, false),
        ["closed_bucket"],
        "and cannot come back to it"
    );
    assert_eq!(
        log.horizon(0, "2026-01-07T22:00:00Z"),
        Vec::<String>::new(),
        "B's source has not spoken"
    );
    assert_eq!(
        log.horizon(1, "2026-01-07T22:00:00Z"),
        ["section 2026-01-07"],
        "A is missing on the 7th"
    );
    assert_eq!(log.horizon(1, "2026-01-07T21:00:00Z"), ["horizon_back"]);
}

#[test]
fn episodes_open_escalate_and_resolve() {
    let mut log = Log::new(build(&spec()));
    log.day(5, 100.0, 100.0);
    assert_eq!(log.day(6, 101.0, 100.0), ["section 2026-01-06"]);
    assert_eq!(
        log.day(7, 102.0, 100.0),
        ["section 2026-01-07", "opened 2026-01-07 #1"]
    );
    assert_eq!(
        log.day(8, 103.0, 100.0),
        ["section 2026-01-08", "escalated 2026-01-08 #2"]
    );
    assert_eq!(log.day(9, 104.0, 100.0), ["section 2026-01-09"]);
    assert_eq!(
        log.day(12, 103.0, 100.0),
        ["section 2026-01-12", "resolved 2026-01-12 #3"]
    );
}

#[test]
fn an_episode_from_before_going_live_is_told_when_it_still_stands() {
    let live = |history| UniverseSpec {
        live_from: Some("2026-01-08".to_owned()),
        publish_history: Some(history),
        ..spec()
    };
    let told = |spec: &UniverseSpec, closes: &[(i8, f64)]| {
        let mut log = Log::new(build(spec));
        let said = closes.iter().flat_map(|(day, a)| log.day(*day, *a, 100.0));
        said.filter(|word| !word.starts_with("section"))
            .collect::<Vec<_>>()
    };
    let run = [(5, 100.0), (6, 101.0), (7, 102.0), (8, 103.0), (9, 102.0)];
    assert_eq!(
        told(&live(false), &run),
        ["opened 2026-01-08 #1", "resolved 2026-01-09 #2"]
    );
    let over = [(5, 100.0), (6, 101.0), (7, 102.0), (8, 101.0), (9, 102.0)];
    assert_eq!(
        told(&live(false), &over),
        Vec::<String>::new(),
        "what was over before is not told"
    );
    assert_eq!(
        told(&live(true), &over),
        ["opened 2026-01-07 #1 replay", "resolved 2026-01-08 #2"]
    );
}

#[test]
fn a_cool_down_keeps_the_next_episode_back() {
    let mut spec = spec();
    spec.rules.get_mut("streak").unwrap().common.cooldown = Some("6d".to_owned());
    let mut log = Log::new(build(&spec));
    let closes = [
        (5, 1.0),
        (6, 2.0),
        (7, 3.0),
        (8, 2.0),
        (9, 3.0),
        (12, 4.0),
        (13, 5.0),
        (14, 6.0),
        (15, 5.0),
    ];
    let said = closes.iter().flat_map(|(day, a)| log.day(*day, *a, 1.0));
    let told: Vec<_> = said.filter(|word| !word.starts_with("section")).collect();
    assert_eq!(
        told,
        [
            "opened 2026-01-07 #1",
            "resolved 2026-01-08 #2",
            "opened 2026-01-14 #1",
            "resolved 2026-01-15 #2"
        ]
    );
}

/// Provisional closes at the horizon, official ones after: what was told is confirmed, corrected or retracted.
fn correct(closes: &[(i8, f64)], official: f64) -> Vec<String> {
    let mut log = Log::new(build(&spec()));
    let (last, before) = closes.split_last().unwrap();
    for (day, a) in before {
        log.day(*day, *a, 100.0);
    }
    let mut said = log.bar("A", last.0, last.1, false, false);
    said.extend(log.bar("B", last.0, 100.0, false, false));
    said.extend(log.bar("B", last.0, 100.0, true, true));
    said.extend(log.bar("A", last.0, official, true, true));
    // The day after, from the corrected state.
    said.extend(log.day(last.0 + 1, official + 1.0, 100.0));
    said.into_iter()
        .filter(|word| !word.starts_with("section"))
        .collect()
}

#[test]
fn official_closes_confirm_correct_or_retract() {
    let open = [(5, 100.0), (6, 101.0), (7, 102.0)];
    assert_eq!(
        correct(&open, 101.5),
        [
            "opened 2026-01-07 #1",
            "confirmed 2026-01-07 #2",
            "escalated 2026-01-08 #3"
        ],
        "the same decision on other figures"
    );
    assert_eq!(
        correct(&open, 100.5),
        ["opened 2026-01-07 #1", "retracted 2026-01-07 #2"],
        "no streak after all"
    );
    let escalated = [(5, 100.0), (6, 101.0), (7, 102.0), (8, 103.0)];
    assert_eq!(
        correct(&escalated, 101.0),
        [
            "opened",
            "escalated 2026-01-08 #2",
            "corrected 2026-01-08 #3",
            "resolved 2026-01-08 #4"
        ][1..],
        "the escalation was the end of it"
    );
    let resolved = [(5, 100.0), (6, 101.0), (7, 102.0), (8, 101.0)];
    assert_eq!(
        correct(&resolved, 103.0),
        [
            "resolved 2026-01-08 #2",
            "corrected 2026-01-08 #3",
            "escalated 2026-01-08 #4"
        ],
        "it goes on"
    );
    let quiet = [(5, 100.0), (6, 101.0), (7, 100.5)];
    assert_eq!(
        correct(&quiet, 101.5),
        ["opened 2026-01-07 #1", "escalated 2026-01-08 #2"],
        "it began after all"
    );
}

#[test]
fn a_correction_that_comes_too_late_is_left_out() {
    let mut log = Log::new(build(&spec()));
    log.day(5, 100.0, 100.0);
    log.bar("A", 6, 101.0, false, false);
    log.bar("B", 6, 100.0, false, false);
    log.horizon(0, "2026-01-06T23:00:00.000000001Z");
    log.horizon(1, "2026-01-06T23:00:00.000000001Z");
    assert_eq!(log.bar("A", 6, 99.0, true, true), ["stale_correction"]);
}

#[test]
fn a_series_belongs_to_one_source() {
    let mut log = Log::new(build(&spec()));
    log.day(5, 100.0, 100.0);
    assert_eq!(
        log.bar_from(1, "A", 6, 101.0, true, false),
        ["wrong_source"]
    );
    assert_eq!(
        log.day(6, 101.0, 100.0),
        ["section 2026-01-06"],
        "its own source goes on"
    );
}

#[test]
fn mixed_configurations_and_partition_counts_are_refused_once() {
    let mut log = Log::new(build(&spec()));
    let horizon = |sources, digest| {
        LogBody::Horizon(Horizon {
            sources,
            progress: Progress::At("2026-01-06T22:00:00Z".parse().unwrap()),
            digest,
        })
    };
    let digest = log.plan.digest;
    assert_eq!(log.say(0, horizon(2, digest)), Vec::<String>::new());
    let refused = log.say(0, horizon(3, digest));
    assert!(
        refused[0].contains("has 3 partitions") && refused[0].contains("began with 2"),
        "{refused:?}"
    );
    assert_eq!(
        log.say(0, horizon(3, digest)),
        Vec::<String>::new(),
        "said once"
    );
    let mut log = Log::new(build(&spec()));
    let refused = log.say(1, horizon(2, digest ^ 1));
    assert!(
        refused[0].contains("partition 1 is sampled with another configuration"),
        "{refused:?}"
    );
}

#[test]
fn a_source_that_trails_the_log_is_left_out_until_it_returns() {
    let mut log = Log::new(build(&spec()));
    log.appended = Some("2026-02-01T00:00:00Z".parse().unwrap());
    log.horizon(0, "2026-01-05T22:00:00Z");
    log.bar("A", 6, 101.0, true, false);
    log.horizon(0, "2026-01-06T22:00:00Z");
    log.appended = Some("2026-02-01T00:00:59Z".parse().unwrap());
    assert_eq!(log.horizon(0, "2026-01-06T23:00:00Z"), Vec::<String>::new());
    log.appended = Some("2026-02-01T00:01:02Z".parse().unwrap());
    let said = log.horizon(0, "2026-01-06T23:30:00Z");
    assert_eq!(
        said,
        ["source 1 excluded true", "section 2026-01-06"],
        "the others go on without it"
    );
    assert_eq!(
        log.horizon(1, "2026-01-06T23:30:00Z"),
        ["source 1 excluded false"]
    );
}
