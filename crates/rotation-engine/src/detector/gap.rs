//! A gap between reference series: wide, wider, closing.

use super::way::along;
use super::{Account, Change, Detector, Measure, Names, Step, TIE, positive};
use crate::alert::Direction;
use crate::section::Section;
use crate::window::RankWindow;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

mod account;
mod params;

pub use params::{Gap, Params};

/// Rung of the opening.
pub const WIDE: &str = "wide";
/// Rung of an escalation at a configured measure.
pub const LEVEL: &str = "level";
/// Rung of an escalation because a gap that was closing is wider than it ever was in the episode.
pub const WIDER: &str = "wider";
/// Rung of an easing: the gap has narrowed from its widest, and would still open.
pub const CLOSING: &str = "closing";

/// Reason of the end: it has narrowed from its widest, and would not open any more.
pub const CLOSED: &str = "closed";

/// State of `gap`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    measure: Gap,
    /// The last value of each series.
    series: Option<Held>,
    against: Option<Held>,
    /// What was measured before: levels, differences, or ratios, of which a discount is the rest to one.
    history: RankWindow,
    now: Option<Width>,
    phase: Phase,
    /// The episode that is open, or was last.
    episode: Option<Episode>,
}

/// A value and the day that it speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Held {
    value: f64,
    date: Date,
}

/// A measure, and how it ranks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Width {
    value: f64,
    date: Date,
    /// Share of the measures before it that are less wide, in percent; none with too few.
    percentile: Option<f64>,
    history: u32,
    /// Whether the conditions for opening hold, and about which measure they ask for.
    is_wide: bool,
    needed: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Phase {
    /// Waits for a gap that is not wide.
    Unarmed,
    /// Waits for one that is.
    Armed,
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Episode {
    since: Date,
    /// The widest measure.
    widest: Held,
    is_closing: bool,
    /// Entries of `escalate_at` that it has used, by bit.
    used: u32,
}

/// Percent in one.
const PERCENT: f64 = 100.0;
/// The widest share of itself by which a gap narrows until it is closing, unless configured.
const CLOSING_SHARE: f64 = 0.2;
/// Measures reach an edge up to this share of it, or this much, of rounding.
const EDGE_TIE: f64 = 100.0 * TIE;

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            measure: params.measure,
            series: None,
            against: None,
            history: RankWindow::new(params.trailing as usize),
            now: None,
            phase: Phase::Unarmed,
            episode: None,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let printed = [0, 1].map(|input| self.print(section, input));
        if printed == [None, None] {
            return Step::passed_over(self.phase == Phase::Open);
        }
        self.series = printed[0].or(self.series);
        self.against = printed[1].or(self.against);
        let Some(now) = self.measure(params, section.date()) else {
            return Step::passed_over(self.phase == Phase::Open);
        };
        self.now = Some(now);
        let change = self.turn(params, &now);
        Step {
            reading: Some(self.distance(params, &now, &change)),
            change,
        }
    }

    fn account(&self, params: &Params, names: Names<'_>, change: &Change) -> Account {
        self.tell(params, names, change)
    }

    /// A level goes along with its series, a ratio with its factor. Differences before have no meaning on the new
    /// basis: their history begins anew, and the widest is the present one.
    fn rescale(&mut self, input: usize, factor: f64) {
        let (held, of_ratio) = match input {
            0 => (&mut self.series, factor),
            _ => (&mut self.against, 1.0 / factor),
        };
        if let Some(held) = held {
            held.value *= factor;
        }
        match self.measure {
            Gap::Level => self.history.scale(factor),
            Gap::Ratio | Gap::Discount => self.history.scale(of_ratio),
            Gap::Difference => self.history.clear(),
        }
        let present = self.raw();
        let measure = self.measure;
        let rescaled = |value: f64| match measure {
            Gap::Level => value * factor,
            Gap::Ratio => value * of_ratio,
            Gap::Discount => discount((1.0 - value / PERCENT) * of_ratio),
            Gap::Difference => present.unwrap_or(value),
        };
        if let Some(now) = &mut self.now {
            now.value = rescaled(now.value);
            now.needed = rescaled(now.needed);
        }
        if let Some(episode) = &mut self.episode {
            episode.widest.value = rescaled(episode.widest.value);
        }
    }
}

