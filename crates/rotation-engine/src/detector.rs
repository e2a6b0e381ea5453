//! Detectors: one file and one line each.
//!
//! A detector is a pure fold over the sections of its rule. The [`detectors!`] list below names the kinds; from it come
//! the parameters' enum, the state's enum, their dispatch and one conformance module a kind. Storage is an enum, so a
//! state is `Clone + PartialEq + Serialize`, and snapshots, comparisons and explanations come free.

use crate::alert::{Direction, Evidence};
use crate::section::Section;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt::Debug;

pub mod absorption_ratio;
pub mod analogue;
mod bounds;
pub mod breadth;
pub mod concentration;
pub mod confluence;
pub mod correlation_break;
mod day;
mod delta;
mod distance;
pub mod expression;
pub mod gap;
mod joint;
pub mod leadership;
pub mod level_approach;
pub mod macd;
pub mod markov_switching;
pub mod mean_shift;
pub mod members;
pub mod momentum_stall;
pub mod plateau;
pub mod policy_cycle;
pub mod rate_sensitivity;
pub mod reacceleration;
pub mod record_high;
pub mod regime;
pub mod relative_return;
pub mod relative_streak;
mod row;
pub mod short_squeeze;
pub mod spike;
pub mod stale_feed;
mod text;
pub mod threshold;
pub mod turbulence;
pub mod volatility_shift;
mod way;

pub use delta::Delta;
pub use distance::{Distance, DistanceError};
pub use way::Way;

/// What a rule of one kind is told in the configuration.
///
/// Law: `check` accepts only values with which the detector cannot fail; `inputs` does not change afterwards.
pub trait Params: Clone + Debug + PartialEq + Serialize + DeserializeOwned {
    /// The names of the series that the rule reads, in the order of a section's values.
    fn inputs(&self) -> Vec<String>;

    /// What the rule speaks about, such as `RUT/GSPC`.
    fn subject(&self) -> String;

    /// Whether the values are within their bounds.
    ///
    /// # Errors
    /// The key, the bound and what was given.
    fn check(&self) -> Result<(), ParamError>;

    /// Whether the kind can read series of these units, in the order of [`Params::inputs`].
    ///
    /// # Errors
    /// The key that names the series or that does not suit its unit.
    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError>;

    /// The words that a [`Change`] of this kind may carry as its rung; keys of the rule's `severity` table.
    fn rungs(&self) -> &'static [&'static str];

    /// Whether decisions stay the same when all prices are multiplied by one factor.
    fn is_scale_free(&self) -> bool;

    /// The names of the rules that the rule reads, in the order of [`Section::said`]; of its own clock.
    fn reads(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether the rules that the rule reads are parts of its episode: their events are told as its parts.
    fn folds(&self) -> bool {
        false
    }

    /// Whether events are worth less when inputs are absent from their section. A kind says no that carries its inputs
    /// forward, or that watches for their absence.
    fn minds_absent_inputs(&self) -> bool {
        true
    }

    /// Whether a section that lacks an input says nothing and changes nothing. A kind over many members says no: it
    /// leaves out the ones that are missing, and counts them.
    fn needs_all_inputs(&self) -> bool {
        true
    }

    /// Whether it holds the returns of its inputs against each other: those that are prices then have to be on one
    /// adjustment basis.
    fn compares_inputs(&self) -> bool {
        false
    }

    /// Whether the kind can read single ticks.
    fn reads_ticks(&self) -> bool;

    /// The unit of the readings, where the first input has this unit.
    fn unit(&self, series_unit: Unit) -> String;
}

/// A parameter outside its bounds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: expected {expected}, found {found}")]
pub struct ParamError {
    /// The key within the rule.
    pub key: String,
    /// The bound.
    pub expected: String,
    /// What was given.
    pub found: String,
}

impl ParamError {
    /// An error about one key.
    pub fn new(key: &str, expected: impl Into<String>, found: impl ToString) -> Self {
        ParamError {
            key: key.to_owned(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }
}

/// What a series measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// A price in dollars, or an index level; positive.
    #[default]
    Price,
    /// A rate or yield in percent; a hundredth is a basis point.
    Percent,
    /// A quotient of two series, or a multiple such as a P/E.
    Ratio,
    /// Anything else.
    Number,
}

/// Facts about the rule's surroundings that a headline wants; the same at every section.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// Symbols of the inputs.
    pub symbols: &'a [String],
    /// Units of the inputs.
    pub units: &'a [Unit],
}

