//! The open bars of one series on one clock.

use super::official_bucket;
use crate::calendar::Calendar;
use crate::clock::{Bucket, Clock};
use crate::output::DropCode;
use crate::plan::SeriesPlan;
use crate::record::{Bar, SeriesIx, Tick};
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
}

/// A bar that may still take ticks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct OpenBar {
    bucket: Bucket,
    /// Time of the tick that is `open` now, and of the one that is `close`.
    first_time: EventTime,
    last_time: EventTime,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    size: f64,
    ticks: u32,
    official: bool,
}

/// What became of a tick.
pub(super) enum Placed {
    /// It went into an open bar.
    Open,
    /// It began a bar that ends then.
    Began(EventTime),
    /// It closed bars, or corrected one.
    Closed(Vec<Bar>),
    /// It was left out.
    Refused(DropCode),
}

impl OpenBar {
    fn new(bucket: Bucket, time: EventTime, tick: &Tick) -> Self {
        let price = tick.price;
        let (open, high, low, close) = (price, price, price, price);
        OpenBar {
            bucket,
            first_time: time,
            last_time: time,
            open,
            high,
            low,
            close,
            size: tick.size,
            ticks: 1,
            official: tick.official,
        }
    }

    /// Ticks of one instant keep their order of arrival.
    #[inline]
    fn add(&mut self, time: EventTime, tick: &Tick) {
        let price = tick.price;
        if price > self.high {
            self.high = price;
        }
        if price < self.low {
            self.low = price;
        }
        if time >= self.last_time {
            self.last_time = time;
            self.close = price;
            self.official = tick.official;
        } else if time < self.first_time {
            self.first_time = time;
            self.open = price;
        }
        self.size += tick.size;
        self.ticks = self.ticks.saturating_add(1);
    }

    fn scale(&mut self, factor: f64) {
        for price in [
            &mut self.open,
            &mut self.high,
            &mut self.low,
            &mut self.close,
        ] {
            *price *= factor;
        }
    }
}

impl Track {
    pub(super) fn new(
        series: SeriesIx,
        clock: Clock,
        plan: &SeriesPlan,
        closing_window: i64,
    ) -> Self {
        let lag = Some(plan.publication_lag).filter(|lag| *lag > 0);
        Track {
            series,
            clock,
            calendar: plan.calendar,
            closing_window,
            lag,
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

    fn place_elsewhere(
        &mut self,
        time: EventTime,
        tick: &Tick,
        horizon: EventTime,
        window: i64,
    ) -> Placed {
        let is_official = tick.official && self.clock == Clock::Session;
        let bucket = if self.lag.is_some() && self.clock == Clock::Session {
            let session = self
                .calendar
                .session_at_or_after(time.saturating_sub(self.closing_window));
            session.map(|session| crate::clock::session_bucket(session, self.closing_window))
        } else if is_official {
            official_bucket(self, time)
        } else {
            self.clock.bucket(self.calendar, self.closing_window, time)
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
        };
        let bar = last.map_or(flat, |last| Bar {
            close: price,
            high: last.high.max(price),
            low: last.low.min(price),
            official: true,
            correction: true,
            ..last
        });
        self.bars.last = Some(bar);
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
        let bar = Bar {
            series: self.series,
            clock: self.clock,
            bucket: open.bucket,
            open: open.open,
            high: open.high,
            low: open.low,
            close: open.close,
            size: open.size,
            ticks: open.ticks,
            official: open.official,
            correction: false,
            observed: self.lag.map(|lag| open.last_time.saturating_sub(lag)),
        };
        self.bars.closed = Some(open.bucket.key());
        self.bars.last = (self.clock == Clock::Session).then_some(bar);
        Some(bar)
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
