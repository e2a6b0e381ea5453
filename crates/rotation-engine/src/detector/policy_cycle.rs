//! Moves of a policy rate in one direction.

use super::{
    Account, Change, Detector, Distance, Measure, Names, ParamError, Step, TIE, Unit, bounds,
};
use crate::alert::Direction;
use crate::clock::date_key;
use crate::section::Section;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

mod account;

/// Parameters of `policy_cycle`: consecutive moves of a policy rate in one direction, such as cuts of the federal funds
/// target.
///
/// The series is a step series in percent with effective dates: it may print every day, or only when it moves. A move
/// is a value away from the rate that stands by more than `tolerance`. A move the other way, or `end_days` without any,
/// ends a run; the next move begins another, at one. The first move against the direction of the run before, however
/// long ago that was, is a pivot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The series: the symbol of a rate in percent. Give it the calendar `24x7` where it prints every calendar day.
    pub series: String,
    /// The moves that count: "cuts", "hikes" or "either". Default "either". The others end a run, and open nothing.
    #[serde(default)]
    pub moves: Moves,
    /// Moves in a row that open an episode, or escalate one that a pivot opened. Default 3; 1 to 1,000.
    #[serde(default = "open_at_default")]
    pub open_at: u32,
    /// Moves in a row that escalate an open episode, each once. Default [5, 8]; ascending, each above `open_at`, to
    /// 1,000, at most 32. Empty: never.
    #[serde(default = "escalate_at_default")]
    pub escalate_at: Vec<u32>,
    /// Whether a pivot opens an episode, too. Default true.
    #[serde(default = "open_on_pivot_default")]
    pub open_on_pivot: bool,
    /// Changes up to this are no moves: in percent, or such as "1bp". Default "1bp"; 0 to 100. A market rate such as
    /// the effective one wobbles: give it some 10 bp.
    #[serde(default = "tolerance_default")]
    pub tolerance: Distance,
    /// Calendar days without a move after which an open episode eases. Default 100, which hold two meetings of the
    /// Federal Open Market Committee; 1 to 36,500.
    #[serde(default = "pause_days_default")]
    pub pause_days: u32,
    /// Calendar days without a move after which a run is over. Default 200; above `pause_days`, to 36,500. Since 2008
    /// the longest wait within a run was 182 days, the shortest between two of one direction 273.
    #[serde(default = "end_days_default")]
    pub end_days: u32,
    /// Lower and upper end of the neutral band, in percent; −100 to 100. Below it policy is accommodative, above it
    /// restrictive. Default none: nothing is said of its stance.
    #[serde(default)]
    pub neutral: Option<[f64; 2]>,
    /// The rate at which the run is expected to stop, in percent; −100 to 100. Default none: no distance to it is told.
    #[serde(default)]
    pub terminal: Option<f64>,
}

/// The moves that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Moves {
    /// Both ways.
    #[default]
    Either,
    /// Down.
    Cuts,
    /// Up.
    Hikes,
}

fn open_at_default() -> u32 {
    3
}

fn escalate_at_default() -> Vec<u32> {
    vec![5, 8]
}

fn open_on_pivot_default() -> bool {
    true
}

fn tolerance_default() -> Distance {
    Distance::BasisPoints(1.0)
}

fn pause_days_default() -> u32 {
    100
}

fn end_days_default() -> u32 {
    200
}

const MOVES_MAX: u32 = 1_000;
const DAYS_MAX: u32 = 36_500;
/// No policy rate in percent lies beyond; one that does is passed over as if missing.
const RATE_MAX: f64 = 1e9;
const LEVEL_MAX: f64 = 100.0;

impl Moves {
    fn count(self, direction: Direction) -> bool {
        match self {
            Moves::Either => true,
            Moves::Cuts => direction == Direction::Down,
            Moves::Hikes => direction == Direction::Up,
        }
    }
}

impl super::Params for Params {
    fn inputs(&self) -> Vec<String> {
        vec![self.series.clone()]
    }

    fn subject(&self) -> String {
        self.series.clone()
    }

