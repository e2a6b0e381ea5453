//! The sampler: ticks of one source partition become bars of one universe.
//!
//! A source's **horizon** is its newest event time less the universe's lateness, or what a heartbeat or an idle
//! decision promises, whichever is later. A tick before the horizon is late. A bar closes when the horizon reaches its
//! end, or, for a session, when its official closing print arrives. Bars of a series close in order, each bucket once;
//! a later official print restates the last session's bar as a correction.
//!
//! Nothing here reads a clock: the bound on credible event times is an argument.

use crate::clock::{Bucket, Clock};
use crate::detector::Unit;
use crate::output::{DropCode, Output, RejectCode};
use crate::plan::{SeriesSource, UniversePlan};
use crate::record::{Horizon, LogBody, LogRecord, Progress, SeriesIx, Split, Tick, WatchedTick};
use crate::time::EventTime;
use std::collections::HashMap;
use std::sync::Arc;

mod bar;
mod prints;
mod restate;
mod sequence;
mod state;
mod track;

pub use state::SamplerState;

use prints::{Print, Prints};
use sequence::{Novelty, SequenceWindow};
use track::{Placed, Track};

/// The sampler of one source partition for one universe.
#[derive(Clone, Debug)]
pub struct Sampler {
    plan: Arc<UniversePlan>,
    source: u32,
    sources: u32,
    lookup: HashMap<String, SeriesIx>,
    slots: Vec<Slot>,
    tracks: Vec<Track>,
    /// For each series that numbers its prints, the newest of them.
    prints: Vec<Option<Box<Prints>>>,
    newest: EventTime,
    horizon: EventTime,
    /// Smallest end of an open bar: nothing closes before the horizon reaches it.
    next_end: EventTime,
    said: Option<Progress>,
    empty: bool,
    accepted: u64,
}

/// What a tick has to touch of its series: kept small, one a series.
#[derive(Clone, Debug, PartialEq)]
struct Slot {
    /// Tracks of the series: `tracks[first..first + count]`.
    first: u32,
    count: u16,
    watched: bool,
    positive: bool,
    lag: i64,
    newest: EventTime,
    newest_split: EventTime,
    sequence: SequenceWindow,
}

impl Sampler {
    /// A sampler that has seen nothing, for partition `source` of `sources`.
    pub fn new(plan: Arc<UniversePlan>, source: u32, sources: u32) -> Sampler {
        let mut lookup = HashMap::new();
        let mut slots = Vec::with_capacity(plan.series.len());
        let mut tracks = Vec::new();
        for (ix, series) in (0..).map(SeriesIx).zip(&plan.series) {
            let first = u32::try_from(tracks.len()).expect("fewer than 2^32 tracks");
            let is_raw = series.source == SeriesSource::Raw;
            if is_raw {
                lookup.insert(series.symbol.clone(), ix);
            }
            let bars = series.clocks.iter().filter(|clock| **clock != Clock::Tick);
            tracks.extend(bars.map(|clock| Track::new(ix, *clock, series, &plan)));
            slots.push(Slot {
                first,
                count: u16::try_from(tracks.len() - first as usize)
                    .expect("a series has few clocks"),
                watched: series.clocks.contains(&Clock::Tick),
                positive: series.unit == Unit::Price,
                lag: series.publication_lag,
                newest: EventTime::MIN,
                newest_split: EventTime::MIN,
                sequence: SequenceWindow::default(),
            });
        }
        let prints = vec![None; plan.series.len()];
        Sampler {
            plan,
            source,
            sources,
            lookup,
            slots,
            tracks,
            prints,
            newest: EventTime::MIN,
            horizon: EventTime::MIN,
            next_end: EventTime::MAX,
            said: None,
            empty: false,
            accepted: 0,
        }
    }

    /// The raw series of a symbol; none where the universe does not name it.
    pub fn slot(&self, symbol: &str) -> Option<SeriesIx> {
        self.lookup.get(symbol).copied()
    }

    /// The plan that it samples for.
    pub fn plan(&self) -> &Arc<UniversePlan> {
        &self.plan
    }

    /// The newest event time of an accepted tick.
    pub fn last_event_time(&self) -> Option<EventTime> {
        (self.newest > EventTime::MIN).then_some(self.newest)
    }