/// What is left of a ratio to one, in percent.
fn discount(ratio: f64) -> f64 {
    (1.0 - ratio) * PERCENT
}

/// Whether a width is at an edge or beyond, up to rounding.
fn reaches(width: f64, edge: f64) -> bool {
    width >= edge - EDGE_TIE * edge.abs().max(1.0)
}

impl State {
    /// The value that a series printed, where the measure can take it.
    fn print(&self, section: &Section<'_>, input: usize) -> Option<Held> {
        let close = section.close(input);
        let value = match self.measure {
            Gap::Ratio | Gap::Discount => positive(close),
            Gap::Level | Gap::Difference => close.filter(|value| value.abs() <= 1e100),
        }?;
        let observed = section.values[input].and_then(|point| point.observed);
        Some(Held {
            value,
            date: observed.map_or(section.date(), |observed| observed.utc_date()),
        })
    }

    /// What goes into the history.
    fn raw(&self) -> Option<f64> {
        let series = self.series?.value;
        Some(match self.measure {
            Gap::Level => series,
            Gap::Ratio | Gap::Discount => series / self.against?.value,
            Gap::Difference => series - self.against?.value,
        })
    }

    /// The present measure, which then becomes part of the history.
    fn measure(&mut self, params: &Params, date: Date) -> Option<Width> {
        let raw = self.raw()?;
        let history = u32::try_from(self.history.len()).unwrap_or(u32::MAX);
        let is_ranked = history >= params.min_history();
        let rank = self.history.percentile_rank(raw).filter(|_| is_ranked);
        let grows = self.grows_wider(params);
        let mut now = Width {
            value: self.of_raw(raw),
            date,
            percentile: rank.map(|rank| if grows { rank } else { 1.0 - rank } * PERCENT),
            history,
            is_wide: false,
            needed: self.needed(params).unwrap_or(self.of_raw(raw)),
        };
        now.is_wide = is_wide(params, &now);
        self.history.push(raw);
        Some(now)
    }

    fn of_raw(&self, raw: f64) -> f64 {
        match self.measure {
            Gap::Discount => discount(raw),
            Gap::Level | Gap::Ratio | Gap::Difference => raw,
        }
    }

    /// Whether what goes into the history grows as the gap widens.
    fn grows_wider(&self, params: &Params) -> bool {
        (params.direction() == Direction::Up) != (self.measure == Gap::Discount)
    }

    /// About which measure an opening asks for; without conditions the widest in the history.
    fn needed(&self, params: &Params) -> Option<f64> {
        let direction = params.direction();
        let quantile = |percentile: f64| {
            let share = percentile / PERCENT;
            let share = if self.grows_wider(params) {
                share
            } else {
                1.0 - share
            };
            self.history.quantile(share).map(|raw| self.of_raw(raw))
        };
        let by_rank = match (params.open_percentile, params.open_at) {
            (None, Some(_)) => None,
            (percentile, _) => quantile(percentile.unwrap_or(PERCENT)),
        };
        let widths = [params.open_at, by_rank].into_iter().flatten();
        let widest = widths.map(|value| along(direction, value)).reduce(f64::max);
        widest.map(|width| along(direction, width))
    }

    fn turn(&mut self, params: &Params, now: &Width) -> Change {
        match self.phase {
            Phase::Unarmed => {
                if !now.is_wide {
                    self.phase = Phase::Armed;
                }
                Change::Quiet
            }
            Phase::Armed if now.is_wide => {
                self.phase = Phase::Open;
                let mut episode = Episode {
                    since: now.date,
                    widest: now.held(),
                    is_closing: false,
                    used: 0,
                };
                episode.reaches_level(params, now);
                self.episode = Some(episode);
                Change::Open(WIDE)
            }
            Phase::Armed => Change::Quiet,
            Phase::Open => {
                let Some(episode) = &mut self.episode else {
                    return Change::Hold;
                };
                let change = episode.go_on(params, now);
                if let Change::Resolve(_) = change {
                    self.phase = Phase::Armed;
                }
                change
            }
        }
    }

