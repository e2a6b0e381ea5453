//! The coordinator's side of a transactional id.

use std::collections::BTreeSet;

use super::Refusal;

/// A producer that has initialised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerId {
    /// Its transactional id.
    pub id: String,
    epoch: u64,
}

enum Phase {
    Idle,
    Open {
        transaction: u64,
        since: u64,
    },
    /// Markers are on their way to so many places.
    Ending {
        transaction: u64,
        left: usize,
    },
}

pub(super) struct Transactional {
    epoch: u64,
    timeout: u64,
    phase: Phase,
    partitions: BTreeSet<(String, i32)>,
    groups: BTreeSet<String>,
}

/// A transaction that ends, and where its markers have to go.
pub(super) struct Outcome {
    pub(super) transaction: u64,
    pub(super) partitions: BTreeSet<(String, i32)>,
    pub(super) groups: BTreeSet<String>,
}

impl Transactional {
    pub(super) fn new(timeout: u64) -> Self {
        Self {
            epoch: 0,
            timeout,
            phase: Phase::Idle,
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    pub(super) fn is_of(&self, producer: &ProducerId) -> bool {
        self.epoch == producer.epoch
    }

    pub(super) fn is_overdue(&self, now: u64) -> bool {
        matches!(self.phase, Phase::Open { since, .. } if now > since + self.timeout)
    }

    /// Whoever has the id now can do nothing any more.
    pub(super) fn fence(&mut self) {
        self.epoch += 1;
    }

    pub(super) fn initialise(&mut self, id: &str) -> Result<ProducerId, Refusal> {
        // Also while it ends, so that two who wait fence each other.
        self.fence();
        match self.phase {
            Phase::Idle => Ok(ProducerId {
                id: id.to_owned(),
                epoch: self.epoch,
            }),
            _ => Err(Refusal::Concurrent),
        }
    }

    /// The open transaction, or a new one of this number.
    pub(super) fn open(&mut self, now: u64, number: u64) -> Result<u64, Refusal> {
        match self.phase {
            Phase::Open { transaction, .. } => Ok(transaction),
            Phase::Ending { .. } => Err(Refusal::Concurrent),
            Phase::Idle => {
                self.phase = Phase::Open {
                    transaction: number,
                    since: now,
                };
                Ok(number)
            }
        }
    }

    pub(super) fn touch(&mut self, topic: &str, partition: i32) {
        self.partitions.insert((topic.to_owned(), partition));
    }

    pub(super) fn touch_group(&mut self, group: &str) {
        self.groups.insert(group.to_owned());
    }

    pub(super) fn end(&mut self) -> Option<Outcome> {
        let Phase::Open { transaction, .. } = self.phase else {
            return None;
        };
        let partitions = std::mem::take(&mut self.partitions);
        let groups = std::mem::take(&mut self.groups);
        let left = partitions.len() + groups.len();
        self.phase = match left {
            0 => Phase::Idle,
            left => Phase::Ending { transaction, left },
        };
        Some(Outcome {
            transaction,
            partitions,
            groups,
        })
    }

    pub(super) fn ended_in_one(&mut self, ended: u64) {
        if let Phase::Ending { transaction, left } = &mut self.phase
            && *transaction == ended
        {
            *left -= 1;
            if *left == 0 {
                self.phase = Phase::Idle;
            }
        }
    }
}
