//! A stage with the counting task in a process of its own, for tests that kill it.
//!
//! Arguments: brokers, name of the trial, name of the instance. Stops when its standard input closes. `RUST_LOG` makes
//! it tell what it does.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use rotation_service::stage::{Liveness, StageFact, run};
use rotation_tests::counting::{Counting, settings};

fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().with_context(|| format!("no {what} given"));
    let (brokers, trial, instance) = (next("brokers")?, next("trial")?, next("instance")?);
    let stop = Arc::new(AtomicBool::new(false));
    let closed = Arc::clone(&stop);
    std::thread::spawn(move || {
        let mut input = Vec::new();
        // Whether it ends or fails: whoever started us is gone.
        let _ = std::io::stdin().read_to_end(&mut input);
        closed.store(true, Ordering::SeqCst);
    });
    let observer = |_: &StageFact| {};
    run(
        &settings(&brokers, &trial, &instance),
        Counting::factory(),
        Arc::new(observer),
        Arc::new(Liveness::default()),
        &stop,
    )?;
    Ok(())
}
