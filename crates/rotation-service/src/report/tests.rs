//! Pages of made-up backtests, and what must hold for each of them.

use std::collections::BTreeSet;

use jiff::ToSpan;
use jiff::civil::date;
use serde_json::json;

use super::*;

const HOSTILE: &str = "</script><img src=x onerror=\"alert('1')\">&amp;\u{2028}";

fn series(name: &str, sessions: i32, value: impl Fn(i32) -> f64) -> SeriesLine {
    let point = |at: i32| (date(1990, 1, 1).saturating_add(at.days()), value(at));
    SeriesLine {
        name: name.to_owned(),
        title: format!("Series {name}"),
        unit: "percent".to_owned(),
        points: (0..sessions).map(point).collect(),
    }
}

fn episode(at: i32, rule: &str, subject: &str, closed: bool, severity: Severity) -> EpisodeRow {
    let opened = date(1990, 1, 1).saturating_add(at.days());
    let ended = opened.saturating_add(9.days());
    let event = |date, state: &str| TransitionRow {
        date,
        state: state.to_owned(),
        headline: format!("{state} on {date}"),
    };
    EpisodeRow {
        id: format!("us/{rule}/{subject}/{at}"),
        rule: rule.to_owned(),
        subject: subject.to_owned(),
        opened,
        closed: closed.then_some(ended),
        severity,
        headline: format!("{subject} did what {rule} waits for"),
        measured: "peak 9, opened against 5 sessions".to_owned(),
        ended: closed.then(|| "broken_run".to_owned()),
        reverses: "a session that is lost".to_owned(),
        parent: None,
        transitions: vec![event(opened, "opened"), event(ended, "resolved")],
        evidence: json!({ "length": 5, "longest_since": { "end": "2008-06-06", "length": 13 }, "return": 0.0776 }),
    }
}

fn input(sessions: i32, episodes: Vec<EpisodeRow>) -> ReportInput {
    ReportInput {
        title: "A backtest".to_owned(),
        from: date(1990, 1, 1),
        to: date(1990, 1, 1).saturating_add((sessions - 1).days()),
        series: vec![
            series("RUT", sessions, |at| 100.0 + f64::from(at)),
            series("GSPC", sessions, |at| 300.0 + f64::from(at * 7_919 % 101)),
        ],
        bands: Vec::new(),
        quadrants: None,
        panels: Vec::new(),
        episodes,
        summary: vec![("episodes".to_owned(), "some".to_owned())],
    }
}

/// Renders, and holds the page to what is true of every page.
#[track_caller]
fn check(input: &ReportInput) -> String {
    let page = render(input).unwrap();
    for outside in [
        "src=", "url(", "@import", "<link", "<img", "https:", "fetch(",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    let addresses: BTreeSet<_> = values_of(&page, "http://").collect();
    assert!(
        addresses
            .iter()
            .all(|address| address.starts_with("www.w3.org/2000/svg")),
        "{addresses:?}"
    );
    assert_balanced(&page);
    let rows: Vec<_> = values_of(&page, "<tr id=\"").collect();
    let ids: BTreeSet<_> = rows.iter().copied().collect();
    assert_eq!(
        (rows.len(), ids.len()),
        (input.episodes.len(), input.episodes.len())
    );
    let links: BTreeSet<_> = values_of(&page, "href=\"#").collect();
    assert!(links.is_subset(&ids), "{:?}", links.difference(&ids));
    assert!(!page.contains("NaN") && !page.contains("inf,") && !page.contains(",inf"));
    page
}

fn values_of<'a>(page: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    page.split(before)
        .skip(1)
        .filter_map(|rest| rest.split(['"', '\'']).next())
}

/// Every element is closed, in the order it should be.
#[track_caller]
fn assert_balanced(page: &str) {
    let mut open = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let (tag, after) = rest.split_once('>').expect("a tag has an end");
        let name = tag
            .split([' ', '\n', '/'])
            .find(|part| !part.is_empty())
            .unwrap();
        rest = after;
        match name {
            _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name)),
            "!doctype" | "meta" | "input" => {}
            _ if tag.ends_with('/') => {}
            "script" | "style" => {
                let end = format!("</{name}>");
                rest = rest
                    .split_once(&end)
                    .expect("scripts and styles have an end")
                    .1;
            }
            _ => open.push(name),
        }
    }
    assert_eq!(open, [""; 0]);
}

