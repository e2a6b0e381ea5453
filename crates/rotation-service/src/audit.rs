//! `rotation audit`: reads what was published, and proves it or says what is wrong with it.

use crate::kafka::log::TopicLog;
use crate::kafka::preflight;
use crate::kafka::topics::TopicError;
use crate::proof::{Begun, Bound, Opened, Published, Range, Source, published};
use rotation_engine::output::Output;
use rotation_engine::time::EventTime;
use rotation_engine::universe::ReadingDetail;
use rotation_wire::invariants::{AlertLog, OpenEpisode, Place, Seen, Summary};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

pub(crate) mod compare;
mod episodes;
mod positions;
mod show;

use compare::{Comparison, Decided, Grounds, cause};
use positions::TaskPosition;

/// Read the alert topic, hold every event against what always holds, and compute it anew from the bars log.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rotation audit --config config/great-rotation.toml
  rotation audit --config rules.toml --from 2026-01-01 --to 2026-02-01
  rotation audit --config rules.toml --sample 100 --json | jq .violations
  rotation audit --brokers localhost:9092    what needs no rules: ids, transitions, episodes, positions
  rotation audit --brokers localhost:9092 --episodes | grep ^open

It reads committed records, joins no group and writes nothing. Events are computed anew where the
configuration has the rule in the version that the event names.

Exit codes: 0 clean, 1 something does not hold, 2 wrong usage or configuration, 3 Kafka failed.")]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// First event time (`as_of`) or offset that is reported on. What is before is read too, to know what stands.
    #[arg(long, value_name = "TIME|OFFSET")]
    from: Option<Bound>,
    /// Event time or offset from which on nothing is reported.
    #[arg(long, value_name = "TIME|OFFSET")]
    to: Option<Bound>,
    /// Compute so many events anew, spread evenly, instead of all; whether any is missing is then not said.
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print the episodes instead, a line each, sorted by id: open or closed, the id, then transition, state, severity
    /// and as-of time of the newest event, between tabs. What does not hold is counted on standard error.
    #[arg(long, conflicts_with_all = ["json", "from", "to"])]
    episodes: bool,
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Which invariant.
    pub(crate) code: &'static str,
    /// The event.
    pub(crate) id: Option<String>,
    /// Where it is on the alert topic.
    pub(crate) place: Option<Place>,
    pub(crate) message: String,
}

/// What an audit found.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) alerts: String,
    pub(crate) bars: String,
    pub(crate) range: Range,
    pub(crate) summary: Summary,
    /// First and last event time.
    pub(crate) times: Option<(EventTime, EventTime)>,
    /// Partitions of the alert topic whose beginning is gone: first offset, and the first event time there.
    pub(crate) holes: Vec<(i32, i64, Option<EventTime>)>,
    /// The same of the bars log.
    pub(crate) bars_holes: Vec<(i32, i64)>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) positions: Vec<TaskPosition>,
    /// Nothing where no rules were given.
    pub(crate) comparison: Option<Comparison>,
    /// Every episode, as a line.
    pub(crate) episodes: Vec<String>,
    /// Episodes that stand, with their seconds of event time so far, where that is known.
    pub(crate) open: Vec<(OpenEpisode, Option<i64>)>,
    /// Universes that cannot be computed anew.
    pub(crate) refused: BTreeMap<String, String>,
}

/// Runs the command.
///
/// # Errors
/// A wrong configuration, or a topic that cannot be read.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let opened = args.source.open("audit")?;
    preflight::connect(&opened.settings)?;
    let range = Range {
        from: args.from,
        to: args.to,
    };
    let report = audit(&opened, range, args.sample)?;
    if args.episodes {
        for line in &report.episodes {
            writeln!(out, "{line}")?;
        }
        if !report.is_clean() {
            eprintln!("warning: {}", show::verdict(&report));
        }
    } else if args.json {
        let document = serde_json::to_string_pretty(&show::document(&report))?;
        writeln!(out, "{document}")?;
    } else {
        write!(out, "{}", show::page(&report))?;
    }
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Report {
    pub(crate) fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.refused.is_empty()
    }
}

fn audit(opened: &Opened, range: Range, sample: Option<usize>) -> Result<Report, TopicError> {
    let settings = &opened.settings;
    // First how far the universes have committed, then the alerts: those of everything up to there are among them.
    let positions = positions::positions(settings)?;
    let (alerts, published) = published(settings, "audit")?;
    let bars = TopicLog::open(settings, &settings.topics.bars, "audit")?;
    let mut report = Report {
        alerts: alerts.topic().to_owned(),
        bars: bars.topic().to_owned(),
        range,
        summary: Summary::default(),
        times: times(&published),
        holes: holes(&alerts, &published),
        bars_holes: beginnings(&bars),
        findings: positions.iter().filter_map(TaskPosition::finding).collect(),
        positions,
        comparison: None,
        episodes: episodes::lines(&published),
        open: Vec::new(),
        refused: BTreeMap::new(),
    };
    let newest = report.times.map(|(_, newest)| newest);
    let mut horizons: BTreeMap<String, EventTime> = BTreeMap::new();
    report.hold(&published);
    if !opened.plans.is_empty() {
        let mut grounds = report.grounds(&alerts, &bars, &published);
        grounds.sample = sample;
        grounds.begun = Begun::read(settings, "audit")?;
        let decided = decide(opened, &bars, &mut grounds, &mut horizons)?;
        let comparison = compare::compare(&opened.plans, &grounds, &published, &decided);
        report.findings.extend(comparison.findings.iter().cloned());
        report.refused = grounds.refused;
        report.comparison = Some(comparison);
    }
    let stand = std::mem::take(&mut report.summary.open);
    report.open = stand
        .into_iter()
        .map(|episode| {
            let universe = episode.episode.split('/').next().unwrap_or_default();
            let now = horizons.get(universe).copied().or(newest);
            let age = now.and_then(|now| age(&episode, now));
            (episode, age)
        })
        .collect();
    Ok(report)
}

