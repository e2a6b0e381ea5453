//! How much of a regime hangs on the numbers that it was given: the same readings, with all numbers a little off.

use crate::backtest::{Outcome, Request, backtest};
use crate::config::Config;
use anyhow::bail;
use jiff::civil::Date;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rotation_engine::alert::State;
use rotation_engine::clock::{Bucket, session_bucket};
use rotation_engine::detector::{Change, Kind, Measure, Params, regime};
use rotation_engine::plan::{RulePlan, UniversePlan};
use rotation_engine::section::{Began, Said, Section};
use rotation_engine::universe::ReadingDetail;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What is asked of a regime.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// How far each number may be off, as a share of it.
    pub off: f64,
    /// Settings that are tried.
    pub settings: u32,
    /// The same seed makes the same settings.
    pub seed: u64,
    /// A state, and the days between which it should be entered.
    pub entered: Option<Entered>,
    /// Changes of state a year that are still few.
    pub most_changes: f64,
    /// Changes are counted from here on.
    pub since: Date,
}

/// A state that should be entered within some days.
#[derive(Clone, Debug, PartialEq)]
pub struct Entered {
    /// The state.
    pub state: String,
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sensitivity {
    /// The universe.
    pub universe: String,
    /// The rule.
    pub rule: String,
    /// With the numbers as they are.
    pub given: Course,
    /// Settings that were tried.
    pub settings: u32,
    /// The share of them that enter the state within the days.
    pub entering: Option<f64>,
    /// The share that change seldom enough.
    pub calm: f64,
    /// The share that do both.
    pub both: f64,
    /// Changes a year: the median over the settings.
    pub median_changes: f64,
}

/// The way of a regime through history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Course {
    /// Changes of state a year.
    pub changes_per_year: f64,
    /// Entries of each state a year.
    pub entries_per_year: BTreeMap<&'static str, f64>,
    /// The state's entry within the days, if there is one.
    pub entered: Option<Date>,
}

/// What the rules that a regime reads said, session by session.
struct Tape {
    sections: Vec<(Bucket, Vec<Option<Said>>)>,
}

/// Tries the regimes of a configuration.
///
/// # Errors
/// Where the data cannot be read, or there is no regime.
pub fn sensitivity(
    config: &Config,
    data: &Path,
    (from, to): (Option<Date>, Option<Date>),
    question: &Question,
) -> anyhow::Result<Vec<Sensitivity>> {
    let request = Request {
        config,
        data,
        from,
        to,
        detail: ReadingDetail::Values,
    };
    let outcome = backtest(&request)?;
    let mut found = Vec::new();
    for plan in &config.universes {
        for rule in &plan.rules {
            if let Kind::Regime(params) = &rule.kind {
                let tape = Tape::of(plan, rule, &outcome);
                found.push(try_settings(plan, rule, params, &tape, question));
            }
        }
    }
    if found.is_empty() {
        bail!("no rule of kind regime in the configuration");
    }
    Ok(found)
}

fn try_settings(
    plan: &UniversePlan,
    rule: &RulePlan,
    params: &regime::Params,
    tape: &Tape,
    question: &Question,
) -> Sensitivity {
    let given = tape.walk(params, question);
    let mut rng = ChaCha8Rng::seed_from_u64(question.seed);
    let mut paths = Vec::new();
    while paths.len() < question.settings as usize {
        let other = perturbed(params, question.off, &mut rng);
        if other.check().is_ok() {
            paths.push(tape.walk(&other, question));
        }
    }
    let share = |holds: &dyn Fn(&Course) -> bool| {
        let count = paths.iter().filter(|path| holds(path)).count();
        count as f64 / paths.len().max(1) as f64
    };
    let is_calm = |path: &Course| path.changes_per_year < question.most_changes;
    let enters = |path: &Course| path.entered.is_some() || question.entered.is_none();
    let mut changes: Vec<f64> = paths.iter().map(|path| path.changes_per_year).collect();
    changes.sort_by(f64::total_cmp);
    Sensitivity {
        universe: plan.name.clone(),
        rule: rule.name.clone(),
        settings: question.settings,
        entering: question.entered.as_ref().map(|_| share(&enters)),
        calm: share(&is_calm),
        both: share(&|path| is_calm(path) && enters(path)),
        median_changes: changes.get(changes.len() / 2).copied().unwrap_or(0.0),
        given,
    }
}

/// The same parameters, each number multiplied by something between 1 − `off` and 1 + `off`.
fn perturbed(params: &regime::Params, off: f64, rng: &mut ChaCha8Rng) -> regime::Params {
    let mut other = params.clone();
    let mut move_it = |number: &mut f64| *number *= 1.0 + off * (2.0 * rng.random::<f64>() - 1.0);
    for voice in &mut other.inputs {
        move_it(&mut voice.weight);
        move_it(&mut voice.neutral);
        voice.full.iter_mut().for_each(&mut move_it);
        voice.when_open.iter_mut().for_each(|strength| {
            move_it(strength);
            *strength = strength.clamp(-1.0, 1.0);
        });
    }
    for number in [
        &mut other.half_life,
        &mut other.broadening_at,
        &mut other.small_cap_led_at,
        &mut other.large_cap_led_at,
        &mut other.hysteresis,
    ] {
        move_it(number);
    }
    for count in [&mut other.smoothing, &mut other.min_stay] {
        let mut number = f64::from(*count);
        move_it(&mut number);
        *count = number.round().max(1.0) as u32;
    }
    other
}

