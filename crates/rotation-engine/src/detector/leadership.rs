//! Who leads a benchmark, and who is about to: the rotation of members through four quadrants.

use super::members::{self, Members};
use super::{Account, Change, Detector, Measure, Names, ParamError, Step, Unit, positive};
use crate::calendar::Calendar;
use crate::section::Section;
use jiff::Span;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

mod account;
mod picture;
mod ranks;

use picture::Picture;

/// Parameters of `leadership`: members rotating through the quadrants leading, weakening, lagging and improving against
/// a benchmark, on weekly closes.
///
/// Benchmark and members have to be on one adjustment basis: total returns with total returns, prices with prices. A
/// week is known at its last session by `calendar`; where that cannot be said, for dates that the calendar does not
/// cover and on interval clocks, at the first section of a later week.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The members: symbols, or tables such as `{ symbol = "A", from = "2001-01-31", to = "2010-12-31" }` with the
    /// first day inside and the first outside, either of which may be absent. 1 to 10,000; a symbol may have several
    /// intervals.
    pub members: Members,
    /// The series that they are held against: a symbol that is none of them.
    pub benchmark: String,
    /// What the members are called in headlines. Default "members".
    #[serde(default = "members::group_default")]
    pub group: String,
    /// The members that open an episode: symbols, at most 32. Default []: none, then it only reads the percentage of
    /// members in the quadrant.
    #[serde(default)]
    pub watch: Vec<String>,
    /// The quadrant that they enter: `leading`, `weakening`, `lagging` or `improving`. Default `leading`.
    #[serde(default)]
    pub quadrant: Quadrant,
    /// Weekly closes that ratio and momentum are normalised over. Default 26; 3 to 156. The first quadrants come after
    /// twice as many weeks.
    #[serde(default = "weeks_default")]
    pub weeks: u32,
    /// Weekly closes in a row in a quadrant that make it a member's own. Default 2; 1 to 10. At 1 members change
    /// quadrant some 28 times a year, at 2 some 9 times.
    #[serde(default = "confirm_weeks_default")]
    pub confirm_weeks: u32,
    /// How many members make the top whose turnover is told. Default 5; 1 to 1,000.
    #[serde(default = "top_default")]
    pub top: u32,
    /// The calendar whose last session ends a week. Default "XNYS".
    #[serde(default = "calendar_default")]
    pub calendar: Calendar,
}

fn weeks_default() -> u32 {
    26
}

fn confirm_weeks_default() -> u32 {
    2
}

fn top_default() -> u32 {
    5
}

fn calendar_default() -> Calendar {
    Calendar::Xnys
}

/// A quarter of the picture, by ratio and momentum against 100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Quadrant {
    /// Ratio and momentum above 100.
    #[default]
    Leading,
    /// Ratio above, momentum below 100.
    Weakening,
    /// Both below.
    Lagging,
    /// Ratio below, momentum above 100.
    Improving,
}

impl Quadrant {
    /// In the order in which a member usually goes through them.
    pub const ALL: [Quadrant; 4] = [
        Quadrant::Leading,
        Quadrant::Weakening,
        Quadrant::Lagging,
        Quadrant::Improving,
    ];

    /// The name in files and evidence.
    pub fn name(self) -> &'static str {
        match self {
            Quadrant::Leading => "leading",
            Quadrant::Weakening => "weakening",
            Quadrant::Lagging => "lagging",
            Quadrant::Improving => "improving",
        }
    }

    /// On which side of 100 ratio and momentum are.
    fn signs(self) -> (f64, f64) {
        match self {
            Quadrant::Leading => (1.0, 1.0),
            Quadrant::Weakening => (1.0, -1.0),
            Quadrant::Lagging => (-1.0, -1.0),
            Quadrant::Improving => (-1.0, 1.0),
        }
    }

    /// How deep a point lies inside, in standard deviations: the smaller of its distances from the two lines, negative
    /// outside.
    fn depth(self, point: Point) -> f64 {
        let (ratio, momentum) = self.signs();
        let by_ratio = (point.ratio - 100.0) * ratio;
        let by_momentum = (point.momentum - 100.0) * momentum;
        by_ratio.min(by_momentum)
    }
}

/// Where a member stands in the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    ratio: f64,
    momentum: f64,
}

const WATCH_MAX: usize = 32;
const WEEKS: std::ops::RangeInclusive<u32> = 3..=156;
const CONFIRM_MAX: u32 = 10;
const TOP_MAX: u32 = 1_000;

impl super::Params for Params {
    fn inputs(&self) -> Vec<String> {
        let mut inputs = self.members.symbols().to_vec();
        inputs.push(self.benchmark.clone());
        inputs
    }

