//! The edges of a stage on a real broker: idleness, lost records, meddled offsets.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use rotation_service::stage::{StageError, StageFact};
use rotation_tests::counting::{Running, Trial};

const PATIENCE: Duration = Duration::from_secs(15);

fn idles(stage: &Running) -> usize {
    let idle = |fact: &&StageFact| matches!(fact, StageFact::Idle { .. });
    stage.facts().iter().filter(idle).count()
}

#[test]
fn idleness_is_told_where_everything_was_read_and_is_counted_through_restarts() -> Result<()> {
    let Some(trial) = Trial::new("idle", 2)? else {
        return Ok(());
    };
    let mut settings = trial.settings("one");
    settings.idle_after = Some(Duration::from_millis(300));
    // No snapshot but the first, so that decisions are stepped again from the head.
    settings.snapshot_interval = Duration::from_secs(3600);
    // Only partition 0 gets records, and in a transaction: a control marker is the last thing in it.
    let producer: BaseProducer = trial
        .broker
        .config()
        .set("transactional.id", &trial.name)
        .create()?;
    producer.init_transactions(PATIENCE)?;
    producer.begin_transaction()?;
    let input = trial.topic("in");
    let record = BaseRecord::to(&input)
        .partition(0)
        .key("key")
        .payload("payload");
    producer.send(record).map_err(|(error, _)| error)?;
    producer.commit_transaction(PATIENCE)?;
    for _ in 0..3 {
        let stage = trial.start(settings.clone());
        let before = idles(&stage);
        stage.until("idle for a while", |stage| idles(stage) >= before + 3)?;
        stage.stop()??;
    }
    let said = trial.said()?;
    let empty = said.iter().filter(|said| *said == "empty").count();
    assert_eq!(
        empty, 1,
        "the empty partition is told once, and that is restored: {said:?}"
    );
    let told: Vec<&String> = said
        .iter()
        .filter(|said| said.starts_with("idle"))
        .collect();
    let expected: Vec<String> = (1..=told.len())
        .map(|at| format!("idle {at} true"))
        .collect();
    assert!(told.len() >= 6, "{said:?}");
    assert_eq!(told, expected.iter().collect::<Vec<_>>());
    Ok(())
}

#[test]
fn a_partition_with_records_to_come_is_not_idle() -> Result<()> {
    let Some(trial) = Trial::new("busy", 1)? else {
        return Ok(());
    };
    let mut settings = trial.settings("one");
    settings.idle_after = Some(Duration::from_secs(3));
    trial.put(10)?;
    let stage = trial.start(settings);
    trial.await_end()?;
    let begun = Instant::now();
    let mut last = begun;
    while begun.elapsed() < Duration::from_secs(6) {
        trial.put(1)?;
        anyhow::ensure!(
            last.elapsed() < Duration::from_secs(2),
            "a record took {:?} to put",
            last.elapsed()
        );
        last = Instant::now();
    }
    assert_eq!(idles(&stage), 0);
    stage.until("idle", |stage| idles(stage) > 0)?;
    stage.stop()??;
    Ok(())
}

fn delete_records(trial: &Trial, before: i64) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = trial.broker.config().create()?;
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&trial.topic("in"), 0, Offset::Offset(before))?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(admin.delete_records(&offsets, &AdminOptions::new()))?;
    Ok(())
}

#[test]
fn records_deleted_before_they_were_read_are_an_error_unless_allowed() -> Result<()> {
    let Some(trial) = Trial::new("deleted", 1)? else {
        return Ok(());
    };
    trial.put(100)?;
    let stage = trial.start(trial.settings("one"));
    trial.await_end()?;
    stage.stop()??;
    trial.put(100)?;
    delete_records(&trial, 150)?;
    let ended = trial.start(trial.settings("one")).join()?;
    let Err(StageError::DataLoss {
        next: 100,
        low: 150,
        ..
    }) = ended
    else {
        anyhow::bail!("expected a loss of 100 to 150, found {ended:?}");
    };
    let mut settings = trial.settings("one");
    settings.allow_data_loss = true;
    let stage = trial.start(settings);
    trial.await_end()?;
    let lost: Vec<i64> = stage
        .facts()
        .into_iter()
        .filter_map(|fact| match fact {
            StageFact::DataLoss { records, .. } => Some(records),
            _ => None,
        })
        .collect();
    assert_eq!(lost, [50]);
    stage.stop()??;
    Ok(())
}

#[test]
fn offsets_reset_by_someone_else_are_an_error() -> Result<()> {
    let Some(trial) = Trial::new("reset", 1)? else {
        return Ok(());
    };
    trial.put(100)?;
    let stage = trial.start(trial.settings("one"));
    trial.await_end()?;
    stage.stop()??;
    let meddler: BaseConsumer = trial
        .broker
        .config()
        .set("group.id", format!("{}.counting", trial.name))
        .create()?;
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&trial.topic("in"), 0, Offset::Offset(10))?;
    meddler
        .commit(&offsets, CommitMode::Sync)
        .context("the group is empty, so its offsets can be set")?;
    let mut settings = trial.settings("one");
    settings.restore_timeout = Duration::from_secs(2);
    let error = trial
        .start(settings)
        .join()?
        .expect_err("state and group disagree");
    let text = error.to_string();
    assert!(matches!(error, StageError::Restore { .. }), "{error:?}");
    assert!(
        text.contains("offset 100") && text.contains("offset 10"),
        "{text}"
    );
    Ok(())
}
