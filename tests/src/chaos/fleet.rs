//! The processes of the service, under a supervisor that starts anew what ends, as systemd would.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::now_ms;
use crate::service::{Deployment, Service};

/// How long after an end that nobody caused the supervisor starts it anew.
const RESTART: Duration = Duration::from_secs(1);
/// How long after it went on a process that was stopped may end because of that.
const AFTERMATH: Duration = Duration::from_secs(60);
/// A process that ends so often within this many seconds is not started again.
const ENDS_MAX: usize = 20;

/// A process that ended by itself.
#[derive(Clone, Debug)]
pub struct Ended {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// Its instance name.
    pub instance: String,
    /// Whether it had been stopped beyond its session, and went on.
    pub was_stopped: bool,
    /// The end of its log.
    pub log: String,
}

#[derive(Debug)]
struct Slot {
    instance: String,
    service: Option<Service>,
    /// When it is to be started; none where it runs, or is to stay away.
    due: Option<Instant>,
    stopped: bool,
    excused_until: Option<Instant>,
}

/// All processes.
pub(super) struct Fleet<'a> {
    deployment: &'a Deployment,
    args: Vec<String>,
    slots: Mutex<Vec<Slot>>,
    ended: Mutex<Vec<Ended>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Fleet<'a> {
    pub(super) fn new(deployment: &'a Deployment, args: Vec<String>) -> Self {
        Self {
            deployment,
            args,
            slots: Mutex::default(),
            ended: Mutex::default(),
        }
    }

    /// Starts another process under this name.
    pub(super) fn add(&self, instance: &str) -> Result<()> {
        let service = self.start(instance)?;
        lock(&self.slots).push(Slot {
            instance: instance.to_owned(),
            service: Some(service),
            due: None,
            stopped: false,
            excused_until: None,
        });
        Ok(())
    }

    fn start(&self, instance: &str) -> Result<Service> {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        self.deployment.run(instance, &args)
    }

    /// Names of the processes that run.
    pub(super) fn running(&self) -> Vec<String> {
        let slots = lock(&self.slots);
        let running = slots
            .iter()
            .filter(|slot| slot.service.is_some() && !slot.stopped);
        running.map(|slot| slot.instance.clone()).collect()
    }

    /// Kills a process as `kill -9` does; the supervisor starts it again after so long.
    pub(super) fn kill(&self, instance: &str, restart: Duration) -> Result<()> {
        self.with(instance, |slot| {
            let service = slot.service.take().context("it does not run")?;
            slot.due = Some(Instant::now() + restart);
            service.kill()
        })
    }

    /// Asks a process to stop, for good, and waits until it has.
    pub(super) fn remove(&self, instance: &str) -> Result<()> {
        let service = {
            let mut slots = lock(&self.slots);
            let at = slots
                .iter()
                .position(|slot| slot.instance == instance)
                .context("there is no such process")?;
            slots.remove(at).service.context("it does not run")?
        };
        service.terminate()
    }

    /// Stops a process in its tracks, or lets it go on.
    pub(super) fn freeze(&self, instance: &str, frozen: bool) -> Result<()> {
        self.with(instance, |slot| {
            let service = slot.service.as_ref().context("it does not run")?;
            service.signal(if frozen { "STOP" } else { "CONT" })?;
            slot.stopped = frozen;
            if !frozen {
                slot.excused_until = Some(Instant::now() + AFTERMATH);
            }
            Ok(())
        })
    }

    /// What ended by itself so far.
    pub(super) fn ended(&self) -> Vec<Ended> {
        lock(&self.ended).clone()
    }

    /// Starts what is due and what ended by itself, until told to stop.
    pub(super) fn supervise(&self, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Ordering::SeqCst) {
            self.look()?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn look(&self) -> Result<()> {
        let mut slots = lock(&self.slots);
        for slot in slots.iter_mut() {
            if let Some(service) = &mut slot.service
                && let Some(status) = service.ended()?
            {
                let log = format!("{status}\n{}", service.log());
                let mut ended = lock(&self.ended);
                ended.push(Ended {
                    at: now_ms(),
                    instance: slot.instance.clone(),
                    was_stopped: slot.excused_until.is_some_and(|till| till > Instant::now()),
                    log: log.clone(),
                });
                if ended.len() > ENDS_MAX {
                    bail!("processes keep ending by themselves; the last said\n{log}");
                }
                slot.service = None;
                slot.due = Some(Instant::now() + RESTART);
            }
            if slot.due.is_some_and(|due| due <= Instant::now()) {
                slot.service = Some(self.start(&slot.instance)?);
                slot.due = None;
            }
        }
        Ok(())
    }

    /// Asks all to stop, and waits until they have.
    pub(super) fn finish(&self) -> Result<()> {
        let slots = std::mem::take(&mut *lock(&self.slots));
        for service in slots.into_iter().filter_map(|slot| slot.service) {
            service.terminate()?;
        }
        Ok(())
    }

    /// Ends of all logs.
    pub(super) fn logs(&self) -> String {
        let slots = lock(&self.slots);
        let logs = slots.iter().map(|slot| {
            let log = slot.service.as_ref().map(Service::log);
            format!("{}:\n{}", slot.instance, log.unwrap_or_default())
        });
        logs.collect::<Vec<_>>().join("\n---\n")
    }

    fn with<T>(&self, instance: &str, act: impl FnOnce(&mut Slot) -> Result<T>) -> Result<T> {
        let mut slots = lock(&self.slots);
        let slot = slots.iter_mut().find(|slot| slot.instance == instance);
        act(slot.with_context(|| format!("there is no process {instance}"))?)
            .with_context(|| format!("process {instance}"))
    }
}
