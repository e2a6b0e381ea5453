//! A bar that may still take ticks, or be made anew without one of them.

use crate::clock::Bucket;
use crate::record::Tick;
use crate::time::EventTime;
use serde::{Deserialize, Serialize};

/// A bar as the prints make it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct OpenBar {
    pub(super) bucket: Bucket,
    /// Time of the tick that is `open` now, and of the one that is `close`.
    pub(super) first_time: EventTime,
    pub(super) last_time: EventTime,
    pub(super) open: f64,
    pub(super) high: f64,
    pub(super) low: f64,
    pub(super) close: f64,
    pub(super) size: f64,
    /// Zero where every print of it was voided.
    pub(super) ticks: u32,
    pub(super) official: bool,
    /// What the prints make that came before those which are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base: Option<Box<OpenBar>>,
}

impl OpenBar {
    pub(super) fn new(bucket: Bucket, time: EventTime, tick: &Tick) -> Self {
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
            base: None,
        }
    }

    /// Ticks of one instant keep their order of arrival.
    #[inline]
    pub(super) fn add(&mut self, time: EventTime, tick: &Tick) {
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

    /// The bar with one tick more; one that lost all of its prints begins anew.
    pub(super) fn with(&self, time: EventTime, tick: &Tick) -> Self {
        let mut bar = self.clone();
        if bar.ticks == 0 {
            bar = OpenBar::new(bar.bucket, time, tick);
        } else {
            bar.add(time, tick);
        }
        bar
    }

    /// A print is held no longer: it becomes part of what later ones are added to.
    pub(super) fn settle(&mut self, time: EventTime, tick: &Tick) {
        match &mut self.base {
            Some(base) => base.add(time, tick),
            None => self.base = Some(Box::new(OpenBar::new(self.bucket, time, tick))),
        }
    }

    /// Nothing of it is held any longer.
    pub(super) fn settle_all(&mut self) {
        self.base = None;
        if self.ticks > 0 {
            self.base = Some(Box::new(self.clone()));
        }
    }

    /// The bar of its base and these prints, in their order of arrival.
    pub(super) fn remade(&self, prints: impl Iterator<Item = (EventTime, Tick)>) -> Self {
        let mut made = self.base.as_deref().cloned();
        for (time, tick) in prints {
            match &mut made {
                Some(made) => made.add(time, &tick),
                None => made = Some(OpenBar::new(self.bucket, time, &tick)),
            }
        }
        let empty = OpenBar {
            ticks: 0,
            size: 0.0,
            ..self.clone()
        };
        OpenBar {
            base: self.base.clone(),
            ..made.unwrap_or(empty)
        }
    }

    /// Whether another is the same to those who read it.
    pub(super) fn says(&self, other: &OpenBar) -> bool {
        let said = |bar: &OpenBar| [bar.open, bar.high, bar.low, bar.close, bar.size];
        said(self) == said(other) && (self.ticks == 0) == (other.ticks == 0)
    }

    pub(super) fn scale(&mut self, factor: f64) {
        for price in [
            &mut self.open,
            &mut self.high,
            &mut self.low,
            &mut self.close,
        ] {
            *price *= factor;
        }
        if let Some(base) = &mut self.base {
            base.scale(factor);
        }
    }
}
