//! The law of the engine: given the records of each partition, the alerts do not depend on how partitions interleave,
//! nor on when a process stopped and resumed.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use proptest::prelude::*;
use rotation_engine::calendar::{Calendar, Session};
use rotation_engine::clock::{SECOND, session_bucket};
use rotation_engine::detector::Kind;
use rotation_engine::output::Output;
use rotation_engine::plan::{RuleCommon, RuleSpec, SeriesSpec, UniversePlan, UniverseSpec};
use rotation_engine::record::{SourceEvent, Tick};
use rotation_engine::sampler::{Sampler, SamplerState};
use rotation_engine::time::EventTime;
use rotation_engine::universe::{Changes, Universe, UniverseState};
use std::collections::BTreeMap;
use std::sync::Arc;

const SYMBOLS: [&str; 4] = ["A", "B", "C", "Y"];
const SOURCES: usize = 3;

/// What a source says, with the symbol that each event is about.
type Said = Vec<(Option<usize>, SourceEvent<'static>)>;

/// Numbers from a seed; splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// The raw series, a basket and a ratio of them.
fn series() -> BTreeMap<String, SeriesSpec> {
    let mut series: BTreeMap<String, SeriesSpec> = SYMBOLS
        .iter()
        .map(|symbol| ((*symbol).to_owned(), SeriesSpec::default()))
        .collect();
    series.insert(
        "ABC".to_owned(),
        SeriesSpec {
            basket: Some(["A", "B", "C"].map(str::to_owned).to_vec()),
            ..SeriesSpec::default()
        },
    );
    series.insert(
        "A/C".to_owned(),
        SeriesSpec {
            ratio: Some(["A", "C"].map(str::to_owned)),
            ..SeriesSpec::default()
        },
    );
    series
}

fn plan() -> Arc<UniversePlan> {
    let rule = |clock: &str, kind: serde_json::Value| {
        let name = kind["kind"].as_str().unwrap().to_owned();
        let mut parameters = kind;
        parameters.as_object_mut().unwrap().remove("kind");
        RuleSpec {
            common: RuleCommon {
                clock: Some(clock.to_owned()),
                ..RuleCommon::default()
            },
            kind: Kind::deserialize(&name, parameters).unwrap().unwrap(),
            version: "v1".to_owned(),
        }
    };
    let streak = |leader: &str, laggard: &str| {
        serde_json::json!({"kind": "relative_streak", "leader": leader, "laggard": laggard,
            "open_at": 2, "escalate_at": [3], "escalate_since_years": []})
    };
    let record = |series: &str| serde_json::json!({"kind": "record_high", "series": series, "drought_sessions": 1, "quiet_sessions": 2});
    let level = serde_json::json!({"kind": "level_approach", "series": "Y", "level": 5.0, "near": 0.1, "rearm": 0.3});
    // Rules over rules: one reads another of them, and the parts of one have series on different sources.
    let regime = serde_json::json!({"kind": "regime", "smoothing": 1, "min_stay": 1, "half_life": 2.0,
        "dangers": ["session-level"],
        "inputs": [{"rule": "session-streak", "full": 3.0}, {"rule": "basket-streak", "when_open": -1.0},
            {"rule": "session-record", "when_open": 1.0}]});
    let condition = serde_json::json!({"kind": "expression", "rules": {"streak": "minute-streak", "high": "minute-record"},
        "series": {"c": "C"}, "when": "streak.value > 0.0 && (high.open || c.close > c.previous)"});
    let cluster = serde_json::json!({"kind": "confluence", "open_at": 2, "window": 2, "escalate_at": [3],
        "rules": ["session-streak", "session-record", "basket-streak", "session-level", "regime"]});
    let rules = BTreeMap::from([
        (
            "session-streak".to_owned(),
            rule("session", streak("A", "B")),
        ),
        ("minute-streak".to_owned(), rule("1m", streak("A", "C"))),
        (
            "basket-streak".to_owned(),
            rule("session", streak("ABC", "A/C")),
        ),
        ("minute-record".to_owned(), rule("1m", record("B"))),
        ("session-record".to_owned(), rule("session", record("A"))),
        ("tick-level".to_owned(), rule("tick", level.clone())),
        ("session-level".to_owned(), rule("session", level)),
        ("regime".to_owned(), rule("session", regime)),
        ("condition".to_owned(), rule("1m", condition)),
        ("cluster".to_owned(), rule("session", cluster)),
    ]);
    let spec = UniverseSpec {
        calendar: None,
        lateness: Some("30s".to_owned()),
        skew: None,
        stall_after: None,
        closing_window: Some("1m".to_owned()),
        correction_window: Some("2h".to_owned()),
        live_from: None,
        publish_history: None,
        late_ticks: None,
        // Few enough that some voids are of prints which are held no longer.
        void_prints: Some(24),
        series: series(),
        rules,
    };
    Arc::new(UniversePlan::build("law", &spec).unwrap())
}

/// Some sessions of ticks with gaps, late and repeated ticks, official prints before and after the horizon passes
/// the close, corrections that change the price, splits, and a heartbeat at the end: by source, in its order.
fn market(seed: u64) -> Vec<Said> {
    let mut dice = Dice(seed);
    let mut sources: Vec<Said> = vec![Vec::new(); SOURCES];
    let homes: Vec<usize> = SYMBOLS
        .iter()
        .map(|_| dice.roll(SOURCES as u64) as usize)
        .collect();
    let mut prices = [100.0, 50.0, 10.0, 4.6];
    let mut numbers = Numbers::default();
    let first = "2026-01-05".parse().unwrap();
    let last = "2026-01-14".parse().unwrap();
    let mut end = EventTime::MIN;
    for session in Calendar::Xnys.sessions(first, last) {
        let bucket = session_bucket(session, 60 * SECOND);
        end = bucket.end;
        if dice.roll(8) == 0 {
            let event = SourceEvent::Split {
                symbol: "A",
                time: session.open,
                ratio: 2.0,
            };
            sources[homes[0]].push((Some(0), event));
            prices[0] /= 2.0;
        }
        trade(
            &mut dice,
            session,
            &homes,
            &mut prices,
            &mut numbers,
            &mut sources,
        );
        close(&mut dice, session, &homes, &mut prices, &mut sources);
        restate(
            &mut dice,
            session,
            &homes,
            &prices,
            &mut numbers,
            &mut sources,
        );
    }
    for source in &mut sources {
        source.push((
            None,
            SourceEvent::Heartbeat {
                time: end.saturating_add(86_400 * SECOND),
            },
        ));
    }
    sources
}

/// Ticks of one session, out of order within a minute and a half, some twice.
fn trade(
    dice: &mut Dice,
    session: Session,
    homes: &[usize],
    prices: &mut [f64],
    numbers: &mut Numbers,
    sources: &mut [Said],
) {
    for step in 0..40_u64 {
        let time = session.open.saturating_add(step as i64 * 600 * SECOND);
        for (at, symbol) in SYMBOLS.iter().enumerate() {
            if dice.roll(4) == 0 {
                continue;
            }
            prices[at] *= 1.0 + (dice.roll(201) as f64 - 100.0) / 2.0e4;
            let jitter = dice.roll(90) as i64 - 45;
            let tick = Tick {
                time: time.saturating_add(jitter * SECOND),
                price: (prices[at] * 1e4).round() / 1e4,
                size: 1.0,
                seq: Some(numbers.next(at)),
                official: false,
            };
            let event = SourceEvent::Tick { symbol, tick };
            sources[homes[at]].push((Some(at), event));
            if dice.roll(12) == 0 {
                let overdue = 30 + dice.roll(120) as i64;
                let time = tick.time.saturating_sub(overdue * SECOND);
                let price = tick.price * (99.0 + dice.roll(3) as f64) / 100.0;
                let event = late(dice, numbers, at, time, price);
                sources[homes[at]].push((Some(at), event));
            }
            if dice.roll(25) == 0 {
                sources[homes[at]].push((Some(at), numbers.void(dice, at)));
            }
            if dice.roll(20) == 0 {
                sources[homes[at]].push((Some(at), event));
            }
        }
    }
}

/// The numbers that each symbol gave.
#[derive(Default)]
struct Numbers {
    last: u64,
    given: [Vec<u64>; 4],
}

impl Numbers {
    fn next(&mut self, at: usize) -> u64 {
        self.last += 1;
        self.given[at].push(self.last);
        self.last
    }

    /// A void of one of a symbol's newest prints, mostly; of one long past, or voided before, now and then.
    fn void(&self, dice: &mut Dice, at: usize) -> SourceEvent<'static> {
        let back = if dice.roll(8) == 0 { 60 } else { 6 };
        let given = &self.given[at];
        let place = given.len().saturating_sub(1 + dice.roll(back) as usize);
        SourceEvent::Void {
            symbol: SYMBOLS[at],
            seq: given.get(place).copied().unwrap_or(0),
            time: None,
        }
    }
}

