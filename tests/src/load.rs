//! The service under load, on one local broker: how late alerts are, what processes add, and what a long run leaves.
//!
//! - [`live`]: ticks as they happen, each of which raises an alert, beside a background of others
//! - [`scale`]: the same backlog read by one, two and four processes
//! - [`soak`]: a long feed with restarts; memory, descriptors and state watched
//! - [`recovery`]: the restore of many series, and a rolling restart
//! - [`overload`]: a long backlog, a slow sink, a partition that stops

pub mod live;
pub mod overload;
pub mod process;
pub mod recovery;
pub mod scale;
pub mod soak;
