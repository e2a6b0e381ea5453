//! From a universe as written to a valid one.

use super::{
    Adjustment, DAY, PlanError, RulePlan, RuleSpec, SECOND, SeriesPlan, SeriesSource, SeriesSpec,
    UniversePlan, UniverseSpec, parse_span,
};
use crate::calendar::Calendar;
use crate::clock::Clock;
use crate::detector::Unit;
use crate::record::SeriesIx;
use jiff::civil::Date;
use std::collections::BTreeMap;

/// Sessions are at least this far apart, so a correction of one is never due after the next was cut.
const CORRECTION_WINDOW_MAX: i64 = 16 * 3_600 * SECOND;

/// Share of a rule's inputs that have to be present for its events to be as severe as they say.
const MIN_PRESENT: f64 = 0.8;

/// Prints of a series that are held unless the configuration says otherwise.
const VOID_PRINTS: u32 = 64;

/// Prints of a series that may be held: some 40 bytes each, in memory and in snapshots.
const VOID_PRINTS_MAX: u32 = 65_536;

/// A universe holds at most this many series.
pub const SERIES_MAX: usize = 100_000;

/// The most rules of a universe.
pub const RULES_MAX: usize = 2_000;

impl UniversePlan {
    /// Checks a universe as written.
    ///
    /// # Errors
    /// The first key that is out of bounds, names something unknown or contradicts another.
    pub fn build(name: &str, spec: &UniverseSpec) -> Result<UniversePlan, PlanError> {
        let at = Key(format!("universe.{name}"));
        at.check_name(name)?;
        let calendar = at.calendar("calendar", spec.calendar.as_deref(), Calendar::Xnys)?;
        let series_at = at.sub("series");
        check_counts(&at, spec)?;
        let mut series = build_all_series(&series_at, spec, calendar)?;
        let rules_at = at.sub("rules");
        let mut rules = Vec::with_capacity(spec.rules.len());
        for (rule, written) in &spec.rules {
            rules.push(build_rule(&rules_at.sub(rule), rule, written, &series)?);
        }
        let written = |name: &str| &spec.rules[name];
        let order = super::reads::connect(&rules_at, &mut rules, written)?;
        check_bases(&series_at, &series)?;
        assign_clocks(&mut series, &rules);
        let mut plan = UniversePlan {
            name: name.to_owned(),
            calendar,
            lateness: at.span("lateness", spec.lateness.as_deref(), 30 * SECOND, 7 * DAY)?,
            skew: at.span("skew", spec.skew.as_deref(), 5 * SECOND, DAY)?,
            stall_after: at.span(
                "stall_after",
                spec.stall_after.as_deref(),
                300 * SECOND,
                30 * DAY,
            )?,
            closing_window: at.span(
                "closing_window",
                spec.closing_window.as_deref(),
                0,
                4 * 3_600 * SECOND,
            )?,
            correction_window: at.span(
                "correction_window",
                spec.correction_window.as_deref(),
                12 * 3_600 * SECOND,
                CORRECTION_WINDOW_MAX,
            )?,
            late_ticks: spec.late_ticks.unwrap_or_default(),
            void_prints: at.count(
                "void_prints",
                spec.void_prints,
                VOID_PRINTS,
                VOID_PRINTS_MAX,
            )?,
            live_from: at.date("live_from", spec.live_from.as_deref())?,
            publish_history: spec.publish_history.unwrap_or(false),
            series,
            rules,
            order,
            digest: 0,
        };
        plan.digest = digest(&plan);
        Ok(plan)
    }
}

fn build_all_series(
    at: &Key,
    spec: &UniverseSpec,
    calendar: Calendar,
) -> Result<Vec<SeriesPlan>, PlanError> {
    let symbols: Vec<&str> = spec.series.keys().map(String::as_str).collect();
    let written = spec.series.iter();
    written
        .map(|(symbol, written)| build_series(&at.sub(symbol), symbol, written, calendar, &symbols))
        .collect()
}

fn check_counts(at: &Key, spec: &UniverseSpec) -> Result<(), PlanError> {
    let (series, rules) = (spec.series.len(), spec.rules.len());
    if series == 0 || series > SERIES_MAX {
        let expected = format!("from 1 to {SERIES_MAX} series");
        return Err(at.sub("series").error(expected, series));
    }
    if rules > RULES_MAX {
        let expected = format!("at most {RULES_MAX} rules");
        return Err(at.sub("rules").error(expected, rules));
    }
    Ok(())
}

