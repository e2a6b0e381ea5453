//! The rotation picture: relative strength against its momentum, each member with a tail of where it came from.

use std::fmt::Write as _;

use plotters::prelude::*;

use super::axis::Axis;
use super::chart::{self, AXIS, GRID, LABEL, LABELS_WIDTH, SCALE, units};
use super::scale::Values;
use super::text::{Escaped, number};
use super::{Member, Quadrants, ReportError};

const WIDTH: i32 = 760;
const HEIGHT: i32 = 560;
const MARGIN: i32 = 16;
const BELOW: i32 = 40;

/// The middle of both axes.
const MIDDLE: f64 = 100.0;

/// Names nearer to one another than this, in pixels, are moved apart.
const NAME_HEIGHT: f64 = 13.0;
const NAME_WIDTH: f64 = 48.0;

/// Where the plot is, in units of the drawing, and what it shows.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    ratio: Values,
    momentum: Values,
}

impl Frame {
    fn x(&self, ratio: f64) -> f64 {
        let share = (ratio - self.ratio.low) / (self.ratio.high - self.ratio.low);
        self.left + (self.right - self.left) * share
    }

    fn y(&self, momentum: f64) -> f64 {
        let share = (momentum - self.momentum.low) / (self.momentum.high - self.momentum.low);
        self.bottom - (self.bottom - self.top) * share
    }
}

/// The quadrant that a place is in.
fn quadrant(ratio: f64, momentum: f64) -> &'static str {
    match (ratio >= MIDDLE, momentum >= MIDDLE) {
        (true, true) => "leading",
        (true, false) => "weakening",
        (false, false) => "lagging",
        (false, true) => "improving",
    }
}

/// The section of the page; nothing where no member has a place.
pub(super) fn section(picture: &Quadrants) -> Result<String, ReportError> {
    let is_place =
        |(_, ratio, momentum): &&(_, f64, f64)| ratio.is_finite() && momentum.is_finite();
    let members: Vec<Member> = picture
        .members
        .iter()
        .map(|member| Member {
            name: member.name.clone(),
            tail: member.tail.iter().filter(is_place).copied().collect(),
        })
        .filter(|member| !member.tail.is_empty())
        .collect();
    let newest = members.iter().flat_map(|member| member.tail.last());
    let Some(newest) = newest.map(|place| place.0).max() else {
        return Ok(String::new());
    };
    let mut svg = String::new();
    let frame = frame(&mut svg, &members)?;
    fields(&mut svg, &frame);
    for member in &members {
        tail(&mut svg, member, &frame);
    }
    names(&mut svg, &members, &frame);
    svg.push_str("</svg>\n");
    let label =
        "<svg class=\"quadrants\" role=\"img\" aria-label=\"Relative strength against momentum\" ";
    let svg = svg.replacen("<svg ", label, 1);
    Ok(format!(
        "<section>\n<h2>Who leads, weakens, lags, improves</h2>\n<figure class=\"picture\">\n{svg}<figcaption>\
         <span class=\"hint\">{}, {newest}: to the right the stronger against the benchmark, upward the faster that \
         grows; 100 is the middle of both. The dot is the newest, the tail where it came from.</span></figcaption>\n\
         </figure>\n</section>\n",
        Escaped(&picture.rule),
    ))
}

/// Draws the axes, and says where everything goes.
fn frame(svg: &mut String, members: &[Member]) -> Result<Frame, ReportError> {
    let places = || members.iter().flat_map(|member| &member.tail);
    // Both sides of the middle are shown, as far as the farthest place on either.
    let scale = |values: Vec<f64>| {
        let reach = values.iter().map(|value| (value - MIDDLE).abs());
        let reach = reach.fold(0.5, f64::max) * 1.05;
        Values::of([(0, MIDDLE - reach), (0, MIDDLE + reach)].iter())
    };
    let ratio = scale(places().map(|place| place.1).collect());
    let momentum = scale(places().map(|place| place.2).collect());
    let axis = |values: &Values| Axis {
        ends: values.low..values.high,
        ticks: values.ticks(),
    };
    let area = chart::canvas(svg, WIDTH, HEIGHT);
    let mut chart = ChartBuilder::on(&area)
        .margin_top(units(MARGIN))
        .margin_right(units(MARGIN))
        .x_label_area_size(units(BELOW))
        .y_label_area_size(units(LABELS_WIDTH))
        .build_cartesian_2d(axis(&ratio), axis(&momentum))?;
    let font = ("sans-serif", 11.0 * f64::from(SCALE) * 1.24);
    chart
        .configure_mesh()
        .bold_line_style(GRID.stroke_width(units(1)))
        .axis_style(AXIS.stroke_width(units(1)))
        .label_style(font.into_font().color(&LABEL))
        .draw()?;
    let (x, y) = chart.plotting_area().get_pixel_range();
    drop(chart);
    area.present()?;
    drop(area);
    svg.truncate(svg.rfind("</svg>").unwrap_or(svg.len()));
    Ok(Frame {
        left: f64::from(x.start),
        right: f64::from(x.end),
        top: f64::from(y.start),
        bottom: f64::from(y.end),
        ratio,
        momentum,
    })
}

