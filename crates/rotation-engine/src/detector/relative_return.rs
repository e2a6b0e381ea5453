//! How far a leader is ahead of a laggard.

use super::relative_streak::years_before;
use super::way::along;
use super::{Account, Change, Detector, Measure, Names, Step, positive};
use crate::alert::{Direction, round};
use crate::section::Section;
use crate::window::{Peak, Peaks, RankWindow, RollingBeta};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

mod account;
mod over;
mod params;
mod span;

pub use over::Over;
pub use params::Params;
use span::{Base, Span};

/// Rung of the opening.
pub const OPEN: &str = "open";
/// Rung of an escalation because the difference was not as wide for so many years.
pub const SINCE_YEARS: &str = "since_years";
/// Rung of an escalation because it never was.
pub const RECORD: &str = "record";

/// Reason of the end: the difference is far from its widest.
pub const NARROWED: &str = "narrowed";
/// Reason of the end: another month, quarter or year began.
pub const PERIOD_OVER: &str = "period_over";

/// State of `relative_return`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    span: Span,
    beta: Option<RollingBeta>,
    /// The differences before the present one: ranks, and the widest of each direction.
    history: RankWindow,
    ahead: Peaks,
    behind: Peaks,
    /// The date of the first difference.
    first: Option<Date>,
    now: Option<Spread>,
    is_open: bool,
    /// The episode that is open, or was last.
    episode: Option<Episode>,
    /// What the last session reached.
    reached_years: Option<u32>,
}

/// A difference, and how it compares with those before it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Spread {
    /// Percentage points.
    points: f64,
    /// Leader's and laggard's return, as fractions, and since when.
    returns: [f64; 2],
    from: Date,
    date: Date,
    beta: Option<f64>,
    direction: Direction,
    /// Share of the earlier differences that are smaller, in percent; none with too few.
    percentile: Option<f64>,
    history: u32,
    /// The latest earlier difference at least as wide the same way.
    widest_since: Option<Peak>,
    /// The widest earlier difference the other way.
    other_way: Option<Peak>,
    /// Whether all conditions for opening hold, and the difference they ask for, seen in the direction.
    opens: bool,
    needed: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Episode {
    direction: Direction,
    since: Date,
    /// The widest difference.
    peak: Peak,
    /// Entries of `escalate_since_years` that it has used, by bit.
    years_used: u32,
}

/// Percentage points in one.
const POINTS: f64 = 100.0;
/// Points and percentiles reach what is asked for up to this much rounding.
const ROUNDING: f64 = 1e-9;
/// Differences are compared with earlier ones as decimals of so many digits, so that equal ones stay equal across a
/// split.
const DIGITS: i32 = 9;

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            span: Span::new(params.over),
            beta: params
                .beta_sessions
                .map(|sessions| RollingBeta::new(sessions as usize)),
            history: RankWindow::new(params.trailing as usize),
            ahead: Peaks::new(),
            behind: Peaks::new(),
            first: None,
            now: None,
            is_open: false,
            episode: None,
            reached_years: None,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let closes = [positive(section.close(0)), positive(section.close(1))];
        let [Some(leader), Some(laggard)] = closes else {
            return Step::passed_over(self.is_open);
        };
        let turned = self.take_in(params, [leader, laggard], section.date());
        let Some(spread) = self.spread(params) else {
            return Step::passed_over(self.is_open);
        };
        self.remember(&spread);
        self.now = Some(spread);
        self.reached_years = None;
        self.turn(params, &spread, turned)
    }

    fn account(&self, params: &Params, _names: Names<'_>, change: &Change) -> Account {
        self.tell(params, change)
    }

    fn rescale(&mut self, input: usize, factor: f64) {
        self.span.rescale(input, factor);
    }
}

