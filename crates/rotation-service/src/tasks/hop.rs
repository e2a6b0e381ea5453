//! The trace of a record on its way through a task: from the headers that it came with to those of what it leads to.

use crate::stage::InputRecord;
use rotation_wire::trace::{TRACEPARENT, TRACESTATE, TraceParent, tracestate};

/// What the sampler does with a record of the ticks topic.
pub(crate) const SAMPLE: &str = "sample";

/// What a universe does with a record of the bars log.
pub(crate) const DECIDE: &str = "decide";

/// A traced record, and the span of the task that steps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    /// What the task does with it.
    pub(crate) name: &'static str,
    /// The span that sent the record.
    pub(crate) parent: TraceParent,
    /// The task's own.
    pub(crate) own: TraceParent,
    /// What tracing systems added.
    state: Option<String>,
}

impl Hop {
    /// The hop of a record; none where its headers say no trace, or none that is valid.
    pub(crate) fn of(record: &InputRecord<'_>, name: &'static str) -> Option<Hop> {
        let headers = record.trace?;
        let parent = TraceParent::parse(headers.parent)?;
        Some(Hop {
            name,
            parent,
            own: parent.child(name, record.partition, record.offset),
            state: headers.state.and_then(tracestate).map(str::to_owned),
        })
    }

    /// The headers of what the record leads to.
    pub(crate) fn headers(&self) -> Vec<(&'static str, Vec<u8>)> {
        headers(self.own, self.state.as_deref())
    }

    /// The headers as the record came with them.
    pub(crate) fn as_received(&self) -> Vec<(&'static str, Vec<u8>)> {
        headers(self.parent, self.state.as_deref())
    }
}

fn headers(context: TraceParent, state: Option<&str>) -> Vec<(&'static str, Vec<u8>)> {
    let parent = (TRACEPARENT, context.to_string().into_bytes());
    let state = state.map(|state| (TRACESTATE, state.as_bytes().to_vec()));
    [parent].into_iter().chain(state).collect()
}
