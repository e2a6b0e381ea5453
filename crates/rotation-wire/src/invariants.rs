//! What always holds on the alert topic, named once: for simulation, tests, the service's counters, `rotation audit`.
//!
//! [`AlertLog`] is a fold over the events of the topic, in the order of their partition, without Kafka. It says what
//! does not hold, and goes on, so that one fault is told once. [`committed_not_ahead`] holds a task's positions against
//! each other, [`equal`] the events of one run against those of another.

use crate::alerts::{AlertError, AlertEvent, comparable};
use crate::digest::digest;
use rotation_engine::alert::State;
use rotation_engine::clock::SECOND;
use rotation_engine::time::EventTime;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

mod equal;
mod violation;

pub use equal::{Different, Repeat, Unequal, equal};
pub use violation::Violation;

/// Newest episodes of a rule that a log of bounded memory knows.
const NEWEST: usize = 4;

/// Where an event is on the alert topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The partition.
    pub partition: i32,
    /// The offset there.
    pub offset: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {}, offset {}", self.partition, self.offset)
    }
}

/// What the invariants need of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The event's id.
    pub id: String,
    /// Its key on the topic, where it is known.
    pub key: Option<String>,
    /// The universe.
    pub universe: String,
    /// The rule.
    pub rule: String,
    /// The rule's version.
    pub rule_version: String,
    /// What the rule speaks about.
    pub subject: String,
    /// The episode's id.
    pub episode: String,
    /// The event's number in the episode.
    pub transition: u32,
    /// The state that it takes the episode into.
    pub state: State,
    /// Event time of the decision.
    pub as_of: EventTime,
    /// Seconds of event time since the episode began.
    pub duration_seconds: i64,
    /// Decided over history.
    pub replay: bool,
    /// Digest of what two runs over the same ticks have in common.
    content: String,
}

impl Seen {
    /// An event in hand.
    pub fn of(event: &AlertEvent) -> Seen {
        let content = digest(&AlertEvent::from(event.alert.clone()).encode());
        Seen::new(event, content)
    }

    /// The bytes of a record.
    ///
    /// # Errors
    /// Bytes that are no event of the alert topic.
    pub fn read(bytes: &[u8]) -> Result<Seen, AlertError> {
        let event = AlertEvent::decode(bytes)?;
        Ok(Seen::new(&event, digest(&comparable(bytes))))
    }

    /// The same with the key of its record.
    #[must_use]
    pub fn with_key(mut self, key: Option<&[u8]>) -> Seen {
        let key = key.unwrap_or_default();
        self.key = Some(String::from_utf8_lossy(key).into_owned());
        self
    }

    fn new(event: &AlertEvent, content: String) -> Seen {
        let alert = &event.alert;
        Seen {
            id: alert.id.clone(),
            key: None,
            universe: alert.universe.clone(),
            rule: alert.rule.clone(),
            rule_version: alert.rule_version.clone(),
            subject: alert.subject.clone(),
            episode: alert.episode.clone(),
            transition: alert.transition,
            state: alert.state,
            as_of: alert.as_of,
            duration_seconds: alert.duration_seconds,
            replay: alert.replay,
            content,
        }
    }

    /// The key that it has to have.
    pub fn own_key(&self) -> String {
        format!("{}/{}/{}", self.universe, self.rule, self.subject)
    }

    /// The id is a function of universe, rule, subject, opening bucket and transition number.
    fn own_id(&self) -> String {
        format!("{}/{}", self.episode, self.transition)
    }

    /// The event time at which the episode began, if its id has the right form and says what the duration says.
    fn began(&self) -> Option<EventTime> {
        let began = self.episode.strip_prefix(&self.own_key())?;
        let began: EventTime = began.strip_prefix('/')?.parse().ok()?;
        let lasted = self.as_of.saturating_since(began);
        (lasted >= 0 && lasted / SECOND == self.duration_seconds).then_some(began)
    }

    /// A correction may follow the end of an episode; nothing else may.
    fn corrects(&self) -> bool {
        matches!(
            self.state,
            State::Confirmed | State::Corrected | State::Retracted
        )
    }
}

/// How an event stands to what its log has told before.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    place: Place,
    as_of: EventTime,
    content: String,
}

/// An episode that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Episode {
    id: String,
    rule_version: String,
    opened: Option<EventTime>,
    transition: u32,
    newest: Known,
    /// Where it ended, if it did.
    ended: Option<Place>,
    /// Nothing may follow any more.
    retracted: bool,
}

/// The events of one rule about one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    newest: Known,
    /// In the order in which they were met.
    episodes: Vec<Episode>,
    /// Older ones were forgotten.
    forgot: bool,
}

/// An episode that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenEpisode {
    /// Its id.
    pub episode: String,
    /// The rule's version.
    pub rule_version: String,
    /// The event time at which it was announced; none where the log begins later.
    pub opened: Option<EventTime>,
    /// Number of its newest event.
    pub transition: u32,
    /// Event time of its newest event.
    pub as_of: EventTime,
    /// Where that is.
    pub newest: Place,
}

