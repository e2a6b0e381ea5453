//! The processes of the service, under a supervisor that starts anew what ends, as systemd would.

use std::process::ExitStatus;
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
/// More ends that nobody caused, and the run is given up.
const ENDS_MAX: usize = 100;
/// Longest wait for a process that was asked to stop.
const STOP: Duration = Duration::from_secs(60);

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
            let mut service = slot.service.take().context("it does not run")?;
            slot.due = Some(Instant::now() + restart);
            if let Some(status) = service.ended()? {
                self.note(&slot.instance, slot.excused_until, status, &service);
                return Ok(());
            }
            service.kill()
        })
    }

    /// Asks a process to stop, for good, and waits until it has.
    pub(super) fn remove(&self, instance: &str) -> Result<()> {
        let slot = {
            let mut slots = lock(&self.slots);
            let at = slots.iter().position(|slot| slot.instance == instance);
            slots.remove(at.context("there is no such process")?)
        };
        self.stop(slot)
    }

    /// One that ends otherwise than told is noted as such.
    fn stop(&self, slot: Slot) -> Result<()> {
        let Some(mut service) = slot.service else {
            return Ok(());
        };
        if service.ended()?.is_none() {
            service.signal("TERM")?;
        }
        let deadline = Instant::now() + STOP;
        loop {
            match service.ended()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    self.note(&slot.instance, slot.excused_until, status, &service);
                    return Ok(());
                }
                None if Instant::now() > deadline => {
                    bail!("{} does not stop:\n{}", slot.instance, service.log());
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn note(
        &self,
        instance: &str,
        excused_until: Option<Instant>,
        status: ExitStatus,
        service: &Service,
    ) {
        lock(&self.ended).push(Ended {
            at: now_ms(),
            instance: instance.to_owned(),
            was_stopped: excused_until.is_some_and(|till| till > Instant::now()),
            log: format!("{status}\n{}", service.log()),
        });
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
                self.note(&slot.instance, slot.excused_until, status, service);
                if lock(&self.ended).len() > ENDS_MAX {
                    bail!("processes keep ending; the last said\n{}", service.log());
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
        slots.into_iter().try_for_each(|slot| self.stop(slot))
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
