//! Puts letters back: the records and what is remembered of them in one transaction.

use super::letters::Letter;
use crate::kafka::KafkaSettings;
use anyhow::Context;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rotation_wire::dead_letter::{REDRIVEN_FROM, REDRIVEN_LETTER, REDRIVEN_TO};
use rotation_wire::invariants::Place;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The transactional id is the group's with this, so that one redrive of a group is at work at a time.
const INSTANCE: &str = "redrive";

/// So many letters in a transaction.
const BATCH: usize = 500;

/// Longest wait for the cluster; shorter than the transaction's own limit.
const ANSWER: Duration = Duration::from_secs(30);

/// Sends letters.
pub(super) struct Sender {
    producer: BaseProducer<Reports>,
    reports: Reports,
}

type Delivered = Result<Place, KafkaError>;

/// Where each record of a batch came to lie.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<(usize, Delivered)>>>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, report: &DeliveryResult<'_>, at: usize) {
        let delivered = match report {
            Ok(message) => Ok(Place {
                partition: message.partition(),
                offset: message.offset(),
            }),
            Err((error, _)) => Err(error.clone()),
        };
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reports.push((at, delivered));
    }
}

impl Sender {
    /// Ends what another redrive of the group left open, and keeps any other from committing.
    pub(super) fn open(settings: &KafkaSettings) -> anyhow::Result<Sender> {
        let mut config = settings.stage_producer(INSTANCE);
        config.set("transaction.timeout.ms", "60000");
        let reports = Reports::default();
        let producer: BaseProducer<Reports> = config
            .create_with_context(reports.clone())
            .context("cannot create a producer")?;
        producer
            .init_transactions(ANSWER)
            .context("cannot initialise transactions")?;
        Ok(Sender { producer, reports })
    }

    /// Sends the letters in their order; how many were committed.
    pub(super) fn send(&self, letters: &[&Letter], dead_letters: &str) -> anyhow::Result<usize> {
        let mut sent = 0;
        for batch in letters.chunks(BATCH) {
            let committed = self.transaction(batch, dead_letters);
            committed.with_context(|| {
                format!(
                    "{sent} of {} letters went back before this; run it again: what went back is remembered",
                    letters.len()
                )
            })?;
            sent += batch.len();
        }
        Ok(sent)
    }

    fn transaction(&self, batch: &[&Letter], dead_letters: &str) -> Result<(), KafkaError> {
        self.producer.begin_transaction()?;
        let done = self
            .fill(batch, dead_letters)
            .and_then(|()| self.producer.commit_transaction(ANSWER));
        if done.is_err() {
            // The next redrive ends it too, should this not come through.
            let _ = self.producer.abort_transaction(ANSWER);
        }
        done
    }

    fn fill(&self, batch: &[&Letter], dead_letters: &str) -> Result<(), KafkaError> {
        for (at, letter) in batch.iter().enumerate() {
            let Place { partition, offset } = letter.place;
            let from = format!("{dead_letters}/{partition}/{offset}");
            let mut headers = OwnedHeaders::new();
            for (key, value) in &letter.headers {
                let value = value.as_ref();
                headers = headers.insert(Header { key, value });
            }
            let headers = headers.insert(header(REDRIVEN_FROM, &from));
            let mut record: BaseRecord<'_, [u8], [u8], usize> =
                BaseRecord::with_opaque_to(&letter.origin.topic, at)
                    .partition(letter.origin.partition)
                    .headers(headers);
            record.key = letter.key.as_deref();
            record.payload = letter.payload.as_deref();
            self.hand_over(record)?;
        }
        let places = self.delivered(batch.len())?;
        for (at, (letter, to)) in batch.iter().zip(places).enumerate() {
            let Place { partition, offset } = letter.place;
            let named = format!("{partition}/{offset}");
            let to = format!("{}/{}/{}", letter.origin.topic, to.partition, to.offset);
            let headers = OwnedHeaders::new()
                .insert(header(REDRIVEN_LETTER, &named))
                .insert(header(REDRIVEN_TO, &to));
            let mut record: BaseRecord<'_, [u8], [u8], usize> =
                BaseRecord::with_opaque_to(dead_letters, at)
                    .partition(partition)
                    .headers(headers);
            record.key = letter.key.as_deref();
            self.hand_over(record)?;
        }
        self.delivered(batch.len()).map(|_| ())
    }

    fn hand_over(&self, mut record: BaseRecord<'_, [u8], [u8], usize>) -> Result<(), KafkaError> {
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    self.producer.poll(Duration::from_millis(2));
                    record = back;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Waits until so many records are delivered; where they lie, in the order in which they were sent.
    fn delivered(&self, count: usize) -> Result<Vec<Place>, KafkaError> {
        let deadline = Instant::now() + ANSWER;
        loop {
            self.producer.poll(Duration::from_millis(20));
            let mut reports = self
                .reports
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if reports.len() >= count {
                let mut reports = std::mem::take(&mut *reports);
                reports.sort_by_key(|(at, _)| *at);
                return reports.into_iter().map(|(_, place)| place).collect();
            }
            if Instant::now() > deadline {
                let code = RDKafkaErrorCode::MessageTimedOut;
                return Err(KafkaError::MessageProduction(code));
            }
        }
    }
}

fn header<'a>(key: &'a str, value: &'a str) -> Header<'a, &'a str> {
    Header {
        key,
        value: Some(value),
    }
}
