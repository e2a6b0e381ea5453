//! Metrics: what the stages say, counted.
//!
//! [`UniverseMetrics::record`] is one exhaustive match over `Output`, so a new fact without a metric does not
//! compile. Labels are bounded: universe, rule, series, stage, partition, and codes of closed sets; never free text.

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use rotation_engine::output::{DropCode, RejectCode, RuleChange};
use rotation_engine::plan::RulePlan;
use rotation_engine::time::EventTime;
use rotation_wire::invariants::Violation;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

mod failures;
mod process;
mod standing;
mod universe;
mod view;

use standing::Standing;
pub use universe::UniverseMetrics;
pub use view::ViewMetrics;

/// A metric's name, its labels, and what it says.
#[derive(Clone, Copy, Debug)]
pub struct MetricDoc {
    /// The name as scraped; histograms add `_bucket`, `_sum` and `_count`.
    pub name: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says, with its unit.
    pub help: &'static str,
}

macro_rules! docs {
    ($($name:ident = $text:literal [$($label:literal),*] $help:literal;)*) => {
        $(const $name: MetricDoc = MetricDoc { name: $text, labels: &[$($label),*], help: $help };)*
        /// Every metric of the service.
        pub const NAMES: &[MetricDoc] = &[$($name),*];
    };
}

