//! Charts of all series above one another, and below them a lane for each rule with a bar for each episode.

use std::fmt::Write as _;

use jiff::civil::Date;
use serde_json::json;

use super::chart::{self, Area, Chart, LABELS_WIDTH, Plot, SCALE, Shade, units};
use super::scale::{Days, Point, day, thin};
use super::text::{Escaped, anchor, number, script_json};
use super::{EpisodeRow, ReportError, ReportInput, SeriesLine, Severity, bands};

pub(super) const WIDTH: i32 = 1160;
pub(super) const CHART_HEIGHT: i32 = 158;
pub(super) const DATES_HEIGHT: i32 = 18;
const LANE_HEIGHT: i32 = 44;
const BAR_WIDTH_MIN: f64 = 3.0;

/// Decimals that values are told with.
pub(super) const DECIMALS: usize = 2;

/// A series with its dates as days.
pub(super) struct Line<'a> {
    pub(super) series: &'a SeriesLine,
    pub(super) points: Vec<Point>,
}

impl<'a> Line<'a> {
    pub(super) fn new(series: &'a SeriesLine) -> Self {
        let point = |(date, value): &(Date, f64)| (day(*date), *value);
        let points = series
            .points
            .iter()
            .map(point)
            .filter(|point| point.1.is_finite())
            .collect();
        Self { series, points }
    }

    /// Whether its values are prices, or levels of an index.
    fn is_price(&self) -> bool {
        self.series.unit.is_empty()
    }

    /// Whether an episode is about this series.
    pub(super) fn concerns(&self, episode: &EpisodeRow) -> bool {
        let name = &self.series.name;
        episode.subject == *name || episode.subject.split('/').any(|part| part == name)
    }
}

/// The lanes: rules in the order of their names, with their episodes.
pub(super) fn lanes(episodes: &[EpisodeRow]) -> Vec<(&str, Vec<&EpisodeRow>)> {
    let mut rules: Vec<&str> = episodes
        .iter()
        .map(|episode| episode.rule.as_str())
        .collect();
    rules.sort_unstable();
    rules.dedup();
    let of = |rule| {
        episodes
            .iter()
            .filter(|episode| episode.rule == rule)
            .collect()
    };
    rules.into_iter().map(|rule| (rule, of(rule))).collect()
}

