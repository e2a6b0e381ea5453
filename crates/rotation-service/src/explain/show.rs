//! How a person and a program read an explanation.

use super::{Explained, Outcome};
use crate::table::{self, Align, Row, short};
use rotation_engine::alert::{Evidence, Fact};
use serde_json::{Value, json};

/// For a terminal.
pub(super) fn page(explained: &Explained) -> String {
    let event = &explained.event;
    let alert = &event.alert;
    let place = explained
        .place
        .map_or_else(|| "standard input".to_owned(), |place| place.to_string());
    let mut lines = vec![
        alert.id.clone(),
        format!("  {}", alert.headline),
        format!(
            "  {}, {}, as of {}, rule version {}, read from {place}",
            alert.state.name(),
            alert.severity.name(),
            alert.as_of,
            alert.rule_version
        ),
    ];
    lines.extend(explained.notes.iter().map(|note| format!("  note: {note}")));
    lines.extend(causes(explained));
    lines.extend(inputs(explained));
    lines.extend(arithmetic(explained));
    lines.extend(episode(explained));
    lines.push(String::new());
    lines.extend(verdict(&explained.outcome));
    lines.push(String::new());
    lines.join("\n") + "\n"
}

fn causes(explained: &Explained) -> Vec<String> {
    let Some(cited) = &explained.event.positions else {
        return vec!["  cites no records: the event of a backtest".to_owned()];
    };
    let texts = [&explained.cause, &explained.tick];
    let cited = cited.iter().zip(texts);
    let lines = cited.flat_map(|(at, text)| {
        let text = text.as_deref().unwrap_or("gone, or not to be read");
        [
            format!(
                "  cites {} partition {}, offset {}:",
                at.topic, at.partition, at.offset
            ),
            format!("    {text}"),
        ]
    });
    lines.collect()
}

fn inputs(explained: &Explained) -> Vec<String> {
    if explained.inputs.is_empty() {
        return Vec::new();
    }
    let columns = [
        ("input", Align::Left),
        ("value", Align::Right),
        ("close", Align::Left),
        ("as of", Align::Left),
        ("bars", Align::Right),
        ("tick", Align::Right),
    ];
    let rows: Vec<Row> = explained
        .inputs
        .iter()
        .map(|input| {
            let close = match (input.official, input.correction) {
                (true, true) => "official, correction",
                (true, false) => "official",
                (false, true) => "correction",
                (false, false) => "",
            };
            let cells = vec![
                input.series.clone(),
                short(input.value),
                close.to_owned(),
                input.as_of.to_string(),
                format!("{}/{}", input.place.partition, input.place.offset),
                format!("{}/{}", input.tick.0, input.tick.1),
            ];
            cells.into()
        })
        .collect();
    indented(table::lines(&columns, &rows))
}

fn arithmetic(explained: &Explained) -> Vec<String> {
    let alert = &explained.event.alert;
    let mut rows: Vec<Row> = Vec::new();
    let mut row = |name: &str, given: String, computed: String| {
        rows.push(vec![name.to_owned(), given, computed].into());
    };
    let computed = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), short);
    let reading = explained.reading.as_ref();
    let unit = &alert.unit;
    row(
        &format!("reading ({unit})"),
        short(alert.value),
        computed(reading.map(|reading| reading.value)),
    );
    row(
        &format!("threshold ({unit})"),
        short(alert.threshold),
        computed(reading.map(|reading| reading.threshold)),
    );
    row(
        &format!("distance to the next event ({unit})"),
        String::new(),
        computed(reading.map(|reading| reading.distance)),
    );
    row("most extreme", short(alert.peak), String::new());
    let mut facts = Vec::new();
    push_facts("", &alert.evidence, &mut facts);
    for (name, value) in facts {
        row(&name, value, String::new());
    }
    let columns = [
        ("arithmetic", Align::Left),
        ("event", Align::Right),
        ("computed", Align::Right),
    ];
    indented(table::lines(&columns, &rows))
}

