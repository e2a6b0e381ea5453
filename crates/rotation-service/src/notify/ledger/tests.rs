use super::*;
use crate::notify::marks::timestamp;
use crate::notify::sample;
use proptest::prelude::*;
use rotation_engine::alert::{Notify, Severity};

const TELL: Verdict = Verdict::Tell { follow: true };

fn muted(until: i64) -> Verdict {
    let until = timestamp(until);
    Verdict::Mute {
        until,
        follow: true,
    }
}

fn event(offset: i64, episode: &str, state: State, severity: Severity) -> Arc<Event> {
    let mut event = sample::event();
    event.offset = offset;
    event.alert.episode = episode.to_owned();
    event.alert.id = format!("{episode}/{offset}");
    event.alert.state = state;
    event.alert.severity = severity;
    event.alert.notify = Notify::Chat;
    Arc::new(event)
}

/// A script of one episode: each event's state, severity and verdict, and what the target is told: the severity that it
/// sees, the one before that where it changes; `-` nothing, `held` kept back.
fn check(script: &[(State, Severity, Verdict, &str)]) -> Ledger {
    let mut ledger = Ledger::default();
    for (at, (state, severity, verdict, expected)) in script.iter().enumerate() {
        let event = event(at as i64, "e", *state, *severity);
        let found = match ledger.take(&event, *verdict) {
            Step::Pass => "-".to_owned(),
            Step::Held => "held".to_owned(),
            Step::Tell(notice) => shown(&notice),
        };
        assert_eq!(found, *expected, "event {at} of {script:?}");
    }
    ledger
}

fn shown(notice: &Notice) -> String {
    let severity = notice.look.severity.name();
    match notice.replaces {
        Some(was) => format!("{} for {}", severity, was.severity.name()),
        None => severity.to_owned(),
    }
}

use Severity::{Critical, Info, Warning};
use State::{Confirmed, Corrected, Eased, Escalated, Opened, Resolved, Retracted};

#[test]
fn an_episode_looks_as_serious_as_it_is_and_its_end_keeps_its_look() {
    check(&[
        (Opened, Warning, TELL, "warning"),
        (Confirmed, Info, TELL, "warning"),
        (Escalated, Critical, TELL, "critical for warning"),
        (Eased, Warning, TELL, "warning for critical"),
        (Resolved, Info, TELL, "warning"),
    ]);
    // A correction takes an escalation back, or an end.
    check(&[
        (Opened, Warning, TELL, "warning"),
        (Escalated, Critical, TELL, "critical for warning"),
        (Corrected, Info, TELL, "warning for critical"),
        (Resolved, Info, TELL, "warning"),
        (Corrected, Info, TELL, "warning"),
        (Retracted, Info, TELL, "warning"),
    ]);
}

#[test]
fn what_was_told_is_followed_and_what_was_not_has_no_end() {
    let no = Verdict::No;
    let ledger = check(&[
        (Opened, Warning, TELL, "warning"),
        (Confirmed, Info, no, "-"),
        (Escalated, Critical, no, "-"),
        (Eased, Info, no, "info for warning"),
        (Resolved, Info, no, "info"),
        (Corrected, Info, no, "info"),
    ]);
    assert_eq!(
        ledger.standing().count(),
        1,
        "a correction took the end back"
    );
    check(&[
        (Opened, Info, no, "-"),
        (Escalated, Warning, TELL, "warning"),
        (Resolved, Info, no, "warning"),
    ]);
    check(&[(Opened, Info, no, "-"), (Resolved, Info, no, "-")]);
    check(&[(Opened, Info, no, "-"), (Resolved, Info, TELL, "-")]);
    let once = Verdict::Tell { follow: false };
    check(&[(Opened, Info, once, "info"), (Resolved, Info, no, "-")]);
}

