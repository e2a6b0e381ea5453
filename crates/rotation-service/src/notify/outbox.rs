//! What waits for each target, and how much of it is given to its thread at a time.

use super::ledger::Notice;
use super::metrics::TargetMetrics;
use super::send::Sender;
use super::worker::{Done, Job, What, Worker};
use crate::config::notify::{Target, TargetKind};
use crate::stage::StopSignal;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender as Channel, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Deliveries that a thread is given ahead, to a target that knows a repetition by its id.
const AHEAD: usize = 32;

/// A target and its thread.
pub(crate) struct Outbox {
    pub(crate) name: String,
    pub(crate) metrics: TargetMetrics,
    queue: VecDeque<Job>,
    in_flight: Vec<Arc<AtomicBool>>,
    jobs: Option<Channel<Job>>,
    thread: Option<JoinHandle<()>>,
    /// The target cannot tell a repetition: the next delivery waits until the one before is committed.
    is_forgetful: bool,
    uncommitted: bool,
    /// Where what stands is to be told again and again: how often, and when next.
    repeats: Option<(Duration, Instant)>,
}

impl Outbox {
    /// Starts the thread of a target.
    pub(crate) fn start(
        at: usize,
        target: &Target,
        metrics: TargetMetrics,
        done: Channel<Done>,
        stop: &StopSignal,
    ) -> anyhow::Result<Outbox> {
        let (jobs, taken): (_, Receiver<Job>) = channel();
        let worker = Worker {
            target: at,
            name: target.name.clone(),
            sender: Sender::new(target)?,
            delivery: target.delivery.clone(),
            metrics: metrics.clone(),
            stop: stop.clone(),
        };
        let thread = std::thread::Builder::new().name(format!("notify-{}", target.name));
        let thread = thread.spawn(move || worker.run(&taken, &done))?;
        let repeats = match &target.kind {
            TargetKind::Alertmanager { resend_every, .. } => Some((*resend_every, Instant::now())),
            _ => None,
        };
        Ok(Outbox {
            name: target.name.clone(),
            metrics,
            queue: VecDeque::new(),
            in_flight: Vec::new(),
            jobs: Some(jobs),
            thread: Some(thread),
            is_forgetful: matches!(target.kind, TargetKind::Slack { .. }),
            uncommitted: false,
            repeats,
        })
    }

    pub(crate) fn push(&mut self, partition: i32, dropped: &Arc<AtomicBool>, notice: Notice) {
        self.queue.push_back(Job {
            partition,
            dropped: Arc::clone(dropped),
            what: What::Notice(notice),
        });
    }

    /// Gives its thread what it may have.
    pub(crate) fn feed(&mut self) {
        let most = if self.is_forgetful { 1 } else { AHEAD };
        while self.in_flight.len() < most && !(self.is_forgetful && self.uncommitted) {
            let Some(job) = self.queue.pop_front() else {
                return;
            };
            self.give(job);
        }
    }

    fn give(&mut self, job: Job) {
        self.in_flight.push(Arc::clone(&job.dropped));
        let jobs = self
            .jobs
            .as_ref()
            .expect("the thread runs until it is stopped");
        // A thread that ended is found out by what it does not do.
        let _ = jobs.send(job);
    }

    /// A job came back.
    pub(crate) fn back(&mut self, job: &Job) {
        let place = self
            .in_flight
            .iter()
            .position(|flag| Arc::ptr_eq(flag, &job.dropped));
        if let Some(place) = place {
            self.in_flight.remove(place);
        }
    }

    /// What came back is to be committed.
    pub(crate) fn settled(&mut self) {
        self.uncommitted = true;
    }

    /// What came back is committed.
    pub(crate) fn committed(&mut self) {
        self.uncommitted = false;
    }

    /// Whether what stands is to be told again by now; the next time is later.
    pub(crate) fn repeats_now(&mut self, now: Instant) -> bool {
        let is_idle = self.queue.is_empty() && self.in_flight.is_empty();
        match &mut self.repeats {
            Some((every, next)) if is_idle && *next <= now => {
                *next = now + *every;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn repeats_at_once(&mut self) {
        if let Some((_, next)) = &mut self.repeats {
            *next = Instant::now();
        }
    }

    /// Tells what stands again.
    pub(crate) fn repeat(&mut self, standing: Vec<(Arc<super::event::Event>, super::event::Look)>) {
        self.give(Job {
            partition: -1,
            dropped: Arc::default(),
            what: What::Standing(standing),
        });
    }

    /// Forgets what waits for a partition.
    pub(crate) fn forget(&mut self, partition: i32) {
        self.queue.retain(|job| job.partition != partition);
    }

    /// Events that wait, those with the thread among them.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len() + self.in_flight.len()
    }

    /// Whether the thread has something of partitions that are given up.
    pub(crate) fn is_busy_for_dropped(&self) -> bool {
        self.in_flight
            .iter()
            .any(|flag| flag.load(Ordering::SeqCst))
    }

    /// Lets the thread end after what it is at.
    pub(crate) fn stop(&mut self) {
        self.jobs = None;
        self.queue.clear();
    }

    /// Whether the thread has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}