/// Seconds since an episode began, which its id says.
fn age(episode: &OpenEpisode, now: EventTime) -> Option<i64> {
    let began = episode.episode.rsplit('/').next()?;
    let began: EventTime = began.parse().ok()?;
    Some(now.saturating_since(began) / rotation_engine::clock::SECOND)
}

/// The bars log through the engine, as far as the universes have committed.
fn decide(
    opened: &Opened,
    bars: &TopicLog,
    grounds: &mut Grounds,
    horizons: &mut BTreeMap<String, EventTime>,
) -> Result<Vec<Decided>, TopicError> {
    let mut engine = opened.recompute(ReadingDetail::Values);
    let mut decided = Vec::new();
    for (&partition, &(_, until)) in &grounds.until {
        let (refused, begun) = (&mut grounds.refused, &mut grounds.begun);
        engine.read(bars, partition, until, |step| {
            begun.see(step);
            for output in step.outputs {
                if let Output::Refused { reason } = output {
                    let reason = format!("{reason} (bars log, {})", step.place);
                    refused.entry(step.plan.name.clone()).or_insert(reason);
                }
            }
            decided.extend(step.alerts().map(|alert| Decided {
                event: step.event(alert),
                place: step.place,
            }));
        })?;
    }
    for plan in &opened.plans {
        if let Some(horizon) = engine.horizon(&plan.name) {
            horizons.insert(plan.name.clone(), horizon);
        }
    }
    Ok(decided)
}

impl Report {
    /// Holds every event against the invariants, and reports what lies in the range.
    fn hold(&mut self, published: &[Published]) {
        let mut log = AlertLog::new();
        if !self.holes.is_empty() {
            log = log.from_within();
        }
        for record in published {
            let place = record.place;
            match (Seen::read(&record.bytes), &record.event) {
                (Ok(seen), _) => {
                    let seen = seen.with_key(record.key.as_deref());
                    let found = log.take(place, &seen);
                    if self.range.holds(place.offset, seen.as_of) {
                        self.findings
                            .extend(found.into_iter().map(|violation| Finding {
                                code: violation.code(),
                                id: Some(seen.id.clone()),
                                place: Some(place),
                                message: violation.to_string(),
                            }));
                    }
                }
                (Err(error), event) => {
                    let why = match event {
                        Err(why) => why.clone(),
                        Ok(_) => error.to_string(),
                    };
                    self.findings.push(Finding {
                        code: "not_an_alert",
                        id: None,
                        place: Some(place),
                        message: format!("the record at {place}: {why}"),
                    });
                }
            }
        }
        self.summary = log.finish();
    }

    fn grounds(&self, alerts: &TopicLog, bars: &TopicLog, published: &[Published]) -> Grounds {
        let cited = published.iter().filter_map(|record| {
            let position = cause(record.event.as_ref().ok()?, &self.bars)?;
            Some((record.place.partition, position))
        });
        let cited: Vec<_> = cited.collect();
        let until = bars.spans().iter().map(|(&partition, &(low, end))| {
            let task = self.positions.iter();
            let task = task.filter(|task| task.stage == "universe" && task.partition == partition);
            let settled = task.filter_map(TaskPosition::settled).next();
            // Where neither group nor state says, as far as anything published goes.
            let here = cited
                .iter()
                .filter(|(_, cause)| cause.partition == partition);
            let told = here.map(|(_, cause)| cause.offset + 1).max();
            let until = settled.or(told).unwrap_or(0).min(end);
            (partition, (low == 0, until))
        });
        let floor = self.holes.iter().map(|(partition, ..)| {
            let here = cited.iter().filter(|(of, _)| of == partition);
            let first = here.map(|(_, cause)| cause.offset).next();
            (*partition, first.unwrap_or(i64::MAX))
        });
        Grounds {
            bars: self.bars.clone(),
            until: until.collect(),
            floor: floor.collect(),
            partitions: u32::try_from(alerts.spans().len()).unwrap_or(u32::MAX),
            range: self.range,
            ..Grounds::default()
        }
    }
}

fn times(published: &[Published]) -> Option<(EventTime, EventTime)> {
    let events = published.iter().filter_map(|it| it.event.as_ref().ok());
    let times = events.map(|event| event.alert.as_of);
    times.fold(None, |span, time| match span {
        None => Some((time, time)),
        Some((first, last)) => Some((time.min(first), time.max(last))),
    })
}

fn holes(alerts: &TopicLog, published: &[Published]) -> Vec<(i32, i64, Option<EventTime>)> {
    let begins = beginnings(alerts).into_iter();
    begins
        .map(|(partition, low)| {
            let mut here = published
                .iter()
                .filter(|it| it.place.partition == partition);
            let first = here.find_map(|it| it.event.as_ref().ok());
            (partition, low, first.map(|event| event.alert.as_of))
        })
        .collect()
}

/// Partitions whose first records are gone.
fn beginnings(log: &TopicLog) -> Vec<(i32, i64)> {
    let spans = log
        .spans()
        .keys()
        .map(|&partition| (partition, log.low(partition)));
    spans.filter(|(_, low)| *low > 0).collect()
}
