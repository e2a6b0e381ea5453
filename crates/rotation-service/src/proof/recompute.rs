//! The bars log through the engine once more: what it decides now, and from which record.

use crate::kafka::log::TopicLog;
use crate::kafka::topics::TopicError;
use crate::tasks::from_millis;
use crate::tasks::universe::Cited;
use rdkafka::Message;
use rotation_engine::alert::Alert;
use rotation_engine::output::Output;
use rotation_engine::plan::UniversePlan;
use rotation_engine::record::LogRecord;
use rotation_engine::time::EventTime;
use rotation_engine::universe::{ReadingDetail, Universe};
use rotation_wire::alerts::AlertEvent;
use rotation_wire::bars::{self, Decoded};
use rotation_wire::invariants::Place;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// One record of the bars log, and what the universe said to it.
pub(crate) struct Step<'a> {
    pub(crate) plan: &'a Arc<UniversePlan>,
    pub(crate) place: Place,
    pub(crate) log: &'a LogRecord,
    pub(crate) outputs: &'a [Output],
    cited: &'a Cited,
}

impl Step<'_> {
    /// The event as the service publishes it, but for the time of detection.
    pub(crate) fn event(&self, alert: &Alert) -> AlertEvent {
        let Place { partition, offset } = self.place;
        AlertEvent {
            alert: alert.clone(),
            detected_at: None,
            positions: Some(self.cited.positions(partition, offset, self.log)),
        }
    }

    /// What was decided.
    pub(crate) fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.outputs.iter().filter_map(|output| match output {
            Output::Alert(alert) => Some(&**alert),
            _ => None,
        })
    }
}

/// The universes of a configuration over the bars log, as the service's universe stage runs them.
pub(crate) struct Recompute {
    plans: Vec<Arc<UniversePlan>>,
    cited: Cited,
    detail: ReadingDetail,
    universes: BTreeMap<(i32, String), Universe>,
}

impl Recompute {
    pub(crate) fn new(plans: &[Arc<UniversePlan>], cited: Cited, detail: ReadingDetail) -> Self {
        Recompute {
            plans: plans.to_vec(),
            cited,
            detail,
            universes: BTreeMap::new(),
        }
    }

    /// Takes the records of a partition from its beginning until an offset.
    pub(crate) fn read(
        &mut self,
        log: &TopicLog,
        partition: i32,
        until: i64,
        mut see: impl FnMut(&Step<'_>),
    ) -> Result<(), TopicError> {
        log.read(partition, 0, until, |message| {
            let place = Place {
                partition,
                offset: message.offset(),
            };
            let key = message.key().unwrap_or_default();
            let appended = message.timestamp().to_millis().map(from_millis);
            let bytes = message.payload().unwrap_or_default();
            self.take(place, key, appended, bytes, &mut see);
            ControlFlow::Continue(())
        })
    }

    /// Takes one record. What the universe stage passes over or buries is passed over.
    pub(crate) fn take(
        &mut self,
        place: Place,
        key: &[u8],
        appended: Option<EventTime>,
        bytes: &[u8],
        see: &mut impl FnMut(&Step<'_>),
    ) {
        let name = String::from_utf8_lossy(key);
        let Some(plan) = self.plans.iter().find(|plan| plan.name == name) else {
            return;
        };
        let Ok(Decoded::Record(log)) = bars::decode(plan, bytes) else {
            return;
        };
        let detail = self.detail;
        let hosted = (place.partition, name.into_owned());
        let universe = self.universes.entry(hosted).or_insert_with(|| {
            let mut universe = Universe::new(plan.clone());
            universe.set_readings(detail);
            universe
        });
        let mut outputs = Vec::new();
        universe.step(&log, appended, &mut outputs);
        see(&Step {
            plan,
            place,
            log: &log,
            outputs: &outputs,
            cited: &self.cited,
        });
    }

    /// Event time up to which a universe has decided.
    pub(crate) fn horizon(&self, universe: &str) -> Option<EventTime> {
        let named = self
            .universes
            .iter()
            .filter(|((_, name), _)| name == universe);
        named.map(|(_, universe)| universe.horizon()).max()
    }
}
