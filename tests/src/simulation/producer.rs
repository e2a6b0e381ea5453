//! The transactional producer of a simulated process.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use rotation_service::stage::ports::{
    ErrorKind, GroupOffset, Membership, PortError, Producer, World,
};
use rotation_service::stage::{OutputRecord, StageSettings};
use rotation_sim::broker::{Committed, MemberId, ProducerId, Record, Refusal};
use rotation_wire::partition::partition_for;

use super::world::{SimWorld, refused};

/// What a consumer of the simulation tells a producer about itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) member: MemberId,
    pub(super) generation: u64,
}

pub(super) struct SimProducer {
    world: SimWorld,
    transactional_id: String,
    group: String,
    timeout: Duration,
    id: RefCell<Option<ProducerId>>,
    /// A record was refused since the transaction began.
    refused: Cell<Option<Refusal>>,
}

impl SimProducer {
    pub(super) fn new(world: SimWorld, settings: &StageSettings) -> Self {
        Self {
            world,
            transactional_id: settings.kafka.transactional_id(&settings.name),
            group: settings.kafka.stage_group(&settings.name),
            timeout: super::run::TRANSACTION_TIMEOUT,
            id: RefCell::new(None),
            refused: Cell::new(None),
        }
    }

    fn id(&self) -> Result<ProducerId, PortError> {
        self.id.borrow().clone().ok_or_else(|| {
            PortError::new(ErrorKind::Fatal, "State", "the producer is not initialised")
        })
    }

    fn left(&self, deadline: Instant) -> Duration {
        deadline.saturating_duration_since(self.world.now())
    }

    fn end(&self, commits: bool, wait: Duration) -> Result<(), PortError> {
        let shared = &self.world.shared;
        let id = self.id()?;
        shared.travel(wait)?;
        let indefinite = commits && shared.strikes("indefinite end", |it| it.indefinite);
        if indefinite && shared.kernel.chance(500) {
            return Err(unfit());
        }
        shared
            .broker(|broker, now| broker.end_transaction(now, &id, commits))
            .map_err(refused)?;
        if indefinite {
            return Err(unfit());
        }
        shared.answer()
    }
}

fn unfit() -> PortError {
    PortError::new(
        ErrorKind::Fatal,
        "Fatal",
        "the end of the transaction was not confirmed",
    )
}

impl Producer for SimProducer {
    fn initialise(&self, wait: Duration) -> Result<(), PortError> {
        let shared = &self.world.shared;
        let deadline = self.world.now() + wait;
        shared.travel(wait)?;
        let timeout = u64::try_from(self.timeout.as_nanos()).unwrap_or(u64::MAX);
        loop {
            let made = shared
                .broker(|broker, now| broker.initialise(now, &self.transactional_id, timeout));
            match made {
                Ok(id) => {
                    *self.id.borrow_mut() = Some(id);
                    return shared.answer();
                }
                Err(refusal) if self.left(deadline).is_zero() => return Err(refused(refusal)),
                Err(_) => self.world.sleep(Duration::from_millis(5)),
            }
        }
    }

    fn begin(&self) -> Result<(), PortError> {
        self.world.shared.kernel.pass();
        self.refused.set(None);
        self.id().map(|_| ())
    }

    /// Records are on their way at once; what becomes of them is told by the flush.
    fn send(&self, record: &OutputRecord<'_>, deadline: Instant) -> Result<(), PortError> {
        let shared = &self.world.shared;
        shared.kernel.pass();
        if shared.kernel.chance(50) {
            let pause = Duration::from_micros(shared.kernel.roll(2_000));
            shared.kernel.sleep(pause);
        }
        let id = self.id()?;
        let partitions = shared.broker(|broker, _| broker.partitions(record.topic));
        let partition = record.partition.unwrap_or_else(|| {
            let partitions = u32::try_from(partitions).unwrap_or(1);
            let at = partition_for(record.key.unwrap_or_default(), partitions);
            i32::try_from(at).unwrap_or_default()
        });
        loop {
            let sent = Record {
                stamp: 0,
                key: record.key.map(<[u8]>::to_vec),
                value: record.payload.map(<[u8]>::to_vec),
                headers: record
                    .headers
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.clone()))
                    .collect(),
            };
            let answer = shared
                .broker(|broker, now| broker.produce(now, &id, record.topic, partition, sent));
            match answer {
                Ok(_) => return Ok(()),
                // The transaction before is still being ended.
                Err(Refusal::Concurrent) if !self.left(deadline).is_zero() => {
                    self.world.sleep(Duration::from_millis(2));
                }
                Err(refusal) => {
                    self.refused.set(Some(refusal));
                    return Ok(());
                }
            }
        }
    }

    fn flush(&self, deadline: Instant) -> Result<(), PortError> {
        self.world.shared.travel(self.left(deadline))?;
        match self.refused.get() {
            None => Ok(()),
            Some(refusal) => Err(PortError::new(
                ErrorKind::Other,
                "MessageTimedOut",
                format!("{refusal:?}"),
            )),
        }
    }

    fn send_offsets(
        &self,
        offsets: &[GroupOffset],
        member: &Membership,
        wait: Duration,
    ) -> Result<(), PortError> {
        let shared = &self.world.shared;
        let known: Known = *member.get().expect("the membership is of this simulation");
        let id = self.id()?;
        shared.travel(wait)?;
        let offsets = offsets
            .iter()
            .map(|each| Committed {
                partition: each.partition,
                offset: each.offset,
                metadata: each.metadata.clone(),
            })
            .collect();
        let member = (known.member, known.generation);
        shared
            .broker(|broker, now| broker.send_offsets(now, &id, &self.group, member, offsets))
            .map_err(refused)?;
        shared.answer()
    }

    fn commit(&self, wait: Duration) -> Result<(), PortError> {
        self.end(true, wait)
    }

    fn abort(&self, wait: Duration) -> Result<(), PortError> {
        self.end(false, wait)
    }

    fn settle(&self, _: Instant) -> bool {
        self.refused.set(None);
        true
    }

    fn close(self: Box<Self>) {}
}
