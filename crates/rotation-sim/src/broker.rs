//! A log with transactions and groups, in memory: what of Kafka the service stands on, with its delays.
//!
//! - Records of a transaction are in their partitions at once; whether they hold is said by markers, which reach each
//!   partition on their own. A reader of committed records gets no further than the first open transaction.
//! - A transactional id has one producer, the last that initialised; it ends what its predecessor left open.
//! - A transaction that stays open for too long is aborted, and its producer fenced.
//! - Offsets that are part of a transaction are pending until their own marker.
//! - A group moves partitions cooperatively: they are revoked first and assigned after they were given up, each time
//!   under a new generation; who commits under an old one is refused.
//! - A static member that is back in time finds its partitions; who had its name is fenced.
//!
//! Nothing here fails by itself but by its rules; time is an argument.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

pub mod group;
pub mod partition;
mod transaction;

pub use group::{Change, Group, MemberId};
pub use partition::{Partition, Record};
pub use transaction::ProducerId;

use transaction::{Outcome, Transactional};

/// Why the log refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A transaction of the same id is still being ended: ask again.
    Concurrent,
    /// Another producer has the transactional id, or the transaction timed out.
    Fenced,
    /// No transaction is open.
    NoTransaction,
    /// The group knows another generation.
    IllegalGeneration,
    /// The group does not know this member.
    UnknownMember,
    /// Another member has the instance name.
    FencedInstance,
    /// Offsets of an open transaction are among those asked for: ask again.
    Unstable,
}

/// An offset of a group, with its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Partition of the group's topic.
    pub partition: i32,
    /// Next offset.
    pub offset: i64,
    /// Metadata.
    pub metadata: String,
}

/// What happens by itself at some time.
enum Due {
    Marker {
        id: String,
        transaction: u64,
        topic: String,
        partition: i32,
        commits: bool,
    },
    Offsets {
        id: String,
        transaction: u64,
        group: String,
        commits: bool,
    },
    Member {
        group: String,
        member: MemberId,
    },
}

/// The log.
pub struct Broker {
    topics: BTreeMap<String, Vec<Partition>>,
    producers: BTreeMap<String, Transactional>,
    groups: BTreeMap<String, Group>,
    due: BTreeMap<(u64, u64), Due>,
    count: u64,
    generator: ChaCha8Rng,
    /// Milliseconds since 1970 UTC at instant 0: stamps of records.
    epoch_millis: i64,
}

const MILLISECOND: u64 = 1_000_000;

impl Broker {
    /// An empty log whose instant 0 is so many milliseconds after 1970 UTC.
    #[must_use]
    pub fn new(seed: u64, epoch_millis: i64) -> Broker {
        Broker {
            topics: BTreeMap::new(),
            producers: BTreeMap::new(),
            groups: BTreeMap::new(),
            due: BTreeMap::new(),
            count: 0,
            generator: ChaCha8Rng::seed_from_u64(seed),
            epoch_millis,
        }
    }

    /// Makes a topic.
    pub fn create_topic(&mut self, name: &str, partitions: usize) {
        let empty = std::iter::repeat_with(Partition::default).take(partitions);
        self.topics.insert(name.to_owned(), empty.collect());
    }

    /// Makes a group that reads a topic; a member that is silent for `session` nanoseconds is out.
    pub fn create_group(&mut self, name: &str, topic: &str, session: u64) {
        let partitions = self.partitions(topic);
        self.groups
            .insert(name.to_owned(), Group::new(partitions, session));
    }

    /// Number of partitions of a topic; 0 where there is none.
    #[must_use]
    pub fn partitions(&self, topic: &str) -> i32 {
        let found = self.topics.get(topic).map_or(0, Vec::len);
        i32::try_from(found).unwrap_or(i32::MAX)
    }

    /// A partition.
    ///
    /// # Panics
    /// Where there is none of that name and number.
    #[must_use]
    pub fn partition(&self, topic: &str, partition: i32) -> &Partition {
        let at = usize::try_from(partition).expect("partitions are numbered from 0");
        &self.topics[topic][at]
    }

    fn partition_mut(&mut self, topic: &str, partition: i32) -> &mut Partition {
        let at = usize::try_from(partition).expect("partitions are numbered from 0");
        let topic = self.topics.get_mut(topic).expect("the topic was made");
        &mut topic[at]
    }

