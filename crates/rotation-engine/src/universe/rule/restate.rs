//! Sections decided anew: what was told of them stands, or is taken back.

use super::RuleState;
use super::turn::{Decided, Turn};
use crate::alert::{Evidence, Fact, State};
use crate::clock::Bucket;
use crate::detector::{Change, Step};
use crate::output::Output;
use crate::policy::{Episode, Event};
use crate::record::{Cause, Restated, VoidedTick};
use crate::section::Point;
use crate::universe::cut::Pending;

/// Why a section was decided anew.
enum Ground<'a> {
    /// Official prints, and the bars that were restated, by leg.
    Bars(&'a [(u32, Restated)]),
    /// The tick that it was made of never was.
    Tick(&'a VoidedTick),
}

impl Turn<'_> {
    /// Decides a section anew with its corrections: what was published stands, or is taken back.
    pub(super) fn read_final(&mut self, pending: &Pending, out: &mut Vec<Output>) {
        let Some(before) = self.state.before.take() else {
            return;
        };
        self.state.core = before.core;
        let told = before.told;
        let ground = Ground::Bars(&pending.restated);
        if !self.is_due(pending) {
            if pending.values.iter().all(Option::is_none) {
                self.unsay(pending, told, &ground, out);
            }
            return;
        }
        self.catch_up(pending.bucket.key());
        let mut decided = self.decide(pending.bucket, true, &pending.values);
        let event = decided.event.take();
        let last = told.as_ref().map(|(_, episode)| episode.transition);
        let stands = match (&told, &event) {
            (Some((state, episode)), Some(event)) => {
                *state == event.state && episode.id == event.episode.id
            }
            _ => false,
        };
        if let Some(told) = told.filter(|_| !stands) {
            self.take_back(&decided, told, &ground, out);
        }
        let is_official = decided.values.iter().flatten().all(|point| point.official);
        match event {
            Some(event) if stands && is_official => {
                let episode = Episode {
                    transition: last.unwrap_or(0),
                    ..event.episode
                };
                self.tell_correction(&decided, State::Confirmed, episode, &ground, out);
            }
            Some(mut event) if !stands => {
                let next = last.map_or(0, |last| last + 2);
                event.episode.transition = event.episode.transition.max(next);
                self.state.core.policy.renumber(event.episode.transition);
                self.tell(&decided, &event, out);
            }
            _ => {}
        }
        self.finish(&decided, out);
    }

    /// Goes on to a bucket of which there was nothing to read before its corrections.
    fn catch_up(&mut self, key: i64) {
        let RuleState { core, inbox, .. } = &mut *self.state;
        if let Some(inbox) = inbox.as_mut().filter(|inbox| !inbox.is_at(key)) {
            inbox.absorb(key, &mut core.known);
        }
    }

    /// Nothing is left of a section: what was told of it is taken back.
    fn unsay(
        &mut self,
        pending: &Pending,
        told: Option<(State, Episode)>,
        ground: &Ground<'_>,
        out: &mut Vec<Output>,
    ) {
        let decided = self.nothing(pending.bucket, vec![None; self.work.inputs.len()]);
        if let Some(told) = told {
            self.take_back(&decided, told, ground, out);
        }
        self.finish(&decided, out);
    }

    /// A section of which nothing follows.
    fn nothing(&self, bucket: Bucket, values: Vec<Option<Point>>) -> Decided {
        Decided {
            bucket,
            is_final: true,
            values,
            said: Vec::new(),
            step: Step {
                change: Change::Quiet,
                reading: None,
            },
            event: None,
        }
    }

    /// A tick that was read never was: an episode that it opened, and of which nothing was told since, has no ground.
    ///
    /// What the detector remembers of the tick stays. If the condition stands on later ticks, they open an episode.
    pub(in crate::universe) fn void_tick(
        &mut self,
        voided: &VoidedTick,
        bucket: Bucket,
        out: &mut Vec<Output>,
    ) {
        let opened_by = self
            .state
            .opened_by
            .filter(|tick| (tick.time, tick.price) == (voided.time, voided.price));
        let Some(opened_by) = opened_by else { return };
        self.state.opened_by = None;
        let Some(episode) = self.state.core.policy.void_opening() else {
            return;
        };
        let mut decided = self.nothing(bucket, vec![Some(Point::flat(voided.price, false))]);
        decided.step.reading = opened_by.measure;
        let told = (State::Opened, episode);
        self.take_back(&decided, told, &Ground::Tick(voided), out);
    }

    /// Takes an event back: its episode ends where it was the opening, else goes on.
    fn take_back(
        &mut self,
        decided: &Decided,
        (state, episode): (State, Episode),
        ground: &Ground<'_>,
        out: &mut Vec<Output>,
    ) {
        let state = if state == State::Opened {
            State::Retracted
        } else {
            State::Corrected
        };
        self.tell_correction(decided, state, episode, ground, out);
    }

    /// Tells what a correction did to an event that was published.
    fn tell_correction(
        &mut self,
        decided: &Decided,
        state: State,
        mut episode: Episode,
        ground: &Ground<'_>,
        out: &mut Vec<Output>,
    ) {
        episode.transition += 1;
        if state == State::Corrected {
            episode.reach(decided.step.reading);
        }
        self.state.core.policy.renumber(episode.transition);
        let event = Event {
            state,
            rung: None,
            reason: None,
            episode,
        };
        let mut alert = self.alert(decided, &event);
        let note = self.note(decided, ground);
        alert
            .evidence
            .insert("correction".to_owned(), Fact::Group(note));
        let reason = self.reason(decided, ground);
        alert.headline = match state {
            State::Retracted => format!("retracted after {reason}: {}", alert.headline),
            State::Corrected => format!("corrected by {reason}: {}", alert.headline),
            _ => format!("confirmed by {reason}: {}", alert.headline),
        };
        self.say(alert, decided, out);
    }

    /// What was corrected, as evidence.
    fn note(&self, decided: &Decided, ground: &Ground<'_>) -> Evidence {
        let official: Vec<&str> = decided
            .values
            .iter()
            .zip(&self.rule.symbols)
            .filter(|(value, _)| value.is_some_and(|point| point.official))
            .map(|(_, symbol)| symbol.as_str())
            .collect();
        let restated: Vec<Fact> = match ground {
            Ground::Bars(restated) => restated
                .iter()
                .map(|(leg, restated)| Fact::Group(self.print(*leg, restated)))
                .collect(),
            Ground::Tick(voided) => {
                let symbol = self.plan.series(voided.series).symbol.as_str();
                let mut print = print_of(symbol, Cause::Void, voided.price);
                print.insert("time".to_owned(), voided.time.into());
                print.insert("seq".to_owned(), number(voided.seq));
                vec![Fact::Group(print)]
            }
        };
        let mut note = Evidence::new();
        if restated.is_empty() || !official.is_empty() {
            note.insert("official".to_owned(), Fact::Text(official.join(", ")));
        }
        if !restated.is_empty() {
            note.insert("restated".to_owned(), Fact::List(restated));
        }
        note
    }

    /// The print that restated a leg's bar, with its close before and after.
    fn print(&self, leg: u32, restated: &Restated) -> Evidence {
        let symbol = &self.plan.series(self.work.legs[leg as usize]).symbol;
        let mut print = print_of(symbol, restated.cause, restated.price);
        print.insert("time".to_owned(), restated.time.into());
        let mut put = |key: &str, fact: Option<Fact>| {
            if let Some(fact) = fact {
                print.insert(key.to_owned(), fact);
            }
        };
        put("seq", restated.seq.map(number));
        put("close_before", restated.was.map(Fact::from));
        put("close", restated.close.map(Fact::from));
        print
    }

    /// What a correction came by.
    fn reason(&self, decided: &Decided, ground: &Ground<'_>) -> String {
        let print = match ground {
            Ground::Tick(voided) => {
                let symbol = &self.plan.series(voided.series).symbol;
                return format!("the void of {symbol} {} at {}", voided.price, voided.time);
            }
            Ground::Bars([]) => return "official closes".to_owned(),
            Ground::Bars([(leg, print), ..]) => {
                let symbol = &self.plan.series(self.work.legs[*leg as usize]).symbol;
                let what = match print.cause {
                    Cause::Late => "a late tick",
                    Cause::Void => "the void",
                };
                let number =
                    |close: Option<f64>| close.map_or("none".to_owned(), |close| close.to_string());
                format!(
                    "{what} of {symbol} {} at {} (close {}, was {})",
                    print.price,
                    print.time,
                    number(print.close),
                    number(print.was)
                )
            }
        };
        let some_official = decided.values.iter().flatten().any(|point| point.official);
        if some_official {
            format!("{print} and official closes")
        } else {
            print
        }
    }
}

fn print_of(symbol: &str, cause: Cause, price: f64) -> Evidence {
    Evidence::from([
        ("symbol".to_owned(), symbol.into()),
        ("cause".to_owned(), cause.name().into()),
        ("price".to_owned(), price.into()),
    ])
}

/// A sequence number, as a text where it is beyond what a count holds.
fn number(seq: u64) -> Fact {
    i64::try_from(seq).map_or_else(|_| Fact::Text(seq.to_string()), Fact::Count)
}