#[test]
fn a_mute_window_keeps_back_what_begins_and_not_what_ends() {
    // Told before, ended within.
    check(&[
        (Opened, Warning, TELL, "warning"),
        (Resolved, Info, muted(9), "warning"),
    ]);
    // Begun and ended within: nobody is told.
    let mut ledger = check(&[
        (Opened, Warning, muted(9), "held"),
        (Escalated, Critical, muted(9), "held"),
        (Resolved, Info, muted(9), "-"),
    ]);
    assert!(ledger.release(timestamp(9)).is_empty());
    // Begun within, stands after: told then, as it stands.
    let mut ledger = check(&[
        (Opened, Warning, muted(9), "held"),
        (Escalated, Critical, muted(9), "held"),
        (Eased, Info, Verdict::No, "held"),
    ]);
    assert_eq!(ledger.standing().count(), 0);
    assert_eq!(ledger.next_release(), Some(timestamp(9)));
    assert!(ledger.release(timestamp(8)).is_empty());
    let released = ledger.release(timestamp(9));
    let [(until, notice)] = released.as_slice() else {
        panic!("{released:?}")
    };
    assert_eq!(
        (*until, shown(notice), notice.event.offset),
        (timestamp(9), "info".to_owned(), 2)
    );
    assert_eq!(notice.held_until, Some(timestamp(9)));
    assert!(ledger.release(timestamp(99)).is_empty(), "once");
    assert_eq!(ledger.standing().count(), 1);
    // Told before, more serious within, and told so after.
    let mut ledger = check(&[
        (Opened, Warning, TELL, "warning"),
        (Escalated, Critical, muted(9), "held"),
    ]);
    assert_eq!(
        shown(&ledger.release(timestamp(9))[0].1),
        "critical for warning"
    );
    // Told by another route meanwhile: nothing is left to tell.
    let mut ledger = check(&[
        (Opened, Warning, muted(9), "held"),
        (Escalated, Critical, TELL, "critical"),
    ]);
    assert!(ledger.release(timestamp(9)).is_empty());
}

#[test]
fn ended_episodes_are_forgotten_in_time_and_open_ones_never() {
    let mut ledger = Ledger::default();
    for at in 0..ENDED_MAX as i64 * 3 {
        let name = format!("e{at}");
        ledger.take(&event(2 * at, &name, Opened, Warning), TELL);
        if at > 0 {
            ledger.take(&event(2 * at + 1, &name, Resolved, Info), TELL);
        }
    }
    assert_eq!(ledger.episodes.len(), ENDED_MAX + 1);
    assert_eq!(ledger.standing().count(), 1);
}

proptest! {
    /// Whatever happens: a target that was told of an episode knows in the end whether it stands, and one that was
    /// not is not told of its end.
    #[test]
    fn targets_know_what_stands(
        script in prop::collection::vec((0_usize..4, 0_usize..3, 0_usize..3), 1..12),
        ends in any::<bool>(),
    ) {
        let mut ledger = Ledger::default();
        let mut knows = None;
        let take = |ledger: &mut Ledger, knows: &mut Option<bool>, event: &Arc<Event>, verdict| {
            if let Step::Tell(notice) = ledger.take(event, verdict) {
                let is_final = notice.event.alert.state.is_final();
                assert!(!is_final || knows.is_some(), "the end of what it was never told of");
                *knows = Some(!is_final);
            }
        };
        for (at, (state, severity, verdict)) in script.iter().enumerate() {
            let state = [Opened, Escalated, Eased, Confirmed][if at == 0 { 0 } else { *state }];
            let event = event(at as i64, "e", state, [Info, Warning, Critical][*severity]);
            let verdict = [Verdict::No, TELL, muted(9)][*verdict];
            take(&mut ledger, &mut knows, &event, verdict);
        }
        if ends {
            take(&mut ledger, &mut knows, &event(99, "e", Resolved, Info), Verdict::No);
        }
        for (_, notice) in ledger.release(timestamp(9)) {
            knows = Some(!notice.event.alert.state.is_final());
        }
        if ends {
            prop_assert!(knows != Some(true));
            prop_assert_eq!(ledger.standing().count(), 0);
        } else {
            prop_assert_eq!(ledger.standing().count(), usize::from(knows == Some(true)));
        }
    }
}