fn late(
    dice: &mut Dice,
    numbers: &mut Numbers,
    at: usize,
    time: EventTime,
    price: f64,
) -> SourceEvent<'static> {
    let tick = Tick {
        time,
        price: (price * 1e4).round() / 1e4,
        size: dice.roll(2) as f64,
        seq: Some(numbers.next(at)),
        official: false,
    };
    SourceEvent::Tick {
        symbol: SYMBOLS[at],
        tick,
    }
}

/// Late ticks and voids after the close: of the session's last prints, which are its close.
fn restate(
    dice: &mut Dice,
    session: Session,
    homes: &[usize],
    prices: &[f64],
    numbers: &mut Numbers,
    sources: &mut [Said],
) {
    for at in 0..SYMBOLS.len() {
        if dice.roll(2) == 0 {
            let after = dice.roll(9_000) as i64 * SECOND;
            let time = session.close.saturating_add(after);
            sources[homes[at]].push((Some(at), SourceEvent::Heartbeat { time }));
        }
        for _ in 0..dice.roll(3) {
            let before = dice.roll(1_200) as i64 * SECOND;
            let price = prices[at] * (97.0 + dice.roll(7) as f64) / 100.0;
            let time = session.close.saturating_sub(before);
            let event = late(dice, numbers, at, time, price);
            sources[homes[at]].push((Some(at), event));
        }
        for _ in 0..dice.roll(4) {
            sources[homes[at]].push((Some(at), numbers.void(dice, at)));
        }
    }
}

