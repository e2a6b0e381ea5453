//! The newest readings of each rule.

use super::picture;
use crate::view::shape::{
    Frame, Latest, Pair, ReadingMessage, Regime, RegimePoint, Shared, Triple,
};
use jiff::civil::Date;
use rotation_engine::plan::UniversePlan;
use rotation_engine::time::EventTime;
use rotation_wire::readings::RuleReading;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// How many readings of a rule are kept.
pub const READINGS_MAX: usize = 5_000;
/// How many of all rules together: with more than 400 rules each has its share.
const ALL_MAX: usize = 2_000_000;
/// How many states of a regime and pictures of a rotation are kept, a rule.
const PICTURES_MAX: usize = 1_000;
/// How many rules are kept: what a later configuration leaves out stays on the topic.
const RULES_MAX: usize = 20_000;
/// Points of a sparkline.
const SPARK: usize = 60;

/// A reading, as far as charts show it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) as_of: EventTime,
    pub(super) value: f64,
    pub(super) threshold: f64,
    pub(super) distance: f64,
    pub(super) open: bool,
    /// In the order of the log's names; not a number where there is none.
    inputs: Box<[f64]>,
}

impl Point {
    fn is_same(&self, other: &Point) -> bool {
        let figures =
            |point: &Point| [point.value, point.threshold, point.distance].map(f64::to_bits);
        let all = self.inputs.len().max(other.inputs.len());
        self.open == other.open
            && figures(self) == figures(other)
            && (0..all).all(|at| self.input(at) == other.input(at))
    }

    /// The close of the series at a position of the log's names.
    fn input(&self, at: usize) -> Option<f64> {
        self.inputs
            .get(at)
            .copied()
            .filter(|close| close.is_finite())
    }

    pub(super) fn triple(&self) -> Triple {
        (milliseconds(self.as_of), self.value, self.threshold)
    }
}

pub(super) fn milliseconds(time: EventTime) -> i64 {
    time.as_nanos().div_euclid(1_000_000)
}

/// What is known of a rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Log {
    /// The newest record, without its evidence.
    pub(super) newest: RuleReading,
    /// In order.
    pub(super) points: VecDeque<Point>,
    /// The series that it read.
    names: Vec<String>,
    /// How its regime went, in order, with the day on which the state began.
    pub(super) regimes: VecDeque<(RegimePoint, Option<Date>)>,
    /// Its pictures where they changed, in order.
    pub(super) frames: VecDeque<Arc<Frame>>,
    pub(super) benchmark: Option<String>,
}

/// The readings of all rules, by universe and rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Readings {
    logs: BTreeMap<String, BTreeMap<String, Log>>,
    rules: usize,
}

impl Readings {
    /// Takes a reading; what subscribers are told, or nothing where it was taken before.
    pub(super) fn take(
        &mut self,
        mut reading: RuleReading,
        plans: &[Arc<UniversePlan>],
    ) -> Option<ReadingMessage> {
        let is_new = self.get(&reading.universe, &reading.rule).is_none();
        if is_new && self.rules >= RULES_MAX {
            return None;
        }
        let limit = self.limit(is_new);
        let regime = picture::regime(&reading, plans);
        let since = reading.evidence.as_ref();
        let since = since.and_then(|evidence| picture::text(evidence, "since")?.parse().ok());
        let frame = picture::frame(&reading).map(|(frame, against)| (frame, against.to_owned()));
        reading.evidence = None;
        let rules = self.logs.entry(reading.universe.clone()).or_default();
        let log = rules
            .entry(reading.rule.clone())
            .or_insert_with(|| Log::new(&reading));
        if !log.add(&reading, limit) {
            return None;
        }
        let told = regime.map(|point| log.add_regime(point, since));
        let shown = frame.and_then(|(frame, benchmark)| log.add_frame(frame, benchmark));
        if is_new {
            self.rules += 1;
            self.trim();
        }
        Some(ReadingMessage {
            latest: latest(&reading),
            universe: reading.universe,
            rule: reading.rule,
            kind: reading.kind,
            unit: reading.unit,
            regime: told,
            points: shown.map(Shared),
        })
    }