docs! {
    BUILD = "rotation_build_info" ["version"] "1, labelled with the version that runs.";
    CONFIG = "rotation_config_info" ["digest"] "1, labelled with the digest of the configuration in force.";
    RELOADS = "rotation_config_reloads_total" ["outcome"] "Reloads of the configuration: applied, or refused, which changed nothing.";
    RELOADED = "rotation_config_applied_time_seconds" [] "When the configuration in force was applied, in seconds since 1970 UTC.";
    CONSUMED = "rotation_records_consumed_total" ["stage"] "Records read from a stage's input topic.";
    ACCEPTED = "rotation_ticks_accepted_total" ["universe"] "Ticks that went into a bar or to a rule on ticks.";
    DROPPED = "rotation_ticks_dropped_total" ["universe", "code"] "Ticks, bars and horizons left out on purpose, by reason.";
    DEAD = "rotation_dead_letters_total" ["code"] "Records put to the dead letters, by reason.";
    BARS = "rotation_bars_total" ["universe", "clock"] "Bars closed by samplers, corrections among them.";
    CORRECTIONS = "rotation_corrections_total" ["universe", "clock", "cause"] "Bars restated after they were closed, and watched ticks voided, by cause: official, late or void.";
    RULES_CHANGED = "rotation_rules_changed_total" ["universe", "change"] "Rules that a new configuration added, changed or removed, where there was state to go on from.";
    SECTIONS = "rotation_sections_total" ["universe", "rule"] "Sections that a rule has read.";
    ALERTS = "rotation_alerts_total" ["universe", "rule", "state", "severity"] "Events for the alert topic.";
    READING = "rotation_rule_reading" ["universe", "rule"] "What a rule measured last, in its own unit.";
    THRESHOLD = "rotation_rule_threshold" ["universe", "rule"] "What the reading is held against, in the rule's unit.";
    DISTANCE = "rotation_rule_distance" ["universe", "rule"] "How much is missing until the rule's next event, in its unit.";
    RULE_INFO = "rotation_rule_info" ["universe", "rule", "kind", "clock", "subject", "unit"] "1, labelled with what a rule is.";
    RULE_LEVEL = "rotation_rule_level" ["universe", "rule", "line"] "Lines of a rule of kind level_approach, in its unit: level, opens, ends, through.";
    REGIME_STATE = "rotation_regime_state" ["universe", "rule", "state"] "1 for the state in force of a rule of kind regime, 0 for the others.";
    REGIME_SCORE = "rotation_regime_score" ["universe", "rule"] "Score of a rule of kind regime, smoothed, -1 to 1.";
    REGIME_CONTRIBUTION = "rotation_regime_contribution" ["universe", "rule", "input"] "What an input adds to the score of a rule of kind regime before it is smoothed.";
    QUADRANT_MEMBERS = "rotation_quadrant_members" ["universe", "rule", "quadrant"] "Members in a quadrant, of a rule of kind leadership.";
    QUADRANT_RATIO = "rotation_quadrant_ratio" ["universe", "rule", "member"] "Relative strength of a member, 100 is the benchmark's; of rules with more than 32 members, those that are watched.";
    QUADRANT_MOMENTUM = "rotation_quadrant_momentum" ["universe", "rule", "member"] "Momentum of a member's relative strength, 100 is none; members as of the ratio.";
    STREAK_RECORD = "rotation_streak_record_sessions" ["universe", "rule"] "Length of the latest earlier run at least as long as the one that stands, of a rule of kind relative_streak; 0 where there is none, on record.";
    STREAK_RECORD_END = "rotation_streak_record_end_seconds" ["universe", "rule"] "Last day of that earlier run, in seconds since 1970 UTC; 0 where there is none.";
    OPEN = "rotation_open_episodes" ["universe", "rule"] "Episodes that stand.";
    OPENED = "rotation_episode_opened_seconds" ["universe", "rule"] "Event time at which the episode that stands began, in seconds since 1970 UTC; 0 where none stands.";
    HORIZON = "rotation_horizon_seconds" ["universe"] "Event time up to which a universe has decided, in seconds since 1970 UTC.";
    HORIZON_LAG = "rotation_horizon_lag_seconds" ["universe"] "Wall clock less the universe's horizon, in seconds.";
    SOURCE_HORIZON = "rotation_source_horizon_seconds" ["universe", "partition"] "Horizon of a partition of the ticks topic, in seconds since 1970 UTC.";
    SOURCES_EXCLUDED = "rotation_sources_excluded" ["universe"] "Partitions left out because they trail the bars log.";
    SERIES_LAST = "rotation_series_last" ["universe", "series"] "Close of a series' newest bar, in its unit.";
    LAG = "rotation_consumer_lag" ["stage", "partition"] "Records between the last one stepped and the end of the partition.";
    COMMITS = "rotation_commits_total" ["stage"] "Transactions committed.";
    COMMIT_FAILURES = "rotation_commit_failures_total" ["stage", "code"] "Transactions that did not commit and were tried again.";
    COMMIT_SECONDS = "rotation_commit_duration_seconds" ["stage"] "Time from opening a transaction to its commit.";
    REBALANCES = "rotation_rebalances_total" ["stage", "event"] "Changes of the group's assignment.";
    ASSIGNED = "rotation_assigned_partitions" ["stage"] "Partitions that this process holds.";
    RESTORE = "rotation_restore_seconds" ["stage"] "Time that the newest restore of a task's state took.";
    LOST = "rotation_lost_records_total" ["stage", "partition"] "Records gone before they were read, where the process was told to go on.";
    VIOLATIONS = "rotation_invariant_violations_total" ["invariant"] "Events for the alert topic that break what always holds of it, by what.";
    VIEW_RECORDS = "rotation_view_records_total" ["topic"] "Records that the page has read.";
    VIEW_MALFORMED = "rotation_view_malformed_total" ["topic"] "Records that the page passed over because they are none of ours.";
    VIEW_CAUGHT_UP = "rotation_view_caught_up" ["topic"] "1 while the page has read a topic to its end, else 0.";
    VIEW_CLIENTS = "rotation_view_clients" [] "Clients of the page's stream.";
    VIEW_DROPPED = "rotation_view_clients_dropped_total" ["reason"] "Clients of the page's stream sent away: full, or slow.";
    RSS = "rotation_process_resident_memory_bytes" [] "Resident memory of the process.";
    START = "rotation_process_start_time_seconds" [] "When the process started, in seconds since 1970 UTC.";
}

/// All metrics of a process.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    consumed: IntCounterVec,
    accepted: IntCounterVec,
    dropped: IntCounterVec,
    dead: IntCounterVec,
    config: IntGaugeVec,
    reloads: IntCounterVec,
    reloaded: Gauge,
    bars: IntCounterVec,
    rules_changed: IntCounterVec,
    corrections: IntCounterVec,
    sections: IntCounterVec,
    alerts: IntCounterVec,
    reading: GaugeVec,
    threshold: GaugeVec,
    distance: GaugeVec,
    open: IntGaugeVec,
    opened: GaugeVec,
    standing: Standing,
    horizon: GaugeVec,
    horizon_lag: GaugeVec,
    source_horizon: GaugeVec,
    excluded: IntGaugeVec,
    series_last: GaugeVec,
    lag: IntGaugeVec,
    commits: IntCounterVec,
    commit_failures: IntCounterVec,
    commit_seconds: HistogramVec,
    rebalances: IntCounterVec,
    assigned: IntGaugeVec,
    restore: GaugeVec,
    lost: IntCounterVec,
    violations: IntCounterVec,
    view: view::Families,
    rss: IntGauge,
    /// The rules of each universe whose series were made.
    begun: Arc<Mutex<BTreeMap<String, Vec<RulePlan>>>>,
}

