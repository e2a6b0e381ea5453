//! The sources of a universe: how far each partition of the ticks topic has come.

use crate::output::{DropCode, Output};
use crate::record::{Horizon, Progress};
use crate::time::EventTime;
use serde::{Deserialize, Serialize};

/// The frontier over all sources: the smallest of their horizons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sources {
    stall_after: i64,
    /// By partition; as many as the ticks topic has, once a horizon has told.
    sources: Vec<Source>,
    /// The number of partitions that the first horizon told.
    pinned: Option<u32>,
    horizon: EventTime,
    /// When the log was last searched for sources that trail it.
    searched: Option<EventTime>,
    /// Whether it was said why the universe goes no further; said again after a restart.
    #[serde(skip)]
    refused: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Source {
    progress: Progress,
    /// When the log took in its newest record.
    heard: Option<EventTime>,
    excluded: bool,
}

impl Source {
    /// The bound that the source puts on the universe's horizon.
    fn bound(&self) -> EventTime {
        match self.progress {
            _ if self.excluded => EventTime::MAX,
            Progress::Empty => EventTime::MAX,
            Progress::Unknown => EventTime::MIN,
            Progress::At(time) => time,
        }
    }
}

impl Sources {
    pub(super) fn new(stall_after: i64) -> Self {
        Sources {
            stall_after,
            sources: Vec::new(),
            pinned: None,
            horizon: EventTime::MIN,
            searched: None,
            refused: false,
        }
    }

    pub(super) fn set_stall_after(&mut self, nanos: i64) {
        self.stall_after = nanos;
    }

    pub(super) fn progress(&self) -> impl Iterator<Item = (Progress, bool)> {
        let sources = self.sources.iter();
        sources.map(|source| (source.progress, source.excluded))
    }

    pub(super) fn excluded(&self) -> usize {
        self.sources.iter().filter(|source| source.excluded).count()
    }

    pub(super) fn horizon(&self) -> EventTime {
        self.horizon
    }

    /// Sources that have not spoken count as heard from when they are known of.
    fn grow(&mut self, sources: usize) {
        let source = Source {
            progress: Progress::Unknown,
            heard: self.searched,
            excluded: false,
        };
        self.sources.resize(self.sources.len().max(sources), source);
    }

    /// A source spoke: it is back if it was left out, and others may trail it. Whether the horizon moved.
    pub(super) fn hear(
        &mut self,
        source: u32,
        appended: Option<EventTime>,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(now) = appended else { return false };
        self.grow(source as usize + 1);
        let speaker = &mut self.sources[source as usize];
        speaker.heard = speaker.heard.max(Some(now));
        if std::mem::take(&mut speaker.excluded) {
            out.push(Output::Source {
                source,
                excluded: false,
            });
        }
        // A look a second is enough: this is about minutes.
        if self
            .searched
            .is_some_and(|searched| now.saturating_sub(1_000_000_000) < searched)
        {
            return false;
        }
        self.searched = Some(now);
        for (source, state) in (0..).zip(&mut self.sources) {
            let heard = *state.heard.get_or_insert(now);
            let trails = now.saturating_sub(self.stall_after) > heard;
            if trails && !state.excluded {
                state.excluded = true;
                out.push(Output::Source {
                    source,
                    excluded: true,
                });
            }
        }
        self.recompute()
    }

    /// A source says how far it has come. Whether the universe's horizon moved.
    pub(super) fn advance(
        &mut self,
        source: u32,
        said: &Horizon,
        digest: u64,
        out: &mut Vec<Output>,
    ) -> bool {
        let pinned = *self.pinned.get_or_insert(said.sources);
        if pinned != said.sources || source >= pinned {
            self.refuse(out, format!(
                "the ticks topic has {} partitions, and this universe began with {pinned}: stop the feed, drain, then \
                 grow the topic and start the universe with fresh state",
                said.sources,
            ));
            return false;
        }
        if said.digest != digest {
            self.refuse(out, format!(
                "partition {source} is sampled with another configuration (digest {:016x}, here {digest:016x}): \
                 lateness, calendars and series have to agree; restart the processes that still run the old one",
                said.digest,
            ));
            return false;
        }
        self.refused = false;
        self.grow(pinned as usize);
        let state = &mut self.sources[source as usize];
        match (state.progress, said.progress) {
            (Progress::At(_), Progress::Unknown | Progress::Empty) => {
                out.push(Output::Dropped {
                    series: None,
                    code: DropCode::HorizonBack,
                });
            }
            (Progress::At(before), Progress::At(now)) if now < before => {
                out.push(Output::Dropped {
                    series: None,
                    code: DropCode::HorizonBack,
                });
            }
            (_, progress) => state.progress = progress,
        }
        self.recompute()
    }

    fn refuse(&mut self, out: &mut Vec<Output>, reason: String) {
        if !std::mem::replace(&mut self.refused, true) {
            out.push(Output::Refused { reason });
        }
    }

    /// The horizon never goes back: what was decided stays decided.
    fn recompute(&mut self) -> bool {
        if self
            .pinned
            .is_none_or(|pinned| self.sources.len() < pinned as usize)
        {
            return false;
        }
        let smallest = self
            .sources
            .iter()
            .map(Source::bound)
            .min()
            .unwrap_or(EventTime::MIN);
        let moved = smallest > self.horizon && smallest < EventTime::MAX;
        if moved {
            self.horizon = smallest;
        }
        moved
    }
}
