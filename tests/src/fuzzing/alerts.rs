//! Events of the alert topic, and the invariants that are held against them.

use rotation_wire::alerts::{AlertEvent, EVENT_MAX, comparable};
use rotation_wire::invariants::{AlertLog, Place, Seen};

/// What is read can be written, and then reads the same; the invariants take any event, once and again.
pub(super) fn alert(bytes: &[u8]) {
    // Takes anything.
    let compared = comparable(bytes);
    let event = match AlertEvent::decode(bytes) {
        Ok(event) => event,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!(bytes.len() <= EVENT_MAX);
    let written = event.encode();
    let again = AlertEvent::decode(&written);
    let again = again.unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&written));
    });
    assert_eq!(again, event);
    assert_eq!(again.encode(), written);
    assert!(!compared.is_empty());

    let seen = Seen::read(bytes).expect("it was decoded");
    let mut log = AlertLog::bounded();
    let place = |offset| Place {
        partition: 0,
        offset,
    };
    log.take(place(0), &seen);
    let repeated = log.take(place(1), &seen);
    assert!(!repeated.is_empty(), "the same event twice goes unseen");
    for violation in repeated {
        assert!(!violation.to_string().is_empty());
    }
}