impl State {
    /// Moves the span to the closes of a date; whether another period began.
    fn take_in(&mut self, params: &Params, closes: [f64; 2], date: Date) -> bool {
        let before = self.span.last();
        if let (Some(beta), Some(before)) = (&mut self.beta, before) {
            let [leader, laggard] = span::returns(before.closes, closes).map(span::tame);
            beta.push(laggard, leader);
        }
        let full = self.beta.as_ref().filter(|beta| beta.is_full());
        let beta = full.and_then(RollingBeta::slope);
        self.span.push(params.over, Base { closes, date, beta })
    }

    /// The present difference; none before the span is full, or without the beta that it needs.
    fn spread(&self, params: &Params) -> Option<Spread> {
        let (base, now) = (self.span.base()?, self.span.last()?);
        let returns = span::returns(base.closes, now.closes);
        let beta = match self.beta {
            Some(_) => Some(base.beta?),
            None => None,
        };
        let points = (returns[0] - beta.unwrap_or(1.0) * returns[1]) * POINTS;
        let direction = params.direction.of(points);
        let history = u32::try_from(self.history.len()).unwrap_or(u32::MAX);
        let is_ranked = history >= params.min_history();
        let rank = self.history.percentile_rank(points).filter(|_| is_ranked);
        let percentile = rank.map(|rank| match direction {
            Direction::Up => rank * 100.0,
            Direction::Down => (1.0 - rank) * 100.0,
        });
        let (same, other) = match direction {
            Direction::Up => (&self.ahead, &self.behind),
            Direction::Down => (&self.behind, &self.ahead),
        };
        let width = along(direction, points);
        let mut spread = Spread {
            points,
            returns,
            from: base.date,
            date: now.date,
            beta,
            direction,
            percentile,
            history,
            widest_since: same.latest_above(round(width, DIGITS)),
            other_way: other.highest(),
            opens: false,
            needed: self.needed(params, direction, same, now.date),
        };
        spread.opens = self.opens(params, &spread);
        Some(spread)
    }

    /// Whether every condition for opening that is given holds.
    fn opens(&self, params: &Params, spread: &Spread) -> bool {
        let width = along(spread.direction, spread.points);
        let is_wide = params
            .open_points
            .is_none_or(|points| width >= points - ROUNDING);
        let is_rare = params.open_percentile().is_none_or(|needed| {
            let percentile = spread.percentile;
            percentile.is_some_and(|percentile| percentile >= needed - ROUNDING)
        });
        let is_new = params
            .open_since_years
            .is_none_or(|years| self.is_widest_for(spread, years));
        width > 0.0 && is_wide && is_rare && is_new
    }

    /// Whether no earlier difference was as wide the same way for more than so many years, as far as is known.
    fn is_widest_for(&self, spread: &Spread, years: u32) -> bool {
        let since = spread.widest_since.map(|peak| peak.date).or(self.first);
        since.is_some_and(|since| since < years_before(spread.date, years))
    }

    /// About how wide a difference has to be to open: where a history is too short, what is known of it.
    fn needed(&self, params: &Params, direction: Direction, same: &Peaks, date: Date) -> f64 {
        let points = params.open_points;
        let percentile = params.open_percentile().and_then(|percentile| {
            let share = percentile / 100.0;
            let share = match direction {
                Direction::Up => share,
                Direction::Down => 1.0 - share,
            };
            self.history.quantile(share)
        });
        let new = params.open_since_years.and_then(|years| {
            let since = same.highest_since(years_before(date, years));
            since.or(same.highest()).map(|peak| peak.value)
        });
        let percentile = percentile.map(|points| along(direction, points));
        [points, percentile, new]
            .into_iter()
            .flatten()
            .fold(0.0, f64::max)
    }

    fn remember(&mut self, spread: &Spread) {
        self.first.get_or_insert(spread.date);
        self.history.push(spread.points);
        let same = if spread.points > 0.0 {
            &mut self.ahead
        } else {
            &mut self.behind
        };
        if spread.points != 0.0 {
            same.push(round(spread.points.abs(), DIGITS), spread.date);
        }
    }