/// Official prints of one session, before or after the horizon passes its close.
fn close(
    dice: &mut Dice,
    session: Session,
    homes: &[usize],
    prices: &mut [f64],
    sources: &mut [Said],
) {
    for (at, symbol) in SYMBOLS.iter().enumerate() {
        let late = dice.roll(3);
        if late == 0 {
            continue;
        }
        if late == 1 {
            let time = session
                .close
                .saturating_add(dice.roll(7_200) as i64 * SECOND);
            sources[homes[at]].push((Some(at), SourceEvent::Heartbeat { time }));
        }
        prices[at] *= 1.0 + (dice.roll(201) as f64 - 100.0) / 1.0e4;
        let price = (prices[at] * 1e4).round() / 1e4;
        let tick = Tick {
            time: session.close,
            price,
            size: 0.0,
            seq: None,
            official: true,
        };
        sources[homes[at]].push((Some(at), SourceEvent::Tick { symbol, tick }));
    }
}

/// Runs the sources in an order drawn from `seed`, flushing at random; where `stops` is set, each part is now and then
/// put aside and read back.
fn run(plan: &Arc<UniversePlan>, sources: &[Said], seed: u64, stops: bool) -> Told {
    let mut dice = Dice(seed);
    let mut samplers: Vec<Sampler> = (0..SOURCES as u32)
        .map(|source| Sampler::new(plan.clone(), source, SOURCES as u32))
        .collect();
    let mut universe = Universe::new(plan.clone());
    let mut at = [0; SOURCES];
    let mut told = Told::default();
    while at
        .iter()
        .zip(sources)
        .any(|(at, source)| *at < source.len())
    {
        let source = dice.roll(SOURCES as u64) as usize;
        let mut sampled = Vec::new();
        for _ in 0..=dice.roll(200) {
            let Some((_, event)) = sources[source].get(at[source]) else {
                break;
            };
            take(
                &mut samplers[source],
                event,
                at[source] as i64,
                &mut sampled,
            );
            at[source] += 1;
        }
        if dice.roll(2) == 0 || at[source] == sources[source].len() {
            samplers[source].flush(at[source] as i64, &mut sampled);
        }
        for output in sampled {
            if let Output::Log(record) = output {
                let mut out = Vec::new();
                universe.step(&record, None, &mut out);
                told.note(out);
            } else {
                told.note(vec![output]);
            }
        }
        if stops && dice.roll(5) == 0 {
            samplers[source] = restarted_sampler(plan, source as u32, &samplers[source]);
        }
        if stops && dice.roll(5) == 0 {
            universe = restarted_universe(plan, &universe);
        }
    }
    told
}

fn take(sampler: &mut Sampler, event: &SourceEvent<'_>, offset: i64, out: &mut Vec<Output>) {
    match *event {
        SourceEvent::Tick { symbol, tick } => {
            let series = sampler.slot(symbol).unwrap();
            sampler.tick(series, &tick, None, offset, out);
        }
        SourceEvent::Heartbeat { time } => sampler.heartbeat(time, None, offset, out),
        SourceEvent::Split {
            symbol,
            time,
            ratio,
        } => {
            let series = sampler.slot(symbol).unwrap();
            sampler.split(series, time, ratio, offset, out);
        }
        SourceEvent::Void { symbol, seq, time } => {
            let series = sampler.slot(symbol).unwrap();
            sampler.void(series, seq, time, offset, out);
        }
    }
}