    fn check(&self) -> Result<(), ParamError> {
        bounds::symbol("series", &self.series)?;
        bounds::within("open_at", self.open_at, &(1..=MOVES_MAX), "moves")?;
        let lengths = self.open_at + 1..=MOVES_MAX;
        bounds::ascending("escalate_at", &self.escalate_at, &lengths, "moves")?;
        let tolerance = self.tolerance.in_units();
        bounds::within("tolerance", tolerance, &(0.0..=LEVEL_MAX), "percent")?;
        bounds::within("pause_days", self.pause_days, &(1..=DAYS_MAX), "days")?;
        let later = self.pause_days + 1..=DAYS_MAX;
        bounds::within("end_days", self.end_days, &later, "days")?;
        let levels = -LEVEL_MAX..=LEVEL_MAX;
        if let Some(band) = self.neutral
            && !(band[0] <= band[1] && band.iter().all(|edge| levels.contains(edge)))
        {
            let expected = "a lower and an upper end from -100 to 100 percent";
            return Err(ParamError::new("neutral", expected, format!("{band:?}")));
        }
        match self.terminal {
            Some(terminal) => bounds::within("terminal", terminal, &levels, "percent"),
            None => Ok(()),
        }
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        if units.first() == Some(&Unit::Percent) {
            return Ok(());
        }
        let expected = "a rate of unit \"percent\"";
        Err(ParamError::new("series", expected, "one of another unit"))
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[MOVES, PIVOT, PAUSE, RESUMED]
    }

    fn is_scale_free(&self) -> bool {
        false
    }

    fn reads_ticks(&self) -> bool {
        true
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "moves".to_owned()
    }
}

/// Rung of an opening or an escalation at a configured number of moves.
pub const MOVES: &str = "moves";
/// Rung of an opening by the first move against the direction before.
pub const PIVOT: &str = "pivot";
/// Rung of easing: `pause_days` without a move.
pub const PAUSE: &str = "pause";
/// Rung of an escalation: a move after a pause, in the run's direction.
pub const RESUMED: &str = "resumed";

/// Reason of the end: a move the other way.
pub const REVERSED: &str = "reversed";
/// Reason of the end: `end_days` without a move.
pub const OVER: &str = "over";

/// State of `policy_cycle`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    seen: Option<Seen>,
    /// The run that goes on.
    run: Option<Run>,
    /// The run that ended last.
    ended: Option<Run>,
    /// The last moves, of whatever run, the newest last.
    moves: VecDeque<Move>,
    is_open: bool,
    is_paused: bool,
}

/// The rate that stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    rate: f64,
    /// When it was set, or first seen.
    since: Date,
    /// The last section's.
    today: Date,
}

/// Consecutive moves in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Run {
    direction: Direction,
    /// Begun against the direction of the run before.
    is_pivot: bool,
    length: u32,
    start: Date,
    /// The rate before the first move.
    from: f64,
    newest: Move,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Move {
    date: Date,
    to: f64,
    by: f64,
}

/// So many moves are kept for the evidence.
const MOVES_KEPT: usize = 12;

impl Detector for State {
    type Params = Params;

    fn new(_params: &Params) -> Self {
        State {
            seen: None,
            run: None,
            ended: None,
            moves: VecDeque::new(),
            is_open: false,
            is_paused: false,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let rate = section.close(0).filter(|rate| rate.abs() <= RATE_MAX);
        let Some(rate) = rate else {
            return Step::passed_over(self.is_open);
        };
        let today = section.date();
        let seen = self.seen.get_or_insert(Seen {
            rate,
            since: today,
            today,
        });
        seen.today = today;
        let by = rate - seen.rate;
        let change = if by.abs() > params.tolerance.in_units() * (1.0 + TIE) {
            seen.rate = rate;
            seen.since = today;
            let date = today;
            self.take(params, Move { date, to: rate, by })
        } else {
            self.wait(params, today)
        };
        Step {
            reading: Some(self.measure(params, &change)),
            change,
        }
    }

    fn account(&self, params: &Params, _names: Names<'_>, change: &Change) -> Account {
        self.tell(params, change)
    }

    fn rescale(&mut self, _input: usize, factor: f64) {
        if let Some(seen) = &mut self.seen {
            seen.rate *= factor;
        }
        let runs = self.run.iter_mut().chain(&mut self.ended);
        let newest = runs.map(|run| {
            run.from *= factor;
            &mut run.newest
        });
        for step in newest.chain(&mut self.moves) {
            step.to *= factor;
            step.by *= factor;
        }
    }
}

impl State {
    /// Takes in a move.
    fn take(&mut self, params: &Params, step: Move) -> Change {
        if self.moves.len() == MOVES_KEPT {
            self.moves.pop_front();
        }
        self.moves.push_back(step);
        let is_over = self.is_over(params, step.date);
        let direction = step.direction();
        if let Some(run) = self.run.as_mut()
            && run.direction == direction
            && !is_over
        {
            run.length = run.length.saturating_add(1);
            run.newest = step;
            let resumes = std::mem::take(&mut self.is_paused);
            let length = run.length;
            return match () {
                () if !self.is_open => self.open(params),
                () if params.open_at == length || params.escalate_at.contains(&length) => {
                    Change::Escalate(MOVES)
                }
                () if resumes => Change::Escalate(RESUMED),
                () => Change::Hold,
            };
        }
        let ended = self.end(if is_over { OVER } else { REVERSED });
        let before = self.ended.as_ref().map(|run| run.direction);
        self.run = Some(Run {
            direction,
            is_pivot: before.is_some_and(|before| before != direction),
            length: 1,
            start: step.date,
            from: step.to - step.by,
            newest: step,
        });
        match ended {
            // The episode of the run before ends here; the one of this run begins at the next section.
            Change::Resolve(reason) => Change::Resolve(reason),
            _ => self.open(params),
        }
    }