    /// How far the source has come.
    pub fn progress(&self) -> Progress {
        match self.horizon {
            EventTime::MIN if self.empty => Progress::Empty,
            EventTime::MIN => Progress::Unknown,
            horizon => Progress::At(horizon),
        }
    }

    /// Takes one tick of a series.
    ///
    /// `bound` is the latest event time that can be believed: the record's own timestamp plus the permitted skew.
    /// `offset` is the record's position in its partition.
    pub fn tick(
        &mut self,
        series: SeriesIx,
        tick: &Tick,
        bound: Option<EventTime>,
        offset: i64,
        out: &mut Vec<Output>,
    ) {
        self.empty = false;
        let slot = &mut self.slots[series.index()];
        if let Some(reject) = unusable(slot, tick, bound) {
            out.push(reject);
            return;
        }
        // A value that is published with a lag counts from when it is known, at the earliest.
        let effective = match slot.lag {
            0 => tick.time,
            lag => tick.time.saturating_add(lag).max(self.horizon),
        };
        let is_new = effective >= slot.newest;
        if let Some(seq) = tick.seq
            && slot.sequence.admit(seq, is_new) == Novelty::Seen
        {
            out.push(Output::Dropped {
                series: Some(series),
                code: DropCode::Duplicate,
            });
            return;
        }
        if effective < self.horizon && !tick.official {
            self.late(series, effective, tick, offset, out);
            return;
        }
        if tick.time > self.newest {
            self.newest = tick.time;
            self.advance(tick.time.saturating_sub(self.plan.lateness), offset, out);
        }
        self.place(series, effective, tick, offset, out);
    }

    /// Puts a tick into the open bar of each clock of its series, and forwards it where a rule reads ticks.
    fn place(
        &mut self,
        series: SeriesIx,
        effective: EventTime,
        tick: &Tick,
        offset: i64,
        out: &mut Vec<Output>,
    ) {
        self.begin_holding(series, tick);
        let slot = &mut self.slots[series.index()];
        let mut dropped = None;
        let mut forwarded = false;
        let mut taken = slot.count == 0 && (tick.official || !slot.watched);
        if slot.watched && !tick.official {
            if effective < slot.newest {
                dropped = Some(DropCode::Superseded);
            } else {
                let body = WatchedTick {
                    series,
                    time: effective,
                    price: tick.price,
                    size: tick.size,
                };
                out.push(log(self.source, offset, LogBody::Tick(body)));
                taken = true;
                forwarded = true;
            }
        }
        slot.newest = slot.newest.max(effective);
        let first = slot.first as usize;
        let range = first..first + usize::from(slot.count);
        for track in &mut self.tracks[range] {
            match track.place(effective, tick, self.horizon, self.plan.correction_window) {
                Placed::Open => taken = true,
                Placed::Began(end) => {
                    taken = true;
                    self.next_end = self.next_end.min(end);
                }
                Placed::Closed(bars) => {
                    taken = true;
                    out.extend(
                        bars.into_iter()
                            .map(|bar| log(self.source, offset, LogBody::Bar(bar))),
                    );
                }
                Placed::Restated(bar) => {
                    taken = true;
                    out.push(log(self.source, offset, LogBody::Bar(bar)));
                }
                Placed::Refused(code) => dropped = Some(code),
            }
        }
        match dropped {
            Some(code) if !taken || code == DropCode::Superseded => {
                out.push(Output::Dropped {
                    series: Some(series),
                    code,
                });
            }
            _ => {}
        }
        self.accepted += u64::from(taken);
        if taken {
            self.hold(series, effective, tick, forwarded);
        }
    }

    /// The feed promises that nothing older than `time` will come on this partition.
    pub fn heartbeat(
        &mut self,
        time: EventTime,
        bound: Option<EventTime>,
        offset: i64,
        out: &mut Vec<Output>,
    ) {
        self.empty = false;
        if let Some(reject) = beyond(time, bound) {
            out.push(reject);
            return;
        }
        self.advance(time, offset, out);
    }

    /// The shell decided that the partition is idle and nothing older than `until` will come.
    pub fn idle(&mut self, until: EventTime, offset: i64, out: &mut Vec<Output>) {
        self.advance(until, offset, out);
    }

    /// The shell found that the partition never had a record.
    pub fn empty(&mut self) {
        self.empty = true;
    }