/// Another that goes on from what the first remembers, through its encoding.
fn restarted_sampler(plan: &Arc<UniversePlan>, source: u32, sampler: &Sampler) -> Sampler {
    let text = serde_json::to_string(&sampler.state()).unwrap();
    let state: SamplerState = serde_json::from_str(&text).unwrap();
    assert_eq!(
        state,
        sampler.state(),
        "a sampler's state survives its encoding"
    );
    let mut fresh = Sampler::new(plan.clone(), source, SOURCES as u32);
    fresh.restore(state);
    fresh
}

fn restarted_universe(plan: &Arc<UniversePlan>, universe: &Universe) -> Universe {
    let text = serde_json::to_string(&universe.state()).unwrap();
    let state: UniverseState = serde_json::from_str(&text).unwrap();
    assert_eq!(
        state,
        universe.state(),
        "a universe's state survives its encoding"
    );
    let mut fresh = Universe::new(plan.clone());
    assert_eq!(fresh.restore(state), Changes::default());
    fresh
}

/// What was said, by rule, in order.
#[derive(Debug, Default, PartialEq)]
struct Told {
    alerts: BTreeMap<String, Vec<String>>,
    readings: BTreeMap<String, Vec<String>>,
    /// Messages and how often; the order among sources is of no matter.
    rejected: BTreeMap<String, usize>,
}

impl Told {
    fn note(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Alert(alert) => {
                    let line = format!("{} {}", alert.id, serde_json::to_string(&alert).unwrap());
                    self.alerts
                        .entry(alert.rule.clone())
                        .or_default()
                        .push(line);
                }
                Output::Reading(reading) => {
                    let line = serde_json::to_string(&reading).unwrap();
                    self.readings
                        .entry(reading.rule.clone())
                        .or_default()
                        .push(line);
                }
                Output::Rejected { message, .. } => *self.rejected.entry(message).or_default() += 1,
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn interleaving_and_restarts_do_not_change_the_alerts(market_seed: u64, one: u64, other: u64) {
        let plan = plan();
        let sources = market(market_seed);
        let calm = run(&plan, &sources, one, false);
        let voids = |message: &String| message.contains("found number");
        prop_assert!(calm.rejected.keys().all(voids), "{:?}", calm.rejected);
        prop_assert_eq!(&calm, &run(&plan, &sources, other, false), "another interleaving");
        prop_assert_eq!(&calm, &run(&plan, &sources, other, true), "with restarts");
    }
}

/// The first tick of a series is late: it has a bar, and no newest tick.
#[test]
fn a_series_that_begins_late_survives_a_restart() {
    let plan = plan();
    let sources = market(17_026_594_562_307_217_549);
    let calm = run(&plan, &sources, 0, false);
    assert!(calm == run(&plan, &sources, 16_004_309_799_847_898_835, true));
}

#[test]
fn the_markets_make_alerts_of_every_rule() {
    let plan = plan();
    let mut rules: BTreeMap<String, usize> = BTreeMap::new();
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    let mut parts = 0;
    let mut restated: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..100 {
        let told = run(&plan, &market(seed), seed, false);
        for (rule, alerts) in told.alerts {
            for name in [
                "opened",
                "escalated",
                "eased",
                "resolved",
                "retracted",
                "corrected",
                "confirmed",
            ] {
                let is_state = |line: &&String| line.contains(&format!("\"state\":\"{name}\""));
                *states.entry(name).or_default() += alerts.iter().filter(is_state).count();
            }
            let is_part = |line: &&String| line.contains("\"parent_episode\":\"law/cluster/");
            parts += alerts.iter().filter(is_part).count();
            for cause in ["late", "void"] {
                for state in ["retracted", "corrected"] {
                    let has = |line: &&String| {
                        line.contains(&format!("\"cause\":\"{cause}\""))
                            && line.contains(&format!("\"state\":\"{state}\""))
                    };
                    *restated.entry(cause).or_default() += alerts.iter().filter(has).count();
                }
            }
            let clock = if ["tick-level", "minute-streak", "minute-record"].contains(&rule.as_str())
            {
                "retracted by tick or minute"
            } else {
                "retracted by session"
            };
            let has = |line: &&String| {
                line.contains("\"cause\":") && line.contains("\"state\":\"retracted\"")
            };
            *restated.entry(clock).or_default() += alerts.iter().filter(has).count();
            *rules.entry(rule).or_default() += alerts.len();
        }
    }
    assert_eq!(
        rules.len(),
        plan.rules.len(),
        "each rule has to speak, or the law is not tested: {rules:?}"
    );
    assert!(
        states.values().all(|count| *count > 0),
        "each state has to occur: {states:?}"
    );
    println!("{states:?} {restated:?}");
    assert!(
        restated.len() == 4 && restated.values().all(|count| *count > 0),
        "late ticks and voids have to overturn alerts: {restated:?}"
    );
    assert!(parts > 0, "some events have to be parts of an episode");
}
