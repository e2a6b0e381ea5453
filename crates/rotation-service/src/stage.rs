//! A stage: a restartable, transactional fold of a topic's partitions into other topics.
//!
//! Each input partition has one [`Task`], a pure fold. The stage reads the partitions assigned to it by its consumer
//! group, steps their tasks, and commits what they put out together with where they are: outputs, a small *head* per
//! task in the state topic, and the group's offsets, in one Kafka transaction. Snapshots of the tasks follow at an
//! interval in the same transactions. A restarted task takes the newest snapshot and steps the records between it and
//! the head again with its outputs suppressed; since tasks are pure this ends exactly where the last commit was.
//!
//! Two threads: the one that calls [`run`] owns the Kafka clients, polls, produces and commits; a worker owns the tasks
//! and steps batches, so that the next batch is stepped while one commits. Outputs wait in memory until the commit;
//! the transaction is opened, filled and closed in one go, so that nothing is ever held open while ticks come in
//! slowly, and an aborted transaction is repeated from memory rather than computed again.
//!
//! What is promised, and within which limits, is in [`transact`] (commit), [`restore`] (restart) and `rebalance`.
//!
//! - [`ports`]: what a stage needs of the world; [`cluster`]: those that reach Kafka
//! - [`task`]: what a task is, what it sees and what it may put out
//! - [`settings`]: how a stage is set up; [`observe`]: what it tells about itself
//! - [`rotation_wire::state`]: the bytes of heads and snapshots

pub mod cluster;
pub mod observe;
pub mod ports;
pub mod settings;
pub mod task;

mod batch;
mod commit;
mod error;
mod idle;
mod members;
mod rebalance;
mod reload;
mod restore;
mod run;
mod standby;
mod stop;
mod transact;
mod trouble;
mod worker;

pub use error::StageError;
pub use observe::{Liveness, RebalanceKind, StageFact, StageObserver};
pub use reload::Reloads;
pub(crate) use run::failed;
pub use run::{StopSignal, run, run_in};
pub use settings::{StageSettings, StateMode};
pub use task::{
    Idle, InputRecord, Outbox, OutputRecord, StampKind, Task, TaskFactory, TraceHeaders,
};
