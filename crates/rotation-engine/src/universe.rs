//! The universe: a pure fold over the bars log of one universe.
//!
//! It reads no clock. Bars become sections, detectors read sections, the policy makes episodes. What comes out is a
//! function of the log's records and the times at which the log took them in, and, but for those times, of what each
//! source says by itself: how the sources interleave does not matter.

use crate::alert::Evidence;
use crate::calendar::Calendar;
use crate::clock::{Bucket, Clock};
use crate::output::{DropCode, Output, RejectCode};
use crate::plan::UniversePlan;
use crate::record::{Bar, LogBody, LogRecord, Progress, SeriesIx, VoidedTick};
use crate::section::Point;
use crate::time::EventTime;
use std::sync::Arc;

mod cut;
mod derived;
mod farewell;
mod reads;
mod rule;
mod sources;
mod state;

pub use farewell::Changes;
pub use state::UniverseState;

use farewell::Farewell;
use reads::Mail;
use rule::{RuleState, RuleWork, Turn};
use sources::Sources;

/// How much a universe says of its rules' readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadingDetail {
    /// Nothing.
    None,
    /// Value, threshold and distance.
    #[default]
    Values,
    /// What a subscriber to readings gets: the closes and the quality of the data too, and the evidence of kinds that
    /// are looked at rather than waited for ([`Kind::is_picture`]), but on ticks.
    ///
    /// [`Kind::is_picture`]: crate::detector::Kind::is_picture
    Published,
    /// The evidence of all kinds.
    Evidence,
}

/// The rules of one universe at work.
#[derive(Clone, Debug)]
pub struct Universe {
    plan: Arc<UniversePlan>,
    detail: ReadingDetail,
    works: Vec<RuleWork>,
    /// For each series, the rules that read it and as which of their legs; in the plan's order.
    readers: Vec<Vec<(u32, u32)>>,
    /// For each rule, those that read it and as which of the rules that they read.
    listeners: Vec<Vec<(u32, u32)>>,
    sources: Sources,
    /// The source that each series was first seen in.
    homes: Vec<Option<u32>>,
    rules: Vec<RuleState>,
    /// What a rule has just said to those that read it; empty between records.
    mail: Vec<Mail>,
    /// What is to be told of rules that changed or are gone.
    farewell: Farewell,
}

impl Universe {
    /// A universe that has seen nothing.
    pub fn new(plan: Arc<UniversePlan>) -> Universe {
        let mut works: Vec<RuleWork> = (0..)
            .zip(&plan.rules)
            .map(|(index, rule)| RuleWork::new(index, &plan, rule))
            .collect();
        let mut readers = vec![Vec::new(); plan.series.len()];
        for work in plan.order.iter().map(|rule| &works[*rule as usize]) {
            for (leg, ix) in (0..).zip(&work.legs) {
                readers[ix.index()].push((work.index, leg));
            }
        }
        let mut listeners = vec![Vec::new(); plan.rules.len()];
        for (index, rule) in (0..).zip(&plan.rules) {
            for (slot, read) in (0..).zip(&rule.reads) {
                let read = *read as usize;
                listeners[read].push((index, slot));
                works[read].is_heard = true;
                works[read].is_part |= rule.kind.folds() && (slot as usize) < rule.own_reads();
            }
        }
        let rules = works
            .iter()
            .zip(&plan.rules)
            .map(|(work, rule)| work.cold(rule))
            .collect();
        let homes = vec![None; plan.series.len()];
        let sources = Sources::new(plan.stall_after);
        Universe {
            plan,
            detail: ReadingDetail::default(),
            works,
            readers,
            listeners,
            sources,
            homes,
            rules,
            mail: Vec::new(),
            farewell: Farewell::default(),
        }
    }

    /// Says how much is wanted of readings.
    pub fn set_readings(&mut self, detail: ReadingDetail) {
        self.detail = detail;
    }

    /// The plan that it works by.
    pub fn plan(&self) -> &Arc<UniversePlan> {
        &self.plan
    }

    /// The event time up to which everything is decided.
    pub fn horizon(&self) -> EventTime {
        self.sources.horizon()
    }

    /// How many episodes each rule holds open, in the order of the plan's rules.
    pub fn open_episodes(&self) -> impl Iterator<Item = u32> {
        self.rules.iter().map(RuleState::open_episodes)
    }

    /// When the episode that each rule holds open began, in the order of the plan's rules.
    pub fn opened(&self) -> impl Iterator<Item = Option<EventTime>> {
        let open = self.rules.iter().map(RuleState::open);
        open.map(|episode| episode.map(|episode| episode.opened))
    }

    /// What the newest reading of a rule stands on, by the rule's position in the plan.
    pub fn evidence(&self, rule: usize) -> Evidence {
        self.rules[rule].evidence(&self.plan.rules[rule])
    }

    /// How far each source has come, and whether it is left out for trailing the log; by partition.
    pub fn progress(&self) -> impl Iterator<Item = (Progress, bool)> {
        self.sources.progress()
    }

    /// How many sources are left out for trailing the log.
    pub fn sources_excluded(&self) -> usize {
        self.sources.excluded()
    }

