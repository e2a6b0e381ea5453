//! The group consumer of a simulated process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use rotation_service::stage::ports::{
    Assignment, End, ErrorKind, GroupConsumer, GroupOffset, Membership, Polled, PortError, Start,
    World,
};
use rotation_service::stage::{InputRecord, StageSettings};
use rotation_sim::broker::{Change, MemberId, Record};

use super::producer::Known;
use super::reader::{as_input, committed};
use super::world::{SimWorld, lock};

/// Where a partition is read.
struct Position {
    begun: i64,
    next: i64,
    /// The end that was told last.
    told: Option<i64>,
    paused: bool,
}

#[derive(Default)]
struct Client {
    member: Option<MemberId>,
    /// What the client knows of its generation, which may be out of date.
    known: Option<Known>,
    assigned: BTreeMap<i32, Position>,
    events: VecDeque<Assignment>,
    /// The session is over, and the loop has not answered that yet.
    lost: bool,
    alone: bool,
    fenced: bool,
}

pub(super) struct SimConsumer {
    world: SimWorld,
    input: String,
    group: String,
    instance: String,
    client: Mutex<Client>,
}

impl SimConsumer {
    pub(super) fn new(world: SimWorld, settings: &StageSettings) -> Self {
        Self {
            world,
            input: settings.input.clone(),
            group: settings.kafka.stage_group(&settings.name),
            instance: settings.kafka.instance.clone(),
            client: Mutex::default(),
        }
    }

    fn join(&self) {
        let joined = self
            .world
            .shared
            .broker(|broker, now| broker.join(now, &self.group, &self.instance));
        if let Some(member) = joined {
            self.world.shared.settle_in(member, self.world.process);
        }
        let mut client = lock(&self.client);
        (client.member, client.known) = (joined, None);
    }

    /// What the group has to say, as the client's own threads hear it between polls.
    fn hear(&self) {
        let shared = &self.world.shared;
        let Some(member) = lock(&self.client).member else {
            return;
        };
        let (is_member, is_fenced, generation) = shared.broker(|broker, _| {
            let group = broker.group(&self.group);
            (
                group.is_member(member),
                group.is_fenced(member),
                group.generation_of(member),
            )
        });
        // A client that was stopped learns what it missed with its next heartbeat, not at once.
        if !is_member && !shared.kernel.chance(300) {
            return;
        }
        let mut client = lock(&self.client);
        if is_fenced {
            client.fenced = true;
        } else if !is_member {
            shared.strike("session lost");
            client.member = None;
            client.lost = true;
            let gone = client.assigned.keys().copied().collect();
            client.events.push_back(Assignment::Lost(gone));
        } else if let Some(generation) = generation {
            client.known = Some(Known { member, generation });
        }
    }

    fn answer_by_itself(&self) {
        while let Some(event) = self.next_event() {
            let answered = match event {
                Assignment::Assign(partitions) => {
                    let nothing: Vec<_> = partitions.iter().map(|it| (*it, Start::End)).collect();
                    self.assign(&nothing)
                }
                Assignment::Revoke(partitions) | Assignment::Lost(partitions) => {
                    self.unassign(&partitions)
                }
            };
            drop(answered);
        }
    }

    /// A record that is there, or the end of a partition that was not told yet.
    fn fetch(&self) -> Option<Fetched> {
        let shared = &self.world.shared;
        let mut client = lock(&self.client);
        let found: Vec<(i32, i64, Record)> = shared.broker(|broker, _| {
            let assigned = client.assigned.iter().filter(|(_, it)| !it.paused);
            let found = assigned.filter_map(|(&partition, position)| {
                let partition_log = broker.partition(&self.input, partition);
                let (offset, record) = partition_log.read(position.next)?;
                Some((partition, offset, record.clone()))
            });
            found.collect()
        });
        if !found.is_empty() {
            let sides = u64::try_from(found.len()).unwrap_or(1);
            let at = usize::try_from(shared.kernel.roll(sides)).unwrap_or_default();
            let (partition, mut offset, mut record) = found.into_iter().nth(at)?;
            let position = client.assigned.get_mut(&partition)?;
            let is_old = position.next > position.begun;
            if is_old && shared.strikes("poll repeated", |it| it.poll_repeated) {
                let sides = u64::try_from(position.next - position.begun).unwrap_or(1);
                let from = position.begun + i64::try_from(shared.kernel.roll(sides)).unwrap_or(0);
                let again = shared.broker(|broker, _| {
                    let log = broker.partition(&self.input, partition);
                    log.read(from).map(|(at, record)| (at, record.clone()))
                });
                (offset, record) = again?;
                return Some(Fetched::Record(partition, offset, record));
            }
            position.next = offset + 1;
            return Some(Fetched::Record(partition, offset, record));
        }
        let stable = |partition| {
            shared.broker(|broker, _| broker.partition(&self.input, partition).stable())
        };
        for (&partition, position) in &mut client.assigned {
            let end = stable(partition);
            if position.told != Some(end) {
                position.told = Some(end);
                return Some(Fetched::End(partition));
            }
        }
        None
    }
}

