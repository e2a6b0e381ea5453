//! One row of the table of episodes: what happened, with the events, the evidence and a chart of its days.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::chart::{self, Chart, Plot, SCALE, Shade};
use super::scale::{Days, Point, date_of, day};
use super::text::{Escaped, anchor, number, short, words};
use super::timeline::{DECIMALS, Line};
use super::{EpisodeRow, ReportError};

const WIDTH: i32 = 680;
const HEIGHT: i32 = 200;

/// Days shown before and after an episode, besides as many as it lasts.
const DAYS_AROUND: i32 = 21;

/// Which episodes are parts of which.
pub(super) struct Family<'a> {
    by_id: BTreeMap<&'a str, &'a EpisodeRow>,
    parts: BTreeMap<&'a str, Vec<&'a EpisodeRow>>,
}

impl<'a> Family<'a> {
    pub(super) fn new(episodes: &'a [EpisodeRow]) -> Self {
        let by_id = episodes.iter().map(|row| (row.id.as_str(), row)).collect();
        let mut parts: BTreeMap<&str, Vec<&EpisodeRow>> = BTreeMap::new();
        for row in episodes {
            if let Some(parent) = &row.parent {
                parts.entry(parent).or_default().push(row);
            }
        }
        for parts in parts.values_mut() {
            parts.sort_by_key(|row| (row.opened, &row.rule));
        }
        Family { by_id, parts }
    }

    /// Links from an episode to the one that it is a part of, and to its own parts.
    fn links(&self, html: &mut String, episode: &EpisodeRow) {
        let link = |row: &EpisodeRow| {
            let (anchor, rule) = (anchor(&row.id), Escaped(&row.rule));
            format!("<a href=\"#{anchor}\">{rule}, {}</a>", row.opened)
        };
        let parent = episode.parent.as_deref();
        if let Some(whole) = parent.and_then(|parent| self.by_id.get(parent)) {
            let _ = write!(html, "<small>part of {}</small>", link(whole));
        }
        if let Some(parts) = self.parts.get(episode.id.as_str()) {
            let links: Vec<String> = parts.iter().map(|row| link(row)).collect();
            let _ = write!(html, "<small>parts: {}</small>", links.join("; "));
        }
    }
}

