//! Standby: the state of tasks that others have, followed as it is written, so that a takeover reads only the rest.
//!
//! A thread aside reads the stage's partitions of the state topic every second and keeps what a restore would gather
//! from them. A restore borrows that, reads on from there, and gives it back. What is followed costs about as much
//! memory as the snapshots of all tasks of the stage have bytes. A follower that fails begins anew; it never ends a
//! stage, and a restore without it reads everything.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rotation_wire::state::{Gathered, partition_of};

use super::ports::{ErrorKind, Isolation, Polled, PortError, Reader, World};
use super::settings::StageSettings;
use super::transact::state_partition;

/// Between two looks for what is new.
const LOOK: Duration = Duration::from_secs(1);
/// After a failure.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Longest wait for the next record of the state.
const POLL: Duration = Duration::from_millis(100);
/// A restore waits for the follower to give a partition back, at most so long.
const BORROW: Duration = Duration::from_secs(2);

/// What was read of a partition of the state topic.
#[derive(Default)]
pub(super) struct Followed {
    /// Next offset; none before the first.
    next: Option<i64>,
    /// By task; only ever looked up.
    pub(super) gathered: HashMap<i32, Gathered>,
    /// Records read.
    pub(super) records: u64,
}

impl Followed {
    /// Reads on, from `low` if this has not begun, until `end`; `patience` ends a wait for records that do not come.
    pub(super) fn read_on<E: From<PortError>>(
        &mut self,
        reader: &dyn Reader,
        settings: &StageSettings,
        partition: i32,
        (low, end): (i64, i64),
        mut patience: impl FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        let begin = self.next.filter(|next| *next >= low).unwrap_or_else(|| {
            *self = Self::default();
            low
        });
        let mut next = begin;
        if next < end {
            reader.assign(&settings.kafka.topics.state, partition, next)?;
        }
        while next < end {
            let polled = reader.poll(POLL, &mut |record| {
                next = record.offset + 1;
                self.next = Some(next);
                self.records += 1;
                let Some(key) = record.key else { return };
                if let Some(task) = partition_of(&settings.name, key) {
                    let gathered = self.gathered.entry(task).or_default();
                    gathered.take(key, record.payload);
                }
            });
            match polled {
                Polled::Record => {}
                Polled::End(_) => break,
                Polled::Failed(error) if error.kind == ErrorKind::Passing => {}
                Polled::Failed(error) => return Err(error.into()),
                Polled::Nothing => patience()?,
            }
        }
        self.next = Some(next.max(begin));
        if begin < end {
            reader.unassign()?;
        }
        Ok(())
    }
}

/// What is followed, by partition of the state topic.
#[derive(Default)]
pub(super) struct Standby {
    shelf: Mutex<Shelf>,
    stopped: AtomicBool,
}

#[derive(Default)]
struct Shelf {
    followed: BTreeMap<i32, Followed>,
    /// With the follower right now.
    borrowed: BTreeSet<i32>,
}

impl Standby {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is followed of a partition; nothing where it is not.
    pub(super) fn take(&self, world: &dyn World, partition: i32) -> Followed {
        let deadline = world.now() + BORROW;
        while self.shelf().borrowed.contains(&partition) && world.now() < deadline {
            world.sleep(Duration::from_millis(5));
        }
        self.shelf().followed.remove(&partition).unwrap_or_default()
    }

    /// Gives it back.
    pub(super) fn give_back(&self, partition: i32, followed: Followed) {
        self.shelf().followed.insert(partition, followed);
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Follows the state of all tasks of a stage until it is stopped.
    pub(super) fn follow(
        &self,
        world: &dyn World,
        settings: &StageSettings,
        state_partitions: i32,
    ) {
        while !self.stopped.load(Ordering::SeqCst) {
            let pause = match self.look(world, settings, state_partitions) {
                Ok(()) => LOOK,
                Err(error) => {
                    tracing::debug!(stage = settings.name, %error, "cannot follow the state");
                    PAUSE
                }
            };
            world.sleep(pause);
        }
    }

    fn look(
        &self,
        world: &dyn World,
        settings: &StageSettings,
        state_partitions: i32,
    ) -> Result<(), PortError> {
        let tasks = world
            .partitions(settings, &settings.input)
            .map_err(|error| PortError::new(ErrorKind::Other, "Unknown", error))?;
        let index = i32::try_from(settings.index).unwrap_or_default();
        let wanted: BTreeSet<i32> = (0..tasks)
            .map(|task| state_partition(task, index, state_partitions))
            .collect();
        let reader = world.reader(settings, Isolation::Committed)?;
        for partition in wanted {
            let topic = &settings.kafka.topics.state;
            let ends = reader.watermarks(topic, partition, ANSWER)?;
            let mut followed = {
                let mut shelf = self.shelf();
                shelf.borrowed.insert(partition);
                shelf.followed.remove(&partition).unwrap_or_default()
            };
            let mut waits = 0;
            let read = followed.read_on(&*reader, settings, partition, ends, || {
                waits += 1;
                match waits > 50 {
                    true => Err(PortError::new(
                        ErrorKind::Passing,
                        "Unknown",
                        "nothing comes",
                    )),
                    false => Ok(()),
                }
            });
            let mut shelf = self.shelf();
            shelf.borrowed.remove(&partition);
            // What failed half way is as good as what was read of it.
            shelf.followed.insert(partition, followed);
            drop(shelf);
            read?;
            if self.stopped.load(Ordering::SeqCst) {
                break;
            }
        }
        Ok(())
    }
}
