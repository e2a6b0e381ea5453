//! How a person and a program read where rules stand.

use super::{Missing, Standing, Standings, day, days_between};
use crate::table::{self, Align, Row, brief};
use serde_json::{Value, json};

/// At most so many symbols are named in a sentence.
const NAMED_MAX: usize = 6;

/// A table for a terminal, with what open episodes say and why others have no reading below their rows.
pub fn page(standings: &Standings) -> String {
    let columns = [
        ("rule", Align::Left),
        ("reading", Align::Right),
        ("threshold", Align::Right),
        ("distance", Align::Right),
        ("unit", Align::Left),
        ("as of", Align::Left),
        ("age", Align::Right),
        ("episode", Align::Left),
    ];
    let first = standings.rules.first();
    let one = standings
        .rules
        .iter()
        .all(|rule| Some(&rule.universe) == first.map(|first| &first.universe));
    let rows: Vec<Row> = standings
        .rules
        .iter()
        .map(|standing| row(standings, standing, one))
        .collect();
    let mut text = String::new();
    for line in table::lines(&columns, &rows) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn row(standings: &Standings, standing: &Standing, one: bool) -> Row {
    let name = if one {
        standing.rule.clone()
    } else {
        format!("{}/{}", standing.universe, standing.rule)
    };
    let mut below = Vec::new();
    let mut cells = vec![name];
    if let (Some(reading), Some(day)) = (&standing.reading, standing.reading_day()) {
        cells.extend([reading.value, reading.threshold, reading.distance].map(brief));
        cells.push(reading.unit.clone());
        cells.push(day.to_string());
        cells.push(format!("{} d", days_between(day, standings.at)));
        if standing.sections_since > 0 {
            let count = standing.sections_since;
            let sections = if count == 1 { "section" } else { "sections" };
            below.push(format!(
                "no newer reading: the {count} {sections} since lacked an input"
            ));
        }
    } else {
        cells.extend(["-"; 6].map(str::to_owned));
        below.extend(
            standing
                .missing
                .as_ref()
                .map(|missing| format!("no reading: {}", reason(missing, standing.sections))),
        );
    }
    cells.push(episode(standing));
    if let Some((alert, _)) = standing.open.as_ref().and_then(|open| open.told.as_ref()) {
        let told = day(alert.session, alert.as_of);
        below.insert(0, format!("{told}: {}", alert.headline));
    }
    Row { cells, below }
}

fn episode(standing: &Standing) -> String {
    match (&standing.open, standing.last_ended) {
        (Some(open), _) => {
            let severity = open
                .told
                .as_ref()
                .map_or("unpublished", |(_, severity)| severity.name());
            format!("since {}, {severity}", open.since)
        }
        (None, Some(ended)) => format!("ended {ended}"),
        (None, None) => "none yet".to_owned(),
    }
}

fn reason(missing: &Missing, sections: u64) -> String {
    let count = match sections {
        1 => "1 section".to_owned(),
        _ => format!("{sections} sections"),
    };
    match missing {
        Missing::Data(series) => format!("no data for {}", named(series)),
        Missing::Sections => "its series never had values in one section".to_owned(),
        Missing::Warmth(series) if series.is_empty() => format!("not warm, {count} read"),
        Missing::Warmth(series) => {
            format!("no data for {}; {count} read without", named(series))
        }
    }
}

fn named(series: &[String]) -> String {
    let shown = &series[..series.len().min(NAMED_MAX)];
    let more = series.len() - shown.len();
    let text = shown.join(", ");
    if more > 0 {
        format!("{text} and {more} more")
    } else {
        text
    }
}

/// The same as JSON.
pub fn document(standings: &Standings) -> Value {
    let rules: Vec<Value> = standings
        .rules
        .iter()
        .map(|standing| rule(standings, standing))
        .collect();
    json!({ "at": standings.at.to_string(), "rules": rules })
}

fn rule(standings: &Standings, standing: &Standing) -> Value {
    let mut value = json!({
        "universe": standing.universe,
        "rule": standing.rule,
        "kind": standing.kind,
        "subject": standing.subject,
        "sections": standing.sections,
        "open": standing.open.is_some(),
    });
    let mut put = |key: &str, entry: Value| value[key] = entry;
    if let (Some(reading), Some(day)) = (&standing.reading, standing.reading_day()) {
        put("reading", reading.value.into());
        put("threshold", reading.threshold.into());
        put("distance", reading.distance.into());
        put("unit", reading.unit.clone().into());
        put("as_of", reading.as_of.to_string().into());
        put("age_days", days_between(day, standings.at).into());
        put("sections_since", standing.sections_since.into());
        if let Some(evidence) = &reading.evidence {
            put("evidence", json!(evidence));
        }
    }
    if let Some(missing) = &standing.missing {
        put("why", reason(missing, standing.sections).into());
    }
    if let Some(ended) = standing.last_ended {
        put("last_ended", ended.to_string().into());
    }
    if let Some(open) = &standing.open {
        put("open_since", open.since.to_string().into());
        if let Some((alert, severity)) = &open.told {
            put("episode", alert.episode.clone().into());
            put("severity", severity.name().into());
            put("headline", alert.headline.clone().into());
            put("reverses", alert.reverses.clone().into());
        }
    }
    value
}
