//! One chart by `plotters`: lines over days, with windows of days shaded.
//!
//! The SVG backend places everything on whole units, so a chart is drawn [`SCALE`] times as large as it is shown.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::axis::Axis;
use super::scale::{Day, Days, Point, Values, thin};
use super::{ReportError, Severity};

/// Units of the drawing for each pixel shown.
pub(super) const SCALE: i32 = 4;

/// Pixels left of a plot, for the labels of its values.
pub(super) const LABELS_WIDTH: i32 = 58;

const MARGIN_RIGHT: i32 = 14;
const TITLE_HEIGHT: i32 = 26;
const DATES_HEIGHT: i32 = 24;

pub(super) const GRID: RGBColor = RGBColor(0xE7, 0xEA, 0xEE);
pub(super) const AXIS: RGBColor = RGBColor(0xB4, 0xBC, 0xC8);
pub(super) const LABEL: RGBColor = RGBColor(0x5B, 0x65, 0x75);
const LINES: [RGBColor; 2] = [RGBColor(0x1D, 0x4E, 0x89), RGBColor(0xB8, 0x5C, 0x14)];

/// A place to draw on.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// What a chart shows.
pub(super) struct Chart<'a> {
    /// Lines by their points; at most two are told apart.
    pub(super) lines: Vec<&'a [Point]>,
    pub(super) shades: Vec<Shade>,
    pub(super) days: Days,
    /// Labels wanted along the days, at most so many.
    pub(super) day_labels: usize,
    /// Whether the labels are written, or only their grid lines drawn.
    pub(super) dates_below: bool,
}

/// Days behind the lines of a chart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shade {
    pub(super) from: Day,
    pub(super) to: Day,
    pub(super) severity: Severity,
}

/// Where a chart has put its plot, in units of the drawing.
#[derive(Debug, Clone)]
pub(super) struct Plot {
    pub(super) days: Days,
    pub(super) values: Values,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

impl Plot {
    pub(super) fn x(&self, day: Day) -> f64 {
        let share = f64::from(day - self.days.from) / f64::from(self.days.len());
        self.left + (self.right - self.left) * share.clamp(0.0, 1.0)
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        let (low, high) = (
            self.values.place(self.values.low),
            self.values.place(self.values.high),
        );
        let share = (self.values.place(value) - low) / (high - low);
        self.bottom - (self.bottom - self.top) * share.clamp(0.0, 1.0)
    }
}

/// An empty drawing of so many pixels.
pub(super) fn canvas(svg: &mut String, width: i32, height: i32) -> Area<'_> {
    SVGBackend::with_string(svg, (units(width), units(height))).into_drawing_area()
}

/// Pixels as units of the drawing.
pub(super) fn units(pixels: i32) -> u32 {
    (pixels * SCALE).unsigned_abs()
}

impl Chart<'_> {
    /// Draws the chart over the whole area.
    pub(super) fn draw(&self, area: &Area<'_>) -> Result<Plot, ReportError> {
        let shown: Vec<&[Point]> = self
            .lines
            .iter()
            .map(|points| self.days.cut(points))
            .collect();
        let values = Values::of(shown.iter().copied().flatten());
        let (day_axis, value_axis) = self.axes(&values);
        let (from, to) = (day_axis.ends.start, day_axis.ends.end);
        let (low, high) = (value_axis.ends.start, value_axis.ends.end);
        let mut chart = ChartBuilder::on(area)
            .margin_top(units(TITLE_HEIGHT))
            .margin_right(units(MARGIN_RIGHT))
            .x_label_area_size(units(if self.dates_below { DATES_HEIGHT } else { 0 }))
            .y_label_area_size(units(LABELS_WIDTH))
            .build_cartesian_2d(day_axis, value_axis)?;
        // The library takes a font's size with its line height, and gives the backend the size without.
        let font = ("sans-serif", 11.0 * f64::from(SCALE) * 1.24);
        chart
            .configure_mesh()
            .bold_line_style(GRID.stroke_width(units(1)))
            .axis_style(AXIS.stroke_width(units(1)))
            .label_style(font.into_font().color(&LABEL))
            .draw()?;
        let (x, y) = chart.plotting_area().get_pixel_range();
        let plot = Plot {
            days: Days {
                from: self.days.from,
                to: self.days.from + self.days.len(),
            },
            left: f64::from(x.start),
            right: f64::from(x.end),
            top: f64::from(y.start),
            bottom: f64::from(y.end),
            values,
        };
        let pixels = (plot.right - plot.left) / f64::from(SCALE);
        chart.draw_series(self.shades.iter().map(|shade| {
            let (start, end) = (f64::from(shade.from).max(from), f64::from(shade.to).min(to));
            let room = (((to - from) / pixels - (end - start)) / 2.0).max(0.0);
            let corners = [
                ((start - room).max(from), low),
                ((end + room).min(to), high),
            ];
            Rectangle::new(corners, tint(shade.severity).filled())
        }))?;
        for (points, color) in shown.iter().zip(LINES) {
            let place = |(day, value): Point| (f64::from(day), plot.values.place(value));
            let points = thin(points, plot.days, pixels as usize)
                .into_iter()
                .map(place);
            if shown.len() == 1 {
                chart.draw_series(AreaSeries::new(points.clone(), low, color.mix(0.07)))?;
            }
            chart.draw_series(LineSeries::new(points, color.stroke_width(units(3) / 2)))?;
        }
        Ok(plot)
    }

    fn axes(&self, values: &Values) -> (Axis, Axis) {
        let days = self.days.ticks(self.day_labels).into_iter();
        let marks = values.ticks().into_iter();
        let day_axis = Axis {
            ends: f64::from(self.days.from)..f64::from(self.days.from + self.days.len()),
            ticks: days.map(|(day, label)| (f64::from(day), label)).collect(),
        };
        let value_axis = Axis {
            ends: values.place(values.low)..values.place(values.high),
            ticks: marks
                .map(|(value, label)| (values.place(value), label))
                .collect(),
        };
        (day_axis, value_axis)
    }
}

fn tint(severity: Severity) -> RGBAColor {
    match severity {
        Severity::Info => RGBColor(0x6B, 0x8A, 0xB8).mix(0.22),
        Severity::Warning => RGBColor(0xE0, 0x9A, 0x1A).mix(0.28),
        Severity::Critical => RGBColor(0xC9, 0x2A, 0x2A).mix(0.28),
    }
}
