//! The open bars of one series on one clock.

use super::bar::OpenBar;
use super::official_bucket;
use super::prints::Print;
use crate::calendar::Calendar;
use crate::clock::{Bucket, Clock};
use crate::output::DropCode;
use crate::plan::{SeriesPlan, UniversePlan};
use crate::record::{Bar, Cause, Restated, SeriesIx, Tick};
use crate::time::EventTime;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// One series on one clock.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Track {
    pub(super) series: SeriesIx,
    pub(super) clock: Clock,
    pub(super) calendar: Calendar,
    pub(super) closing_window: i64,
    /// Nanoseconds of publication lag, if any: values then count for the first session that closes after they are
    /// published.
    lag: Option<i64>,
    /// Nanoseconds after a bucket's instant within which its bar may be restated.
    correctable: i64,
    pub(super) bars: Bars,
}

/// The state of a track.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Bars {
    /// Bars that may still take ticks, oldest first; one, or as many as fit into the lateness.
    open: VecDeque<OpenBar>,
    /// Key of the newest closed bucket.
    closed: Option<i64>,
    /// The newest closed session, which an official print may still correct.
    last: Option<Bar>,
    /// What the newest closed bar was made of, while a late tick or a void may still restate it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made: Option<OpenBar>,
}

/// What became of a tick.
pub(super) enum Placed {
    /// It went into an open bar.
    Open,
    /// It began a bar that ends then.
    Began(EventTime),
    /// It closed bars, or corrected one.
    Closed(Vec<Bar>),
    /// It restated a closed bar.
    Restated(Bar),
    /// It was left out.
    Refused(DropCode),
}

impl Track {
    pub(super) fn new(
        series: SeriesIx,
        clock: Clock,
        plan: &SeriesPlan,
        universe: &UniversePlan,
    ) -> Self {
        let lag = Some(plan.publication_lag).filter(|lag| *lag > 0);
        Track {
            series,
            clock,
            calendar: plan.calendar,
            closing_window: universe.closing_window,
            lag,
            correctable: universe.correctable(clock),
            bars: Bars::default(),
        }
    }

    /// End of the oldest open bar.
    pub(super) fn next_end(&self) -> EventTime {
        self.bars
            .open
            .front()
            .map_or(EventTime::MAX, |bar| bar.bucket.end)
    }

    /// Puts a tick where it belongs.
    #[inline]
    pub(super) fn place(
        &mut self,
        time: EventTime,
        tick: &Tick,
        horizon: EventTime,
        correction_window: i64,
    ) -> Placed {
        if !tick.official
            && let Some(newest) = self.bars.open.back_mut()
            && newest.bucket.contains(time)
        {
            newest.add(time, tick);
            return Placed::Open;
        }
        self.place_elsewhere(time, tick, horizon, correction_window)
    }

    /// The bucket that a tick belongs to, which is no official close.
    fn bucket(&self, time: EventTime) -> Option<Bucket> {
        if self.lag.is_none() || self.clock != Clock::Session {
            return self.clock.bucket(self.calendar, self.closing_window, time);
        }
        let session = self
            .calendar
            .session_at_or_after(time.saturating_sub(self.closing_window))?;
        Some(crate::clock::session_bucket(session, self.closing_window))
    }

    /// Whether the bar of a bucket is closed, and may still be restated.
    fn is_correctable(&self, bucket: &Bucket, horizon: EventTime) -> bool {
        let until = bucket.as_of.saturating_add(self.correctable);
        let within = match self.clock {
            Clock::Session => horizon <= until,
            Clock::Interval(_) | Clock::Tick => horizon < until,
        };
        within && bucket.end <= horizon && self.bars.closed.is_none_or(|key| key <= bucket.key())
    }

    /// The closed bar of a bucket, where it may still be restated: an official close stands.
    fn correctable_bar(&self, bucket: &Bucket, horizon: EventTime) -> Option<&OpenBar> {
        let made = self.bars.made.as_ref()?;
        let is_settled = self.clock == Clock::Session && made.official;
        (made.bucket.key() == bucket.key() && !is_settled && self.is_correctable(bucket, horizon))
            .then_some(made)
    }

