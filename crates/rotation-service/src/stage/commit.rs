//! The loop's side of a commit: when it fails, when it does not come to an end, and what follows when it succeeds.

use std::time::{Duration, Instant};

use super::error::StageError;
use super::observe::StageFact;
use super::ports::{ErrorKind, PortError};
use super::run::Stage;
use super::transact::Failure;

/// Whoever is fenced more often than this, within that time, does share its name.
const FENCED_MOST: usize = 3;
const FENCED_WITHIN: Duration = Duration::from_secs(60);

/// Between two tries.
const BACKOFF: Duration = Duration::from_millis(50);

impl Stage {
    /// Makes the producer, patiently: a cluster that has just started has no transaction coordinator yet.
    pub(super) fn initialise(&mut self) -> Result<(), StageError> {
        let deadline = self.world.now() + self.settings.commit_patience;
        loop {
            match self.transactor.initialise() {
                Ok(()) => return Ok(()),
                Err(error) if is_final(&error) || self.world.now() > deadline => {
                    return Err(self.failed("initialise transactions", error));
                }
                Err(error) => {
                    tracing::info!(stage = self.settings.name, %error, "transactions are not ready yet");
                    self.world.sleep(BACKOFF);
                }
            }
        }
    }

    /// Tries to commit what is pending. It may still be pending afterwards: then the loop tries again later.
    pub(super) fn commit(&mut self) -> Result<(), StageError> {
        self.pending.retain(&self.members);
        if self.pending.is_empty() {
            return self.commits_again();
        }
        let begun = self.world.now();
        self.liveness.commits(false);
        let result = self
            .transactor
            .commit(&*self.consumer, &mut self.members, &self.pending);
        match result {
            Ok(()) => self.committed(begun),
            Err(Failure::Lost) => {
                // The event that says so is on its way through the consumer's queue.
                self.pending.postpone(self.world.now() + BACKOFF);
                Ok(())
            }
            Err(Failure::Aborted(error)) => self.put_off(error),
            Err(Failure::Unknown(error)) => self.find_out(begun, error),
            Err(Failure::Fenced(error))
                if error.kind == ErrorKind::ProducerFenced && !self.is_fenced_again() =>
            {
                self.find_out(begun, error)
            }
            Err(Failure::Fenced(error) | Failure::Denied(error)) => {
                Err(self.failed("commit", error))
            }
        }
    }

    fn committed(&mut self, begun: Instant) -> Result<(), StageError> {
        self.commit_ended = self.world.now();
        let took = self.commit_ended.duration_since(begun);
        let pending = std::mem::take(&mut self.pending);
        let (outputs, traces) = (pending.outputs(), pending.traces());
        for (partition, snapshot) in pending.snapshots {
            let bytes = snapshot.chunks.iter().map(|(_, value)| value.len()).sum();
            self.observe(&StageFact::Snapshot { partition, bytes });
            if let Some(member) = self.members.get_mut(partition) {
                member.keys = snapshot.chunks.into_iter().map(|(key, _)| key).collect();
            }
        }
        tracing::debug!(stage = self.settings.name, outputs, ?took, "committed");
        self.observe(&StageFact::Committed {
            took,
            outputs,
            tasks: pending.touched.len(),
            traces,
        });
        self.commits_again()
    }

    /// Nothing waits for a commit that failed: it succeeded, or what it held belongs to others now.
    pub(super) fn commits_again(&mut self) -> Result<(), StageError> {
        self.liveness.commits(true);
        if self.failing.take().is_some() {
            tracing::info!(
                stage = self.settings.name,
                "no failed commit waits any more"
            );
            let resumed = self.consumer.resume();
            resumed.map_err(|source| self.failed("resume consumption", source))?;
        }
        Ok(())
    }

    /// The transaction was aborted: what it held stays and is sent again.
    fn put_off(&mut self, error: PortError) -> Result<(), StageError> {
        self.commit_failed(&error);
        let now = self.world.now();
        let since = self.failing.unwrap_or(now);
        let failing = now.duration_since(since);
        if failing > self.settings.commit_patience {
            return Err(StageError::CommitPatience {
                stage: self.settings.name.clone(),
                seconds: failing.as_secs(),
                source: Box::new(error),
            });
        }
        if self.failing.is_none() {
            self.failing = Some(since);
            // Paused, the consumer can be polled for rebalances without more records coming in.
            let paused = self.consumer.pause();
            paused.map_err(|source| self.failed("pause consumption", source))?;
        }
        self.pending.postpone(self.world.now() + BACKOFF);
        Ok(())
    }

    /// Makes the producer anew and asks the group whether the last commit holds.
    fn find_out(&mut self, begun: Instant, error: PortError) -> Result<(), StageError> {
        self.commit_failed(&error);
        let deadline = self.world.now() + self.settings.commit_patience;
        let mut last = error;
        while self.world.now() < deadline {
            let found = self
                .transactor
                .initialise()
                .and_then(|()| self.transactor.is_committed(&*self.consumer));
            match found {
                Ok(true) => {
                    tracing::warn!(
                        stage = self.settings.name,
                        "a commit of unknown outcome turned out to hold"
                    );
                    return self.committed(begun);
                }
                Ok(false) => return self.put_off(last),
                Err(error) if is_final(&error) => {
                    return Err(self.failed("make the producer anew", error));
                }
                Err(error) => {
                    self.liveness.polled();
                    self.commit_failed(&error);
                    last = error;
                    self.world.sleep(BACKOFF);
                }
            }
        }
        Err(StageError::CommitPatience {
            stage: self.settings.name.clone(),
            seconds: self.settings.commit_patience.as_secs(),
            source: Box::new(last),
        })
    }

    /// Counts that someone fenced us; whether that has been so often lately that another process has our name.
    ///
    /// Once is no proof: a coordinator that dies forgets members, and ends a transaction that was open for too long by
    /// fencing its producer. Two processes of one name fence each other in turns, until one ends.
    pub(super) fn is_fenced_again(&mut self) -> bool {
        let now = self.world.now();
        self.fenced.push(now);
        self.fenced
            .retain(|at| now.duration_since(*at) < FENCED_WITHIN);
        self.fenced.len() > FENCED_MOST
    }

    fn commit_failed(&self, error: &PortError) {
        tracing::warn!(stage = self.settings.name, %error, "a commit failed and will be tried again");
        let code = error.code.clone();
        self.observe(&StageFact::CommitFailed { code });
    }
}

/// Whether trying again cannot help.
fn is_final(error: &PortError) -> bool {
    error.is_fenced() || error.kind == ErrorKind::Denied
}
