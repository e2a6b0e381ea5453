//! A broker that freezes while transactions are open: whether their commits hold has to be found out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use rotation_service::stage::StageFact;
use rotation_tests::broker::Broker;
use rotation_tests::counting::Trial;
use rotation_tests::skipped;

#[test]
fn commits_of_unknown_outcome_are_found_out() -> Result<()> {
    // Other tests do not like their broker frozen, so this is one of our own.
    let Some(broker) = Broker::start()? else {
        skipped::skip("no Kafka broker: Apache Kafka could not be fetched");
        return Ok(());
    };
    let broker: &'static Broker = Box::leak(Box::new(broker));
    let trial = Trial::on(broker, "unknown", 3)?;
    let mut settings = trial.settings("one");
    // Shorter than the freezes, so that calls are given up while their answers are on the way.
    settings.transaction_timeout = Duration::from_millis(700);
    let stage = trial.start(settings);
    stage.until("ready", |stage| stage.liveness.ready())?;
    let fed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let feed = scope.spawn(|| {
            while !fed.load(Ordering::SeqCst) {
                trial.put(200)?;
            }
            anyhow::Ok(())
        });
        let frozen = (0..5).try_for_each(|round| {
            // At another moment of a commit each time.
            std::thread::sleep(Duration::from_millis(900 + round * 37));
            broker.freeze(true)?;
            std::thread::sleep(Duration::from_millis(1500 + round * 100));
            broker.freeze(false)
        });
        fed.store(true, Ordering::SeqCst);
        feed.join().expect("feeding does not panic")?;
        frozen
    })?;
    trial.await_end()?;
    let failed = |fact: &&StageFact| matches!(fact, StageFact::CommitFailed { .. });
    assert!(
        stage.facts().iter().filter(failed).count() > 0,
        "no freeze fell into a commit, so this has shown nothing"
    );
    stage.stop()??;
    trial.check()
}
