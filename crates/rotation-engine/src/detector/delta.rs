//! How far a series moved from one section to the next.

use super::{ParamError, TIE, Unit, positive};
use serde::{Deserialize, Serialize};

/// How a series' change is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Delta {
    /// The simple return, now / before − 1: for prices, index levels and their quotients.
    #[default]
    Return,
    /// The difference, now − before, in the series' unit: for yields, rates and spreads.
    Difference,
}

/// A return beyond a million times is an error of the feed: it counts as so much.
const RETURN_MAX: f64 = 1e6;
/// Values of which differences are taken.
const VALUE_MAX: f64 = 1e30;

impl Delta {
    /// The value, where a change can be taken from it.
    pub(super) fn value(self, value: Option<f64>) -> Option<f64> {
        match self {
            Delta::Return => positive(value),
            Delta::Difference => value.filter(|value| value.abs() <= VALUE_MAX),
        }
    }

    /// The change between two such values; what is only rounding is none.
    pub(super) fn between(self, before: f64, now: f64) -> f64 {
        let (change, grain) = match self {
            Delta::Return => ((now / before - 1.0).min(RETURN_MAX), TIE),
            Delta::Difference => (now - before, TIE * now.abs().max(before.abs())),
        };
        if change.abs() <= grain { 0.0 } else { change }
    }

    /// A series in percent has differences: its return means nothing near zero.
    pub(super) fn check(self, key: &str, unit: Unit) -> Result<(), ParamError> {
        if self == Delta::Return && unit == Unit::Percent {
            let expected = "\"difference\" for a series of unit \"percent\"";
            return Err(ParamError::new(key, expected, "\"return\""));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_simple_returns_or_differences() {
        assert_eq!(Delta::Return.between(80.0, 100.0), 0.25);
        assert_eq!(Delta::Difference.between(-0.5, 4.0), 4.5);
        assert_eq!(Delta::Return.between(1e-90, 1e90), RETURN_MAX);
        assert_eq!(Delta::Return.between(0.1 + 0.2, 0.3), 0.0);
        assert_eq!(Delta::Difference.between(0.1 + 0.2, 0.3), 0.0);
    }

    #[test]
    fn values_without_a_change_are_left_out() {
        for odd in [f64::NAN, f64::INFINITY, f64::MAX] {
            assert_eq!(Delta::Return.value(Some(odd)), None);
            assert_eq!(Delta::Difference.value(Some(odd)), None);
        }
        assert_eq!(Delta::Return.value(Some(-3.0)), None);
        assert_eq!(Delta::Difference.value(Some(-3.0)), Some(-3.0));
        let error = Delta::Return
            .check("first_change", Unit::Percent)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "first_change: expected \"difference\" for a series of unit \"percent\", found \"return\""
        );
        assert!(
            Delta::Difference
                .check("first_change", Unit::Percent)
                .is_ok()
        );
    }
}
