//! What a report shows of readings, and no more of it than that: a backtest of decades has millions.

use super::{Outcome, Sink};
use crate::config::Config;
use crate::report::{Member, Panel, Quadrants};
use jiff::civil::Date;
use rotation_engine::alert::{Evidence, Fact};
use rotation_engine::detector::Unit;
use rotation_engine::output::{Output, Reading};
use rotation_engine::plan::RulePlan;
use rotation_engine::record::Tick;
use rotation_engine::universe::ReadingDetail;
use std::collections::{BTreeMap, VecDeque};

/// Points of a member's tail in the quadrant picture.
const TAIL: usize = 6;

/// Gathers an outcome, and of the readings what the report wants.
pub(super) struct Gather {
    pub(super) outcome: Outcome,
    /// Whether all readings are wanted beside.
    keep_readings: bool,
    wanted: Vec<Vec<Want>>,
    lines: BTreeMap<(usize, u32), Vec<Told>>,
    tails: BTreeMap<(usize, u32), VecDeque<Standing>>,
}

/// What is wanted of a rule's readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Nothing,
    /// The reading and its threshold.
    Line,
    /// Where its members stand.
    Tail,
}

/// A reading against its threshold on a day.
#[derive(Clone, Copy, Debug)]
struct Told {
    date: Date,
    value: f64,
    threshold: f64,
    is_open: bool,
}

/// Where members stand on a day: name, ratio and momentum.
#[derive(Clone, Debug)]
struct Standing {
    date: Date,
    members: Vec<(String, f64, f64)>,
}

/// By kind: breadth, yields and other rates as lines; the rotation picture as tails.
fn wanted(rule: &RulePlan) -> Want {
    let is_rate = rule.units.first() == Some(&Unit::Percent) && rule.unit == "percent";
    match rule.kind.name() {
        "leadership" => Want::Tail,
        "breadth" => Want::Line,
        _ if is_rate => Want::Line,
        _ => Want::Nothing,
    }
}

impl Gather {
    /// What a report of the configuration asks for, if one is wanted; all readings beside, if those are.
    pub(super) fn new(config: &Config, for_report: bool, keep_readings: bool) -> Gather {
        let of = |rule: &RulePlan| {
            if for_report {
                wanted(rule)
            } else {
                Want::Nothing
            }
        };
        let universes = config.universes.iter();
        Gather {
            outcome: Outcome::default(),
            keep_readings,
            wanted: universes
                .map(|plan| plan.rules.iter().map(of).collect())
                .collect(),
            lines: BTreeMap::new(),
            tails: BTreeMap::new(),
        }
    }

    /// How much the rules have to say.
    pub(super) fn detail(&self) -> ReadingDetail {
        let wants = |want| self.wanted.iter().flatten().any(|wanted| *wanted == want);
        if self.keep_readings || wants(Want::Tail) {
            ReadingDetail::Evidence
        } else if wants(Want::Line) {
            ReadingDetail::Values
        } else {
            ReadingDetail::None
        }
    }

    fn note(&mut self, universe: usize, reading: &Reading) {
        let date = reading.session.unwrap_or_else(|| reading.as_of.utc_date());
        let key = (universe, reading.rule_index);
        match self.wanted[universe][reading.rule_index as usize] {
            Want::Nothing => {}
            Want::Line => {
                let told = Told {
                    date,
                    value: reading.value,
                    threshold: reading.threshold,
                    is_open: reading.open,
                };
                let line = self.lines.entry(key).or_default();
                line.pop_if(|last| last.date == date);
                line.push(told);
            }
            Want::Tail => {
                let mut members = Vec::new();
                if let Some(evidence) = &reading.evidence {
                    find_members(evidence, &mut members);
                }
                let tail = self.tails.entry(key).or_default();
                // Between two weekly closes nobody moves.
                if members.is_empty() || tail.back().is_some_and(|last| last.members == members) {
                    return;
                }
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                tail.push_back(Standing { date, members });
            }
        }
    }

    /// The panels of readings, by universe and rule.
    pub(super) fn panels(&self, config: &Config) -> Vec<Panel> {
        let threshold = |told: &Told| (told.date, told.threshold);
        let panel = |((universe, rule), told): (&(usize, u32), &Vec<Told>)| {
            let rule = &config.universes[*universe].rules[*rule as usize];
            Panel {
                rule: rule.name.clone(),
                subject: rule.subject.clone(),
                unit: rule.unit.clone(),
                points: told.iter().map(|told| (told.date, told.value)).collect(),
                threshold: told.iter().map(threshold).collect(),
                opening: opening(told),
            }
        };
        self.lines.iter().map(panel).collect()
    }