/// Tints the quadrants, names them in their corners, and names the axes.
fn fields(svg: &mut String, frame: &Frame) {
    let (middle, center) = (frame.x(MIDDLE), frame.y(MIDDLE));
    let Frame {
        left,
        right,
        top,
        bottom,
        ..
    } = *frame;
    let unit = f64::from(SCALE);
    let (above, below) = (top + 18.0 * unit, bottom - 10.0 * unit);
    let corners = [
        ("improving", (left, middle), (top, center), above, "start"),
        ("leading", (middle, right), (top, center), above, "end"),
        ("lagging", (left, middle), (center, bottom), below, "start"),
        ("weakening", (middle, right), (center, bottom), below, "end"),
    ];
    for (name, (from, to), (high, low), y, anchor) in corners {
        let x = if anchor == "start" {
            from + 10.0 * unit
        } else {
            to - 10.0 * unit
        };
        let _ = writeln!(
            svg,
            "<rect class=\"field {name}\" x=\"{from:.1}\" y=\"{high:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\
             <text class=\"field\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{name}</text>",
            to - from,
            low - high,
        );
    }
    let _ = writeln!(
        svg,
        "<line class=\"middle\" x1=\"{middle:.1}\" x2=\"{middle:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>\
         <line class=\"middle\" x1=\"{left}\" x2=\"{right}\" y1=\"{center:.1}\" y2=\"{center:.1}\"/>\
         <text class=\"axis\" x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">ratio</text>\
         <text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\">momentum</text>",
        bottom + 34.0 * unit,
        left - f64::from((LABELS_WIDTH - 4) * SCALE),
        top - 3.0 * unit,
    );
}

/// A line through the places, dots that grow towards the newest, and what each of them is.
fn tail(svg: &mut String, member: &Member, frame: &Frame) {
    let Some((_, ratio, momentum)) = member.tail.last() else {
        return;
    };
    let class = quadrant(*ratio, *momentum);
    let unit = f64::from(SCALE);
    let points: Vec<String> = member
        .tail
        .iter()
        .map(|(_, ratio, momentum)| format!("{:.1},{:.1}", frame.x(*ratio), frame.y(*momentum)))
        .collect();
    let _ = write!(
        svg,
        "<g class=\"{class}\"><polyline class=\"tail\" fill=\"none\" points=\"{}\"/>",
        points.join(" ")
    );
    for (at, (date, ratio, momentum)) in (1..).zip(&member.tail) {
        let age = f64::from(at) / member.tail.len() as f64;
        let radius = if at as usize == member.tail.len() {
            5.0
        } else {
            1.5 + 1.5 * age
        };
        let _ = write!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{:.1}\"><title>{} {date}: ratio {}, momentum {}</title></circle>",
            frame.x(*ratio),
            frame.y(*momentum),
            radius * unit,
            Escaped(&member.name),
            number(*ratio, 2),
            number(*momentum, 2),
        );
    }
    svg.push_str("</g>\n");
}

/// Writes the names beside the newest dots; those that would cover one another move down.
fn names(svg: &mut String, members: &[Member], frame: &Frame) {
    let unit = f64::from(SCALE);
    let heads = members.iter().filter_map(|member| {
        let (_, ratio, momentum) = member.tail.last()?;
        Some((frame.x(*ratio), frame.y(*momentum), member))
    });
    let mut heads: Vec<(f64, f64, &Member)> = heads.collect();
    heads.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.2.name.cmp(&b.2.name)));
    let mut placed: Vec<(f64, f64)> = Vec::new();
    for (x, y, member) in heads {
        let is_left = x > frame.right - NAME_WIDTH * unit;
        let (x, anchor) = if is_left {
            (x - 8.0 * unit, "end")
        } else {
            (x + 8.0 * unit, "start")
        };
        let mut y = y + 4.0 * unit;
        let covers = |y: f64| {
            let near = |(other_x, other_y): &&(f64, f64)| {
                (x - other_x).abs() < NAME_WIDTH * unit && (y - other_y).abs() < NAME_HEIGHT * unit
            };
            placed.iter().find(near).map(|(_, other)| *other)
        };
        // Each turn moves below one of those placed, and by more than rounding could take back, so it ends.
        while let Some(other) = covers(y) {
            y = other + NAME_HEIGHT * unit + 0.5;
        }
        placed.push((x, y));
        let _ = writeln!(
            svg,
            "<text class=\"member\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
            Escaped(&member.name),
        );
    }
}
