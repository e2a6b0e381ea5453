use super::*;
use crate::notify::marks::Begin;
use crate::notify::sample;
use rotation_engine::alert::State;

const TELL: Verdict = Verdict::Tell { follow: true };

fn event(offset: i64, state: State, published: i64) -> Arc<Event> {
    let mut event = sample::event();
    event.offset = offset;
    event.published = published;
    event.alert.state = state;
    // Two events an episode.
    event.alert.episode = format!("e{}", offset / 2);
    Arc::new(event)
}

/// What a lane is told of a partition: of each event its state and its verdict, at a second each.
fn run(member: &mut Member, script: &[(State, Verdict)]) -> Vec<i64> {
    let mut told = Vec::new();
    for (offset, (state, verdict)) in script.iter().enumerate() {
        let offset = offset as i64;
        let event = event(offset, *state, offset * 1000);
        let taken = member.lanes[0].take(&event, *verdict);
        told.extend(taken.notices.iter().map(|notice| notice.event.offset));
        member.passed(offset);
    }
    told
}

fn marks(member: &Member) -> (i64, i64) {
    let mark = member.lanes[0].mark;
    (mark.next, mark.released)
}

fn muted(until: i64) -> Verdict {
    let until = timestamp(until);
    Verdict::Mute {
        until,
        follow: true,
    }
}

use State::{Opened, Resolved};

#[test]
fn a_mark_is_the_first_event_that_is_not_taken() {
    let mut member = Member::new(vec![Mark::new(Begin::Oldest, 0, 0)]);
    let script = [
        (Opened, TELL),
        (Resolved, TELL),
        (Opened, Verdict::No),
        (Resolved, Verdict::No),
        (Opened, TELL),
    ];
    assert_eq!(run(&mut member, &script), [0, 1, 4]);
    assert_eq!(marks(&member).0, 0);
    assert_eq!(member.lanes[0].oldest(), Some(0));
    let mut seen = Vec::new();
    for _ in 0..3 {
        let read = member.read;
        member.lanes[0].done(read);
        seen.push(marks(&member).0);
    }
    assert_eq!(seen, [1, 4, 5]);
    assert_eq!(member.lanes[0].oldest(), None);
    assert_eq!(
        member.position(["a"].into_iter()),
        (5, "{\"v\":1,\"marks\":{\"a\":[5,0,0,0]}}".to_owned())
    );
}

#[test]
fn a_restart_tells_what_was_not_taken_and_nothing_else() {
    let script = [
        (Opened, TELL),
        (Resolved, TELL),
        (Opened, TELL),
        (Resolved, TELL),
        (Opened, TELL),
    ];
    for taken in 0..=5 {
        let mark = Mark {
            next: taken,
            ..Mark::new(Begin::Oldest, 0, 0)
        };
        let mut member = Member::new(vec![mark]);
        let expected: Vec<i64> = (taken..5).collect();
        assert_eq!(run(&mut member, &script), expected, "{taken} taken");
        assert_eq!(member.lanes[0].ledger().standing().count(), 1);
    }
}

#[test]
fn what_a_window_kept_back_is_told_once_over_restarts() {
    // Kept back until second 3; the record after that finds it released.
    let script = [
        (Opened, muted(3000)),
        (Opened, Verdict::No),
        (Opened, Verdict::No),
        (Opened, Verdict::No),
    ];
    let mut member = Member::new(vec![Mark::new(Begin::Oldest, 0, 0)]);
    assert_eq!(run(&mut member, &script), [0]);
    assert_eq!(
        marks(&member),
        (4, 0),
        "the event was looked at, what was kept back is not told yet"
    );
    // Killed before it was taken: told again.
    let mut again = Member::new(vec![member.lanes[0].mark]);
    assert_eq!(run(&mut again, &script), [0]);
    let read = again.read;
    again.lanes[0].done(read);
    assert_eq!(marks(&again), (4, 3000));
    let mut third = Member::new(vec![again.lanes[0].mark]);
    assert!(run(&mut third, &script).is_empty());
    assert_eq!(third.lanes[0].ledger().standing().count(), 1);
}

#[test]
fn a_new_target_is_told_of_what_stands() {
    let script = [(Opened, TELL), (Resolved, TELL), (Opened, TELL)];
    for (begin, at_once, later) in [
        (Begin::Standing, vec![], vec![2]),
        (Begin::Oldest, vec![0, 1, 2], vec![]),
        (Begin::Next, vec![], vec![]),
    ] {
        // Met at second 9, after three events.
        let mut member = Member::new(vec![Mark::new(begin, 3, 9000)]);
        assert_eq!(run(&mut member, &script), at_once, "{begin:?}");
        assert!(member.lanes[0].release(timestamp(8999)).is_empty());
        let released = member.lanes[0].release(timestamp(9000));
        let released: Vec<i64> = released.iter().map(|notice| notice.event.offset).collect();
        assert_eq!(released, later, "{begin:?}");
        let taken = member.lanes[0].take(&event(4, Opened, 10_000), TELL);
        assert_eq!(taken.notices.len(), 1, "{begin:?}");
    }
}
