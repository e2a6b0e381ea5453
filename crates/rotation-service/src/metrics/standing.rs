//! What rules are, and what the readings of some kinds stand on: regimes, quadrants, streaks, levels.

use super::{
    QUADRANT_MEMBERS, QUADRANT_MOMENTUM, QUADRANT_RATIO, REGIME_CONTRIBUTION, REGIME_SCORE,
    REGIME_STATE, RULE_INFO, RULE_LEVEL, STREAK_RECORD, STREAK_RECORD_END, gauge, int_gauge,
};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use prometheus::{GaugeVec, IntGaugeVec, Registry};
use rotation_engine::alert::{Evidence, Fact};
use rotation_engine::detector::leadership::Quadrant;
use rotation_engine::detector::level_approach::{self, Side};
use rotation_engine::detector::{Kind, leadership, regime};
use rotation_engine::plan::RulePlan;

/// Members whose points are shown, where a rule has so many at most; of larger ones only those that it watches.
const MEMBERS_MAX: usize = 32;

const REGIMES: [&str; 5] = [
    regime::LARGE_CAP_LED,
    regime::NEUTRAL,
    regime::BROADENING,
    regime::SMALL_CAP_LED,
    regime::ROTATION_AT_RISK,
];

/// Gauges of what rules are and of what their readings stand on.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    info: IntGaugeVec,
    level: GaugeVec,
    regime: IntGaugeVec,
    score: GaugeVec,
    contribution: GaugeVec,
    members: IntGaugeVec,
    ratio: GaugeVec,
    momentum: GaugeVec,
    record: IntGaugeVec,
    record_end: GaugeVec,
}

impl Standing {
    pub(super) fn new(registry: &Registry) -> Standing {
        Standing {
            info: int_gauge(registry, &RULE_INFO),
            level: gauge(registry, &RULE_LEVEL),
            regime: int_gauge(registry, &REGIME_STATE),
            score: gauge(registry, &REGIME_SCORE),
            contribution: gauge(registry, &REGIME_CONTRIBUTION),
            members: int_gauge(registry, &QUADRANT_MEMBERS),
            ratio: gauge(registry, &QUADRANT_RATIO),
            momentum: gauge(registry, &QUADRANT_MOMENTUM),
            record: int_gauge(registry, &STREAK_RECORD),
            record_end: gauge(registry, &STREAK_RECORD_END),
        }
    }

    /// Says what a rule is.
    pub(super) fn describe(&self, universe: &str, rule: &RulePlan) {
        let clock = rule.clock.to_string();
        self.info
            .with_label_values(&info_labels(universe, rule, &clock))
            .set(1);
        if let Kind::LevelApproach(params) = &rule.kind {
            for (line, at) in lines(params) {
                self.level
                    .with_label_values(&[universe, &rule.name, line])
                    .set(at);
            }
        }
    }

    /// Takes back what a rule was.
    pub(super) fn withdraw(&self, universe: &str, rule: &RulePlan) {
        let clock = rule.clock.to_string();
        let _ = self
            .info
            .remove_label_values(&info_labels(universe, rule, &clock));
        if let Kind::LevelApproach(params) = &rule.kind {
            for (line, _) in lines(params) {
                let labels = [universe, rule.name.as_str(), line];
                let _ = self.level.remove_label_values(&labels);
            }
        }
    }

    /// Shows what a reading stands on, of the kinds that have something to show.
    pub(super) fn show(
        &self,
        universe: &str,
        rule: &RulePlan,
        evidence: impl FnOnce() -> Evidence,
    ) {
        let labels = [universe, rule.name.as_str()];
        match &rule.kind {
            Kind::Regime(_) => self.show_regime(labels, &evidence()),
            Kind::Leadership(params) => self.show_quadrants(labels, params, &evidence()),
            Kind::RelativeStreak(_) => self.show_streak(labels, &evidence()),
            _ => {}
        }
    }

    fn show_regime(&self, [universe, rule]: [&str; 2], evidence: &Evidence) {
        // Before the first reading there is a state, and no day since when.
        let is_known = evidence.get("since") != Some(&Fact::from(Date::MIN));
        let (Some(in_force), true) = (text(evidence, "regime"), is_known) else {
            return;
        };
        for state in REGIMES {
            self.regime
                .with_label_values(&[universe, rule, state])
                .set(i64::from(state == in_force));
        }
        if let Some(score) = number(evidence, "score") {
            self.score.with_label_values(&[universe, rule]).set(score);
        }
        for part in groups(evidence, "contributions") {
            if let (Some(input), Some(adds)) = (text(part, "rule"), number(part, "contribution")) {
                self.contribution
                    .with_label_values(&[universe, rule, input])
                    .set(adds);
            }
        }
        for missing in list(evidence, "missing") {
            if let Fact::Text(input) = missing {
                let labels = [universe, rule, input.as_str()];
                let _ = self.contribution.remove_label_values(&labels);
            }
        }
    }

