//! What `concentration` says of itself.

use super::{Core, Gauge, Params, State};
use crate::alert::{Direction, Evidence, Fact, round};
use crate::detector::threshold::Side;
use crate::detector::{Account, text};

/// Members of the top that the evidence names at most.
const NAMED_MAX: usize = 50;

impl State {
    pub(super) fn tell(&self, params: &Params) -> Account {
        let direction = match params.side() {
            Side::Above => Direction::Up,
            Side::Below => Direction::Down,
        };
        Account {
            evidence: self.evidence(params),
            headline: self.headline(params),
            reverses: reverses(params),
            direction: Some(direction),
        }
    }

    fn evidence(&self, params: &Params) -> Evidence {
        let mut evidence = Evidence::new();
        self.tally.put(&mut evidence);
        let mut put = |key: &str, fact: Fact| evidence.insert(key.to_owned(), fact);
        if let Some(window) = params.window() {
            put("sessions", window.into());
        }
        match &self.core {
            Core::Weights(weights) if weights.figures.total > 0.0 => {
                let figures = weights.figures;
                put("top_share", round(figures.top_share, 4).into());
                put("herfindahl", round(figures.herfindahl, 8).into());
                put(
                    "effective_number",
                    round(1.0 / figures.herfindahl, 4).into(),
                );
                let symbols = params.members.symbols();
                let named = weights
                    .largest(params.top().min(NAMED_MAX))
                    .into_iter()
                    .map(|(place, weight)| {
                        let symbol = ("symbol".to_owned(), symbols[place].as_str().into());
                        let weight = ("weight".to_owned(), round(weight, 4).into());
                        Fact::Group(Evidence::from([symbol, weight]))
                    });
                put("top", named.collect::<Vec<_>>().into());
                if let Some(of_return) = weights.of_return {
                    put("return", round(of_return.whole, 6).into());
                    put("top_return", round(of_return.top, 6).into());
                    put("return_sessions_ago", of_return.sessions_ago.into());
                }
            }
            Core::Weights(_) => {}
            Core::Baskets(baskets) => {
                put(
                    "basket",
                    params
                        .basket
                        .iter()
                        .map(|symbol| symbol.as_str().into())
                        .collect::<Vec<Fact>>()
                        .into(),
                );
                if let Some([basket, rest]) = baskets.returns {
                    put("basket_return", round(basket, 6).into());
                    put("rest_return", round(rest, 6).into());
                }
            }
        }
        evidence
    }

    fn headline(&self, params: &Params) -> String {
        let (group, top) = (&params.group, params.top());
        let Some(value) = self.value else {
            return format!(
                "{group}: no reading from {} of {} members",
                self.tally.counted, self.tally.members
            );
        };
        match (params.measure, &self.core) {
            (Gauge::TopShare, _) => format!("the top {top} hold {value:.2} % of {group}"),
            (Gauge::Herfindahl, _) => {
                format!("{group}: Herfindahl index at {}", text::number(value))
            }
            (Gauge::EffectiveNumber, _) => {
                format!(
                    "{group} as concentrated as {} equal members",
                    text::number(round(value, 1))
                )
            }
            (Gauge::ReturnShare, Core::Weights(weights)) => {
                let of_return = weights
                    .of_return
                    .map_or([0.0; 2], |of_return| [of_return.top, of_return.whole]);
                let [by_top, whole] = of_return.map(text::signed_percent);
                let window = text::counted(params.window().unwrap_or(0), "session");
                format!(
                    "the top {top} made {value:.1} % of the return of {group} over {window}, {by_top} of {whole}"
                )
            }
            (Gauge::Basket | Gauge::ReturnShare, core) => {
                let returns = match core {
                    Core::Baskets(baskets) => baskets.returns.unwrap_or_default(),
                    Core::Weights(_) => [0.0; 2],
                };
                let [basket, rest] = returns.map(text::signed_percent);
                let window = text::counted(params.window().unwrap_or(0), "session");
                let count = params.basket.len();
                format!(
                    "the basket of {count} against the rest of {group} over {window}, {basket} against {rest}"
                )
            }
        }
    }
}

fn reverses(params: &Params) -> String {
    let Some(levels) = params.threshold() else {
        return "nothing: it only reads".to_owned();
    };
    let level = text::number(levels.close_at);
    let (what, level) = match params.measure {
        Gauge::TopShare => ("the share of the top", format!("{level} %")),
        Gauge::Herfindahl => ("the index", level),
        Gauge::EffectiveNumber => ("the effective number", level),
        Gauge::ReturnShare => ("the share of the return", format!("{level} %")),
        Gauge::Basket => ("the relative return", format!("{level} percentage points")),
    };
    levels.reverses(what, &level)
}
