//! Dead letters of the notifier: the event as published, under headers that say for whom and why.

use super::event::Event;
use super::worker::GivenUp;
use rotation_engine::output::RejectCode;
use rotation_wire::dead_letter;

/// Header: the target that did not take the event.
pub(crate) const TARGET: &str = "rotation.notify.target";
/// Header: how often it was tried.
pub(crate) const ATTEMPTS: &str = "rotation.notify.attempts";
/// The code of an event that a target did not take.
pub(crate) const UNDELIVERED: &str = "undelivered";

/// A dead letter to be written.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// An event that a target did not take.
pub(crate) fn undelivered(topic: &str, event: &Event, target: &str, given_up: &GivenUp) -> Letter {
    let GivenUp { why, attempts } = given_up;
    let code = RejectCode::Undecodable;
    let headers = dead_letter::headers(topic, event.partition, event.offset, code, why);
    let mut headers = headers.to_vec();
    for (name, value) in &mut headers {
        if *name == dead_letter::CODE {
            UNDELIVERED.clone_into(value);
        }
    }
    headers.push((TARGET, target.to_owned()));
    headers.push((ATTEMPTS, attempts.to_string()));
    Letter {
        key: event.key.clone(),
        payload: Some(event.bytes.clone()),
        headers,
    }
}

/// A record of the alert topic that is no alert event.
pub(crate) fn stranger(
    topic: &str,
    (partition, offset): (i32, i64),
    (key, payload): (Option<&[u8]>, Option<&[u8]>),
    why: &str,
) -> Letter {
    let code = RejectCode::Undecodable;
    Letter {
        key: key.map(<[u8]>::to_vec),
        payload: payload.map(<[u8]>::to_vec),
        headers: dead_letter::headers(topic, partition, offset, code, why).to_vec(),
    }
}