    fn limit(&self, one_more: bool) -> usize {
        let rules = self.rules + usize::from(one_more);
        (ALL_MAX / rules.max(1)).min(READINGS_MAX)
    }

    fn trim(&mut self) {
        let limit = self.limit(false);
        if limit == READINGS_MAX {
            return;
        }
        for log in self.logs.values_mut().flat_map(BTreeMap::values_mut) {
            let excess = log.points.len().saturating_sub(limit);
            log.points.drain(..excess);
        }
    }

    pub(super) fn get(&self, universe: &str, rule: &str) -> Option<&Log> {
        self.logs.get(universe)?.get(rule)
    }

    /// The rules of a universe that have readings.
    pub(super) fn of(&self, universe: &str) -> impl Iterator<Item = (&String, &Log)> {
        self.logs.get(universe).into_iter().flatten()
    }

    /// All rules that have readings: universe, rule.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &String, &Log)> {
        let universes = self.logs.iter();
        universes.flat_map(|(universe, rules)| {
            rules.iter().map(move |(rule, log)| (universe, rule, log))
        })
    }

    /// The newest readings of a rule, few enough for a small line.
    pub(super) fn spark(&self, universe: &str, rule: &str) -> Vec<Pair> {
        let Some(log) = self.get(universe, rule) else {
            return Vec::new();
        };
        let newest = log.newest_points(SPARK);
        newest
            .map(|point| (milliseconds(point.as_of), point.value))
            .collect()
    }
}

/// A reading without what it stands on.
pub(super) fn latest(reading: &RuleReading) -> Latest {
    Latest {
        as_of: reading.as_of,
        session: reading.session,
        value: reading.value,
        threshold: reading.threshold,
        distance: reading.distance,
        open: reading.open,
    }
}

/// Puts an item into its place, by its instant; whether it was there in the same form, or is too old to be kept.
fn put<T>(
    items: &mut VecDeque<T>,
    item: T,
    limit: usize,
    time: impl Fn(&T) -> EventTime,
    is_same: impl Fn(&T, &T) -> bool,
) -> bool {
    let at = time(&item);
    match items.binary_search_by(|known| time(known).cmp(&at)) {
        Ok(known) if is_same(&items[known], &item) => return false,
        Ok(known) => items[known] = item,
        Err(0) if items.len() >= limit => return false,
        Err(place) => items.insert(place, item),
    }
    if items.len() > limit {
        items.pop_front();
    }
    true
}

impl Log {
    fn new(reading: &RuleReading) -> Log {
        Log {
            newest: reading.clone(),
            points: VecDeque::new(),
            names: Vec::new(),
            regimes: VecDeque::new(),
            frames: VecDeque::new(),
            benchmark: None,
        }
    }

    /// Adds a reading; whether that changed anything.
    fn add(&mut self, reading: &RuleReading, limit: usize) -> bool {
        let is_newer = reading.as_of >= self.newest.as_of;
        if reading.unit != self.newest.unit {
            if !is_newer {
                return false;
            }
            // Another rule of that name: its figures cannot be drawn on one axis with those before.
            *self = Log::new(reading);
        }
        for name in reading.inputs.keys() {
            if !self.names.contains(name) {
                self.names.push(name.clone());
            }
        }
        let inputs = self.names.iter().map(|name| reading.inputs.get(name));
        let point = Point {
            as_of: reading.as_of,
            value: reading.value,
            threshold: reading.threshold,
            distance: reading.distance,
            open: reading.open,
            inputs: inputs
                .map(|input| input.copied().unwrap_or(f64::NAN))
                .collect(),
        };
        let is_added = put(
            &mut self.points,
            point,
            limit,
            |it| it.as_of,
            Point::is_same,
        );
        if is_added && is_newer {
            self.newest = reading.clone();
        }
        is_added
    }

