//! What holds for every reader of foreign bytes, whatever the bytes: one function a target.
//!
//! The functions panic where something does not hold. `tests/fuzz` gives them to libFuzzer, and the test `fuzz` gives
//! them a seeded million of mutations of the corpus.

use rotation_engine::plan::UniversePlan;
use rotation_service::config::Config;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

mod alerts;
mod bars;
mod condition;
mod config;
mod files;
mod mutate;
mod readings;
mod records;
pub mod seeds;
mod state;
pub mod tasks;

pub use mutate::Mutator;

/// A function that holds bytes against what always holds.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of the cargo-fuzz target and of the folder of its corpus.
    pub name: &'static str,
    /// Panics where something does not hold.
    pub check: fn(&[u8]),
    /// How many of 1,000 inputs of the seeded test are its own: what costs more gets fewer.
    pub share: u32,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    target("input_record", records::input_record, 440),
    target("bars_record", bars::bars_record, 230),
    target("alert", alerts::alert, 80),
    target("reading", readings::reading, 20),
    target("snapshot", state::snapshot, 100),
    target("sampler_state", state::sampler_state, 30),
    target("universe_state", state::universe_state, 10),
    target("config", config::config, 5),
    target("csv", files::csv, 30),
    target("ndjson", files::ndjson, 30),
    target("gzip", files::gzip, 10),
    target("condition", condition::condition, 10),
    target("tasks", tasks::tasks, 5),
];

const fn target(name: &'static str, check: fn(&[u8]), share: u32) -> Target {
    Target { name, check, share }
}

/// The target of that name.
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn find(name: &str) -> Target {
    let found = TARGETS.iter().find(|target| target.name == name);
    *found.unwrap_or_else(|| panic!("no fuzz target is called {name}"))
}

/// Where corpus, regressions and dictionaries are.
#[must_use]
pub fn folder() -> PathBuf {
    crate::workspace::root().join("tests/fuzz")
}

/// The configuration whose plan the targets read by: few series, every clock, rules that read each other.
pub const CONFIG: &str = r#"
[universe.us]
lateness = "2s"
correction_window = "1h"

[universe.us.series]
LEAD = {}
LAG = {}
DGS10 = { unit = "percent" }
"LEAD/LAG" = { ratio = ["LEAD", "LAG"] }

[universe.us.rules.streak]
kind = "relative_streak"
leader = "LEAD"
laggard = "LAG"
open_at = 2
escalate_at = [3, 4]
escalate_since_years = []

[universe.us.rules.near]
kind = "level_approach"
clock = "tick"
series = "DGS10"
level = 5.0
from = "below"
near = "10bp"
rearm = "30bp"

[universe.us.rules.spike]
kind = "spike"
clock = "1m"
series = "LEAD"
window = 10

[universe.us.rules.both]
kind = "expression"
when = "streak.open && price.close > price.previous"
rules = { streak = "streak" }
series = { price = "LEAD/LAG" }
"#;

static PLAN: LazyLock<Arc<UniversePlan>> = LazyLock::new(|| {
    let config = Config::parse(CONFIG, "fuzz.toml").unwrap_or_else(|errors| panic!("{errors}"));
    config.universes[0].clone()
});

/// The plan of [`CONFIG`].
pub(crate) fn plan() -> &'static Arc<UniversePlan> {
    &PLAN
}