    /// The rotation picture of the first rule that has one.
    pub(super) fn quadrants(&self, config: &Config) -> Option<Quadrants> {
        let ((universe, rule), tail) = self.tails.first_key_value()?;
        let mut tails: BTreeMap<&str, Vec<(Date, f64, f64)>> = BTreeMap::new();
        for standing in tail {
            for (name, ratio, momentum) in &standing.members {
                let tail = tails.entry(name).or_default();
                tail.push((standing.date, *ratio, *momentum));
            }
        }
        let members = tails.into_iter().map(|(name, tail)| Member {
            name: name.to_owned(),
            tail,
        });
        Some(Quadrants {
            rule: config.universes[*universe].rules[*rule as usize]
                .name
                .clone(),
            members: members.collect(),
        })
    }
}

/// The thresholds of days on which no episode was open: neither those of one that stands, nor what ended one.
fn opening(told: &[Told]) -> Vec<(Date, f64)> {
    let mut was_open = false;
    let is_resting =
        |told: &&Told| !std::mem::replace(&mut was_open, told.is_open) && !told.is_open;
    let resting = told.iter().filter(is_resting);
    resting.map(|told| (told.date, told.threshold)).collect()
}

impl Sink for Gather {
    fn tick(&mut self, symbol: &str, tick: &Tick) {
        self.outcome.tick(symbol, tick);
    }

    fn output(&mut self, universe: usize, output: Output) {
        if let Output::Reading(reading) = &output {
            self.note(universe, reading);
            if !self.keep_readings {
                return;
            }
        }
        self.outcome.output(universe, output);
    }
}

/// Finds groups with a `ratio` and a `momentum`, at any depth: they are named by their own `member`, `symbol` or
/// `name`, else by their key.
fn find_members(evidence: &Evidence, found: &mut Vec<(String, f64, f64)>) {
    for (key, fact) in evidence {
        find_in(key, fact, found);
    }
}

fn find_in(key: &str, fact: &Fact, found: &mut Vec<(String, f64, f64)>) {
    match fact {
        Fact::List(facts) => facts.iter().for_each(|fact| find_in(key, fact, found)),
        Fact::Group(group) => match (number(group, "ratio"), number(group, "momentum")) {
            (Some(ratio), Some(momentum)) => {
                let name =
                    ["member", "symbol", "name"]
                        .iter()
                        .find_map(|key| match group.get(*key) {
                            Some(Fact::Text(name)) => Some(name.clone()),
                            _ => None,
                        });
                found.push((name.unwrap_or_else(|| key.to_owned()), ratio, momentum));
            }
            _ => find_members(group, found),
        },
        Fact::Flag(_) | Fact::Count(_) | Fact::Number(_) | Fact::Text(_) => {}
    }
}

