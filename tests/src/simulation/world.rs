//! The world of a simulated process: its clock, its threads and its clients.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rotation_service::kafka::topics::TopicError;
use rotation_service::stage::ports::{
    ErrorKind, GroupConsumer, Isolation, PortError, Producer, Reader, World,
};
use rotation_service::stage::{StageError, StageSettings};
use rotation_sim::broker::{Broker, MemberId, Refusal};
use rotation_sim::kernel::{Kernel, Process};

use super::consumer::SimConsumer;
use super::producer::SimProducer;
use super::reader::SimReader;

/// How often calls go wrong, in thousandths, and what does so for a while.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// A poll brings nothing although there is something.
    pub poll_dropped: u64,
    /// A poll brings a record again.
    pub poll_repeated: u64,
    /// A call is given up before it had an effect.
    pub timed_out_before: u64,
    /// A call had its effect, but the answer does not come.
    pub timed_out_after: u64,
    /// The end of a transaction is left unknown: the producer is unfit afterwards.
    pub indefinite: u64,
    /// No broker answers before this instant.
    pub broker_lost_until: u64,
    /// Answers take fifty times as long before this instant.
    pub slow_until: u64,
}

/// What all processes of a run share.
pub struct Shared {
    pub(super) kernel: Arc<Kernel>,
    broker: Mutex<Broker>,
    weather: Mutex<Weather>,
    /// Which process a member is in.
    members: Mutex<BTreeMap<MemberId, Process>>,
    /// How often each kind of fault struck.
    struck: Mutex<BTreeMap<&'static str, u64>>,
    /// Instant 0.
    base: Instant,
    /// By how much the wall clock is off, in milliseconds.
    pub(super) jumped: AtomicI64,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// A world around a broker.
    pub fn new(kernel: Arc<Kernel>, broker: Broker) -> Arc<Shared> {
        Arc::new(Shared {
            kernel,
            broker: Mutex::new(broker),
            weather: Mutex::default(),
            members: Mutex::default(),
            struck: Mutex::default(),
            base: Instant::now(),
            jumped: AtomicI64::new(0),
        })
    }

    /// Asks the broker, after everything due has happened there.
    pub fn broker<R>(&self, ask: impl FnOnce(&mut Broker, u64) -> R) -> R {
        let now = self.kernel.now();
        let members = lock(&self.members).clone();
        let last_seen = |member: MemberId| {
            members
                .get(&member)
                .map_or(0, |process| self.kernel.life(*process).last_seen(now))
        };
        let mut broker = lock(&self.broker);
        broker.advance(now, &last_seen);
        ask(&mut broker, now)
    }

    /// Changes the weather.
    pub fn weather(&self, change: impl FnOnce(&mut Weather)) {
        change(&mut lock(&self.weather));
    }

    /// Counts a fault that struck.
    pub fn strike(&self, what: &'static str) {
        *lock(&self.struck).entry(what).or_default() += 1;
    }

    /// How often each kind of fault struck.
    pub fn struck(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.struck).clone()
    }

    pub(super) fn settle_in(&self, member: MemberId, process: Process) {
        lock(&self.members).insert(member, process);
    }

    /// Whether a fault of this rate strikes now.
    pub(super) fn strikes(&self, what: &'static str, rate: impl Fn(&Weather) -> u64) -> bool {
        let rate = rate(&lock(&self.weather));
        let strikes = rate > 0 && self.kernel.chance(rate);
        if strikes {
            self.strike(what);
        }
        strikes
    }

    /// The way to the broker: it takes its time, and in bad weather ends before it is there.
    pub(super) fn travel(&self, wait: Duration) -> Result<(), PortError> {
        let kernel = &self.kernel;
        let (lost_until, slow) = {
            let weather = lock(&self.weather);
            let now = kernel.now();
            (weather.broker_lost_until, weather.slow_until > now)
        };
        let micros = 50 + kernel.roll(400);
        let takes = Duration::from_micros(if slow { micros * 50 } else { micros });
        kernel.sleep(takes.min(wait));
        let now = kernel.now();
        if lost_until > now {
            let outage = Duration::from_nanos(lost_until - now);
            kernel.sleep(outage.min(wait));
            if outage > wait {
                return Err(timed_out());
            }
        }
        if takes > wait || self.strikes("call timed out", |it| it.timed_out_before) {
            kernel.sleep(wait.min(Duration::from_millis(200)));
            return Err(timed_out());
        }
        Ok(())
    }

    /// The way back: the answer may be lost.
    pub(super) fn answer(&self) -> Result<(), PortError> {
        if self.strikes("answer lost", |it| it.timed_out_after) {
            self.kernel.sleep(Duration::from_millis(100));
            return Err(timed_out());
        }
        Ok(())
    }
}

