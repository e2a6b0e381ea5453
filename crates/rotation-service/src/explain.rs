//! `rotation explain`: one alert, from the record that it stands on to its figures, computed anew.

use crate::audit::compare::{BY_CONFIGURATION, cause, late};
use crate::kafka::KafkaSettings;
use crate::kafka::log::TopicLog;
use crate::kafka::preflight;
use crate::proof::{Opened, Published, Source, published};
use anyhow::{Context, bail};
use rotation_engine::output::Reading;
use rotation_engine::plan::UniversePlan;
use rotation_wire::alerts::AlertEvent;
use rotation_wire::invariants::{Place, equal};
use std::io::{Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

mod show;
mod trace;

use trace::{Trace, Traced, rule_of, trace};

/// Find an alert, compute it anew from the bars that it cites, and say whether it comes out the same.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rotation explain us/small-cap-streak/RUT/GSPC/2026-01-08T21:00:00Z/2 --config rules.toml
  rotation explain us/small-cap-streak/RUT/GSPC/2026-01-08T21:00:00Z --config rules.toml   all events of an episode
  rotation tail --json --limit 1 | rotation explain - --config rules.toml

The configuration has to hold the rule in the version that the event names. The bars log has to go back
far enough for the rule's windows, best to its beginning.

Exit codes: 0 identical, 1 different or not to be computed, 2 wrong usage or configuration, 3 Kafka failed.")]
pub struct Args {
    /// The id of an event or of an episode, or `-` for an event in JSON on standard input.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    source: Source,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What came of computing an event anew.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// The same in every byte but the time of detection.
    Identical,
    /// Fields that differ: name, computed, given.
    Different(Vec<(String, Option<String>, Option<String>)>),
    /// The engine decides no such event.
    Invented,
    /// It cannot be said.
    NotComputed(String),
}

/// An event with everything that there is to say about it.
#[derive(Clone, Debug)]
pub(crate) struct Explained {
    pub(crate) event: AlertEvent,
    /// Where it is on the alert topic; nothing where it is not there.
    pub(crate) place: Option<Place>,
    /// What is odd about where it was found: a line each.
    pub(crate) notes: Vec<String>,
    pub(crate) reading: Option<Reading>,
    pub(crate) inputs: Vec<trace::Input>,
    /// The record of the bars log that completed it, as it is there.
    pub(crate) cause: Option<String>,
    /// The newest tick that went into that, as it is on its topic.
    pub(crate) tick: Option<String>,
    /// The events of its episode on the topic, in order.
    pub(crate) episode: Vec<(Place, AlertEvent)>,
    pub(crate) outcome: Outcome,
}

/// Runs the command.
///
/// # Errors
/// A wrong configuration, an id that is not on the topic, or a topic that cannot be read.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let opened = args.source.open("explain")?;
    if opened.plans.is_empty() {
        bail!("expected --config FILE: an event is computed anew by the rules there");
    }
    preflight::connect(&opened.settings)?;
    let given = match args.id.as_str() {
        "-" => Some(from_stdin()?),
        _ => None,
    };
    let (alerts, published) = published(&opened.settings, "explain")?;
    let wanted = match &given {
        Some(given) => vec![given],
        None => find(&published, &args.id),
    };
    if wanted.is_empty() {
        let since = alerts.spans().values().map(|(low, _)| *low).max();
        let topic = alerts.topic();
        bail!(
            "expected the id of an event or an episode on topic \"{topic}\", found none with {:?} among {} events{}",
            args.id,
            published.len(),
            match since {
                Some(1..) => " (older ones are gone by the topic's retention)",
                _ => "",
            }
        );
    }
    let explained = explain(&opened, &published, &wanted)?;
    if args.json {
        let document: Vec<_> = explained.iter().map(show::document).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?;
    } else {
        for each in &explained {
            write!(out, "{}", show::page(each))?;
        }
    }
    let is_same = explained.iter().all(|it| it.outcome == Outcome::Identical);
    Ok(if is_same {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What there is to say of an event that is asked for by its id.
pub(crate) enum Answer {
    /// It was computed anew; whether the same came out, where that can be said.
    Told {
        identical: Option<bool>,
        text: String,
        episode: String,
    },
    /// It is not on the topic.
    Unknown(String),
    /// The record that it stands on is gone.
    Gone(String),
}

/// Computes an event anew, as the command does.
pub(crate) fn answer(
    settings: KafkaSettings,
    plans: Vec<Arc<UniversePlan>>,
    id: &str,
) -> anyhow::Result<Answer> {
    let opened = Opened { settings, plans };
    let (alerts, published) = published(&opened.settings, "explain")?;
    let found = find(&published, id);
    let Some(wanted) = found.first() else {
        let topic = alerts.topic();
        let text = format!("no event with the id {id:?} is on topic \"{topic}\"");
        return Ok(Answer::Unknown(text));
    };
    let explained = explain(&opened, &published, &[wanted])?;
    let Some(explained) = explained.first() else {
        bail!("the record with the id {id:?} is no event");
    };
    Ok(match &explained.outcome {
        Outcome::NotComputed(why)
            if explained.cause.is_none() && explained.event.positions.is_some() =>
        {
            Answer::Gone(why.clone())
        }
        outcome => Answer::Told {
            identical: match outcome {
                Outcome::Identical => Some(true),
                Outcome::Different(_) | Outcome::Invented => Some(false),
                Outcome::NotComputed(_) => None,
            },
            text: show::page(explained),
            episode: explained.event.alert.episode.clone(),
        },
    })
}

/// Stands for an event that was not read from the topic.
const NOWHERE: Place = Place {
    partition: -1,
    offset: -1,
};

fn from_stdin() -> anyhow::Result<Published> {
    let mut text = Vec::new();
    std::io::stdin()
        .read_to_end(&mut text)
        .context("cannot read standard input")?;
    let given = Published::new(NOWHERE, None, text.trim_ascii());
    if let Err(why) = &given.event {
        bail!("standard input: {why}");
    }
    Ok(given)
}

/// The records of that id, or else of that episode.
fn find<'a>(published: &'a [Published], id: &str) -> Vec<&'a Published> {
    let having = |has: fn(&AlertEvent) -> &str| {
        let events = published.iter();
        let found = events.filter(|it| it.event.as_ref().is_ok_and(|event| has(event) == id));
        found.collect::<Vec<_>>()
    };
    let named = having(|event| &event.alert.id);
    if named.is_empty() {
        having(|event| &event.alert.episode)
    } else {
        named
    }
}

fn explain(
    opened: &Opened,
    published: &[Published],
    wanted: &[&Published],
) -> anyhow::Result<Vec<Explained>> {
    let topics = &opened.settings.topics;
    let bars = TopicLog::open(&opened.settings, &topics.bars, "explain")?;
    let events: Vec<&AlertEvent> = wanted
        .iter()
        .filter_map(|published| published.event.as_ref().ok())
        .collect();
    let trace = trace(opened, &bars, &events)?;
    let ticks = TopicLog::open(&opened.settings, &topics.ticks, "explain").ok();
    let mut explained = Vec::new();
    // Looked up when an event does not come out the same, for all of them.
    let mut begun = None;
    for (record, &event) in wanted.iter().zip(&events) {
        let traced = trace.found.get(&event.alert.id);
        let mut outcome = judge(opened, &bars, &trace, record, event);
        if matches!(outcome, Outcome::Invented | Outcome::Different(_))
            && let Some((plan, rule)) = rule_of(&opened.plans, event)
        {
            if begun.is_none() {
                begun = Some(trace::begun(opened, &bars, &events)?);
            }
            let late = begun.as_ref().and_then(|begun| late(plan, rule, begun));
            if let Some(late) = late {
                outcome = Outcome::NotComputed(late.to_string());
            }
        }
        let same_episode = published.iter().filter_map(|other| {
            let of = other.event.as_ref().ok()?;
            (of.alert.episode == event.alert.episode).then(|| (other.place, of.clone()))
        });
        let tick = event.positions.as_ref().and_then(|cited| {
            let log = ticks.as_ref()?;
            cited
                .iter()
                .find(|position| position.topic == log.topic())
                .and_then(|at| trace::record(log, at.partition, at.offset))
        });
        explained.push(Explained {
            event: event.clone(),
            place: (record.place != NOWHERE).then_some(record.place),
            notes: notes(published, record, event),
            reading: traced.and_then(|traced| traced.reading.clone()),
            inputs: traced
                .map(|traced| traced.inputs.clone())
                .unwrap_or_default(),
            cause: cause(event, bars.topic())
                .and_then(|at| trace::record(&bars, at.partition, at.offset)),
            tick,
            episode: same_episode.collect(),
            outcome,
        });
    }
    Ok(explained)
}

/// What is odd about where an event was found.
fn notes(published: &[Published], record: &Published, event: &AlertEvent) -> Vec<String> {
    let same = published.iter().filter(|other| {
        let id = other.event.as_ref().map(|event| event.alert.id.as_str());
        id == Ok(event.alert.id.as_str()) && other.place != record.place
    });
    let mut notes: Vec<String> = same
        .map(|other| {
            let same = rotation_wire::alerts::comparable(&other.bytes)
                == rotation_wire::alerts::comparable(&record.bytes);
            let what = if same { "the same" } else { "another" };
            format!("{what} event of that id stands at {}", other.place)
        })
        .collect();
    if record.place == NOWHERE && notes.is_empty() {
        notes.push("no event of that id stands on the topic".to_owned());
    }
    notes
}

/// Why an event cannot be computed anew at all; nothing where it can be tried.
fn hindrance(opened: &Opened, bars: &TopicLog, event: &AlertEvent) -> Option<String> {
    let alert = &event.alert;
    let reason = alert.resolve_reason.as_deref().unwrap_or_default();
    if BY_CONFIGURATION.contains(&reason) {
        return Some(format!(
            "a new configuration ended the episode ({reason}): the event stands on no record"
        ));
    }
    let plan = opened.plans.iter().find(|plan| plan.name == alert.universe);
    let Some(rule) = plan.and_then(|plan| plan.rules.iter().find(|it| it.name == alert.rule))
    else {
        let (universe, rule) = (&alert.universe, &alert.rule);
        return Some(format!(
            "the configuration has no rule {rule} in a universe {universe}"
        ));
    };
    if rule.version != alert.rule_version {
        return Some(format!(
            "the configuration has version {} of the rule, the event names {}: what differs between them is not known",
            rule.version, alert.rule_version
        ));
    }
    let at = cause(event, bars.topic())?;
    let (low, end) = bars.spans().get(&at.partition).copied().unwrap_or_default();
    if at.offset < low {
        return Some(format!(
            "the record that it cites, {}, is gone: partition {} of {} begins at offset {low}",
            at.offset,
            at.partition,
            bars.topic()
        ));
    }
    (at.offset >= end).then(|| {
        format!(
            "the record that it cites, {}, does not exist: partition {} of {} ends at offset {end}",
            at.offset,
            at.partition,
            bars.topic()
        )
    })
}

fn judge(
    opened: &Opened,
    bars: &TopicLog,
    trace: &Trace,
    record: &Published,
    event: &AlertEvent,
) -> Outcome {
    if let Some(reason) = hindrance(opened, bars, event) {
        return Outcome::NotComputed(reason);
    }
    if let Some(reason) = trace.refused.get(&event.alert.universe) {
        return Outcome::NotComputed(format!("the universe refuses the bars log: {reason}"));
    }
    let outcome = match trace.found.get(&event.alert.id) {
        None => Outcome::Invented,
        Some(traced) => differences(traced, record, event),
    };
    let partition = cause(event, bars.topic()).map_or(trace.partition, |at| at.partition);
    let low = bars.low(partition);
    match outcome {
        Outcome::Identical => outcome,
        _ if low > 0 => Outcome::NotComputed(format!(
            "partition {partition} of {} begins at offset {low}, so the rule's windows are not those that the event was \
             decided on",
            bars.topic()
        )),
        outcome => outcome,
    }
}

/// The fields in which an event differs from the one that was decided now.
fn differences(traced: &Traced, record: &Published, event: &AlertEvent) -> Outcome {
    let computed = AlertEvent::from(traced.event.alert.clone()).encode();
    let unequal = equal(&[computed], &[(record.place, record.bytes.as_slice())]);
    let different = unequal.different.into_iter().next();
    let mut fields = different.map(|it| it.fields).unwrap_or_default();
    if event.positions.is_some() && event.positions != traced.event.positions {
        let cited = |event: &AlertEvent| serde_json::to_string(&event.positions).ok();
        let names = "data.positions".to_owned();
        fields.push((names, cited(&traced.event), cited(event)));
    }
    if fields.is_empty() {
        Outcome::Identical
    } else {
        Outcome::Different(fields)
    }
}
