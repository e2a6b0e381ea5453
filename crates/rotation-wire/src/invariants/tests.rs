use super::*;
use crate::alerts::tests::alert;
use proptest::prelude::*;
use rotation_engine::alert::Alert;

const BEGAN: i64 = 1_767_906_000;

/// The event of an episode that began `began` seconds after the first, told `lasted` seconds later.
fn event(began: i64, lasted: i64, transition: u32, state: State) -> Alert {
    let opened = EventTime::from_nanos((BEGAN + began) * SECOND);
    let alert = alert();
    let episode = format!("{}/{opened}", alert.key());
    Alert {
        id: format!("{episode}/{transition}"),
        episode,
        transition,
        state,
        as_of: opened.saturating_add(lasted * SECOND),
        duration_seconds: lasted,
        ..alert
    }
}

fn seen(alert: &Alert) -> Seen {
    let event = AlertEvent::from(alert.clone());
    let seen = Seen::read(&event.encode()).unwrap();
    assert_eq!(seen, Seen::of(&event));
    seen.with_key(Some(alert.key().as_bytes()))
}

fn at(offset: i64) -> Place {
    Place {
        partition: 2,
        offset,
    }
}

/// What a log says of these events, by code.
fn codes(mut log: AlertLog, events: &[Alert]) -> Vec<&'static str> {
    let mut codes = Vec::new();
    for (offset, event) in (0..).zip(events) {
        let found = log.take(at(offset), &seen(event));
        for violation in &found {
            assert!(Violation::CODES.contains(&violation.code()));
            assert!(violation.to_string().contains(violation.id().unwrap()));
        }
        codes.extend(found.iter().map(Violation::code));
    }
    codes
}

fn both(events: &[Alert]) -> Vec<&'static str> {
    let whole = codes(AlertLog::new(), events);
    assert_eq!(whole, codes(AlertLog::bounded(), events));
    whole
}

/// Two episodes with corrections, as the engine tells them.
fn story() -> Vec<Alert> {
    use State::{Confirmed, Corrected, Eased, Escalated, Opened, Resolved, Retracted};
    vec![
        event(0, 0, 1, Opened),
        event(0, 0, 2, Confirmed),
        event(0, 60, 3, Escalated),
        event(0, 60, 4, Corrected),
        event(0, 90, 5, Eased),
        event(0, 120, 6, Resolved),
        event(0, 120, 7, Corrected),
        event(0, 180, 8, Resolved),
        event(0, 180, 9, Confirmed),
        event(300, 0, 1, Opened),
        event(300, 0, 2, Retracted),
        event(360, 60, 1, Opened),
    ]
}

#[test]
fn a_story_without_faults_has_none_and_one_episode_stands() {
    assert_eq!(both(&story()), Vec::<&str>::new());
    let mut log = AlertLog::new();
    for (offset, event) in (0..).zip(&story()) {
        log.take(at(offset), &seen(event));
    }
    let summary = log.finish();
    assert_eq!((summary.events, summary.episodes), (12, 3));
    let [open] = summary.open.as_slice() else {
        panic!("expected one open episode: {summary:?}");
    };
    assert_eq!(open.episode, event(360, 60, 1, State::Opened).episode);
    assert_eq!((open.transition, open.newest), (1, at(11)));
    assert_eq!(log.open_episodes(), summary.open);
}

#[test]
fn a_repeat_is_told_once_and_an_altered_one_by_another_name() {
    let mut events = story();
    events.insert(3, events[2].clone());
    assert_eq!(both(&events), ["repeated"]);
    events[3].value += 1.0;
    assert_eq!(both(&events), ["altered"]);
    let mut old = story();
    old.push(old[1].clone());
    assert_eq!(codes(AlertLog::new(), &old), ["repeated"]);
}

#[test]
fn the_clock_of_detection_and_the_positions_do_not_make_another_event() {
    let live = crate::alerts::tests::live();
    let seen = Seen::read(&live.encode()).unwrap();
    assert_eq!(seen, Seen::of(&AlertEvent::from(live.alert)));
}

#[test]
fn each_gap_and_disorder_has_its_name() {
    let mut missing = story();
    missing.remove(4);
    assert_eq!(both(&missing), ["gap"]);
    let mut swapped = story();
    swapped.swap(2, 3);
    assert_eq!(both(&swapped), ["gap", "out_of_order"]);
    let headless = story().split_off(1);
    assert_eq!(both(&headless), ["no_opening"]);
    let late = [event(0, 0, 2, State::Opened)];
    assert_eq!(both(&late), ["gap"]);
    let twice = [event(0, 0, 1, State::Opened), event(0, 0, 2, State::Opened)];
    assert_eq!(both(&twice), ["opened_twice"]);
}