/// A place in the configuration.
pub(super) struct Key(String);

impl Key {
    pub(super) fn sub(&self, key: &str) -> Key {
        Key(format!("{}.{key}", self.0))
    }

    pub(super) fn error(&self, expected: impl Into<String>, found: impl ToString) -> PlanError {
        PlanError {
            key: self.0.clone(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }

    fn check_name(&self, name: &str) -> Result<(), PlanError> {
        let fits = !name.is_empty()
            && name.len() <= 64
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.');
        if fits {
            return Ok(());
        }
        Err(self.error(
            "a name of 1 to 64 letters, digits, \"-\", \"_\" or \".\"",
            format!("\"{name}\""),
        ))
    }

    fn calendar(
        &self,
        key: &str,
        written: Option<&str>,
        default: Calendar,
    ) -> Result<Calendar, PlanError> {
        match written {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| {
                self.sub(key)
                    .error("\"XNYS\", \"US-BOND\" or \"24x7\"", format!("\"{text}\""))
            }),
        }
    }

    fn span(
        &self,
        key: &str,
        written: Option<&str>,
        default: i64,
        max: i64,
    ) -> Result<i64, PlanError> {
        let Some(text) = written else {
            return Ok(default);
        };
        let expected = || {
            format!(
                "a length of time up to {} such as \"30s\" or \"2d\"",
                crate::clock::format_span(max)
            )
        };
        let span =
            parse_span(text).map_err(|_| self.sub(key).error(expected(), format!("\"{text}\"")))?;
        if span > max {
            Err(self.sub(key).error(expected(), format!("\"{text}\"")))
        } else {
            Ok(span)
        }
    }

    fn share(&self, key: &str, written: Option<f64>, default: f64) -> Result<f64, PlanError> {
        let share = written.unwrap_or(default);
        if (0.0..=1.0).contains(&share) {
            Ok(share)
        } else {
            Err(self.sub(key).error("a share from 0 to 1", share))
        }
    }

    fn count(
        &self,
        key: &str,
        written: Option<u32>,
        default: u32,
        max: u32,
    ) -> Result<usize, PlanError> {
        let count = written.unwrap_or(default);
        if count <= max {
            Ok(count as usize)
        } else {
            Err(self
                .sub(key)
                .error(format!("a number from 0 to {max}"), count))
        }
    }

    fn date(&self, key: &str, written: Option<&str>) -> Result<Option<Date>, PlanError> {
        let Some(text) = written else { return Ok(None) };
        let parsed = text.parse().map_err(|_| {
            self.sub(key)
                .error("a date such as \"2026-01-31\"", format!("\"{text}\""))
        });
        parsed.map(Some)
    }
}

fn build_series(
    at: &Key,
    symbol: &str,
    written: &SeriesSpec,
    default: Calendar,
    symbols: &[&str],
) -> Result<SeriesPlan, PlanError> {
    if symbol.is_empty() || symbol.len() > 64 || symbol.chars().any(char::is_control) {
        return Err(at.error(
            "a symbol of 1 to 64 characters, none a control character",
            format!("\"{symbol}\""),
        ));
    }
    let find = |key: &str, leg: &str| {
        let ix = symbols.binary_search(&leg).map_err(|_| {
            at.sub(key).error(
                "the symbol of a series of this universe",
                format!("\"{leg}\""),
            )
        })?;
        Ok::<_, PlanError>(SeriesIx(
            u32::try_from(ix).expect("SERIES_MAX bounds the position"),
        ))
    };
    let source = match (&written.ratio, &written.spread, &written.basket) {
        (None, None, None) => SeriesSource::Raw,
        (Some([a, b]), None, None) => SeriesSource::Ratio(find("ratio", a)?, find("ratio", b)?),
        (None, Some([a, b]), None) => SeriesSource::Spread(find("spread", a)?, find("spread", b)?),
        (None, None, Some(members)) if !members.is_empty() => SeriesSource::Basket(
            members
                .iter()
                .map(|member| find("basket", member))
                .collect::<Result<_, _>>()?,
        ),
        (None, None, Some(_)) => return Err(at.sub("basket").error("at least one member", "none")),
        _ => return Err(at.error("at most one of ratio, spread and basket", "several")),
    };
    let lag = at.span(
        "publication_lag",
        written.publication_lag.as_deref(),
        0,
        400 * DAY,
    )?;
    if source != SeriesSource::Raw && lag > 0 {
        return Err(at
            .sub("publication_lag")
            .error("none on a derived series: its legs carry theirs", "one"));
    }
    let ohlc = written.ohlc.unwrap_or(false);
    if ohlc && (source != SeriesSource::Raw || lag > 0) {
        let expected = "false on a derived series and on one with publication_lag";
        return Err(at.sub("ohlc").error(expected, "true"));
    }
    let unit = written.unit.unwrap_or(match source {
        SeriesSource::Raw | SeriesSource::Basket(_) => Unit::Price,
        SeriesSource::Ratio(..) => Unit::Ratio,
        SeriesSource::Spread(..) => Unit::Number,
    });
    Ok(SeriesPlan {
        symbol: symbol.to_owned(),
        name: written.name.clone().unwrap_or_else(|| symbol.to_owned()),
        unit,
        calendar: at.calendar("calendar", written.calendar.as_deref(), default)?,
        publication_lag: lag,
        adjustment: written.adjustment.unwrap_or_default(),
        ohlc,
        source,
        clocks: Vec::new(),
    })
}

/// Derived series stand on raw ones of one adjustment basis.
fn check_bases(at: &Key, series: &[SeriesPlan]) -> Result<(), PlanError> {
    for (ix, plan) in (0..).zip(series) {
        let legs = plan.source.raw(SeriesIx(ix));
        let at = at.sub(&plan.symbol);
        for leg in &legs {
            let leg = &series[leg.index()];
            if leg.source != SeriesSource::Raw {
                return Err(at.error(
                    "legs that are raw series",
                    format!("\"{}\", a derived one", leg.symbol),
                ));
            }
        }
        if let Some(found) = two_bases(&legs, series) {
            return Err(at.error("legs of one adjustment basis", found));
        }
    }
    Ok(())
}

/// A kind that holds its inputs against each other reads prices of one adjustment basis.
fn check_inputs_basis(
    at: &Key,
    kind: &crate::detector::Kind,
    inputs: &[SeriesIx],
    series: &[SeriesPlan],
) -> Result<(), PlanError> {
    if !kind.compares_inputs() {
        return Ok(());
    }
    let raw = |ix: &SeriesIx| series[ix.index()].source.raw(*ix);
    let raw: Vec<SeriesIx> = inputs.iter().flat_map(raw).collect();
    match two_bases(&raw, series) {
        Some(found) => Err(at.error("inputs of one adjustment basis", found)),
        None => Ok(()),
    }
}

/// The first two prices that are on different adjustment bases.
fn two_bases(raw: &[SeriesIx], series: &[SeriesPlan]) -> Option<String> {
    let mut priced = raw
        .iter()
        .map(|ix| &series[ix.index()])
        .filter(|plan| plan.unit == Unit::Price);
    let first = priced.next()?;
    let other = priced.find(|other| other.adjustment != first.adjustment)?;
    let name =
        |plan: &SeriesPlan| format!("{} is {}", plan.symbol, adjustment_name(plan.adjustment));
    Some(format!("{}, {}", name(first), name(other)))
}

fn adjustment_name(adjustment: Adjustment) -> &'static str {
    match adjustment {
        Adjustment::Price => "price",
        Adjustment::Split => "split",
        Adjustment::Total => "total",
    }
}

