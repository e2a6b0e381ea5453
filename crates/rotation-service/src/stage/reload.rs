//! A running stage gets another configuration: its tasks are made anew, each from what the one before it remembers.
//!
//! It happens between two batches, when every task is live and no assignment is under way, and it is what a restart
//! would do: a snapshot in memory, another task, the snapshot restored. The next commit has a new snapshot of each.

use super::error::StageError;
use super::run::Stage;
use super::task::TaskFactory;
use super::worker::Job;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Where another configuration is asked for.
#[derive(Clone, Debug, Default)]
pub struct Reloads(pub(crate) Arc<Mutex<Option<Request>>>);

/// Tasks to come, and who wants to know how it went.
pub(crate) struct Request {
    pub(crate) factory: TaskFactory,
    pub(crate) answer: Sender<Result<(), String>>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Request")
    }
}

impl Reloads {
    /// Asks for tasks of this factory; a request that waits still is dropped. The answer comes once they step, or once
    /// one of them could not be made, and then the stage goes on with those that it has.
    pub fn ask(&self, factory: TaskFactory) -> Receiver<Result<(), String>> {
        let (answer, answers) = channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Request { factory, answer });
        answers
    }

    /// Takes back what was asked for and has not begun; whether there was something.
    pub fn take_back(&self) -> bool {
        self.take().is_some()
    }

    pub(crate) fn take(&self) -> Option<Request> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Stage {
    /// Begins a reload that was asked for, if nothing is in its way.
    pub(super) fn reload(&mut self) -> Result<(), StageError> {
        let is_calm = self.restoring.is_none() && self.members.behind() == 0;
        if !is_calm || !self.has_room() {
            return Ok(());
        }
        let Some(request) = self.settings.reloads.take() else {
            return Ok(());
        };
        if !self.batch.is_empty() {
            self.hand_over(Vec::new())?;
        }
        tracing::info!(stage = self.settings.name, "tasks are made anew");
        self.submit(Job::Reload(request))
    }
}