/// What a log held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Events taken.
    pub events: u64,
    /// Episodes met.
    pub episodes: u64,
    /// Episodes announced again after the topics were made anew, under the old id: documented, so no violation.
    pub announced_again: u64,
    /// Those that have not ended.
    pub open: Vec<OpenEpisode>,
}

/// A fold over the events of the alert topic. Events of one partition have to come in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertLog {
    lines: BTreeMap<String, Line>,
    /// Every id with the newest place where it was told; absent where memory is bounded.
    ids: Option<HashMap<String, Known>>,
    /// Events were told before the first one taken.
    within: bool,
    events: u64,
    episodes: u64,
    announced_again: u64,
}

impl Default for AlertLog {
    fn default() -> Self {
        AlertLog::new()
    }
}

impl AlertLog {
    /// A log that begins with the topic's first event, and remembers every id.
    pub fn new() -> AlertLog {
        AlertLog {
            lines: BTreeMap::new(),
            ids: Some(HashMap::new()),
            within: false,
            events: 0,
            episodes: 0,
            announced_again: 0,
        }
    }

    /// A log that remembers the newest episodes of each rule only.
    pub fn bounded() -> AlertLog {
        AlertLog {
            ids: None,
            ..AlertLog::new()
        }
    }

    /// The same for a log that begins within the topic: the first event of each rule is taken as it is.
    #[must_use]
    pub fn from_within(mut self) -> AlertLog {
        self.within = true;
        self
    }

    /// Takes the next event; what does not hold any more.
    pub fn take(&mut self, place: Place, event: &Seen) -> Vec<Violation> {
        self.events += 1;
        let mut found = Vec::new();
        identity(place, event, &mut found);
        let known = Known {
            place,
            as_of: event.as_of,
            content: event.content.clone(),
        };
        let line = event.own_key();
        if self.is_announced_again(&line, event) {
            self.announced_again += 1;
            self.forget(&line, event);
        }
        if let Some(repeat) = self.repeat(&line, &known, event) {
            // A repeat is out of order and after its end too: that would say the same thing again.
            found.push(repeat);
            return found;
        }
        if let Some(ids) = &mut self.ids {
            ids.insert(event.id.clone(), known.clone());
        }
        self.follow(line, known, event, &mut found);
        found
    }

    /// After the topics were made anew an episode that stands is announced once more, at a later section.
    fn is_announced_again(&self, line: &str, event: &Seen) -> bool {
        event.state == State::Opened
            && event.transition == 1
            && self.episode(line, &event.episode).is_some_and(|known| {
                known.ended.is_none() && known.opened.is_some_and(|opened| opened < event.as_of)
            })
            && self
                .lines
                .get(line)
                .is_some_and(|line| line.newest.as_of <= event.as_of)
    }

    fn forget(&mut self, line: &str, event: &Seen) {
        if let Some(line) = self.lines.get_mut(line) {
            line.episodes.retain(|known| known.id != event.episode);
        }
        self.episodes = self.episodes.saturating_sub(1);
        if let Some(ids) = &mut self.ids {
            let own = |id: &str| {
                id.strip_prefix(&event.episode)
                    .and_then(|rest| rest.strip_prefix('/'))
                    .is_some_and(|number| number.parse::<u32>().is_ok())
            };
            ids.retain(|id, _| !own(id));
        }
    }

    fn episode(&self, line: &str, id: &str) -> Option<&Episode> {
        let line = self.lines.get(line)?;
        line.episodes.iter().find(|episode| episode.id == id)
    }

    fn repeat(&self, line: &str, known: &Known, event: &Seen) -> Option<Violation> {
        let first = match &self.ids {
            Some(ids) => ids.get(&event.id)?,
            None => {
                let episode = self.episode(line, &event.episode)?;
                (episode.transition == event.transition).then_some(&episode.newest)?
            }
        };
        let (id, first_place, again) = (event.id.clone(), first.place, known.place);
        Some(if first.content == known.content {
            Violation::Repeated {
                id,
                first: first_place,
                again,
            }
        } else {
            Violation::Altered {
                id,
                first: first_place,
                again,
            }
        })
    }

    fn follow(&mut self, line: String, known: Known, event: &Seen, found: &mut Vec<Violation>) {
        let is_bounded = self.ids.is_none();
        let place = known.place;
        let is_new = !self.lines.contains_key(&line);
        let line = self.lines.entry(line).or_insert_with(|| Line {
            newest: known.clone(),
            episodes: Vec::new(),
            forgot: false,
        });
        if event.as_of < line.newest.as_of {
            found.push(Violation::TimeBack {
                key: event.own_key(),
                id: event.id.clone(),
                place,
                as_of: event.as_of,
                before: line.newest.as_of,
                before_place: line.newest.place,
            });
        }
        // From here on it is held against this one, so that one wrong time is told once.
        line.newest = known.clone();
        let at = line.episodes.iter().position(|it| it.id == event.episode);
        match at {
            Some(at) => line.episodes[at].go_on(known, event, found),
            None => {
                let is_late = event.corrects() && (self.within || line.forgot);
                let is_known_before = event.transition > 1 && (is_late || (self.within && is_new));
                self.episodes += 1;
                line.begin(known, event, is_known_before, found);
            }
        }
        if is_bounded && line.episodes.len() > NEWEST {
            line.episodes.remove(0);
            line.forgot = true;
        }
    }

