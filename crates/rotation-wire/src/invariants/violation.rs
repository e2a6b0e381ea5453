//! What does not hold, said to a person.

use super::Place;
use rotation_engine::alert::State;
use rotation_engine::time::EventTime;

/// What does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The same event twice.
    #[error("{id} at {again} repeats the event at {first}")]
    Repeated {
        /// The event.
        id: String,
        /// Where it was told.
        first: Place,
        /// Where it is told again.
        again: Place,
    },
    /// Two events of one id that say different things.
    #[error("{id} at {again} says another thing than the event of that id at {first}")]
    Altered {
        /// The event.
        id: String,
        /// Where it was told.
        first: Place,
        /// Where it says another thing.
        again: Place,
    },
    /// A transition number was left out.
    #[error("{id} at {place}: expected transition {expected}, found {found}{}", after(*before))]
    Gap {
        /// The event.
        id: String,
        /// Where it is.
        place: Place,
        /// The number that should have come.
        expected: u32,
        /// The number that came.
        found: u32,
        /// The event before it, if any.
        before: Option<Place>,
    },
    /// A transition number lower than one already told.
    #[error("{id} at {place} comes after transition {newest} at {newest_place}")]
    OutOfOrder {
        /// The event.
        id: String,
        /// Where it is.
        place: Place,
        /// The number before it.
        newest: u32,
        /// Where that is.
        newest_place: Place,
    },
    /// An episode whose first event is not its opening.
    #[error("{id} at {place} is {} in an episode without an opening", state.name())]
    NoOpening {
        /// The event.
        id: String,
        /// Where it is.
        place: Place,
        /// Its state.
        state: State,
    },
    /// An opening within an episode.
    #[error("{id} at {place} opens an episode that stands since before {before}")]
    OpenedTwice {
        /// The event.
        id: String,
        /// Where it is.
        place: Place,
        /// The event of the episode before it.
        before: Place,
    },
    /// An event of an episode that is over.
    #[error("{id} at {place} is {} after the episode ended at {end}", state.name())]
    AfterEnd {
        /// The event.
        id: String,
        /// Where it is.
        place: Place,
        /// Its state.
        state: State,
        /// Where the episode ended.
        end: Place,
    },
    /// Two episodes of one version of a rule stand at once.
    #[error("{id} at {place} opens while {other} stands, last told at {other_place}")]
    TwoOpen {
        /// The opening.
        id: String,
        /// Where it is.
        place: Place,
        /// The other episode.
        other: String,
        /// Its newest event.
        other_place: Place,
    },
    /// Event time went back within a key.
    #[error(
        "{id} at {place}: as_of {as_of} is before {before} at {before_place}, of the same key {key}"
    )]
    TimeBack {
        /// The key.
        key: String,
        /// The event.
        id: String,
        /// Where it is.
        place: Place,
        /// Its event time.
        as_of: EventTime,
        /// The event time before it.
        before: EventTime,
        /// Where that is.
        before_place: Place,
    },
    /// The id does not follow from the event's parts.
    #[error(
        "{id} at {place}: expected the id {episode}/{transition}, and an episode named after its universe, rule, \
         subject and the instant {duration_seconds} s before {as_of}"
    )]
    WrongId {
        /// The event.
        id: String,
        /// Where it is.
        place: Place,
        /// The episode that it names.
        episode: String,
        /// Its number.
        transition: u32,
        /// Its event time.
        as_of: EventTime,
        /// Since the episode began.
        duration_seconds: i64,
    },
    /// The record's key does not follow from the event.
    #[error("{id} at {place}: expected the key {expected}, found {key}")]
    WrongKey {
        /// The event.
        id: String,
        /// Where it is.
        place: Place,
        /// The key there.
        key: String,
        /// The key that it has to have.
        expected: String,
    },
    /// The group's offset is ahead of the state.
    #[error(
        "the group has committed offset {committed}, the state stands for {}",
        head.map_or_else(|| "nothing".to_owned(), |head| format!("offset {head}"))
    )]
    CommittedAhead {
        /// The group's next offset.
        committed: i64,
        /// The state's.
        head: Option<i64>,
    },
    /// The snapshot is ahead of the head that names it.
    #[error("the snapshot was taken at offset {snapshot}, the head stands at {head}")]
    SnapshotAhead {
        /// The snapshot's next offset.
        snapshot: i64,
        /// The head's.
        head: i64,
    },
}

impl Violation {
    /// Every [`Violation::code`].
    pub const CODES: &[&str] = &[
        "repeated",
        "altered",
        "gap",
        "out_of_order",
        "no_opening",
        "opened_twice",
        "after_end",
        "two_open",
        "time_back",
        "wrong_id",
        "wrong_key",
        "committed_ahead",
        "snapshot_ahead",
    ];

    /// The invariant's name: one of [`Violation::CODES`].
    pub fn code(&self) -> &'static str {
        match self {
            Violation::Repeated { .. } => "repeated",
            Violation::Altered { .. } => "altered",
            Violation::Gap { .. } => "gap",
            Violation::OutOfOrder { .. } => "out_of_order",
            Violation::NoOpening { .. } => "no_opening",
            Violation::OpenedTwice { .. } => "opened_twice",
            Violation::AfterEnd { .. } => "after_end",
            Violation::TwoOpen { .. } => "two_open",
            Violation::TimeBack { .. } => "time_back",
            Violation::WrongId { .. } => "wrong_id",
            Violation::WrongKey { .. } => "wrong_key",
            Violation::CommittedAhead { .. } => "committed_ahead",
            Violation::SnapshotAhead { .. } => "snapshot_ahead",
        }
    }

    /// The event's id, where it is about one.
    pub fn id(&self) -> Option<&str> {
        match self {
            Violation::Repeated { id, .. }
            | Violation::Altered { id, .. }
            | Violation::Gap { id, .. }
            | Violation::OutOfOrder { id, .. }
            | Violation::NoOpening { id, .. }
            | Violation::OpenedTwice { id, .. }
            | Violation::AfterEnd { id, .. }
            | Violation::TwoOpen { id, .. }
            | Violation::TimeBack { id, .. }
            | Violation::WrongId { id, .. }
            | Violation::WrongKey { id, .. } => Some(id),
            Violation::CommittedAhead { .. } | Violation::SnapshotAhead { .. } => None,
        }
    }
}

fn after(before: Option<Place>) -> String {
    before.map_or_else(String::new, |place| format!(" after the event at {place}"))
}
