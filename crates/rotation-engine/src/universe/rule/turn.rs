//! One step of a rule.

use super::{Before, OpenedBy, RuleState, RuleWork};
use crate::alert::{Alert, Notify, Quality, Severity, State};
use crate::clock::{Bucket, Clock};
use crate::detector::{Change, Measure, Names, Step};
use crate::output::{Output, Reading};
use crate::plan::{RulePlan, UniversePlan};
use crate::policy::{Context, Event};
use crate::record::Split;
use crate::section::{Began, Point, Said, Section};
use crate::time::EventTime;
use crate::universe::ReadingDetail;
use crate::universe::cut::{Pending, Ready};
use crate::universe::reads::{Mail, News};

/// A reading names its closes where there are at most so many.
const READING_INPUTS_MAX: usize = 8;

/// A rule with everything that one step needs.
pub(in crate::universe) struct Turn<'a> {
    pub(in crate::universe) plan: &'a UniversePlan,
    pub(in crate::universe) rule: &'a RulePlan,
    pub(in crate::universe) work: &'a RuleWork,
    pub(in crate::universe) state: &'a mut RuleState,
    pub(in crate::universe) detail: ReadingDetail,
    /// What it says to the rules that read it.
    pub(in crate::universe) mail: &'a mut Vec<Mail>,
}

/// A section as it was decided.
pub(super) struct Decided {
    pub(super) bucket: Bucket,
    /// With its corrections.
    pub(super) is_final: bool,
    pub(super) values: Vec<Option<Point>>,
    pub(super) said: Vec<Option<Said>>,
    pub(super) step: Step,
    pub(super) event: Option<Event>,
}

/// An event that was published, and what was measured.
struct Told {
    event: Event,
    measure: Option<Measure>,
}

impl Told {
    fn brief(self) -> (State, Option<Measure>) {
        (self.event.state, self.measure)
    }
}

impl Decided {
    fn section(&self) -> Section<'_> {
        Section {
            bucket: self.bucket,
            values: &self.values,
            said: &self.said,
        }
    }
}

