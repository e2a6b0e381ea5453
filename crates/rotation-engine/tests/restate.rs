//! What comes after its bar: late ticks and voids, from the partition to the alerts that they overturn.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use rotation_engine::alert::{Alert, State};
use rotation_engine::detector::Kind;
use rotation_engine::output::Output;
use rotation_engine::plan::{
    LateTicks, RuleCommon, RuleSpec, SeriesSpec, UniversePlan, UniverseSpec,
};
use rotation_engine::record::{LogBody, Tick};
use rotation_engine::sampler::{Sampler, SamplerState};
use rotation_engine::time::EventTime;
use rotation_engine::universe::{Universe, UniverseState};
use std::collections::BTreeMap;
use std::sync::Arc;

fn at(text: &str) -> EventTime {
    format!("2026-01-{text}Z").parse().unwrap()
}

/// A universe that watches `A` approach 5 on a clock; lateness 30 s, corrections within 2 h.
fn spec(clock: &str) -> UniverseSpec {
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
    UniverseSpec {
        correction_window: Some("2h".to_owned()),
        series: BTreeMap::from([("A".to_owned(), SeriesSpec::default())]),
        rules: BTreeMap::from([("level".to_owned(), rule)]),
        ..UniverseSpec::default()
    }
}

/// One thing that the partition says.
#[derive(Clone, Copy)]
enum Say {
    /// Time, price, number.
    Tick(&'static str, f64, u64),
    /// Time, price; without a number.
    Plain(&'static str, f64),
    /// Time, price: an official print.
    Official(&'static str, f64),
    /// Number.
    Void(u64),
    /// Time.
    Heartbeat(&'static str),
    /// Time, ratio.
    Split(&'static str, f64),
}
use Say::{Heartbeat, Official, Plain, Split, Void};

/// What came of a script: a word for each record and event, and the events.
#[derive(Default)]
struct Run {
    words: Vec<String>,
    alerts: Vec<Alert>,
}

/// Runs a script; `stops` restarts both parts from their states after each event.
fn run(spec: &UniverseSpec, script: &[Say], stops: bool) -> Run {
    let plan = Arc::new(UniversePlan::build("test", spec).unwrap());
    let mut sampler = Sampler::new(plan.clone(), 0, 1);
    let mut universe = Universe::new(plan.clone());
    let series = sampler.slot("A").unwrap();
    let mut run = Run::default();
    // A day before, far from the level.
    let before = [Plain("14T15:00:00", 4.0), Heartbeat("14T23:30:00")];
    for (offset, say) in (0..).zip(before.iter().chain(script)) {
        let mut out = Vec::new();
        let mut tick = |time: &str, price, seq, official| {
            let time = at(time);
            let tick = Tick {
                time,
                price,
                size: 1.0,
                seq,
                official,
            };
            sampler.tick(series, &tick, None, offset, &mut out);
        };
        match *say {
            Say::Tick(time, price, seq) => tick(time, price, Some(seq), false),
            Plain(time, price) => tick(time, price, None, false),
            Official(time, price) => tick(time, price, None, true),
            Void(seq) => sampler.void(series, seq, None, offset, &mut out),
            Heartbeat(time) => sampler.heartbeat(at(time), None, offset, &mut out),
            Split(time, ratio) => sampler.split(series, at(time), ratio, offset, &mut out),
        }
        sampler.flush(offset, &mut out);
        for output in out {
            run.words.extend(word(&output));
            if let Output::Log(record) = output {
                let mut out = Vec::new();
                universe.step(&record, None, &mut out);
                run.words.extend(out.iter().filter_map(word));
                run.alerts.extend(out.into_iter().filter_map(alert));
            }
        }
        if offset < 2 {
            run.words.clear();
        }
        if stops {
            (sampler, universe) = restarted(&plan, &sampler, &universe);
        }
    }
    run
}

fn restarted(
    plan: &Arc<UniversePlan>,
    sampler: &Sampler,
    universe: &Universe,
) -> (Sampler, Universe) {
    let text = serde_json::to_string(&sampler.state()).unwrap();
    let state: SamplerState = serde_json::from_str(&text).unwrap();
    let mut next = Sampler::new(plan.clone(), 0, 1);
    next.restore(state);
    assert_eq!(next.state(), sampler.state());
    let text = serde_json::to_string(&universe.state()).unwrap();
    let state: UniverseState = serde_json::from_str(&text).unwrap();
    let mut other = Universe::new(plan.clone());
    other.restore(state);
    (next, other)
}

fn alert(output: Output) -> Option<Alert> {
    match output {
        Output::Alert(alert) => Some(*alert),
        _ => None,
    }
}

fn word(output: &Output) -> Option<String> {
    Some(match output {
        Output::Log(record) => match &record.body {
            LogBody::Bar(bar) => format!(
                "bar o{} h{} l{} c{} v{} n{}{}",
                bar.open,
                bar.high,
                bar.low,
                bar.close,
                bar.size,
                bar.ticks,
                match bar.restated {
                    Some(restated) => format!(" {} {}", restated.cause.name(), restated.price),
                    None if bar.official => " official".to_owned(),
                    None => String::new(),
                },
            ),
            LogBody::Void(voided) => format!("void {}", voided.price),
            LogBody::Tick(_) | LogBody::Horizon(_) | LogBody::Split(_) => return None,
        },
        Output::Dropped { code, .. } => code.name().to_owned(),
        Output::Rejected { code, .. } => code.name().to_owned(),
        Output::Alert(alert) => format!("{} {}", alert.state.name(), alert.transition),
        _ => return None,
    })
}

/// The same words with and without restarts, and what they are.
fn check(name: &str, spec: &UniverseSpec, script: &[Say], expected: &[&str]) {
    for stops in [false, true] {
        let run = run(spec, script, stops);
        assert_eq!(run.words, expected, "{name}, restarts: {stops}");
    }
}

#[test]
fn a_late_tick_restates_the_minute_that_closed_last_and_overturns_its_alert() {
    use Say::Tick;
    let script = [
        Tick("15T15:00:10", 4.0, 1),
        Tick("15T15:00:20", 4.95, 2),
        Tick("15T15:01:31", 4.2, 3),
        Tick("15T15:00:50", 4.1, 4),
        Tick("15T15:02:31", 4.3, 5),
    ];
    let expected = [
        "bar o4 h4.95 l4 c4.95 v2 n2",
        "opened 1",
        "bar o4 h4.95 l4 c4.1 v3 n3 late 4.1",
        "bar o4.2 h4.2 l4.2 c4.2 v1 n1",
        "retracted 2",
    ];
    check("a late tick", &spec("1m"), &script, &expected);
    let run = run(&spec("1m"), &script, false);
    let retracted = &run.alerts[1];
    let restated = serde_json::to_value(&retracted.evidence["correction"]).unwrap();
    assert_eq!(
        restated,
        serde_json::json!({"restated": [{"symbol": "A", "cause": "late", "time": "2026-01-15T15:00:50Z",
            "price": 4.1, "seq": 4, "close_before": 4.95, "close": 4.1}]})
    );
    assert!(
        retracted.headline.starts_with(
            "retracted after a late tick of A 4.1 at 2026-01-15T15:00:50Z (close 4.1, was 4.95): "
        ),
        "{}",
        retracted.headline
    );
    assert_eq!(retracted.episode, run.alerts[0].episode);
}

#[test]
fn a_late_tick_beyond_the_window_or_for_an_older_bar_is_late() {
    use Say::Tick;
    let script = [
        Tick("15T15:00:20", 4.95, 1),
        Tick("15T15:01:40", 4.2, 2),
        Tick("15T15:03:30", 4.3, 3),
        Tick("15T15:00:50", 4.1, 4),
        Tick("15T15:01:50", 4.1, 5),
    ];
    let expected = [
        "bar o4.95 h4.95 l4.95 c4.95 v1 n1",
        "opened 1",
        "bar o4.2 h4.2 l4.2 c4.2 v1 n1",
        "resolved 2",
        "late",
        "late",
    ];
    check("older than a minute", &spec("1m"), &script, &expected);
    let dropped = UniverseSpec {
        late_ticks: Some(LateTicks::Drop),
        ..spec("1m")
    };
    let script = [
        Tick("15T15:00:20", 4.0, 1),
        Tick("15T15:01:31", 4.2, 2),
        Tick("15T15:00:50", 4.1, 3),
    ];
    let expected = ["bar o4 h4 l4 c4 v1 n1", "late"];
    check("as configured", &dropped, &script, &expected);
}

#[test]
fn a_late_tick_makes_the_bar_that_was_missing() {
    use Say::Tick;
    let script = [
        Tick("15T15:00:20", 4.0, 1),
        Tick("15T15:02:31", 4.2, 2),
        Tick("15T15:01:50", 4.95, 3),
        Heartbeat("15T15:03:00"),
    ];
    let expected = [
        "bar o4 h4 l4 c4 v1 n1",
        "bar o4.95 h4.95 l4.95 c4.95 v1 n1 late 4.95",
        "bar o4.2 h4.2 l4.2 c4.2 v1 n1",
        "opened 1",
        "resolved 2",
    ];
    check("a minute without ticks", &spec("1m"), &script, &expected);
}

#[test]
fn a_late_tick_after_the_close_waits_for_the_official_print_or_the_end_of_the_window() {
    use Say::Tick;
    let before = [
        Tick("15T15:00:00", 4.0, 1),
        Tick("15T20:59:00", 4.95, 2),
        Heartbeat("15T21:01:00"),
        Tick("15T20:59:30", 4.1, 3),
    ];
    let told = [
        "bar o4 h4.95 l4 c4.95 v2 n2",
        "opened 1",
        "bar o4 h4.95 l4 c4.1 v3 n3 late 4.1",
    ];
    let with = |more: &[Say]| [&before, more].concat();
    let expect = |more: &[&'static str]| [&told, more].concat();
    check(
        "the window ends",
        &spec("session"),
        &with(&[
            Heartbeat("15T23:00:00"),
            Heartbeat("15T23:00:01"),
            Tick("15T20:59:40", 4.0, 4),
        ]),
        &expect(&["retracted 2", "late"]),
    );
    check(
        "the official print agrees",
        &spec("session"),
        &with(&[Official("15T21:00:00", 4.1)]),
        &expect(&["bar o4 h4.95 l4 c4.1 v3 n3 official", "retracted 2"]),
    );
    check(
        "the official print says otherwise, and is the last word",
        &spec("session"),
        &with(&[
            Official("15T21:00:00", 4.96),
            Tick("15T20:59:40", 4.0, 4),
            Void(2),
        ]),
        &expect(&[
            "bar o4 h4.96 l4 c4.96 v3 n3 official",
            "confirmed 2",
            "late",
            "void_settled",
        ]),
    );
}

#[test]
fn a_late_tick_goes_into_a_bar_that_is_open() {
    use Say::Tick;
    let script = [
        Tick("15T15:00:00", 4.0, 1),
        Tick("15T16:00:00", 4.2, 2),
        Tick("15T15:30:00", 3.9, 3),
        Heartbeat("15T21:01:00"),
    ];
    let expected = ["bar o4 h4.2 l3.9 c4.2 v3 n3"];
    check("half an hour late", &spec("session"), &script, &expected);
}

#[test]
fn a_void_takes_a_print_out_of_its_bar_as_if_it_had_never_come() {
    use Say::Tick;
    let prints = [
        Tick("15T15:00:00", 4.0, 1),
        Tick("15T16:00:00", 3.0, 2),
        Tick("15T17:00:00", 4.2, 3),
        Tick("15T18:00:00", 4.95, 4),
    ];
    let end = Heartbeat("15T21:01:00");
    let bars = [
        (1, "bar o3 h4.95 l3 c4.95 v3 n3"),
        (2, "bar o4 h4.95 l4 c4.95 v3 n3"),
        (3, "bar o4 h4.95 l3 c4.95 v3 n3"),
        (4, "bar o4 h4.2 l3 c4.2 v3 n3"),
    ];
    for held in [4, 1] {
        let spec = UniverseSpec {
            void_prints: Some(held),
            ..spec("session")
        };
        for (seq, bar) in bars {
            let mut script = prints.to_vec();
            script.extend([Void(seq), end]);
            let is_held = held == 4 || seq == 4;
            let mut expected = vec![if is_held {
                bar
            } else {
                "bar o4 h4.95 l3 c4.95 v4 n4"
            }];
            if !is_held {
                expected.insert(0, "void_not_held");
            }
            if seq != 4 {
                expected.push("opened 1");
            }
            check(
                &format!("void of {seq}, {held} held"),
                &spec,
                &script,
                &expected,
            );
        }
    }
}

#[test]
fn a_void_after_the_close_overturns_the_alert() {
    use Say::Tick;
    let script = [
        Tick("15T15:00:00", 4.0, 1),
        Tick("15T20:59:00", 4.95, 2),
        Heartbeat("15T21:01:00"),
        Void(2),
        Heartbeat("15T23:00:01"),
        Void(1),
    ];
    let expected = [
        "bar o4 h4.95 l4 c4.95 v2 n2",
        "opened 1",
        "bar o4 h4 l4 c4 v1 n1 void 4.95",
        "retracted 2",
        "void_settled",
    ];
    check("the closing print", &spec("session"), &script, &expected);
    let run = run(&spec("session"), &script, false);
    assert_eq!(
        serde_json::to_value(&run.alerts[1].evidence["correction"]).unwrap(),
        serde_json::json!({"restated": [{"symbol": "A", "cause": "void", "time": "2026-01-15T20:59:00Z",
            "price": 4.95, "seq": 2, "close_before": 4.95, "close": 4.0}]})
    );
}

#[test]
fn a_void_of_the_only_print_withdraws_the_bar_and_what_it_said() {
    use Say::Tick;
    let script = [
        Tick("15T15:00:00", 4.95, 1),
        Heartbeat("15T21:01:00"),
        Void(1),
        Heartbeat("15T23:00:01"),
        Tick("16T15:00:00", 4.0, 2),
        Heartbeat("17T15:00:00"),
    ];
    let expected = [
        "bar o4.95 h4.95 l4.95 c4.95 v1 n1",
        "opened 1",
        "bar o4.95 h4.95 l4.95 c4.95 v0 n0 void 4.95",
        "retracted 2",
        "bar o4 h4 l4 c4 v1 n1",
    ];
    check("nothing is left", &spec("session"), &script, &expected);
    let again = [
        Tick("15T15:00:00", 4.95, 1),
        Heartbeat("15T21:01:00"),
        Void(1),
        Tick("15T20:00:00", 4.93, 2),
        Heartbeat("15T23:00:01"),
    ];
    let expected = [
        "bar o4.95 h4.95 l4.95 c4.95 v1 n1",
        "opened 1",
        "bar o4.95 h4.95 l4.95 c4.95 v0 n0 void 4.95",
        "bar o4.93 h4.93 l4.93 c4.93 v1 n1 late 4.93",
    ];
    check(
        "the print that was meant comes after it",
        &spec("session"),
        &again,
        &expected,
    );
}

#[test]
fn a_void_that_cannot_be_done_says_why() {
    use Say::Tick;
    let script = [
        Plain("15T14:59:00", 4.1),
        Void(1),
        Tick("15T15:00:00", 4.0, 1),
        Tick("15T15:00:01", 4.2, 2),
        Tick("15T15:00:02", 4.3, 3),
        Void(1),
        Void(2),
        Void(2),
        Tick("15T15:00:01", 4.2, 2),
        Void(9),
        Split("15T15:00:03", 2.0),
        Void(3),
        Heartbeat("15T21:01:00"),
    ];
    let few = UniverseSpec {
        void_prints: Some(2),
        ..spec("session")
    };
    let expected = [
        "void_unknown",
        "void_not_held",
        "void_repeated",
        "duplicate",
        "void_unknown",
        "void_not_held",
        "bar o2.05 h2.15 l2 c2.15 v3 n3",
    ];
    check("each its code", &few, &script, &expected);
    let none = UniverseSpec {
        void_prints: Some(0),
        ..spec("session")
    };
    let script = [Tick("15T15:00:00", 4.0, 1), Void(1), Void(2)];
    check(
        "none held",
        &none,
        &script,
        &["void_not_held", "void_unknown"],
    );
}

#[test]
fn a_void_of_the_tick_that_opened_an_episode_retracts_it() {
    use Say::Tick;
    let near = Tick("15T15:00:10", 4.95, 2);
    let far = [
        Tick("15T15:00:00", 4.0, 1),
        near,
        Void(2),
        Tick("15T15:00:20", 4.0, 3),
    ];
    check(
        "the next tick is far",
        &spec("tick"),
        &far,
        &["opened 1", "void 4.95", "retracted 2"],
    );
    let stands = [
        Tick("15T15:00:00", 4.0, 1),
        near,
        Void(2),
        Tick("15T15:00:10", 4.96, 3),
        Tick("15T15:00:20", 4.97, 4),
        Tick("15T15:00:30", 4.0, 5),
    ];
    let expected = [
        "opened 1",
        "void 4.95",
        "retracted 2",
        "opened 1",
        "resolved 2",
    ];
    check(
        "the condition stands on later ticks",
        &spec("tick"),
        &stands,
        &expected,
    );
    let alerts = run(&spec("tick"), &stands, false).alerts;
    assert_ne!(alerts[0].episode, alerts[2].episode);
    assert_eq!(alerts[1].state, State::Retracted);
    assert!(
        alerts[1]
            .headline
            .starts_with("retracted after the void of A 4.95 at 2026-01-15T15:00:10Z: "),
        "{}",
        alerts[1].headline
    );
    let other = [
        Tick("15T15:00:00", 4.0, 1),
        near,
        Tick("15T15:00:20", 4.96, 3),
        Void(3),
    ];
    check(
        "another tick",
        &spec("tick"),
        &other,
        &["opened 1", "void 4.96"],
    );
}