/// The keys of a rule's severities and notify levels are states, or rungs of its kind.
fn check_keys(at: &Key, written: &RuleSpec) -> Result<(), PlanError> {
    let mut known = vec!["opened", "escalated", "eased", "resolved"];
    known.extend_from_slice(written.kind.rungs());
    for (table, key) in written
        .common
        .severity
        .keys()
        .map(|key| ("severity", key))
        .chain(written.common.notify.keys().map(|key| ("notify", key)))
    {
        if !known.contains(&key.as_str()) {
            return Err(at.sub(table).error(
                format!("keys among {}", known.join(", ")),
                format!("\"{key}\""),
            ));
        }
    }
    Ok(())
}

fn build_rule(
    at: &Key,
    name: &str,
    written: &RuleSpec,
    series: &[SeriesPlan],
) -> Result<RulePlan, PlanError> {
    at.check_name(name)?;
    let kind = &written.kind;
    kind.check()
        .map_err(|error| at.sub(&error.key).error(error.expected, error.found))?;
    let clock = match written.common.clock.as_deref() {
        None => Clock::Session,
        Some(text) => text.parse().map_err(|_| {
            at.sub("clock").error(
                "\"session\", \"tick\" or an interval up to a day such as \"1m\"",
                format!("\"{text}\""),
            )
        })?,
    };
    let symbols = kind.inputs();
    let find = |symbol: &String| {
        let ix = series
            .binary_search_by(|plan| plan.symbol.as_str().cmp(symbol))
            .map_err(|_| at.error("series of this universe as inputs", format!("\"{symbol}\"")))?;
        Ok::<_, PlanError>(SeriesIx(
            u32::try_from(ix).expect("SERIES_MAX bounds the position"),
        ))
    };
    let inputs = symbols.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    check_clock(at, clock, kind, &inputs, series)?;
    check_inputs_basis(at, kind, &inputs, series)?;
    check_keys(at, written)?;
    let units: Vec<Unit> = inputs.iter().map(|ix| series[ix.index()].unit).collect();
    kind.check_units(&units)
        .map_err(|error| at.sub(&error.key).error(error.expected, error.found))?;
    Ok(RulePlan {
        name: name.to_owned(),
        version: written.version.clone(),
        clock,
        kind: kind.clone(),
        subject: kind.subject(),
        unit: kind.unit(units.first().copied().unwrap_or_default()),
        symbols,
        units,
        inputs,
        severity: written.common.severity.clone(),
        notify: written.common.notify.clone(),
        cooldown: at.span(
            "cooldown",
            written.common.cooldown.as_deref(),
            0,
            3_650 * DAY,
        )?,
        base_rate: written.common.base_rate,
        runbook: written.common.runbook.clone(),
        reads: Vec::new(),
        guards: 0,
        min_present: at.share(
            "min_present",
            written.common.min_present,
            if kind.minds_absent_inputs() {
                MIN_PRESENT
            } else {
                0.0
            },
        )?,
    })
}

