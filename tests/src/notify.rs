//! Alert events as they stand on the alert topic, and `rotation notify` over them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rotation_engine::alert::{Alert, Evidence, Notify, Quality, Severity, State};
use rotation_wire::alerts::AlertEvent;

use crate::service::{Deployment, Service};

/// A universe that every configuration needs; nothing here runs it.
pub const UNIVERSE: &str = "\
[universe.us.series]
A = {}
B = {}
[universe.us.rules.r]
kind = \"relative_streak\"
leader = \"A\"
laggard = \"B\"
";

/// An event of an episode: the rule, the number of the event in its episode, its state and how serious it is.
///
/// # Panics
///
/// When the hour is none.
#[must_use]
pub fn event(rule: &str, transition: u32, state: State, severity: Severity) -> Alert {
    let as_of = format!("2026-01-15T{:02}:00:00Z", 10 + transition);
    let opened = "2026-01-15T11:00:00Z";
    let episode = format!("us/{rule}/A/{opened}");
    let evidence: Evidence = [("length".to_owned(), i64::from(transition).into())].into();
    let ends = state.is_final();
    Alert {
        id: format!("{episode}/{transition}"),
        universe: "us".to_owned(),
        rule: rule.to_owned(),
        rule_version: "0".to_owned(),
        kind: "level_approach".to_owned(),
        subject: "A".to_owned(),
        direction: None,
        severity,
        notify: match severity {
            Severity::Critical if !ends => Notify::Page,
            Severity::Critical | Severity::Warning => Notify::Chat,
            Severity::Info => Notify::Digest,
        },
        state,
        rung: None,
        episode,
        parent_episode: None,
        transition,
        as_of: as_of.parse().expect("an hour of the day"),
        session: None,
        value: 1.0,
        peak: 1.0,
        duration_seconds: i64::from(transition - 1) * 3600,
        threshold: 0.5,
        unit: "price".to_owned(),
        close_status: None,
        evidence,
        reverses: "a close below 0.5".to_owned(),
        base_rate: None,
        resolve_reason: ends.then(|| "reversed".to_owned()),
        quality: Quality::default(),
        replay: false,
        headline: format!("{rule} {} ({transition})", state.name()),
        runbook: Some("https://example.org/runbook".to_owned()),
    }
}

impl Deployment {
    /// Puts events on the alert topic.
    ///
    /// # Errors
    ///
    /// When the broker does not take them.
    pub fn publish(&self, alerts: impl IntoIterator<Item = Alert>) -> Result<usize> {
        let events = alerts.into_iter().map(|alert| {
            let key = alert.key();
            (None, key, AlertEvent::from(alert).encode(), None)
        });
        self.broker.produce(&self.topics[2], events)
    }

    /// A configuration with this section `[notify]` beside what the deployment has.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn with_notify(&self, section: &str) -> Result<PathBuf> {
        let text = std::fs::read_to_string(self.config())?;
        let file = self.folder().join("notify.toml");
        std::fs::write(&file, format!("{text}\n{section}"))?;
        Ok(file)
    }

    /// Starts `rotation notify` with a configuration, under this instance name.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn notify(&self, config: &Path, instance: &str, args: &[&str]) -> Result<Service> {
        self.notify_in(config, instance, args, &[])
    }

    /// The same with further variables in its environment.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn notify_in(
        &self,
        config: &Path,
        instance: &str,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Service> {
        let args = [&["--listen", "127.0.0.1:0"], args].concat();
        self.start("notify", config, instance, &args, environment)
    }
}
