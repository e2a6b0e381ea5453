//! Metrics of one universe: its facts, counted, and how it stands.

use super::{Metrics, seconds};
use prometheus::{Gauge, IntCounter, IntGauge};
use rotation_engine::alert::{Alert, Severity, State};
use rotation_engine::clock::Clock;
use rotation_engine::output::{DropCode, Output, Reading, RejectCode, RuleChange};
use rotation_engine::plan::{RulePlan, UniversePlan};
use rotation_engine::record::{Cause, LogBody, LogRecord, Progress};
use rotation_engine::time::EventTime;
use rotation_engine::universe::Universe;
use rotation_wire::invariants::Violation;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock, PoisonError};

/// Handles for one rule.
#[derive(Clone, Debug)]
struct RuleMetrics {
    sections: IntCounter,
    /// Reading, threshold and distance: there is none before the first.
    reading: OnceLock<[Gauge; 3]>,
    open: IntGauge,
    opened: Gauge,
}

/// Handles for one universe.
#[derive(Clone, Debug)]
pub struct UniverseMetrics {
    plan: Arc<UniversePlan>,
    all: Metrics,
    accepted: IntCounter,
    /// In the order of [`DropCode::ALL`].
    dropped: Vec<IntCounter>,
    /// In the order of [`RejectCode::ALL`].
    dead: Vec<IntCounter>,
    rules: Vec<RuleMetrics>,
    series: Vec<Gauge>,
    excluded: IntGauge,
}

impl Metrics {
    /// Handles for one universe, resolved once.
    pub fn universe(&self, plan: &Arc<UniversePlan>) -> UniverseMetrics {
        let name = plan.name.as_str();
        let rule = |rule: &str| {
            let labels = [name, rule];
            RuleMetrics {
                sections: self.sections.with_label_values(&labels),
                reading: OnceLock::new(),
                open: self.open.with_label_values(&labels),
                opened: self.opened.with_label_values(&labels),
            }
        };
        UniverseMetrics {
            accepted: self.accepted.with_label_values(&[name]),
            dropped: DropCode::ALL
                .iter()
                .map(|code| self.dropped.with_label_values(&[name, code.name()]))
                .collect(),
            dead: RejectCode::ALL
                .iter()
                .map(|code| self.dead.with_label_values(&[code.name()]))
                .collect(),
            rules: plan.rules.iter().map(|plan| rule(&plan.name)).collect(),
            series: plan
                .series
                .iter()
                .map(|series| {
                    self.series_last
                        .with_label_values(&[name, series.symbol.as_str()])
                })
                .collect(),
            excluded: self.excluded.with_label_values(&[name]),
            all: self.clone(),
            plan: plan.clone(),
        }
    }

    /// Makes the series of a universe before anything happens in it, so that the first change shows as one, and takes
    /// away those of rules that are no more.
    pub fn begin(&self, plan: &UniversePlan) {
        let universe = plan.name.as_str();
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        for rule in begun
            .insert(universe.to_owned(), plan.rules.clone())
            .into_iter()
            .flatten()
        {
            self.standing.withdraw(universe, &rule);
            if !plan.rules.iter().any(|kept| kept.name == rule.name) {
                let labels = [universe, rule.name.as_str()];
                let _ = self.open.remove_label_values(&labels);
                let _ = self.opened.remove_label_values(&labels);
            }
        }
        for rule in &plan.rules {
            self.begin_rule(universe, rule);
        }
        for change in RuleChange::ALL {
            self.rules_changed
                .with_label_values(&[universe, change.name()]);
        }
        for code in Violation::CODES {
            self.violations.with_label_values(&[*code]);
        }
        self.unknown_symbols(0);
        self.span_counts();
    }

    fn begin_rule(&self, universe: &str, rule: &RulePlan) {
        let labels = [universe, rule.name.as_str()];
        self.open.with_label_values(&labels);
        self.opened.with_label_values(&labels);
        self.standing.describe(universe, rule);
        for (state, severity) in tellable(rule) {
            let labels = [universe, rule.name.as_str(), state.name(), severity.name()];
            self.alerts.with_label_values(&labels);
        }
        let clock = rule.clock.to_string();
        for cause in ["official", Cause::Late.name(), Cause::Void.name()] {
            self.corrections
                .with_label_values(&[universe, clock.as_str(), cause]);
        }
    }
}

/// What a rule's ordinary events may be.
fn tellable(rule: &RulePlan) -> BTreeSet<(State, Severity)> {
    let rungs = rule.kind.rungs().iter().copied();
    let mut all = BTreeSet::from([(State::Resolved, Severity::Info)]);
    for rung in rungs.map(Some).chain([None]) {
        for state in [State::Opened, State::Escalated] {
            all.extend([(state, Severity::Info), (state, rule.severity(state, rung))]);
        }
    }
    all
}

