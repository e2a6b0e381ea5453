//! What the notifier counts. Labels are the targets' names.

use crate::metrics::{MetricDoc, Metrics};
use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGaugeVec, Opts};

macro_rules! docs {
    ($($name:ident = $text:literal [$($label:literal),*] $help:literal;)*) => {
        $(const $name: MetricDoc = MetricDoc { name: $text, labels: &[$($label),*], help: $help };)*
        /// Every metric of the notifier.
        pub const NAMES: &[MetricDoc] = &[$($name),*];
    };
}

docs! {
    DELIVERED = "rotation_notify_delivered_total" ["target"] "Events that a target has taken.";
    FAILED = "rotation_notify_failed_attempts_total" ["target"] "Attempts that failed, refusals among them.";
    RETRIED = "rotation_notify_retries_total" ["target"] "Attempts made again after one that failed.";
    DEAD = "rotation_notify_dead_letters_total" ["target"] "Events given up for a target and put to the dead letters; with an empty target, records that are no alert events.";
    MUTED = "rotation_notify_muted_total" ["target"] "Events that a mute window kept from a target.";
    REPEATED = "rotation_notify_repeated_total" ["target"] "Alerts posted again because they stand.";
    WAITING = "rotation_notify_waiting" ["target"] "Events that a target has to take and has not.";
    OLDEST = "rotation_notify_oldest_seconds" ["target"] "Age of the oldest event that a target has not taken, since it was published; 0 where there is none.";
    STANDING = "rotation_notify_standing" ["target"] "Episodes that a target was told of and that stand.";
    COMMITS = "rotation_notify_commits_total" ["outcome"] "Commits of what was delivered: done, or failed, which are tried again.";
}

/// The metrics of the notifier, beside those of every process.
#[derive(Clone, Debug)]
pub(crate) struct NotifyMetrics {
    delivered: IntCounterVec,
    failed: IntCounterVec,
    retried: IntCounterVec,
    dead: IntCounterVec,
    muted: IntCounterVec,
    repeated: IntCounterVec,
    waiting: IntGaugeVec,
    oldest: GaugeVec,
    standing: IntGaugeVec,
    commits: IntCounterVec,
}

/// Handles for one target.
#[derive(Clone, Debug)]
pub(crate) struct TargetMetrics {
    pub(crate) delivered: IntCounter,
    pub(crate) failed: IntCounter,
    pub(crate) retried: IntCounter,
    pub(crate) dead: IntCounter,
    pub(crate) muted: IntCounter,
    pub(crate) repeated: IntCounter,
    pub(crate) waiting: prometheus::IntGauge,
    pub(crate) oldest: prometheus::Gauge,
    pub(crate) standing: prometheus::IntGauge,
}

impl NotifyMetrics {
    /// Registers them.
    pub(crate) fn new(metrics: &Metrics) -> NotifyMetrics {
        let counter = |doc: &MetricDoc| {
            let opts = Opts::new(doc.name, doc.help);
            metrics.register(IntCounterVec::new(opts, doc.labels))
        };
        let gauge = |doc: &MetricDoc| {
            let opts = Opts::new(doc.name, doc.help);
            metrics.register(IntGaugeVec::new(opts, doc.labels))
        };
        let oldest = Opts::new(OLDEST.name, OLDEST.help);
        let made = NotifyMetrics {
            delivered: counter(&DELIVERED),
            failed: counter(&FAILED),
            retried: counter(&RETRIED),
            dead: counter(&DEAD),
            muted: counter(&MUTED),
            repeated: counter(&REPEATED),
            waiting: gauge(&WAITING),
            oldest: metrics.register(GaugeVec::new(oldest, OLDEST.labels)),
            standing: gauge(&STANDING),
            commits: counter(&COMMITS),
        };
        for outcome in ["done", "failed"] {
            made.commits.with_label_values(&[outcome]);
        }
        made.dead.with_label_values(&[""]);
        made
    }

    /// Forgets what targets were at: a new configuration may have others.
    pub(crate) fn begin(&self) {
        self.waiting.reset();
        self.oldest.reset();
        self.standing.reset();
    }

    /// Handles for one target; its series are there from now on.
    pub(crate) fn target(&self, name: &str) -> TargetMetrics {
        let labels = [name];
        TargetMetrics {
            delivered: self.delivered.with_label_values(&labels),
            failed: self.failed.with_label_values(&labels),
            retried: self.retried.with_label_values(&labels),
            dead: self.dead.with_label_values(&labels),
            muted: self.muted.with_label_values(&labels),
            repeated: self.repeated.with_label_values(&labels),
            waiting: self.waiting.with_label_values(&labels),
            oldest: self.oldest.with_label_values(&labels),
            standing: self.standing.with_label_values(&labels),
        }
    }

    /// A record that is no alert event was put to the dead letters.
    pub(crate) fn stranger(&self) {
        self.dead.with_label_values(&[""]).inc();
    }

    pub(crate) fn committed(&self, is_done: bool) {
        let outcome = if is_done { "done" } else { "failed" };
        self.commits.with_label_values(&[outcome]).inc();
    }
}
