//! `rotation why`: for every rule how far it was from firing on a day.

use crate::backtest::{Request, Run, Sink, legs, read};
use crate::config::Config;
use anyhow::bail;
use jiff::civil::Date;
use rotation_engine::alert::{Alert, Severity};
use rotation_engine::output::{Output, Reading};
use rotation_engine::plan::UniversePlan;
use rotation_engine::record::{SourceEvent, Tick};
use rotation_engine::time::EventTime;
use rotation_engine::universe::ReadingDetail;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

mod command;
mod show;

pub use command::{Args, run};
pub use show::{document, page};

/// Evidence is asked for over so many days before the day: a rule of low frequency spoke last some time ago.
const EVIDENCE_DAYS: i64 = 400;

/// How every rule stood on a day.
#[derive(Clone, Debug)]
pub struct Standings {
    /// The day.
    pub at: Date,
    /// The rules, by universe and name.
    pub rules: Vec<Standing>,
    /// What the files held and was not used: a line each.
    pub notes: Vec<String>,
    /// Rows that could not be read: a line each.
    pub faults: Vec<String>,
}

/// How a rule stood.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its universe's name.
    pub universe: String,
    /// Its name.
    pub rule: String,
    /// Its kind.
    pub kind: &'static str,
    /// What it speaks about.
    pub subject: String,
    /// Sections that it had read.
    pub sections: u64,
    /// Its reading at the latest section that gave one.
    pub reading: Option<Reading>,
    /// Sections after that one: they lacked an input.
    pub sections_since: u64,
    /// The episode that stood.
    pub open: Option<OpenEpisode>,
    /// The day on which its last published episode ended.
    pub last_ended: Option<Date>,
    /// Why there is no reading; none where there is one.
    pub missing: Option<Missing>,
}

/// An episode that stood on the day.
#[derive(Clone, Debug)]
pub struct OpenEpisode {
    /// The day on which it began.
    pub since: Date,
    /// The newest event published of it, and the highest severity so far; none where nothing was published, because it
    /// began before the universe went live or within the rule's cool-down.
    pub told: Option<(Alert, Severity)>,
}

/// Why a rule has no reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It has read no section, and of these series there is nothing up to the day.
    Data(Vec<String>),
    /// It has read no section: its series have values, but not in one bucket of its clock.
    Sections,
    /// It has read sections, too few to speak, or none with all that it needs; and of these series there is nothing.
    Warmth(Vec<String>),
}

impl Standing {
    /// The day of the section that the reading is of.
    pub fn reading_day(&self) -> Option<Date> {
        self.reading
            .as_ref()
            .map(|reading| day(reading.session, reading.as_of))
    }
}

/// Runs the rules over the files up to a day, and looks where they stand.
///
/// # Errors
/// When there is no file for any series, one cannot be opened, or nothing lies before the day.
pub fn why(config: &Config, data: &Path, at: Date) -> anyhow::Result<Standings> {
    let request = Request {
        config,
        data,
        from: None,
        to: Some(at),
        detail: ReadingDetail::Values,
    };
    let mut run = Run::new(&config.universes, request.detail);
    let mut watch = Watch::new(config, at);
    let mut is_near = false;
    let files = read(&request, |event| {
        // Evidence costs time, and only that of the last reading is shown.
        if let SourceEvent::Tick { tick, .. } = event
            && !is_near
            && days_between(tick.time.utc_date(), at) <= EVIDENCE_DAYS
        {
            is_near = true;
            run.set_readings(ReadingDetail::Evidence);
        }
        run.push(event, &mut watch);
    })?;
    run.end(&mut watch);
    if watch.seen.is_empty() {
        bail!("no values up to {at} in {}", data.display());
    }
    Ok(Standings {
        at,
        rules: watch.standings(),
        notes: files.notes,
        faults: files.faults.into_iter().chain(watch.faults).collect(),
    })
}

fn days_between(from: Date, to: Date) -> i64 {
    to.duration_since(from).as_hours() / 24
}

fn day(session: Option<Date>, as_of: EventTime) -> Date {
    session.unwrap_or_else(|| as_of.utc_date())
}

/// Remembers of each rule what it said last.
struct Watch {
    at: Date,
    plans: Vec<Arc<UniversePlan>>,
    /// The date of the last value of each symbol.
    seen: BTreeMap<String, Date>,
    rules: Vec<Vec<Watched>>,
    faults: Vec<String>,
}

