//! A consumer group: members, generations, assignment in cooperative steps, offsets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Committed, Refusal};

/// A member of a group; it gets another when it joins again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberId(u64);

/// A change of a member's assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Partitions come.
    Assign(Vec<i32>),
    /// Partitions are to be given up.
    Revoke(Vec<i32>),
}

#[derive(Default)]
struct Member {
    instance: String,
    /// The generation that it has heard of; 0: none.
    generation: u64,
    /// What it is to have.
    target: BTreeSet<i32>,
    /// What it has, until it gives it up.
    owned: BTreeSet<i32>,
    /// What it has been asked to give up.
    revoked: BTreeSet<i32>,
    changes: VecDeque<Change>,
}

/// A group.
pub struct Group {
    partitions: i32,
    session: u64,
    generation: u64,
    members: BTreeMap<MemberId, Member>,
    /// Those whose instance name has gone to another.
    fenced: BTreeSet<MemberId>,
    offsets: BTreeMap<i32, Committed>,
    pending: BTreeMap<u64, Vec<Committed>>,
    count: u64,
}

impl Group {
    pub(super) fn new(partitions: i32, session: u64) -> Group {
        Group {
            partitions,
            session,
            generation: 0,
            members: BTreeMap::new(),
            fenced: BTreeSet::new(),
            offsets: BTreeMap::new(),
            pending: BTreeMap::new(),
            count: 0,
        }
    }

    /// Whether this is a member.
    #[must_use]
    pub fn is_member(&self, member: MemberId) -> bool {
        self.members.contains_key(&member)
    }

    /// Whether another member has this one's instance name.
    #[must_use]
    pub fn is_fenced(&self, member: MemberId) -> bool {
        self.fenced.contains(&member)
    }

    /// The generation that a member knows; none before the first.
    #[must_use]
    pub fn generation_of(&self, member: MemberId) -> Option<u64> {
        let known = self.members.get(&member)?.generation;
        (known > 0).then_some(known)
    }

    /// All committed offsets.
    #[must_use]
    pub fn offsets(&self) -> &BTreeMap<i32, Committed> {
        &self.offsets
    }

