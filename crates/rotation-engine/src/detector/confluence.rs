//! Rules that open close together, folded into one episode.

use super::{Account, Change, Detector, Measure, Names, ParamError, Step, Unit};
use crate::alert::{Evidence, Fact};
use crate::detector::text;
use crate::section::{Began, Section};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Parameters of `confluence`: several rules that open within a window are parts of one episode.
///
/// The parts' own events are still published, in the order of their sessions, but they carry the episode as
/// `parent_episode` and are told in the digest, so that a desk gets one message instead of many; only what pages is
/// told as before. A part's event waits until this rule has decided the same bucket, so one halted member of one part
/// holds up the events of all until the horizon has passed it. A rule is a part of at most one other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The rules that are parts, by name; of the same clock, 2 to 64.
    pub rules: Vec<String>,
    /// What it speaks about, such as `rotation`. Default: the rules' names joined by `+`.
    pub subject: Option<String>,
    /// How many of them have to open within the window. Default 3; 2 to the number of rules.
    #[serde(default = "open_at_default")]
    pub open_at: u32,
    /// Numbers of parts in the episode that escalate it, each once; ascending, each above `open_at`. Default none.
    #[serde(default)]
    pub escalate_at: Vec<u32>,
    /// Sections that openings may lie apart, the first and the last included. The episode ends when no part has opened
    /// or escalated for so many. Default 10; 1 to 10,000.
    #[serde(default = "window_default")]
    pub window: u32,
}

fn open_at_default() -> u32 {
    3
}

fn window_default() -> u32 {
    10
}

/// Rung of the opening.
pub const OPEN: &str = "open";
/// Rung of an escalation by a configured number of parts.
pub const PARTS: &str = "parts";
/// Reason of the end: no part opened or escalated for a whole window.
pub const QUIET: &str = "quiet";

impl super::Params for Params {
    fn inputs(&self) -> Vec<String> {
        Vec::new()
    }

    fn reads(&self) -> Vec<String> {
        self.rules.clone()
    }

    fn folds(&self) -> bool {
        true
    }

    fn subject(&self) -> String {
        self.subject.clone().unwrap_or_else(|| self.rules.join("+"))
    }

    fn check(&self) -> Result<(), ParamError> {
        let count = u32::try_from(self.rules.len()).unwrap_or(u32::MAX);
        if !(2..=64).contains(&count) {
            return Err(ParamError::new("rules", "2 to 64 rules", count));
        }
        let mut names = self.rules.clone();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let found = format!("\"{}\" twice", twice[0]);
            return Err(ParamError::new("rules", "each rule once", found));
        }
        if !(2..=count).contains(&self.open_at) {
            let expected = format!("2 to {count}, the number of rules");
            return Err(ParamError::new("open_at", expected, self.open_at));
        }
        let ascends = self.escalate_at.windows(2).all(|pair| pair[0] < pair[1]);
        let bounds = self.open_at + 1..=count;
        if !ascends || !self.escalate_at.iter().all(|at| bounds.contains(at)) {
            let expected = format!("ascending numbers above open_at, up to {count}");
            let found = format!("{:?}", self.escalate_at);
            return Err(ParamError::new("escalate_at", expected, found));
        }
        if !(1..=10_000).contains(&self.window) {
            return Err(ParamError::new("window", "1 to 10000", self.window));
        }
        Ok(())
    }

    fn check_units(&self, _units: &[Unit]) -> Result<(), ParamError> {
        Ok(())
    }

    fn minds_absent_inputs(&self) -> bool {
        false
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[OPEN, PARTS]
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn reads_ticks(&self) -> bool {
        false
    }

    fn unit(&self, _series_unit: Unit) -> String {
        "rules".to_owned()
    }
}

