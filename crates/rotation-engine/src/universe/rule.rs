//! A rule at work: its cut, the series derived from its legs, its detector and its episodes.

use super::ReadingDetail;
use super::cut::{Cut, CutPlan, Pending, Ready};
use super::derived::{Basket, Input};
use crate::alert::{Alert, Evidence, Fact, Quality, State};
use crate::clock::Bucket;
use crate::detector::{DetectorState, Names, Step};
use crate::output::{Output, Reading};
use crate::plan::{RulePlan, SeriesSource, UniversePlan};
use crate::policy::{Context, Episode, Event, Policy};
use crate::record::{SeriesIx, Split};
use crate::section::{Point, Section};
use crate::time::EventTime;
use serde::{Deserialize, Serialize};

/// What a rule's work is derived from; follows from the plan.
#[derive(Clone, Debug)]
pub(super) struct RuleWork {
    pub(super) index: u32,
    /// The raw series that feed the inputs.
    pub(super) legs: Vec<SeriesIx>,
    pub(super) inputs: Vec<Input>,
    pub(super) cut: CutPlan,
}

/// What a rule remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RuleState {
    pub(super) cut: Cut,
    core: Core,
    /// Changes of basis that later sections have to see, with the leg each is about.
    splits: Vec<(EventTime, u32, f64)>,
    /// How things stood before the newest section, while it may still be corrected.
    before: Option<Box<Before>>,
}

/// The part of a rule's state that a section changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Core {
    detector: DetectorState,
    baskets: Vec<Basket>,
    policy: Policy,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Before {
    core: Core,
    /// The event published at the section, if any.
    told: Option<(State, Episode)>,
}

impl RuleWork {
    pub(super) fn new(index: u32, plan: &UniversePlan, rule: &RulePlan) -> Self {
        let mut legs: Vec<SeriesIx> = Vec::new();
        let mut places = vec![None; plan.series.len()];
        let mut leg = |ix: SeriesIx| {
            *places[ix.index()].get_or_insert_with(|| {
                legs.push(ix);
                legs.len() - 1
            })
        };
        let mut baskets = 0;
        let mut inputs = Vec::with_capacity(rule.inputs.len());
        for ix in &rule.inputs {
            inputs.push(match &plan.series(*ix).source {
                SeriesSource::Raw => Input::Raw(leg(*ix)),
                SeriesSource::Ratio(a, b) => Input::Ratio(leg(*a), leg(*b)),
                SeriesSource::Spread(a, b) => Input::Spread(leg(*a), leg(*b)),
                SeriesSource::Basket(members) => {
                    baskets += 1;
                    Input::Basket(
                        members.iter().map(|member| leg(*member)).collect(),
                        baskets - 1,
                    )
                }
            });
        }
        let calendars = legs.iter().map(|leg| plan.series(*leg).calendar).collect();
        let cut = CutPlan {
            clock: rule.clock,
            calendars,
            closing_window: plan.closing_window,
            correction_window: plan.correction_window,
        };
        RuleWork {
            index,
            legs,
            inputs,
            cut,
        }
    }

    pub(super) fn cold(&self, rule: &RulePlan) -> RuleState {
        let baskets = self.inputs.iter().filter_map(|input| match input {
            Input::Basket(members, _) => Some(Basket::new(members.len())),
            _ => None,
        });
        let core = Core {
            detector: rule.kind.detector(),
            baskets: baskets.collect(),
            policy: Policy::default(),
        };
        RuleState {
            cut: Cut::new(self.legs.len()),
            core,
            splits: Vec::new(),
            before: None,
        }
    }
}

impl RuleState {
    /// Number of episodes that stand.
    pub(super) fn open_episodes(&self) -> u32 {
        u32::from(self.core.policy.open().is_some())
    }
}

/// A rule with everything that one step needs.
pub(super) struct Turn<'a> {
    pub(super) plan: &'a UniversePlan,
    pub(super) rule: &'a RulePlan,
    pub(super) work: &'a RuleWork,
    pub(super) state: &'a mut RuleState,
    pub(super) detail: ReadingDetail,
}

