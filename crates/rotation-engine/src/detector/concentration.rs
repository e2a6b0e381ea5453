//! How much of a group hangs on its largest members.

use super::members::{self, Members, Tally, count};
use super::threshold::{self, Side, Threshold};
use super::{Account, Change, Detector, Names, ParamError, Step, Unit, positive};
use crate::section::Section;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod account;
mod baskets;
mod weights;

use baskets::Baskets;
use weights::Weights;

/// Parameters of `concentration`: how much of a group hangs on its largest members.
///
/// The weights come from market capitalisations, given as series or as shares times price. Without either, a basket of
/// named members is held against the rest, in equal weights. It opens nothing unless `open_at` is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The members: symbols, or tables such as `{ symbol = "A", from = "2001-01-31", to = "2010-12-31" }` with the
    /// first day inside and the first outside, either of which may be absent. 2 to 10,000; a symbol may have several
    /// intervals. Their values are market capitalisations, or prices where `shares` or `basket` is given.
    pub members: Members,
    /// What the group is called in headlines, and the subject of alerts. Default "members".
    #[serde(default = "members::group_default")]
    pub group: String,
    /// What is read: `top_share`, `herfindahl`, `effective_number`, `return_share` or `basket`. Default `top_share`.
    #[serde(default)]
    pub measure: Gauge,
    /// How many shares each member has, by symbol: its weight is price times shares. Above 0, to 1e15; for all members
    /// or none. They are those before any split in the feed, which is accounted for.
    #[serde(default)]
    pub shares: Option<BTreeMap<String, f64>>,
    /// How many members are the top. Default 7; 1 to one less than there are members.
    #[serde(default)]
    pub top: Option<u32>,
    /// Of `basket`: the members that are held against the rest: symbols, each once; not all of them.
    #[serde(default)]
    pub basket: Vec<String>,
    /// Sessions of the return of `return_share` (default 252) and `basket` (default 63); 1 to 2,520. The other measures
    /// have none.
    #[serde(default)]
    pub sessions: Option<u32>,
    /// The side of `open_at` that opens. Default "above"; of `effective_number`, where less is more concentrated,
    /// "below".
    #[serde(default)]
    pub direction: Option<Side>,
    /// Opens at this reading or beyond. Default: none, it only reads. Within ±1e6.
    #[serde(default)]
    pub open_at: Option<f64>,
    /// Ends strictly beyond this reading on the way back. Default: a twentieth of `open_at` short of it. At most
    /// `open_at`, of direction "below" at least.
    #[serde(default)]
    pub close_at: Option<f64>,
    /// Percent of the day's members that have to count: below it the session says nothing. Default 50; 0 to 100.
    #[serde(default = "members::min_counted_pct_default")]
    pub min_counted_pct: f64,
}

/// What is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Gauge {
    /// Percent of all weights that the top members have.
    #[default]
    TopShare,
    /// The sum of the squared weights.
    Herfindahl,
    /// Its inverse: how many equal members would be as concentrated.
    EffectiveNumber,
    /// Percent of the group's return that the top members made.
    ReturnShare,
    /// Return of the basket less that of the rest, in percentage points.
    Basket,
}

const TOP: u32 = 7;
const SESSIONS_MAX: u32 = 2_520;
const LEVEL_MAX: f64 = 1e6;
const SHARES_MAX: f64 = 1e15;

impl Params {
    /// How many members are the top.
    pub fn top(&self) -> usize {
        self.top.unwrap_or(TOP) as usize
    }

    /// The sessions of the return, where the measure has one.
    pub fn window(&self) -> Option<u32> {
        let default = match self.measure {
            Gauge::ReturnShare => 252,
            Gauge::Basket => 63,
            Gauge::TopShare | Gauge::Herfindahl | Gauge::EffectiveNumber => return None,
        };
        Some(self.sessions.unwrap_or(default))
    }

    fn side(&self) -> Side {
        self.direction.unwrap_or(match self.measure {
            Gauge::EffectiveNumber => Side::Below,
            _ => Side::Above,
        })
    }

