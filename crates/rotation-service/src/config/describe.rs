//! The resolved configuration as a person reads it: what `rotation check` prints.

use super::Config;
use rotation_engine::alert::State;
use rotation_engine::clock::format_span;
use rotation_engine::plan::{
    Adjustment, LateTicks, RulePlan, SeriesPlan, SeriesSource, UniversePlan,
};
use std::fmt::Write;

/// Everything that the configuration says once its defaults are filled in; secrets are not shown.
pub fn describe(config: &Config) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(line.trim_end());
        text.push('\n');
    };
    let kafka = &config.kafka;
    line(format!(
        "kafka       {} as group {}",
        kafka.brokers.join(", "),
        kafka.group
    ));
    for (key, topic) in kafka.topics.named() {
        line(format!("  {key:<14}{topic}"));
    }
    for property in kafka.properties.to_string().lines() {
        line(format!("  {property}"));
    }
    let token = &config.http.token_file;
    let token = token.as_ref().map_or("no token".to_owned(), |path| {
        format!("token from {}", path.display())
    });
    line(format!("http        {}, {token}", config.http.listen));
    line(match (&config.http.public_url, config.http.page) {
        (_, false) => "  page        not served".to_owned(),
        (Some(url), true) => format!("  page        {url}"),
        (None, true) => format!("  page        http://{}", config.http.listen),
    });
    if let Some(notify) = &config.notify {
        crate::notify::describe(notify, &kafka.group, &mut line);
    }
    for universe in &config.universes {
        line(String::new());
        describe_universe(universe, &mut line);
    }
    text
}

fn describe_universe(universe: &UniversePlan, line: &mut impl FnMut(String)) {
    line(format!("universe    {}", universe.name));
    let spans = [
        ("lateness", universe.lateness),
        ("skew", universe.skew),
        ("stall_after", universe.stall_after),
        ("closing_window", universe.closing_window),
        ("correction_window", universe.correction_window),
    ];
    line(format!("  {:<18}{}", "calendar", universe.calendar));
    for (key, span) in spans {
        line(format!("  {key:<18}{}", format_span(span)));
    }
    let late_ticks = match universe.late_ticks {
        LateTicks::Correct => "correct",
        LateTicks::Drop => "drop",
    };
    line(format!("  {:<18}{late_ticks}", "late_ticks"));
    line(format!("  {:<18}{}", "void_prints", universe.void_prints));
    let live_from = universe
        .live_from
        .map_or("the first record on".to_owned(), |date| date.to_string());
    let history = if universe.publish_history {
        "; earlier events are published as replay"
    } else {
        ""
    };
    line(format!("  {:<18}{live_from}{history}", "live_from"));
    line(String::new());
    let header = ["series", "name", "unit", "calendar", "made from", "clocks"]
        .map(str::to_owned)
        .to_vec();
    let rows = universe
        .series
        .iter()
        .map(|series| series_row(universe, series));
    for row in table(std::iter::once(header).chain(rows).collect()) {
        line(format!("  {row}"));
    }
    for rule in &universe.rules {
        line(String::new());
        describe_rule(rule, line);
    }
}

fn series_row(universe: &UniversePlan, series: &SeriesPlan) -> Vec<String> {
    let symbol = |ix: &rotation_engine::record::SeriesIx| universe.series(*ix).symbol.clone();
    let mut source = match &series.source {
        SeriesSource::Raw => "ticks".to_owned(),
        SeriesSource::Ratio(a, b) => format!("{} / {}", symbol(a), symbol(b)),
        SeriesSource::Spread(a, b) => format!("{} - {}", symbol(a), symbol(b)),
        SeriesSource::Basket(members) => {
            format!(
                "basket of {}",
                members.iter().map(symbol).collect::<Vec<_>>().join(", ")
            )
        }
    };
    match series.adjustment {
        Adjustment::Price => {}
        Adjustment::Split => source.push_str(", splits left in"),
        Adjustment::Total => source.push_str(", dividends reinvested"),
    }
    if series.ohlc {
        source.push_str(", daily files with open, high, low and volume");
    }
    if series.publication_lag > 0 {
        source.push_str(&format!(
            ", known {} later",
            format_span(series.publication_lag)
        ));
    }
    let clocks = series
        .clocks
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let clocks = if clocks.is_empty() {
        "-".to_owned()
    } else {
        clocks
    };
    let unit = name_of(&series.unit);
    vec![
        series.symbol.clone(),
        series.name.clone(),
        unit,
        series.calendar.to_string(),
        source,
        clocks,
    ]
}

fn describe_rule(rule: &RulePlan, line: &mut impl FnMut(String)) {
    line(format!(
        "  rule {}: {} of {} on {}",
        rule.name,
        rule.kind.name(),
        rule.subject,
        rule.clock
    ));
    let mut row = |key: &str, value: String| line(format!("    {key:<22}{value}"));
    row("version", rule.version.clone());
    row("reads", rule.symbols.join(", "));
    row("measured in", rule.unit.clone());
    let parameters = serde_json::to_value(&rule.kind).unwrap_or_default();
    for (key, value) in parameters
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != "kind")
    {
        row(key, value.to_string());
    }
    for state in [State::Opened, State::Escalated, State::Resolved] {
        row(state.name(), loudness(rule, state, None));
    }
    let own = rule
        .severity
        .keys()
        .chain(rule.notify.keys())
        .filter(|key| rule.kind.rungs().contains(&key.as_str()));
    let own: std::collections::BTreeSet<&String> = own.collect();
    for rung in own {
        row(
            &format!("  by {rung}"),
            loudness(rule, State::Escalated, Some(rung)),
        );
    }
    row("cooldown", format_span(rule.cooldown));
    if let Some(rate) = rule.base_rate {
        let mut text = format!("{} a year", rate.per_year);
        if let Some(null) = rate.per_year_null {
            let _ = write!(text, ", {null} a year by chance");
        }
        row("base_rate", text);
    }
    if let Some(runbook) = &rule.runbook {
        row("runbook", runbook.clone());
    }
}

fn loudness(rule: &RulePlan, state: State, rung: Option<&str>) -> String {
    let severity = rule.severity(state, rung);
    format!(
        "{}, told by {}",
        severity.name(),
        name_of(&rule.notify(state, rung, severity))
    )
}

/// The name of a unit variant in files.
fn name_of(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

/// Columns padded to their widest cell.
fn table(rows: Vec<Vec<String>>) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let pad = |row: &Vec<String>| -> String {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(pad).collect()
}