    fn add_regime(&mut self, point: RegimePoint, since: Option<Date>) -> Regime {
        let regime = self.regime_of(&point, since);
        let item = (point, since);
        put(
            &mut self.regimes,
            item,
            PICTURES_MAX,
            |it| it.0.as_of,
            PartialEq::eq,
        );
        regime
    }

    /// A picture that differs from the one before it.
    fn add_frame(&mut self, frame: Frame, benchmark: String) -> Option<Arc<Frame>> {
        let after = self
            .frames
            .partition_point(|known| known.as_of <= frame.as_of);
        let before = after.checked_sub(1).map(|before| &self.frames[before]);
        if before.is_some_and(|before| before.points == frame.points) {
            return None;
        }
        self.benchmark = Some(benchmark);
        let frame = Arc::new(frame);
        put(
            &mut self.frames,
            frame.clone(),
            PICTURES_MAX,
            |it| it.as_of,
            PartialEq::eq,
        )
        .then_some(frame)
    }

    /// The newest regime that it tells.
    pub(super) fn regime(&self) -> Option<Regime> {
        let (point, since) = self.regimes.back()?;
        Some(self.regime_of(point, *since))
    }

    fn regime_of(&self, point: &RegimePoint, since: Option<Date>) -> Regime {
        // The section of the day on which it began, where that is remembered; else the day's midnight.
        let section = since.and_then(|day| {
            let times = self.regimes.iter().map(|(known, _)| known.as_of);
            times
                .chain([point.as_of])
                .find(|time| time.utc_date() == day)
        });
        let midnight = since.and_then(|day| format!("{day}T00:00:00Z").parse().ok());
        Regime {
            rule: self.newest.rule.clone(),
            state: point.state.clone(),
            score: point.score,
            since: section.or(midnight),
            as_of: point.as_of,
            contributions: point.contributions.clone(),
        }
    }

    /// So many of the newest points, in order.
    pub(super) fn newest_points(&self, count: usize) -> impl Iterator<Item = &Point> {
        self.points.range(self.points.len().saturating_sub(count)..)
    }

    /// The points from an instant up to another.
    pub(super) fn between(&self, from: Option<EventTime>, to: Option<EventTime>) -> Range<usize> {
        let start = from.map_or(0, |from| self.points.partition_point(|it| it.as_of < from));
        let end = to.map_or(self.points.len(), |to| {
            self.points.partition_point(|it| it.as_of < to)
        });
        start..end.max(start)
    }

    /// The series that it read over a range of its points.
    pub(super) fn series(&self, range: Range<usize>) -> Vec<(&String, Vec<Pair>)> {
        let named = self.names.iter().enumerate();
        let series = named.map(|(at, name)| {
            let points = self.points.range(range.clone());
            let values =
                points.filter_map(|point| Some((milliseconds(point.as_of), point.input(at)?)));
            (name, values.collect())
        });
        series
            .filter(|(_, points): &(_, Vec<Pair>)| !points.is_empty())
            .collect()
    }

    /// How near the newest reading is to firing: 1 while an episode is open, else the share of the earlier readings
    /// outside episodes that were further away, those as far counted by half. None where nothing is missing and no
    /// episode is open: such a rule only reads, or holds its tongue.
    pub(super) fn nearness(&self) -> Option<f64> {
        if self.newest.open {
            return Some(1.0);
        }
        if self.newest.distance <= 0.0 {
            return None;
        }
        let quiet = self
            .points
            .iter()
            .filter(|point| !point.open && point.distance > 0.0);
        let (mut all, mut further) = (0.0, 0.0);
        for point in quiet {
            all += 1.0;
            match point.distance.total_cmp(&self.newest.distance) {
                std::cmp::Ordering::Greater => further += 1.0,
                std::cmp::Ordering::Equal => further += 0.5,
                std::cmp::Ordering::Less => {}
            }
        }
        (all >= COMPARED_MIN).then_some(further / all)
    }
}

/// Fewer readings than these are no history to compare with.
const COMPARED_MIN: f64 = 5.0;
