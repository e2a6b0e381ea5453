//! A universe that reads a random market by every clock and kind.

use super::Market;
use rotation_engine::clock::{Clock, format_span};
use rotation_engine::detector::{Distance, Kind, level_approach, record_high, relative_streak};
use rotation_engine::plan::{
    LateTicks, PlanError, RuleCommon, RuleSpec, SeriesSpec, UniversePlan, UniverseSpec,
};
use rotation_wire::digest::rule_version;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Market {
    /// A universe of all series of the market, with rules that fire often; the market needs at least two series.
    ///
    /// # Errors
    /// A market with fewer series.
    pub fn plan(&self) -> Result<Arc<UniversePlan>, PlanError> {
        let all: Vec<String> = self.symbols().iter().map(ToString::to_string).collect();
        let at = |index: usize| all[index % all.len().max(1)].clone();
        let mut rules = BTreeMap::new();
        let mut rule = |name: &str, clock: Clock, kind: Kind| {
            let common = RuleCommon {
                clock: Some(clock.to_string()),
                ..RuleCommon::default()
            };
            let version = rule_version(&kind, clock);
            rules.insert(
                name.to_owned(),
                RuleSpec {
                    common,
                    kind,
                    version,
                },
            );
        };
        if all.len() >= 2 {
            rule("streak", Clock::Session, streak(at(0), at(1)));
            rule(
                "streak-in-minutes",
                Clock::Interval(5 * MINUTE),
                streak(at(2), at(3)),
            );
            rule(
                "streak-against-all",
                Clock::Session,
                streak(at(1), "ALL".to_owned()),
            );
            rule("record", Clock::Session, record(at(4)));
            rule("record-by-ticks", Clock::Tick, record(at(5)));
            rule("level", Clock::Session, level(at(6)));
            rule("level-by-ticks", Clock::Tick, level(at(7)));
        }
        // The counters' truth asks that every series is read by some clock.
        for (index, symbol) in all.iter().enumerate() {
            rule(
                &format!("read-{index:03}"),
                Clock::Session,
                record(symbol.clone()),
            );
        }
        let spec = UniverseSpec {
            calendar: None,
            lateness: Some(format_span(self.shape.lateness)),
            skew: None,
            stall_after: None,
            closing_window: None,
            correction_window: None,
            live_from: None,
            publish_history: None,
            late_ticks: Some(LateTicks::Drop),
            void_prints: None,
            series: series(&all),
            rules,
        };
        UniversePlan::build("random", &spec).map(Arc::new)
    }
}

const MINUTE: i64 = 60 * rotation_engine::clock::SECOND;

/// Every symbol, and a basket of all.
fn series(symbols: &[String]) -> BTreeMap<String, SeriesSpec> {
    let plain = |symbol: &String| (symbol.clone(), SeriesSpec::default());
    let mut series: BTreeMap<String, SeriesSpec> = symbols.iter().map(plain).collect();
    if !symbols.is_empty() {
        let basket = SeriesSpec {
            basket: Some(symbols.to_vec()),
            ..SeriesSpec::default()
        };
        series.insert("ALL".to_owned(), basket);
    }
    series
}

fn streak(leader: String, laggard: String) -> Kind {
    Kind::RelativeStreak(relative_streak::Params {
        leader,
        laggard,
        open_at: 2,
        escalate_at: vec![3],
        escalate_since_years: Vec::new(),
    })
}

fn record(series: String) -> Kind {
    Kind::RecordHigh(record_high::Params {
        series,
        lookback: record_high::Lookback::All,
        drought_sessions: 1,
        drawdown_pct: 0.0,
        quiet_sessions: 1,
    })
}

fn level(series: String) -> Kind {
    Kind::LevelApproach(level_approach::Params {
        series,
        level: 105.0,
        from: level_approach::Side::Below,
        near: Some(Distance::Units(2.0)),
        rearm: Some(Distance::Units(4.0)),
        velocity_sessions: 2,
        min_velocity: Distance::Units(0.0),
    })
}
