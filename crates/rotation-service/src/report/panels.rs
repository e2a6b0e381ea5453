//! Readings over time, each against its threshold, one chart above the other.

use std::fmt::Write as _;

use super::chart::{self, Chart, Plot, SCALE, units};
use super::scale::{Days, Point, day};
use super::text::{Escaped, short};
use super::timeline::{CHART_HEIGHT, DATES_HEIGHT, WIDTH, shades_of};
use super::{Panel, ReportError, ReportInput};
use jiff::civil::Date;

/// Over more days than this only the thresholds for opening are shown: those of open episodes come and go too often.
const DAYS_FOR_ALL: i32 = 2 * 366;

/// A threshold that changes more often would cover the readings.
const CHANGES_MAX: usize = 100;

/// Writes the section: a figure for each range of days.
pub(super) fn section(
    html: &mut String,
    input: &ReportInput,
    ranges: &[(String, Days)],
) -> Result<(), ReportError> {
    html.push_str("<section>\n<h2>Readings</h2>\n");
    for (heading, days) in ranges {
        let svg = draw(input, *days)?;
        let _ = write!(
            html,
            "<h3>{heading}</h3>\n<figure class=\"timeline\">\n{svg}<figcaption><span class=\"hint\">What a rule read, and \
             what the reading was held against; the days of its episodes are shaded.</span></figcaption>\n</figure>\n",
        );
    }
    html.push_str("</section>\n");
    Ok(())
}

fn draw(input: &ReportInput, days: Days) -> Result<String, ReportError> {
    let count = i32::try_from(input.panels.len()).unwrap_or(i32::MAX / 1_000);
    let height = count * CHART_HEIGHT + DATES_HEIGHT + 6;
    let mut svg = String::new();
    let area = chart::canvas(&mut svg, WIDTH, height);
    let mut rest = area.clone();
    let mut plots = Vec::with_capacity(input.panels.len());
    for (at, panel) in input.panels.iter().enumerate() {
        let is_last = at + 1 == input.panels.len();
        let height = CHART_HEIGHT + if is_last { DATES_HEIGHT } else { 0 };
        let (own, below) = rest.split_vertically(units(height));
        rest = below;
        let is_long = days.len() > DAYS_FOR_ALL;
        let threshold = if is_long {
            &panel.opening
        } else {
            &panel.threshold
        };
        let (points, mut threshold) = (line(&panel.points), line(threshold));
        let changes = threshold.windows(2).filter(|pair| pair[0].1 != pair[1].1);
        let is_shown = !is_long || changes.count() <= CHANGES_MAX;
        if !is_shown {
            threshold.clear();
        }
        let plot = Chart {
            lines: vec![&points, &threshold],
            shades: shades_of(input, days, |episode| episode.rule == panel.rule),
            days,
            day_labels: 12,
            dates_below: is_last,
        }
        .draw(&own)?;
        let last = days.cut(&points).last().copied();
        plots.push((plot, last, is_shown));
    }
    area.present()?;
    drop(area);
    drop(rest);
    svg.truncate(svg.rfind("</svg>").unwrap_or(svg.len()));
    for (panel, (plot, last, is_shown)) in input.panels.iter().zip(&plots) {
        title(&mut svg, panel, plot, (*last, *is_shown));
    }
    svg.push_str("</svg>\n");
    let label = "<svg role=\"group\" aria-label=\"Readings against their thresholds\" ";
    Ok(svg.replacen("<svg ", label, 1))
}

fn line(points: &[(Date, f64)]) -> Vec<Point> {
    let points = points.iter().filter(|point| point.1.is_finite());
    points.map(|(date, value)| (day(*date), *value)).collect()
}

fn title(
    svg: &mut String,
    panel: &Panel,
    plot: &Plot,
    (last, has_threshold): (Option<Point>, bool),
) {
    let Panel {
        rule,
        subject,
        unit,
        ..
    } = panel;
    let (left, right, y) = (plot.left, plot.right, plot.top - f64::from(8 * SCALE));
    let gap = 8 * SCALE;
    let threshold = if has_threshold {
        "threshold"
    } else {
        "its threshold comes and goes: see the last year"
    };
    let _ = writeln!(
        svg,
        "<text class=\"title\" x=\"{left}\" y=\"{y}\">{}<tspan class=\"about\" dx=\"{gap}\">{}, {}</tspan>\
         <tspan class=\"about line1\" dx=\"{gap}\">{threshold}</tspan></text>\
         <text class=\"last\" x=\"{right}\" y=\"{y}\">{}</text>",
        Escaped(rule),
        Escaped(subject),
        Escaped(unit),
        last.map(|last| short(last.1)).unwrap_or_default(),
    );
}
