//! The transactional producer: records are delivered and counted before a transaction ends.
//!
//! `commit_transaction` with messages in flight waits in steps of 100 ms inside its flush; so deliveries are counted
//! here, and a commit is called with nothing in flight.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};

use super::close_aside;
use super::deliveries::Deliveries;
use crate::stage::ports::{GroupOffset, Membership, PortError, Producer};
use crate::stage::settings::StageSettings;
use crate::stage::task::{OutputRecord, kafka_headers};

pub(super) struct KafkaProducer {
    input: String,
    producer: ThreadedProducer<Deliveries>,
    deliveries: Deliveries,
    /// Messages handed over since the transaction began.
    sent: Cell<u64>,
}

impl KafkaProducer {
    pub(super) fn new(settings: &StageSettings) -> Result<Self, PortError> {
        let deliveries = Deliveries::new(&settings.name);
        let config = settings.kafka.stage_producer(&settings.name);
        Ok(Self {
            input: settings.input.clone(),
            producer: config.create_with_context(deliveries.clone())?,
            deliveries,
            sent: Cell::new(0),
        })
    }
}

impl Producer for KafkaProducer {
    fn initialise(&self, wait: Duration) -> Result<(), PortError> {
        Ok(self.producer.init_transactions(wait)?)
    }

    fn begin(&self) -> Result<(), PortError> {
        Ok(self.producer.begin_transaction()?)
    }

    /// Waits for room where the queue is full.
    fn send(&self, record: &OutputRecord<'_>, deadline: Instant) -> Result<(), PortError> {
        let mut message: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(record.topic);
        message.key = record.key;
        message.payload = record.payload;
        message.partition = record.partition;
        message.headers = kafka_headers(record.headers);
        self.sent.set(self.sent.get() + 1);
        loop {
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if Instant::now() < deadline =>
                {
                    message = back;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    fn flush(&self, deadline: Instant) -> Result<(), PortError> {
        self.deliveries.wait(self.sent.get(), deadline)?;
        // The client counts a message as in flight until its report is destroyed, shortly after we counted it.
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            std::thread::yield_now();
        }
        Ok(())
    }

    fn send_offsets(
        &self,
        offsets: &[GroupOffset],
        member: &Membership,
        wait: Duration,
    ) -> Result<(), PortError> {
        let metadata: &ConsumerGroupMetadata = member
            .get()
            .expect("the membership is of a consumer of the same cluster");
        let mut list = TopicPartitionList::new();
        for each in offsets {
            let mut offset = list.add_partition(&self.input, each.partition);
            offset.set_offset(Offset::Offset(each.offset))?;
            offset.set_metadata(&each.metadata);
        }
        let sent = self
            .producer
            .send_offsets_to_transaction(&list, metadata, wait);
        Ok(sent?)
    }

    fn commit(&self, wait: Duration) -> Result<(), PortError> {
        Ok(self.producer.commit_transaction(wait)?)
    }

    fn abort(&self, wait: Duration) -> Result<(), PortError> {
        Ok(self.producer.abort_transaction(wait)?)
    }

    fn settle(&self, deadline: Instant) -> bool {
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.producer.in_flight_count() > 0 {
            // Late reports would be counted for the next transaction.
            return false;
        }
        self.deliveries.reset();
        self.sent.set(0);
        true
    }

    fn close(self: Box<Self>) {
        close_aside(self.producer);
    }
}