/// An error as librdkafka has it for calls that may be repeated.
pub(super) fn timed_out() -> PortError {
    PortError::new(
        ErrorKind::Retriable,
        "OperationTimedOut",
        "no answer in time",
    )
}

/// What a refusal is to a client.
pub(super) fn refused(refusal: Refusal) -> PortError {
    let (kind, code) = match refusal {
        Refusal::Concurrent => (ErrorKind::Retriable, "ConcurrentTransactions"),
        Refusal::Unstable => (ErrorKind::Retriable, "UnstableOffsetCommit"),
        Refusal::Fenced => (ErrorKind::ProducerFenced, "ProducerFenced"),
        Refusal::FencedInstance => (ErrorKind::MemberFenced, "FencedInstanceId"),
        Refusal::IllegalGeneration => (ErrorKind::Abort, "IllegalGeneration"),
        Refusal::UnknownMember => (ErrorKind::Abort, "UnknownMemberId"),
        Refusal::NoTransaction => (ErrorKind::Abort, "InvalidTransactionalState"),
    };
    PortError::new(kind, code, format!("{refusal:?}"))
}

/// The world of one process.
#[derive(Clone)]
pub struct SimWorld {
    pub(super) shared: Arc<Shared>,
    pub(super) process: Process,
}

impl SimWorld {
    /// The world of this process.
    #[must_use]
    pub fn of(shared: &Arc<Shared>, process: Process) -> SimWorld {
        SimWorld {
            shared: Arc::clone(shared),
            process,
        }
    }
}

impl World for SimWorld {
    fn now(&self) -> Instant {
        self.shared.base + Duration::from_nanos(self.shared.kernel.now())
    }

    fn wall_clock(&self) -> i64 {
        let stamp = self.shared.broker(|broker, now| broker.stamp(now));
        stamp + self.shared.jumped.load(Ordering::SeqCst)
    }

    fn sleep(&self, time: Duration) {
        self.shared.kernel.sleep(time);
    }

    /// Looks again at growing distances: nobody is woken here.
    fn wait(&self, longest: Duration, ready: &mut dyn FnMut(Duration) -> bool) {
        let kernel = &self.shared.kernel;
        let most = (longest / 100).clamp(Duration::from_millis(1), Duration::from_millis(100));
        let deadline = self.now() + longest;
        let mut step = Duration::from_micros(20);
        while !ready(Duration::ZERO) {
            let left = deadline.saturating_duration_since(self.now());
            if left.is_zero() {
                return;
            }
            kernel.sleep(step.min(left));
            step = (step * 2).min(most);
        }
    }

    fn spawn(&self, name: String, work: Box<dyn FnOnce() + Send>) -> std::io::Result<()> {
        self.shared.kernel.pass();
        self.shared.kernel.spawn(self.process, name, work)
    }

    fn partitions(&self, _: &StageSettings, topic: &str) -> Result<i32, StageError> {
        match self.shared.broker(|broker, _| broker.partitions(topic)) {
            0 => Err(StageError::Topic(TopicError::Missing {
                topic: topic.to_owned(),
            })),
            partitions => Ok(partitions),
        }
    }

    fn consumer(&self, settings: &StageSettings) -> Result<Box<dyn GroupConsumer>, PortError> {
        Ok(Box::new(SimConsumer::new(self.clone(), settings)))
    }

    fn producer(&self, settings: &StageSettings) -> Result<Box<dyn Producer>, PortError> {
        Ok(Box::new(SimProducer::new(self.clone(), settings)))
    }

    fn reader(
        &self,
        settings: &StageSettings,
        isolation: Isolation,
    ) -> Result<Box<dyn Reader>, PortError> {
        Ok(Box::new(SimReader::new(self.clone(), settings, isolation)))
    }
}