/// A rule on ticks reads one raw series that is visible at once: anything else would depend on interleaving.
fn check_clock(
    at: &Key,
    clock: Clock,
    kind: &crate::detector::Kind,
    inputs: &[SeriesIx],
    series: &[SeriesPlan],
) -> Result<(), PlanError> {
    if clock != Clock::Tick {
        return Ok(());
    }
    let at = at.sub("clock");
    if !kind.reads_ticks() {
        return Err(at.error(
            format!("\"session\" or an interval for {}", kind.name()),
            "\"tick\"",
        ));
    }
    let [input] = inputs else {
        return Err(at.error(
            "one input for a rule on ticks",
            format!("{} inputs", inputs.len()),
        ));
    };
    let input = &series[input.index()];
    if input.source != SeriesSource::Raw {
        return Err(at.error(
            "a raw series for a rule on ticks",
            format!("\"{}\", a derived one", input.symbol),
        ));
    }
    if input.publication_lag > 0 {
        return Err(at.error(
            "a series without publication_lag for a rule on ticks",
            format!("\"{}\"", input.symbol),
        ));
    }
    Ok(())
}

/// Notes on each raw series the clocks that some rule reads it by.
fn assign_clocks(series: &mut [SeriesPlan], rules: &[RulePlan]) {
    let mut wanted: BTreeMap<SeriesIx, Vec<Clock>> = BTreeMap::new();
    for rule in rules {
        for input in &rule.inputs {
            for leg in series[input.index()].source.raw(*input) {
                wanted.entry(leg).or_default().push(rule.clock);
            }
        }
    }
    for (ix, mut clocks) in wanted {
        clocks.sort_unstable();
        clocks.dedup();
        series[ix.index()].clocks = clocks;
    }
}

/// Digest of what samplers and universes have to agree on.
fn digest(plan: &UniversePlan) -> u64 {
    let mut text = format!(
        "{}|{}|{}|{}",
        plan.calendar, plan.lateness, plan.closing_window, plan.correction_window
    );
    // Said where it is so only: what a version before this one wrote, with neither, agrees with the defaults.
    if !plan.restates() {
        text.push_str("|settled");
    }
    for series in plan
        .series
        .iter()
        .filter(|series| series.source == SeriesSource::Raw)
    {
        text.push_str(&format!(
            "|{} {} {}",
            series.symbol, series.calendar, series.publication_lag
        ));
        for clock in &series.clocks {
            text.push_str(&format!(" {clock}"));
        }
    }
    super::fnv1a(text.bytes())
}
