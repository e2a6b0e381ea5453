//! Several members of a stage on a real broker: tasks move, and the outputs are still there exactly once.

use std::time::{Duration, Instant};

use anyhow::Result;
use rotation_service::stage::{RebalanceKind, StageError, StageFact};
use rotation_tests::counting::{Running, Trial};

const PROGRAM: &str = env!("CARGO_BIN_EXE_stage-trial");

fn rebalances(stage: &Running, wanted: RebalanceKind) -> usize {
    let of_kind = |fact: &&StageFact| match fact {
        StageFact::Rebalanced { kind, partitions } => *kind == wanted && *partitions > 0,
        _ => false,
    };
    stage.facts().iter().filter(of_kind).count()
}

/// Puts records in until something holds.
fn put_until(trial: &Trial, holds: impl Fn() -> bool) -> Result<()> {
    let deadline = std::time::Instant::now() + Duration::from_secs(40);
    while !holds() {
        anyhow::ensure!(std::time::Instant::now() < deadline, "not so within 40 s");
        trial.put(100)?;
    }
    Ok(())
}

#[test]
fn tasks_move_to_a_new_member_and_back() -> Result<()> {
    let Some(trial) = Trial::new("members", 4)? else {
        return Ok(());
    };
    let one = trial.start(trial.settings("one"));
    put_until(&trial, || {
        one.liveness.assigned() == 4 && one.liveness.ready()
    })?;
    let two = trial.start(trial.settings("two"));
    put_until(&trial, || {
        one.liveness.assigned() == 2 && two.liveness.assigned() == 2 && two.liveness.ready()
    })?;
    let three = trial.start(trial.settings("three"));
    put_until(&trial, || {
        three.liveness.assigned() > 0 && three.liveness.ready()
    })?;
    // Stopped members leave the group, so that the others need not wait for their session to time out.
    let before = std::time::Instant::now();
    one.stop()??;
    put_until(&trial, || {
        two.liveness.assigned() + three.liveness.assigned() == 4
    })?;
    assert!(
        before.elapsed() < Duration::from_secs(5),
        "the others took over after {:?}, as if the member had not left",
        before.elapsed()
    );
    two.stop()??;
    put_until(&trial, || {
        three.liveness.assigned() == 4 && three.liveness.ready()
    })?;
    trial.await_end()?;
    assert_eq!(rebalances(&three, RebalanceKind::Lost), 0);
    three.stop()??;
    trial.check()
}

#[test]
fn a_revoked_task_commits_before_it_goes() -> Result<()> {
    let Some(trial) = Trial::new("revoked", 2)? else {
        return Ok(());
    };
    let mut settings = trial.settings("one");
    // Without the commit at the revoke, what is pending would have to wait for an hour.
    settings.commit_interval = Duration::from_secs(3600);
    settings.progress_interval = Duration::from_secs(3600);
    settings.urgent_gap = Duration::from_secs(3600);
    let one = trial.start(settings);
    one.until("ready", |stage| {
        stage.liveness.assigned() == 2 && stage.liveness.ready()
    })?;
    trial.put(1_000)?;
    one.until("everything read", |stage| {
        let read = |fact: StageFact| match fact {
            StageFact::Consumed { records } => records as u64,
            _ => 0,
        };
        stage.facts().into_iter().map(read).sum::<u64>() == trial.total()
    })?;
    let two = trial.start(trial.settings("two"));
    two.until("one task moved", |stage| {
        stage.liveness.assigned() == 1 && stage.liveness.ready()
    })?;
    // Nothing is stepped again: the revoke committed all of it.
    trial.await_end()?;
    let failed = |fact: &StageFact| matches!(fact, StageFact::CommitFailed { .. });
    let failures: Vec<_> = one
        .facts()
        .into_iter()
        .filter(|fact| failed(fact))
        .collect();
    assert_eq!(
        failures,
        [],
        "a cooperative revoke is served under the new generation"
    );
    one.stop()??;
    two.stop()??;
    trial.check()
}

#[test]
fn another_member_takes_over_from_one_that_was_killed() -> Result<()> {
    takes_over(false)
}

#[test]
fn so_does_one_that_followed_its_state() -> Result<()> {
    takes_over(true)
}

fn takes_over(standby: bool) -> Result<()> {
    let Some(trial) = Trial::new("takeover", 2)? else {
        return Ok(());
    };
    let killed = trial.spawn(PROGRAM, "one")?;
    trial.put(2_000)?;
    trial.await_end()?;
    let mut settings = trial.settings("two");
    settings.standby = standby;
    let two = trial.start(settings);
    put_until(&trial, || {
        two.liveness.assigned() == 1 && two.liveness.ready()
    })?;
    killed.kill()?;
    trial.put(500)?;
    // After its session, and its transaction if one was open, have timed out.
    trial.await_end()?;
    two.stop()??;
    trial.check()
}

#[test]
fn of_two_processes_of_one_name_one_ends_and_says_why() -> Result<()> {
    let Some(trial) = Trial::new("fenced", 1)? else {
        return Ok(());
    };
    let one = trial.start(trial.settings("same"));
    trial.put(100)?;
    trial.await_end()?;
    let two = trial.start(trial.settings("same"));
    // They fence each other in turns. Which of them has had enough first depends on who commits when.
    let deadline = Instant::now() + Duration::from_secs(120);
    while !one.has_ended() && !two.has_ended() {
        anyhow::ensure!(Instant::now() < deadline, "both go on");
        trial.put(50)?;
        std::thread::sleep(Duration::from_millis(100));
    }
    let ends = [one.stop()?, two.stop()?];
    let errors: Vec<StageError> = ends.into_iter().filter_map(Result::err).collect();
    assert!(!errors.is_empty(), "one has ended by itself");
    for error in errors {
        assert!(
            matches!(
                error,
                StageError::ProducerFenced { .. } | StageError::MemberFenced { .. }
            ),
            "{error:?}"
        );
        assert!(error.to_string().contains("same"), "{error}");
    }
    let three = trial.start(trial.settings("same"));
    trial.await_end()?;
    three.stop()??;
    trial.check()
}