    /// Puts a tick that is older than the horizon into its bar, if that may still change.
    pub(super) fn place_late(
        &mut self,
        time: EventTime,
        tick: &Tick,
        horizon: EventTime,
    ) -> Placed {
        let late = Placed::Refused(DropCode::Late);
        let Some(bucket) = self.bucket(time) else {
            return late;
        };
        let key = bucket.key();
        if self.bars.closed.is_none_or(|closed| closed < key) {
            if bucket.end > horizon {
                return self.take(bucket, time, tick);
            }
            if !self.is_correctable(&bucket, horizon) {
                return late;
            }
            return self.restate(OpenBar::new(bucket, time, tick), Cause::Late, tick);
        }
        match self.correctable_bar(&bucket, horizon) {
            Some(made) => self.restate(made.with(time, tick), Cause::Late, tick),
            None => late,
        }
    }

    /// The newest closed bar, or one that nobody saw, is now so.
    fn restate(&mut self, made: OpenBar, cause: Cause, tick: &Tick) -> Placed {
        let key = Some(made.bucket.key());
        let before = self.bars.made.take().filter(|_| self.bars.closed == key);
        let before = before.filter(|before| before.ticks > 0);
        self.bars.closed = key;
        let bar = Bar {
            correction: true,
            restated: Some(Restated {
                cause,
                time: tick.time,
                price: tick.price,
                seq: tick.seq,
                was: before.as_ref().map(|before| before.close),
                close: (made.ticks > 0).then_some(made.close),
            }),
            ..self.bar(&made)
        };
        let is_same = before.is_some_and(|before| before.says(&made));
        self.bars.last = (self.clock == Clock::Session && made.ticks > 0).then_some(bar);
        self.bars.made = Some(made);
        if is_same {
            Placed::Open
        } else {
            Placed::Restated(bar)
        }
    }

    /// Takes a print out of its bar, if that may still change.
    pub(super) fn void(
        &mut self,
        print: &Print,
        others: impl Iterator<Item = (EventTime, Tick)>,
        horizon: EventTime,
    ) -> Placed {
        let settled = Placed::Refused(DropCode::Late);
        let Some(bucket) = self.bucket(print.time) else {
            return settled;
        };
        let key = bucket.key();
        let others: Vec<(EventTime, Tick)> = others
            .filter(|(time, _)| self.bucket(*time).is_some_and(|other| other.key() == key))
            .collect();
        let place = |bar: &OpenBar| bar.bucket.key();
        if let Ok(at) = self.bars.open.binary_search_by_key(&key, place) {
            let made = self.bars.open[at].remade(others.into_iter());
            if made.ticks == 0 {
                self.bars.open.remove(at);
            } else {
                self.bars.open[at] = made;
            }
            return Placed::Open;
        }
        match self.correctable_bar(&bucket, horizon) {
            Some(made) => {
                let made = made.remade(others.into_iter());
                self.restate(made, Cause::Void, &print.tick())
            }
            None => settled,
        }
    }

    /// A print is held no longer.
    pub(super) fn settle(&mut self, print: &Print) {
        let time = print.time;
        let lagged = match self.lag {
            Some(_) => self.bucket(time).map(|bucket| bucket.key()),
            None => None,
        };
        let bars = self.bars.open.iter_mut().chain(&mut self.bars.made);
        let is_its = |bar: &OpenBar| {
            bar.bucket.contains(time) || lagged.is_some_and(|key| key == bar.bucket.key())
        };
        for bar in bars {
            if is_its(bar) {
                bar.settle(time, &print.tick());
            }
        }
    }

    /// No print is held any longer.
    pub(super) fn settle_all(&mut self) {
        for bar in self.bars.open.iter_mut().chain(&mut self.bars.made) {
            bar.settle_all();
        }
    }

    fn place_elsewhere(
        &mut self,
        time: EventTime,
        tick: &Tick,
        horizon: EventTime,
        window: i64,
    ) -> Placed {
        let is_official = tick.official && self.clock == Clock::Session;
        let bucket = if is_official && self.lag.is_none() {
            official_bucket(self, time)
        } else {
            self.bucket(time)
        };
        let Some(bucket) = bucket else {
            return Placed::Refused(DropCode::OutOfSession);
        };
        if is_official && self.lag.is_none() {
            return self.close_officially(bucket, time, tick, horizon, window);
        }
        if let Some(closed) = self.bars.closed
            && bucket.key() <= closed
        {
            let official = self
                .bars
                .last
                .is_some_and(|bar| bar.official && bar.bucket.key() == bucket.key());
            return Placed::Refused(if official {
                DropCode::AfterOfficial
            } else {
                DropCode::Late
            });
        }
        if bucket.end <= horizon {
            return Placed::Refused(DropCode::Late);
        }
        self.take(bucket, time, tick)
    }