enum Fetched {
    Record(i32, i64, Record),
    End(i32),
}

impl GroupConsumer for SimConsumer {
    fn subscribe(&self) -> Result<(), PortError> {
        self.join();
        Ok(())
    }

    fn poll(&self, wait: Duration, take: &mut dyn FnMut(&InputRecord<'_>)) -> Polled {
        let shared = &self.world.shared;
        shared.kernel.pass();
        self.hear();
        if lock(&self.client).fenced {
            let other = "another member has the instance name";
            return Polled::Failed(PortError::new(
                ErrorKind::MemberFenced,
                "FencedInstanceId",
                other,
            ));
        }
        if lock(&self.client).alone {
            self.answer_by_itself();
        }
        let deadline = self.world.now() + wait;
        let mut looked = false;
        loop {
            let dropped = shared.strikes("poll dropped", |it| it.poll_dropped);
            match (!dropped).then(|| self.fetch()).flatten() {
                Some(Fetched::Record(partition, offset, record)) => {
                    take(&as_input(partition, offset, &record));
                    return Polled::Record;
                }
                Some(Fetched::End(partition)) => return Polled::End(partition),
                None if looked || self.world.now() >= deadline => return Polled::Nothing,
                None => {
                    // A machine that is short of time may wake later than asked.
                    let late = Duration::from_millis(shared.kernel.roll(25));
                    self.world.sleep(wait + late);
                    looked = true;
                }
            }
        }
    }

    fn next_event(&self) -> Option<Assignment> {
        let mut client = lock(&self.client);
        if let Some(event) = client.events.pop_front() {
            return Some(event);
        }
        let member = client.member?;
        let change = self
            .world
            .shared
            .broker(|broker, _| broker.next_change(&self.group, member))?;
        drop(client);
        self.hear();
        Some(match change {
            Change::Assign(partitions) => Assignment::Assign(partitions),
            Change::Revoke(partitions) => Assignment::Revoke(partitions),
        })
    }

    fn assign(&self, partitions: &[(i32, Start)]) -> Result<(), PortError> {
        self.world.shared.kernel.pass();
        for &(partition, start) in partitions {
            let next = match start {
                Start::Beginning => 0,
                Start::At(offset) => offset,
                Start::End => self
                    .world
                    .shared
                    .broker(|broker, _| broker.partition(&self.input, partition).stable()),
            };
            let position = Position {
                begun: next,
                next,
                told: None,
                paused: false,
            };
            lock(&self.client).assigned.insert(partition, position);
        }
        Ok(())
    }

    fn unassign(&self, partitions: &[i32]) -> Result<(), PortError> {
        self.world.shared.kernel.pass();
        let (lost, member) = {
            let mut client = lock(&self.client);
            for partition in partitions {
                client.assigned.remove(partition);
            }
            (std::mem::take(&mut client.lost), client.member)
        };
        if lost {
            self.join();
        } else if let Some(member) = member {
            self.world
                .shared
                .broker(|broker, now| broker.give_up(now, &self.group, member, partitions));
        }
        Ok(())
    }

    fn assignment_lost(&self) -> bool {
        self.world.shared.kernel.pass();
        lock(&self.client).lost
    }

    fn seek(&self, partition: i32, offset: i64, _: Duration) -> Result<(), PortError> {
        if let Some(position) = lock(&self.client).assigned.get_mut(&partition) {
            position.next = offset;
        }
        Ok(())
    }

    fn pause(&self) -> Result<(), PortError> {
        let mut client = lock(&self.client);
        client.assigned.values_mut().for_each(|it| it.paused = true);
        Ok(())
    }

    fn resume(&self) -> Result<(), PortError> {
        let mut client = lock(&self.client);
        client
            .assigned
            .values_mut()
            .for_each(|it| it.paused = false);
        Ok(())
    }

    fn end(&self, partition: i32) -> Option<End> {
        let reached = lock(&self.client).assigned.get(&partition)?.told?;
        let shared = &self.world.shared;
        let stable = shared.broker(|broker, _| broker.partition(&self.input, partition).stable());
        Some(End { stable, reached })
    }

    fn watermarks(&self, partition: i32, wait: Duration) -> Result<(i64, i64), PortError> {
        self.world.shared.travel(wait)?;
        let shared = &self.world.shared;
        let stable = shared.broker(|broker, _| broker.partition(&self.input, partition).stable());
        Ok((0, stable))
    }

    fn committed(&self, partitions: &[i32], wait: Duration) -> Result<Vec<GroupOffset>, PortError> {
        committed(&self.world, &self.group, partitions, wait)
    }

    fn membership(&self) -> Option<Membership> {
        lock(&self.client).known.map(Membership::new)
    }

    fn answer_alone(&self) {
        lock(&self.client).alone = true;
    }

    fn leave(&self, _: Duration) -> bool {
        let member = lock(&self.client).member.take();
        if let Some(member) = member {
            self.world
                .shared
                .broker(|broker, now| broker.leave(now, &self.group, member));
        }
        lock(&self.client).assigned.clear();
        true
    }

    fn close(self: Box<Self>) {}
}