    fn turn(&mut self, params: &Params, spread: &Spread, turned: bool) -> Step {
        if !self.is_open {
            let change = if spread.opens {
                self.open(params, spread)
            } else {
                Change::Quiet
            };
            return spread.step(spread.direction, spread.needed, change);
        }
        let Some(episode) = &mut self.episode else {
            return Step::passed_over(false);
        };
        let direction = episode.direction;
        let width = along(direction, spread.points);
        if turned {
            self.is_open = false;
            let edge = params.narrowed_to * episode.peak.value;
            return spread.step(direction, edge, Change::Resolve(PERIOD_OVER));
        }
        if width > episode.peak.value {
            episode.peak = Peak {
                value: width,
                date: spread.date,
            };
        }
        let edge = params.narrowed_to * episode.peak.value;
        let goes_on = spread.opens && spread.direction == direction;
        if width <= edge && !goes_on {
            self.is_open = false;
            return spread.step(direction, edge, Change::Resolve(NARROWED));
        }
        let change = if spread.direction == direction && width > 0.0 {
            self.escalation(params, spread)
        } else {
            None
        };
        spread.step(
            direction,
            edge,
            change.map_or(Change::Hold, Change::Escalate),
        )
    }

    fn open(&mut self, params: &Params, spread: &Spread) -> Change {
        self.is_open = true;
        self.episode = Some(Episode {
            direction: spread.direction,
            since: spread.date,
            peak: Peak {
                value: along(spread.direction, spread.points),
                date: spread.date,
            },
            years_used: 0,
        });
        self.escalation(params, spread);
        Change::Open(OPEN)
    }

    /// Notes the years that the difference now is the widest for; the rung that they make.
    fn escalation(&mut self, params: &Params, spread: &Spread) -> Option<&'static str> {
        let mut used = self.episode?.years_used;
        for (bit, years) in params.escalate_since_years.iter().enumerate() {
            if used & (1 << bit) == 0 && self.is_widest_for(spread, *years) {
                used |= 1 << bit;
                self.reached_years = Some(*years);
            }
        }
        self.episode.as_mut()?.years_used = used;
        let is_record =
            spread.widest_since.is_none() && self.is_widest_for(spread, params.record_years);
        if is_record {
            return Some(RECORD);
        }
        self.reached_years.map(|_| SINCE_YEARS)
    }
}

impl Spread {
    /// What the section says: the difference against an edge, seen in a direction. An opening or an end is at its edge.
    fn step(&self, direction: Direction, edge: f64, change: Change) -> Step {
        let missing = match change {
            Change::Quiet => edge - along(direction, self.points),
            Change::Hold | Change::Escalate(_) | Change::Ease(_) => {
                along(direction, self.points) - edge
            }
            Change::Open(_) | Change::Resolve(_) => 0.0,
        };
        Step {
            reading: Some(Measure {
                value: self.points,
                threshold: along(direction, edge),
                distance: missing.max(0.0),
            }),
            change,
        }
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    use super::Way;
    let params = |over, direction, open_points, open_percentile, open_since_years| Params {
        leader: "A".to_owned(),
        laggard: "B".to_owned(),
        over,
        direction,
        open_points,
        open_percentile,
        open_since_years,
        escalate_since_years: vec![1, 2],
        record_years: 1,
        narrowed_to: 0.5,
        beta_sessions: None,
        trailing: 200,
        min_history: Some(20),
    };
    vec![
        params(Over::Sessions(5), Way::Up, None, Some(95.0), None),
        params(Over::Month, Way::Both, Some(3.0), None, None),
        params(Over::Year, Way::Down, Some(2.0), Some(70.0), None),
        params(Over::Sessions(1), Way::Both, None, None, Some(1)),
        Params {
            beta_sessions: Some(60),
            ..params(Over::Sessions(3), Way::Up, Some(1.0), Some(90.0), None)
        },
        Params {
            escalate_since_years: vec![1],
            ..params(Over::Sessions(2), Way::Up, Some(1.0), None, None)
        },
    ]
}

#[cfg(test)]
mod tests;