/// Draws the timeline of the days given as one SVG element, followed by the data for the readout.
pub(super) fn draw(
    input: &ReportInput,
    lines: &[Line<'_>],
    days: Days,
) -> Result<String, ReportError> {
    let lanes = lanes(&input.episodes);
    let count = |length: usize| i32::try_from(length).unwrap_or(i32::MAX / 1_000);
    let charts_height = count(lines.len()) * CHART_HEIGHT + DATES_HEIGHT;
    let height = charts_height + count(lanes.len()) * LANE_HEIGHT + 6;
    let mut svg = String::new();
    let area = chart::canvas(&mut svg, WIDTH, height);
    let plots = charts(input, lines, days, &area)?;
    area.present()?;
    drop(area);
    let end = svg.rfind("</svg>").unwrap_or(svg.len());
    svg.truncate(end);
    let mut is_first = true;
    for (line, plot) in lines.iter().zip(&plots) {
        title(&mut svg, line, plot);
        if line.is_price() {
            bands::strip(&mut svg, &input.bands, plot, std::mem::take(&mut is_first));
        }
    }
    let plot = plots.into_iter().next().unwrap_or_else(|| bare(days));
    for (at, (rule, episodes)) in lanes.iter().enumerate() {
        let top = f64::from((charts_height + count(at) * LANE_HEIGHT) * SCALE);
        lane(&mut svg, rule, episodes, &plot, top);
    }
    svg.push_str("</svg>\n");
    let label = format!(
        "<svg role=\"group\" aria-label=\"{}\" ",
        Escaped("Charts of the series and lanes of episodes")
    );
    let svg = svg.replacen("<svg ", &label, 1);
    Ok(format!("{svg}{}", readout(lines, &plot)))
}

fn charts(
    input: &ReportInput,
    lines: &[Line<'_>],
    days: Days,
    area: &Area<'_>,
) -> Result<Vec<Plot>, ReportError> {
    let mut rest = area.clone();
    let mut plots = Vec::with_capacity(lines.len());
    for (at, line) in lines.iter().enumerate() {
        let last = at + 1 == lines.len();
        let height = CHART_HEIGHT + if last { DATES_HEIGHT } else { 0 };
        let (own, below) = rest.split_vertically(units(height));
        rest = below;
        let shades = shades(input, line, days);
        let lines = vec![line.points.as_slice()];
        plots.push(
            Chart {
                lines,
                shades,
                days,
                day_labels: 12,
                dates_below: last,
            }
            .draw(&own)?,
        );
    }
    Ok(plots)
}

fn shades(input: &ReportInput, line: &Line<'_>, days: Days) -> Vec<Shade> {
    shades_of(input, days, |episode| line.concerns(episode))
}

/// The days of some episodes. Where they are too many to tell apart, those of mere information are left out.
pub(super) fn shades_of(
    input: &ReportInput,
    days: Days,
    is_meant: impl Fn(&EpisodeRow) -> bool,
) -> Vec<Shade> {
    const SHADES_MAX: usize = 40;
    let shown =
        |episode: &&EpisodeRow| is_meant(episode) && days.meets(episode.opened, episode.closed);
    let least = if input.episodes.iter().filter(shown).count() > SHADES_MAX {
        Severity::Warning
    } else {
        Severity::Info
    };
    let shade = |episode: &EpisodeRow| Shade {
        from: day(episode.opened),
        to: episode.closed.map_or(days.to, day),
        severity: episode.severity,
    };
    let shown = input.episodes.iter().filter(shown);
    shown
        .filter(|episode| episode.severity >= least)
        .map(shade)
        .collect()
}

/// Where a chart would stand, for lanes without one above them.
fn bare(days: Days) -> Plot {
    let values = super::scale::Values::of([].iter());
    let (left, right) = (
        f64::from(LABELS_WIDTH * SCALE),
        f64::from((WIDTH - 14) * SCALE),
    );
    Plot {
        days,
        values,
        left,
        right,
        top: 0.0,
        bottom: 0.0,
    }
}

fn title(svg: &mut String, line: &Line<'_>, plot: &Plot) {
    let SeriesLine {
        name, title, unit, ..
    } = line.series;
    let mut about = name.clone();
    if !unit.is_empty() {
        about = format!("{about}, {unit}");
    }
    if plot.values.logarithmic {
        about.push_str(", log scale");
    }
    let last = line.points.iter().rfind(|point| point.0 <= plot.days.to);
    let last = last
        .map(|point| number(point.1, DECIMALS))
        .unwrap_or_default();
    let (left, right, y) = (plot.left, plot.right, plot.top - f64::from(8 * SCALE));
    let _ = writeln!(
        svg,
        "<text class=\"title\" x=\"{left}\" y=\"{y}\">{}<tspan class=\"about\" dx=\"{}\">{}</tspan></text>\
         <text class=\"last\" x=\"{right}\" y=\"{y}\">{last}</text>",
        Escaped(title),
        8 * SCALE,
        Escaped(about),
    );
}

fn lane(svg: &mut String, rule: &str, episodes: &[&EpisodeRow], plot: &Plot, top: f64) {
    let unit = f64::from(SCALE);
    let (left, right, middle) = (plot.left, plot.right, top + 30.0 * unit);
    let shown = episodes
        .iter()
        .filter(|episode| plot.days.meets(episode.opened, episode.closed));
    let count = shown.clone().count();
    let noun = if count == 1 { "episode" } else { "episodes" };
    let _ = writeln!(
        svg,
        "<text class=\"lane\" x=\"{left}\" y=\"{}\">{}</text>\
         <text class=\"count\" x=\"{right}\" y=\"{}\">{count} {noun}</text>\
         <line class=\"lane\" x1=\"{left}\" x2=\"{right}\" y1=\"{middle}\" y2=\"{middle}\"/>",
        top + 13.0 * unit,
        Escaped(rule),
        top + 13.0 * unit,
    );
    for episode in shown {
        bar(svg, episode, plot, middle);
    }
}

/// The taller the bar, the more it asks of people; one that is still open ends in a point.
fn bar(svg: &mut String, episode: &EpisodeRow, plot: &Plot, middle: f64) {
    let unit = f64::from(SCALE);
    let half = unit
        * match episode.severity {
            Severity::Info => 3.5,
            Severity::Warning => 7.0,
            Severity::Critical => 10.5,
        };
    let start = plot.x(day(episode.opened));
    let end = episode
        .closed
        .map_or(plot.right, |closed| plot.x(day(closed)));
    let room = ((BAR_WIDTH_MIN * unit - (end - start)) / 2.0).max(0.0);
    let (start, end) = (start - room, end + room);
    let (top, bottom) = (middle - half, middle + half);
    let point = if episode.closed.is_none() {
        6.0 * unit
    } else {
        0.0
    };
    let _ = writeln!(
        svg,
        "<a href=\"#{}\" class=\"{}\"><title>{}</title><path d=\"M{start:.1} {top:.1}H{end:.1}L{:.1} {middle:.1}L{end:.1} {bottom:.1}H{start:.1}Z\"/></a>",
        anchor(&episode.id),
        episode.severity.name(),
        Escaped(told(episode)),
        end + point,
    );
}

fn told(episode: &EpisodeRow) -> String {
    let EpisodeRow {
        rule,
        subject,
        opened,
        headline,
        severity,
        ..
    } = episode;
    let closed = episode
        .closed
        .map_or("still open".to_owned(), |closed| closed.to_string());
    format!(
        "{headline}\n{rule} on {subject}, {}\n{opened} to {closed}",
        severity.name()
    )
}

/// The points under the pointer, as data for the script of the page.
fn readout(lines: &[Line<'_>], plot: &Plot) -> String {
    let columns = ((plot.right - plot.left) / f64::from(SCALE)) as usize;
    let series: Vec<_> = lines
        .iter()
        .map(|line| {
            let points = thin(plot.days.cut(&line.points), plot.days, columns);
            let exact = points.len() == plot.days.cut(&line.points).len();
            let (days, values): (Vec<_>, Vec<_>) = points.into_iter().unzip();
            json!({ "name": line.series.name, "exact": exact, "days": days, "values": values })
        })
        .collect();
    let data = json!({
        "from": plot.days.from, "to": plot.days.to, "left": plot.left, "right": plot.right,
        "series": series,
    });
    format!(
        "<script type=\"application/json\" class=\"readout-data\">{}</script>\n",
        script_json(&data)
    )
}