impl Tape {
    /// Puts together again what the regime heard, from what its rules said in a backtest.
    fn of(plan: &UniversePlan, regime: &RulePlan, outcome: &Outcome) -> Tape {
        let reads: Vec<&str> = regime
            .reads
            .iter()
            .map(|read| plan.rules[*read as usize].name.as_str())
            .collect();
        let slot = |rule: &str| reads.iter().position(|read| *read == rule);
        let mut days: BTreeMap<Date, Vec<Option<Said>>> = BTreeMap::new();
        for reading in &outcome.readings {
            let (Some(at), Some(day)) = (slot(&reading.rule), reading.session) else {
                continue;
            };
            let said = Said {
                reading: Some(Measure {
                    value: reading.value,
                    threshold: reading.threshold,
                    distance: reading.distance,
                }),
                is_open: reading.open,
                began: None,
                age: 0,
            };
            days.entry(day).or_insert_with(|| vec![None; reads.len()])[at] = Some(said);
        }
        for alert in &outcome.alerts {
            let (Some(at), Some(day)) = (slot(&alert.rule), alert.session) else {
                continue;
            };
            let began = match alert.state {
                State::Opened => Began::Opened,
                State::Escalated | State::Eased => Began::Moved,
                State::Resolved => Began::Ended,
                State::Confirmed | State::Corrected | State::Retracted => continue,
            };
            if let Some(Some(said)) = days.get_mut(&day).map(|said| &mut said[at]) {
                said.began = Some(began);
            }
        }
        Tape::carried(plan, days)
    }

    /// What a rule said last stands until it says something else; on the sessions of the universe's calendar, at which
    /// what was said between them is heard too.
    fn carried(plan: &UniversePlan, days: BTreeMap<Date, Vec<Option<Said>>>) -> Tape {
        let mut known: Vec<Option<Said>> = Vec::new();
        let mut sections = Vec::new();
        for (day, said) in days {
            known.resize(said.len(), None);
            for (known, said) in known.iter_mut().zip(said) {
                let since = known.and_then(|known| known.began);
                if let Some(said) = said {
                    let began = said.began.or(since);
                    *known = Some(Said { began, ..said });
                }
            }
            let Some(session) = plan.calendar.session(day) else {
                continue;
            };
            let bucket = session_bucket(session, plan.closing_window);
            sections.push((bucket, known.clone()));
            for known in known.iter_mut().flatten() {
                known.began = None;
                known.age += 1;
            }
        }
        Tape { sections }
    }

    /// Goes through history with these parameters.
    fn walk(&self, params: &regime::Params, question: &Question) -> Course {
        let kind = Kind::Regime(params.clone());
        let mut state = kind.detector();
        let (mut changes, mut sections, mut entered) = (0_u32, 0_u32, None);
        let mut entries: BTreeMap<&'static str, u32> = BTreeMap::new();
        for (bucket, said) in &self.sections {
            let section = Section {
                bucket: *bucket,
                values: &[],
                said,
            };
            let step = state.step(&kind, &section);
            let day = section.date();
            if day < question.since {
                continue;
            }
            sections += u32::from(step.reading.is_some());
            let into = match step.change {
                Change::Open(state) | Change::Escalate(state) | Change::Ease(state) => state,
                Change::Resolve(_) => regime::NEUTRAL,
                Change::Quiet | Change::Hold => continue,
            };
            changes += 1;
            *entries.entry(into).or_default() += 1;
            if let Some(asked) = &question.entered
                && asked.state == into
                && (asked.from..=asked.to).contains(&day)
            {
                entered = entered.or(Some(day));
            }
        }
        let years = (f64::from(sections) / 252.0).max(1.0 / 252.0);
        let a_year = |count: u32| f64::from(count) / years;
        Course {
            changes_per_year: a_year(changes),
            entries_per_year: entries
                .into_iter()
                .map(|(state, count)| (state, a_year(count)))
                .collect(),
            entered,
        }
    }
}

/// A table for a terminal.
pub(super) fn told(all: &[Sensitivity], question: &Question) -> String {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let mut text = String::new();
    for one in all {
        let given = &one.given;
        let entries: Vec<String> = given
            .entries_per_year
            .iter()
            .map(|(state, rate)| format!("{state} {rate:.2}"))
            .collect();
        text.push_str(&format!(
            "{}: {:.2} changes of state a year since {}; entries a year: {}\n",
            one.rule,
            given.changes_per_year,
            question.since,
            entries.join(", ")
        ));
        if let Some(asked) = &question.entered {
            let day = given
                .entered
                .map_or("not".to_owned(), |day| format!("on {day}"));
            let Entered { state, from, to } = asked;
            text.push_str(&format!(
                "  {state} entered {day} between {from} and {to}\n"
            ));
        }
        text.push_str(&format!(
            "  of {} settings with every number off by up to {}: ",
            one.settings,
            percent(question.off)
        ));
        if let Some(entering) = one.entering {
            text.push_str(&format!("{} still enter it, ", percent(entering)));
        }
        text.push_str(&format!(
            "{} change less than {} times a year (median {:.2}), {} all of it\n",
            percent(one.calm),
            question.most_changes,
            one.median_changes,
            percent(one.both)
        ));
    }
    text
}