/// State of `confluence`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Sections so far.
    sections: u64,
    date: Date,
    /// For each rule, its latest opening and its latest event of note.
    parts: Vec<Part>,
    episode: Option<Episode>,
    /// The parts of the episode that ended at the last section.
    ended: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Part {
    opened: Option<(u64, Date)>,
    moved: Option<u64>,
    is_open: bool,
    value: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Episode {
    /// Positions of the rules, in the order in which they joined.
    parts: Vec<usize>,
    /// The most parts that escalated it.
    escalated: u32,
}

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            sections: 0,
            date: Date::MIN,
            parts: vec![Part::default(); params.rules.len()],
            episode: None,
            ended: Vec::new(),
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        if !section.said.iter().any(Option::is_some) {
            return Step::passed_over(self.episode.is_some());
        }
        self.sections += 1;
        self.date = section.date();
        self.listen(section);
        let change = self.decide(params);
        let count = match &self.episode {
            Some(episode) => episode.parts.len(),
            None => self.recent(params).len(),
        };
        let value = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let rungs = std::iter::once(&params.open_at).chain(&params.escalate_at);
        let last = *params.escalate_at.last().unwrap_or(&params.open_at);
        let next = rungs.copied().map(f64::from).find(|rung| *rung >= value);
        let threshold = next.unwrap_or(f64::from(last));
        Step {
            reading: Some(Measure {
                value,
                threshold,
                distance: (threshold - value).max(0.0),
            }),
            change,
        }
    }

    fn account(&self, params: &Params, _names: Names<'_>, change: &Change) -> Account {
        let recent;
        let parts = match (&self.episode, change) {
            (Some(episode), _) => &episode.parts,
            (None, Change::Resolve(_)) => &self.ended,
            (None, _) => {
                recent = self.recent(params);
                &recent
            }
        };
        let list: Vec<Fact> = parts.iter().map(|at| self.fact(params, *at)).collect();
        let names: Vec<&str> = parts.iter().map(|at| params.rules[*at].as_str()).collect();
        let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let told = text::counted(count, "rule");
        let subject = super::Params::subject(params);
        let window = text::counted(params.window, "section");
        let headline = match change {
            Change::Resolve(_) => format!("{subject}: quiet for {window}; it had {told}"),
            _ if parts.is_empty() => format!("{subject}: no rule opened within {window}"),
            _ => format!("{subject}: {told} within {window}: {}", names.join(", ")),
        };
        Account {
            evidence: Evidence::from([
                ("parts".to_owned(), list.into()),
                ("count".to_owned(), count.into()),
                ("window".to_owned(), params.window.into()),
            ]),
            headline,
            reverses: format!("{window} in which none of its rules opens or escalates"),
            direction: None,
        }
    }

    fn rescale(&mut self, _input: usize, _factor: f64) {}
}

impl State {
    fn listen(&mut self, section: &Section<'_>) {
        for (part, said) in self.parts.iter_mut().zip(section.said) {
            let Some(said) = said else { continue };
            if said.began == Some(Began::Opened) {
                part.opened = Some((self.sections, self.date));
            }
            if matches!(said.began, Some(Began::Opened | Began::Moved)) {
                part.moved = Some(self.sections);
            }
            part.is_open = said.is_open;
            part.value = said.reading.map(|measure| measure.value);
        }
    }

    fn decide(&mut self, params: &Params) -> Change {
        let recent = self.recent(params);
        let now = self.sections;
        let is_active = |part: &Part| {
            part.moved
                .is_some_and(|moved| now - moved < u64::from(params.window))
        };
        let is_quiet = !self.parts.iter().any(is_active);
        let Some(episode) = &mut self.episode else {
            if u32::try_from(recent.len()).unwrap_or(u32::MAX) < params.open_at {
                return Change::Quiet;
            }
            let escalated = u32::try_from(recent.len()).unwrap_or(u32::MAX);
            self.episode = Some(Episode {
                parts: recent,
                escalated,
            });
            return Change::Open(OPEN);
        };
        if is_quiet {
            self.ended = std::mem::take(&mut episode.parts);
            self.episode = None;
            return Change::Resolve(QUIET);
        }
        for at in recent {
            if !episode.parts.contains(&at) {
                episode.parts.push(at);
            }
        }
        let count = u32::try_from(episode.parts.len()).unwrap_or(u32::MAX);
        let mut rungs = params.escalate_at.iter();
        let escalates = rungs.any(|rung| episode.escalated < *rung && *rung <= count);
        episode.escalated = episode.escalated.max(count);
        if escalates {
            Change::Escalate(PARTS)
        } else {
            Change::Hold
        }
    }

    /// The rules that opened within the window, earliest first.
    fn recent(&self, params: &Params) -> Vec<usize> {
        let opened = self.parts.iter().map(|part| part.opened).enumerate();
        let mut recent: Vec<(u64, usize)> = opened
            .filter_map(|(at, opened)| Some((opened?.0, at)))
            .filter(|(opened, _)| self.sections - opened < u64::from(params.window))
            .collect();
        recent.sort_unstable();
        recent.into_iter().map(|(_, at)| at).collect()
    }

    fn fact(&self, params: &Params, at: usize) -> Fact {
        let part = &self.parts[at];
        let mut fact = Evidence::from([
            ("rule".to_owned(), params.rules[at].as_str().into()),
            ("open".to_owned(), part.is_open.into()),
        ]);
        if let Some((_, opened)) = part.opened {
            fact.insert("opened".to_owned(), opened.into());
        }
        if let Some(value) = part.value {
            fact.insert("value".to_owned(), crate::alert::round(value, 6).into());
        }
        fact.into()
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |open_at, escalate_at: &[u32], window| Params {
        rules: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
        subject: None,
        open_at,
        escalate_at: escalate_at.to_vec(),
        window,
    };
    vec![params(2, &[3, 4], 10), params(3, &[], 20)]
}
