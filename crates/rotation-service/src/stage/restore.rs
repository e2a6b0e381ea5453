//! Restore: where a task goes on after a restart or a rebalance.
//!
//! A commit writes its markers to each partition on its own, so for a moment the group's offset may be visible and the
//! head not, or the other way round; and another member's last transaction may still be open. So:
//!
//! 1. ask for the group's offsets, waiting for open transactions to settle theirs
//! 2. ask for the end of the state partition *including* what is not committed yet
//! 3. wait until everything before that end is settled
//! 4. read the committed records up to there
//! 5. if head and offset are not of the same commit, begin again: it is a matter of time
//!
//! This runs on a thread of its own with its own clients, so that other tasks go on meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::error::StageError;
use super::ports::{ErrorKind, GroupOffset, Isolation, PortError, Reader, World};
use super::run::failed as kafka;
use super::settings::{StageSettings, StateMode};
use super::standby::{Followed, Standby};
use super::transact::state_partition;
use rotation_wire::state::Assembled;

/// Longest wait for one answer of the cluster; asked again until the restore's own time is over.
const ANSWER: Duration = Duration::from_secs(5);

/// State and group agree by then, or never: more than two transaction timeouts.
const AGREEMENT: Duration = Duration::from_secs(30);

/// Why the state could not be read.
enum Slow {
    TooSlow(StageError),
    Failed(PortError),
}

impl From<PortError> for Slow {
    fn from(error: PortError) -> Self {
        Slow::Failed(error)
    }
}

/// Where a task goes on.
#[derive(Debug)]
pub(super) struct Restored {
    pub(super) partition: i32,
    /// First input offset to read; `None`: the first there is.
    pub(super) start: Option<i64>,
    /// Absent for a task that never committed.
    pub(super) state: Option<Assembled>,
    /// Input records that are gone although they should be read.
    pub(super) lost: i64,
    /// End of the input partition, by then.
    pub(super) end: i64,
}

/// Reads where the tasks of these input partitions go on.
pub(super) fn restore(
    world: &dyn World,
    standby: Option<&Standby>,
    settings: &StageSettings,
    state_partitions: i32,
    partitions: &[i32],
) -> Result<Vec<Restored>, StageError> {
    let restore = Restore::new(world, standby, settings, state_partitions)?;
    match settings.state_mode {
        StateMode::Durable => restore.durable(partitions),
        StateMode::Ephemeral => partitions
            .iter()
            .map(|&partition| restore.starting(partition, None))
            .collect(),
    }
}

struct Restore<'a> {
    world: &'a dyn World,
    standby: Option<&'a Standby>,
    settings: &'a StageSettings,
    state_partitions: i32,
    /// Sees committed records and settled offsets only.
    committed: Box<dyn Reader>,
    /// Sees the end of what is written.
    written: Box<dyn Reader>,
    deadline: Instant,
}

impl<'a> Restore<'a> {
    fn new(
        world: &'a dyn World,
        standby: Option<&'a Standby>,
        settings: &'a StageSettings,
        state_partitions: i32,
    ) -> Result<Self, StageError> {
        let reader = |isolation| {
            world
                .reader(settings, isolation)
                .map_err(|source| kafka(settings, "create a reader of the state", source))
        };
        Ok(Self {
            world,
            standby,
            settings,
            state_partitions,
            committed: reader(Isolation::Committed)?,
            written: reader(Isolation::Uncommitted)?,
            deadline: world.now() + settings.restore_timeout,
        })
    }

    fn durable(&self, partitions: &[i32]) -> Result<Vec<Restored>, StageError> {
        let begun = self.world.now();
        let mut waits = 0_u32;
        let mut last: Option<StageError> = None;
        loop {
            let read = self
                .group_offsets(partitions)
                .and_then(|offsets| Ok((offsets, self.states(partitions)?)));
            // Why we came again says more than that there was no time left for it.
            let (offsets, states) = read.map_err(|error| last.take().unwrap_or(error))?;
            let found: Vec<_> = partitions
                .iter()
                .map(|partition| (*partition, states.get(partition), offsets.get(partition)))
                .collect();
            let mut unequal = found.iter().filter_map(|&(partition, state, offset)| {
                disagreement(state, offset).map(|reason| (partition, reason))
            });
            let Some((partition, reason)) = unequal.next() else {
                return found
                    .into_iter()
                    .map(|(partition, state, _)| self.starting(partition, state.cloned()))
                    .collect();
            };
            if self.world.now() > self.deadline.min(begun + AGREEMENT) {
                if !self.settings.allow_data_loss {
                    return Err(self.disagreed(partition, reason));
                }
                tracing::error!(
                    stage = self.settings.name,
                    partition,
                    reason,
                    "state and group disagree; going on from the state, as told by allow_data_loss"
                );
                return found
                    .into_iter()
                    .map(|(partition, state, _)| self.starting(partition, state.cloned()))
                    .collect();
            }
            if waits.is_multiple_of(50) {
                tracing::info!(
                    stage = self.settings.name,
                    partition,
                    reason,
                    "waiting for state and group to agree"
                );
            }
            waits += 1;
            last = Some(self.disagreed(partition, reason));
            self.world.sleep(Duration::from_millis(100));
        }
    }

    fn disagreed(&self, partition: i32, reason: String) -> StageError {
        StageError::Restore {
            stage: self.settings.name.clone(),
            partition,
            reason,
        }
    }

    /// Offsets and metadata committed by the group.
    fn group_offsets(
        &self,
        partitions: &[i32],
    ) -> Result<BTreeMap<i32, (i64, String)>, StageError> {
        let found = self.ask("read the group's offsets", || {
            self.committed.committed(partitions, ANSWER)
        })?;
        let offset = |each: GroupOffset| (each.partition, (each.offset, each.metadata));
        Ok(found.into_iter().map(offset).collect())
    }