#[test]
fn a_page_links_each_bar_to_its_evidence() {
    let page = check(&input(
        1_000,
        vec![
            episode(400, "streak", "RUT/GSPC", true, Severity::Warning),
            episode(950, "streak", "RUT/GSPC", true, Severity::Info),
            episode(990, "level", "GSPC", false, Severity::Critical),
        ],
    ));
    // Both timelines show the two late ones, the whole range alone the first.
    let bars = |name: &str| page.matches(&format!("class=\"{name}\"><title>")).count();
    assert_eq!((bars("warning"), bars("info"), bars("critical")), (1, 2, 2));
    assert!(page.contains("<span class=\"badge critical\">critical</span>"));
    assert!(page.contains("<dt>longest since</dt><dd>end 2008-06-06, length 13</dd>"));
    assert!(page.contains("still open"));
    assert_eq!(page.matches("class=\"close-up\"").count(), 3);
    assert_eq!(page.matches("<h2>The last year</h2>").count(), 1);
}

#[test]
fn rates_count_the_years_in_which_every_series_has_values() {
    let episodes =
        (0..10).map(|at| episode(3_000 + 50 * at, "r", "RUT/GSPC", true, Severity::Info));
    let mut late = input(3_653, episodes.collect());
    late.series[1].points.drain(..2_922);
    // Ten episodes in the last two of ten years.
    assert!(check(&late).contains("<td>r</td><td class=\"n\">10</td><td class=\"n\">5.0</td>"));
}

#[test]
fn text_stays_text() {
    let mut hostile = input(30, vec![episode(3, HOSTILE, "RUT", true, Severity::Info)]);
    hostile.title = HOSTILE.to_owned();
    hostile.series[0].title = HOSTILE.to_owned();
    hostile.series[0].unit = HOSTILE.to_owned();
    hostile.series[1].name = HOSTILE.to_owned();
    hostile
        .summary
        .push((HOSTILE.to_owned(), HOSTILE.to_owned()));
    let row = &mut hostile.episodes[0];
    row.headline = HOSTILE.to_owned();
    row.transitions[0].state = HOSTILE.to_owned();
    row.transitions[0].headline = HOSTILE.to_owned();
    row.measured = HOSTILE.to_owned();
    row.ended = Some(HOSTILE.to_owned());
    row.reverses = HOSTILE.to_owned();
    hostile.bands = vec![band(0, 29, HOSTILE)];
    hostile.series[1].unit.clear();
    hostile.quadrants = Some(Quadrants {
        rule: HOSTILE.to_owned(),
        members: vec![member(HOSTILE, &[(101.0, 99.0)])],
    });
    hostile.panels = vec![Panel {
        rule: HOSTILE.to_owned(),
        subject: HOSTILE.to_owned(),
        unit: HOSTILE.to_owned(),
        points: hostile.series[0].points.clone(),
        threshold: Vec::new(),
        opening: Vec::new(),
    }];
    let row = &mut hostile.episodes[0];
    row.evidence = json!({ HOSTILE: [HOSTILE, { HOSTILE: null }] });
    let page = render(&hostile).unwrap();
    assert_balanced(&page);
    assert!(!page.contains("<img") && !page.contains("onerror=\""));
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(page.contains(
        "&lt;/script&gt;&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;amp;"
    ));
}

fn band(from: i32, to: i32, label: &str) -> Band {
    let at = |day: i32| date(1990, 1, 1).saturating_add(day.days());
    Band {
        from: at(from),
        to: at(to),
        label: label.to_owned(),
    }
}

#[test]
fn states_are_bands_over_the_charts_of_prices_alone() {
    let mut page = input(1_000, Vec::new());
    page.series.push(series("IWM", 1_000, |_| 5.0));
    // GSPC is in percent; the prices are RUT, which tells each band, and IWM.
    page.series[0].unit.clear();
    page.series[2].unit.clear();
    page.bands = vec![
        band(100, 400, "large_cap_led"),
        band(400, 402, "broadening"),
        band(402, 700, "small_cap_led"),
        band(980, 999, "large_cap_led"),
        band(999, 999, "unheard_of"),
    ];
    let page = check(&page);
    // The whole range shows all five, the last year those that touch it.
    assert_eq!(page.matches("<rect class=\"band ").count(), 5 + 3);
    assert_eq!(page.matches("<title>small cap led\n").count(), 2);
    assert_eq!(
        page.matches("<text class=\"band\"").count(),
        2 + 1,
        "names that fit"
    );
    // In the other chart one shape a state.
    assert_eq!(page.matches("<path class=\"band ").count(), 4 + 3);
    let legend = "<span class=\"state broadening\"><i></i>broadening</span>";
    assert_eq!(page.matches(legend).count(), 2);
    assert!(page.contains("<span class=\"state other\"><i></i>unheard of</span>"));
    assert!(!check(&input(100, Vec::new())).contains("class=\"band"));
}

