//! What the stages run, given any records: nothing stops, and what cannot be used is a dead letter once.

use super::plan;
use rotation_engine::plan::{SeriesSource, UniversePlan};
use rotation_service::metrics::Metrics;
use rotation_service::stage::{InputRecord, Outbox, StampKind, Task};
use rotation_service::tasks::DeadLetters;
use rotation_service::tasks::sampler::{self, SamplerTask};
use rotation_service::tasks::universe::{self, Cited, UniverseTask};
use rotation_wire::bars::{self, Decoded};
use rotation_wire::input;
use std::sync::{Arc, LazyLock};

/// Made once: what is counted is of no matter here.
static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// Most bytes of a dead letter.
const LETTER_BYTES: usize = 1 << 20;

/// Both tasks read the same records: a line each, the key before the first blank; a line that begins with a blank has
/// no key, one without a blank no value.
pub(super) fn tasks(bytes: &[u8]) {
    let records: Vec<_> = bytes.split(|byte| *byte == b'\n').map(parts).collect();
    let plans = [plan().clone()];
    through_sampler(&plans, &records, &METRICS);
    // Under the universe's own name: records of others are not read.
    let records: Vec<_> = records
        .into_iter()
        .map(|(_, payload)| (Some(&b"us"[..]), payload))
        .collect();
    through_universe(&plans, &records, &METRICS);
}

/// Key and value of a record.
pub type Parts<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

fn parts(line: &[u8]) -> Parts<'_> {
    match line.iter().position(|byte| *byte == b' ') {
        Some(0) => (None, Some(&line[1..])),
        Some(at) => (Some(&line[..at]), Some(&line[at + 1..])),
        None => (Some(line), None),
    }
}

fn record<'a>(offset: usize, (key, payload): Parts<'a>) -> InputRecord<'a> {
    InputRecord {
        partition: 0,
        offset: i64::try_from(offset).expect("few records"),
        timestamp: Some((1_800_000_000_000, StampKind::Append)),
        key,
        payload,
        trace: None,
    }
}

/// The sampler's task over records of the ticks topic: how many dead letters it puts out.
///
/// # Panics
/// Where a record that cannot be used is no dead letter, or more than one; or one that nobody reads is.
pub fn through_sampler(
    plans: &[Arc<UniversePlan>],
    records: &[Parts<'_>],
    metrics: &Metrics,
) -> usize {
    let letters = DeadLetters::new("ticks", sampler::DEAD_LETTERS, LETTER_BYTES);
    let mut task = SamplerTask::new(0, 1, plans, letters, metrics);
    let raw = |key: &[u8]| {
        let named = |plan: &Arc<UniversePlan>| {
            let series = str::from_utf8(key).ok().and_then(|key| plan.series_ix(key));
            series.is_some_and(|series| plan.series(series).source == SeriesSource::Raw)
        };
        plans.iter().any(named)
    };
    let mut all = 0;
    for (offset, parts) in records.iter().enumerate() {
        let mut outbox = Outbox::default();
        task.step(&record(offset, *parts), &mut outbox);
        let letters = letters_of(&outbox, sampler::DEAD_LETTERS, *parts);
        assert!(letters <= 1, "{letters} dead letters of one record");
        all += letters;
        let (key, payload) = *parts;
        let is_skipped = key.is_some_and(|key| !key.is_empty() && !raw(key));
        let is_unusable = payload.is_none_or(|payload| input::decode(payload).is_err());
        match (is_skipped, is_unusable) {
            (true, _) => assert_eq!(letters, 0, "what nobody reads is no dead letter"),
            (false, true) => assert_eq!(letters, 1, "what cannot be read is a dead letter"),
            (false, false) => {}
        }
    }
    task.end_of_batch(&mut Outbox::default());
    restored(&mut task);
    all
}

/// The universes' task over records of the bars log: how many dead letters it puts out.
///
/// # Panics
/// As [`through_sampler`].
pub fn through_universe(
    plans: &[Arc<UniversePlan>],
    records: &[Parts<'_>],
    metrics: &Metrics,
) -> usize {
    let letters = DeadLetters::new("bars", universe::DEAD_LETTERS, LETTER_BYTES);
    let cited = Cited {
        ticks: "ticks".to_owned(),
        bars: "bars".to_owned(),
    };
    // A universe that is refused says so, and the task goes on.
    let refuse = Arc::new(|reason: String| assert!(reason.starts_with("universe "), "{reason}"));
    let mut task = UniverseTask::new(plans, cited, letters, metrics, refuse);
    let mut all = 0;
    for (offset, parts) in records.iter().enumerate() {
        let (key, payload) = *parts;
        let mut outbox = Outbox::default();
        task.step(&record(offset, *parts), &mut outbox);
        let letters = letters_of(&outbox, universe::DEAD_LETTERS, *parts);
        all += letters;
        let key = key.unwrap_or_default();
        let Some(plan) = plans.iter().find(|plan| plan.name.as_bytes() == key) else {
            assert_eq!(letters, 0, "what nobody reads is no dead letter");
            continue;
        };
        match bars::decode(plan, payload.unwrap_or_default()) {
            Err(_) => assert_eq!(letters, 1, "what cannot be read is a dead letter"),
            Ok(Decoded::Unread { .. }) => assert_eq!(letters, 0),
            Ok(Decoded::Record(_)) => assert!(letters <= 1, "{letters} dead letters of one record"),
        }
    }
    task.end_of_batch(&mut Outbox::default());
    restored(&mut task);
    all
}

/// How many dead letters there are; each has the record's key, and its value as it came.
fn letters_of(outbox: &Outbox, topic: usize, (key, payload): Parts<'_>) -> usize {
    let letters = outbox.iter().filter(|(to, ..)| *to == topic);
    letters
        .map(|letter| assert_eq!(letter, (topic, key, payload)))
        .count()
}

/// The state survives its own bytes.
fn restored(task: &mut dyn Task) {
    let parts = task.snapshot();
    task.restore(parts.clone()).expect("its own snapshot");
    assert_eq!(task.snapshot(), parts);
}
