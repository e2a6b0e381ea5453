//! The bars log through the engine, watching for some events and for what they stand on.

use crate::audit::compare::cause;
use crate::backtest::legs;
use crate::kafka::log::TopicLog;
use crate::kafka::topics::TopicError;
use crate::proof::{Opened, Recompute, Step};
use crate::tasks::universe::Cited;
use rdkafka::Message;
use rotation_engine::output::{Output, Reading};
use rotation_engine::plan::UniversePlan;
use rotation_engine::record::{LogBody, SeriesIx};
use rotation_engine::time::EventTime;
use rotation_engine::universe::ReadingDetail;
use rotation_wire::alerts::AlertEvent;
use rotation_wire::invariants::Place;
use rotation_wire::partition::partition_for;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;

/// Newest values of a series that are remembered: the section that is decided may be some behind the newest.
const REMEMBERED: usize = 16;

/// A value that went into a section.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Input {
    pub(crate) series: String,
    /// When it was known: the end of its bar, or the tick.
    pub(crate) as_of: EventTime,
    pub(crate) value: f64,
    pub(crate) official: bool,
    /// It restates one that was there before.
    pub(crate) correction: bool,
    /// The record of the bars log.
    pub(crate) place: Place,
    /// The record of the ticks topic: partition and offset.
    pub(crate) tick: (u32, i64),
}

/// An event as it is decided now.
#[derive(Clone, Debug)]
pub(crate) struct Traced {
    pub(crate) event: AlertEvent,
    pub(crate) reading: Option<Reading>,
    pub(crate) inputs: Vec<Input>,
}

/// What was found in the bars log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    /// By id.
    pub(crate) found: BTreeMap<String, Traced>,
    /// Universes that refuse the log, and why.
    pub(crate) refused: BTreeMap<String, String>,
    /// The partition of the events that cite none.
    pub(crate) partition: i32,
}

/// Steps the bars log up to what the events cite.
pub(super) fn trace(
    opened: &Opened,
    bars: &TopicLog,
    events: &[&AlertEvent],
) -> Result<Trace, TopicError> {
    let mut until: BTreeMap<i32, i64> = BTreeMap::new();
    let mut trace = Trace::default();
    let mut watch = Watch {
        wanted: BTreeSet::new(),
        seen: BTreeMap::new(),
        readings: BTreeMap::new(),
    };
    for event in events {
        watch.wanted.insert(event.alert.id.clone());
        let (partition, end) = match cause(event, bars.topic()) {
            Some(at) => (at.partition, at.offset + 1),
            None => {
                let count = u32::try_from(bars.spans().len()).unwrap_or(1).max(1);
                let partition = partition_for(event.alert.universe.as_bytes(), count);
                trace.partition = i32::try_from(partition).unwrap_or(0);
                (trace.partition, i64::MAX)
            }
        };
        let known = until.entry(partition).or_insert(end);
        *known = end.max(*known);
    }
    let topics = &opened.settings.topics;
    let cited = Cited {
        ticks: topics.ticks.clone(),
        bars: topics.bars.clone(),
    };
    let mut engine = Recompute::new(&opened.plans, cited, ReadingDetail::Values);
    for (partition, end) in until {
        engine.read(bars, partition, end, |step| watch.see(step, &mut trace))?;
    }
    Ok(trace)
}

/// One record as text; nothing where it is gone.
pub(super) fn record(log: &TopicLog, partition: i32, offset: i64) -> Option<String> {
    let mut text = None;
    let read = log.read(partition, offset, offset.saturating_add(1), |message| {
        if message.offset() == offset {
            let bytes = message.payload().unwrap_or_default();
            text = Some(String::from_utf8_lossy(bytes).into_owned());
        }
        ControlFlow::Break(())
    });
    read.ok().and(text)
}

struct Watch {
    wanted: BTreeSet<String>,
    /// The newest values of each series, by universe and clock.
    seen: BTreeMap<(String, SeriesIx, String), VecDeque<Input>>,
    /// The newest reading of each rule.
    readings: BTreeMap<(String, String), VecDeque<Reading>>,
}

impl Watch {
    fn see(&mut self, step: &Step<'_>, trace: &mut Trace) {
        self.remember(step);
        for output in step.outputs {
            match output {
                Output::Reading(reading) => {
                    let rule = (reading.universe.clone(), reading.rule.clone());
                    push(self.readings.entry(rule).or_default(), (**reading).clone());
                }
                Output::Refused { reason } => {
                    let universe = step.plan.name.clone();
                    trace
                        .refused
                        .entry(universe)
                        .or_insert_with(|| reason.clone());
                }
                _ => {}
            }
        }
        // The reading follows the events of its section.
        for alert in step.alerts() {
            if self.wanted.contains(&alert.id) {
                let traced = Traced {
                    event: step.event(alert),
                    reading: self.reading(&alert.universe, &alert.rule, alert.as_of),
                    inputs: self.inputs(step.plan, &alert.rule, alert.as_of),
                };
                trace.found.insert(alert.id.clone(), traced);
            }
        }
    }

    fn remember(&mut self, step: &Step<'_>) {
        let (series, clock, input) = match &step.log.body {
            LogBody::Bar(bar) => (
                bar.series,
                bar.clock.to_string(),
                (bar.bucket.as_of, bar.close, bar.official, bar.correction),
            ),
            LogBody::Tick(tick) => (
                tick.series,
                rotation_engine::clock::Clock::Tick.to_string(),
                (tick.time, tick.price, false, false),
            ),
            LogBody::Horizon(_) | LogBody::Split(_) => return,
        };
        let (as_of, value, official, correction) = input;
        let input = Input {
            series: step.plan.series(series).symbol.clone(),
            as_of,
            value,
            official,
            correction,
            place: step.place,
            tick: (step.log.source, step.log.offset),
        };
        let known = self
            .seen
            .entry((step.plan.name.clone(), series, clock))
            .or_default();
        push(known, input);
    }

    fn reading(&self, universe: &str, rule: &str, as_of: EventTime) -> Option<Reading> {
        let readings = self.readings.get(&(universe.to_owned(), rule.to_owned()))?;
        let mut newest = readings.iter().rev();
        newest.find(|reading| reading.as_of == as_of).cloned()
    }

    /// The newest value of each leg at an instant.
    fn inputs(&self, plan: &UniversePlan, rule: &str, as_of: EventTime) -> Vec<Input> {
        let Some(at) = plan.rules.iter().position(|it| it.name == rule) else {
            return Vec::new();
        };
        let clock = plan.rules[at].clock.to_string();
        let newest = legs(plan, at).into_iter().filter_map(|leg| {
            let known = self.seen.get(&(plan.name.clone(), leg, clock.clone()))?;
            known.iter().rev().find(|input| input.as_of <= as_of)
        });
        newest.cloned().collect()
    }
}

fn push<T>(newest: &mut VecDeque<T>, value: T) {
    if newest.len() == REMEMBERED {
        newest.pop_front();
    }
    newest.push_back(value);
}
