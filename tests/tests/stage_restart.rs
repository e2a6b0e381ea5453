//! A stage on a real broker: what it puts out is there exactly once, however often it was stopped or killed.

use anyhow::Result;
use rotation_tests::counting::Trial;

#[test]
fn a_clean_run_puts_out_everything_once() -> Result<()> {
    let Some(trial) = Trial::new("clean", 3)? else {
        return Ok(());
    };
    trial.put(5_000)?;
    let stage = trial.start(trial.settings("one"));
    trial.await_end()?;
    stage.stop()??;
    trial.check()
}