#[test]
fn nothing_but_a_correction_follows_an_end_and_nothing_a_retraction() {
    use State::{Confirmed, Escalated, Opened, Resolved, Retracted};
    let opened = event(0, 0, 1, Opened);
    let after = [
        opened.clone(),
        event(0, 60, 2, Resolved),
        event(0, 90, 3, Escalated),
    ];
    assert_eq!(both(&after), ["after_end"]);
    let taken_back = [
        opened.clone(),
        event(0, 60, 2, Retracted),
        event(0, 60, 3, Confirmed),
    ];
    assert_eq!(both(&taken_back), ["after_end"]);
    let confirmed = [
        opened,
        event(0, 60, 2, Resolved),
        event(0, 60, 3, Confirmed),
        event(0, 90, 4, Resolved),
    ];
    assert_eq!(both(&confirmed), ["after_end"]);
}

#[test]
fn one_version_of_a_rule_has_one_episode_at_a_time() {
    let first = event(0, 0, 1, State::Opened);
    let mut second = event(60, 0, 1, State::Opened);
    assert_eq!(both(&[first.clone(), second.clone()]), ["two_open"]);
    // A changed rule starts cold: the episode of the old version gets no further event.
    second.rule_version = "another".to_owned();
    assert_eq!(both(&[first, second]), Vec::<&str>::new());
}

#[test]
fn event_time_does_not_go_back_within_a_key() {
    let mut events = vec![
        event(0, 0, 1, State::Opened),
        event(0, 60, 2, State::Escalated),
        event(0, 30, 3, State::Eased),
    ];
    assert_eq!(both(&events), ["time_back"]);
    // Another subject has a time of its own.
    let mut other = event(0, 0, 1, State::Opened);
    other.subject = "other".to_owned();
    other.episode = format!("{}/{}", other.key(), other.as_of);
    other.id = format!("{}/1", other.episode);
    events[2] = other;
    assert_eq!(both(&events), Vec::<&str>::new());
}

#[test]
fn key_and_id_follow_from_the_parts() {
    let good = event(0, 60, 1, State::Opened);
    let say = |alert: &Alert, key: &str| {
        let found = AlertLog::new().take(at(0), &seen(alert).with_key(Some(key.as_bytes())));
        found.iter().map(Violation::code).collect::<Vec<_>>()
    };
    assert_eq!(say(&good, &good.key()), Vec::<&str>::new());
    assert_eq!(say(&good, "us/other/RUT/GSPC"), ["wrong_key"]);
    assert_eq!(say(&good, ""), ["wrong_key"]);
    let wrong = [
        Alert {
            id: "made-up".to_owned(),
            ..good.clone()
        },
        Alert {
            duration_seconds: 61,
            ..good.clone()
        },
        Alert {
            rule: "other".to_owned(),
            ..good.clone()
        },
        Alert {
            as_of: EventTime::from_nanos(0),
            ..good
        },
    ];
    for wrong in wrong {
        assert_eq!(say(&wrong, &wrong.key()), ["wrong_id"], "{wrong:?}");
    }
}

#[test]
fn a_log_that_begins_within_takes_the_first_event_of_each_rule_as_it_is() {
    let rest = story().split_off(2);
    assert_eq!(
        codes(AlertLog::new().from_within(), &rest),
        Vec::<&str>::new()
    );
    assert_eq!(
        codes(AlertLog::bounded().from_within(), &rest),
        Vec::<&str>::new()
    );
    let headless = [
        event(0, 60, 3, State::Escalated),
        event(300, 60, 2, State::Escalated),
    ];
    assert_eq!(
        codes(AlertLog::new().from_within(), &headless),
        ["no_opening"],
        "the second episode began after the log did"
    );
    // A correction may be of an episode that ended before the log began.
    let corrected = [
        event(300, 0, 1, State::Opened),
        event(0, 300, 3, State::Retracted),
    ];
    assert_eq!(
        codes(AlertLog::bounded().from_within(), &corrected),
        Vec::<&str>::new()
    );
}

#[test]
fn an_episode_that_stands_may_be_announced_again_at_a_later_section() {
    let mut events = story();
    events.push(event(360, 600, 1, State::Opened));
    events.push(event(360, 660, 2, State::Resolved));
    assert_eq!(both(&events), Vec::<&str>::new());
    let mut log = AlertLog::new();
    for (offset, event) in (0..).zip(&events) {
        log.take(at(offset), &seen(event));
    }
    let summary = log.finish();
    assert_eq!((summary.announced_again, summary.episodes), (1, 3));
    // Never after it has ended.
    events.push(event(360, 720, 1, State::Opened));
    assert_eq!(codes(AlertLog::new(), &events), ["altered"]);
}

