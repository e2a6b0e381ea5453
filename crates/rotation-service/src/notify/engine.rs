//! The loop of the notifier: a member of its group reads events, a thread a target delivers them, and what every target
//! has taken is committed.
//!
//! A partition is read from its oldest event on whenever it is taken over: what stands at each target follows from its
//! events ([`super::ledger`]), and the marks beside the committed offset say what was told before. Dead letters are
//! written in the transaction that commits past the event, so that it is either still to be delivered or there.

use super::event::Event;
use super::letters::{self, Letter};
use super::marks::{self, Begin};
use super::members::Member;
use super::metrics::NotifyMetrics;
use super::outbox::Outbox;
use super::routing::{self, Verdict};
use super::send::{now, now_millis};
use super::worker::{Done, What};
use crate::config::NotifyConfig;
use crate::stage::ports::{ErrorKind, GroupConsumer, Polled, PortError, Producer, World};
use crate::stage::{
    InputRecord, Liveness, StageError, StageSettings, StopSignal, cluster::Cluster, failed,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

mod commit;
mod group;

/// Longest wait for an answer of the cluster.
const ANSWER: Duration = Duration::from_secs(30);
/// Longest wait for the next record, so long as there is nothing else to do.
const POLL: Duration = Duration::from_millis(20);
/// Most records that are read before the rest of the work is looked at.
const BATCH: usize = 500;
/// Beyond so many events that wait for one target nothing more is read until they are half as many.
const WAITING_MAX: usize = 10_000;
/// For the threads to end when the process stops; longer deliveries are left to the next process.
const STOP_PATIENCE: Duration = Duration::from_secs(12);
/// To leave the group.
const LEAVE_PATIENCE: Duration = Duration::from_secs(5);

/// What the notifier is told.
pub(crate) struct Setup {
    pub(crate) settings: StageSettings,
    pub(crate) config: NotifyConfig,
    pub(crate) public_url: Option<String>,
    pub(crate) begin: Begin,
    pub(crate) metrics: NotifyMetrics,
    pub(crate) liveness: Arc<Liveness>,
    pub(crate) stop: StopSignal,
}

/// The notifier at work.
pub(crate) struct Notifier {
    setup: Setup,
    consumer: Box<dyn GroupConsumer>,
    producer: Option<Box<dyn Producer>>,
    members: BTreeMap<i32, Member>,
    outboxes: Vec<Outbox>,
    done: Receiver<Done>,
    /// Written with the next commit.
    letters: Vec<Letter>,
    /// Something is to be committed.
    is_dirty: bool,
    /// No commit is tried before.
    commit_after: Instant,
    is_paused: bool,
}

impl Notifier {
    /// Starts the targets' threads; fences a process of the same name.
    pub(crate) fn start(setup: Setup) -> anyhow::Result<Notifier> {
        let (tell, done) = channel();
        let mut outboxes = Vec::new();
        for (at, target) in setup.config.targets.iter().enumerate() {
            let metrics = setup.metrics.target(&target.name);
            outboxes.push(Outbox::start(
                at,
                target,
                metrics,
                tell.clone(),
                &setup.stop,
            )?);
        }
        setup.settings.kafka.check()?;
        let consumer = Cluster
            .consumer(&setup.settings)
            .map_err(|source| failed(&setup.settings, "create the consumer", source))?;
        let mut notifier = Notifier {
            setup,
            consumer,
            producer: None,
            members: BTreeMap::new(),
            outboxes,
            done,
            letters: Vec::new(),
            is_dirty: false,
            commit_after: Instant::now(),
            is_paused: false,
        };
        notifier
            .make_producer()
            .map_err(|source| notifier.failed("start transactions", source))?;
        let subscribed = notifier.consumer.subscribe();
        subscribed.map_err(|source| notifier.failed("subscribe to the alerts", source))?;
        Ok(notifier)
    }

    /// Works until it is told to stop, or cannot go on.
    pub(crate) fn run(mut self) -> Result<(), StageError> {
        let result = self.work();
        self.setup.stop.store(true, Ordering::SeqCst);
        let stopped = self.wind_up(result.is_ok());
        self.consumer.answer_alone();
        if !self.consumer.leave(LEAVE_PATIENCE) {
            tracing::warn!(
                "did not leave the group in time; its partitions stay with it until the session times out"
            );
        }
        self.consumer.close();
        if let Some(producer) = self.producer.take() {
            producer.close();
        }
        result.and(stopped)
    }

    fn work(&mut self) -> Result<(), StageError> {
        while !self.setup.stop.load(Ordering::SeqCst) {
            self.answer_group()?;
            self.read()?;
            self.take_done();
            self.release();
            self.commit()?;
            for outbox in &mut self.outboxes {
                outbox.feed();
            }
            self.repeat();
            self.hold_back()?;
            self.show();
            if self.outboxes.iter().any(Outbox::is_over) {
                return Err(StageError::Thread {
                    stage: self.setup.settings.name.clone(),
                    thread: "target",
                });
            }
        }
        Ok(())
    }

    /// Waits for what is under way, and commits it.
    fn wind_up(&mut self, commits: bool) -> Result<(), StageError> {
        self.outboxes.iter_mut().for_each(Outbox::stop);
        let deadline = Instant::now() + STOP_PATIENCE;
        while Instant::now() < deadline && !self.outboxes.iter().all(Outbox::is_over) {
            std::thread::sleep(POLL);
        }
        self.take_done();
        match commits {
            true => self.commit_for(Duration::from_secs(5)),
            false => Ok(()),
        }
    }

    fn read(&mut self) -> Result<(), StageError> {
        self.setup.liveness.polled();
        for turn in 0..BATCH {
            let wait = if turn == 0 { POLL } else { Duration::ZERO };
            let mut record = None;
            let polled = self
                .consumer
                .poll(wait, &mut |found| record = Some(Read::from(found)));
            match polled {
                Polled::Record => {
                    if let Some(record) = record {
                        self.take(record);
                    }
                }
                Polled::End(partition) => self.reached_end(partition),
                Polled::Nothing => return Ok(()),
                Polled::Failed(error) if error.kind == ErrorKind::Passing => {
                    tracing::debug!(%error, "waiting for the cluster");
                    return Ok(());
                }
                Polled::Failed(error) => return Err(self.failed("read the alerts", error)),
            }
        }
        Ok(())
    }

    fn reached_end(&mut self, partition: i32) {
        let Some(member) = self.members.get_mut(&partition) else {
            return;
        };
        member.at_end = true;
        if !member.caught_up {
            member.caught_up = true;
            self.outboxes.iter_mut().for_each(Outbox::repeats_at_once);
        }
        self.count_tasks();
    }

    fn take(&mut self, record: Read) {
        let Some(member) = self.members.get_mut(&record.partition) else {
            return;
        };
        member.at_end = false;
        let bytes = record.payload.as_deref().unwrap_or_default();
        match Event::read(bytes, self.setup.public_url.as_deref()) {
            Ok(event) => {
                let event = Arc::new(Event {
                    key: record.key,
                    partition: record.partition,
                    offset: record.offset,
                    published: record.published,
                    ..event
                });
                let published = marks::timestamp(event.published);
                let verdicts = routing::route(&self.setup.config, &event.alert, published);
                deliver(member, &mut self.outboxes, &event, &verdicts);
            }
            Err(error) => {
                let is_new = member.lanes.iter().any(|lane| lane.is_new(record.offset));
                if is_new {
                    let Read {
                        partition, offset, ..
                    } = record;
                    tracing::error!(partition, offset, %error, "no alert event");
                    let (key, payload) = (record.key.as_deref(), record.payload.as_deref());
                    let topic = &self.setup.settings.input;
                    let why = error.to_string();
                    self.letters.push(letters::stranger(
                        topic,
                        (partition, offset),
                        (key, payload),
                        &why,
                    ));
                    self.setup.metrics.stranger();
                }
            }
        }
        member.passed(record.offset);
        self.is_dirty = true;
    }

    /// Takes in what the targets' threads have done.
    fn take_done(&mut self) {
        while let Ok(Done {
            target,
            job,
            result,
        }) = self.done.try_recv()
        {
            self.outboxes[target].back(&job);
            let (What::Notice(notice), Some(result)) = (&job.what, result) else {
                continue;
            };
            let Some(member) = self.members.get_mut(&job.partition) else {
                continue;
            };
            // It may have come back to us meanwhile, and is then told by its marks.
            if !Arc::ptr_eq(&member.dropped, &job.dropped) {
                continue;
            }
            let outbox = &self.outboxes[target];
            if let Err(given_up) = result {
                let event = &notice.event;
                tracing::error!(
                    target_name = outbox.name,
                    event = event.alert.id,
                    why = given_up.why,
                    attempts = given_up.attempts,
                    "given up: put to the dead letters"
                );
                let topic = &self.setup.settings.input;
                self.letters
                    .push(letters::undelivered(topic, event, &outbox.name, &given_up));
                outbox.metrics.dead.inc();
            }
            let read = member.read;
            member.lanes[target].done(read);
            self.outboxes[target].settled();
            self.is_dirty = true;
        }
    }

    /// Tells what mute windows kept back that have ended.
    fn release(&mut self) {
        let now = now();
        for (&partition, member) in self.members.iter_mut().filter(|(_, member)| member.at_end) {
            for (lane, outbox) in member.lanes.iter_mut().zip(&mut self.outboxes) {
                for notice in lane.release(now) {
                    outbox.push(partition, &member.dropped, notice);
                }
            }
        }
    }

    /// Tells what stands again where that is due. What is not wholly read yet may have ended since.
    fn repeat(&mut self) {
        if !self.members.values().all(|member| member.caught_up) {
            return;
        }
        let now = Instant::now();
        for (at, outbox) in self.outboxes.iter_mut().enumerate() {
            if !outbox.repeats_now(now) {
                continue;
            }
            let lanes = self.members.values().map(|member| &member.lanes[at]);
            let standing = lanes.flat_map(|lane| lane.ledger().standing());
            let standing: Vec<_> = standing
                .map(|(event, look)| (Arc::clone(event), look))
                .collect();
            if !standing.is_empty() {
                outbox.repeat(standing);
            }
        }
    }

    /// Reads no further while a target has too much to take.
    fn hold_back(&mut self) -> Result<(), StageError> {
        let most = self.outboxes.iter().map(Outbox::waiting).max().unwrap_or(0);
        let changed = match self.is_paused {
            false if most > WAITING_MAX => self.consumer.pause(),
            true if most < WAITING_MAX / 2 => self.consumer.resume(),
            _ => return Ok(()),
        };
        self.is_paused = !self.is_paused;
        changed.map_err(|source| self.failed("pause or resume reading", source))
    }

    fn show(&self) {
        let now = now_millis();
        for (at, outbox) in self.outboxes.iter().enumerate() {
            let lanes = || self.members.values().map(|member| &member.lanes[at]);
            let oldest = lanes().filter_map(super::members::Lane::oldest).min();
            let age = oldest.map_or(0, |oldest| now.saturating_sub(oldest).max(0));
            let standing: usize = lanes().map(|lane| lane.ledger().standing().count()).sum();
            let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
            outbox.metrics.waiting.set(gauge(outbox.waiting()));
            outbox.metrics.oldest.set(age as f64 / 1000.0);
            outbox.metrics.standing.set(gauge(standing));
        }
    }

    fn count_tasks(&self) {
        let behind = self.members.values().filter(|member| !member.caught_up);
        self.setup
            .liveness
            .set_tasks(self.members.len(), behind.count());
    }

    fn failed(&self, action: &str, source: PortError) -> StageError {
        failed(&self.setup.settings, action, source)
    }
}

/// Hands an event to the lanes of its partition, and what comes of it to the targets.
fn deliver(member: &mut Member, outboxes: &mut [Outbox], event: &Arc<Event>, verdicts: &[Verdict]) {
    let lanes = member.lanes.iter_mut().zip(outboxes).zip(verdicts);
    for ((lane, outbox), verdict) in lanes {
        let taken = lane.take(event, *verdict);
        if taken.is_held {
            outbox.metrics.muted.inc();
        }
        for notice in taken.notices {
            outbox.push(event.partition, &member.dropped, notice);
        }
    }
}

/// A record, copied out of the client.
struct Read {
    partition: i32,
    offset: i64,
    published: i64,
    key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
}

impl From<&InputRecord<'_>> for Read {
    fn from(record: &InputRecord<'_>) -> Read {
        Read {
            partition: record.partition,
            offset: record.offset,
            published: record
                .timestamp
                .map_or_else(now_millis, |(millis, _)| millis),
            key: record.key.map(<[u8]>::to_vec),
            payload: record.payload.map(<[u8]>::to_vec),
        }
    }
}