impl UniverseMetrics {
    /// Counts one fact of a universe.
    pub fn record(&self, output: &Output) {
        match output {
            Output::Accepted { ticks } => self.accepted.inc_by(*ticks),
            Output::Log(record) => self.log(record),
            Output::Dropped { code, .. } => self.dropped[*code as usize].inc(),
            Output::Rejected { code, .. } => self.dead[*code as usize].inc(),
            Output::Section { rule, .. } => self.rules[*rule as usize].sections.inc(),
            Output::Reading(reading) => self.reading(reading),
            Output::Alert(alert) => self.alert(alert),
            Output::OpenEpisodes { rule, open } => {
                self.rules[*rule as usize].open.set(i64::from(*open));
            }
            Output::Horizon { time } => self.horizon(*time),
            Output::Source { excluded, .. } => self.excluded.add(if *excluded { 1 } else { -1 }),
            Output::RuleChanged { change, .. } => self.all.rule_changed(self.name(), *change),
            Output::Refused { reason } => {
                tracing::error!(universe = self.name(), reason, "the universe stops");
            }
        }
    }

    /// Shows what a reading stands on, which only the universe that read it knows.
    pub fn account(&self, output: &Output, universe: &Universe) {
        if let Output::Reading(reading) = output {
            let rule = reading.rule_index as usize;
            let plan = &self.plan.rules[rule];
            self.all.standing.show(self.name(), plan, || {
                let told = reading.evidence.clone();
                told.unwrap_or_else(|| universe.evidence(rule))
            });
        }
    }

    /// The same for every rule, after a restore, which says nothing.
    pub fn account_all(&self, universe: &Universe) {
        for (rule, plan) in self.plan.rules.iter().enumerate() {
            self.all
                .standing
                .show(self.name(), plan, || universe.evidence(rule));
        }
    }

    /// Shows how a universe stands: after a restore, which says nothing, and as it goes on.
    pub fn stand(&self, universe: &Universe) {
        for (rule, opened) in self.rules.iter().zip(universe.opened()) {
            rule.open.set(i64::from(opened.is_some()));
            rule.opened.set(opened.map_or(0.0, seconds));
        }
        self.excluded
            .set(i64::try_from(universe.sources_excluded()).unwrap_or(i64::MAX));
        if universe.horizon() > EventTime::MIN {
            self.horizon(universe.horizon());
        }
    }

    /// The universe is another process's from now on, which shows how it stands.
    pub fn leave(&self) {
        for (rule, plan) in self.rules.iter().zip(&self.plan.rules) {
            rule.open.set(0);
            rule.opened.set(0.0);
            let labels = [self.name(), plan.name.as_str()];
            // Absent, since what they said would stand beside what the other process says.
            for gauges in [&self.all.reading, &self.all.threshold, &self.all.distance] {
                let _ = gauges.remove_label_values(&labels);
            }
            self.all.standing.forget(self.name(), plan);
        }
        self.excluded.set(0);
        let labels = [self.name()];
        // Absent, they have no age that could be taken for a stalled universe's.
        let _ = self.all.horizon.remove_label_values(&labels);
        let _ = self.all.horizon_lag.remove_label_values(&labels);
    }

    fn name(&self) -> &str {
        &self.plan.name
    }

    fn horizon(&self, time: EventTime) {
        self.all
            .horizon
            .with_label_values(&[self.name()])
            .set(seconds(time));
    }

    fn log(&self, record: &LogRecord) {
        match &record.body {
            LogBody::Bar(bar) => {
                let clock = match bar.clock {
                    Clock::Session => "session".to_owned(),
                    other => other.to_string(),
                };
                self.all
                    .bars
                    .with_label_values(&[self.name(), clock.as_str()])
                    .inc();
                if bar.correction {
                    let cause = bar.restated.map_or("official", |bar| bar.cause.name());
                    self.correction(&clock, cause);
                }
                if bar.ticks > 0 {
                    self.series[bar.series.index()].set(bar.close);
                }
            }
            LogBody::Tick(tick) => self.series[tick.series.index()].set(tick.price),
            LogBody::Horizon(horizon) => {
                if let Progress::At(time) = horizon.progress {
                    let partition = record.source.to_string();
                    let labels = [self.name(), partition.as_str()];
                    self.all
                        .source_horizon
                        .with_label_values(&labels)
                        .set(seconds(time));
                }
            }
            LogBody::Split(_) => {}
            LogBody::Void(_) => self.correction("tick", Cause::Void.name()),
        }
    }

    fn correction(&self, clock: &str, cause: &str) {
        self.all
            .corrections
            .with_label_values(&[self.name(), clock, cause])
            .inc();
    }

    fn reading(&self, reading: &Reading) {
        let at = reading.rule_index as usize;
        let [value, threshold, distance] = self.rules[at].reading.get_or_init(|| {
            let labels = [self.name(), self.plan.rules[at].name.as_str()];
            [&self.all.reading, &self.all.threshold, &self.all.distance]
                .map(|gauges| gauges.with_label_values(&labels))
        });
        value.set(reading.value);
        threshold.set(reading.threshold);
        distance.set(reading.distance);
    }

    fn alert(&self, alert: &Alert) {
        let labels = [
            self.name(),
            alert.rule.as_str(),
            alert.state.name(),
            alert.severity.name(),
        ];
        self.all.alerts.with_label_values(&labels).inc();
    }
}
