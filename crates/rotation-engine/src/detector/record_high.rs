//! New highs after a drought.

use super::day::Day;
use super::{
    Account, Change, Detector, Measure, Names, ParamError, Step, TIE, Unit, bounds, positive,
};
use crate::section::Section;
use crate::window::RollingMax;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

mod account;
mod lookback;

pub use lookback::Lookback;

/// Parameters of `record_high`: new highs of a series after a time without one.
///
/// On the clock `session` a record is a closing one. On `tick` and on intervals it is intraday, and the sessions
/// counted are the dates in UTC on which the series had values. A drawdown in percent asks for positive values: others
/// are passed over as if missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The series: a symbol.
    pub series: String,
    /// A record lies strictly above every value of so many sessions before it. Default "all", the whole history; else 2
    /// to 100,000 sessions (252 make the year's high). Nothing is called a record before so much history was seen.
    #[serde(default)]
    pub lookback: Lookback,
    /// Sessions without a record that have to lie behind one for it to open an episode. Default 10; 0 to 100,000. With
    /// 0 every record opens one.
    #[serde(default = "sessions_default")]
    pub drought_sessions: u32,
    /// Fall from the previous record to the lowest value since, in percent, that has to lie behind a record, too, for
    /// it to open an episode. Default 0; 0 to below 100. With 10, first records after a correction of the market.
    #[serde(default)]
    pub drawdown_pct: f64,
    /// Sessions without a record that end an episode. Default 10; 1 to 100,000.
    #[serde(default = "sessions_default")]
    pub quiet_sessions: u32,
}

fn sessions_default() -> u32 {
    10
}

const SESSIONS_MAX: u32 = 100_000;

impl super::Params for Params {
    fn inputs(&self) -> Vec<String> {
        vec![self.series.clone()]
    }

    fn subject(&self) -> String {
        self.series.clone()
    }

    fn check(&self) -> Result<(), ParamError> {
        bounds::symbol("series", &self.series)?;
        if let Lookback::Sessions(sessions) = self.lookback
            && !(2..=SESSIONS_MAX).contains(&sessions)
        {
            let expected = format!("\"all\" or 2 to {SESSIONS_MAX} sessions");
            return Err(ParamError::new("lookback", expected, sessions));
        }
        if self.drought_sessions > SESSIONS_MAX {
            let expected = format!("0 to {SESSIONS_MAX} sessions");
            return Err(ParamError::new(
                "drought_sessions",
                expected,
                self.drought_sessions,
            ));
        }
        if !(0.0..100.0).contains(&self.drawdown_pct) {
            return Err(ParamError::new(
                "drawdown_pct",
                "0 to below 100 percent",
                self.drawdown_pct,
            ));
        }
        if !(1..=SESSIONS_MAX).contains(&self.quiet_sessions) {
            let expected = format!("1 to {SESSIONS_MAX} sessions");
            return Err(ParamError::new(
                "quiet_sessions",
                expected,
                self.quiet_sessions,
            ));
        }
        Ok(())
    }

    fn check_units(&self, _units: &[Unit]) -> Result<(), ParamError> {
        Ok(())
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[RECORD]
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn reads_ticks(&self) -> bool {
        true
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "percent".to_owned()
    }
}

/// Rung of the opening.
pub const RECORD: &str = "record";

/// Reason of the end: so many sessions without a record.
pub const QUIET: &str = "quiet";

/// State of `record_high`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    day: Day,
    /// The highest value of each session within a limited lookback, and its date.
    window: Option<RollingMax<Date>>,
    /// The last record; before there was one the first value.
    last: Option<Mark>,
    /// The lowest value since.
    trough: Option<Mark>,
    /// The last value.
    value: f64,
    this_year: YearCount,
    is_closing: bool,
    is_open: bool,
    /// The episode that is open, or was last.
    episode: Option<Episode>,
}

/// A value, and when it was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Mark {
    level: f64,
    date: Date,
    /// Its place among the sessions seen.
    session: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct YearCount {
    year: i16,
    records: u32,
}

/// An episode and what lay behind its first record.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Episode {
    first: Mark,
    previous: Mark,
    trough: Mark,
    records: u32,
}

