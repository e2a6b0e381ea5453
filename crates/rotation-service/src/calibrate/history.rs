//! What the files hold, in a form that can be drawn from: days of each series, as changes from the day before.

use crate::backtest::{Request, read};
use crate::config::Config;
use jiff::civil::Date;
use rotation_engine::calendar::{Calendar, Session};
use rotation_engine::detector::Unit;
use rotation_engine::plan::{SeriesPlan, SeriesSource};
use rotation_engine::record::{SourceEvent, Tick};
use std::collections::BTreeMap;
use std::ops::Range;

/// Every series of the files.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// By symbol.
    pub(super) series: Vec<Series>,
    /// All ticks in the order in which a backtest reads them: series and tick.
    pub(super) order: Vec<(usize, usize)>,
    /// Rows that could not be read: a line each.
    pub(super) faults: Vec<String>,
}

/// One series.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) symbol: String,
    pub(super) scale: Scale,
    pub(super) pace: Pace,
    pub(super) days: Vec<Day>,
    pub(super) ticks: Vec<Observed>,
    /// The last value of the day before the newest, and the last value of all; not a number before there is one.
    before: f64,
    last: f64,
}

/// What a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// A difference of logarithms.
    Log,
    /// A difference.
    Difference,
}

/// How often a series has something new to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// On most sessions: its days are drawn together with those of the others.
    Daily,
    /// On fewer than half of its sessions, such as a monthly print.
    Sparse,
    /// On most sessions, but nearly always the same, such as a policy rate.
    Step,
}

/// The ticks of one session.
#[derive(Clone, Debug)]
pub(super) struct Day {
    pub(super) session: Session,
    pub(super) ticks: Range<usize>,
}

/// One tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observed {
    pub(super) tick: Tick,
    /// From the last value of the day before; zero on the first day.
    pub(super) change: f64,
}

/// At least so many changes tell that a series goes in steps.
const STEP_CHANGES_MIN: usize = 60;
/// So large a share of the changes of a series that goes in steps is none.
const STEP_STILL: f64 = 0.9;
/// A series with values on a smaller share of its sessions is sparse.
const SPARSE_BELOW: f64 = 0.5;

impl History {
    /// Reads the files of a configuration's series.
    ///
    /// # Errors
    /// As a backtest's.
    pub(super) fn load(request: &Request<'_>) -> anyhow::Result<History> {
        let plans = plans(request.config);
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut series: Vec<Series> = Vec::new();
        let mut order = Vec::new();
        let files = read(request, |event| match *event {
            SourceEvent::Tick { symbol, tick } => {
                let Some((symbol, plan)) = plans.get_key_value(symbol) else {
                    return;
                };
                let at = *places.entry(symbol).or_insert_with(|| {
                    series.push(Series::new(symbol));
                    series.len() - 1
                });
                if series[at].push(plan, &tick) {
                    order.push((at, series[at].ticks.len() - 1));
                }
            }
            SourceEvent::Split { symbol, ratio, .. } => {
                if let Some(at) = places.get(symbol) {
                    series[*at].last /= ratio;
                }
            }
            SourceEvent::Void { .. } | SourceEvent::Heartbeat { .. } => {}
        })?;
        for one in &mut series {
            one.finish(plans[one.symbol.as_str()]);
        }
        Ok(History {
            series,
            order,
            faults: files.faults,
        })
    }
}

/// The raw series of a configuration by symbol; of several universes the first has its say.
fn plans(config: &Config) -> BTreeMap<&str, &SeriesPlan> {
    let mut plans = BTreeMap::new();
    for plan in config.universes.iter().flat_map(|plan| &plan.series) {
        if plan.source == SeriesSource::Raw {
            plans.entry(plan.symbol.as_str()).or_insert(plan);
        }
    }
    plans
}

impl Series {
    fn new(symbol: &str) -> Series {
        Series {
            symbol: symbol.to_owned(),
            scale: Scale::Log,
            pace: Pace::Daily,
            days: Vec::new(),
            ticks: Vec::new(),
            before: f64::NAN,
            last: f64::NAN,
        }
    }

    /// Takes a tick, unless no rule would hear of it: it lies outside the sessions, or is no price.
    fn push(&mut self, plan: &SeriesPlan, tick: &Tick) -> bool {
        let is_valid = tick.price.is_finite() && (plan.unit != Unit::Price || tick.price > 0.0);
        let session = plan.calendar.session_at_or_after(tick.time);
        let Some(session) = session.filter(|session| is_valid && session.open <= tick.time) else {
            return false;
        };
        let at = self.ticks.len();
        match self.days.last_mut() {
            Some(day) if day.session.date == session.date => day.ticks.end = at + 1,
            _ => {
                self.days.push(Day {
                    session,
                    ticks: at..at + 1,
                });
                self.before = self.last;
            }
        }
        // What the change is taken from, until the series is whole and its scale known.
        let change = self.before;
        self.ticks.push(Observed {
            tick: *tick,
            change,
        });
        self.last = tick.price;
        true
    }

    /// Knows all of the series: its scale, its changes, its pace.
    fn finish(&mut self, plan: &SeriesPlan) {
        let is_positive = self.ticks.iter().all(|observed| observed.tick.price > 0.0);
        self.scale = if plan.unit != Unit::Percent && is_positive {
            Scale::Log
        } else {
            Scale::Difference
        };
        for observed in &mut self.ticks {
            let (before, value) = (observed.change, observed.tick.price);
            let change = match self.scale {
                Scale::Log => (value / before).ln(),
                Scale::Difference => value - before,
            };
            observed.change = if change.is_finite() { change } else { 0.0 };
        }
        self.pace = self.pace(plan.calendar);
    }

    fn pace(&self, calendar: Calendar) -> Pace {
        let (Some(first), Some(last)) = (self.days.first(), self.days.last()) else {
            return Pace::Daily;
        };
        let sessions = calendar.sessions(first.session.date, last.session.date);
        let share = self.days.len() as f64 / sessions.count().max(1) as f64;
        if share < SPARSE_BELOW {
            return Pace::Sparse;
        }
        let changes = self.days.len() - 1;
        let moves = (1..self.days.len()).filter(|day| self.change(*day) != 0.0);
        let still = 1.0 - moves.count() as f64 / changes.max(1) as f64;
        if changes >= STEP_CHANGES_MIN && still >= STEP_STILL {
            Pace::Step
        } else {
            Pace::Daily
        }
    }

    /// The ticks of a day.
    pub(super) fn of_day(&self, day: usize) -> &[Observed] {
        &self.ticks[self.days[day].ticks.clone()]
    }

    /// The change over a whole day.
    pub(super) fn change(&self, day: usize) -> f64 {
        self.of_day(day)
            .last()
            .map_or(0.0, |observed| observed.change)
    }

    /// The mean change of a day.
    pub(super) fn mean_change(&self) -> f64 {
        let changes = self.days.len().saturating_sub(1);
        let sum: f64 = (1..self.days.len()).map(|day| self.change(day)).sum();
        if changes > 0 {
            sum / changes as f64
        } else {
            0.0
        }
    }

    pub(super) fn date(&self, day: usize) -> Date {
        self.days[day].session.date
    }
}