fn opts(doc: &MetricDoc) -> Opts {
    Opts::new(doc.name, doc.help)
}

const VALID: &str = "names and labels in this file are valid and used once";

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: prometheus::Result<C>,
) -> C {
    let collector = collector.expect(VALID);
    registry.register(Box::new(collector.clone())).expect(VALID);
    collector
}

fn counter(registry: &Registry, doc: &MetricDoc) -> IntCounterVec {
    register(registry, IntCounterVec::new(opts(doc), doc.labels))
}

fn gauge(registry: &Registry, doc: &MetricDoc) -> GaugeVec {
    register(registry, GaugeVec::new(opts(doc), doc.labels))
}

fn int_gauge(registry: &Registry, doc: &MetricDoc) -> IntGaugeVec {
    register(registry, IntGaugeVec::new(opts(doc), doc.labels))
}

/// From half a millisecond to 16 seconds.
fn commit_buckets() -> Vec<f64> {
    prometheus::exponential_buckets(0.0005, 2.0, 16).expect("start, factor and count are positive")
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics in a registry of their own.
    pub fn new() -> Self {
        let registry = Registry::new();
        let r = &registry;
        int_gauge(r, &BUILD)
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        let seconds = HistogramOpts::from(opts(&COMMIT_SECONDS)).buckets(commit_buckets());
        register(r, Gauge::with_opts(opts(&START))).set(process::start_seconds());
        Metrics {
            consumed: counter(r, &CONSUMED),
            accepted: counter(r, &ACCEPTED),
            dropped: counter(r, &DROPPED),
            dead: counter(r, &DEAD),
            config: int_gauge(r, &CONFIG),
            reloads: counter(r, &RELOADS),
            reloaded: register(r, Gauge::with_opts(opts(&RELOADED))),
            bars: counter(r, &BARS),
            rules_changed: counter(r, &RULES_CHANGED),
            corrections: counter(r, &CORRECTIONS),
            sections: counter(r, &SECTIONS),
            alerts: counter(r, &ALERTS),
            reading: gauge(r, &READING),
            threshold: gauge(r, &THRESHOLD),
            distance: gauge(r, &DISTANCE),
            open: int_gauge(r, &OPEN),
            opened: gauge(r, &OPENED),
            standing: Standing::new(r),
            horizon: gauge(r, &HORIZON),
            horizon_lag: gauge(r, &HORIZON_LAG),
            source_horizon: gauge(r, &SOURCE_HORIZON),
            excluded: int_gauge(r, &SOURCES_EXCLUDED),
            series_last: gauge(r, &SERIES_LAST),
            lag: int_gauge(r, &LAG),
            commits: counter(r, &COMMITS),
            commit_failures: counter(r, &COMMIT_FAILURES),
            commit_seconds: register(r, HistogramVec::new(seconds, COMMIT_SECONDS.labels)),
            rebalances: counter(r, &REBALANCES),
            assigned: int_gauge(r, &ASSIGNED),
            restore: gauge(r, &RESTORE),
            lost: counter(r, &LOST),
            violations: counter(r, &VIOLATIONS),
            view: view::Families::new(r),
            rss: register(r, IntGauge::with_opts(opts(&RSS))),
            begun: Arc::default(),
            registry,
        }
    }

    /// What Prometheus scrapes: the text format, at this wall clock (seconds since 1970).
    pub fn scrape(&self, now_seconds: f64) -> String {
        self.rss.set(process::resident_bytes());
        let mut families = self.registry.gather();
        // The lag is only known at the moment somebody asks.
        let horizons: BTreeMap<String, f64> = families
            .iter()
            .filter(|family| family.name() == HORIZON.name)
            .flat_map(|family| family.get_metric())
            .map(|metric| {
                (
                    metric.get_label()[0].value().to_owned(),
                    metric.get_gauge().get_value(),
                )
            })
            .collect();
        for (universe, horizon) in horizons {
            self.horizon_lag
                .with_label_values(&[universe.as_str()])
                .set(now_seconds - horizon);
        }
        families = self.registry.gather();
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&families, &mut text)
            .expect("writing to memory does not fail");
        String::from_utf8(text).expect("the text format is UTF-8")
    }

    /// Takes further metrics into the same page.
    pub(crate) fn register<C: Collector + Clone + 'static>(
        &self,
        collector: prometheus::Result<C>,
    ) -> C {
        register(&self.registry, collector)
    }

    /// Handles for one stage, resolved once.
    pub fn stage(&self, stage: &str) -> StageMetrics {
        for code in failures::labels() {
            self.commit_failures
                .with_label_values(&[stage, code.as_str()]);
        }
        StageMetrics {
            consumed: self.consumed.with_label_values(&[stage]),
            commits: self.commits.with_label_values(&[stage]),
            commit_seconds: self.commit_seconds.with_label_values(&[stage]),
            assigned: self.assigned.with_label_values(&[stage]),
            restore: self.restore.with_label_values(&[stage]),
            all: self.clone(),
            name: stage.to_owned(),
        }
    }

    /// Records were passed over because no universe names their symbol.
    pub fn unknown_symbols(&self, records: u64) {
        self.dropped
            .with_label_values(&["", DropCode::UnknownSymbol.name()])
            .inc_by(records);
    }

    /// Something that always holds does not.
    pub fn violated(&self, violation: &Violation) {
        self.violations.with_label_values(&[violation.code()]).inc();
    }

    /// A configuration is in force from now on, `now` in seconds since 1970.
    pub fn configured(&self, digest: &str, now: f64) {
        self.config.reset();
        self.config.with_label_values(&[digest]).set(1);
        self.reloaded.set(now);
        for outcome in ["applied", "refused"] {
            self.reloads.with_label_values(&[outcome]);
        }
    }

    /// A reload of the configuration ended.
    pub fn reload(&self, is_applied: bool) {
        let outcome = if is_applied { "applied" } else { "refused" };
        self.reloads.with_label_values(&[outcome]).inc();
    }

    /// A new configuration did something to a rule.
    pub fn rule_changed(&self, universe: &str, change: RuleChange) {
        self.rules_changed
            .with_label_values(&[universe, change.name()])
            .inc();
    }

    /// A record was put to the dead letters before any universe saw it.
    pub fn dead_letter(&self, code: RejectCode) {
        self.dead.with_label_values(&[code.name()]).inc();
    }
}