/// Falls in percent are compared with a bound up to this much rounding.
const PERCENT_TIE: f64 = 1e-9;

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            day: Day::NONE,
            window: match params.lookback {
                Lookback::All => None,
                // So many sessions before the present one, and what there was of that.
                Lookback::Sessions(sessions) => Some(RollingMax::new(u64::from(sessions) + 1)),
            },
            last: None,
            trough: None,
            value: 0.0,
            this_year: YearCount::default(),
            is_closing: true,
            is_open: false,
            episode: None,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let Some(value) = positive(section.close(0)) else {
            return Step::passed_over(self.is_open);
        };
        self.day.turn(section);
        self.is_closing = section.bucket.date.is_some();
        self.value = value;
        let now = Mark {
            level: value,
            date: self.day.date,
            session: self.day.count,
        };
        if let Some(window) = &mut self.window {
            window.advance(now.session.into());
        }
        let to_beat = self.to_beat();
        if let Some(window) = &mut self.window {
            window.push(now.session.into(), value, now.date);
        }
        let (Some(to_beat), Some(last), Some(trough)) = (to_beat, self.last, self.trough) else {
            self.last = Some(now);
            self.trough = Some(now);
            return Step::passed_over(false);
        };
        let is_record = value > to_beat.level * (1.0 + TIE);
        let change = if is_record {
            self.record(params, now, last, trough)
        } else {
            self.no_record(params, now, last)
        };
        Step {
            reading: self.is_warm(params).then(|| measure(to_beat.level, value)),
            change,
        }
    }

    fn account(&self, params: &Params, names: Names<'_>, change: &Change) -> Account {
        self.tell(params, names, change)
    }

    fn rescale(&mut self, _input: usize, factor: f64) {
        self.value *= factor;
        if let Some(window) = &mut self.window {
            window.scale(factor);
        }
        let of_episode = self
            .episode
            .as_mut()
            .map(|e| [&mut e.first, &mut e.previous, &mut e.trough]);
        let marks = [self.last.as_mut(), self.trough.as_mut()]
            .into_iter()
            .flatten();
        for mark in marks.chain(of_episode.into_iter().flatten()) {
            mark.level *= factor;
        }
    }
}

fn measure(to_beat: f64, value: f64) -> Measure {
    let below = drawdown(to_beat, value).max(0.0);
    Measure {
        value: below,
        threshold: 0.0,
        distance: below,
    }
}

/// The fall from one value to another, in percent.
fn drawdown(from: f64, to: f64) -> f64 {
    (1.0 - to / from) * 100.0
}

impl State {
    /// The highest value within the lookback.
    fn to_beat(&self) -> Option<Mark> {
        match &self.window {
            None => self.last,
            Some(window) => window.get().map(|entry| Mark {
                level: entry.value,
                date: entry.tag,
                session: u32::try_from(entry.at).unwrap_or(u32::MAX),
            }),
        }
    }

    /// Whether enough sessions lie behind the present one to speak of a record.
    fn is_warm(&self, params: &Params) -> bool {
        let lookback = match params.lookback {
            Lookback::All => 1,
            Lookback::Sessions(sessions) => sessions,
        };
        self.day.count > lookback.max(params.drought_sessions)
    }

    fn record(&mut self, params: &Params, now: Mark, last: Mark, trough: Mark) -> Change {
        self.last = Some(now);
        self.trough = Some(now);
        if self.this_year.year != now.date.year() {
            self.this_year = YearCount {
                year: now.date.year(),
                records: 0,
            };
        }
        self.this_year.records = self.this_year.records.saturating_add(1);
        if let (true, Some(episode)) = (self.is_open, &mut self.episode) {
            episode.records = episode.records.saturating_add(1);
            return Change::Hold;
        }
        // The sessions strictly between this record and the last had none.
        let drought = now.session.saturating_sub(last.session).saturating_sub(1);
        let fell = drawdown(last.level, trough.level) + PERCENT_TIE >= params.drawdown_pct;
        if !(self.is_warm(params) && drought >= params.drought_sessions && fell) {
            return Change::Quiet;
        }
        self.is_open = true;
        self.episode = Some(Episode {
            first: now,
            previous: last,
            trough,
            records: 1,
        });
        Change::Open(RECORD)
    }

    fn no_record(&mut self, params: &Params, now: Mark, last: Mark) -> Change {
        if self.trough.is_none_or(|trough| now.level < trough.level) {
            self.trough = Some(now);
        }
        if !self.is_open {
            return Change::Quiet;
        }
        // A session bar is whole; of other clocks the present day may still bring a record.
        let sessions = now.session.saturating_sub(last.session);
        let quiet = if self.is_closing {
            sessions
        } else {
            sessions.saturating_sub(1)
        };
        if quiet < params.quiet_sessions {
            return Change::Hold;
        }
        self.is_open = false;
        Change::Resolve(QUIET)
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |lookback, drought_sessions, drawdown_pct, quiet_sessions| Params {
        series: "A".to_owned(),
        lookback,
        drought_sessions,
        drawdown_pct,
        quiet_sessions,
    };
    vec![
        params(Lookback::All, 3, 0.0, 3),
        params(Lookback::All, 0, 1.0, 1),
        params(Lookback::Sessions(20), 2, 0.5, 4),
    ]
}

#[cfg(test)]
mod tests;