fn push_facts(path: &str, evidence: &Evidence, facts: &mut Vec<(String, String)>) {
    for (name, fact) in evidence {
        push_fact(format!("{path}{name}"), fact, facts);
    }
}

fn push_fact(name: String, fact: &Fact, facts: &mut Vec<(String, String)>) {
    match fact {
        Fact::Flag(flag) => facts.push((name, flag.to_string())),
        Fact::Count(count) => facts.push((name, count.to_string())),
        Fact::Number(number) => facts.push((name, short(*number))),
        Fact::Text(text) => facts.push((name, text.clone())),
        Fact::Group(group) => push_facts(&format!("{name}."), group, facts),
        Fact::List(list) => {
            for (at, fact) in list.iter().enumerate() {
                push_fact(format!("{name}.{at}"), fact, facts);
            }
        }
    }
}

fn episode(explained: &Explained) -> Vec<String> {
    if explained.episode.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), "  episode".to_owned()];
    for (place, event) in &explained.episode {
        let alert = &event.alert;
        let mark = if alert.id == explained.event.alert.id {
            ">"
        } else {
            " "
        };
        lines.push(format!(
            "  {mark} {:>3} {:<9} {}  {}  ({place})",
            alert.transition,
            alert.state.name(),
            alert.as_of,
            alert.headline
        ));
    }
    lines
}

fn verdict(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::Identical => vec!["identical".to_owned()],
        Outcome::Invented => {
            vec!["different: the engine decides no such event from the bars log".to_owned()]
        }
        Outcome::NotComputed(reason) => table::wrapped(&format!("not computed: {reason}"), ""),
        Outcome::Different(fields) => {
            let mut lines = vec!["different:".to_owned()];
            for (name, computed, given) in fields {
                let text = |value: &Option<String>| value.clone().unwrap_or("nothing".to_owned());
                let line = format!("{name}: computed {}, given {}", text(computed), text(given));
                lines.extend(table::wrapped(&line, "  "));
            }
            lines
        }
    }
}

fn indented(lines: Vec<String>) -> Vec<String> {
    let lines = lines.into_iter().map(|line| format!("  {line}"));
    std::iter::once(String::new()).chain(lines).collect()
}

/// The same as JSON.
pub(super) fn document(explained: &Explained) -> Value {
    let event = serde_json::from_slice::<Value>(&explained.event.encode());
    let (outcome, reason) = match &explained.outcome {
        Outcome::Identical => ("identical", None),
        Outcome::Different(_) => ("different", None),
        Outcome::Invented => ("invented", None),
        Outcome::NotComputed(reason) => ("not_computed", Some(reason.clone())),
    };
    let fields: Vec<Value> = match &explained.outcome {
        Outcome::Different(fields) => fields
            .iter()
            .map(|(name, computed, given)| json!({ "field": name, "computed": computed, "given": given }))
            .collect(),
        _ => Vec::new(),
    };
    let inputs: Vec<Value> = explained
        .inputs
        .iter()
        .map(|input| {
            json!({
                "series": input.series,
                "value": input.value,
                "as_of": input.as_of.to_string(),
                "official": input.official,
                "correction": input.correction,
                "bars": { "partition": input.place.partition, "offset": input.place.offset },
                "tick": { "partition": input.tick.0, "offset": input.tick.1 },
            })
        })
        .collect();
    let episode: Vec<Value> = explained
        .episode
        .iter()
        .map(|(place, event)| {
            json!({
                "id": event.alert.id,
                "transition": event.alert.transition,
                "state": event.alert.state.name(),
                "as_of": event.alert.as_of.to_string(),
                "headline": event.alert.headline,
                "position": { "partition": place.partition, "offset": place.offset },
            })
        })
        .collect();
    json!({
        "id": explained.event.alert.id,
        "outcome": outcome,
        "reason": reason,
        "fields": fields,
        "event": event.unwrap_or_default(),
        "notes": explained.notes,
        "cause": explained.cause,
        "tick": explained.tick,
        "inputs": inputs,
        "reading": explained.reading,
        "episode": episode,
    })
}
