//! Where each task stands: what its group has committed, and what its state stands for.

use super::Finding;
use crate::kafka::KafkaSettings;
use crate::kafka::log::{TopicLog, committed};
use crate::kafka::topics::TopicError;
use rdkafka::Message;
use rotation_wire::invariants::committed_not_ahead;
use rotation_wire::state::{Head, head_key, partition_of};
use std::collections::{BTreeMap, BTreeSet};

/// The stages, and which topic each reads.
pub(crate) const STAGES: [&str; 2] = ["sampler", "universe"];

/// Where a task stands; next input offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskPosition {
    pub(crate) stage: &'static str,
    pub(crate) partition: i32,
    /// What the group has committed.
    pub(crate) committed: Option<i64>,
    /// What the state stands for.
    pub(crate) head: Option<i64>,
    /// Where the newest snapshot was taken.
    pub(crate) snapshot: Option<i64>,
}

impl TaskPosition {
    /// Up to where the task's outputs are committed.
    pub(crate) fn settled(&self) -> Option<i64> {
        self.committed.or(self.head)
    }

    /// What does not hold of it.
    pub(crate) fn finding(&self) -> Option<Finding> {
        let violation = committed_not_ahead(self.committed, self.head, self.snapshot)?;
        Some(Finding {
            code: violation.code(),
            id: None,
            place: None,
            message: format!("{} task {}: {violation}", self.stage, self.partition),
        })
    }
}

/// Reads where the tasks stand. The groups are asked before the state: a head that is later than the group's answer is
/// then not taken for a group that is ahead.
pub(crate) fn positions(settings: &KafkaSettings) -> Result<Vec<TaskPosition>, TopicError> {
    let inputs = [&settings.topics.ticks, &settings.topics.bars];
    let mut groups = Vec::new();
    for (stage, input) in STAGES.into_iter().zip(inputs) {
        groups.push((stage, committed(settings, stage, input)?));
    }
    let mut heads: BTreeMap<(&str, i32), Head> = BTreeMap::new();
    TopicLog::open(settings, &settings.topics.state, "audit")?.read_all(|message| {
        let key = message.key().unwrap_or_default();
        for stage in STAGES {
            let Some(task) = partition_of(stage, key) else {
                continue;
            };
            if key == head_key(stage, task).as_bytes() {
                match message.payload().map(serde_json::from_slice) {
                    Some(Ok(head)) => heads.insert((stage, task), head),
                    _ => heads.remove(&(stage, task)),
                };
            }
        }
    })?;
    let mut found = Vec::new();
    for (stage, committed) in groups {
        let tasks = heads.keys().filter(|(of, _)| *of == stage);
        let mut tasks: BTreeSet<i32> = tasks.map(|(_, task)| *task).collect();
        tasks.extend(committed.keys());
        for partition in tasks {
            let head = heads.get(&(stage, partition));
            found.push(TaskPosition {
                stage,
                partition,
                committed: committed.get(&partition).copied(),
                head: head.map(|head| head.offset),
                snapshot: head
                    .and_then(|head| head.snapshot)
                    .map(|snapshot| snapshot.offset),
            });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_ahead_of_its_state_is_found_and_named() {
        let position = |committed, head| TaskPosition {
            stage: "universe",
            partition: 3,
            committed,
            head,
            snapshot: None,
        };
        assert_eq!(position(Some(5), Some(5)).finding(), None);
        assert_eq!(position(None, Some(5)).settled(), Some(5));
        let found = position(Some(6), Some(5)).finding().unwrap();
        assert_eq!(found.code, "committed_ahead");
        assert_eq!(
            found.message,
            "universe task 3: the group has committed offset 6, the state stands for offset 5"
        );
    }
}
