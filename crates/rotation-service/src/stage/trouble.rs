//! Errors of the consumer: which pass by themselves, which are lost data, which end the stage.

use std::time::Duration;

use super::error::StageError;
use super::observe::StageFact;
use super::ports::{ErrorKind, PortError};
use super::run::Stage;

/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(5);

impl Stage {
    pub(super) fn consumer_error(&mut self, error: PortError) -> Result<(), StageError> {
        match error.kind {
            ErrorKind::OutOfRange => self.out_of_range(error),
            ErrorKind::MemberFenced
            | ErrorKind::ProducerFenced
            | ErrorKind::Fatal
            | ErrorKind::Denied => Err(self.failed("consume", error)),
            ErrorKind::Passing => {
                tracing::warn!(stage = self.settings.name, %error, "waiting for the cluster");
                Ok(())
            }
            ErrorKind::Retriable | ErrorKind::Abort | ErrorKind::Other => {
                tracing::warn!(stage = self.settings.name, %error, "consumer error");
                Ok(())
            }
        }
    }

    /// Records were deleted before they were read.
    fn out_of_range(&mut self, error: PortError) -> Result<(), StageError> {
        let wanted: Vec<(i32, i64)> = self
            .members
            .iter()
            .map(|(partition, member)| (partition, member.next))
            .collect();
        let mut found = false;
        for (partition, next) in wanted {
            let (low, high) = self
                .consumer
                .watermarks(partition, ANSWER)
                .map_err(|source| self.failed("read the end of the input", source))?;
            if (low..=high).contains(&next) {
                continue;
            }
            found = true;
            if !self.settings.allow_data_loss {
                return Err(StageError::DataLoss {
                    stage: self.settings.name.clone(),
                    partition,
                    next,
                    low,
                    high,
                });
            }
            self.observe(&StageFact::DataLoss {
                partition,
                records: (low - next).max(0),
            });
            if let Some(member) = self.members.get_mut(partition) {
                member.next = low;
            }
            self.consumer
                .seek(partition, low, ANSWER)
                .map_err(|source| self.failed("seek to the first record", source))?;
        }
        if found {
            Ok(())
        } else {
            Err(self.failed("consume", error))
        }
    }
}
