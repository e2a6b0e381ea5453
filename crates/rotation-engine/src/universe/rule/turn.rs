//! One step of a rule.

use super::{Before, RuleState, RuleWork};
use crate::alert::{Alert, Evidence, Fact, Notify, Quality, Severity, State};
use crate::clock::Bucket;
use crate::detector::{Change, Names, Step};
use crate::output::{Output, Reading};
use crate::plan::{RulePlan, UniversePlan};
use crate::policy::{Context, Episode, Event};
use crate::record::Split;
use crate::section::{Began, Point, Said, Section};
use crate::time::EventTime;
use crate::universe::ReadingDetail;
use crate::universe::cut::{Pending, Ready};
use crate::universe::reads::{Mail, News};

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
struct Decided {
    bucket: Bucket,
    /// With its corrections.
    is_final: bool,
    values: Vec<Option<Point>>,
    said: Vec<Option<Said>>,
    step: Step,
    event: Option<Event>,
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
        self.read(bucket, &[Some(point)], out);
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
                before.told = told;
            }
        }
    }

    /// Whether the bucket is a section of the rule. One that reads other rules has the sessions of the universe's
    /// calendar, whatever days its series have besides.
    fn is_due(&self, pending: &Pending) -> bool {
        let has_values = pending.values.iter().any(Option::is_some);
        let is_session = || match pending.bucket.date {
            Some(date) => self.plan.calendar.session(date).is_some(),
            None => true,
        };
        has_values && (self.rule.reads.is_empty() || is_session())
    }

    /// Decides a section anew with its corrections: what was published stands, or is taken back.
    fn read_final(&mut self, pending: &Pending, out: &mut Vec<Output>) {
        let Some(before) = self.state.before.take() else {
            return;
        };
        self.state.core = before.core;
        let told = before.told;
        if !self.is_due(pending) {
            return;
        }
        let mut decided = self.decide(pending.bucket, true, &pending.values);
        let event = decided.event.take();
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
            self.tell_correction(&decided, state, episode, out);
        }
        let is_official = decided.values.iter().flatten().all(|point| point.official);
        match event {
            Some(event) if stands && is_official => {
                let episode = Episode {
                    transition: last.unwrap_or(0),
                    ..event.episode
                };
                self.tell_correction(&decided, State::Confirmed, episode, out);
            }
            Some(mut event) if !stands => {
                let next = last.map_or(0, |last| last + 2);
                event.episode.transition = event.episode.transition.max(next);
                self.state.core.policy.renumber(event.episode.transition);
                self.tell(&decided, &event, out);
            }
            _ => {}
        }
        self.finish(&decided, out);
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
        let mut decided = self.decide(bucket, false, legs);
        let event = decided.event.take();
        if let Some(event) = &event {
            self.tell(&decided, event, out);
        }
        self.finish(&decided, out);
        event.map(|event| (event.state, event.episode))
    }

    /// Steps the detector and the policy.
    fn decide(&mut self, bucket: Bucket, is_final: bool, legs: &[Option<Point>]) -> Decided {
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
    fn finish(&mut self, decided: &Decided, out: &mut Vec<Output>) {
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

    fn alert(&self, decided: &Decided, event: &Event) -> Alert {
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

    fn tell(&mut self, decided: &Decided, event: &Event, out: &mut Vec<Output>) {
        let alert = self.alert(decided, event);
        self.say(alert, decided, out);
    }

    /// Publishes an alert, and how many episodes stand after it.
    fn say(&mut self, alert: Alert, decided: &Decided, out: &mut Vec<Output>) {
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

    /// Tells what a correction did to an event that was published.
    fn tell_correction(
        &mut self,
        decided: &Decided,
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
        let mut alert = self.alert(decided, &event);
        let official: Vec<&str> = decided
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
        self.say(alert, decided, out);
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
        let with_evidence = self.detail == ReadingDetail::Evidence;
        let account = || {
            self.state
                .core
                .detector
                .account(&self.rule.kind, self.names(), &decided.step.change)
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
        })));
    }
}