/// Writes the row; the chart is left out where it is not wanted or no series is concerned.
pub(super) fn row(
    html: &mut String,
    episode: &EpisodeRow,
    family: &Family<'_>,
    lines: &[Line<'_>],
    (last, with_chart): (i32, bool),
) -> Result<(), ReportError> {
    let EpisodeRow {
        id,
        rule,
        subject,
        opened,
        severity,
        headline,
        measured,
        ended,
        reverses,
        ..
    } = episode;
    let anchor = anchor(id);
    let closed = episode
        .closed
        .map_or("open".to_owned(), |closed| closed.to_string());
    let days = episode.closed.map_or(last, day) - day(*opened);
    let severity = severity.name();
    let _ = write!(
        html,
        "<tr id=\"{anchor}\"><td class=\"date\"><a class=\"self\" href=\"#{anchor}\"><time>{opened}</time></a></td>\
         <td class=\"date\">{closed}<small>{days} days</small></td>\
         <td>{}<small>{}</small></td><td><span class=\"badge {severity}\">{severity}</span></td>\
         <td class=\"headline\">{}<small>{}",
        Escaped(rule),
        Escaped(subject),
        Escaped(headline),
        Escaped(measured),
    );
    let _ = match ended {
        Some(reason) => write!(html, "; ended: {}", Escaped(words(reason))),
        None if reverses.is_empty() => Ok(()),
        None => write!(html, "; would end with {}", Escaped(reverses)),
    };
    html.push_str("</small>");
    family.links(html, episode);
    html.push_str("<details><summary>events and evidence</summary>\n");
    if with_chart {
        html.push_str(&close_up(episode, lines, last)?);
    }
    events(html, episode);
    evidence(html, &episode.evidence);
    html.push_str("</details></td></tr>\n");
    Ok(())
}

fn events(html: &mut String, episode: &EpisodeRow) {
    html.push_str("<ol class=\"events\">");
    for event in &episode.transitions {
        let (state, headline) = (Escaped(&event.state), Escaped(&event.headline));
        let _ = write!(
            html,
            "<li><time>{}</time> <b>{state}</b> {headline}</li>",
            event.date
        );
    }
    html.push_str("</ol>\n");
}

fn evidence(html: &mut String, evidence: &Value) {
    let Value::Object(entries) = evidence else {
        return;
    };
    html.push_str("<dl class=\"evidence\">");
    for (name, value) in entries {
        let _ = write!(
            html,
            "<div><dt>{}</dt><dd>{}</dd></div>",
            Escaped(words(name)),
            Escaped(told(value))
        );
    }
    html.push_str("</dl>\n");
}

/// A value in words; names within it are kept.
fn told(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(told).collect::<Vec<_>>().join(", "),
        Value::Object(entries) => {
            let entry =
                |(name, value): (&String, &Value)| format!("{} {}", words(name), told(value));
            entries.iter().map(entry).collect::<Vec<_>>().join(", ")
        }
        Value::Number(number) if number.is_f64() => number.as_f64().map(short).unwrap_or_default(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// The series of the episode around its days; of several, each as a percentage of its first value shown.
fn close_up(episode: &EpisodeRow, lines: &[Line<'_>], last: i32) -> Result<String, ReportError> {
    let opened = day(episode.opened);
    let closed = episode.closed.map_or(last, day);
    let around = DAYS_AROUND + (closed - opened);
    let days = Days {
        from: opened - around,
        to: (closed + around / 2).min(last.max(closed)),
    };
    let whole = lines
        .iter()
        .find(|line| line.series.name == episode.subject);
    let concerned: Vec<&Line<'_>> = match whole {
        Some(line) => vec![line],
        // In the order of the subject: the first is the one that does something to the second.
        None => episode
            .subject
            .split('/')
            .filter_map(|part| lines.iter().find(|line| line.series.name == part))
            .take(2)
            .collect(),
    };
    let shown: Vec<Vec<Point>> = concerned
        .iter()
        .map(|line| days.cut(&line.points).to_vec())
        .collect();
    if shown.iter().all(Vec::is_empty) {
        return Ok(String::new());
    }
    let indexed = shown.len() > 1;
    let shown: Vec<Vec<Point>> = if indexed {
        shown.into_iter().map(index).collect()
    } else {
        shown
    };
    let mut svg = String::new();
    let area = chart::canvas(&mut svg, WIDTH, HEIGHT);
    let shade = Shade {
        from: opened,
        to: closed,
        severity: episode.severity,
    };
    let lines = shown.iter().map(Vec::as_slice).collect();
    let plot = Chart {
        lines,
        shades: vec![shade],
        days,
        day_labels: 7,
        dates_below: true,
    }
    .draw(&area)?;
    area.present()?;
    drop(area);
    svg.truncate(svg.rfind("</svg>").unwrap_or(svg.len()));
    legend(&mut svg, &concerned, indexed, &plot);
    marks(&mut svg, episode, &shown[0], &plot);
    svg.push_str("</svg>\n");
    Ok(svg.replacen(
        "<svg ",
        "<svg class=\"close-up\" role=\"img\" aria-label=\"the days around the episode\" ",
        1,
    ))
}

fn index(points: Vec<Point>) -> Vec<Point> {
    let base = points.first().map_or(1.0, |point| point.1);
    points
        .into_iter()
        .map(|(day, value)| (day, 100.0 * value / base))
        .collect()
}

fn legend(svg: &mut String, lines: &[&Line<'_>], indexed: bool, plot: &Plot) {
    let y = plot.top - f64::from(8 * SCALE);
    let _ = write!(svg, "<text class=\"title\" x=\"{}\" y=\"{y}\">", plot.left);
    for (at, line) in lines.iter().enumerate() {
        let first = line.points.iter().find(|point| point.0 >= plot.days.from);
        let base = match first.filter(|_| indexed) {
            Some(point) => format!(" ({} = 100)", number(point.1, DECIMALS)),
            None => String::new(),
        };
        let dx = if at == 0 { 0 } else { 16 * SCALE };
        let _ = write!(
            svg,
            "<tspan class=\"line{at}\" dx=\"{dx}\">{}<tspan class=\"about\">{base}</tspan></tspan>",
            Escaped(&line.series.title),
        );
    }
    svg.push_str("</text>\n");
}

/// A dot on the first line for each event.
fn marks(svg: &mut String, episode: &EpisodeRow, points: &[Point], plot: &Plot) {
    for event in &episode.transitions {
        let at = points.partition_point(|point| point.0 <= day(event.date));
        let Some(point) = at.checked_sub(1).map(|at| points[at]) else {
            continue;
        };
        let _ = writeln!(
            svg,
            "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{}\"><title>{} {}: {}</title></circle>",
            episode.severity.name(),
            plot.x(point.0),
            plot.y(point.1),
            4 * SCALE,
            date_of(day(event.date)),
            Escaped(&event.state),
            Escaped(&event.headline),
        );
    }
}