fn member(name: &str, places: &[(f64, f64)]) -> Member {
    let place = |(at, place): (i32, &(f64, f64))| {
        (
            date(1990, 1, 1).saturating_add((7 * at).days()),
            place.0,
            place.1,
        )
    };
    Member {
        name: name.to_owned(),
        tail: (0..).zip(places).map(place).collect(),
    }
}

#[test]
fn the_rotation_picture_puts_each_member_into_its_quadrant() {
    let mut page = input(100, Vec::new());
    page.quadrants = Some(Quadrants {
        rule: "sectors".to_owned(),
        members: vec![
            member("KRE", &[(98.5, 99.0), (99.0, 101.0), (101.0, 101.5)]),
            member("XLK", &[(102.0, 99.5)]),
            member("XLV", &[(99.0, 98.5)]),
            // The same place: the names stand apart.
            member("XLF", &[(99.0, 98.5)]),
            member("XLI", &[(98.8, 100.2), (f64::NAN, 100.0)]),
            member("GONE", &[]),
        ],
    });
    let page = check(&page);
    for (quadrant, count) in [
        ("leading", 1),
        ("weakening", 1),
        ("lagging", 2),
        ("improving", 1),
    ] {
        assert_eq!(
            page.matches(&format!("<g class=\"{quadrant}\">")).count(),
            count,
            "{quadrant}"
        );
        assert_eq!(
            page.matches(&format!("class=\"field {quadrant}\"")).count(),
            1
        );
    }
    assert!(page.contains("<title>KRE 1990-01-15: ratio 101.00, momentum 101.50</title>"));
    assert_eq!(page.matches("class=\"tail\"").count(), 5);
    let names: BTreeSet<_> = values_of(&page, "<text class=\"member\" x=\"").collect();
    let heights: BTreeSet<_> = page
        .split("<text class=\"member\"")
        .skip(1)
        .filter_map(|rest| values_of(rest, "y=\"").next())
        .collect();
    assert_eq!((names.len(), heights.len()), (4, 5), "{heights:?}");
}

#[test]
fn readings_stand_against_their_thresholds() {
    let mut page = input(
        1_000,
        vec![episode(400, "breadth", "SP500", true, Severity::Warning)],
    );
    let of = |value: fn(i32) -> f64| series("", 1_000, value).points;
    page.panels = vec![
        Panel {
            rule: "breadth".to_owned(),
            subject: "SP500".to_owned(),
            unit: "percent".to_owned(),
            points: of(|at| 50.0 + f64::from(at % 40)),
            threshold: of(|at| if at % 2 == 0 { 61.5 } else { 40.0 }),
            opening: of(|_| 61.5),
        },
        Panel {
            rule: "empty".to_owned(),
            subject: "X".to_owned(),
            unit: "percent".to_owned(),
            points: vec![(date(1990, 1, 5), f64::NAN)],
            threshold: Vec::new(),
            opening: Vec::new(),
        },
    ];
    let page = check(&page);
    assert_eq!(page.matches("<h2>Readings</h2>").count(), 1);
    assert_eq!(page.matches("Readings against their thresholds").count(), 2);
    // The second line of a chart is the threshold.
    assert_eq!(page.matches("stroke=\"#B85C14\" stroke-width").count(), 2);
    assert!(page.contains(">breadth<tspan class=\"about\" dx=\"32\">SP500, percent</tspan>"));
    assert!(page.contains(">89</text>"), "the last reading");
    assert!(!page.contains("its threshold comes and goes"));
}

