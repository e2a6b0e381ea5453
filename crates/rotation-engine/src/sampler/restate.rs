//! What comes after its bar: late ticks, and prints that never were.
//!
//! The newest prints of a series are held, if it numbers them. A bar is what its prints make, held ones and those
//! before them; so it can be made anew without one that is held, exactly as if that one had never come. What cannot be
//! changed any more is refused: a bar that is not the newest closed one, that is official, or beyond the window.

use super::track::Placed;
use super::{Print, Sampler, log};
use crate::output::{DropCode, Output, RejectCode};
use crate::plan::LateTicks;
use crate::record::{LogBody, SeriesIx, Tick, VoidedTick};
use crate::time::EventTime;

impl Sampler {
    /// Takes a tick that is older than the horizon: each bar that it belongs to is open, restated, or too old.
    pub(super) fn late(
        &mut self,
        series: SeriesIx,
        time: EventTime,
        tick: &Tick,
        offset: i64,
        out: &mut Vec<Output>,
    ) {
        let mut taken = false;
        if self.plan.late_ticks == LateTicks::Correct {
            self.begin_holding(series, tick);
            let slot = &self.slots[series.index()];
            let first = slot.first as usize;
            for track in &mut self.tracks[first..first + usize::from(slot.count)] {
                match track.place_late(time, tick, self.horizon) {
                    Placed::Open | Placed::Closed(_) => taken = true,
                    Placed::Began(end) => {
                        taken = true;
                        self.next_end = self.next_end.min(end);
                    }
                    Placed::Restated(bar) => {
                        taken = true;
                        out.push(log(self.source, offset, LogBody::Bar(bar)));
                    }
                    Placed::Refused(_) => {}
                }
            }
        }
        if taken {
            self.accepted += 1;
            self.hold(series, time, tick, false);
        } else {
            out.push(Output::Dropped {
                series: Some(series),
                code: DropCode::Late,
            });
        }
    }

    /// The print of this number never was. `time` is its time, where the feed says it.
    pub fn void(
        &mut self,
        series: SeriesIx,
        seq: u64,
        time: Option<EventTime>,
        offset: i64,
        out: &mut Vec<Output>,
    ) {
        self.empty = false;
        let (at, print) = match self.find_print(series, seq, time) {
            Ok(found) => found,
            Err((code, message)) => {
                out.push(Output::Rejected { code, message });
                return;
            }
        };
        let Some(prints) = &self.prints[series.index()] else {
            return;
        };
        let slot = &self.slots[series.index()];
        let first = slot.first as usize;
        let mut taken = false;
        for track in &mut self.tracks[first..first + usize::from(slot.count)] {
            match track.void(&print, prints.without(at), self.horizon) {
                Placed::Refused(_) => {}
                Placed::Restated(bar) => {
                    taken = true;
                    out.push(log(self.source, offset, LogBody::Bar(bar)));
                }
                Placed::Open | Placed::Began(_) | Placed::Closed(_) => taken = true,
            }
        }
        let window = self.plan.correction_window;
        if print.forwarded() && self.horizon <= print.time.saturating_add(window) {
            taken = true;
            let voided = VoidedTick {
                series,
                time: print.time,
                price: print.price,
                seq,
            };
            out.push(log(self.source, offset, LogBody::Void(voided)));
        }
        if taken {
            let most = self.plan.void_prints;
            if let Some(prints) = &mut self.prints[series.index()] {
                prints.void(at, most);
            }
            return;
        }
        let symbol = &self.plan.series(series).symbol;
        let message = format!(
            "expected a print of {symbol} in a bar that is open, or closed last, not official and within \
             correction_window; found number {seq} of {}",
            print.time
        );
        out.push(Output::Rejected {
            code: RejectCode::VoidSettled,
            message,
        });
    }

    /// The held print of a number, or why there is none.
    fn find_print(
        &self,
        series: SeriesIx,
        seq: u64,
        time: Option<EventTime>,
    ) -> Result<(usize, Print), (RejectCode, String)> {
        let slot = &self.slots[series.index()];
        let symbol = &self.plan.series(series).symbol;
        let prints = self.prints[series.index()].as_deref();
        if let Some((at, print)) = prints.and_then(|prints| prints.find(seq)) {
            let is_its = |said: EventTime| {
                let counted = said.saturating_add(slot.lag);
                print.time == counted || (slot.lag > 0 && print.time > counted)
            };
            if time.is_none_or(is_its) {
                return Ok((at, print));
            }
            let message = format!(
                "expected number {seq} of {symbol} at {}, its time",
                print.time
            );
            return Err((RejectCode::VoidUnknown, message));
        }
        if prints.is_some_and(|prints| prints.was_voided(seq)) {
            let message = format!(
                "expected a print that counts, found number {seq} of {symbol}, voided before"
            );
            return Err((RejectCode::VoidRepeated, message));
        }
        if slot.sequence.has(seq) || prints.is_some_and(|prints| prints.was_lost(seq)) {
            let held = self.plan.void_prints;
            let message = format!(
                "expected one of the newest {held} prints of {symbol} that counted (void_prints), found number {seq}, \
                 which is held no longer or never counted"
            );
            return Err((RejectCode::VoidNotHeld, message));
        }
        let message = format!("expected a print of {symbol} that came before, found number {seq}");
        Err((RejectCode::VoidUnknown, message))
    }

    /// Prints are held from the first that has a number; what came before them stays as it is.
    #[inline]
    pub(super) fn begin_holding(&mut self, series: SeriesIx, tick: &Tick) {
        if tick.seq.is_some() && self.plan.void_prints > 0 && self.prints[series.index()].is_none()
        {
            self.prints[series.index()] = Some(Box::default());
            self.settle_tracks(series);
        }
    }

    #[inline]
    pub(super) fn hold(&mut self, series: SeriesIx, time: EventTime, tick: &Tick, forwarded: bool) {
        let Some(prints) = &mut self.prints[series.index()] else {
            return;
        };
        let Some(lost) = prints.hold(Print::new(time, tick, forwarded), self.plan.void_prints)
        else {
            return;
        };
        self.settle(series, &lost);
    }

    /// A print is held no longer: its bars keep it.
    pub(super) fn settle(&mut self, series: SeriesIx, print: &Print) {
        let slot = &self.slots[series.index()];
        let first = slot.first as usize;
        for track in &mut self.tracks[first..first + usize::from(slot.count)] {
            track.settle(print);
        }
    }

    /// Prices change basis: what came before is held no longer.
    pub(super) fn settle_prints(&mut self, series: SeriesIx) {
        if let Some(prints) = &mut self.prints[series.index()] {
            prints.forget();
            self.settle_tracks(series);
        }
    }

    fn settle_tracks(&mut self, series: SeriesIx) {
        let slot = &self.slots[series.index()];
        let first = slot.first as usize;
        for track in &mut self.tracks[first..first + usize::from(slot.count)] {
            track.settle_all();
        }
    }
}
