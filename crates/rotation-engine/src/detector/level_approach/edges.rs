//! Values as decimals, and the edges that they cross.

use super::{Params, Side};
use serde::{Deserialize, Serialize};

/// A value rounded to 1e-9, so that 4.90 − 4.80 is 0.10; held within ±9.2e9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Decimal(i64);

const PER_UNIT: f64 = 1e9;

impl Decimal {
    pub(super) const ZERO: Self = Decimal(0);

    #[expect(
        clippy::cast_possible_truncation,
        reason = "values out of range saturate, as documented"
    )]
    pub(super) fn new(value: f64) -> Self {
        Decimal((value * PER_UNIT).round() as i64)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "beyond 2^53 the float it came from was coarser"
    )]
    pub(super) fn to_f64(self) -> f64 {
        self.0 as f64 / PER_UNIT
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Decimal(self.0.saturating_add(other.0))
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Decimal(self.0.saturating_sub(other.0))
    }

    pub(super) fn scaled(self, factor: f64) -> Self {
        Decimal::new(self.to_f64() * factor)
    }
}

/// The values at which something happens, mirrored where the series comes from above, so that it always rises toward
/// the level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Edges {
    from: Side,
    pub(super) level: Decimal,
    /// The lowest that opens.
    pub(super) open: Decimal,
    /// Below it the detector arms, and an episode ends.
    pub(super) arm: Decimal,
    /// Above it an episode ends, too.
    pub(super) through: Decimal,
    /// A session, toward the level, in the series' unit.
    pub(super) min_velocity: f64,
}

impl Edges {
    pub(super) fn new(params: &Params) -> Self {
        let level = mirror(params.from, Decimal::new(params.level));
        let [near, rearm] = [params.near(), params.rearm()].map(Decimal::new);
        Edges {
            from: params.from,
            level,
            open: level.minus(near),
            arm: level.minus(rearm),
            through: level.plus(rearm),
            min_velocity: params.min_velocity.in_units(),
        }
    }

    /// A value on the mirrored axis.
    pub(super) fn toward(&self, value: Decimal) -> Decimal {
        mirror(self.from, value)
    }

    /// An edge in the series' own unit.
    pub(super) fn value(&self, edge: Decimal) -> f64 {
        mirror(self.from, edge).to_f64()
    }

    /// A movement on the mirrored axis as one of the series itself.
    pub(super) fn signed(&self, movement: f64) -> f64 {
        match self.from {
            Side::Below => movement,
            Side::Above => 0.0 - movement,
        }
    }
}

fn mirror(from: Side, value: Decimal) -> Decimal {
    match from {
        Side::Below => value,
        Side::Above => Decimal::ZERO.minus(value),
    }
}
