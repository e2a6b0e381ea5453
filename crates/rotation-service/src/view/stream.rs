//! Server-sent events: what changes, from a position on.
//!
//! The ring of changes is the queue of every client, each with a place of its own in it: so none costs memory, and one
//! that is too slow finds its place gone and is sent away. A client's position counts what it was sent; where it came
//! from another process it may be ahead of what this one has read, and is then told nothing twice.

use super::model::Change;
use super::place::Position;
use super::ring::Gone;
use super::{View, wall_clock};
use crate::http::Lease;
use axum::response::sse::{Event, Sse};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Streams at a time.
pub(super) const CLIENTS_MAX: usize = 64;
/// How often a silent stream says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// A client that is ahead of this process for so many heartbeats has a position of another topic.
const AHEAD_MAX: u32 = 3;
/// Entries looked at, at a time.
const BATCH: usize = 256;

/// From where a client goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// From now on.
    Now,
    /// From a position.
    Position(Position),
    /// From a text that is none: it has to load anew.
    Malformed,
}

/// A client's place among those that there may be.
struct Seat {
    view: Arc<View>,
    lease: Option<Lease>,
}

impl Seat {
    fn take(view: &Arc<View>, lease: Option<Lease>) -> Option<Seat> {
        view.count_clients(true);
        let seat = Seat {
            view: view.clone(),
            lease,
        };
        // Dropping it gives it back.
        (view.clients.load(Ordering::SeqCst) <= CLIENTS_MAX).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.view.count_clients(false);
        if let Some(lease) = &self.lease {
            lease.end();
        }
    }
}

struct Client {
    seat: Seat,
    moved: watch::Receiver<u64>,
    heartbeat: Interval,
    /// Events to be sent.
    queue: VecDeque<Event>,
    /// What keeps the topics from being read, as it was told last.
    notes: Vec<String>,
    /// What was seen.
    position: Position,
    /// The next entry of the ring; none before everything was read.
    next: Option<u64>,
    from: From,
    told_caught_up: bool,
    ahead: u32,
    over: bool,
}

/// The stream of a client; none when there are too many.
pub(super) fn open(
    view: &Arc<View>,
    from: From,
    lease: Option<Lease>,
) -> Option<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>> {
    if let Some(lease) = &lease {
        lease.begin();
    }
    let seat = Seat::take(view, lease);
    if seat.is_none() {
        view.metrics.client_dropped("full");
    }
    let seat = seat?;
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let client = Client {
        moved: view.moved.subscribe(),
        seat,
        heartbeat,
        queue: VecDeque::new(),
        notes: Vec::new(),
        position: Position::default(),
        next: None,
        from,
        told_caught_up: false,
        ahead: 0,
        over: false,
    };
    Some(Sse::new(stream::unfold(client, step)))
}

async fn step(mut client: Client) -> Option<(Result<Event, Infallible>, Client)> {
    let lease = client.seat.lease.clone();
    loop {
        if let Some(lease) = &lease {
            lease.progress();
        }
        if client.queue.is_empty() && !client.over {
            client.moved.borrow_and_update();
            client.fill();
        }
        if let Some(event) = client.queue.pop_front() {
            return Some((Ok(event), client));
        }
        if client.over {
            return None;
        }
        let stopping = async {
            match &lease {
                Some(lease) => lease.stopping().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stopping => return None,
            moved = client.moved.changed() => moved.ok()?,
            _ = client.heartbeat.tick() => {
                client.look_ahead();
                let comment = Event::default().comment("alive");
                return Some((Ok(comment), client));
            }
        }
    }
}

impl Client {
    /// Puts into the queue what there is to be sent.
    fn fill(&mut self) {
        let view = self.seat.view.clone();
        let state = view.read();
        let notes = state.notes();
        if notes != self.notes {
            // Of no place in the topics.
            let event = Event::default().event("notes").json_data(&notes);
            self.queue
                .push_back(event.expect("what is served are texts"));
            self.notes = notes;
        }
        // Before everything was read nothing can be said about where a client is.
        if !state.caught_up {
            return;
        }
        let next = match self.next {
            Some(next) => next,
            None => match std::mem::replace(&mut self.from, From::Now) {
                From::Now => {
                    self.position = state.position.clone();
                    state.ring.end()
                }
                From::Position(position) => match state.ring.resume(&position) {
                    Ok(next) => {
                        self.position = position;
                        next
                    }
                    Err(Gone) => return self.reset(),
                },
                From::Malformed => return self.reset(),
            },
        };
        let Ok(entries) = state.ring.from(next) else {
            view.metrics.client_dropped("slow");
            self.over = true;
            return;
        };
        let mut reached = next;
        for (number, entry) in entries.take(BATCH) {
            reached = number + 1;
            if self.position.is_past(entry.place) {
                continue;
            }
            self.position.pass(entry.place);
            let event = match &entry.change {
                Change::Alert(episode, event) => {
                    self.event("alert", &Change::alert(episode, event))
                }
                Change::Reading(reading) => self.event("reading", &**reading),
                Change::Horizon(name) => match state.model.universe(name, wall_clock()) {
                    Some(universe) => self.event("horizon", &universe),
                    // Of another configuration.
                    None => continue,
                },
            };
            self.queue.push_back(event);
        }
        self.next = Some(reached);
        if reached == state.ring.end() && !std::mem::replace(&mut self.told_caught_up, true) {
            self.queue
                .push_back(self.event("caught_up", &serde_json::Map::new()));
        }
        drop(state);
        if self.queue.is_empty() && reached > next {
            // All of them were seen elsewhere: go on with those after them.
            self.fill();
        }
    }

    fn event(&self, name: &str, data: &impl Serialize) -> Event {
        let event = Event::default().event(name).id(self.position.to_string());
        event
            .json_data(data)
            .expect("what is served has text keys and plain values")
    }

    /// The client has to load everything anew, and may then go on from where this process is.
    fn reset(&mut self) {
        let event = Event::default().event("reset").data("{}");
        self.queue.push_back(event);
        self.over = true;
    }

    /// A position beyond what is on the topics is one of topics that were made anew.
    fn look_ahead(&mut self) {
        let state = self.seat.view.read();
        let is_ahead = state.caught_up
            && self.next.is_some()
            && self.position.iter().any(|(partition, next)| {
                state
                    .position
                    .next(partition)
                    .is_none_or(|known| known < next)
            });
        drop(state);
        self.ahead = if is_ahead { self.ahead + 1 } else { 0 };
        if self.ahead >= AHEAD_MAX {
            self.reset();
        }
    }
}