    /// Heads and snapshots, of those tasks that have any.
    fn states(&self, tasks: &[i32]) -> Result<BTreeMap<i32, Assembled>, StageError> {
        let index = i32::try_from(self.settings.index).unwrap_or_default();
        let wanted: BTreeSet<i32> = tasks
            .iter()
            .map(|&task| state_partition(task, index, self.state_partitions))
            .collect();
        let mut states = BTreeMap::new();
        for partition in wanted {
            let mut followed = match self.standby {
                Some(standby) => standby.take(self.world, partition),
                None => Followed::default(),
            };
            let known = followed.records;
            self.read_state(partition, &mut followed)?;
            tracing::debug!(
                stage = self.settings.name,
                partition,
                known,
                read = followed.records - known,
                "read the state"
            );
            let mine =
                |task: &&i32| state_partition(**task, index, self.state_partitions) == partition;
            for &task in tasks.iter().filter(mine) {
                let Some(gathered) = followed.gathered.get(&task) else {
                    continue;
                };
                let assembled = gathered
                    .assemble(&self.settings.name, task)
                    .map_err(|reason| self.disagreed(task, reason))?;
                states.extend(assembled.map(|state| (task, state)));
            }
            if let Some(standby) = self.standby {
                standby.give_back(partition, followed);
            }
        }
        Ok(states)
    }

    /// Reads a state partition up to the end it has now, waiting for what is not settled there.
    fn read_state(&self, partition: i32, followed: &mut Followed) -> Result<(), StageError> {
        let topic = &self.settings.kafka.topics.state;
        let watermarks = |client: &dyn Reader| {
            self.ask("read the end of the state", || {
                client.watermarks(topic, partition, ANSWER)
            })
        };
        let (low, end) = watermarks(&*self.written)?;
        let mut waits = 0_u32;
        loop {
            let (_, settled) = watermarks(&*self.committed)?;
            if settled >= end {
                break;
            }
            self.in_time(partition, || {
                format!("a transaction is open in `{topic}` at {settled} of {end}")
            })?;
            waits += 1;
            if waits.is_multiple_of(50) {
                tracing::info!(
                    stage = self.settings.name,
                    partition,
                    settled,
                    end,
                    "waiting for an open transaction in the state topic to end or time out"
                );
            }
            self.world.sleep(Duration::from_millis(20));
        }
        let patience = || {
            let slow = || format!("`{topic}` sends nothing for long");
            self.in_time(partition, slow).map_err(Slow::TooSlow)
        };
        let ends = (low, end);
        followed
            .read_on(&*self.committed, self.settings, partition, ends, patience)
            .map_err(|slow| match slow {
                Slow::TooSlow(error) => error,
                Slow::Failed(source) => kafka(self.settings, "read the state", source),
            })
    }

    /// Where the input goes on, checked against what there is.
    fn starting(&self, partition: i32, state: Option<Assembled>) -> Result<Restored, StageError> {
        let (low, high) = self.ask("read the end of the input", || {
            self.written
                .watermarks(&self.settings.input, partition, ANSWER)
        })?;
        let wanted = state.as_ref().map(|state| {
            let snapshot = state.head.snapshot;
            snapshot.map_or(state.head.offset, |snapshot| snapshot.offset)
        });
        let mut start = wanted;
        let mut lost = 0;
        if let Some(next) = wanted
            && (next < low || next > high)
        {
            if !self.settings.allow_data_loss {
                return Err(StageError::DataLoss {
                    stage: self.settings.name.clone(),
                    partition,
                    next,
                    low,
                    high,
                });
            }
            lost = (low - next).max(0);
            start = Some(low);
        }
        Ok(Restored {
            partition,
            start,
            state,
            lost,
            end: high,
        })
    }

    /// Asks until there is an answer or the restore's time is over.
    fn ask<T>(
        &self,
        action: &str,
        call: impl Fn() -> Result<T, PortError>,
    ) -> Result<T, StageError> {
        loop {
            match call() {
                Ok(answer) => return Ok(answer),
                Err(error)
                    if error.kind != ErrorKind::Denied && self.world.now() < self.deadline =>
                {
                    tracing::warn!(
                        stage = self.settings.name, action, %error,
                        "restore has to wait for an answer"
                    );
                    self.world.sleep(Duration::from_millis(200));
                }
                Err(error) => return Err(kafka(self.settings, action, error)),
            }
        }
    }

    fn in_time(&self, partition: i32, reason: impl Fn() -> String) -> Result<(), StageError> {
        if self.world.now() < self.deadline {
            return Ok(());
        }
        Err(StageError::Restore {
            stage: self.settings.name.clone(),
            partition,
            reason: format!("{} after {:?}", reason(), self.settings.restore_timeout),
        })
    }
}

/// Why head and group offset are not of the same commit; `None` if they are.
fn disagreement(state: Option<&Assembled>, offset: Option<&(i64, String)>) -> Option<String> {
    match (state, offset) {
        // The group forgets the offsets of a group that was away for long; the head does not.
        (_, None) => None,
        (None, Some((offset, _))) => Some(format!(
            "the group has committed offset {offset} but the state topic has no head: the state was lost, or another program used the group"
        )),
        (Some(state), Some((offset, metadata))) => {
            let same_commit = metadata
                .parse::<u64>()
                .is_ok_and(|commit| commit == state.head.commit);
            (state.head.offset != *offset || !same_commit).then(|| {
                format!(
                    "the head is commit {} at offset {}, the group has commit `{metadata}` at offset {offset}: were the group's offsets reset?",
                    state.head.commit, state.head.offset
                )
            })
        }
    }
}
