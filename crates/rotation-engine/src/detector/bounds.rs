//! Checks that parameters of many kinds share.

use super::{ParamError, Unit};
use std::fmt::Display;
use std::ops::RangeInclusive;

/// Most entries of a list of rungs: a state may keep a bit for each.
pub(super) const RUNGS_MAX: usize = 32;

/// A symbol that is there.
pub(super) fn symbol(key: &str, symbol: &str) -> Result<(), ParamError> {
    if symbol.is_empty() {
        return Err(ParamError::new(key, "a symbol", "\"\""));
    }
    Ok(())
}

/// Series that returns can be taken of, by the keys that name them: not those in percent.
pub(super) fn have_returns(keys: &[&str], units: &[Unit]) -> Result<(), ParamError> {
    match keys
        .iter()
        .zip(units)
        .find(|(_, unit)| **unit == Unit::Percent)
    {
        Some((key, _)) => {
            let expected = "a series with a return: of unit \"price\", \"ratio\" or \"number\"";
            Err(ParamError::new(key, expected, "one of unit \"percent\""))
        }
        None => Ok(()),
    }
}

/// A number within its bounds; `unit` is what it counts or measures.
pub(super) fn within<T: PartialOrd + Display>(
    key: &str,
    value: T,
    bounds: &RangeInclusive<T>,
    unit: &str,
) -> Result<(), ParamError> {
    if bounds.contains(&value) {
        return Ok(());
    }
    let (from, to) = (bounds.start(), bounds.end());
    Err(ParamError::new(
        key,
        format!("{from} to {to} {unit}"),
        value,
    ))
}

/// A list of rungs, each once.
pub(super) fn ascending(
    key: &str,
    rungs: &[u32],
    bounds: &RangeInclusive<u32>,
    unit: &str,
) -> Result<(), ParamError> {
    let ascending = rungs.windows(2).all(|pair| pair[0] < pair[1]);
    if ascending && rungs.len() <= RUNGS_MAX && rungs.iter().all(|rung| bounds.contains(rung)) {
        return Ok(());
    }
    let (from, to) = (bounds.start(), bounds.end());
    let expected = format!("at most {RUNGS_MAX} ascending numbers from {from} to {to} {unit}");
    Err(ParamError::new(key, expected, format!("{rungs:?}")))
}