    fn threshold(&self) -> Option<Threshold> {
        let (side, open_at) = (self.side(), self.open_at?);
        let short = open_at.abs() * 0.05;
        let close_at = self.close_at.unwrap_or(match side {
            Side::Above => open_at - short,
            Side::Below => open_at + short,
        });
        Some(Threshold {
            side,
            open_at,
            close_at,
        })
    }

    fn check_shares(&self) -> Result<(), ParamError> {
        let Some(shares) = &self.shares else {
            return Ok(());
        };
        if self.measure == Gauge::Basket {
            return Err(ParamError::new(
                "shares",
                "none beside measure = \"basket\"",
                "some",
            ));
        }
        let lacking = self
            .members
            .symbols()
            .iter()
            .find(|symbol| !shares.contains_key(*symbol));
        if let Some(symbol) = lacking {
            return Err(ParamError::new(
                "shares",
                "those of each member",
                format!("none of {symbol}"),
            ));
        }
        if shares.len() > self.members.len() {
            let expected = format!("{} members", self.members.len());
            return Err(ParamError::new("shares", expected, shares.len()));
        }
        let odd = shares
            .iter()
            .find(|(_, shares)| !(**shares > 0.0 && **shares <= SHARES_MAX));
        match odd {
            Some((symbol, shares)) => {
                let found = format!("{shares} of {symbol}");
                Err(ParamError::new("shares", "above 0, to 1e15", found))
            }
            None => Ok(()),
        }
    }

    fn check_basket(&self) -> Result<(), ParamError> {
        if self.measure != Gauge::Basket {
            return match self.basket.first() {
                Some(symbol) => Err(ParamError::new(
                    "basket",
                    "none beside this measure",
                    symbol,
                )),
                None => Ok(()),
            };
        }
        let is_new = |(at, symbol): (usize, &String)| !self.basket[..at].contains(symbol);
        let is_member = |symbol: &String| self.members.place(symbol).is_some();
        let are_members =
            self.basket.iter().all(is_member) && self.basket.iter().enumerate().all(is_new);
        if self.basket.is_empty() || self.basket.len() >= self.members.len() || !are_members {
            let expected = "some of the members, each once, and not all";
            return Err(ParamError::new(
                "basket",
                expected,
                format!("{:?}", self.basket),
            ));
        }
        Ok(())
    }

    fn check_top(&self) -> Result<(), ParamError> {
        match (self.measure, self.top) {
            (Gauge::Basket, Some(top)) => Err(ParamError::new(
                "top",
                "none beside measure = \"basket\"",
                top,
            )),
            (Gauge::Basket, None) => Ok(()),
            _ if (1..self.members.len()).contains(&self.top()) => Ok(()),
            _ => {
                let expected = format!("1 to {} members", self.members.len() - 1);
                Err(ParamError::new("top", expected, self.top()))
            }
        }
    }
}

impl super::Params for Params {
    fn inputs(&self) -> Vec<String> {
        self.members.symbols().to_vec()
    }

    fn subject(&self) -> String {
        self.group.clone()
    }

    fn check(&self) -> Result<(), ParamError> {
        self.members.check("members", 2)?;
        members::check_group(&self.group)?;
        self.check_shares()?;
        self.check_basket()?;
        self.check_top()?;
        match (self.sessions, self.window()) {
            (Some(given), None) => {
                let expected = "no sessions beside this measure";
                return Err(ParamError::new("sessions", expected, given));
            }
            (_, Some(window)) if !(1..=SESSIONS_MAX).contains(&window) => {
                let expected = format!("1 to {SESSIONS_MAX} sessions");
                return Err(ParamError::new("sessions", expected, window));
            }
            _ => {}
        }
        if !(0.0..=100.0).contains(&self.min_counted_pct) {
            let expected = "0 to 100 percent";
            return Err(ParamError::new(
                "min_counted_pct",
                expected,
                self.min_counted_pct,
            ));
        }
        match self.threshold() {
            Some(threshold) => threshold.check(&(-LEVEL_MAX..=LEVEL_MAX), &self.unit(Unit::Price)),
            None => threshold::refuse_lone_close(self.close_at),
        }
    }

