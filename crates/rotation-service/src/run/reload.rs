//! Another configuration while the service runs: on SIGHUP, or on `POST /-/reload`.
//!
//! The file is read and checked first; one with a fault, or one that changes what only a restart can, changes nothing.
//! Then each stage makes its tasks anew between two batches, from what they remember, as a restart would.

use crate::config::{Config, describe};
use crate::metrics::Metrics;
use crate::stage::{Reloads, TaskFactory};
use crate::view::View;
use rotation_wire::digest::digest;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A stage that restores, or that the group is dividing anew, is waited for so long.
const PATIENCE: Duration = Duration::from_secs(150);

/// Reads the configuration again, as it was read at start.
pub type Load = Box<dyn Fn() -> anyhow::Result<Config> + Send + Sync>;

/// Makes a stage's tasks by a configuration.
pub(super) type Make = Box<dyn Fn(&Config) -> TaskFactory + Send + Sync>;

/// Why a configuration was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It has a fault, or could not be read.
    Bad(String),
    /// It changes what only a restart can.
    Restart(String),
    /// The stages could not take it now.
    Failed(String),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Refused::Bad(reason) | Refused::Restart(reason) | Refused::Failed(reason)) = self;
        write!(f, "{reason}\nNothing was changed.")
    }
}

/// What a reload needs of a stage.
pub(super) struct Reloaded {
    pub(super) name: String,
    pub(super) reloads: Reloads,
    pub(super) make: Make,
}

/// Puts another configuration in force, one at a time.
pub struct Reloader {
    load: Load,
    metrics: Metrics,
    stages: Vec<Reloaded>,
    view: Option<Arc<View>>,
    in_force: Mutex<Config>,
}

impl Reloader {
    pub(super) fn new(
        load: Load,
        config: &Config,
        metrics: &Metrics,
        stages: Vec<Reloaded>,
        view: Option<Arc<View>>,
    ) -> Arc<Reloader> {
        metrics.configured(&config_digest(config), now());
        Arc::new(Reloader {
            load,
            metrics: metrics.clone(),
            stages,
            view,
            in_force: Mutex::new(config.clone()),
        })
    }

    /// Reads the configuration again and puts it in force; its digest.
    ///
    /// Blocks until the stages have taken it.
    ///
    /// # Errors
    /// Why it was not taken; then nothing was changed.
    pub fn reload(&self) -> Result<String, Refused> {
        let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        let result = self.apply(&in_force);
        self.metrics.reload(result.is_ok());
        match result {
            Ok(config) => {
                let digest = config_digest(&config);
                self.metrics.configured(&digest, now());
                for plan in &config.universes {
                    self.metrics.begin(plan);
                }
                if let Some(view) = &self.view {
                    view.set_plans(&config.universes);
                }
                *in_force = config;
                tracing::info!(digest, "the configuration was read again and is in force");
                Ok(digest)
            }
            Err(refused) => {
                tracing::error!("the configuration was not taken: {refused}");
                Err(refused)
            }
        }
    }

    fn apply(&self, before: &Config) -> Result<Config, Refused> {
        let config = (self.load)().map_err(|error| Refused::Bad(format!("{error:#}")))?;
        let reasons = restarts(before, &config);
        if !reasons.is_empty() {
            return Err(Refused::Restart(format!(
                "{}: needs a restart of every process with the new file (SIGTERM, then start)",
                reasons.join("; ")
            )));
        }
        for (at, stage) in self.stages.iter().enumerate() {
            if let Err(reason) = swap(stage, &config) {
                let reason = format!("stage {}: {reason}", stage.name);
                return Err(self.take_back(at, before, reason));
            }
        }
        Ok(config)
    }

    /// Gives the stages that took a configuration the one before again.
    fn take_back(&self, taken: usize, before: &Config, reason: String) -> Refused {
        for stage in &self.stages[..taken] {
            if let Err(error) = swap(stage, before) {
                tracing::error!(
                    stage = stage.name,
                    error,
                    "keeps the configuration that others did not take"
                );
            }
        }
        Refused::Failed(reason)
    }
}

/// Has a stage make its tasks by a configuration.
fn swap(stage: &Reloaded, config: &Config) -> Result<(), String> {
    let answer = stage.reloads.ask((stage.make)(config));
    match answer.recv_timeout(PATIENCE) {
        Ok(answer) => answer,
        Err(RecvTimeoutError::Disconnected) => Err("the stage has ended".to_owned()),
        Err(RecvTimeoutError::Timeout) if stage.reloads.take_back() => Err(format!(
            "restores its tasks, or waits for its group, for more than {} s",
            PATIENCE.as_secs()
        )),
        // It had just begun.
        Err(RecvTimeoutError::Timeout) => answer
            .recv()
            .map_err(|_| "the stage has ended".to_owned())?,
    }
}

/// What of a new configuration needs a restart.
pub(crate) fn restarts(before: &Config, after: &Config) -> Vec<String> {
    let mut reasons = Vec::new();
    if before.kafka != after.kafka {
        reasons.push("[kafka] is another: brokers, group, topics or properties".to_owned());
    }
    if before.http != after.http {
        reasons.push("[http] is another".to_owned());
    }
    let names = |config: &Config| -> Vec<String> {
        let universes = config.universes.iter();
        universes.map(|plan| plan.name.clone()).collect()
    };
    if names(before) != names(after) {
        reasons.push(format!(
            "the universes are others: {} instead of {}",
            names(after).join(", "),
            names(before).join(", ")
        ));
        return reasons;
    }
    for (old, new) in before.universes.iter().zip(&after.universes) {
        if old.digest != new.digest {
            reasons.push(format!(
                "universe {}: calendars, lateness, windows, series or the clocks that they are read on are others, on \
                 which samplers and universes have to agree",
                new.name
            ));
        }
    }
    reasons
}

/// Names what a configuration comes to, with its groups and defaults filled in, and without its secrets.
pub(crate) fn config_digest(config: &Config) -> String {
    let mut text = describe(config);
    for plan in &config.universes {
        for rule in &plan.rules {
            text.push_str(&format!("{}={}\n", rule.name, rule.version));
        }
    }
    digest(text.as_bytes())
}

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests;
