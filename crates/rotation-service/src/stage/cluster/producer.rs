//! The transactional producer: records are delivered and counted before a transaction ends.
//!
//! `commit_transaction` with messages in flight waits in steps of 100 ms inside its flush; so deliveries are counted
//! here, and a commit is called with nothing in flight.
//!
//! librdkafka bounds the requests of a transactional call by its timeout, but then waits for its own main thread
//! without any bound; when a coordinator dies at the wrong moment that answer never comes. So these calls are made on a
//! thread aside; one that does not come back is left behind with its client, its outcome is unknown, and the next
//! producer of the same id fences it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};

use super::close_aside;
use super::deliveries::Deliveries;
use crate::stage::ports::{ErrorKind, GroupOffset, Membership, PortError, Producer};
use crate::stage::settings::StageSettings;
use crate::stage::task::{OutputRecord, kafka_headers};

/// How much longer than asked a call may take before it is given up.
const GRACE: Duration = Duration::from_secs(2);

type Client = ThreadedProducer<Deliveries>;

pub(super) struct KafkaProducer {
    input: String,
    producer: Arc<Client>,
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
            producer: Arc::new(config.create_with_context(deliveries.clone())?),
            deliveries,
            sent: Cell::new(0),
        })
    }

    /// Makes a transactional call on a thread aside.
    fn aside(
        &self,
        name: &'static str,
        wait: Duration,
        call: impl FnOnce(&Client) -> KafkaResult<()> + Send + 'static,
    ) -> Result<(), PortError> {
        let (answer, answers) = channel();
        let producer = Arc::clone(&self.producer);
        let thread = std::thread::Builder::new().name(format!("kafka-{name}"));
        let spawned = thread.spawn(move || {
            // Whoever asked may have given up.
            let _ = answer.send(call(&producer));
        });
        if let Err(error) = spawned {
            return Err(PortError::new(ErrorKind::Fatal, "Unknown", error));
        }
        match answers.recv_timeout(wait + GRACE) {
            Ok(answer) => Ok(answer?),
            Err(_) => {
                let after = wait + GRACE;
                tracing::warn!(
                    call = name,
                    ?after,
                    "a transactional call does not come back"
                );
                let what = format!("{name} did not come back within {after:?}");
                Err(PortError::new(ErrorKind::Fatal, "OperationTimedOut", what))
            }
        }
    }
}

impl Producer for KafkaProducer {
    fn initialise(&self, wait: Duration) -> Result<(), PortError> {
        self.aside("initialise", wait, move |it| it.init_transactions(wait))
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
        let metadata: &Arc<ConsumerGroupMetadata> = member
            .get()
            .expect("the membership is of a consumer of the same cluster");
        let metadata = Arc::clone(metadata);
        let mut list = TopicPartitionList::new();
        for each in offsets {
            let mut offset = list.add_partition(&self.input, each.partition);
            offset.set_offset(Offset::Offset(each.offset))?;
            offset.set_metadata(&each.metadata);
        }
        self.aside("offsets", wait, move |it| {
            it.send_offsets_to_transaction(&list, &metadata, wait)
        })
    }

    fn commit(&self, wait: Duration) -> Result<(), PortError> {
        self.aside("commit", wait, move |it| it.commit_transaction(wait))
    }

    fn abort(&self, wait: Duration) -> Result<(), PortError> {
        self.aside("abort", wait, move |it| it.abort_transaction(wait))
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
