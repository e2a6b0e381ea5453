//! The bars log through the engine, watching for some events and for what they stand on.

use crate::audit::compare::cause;
use crate::backtest::legs;
use crate::kafka::log::TopicLog;
use crate::kafka::topics::TopicError;
use crate::proof::{Begun, Opened, Step};
use rdkafka::Message;
use rotation_engine::clock::Clock;
use rotation_engine::output::{Output, Reading};
use rotation_engine::plan::UniversePlan;
use rotation_engine::record::{Bar, LogBody, SeriesIx};
use rotation_engine::time::EventTime;
use rotation_engine::universe::ReadingDetail;
use rotation_wire::alerts::AlertEvent;
use rotation_wire::invariants::Place;
use rotation_wire::partition::partition_for;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

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
    let mut watch = Watch {
        wanted: BTreeMap::new(),
    };
    for event in events {
        let wanted = Wanted::new(&opened.plans, event);
        watch.wanted.insert(event.alert.id.clone(), wanted);
    }
    let (ends, partition) = ends(bars, events);
    let mut trace = Trace {
        partition,
        ..Trace::default()
    };
    let mut engine = opened.recompute(ReadingDetail::Values);
    for (partition, end) in ends {
        engine.read(bars, partition, end, |step| watch.see(step, &mut trace))?;
    }
    Ok(trace)
}

/// Since when the rules of the events are at work: the readings topic, and the bars log up to what the events cite.
pub(super) fn begun(
    opened: &Opened,
    bars: &TopicLog,
    events: &[&AlertEvent],
) -> Result<Begun, TopicError> {
    let mut begun = Begun::read(&opened.settings, "explain")?;
    let mut engine = opened.recompute(ReadingDetail::Values);
    for (partition, end) in ends(bars, events).0 {
        engine.read(bars, partition, end, |step| begun.see(step))?;
    }
    Ok(begun)
}

/// Up to where each partition is read for the events, and the partition of those that cite none.
fn ends(bars: &TopicLog, events: &[&AlertEvent]) -> (BTreeMap<i32, i64>, i32) {
    let (mut ends, mut uncited) = (BTreeMap::new(), 0);
    for event in events {
        let (partition, end) = match cause(event, bars.topic()) {
            Some(at) => (at.partition, at.offset + 1),
            None => {
                let count = u32::try_from(bars.spans().len()).unwrap_or(1).max(1);
                let partition = partition_for(event.alert.universe.as_bytes(), count);
                uncited = i32::try_from(partition).unwrap_or(0);
                (uncited, i64::MAX)
            }
        };
        let known = ends.entry(partition).or_insert(end);
        *known = end.max(*known);
    }
    (ends, uncited)
}

/// The rule of an event: its universe, and its position there.
pub(super) fn rule_of<'a>(
    plans: &'a [Arc<UniversePlan>],
    event: &AlertEvent,
) -> Option<(&'a UniversePlan, usize)> {
    let alert = &event.alert;
    let plan = plans.iter().find(|plan| plan.name == alert.universe)?;
    let rule = plan.rules.iter().position(|it| it.name == alert.rule)?;
    Some((plan, rule))
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

/// An event that is looked for, with what is known of its section so far.
struct Wanted {
    universe: String,
    rule: String,
    as_of: EventTime,
    clock: Option<Clock>,
    legs: Vec<SeriesIx>,
    /// By series: the values of the newest bucket up to the event's, the first one and its corrections.
    inputs: BTreeMap<SeriesIx, Vec<Input>>,
    reading: Option<Reading>,
}

impl Wanted {
    fn new(plans: &[Arc<UniversePlan>], event: &AlertEvent) -> Wanted {
        let alert = &event.alert;
        let rule = rule_of(plans, event);
        let rule = rule.map(|(plan, at)| (plan.rules[at].clock, legs(plan, at)));
        Wanted {
            universe: alert.universe.clone(),
            rule: alert.rule.clone(),
            as_of: alert.as_of,
            clock: rule.as_ref().map(|(clock, _)| *clock),
            legs: rule.map(|(_, legs)| legs).unwrap_or_default(),
            inputs: BTreeMap::new(),
            reading: None,
        }
    }

    fn remember(&mut self, series: SeriesIx, clock: Clock, input: &Input) {
        if self.clock != Some(clock) || input.as_of > self.as_of || !self.legs.contains(&series) {
            return;
        }
        let known = self.inputs.entry(series).or_default();
        match known.first().map(|known| known.as_of.cmp(&input.as_of)) {
            Some(Ordering::Greater) => return,
            Some(Ordering::Equal) => {}
            Some(Ordering::Less) | None => known.clear(),
        }
        known.push(input.clone());
    }
}

struct Watch {
    wanted: BTreeMap<String, Wanted>,
}

impl Watch {
    fn see(&mut self, step: &Step<'_>, trace: &mut Trace) {
        if let Some((series, clock, input)) = value(step) {
            let here = self.wanted.values_mut();
            for wanted in here.filter(|wanted| wanted.universe == step.plan.name) {
                wanted.remember(series, clock, &input);
            }
        }
        for output in step.outputs {
            match output {
                Output::Reading(reading) => self.read(reading),
                Output::Refused { reason } => {
                    let universe = step.plan.name.clone();
                    let reason = || reason.clone();
                    trace.refused.entry(universe).or_insert_with(reason);
                }
                _ => {}
            }
        }
        // The reading follows the events of its section.
        for alert in step.alerts() {
            if let Some(wanted) = self.wanted.get(&alert.id) {
                let traced = Traced {
                    event: step.event(alert),
                    reading: wanted.reading.clone(),
                    inputs: wanted.inputs.values().flatten().cloned().collect(),
                };
                trace.found.insert(alert.id.clone(), traced);
            }
        }
    }

    fn read(&mut self, reading: &Reading) {
        for wanted in self.wanted.values_mut() {
            let is_its = wanted.universe == reading.universe && wanted.rule == reading.rule;
            if is_its && wanted.as_of == reading.as_of {
                wanted.reading = Some(reading.clone());
            }
        }
    }
}

/// The value that a record of the bars log brings.
fn value(step: &Step<'_>) -> Option<(SeriesIx, Clock, Input)> {
    let input = |series, as_of, value, official, correction| Input {
        series: step.plan.series(series).symbol.clone(),
        as_of,
        value,
        official,
        correction,
        place: step.place,
        tick: (step.log.source, step.log.offset),
    };
    match &step.log.body {
        LogBody::Bar(bar) => {
            let Bar { series, clock, .. } = *bar;
            let as_of = bar.bucket.as_of;
            let input = input(series, as_of, bar.close, bar.official, bar.correction);
            Some((series, clock, input))
        }
        LogBody::Tick(tick) => {
            let input = input(tick.series, tick.time, tick.price, false, false);
            Some((tick.series, Clock::Tick, input))
        }
        _ => None,
    }
}
