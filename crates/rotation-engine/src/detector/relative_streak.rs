//! Consecutive sessions in which a leader beats a laggard.

use super::{
    Account, Change, Detector, Measure, Names, ParamError, Step, TIE, Unit, bounds, positive,
};
use crate::section::Section;
use jiff::Span;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

mod account;

/// Parameters of `relative_streak`: runs of consecutive sessions in which the leader's return strictly beats the
/// laggard's.
///
/// Both returns are simple, close to close, over the same sessions: one that lacks either series is passed over, and
/// the next return spans the gap. Values that are not positive have no return and count as lacking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The series that has to win: a symbol.
    pub leader: String,
    /// The series that it is held against: another symbol.
    pub laggard: String,
    /// Sessions in a row that open an episode. Default 5; 1 to 10,000. Two equal coins make a run of 5 about four times
    /// a year, so less than that is noise.
    #[serde(default = "open_at_default")]
    pub open_at: u32,
    /// Lengths, in sessions, that escalate an open episode, each once. Default [10]; ascending, each above `open_at`,
    /// at most 32. Empty: never by length.
    #[serde(default = "escalate_at_default")]
    pub escalate_at: Vec<u32>,
    /// Escalates an open episode when its run becomes the longest for more than so many calendar years, each once.
    /// Default [5, 15, 25]; ascending, 1 to 200, at most 32. Empty: never by rarity. History shorter than that cannot
    /// satisfy it.
    #[serde(default = "escalate_since_years_default")]
    pub escalate_since_years: Vec<u32>,
}

fn open_at_default() -> u32 {
    5
}

fn escalate_at_default() -> Vec<u32> {
    vec![10]
}

fn escalate_since_years_default() -> Vec<u32> {
    vec![5, 15, 25]
}

const LENGTH_MAX: u32 = 10_000;
const YEARS_MAX: u32 = 200;

impl super::Params for Params {
    fn inputs(&self) -> Vec<String> {
        vec![self.leader.clone(), self.laggard.clone()]
    }

    fn subject(&self) -> String {
        format!("{}/{}", self.leader, self.laggard)
    }

    fn check(&self) -> Result<(), ParamError> {
        bounds::symbol("leader", &self.leader)?;
        bounds::symbol("laggard", &self.laggard)?;
        if self.leader == self.laggard {
            return Err(ParamError::new(
                "laggard",
                "another series than the leader",
                &self.laggard,
            ));
        }
        bounds::within("open_at", self.open_at, &(1..=LENGTH_MAX), "sessions")?;
        let lengths = self.open_at + 1..=LENGTH_MAX;
        bounds::ascending("escalate_at", &self.escalate_at, &lengths, "sessions")?;
        bounds::ascending(
            "escalate_since_years",
            &self.escalate_since_years,
            &(1..=YEARS_MAX),
            "years",
        )
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        bounds::have_returns(&["leader", "laggard"], units)
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[OPEN, LENGTH, SINCE_YEARS]
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn reads_ticks(&self) -> bool {
        false
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "sessions".to_owned()
    }
}

/// Rung of the opening.
pub const OPEN: &str = "open";
/// Rung of an escalation at a configured length.
pub const LENGTH: &str = "length";
/// Rung of an escalation because no run was as long for so many years.
pub const SINCE_YEARS: &str = "since_years";

/// Reason of the end: a session that the leader did not win.
pub const BROKEN: &str = "broken";

/// State of `relative_streak`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The first session with both series, and their closes at the last.
    seen: Option<Seen>,
    /// The run that the last session belongs to.
    run: Option<Run>,
    /// The run that ended last, until the next one does.
    ended: Option<Run>,
    /// Runs that ended before, later ones last. One that a later run was at least as long as can answer no question any
    /// more and is gone, so lengths strictly decrease.
    past: Vec<PastRun>,
    /// Leader's return minus laggard's at the last session, in basis points.
    margin_bp: f64,
    is_open: bool,
    /// What the last session reached.
    reached: Reached,
    /// Entries of `escalate_since_years` that the episode has used, by bit.
    years_used: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    first: Date,
    closes: [f64; 2],
}

