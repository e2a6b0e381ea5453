//! What the evidence of a reading shows: the regime with its reasons, the rotation picture.

use crate::report::short;
use crate::view::shape::{Contribution, Frame, Quadrant, RegimePoint, Spot};
use rotation_engine::alert::{Evidence, Fact};
use rotation_engine::plan::{RulePlan, UniversePlan};
use rotation_wire::readings::RuleReading;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn text<'a>(evidence: &'a Evidence, key: &str) -> Option<&'a str> {
    match evidence.get(key)? {
        Fact::Text(text) => Some(text),
        _ => None,
    }
}

fn number(evidence: &Evidence, key: &str) -> Option<f64> {
    match evidence.get(key)? {
        Fact::Number(number) => Some(*number),
        #[expect(
            clippy::cast_precision_loss,
            reason = "numbers of this size are no counts"
        )]
        Fact::Count(count) => Some(*count as f64),
        _ => None,
    }
}

fn groups<'a>(evidence: &'a Evidence, key: &str) -> impl Iterator<Item = &'a Evidence> {
    let list = match evidence.get(key) {
        Some(Fact::List(list)) => list.as_slice(),
        _ => &[],
    };
    list.iter().filter_map(|fact| match fact {
        Fact::Group(group) => Some(group),
        _ => None,
    })
}

/// The regime that a reading tells; nothing of another kind.
pub(super) fn regime(reading: &RuleReading, plans: &[Arc<UniversePlan>]) -> Option<RegimePoint> {
    let evidence = reading.evidence.as_ref()?;
    let rule = |name: &str| -> Option<&RulePlan> {
        let plan = plans.iter().find(|plan| plan.name == reading.universe)?;
        plan.rules.iter().find(|rule| rule.name == name)
    };
    let contributions = groups(evidence, "contributions").filter_map(|one| {
        let input = text(one, "rule")?;
        let unit = rule(input).map_or("", |rule| rule.unit.as_str());
        Some(Contribution {
            input: input.to_owned(),
            strength: number(one, "strength")?,
            weight: number(one, "weight")?,
            contribution: number(one, "contribution")?,
            why: why(one, unit),
        })
    });
    Some(RegimePoint {
        as_of: reading.as_of,
        score: number(evidence, "score")?,
        state: text(evidence, "regime")?.to_owned(),
        contributions: contributions.collect(),
    })
}

/// What an input of a regime says, in words.
fn why(one: &Evidence, unit: &str) -> String {
    let value = number(one, "value").map(|value| reads(value, unit));
    let age = match one.get("age") {
        Some(Fact::Count(0)) => Some("an episode opened or escalated now".to_owned()),
        Some(Fact::Count(1)) => Some("an episode opened or escalated 1 section ago".to_owned()),
        Some(Fact::Count(age)) => {
            Some(format!("an episode opened or escalated {age} sections ago"))
        }
        _ => None,
    };
    match (age, value) {
        (Some(age), Some(value)) => format!("{age}; it {value}"),
        (Some(said), None) | (None, Some(said)) => said,
        (None, None) => "no reading of its own".to_owned(),
    }
}

/// A reading with its unit, of which one is not many.
fn reads(value: f64, unit: &str) -> String {
    let one = (value.abs() == 1.0).then(|| unit.strip_suffix('s'));
    let text = format!("reads {} {}", short(value), one.flatten().unwrap_or(unit));
    text.trim_end().to_owned()
}

/// The rotation picture that a reading shows, and what its members are held against.
pub(super) fn frame(reading: &RuleReading) -> Option<(Frame, &str)> {
    let evidence = reading.evidence.as_ref()?;
    let benchmark = text(evidence, "benchmark")?;
    let members = groups(evidence, "picture").filter_map(|member| {
        let spot = Spot {
            ratio: number(member, "ratio")?,
            momentum: number(member, "momentum")?,
            quadrant: text(member, "quadrant").and_then(quadrant),
        };
        Some((text(member, "symbol")?.to_owned(), spot))
    });
    let points: BTreeMap<String, Spot> = members.collect();
    let frame = Frame {
        as_of: reading.as_of,
        session: reading.session,
        points,
    };
    (!frame.points.is_empty()).then_some((frame, benchmark))
}

fn quadrant(name: &str) -> Option<Quadrant> {
    Some(match name {
        "leading" => Quadrant::Leading,
        "weakening" => Quadrant::Weakening,
        "lagging" => Quadrant::Lagging,
        "improving" => Quadrant::Improving,
        _ => return None,
    })
}
