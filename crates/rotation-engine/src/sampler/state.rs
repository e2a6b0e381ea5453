//! What a sampler remembers, by name, so that it can be kept apart from the plan.

use super::Sampler;
use super::prints::Prints;
use super::sequence::SequenceWindow;
use super::track::Bars;
use crate::clock::Clock;
use crate::record::{Progress, SeriesIx};
use crate::time::EventTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The state of a sampler between two records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SamplerState {
    newest: EventTime,
    horizon: EventTime,
    said: Option<Progress>,
    empty: bool,
    series: BTreeMap<String, SeriesState>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SeriesState {
    newest: EventTime,
    newest_split: EventTime,
    sequence: SequenceWindow,
    bars: Vec<(Clock, Bars)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prints: Option<Box<Prints>>,
}

impl Sampler {
    /// What it remembers. Ticks accepted since the last [`Sampler::flush`] are not part of it.
    pub fn state(&self) -> SamplerState {
        let mut series = BTreeMap::new();
        let held = self.slots.iter().zip(&self.prints);
        for ((slot, prints), plan) in held.zip(&self.plan.series) {
            let first = slot.first as usize;
            let tracks = &self.tracks[first..first + usize::from(slot.count)];
            let state = SeriesState {
                newest: slot.newest,
                newest_split: slot.newest_split,
                sequence: slot.sequence,
                bars: tracks
                    .iter()
                    .map(|track| (track.clock, track.bars.clone()))
                    .collect(),
                prints: prints.clone(),
            };
            // One whose only ticks so far were late has bars, and yet no newest tick.
            let has_ticks = slot.sequence != SequenceWindow::default()
                || state.bars.iter().any(|(_, bars)| *bars != Bars::default());
            if has_ticks || slot.newest > EventTime::MIN || slot.newest_split > EventTime::MIN {
                series.insert(plan.symbol.clone(), state);
            }
        }
        SamplerState {
            newest: self.newest,
            horizon: self.horizon,
            said: self.said,
            empty: self.empty,
            series,
        }
    }

    /// Goes on from a state. Series and clocks that the plan no longer has are forgotten; new ones start cold.
    pub fn restore(&mut self, state: SamplerState) {
        let cold = Sampler::new(self.plan.clone(), self.source, self.sources);
        *self = Sampler {
            newest: state.newest,
            horizon: state.horizon,
            said: state.said,
            empty: state.empty,
            ..cold
        };
        for (symbol, remembered) in state.series {
            let Some(ix) = self.slot(&symbol) else {
                continue;
            };
            let slot = &mut self.slots[ix.index()];
            slot.newest = remembered.newest;
            slot.newest_split = remembered.newest_split;
            slot.sequence = remembered.sequence;
            let first = slot.first as usize;
            let tracks = &mut self.tracks[first..first + usize::from(slot.count)];
            for (clock, bars) in remembered.bars {
                if let Some(track) = tracks.iter_mut().find(|track| track.clock == clock) {
                    track.bars = bars;
                    self.next_end = self.next_end.min(track.next_end());
                }
            }
            self.restore_prints(ix, remembered.prints);
        }
    }
    /// Holds what was held, within the bound that the plan has now.
    fn restore_prints(&mut self, series: SeriesIx, prints: Option<Box<Prints>>) {
        let Some(mut prints) = prints else { return };
        while let Some(print) = prints.trim(self.plan.void_prints) {
            self.settle(series, &print);
        }
        self.prints[series.index()] = Some(prints).filter(|_| self.plan.void_prints > 0);
    }
}
