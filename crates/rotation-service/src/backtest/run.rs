//! The universes of a configuration at work, in one place.

use crate::replay::heartbeats::{HeartbeatOptions, final_time};
use rotation_engine::calendar::Calendar;
use rotation_engine::output::Output;
use rotation_engine::pipeline::Pipeline;
use rotation_engine::plan::{RulePlan, SeriesSource, UniversePlan};
use rotation_engine::record::{SeriesIx, SourceEvent, Tick};
use rotation_engine::time::EventTime;
use rotation_engine::universe::ReadingDetail;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Horizons are said after so many records: sections come out then, and memory stays flat.
const FLUSH_EVERY: u64 = 512;

/// Takes what a run says, as it says it.
pub(crate) trait Sink {
    /// A tick that goes in.
    fn tick(&mut self, _symbol: &str, _tick: &Tick) {}

    /// What comes out, and of which universe: its position in the configuration.
    fn output(&mut self, universe: usize, output: Output);
}

/// The raw series that feed a rule, in order and each once: those it reads, the legs of derived ones, and those of the
/// rules that it reads.
pub(crate) fn legs(plan: &UniversePlan, rule: usize) -> Vec<SeriesIx> {
    let rules = closure(plan, rule).into_iter();
    let mut legs: Vec<SeriesIx> = rules
        .flat_map(|rule| own_legs(plan, &plan.rules[rule]))
        .collect();
    legs.sort_unstable();
    legs.dedup();
    legs
}

/// The raw series that a rule reads itself, and the legs of derived ones.
pub(super) fn own_legs(plan: &UniversePlan, rule: &RulePlan) -> Vec<SeriesIx> {
    let legs = rule
        .inputs
        .iter()
        .flat_map(|input| match &plan.series(*input).source {
            SeriesSource::Raw => vec![*input],
            SeriesSource::Ratio(a, b) | SeriesSource::Spread(a, b) => vec![*a, *b],
            SeriesSource::Basket(members) => members.clone(),
        });
    legs.collect()
}

/// The positions of a rule and of all that it reads, at any distance.
pub(crate) fn closure(plan: &UniversePlan, rule: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![rule];
    while let Some(rule) = open.pop() {
        if reached.insert(rule) {
            open.extend(plan.rules[rule].reads.iter().map(|read| *read as usize));
        }
    }
    reached
}

/// Says of what was refused which row it is.
fn locate(outputs: &mut [Output], event: &SourceEvent<'_>) {
    let SourceEvent::Tick { symbol, tick } = event else {
        return;
    };
    for output in outputs {
        if let Output::Rejected { message, .. } = output {
            *message = format!("{symbol} at {}: {message}", tick.time);
        }
    }
}

/// Universes fed from one source.
pub(crate) struct Run {
    universes: Vec<(Arc<UniversePlan>, Pipeline)>,
    out: Vec<Output>,
    newest: EventTime,
    records: u64,
}

impl Run {
    pub(crate) fn new(universes: &[Arc<UniversePlan>], detail: ReadingDetail) -> Self {
        let pipeline = |plan: &Arc<UniversePlan>| {
            let mut pipeline = Pipeline::new(plan, 1);
            pipeline.set_readings(detail);
            (plan.clone(), pipeline)
        };
        Run {
            universes: universes.iter().map(pipeline).collect(),
            out: Vec::new(),
            newest: EventTime::MIN,
            records: 0,
        }
    }

    /// Says how much is wanted of readings from now on.
    pub(crate) fn set_readings(&mut self, detail: ReadingDetail) {
        for (_, pipeline) in &mut self.universes {
            pipeline.set_readings(detail);
        }
    }

    /// Takes the next event.
    pub(crate) fn push(&mut self, event: &SourceEvent<'_>, sink: &mut impl Sink) {
        let time = match event {
            SourceEvent::Tick { symbol, tick } => {
                sink.tick(symbol, tick);
                tick.time
            }
            SourceEvent::Heartbeat { time } | SourceEvent::Split { time, .. } => *time,
            SourceEvent::Void { .. } => self.newest,
        };
        self.each(sink, |_, pipeline, out| {
            pipeline.push(0, event, out);
            locate(out, event);
        });
        self.newest = self.newest.max(time);
        self.records += 1;
        if self.records.is_multiple_of(FLUSH_EVERY) {
            self.each(sink, |_, pipeline, out| pipeline.flush(out));
        }
    }

    /// Nothing more comes: every session closes, and its corrections are over, as a replay's last heartbeat has it.
    pub(crate) fn end(&mut self, sink: &mut impl Sink) {
        let newest = self.newest;
        self.each(sink, |plan, pipeline, out| {
            let mut calendars: Vec<Calendar> =
                plan.series.iter().map(|series| series.calendar).collect();
            calendars.sort_unstable();
            calendars.dedup();
            let options = HeartbeatOptions {
                calendars,
                lateness: plan.lateness,
                closing_window: plan.closing_window,
                correction_window: plan.correction_window,
                ceiling: EventTime::MAX,
            };
            pipeline.close(final_time(&options, newest), out);
        });
    }

    /// Does something with each universe, and passes on what it says.
    fn each(
        &mut self,
        sink: &mut impl Sink,
        mut act: impl FnMut(&UniversePlan, &mut Pipeline, &mut Vec<Output>),
    ) {
        for (universe, (plan, pipeline)) in self.universes.iter_mut().enumerate() {
            act(plan, pipeline, &mut self.out);
            for output in self.out.drain(..) {
                sink.output(universe, output);
            }
        }
    }
}