    /// Episodes that have not ended.
    pub fn open_episodes(&self) -> Vec<OpenEpisode> {
        let episodes = self.lines.values().flat_map(|line| &line.episodes);
        episodes
            .filter(|episode| episode.ended.is_none())
            .map(|episode| OpenEpisode {
                episode: episode.id.clone(),
                rule_version: episode.rule_version.clone(),
                opened: episode.opened,
                transition: episode.transition,
                as_of: episode.newest.as_of,
                newest: episode.newest.place,
            })
            .collect()
    }

    /// What the log held.
    pub fn finish(&self) -> Summary {
        Summary {
            events: self.events,
            episodes: self.episodes,
            announced_again: self.announced_again,
            open: self.open_episodes(),
        }
    }
}

/// Key and id follow from the event's parts.
fn identity(place: Place, event: &Seen, found: &mut Vec<Violation>) {
    let own_key = event.own_key();
    if let Some(key) = event.key.as_ref().filter(|key| **key != own_key) {
        found.push(Violation::WrongKey {
            id: event.id.clone(),
            place,
            key: crate::text::one_line(key, 128),
            expected: own_key,
        });
    }
    if event.id != event.own_id() || event.began().is_none() {
        found.push(Violation::WrongId {
            id: event.id.clone(),
            place,
            episode: event.episode.clone(),
            transition: event.transition,
            as_of: event.as_of,
            duration_seconds: event.duration_seconds,
        });
    }
}

impl Line {
    /// Meets an episode.
    fn begin(
        &mut self,
        known: Known,
        event: &Seen,
        is_known_before: bool,
        found: &mut Vec<Violation>,
    ) {
        let (id, place) = (event.id.clone(), known.place);
        let is_opening = event.state == State::Opened;
        if is_opening && event.transition != 1 {
            found.push(Violation::Gap {
                id,
                place,
                expected: 1,
                found: event.transition,
                before: None,
            });
        } else if !is_opening && !is_known_before {
            found.push(Violation::NoOpening {
                id,
                place,
                state: event.state,
            });
        }
        let mut stands = self.episodes.iter().filter(|episode| {
            episode.ended.is_none() && episode.rule_version == event.rule_version
        });
        if let (Some(other), true) = (stands.next(), is_opening) {
            found.push(Violation::TwoOpen {
                id: event.id.clone(),
                place,
                other: other.id.clone(),
                other_place: other.newest.place,
            });
        }
        self.episodes.push(Episode {
            id: event.episode.clone(),
            rule_version: event.rule_version.clone(),
            opened: is_opening.then_some(event.as_of),
            transition: event.transition,
            ended: ends(None, place, event),
            retracted: event.state == State::Retracted,
            newest: known,
        });
    }
}

impl Episode {
    fn go_on(&mut self, known: Known, event: &Seen, found: &mut Vec<Violation>) {
        let (id, place) = (event.id.clone(), known.place);
        if event.state == State::Opened {
            found.push(Violation::OpenedTwice {
                id: id.clone(),
                place,
                before: self.newest.place,
            });
        }
        let expected = self.transition.saturating_add(1);
        if event.transition > expected {
            found.push(Violation::Gap {
                id: id.clone(),
                place,
                expected,
                found: event.transition,
                before: Some(self.newest.place),
            });
        } else if event.transition < expected {
            found.push(Violation::OutOfOrder {
                id: id.clone(),
                place,
                newest: self.transition,
                newest_place: self.newest.place,
            });
        }
        if let Some(end) = self.ended
            && (self.retracted || !event.corrects())
        {
            found.push(Violation::AfterEnd {
                id,
                place,
                state: event.state,
                end,
            });
        }
        self.ended = ends(self.ended, place, event);
        self.retracted |= event.state == State::Retracted;
        if event.transition > self.transition {
            self.transition = event.transition;
            self.newest = known;
        }
    }
}

/// Where an episode has ended, after an event.
fn ends(ended: Option<Place>, place: Place, event: &Seen) -> Option<Place> {
    match event.state {
        State::Resolved | State::Retracted => Some(place),
        State::Confirmed => ended,
        State::Opened | State::Escalated | State::Eased | State::Corrected => None,
    }
}

/// Positions of one task: neither what the group has committed nor the snapshot is ahead of the head, which is what the
/// state stands for. All are next input offsets; none where there is no such thing yet.
pub fn committed_not_ahead(
    committed: Option<i64>,
    head: Option<i64>,
    snapshot: Option<i64>,
) -> Option<Violation> {
    if let Some(committed) = committed
        && head.is_none_or(|head| committed > head)
    {
        return Some(Violation::CommittedAhead { committed, head });
    }
    match (head, snapshot) {
        (Some(head), Some(snapshot)) if snapshot > head => {
            Some(Violation::SnapshotAhead { snapshot, head })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
