//! A rule at work: its cut, the series derived from its legs, its detector and its episodes.

use super::cut::{Cut, CutPlan};
use super::derived::{Basket, Input};
use super::reads::Inbox;
use crate::alert::{Evidence, State};
use crate::detector::{Change, DetectorState, Measure, Names};
use crate::plan::{RulePlan, SeriesSource, UniversePlan};
use crate::policy::{Episode, Policy};
use crate::record::SeriesIx;
use crate::section::{Point, Said};
use crate::time::EventTime;
use serde::{Deserialize, Serialize};

mod restate;
mod turn;

pub(super) use turn::Turn;

/// What a rule's work is derived from; follows from the plan.
#[derive(Clone, Debug)]
pub(super) struct RuleWork {
    pub(super) index: u32,
    /// The raw series that feed the inputs.
    pub(super) legs: Vec<SeriesIx>,
    pub(super) inputs: Vec<Input>,
    pub(super) cut: CutPlan,
    /// Some rule reads it.
    pub(super) is_heard: bool,
    /// Its events are told as parts of another rule's episode.
    pub(super) is_part: bool,
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
    /// The tick that opened the episode that stands, while nothing was told of it since; on the clock `tick`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opened_by: Option<OpenedBy>,
    /// What other rules told it, where it reads some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) inbox: Option<Box<Inbox>>,
}

/// The part of a rule's state that a section changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Core {
    detector: DetectorState,
    baskets: Vec<Basket>,
    policy: Policy,
    /// How the rules that it reads stood before the newest section.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    known: Vec<Option<Said>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Before {
    core: Core,
    /// The event published at the section, if any.
    told: Option<(State, Episode)>,
}

/// A tick that opened an episode.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct OpenedBy {
    time: EventTime,
    price: f64,
    measure: Option<Measure>,
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
        for read in &rule.reads {
            for ix in legs_of(plan, &plan.rules[*read as usize]) {
                leg(ix);
            }
        }
        let calendars = legs.iter().map(|leg| plan.series(*leg).calendar).collect();
        let cut = CutPlan {
            clock: rule.clock,
            calendars,
            closing_window: plan.closing_window,
            correctable: plan.correctable(rule.clock),
        };
        RuleWork {
            index,
            legs,
            inputs,
            cut,
            is_heard: false,
            is_part: false,
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
            known: vec![None; rule.reads.len()],
        };
        RuleState {
            cut: Cut::new(self.legs.len()),
            core,
            splits: Vec::new(),
            before: None,
            opened_by: None,
            inbox: (!rule.reads.is_empty()).then(|| Box::new(Inbox::new(rule.reads.len()))),
        }
    }

    /// Identifies the series that feed it, in their order.
    pub(super) fn legs_digest(&self, plan: &UniversePlan) -> u64 {
        let symbols = self
            .legs
            .iter()
            .map(|leg| plan.series(*leg).symbol.as_str());
        let bytes = symbols.flat_map(|symbol| symbol.bytes().chain([0]));
        crate::plan::fnv1a(bytes)
    }
}

/// The raw series that feed a rule, through the rules that it reads too.
fn legs_of(plan: &UniversePlan, rule: &RulePlan) -> Vec<SeriesIx> {
    let mut legs = Vec::new();
    for ix in &rule.inputs {
        legs.extend(plan.series(*ix).source.raw(*ix));
    }
    for read in &rule.reads {
        legs.extend(legs_of(plan, &plan.rules[*read as usize]));
    }
    legs
}

impl RuleState {
    /// The episode that stands.
    pub(super) fn open(&self) -> Option<&Episode> {
        self.core.policy.open()
    }

    /// What the newest reading stands on.
    pub(super) fn evidence(&self, rule: &RulePlan) -> Evidence {
        let names = Names {
            symbols: &rule.symbols,
            units: &rule.units,
        };
        let account = self.core.detector.account(&rule.kind, names, &Change::Hold);
        account.evidence
    }

    /// Number of episodes that stand.
    pub(super) fn open_episodes(&self) -> u32 {
        u32::from(self.core.policy.open().is_some())
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