#[test]
fn a_threshold_that_comes_and_goes_is_left_to_the_last_year() {
    let mut page = input(1_000, Vec::new());
    page.panels = vec![Panel {
        rule: "thrust".to_owned(),
        subject: "SP500".to_owned(),
        unit: "share".to_owned(),
        points: series("", 1_000, |_| 0.5).points,
        threshold: series("", 1_000, |at| 0.4 + 0.2 * f64::from(at % 2)).points,
        opening: series("", 1_000, |at| 0.4 + 0.2 * f64::from(at % 2)).points,
    }];
    let page = check(&page);
    assert_eq!(page.matches("its threshold comes and goes").count(), 1);
    assert_eq!(page.matches("stroke=\"#B85C14\" stroke-width").count(), 1);
}

#[test]
fn years_in_which_hardly_any_series_has_values_are_not_charted() {
    let mut old = input(10_000, Vec::new());
    old.series = (0..5)
        .map(|at| {
            let mut line = series(&format!("S{at}"), 10_000, |day| 1.0 + f64::from(day % 7));
            line.points.drain(..[0, 6_000, 7_000, 8_000, 9_000][at]);
            line
        })
        .collect();
    // Of five series the second makes more than a quarter.
    assert!(check(&old).contains("<h2>Since 2006-06-06</h2>"));
    old.series.truncate(4);
    assert!(check(&old).contains("<h2>The whole range</h2>"));
}

#[test]
fn parts_and_wholes_link_to_one_another() {
    let mut part = episode(5, "streak", "RUT/GSPC", true, Severity::Info);
    let whole = episode(3, "rotation", "us", false, Severity::Warning);
    part.parent = Some(whole.id.clone());
    let mut orphan = episode(7, "streak", "RUT/GSPC", false, Severity::Info);
    orphan.parent = Some("us/gone".to_owned());
    let (link_whole, link_part) = (text::anchor(&whole.id), text::anchor(&part.id));
    let page = check(&input(30, vec![part, whole, orphan]));
    assert!(page.contains(&format!(
        "part of <a href=\"#{link_whole}\">rotation, 1990-01-04</a>"
    )));
    assert!(page.contains(&format!(
        "parts: <a href=\"#{link_part}\">streak, 1990-01-06</a>"
    )));
    assert_eq!(page.matches("part of ").count(), 1);
    // Every row links to itself, says what it measured, and how it ended or would.
    assert_eq!(page.matches("<a class=\"self\" href=\"#").count(), 3);
    assert!(page.contains("peak 9, opened against 5 sessions; ended: broken run</small>"));
    assert!(page.contains("5 sessions; would end with a session that is lost</small>"));
}

#[test]
fn odd_inputs_still_make_a_page() {
    check(&input(1, Vec::new()));
    check(&input(
        2,
        vec![episode(0, "r", "RUT", false, Severity::Info)],
    ));
    // A subject without a series, and an episode before the first value.
    check(&input(
        400,
        vec![
            episode(-700, "r", "RUT", true, Severity::Info),
            episode(5, "r", "X", true, Severity::Info),
        ],
    ));
    let mut bare = input(100, vec![episode(7, "r", "RUT", true, Severity::Info)]);
    bare.series.clear();
    bare.summary.clear();
    check(&bare);
    let mut broken = input(100, vec![episode(7, "r", "RUT/GSPC", true, Severity::Info)]);
    broken.series[0].points.clear();
    broken.series[1] = series("GSPC", 100, |at| if at % 2 == 0 { f64::NAN } else { 0.0 });
    check(&broken);
    let mut reversed = input(10, Vec::new());
    reversed.to = date(1989, 12, 31);
    let error = render(&reversed).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a report must end no earlier than it begins, given 1990-01-01 to 1989-12-31"
    );
}

#[test]
fn long_series_are_thinned_to_the_pixels_of_the_page() {
    let page = check(&input(14_000, Vec::new()));
    let points = values_of(
        &page,
        "<polyline fill=\"none\" opacity=\"1\" stroke=\"#1D4E89\" stroke-width=\"6\" points=\"",
    );
    let most = points
        .map(|points| points.split_whitespace().count())
        .max()
        .unwrap();
    assert!((1_000..=2 * 1_160).contains(&most), "{most}");
    assert!(page.len() < 400_000, "{}", page.len());
}

#[test]
fn many_episodes_keep_the_page_within_bounds() {
    let episodes = (0..2_000)
        .map(|at| episode(7 * at, "r", "RUT", true, Severity::Info))
        .collect();
    let page = check(&input(14_000, episodes));
    assert_eq!(page.matches("class=\"close-up\"").count(), 250);
    assert!(page.len() < 5_000_000, "{}", page.len());
}