#[test]
fn memory_is_bounded_by_the_rules() {
    let mut log = AlertLog::bounded();
    for at_second in 0..1000 {
        for (transition, state) in [(1, State::Opened), (2, State::Resolved)] {
            let event = event(at_second * 10, i64::from(transition) - 1, transition, state);
            assert_eq!(log.take(at(at_second), &seen(&event)), []);
        }
    }
    assert_eq!(log.lines.len(), 1);
    assert!(log.lines.values().all(|line| line.episodes.len() <= NEWEST));
    assert_eq!(log.ids, None);
    // A correction of an episode that was forgotten is no invention.
    let old = event(0, 9_999, 3, State::Retracted);
    assert_eq!(log.take(at(5000), &seen(&old)), []);
}

#[test]
fn positions_are_never_ahead_of_the_state() {
    let code = |committed, head, snapshot| {
        committed_not_ahead(committed, head, snapshot).map(|violation| violation.code())
    };
    assert_eq!(code(None, None, None), None);
    assert_eq!(code(Some(5), Some(5), Some(3)), None);
    assert_eq!(code(None, Some(5), Some(5)), None);
    assert_eq!(code(Some(6), Some(5), None), Some("committed_ahead"));
    assert_eq!(code(Some(6), None, None), Some("committed_ahead"));
    assert_eq!(code(Some(5), Some(5), Some(6)), Some("snapshot_ahead"));
    let message = Violation::CommittedAhead {
        committed: 6,
        head: None,
    };
    assert_eq!(
        message.to_string(),
        "the group has committed offset 6, the state stands for nothing"
    );
}

fn bytes(events: &[Alert]) -> Vec<Vec<u8>> {
    let encode = |alert: &Alert| AlertEvent::from(alert.clone()).encode();
    events.iter().map(encode).collect()
}

fn placed(events: &[Alert]) -> Vec<(Place, Vec<u8>)> {
    (0..).map(at).zip(bytes(events)).collect()
}

#[test]
fn two_runs_are_compared_event_by_event() {
    let reference = story();
    assert!(equal(&bytes(&reference), &placed(&reference)).is_none());
    let mut found = reference.clone();
    let lost = found.remove(4);
    found.push(found[0].clone());
    found[2].evidence.insert("length".to_owned(), 11_u32.into());
    found.push(event(900, 0, 1, State::Opened));
    let unequal = equal(&bytes(&reference), &placed(&found));
    assert_eq!(unequal.lost, [lost.id]);
    assert_eq!(
        unequal.repeated,
        [Repeat {
            id: found[0].id.clone(),
            places: vec![at(0), at(11)]
        }]
    );
    assert_eq!(unequal.invented, [(found[12].id.clone(), at(12))]);
    let [different] = unequal.different.as_slice() else {
        panic!("expected one difference: {unequal:?}");
    };
    assert_eq!(
        (different.id.as_str(), different.place),
        (found[2].id.as_str(), at(2))
    );
    let (ten, eleven) = (Some("10".to_owned()), Some("11".to_owned()));
    assert_eq!(
        different.fields,
        [("data.evidence.length".to_owned(), ten, eleven)]
    );
}

proptest! {
    /// Whatever is left out, repeated or exchanged in a story is noticed, and its place is named.
    #[test]
    fn a_fault_is_never_passed_over(at_event in 0_usize..12, kind in 0..3, other in 0_usize..12) {
        let mut events = story();
        match kind {
            // The last event of an episode may be missing without a trace in the topic itself.
            0 => {
                prop_assume!(![8, 10, 11].contains(&at_event));
                events.remove(at_event);
            }
            1 => events.insert(at_event.max(other), events[at_event.min(other)].clone()),
            _ => {
                prop_assume!(at_event != other);
                events.swap(at_event, other);
            }
        }
        let faults = codes(AlertLog::new(), &events);
        prop_assert!(!faults.is_empty(), "{kind} {at_event} {other}");
        let unequal = equal(&bytes(&story()), &placed(&events));
        prop_assert_eq!(unequal.is_none(), kind == 2);
    }

    /// Nothing makes the fold stop, whatever comes.
    #[test]
    fn any_events_are_taken(events in proptest::collection::vec((0_i64..3, 0_i64..100, 0_u32..6, 0_usize..7), 0..40)) {
        use State::{Confirmed, Corrected, Eased, Escalated, Opened, Resolved, Retracted};
        let states = [Opened, Escalated, Eased, Confirmed, Corrected, Resolved, Retracted];
        let events: Vec<Alert> = events
            .into_iter()
            .map(|(began, lasted, number, state)| event(began * 100, lasted, number, states[state]))
            .collect();
        codes(AlertLog::new(), &events);
        codes(AlertLog::bounded().from_within(), &events);
    }
}
