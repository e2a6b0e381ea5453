//! What `leadership` says of itself.

use super::{Params, Point, Quadrant, State, ranks};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::detector::{Account, Change, text};

/// Members that the picture in the evidence shows at most: the watched ones, and the highest by ratio.
const SHOWN_MAX: usize = 64;

impl State {
    pub(super) fn tell(&self, params: &Params, change: &Change) -> Account {
        let direction = match params.quadrant {
            Quadrant::Leading | Quadrant::Improving => Direction::Up,
            Quadrant::Weakening | Quadrant::Lagging => Direction::Down,
        };
        let weeks = text::counted(params.confirm_weeks, "weekly close");
        let reverses = if params.watch.is_empty() {
            "nothing: it only reads".to_owned()
        } else {
            format!(
                "{weeks} in a row in another quadrant than {}",
                params.quadrant.name()
            )
        };
        Account {
            evidence: self.evidence(params),
            headline: self.headline(params, change),
            reverses,
            direction: Some(direction),
        }
    }

    fn evidence(&self, params: &Params) -> Evidence {
        let mut evidence = Evidence::new();
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        let picture = &self.picture;
        put("benchmark", params.benchmark.as_str().into());
        put("weeks", params.weeks.into());
        put("members", picture.members.into());
        put("present", picture.present.into());
        put("counted", picture.counted.into());
        let Some(shown) = self.shown else {
            return evidence;
        };
        put("week", shown.into());
        for quadrant in Quadrant::ALL {
            put(quadrant.name(), picture.count_in(quadrant).into());
        }
        let names = |at: &u32| Fact::from(params.watch[*at as usize].as_str());
        if !params.watch.is_empty() {
            put(
                "inside",
                self.inside.iter().map(names).collect::<Vec<_>>().into(),
            );
        }
        self.put_ranks(params, &mut evidence);
        evidence
    }

    /// The order of the members by ratio: the picture, what became of the top, and the rank correlation.
    fn put_ranks(&self, params: &Params, evidence: &mut Evidence) {
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        let ranked: Vec<(usize, f64, f64)> = self.picture.ratios_now_and_then().collect();
        let now: Vec<f64> = ranked.iter().map(|(_, now, _)| *now).collect();
        let then: Vec<f64> = ranked.iter().map(|(_, _, then)| *then).collect();
        let (order, order_then) = (ranks::order(&now), ranks::order(&then));
        if let Some(correlation) = ranks::correlation((&now, &order), (&then, &order_then)) {
            put("rank_correlation", round(correlation, 4).into());
        }
        let top = (params.top as usize).min(ranked.len());
        if top > 0 {
            let (top, top_then) = (&order[..top], &order_then[..top]);
            let symbol = |at: &usize| Fact::from(params.members.symbols()[ranked[*at].0].as_str());
            let came: Vec<Fact> = top
                .iter()
                .filter(|at| !top_then.contains(at))
                .map(symbol)
                .collect();
            let went: Vec<Fact> = top_then
                .iter()
                .filter(|at| !top.contains(at))
                .map(symbol)
                .collect();
            #[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
            let share = came.len() as f64 / top.len() as f64;
            put("top", top.iter().map(symbol).collect::<Vec<_>>().into());
            put("top_turnover", round(share, 4).into());
            put("top_came", came.into());
            put("top_went", went.into());
        }
        let watched = params
            .watch
            .iter()
            .filter_map(|symbol| params.members.place(symbol));
        let watched: Vec<usize> = watched.collect();
        let is_watched = |place: usize| watched.contains(&place);
        let mut others = SHOWN_MAX.saturating_sub(watched.len());
        let mut shown = Vec::new();
        for at in order {
            let place = ranked[at].0;
            if is_watched(place) {
                shown.push(self.member(params, place));
            } else if others > 0 {
                others -= 1;
                shown.push(self.member(params, place));
            }
        }
        put("picture", shown.into());
    }

    fn member(&self, params: &Params, place: usize) -> Fact {
        let mut member = Evidence::new();
        let mut put = |key: &str, fact: Fact| member.insert(key.to_owned(), fact);
        put("symbol", params.members.symbols()[place].as_str().into());
        if let Some(quadrant) = self.picture.quadrant(place) {
            put("quadrant", quadrant.name().into());
        }
        if let Some((quadrant, weeks)) = self.picture.last_quadrant(place) {
            put("point", quadrant.name().into());
            put("point_weeks", weeks.into());
        }
        let numbers =
            |point: Point| [point.ratio, point.momentum].map(|number| Fact::from(round(number, 4)));
        if let Some(point) = self.picture.point(place) {
            let [ratio, momentum] = numbers(point);
            put("ratio", ratio);
            put("momentum", momentum);
        }
        let tail = self
            .picture
            .tail(place)
            .map(|point| Fact::List(numbers(point).to_vec()));
        put("tail", tail.collect::<Vec<_>>().into());
        member.into()
    }

    fn headline(&self, params: &Params, change: &Change) -> String {
        let Params {
            benchmark,
            group,
            quadrant,
            ..
        } = params;
        let quadrant_name = quadrant.name();
        let (Some(value), Some(_)) = (self.value, self.shown) else {
            return format!("{group} have too few weeks against {benchmark}");
        };
        if params.watch.is_empty() {
            let (inside, counted) = (self.picture.count_in(*quadrant), self.picture.counted);
            let percent = text::number(round(value, 2));
            return format!(
                "{percent} % of {group} {quadrant_name} against {benchmark}: {inside} of {counted}"
            );
        }
        let told: Vec<String> = match change {
            Change::Resolve(_) | Change::Ease(_) => {
                self.left().map(|at| self.named(params, *at)).collect()
            }
            Change::Open(_) | Change::Escalate(_) => {
                self.joined().map(|at| self.named(params, *at)).collect()
            }
            Change::Quiet | Change::Hold => self
                .inside
                .iter()
                .map(|at| self.named(params, *at))
                .collect(),
        };
        let told = told.join(", ");
        match change {
            Change::Open(_) | Change::Escalate(_) => {
                format!("{told} entered {quadrant_name} against {benchmark}")
            }
            Change::Resolve(_) | Change::Ease(_) => {
                format!("{told} left {quadrant_name} against {benchmark}")
            }
            Change::Hold => format!("{told} {quadrant_name} against {benchmark}"),
            Change::Quiet => {
                let names = params.watch.join(", ");
                let short = text::number(round(-value, 2));
                if value > 0.0 {
                    format!("{names} not yet {quadrant_name} against {benchmark}")
                } else {
                    format!(
                        "{names} {short} deviations short of {quadrant_name} against {benchmark}"
                    )
                }
            }
        }
    }

    /// A watched member with its point: `KRE (ratio 100.88, momentum 100.37)`.
    fn named(&self, params: &Params, at: u32) -> String {
        let symbol = &params.watch[at as usize];
        let point = params
            .members
            .place(symbol)
            .and_then(|place| self.picture.point(place));
        point.map_or_else(
            || symbol.clone(),
            |Point { ratio, momentum }| {
                format!("{symbol} (ratio {ratio:.2}, momentum {momentum:.2})")
            },
        )
    }
}