    /// A group.
    ///
    /// # Panics
    /// Where there is none of that name.
    #[must_use]
    pub fn group(&self, name: &str) -> &Group {
        &self.groups[name]
    }

    /// The coordinator of a group loses its answer to a member; whether there was such a member.
    pub fn forget(&mut self, group: &str, instance: &str) -> bool {
        let group = self.groups.get_mut(group);
        group.is_some_and(|group| group.forget(instance))
    }

    /// Milliseconds since 1970 UTC at an instant.
    #[must_use]
    pub fn stamp(&self, now: u64) -> i64 {
        self.epoch_millis + i64::try_from(now / MILLISECOND).unwrap_or(i64::MAX / 2)
    }

    /// Appends a record that is part of no transaction, stamped now.
    pub fn append(&mut self, now: u64, topic: &str, partition: i32, mut record: Record) -> i64 {
        record.stamp = self.stamp(now);
        self.partition_mut(topic, partition).append(record, None)
    }

    /// Lets everything happen that is due; `last_seen` says when a member's process last ran.
    pub fn advance(&mut self, now: u64, last_seen: &dyn Fn(MemberId) -> u64) {
        loop {
            while let Some(entry) = self.due.first_entry()
                && entry.key().0 <= now
            {
                let due = entry.remove();
                self.happen(due);
            }
            self.time_out(now);
            let mut joined = Vec::new();
            for (name, group) in &mut self.groups {
                let waiting = group.expire(now, last_seen);
                joined.extend(waiting.into_iter().map(|member| (name.clone(), member)));
            }
            for (group, member) in joined {
                self.hear_of_generation(now, &group, member);
            }
            if self
                .due
                .first_key_value()
                .is_none_or(|((at, _), _)| *at > now)
            {
                return;
            }
        }
    }

    fn after(&mut self, now: u64, least: u64, most: u64, due: Due) {
        let wait = self.generator.random_range(least..=most) * MILLISECOND;
        self.count += 1;
        self.due.insert((now + wait, self.count), due);
    }

