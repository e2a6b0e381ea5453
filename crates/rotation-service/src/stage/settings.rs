//! How a stage is set up.

use super::reload::Reloads;
use std::time::Duration;

use crate::kafka::KafkaSettings;

/// Where the state of the tasks outlives the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateMode {
    /// In the state topic: a restart goes on where the last commit was.
    Durable,
    /// Nowhere: every start reads the input from its beginning. For embedded clusters, which forget offsets.
    Ephemeral,
}

/// How a stage is set up; [`StageSettings::new`] fills in what usually holds.
#[derive(Clone, Debug)]
pub struct StageSettings {
    /// How to reach Kafka.
    pub kafka: KafkaSettings,
    /// Name of the stage: part of its group, its transactional id and the keys of its state.
    pub name: String,
    /// Place of the stage among those that share a state topic, from 0: spreads their state over partitions.
    pub index: u32,
    /// Topic read.
    pub input: String,
    /// Topics written; tasks name them by index.
    pub outputs: Vec<String>,
    /// Where state outlives the process.
    pub state_mode: StateMode,
    /// Longest time an output waits for its commit.
    pub commit_interval: Duration,
    /// Longest time progress without outputs waits for its commit.
    pub progress_interval: Duration,
    /// Least time between the end of a commit and an urgent one: the coordinator is not quite done when it answers, and
    /// librdkafka waits 20 ms before it asks again for a transaction that came too early.
    pub urgent_gap: Duration,
    /// Time between snapshots of a task.
    pub snapshot_interval: Duration,
    /// A partition without records for so long is idle, if all there is was read. `None`: idleness is not told.
    pub idle_after: Option<Duration>,
    /// Most records in a batch.
    pub batch_records: usize,
    /// Most bytes of keys and payloads in a batch, give or take a record.
    pub batch_bytes: usize,
    /// Most batches on their way through the worker.
    pub batches_in_flight: usize,
    /// Outputs that wait for a commit are bounded by this many bytes, give or take a batch.
    pub pending_bytes: usize,
    /// Longest wait for one transactional call.
    pub transaction_timeout: Duration,
    /// A stage that cannot commit for so long ends with an error.
    pub commit_patience: Duration,
    /// A restore that takes longer ends the stage with an error.
    pub restore_timeout: Duration,
    /// Go on where records or state are lost, counting them, instead of ending with an error.
    pub allow_data_loss: bool,
    /// Follow the state of tasks that others have, so that a takeover reads only the rest.
    pub standby: bool,
    /// Leave the group when stopped, so that others take over at once. A static member that does not leave keeps its
    /// partitions until the session times out, which suits quick restarts.
    pub leave_on_stop: bool,
    /// Snapshot every task when stopped or when it goes to another member, so that nothing has to be stepped again, and
    /// the next process may have other rules.
    pub snapshot_on_stop: bool,
    /// Where another configuration is asked for while the stage runs.
    pub reloads: Reloads,
}

impl StageSettings {
    /// A stage with the usual intervals and bounds.
    #[must_use]
    pub fn new(
        kafka: KafkaSettings,
        name: &str,
        index: u32,
        input: &str,
        outputs: Vec<String>,
    ) -> Self {
        Self {
            kafka,
            name: name.to_owned(),
            index,
            input: input.to_owned(),
            outputs,
            state_mode: StateMode::Durable,
            commit_interval: Duration::from_millis(100),
            progress_interval: Duration::from_secs(1),
            urgent_gap: Duration::from_millis(5),
            snapshot_interval: Duration::from_secs(30),
            idle_after: None,
            batch_records: 8192,
            batch_bytes: 4 << 20,
            batches_in_flight: 3,
            pending_bytes: 64 << 20,
            transaction_timeout: Duration::from_secs(15),
            commit_patience: Duration::from_secs(60),
            restore_timeout: Duration::from_secs(120),
            allow_data_loss: false,
            standby: false,
            leave_on_stop: true,
            snapshot_on_stop: false,
            reloads: Reloads::default(),
        }
    }
}
