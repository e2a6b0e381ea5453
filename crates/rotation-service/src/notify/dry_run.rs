//! `rotation notify --dry-run`: which of the newest events would go where.

use super::event::Event;
use super::ledger::Step;
use super::marks::{self, Begin, Mark};
use super::routing::{self, Verdict};
use super::{ledger::Ledger, send};
use crate::config::NotifyConfig;
use crate::kafka::KafkaSettings;
use crate::kafka::log::TopicLog;
use rdkafka::Message;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

/// Prints the newest events of the alert topic, oldest first, and what would become of each. Earlier events are taken
/// to have been told.
///
/// # Errors
/// A topic that cannot be read.
pub(super) fn show(
    settings: &KafkaSettings,
    notify: &NotifyConfig,
    begin: Begin,
    newest: usize,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let log = TopicLog::open(settings, &settings.topics.alerts, "notify-dry-run")?;
    let mut events: Vec<Arc<Event>> = Vec::new();
    let mut strangers = 0;
    log.read_all(
        |message| match Event::read(message.payload().unwrap_or_default(), None) {
            Ok(event) => events.push(Arc::new(Event {
                partition: message.partition(),
                offset: message.offset(),
                published: message.timestamp().to_millis().unwrap_or_default(),
                ..event
            })),
            Err(_) => strangers += 1,
        },
    )?;
    // In one partition that changes nothing; across partitions it is how they came.
    events.sort_by_key(|event| event.published);
    let shown_from = events.len().saturating_sub(newest);
    let mut ledgers: BTreeMap<(usize, i32), Ledger> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        let verdicts = routing::route(notify, &event.alert, marks::timestamp(event.published));
        let mut said = Vec::new();
        for (target, verdict) in verdicts.into_iter().enumerate() {
            let ledger = ledgers.entry((target, event.partition)).or_default();
            let name = &notify.targets[target].name;
            match (ledger.take(event, verdict), verdict) {
                (Step::Tell(_), _) => said.push(name.clone()),
                (Step::Held, Verdict::Mute { until, .. }) => {
                    said.push(format!("{name} (muted until {until})"));
                }
                (Step::Held | Step::Pass, _) => {}
            }
        }
        if at >= shown_from {
            let said = if said.is_empty() {
                "nobody".to_owned()
            } else {
                said.join(", ")
            };
            writeln!(out, "{}\n    -> {said}", crate::tail::line(&event.alert))?;
        }
    }
    if events.is_empty() {
        writeln!(out, "no events on {}", settings.topics.alerts)?;
    }
    if strangers > 0 {
        writeln!(out, "{strangers} records there are no alert events")?;
    }
    foresee(notify, begin, &events, out)
}

/// What a target that is met now would be told at once.
fn foresee(
    notify: &NotifyConfig,
    begin: Begin,
    events: &[Arc<Event>],
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if begin != Begin::Standing {
        return Ok(());
    }
    let mark = Mark::new(begin, i64::MAX, send::now_millis());
    for (target, known) in notify.targets.iter().enumerate() {
        let mut ledgers: BTreeMap<i32, Ledger> = BTreeMap::new();
        for event in events {
            let verdicts = routing::route(notify, &event.alert, marks::timestamp(event.published));
            let verdict = mark.temper(event, verdicts[target]);
            ledgers
                .entry(event.partition)
                .or_default()
                .take(event, verdict);
        }
        let due = ledgers
            .values_mut()
            .flat_map(|ledger| ledger.release(send::now()));
        let due: Vec<String> = due
            .map(|(_, notice)| notice.event.alert.id.clone())
            .collect();
        if !due.is_empty() {
            writeln!(
                out,
                "{}, if it is new, is told first what stands: {}",
                known.name,
                due.join(", ")
            )?;
        }
    }
    Ok(())
}