    /// A member learns of a new generation with its next heartbeat.
    fn hear_of_generation(&mut self, now: u64, group: &str, member: MemberId) {
        let group = group.to_owned();
        self.after(now, 1, 300, Due::Member { group, member });
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Marker {
                id,
                transaction,
                topic,
                partition,
                commits,
            } => {
                self.partition_mut(&topic, partition)
                    .mark(transaction, commits);
                self.ended_in_one(&id, transaction);
            }
            Due::Offsets {
                id,
                transaction,
                group,
                commits,
            } => {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.settle(transaction, commits);
                }
                self.ended_in_one(&id, transaction);
            }
            Due::Member { group, member } => {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.rejoin(member);
                }
            }
        }
    }

    fn ended_in_one(&mut self, id: &str, transaction: u64) {
        if let Some(producer) = self.producers.get_mut(id) {
            producer.ended_in_one(transaction);
        }
    }

    /// Aborts what is open for too long.
    fn time_out(&mut self, now: u64) {
        let late: Vec<String> = self
            .producers
            .iter()
            .filter(|(_, producer)| producer.is_overdue(now))
            .map(|(id, _)| id.clone())
            .collect();
        for id in late {
            if let Some(producer) = self.producers.get_mut(&id) {
                producer.fence();
            }
            self.end(now, &id, false);
        }
    }

    /// Initialises a producer; the one before is fenced and what it left open is aborted.
    ///
    /// # Errors
    /// [`Refusal::Concurrent`] until that is done.
    pub fn initialise(&mut self, now: u64, id: &str, timeout: u64) -> Result<ProducerId, Refusal> {
        let producer = self
            .producers
            .entry(id.to_owned())
            .or_insert_with(|| Transactional::new(timeout));
        if producer.is_open() {
            producer.fence();
            self.end(now, id, false);
            return Err(Refusal::Concurrent);
        }
        producer.initialise(id)
    }

    /// Appends a record to a transaction, opening it with the first.
    ///
    /// # Errors
    /// [`Refusal::Fenced`], or [`Refusal::Concurrent`] while the transaction before is being ended.
    pub fn produce(
        &mut self,
        now: u64,
        producer: &ProducerId,
        topic: &str,
        partition: i32,
        mut record: Record,
    ) -> Result<i64, Refusal> {
        self.count += 1;
        let state = known(&mut self.producers, producer)?;
        let transaction = state.open(now, self.count)?;
        state.touch(topic, partition);
        record.stamp = self.stamp(now);
        Ok(self
            .partition_mut(topic, partition)
            .append(record, Some(transaction)))
    }

    /// Makes offsets part of a transaction, committed by a member under a generation.
    ///
    /// # Errors
    /// What the group or the transaction says.
    pub fn send_offsets(
        &mut self,
        now: u64,
        producer: &ProducerId,
        group: &str,
        member: (MemberId, u64),
        offsets: Vec<Committed>,
    ) -> Result<(), Refusal> {
        self.count += 1;
        let state = known(&mut self.producers, producer)?;
        let transaction = state.open(now, self.count)?;
        let it = self.groups.get_mut(group).ok_or(Refusal::UnknownMember)?;
        it.check(member.0, member.1)?;
        it.keep(transaction, offsets);
        state.touch_group(group);
        Ok(())
    }

    /// Ends a transaction; its markers follow by themselves. A transaction that held nothing ends at once.
    ///
    /// # Errors
    /// [`Refusal::Fenced`].
    pub fn end_transaction(
        &mut self,
        now: u64,
        producer: &ProducerId,
        commits: bool,
    ) -> Result<(), Refusal> {
        known(&mut self.producers, producer)?;
        self.end(now, &producer.id, commits);
        Ok(())
    }

    fn end(&mut self, now: u64, id: &str, commits: bool) {
        let Some(Outcome {
            transaction,
            partitions,
            groups,
        }) = self.producers.get_mut(id).and_then(Transactional::end)
        else {
            return;
        };
        // Mostly at once, now and then late.
        let most = if self.generator.random_range(0..20) == 0 {
            400
        } else {
            8
        };
        for (topic, partition) in partitions {
            let due = Due::Marker {
                id: id.to_owned(),
                transaction,
                topic,
                partition,
                commits,
            };
            self.after(now, 0, most, due);
        }
        for group in groups {
            let due = Due::Offsets {
                id: id.to_owned(),
                transaction,
                group,
                commits,
            };
            self.after(now, 0, most, due);
        }
    }

    /// The group's offsets of these partitions.
    ///
    /// # Errors
    /// [`Refusal::Unstable`] while one of them is part of a transaction that has not ended.
    pub fn committed(&self, group: &str, partitions: &[i32]) -> Result<Vec<Committed>, Refusal> {
        self.group(group).committed(partitions)
    }

    /// Joins a group under an instance name.
    pub fn join(&mut self, now: u64, group: &str, instance: &str) -> Option<MemberId> {
        let (member, others) = self.groups.get_mut(group)?.join(instance);
        for other in others {
            self.hear_of_generation(now, group, other);
        }
        Some(member)
    }

    /// Leaves a group.
    pub fn leave(&mut self, now: u64, group: &str, member: MemberId) {
        let others = self.groups.get_mut(group).map(|it| it.leave(member));
        for other in others.into_iter().flatten() {
            self.hear_of_generation(now, group, other);
        }
    }

    /// The next change of a member's assignment, if it knows of one.
    pub fn next_change(&mut self, group: &str, member: MemberId) -> Option<Change> {
        self.groups.get_mut(group)?.next_change(member)
    }

    /// A member has given partitions up.
    pub fn give_up(&mut self, now: u64, group: &str, member: MemberId, partitions: &[i32]) {
        let partitions: BTreeSet<i32> = partitions.iter().copied().collect();
        let others = self
            .groups
            .get_mut(group)
            .map(|it| it.give_up(member, &partitions));
        for other in others.into_iter().flatten() {
            self.hear_of_generation(now, group, other);
        }
    }
}

fn known<'a>(
    producers: &'a mut BTreeMap<String, Transactional>,
    producer: &ProducerId,
) -> Result<&'a mut Transactional, Refusal> {
    producers
        .get_mut(&producer.id)
        .filter(|state| state.is_of(producer))
        .ok_or(Refusal::Fenced)
}

#[cfg(test)]
mod tests;