    /// The measure against what the next event needs: in an episode the edge at which it is closing, or, once it is,
    /// that of the opening.
    fn distance(&self, params: &Params, now: &Width, change: &Change) -> Measure {
        let direction = params.direction();
        let episode = self.episode.as_ref().filter(|_| self.phase == Phase::Open);
        let edge = match episode {
            Some(episode) if !episode.is_closing => episode.closing_edge(params),
            _ => now.needed,
        };
        let (width, needed) = (along(direction, now.value), along(direction, edge));
        let (threshold, distance) = match change {
            Change::Open(_) | Change::Resolve(_) => (now.needed, 0.0),
            Change::Quiet => (edge, needed - width),
            Change::Hold | Change::Escalate(_) | Change::Ease(_) => (edge, width - needed),
        };
        Measure {
            value: now.value,
            threshold,
            distance: distance.max(0.0),
        }
    }
}

/// Whether the conditions for opening hold; never without one.
fn is_wide(params: &Params, now: &Width) -> bool {
    let direction = params.direction();
    let width = along(direction, now.value);
    let has_one = params.open_at.is_some() || params.open_percentile.is_some();
    let is_at = |at| reaches(width, along(direction, at));
    let is_rare = |needed| now.percentile.is_some_and(|rank| reaches(rank, needed));
    has_one && params.open_at.is_none_or(is_at) && params.open_percentile.is_none_or(is_rare)
}

impl Width {
    fn held(&self) -> Held {
        Held {
            value: self.value,
            date: self.date,
        }
    }
}

impl Episode {
    /// Takes in the next measure.
    fn go_on(&mut self, params: &Params, now: &Width) -> Change {
        let direction = params.direction();
        let width = along(direction, now.value);
        let widest = along(direction, self.widest.value);
        if width > widest {
            self.widest = now.held();
            let was_closing = std::mem::take(&mut self.is_closing);
            return match (self.reaches_level(params, now), was_closing) {
                (true, _) => Change::Escalate(LEVEL),
                (false, true) => Change::Escalate(WIDER),
                (false, false) => Change::Hold,
            };
        }
        let edge = along(direction, self.closing_edge(params));
        if width >= widest || !reaches(-width, -edge) {
            return Change::Hold;
        }
        if !now.is_wide {
            return Change::Resolve(CLOSED);
        }
        if std::mem::replace(&mut self.is_closing, true) {
            Change::Hold
        } else {
            Change::Ease(CLOSING)
        }
    }

    /// The measure at which the gap is closing.
    fn closing_edge(&self, params: &Params) -> f64 {
        let widest = self.widest.value;
        let by = params.closing.unwrap_or(CLOSING_SHARE * widest.abs());
        match params.direction() {
            Direction::Up => widest - by,
            Direction::Down => widest + by,
        }
    }

    /// Uses up the escalations that the measure has reached; whether there were any.
    fn reaches_level(&mut self, params: &Params, now: &Width) -> bool {
        let direction = params.direction();
        let width = along(direction, now.value);
        let before = self.used;
        for (bit, at) in params.escalate_at.iter().enumerate() {
            if reaches(width, along(direction, *at)) {
                self.used |= 1 << bit;
            }
        }
        self.used != before
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    use super::level_approach::Side;
    let params = |measure, wide, open_at, open_percentile, escalate_at: &[f64], closing| Params {
        measure,
        series: "A".to_owned(),
        against: (measure != Gap::Level).then(|| "B".to_owned()),
        wide,
        open_at,
        open_percentile,
        escalate_at: escalate_at.to_vec(),
        closing,
        trailing: 200,
        min_history: Some(20),
    };
    let (above, below) = (Side::Above, Side::Below);
    vec![
        params(
            Gap::Discount,
            above,
            Some(0.5),
            None,
            &[2.0, 4.0],
            Some(0.3),
        ),
        params(Gap::Ratio, below, Some(0.99), Some(80.0), &[], Some(0.004)),
        params(Gap::Difference, above, None, Some(85.0), &[4.0], None),
        params(Gap::Level, above, Some(101.0), None, &[102.5], Some(1.0)),
    ]
}

#[cfg(test)]
mod tests;
