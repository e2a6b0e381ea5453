//! Where the service is: what its groups have committed, and which bars and alerts a subscriber has.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::service::Deployment;

/// Between two looks at what the groups have committed.
const LOOK: Duration = Duration::from_millis(50);
/// Longest wait for one answer; asked again.
const ANSWER: Duration = Duration::from_secs(2);

/// Positions by partition.
type Positions = BTreeMap<i32, i64>;

/// What there was when a fault struck.
#[derive(Clone, Debug, Default)]
pub(super) struct Mark {
    /// Offsets after the last tick.
    pub(super) ticks: Positions,
    /// Offsets of the last bar that a subscriber had.
    bars: Positions,
}

#[derive(Debug, Default)]
struct State {
    sampled: Positions,
    decided: Positions,
    bars: Positions,
    alerts: usize,
    quiet_since: Option<Instant>,
}

/// What a watcher has seen so far.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<State>);

impl Progress {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is to be read now, if these are the ends of the ticks.
    pub(super) fn mark(&self, ticks: Positions) -> Mark {
        let bars = self.lock().bars.clone();
        Mark { ticks, bars }
    }

    /// Whether both stages have committed all there was at the mark.
    pub(super) fn passed(&self, mark: &Mark) -> bool {
        let state = self.lock();
        let beyond = |committed: &Positions, (partition, end): (&i32, i64)| {
            committed.get(partition).is_some_and(|next| *next >= end)
        };
        mark.ticks
            .iter()
            .all(|(at, end)| beyond(&state.sampled, (at, *end)))
            && mark
                .bars
                .iter()
                .all(|(at, last)| beyond(&state.decided, (at, last + 1)))
    }

    /// Whether nothing has come for so long.
    pub(super) fn quiet(&self, time: Duration) -> bool {
        let state = self.lock();
        state
            .quiet_since
            .is_some_and(|since| since.elapsed() >= time)
    }

    /// Number of alert records that a subscriber has.
    pub(super) fn alerts(&self) -> usize {
        self.lock().alerts
    }

    pub(super) fn describe(&self) -> String {
        format!("{:?}", self.lock())
    }

    /// Watches until told to stop; what fails is asked again.
    pub(super) fn watch(&self, deployment: &Deployment, stop: &AtomicBool) -> Result<()> {
        let [ticks, bars, alerts, ..] = &deployment.topics;
        let group = |stage: &str| -> Result<BaseConsumer> {
            let mut config = deployment.broker.config();
            Ok(config.set("group.id", deployment.group(stage)).create()?)
        };
        let (sampler, universe) = (group("sampler")?, group("universe")?);
        let subscriber: BaseConsumer = deployment
            .broker
            .config()
            .set("group.id", "chaos-subscriber")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .create()?;
        let mut assigned = TopicPartitionList::new();
        for topic in [bars, alerts] {
            for partition in deployment.broker.partitions(topic)? {
                assigned.add_partition_offset(topic, partition, Offset::Beginning)?;
            }
        }
        subscriber.assign(&assigned)?;
        let all_ticks = deployment.broker.partitions(ticks)?;
        let all_bars = deployment.broker.partitions(bars)?;
        let mut looked = Instant::now();
        while !stop.load(Ordering::SeqCst) {
            match subscriber.poll(Duration::from_millis(10)) {
                Some(Ok(message)) => self.take(&message, bars),
                None => {
                    let mut state = self.lock();
                    state.quiet_since.get_or_insert_with(Instant::now);
                }
                Some(Err(_)) => {}
            }
            if looked.elapsed() > LOOK {
                if let Some(found) = committed(&sampler, ticks, &all_ticks) {
                    self.lock().sampled = found;
                }
                if let Some(found) = committed(&universe, bars, &all_bars) {
                    self.lock().decided = found;
                }
                looked = Instant::now();
            }
        }
        Ok(())
    }

    fn take(&self, message: &rdkafka::message::BorrowedMessage<'_>, bars: &str) {
        let mut state = self.lock();
        state.quiet_since = None;
        if message.topic() == bars {
            state.bars.insert(message.partition(), message.offset());
        } else {
            state.alerts += 1;
        }
    }
}

/// What a group has committed; `None` while its coordinator does not answer.
fn committed(group: &BaseConsumer, topic: &str, partitions: &[i32]) -> Option<Positions> {
    let mut asked = TopicPartitionList::new();
    for &partition in partitions {
        asked.add_partition(topic, partition);
    }
    let found = group.committed_offsets(asked, ANSWER).ok()?;
    let each = found.elements().into_iter().filter_map(|element| {
        let Offset::Offset(offset) = element.offset() else {
            return None;
        };
        Some((element.partition(), offset))
    });
    Some(each.collect())
}