impl Turn<'_> {
    /// Reads every section that is ready.
    pub(super) fn settle(&mut self, horizon: EventTime, out: &mut Vec<Output>) {
        while let Some(ready) = self.state.cut.next(&self.work.cut, horizon) {
            match ready {
                Ready::First(pending) => self.read_first(&pending, out),
                Ready::Final(pending) => self.read_final(&pending, out),
            }
        }
    }

    /// Reads one tick of a rule on the clock `tick`.
    pub(super) fn read_tick(&mut self, bucket: Bucket, point: Point, out: &mut Vec<Output>) {
        self.apply_splits(bucket.end);
        self.read(bucket, &[Some(point)], out);
    }

    /// Remembers a change of basis until the first section after it.
    pub(super) fn split(&mut self, split: &Split) {
        let legs = self
            .work
            .legs
            .iter()
            .zip(0..)
            .filter(|(leg, _)| **leg == split.series);
        self.state
            .splits
            .extend(legs.map(|(_, leg)| (split.time, leg, 1.0 / split.ratio)));
    }

    fn apply_splits(&mut self, until: EventTime) {
        if self.state.splits.is_empty() {
            return;
        }
        let (due, later) = self
            .state
            .splits
            .drain(..)
            .partition(|(time, ..)| *time < until);
        self.state.splits = later;
        let due: Vec<(EventTime, u32, f64)> = due;
        for (_, leg, factor) in due {
            self.state.core.rescale(self.work, leg as usize, factor);
        }
    }

    fn read_first(&mut self, pending: &Pending, out: &mut Vec<Output>) {
        self.apply_splits(pending.bucket.end);
        let may_change = !self.state.cut.is_final_now();
        self.state.before = may_change.then(|| {
            Box::new(Before {
                core: self.state.core.clone(),
                told: None,
            })
        });
        if pending.values.iter().any(Option::is_some) {
            let told = self.read(pending.bucket, &pending.values, out);
            if let Some(before) = &mut self.state.before {
                before.told = told;
            }
        }
    }

    /// Decides a section anew with its corrections: what was published stands, or is taken back.
    fn read_final(&mut self, pending: &Pending, out: &mut Vec<Output>) {
        let Some(before) = self.state.before.take() else {
            return;
        };
        self.state.core = before.core;
        let told = before.told;
        let (section_values, step, event) = self.decide(pending.bucket, &pending.values);
        let section = Section {
            bucket: pending.bucket,
            values: &section_values,
            said: &[],
        };
        let last = told.as_ref().map(|(_, episode)| episode.transition);
        let stands = match (&told, &event) {
            (Some((state, episode)), Some(event)) => {
                *state == event.state && episode.id == event.episode.id
            }
            _ => false,
        };
        if let Some((state, episode)) = told.filter(|_| !stands) {
            let state = if state == State::Opened {
                State::Retracted
            } else {
                State::Corrected
            };
            self.tell_correction(&section, &step, state, episode, out);
        }
        let is_official = section.values.iter().flatten().all(|point| point.official);
        match event {
            Some(event) if stands && is_official => {
                let episode = Episode {
                    transition: last.unwrap_or(0),
                    ..event.episode
                };
                self.tell_correction(&section, &step, State::Confirmed, episode, out);
            }
            Some(mut event) if !stands => {
                let next = last.map_or(0, |last| last + 2);
                event.episode.transition = event.episode.transition.max(next);
                self.state.core.policy.renumber(event.episode.transition);
                self.tell(&section, &step, &event, out);
            }
            _ => {}
        }
        self.say_reading(&section, &step, out);
    }

    fn read(
        &mut self,
        bucket: Bucket,
        legs: &[Option<Point>],
        out: &mut Vec<Output>,
    ) -> Option<(State, Episode)> {
        out.push(Output::Section {
            rule: self.work.index,
            as_of: bucket.as_of,
        });
        let (values, step, event) = self.decide(bucket, legs);
        let section = Section {
            bucket,
            values: &values,
            said: &[],
        };
        if let Some(event) = &event {
            self.tell(&section, &step, event, out);
        }
        self.say_reading(&section, &step, out);
        event.map(|event| (event.state, event.episode))
    }

    /// Steps the detector and the policy: the inputs' values, what the detector says, what is to be told of it.
    fn decide(
        &mut self,
        bucket: Bucket,
        legs: &[Option<Point>],
    ) -> (Vec<Option<Point>>, Step, Option<Event>) {
        let values = self.state.core.inputs(self.work, legs);
        let section = Section {
            bucket,
            values: &values,
            said: &[],
        };
        let step = self.state.core.detector.step(&self.rule.kind, &section);
        let context = Context {
            plan: self.plan,
            rule: self.rule,
            section: &section,
            measure: step.reading,
        };
        let event = self.state.core.policy.apply(&context, &step.change);
        (values, step, event)
    }

    fn alert(&self, section: &Section<'_>, step: &Step, event: &Event) -> Alert {
        let context = Context {
            plan: self.plan,
            rule: self.rule,
            section,
            measure: step.reading,
        };
        let account = self
            .state
            .core
            .detector
            .account(&self.rule.kind, self.names(), &step.change);
        let mut alert = event.alert(&context, account);
        alert.quality = self.quality(section);
        alert
    }

    fn tell(&self, section: &Section<'_>, step: &Step, event: &Event, out: &mut Vec<Output>) {
        self.say(self.alert(section, step, event), out);
    }

    /// Publishes an alert, and how many episodes stand after it.
    fn say(&self, alert: Alert, out: &mut Vec<Output>) {
        out.push(Output::Alert(Box::new(alert)));
        let open = u32::from(self.state.core.policy.open().is_some());
        out.push(Output::OpenEpisodes {
            rule: self.work.index,
            open,
        });
    }

    /// Tells what a correction did to an event that was published.
    fn tell_correction(
        &mut self,
        section: &Section<'_>,
        step: &Step,
        state: State,
        mut episode: Episode,
        out: &mut Vec<Output>,
    ) {
        episode.transition += 1;
        self.state.core.policy.renumber(episode.transition);
        let event = Event {
            state,
            rung: None,
            reason: None,
            episode,
        };
        let mut alert = self.alert(section, step, &event);
        let official: Vec<&str> = section
            .values
            .iter()
            .zip(&self.rule.symbols)
            .filter(|(value, _)| value.is_some_and(|point| point.official))
            .map(|(_, symbol)| symbol.as_str())
            .collect();
        let note = Evidence::from([("official".to_owned(), Fact::Text(official.join(", ")))]);
        alert
            .evidence
            .insert("correction".to_owned(), Fact::Group(note));
        alert.headline = match state {
            State::Retracted => format!("retracted after official closes: {}", alert.headline),
            State::Corrected => format!("corrected by official closes: {}", alert.headline),
            _ => format!("confirmed by official closes: {}", alert.headline),
        };
        self.say(alert, out);
    }

    fn names(&self) -> Names<'_> {
        Names {
            symbols: &self.rule.symbols,
            units: &self.rule.units,
        }
    }

    fn quality(&self, section: &Section<'_>) -> Quality {
        let mut quality = Quality::default();
        for (value, symbol) in section.values.iter().zip(&self.rule.symbols) {
            quality.expected += 1;
            quality.present += u32::from(value.is_some());
            if value.is_none() {
                quality.stale.push(symbol.clone());
            }
        }
        quality
    }

    fn say_reading(&self, section: &Section<'_>, step: &Step, out: &mut Vec<Output>) {
        let (Some(measure), true) = (step.reading, self.detail != ReadingDetail::None) else {
            return;
        };
        let with_evidence = self.detail == ReadingDetail::Evidence;
        let account = || {
            self.state
                .core
                .detector
                .account(&self.rule.kind, self.names(), &step.change)
        };
        out.push(Output::Reading(Box::new(Reading {
            universe: self.plan.name.clone(),
            rule_index: self.work.index,
            rule: self.rule.name.clone(),
            subject: self.rule.subject.clone(),
            as_of: section.as_of(),
            session: section.bucket.date,
            value: measure.value,
            threshold: measure.threshold,
            distance: measure.distance,
            unit: self.rule.unit.clone(),
            open: self.state.core.policy.open().is_some(),
            evidence: with_evidence.then(|| account().evidence),
        })));
    }
}

impl Core {
    /// The values of the inputs.
    fn inputs(&mut self, work: &RuleWork, legs: &[Option<Point>]) -> Vec<Option<Point>> {
        work.inputs
            .iter()
            .map(|input| input.value(legs, &mut self.baskets))
            .collect()
    }

    /// A leg's prices change basis.
    fn rescale(&mut self, work: &RuleWork, leg: usize, factor: f64) {
        for (position, input) in work.inputs.iter().enumerate() {
            match input {
                Input::Raw(at) if *at == leg => self.detector.rescale(position, factor),
                Input::Ratio(top, _) if *top == leg => self.detector.rescale(position, factor),
                Input::Ratio(_, bottom) if *bottom == leg => {
                    self.detector.rescale(position, 1.0 / factor);
                }
                Input::Basket(members, basket) => {
                    for (member, _) in members.iter().enumerate().filter(|(_, at)| **at == leg) {
                        self.baskets[*basket].rescale(member, factor);
                    }
                }
                _ => {}
            }
        }
    }
}
