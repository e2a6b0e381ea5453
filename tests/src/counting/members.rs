//! Members of a trial's group: in this process, or in one that can be killed.

use std::process::Child;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rotation_service::stage::{Liveness, StageError, StageFact, StopSignal};

/// A member in a process of its own; killed at the latest when dropped.
pub struct Killed(pub(super) Child);

impl Killed {
    /// Kills it as `kill -9` does, and waits for its end.
    ///
    /// # Errors
    ///
    /// When it had ended by itself before.
    pub fn kill(mut self) -> Result<()> {
        let ended = self.0.try_wait()?;
        ensure!(ended.is_none(), "the stage ended by itself: {ended:?}");
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    /// Asks it to stop and waits for its end.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub fn stop(mut self) -> Result<()> {
        drop(self.0.stdin.take());
        let status = self.0.wait()?;
        ensure!(status.success(), "the stage ended with {status}");
        Ok(())
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A member that runs in this process.
pub struct Running {
    pub(super) stop: StopSignal,
    /// Whether it is alive and ready.
    pub liveness: Arc<Liveness>,
    pub(super) facts: Arc<Mutex<Vec<StageFact>>>,
    pub(super) thread: JoinHandle<Result<(), StageError>>,
}

impl Running {
    /// What it has told so far.
    #[must_use]
    pub fn facts(&self) -> Vec<StageFact> {
        self.facts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// Waits until something holds of it, or it has ended, or half a minute is over.
    ///
    /// # Errors
    ///
    /// In the latter cases.
    pub fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !holds(self) {
            ensure!(!self.thread.is_finished(), "the stage ended before {what}");
            ensure!(Instant::now() < deadline, "not {what} within 30 s");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Stops it and returns how it ended.
    ///
    /// # Errors
    ///
    /// When it does not end by itself, or its thread panicked.
    pub fn stop(self) -> Result<Result<(), StageError>> {
        self.stop.store(true, Ordering::SeqCst);
        self.join()
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// When it does not end within a minute, or its thread panicked.
    pub fn join(self) -> Result<Result<(), StageError>> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.thread.is_finished() {
            ensure!(Instant::now() < deadline, "the stage does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.thread
            .join()
            .map_err(|_| anyhow::anyhow!("the stage's thread panicked"))
    }
}
