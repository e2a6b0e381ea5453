//! A stage on a real broker: what it puts out is there exactly once, however often it was stopped or killed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use rand::{Rng, SeedableRng};
use rotation_service::stage::StageFact;
use rotation_tests::counting::{Running, Trial};

const PROGRAM: &str = env!("CARGO_BIN_EXE_stage-trial");

fn commits(stage: &Running) -> Vec<Duration> {
    let took = |fact: StageFact| match fact {
        StageFact::Committed { took, .. } => Some(took),
        _ => None,
    };
    stage.facts().into_iter().filter_map(took).collect()
}

fn has_snapshot(stage: &Running) -> bool {
    let snapshot = |fact: &StageFact| matches!(fact, StageFact::Snapshot { .. });
    stage.facts().iter().any(snapshot)
}

#[test]
fn a_clean_run_puts_out_everything_once() -> Result<()> {
    let Some(trial) = Trial::new("clean", 3)? else {
        return Ok(());
    };
    trial.put(5_000)?;
    let stage = trial.start(trial.settings("one"));
    trial.await_end()?;
    // Committing with messages in flight waits 100 ms in the client's flush, every time. A busy machine makes a commit
    // slow now and then, but not each of many.
    let is_quick = |took: &Duration| *took < Duration::from_millis(100);
    for _ in 0..50 {
        if commits(&stage).iter().any(is_quick) {
            break;
        }
        trial.put(50)?;
        trial.await_end()?;
    }
    let all = commits(&stage);
    assert!(
        all.iter().any(is_quick),
        "none of the commits was quick: {all:?}"
    );
    stage.stop()??;
    trial.check()
}

#[test]
fn a_stopped_stage_goes_on_where_it_was() -> Result<()> {
    let Some(trial) = Trial::new("stopped", 2)? else {
        return Ok(());
    };
    for round in 0..3 {
        trial.put(700)?;
        let stage = trial.start(trial.settings("one"));
        trial.await_end()?;
        stage.until("a snapshot was taken", has_snapshot)?;
        // After the snapshot, so that the next start has something to step again.
        trial.put(300 + round)?;
        trial.await_end()?;
        stage.stop()??;
    }
    trial.check()
}

#[test]
fn a_restart_steps_again_what_came_after_the_snapshot() -> Result<()> {
    let Some(trial) = Trial::new("replay", 1)? else {
        return Ok(());
    };
    let mut settings = trial.settings("one");
    settings.snapshot_interval = Duration::from_secs(3600);
    // The first commit of a task carries a snapshot; what follows has none.
    trial.put(100)?;
    let stage = trial.start(settings.clone());
    trial.await_end()?;
    trial.put(400)?;
    trial.await_end()?;
    stage.stop()??;
    let stage = trial.start(settings);
    let replays = |stage: &Running| -> Vec<i64> {
        let facts = stage.facts().into_iter();
        let replays = facts.filter_map(|fact| match fact {
            StageFact::Restored { replay, .. } => Some(replay),
            _ => None,
        });
        replays.collect()
    };
    // The group may give an empty assignment first, with which a member is ready as well.
    stage.until("restored", |stage| !replays(stage).is_empty())?;
    assert_eq!(replays(&stage), [400]);
    trial.put(100)?;
    trial.await_end()?;
    stage.stop()??;
    trial.check()
}

#[test]
fn a_stage_killed_eight_times_puts_out_everything_once() -> Result<()> {
    let Some(trial) = Trial::new("killed", 3)? else {
        return Ok(());
    };
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let fed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let feed = scope.spawn(|| {
            while !fed.load(Ordering::SeqCst) {
                trial.put(200)?;
            }
            anyhow::Ok(())
        });
        let killed = (0..8).try_for_each(|_| {
            let stage = trial.spawn(PROGRAM, "one")?;
            std::thread::sleep(Duration::from_millis(random.random_range(300..2500)));
            stage.kill()
        });
        fed.store(true, Ordering::SeqCst);
        feed.join().expect("feeding does not panic")?;
        killed
    })?;
    let stage = trial.spawn(PROGRAM, "one")?;
    trial.await_end()?;
    stage.stop()?;
    trial.check()
}