fn number(group: &Evidence, key: &str) -> Option<f64> {
    match group.get(key) {
        Some(Fact::Number(number)) => Some(*number),
        Some(Fact::Count(count)) => Some(*count as f64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rotation_engine::time::EventTime;

    const CONFIG: &str = "[universe.us.series]\nRUT = {}\nDGS10 = { unit = \"percent\", calendar = \"US-BOND\" }\n\
        [universe.us.rules.record]\nkind = \"record_high\"\nseries = \"RUT\"\n\
        [universe.us.rules.five]\nkind = \"level_approach\"\nseries = \"DGS10\"\nlevel = 5.0\n";

    fn reading(rule: u32, day: &str, value: f64, evidence: Option<Evidence>) -> Output {
        let date: Date = day.parse().unwrap();
        Output::Reading(Box::new(Reading {
            universe: "us".to_owned(),
            rule_index: rule,
            rule: ["five", "record"][rule as usize].to_owned(),
            subject: "X".to_owned(),
            as_of: format!("{date}T21:00:00Z").parse::<EventTime>().unwrap(),
            session: Some(date),
            value,
            threshold: 4.9,
            distance: 0.0,
            unit: "percent".to_owned(),
            open: false,
            evidence,
            inputs: Vec::new(),
            quality: None,
        }))
    }

    #[test]
    fn a_rate_has_a_panel_and_other_readings_are_not_kept() {
        let config = Config::parse(CONFIG, "test.toml").unwrap();
        let mut gather = Gather::new(&config, true, false);
        assert_eq!(gather.detail(), ReadingDetail::Values);
        for output in [
            reading(0, "2026-01-14", 4.1, None),
            reading(1, "2026-01-14", 3.0, None),
            // The same day anew: a correction.
            reading(0, "2026-01-15", 4.2, None),
            reading(0, "2026-01-15", 4.3, None),
        ] {
            gather.output(0, output);
        }
        let panels = gather.panels(&config);
        assert_eq!(panels.len(), 1);
        let days: Vec<f64> = panels[0].points.iter().map(|point| point.1).collect();
        assert_eq!((panels[0].rule.as_str(), days), ("five", vec![4.1, 4.3]));
        assert_eq!(panels[0].threshold[1].1, 4.9);
        assert!(gather.outcome.readings.is_empty());
        assert!(gather.quadrants(&config).is_none());
    }

    #[test]
    fn what_an_episode_stands_and_ends_by_opens_none() {
        let day = |at: i8, threshold, is_open| Told {
            date: jiff::civil::date(2026, 1, at),
            value: 0.0,
            threshold,
            is_open,
        };
        let told = [
            day(5, 70.0, false),
            day(6, 70.0, true),
            day(7, 55.0, true),
            day(8, 55.0, false),
            day(9, 71.0, false),
        ];
        let shown: Vec<f64> = opening(&told).into_iter().map(|point| point.1).collect();
        assert_eq!(shown, [70.0, 71.0]);
    }

    #[test]
    fn without_a_report_readings_are_kept_or_not_made() {
        let config = Config::parse(CONFIG, "test.toml").unwrap();
        assert_eq!(
            Gather::new(&config, false, false).detail(),
            ReadingDetail::None
        );
        let mut all = Gather::new(&config, false, true);
        assert_eq!(all.detail(), ReadingDetail::Evidence);
        all.output(0, reading(1, "2026-01-14", 3.0, None));
        assert_eq!(
            (all.outcome.readings.len(), all.panels(&config).len()),
            (1, 0)
        );
    }

    fn group(ratio: f64, momentum: f64) -> Evidence {
        Evidence::from([
            ("ratio".to_owned(), ratio.into()),
            ("momentum".to_owned(), momentum.into()),
        ])
    }

    #[test]
    fn members_are_found_by_key_or_by_name_and_tails_move_when_they_do() {
        let mut named = group(99.0, 101.0);
        named.insert("member".to_owned(), "XLF".into());
        let evidence = |kre: f64| {
            let by_key = Evidence::from([("KRE".to_owned(), group(kre, 100.5).into())]);
            Evidence::from([
                ("members".to_owned(), by_key.into()),
                (
                    "others".to_owned(),
                    vec![named.clone().into(), "text".into()].into(),
                ),
                ("ratio".to_owned(), 3.0.into()),
            ])
        };
        let mut found = Vec::new();
        find_members(&evidence(101.0), &mut found);
        assert_eq!(
            found,
            [
                ("KRE".to_owned(), 101.0, 100.5),
                ("XLF".to_owned(), 99.0, 101.0)
            ]
        );

        let config = Config::parse(CONFIG, "test.toml").unwrap();
        let mut gather = Gather::new(&config, true, false);
        gather.wanted[0][0] = Want::Tail;
        assert_eq!(gather.detail(), ReadingDetail::Evidence);
        for week in 1..=12 {
            for day in [1, 2] {
                let date = format!("2026-{week:02}-{day:02}");
                let moved = evidence(100.0 + f64::from(week));
                gather.output(0, reading(0, &date, 0.0, Some(moved)));
            }
        }
        let quadrants = gather.quadrants(&config).unwrap();
        assert_eq!(quadrants.rule, "five");
        let kre = &quadrants.members[0];
        assert_eq!((kre.name.as_str(), kre.tail.len()), ("KRE", TAIL));
        assert_eq!(kre.tail[0], ("2026-07-01".parse().unwrap(), 107.0, 100.5));
        assert_eq!(kre.tail[TAIL - 1].1, 112.0);
    }
}
