//! The loop's side of a commit: when it fails, when it does not come to an end, and what follows when it succeeds.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::error::StageError;
use super::observe::StageFact;
use super::run::Stage;
use super::transact::Failure;
use crate::kafka::refusal::is_denied;

/// Between two tries.
const BACKOFF: Duration = Duration::from_millis(50);

impl Stage {
    /// Makes the producer, patiently: a cluster that has just started has no transaction coordinator yet.
    pub(super) fn initialise(&mut self) -> Result<(), StageError> {
        let deadline = Instant::now() + self.settings.commit_patience;
        loop {
            match self.transactor.initialise() {
                Ok(()) => return Ok(()),
                Err(error)
                    if is_fenced(&error) || is_denied(&error) || Instant::now() > deadline =>
                {
                    return Err(self.commit_error("initialise transactions", error));
                }
                Err(error) => {
                    tracing::info!(stage = self.settings.name, %error, "transactions are not ready yet");
                    std::thread::sleep(BACKOFF);
                }
            }
        }
    }

    /// Tries to commit what is pending. It may still be pending afterwards: then the loop tries again later.
    pub(super) fn commit(&mut self) -> Result<(), StageError> {
        self.pending.retain(&self.members);
        if self.pending.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let result = self
            .transactor
            .commit(&self.consumer, &mut self.members, &self.pending);
        match result {
            Ok(()) => self.committed(begun),
            Err(Failure::Lost) => {
                // The event that says so is on its way through the consumer's queue.
                self.pending.postpone(BACKOFF);
                Ok(())
            }
            Err(Failure::Aborted(error)) => self.put_off(error),
            Err(Failure::Unknown(error)) => self.find_out(begun, error),
            Err(Failure::Fenced(error)) => Err(self.commit_error("commit", error)),
        }
    }

    fn committed(&mut self, begun: Instant) -> Result<(), StageError> {
        let pending = std::mem::take(&mut self.pending);
        let outputs = pending.outputs();
        for (partition, snapshot) in pending.snapshots {
            let bytes = snapshot.chunks.iter().map(|(_, value)| value.len()).sum();
            self.observe(&StageFact::Snapshot { partition, bytes });
            if let Some(member) = self.members.get_mut(partition) {
                member.keys = snapshot.chunks.into_iter().map(|(key, _)| key).collect();
            }
        }
        tracing::debug!(stage = self.settings.name, outputs, took = ?begun.elapsed(), "committed");
        self.observe(&StageFact::Committed {
            took: begun.elapsed(),
            outputs,
            tasks: pending.touched.len(),
        });
        if self.failing.take().is_some() {
            tracing::info!(stage = self.settings.name, "commits succeed again");
            let resumed = self
                .consumer
                .assignment()
                .and_then(|all| self.consumer.resume(&all));
            resumed.map_err(|source| self.failed("resume consumption", source))?;
        }
        Ok(())
    }

    /// The transaction was aborted: what it held stays and is sent again.
    fn put_off(&mut self, error: KafkaError) -> Result<(), StageError> {
        self.commit_failed(&error);
        if is_denied(&error) {
            return Err(self.failed("commit", error));
        }
        let since = self.failing.unwrap_or_else(Instant::now);
        if since.elapsed() > self.settings.commit_patience {
            return Err(StageError::CommitPatience {
                stage: self.settings.name.clone(),
                seconds: since.elapsed().as_secs(),
                source: Box::new(error),
            });
        }
        if self.failing.is_none() {
            self.failing = Some(since);
            // Paused, the consumer can be polled for rebalances without more records coming in.
            let paused = self
                .consumer
                .assignment()
                .and_then(|all| self.consumer.pause(&all));
            paused.map_err(|source| self.failed("pause consumption", source))?;
        }
        self.pending.postpone(BACKOFF);
        Ok(())
    }

    /// Makes the producer anew and asks the group whether the last commit holds.
    fn find_out(&mut self, begun: Instant, error: KafkaError) -> Result<(), StageError> {
        self.commit_failed(&error);
        let deadline = Instant::now() + self.settings.commit_patience;
        let mut last = error;
        while Instant::now() < deadline {
            let found = self
                .transactor
                .initialise()
                .and_then(|()| self.transactor.is_committed(&self.consumer));
            match found {
                Ok(true) => {
                    tracing::warn!(
                        stage = self.settings.name,
                        "a commit of unknown outcome turned out to hold"
                    );
                    return self.committed(begun);
                }
                Ok(false) => return self.put_off(last),
                Err(error) if is_fenced(&error) || is_denied(&error) => {
                    return Err(self.commit_error("make the producer anew", error));
                }
                Err(error) => {
                    self.liveness.polled();
                    self.commit_failed(&error);
                    last = error;
                    std::thread::sleep(BACKOFF);
                }
            }
        }
        Err(StageError::CommitPatience {
            stage: self.settings.name.clone(),
            seconds: self.settings.commit_patience.as_secs(),
            source: Box::new(last),
        })
    }

    fn commit_failed(&self, error: &KafkaError) {
        tracing::warn!(stage = self.settings.name, %error, "a commit failed and will be tried again");
        let code = error
            .rdkafka_error_code()
            .map_or_else(|| "Unknown".to_owned(), |code| format!("{code:?}"));
        self.observe(&StageFact::CommitFailed { code });
    }

    /// Names who fenced us, if someone did.
    pub(super) fn commit_error(&self, action: &str, source: KafkaError) -> StageError {
        let stage = self.settings.name.clone();
        let kafka = &self.settings.kafka;
        match source.rdkafka_error_code() {
            Some(RDKafkaErrorCode::FencedInstanceId) => StageError::MemberFenced {
                group: kafka.stage_group(&stage),
                instance: kafka.instance.clone(),
                stage,
                source: Box::new(source),
            },
            Some(RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced) => {
                StageError::ProducerFenced {
                    transactional_id: kafka.transactional_id(&stage),
                    stage,
                    source: Box::new(source),
                }
            }
            _ => self.failed(action, source),
        }
    }
}

fn is_fenced(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::ProducerFenced
                | RDKafkaErrorCode::FencedInstanceId
        )
    )
}
