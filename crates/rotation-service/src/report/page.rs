//! The page around the charts.

use std::fmt::Write as _;

use jiff::ToSpan;

use super::episode::Family;
use super::scale::{Days, date_of, day};
use super::text::{Escaped, anchor, number};
use super::timeline::{self, Line, lanes};
use super::{EpisodeRow, ReportError, ReportInput, Severity, bands, episode, panels, quadrants};

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

const SEVERITIES: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Critical];

/// Episodes that have a chart of their own: the newest so many. The page would grow too heavy otherwise.
const CLOSE_UPS_MAX: usize = 250;

/// A backtest longer than this, in days, also shows its last year by itself.
const DAYS_FOR_LAST_YEAR: i32 = 2 * 366;

pub(super) fn render(input: &ReportInput) -> Result<String, ReportError> {
    let lines: Vec<Line<'_>> = input.series.iter().map(Line::new).collect();
    let days = Days::new(input.from, input.to);
    let mut html = String::new();
    head(&mut html, input);
    let mut ranges = vec![whole(&lines, days)];
    if days.len() > DAYS_FOR_LAST_YEAR {
        let year = Days::new(input.to.saturating_sub(1.year()), input.to);
        ranges.push(("The last year".to_owned(), year));
    }
    for (heading, days) in &ranges {
        let svg = timeline::draw(input, &lines, *days)?;
        figure(&mut html, input, heading, &svg);
    }
    if let Some(picture) = &input.quadrants {
        html.push_str(&quadrants::section(picture)?);
    }
    if !input.panels.is_empty() {
        panels::section(&mut html, input, &ranges)?;
    }
    rules(&mut html, input, &lines, days);
    episodes(&mut html, input, &lines)?;
    let _ = write!(
        html,
        "</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    );
    Ok(html)
}

/// The range of the charts: all of it, but for years in which hardly any series has values.
fn whole(lines: &[Line<'_>], days: Days) -> (String, Days) {
    let firsts = lines.iter().filter_map(|line| line.points.first());
    let mut firsts: Vec<i32> = firsts.map(|point| point.0).collect();
    firsts.sort_unstable();
    // From here on a quarter of the series has values.
    let from = firsts.get(firsts.len().div_ceil(4).saturating_sub(1));
    let from = from.copied().unwrap_or(days.from).clamp(days.from, days.to);
    if from - days.from <= days.len() / 20 {
        return ("The whole range".to_owned(), days);
    }
    (format!("Since {}", date_of(from)), Days { from, ..days })
}

fn head(html: &mut String, input: &ReportInput) {
    let title = Escaped(&input.title);
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<header>\n<h1>{title}</h1>\n<p class=\"range\"><time>{}</time> to <time>{}</time></p>\n",
        input.from, input.to,
    );
    if !input.summary.is_empty() {
        html.push_str("<dl class=\"summary\">");
        for (name, figure) in &input.summary {
            let _ = write!(
                html,
                "<div><dt>{}</dt><dd>{}</dd></div>",
                Escaped(name),
                Escaped(figure)
            );
        }
        html.push_str("</dl>\n");
    }
    html.push_str("</header>\n");
}

fn figure(html: &mut String, input: &ReportInput, heading: &str, svg: &str) {
    let _ = write!(
        html,
        "<section>\n<h2>{heading}</h2>\n<figure class=\"timeline\">\n{svg}<figcaption>"
    );
    for severity in SEVERITIES {
        let name = severity.name();
        let _ = write!(html, "<span class=\"key {name}\"><i></i>{name}</span>");
    }
    bands::legend(html, &input.bands);
    html.push_str(
        "<span class=\"hint\">A bar is an episode, the taller the more severe; its days are shaded in the charts \
         (info: only where they can be told apart). Follow a bar to its evidence.</span></figcaption>\n</figure>\n</section>\n",
    );
}

fn rules(html: &mut String, input: &ReportInput, lines: &[Line<'_>], days: Days) {
    let lanes = lanes(&input.episodes);
    if lanes.is_empty() {
        return;
    }
    html.push_str(
        "<section>\n<h2>Rules</h2>\n<div class=\"wide\"><table class=\"rules\"><thead><tr><th>rule</th>\
         <th class=\"n\">episodes</th><th class=\"n\">a year</th><th class=\"n\">info</th><th class=\"n\">warning</th>\
         <th class=\"n\">critical</th><th>the last opened</th></tr></thead><tbody>\n",
    );
    for (rule, episodes) in lanes {
        let of = |severity| {
            episodes
                .iter()
                .filter(|episode| episode.severity == severity)
                .count()
        };
        let [info, warning, critical] = SEVERITIES.map(of);
        let count = episodes.len();
        let years = years(&episodes, lines, days);
        let a_year = number(count as f64 / years, 1);
        let _ = write!(
            html,
            "<tr><td>{}</td><td class=\"n\">{count}</td><td class=\"n\">{a_year}</td><td class=\"n\">{info}</td>\
             <td class=\"n\">{warning}</td><td class=\"n\">{critical}</td><td>",
            Escaped(rule),
        );
        if let Some(last) = episodes.iter().max_by_key(|episode| episode.opened) {
            let _ = write!(
                html,
                "<a href=\"#{}\">{}</a>",
                anchor(&last.id),
                last.opened
            );
        }
        html.push_str("</td></tr>\n");
    }
    html.push_str("</tbody></table></div>\n</section>\n");
}

/// The years in which a rule could open an episode: those in which every series that it is about has values.
fn years(episodes: &[&EpisodeRow], lines: &[Line<'_>], days: Days) -> f64 {
    let concerned = lines
        .iter()
        .filter(|line| episodes.iter().any(|episode| line.concerns(episode)));
    let firsts = concerned.filter_map(|line| line.points.first());
    let from = firsts.map(|point| point.0).fold(days.from, i32::max);
    f64::from((days.to - from).max(1)) / 365.2425
}

fn episodes(html: &mut String, input: &ReportInput, lines: &[Line<'_>]) -> Result<(), ReportError> {
    html.push_str("<section>\n<h2>Episodes, the newest first</h2>\n");
    if input.episodes.is_empty() {
        html.push_str("<p>No rule has opened an episode in these days.</p>\n</section>\n");
        return Ok(());
    }
    html.push_str(
        "<p class=\"filter\" hidden><label>Show those that mention <input type=\"search\" id=\"filter\"></label> \
         <output id=\"shown\"></output></p>\n<div class=\"wide\"><table class=\"episodes\"><thead><tr><th>opened</th><th>closed</th>\
         <th>rule, subject</th><th>severity</th><th>what happened</th></tr></thead><tbody>\n",
    );
    let mut newest: Vec<&EpisodeRow> = input.episodes.iter().collect();
    newest.sort_by(|a, b| (b.opened, &b.rule, &b.id).cmp(&(a.opened, &a.rule, &a.id)));
    let last = day(input.to);
    let family = Family::new(&input.episodes);
    for (at, row) in newest.into_iter().enumerate() {
        episode::row(html, row, &family, lines, (last, at < CLOSE_UPS_MAX))?;
    }
    html.push_str("</tbody></table></div>\n</section>\n");
    Ok(())
}