/// A run that goes on, or has just ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Run {
    length: u32,
    start: Date,
    end: Date,
    /// Closes of leader and laggard before the run, and at its end.
    closes_before: [f64; 2],
    closes: [f64; 2],
    /// The smallest margin of its sessions, in basis points.
    tightest_bp: f64,
    /// The latest earlier run at least as long.
    longest_since: Option<PastRun>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct PastRun {
    end: Date,
    length: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Reached {
    length: Option<u32>,
    since_years: Option<u32>,
}

/// Basis points in one.
const BASIS_POINTS: f64 = 1e4;

impl Detector for State {
    type Params = Params;

    fn new(_params: &Params) -> Self {
        State {
            seen: None,
            run: None,
            ended: None,
            past: Vec::new(),
            margin_bp: 0.0,
            is_open: false,
            reached: Reached::default(),
            years_used: 0,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let closes = [positive(section.close(0)), positive(section.close(1))];
        let [Some(leader), Some(laggard)] = closes else {
            return Step::passed_over(self.is_open);
        };
        let closes = [leader, laggard];
        let first = self.seen.map_or(section.date(), |seen| seen.first);
        let Some(before) = self.seen.replace(Seen { first, closes }) else {
            return Step::passed_over(self.is_open);
        };
        let margin = leader / before.closes[0] - laggard / before.closes[1];
        self.margin_bp = margin * BASIS_POINTS;
        let change = if margin > TIE {
            self.extend(params, section.date(), before.closes, closes)
        } else {
            self.end()
        };
        Step {
            reading: Some(self.measure(params)),
            change,
        }
    }

    fn account(&self, params: &Params, _names: Names<'_>, change: &Change) -> Account {
        self.tell(params, change)
    }

    fn rescale(&mut self, input: usize, factor: f64) {
        let runs = [&mut self.run, &mut self.ended];
        let of_runs = runs
            .into_iter()
            .flatten()
            .flat_map(|run| [&mut run.closes_before, &mut run.closes]);
        let of_last = self.seen.as_mut().map(|seen| &mut seen.closes);
        for closes in of_runs.chain(of_last) {
            if let Some(close) = closes.get_mut(input) {
                *close *= factor;
            }
        }
    }
}

impl State {
    fn extend(
        &mut self,
        params: &Params,
        date: Date,
        before: [f64; 2],
        closes: [f64; 2],
    ) -> Change {
        let run = self.run.get_or_insert(Run {
            length: 0,
            start: date,
            end: date,
            closes_before: before,
            closes,
            tightest_bp: f64::MAX,
            longest_since: None,
        });
        run.length = run.length.saturating_add(1);
        run.end = date;
        run.closes = closes;
        run.tightest_bp = run.tightest_bp.min(self.margin_bp);
        run.longest_since = self
            .past
            .iter()
            .rfind(|past| past.length >= run.length)
            .copied();
        let length = run.length;
        if length < params.open_at {
            return Change::Quiet;
        }
        self.reached = Reached {
            length: params.escalate_at.contains(&length).then_some(length),
            since_years: self.use_years(params),
        };
        if !self.is_open {
            self.is_open = true;
            return Change::Open(OPEN);
        }
        match self.reached {
            Reached {
                since_years: Some(_),
                ..
            } => Change::Escalate(SINCE_YEARS),
            Reached {
                length: Some(_), ..
            } => Change::Escalate(LENGTH),
            Reached { .. } => Change::Hold,
        }
    }

    /// Marks the years that the run now is the longest for; the most of those that are new.
    fn use_years(&mut self, params: &Params) -> Option<u32> {
        let run = self.run.as_ref()?;
        let since = run.longest_since.map_or(self.seen?.first, |past| past.end);
        let mut most = None;
        for (bit, years) in params.escalate_since_years.iter().enumerate() {
            if self.years_used & (1 << bit) == 0 && since < years_before(run.end, *years) {
                self.years_used |= 1 << bit;
                most = Some(*years);
            }
        }
        most
    }

    fn end(&mut self) -> Change {
        if let Some(run) = self.run.take() {
            while self.past.pop_if(|past| past.length <= run.length).is_some() {}
            self.past.push(PastRun {
                end: run.end,
                length: run.length,
            });
            self.ended = Some(run);
        }
        self.years_used = 0;
        self.reached = Reached::default();
        if std::mem::take(&mut self.is_open) {
            Change::Resolve(BROKEN)
        } else {
            Change::Quiet
        }
    }

    /// The length against the next rung by length, that of this very session included; beyond the last, against the
    /// last.
    fn measure(&self, params: &Params) -> Measure {
        let length = self.run.map_or(0, |run| run.length);
        let mut rungs = std::iter::once(&params.open_at).chain(&params.escalate_at);
        let last = params.escalate_at.last().unwrap_or(&params.open_at);
        let next = rungs.find(|rung| **rung >= length).unwrap_or(last);
        Measure {
            value: length.into(),
            threshold: (*next).into(),
            distance: next.saturating_sub(length).into(),
        }
    }
}

/// The same day so many years earlier; the last of February for the 29th.
pub(super) fn years_before(date: Date, years: u32) -> Date {
    date.saturating_sub(Span::new().years(years))
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |open_at, escalate_at: &[u32], escalate_since_years: &[u32]| Params {
        leader: "A".to_owned(),
        laggard: "B".to_owned(),
        open_at,
        escalate_at: escalate_at.to_vec(),
        escalate_since_years: escalate_since_years.to_vec(),
    };
    vec![
        params(3, &[5, 7], &[1, 2, 5]),
        params(1, &[2], &[]),
        params(4, &[], &[1]),
    ]
}

#[cfg(test)]
mod tests;