    fn subject(&self) -> String {
        let who = if self.watch.is_empty() {
            self.group.clone()
        } else {
            self.watch.join("+")
        };
        format!("{who}/{}", self.benchmark)
    }

    fn check(&self) -> Result<(), ParamError> {
        self.members.check("members", 1)?;
        if self.benchmark.is_empty() || self.members.place(&self.benchmark).is_some() {
            let found = format!("\"{}\"", self.benchmark);
            return Err(ParamError::new(
                "benchmark",
                "a symbol that is no member",
                found,
            ));
        }
        members::check_group(&self.group)?;
        let is_new = |(at, symbol): (usize, &String)| !self.watch[..at].contains(symbol);
        let is_member = |symbol: &String| self.members.place(symbol).is_some();
        let are_members =
            self.watch.iter().all(is_member) && self.watch.iter().enumerate().all(is_new);
        if self.watch.len() > WATCH_MAX || !are_members {
            let expected = format!("at most {WATCH_MAX} members, each once");
            return Err(ParamError::new(
                "watch",
                expected,
                format!("{:?}", self.watch),
            ));
        }
        let (from, to) = (WEEKS.start(), WEEKS.end());
        for (key, value, bounds, unit) in [
            ("weeks", self.weeks, *from..=*to, "weeks"),
            (
                "confirm_weeks",
                self.confirm_weeks,
                1..=CONFIRM_MAX,
                "weeks",
            ),
            ("top", self.top, 1..=TOP_MAX, "members"),
        ] {
            if !bounds.contains(&value) {
                let expected = format!("{} to {} {unit}", bounds.start(), bounds.end());
                return Err(ParamError::new(key, expected, value));
            }
        }
        Ok(())
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        let (benchmark, members) = units.split_last().unwrap_or((&Unit::Price, &[]));
        members::check_units("members", members)?;
        members::check_units("benchmark", &[*benchmark])
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[ENTERED, JOINED, DEPARTED]
    }

    fn is_scale_free(&self) -> bool {
        true
    }

    fn needs_all_inputs(&self) -> bool {
        false
    }

    fn compares_inputs(&self) -> bool {
        true
    }

    fn reads_ticks(&self) -> bool {
        false
    }

    fn unit(&self, _series_unit: Unit) -> String {
        let unit = if self.watch.is_empty() {
            "percent"
        } else {
            "sigma"
        };
        unit.to_owned()
    }
}

/// Rung of the opening: a watched member entered while none was inside.
pub const ENTERED: &str = "entered";
/// Rung of a week in which another one entered.
pub const JOINED: &str = "joined";
/// Rung of a week in which some left and others stayed.
pub const DEPARTED: &str = "departed";

/// Reason of the end: the last one left.
pub const LEFT: &str = "left";

/// State of `leadership`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    week: Option<Week>,
    /// Each member's last close of the week, 0 where there is none yet.
    closes: Vec<f64>,
    /// The benchmark's.
    benchmark: f64,
    picture: Picture,
    /// The date of the last week that the picture shows.
    shown: Option<Date>,
    /// The reading; none until warm.
    value: Option<f64>,
    /// The watched members inside the quadrant, as positions in `watch`, after the last week and before it.
    inside: Vec<u32>,
    before: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Week {
    monday: Date,
    /// The last date seen.
    last: Date,
    is_known: bool,
}

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        State {
            week: None,
            closes: Vec::new(),
            benchmark: 0.0,
            picture: Picture::new(params.weeks),
            shown: None,
            value: None,
            inside: Vec::new(),
            before: Vec::new(),
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let date = section.date();
        let was_inside = self.inside.clone();
        let known_before = self.picture.weeks_known();
        if self
            .week
            .is_some_and(|week| !week.is_known && week.monday != monday(date))
        {
            self.end_week(params);
        }
        let week = match self.week {
            Some(week) if week.monday == monday(date) => Week { last: date, ..week },
            _ => {
                self.closes.clear();
                self.closes.resize(params.members.len(), 0.0);
                self.benchmark = 0.0;
                Week {
                    monday: monday(date),
                    last: date,
                    is_known: false,
                }
            }
        };
        self.week = Some(week);
        if !week.is_known {
            for (place, held) in self.closes.iter_mut().enumerate() {
                if let Some(close) = positive(section.close(place)) {
                    *held = close;
                }
            }
            if let Some(close) = positive(section.close(params.members.len())) {
                self.benchmark = close;
            }
            if section.bucket.date.is_some() && ends_week(params.calendar, date) {
                self.end_week(params);
            }
        }
        if self.picture.weeks_known() != known_before {
            self.before = was_inside;
        } else {
            self.before.clone_from(&self.inside);
        }
        self.answer(params)
    }

    fn account(&self, params: &Params, _names: Names<'_>, change: &Change) -> Account {
        self.tell(params, change)
    }

    fn rescale(&mut self, input: usize, factor: f64) {
        match self.closes.get_mut(input) {
            Some(close) => {
                *close *= factor;
                self.picture.rescale(input, factor);
            }
            None => {
                self.benchmark *= factor;
                self.picture.rescale_all(1.0 / factor);
            }
        }
    }
}

