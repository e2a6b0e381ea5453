//! Which way a measurement has to go.

use crate::alert::Direction;
use serde::{Deserialize, Serialize};

/// The ways that a rule watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Ways {
    /// Up and down.
    #[default]
    Both,
    /// Up alone.
    Up,
    /// Down alone.
    Down,
}

impl Ways {
    pub(super) fn watched(self) -> &'static [Direction] {
        match self {
            Ways::Both => &[Direction::Up, Direction::Down],
            Ways::Up => &[Direction::Up],
            Ways::Down => &[Direction::Down],
        }
    }
}