    /// Puts a tick into the open bar of its bucket.
    fn take(&mut self, bucket: Bucket, time: EventTime, tick: &Tick) -> Placed {
        match self
            .bars
            .open
            .binary_search_by_key(&bucket.key(), |bar| bar.bucket.key())
        {
            Ok(at) => {
                self.bars.open[at].add(time, tick);
                Placed::Open
            }
            Err(at) => {
                self.bars.open.insert(at, OpenBar::new(bucket, time, tick));
                Placed::Began(bucket.end)
            }
        }
    }

    /// An official print closes its session's bar and any older one, or corrects the bar that closed last.
    fn close_officially(
        &mut self,
        bucket: Bucket,
        time: EventTime,
        tick: &Tick,
        horizon: EventTime,
        window: i64,
    ) -> Placed {
        let key = bucket.key();
        let too_old = horizon > bucket.as_of.saturating_add(window);
        match self.bars.closed {
            Some(closed) if key < closed => Placed::Refused(DropCode::StaleCorrection),
            Some(closed) if key == closed => match self.bars.last {
                Some(last) if last.official && last.close == tick.price => {
                    Placed::Refused(DropCode::Duplicate)
                }
                Some(last) if last.official || too_old => {
                    Placed::Refused(DropCode::StaleCorrection)
                }
                last => Placed::Closed(vec![self.correct(bucket, last, tick)]),
            },
            _ if too_old && bucket.end <= horizon => Placed::Refused(DropCode::StaleCorrection),
            _ => {
                let at = self.bars.open.partition_point(|bar| bar.bucket.key() < key);
                match self
                    .bars
                    .open
                    .get_mut(at)
                    .filter(|bar| bar.bucket.key() == key)
                {
                    Some(open) => open.add(time.max(open.last_time), tick),
                    None => self.bars.open.insert(at, OpenBar::new(bucket, time, tick)),
                }
                let correction = bucket.end <= horizon;
                let mut closed: Vec<Bar> = (0..=at).filter_map(|_| self.close_front()).collect();
                if let Some(bar) = closed.last_mut() {
                    bar.official = true;
                    bar.correction = correction;
                    self.bars.last = Some(*bar);
                    self.bars.made = None;
                }
                Placed::Closed(closed)
            }
        }
    }

    fn correct(&mut self, bucket: Bucket, last: Option<Bar>, tick: &Tick) -> Bar {
        let price = tick.price;
        let (series, clock) = (self.series, self.clock);
        let flat = Bar {
            series,
            clock,
            bucket,
            open: price,
            high: price,
            low: price,
            close: price,
            size: 0.0,
            ticks: 1,
            official: true,
            correction: true,
            observed: None,
            restated: None,
        };
        let bar = last.map_or(flat, |last| Bar {
            close: price,
            high: last.high.max(price),
            low: last.low.min(price),
            official: true,
            correction: true,
            restated: None,
            ..last
        });
        self.bars.last = Some(bar);
        self.bars.made = None;
        bar
    }

    /// Closes the oldest open bar if the horizon has reached its end.
    pub(super) fn close_next(&mut self, horizon: EventTime) -> Option<Bar> {
        if self.next_end() > horizon {
            return None;
        }
        self.close_front()
    }

    fn close_front(&mut self) -> Option<Bar> {
        let open = self.bars.open.pop_front()?;
        let bar = self.bar(&open);
        self.bars.closed = Some(open.bucket.key());
        self.bars.last = (self.clock == Clock::Session).then_some(bar);
        self.bars.made = (self.correctable > 0).then_some(open);
        Some(bar)
    }

    /// A bar as it is told.
    fn bar(&self, made: &OpenBar) -> Bar {
        Bar {
            series: self.series,
            clock: self.clock,
            bucket: made.bucket,
            open: made.open,
            high: made.high,
            low: made.low,
            close: made.close,
            size: made.size,
            ticks: made.ticks,
            official: made.official,
            correction: false,
            observed: self.lag.map(|lag| made.last_time.saturating_sub(lag)),
            restated: None,
        }
    }

    /// Prices before `time` change basis.
    pub(super) fn rescale(&mut self, time: EventTime, factor: f64) {
        for bar in self
            .bars
            .open
            .iter_mut()
            .filter(|bar| bar.bucket.start < time && time < bar.bucket.end)
        {
            bar.scale(factor);
        }
    }
}
