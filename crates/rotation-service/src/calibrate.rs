//! `rotation calibrate`: how often each rule opens in history, and how often it would by chance.

use crate::backtest::{Request, Run};
use crate::config::Config;
use anyhow::bail;
use jiff::civil::Date;
use rotation_engine::alert::BaseRate;
use rotation_engine::plan::UniversePlan;
use rotation_engine::record::SourceEvent;
use rotation_engine::universe::ReadingDetail;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

mod bootstrap;
mod command;
mod groups;
mod history;
mod level;
mod market;
mod sensitivity;
mod show;
mod tally;

pub use command::{Args, run};
pub use level::{Level, NoLevel};
pub use sensitivity::{Entered, Question, Sensitivity, sensitivity};
pub use show::{document, page, toml};

use groups::{Group, groups};
use history::History;
use tally::{Counter, Tally};

/// What chance is taken to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Null {
    /// The changes of history in another order; what drifts goes on drifting.
    #[default]
    Bootstrap,
    /// The same without each series' mean change: nothing drifts.
    Centred,
    /// The same with the sign of each block tossed: whatever beats another does so half of the time.
    Fair,
}

/// How synthetic histories are made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Synthetic histories.
    pub replicates: usize,
    /// Mean length of a block, in days.
    pub block: f64,
    /// Mean length of a block of the series drawn by themselves; none takes the cube root of their number of changes.
    pub slow_block: Option<f64>,
    /// What chance is.
    pub null: Null,
    /// The same seed makes the same histories.
    pub seed: u64,
    /// Episodes a year by chance that a threshold is wanted for.
    pub budget: f64,
    /// Threads at work; none takes as many as there are processors.
    pub threads: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            replicates: 20,
            block: 20.0,
            slow_block: None,
            null: Null::default(),
            seed: 1,
            budget: 1.0,
            threads: None,
        }
    }
}

/// The law of one set of synthetic histories.
#[derive(Clone, Copy, Debug)]
struct Law {
    null: Null,
    block: f64,
    slow_block: Option<f64>,
}

impl Law {
    /// The cube root of the number is the order at which the bootstrap estimates best.
    fn slow_block(&self, changes: usize) -> f64 {
        self.slow_block
            .unwrap_or_else(|| (changes as f64).cbrt().max(1.0))
    }
}

/// What a calibration comes to.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// The rules, by universe and name.
    pub rules: Vec<Calibrated>,
    /// Rows that could not be read, and other trouble: a line each.
    pub faults: Vec<String>,
}

/// How often a rule opens episodes.
#[derive(Clone, Debug, Serialize)]
pub struct Calibrated {
    /// Its universe's name.
    pub universe: String,
    /// Its name.
    pub rule: String,
    /// Its kind.
    pub kind: &'static str,
    /// What it speaks about.
    pub subject: String,
    /// The unit of its readings.
    pub unit: String,
    /// Years of history, from its first reading to its last section.
    pub years: f64,
    /// Episodes that history opened.
    pub openings: u32,
    /// The same a year; none where it never had a reading.
    pub per_year: Option<f64>,
    /// Episodes a year by chance.
    pub null: Option<Chance>,
    /// The mean of episodes a year where every day stands for itself.
    pub per_year_independent: Option<f64>,
    /// The threshold for the budget, or why there is none.
    pub level: Result<Level, NoLevel>,
}

/// Episodes a year over the synthetic histories.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Chance {
    /// The mean.
    pub mean: f64,
    /// A tenth of the histories have fewer.
    pub low: f64,
    /// A tenth of them have more.
    pub high: f64,
}

impl Calibrated {
    /// What alerts of the rule carry, once it stands in the configuration.
    pub fn base_rate(&self) -> Option<BaseRate> {
        Some(BaseRate {
            per_year: three_digits(self.per_year?),
            per_year_null: self.null.map(|null| three_digits(null.mean)),
        })
    }
}

/// A rate is not known more precisely.
fn three_digits(rate: f64) -> f64 {
    let digits = 2 - rate.abs().max(1e-3).log10().floor() as i32;
    let scale = 10_f64.powi(digits);
    (rate * scale).round() / scale
}