impl State {
    /// The week's closes are all there will be. Without one of the benchmark there is no week.
    fn end_week(&mut self, params: &Params) {
        let Some(week) = &mut self.week else { return };
        week.is_known = true;
        if self.benchmark <= 0.0 {
            return;
        }
        let roster = params.members.on(week.last);
        self.shown = Some(week.last);
        self.picture
            .add(&self.closes, self.benchmark, &roster, params.confirm_weeks);
        self.inside.clear();
        let mut deepest: Option<f64> = None;
        for (at, symbol) in (0..).zip(&params.watch) {
            let Some(place) = params.members.place(symbol) else {
                continue;
            };
            if self.picture.quadrant(place) == Some(params.quadrant) {
                self.inside.push(at);
            }
            if let Some(point) = self.picture.point(place).filter(|_| roster.holds(place)) {
                let depth = params.quadrant.depth(point);
                deepest = Some(deepest.map_or(depth, |deepest| deepest.max(depth)));
            }
        }
        let value = if params.watch.is_empty() {
            self.picture.percent_in(params.quadrant)
        } else {
            deepest
        };
        self.value = value.or(self.value);
    }

    fn answer(&self, params: &Params) -> Step {
        let Some(value) = self.value else {
            return Step::passed_over(false);
        };
        if params.watch.is_empty() {
            return super::threshold::read(value);
        }
        let (joined, left) = (self.joined().next(), self.left().next());
        let change = match (self.before.is_empty(), self.inside.is_empty()) {
            (true, true) => Change::Quiet,
            (true, false) => Change::Open(ENTERED),
            (false, true) => Change::Resolve(LEFT),
            (false, false) if joined.is_some() => Change::Escalate(JOINED),
            (false, false) if left.is_some() => Change::Ease(DEPARTED),
            (false, false) => Change::Hold,
        };
        let distance = if self.inside.is_empty() {
            -value
        } else {
            value
        };
        let is_event = !matches!(change, Change::Quiet | Change::Hold);
        Step {
            reading: Some(Measure {
                value,
                threshold: 0.0,
                distance: if is_event { 0.0 } else { distance.max(0.0) },
            }),
            change,
        }
    }

    /// Positions of the watched members that entered with the last week.
    fn joined(&self) -> impl Iterator<Item = &u32> {
        self.inside.iter().filter(|at| !self.before.contains(at))
    }

    /// Positions of those that left.
    fn left(&self) -> impl Iterator<Item = &u32> {
        self.before.iter().filter(|at| !self.inside.contains(at))
    }
}

/// The Monday of the date's week.
fn monday(date: Date) -> Date {
    let past = date.weekday().to_monday_zero_offset();
    date.saturating_sub(Span::new().days(i64::from(past)))
}

/// Whether no later session falls into the date's week; no where the calendar does not know.
fn ends_week(calendar: Calendar, date: Date) -> bool {
    let next = calendar.next_session(date);
    next.is_some_and(|next| monday(next.date) != monday(date))
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |watch: &[&str], quadrant, weeks, confirm_weeks| Params {
        members: Members::always(&["A", "B", "C", "D"]),
        benchmark: "Z".to_owned(),
        group: "sectors".to_owned(),
        watch: watch.iter().map(|symbol| (*symbol).to_owned()).collect(),
        quadrant,
        weeks,
        confirm_weeks,
        top: 2,
        calendar: Calendar::Xnys,
    };
    let dated = serde_json::json!(["A", {"symbol": "B", "from": "2000-06-01", "to": "2003-01-01"}]);
    vec![
        params(&["A", "B", "C"], Quadrant::Leading, 8, 2),
        params(&["D"], Quadrant::Improving, 26, 1),
        Params {
            members: serde_json::from_value(dated).expect("a list of members"),
            calendar: Calendar::AlwaysOpen,
            ..params(&["B", "A"], Quadrant::Lagging, 5, 2)
        },
    ]
}

#[cfg(test)]
mod tests;