impl Turn<'_> {
    /// Reads every section that is ready.
    pub(in crate::universe) fn settle(&mut self, horizon: EventTime, out: &mut Vec<Output>) {
        while let Some(ready) = self.state.cut.next(&self.work.cut, horizon) {
            match ready {
                Ready::First(pending) => self.read_first(&pending, out),
                Ready::Final(pending) => self.read_final(&pending, out),
            }
        }
    }

    /// Reads one tick of a rule on the clock `tick`.
    pub(in crate::universe) fn read_tick(
        &mut self,
        bucket: Bucket,
        point: Point,
        out: &mut Vec<Output>,
    ) {
        self.apply_splits(bucket.end);
        if let Some((state, measure)) = self.read(bucket, &[Some(point)], out).map(Told::brief) {
            self.state.opened_by = (state == State::Opened).then_some(OpenedBy {
                time: bucket.start,
                price: point.close,
                measure,
            });
        }
    }

    /// Remembers a change of basis until the first section after it.
    pub(in crate::universe) fn split(&mut self, split: &Split) {
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
        let reads = self.is_due(pending);
        let RuleState { core, inbox, .. } = &mut *self.state;
        if let (Some(inbox), true) = (inbox, reads) {
            inbox.absorb(pending.bucket.key(), &mut core.known);
        }
        let may_change = !self.state.cut.is_final_now();
        self.state.before = may_change.then(|| {
            Box::new(Before {
                core: self.state.core.clone(),
                told: None,
            })
        });
        if reads {
            let told = self.read(pending.bucket, &pending.values, out);
            if let Some(before) = &mut self.state.before {
                before.told = told.map(|told| (told.event.state, told.event.episode));
            }
        }
    }

    /// Whether the bucket is a section of the rule. One that reads other rules has the sessions of the universe's
    /// calendar, whatever days its series have besides.
    pub(super) fn is_due(&self, pending: &Pending) -> bool {
        let has_values = pending.values.iter().any(Option::is_some);
        let is_session = || match pending.bucket.date {
            Some(date) => self.plan.calendar.session(date).is_some(),
            None => true,
        };
        has_values && (self.rule.reads.is_empty() || is_session())
    }

    fn read(
        &mut self,
        bucket: Bucket,
        legs: &[Option<Point>],
        out: &mut Vec<Output>,
    ) -> Option<Told> {
        out.push(Output::Section {
            rule: self.work.index,
            as_of: bucket.as_of,
        });
        let mut decided = self.decide(bucket, false, legs);
        let event = decided.event.take();
        if let Some(event) = &event {
            self.tell(&decided, event, out);
        }
        self.finish(&decided, out);
        let measure = decided.step.reading;
        event.map(|event| Told { event, measure })
    }

    /// Steps the detector and the policy.
    pub(super) fn decide(
        &mut self,
        bucket: Bucket,
        is_final: bool,
        legs: &[Option<Point>],
    ) -> Decided {
        let RuleState { core, inbox, .. } = &mut *self.state;
        let values = core.inputs(self.work, legs);
        let said = match inbox {
            Some(inbox) => inbox.view(bucket.key(), is_final, &core.known),
            None => Vec::new(),
        };
        let section = Section {
            bucket,
            values: &values,
            said: &said,
        };
        let step = core.detector.step(&self.rule.kind, &section);
        let context = Context {
            plan: self.plan,
            rule: self.rule,
            section: &section,
            measure: step.reading,
        };
        let event = core.policy.apply(&context, &step.change);
        Decided {
            bucket,
            is_final,
            values,
            said,
            step,
            event,
        }
    }

    /// Says the reading, tells the rules that read this one, and lets go of the events of its parts.
    pub(super) fn finish(&mut self, decided: &Decided, out: &mut Vec<Output>) {
        let key = decided.bucket.key();
        let is_final = decided.is_final;
        if let Some(inbox) = &mut self.state.inbox {
            let parent = self.state.core.policy.open();
            for mut alert in inbox.release(key, is_final) {
                if let Some(parent) = parent.filter(|parent| parent.transition > 0) {
                    alert.parent_episode = Some(parent.id.clone());
                    alert.notify = match alert.notify {
                        Notify::Page => Notify::Page,
                        Notify::Chat | Notify::Digest => Notify::Digest,
                    };
                }
                out.push(Output::Alert(Box::new(alert)));
            }
        }
        self.say_reading(decided, out);
        if self.work.is_heard {
            let began = match decided.step.change {
                Change::Open(_) => Some(Began::Opened),
                Change::Escalate(_) | Change::Ease(_) => Some(Began::Moved),
                Change::Resolve(_) => Some(Began::Ended),
                Change::Quiet | Change::Hold => None,
            };
            let said = Said {
                reading: decided.step.reading,
                is_open: self.state.core.policy.open().is_some(),
                began,
                age: 0,
            };
            self.mail.push(Mail {
                rule: self.work.index,
                key,
                is_final,
                news: News::Said(said),
            });
        }
    }

    pub(super) fn alert(&self, decided: &Decided, event: &Event) -> Alert {
        let section = decided.section();
        let context = Context {
            plan: self.plan,
            rule: self.rule,
            section: &section,
            measure: decided.step.reading,
        };
        let account =
            self.state
                .core
                .detector
                .account(&self.rule.kind, self.names(), &decided.step.change);
        let mut alert = event.alert(&context, account);
        alert.quality = self.quality(&section);
        if alert.severity > Severity::Info && !self.may_be_severe(&alert.quality, &section) {
            alert.quality.capped_from = Some(alert.severity);
            alert.severity = Severity::Info;
            alert.notify = Notify::Digest;
        }
        alert
    }

    /// Whether the data are good enough for more than `info`.
    fn may_be_severe(&self, quality: &Quality, section: &Section<'_>) -> bool {
        let least = self.rule.min_present * f64::from(quality.expected);
        let mut guards = section.said.iter().skip(self.rule.own_reads()).flatten();
        let is_guarded = guards.any(|said| said.is_open);
        f64::from(quality.present) >= least && !is_guarded
    }

    pub(super) fn tell(&mut self, decided: &Decided, event: &Event, out: &mut Vec<Output>) {
        let alert = self.alert(decided, event);
        self.say(alert, decided, out);
    }

    /// Publishes an alert, and how many episodes stand after it.
    pub(super) fn say(&mut self, alert: Alert, decided: &Decided, out: &mut Vec<Output>) {
        if self.work.is_part {
            self.mail.push(Mail {
                rule: self.work.index,
                key: decided.bucket.key(),
                is_final: decided.is_final,
                news: News::Event(Box::new(alert)),
            });
        } else {
            out.push(Output::Alert(Box::new(alert)));
        }
        let open = u32::from(self.state.core.policy.open().is_some());
        out.push(Output::OpenEpisodes {
            rule: self.work.index,
            open,
        });
    }

    fn names(&self) -> Names<'_> {
        Names {
            symbols: &self.rule.symbols,
            units: &self.rule.units,
        }
    }

    fn quality(&self, section: &Section<'_>) -> Quality {
        let mut quality = Quality::default();
        let mut count = |name: &String, is_present: bool| {
            quality.expected += 1;
            quality.present += u32::from(is_present);
            if !is_present {
                quality.stale.push(name.clone());
            }
        };
        for (value, symbol) in section.values.iter().zip(&self.rule.symbols) {
            count(symbol, value.is_some());
        }
        for (said, read) in section.said.iter().zip(&self.rule.reads) {
            let has_reading = said.is_some_and(|said| said.reading.is_some());
            count(&self.plan.rules[*read as usize].name, has_reading);
        }
        quality
    }

    fn say_reading(&self, decided: &Decided, out: &mut Vec<Output>) {
        let (Some(measure), true) = (decided.step.reading, self.detail != ReadingDetail::None)
        else {
            return;
        };
        let is_published = self.detail == ReadingDetail::Published;
        let with_evidence = match self.detail {
            ReadingDetail::Evidence => true,
            ReadingDetail::Published => {
                self.rule.kind.is_picture() && self.rule.clock != Clock::Tick
            }
            ReadingDetail::None | ReadingDetail::Values => false,
        };
        let account = || {
            self.state
                .core
                .detector
                .account(&self.rule.kind, self.names(), &decided.step.change)
        };
        let closes = || {
            let legs = Some(&decided.values).filter(|legs| legs.len() <= READING_INPUTS_MAX);
            let legs = legs.into_iter().flatten();
            legs.map(|leg| leg.map(|point| point.close)).collect()
        };
        out.push(Output::Reading(Box::new(Reading {
            universe: self.plan.name.clone(),
            rule_index: self.work.index,
            rule: self.rule.name.clone(),
            subject: self.rule.subject.clone(),
            as_of: decided.bucket.as_of,
            session: decided.bucket.date,
            value: measure.value,
            threshold: measure.threshold,
            distance: measure.distance,
            unit: self.rule.unit.clone(),
            open: self.state.core.policy.open().is_some(),
            evidence: with_evidence.then(|| account().evidence),
            inputs: is_published.then(closes).unwrap_or_default(),
            quality: is_published.then(|| self.quality(&decided.section())),
        })));
    }
}