#[derive(Clone, Default)]
struct Watched {
    sections: u64,
    reading: Option<Reading>,
    sections_since: u64,
    /// The day of the first reading of the open episode.
    open_since: Option<Date>,
    told: Option<(Alert, Severity)>,
    last_ended: Option<Date>,
}

impl Watch {
    fn new(config: &Config, at: Date) -> Self {
        let rules = config.universes.iter();
        Watch {
            at,
            plans: config.universes.clone(),
            seen: BTreeMap::new(),
            rules: rules
                .map(|plan| vec![Watched::default(); plan.rules.len()])
                .collect(),
            faults: Vec::new(),
        }
    }

    /// Values with a publication lag make sections after the day.
    fn is_after(&self, as_of: EventTime) -> bool {
        as_of.utc_date() > self.at
    }

    fn standings(&self) -> Vec<Standing> {
        let universes = self.plans.iter().zip(&self.rules);
        let rules = universes.flat_map(|(plan, watched)| {
            let each = watched.iter().enumerate();
            each.map(move |(rule, watched)| watched.standing(plan, rule, &self.seen))
        });
        rules.collect()
    }
}

impl Sink for Watch {
    fn tick(&mut self, symbol: &str, tick: &Tick) {
        let date = tick.time.utc_date();
        match self.seen.get_mut(symbol) {
            Some(last) => *last = (*last).max(date),
            None => _ = self.seen.insert(symbol.to_owned(), date),
        }
    }

    fn output(&mut self, universe: usize, output: Output) {
        match output {
            Output::Section { rule, as_of } if !self.is_after(as_of) => {
                let watched = &mut self.rules[universe][rule as usize];
                watched.sections += 1;
                watched.sections_since += 1;
            }
            Output::Reading(reading) if !self.is_after(reading.as_of) => {
                self.rules[universe][reading.rule_index as usize].read(*reading);
            }
            Output::Alert(alert) if !self.is_after(alert.as_of) => {
                let rules = &self.plans[universe].rules;
                if let Some(at) = rules.iter().position(|rule| rule.name == alert.rule) {
                    self.rules[universe][at].tell(*alert);
                }
            }
            Output::Rejected { message, .. } => self.faults.push(message),
            Output::Refused { reason } => self.faults.push(reason),
            _ => {}
        }
    }
}

impl Watched {
    fn read(&mut self, reading: Reading) {
        self.sections_since = 0;
        let today = day(reading.session, reading.as_of);
        self.open_since = reading.open.then(|| self.open_since.unwrap_or(today));
        self.reading = Some(reading);
    }

    fn tell(&mut self, alert: Alert) {
        if alert.state.is_final() {
            self.last_ended = Some(day(alert.session, alert.as_of));
            self.told = None;
            return;
        }
        let severity = match &self.told {
            Some((last, most)) if last.episode == alert.episode => alert.severity.max(*most),
            _ => alert.severity,
        };
        self.told = Some((alert, severity));
    }

    fn standing(&self, plan: &UniversePlan, at: usize, seen: &BTreeMap<String, Date>) -> Standing {
        let rule = &plan.rules[at];
        let missing = self.reading.is_none().then(|| {
            let silent = silent(plan, at, seen);
            match (self.sections, silent.is_empty()) {
                (0, true) => Missing::Sections,
                (0, false) => Missing::Data(silent),
                _ => Missing::Warmth(silent),
            }
        });
        Standing {
            universe: plan.name.clone(),
            rule: rule.name.clone(),
            kind: rule.kind.name(),
            subject: rule.subject.clone(),
            sections: self.sections,
            reading: self.reading.clone(),
            sections_since: self.sections_since,
            open: self.open_since.map(|since| OpenEpisode {
                since,
                told: self.told.clone(),
            }),
            last_ended: self.last_ended,
            missing,
        }
    }
}

/// The raw series that feed a rule and that had no value.
fn silent(plan: &UniversePlan, rule: usize, seen: &BTreeMap<String, Date>) -> Vec<String> {
    let symbols = legs(plan, rule).into_iter();
    let symbols = symbols.map(|leg| plan.series(leg).symbol.clone());
    symbols
        .filter(|symbol| !seen.contains_key(symbol))
        .collect()
}

#[cfg(test)]
mod tests;
