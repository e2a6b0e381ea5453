//! The states of the market, as a strip of colour along the top of a chart.

use std::fmt::Write as _;

use super::Band;
use super::chart::{Plot, SCALE};
use super::scale::{Days, day};
use super::text::{Escaped, words};

/// States with a colour of their own; all others share one.
const KNOWN: [&str; 4] = [
    "large_cap_led",
    "broadening",
    "small_cap_led",
    "rotation_at_risk",
];

/// Height of the strip; a plot has so much room above its highest value.
const HEIGHT: i32 = 9;
/// Width of a letter, at most, to know which names fit into their band.
const LETTER: f64 = 5.2;

fn class(label: &str) -> &'static str {
    let known = KNOWN.iter().find(|known| **known == label);
    known.copied().unwrap_or("other")
}

/// Draws the strip. In `detail` each band says its days, and its name where that fits; otherwise the bands of one state
/// are one shape, so that many charts may have a strip.
pub(super) fn strip(svg: &mut String, bands: &[Band], plot: &Plot, detail: bool) {
    let Days { from, to } = plot.days;
    let shown = bands
        .iter()
        .filter(|band| day(band.from) <= to && day(band.to) >= from);
    let (unit, height) = (f64::from(SCALE), f64::from(HEIGHT * SCALE));
    if detail {
        for band in shown {
            let (left, right) = (plot.x(day(band.from)), plot.x(day(band.to)));
            let _ = write!(
                svg,
                "<rect class=\"band {}\" x=\"{left:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{height}\">\
                 <title>{}\n{} to {}</title></rect>",
                class(&band.label),
                plot.top,
                (right - left).max(unit),
                Escaped(words(&band.label)),
                band.from,
                band.to,
            );
            let name = words(&band.label);
            if (right - left) / unit > LETTER * name.chars().count() as f64 + 8.0 {
                let _ = write!(
                    svg,
                    "<text class=\"band\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                    left + 4.0 * unit,
                    plot.top + height - 2.0 * unit,
                    Escaped(name),
                );
            }
        }
        svg.push('\n');
        return;
    }
    let mut paths: Vec<(&'static str, String)> = Vec::new();
    for band in shown {
        let class = class(&band.label);
        let at = match paths.iter().position(|(known, _)| *known == class) {
            Some(at) => at,
            None => {
                paths.push((class, String::new()));
                paths.len() - 1
            }
        };
        let (left, right) = (plot.x(day(band.from)), plot.x(day(band.to)));
        let width = (right - left).max(unit);
        let _ = write!(
            paths[at].1,
            "M{left:.0} {}h{width:.0}v{height}h-{width:.0}z",
            plot.top
        );
    }
    for (class, path) in paths {
        let _ = writeln!(svg, "<path class=\"band {class}\" d=\"{path}\"/>");
    }
}

/// The names of the states, with their colours.
pub(super) fn legend(html: &mut String, bands: &[Band]) {
    let mut labels: Vec<&str> = bands.iter().map(|band| band.label.as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    for label in labels {
        let _ = write!(
            html,
            "<span class=\"state {}\"><i></i>{}</span>",
            class(label),
            Escaped(words(label)),
        );
    }
}
