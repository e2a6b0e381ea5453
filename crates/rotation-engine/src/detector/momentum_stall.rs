//! A leader that stalls: strong for long, and no longer.

use super::{
    Account, Change, Detector, Measure, Names, ParamError, Step, TIE, Unit, bounds, positive,
};
use crate::indicator::Rsi;
use crate::section::Section;
use crate::window::RollingMax;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

mod account;

/// Parameters of `momentum_stall`: a series that has a strong return over a long window and led its benchmark over it,
/// whose return over a short window is no longer positive, and which no longer gains on the benchmark over that one.
///
/// Returns are simple, over sections that have both series; others are passed over. All are in percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The leader: a symbol.
    pub series: String,
    /// What it is held against: another symbol, of the same adjustment basis.
    pub benchmark: String,
    /// Sessions of the long window. Default 126; above `short`, to 2,520.
    #[serde(default = "long_default")]
    pub long: u32,
    /// Sessions of the short window. Default 21; 2 to 1,260.
    #[serde(default = "short_default")]
    pub short: u32,
    /// Return over the long window that makes a leader, in percent, inclusive. Default 20; above 0, to 1,000.
    #[serde(default = "strong_pct_default")]
    pub strong_pct: f64,
    /// Return over the short window at which a leader stalls, in percent, inclusive. Default 0; −50 to 50. Its ratio to
    /// the benchmark must not have risen over that window, nor fallen over the long one.
    #[serde(default)]
    pub stall_pct: f64,
    /// Return over the short window at which it goes on, in percent, inclusive. Default 5; above `stall_pct`, to 1,000.
    /// A new high of its ratio to the benchmark ends the episode as well.
    #[serde(default = "resume_pct_default")]
    pub resume_pct: f64,
}

fn long_default() -> u32 {
    126
}

fn short_default() -> u32 {
    21
}

fn strong_pct_default() -> f64 {
    20.0
}

fn resume_pct_default() -> f64 {
    5.0
}

const SHORT_MIN: u32 = 2;
const SHORT_MAX: u32 = 1_260;
const LONG_MAX: u32 = 2_520;
const STALL_MAX: f64 = 50.0;
const RETURN_MAX: f64 = 1_000.0;

/// Changes that Wilder's index looks at.
const RSI_PERIOD: u32 = 14;

impl super::Params for Params {
    fn inputs(&self) -> Vec<String> {
        vec![self.series.clone(), self.benchmark.clone()]
    }

    fn subject(&self) -> String {
        format!("{}/{}", self.series, self.benchmark)
    }

    fn check(&self) -> Result<(), ParamError> {
        for (key, symbol) in [("series", &self.series), ("benchmark", &self.benchmark)] {
            bounds::symbol(key, symbol)?;
        }
        if self.series == self.benchmark {
            let expected = "another series";
            return Err(ParamError::new("benchmark", expected, &self.benchmark));
        }
        if !(SHORT_MIN..=SHORT_MAX).contains(&self.short) {
            let expected = format!("{SHORT_MIN} to {SHORT_MAX} sessions");
            return Err(ParamError::new("short", expected, self.short));
        }
        if !(self.short + 1..=LONG_MAX).contains(&self.long) {
            let expected = format!("above short ({}), to {LONG_MAX} sessions", self.short);
            return Err(ParamError::new("long", expected, self.long));
        }
        if !(self.strong_pct > 0.0 && self.strong_pct <= RETURN_MAX) {
            let expected = format!("above 0, to {RETURN_MAX} percent");
            return Err(ParamError::new("strong_pct", expected, self.strong_pct));
        }
        if !(-STALL_MAX..=STALL_MAX).contains(&self.stall_pct) {
            let expected = format!("-{STALL_MAX} to {STALL_MAX} percent");
            return Err(ParamError::new("stall_pct", expected, self.stall_pct));
        }
        if !(self.resume_pct > self.stall_pct && self.resume_pct <= RETURN_MAX) {
            let expected = format!(
                "above stall_pct ({}), to {RETURN_MAX} percent",
                self.stall_pct
            );
            return Err(ParamError::new("resume_pct", expected, self.resume_pct));
        }
        Ok(())
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        bounds::have_returns(&["series", "benchmark"], units)
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[STALLED]
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn reads_ticks(&self) -> bool {
        false
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "percent".to_owned()
    }
}

/// Rung of the opening.
pub const STALLED: &str = "stalled";

/// Reason of the end: the short return is high enough again.
pub const RESUMED: &str = "resumed";
/// Reason of the end: the ratio to the benchmark is higher than ever in the long window.
pub const NEW_HIGH: &str = "new_high";
/// Reason of the end: the return over the long window is gone; this is a decline, not a pause.
pub const SPENT: &str = "spent";

/// State of `momentum_stall`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Closes of series and benchmark, the oldest first, one more than `long` at most.
    closes: VecDeque<[f64; 2]>,
    /// Ratio of series to benchmark over the `long` sections before the last one, with their dates.
    ratios: RollingMax<Date>,
    sections: u64,
    rsi: Rsi,
    /// What was read last.
    read: Option<Read>,
    is_open: bool,
    /// The episode that is open, or was last.
    episode: Option<Episode>,
}

/// What one section says; returns are fractions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Read {
    date: Date,
    /// Return of the series over the long and the short window.
    long: f64,
    short: f64,
    /// Relative change of its ratio to the benchmark over them.
    relative_long: f64,
    relative_short: f64,
    /// How far the ratio has to rise, as a fraction, to stand at its highest of the sections before; negative beyond.
    below_high: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Episode {
    opened: Read,
    sessions: u32,
    /// The lowest return over the short window so far.
    weakest: Read,
}