    fn show_quadrants(
        &self,
        [universe, rule]: [&str; 2],
        params: &leadership::Params,
        evidence: &Evidence,
    ) {
        for quadrant in Quadrant::ALL {
            if let Some(Fact::Count(members)) = evidence.get(quadrant.name()) {
                self.members
                    .with_label_values(&[universe, rule, quadrant.name()])
                    .set(*members);
            }
        }
        for member in shown(params) {
            let mut picture = groups(evidence, "picture");
            let point = picture.find(|point| text(point, "symbol") == Some(member));
            let labels = [universe, rule, member];
            for (gauges, key) in [(&self.ratio, "ratio"), (&self.momentum, "momentum")] {
                match point.and_then(|point| number(point, key)) {
                    Some(at) => gauges.with_label_values(&labels).set(at),
                    None => drop(gauges.remove_label_values(&labels)),
                }
            }
        }
    }

    fn show_streak(&self, labels: [&str; 2], evidence: &Evidence) {
        let past = match evidence.get("longest_since") {
            Some(Fact::Group(past)) => Some(past),
            _ => None,
        };
        let length = past.and_then(|past| number(past, "length"));
        #[expect(clippy::cast_possible_truncation, reason = "a count of sessions")]
        let length = length.map_or(0, |length| length as i64);
        self.record.with_label_values(&labels).set(length);
        let end = past.and_then(|past| text(past, "end")?.parse::<Date>().ok());
        let end = end.and_then(|date| date.to_zoned(TimeZone::UTC).ok());
        self.record_end
            .with_label_values(&labels)
            .set(end.map_or(0.0, |day| day.timestamp().as_second() as f64));
    }

    /// The rule is another process's from now on.
    pub(super) fn forget(&self, universe: &str, rule: &RulePlan) {
        let labels = [universe, rule.name.as_str()];
        let third = |label| [universe, rule.name.as_str(), label];
        match &rule.kind {
            Kind::Regime(params) => {
                for state in REGIMES {
                    let _ = self.regime.remove_label_values(&third(state));
                }
                let _ = self.score.remove_label_values(&labels);
                for voice in &params.inputs {
                    let _ = self.contribution.remove_label_values(&third(&voice.rule));
                }
            }
            Kind::Leadership(params) => {
                for quadrant in Quadrant::ALL {
                    let _ = self.members.remove_label_values(&third(quadrant.name()));
                }
                for member in shown(params) {
                    let _ = self.ratio.remove_label_values(&third(member));
                    let _ = self.momentum.remove_label_values(&third(member));
                }
            }
            Kind::RelativeStreak(_) => {
                let _ = self.record.remove_label_values(&labels);
                let _ = self.record_end.remove_label_values(&labels);
            }
            _ => {}
        }
    }
}

fn info_labels<'a>(universe: &'a str, rule: &'a RulePlan, clock: &'a str) -> [&'a str; 6] {
    [
        universe,
        &rule.name,
        rule.kind.name(),
        clock,
        &rule.subject,
        &rule.unit,
    ]
}

/// The lines of the level: itself, where episodes open, where they end on the near side, and on the far side.
fn lines(params: &level_approach::Params) -> [(&'static str, f64); 4] {
    let far = match params.from {
        Side::Below => 1.0,
        Side::Above => -1.0,
    };
    [
        ("level", params.level),
        ("opens", params.level - far * params.near()),
        ("ends", params.level - far * params.rearm()),
        ("through", params.level + far * params.rearm()),
    ]
}

/// The members whose points are shown.
fn shown(params: &leadership::Params) -> &[String] {
    if params.members.len() <= MEMBERS_MAX {
        params.members.symbols()
    } else {
        &params.watch
    }
}

fn text<'a>(evidence: &'a Evidence, key: &str) -> Option<&'a str> {
    match evidence.get(key)? {
        Fact::Text(text) => Some(text),
        _ => None,
    }
}

fn number(evidence: &Evidence, key: &str) -> Option<f64> {
    match evidence.get(key)? {
        Fact::Number(number) => Some(*number),
        Fact::Count(count) => Some(*count as f64),
        _ => None,
    }
}

fn list<'a>(evidence: &'a Evidence, key: &str) -> &'a [Fact] {
    match evidence.get(key) {
        Some(Fact::List(list)) => list,
        _ => &[],
    }
}

fn groups<'a>(evidence: &'a Evidence, key: &str) -> impl Iterator<Item = &'a Evidence> {
    list(evidence, key).iter().filter_map(|fact| match fact {
        Fact::Group(group) => Some(group),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