    /// Who has what, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let members = self.members.iter().map(|(id, member)| {
            format!(
                "{} ({}) knows generation {}, has {:?}, is to have {:?}",
                member.instance, id.0, member.generation, member.owned, member.target
            )
        });
        let members: Vec<String> = members.collect();
        format!("generation {}: {}", self.generation, members.join("; "))
    }

    pub(super) fn committed(&self, partitions: &[i32]) -> Result<Vec<Committed>, Refusal> {
        let mut pending = self.pending.values().flatten();
        if pending.any(|each| partitions.contains(&each.partition)) {
            return Err(Refusal::Unstable);
        }
        let found = partitions.iter().filter_map(|it| self.offsets.get(it));
        Ok(found.cloned().collect())
    }

    /// Whether a member may commit under a generation.
    pub(super) fn check(&self, member: MemberId, generation: u64) -> Result<(), Refusal> {
        if self.fenced.contains(&member) {
            return Err(Refusal::FencedInstance);
        }
        let Some(_) = self.members.get(&member) else {
            return Err(Refusal::UnknownMember);
        };
        if generation != self.generation {
            return Err(Refusal::IllegalGeneration);
        }
        Ok(())
    }

    pub(super) fn keep(&mut self, transaction: u64, offsets: Vec<Committed>) {
        self.pending.entry(transaction).or_default().extend(offsets);
    }

    pub(super) fn settle(&mut self, transaction: u64, commits: bool) {
        let offsets = self.pending.remove(&transaction).unwrap_or_default();
        if commits {
            self.offsets
                .extend(offsets.into_iter().map(|each| (each.partition, each)));
        }
    }

    /// A new member, and those who have to hear of it.
    pub(super) fn join(&mut self, instance: &str) -> (MemberId, Vec<MemberId>) {
        self.count += 1;
        let id = MemberId(self.count);
        let mut member = Member {
            instance: instance.to_owned(),
            ..Member::default()
        };
        let before = self
            .members
            .iter()
            .find(|(_, member)| member.instance == instance)
            .map(|(id, _)| *id);
        if let Some(before) = before {
            self.fenced.insert(before);
            let before = self.members.remove(&before).unwrap_or_default();
            member.target = before.target;
            let others_wait = !before.owned.is_subset(&member.target);
            self.members.insert(id, member);
            // A static member that is back changes nothing for the others, unless it was about to give something up.
            if others_wait {
                self.generation += 1;
                return (id, self.members.keys().copied().collect());
            }
            return (id, vec![id]);
        }
        self.members.insert(id, member);
        (id, self.rebalance())
    }

    /// The coordinator loses its answer to a member: it knows that one by an id which the member never hears of.
    pub fn forget(&mut self, instance: &str) -> bool {
        let known = self.members.values().any(|it| it.instance == instance);
        if known {
            self.join(instance);
        }
        known
    }

    pub(super) fn leave(&mut self, member: MemberId) -> Vec<MemberId> {
        match self.members.remove(&member) {
            Some(_) => self.rebalance(),
            None => Vec::new(),
        }
    }

    /// Puts members out that were silent for too long.
    pub(super) fn expire(
        &mut self,
        now: u64,
        last_seen: &dyn Fn(MemberId) -> u64,
    ) -> Vec<MemberId> {
        let before = self.members.len();
        let session = self.session;
        self.members
            .retain(|&id, _| now.saturating_sub(last_seen(id)) <= session);
        if self.members.len() == before {
            return Vec::new();
        }
        self.rebalance()
    }

    /// A new generation: who is to have what, as before where that is fair.
    fn rebalance(&mut self) -> Vec<MemberId> {
        self.generation += 1;
        let all = usize::try_from(self.partitions).unwrap_or_default();
        let most = all.div_ceil(self.members.len().max(1));
        let mut free: BTreeSet<i32> = (0..self.partitions).collect();
        for member in self.members.values_mut() {
            let kept = member.target.intersection(&free).copied();
            member.target = kept.take(most).collect();
            free.retain(|partition| !member.target.contains(partition));
        }
        for partition in free {
            let least = self.members.values_mut().min_by_key(|it| it.target.len());
            if let Some(member) = least {
                member.target.insert(partition);
            }
        }
        self.members.keys().copied().collect()
    }

    /// A member hears of the generation: it is told what to give up and what is free to have.
    pub(super) fn rejoin(&mut self, id: MemberId) {
        let taken: BTreeSet<i32> = self
            .members
            .iter()
            .filter(|(other, _)| **other != id)
            .flat_map(|(_, other)| other.owned.iter().copied())
            .collect();
        let generation = self.generation;
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let first = member.generation == 0;
        member.generation = generation;
        let going: Vec<i32> = member
            .owned
            .iter()
            .filter(|it| !member.target.contains(it) && !member.revoked.contains(it))
            .copied()
            .collect();
        let coming: Vec<i32> = member
            .target
            .iter()
            .filter(|it| !member.owned.contains(it) && !taken.contains(it))
            .copied()
            .collect();
        if !going.is_empty() {
            member.revoked.extend(&going);
            member.changes.push_back(Change::Revoke(going));
        }
        if first || !coming.is_empty() {
            member.owned.extend(&coming);
            member.changes.push_back(Change::Assign(coming));
        }
    }

    pub(super) fn next_change(&mut self, member: MemberId) -> Option<Change> {
        self.members.get_mut(&member)?.changes.pop_front()
    }

    /// Partitions are given up: under a new generation others may have them.
    pub(super) fn give_up(&mut self, id: MemberId, gone: &BTreeSet<i32>) -> Vec<MemberId> {
        let Some(member) = self.members.get_mut(&id) else {
            return Vec::new();
        };
        member.owned.retain(|partition| !gone.contains(partition));
        member.revoked.retain(|partition| !gone.contains(partition));
        self.generation += 1;
        self.members.keys().copied().collect()
    }
}