    /// Lets a section without a move pass.
    fn wait(&mut self, params: &Params, today: Date) -> Change {
        if self.is_over(params, today) {
            return self.end(OVER);
        }
        if !self.is_open {
            return self.open(params);
        }
        let waits = self.run.as_ref().map_or(0, |run| run.days_until(today));
        if self.is_paused || waits < i64::from(params.pause_days) {
            return Change::Hold;
        }
        self.is_paused = true;
        Change::Ease(PAUSE)
    }

    fn is_over(&self, params: &Params, today: Date) -> bool {
        let waits = self.run.as_ref().map(|run| run.days_until(today));
        waits.is_some_and(|waits| waits >= i64::from(params.end_days))
    }

    /// Ends the run, and the episode where one is open.
    fn end(&mut self, reason: &'static str) -> Change {
        if let Some(run) = self.run.take() {
            self.ended = Some(run);
        }
        self.is_paused = false;
        if std::mem::take(&mut self.is_open) {
            Change::Resolve(reason)
        } else {
            Change::Quiet
        }
    }

    /// Opens an episode where the run is reason enough; none is open.
    fn open(&mut self, params: &Params) -> Change {
        let run = self.run.as_ref();
        let Some(run) = run.filter(|run| params.moves.count(run.direction)) else {
            return Change::Quiet;
        };
        let rung = match () {
            () if run.length >= params.open_at => MOVES,
            () if run.is_pivot && params.open_on_pivot => PIVOT,
            () => return Change::Quiet,
        };
        self.is_open = true;
        Change::Open(rung)
    }

    /// The moves in a row against the rung that was reached, else the next; beyond the last, against the last.
    fn measure(&self, params: &Params, change: &Change) -> Measure {
        let counted = |run: &&Run| params.moves.count(run.direction);
        let run = self.run.as_ref().filter(counted);
        let length = run.map_or(0, |run| run.length);
        let rungs = || [&params.open_at].into_iter().chain(&params.escalate_at);
        let threshold = match change {
            Change::Open(PIVOT) => 1,
            Change::Open(_) | Change::Escalate(MOVES) => *rungs()
                .rfind(|rung| **rung <= length)
                .unwrap_or(&params.open_at),
            _ => *rungs()
                .find(|rung| **rung > length)
                .or(params.escalate_at.last())
                .unwrap_or(&params.open_at),
        };
        Measure {
            value: length.into(),
            threshold: threshold.into(),
            distance: threshold.saturating_sub(length).into(),
        }
    }
}

impl Run {
    /// Calendar days from the newest move to a date.
    fn days_until(&self, date: Date) -> i64 {
        date_key(date) - date_key(self.newest.date)
    }
}

impl Move {
    fn direction(self) -> Direction {
        if self.by > 0.0 {
            Direction::Up
        } else {
            Direction::Down
        }
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |moves, open_at, escalate_at: &[u32], open_on_pivot, tolerance| Params {
        series: "A".to_owned(),
        moves,
        open_at,
        escalate_at: escalate_at.to_vec(),
        open_on_pivot,
        tolerance: Distance::Units(tolerance),
        pause_days: 4,
        end_days: 9,
        neutral: Some([98.0, 100.0]),
        terminal: Some(100.0),
    };
    vec![
        params(Moves::Either, 3, &[4, 6], true, 0.8),
        params(Moves::Cuts, 2, &[3], false, 0.5),
        params(Moves::Hikes, 1, &[], true, 0.0),
    ]
}

#[cfg(test)]
mod tests;
