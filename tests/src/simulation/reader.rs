//! A reader outside of any group, in a simulated process.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use rotation_service::stage::ports::{
    ErrorKind, GroupOffset, Isolation, Polled, PortError, Reader, World,
};
use rotation_service::stage::{InputRecord, StageSettings, StampKind};
use rotation_sim::broker::{Record, Refusal};

use super::world::{SimWorld, refused};

pub(super) struct SimReader {
    world: SimWorld,
    group: String,
    isolation: Isolation,
    /// Topic and partition that are read.
    reads: RefCell<Option<(String, i32)>>,
    next: Cell<i64>,
}

impl SimReader {
    pub(super) fn new(world: SimWorld, settings: &StageSettings, isolation: Isolation) -> Self {
        Self {
            world,
            group: settings.kafka.stage_group(&settings.name),
            isolation,
            reads: RefCell::new(None),
            next: Cell::new(0),
        }
    }
}

/// The group's offsets, once those of open transactions are settled.
pub(super) fn committed(
    world: &SimWorld,
    group: &str,
    partitions: &[i32],
    wait: Duration,
) -> Result<Vec<GroupOffset>, PortError> {
    let deadline = world.now() + wait;
    world.shared.travel(wait)?;
    loop {
        let found = world
            .shared
            .broker(|broker, _| broker.committed(group, partitions));
        match found {
            Ok(found) => {
                let offset = |each: rotation_sim::broker::Committed| GroupOffset {
                    partition: each.partition,
                    offset: each.offset,
                    metadata: each.metadata,
                };
                return Ok(found.into_iter().map(offset).collect());
            }
            Err(Refusal::Unstable) if world.now() < deadline => {
                world.sleep(Duration::from_millis(10));
            }
            Err(refusal) => return Err(refused(refusal)),
        }
    }
}

/// A record as tasks see it.
pub(super) fn as_input(partition: i32, offset: i64, record: &Record) -> InputRecord<'_> {
    InputRecord {
        partition,
        offset,
        timestamp: Some((record.stamp, StampKind::Append)),
        key: record.key.as_deref(),
        payload: record.value.as_deref(),
        trace: None,
    }
}

impl Reader for SimReader {
    fn committed(&self, partitions: &[i32], wait: Duration) -> Result<Vec<GroupOffset>, PortError> {
        committed(&self.world, &self.group, partitions, wait)
    }

    fn watermarks(
        &self,
        topic: &str,
        partition: i32,
        wait: Duration,
    ) -> Result<(i64, i64), PortError> {
        self.world.shared.travel(wait)?;
        Ok(self.world.shared.broker(|broker, _| {
            let found = broker.partition(topic, partition);
            match self.isolation {
                Isolation::Committed => (0, found.stable()),
                Isolation::Uncommitted => (0, found.end()),
            }
        }))
    }

    fn assign(&self, topic: &str, partition: i32, offset: i64) -> Result<(), PortError> {
        *self.reads.borrow_mut() = Some((topic.to_owned(), partition));
        self.next.set(offset);
        Ok(())
    }

    fn poll(&self, wait: Duration, take: &mut dyn FnMut(&InputRecord<'_>)) -> Polled {
        let Some((topic, partition)) = self.reads.borrow().clone() else {
            return Polled::Nothing;
        };
        let shared = &self.world.shared;
        shared.kernel.pass();
        if shared.strikes("poll dropped", |it| it.poll_dropped) {
            self.world.sleep(wait);
            return Polled::Nothing;
        }
        let found = shared.broker(|broker, _| {
            let found = broker.partition(&topic, partition).read(self.next.get());
            found.map(|(offset, record)| (offset, record.clone()))
        });
        match found {
            Some((offset, record)) => {
                self.next.set(offset + 1);
                take(&as_input(partition, offset, &record));
                Polled::Record
            }
            None if shared.kernel.chance(20) => {
                let odd = "a broker went away";
                Polled::Failed(PortError::new(
                    ErrorKind::Passing,
                    "BrokerTransportFailure",
                    odd,
                ))
            }
            None => Polled::End(partition),
        }
    }

    fn unassign(&self) -> Result<(), PortError> {
        *self.reads.borrow_mut() = None;
        Ok(())
    }
}