impl Read {
    /// What is missing until each condition of an opening holds, in percent; zero or less where it does.
    fn missing(&self, params: &Params) -> [f64; 4] {
        [
            params.strong_pct - self.long * 100.0,
            -self.relative_long * 100.0,
            self.short * 100.0 - params.stall_pct,
            self.relative_short * 100.0,
        ]
    }

    /// Likewise until each end: resumed, new high, spent.
    fn missing_to_end(&self, params: &Params) -> [f64; 3] {
        [
            params.resume_pct - self.short * 100.0,
            self.below_high * 100.0,
            self.long * 100.0,
        ]
    }
}

/// Percent that are rounding.
const PERCENT_TIE: f64 = TIE * 100.0;

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            closes: VecDeque::new(),
            ratios: RollingMax::new(params.long.into()),
            sections: 0,
            rsi: Rsi::new(RSI_PERIOD),
            read: None,
            is_open: false,
            episode: None,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let closes = [positive(section.close(0)), positive(section.close(1))];
        let [Some(series), Some(benchmark)] = closes else {
            return Step::passed_over(self.is_open);
        };
        if self.closes.len() > params.long as usize {
            self.closes.pop_front();
        }
        self.closes.push_back([series, benchmark]);
        self.rsi.push(series);
        let date = section.date();
        self.read = self.read(params, date);
        self.sections += 1;
        self.ratios.push(self.sections, series / benchmark, date);
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
        for closes in &mut self.closes {
            closes[input] *= factor;
        }
        if input == 0 {
            self.ratios.scale(factor);
            self.rsi.scale(factor);
        } else {
            self.ratios.scale(1.0 / factor);
        }
    }
}

impl State {
    /// The present section against those before it; none until the long window is full.
    fn read(&self, params: &Params, date: Date) -> Option<Read> {
        let now = self.closes.back()?;
        let last = self.closes.len() - 1;
        let back = |sessions: u32| self.closes.get(last.checked_sub(sessions as usize)?);
        let (long, short) = (back(params.long)?, back(params.short)?);
        let change = |then: &[f64; 2]| {
            let [series, benchmark] = [0, 1].map(|input| now[input] / then[input]);
            [series - 1.0, series / benchmark - 1.0]
        };
        let [[long, relative_long], [short, relative_short]] = [long, short].map(change);
        let high = self.ratios.get()?.value;
        let read = Read {
            date,
            long,
            short,
            relative_long,
            relative_short,
            below_high: high / (now[0] / now[1]) - 1.0,
        };
        let all = [long, short, relative_long, relative_short, read.below_high];
        // Percentages of what is left have to be finite, too.
        all.iter().all(|value| value.abs() < 1e100).then_some(read)
    }

    fn turn(&mut self, params: &Params, read: Read) -> Change {
        let Some(episode) = self.episode.as_mut().filter(|_| self.is_open) else {
            let holds = |missing: &f64| *missing <= PERCENT_TIE;
            if !read.missing(params).iter().all(holds) {
                return Change::Quiet;
            }
            self.is_open = true;
            self.episode = Some(Episode {
                opened: read,
                sessions: 1,
                weakest: read,
            });
            return Change::Open(STALLED);
        };
        episode.sessions = episode.sessions.saturating_add(1);
        if read.short < episode.weakest.short {
            episode.weakest = read;
        }
        match ending(params, &read) {
            Some(reason) => {
                self.is_open = false;
                Change::Resolve(reason)
            }
            None => Change::Hold,
        }
    }

    /// The short return against the level that opens or ends; what is missing is that of the condition furthest from
    /// an opening, or of the end that is nearest.
    fn measure(&self, params: &Params, read: Read, change: &Change) -> Measure {
        let was_open = self.is_open || matches!(change, Change::Resolve(_));
        let is_event = matches!(change, Change::Open(_) | Change::Resolve(_));
        let (threshold, distance) = match (change, was_open) {
            (Change::Open(_), _) => (params.stall_pct, 0.0),
            (_, true) => {
                let nearest = read
                    .missing_to_end(params)
                    .into_iter()
                    .fold(f64::MAX, f64::min);
                (params.resume_pct, nearest)
            }
            (_, false) => {
                let furthest = read.missing(params).into_iter().fold(0.0, f64::max);
                (params.stall_pct, furthest)
            }
        };
        Measure {
            value: read.short * 100.0,
            threshold,
            distance: if is_event { 0.0 } else { distance.max(0.0) },
        }
    }
}

/// Why an episode ends at such a section, if it does.
fn ending(params: &Params, read: &Read) -> Option<&'static str> {
    let [to_resume, to_high, to_nothing] = read.missing_to_end(params);
    if to_high < -PERCENT_TIE {
        Some(NEW_HIGH)
    } else if to_resume <= PERCENT_TIE {
        Some(RESUMED)
    } else if to_nothing <= PERCENT_TIE {
        Some(SPENT)
    } else {
        None
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |long, short, strong_pct, stall_pct, resume_pct| Params {
        series: "A".to_owned(),
        benchmark: "B".to_owned(),
        long,
        short,
        strong_pct,
        stall_pct,
        resume_pct,
    };
    vec![
        params(30, 5, 2.0, 0.0, 1.5),
        params(20, 3, 1.0, -0.5, 2.0),
        params(10, 2, 3.0, 1.0, 3.0),
    ]
}

#[cfg(test)]
mod tests;
