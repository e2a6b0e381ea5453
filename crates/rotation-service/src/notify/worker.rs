//! The thread of a target: one delivery at a time, in order, each tried until it is taken or given up.

use super::event::{Event, Look};
use super::ledger::Notice;
use super::metrics::TargetMetrics;
use super::send::{Outcome, Sender, now_millis};
use crate::config::notify::Delivery;
use crate::stage::StopSignal;
use rand::Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender as Channel};
use std::time::{Duration, Instant};

/// Between two looks at whether to stop.
const STEP: Duration = Duration::from_millis(50);

/// Something to deliver.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) partition: i32,
    /// Set once the partition belongs to someone else.
    pub(crate) dropped: Arc<AtomicBool>,
    pub(crate) what: What,
}

/// What is delivered.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// An event.
    Notice(Notice),
    /// What stands, again.
    Standing(Vec<(Arc<Event>, Look)>),
}

/// What came of a job.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) target: usize,
    pub(crate) job: Job,
    /// None where it is left to another process, or to this one when it runs again.
    pub(crate) result: Option<Result<(), GivenUp>>,
}

/// Why an event is a dead letter.
#[derive(Clone, Debug)]
pub(crate) struct GivenUp {
    pub(crate) why: String,
    pub(crate) attempts: u32,
}

/// The thread of one target.
pub(crate) struct Worker {
    pub(crate) target: usize,
    pub(crate) name: String,
    pub(crate) sender: Sender,
    pub(crate) delivery: Delivery,
    pub(crate) metrics: TargetMetrics,
    pub(crate) stop: StopSignal,
}

impl Worker {
    /// Delivers until there is nothing more to come, or it is to stop.
    pub(crate) fn run(&self, jobs: &Receiver<Job>, done: &Channel<Done>) {
        while let Ok(job) = jobs.recv() {
            let result = match &job.what {
                What::Notice(notice) => self.deliver(notice, &job.dropped),
                What::Standing(standing) => {
                    self.repeat(standing);
                    Some(Ok(()))
                }
            };
            let target = self.target;
            if done
                .send(Done {
                    target,
                    job,
                    result,
                })
                .is_err()
            {
                return;
            }
        }
    }

    /// Posts what stands again. Where that fails the next time is soon enough.
    fn repeat(&self, standing: &[(Arc<Event>, Look)]) {
        if self.stop.load(Ordering::SeqCst) {
            return;
        }
        match self.sender.standing(standing.iter()) {
            Outcome::Taken => self.metrics.repeated.inc_by(standing.len() as u64),
            Outcome::Failed { why, .. } | Outcome::Refused(why) => {
                self.metrics.failed.inc();
                tracing::warn!(
                    target_name = self.name,
                    why,
                    "what stands was not taken again"
                );
            }
        }
    }

    /// Tries until the event is taken or given up; nothing where it is left to another process.
    fn deliver(&self, notice: &Notice, dropped: &AtomicBool) -> Option<Result<(), GivenUp>> {
        let begun = Instant::now();
        let mut attempts = 0;
        loop {
            if self.stop.load(Ordering::SeqCst) || dropped.load(Ordering::SeqCst) {
                return None;
            }
            attempts += 1;
            let event = &notice.event.alert.id;
            let (why, pause) = match self.sender.notice(notice) {
                Outcome::Taken => {
                    self.metrics.delivered.inc();
                    let took = now_millis().saturating_sub(notice.event.published).max(0);
                    tracing::info!(
                        target_name = self.name,
                        event,
                        attempts,
                        published_ms_ago = took,
                        "delivered"
                    );
                    return Some(Ok(()));
                }
                Outcome::Refused(why) => {
                    self.metrics.failed.inc();
                    return Some(Err(GivenUp { why, attempts }));
                }
                Outcome::Failed { why, pause } => (why, pause),
            };
            self.metrics.failed.inc();
            // However soon the target would have it: not without any pause.
            let least = self.delivery.retry_min / 10;
            let pause = pause.unwrap_or_else(|| self.backoff(attempts)).max(least);
            if begun.elapsed() + pause >= self.delivery.give_up_after {
                return Some(Err(GivenUp { why, attempts }));
            }
            tracing::warn!(
                target_name = self.name,
                event,
                attempts,
                ?pause,
                why,
                "not delivered yet"
            );
            self.pause(pause, dropped);
            self.metrics.retried.inc();
        }
    }

    /// Drawn from zero to a bound that doubles with each attempt.
    fn backoff(&self, attempts: u32) -> Duration {
        let bound = backoff_bound(&self.delivery, attempts);
        bound.mul_f64(rand::rng().random_range(0.0..=1.0))
    }

    fn pause(&self, pause: Duration, dropped: &AtomicBool) {
        let until = Instant::now() + pause;
        while !self.stop.load(Ordering::SeqCst) && !dropped.load(Ordering::SeqCst) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(STEP));
        }
    }
}

/// The longest pause after so many attempts.
fn backoff_bound(delivery: &Delivery, attempts: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
    delivery
        .retry_min
        .saturating_mul(doubled)
        .min(delivery.retry_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_bound() {
        let delivery = Delivery {
            timeout: Duration::from_secs(10),
            give_up_after: Duration::from_secs(60),
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_secs(10),
            ca_file: None,
        };
        let bounds = [1, 2, 3, 4, 5, 40, u32::MAX].map(|at| backoff_bound(&delivery, at).as_secs());
        assert_eq!(bounds, [1, 2, 4, 8, 10, 10, 10]);
    }
}
