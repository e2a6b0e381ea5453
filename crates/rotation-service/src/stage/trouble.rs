//! Errors of the consumer: which pass by themselves, which are lost data, which end the stage.

use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::error::StageError;
use super::observe::StageFact;
use super::restore::is_passing;
use super::run::Stage;
use crate::kafka::refusal::is_denied;

impl Stage {
    pub(super) fn consumer_error(&mut self, error: KafkaError) -> Result<(), StageError> {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                self.out_of_range(error)
            }
            Some(RDKafkaErrorCode::FencedInstanceId) => Err(self.commit_error("consume", error)),
            _ if is_denied(&error) => Err(self.failed("consume", error)),
            _ if is_passing(&error) => {
                tracing::warn!(stage = self.settings.name, %error, "waiting for the cluster");
                Ok(())
            }
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                Err(self.failed("consume", error))
            }
            _ => {
                tracing::warn!(stage = self.settings.name, %error, "consumer error");
                Ok(())
            }
        }
    }

    /// Records were deleted before they were read.
    fn out_of_range(&mut self, error: KafkaError) -> Result<(), StageError> {
        let wanted: Vec<(i32, i64)> = self
            .members
            .iter()
            .map(|(partition, member)| (partition, member.next))
            .collect();
        let mut found = false;
        for (partition, next) in wanted {
            let input = &self.settings.input;
            let (low, high) = self
                .consumer
                .fetch_watermarks(input, partition, Duration::from_secs(5))
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
                .seek(
                    input,
                    partition,
                    rdkafka::Offset::Offset(low),
                    Duration::from_secs(5),
                )
                .map_err(|source| self.failed("seek to the first record", source))?;
        }
        if found {
            Ok(())
        } else {
            Err(self.failed("consume", error))
        }
    }
}