    /// From `time` on, prices of the series are divided by `ratio`. Saying it again changes nothing.
    pub fn split(
        &mut self,
        series: SeriesIx,
        time: EventTime,
        ratio: f64,
        offset: i64,
        out: &mut Vec<Output>,
    ) {
        self.empty = false;
        if !(ratio.is_finite() && ratio > 0.0) {
            let message = format!("expected a positive split ratio, found {ratio}");
            out.push(Output::Rejected {
                code: RejectCode::BadSplit,
                message,
            });
            return;
        }
        let slot = &mut self.slots[series.index()];
        if time <= slot.newest_split {
            out.push(Output::Dropped {
                series: Some(series),
                code: DropCode::Duplicate,
            });
            return;
        }
        slot.newest_split = time;
        self.settle_prints(series);
        let slot = &self.slots[series.index()];
        let first = slot.first as usize;
        let range = first..first + usize::from(slot.count);
        for track in &mut self.tracks[range] {
            track.rescale(time, 1.0 / ratio);
        }
        out.push(log(
            self.source,
            offset,
            LogBody::Split(Split {
                series,
                time,
                ratio,
            }),
        ));
    }

    /// Ends a batch: says how many ticks were accepted, and the horizon if it moved.
    pub fn flush(&mut self, offset: i64, out: &mut Vec<Output>) {
        if self.accepted > 0 {
            out.push(Output::Accepted {
                ticks: self.accepted,
            });
            self.accepted = 0;
        }
        let progress = self.progress();
        if self.said != Some(progress) {
            self.said = Some(progress);
            let horizon = Horizon {
                sources: self.sources,
                progress,
                digest: self.plan.digest,
            };
            out.push(log(self.source, offset, LogBody::Horizon(horizon)));
        }
    }

    /// Moves the horizon forward and closes what it passes, in the order of the plan's series.
    fn advance(&mut self, horizon: EventTime, offset: i64, out: &mut Vec<Output>) {
        if horizon <= self.horizon {
            return;
        }
        self.horizon = horizon;
        if horizon < self.next_end {
            return;
        }
        let mut next_end = EventTime::MAX;
        for track in &mut self.tracks {
            while let Some(bar) = track.close_next(horizon) {
                out.push(log(self.source, offset, LogBody::Bar(bar)));
            }
            next_end = next_end.min(track.next_end());
        }
        self.next_end = next_end;
    }
}

fn log(source: u32, offset: i64, body: LogBody) -> Output {
    Output::Log(LogRecord {
        source,
        offset,
        body,
    })
}

/// Why a tick cannot be used at all.
fn unusable(slot: &Slot, tick: &Tick, bound: Option<EventTime>) -> Option<Output> {
    if !tick.price.is_finite() || (slot.positive && tick.price <= 0.0) {
        let expected = if slot.positive {
            "a positive price"
        } else {
            "a finite value"
        };
        let message = format!("expected {expected}, found {}", tick.price);
        return Some(Output::Rejected {
            code: RejectCode::BadPrice,
            message,
        });
    }
    if !(tick.size.is_finite() && tick.size >= 0.0) {
        let message = format!("expected a size of zero or more, found {}", tick.size);
        return Some(Output::Rejected {
            code: RejectCode::BadSize,
            message,
        });
    }
    beyond(tick.time, bound)
}

/// Why an event time cannot be believed.
fn beyond(time: EventTime, bound: Option<EventTime>) -> Option<Output> {
    let bound = bound.filter(|bound| time > *bound)?;
    let message = format!(
        "expected a time up to {bound} (the record's timestamp and the permitted skew), found {time}"
    );
    Some(Output::Rejected {
        code: RejectCode::Future,
        message,
    })
}

/// The session bucket that an official print of this instant closes: the one it lies in, else the last that opened.
fn official_bucket(track: &Track, time: EventTime) -> Option<Bucket> {
    if let Some(bucket) = track
        .clock
        .bucket(track.calendar, track.closing_window, time)
    {
        return Some(bucket);
    }
    let probe = time.saturating_sub(track.closing_window);
    let next = track.calendar.session_at_or_after(probe)?;
    let session = track.calendar.session_before(next.date)?;
    Some(crate::clock::session_bucket(session, track.closing_window))
}