/// Handles for one stage.
#[derive(Clone, Debug)]
pub struct StageMetrics {
    name: String,
    all: Metrics,
    consumed: IntCounter,
    commits: IntCounter,
    commit_seconds: Histogram,
    assigned: IntGauge,
    restore: Gauge,
}

impl StageMetrics {
    /// Records were read.
    pub fn consumed(&self, records: usize) {
        self.consumed.inc_by(records as u64);
    }

    /// The assignment changed, and is of so many partitions now.
    pub fn rebalanced(&self, event: &str, assigned: usize) {
        self.all
            .rebalances
            .with_label_values(&[self.name.as_str(), event])
            .inc();
        self.assigned
            .set(i64::try_from(assigned).unwrap_or(i64::MAX));
    }

    /// The process holds so many partitions.
    pub fn assigned(&self, partitions: usize) {
        self.assigned
            .set(i64::try_from(partitions).unwrap_or(i64::MAX));
    }

    /// A task's state was restored.
    pub fn restored(&self, took: Duration) {
        self.restore.set(took.as_secs_f64());
    }

    /// A transaction was committed.
    pub fn committed(&self, took: Duration) {
        self.commits.inc();
        self.commit_seconds.observe(took.as_secs_f64());
    }

    /// A transaction failed.
    pub fn commit_failed(&self, code: &str) {
        let known = failures::labels().any(|known| known == code);
        let code = if known { code } else { failures::OTHER };
        self.all
            .commit_failures
            .with_label_values(&[self.name.as_str(), code])
            .inc();
    }

    /// How far a task is behind.
    pub fn lag(&self, partition: i32, records: i64) {
        let partition = partition.to_string();
        let labels = [self.name.as_str(), partition.as_str()];
        self.all.lag.with_label_values(&labels).set(records);
        self.all.lost.with_label_values(&labels);
    }

    /// Records are gone.
    pub fn lost(&self, partition: i32, records: i64) {
        let partition = partition.to_string();
        let lost = self
            .all
            .lost
            .with_label_values(&[self.name.as_str(), partition.as_str()]);
        lost.inc_by(u64::try_from(records).unwrap_or(0));
    }
}

fn seconds(time: EventTime) -> f64 {
    time.as_nanos() as f64 / 1e9
}
