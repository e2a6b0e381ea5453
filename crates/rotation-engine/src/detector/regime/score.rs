//! The score: strengths by weight, fading, over the inputs that are there.

use super::{Params, is_event};
use crate::detector::ParamError;
use crate::section::{Said, Section};
use serde::{Deserialize, Serialize};

/// An input of `regime`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Voice {
    /// The rule's name.
    pub rule: String,
    /// How much it counts beside the others. Default 1; above 0.
    #[serde(default = "weight_default")]
    pub weight: f64,
    /// The reading at which it speaks for neither side. Default 0.
    #[serde(default)]
    pub neutral: f64,
    /// The reading at which it speaks for small companies as strongly as it can; below `neutral` where less of the
    /// reading is better for them. Between the two, and as far on the other side, it goes in proportion.
    pub full: Option<f64>,
    /// Instead of by its reading, it speaks by its episodes: strength, −1 to 1, at an opening or escalation.
    pub when_open: Option<f64>,
}

fn weight_default() -> f64 {
    1.0
}

/// An input that has not spoken for so many half-lives is missing.
const HALF_LIVES_MAX: f64 = 4.0;

impl Voice {
    pub(super) fn check(&self) -> Result<(), ParamError> {
        let at = |what: &str| format!("{what}, for \"{}\"", self.rule);
        let fault =
            |expected: &str, found: String| Err(ParamError::new("inputs", at(expected), found));
        if !(self.weight > 0.0 && self.weight.is_finite()) {
            return fault("a weight above 0", self.weight.to_string());
        }
        match (self.full, self.when_open) {
            (None, None) => fault("full or when_open", "neither".to_owned()),
            (Some(_), Some(_)) => fault("full or when_open", "both".to_owned()),
            (Some(full), None)
                if !full.is_finite() || !self.neutral.is_finite() || full == self.neutral =>
            {
                fault("a full that differs from neutral", full.to_string())
            }
            (None, Some(strength)) if !(-1.0..=1.0).contains(&strength) || strength == 0.0 => {
                fault(
                    "a when_open from -1 to 1, other than 0",
                    strength.to_string(),
                )
            }
            _ => Ok(()),
        }
    }

    /// What it says of a section, if anything.
    fn strength(&self, said: &Said) -> Option<f64> {
        match (self.full, self.when_open) {
            (Some(full), _) => {
                let value = said.reading.filter(|_| said.age == 0)?.value;
                Some(((value - self.neutral) / (full - self.neutral)).clamp(-1.0, 1.0))
            }
            (None, strength) => strength.filter(|_| is_event(said.began)),
        }
    }
}

/// What each input said last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Score {
    spoken: Vec<Spoken>,
}

/// What an input said last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Spoken {
    /// Its strength then; none before.
    strength: Option<f64>,
    /// Sections since.
    pub(super) age: u32,
    /// Sections since it was last there at all; none before.
    absent: Option<u32>,
    pub(super) value: Option<f64>,
}

/// What an input adds to the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Contribution {
    /// Position of the input.
    pub(super) input: usize,
    /// Strength by now, −1 to 1.
    pub(super) strength: f64,
    /// Its part of the score; they add up to it.
    pub(super) part: f64,
}

impl Score {
    pub(super) fn new(inputs: usize) -> Self {
        Score {
            spoken: vec![Spoken::default(); inputs],
        }
    }

    pub(super) fn spoken(&self, input: usize) -> &Spoken {
        &self.spoken[input]
    }

    pub(super) fn listen(&mut self, params: &Params, section: &Section<'_>) {
        let inputs = params.inputs.iter().zip(section.said);
        for (spoken, (voice, said)) in self.spoken.iter_mut().zip(inputs) {
            spoken.age = spoken.age.saturating_add(1);
            spoken.absent = spoken.absent.map(|sections| sections.saturating_add(1));
            let Some(said) = said else { continue };
            if said.age == 0 && said.reading.is_some() {
                spoken.absent = Some(0);
                spoken.value = said.reading.map(|measure| measure.value);
            }
            if let Some(strength) = voice.strength(said) {
                spoken.strength = Some(strength);
                spoken.age = 0;
            }
        }
    }

    /// The inputs that are there, with what each adds: strength by weight, over the weights of all that are there.
    pub(super) fn contributions(&self, params: &Params) -> Vec<Contribution> {
        let there = self.spoken.iter().zip(&params.inputs).enumerate();
        let there = there.filter(|(_, (spoken, _))| spoken.is_there(params));
        let weight: f64 = there.clone().map(|(_, (_, voice))| voice.weight).sum();
        let mut all: Vec<Contribution> = there
            .map(|(input, (spoken, voice))| {
                let strength = spoken.faded(params);
                Contribution {
                    input,
                    strength,
                    part: strength * voice.weight / weight,
                }
            })
            .collect();
        all.sort_by(|a, b| {
            b.part
                .abs()
                .total_cmp(&a.part.abs())
                .then(a.input.cmp(&b.input))
        });
        all
    }

    /// Positions of the inputs that are not there.
    pub(super) fn missing(&self, params: &Params) -> Vec<usize> {
        let missing = self.spoken.iter().enumerate();
        missing
            .filter(|(_, spoken)| !spoken.is_there(params))
            .map(|(input, _)| input)
            .collect()
    }

    /// The score; none where too little of the weight is there.
    pub(super) fn total(&self, params: &Params) -> Option<f64> {
        let all: f64 = params.inputs.iter().map(|voice| voice.weight).sum();
        let contributions = self.contributions(params);
        let there: f64 = contributions
            .iter()
            .map(|contribution| params.inputs[contribution.input].weight)
            .sum();
        (there >= params.min_weight * all).then(|| contributions.iter().map(|one| one.part).sum())
    }
}

impl Spoken {
    fn is_there(&self, params: &Params) -> bool {
        let bound = HALF_LIVES_MAX * params.half_life;
        self.absent
            .is_some_and(|sections| f64::from(sections) <= bound)
    }

    fn faded(&self, params: &Params) -> f64 {
        let half_lives = f64::from(self.age) / params.half_life;
        self.strength.unwrap_or(0.0) * libm::exp2(-half_lives)
    }
}
