//! What a subscriber has, against what it should have; and the table of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::Result;
use rotation_wire::alerts::comparable;

use super::Fault;
use super::faults::{KINDS, Kind};
use super::feed::{Fed, Pieces, as_of};
use super::fleet::Ended;
use crate::service::{Deployment, Events};

/// How an event differs from the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is missing.
    Lost,
    /// It is there more than once.
    Repeated,
    /// It should not be there at all, or says something else.
    Invented,
    /// It is not in its place.
    Disordered,
}

/// An event that differs.
#[derive(Clone, Debug)]
pub struct Difference {
    /// How.
    pub wrong: Wrong,
    /// When it was sent, or should have been, in milliseconds since 1970.
    pub at: u64,
    /// The event.
    pub event: String,
}

/// Compares what is on the alert topic with the reference.
pub(super) fn differences(
    deployment: &Deployment,
    reference: &Events,
    pieces: &Pieces,
    fed: &Fed,
) -> Result<Vec<Difference>> {
    let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
    for event in reference.values().flatten() {
        *wanted.entry(event).or_default() += 1;
    }
    let known: std::collections::BTreeSet<&str> = wanted.keys().copied().collect();
    let mut found = Vec::new();
    let mut events = Events::new();
    for record in deployment.broker.read_committed(&deployment.topics[2])? {
        let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
        let event = comparable(record.payload.as_deref().unwrap_or_default());
        let event = String::from_utf8(event)?;
        let at = record.timestamp.and_then(|at| u64::try_from(at).ok());
        let wrong = match wanted.get_mut(event.as_str()) {
            Some(left @ 1..) => {
                *left -= 1;
                None
            }
            _ if known.contains(event.as_str()) => Some(Wrong::Repeated),
            _ => Some(Wrong::Invented),
        };
        found.extend(wrong.map(|wrong| Difference {
            wrong,
            at: at.unwrap_or_default(),
            event: event.clone(),
        }));
        events.entry(key).or_default().push(event);
    }
    for (event, left) in wanted {
        let at = fed.sent_at(pieces.at(as_of(event)?));
        for _ in 0..left {
            found.push(Difference {
                wrong: Wrong::Lost,
                at,
                event: event.to_owned(),
            });
        }
    }
    if found.is_empty() {
        let misplaced = reference
            .iter()
            .filter(|(key, wanted)| events.get(*key) != Some(wanted));
        found.extend(misplaced.map(|(key, _)| Difference {
            wrong: Wrong::Disordered,
            at: 0,
            event: format!("the events of {key} are not in their order"),
        }));
    }
    Ok(found)
}

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    /// Where the faults came from.
    pub seed: u64,
    /// How long it took, from the first fault to the last.
    pub took: Duration,
    /// Input records, alert events, processes at the start.
    pub counts: [usize; 3],
    /// All faults, in order.
    pub faults: Vec<Fault>,
    /// Processes that ended without being told.
    pub ended: Vec<Ended>,
    /// What a subscriber has wrong.
    pub differences: Vec<Difference>,
    /// What does not hold on the alert topic that always should.
    pub violations: Vec<String>,
    /// Why disks were not filled, if they were not.
    pub no_disks: Option<String>,
}

impl Report {
    /// How often a kind of fault struck.
    #[must_use]
    pub fn times(&self, kind: Kind) -> usize {
        self.of(kind).count()
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(move |fault| fault.kind == kind)
    }

    /// What a subscriber has wrong because of a kind of fault: the last that had struck by then.
    fn wrong(&self, kind: Option<Kind>, wrong: Wrong) -> usize {
        let cause = |difference: &&Difference| {
            let mut before = self.faults.iter().filter(|fault| fault.at <= difference.at);
            difference.wrong == wrong && before.next_back().map(|fault| fault.kind) == kind
        };
        self.differences.iter().filter(cause).count()
    }

    /// Ends that no fault explains.
    #[must_use]
    pub fn unexplained(&self) -> Vec<&Ended> {
        self.ended.iter().filter(|end| !end.was_stopped).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [records, alerts, processes] = self.counts;
        writeln!(
            f,
            "Seed {}: {records} input records, {alerts} alert events, {processes} processes at first, {} faults in {:.0} s.\n",
            self.seed,
            self.faults.len(),
            self.took.as_secs_f64()
        )?;
        writeln!(
            f,
            "| fault | times | lost | repeated | invented | recovery: median | worst |"
        )?;
        writeln!(f, "| --- | --: | --: | --: | --: | --: | --: |")?;
        for (kind, name) in KINDS {
            let mut times: Vec<Duration> =
                self.of(kind).filter_map(|fault| fault.recovered).collect();
            times.sort_unstable();
            let show = |time: Option<&Duration>| {
                time.map_or_else(
                    || "–".to_owned(),
                    |time| format!("{:.1} s", time.as_secs_f64()),
                )
            };
            self.row(f, name, self.times(kind), Some(kind), {
                let median = show(times.get(times.len() / 2));
                [median, show(times.last())]
            })?;
        }
        let none = || ["–".to_owned(), "–".to_owned()];
        self.row(f, "no fault yet", 1, None, none())?;
        let unexplained = self.unexplained().len();
        let stopped = self.ended.len() - unexplained;
        for (name, times) in [
            ("process ended by itself after such a stop", stopped),
            ("process ended by itself otherwise", unexplained),
        ] {
            writeln!(f, "| {name} | {times} | | | | | |")?;
        }
        let violated = self.violations.len();
        writeln!(f, "\nInvariants of the alert topic violated: {violated}.")?;
        if let Some(reason) = &self.no_disks {
            writeln!(f, "No disk was filled: {reason}")?;
        }
        Ok(())
    }
}

impl Report {
    fn row(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        times: usize,
        kind: Option<Kind>,
        [median, worst]: [String; 2],
    ) -> fmt::Result {
        let [lost, repeated] = [Wrong::Lost, Wrong::Repeated].map(|wrong| self.wrong(kind, wrong));
        let invented = self.wrong(kind, Wrong::Invented) + self.wrong(kind, Wrong::Disordered);
        writeln!(
            f,
            "| {name} | {times} | {lost} | {repeated} | {invented} | {median} | {worst} |"
        )
    }
}