/// Runs the rules over the files and over synthetic histories. `progress` is told how many histories are done, and how
/// many there are.
///
/// # Errors
/// When there is no file for any series, one cannot be opened, or none holds a value.
pub fn calibrate(
    config: &Config,
    data: &Path,
    (from, to): (Option<Date>, Option<Date>),
    settings: &Settings,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> anyhow::Result<Calibration> {
    let request = Request {
        config,
        data,
        from,
        to,
        detail: ReadingDetail::Values,
    };
    let history = History::load(&request)?;
    if history.order.is_empty() {
        bail!("no values in {}", data.display());
    }
    let plans = published(config);
    let groups = groups(&plans, &history);
    let laws = settings.laws();
    let runs = runs(&groups, settings, &laws, progress);
    let (told, mut faults) = replay(&plans, &history);
    faults.extend(history.faults.iter().cloned());
    let mut rules = Vec::new();
    for (universe, (plan, told)) in plans.iter().zip(told).enumerate() {
        for (at, (rule, told)) in plan.rules.iter().zip(told).enumerate() {
            let of_law = |law: usize| -> Vec<Tally> {
                let runs = runs.get(law).into_iter().flatten();
                let own = runs.filter_map(|run| run.get(&(universe, at)));
                own.cloned().collect()
            };
            let null = of_law(0);
            let chance = chance(&null);
            let independent = if laws.len() > 1 {
                self::chance(&of_law(1))
            } else {
                chance
            };
            rules.push(Calibrated {
                universe: plan.name.clone(),
                rule: rule.name.clone(),
                kind: rule.kind.name(),
                subject: rule.subject.clone(),
                unit: rule.unit.clone(),
                years: told.years(),
                openings: told.openings,
                per_year: told.per_year(),
                null: chance,
                per_year_independent: independent.map(|chance| chance.mean),
                level: level::level(&told, &null, settings.budget),
            });
        }
    }
    Ok(Calibration { rules, faults })
}

impl Settings {
    /// The law that was asked for, and beside it the one in which every day stands for itself.
    fn laws(&self) -> Vec<Law> {
        let asked = Law {
            null: self.null,
            block: self.block,
            slow_block: self.slow_block,
        };
        let independent = Law {
            block: 1.0,
            slow_block: Some(1.0),
            ..asked
        };
        if self.block > 1.0 {
            vec![asked, independent]
        } else {
            vec![independent]
        }
    }
}

/// The universes with everything that they decide published.
fn published(config: &Config) -> Vec<Arc<UniversePlan>> {
    let plans = config.universes.iter().map(|plan| {
        Arc::new(UniversePlan {
            live_from: None,
            ..UniversePlan::clone(plan)
        })
    });
    plans.collect()
}

/// Runs the rules over history itself: what they said, by universe and rule.
fn replay(plans: &[Arc<UniversePlan>], history: &History) -> (Vec<Vec<Tally>>, Vec<String>) {
    let mut run = Run::new(plans, ReadingDetail::Values);
    let mut counter = Counter::new(plans, false);
    for (series, tick) in &history.order {
        let series = &history.series[*series];
        let event = SourceEvent::Tick {
            symbol: &series.symbol,
            tick: series.ticks[*tick].tick,
        };
        run.push(&event, &mut counter);
    }
    run.end(&mut counter);
    (counter.tallies, counter.faults)
}

/// What the rules said over one synthetic history, by the positions of universe and rule.
type Said = BTreeMap<(usize, usize), Tally>;

/// Runs each group of rules over its synthetic histories, on several threads: for each law what the rules said over
/// each. What comes out does not depend on how many threads there are.
fn runs(
    groups: &[Group<'_>],
    settings: &Settings,
    laws: &[Law],
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Vec<Vec<Said>> {
    let replicates = settings.replicates;
    let total = laws.len() * replicates * groups.len();
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = settings.threads.unwrap_or_else(processors);
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let found = Mutex::new(vec![vec![Said::new(); replicates]; laws.len()]);
    progress(0, total);
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, total.max(1)) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= total {
                        return;
                    }
                    let (group, rest) = (
                        at / (laws.len() * replicates),
                        at % (laws.len() * replicates),
                    );
                    let (law, number) = (rest / replicates, rest % replicates);
                    let group = &groups[group];
                    // Only the readings under the law that was asked for are looked at.
                    let tallies = group.run(&laws[law], settings.seed, number as u64, law == 0);
                    let keys = group.rules.iter().map(|rule| (group.universe, *rule));
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    found[law][number].extend(keys.zip(tallies));
                    drop(found);
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The mean and the middle four fifths of the rates.
fn chance(null: &[Tally]) -> Option<Chance> {
    let mut rates: Vec<f64> = null.iter().filter_map(Tally::per_year).collect();
    rates.sort_unstable_by(f64::total_cmp);
    let last = rates.len().checked_sub(1)?;
    let share = |share: f64| rates[(share * last as f64).round() as usize];
    Some(Chance {
        mean: rates.iter().sum::<f64>() / rates.len() as f64,
        low: share(0.1),
        high: share(0.9),
    })
}

#[cfg(test)]
mod tests;