    /// Takes one record of the log. `appended` is the time at which the log took it in, where there is a log.
    pub fn step(&mut self, record: &LogRecord, appended: Option<EventTime>, out: &mut Vec<Output>) {
        let mut moved = self.sources.hear(record.source, appended, out);
        match &record.body {
            LogBody::Bar(bar) => self.bar(record.source, bar, out),
            LogBody::Tick(tick) => {
                if !self.belongs(tick.series, record.source, out) {
                    return;
                }
                let bucket = tick_bucket(tick.time);
                let point = Point {
                    size: tick.size,
                    ..Point::flat(tick.price, false)
                };
                let mut read = false;
                for at in 0..self.readers[tick.series.index()].len() {
                    let (rule, _) = self.readers[tick.series.index()][at];
                    if self.plan.rules[rule as usize].clock == Clock::Tick {
                        self.turn(rule as usize).read_tick(bucket, point, out);
                        read = true;
                    }
                }
                self.note_unread(read, tick.series, out);
            }
            LogBody::Split(split) => {
                if self.belongs(split.series, record.source, out) {
                    for at in 0..self.readers[split.series.index()].len() {
                        let (rule, _) = self.readers[split.series.index()][at];
                        self.turn(rule as usize).split(split);
                    }
                }
            }
            LogBody::Void(voided) => {
                if self.belongs(voided.series, record.source, out) {
                    self.void(voided, out);
                }
            }
            LogBody::Horizon(horizon) => {
                moved |= self
                    .sources
                    .advance(record.source, horizon, self.plan.digest, out);
            }
        }
        if moved {
            self.settle_all(out);
        }
    }

    fn void(&mut self, voided: &VoidedTick, out: &mut Vec<Output>) {
        let bucket = tick_bucket(voided.time);
        for at in 0..self.readers[voided.series.index()].len() {
            let (rule, _) = self.readers[voided.series.index()][at];
            if self.plan.rules[rule as usize].clock == Clock::Tick {
                self.turn(rule as usize).void_tick(voided, bucket, out);
            }
        }
    }

    fn bar(&mut self, source: u32, bar: &Bar, out: &mut Vec<Output>) {
        if !self.belongs(bar.series, source, out) {
            return;
        }
        let mut read = false;
        let horizon = self.sources.horizon();
        for at in 0..self.readers[bar.series.index()].len() {
            let (rule, leg) = self.readers[bar.series.index()][at];
            let rule = rule as usize;
            if self.plan.rules[rule].clock != bar.clock {
                continue;
            }
            read = true;
            match self.rules[rule].cut.insert(leg as usize, bar) {
                Ok(()) => self.settle(rule, horizon, out),
                Err(code) => out.push(Output::Dropped {
                    series: Some(bar.series),
                    code,
                }),
            }
        }
        self.note_unread(read, bar.series, out);
    }

    /// A series belongs to the source where it was first seen.
    fn belongs(&mut self, series: SeriesIx, source: u32, out: &mut Vec<Output>) -> bool {
        let home = *self.homes[series.index()].get_or_insert(source);
        if home == source {
            return true;
        }
        let symbol = &self.plan.series(series).symbol;
        let message = format!(
            "expected {symbol} from partition {home}, where it was first seen, found it in {source}"
        );
        out.push(Output::Rejected {
            code: RejectCode::WrongSource,
            message,
        });
        false
    }

    fn note_unread(&self, read: bool, series: SeriesIx, out: &mut Vec<Output>) {
        if !read {
            out.push(Output::Dropped {
                series: Some(series),
                code: DropCode::Unread,
            });
        }
    }

    /// Reads every section of a rule that is ready, and tells the rules that read it.
    fn settle(&mut self, rule: usize, horizon: EventTime, out: &mut Vec<Output>) {
        self.turn(rule).settle(horizon, out);
        for mail in self.mail.drain(..) {
            for (listener, slot) in &self.listeners[mail.rule as usize] {
                let listener = *listener as usize;
                let reader = &self.plan.rules[listener];
                let is_part = reader.kind.folds() && (*slot as usize) < reader.own_reads();
                if let Some(inbox) = &mut self.rules[listener].inbox
                    && (is_part || !mail.is_event())
                {
                    inbox.take(*slot as usize, &mail);
                }
            }
        }
    }

    fn turn(&mut self, rule: usize) -> Turn<'_> {
        Turn {
            plan: &self.plan,
            rule: &self.plan.rules[rule],
            work: &self.works[rule],
            state: &mut self.rules[rule],
            detail: self.detail,
            mail: &mut self.mail,
        }
    }

    fn settle_all(&mut self, out: &mut Vec<Output>) {
        let horizon = self.sources.horizon();
        for at in 0..self.plan.order.len() {
            let rule = self.plan.order[at] as usize;
            if !self.rules[rule].cut.is_settled() {
                self.settle(rule, horizon, out);
            }
        }
        out.push(Output::Horizon { time: horizon });
    }
}

fn tick_bucket(time: EventTime) -> Bucket {
    let bucket = Clock::Tick.bucket(Calendar::AlwaysOpen, 0, time);
    bucket.expect("every instant is a bucket of the clock tick")
}
