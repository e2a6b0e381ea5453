//! How much a leader's lead over a laggard moves with a yield.

use super::delta::Delta;
use super::{Account, Change, Detector, Measure, Names, Step};
use crate::alert::Direction;
use crate::section::Section;
use crate::window::{Regression, RollingPairs};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

mod account;
mod params;

pub use params::{Params, Sign};

/// Rung of an opening after the other sign counted.
pub const FLIPPED: &str = "flipped";
/// Rung of an opening without a change of sign.
pub const SIGNIFICANT: &str = "significant";

/// Reason of the end: t is below `t_end`.
pub const FADED: &str = "faded";
/// Reason of the end: the other sign counts.
pub const REVERSED: &str = "reversed";

/// State of `rate_sensitivity`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The values of the three series at the last section that had them all.
    last: Option<[f64; 3]>,
    /// Change of the yield and of the lead, in basis points.
    changes: RollingPairs,
    /// What was read last.
    read: Option<Read>,
    /// The sign that counted last.
    established: Option<Established>,
    is_open: bool,
    /// The episode that is open, or was last.
    episode: Option<Episode>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Read {
    date: Date,
    beta: f64,
    standard_error: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Established {
    sign: Sign,
    /// The first section at which it counted after the other one.
    since: Date,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Episode {
    opened: Read,
    /// The other sign, where it counted before.
    before: Option<Established>,
    /// The section with the largest t toward the sign.
    strongest: Read,
}

/// Basis points in a return of one, and in a percent.
const BP_OF_ONE: f64 = 1e4;
const BP_OF_PERCENT: f64 = 100.0;

impl Sign {
    /// The value, positive toward this sign.
    fn toward(self, value: f64) -> f64 {
        match self {
            Sign::Negative => -value,
            Sign::Positive => value,
        }
    }

    fn other(self) -> Sign {
        match self {
            Sign::Negative => Sign::Positive,
            Sign::Positive => Sign::Negative,
        }
    }

    fn direction(self) -> Direction {
        match self {
            Sign::Negative => Direction::Down,
            Sign::Positive => Direction::Up,
        }
    }
}

impl Read {
    fn t(&self) -> f64 {
        self.beta / self.standard_error
    }
}

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            last: None,
            changes: RollingPairs::new(params.window as usize),
            read: None,
            established: None,
            is_open: false,
            episode: None,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let deltas = [Delta::Return, Delta::Return, Delta::Difference];
        let values = [0, 1, 2].map(|input| deltas[input].value(section.close(input)));
        let [Some(leader), Some(laggard), Some(rate)] = values else {
            return Step::passed_over(self.is_open);
        };
        let now = [leader, laggard, rate];
        let Some(before) = self.last.replace(now) else {
            return Step::passed_over(self.is_open);
        };
        let [ahead, behind, moved] =
            [0, 1, 2].map(|input| deltas[input].between(before[input], now[input]));
        self.changes
            .push([moved * BP_OF_PERCENT, (ahead - behind) * BP_OF_ONE]);
        self.read = self.regress(params, section.date());
        let Some(read) = self.read else {
            return Step::passed_over(self.is_open);
        };
        let change = self.turn(params, read);
        Step {
            reading: Some(self.measure(params, read, &change)),
            change,
        }
    }

    fn account(&self, params: &Params, _names: Names<'_>, change: &Change) -> Account {
        self.tell(params, change)
    }

    fn rescale(&mut self, input: usize, factor: f64) {
        if let Some(value) = self.last.as_mut().and_then(|last| last.get_mut(input)) {
            *value *= factor;
            if input == 2 {
                self.changes.scale(0, factor);
            }
        }
    }
}

impl State {
    fn regress(&self, params: &Params, date: Date) -> Option<Read> {
        if !self.changes.is_full() {
            return None;
        }
        let fit = Regression::fit(self.changes.pairs(), params.lags())?;
        let read = Read {
            date,
            beta: fit.slope,
            standard_error: fit.standard_error,
        };
        let is_usable = read.beta.is_finite() && read.standard_error.is_finite();
        (is_usable && read.t().is_finite()).then_some(read)
    }

    fn turn(&mut self, params: &Params, read: Read) -> Change {
        let before = self.established;
        self.establish(params, read);
        let toward = params.sign.toward(read.t());
        if let Some(episode) = self.episode.as_mut().filter(|_| self.is_open) {
            if toward > params.sign.toward(episode.strongest.t()) {
                episode.strongest = read;
            }
            if toward >= params.t_end && toward > 0.0 {
                return Change::Hold;
            }
            self.is_open = false;
            let is_reversed = -toward >= params.t_open;
            return Change::Resolve(if is_reversed { REVERSED } else { FADED });
        }
        let before = before.filter(|before| before.sign == params.sign.other());
        if toward < params.t_open || (before.is_none() && params.flips_only) {
            return Change::Quiet;
        }
        self.is_open = true;
        self.episode = Some(Episode {
            opened: read,
            before,
            strongest: read,
        });
        Change::Open(if before.is_some() {
            FLIPPED
        } else {
            SIGNIFICANT
        })
    }

    /// Notes a sign that counts.
    fn establish(&mut self, params: &Params, read: Read) {
        let sign = if read.beta < 0.0 {
            Sign::Negative
        } else {
            Sign::Positive
        };
        let counts = read.t().abs() >= params.t_open;
        if counts && self.established.is_none_or(|last| last.sign != sign) {
            self.established = Some(Established {
                sign,
                since: read.date,
            });
        }
    }

    /// The slope against the one that was crossed, or that the next event needs, at the present standard error: where a
    /// change of sign has to come first, the one at which the other sign counts.
    fn measure(&self, params: &Params, read: Read, change: &Change) -> Measure {
        let (sign, error) = (params.sign, read.standard_error);
        let is_armed = !params.flips_only
            || self
                .established
                .is_some_and(|established| established.sign == sign.other());
        let edge = match change {
            Change::Open(_) => sign.toward(params.t_open * error),
            Change::Resolve(_) => sign.toward(params.t_end * error),
            _ if self.is_open => sign.toward(params.t_end * error),
            _ if is_armed => sign.toward(params.t_open * error),
            _ => sign.other().toward(params.t_open * error),
        };
        let distance = match change {
            Change::Open(_) | Change::Resolve(_) => 0.0,
            _ => (read.beta - edge).abs(),
        };
        Measure {
            value: read.beta,
            threshold: edge,
            distance,
        }
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |window, lags, sign, t_open, t_end, flips_only| Params {
        leader: "A".to_owned(),
        laggard: "B".to_owned(),
        rate: "C".to_owned(),
        window,
        lags,
        sign,
        t_open,
        t_end,
        flips_only,
    };
    vec![
        params(30, None, Sign::Negative, 1.5, 0.0, true),
        params(20, Some(0), Sign::Positive, 2.0, 0.5, false),
        params(12, Some(3), Sign::Negative, 1.0, 0.9, true),
    ]
}

#[cfg(test)]
mod tests;