/// A detector's answer to one section.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The measurement; none until warm, or where the inputs it needs are missing.
    pub reading: Option<Measure>,
    /// What it means for the episode.
    pub change: Change,
}

impl Step {
    /// The answer to a section that says nothing: an input is missing, or there is too little history.
    fn passed_over(is_open: bool) -> Self {
        let change = if is_open { Change::Hold } else { Change::Quiet };
        Step {
            reading: None,
            change,
        }
    }
}

/// A measurement against its threshold, all in the rule's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// The value; finite.
    pub value: f64,
    /// What the next event asks for; finite.
    pub threshold: f64,
    /// How much is missing until then; zero while at or past it, never negative.
    pub distance: f64,
}

/// What a section does to the detector's episode.
///
/// Law: `Open` only while none is open; `Escalate`, `Ease`, `Hold` and `Resolve` only while one is.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// No episode, and none begins.
    Quiet,
    /// An episode begins, because of this rung.
    Open(&'static str),
    /// It becomes more serious, because of this rung.
    Escalate(&'static str),
    /// It becomes less serious and goes on, because of this rung.
    Ease(&'static str),
    /// It goes on; evidence may have changed.
    Hold,
    /// It ends, for this reason.
    Resolve(&'static str),
}

/// An account of the detector's present state, made only when somebody will read it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// Typed key/values.
    pub evidence: Evidence,
    /// One sentence with the numbers, without a full stop.
    pub headline: String,
    /// What would end the episode, one sentence without a full stop.
    pub reverses: String,
    /// Which way, where the kind has one.
    pub direction: Option<Direction>,
}

/// A detector of one kind.
///
/// Laws, inherited as tests by every line of [`detectors!`]: quiet until warm; quiet on a constant market; readings
/// finite; same changes when all prices double, where scale-free; memory constant after warm-up but for what history
/// it promises to keep; a restored copy goes on as the original would; missing members never panic.
pub trait Detector: Clone + Debug + PartialEq + Serialize + DeserializeOwned {
    /// The kind's parameters.
    type Params: Params;

    /// A cold detector.
    fn new(params: &Self::Params) -> Self;

    /// Reads one section.
    fn step(&mut self, params: &Self::Params, section: &Section<'_>) -> Step;

    /// Explains the state after the last section, in which `change` happened.
    fn account(&self, params: &Self::Params, names: Names<'_>, change: &Change) -> Account;

    /// The stored prices of one input change basis: each is multiplied by `factor`.
    fn rescale(&mut self, input: usize, factor: f64);
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod ragged;

macro_rules! detectors {
    ($($(#[$doc:meta])* $variant:ident = $name:literal in $module:ident,)*) => {
        /// The kinds and their parameters.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum Kind {
            $($(#[$doc])* #[serde(rename = $name)] $variant($module::Params),)*
        }

        impl Kind {
            /// Every kind's name.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            /// Reads the parameters of the kind called `kind`; none where there is no such kind.
            ///
            /// # Errors
            /// Those of the deserializer: unknown keys, wrong types.
            pub fn deserialize<'de, D: Deserializer<'de>>(kind: &str, parameters: D) -> Option<Result<Self, D::Error>> {
                match kind {
                    $($name => Some(<$module::Params as Deserialize>::deserialize(parameters).map(Kind::$variant)),)*
                    _ => None,
                }
            }

            /// The kind's name.
            pub fn name(&self) -> &'static str {
                match self { $(Kind::$variant(_) => $name,)* }
            }

            /// See [`Params::inputs`].
            pub fn inputs(&self) -> Vec<String> {
                match self { $(Kind::$variant(params) => params.inputs(),)* }
            }

            /// See [`Params::subject`].
            pub fn subject(&self) -> String {
                match self { $(Kind::$variant(params) => params.subject(),)* }
            }

            /// See [`Params::check`].
            ///
            /// # Errors
            /// The first parameter out of bounds.
            pub fn check(&self) -> Result<(), ParamError> {
                match self { $(Kind::$variant(params) => params.check(),)* }
            }

            /// See [`Params::check_units`].
            ///
            /// # Errors
            /// The first key that does not suit the units.
            pub fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
                match self { $(Kind::$variant(params) => params.check_units(units),)* }
            }

            /// See [`Params::rungs`].
            pub fn rungs(&self) -> &'static [&'static str] {
                match self { $(Kind::$variant(params) => params.rungs(),)* }
            }

            /// See [`Params::is_scale_free`].
            pub fn is_scale_free(&self) -> bool {
                match self { $(Kind::$variant(params) => params.is_scale_free(),)* }
            }

            /// See [`Params::reads`].
            pub fn reads(&self) -> Vec<String> {
                match self { $(Kind::$variant(params) => params.reads(),)* }
            }

            /// See [`Params::folds`].
            pub fn folds(&self) -> bool {
                match self { $(Kind::$variant(params) => params.folds(),)* }
            }

            /// See [`Params::minds_absent_inputs`].
            pub fn minds_absent_inputs(&self) -> bool {
                match self { $(Kind::$variant(params) => params.minds_absent_inputs(),)* }
            }

            /// See [`Params::needs_all_inputs`].
            pub fn needs_all_inputs(&self) -> bool {
                match self { $(Kind::$variant(params) => params.needs_all_inputs(),)* }
            }

            /// See [`Params::compares_inputs`].
            pub fn compares_inputs(&self) -> bool {
                match self { $(Kind::$variant(params) => params.compares_inputs(),)* }
            }

            /// See [`Params::reads_ticks`].
            pub fn reads_ticks(&self) -> bool {
                match self { $(Kind::$variant(params) => params.reads_ticks(),)* }
            }

            /// See [`Params::unit`].
            pub fn unit(&self, series_unit: Unit) -> String {
                match self { $(Kind::$variant(params) => params.unit(series_unit),)* }
            }

            /// A cold detector with these parameters.
            pub fn detector(&self) -> DetectorState {
                match self { $(Kind::$variant(params) => DetectorState::$variant(Detector::new(params)),)* }
            }

            /// JSON Schemas of each kind's parameters, by name.
            #[cfg(feature = "schema")]
            pub fn schemas() -> Vec<(&'static str, schemars::Schema)> {
                vec![$(($name, schemars::schema_for!($module::Params)),)*]
            }
        }

        #[cfg(test)]
        mod laws {
            $(mod $module {
                use crate::detector::{Kind, conformance, $module};
                use proptest::prelude::*;

                fn kinds() -> Vec<Kind> {
                    $module::samples().into_iter().map(Kind::$variant).collect()
                }

                #[test]
                fn fires_on_some_walk() {
                    conformance::fires_on_some_walk(&kinds());
                }

                #[test]
                fn memory_is_bounded() {
                    kinds().iter().for_each(|kind| conformance::memory_is_bounded(kind, 7));
                }

                proptest! {
                    #![proptest_config(ProptestConfig::with_cases(24))]

                    #[test]
                    fn quiet_until_warm(seed: u64) {
                        kinds().iter().for_each(|kind| conformance::quiet_until_warm(kind, seed));
                    }

                    #[test]
                    fn quiet_on_a_constant_market(seed: u64) {
                        kinds().iter().for_each(|kind| conformance::quiet_on_a_constant_market(kind, seed));
                    }

                    #[test]
                    fn same_changes_when_prices_double(seed: u64) {
                        kinds().iter().for_each(|kind| conformance::same_changes_when_prices_double(kind, seed));
                    }

                    #[test]
                    fn same_changes_across_a_split(seed: u64) {
                        kinds().iter().for_each(|kind| conformance::same_changes_across_a_split(kind, seed));
                    }

                    #[test]
                    fn a_restored_copy_goes_on(seed: u64) {
                        kinds().iter().for_each(|kind| conformance::a_restored_copy_goes_on(kind, seed));
                    }

                    #[test]
                    fn odd_values_never_panic(seed: u64) {
                        kinds().iter().for_each(|kind| conformance::odd_values_never_panic(kind, seed));
                    }

                    #[test]
                    fn missing_members_are_passed_over(seed: u64) {
                        kinds().iter().for_each(|kind| conformance::missing_members_are_passed_over(kind, seed));
                    }
                }
            })*
        }

        /// The state of a detector of any kind.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub enum DetectorState {
            $($(#[$doc])* $variant($module::State),)*
        }

        impl DetectorState {
            /// Reads one section. `kind` has to be the one that the state was made from.
            pub fn step(&mut self, kind: &Kind, section: &Section<'_>) -> Step {
                match (self, kind) {
                    $((DetectorState::$variant(state), Kind::$variant(params)) => state.step(params, section),)*
                    #[allow(unreachable_patterns)]
                    _ => unreachable!("a state is stepped with the kind that made it"),
                }
            }

            /// See [`Detector::account`].
            pub fn account(&self, kind: &Kind, names: Names<'_>, change: &Change) -> Account {
                match (self, kind) {
                    $((DetectorState::$variant(state), Kind::$variant(params)) => {
                        state.account(params, names, change)
                    })*
                    #[allow(unreachable_patterns)]
                    _ => unreachable!("a state is asked with the kind that made it"),
                }
            }

            /// See [`Detector::rescale`].
            pub fn rescale(&mut self, input: usize, factor: f64) {
                match self { $(DetectorState::$variant(state) => state.rescale(input, factor),)* }
            }
        }
    };
}

impl Kind {
    /// Whether its evidence is looked at between events too: readings for subscribers carry it.
    pub fn is_picture(&self) -> bool {
        matches!(
            self,
            Kind::RelativeStreak(_) | Kind::Regime(_) | Kind::Leadership(_) | Kind::Confluence(_)
        )
    }
}

detectors! {
    /// Consecutive sessions in which a leader beats a laggard.
    RelativeStreak = "relative_streak" in relative_streak,
    /// New closing or intraday highs after a drought.
    RecordHigh = "record_high" in record_high,
    /// A series nearing a level from one side.
    LevelApproach = "level_approach" in level_approach,
    /// A condition over other rules and series.
    Expression = "expression" in expression,
    /// The state of the rotation, with its reasons.
    Regime = "regime" in regime,
    /// Rules that open close together, as one episode.
    Confluence = "confluence" in confluence,
    /// The correlation of two series leaving its usual level.
    CorrelationBreak = "correlation_break" in correlation_break,
    /// How much a leader's lead over a laggard moves with a yield.
    RateSensitivity = "rate_sensitivity" in rate_sensitivity,
    /// Volatility over a short window leaving that over a long one.
    VolatilityShift = "volatility_shift" in volatility_shift,
    /// A leader that stalls: strong for long, and no longer.
    MomentumStall = "momentum_stall" in momentum_stall,
    /// A heavily shorted share that is bought back in haste.
    ShortSqueeze = "short_squeeze" in short_squeeze,
    /// Moving average convergence and divergence.
    Macd = "macd" in macd,
    /// A change out of proportion to those before it.
    Spike = "spike" in spike,
    /// Moves of a policy rate in one direction.
    PolicyCycle = "policy_cycle" in policy_cycle,
    /// A price index whose pace picks up again.
    Reacceleration = "reacceleration" in reacceleration,
    /// Series that have fallen silent.
    StaleFeed = "stale_feed" in stale_feed,
    /// How many members of a group take part in a move.
    Breadth = "breadth" in breadth,
    /// A market that goes nowhere.
    Plateau = "plateau" in plateau,
    /// Members rotating through quadrants against a benchmark.
    Leadership = "leadership" in leadership,
    /// How much of a group hangs on its largest members.
    Concentration = "concentration" in concentration,
    /// Past stretches of a series that are most like the present one.
    Analogue = "analogue" in analogue,
    /// How probable it is that a market is in its turbulent state.
    MarkovSwitching = "markov_switching" in markov_switching,
    /// How far a leader is ahead of a laggard.
    RelativeReturn = "relative_return" in relative_return,
    /// A gap between reference series: wide, wider, closing.
    Gap = "gap" in gap,
    /// A day unlike those before it, by the distance of many returns at once.
    Turbulence = "turbulence" in turbulence,
    /// How much of the members' variance a few common movements explain.
    AbsorptionRatio = "absorption_ratio" in absorption_ratio,
    /// A series that leaves the level or the line it kept to.
    MeanShift = "mean_shift" in mean_shift,
}

/// Relative differences up to this are rounding, not moves: a price and its rescaled past agree to about 1e-15, while
/// the finest move of a market is 1e-9 and more.
const TIE: f64 = 1e-12;

/// The value, where a return or a drawdown in percent can be taken from it without overflow.
fn positive(value: Option<f64>) -> Option<f64> {
    value.filter(|value| (1e-100..=1e100).contains(value))
}