    fn check_units(&self, units: &[Unit]) -> Result<(), ParamError> {
        members::check_units("members", units)
    }

    fn rungs(&self) -> &'static [&'static str] {
        &[threshold::BEYOND]
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
        let unit = match self.measure {
            Gauge::TopShare | Gauge::ReturnShare => "percent",
            Gauge::Herfindahl => "index",
            Gauge::EffectiveNumber => "members",
            Gauge::Basket => "percentage points",
        };
        unit.to_owned()
    }
}

/// State of `concentration`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    tally: Tally,
    core: Core,
    /// The reading of the last section; none where there was none.
    value: Option<f64>,
    is_open: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Core {
    Weights(Weights),
    Baskets(Baskets),
}

impl Detector for State {
    type Params = Params;

    fn new(params: &Params) -> Self {
        let core = match params.measure {
            Gauge::Basket => Core::Baskets(Baskets::new(params)),
            _ => Core::Weights(Weights::new(params.members.len())),
        };
        State {
            tally: Tally::default(),
            core,
            value: None,
            is_open: false,
        }
    }

    fn step(&mut self, params: &Params, section: &Section<'_>) -> Step {
        let close = |place| positive(section.close(place)).unwrap_or(0.0);
        let closes: Vec<f64> = (0..params.members.len()).map(close).collect();
        let roster = params.members.on(section.date());
        let is_present = |place: usize| closes[place] > 0.0 && roster.holds(place);
        let present = (0..closes.len()).filter(|place| is_present(*place)).count();
        let (value, counted) = match &mut self.core {
            Core::Weights(weights) => weights.read(params, &closes, &roster),
            Core::Baskets(baskets) => baskets.read(&closes, &roster),
        };
        self.tally = Tally {
            members: count(roster.len()),
            present: count(present),
            counted,
        };
        let enough = self.tally.is_enough(params.min_counted_pct);
        self.value = value.filter(|value| enough && value.is_finite());
        threshold::answer(self.value, params.threshold(), &mut self.is_open)
    }

    fn account(&self, params: &Params, _names: Names<'_>, _change: &Change) -> Account {
        self.tell(params)
    }

    fn rescale(&mut self, input: usize, factor: f64) {
        match &mut self.core {
            Core::Weights(weights) => weights.rescale(input, factor),
            Core::Baskets(baskets) => baskets.rescale(input, factor),
        }
    }
}

#[cfg(test)]
pub(super) fn samples() -> Vec<Params> {
    let params = |measure, open_at, close_at| Params {
        members: Members::always(&["A", "B", "C", "D", "E", "F"]),
        group: "the group".to_owned(),
        measure,
        shares: None,
        top: Some(2),
        basket: Vec::new(),
        sessions: None,
        direction: None,
        open_at: Some(open_at),
        close_at: Some(close_at),
        min_counted_pct: 50.0,
    };
    let shares = [
        ("A", 3.0),
        ("B", 1.0),
        ("C", 1.5),
        ("D", 2.0),
        ("E", 1.0),
        ("F", 1.0),
    ];
    let dated = serde_json::json!(["A", "B", "C", "D", "E", {"symbol": "F", "from": "2001-01-01", "to": "2003-01-01"}]);
    vec![
        params(Gauge::TopShare, 34.6, 34.3),
        Params {
            shares: Some(
                shares
                    .map(|(symbol, shares)| (symbol.to_owned(), shares))
                    .into(),
            ),
            ..params(Gauge::Herfindahl, 0.205, 0.203)
        },
        Params {
            members: serde_json::from_value(dated).expect("a list of members"),
            ..params(Gauge::EffectiveNumber, 4.98, 5.5)
        },
        Params {
            sessions: Some(20),
            ..params(Gauge::ReturnShare, 60.0, 20.0)
        },
        Params {
            sessions: Some(10),
            basket: vec!["B".to_owned(), "D".to_owned()],
            top: None,
            ..params(Gauge::Basket, 3.0, 0.0)
        },
    ]
}

#[cfg(test)]
mod tests;
