//! Which way a move has to go.

use crate::alert::Direction;
use serde::{Deserialize, Serialize};

/// Which way a move has to go for a rule to open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// Up only.
    Up,
    /// Down only.
    Down,
    /// Either way.
    #[default]
    Both,
}

impl Way {
    /// The directions that it admits.
    pub(super) fn watched(self) -> &'static [Direction] {
        match self {
            Way::Both => &[Direction::Up, Direction::Down],
            Way::Up => &[Direction::Up],
            Way::Down => &[Direction::Down],
        }
    }

    /// The admitted direction that a value points in, where zero points nowhere and, with one direction admitted, every
    /// value is seen along it.
    pub(super) fn of(self, value: f64) -> Direction {
        match self {
            Way::Up => Direction::Up,
            Way::Down => Direction::Down,
            Way::Both if value < 0.0 => Direction::Down,
            Way::Both => Direction::Up,
        }
    }
}

/// A value as seen along a direction: positive where it points that way.
pub(super) fn along(direction: Direction, value: f64) -> f64 {
    match direction {
        Direction::Up => value,
        Direction::Down => 0.0 - value,
    }
}
